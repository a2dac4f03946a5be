"""Colours and transparency of a file as opaque sRGB.

What a PNG says about its colours counts in the order of the PNG specification (third edition, 4.3): cICP, iCCP, sRGB,
then gAMA and cHRM. Other formats have an ICC profile or nothing, which means sRGB.
"""

import contextlib
import io
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from PIL import Image as Pil

F64 = npt.NDArray[np.float64]
U8 = npt.NDArray[np.uint8]
Chromaticities = tuple[float, ...]
"""x and y of white, red, green and blue (CIE 1931): 8 numbers."""

_D65 = (0.3127, 0.3290)
_SRGB = (*_D65, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06)
_PRIMARIES: dict[int, Chromaticities] = {  # ITU-T H.273, Table 2
    1: _SRGB,
    5: (*_D65, 0.64, 0.33, 0.29, 0.60, 0.15, 0.06),
    6: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    7: (*_D65, 0.630, 0.340, 0.310, 0.595, 0.155, 0.070),
    9: (*_D65, 0.708, 0.292, 0.170, 0.797, 0.131, 0.046),  # BT.2020
    11: (0.314, 0.351, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # DCI-P3
    12: (*_D65, 0.680, 0.320, 0.265, 0.690, 0.150, 0.060),  # Display P3
}
_BRADFORD = np.array([[0.8951, 0.2664, -0.1614], [-0.7502, 1.7135, 0.0367], [0.0389, -0.0685, 1.0296]])
_WHITE_NITS = 203.0  # luminance of white in pictures of high dynamic range: ITU-R BT.2408
_BAND = 1 << 20  # pixels that are converted at a time
_EDGES = 20_000  # steps of the alpha that are looked at in a band
_NEAR = 32  # levels between a colour and its ground that an eye may miss


def to_srgb(image: "Pil.Image") -> U8:
    """Colours of an image without alpha, converted to sRGB: uint8 (H, W, 3). What cannot be understood is ignored."""
    info = image.info
    described = _from_cicp(info.get("cicp"))
    if described is None and not info.get("icc_profile") and "srgb" not in info:
        described = _from_tags(info.get("gamma"), info.get("chromaticity"))
    if described is not None:
        return _converted(np.array(image.convert("RGB")), *described)
    image = _by_profile(image)
    return np.array(image if image.mode == "RGB" else image.convert("RGB"))


def _by_profile(image: "Pil.Image") -> "Pil.Image":
    """The image converted from its ICC profile; as it is where that is absent, broken or for other channels."""
    from PIL import ImageCms

    if image.mode == "LAB":
        lab, srgb = ImageCms.createProfile("LAB"), ImageCms.createProfile("sRGB")
        return ImageCms.applyTransform(image, ImageCms.buildTransform(lab, srgb, "LAB", "RGB"))  # type: ignore[return-value]
    if image.mode not in ("L", "RGB", "CMYK"):
        image = image.convert("L" if image.mode in ("1", "LA", "La") else "RGB")
    profile = image.info.get("icc_profile")
    if profile:
        with contextlib.suppress(ImportError, OSError, ImageCms.PyCMSError):
            source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
            transform = ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), image.mode, "RGB")
            if image.mode != "RGB" or _changes_colours(transform):
                return ImageCms.applyTransform(image, transform)  # type: ignore[return-value]
    return image


def _changes_colours(transform: Any) -> bool:
    """Whether a transform of RGB changes colours by more than the rounding of a profile that is sRGB itself."""
    from PIL import Image, ImageCms

    steps = np.linspace(0, 255, 16).astype(np.uint8)
    lattice = np.stack(np.meshgrid(steps, steps, steps), axis=-1).reshape(64, 64, 3)
    out = np.asarray(ImageCms.applyTransform(Image.fromarray(lattice), transform))
    return bool(np.abs(out.astype(int) - lattice).max() > 2)


def _from_cicp(chunk: bytes | None) -> tuple[F64, Chromaticities] | None:
    """Light of each level, (256,), 1 for white, and primaries; None for codes that are not known here."""
    if chunk is None:
        return None
    primaries, transfer, matrix, full = chunk
    light = _TRANSFERS.get(transfer)
    if light is None or primaries not in _PRIMARIES or matrix != 0:
        return None
    levels = np.arange(256.0)
    return light((levels / 255 if full else (levels - 16) / 219).clip(0, 1)), _PRIMARIES[primaries]


def _from_tags(gamma: float | None, primaries: Chromaticities | None) -> tuple[F64, Chromaticities] | None:
    """The same for gAMA and cHRM."""
    levels = np.arange(256) / 255
    # 1/2.2 stands for sRGB's own curve: writers of sRGB add it for programs that know no other tag.
    light = _srgb_light(levels) if not gamma or abs(gamma - 1 / 2.2) < 0.005 else levels ** (1 / gamma)
    if not primaries or np.abs(np.subtract(primaries, _SRGB)).max() < 0.002:
        primaries = _SRGB
    if primaries is _SRGB and np.array_equal(light, _srgb_light(levels)):
        return None
    return light, primaries


