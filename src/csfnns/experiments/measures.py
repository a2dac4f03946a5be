"""What is measured of a trial. All distances are of 8-bit pictures."""

import os
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from statistics import fmean
from typing import TYPE_CHECKING

from csfnns.experiments.base import HERE, Figures, Found, Measured, Trial, Value, denoised
from csfnns.extras import has
from csfnns.measure import compare
from csfnns.picture import Picture

if TYPE_CHECKING:
    from csfnns.lpips import Lpips, Network

UNREADABLE = "nothing could be read"

DENOISED = (
    "The paper's recovered figures are after its denoiser (DnCNN). Lines that say so are after csfnns's own, a smaller"
    " one; the others are what the decoder gives."
)

RAW = "Recovered pictures are as the decoder gives them, before any denoiser."

LPIPS_NETWORK: "Network" = "alex"
"""The paper does not say which; this is the usual one."""


def quality(trial: Trial) -> Measured:
    """PSNR, SSIM and LPIPS of stego and recovered pictures: means over receivers."""
    return with_denoised(
        trial,
        lambda clean: {
            HERE: stego_figures(trial.cover, trial.stego, lpips=True)
            | recovered_figures(trial, lpips=True, clean=clean)
        },
    )


def fidelity(trial: Trial) -> Measured:
    """PSNR and SSIM of stego and recovered pictures."""
    return with_denoised(
        trial,
        lambda clean: {HERE: stego_figures(trial.cover, trial.stego) | recovered_figures(trial, clean=clean)},
    )


def raw_fidelity(trial: Trial) -> Measured:
    """PSNR and SSIM of stego pictures, and of recovered ones as the decoder gives them."""
    return {HERE: stego_figures(trial.cover, trial.stego) | recovered_figures(trial)}


def with_denoised(trial: Trial, measure: Callable[[bool], Measured]) -> Measured:
    """Every variant, and again with denoised pictures for methods whose pictures are noisy, where that can be done."""
    from csfnns.denoise import helps

    raw = measure(False)
    noisy = trial.seen is not None and (not trial.profile.has_header or helps(trial.profile))
    if not noisy or denoiser_setting() is None:
        return raw
    return {**raw, **{denoised(variant): figures for variant, figures in measure(True).items()}}


def denoiser_setting() -> str | None:
    """Digest of the denoiser's weights; None where this installation has none."""
    path = files("csfnns") / "weights" / "denoiser.safetensors"
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def stego_figures(cover: Picture, stego: Picture, *, lpips: bool = False) -> dict[str, Value]:
    """Stego against cover."""
    return {f"stego_{key}": value for key, value in distance(cover, stego, lpips=lpips).items()}


def recovered_figures(
    trial: Trial, stego: Picture | None = None, *, lpips: bool = False, clean: bool = False
) -> dict[str, Value]:
    """What receivers get, from the stego or from what has become of it, against their secrets: means."""
    each = receivers_figures(trial, stego, lpips=lpips, clean=clean)
    return {f"recovered_{key}": mean([figures[key] for figures in each]) for key in each[0]}


def receivers_figures(
    trial: Trial, stego: Picture | None = None, *, lpips: bool = False, clean: bool = False
) -> Sequence[Figures]:
    """Distance of each receiver's picture from his secret, both on the decoder's grid."""
    pictures = [None if found is None else _shown(found, clean=clean) for found in trial.recover(stego)]
    pairs = zip(trial.secrets.values(), pictures, strict=True)
    return [distance(secret, picture, lpips=lpips) for secret, picture in pairs]


def _shown(found: Found, *, clean: bool) -> Picture:
    """The picture, or what `reveal` makes of it with the denoiser."""
    from csfnns.denoise import denoise

    return denoise(found.picture, found.expected_psnr) if clean else found.picture


def distance(a: Picture, b: Picture | None, *, lpips: bool) -> Mapping[str, Value]:
    """PSNR in dB, SSIM and, if asked for, LPIPS; the reason instead of each where there is no picture."""
    if b is None:
        return dict.fromkeys(("psnr", "ssim", "lpips") if lpips else ("psnr", "ssim"), UNREADABLE)
    figures = compare(a, b)
    ssim: Value = "too small for SSIM" if figures.ssim is None else figures.ssim
    values: dict[str, Value] = {"psnr": figures.psnr, "ssim": ssim}
    return values | {"lpips": perceptual(a, b)} if lpips else values


def mean(values: Sequence[Value]) -> Value:
    """Mean of figures; the first reason if one is missing."""
    missing = [value for value in values if isinstance(value, str)]
    return missing[0] if missing else fmean(float(value) for value in values)


def lpips_setting() -> str | None:
    """Network whose LPIPS is measured here, with a digest of its weights; None where these are missing."""
    metric = _lpips()
    return None if isinstance(metric, str) else f"{LPIPS_NETWORK} {_digest(metric)}"


def lpips_missing() -> str | None:
    """Why there is no LPIPS here; None where there is."""
    metric = _lpips()
    return metric if isinstance(metric, str) else None


def perceptual(a: Picture, b: Picture) -> Value:
    """LPIPS, or the reason why there is none."""
    from csfnns.lpips import LEAST_SIDE

    metric = _lpips()
    if isinstance(metric, str):
        return f"LPIPS: {metric}"
    return metric(a, b) if min(a.shape[:2]) >= LEAST_SIDE else "too small for LPIPS"


def _lpips() -> "Lpips | str":
    """The metric, or the reason why there is none. Raises UsageError for files that hold something else."""
    if not has("network"):
        return "it needs the extra 'network': pip install 'csfnns[network]'"
    from csfnns.lpips import ENVIRONMENT

    return _load_lpips(os.environ.get(ENVIRONMENT))


@cache
def _digest(metric: "Lpips") -> str:
    """SHA-256 of the numbers that it computes with, whatever files they came from."""
    tensors = [*metric._backbone.state_dict().values(), *metric._heads]
    return sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()


@cache
def _load_lpips(folder: str | None) -> "Lpips | str":
    from csfnns.lpips import Missing, load_lpips

    metric = load_lpips(LPIPS_NETWORK)
    return metric.reason if isinstance(metric, Missing) else metric
