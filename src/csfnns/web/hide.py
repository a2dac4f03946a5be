"""What the rooms Hide and Reveal do with the package."""

import io
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from csfnns import sentences
from csfnns.api import hide, reveal
from csfnns.errors import UsageError
from csfnns.images.header import picture_suffixes
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import residual
from csfnns.images.output import encode_picture
from csfnns.keys import Key
from csfnns.messages.preview import LEAST_STEGO, Preview
from csfnns.messages.results import Revealed
from csfnns.messages.send import FreshCover
from csfnns.methods import METHODS, Trellis
from csfnns.payloads.secret import Source
from csfnns.search import Progress

SETTINGS = {"recovered": float, "stego": float, "quality": int, "steps": int, "beta": float}
"""Settings of methods that the page may give, with their types."""
TYPES = {"png": "image/png", "webp": "image/webp", "jpg": "image/jpeg"}
_PREVIEW_SIDE = 1600


@dataclass(frozen=True)
class Part:
    """One file of a result."""

    data: bytes
    name: str
    type: str


@dataclass(frozen=True)
class Wishes:
    """What the page asks for besides key, cover and payloads."""

    format: str = "png"
    method: str | None = None
    settings: Mapping[str, Any] | None = None
    quality: float | None = None
    """Target PSNR of the received picture in dB, as the slider says."""
    survive: tuple[str, ...] = ()
    resize: int | None = None
    dated: bool = True


def run_hide(
    payloads: Mapping[str, Source], key: Key, cover: FreshCover | None, wishes: Wishes, covers: Any, progress: Progress
) -> tuple[dict[str, Any], dict[str, Part]]:
    """Hide, and describe the result as the command line does. Raises CsfnnsError."""
    if wishes.format not in TYPES:
        raise UsageError(f"format must be one of {', '.join(TYPES)}, got {wishes.format!r}.", "")
    found = hide(
        payloads[""] if list(payloads) == [""] else payloads,
        key,
        format=wishes.format,  # type: ignore[arg-type]
        method=method_of(key, wishes),
        resize=wishes.resize,
        dated=wishes.dated,
        covers=None if cover is not None else covers,
        cover=cover,
        progress=progress,
    )
    smaller = None if wishes.resize else "A smaller picture arrives clearer."
    about = {"sentences": sentences.hidden(found, "The picture is ready", smaller=smaller)}
    about["warnings"] = list(found.warnings)
    part = Part(found.data, f"picture.{wishes.format}", TYPES[wishes.format])
    return about | sentences.hidden_json(found), {"stego": part}


def run_reveal(stego: bytes, key: Key, receiver: str | None, covers: Any) -> tuple[dict[str, Any], dict[str, Part]]:
    """Reveal, and describe the result as the command line does. Raises CsfnnsError."""
    found = reveal(stego, key, receiver=receiver, covers=covers)
    lines = [sentences.revealed(found)]
    if not found.unchanged:
        lines.append(sentences.CHANGED)
    about: dict[str, Any] = {"state": "unchanged" if found.unchanged else "changed", "sentences": lines}
    about |= {"kind": found.kind, "name": found.file_name, "author": found.author, "receiver": found.receiver}
    about |= {"message": found.id, "sent": None if found.sent is None else found.sent.isoformat()}
    secret = _secret(found)
    parts = {"secret": secret}
    about["bytes"] = len(secret.data)
    if found.kind == "text":
        about["text"] = found.text
    elif found.kind == "picture":
        picture = found.picture
        about |= {"width": picture.shape[1], "height": picture.shape[0]}
        parts["preview"] = Part(encode_picture(_shown(picture), ".png"), "preview.png", "image/png")
    return about, parts


def _secret(found: Revealed) -> Part:
    if found.content is None:
        return Part(encode_picture(found.picture, ".png"), found.file_name, "image/png")
    return Part(found.content, found.file_name, "application/octet-stream")


def draw_preview(preview: Preview, quality: float | None, progress: Progress) -> tuple[dict[str, Any], bytes]:
    """What the page shows at a place of the slider, and RGBA of the stego, its difference x10, and what arrives."""
    found = preview.at(quality, progress)
    what, how = sentences.arrival(found.arrival)
    psnr = found.arrival.original_psnr
    finite = psnr is not None and math.isfinite(psnr)
    shown = found.shown
    height, width = (0, 0) if shown is None else shown.shape[:2]
    about: dict[str, Any] = {"width": preview.cover.shape[1], "height": preview.cover.shape[0]}
    about["arrives"] = {"width": width, "height": height, "psnr": psnr if finite else None}
    figure = f" ({psnr:.1f} dB)" if finite else ""
    line = f"{what} arrives {how}{figure}; {sentences.about_stego(found.stego_psnr)}"
    about["sentence"] = f"{line[:1].upper()}{line[1:]} ({found.stego_psnr:.1f} dB)."
    about["stego_psnr"] = found.stego_psnr if math.isfinite(found.stego_psnr) else None
    pictures = [found.stego, residual(found.stego, preview.cover, 10), *([] if shown is None else [shown])]
    return about, b"".join(map(_rgba, pictures))


def thumbnail(picture: Picture) -> bytes:
    """A cover for the gallery, as WebP."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(_shown(picture, 768)).save(buffer, "WEBP", quality=90, method=2)
    return buffer.getvalue()


def describe_upload(data: bytes) -> dict[str, Any]:
    """Kind of an upload, and the size of a picture."""
    from csfnns.errors import PictureError
    from csfnns.images.io import picture_size

    try:
        height, width = picture_size(data)
    except PictureError:
        kind = "picture" if picture_suffixes(data) in ((".heic", ".heif", ".hif"),) else "file"
        return {"kind": kind, "width": None, "height": None}
    return {"kind": "picture", "width": width, "height": height}


def method_of(key: Key, wishes: Wishes) -> Any:
    """Method with its settings, or None to let the package choose. Raises UsageError."""
    settings = {name: _checked(name, value) for name, value in (wishes.settings or {}).items() if value is not None}
    name = wishes.method
    if wishes.quality is not None and name in (None, "trellis") and not (settings or wishes.survive):
        return Trellis(recovered=wishes.quality, stego=LEAST_STEGO)
    if name is None and not (settings or wishes.survive):
        return None
    if name is None:
        usual = {"trellis": "trellis", "robust": "robust"}.get(key.profile.decoder, "paper")
        name = "robust" if wishes.survive else "jpeg" if "quality" in settings else usual
    if wishes.survive:
        settings["survive"] = wishes.survive
    try:
        return METHODS.make(name, **settings)
    except TypeError:
        raise UsageError(f"The method {name!r} has no setting {', '.join(settings)}.", "Leave it out.") from None


def _checked(name: str, value: Any) -> Any:
    if name not in SETTINGS:
        raise UsageError(f"There is no setting {name!r}.", f"Choose from: {', '.join(SETTINGS)}.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{name} must be a number, got {value!r}.", "")
    return SETTINGS[name](value)


def _shown(picture: Picture, side: int = _PREVIEW_SIDE) -> Picture:
    height, width = picture.shape[:2]
    scale = side / max(height, width)
    return picture if scale >= 1 else fit(picture, max(1, round(scale * height)), max(1, round(scale * width)))


def _rgba(picture: Picture) -> bytes:
    rgba = np.full((*picture.shape[:2], 4), 255, np.uint8)
    rgba[..., :3] = picture
    return rgba.tobytes()