def _srgb_light(x: F64) -> F64:
    """Light of an sRGB value [IEC 61966-2-1]."""
    return np.where(x <= 0.04045, x / 12.92, ((x + 0.055) / 1.055) ** 2.4)


def _pq_light(x: F64) -> F64:
    """Light of a PQ value [SMPTE ST 2084]: 10 000 cd/m² at most, of which 203 are white."""
    root = x ** (32 / 2523)
    return 10_000 / _WHITE_NITS * (np.maximum(root - 107 / 128, 0) / (2413 / 128 - 2392 / 128 * root)) ** (8192 / 1305)


def _hlg_light(x: F64) -> F64:
    """Light of an HLG value [ITU-R BT.2100] on a screen of 1000 cd/m², its system gamma taken for each colour alone."""
    scene = np.where(x <= 0.5, x**2 / 3, (np.exp((x - 0.55991073) / 0.17883277) + 0.28466892) / 12)
    return 1000 / _WHITE_NITS * scene**1.2


_TRANSFERS: dict[int, Callable[[F64], F64]] = {  # ITU-T H.273, Table 3
    **dict.fromkeys((1, 6, 13, 14, 15), _srgb_light),  # screens show those of video about as sRGB
    4: lambda x: x**2.2,
    5: lambda x: x**2.8,
    8: lambda x: x,
    16: _pq_light,
    18: _hlg_light,
}


def _converted(picture: U8, light: F64, primaries: Chromaticities) -> U8:
    """Levels (H, W, 3), whose light is known, as sRGB; colours outside sRGB are clipped."""
    if primaries == _SRGB:
        return _srgb_levels(light)[picture]
    matrix = (np.linalg.inv(_to_xyz(_SRGB)) @ _to_xyz(primaries)).T
    rows = max(1, _BAND // picture.shape[1])
    for top in range(0, len(picture), rows):
        picture[top : top + rows] = _srgb_levels(light[picture[top : top + rows]] @ matrix)
    return picture


def _srgb_levels(light: F64) -> U8:
    """Levels of light, rounded."""
    light = light.clip(0, 1)
    value = np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    return np.floor(255 * value + 0.5).astype(np.uint8)


def _to_xyz(primaries: Chromaticities) -> F64:
    """Matrix from light to CIE XYZ relative to D65 [SMPTE RP 177], other whites adapted by Bradford's transform."""
    xy = np.array(primaries).reshape(4, 2)
    white, *colours = np.stack([xy[:, 0], xy[:, 1], 1 - xy.sum(axis=1)], axis=1) / xy[:, 1:]
    columns = np.array(colours).T
    d65 = np.array([_D65[0], _D65[1], 1 - sum(_D65)]) / _D65[1]
    adapt = np.linalg.inv(_BRADFORD) @ np.diag((_BRADFORD @ d65) / (_BRADFORD @ white)) @ _BRADFORD
    return np.asarray(adapt @ columns @ np.diag(np.linalg.solve(columns, white)))


def flatten(colour: U8, alpha: U8) -> tuple[U8, float]:
    """Colours (H, W, 3) with alpha (H, W) laid over white, or over black where that shows more.

    Returns the opaque picture, and the share of the outlines, 0…1, that do not stand out from the ground.
    """
    white, black = (_hidden(colour, alpha, ground) for ground in (255, 0))
    ground, hidden = (0, black) if black + 0.1 < white else (255, white)
    flat = np.empty_like(colour)
    rows = max(1, _BAND // colour.shape[1])
    for top in range(0, len(colour), rows):
        part = slice(top, top + rows)
        a = alpha[part, :, None].astype(np.uint16)
        flat[part] = (colour[part] * a + ground * (255 - a) + 127) // 255
    return flat, hidden


def _hidden(colour: U8, alpha: U8, ground: int) -> float:
    """Share of the alpha's edges that differ by less than a colour near the ground's would make them."""
    if not alpha.any():
        return 1.0
    lost = whole = 0
    for colours, alphas in ((colour, alpha), (colour.swapaxes(0, 1), alpha.T)):
        rows = max(1, _BAND // alphas.shape[1])
        for top in range(0, len(alphas) - 1, rows):
            c, a = colours[top : top + rows + 1], alphas[top : top + rows + 1]
            edges = np.flatnonzero(a[1:] != a[:-1])
            y, x = np.divmod(edges[:: 1 + len(edges) // _EDGES], a.shape[1])  # a sample is enough
            above, below = ((c[i, x].astype(np.int32) - ground) * a[i, x, None] for i in (y, y + 1))
            steps = np.abs(a[y + 1, x].astype(np.int32) - a[y, x])  # the colours are 255 times what is seen
            lost += int(steps[np.abs(below - above).max(axis=1) < _NEAR * steps].sum())
            whole += int(steps.sum())
    return lost / whole if whole else 0.0
