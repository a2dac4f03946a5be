"""What is measured of a trial. All distances are between 8-bit pictures."""

import io
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from itertools import count
from statistics import fmean
from typing import TYPE_CHECKING

from csfnns.experiments.base import (
    CORRECTED,
    HERE,
    PUBLISHED,
    Figures,
    Measured,
    Recovered,
    Value,
    denoised,
)
from csfnns.experiments.methods import Trial, fingerprint, recover
from csfnns.extras import has
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import apd, compare
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.images.lpips import Lpips, Network

UNREADABLE = "nothing could be read"
JPEG_QUALITY = 90
"""Of Table 3's compression."""
NO_COVER = "receivers need no cover"

LPIPS_NETWORK: "Network" = "alex"
"""The paper does not name its network; this is the usual one."""


def quality(trial: Trial) -> Measured:
    """PSNR, SSIM and LPIPS of stego and recovered pictures: means over receivers."""
    return _with_denoised(trial, lambda clean: {HERE: _both(trial, lpips=True, clean=clean)})


def fidelity(trial: Trial) -> Measured:
    """PSNR and SSIM of stego and recovered pictures."""
    return _with_denoised(trial, lambda clean: {HERE: _both(trial, clean=clean)})


def raw_fidelity(trial: Trial) -> Measured:
    """PSNR and SSIM of stego pictures, and of recovered ones before any denoiser."""
    return {HERE: _both(trial)}


def after_jpeg(trial: Trial) -> Measured:
    """Table 3. Corrected: the stego is compressed once. As published: an adapted stego was compressed before that."""
    once = compressed(trial.stego)
    twice = compressed(once) if trial.method.adapted else None

    def figures(clean: bool) -> Measured:
        found = {CORRECTED: _stego(trial, trial.stego) | _recovered(trial, once, clean=clean)}
        if twice is not None:
            found[PUBLISHED] = _stego(trial, once) | _recovered(trial, twice, clean=clean)
        return found

    return _with_denoised(trial, figures)


def compressed(picture: Picture) -> Picture:
    """The picture after one JPEG compression: baseline, quality 90, colours at half the resolution (4:2:0)."""
    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=JPEG_QUALITY, subsampling="4:2:0")
    return read_picture(buffer.getvalue())


def times(trial: Trial) -> Measured:
    """Table 4: seconds for cover, search and decoding, and their sums."""
    from csfnns.covers import make_generator

    search, decoding = trial.search_seconds, _second_time(lambda: recover(trial))
    found: dict[str, Value] = {"search": search, "decoding": decoding}
    if trial.method.decoder_input != "perturbation":
        return {HERE: {**found, "cover": NO_COVER, "embedding": search, "extraction": decoding}}
    generator, number = make_generator(trial.profile), count(1)
    root = Seed(sha256(b"csfnns/2/experiments").digest())
    # A new cover each time, so that nothing is reused.
    cover = _second_time(lambda: generator(root.derive(f"csfnns/2/experiment/timing/{next(number)}")))
    return {HERE: {**found, "cover": cover, "embedding": cover + search, "extraction": cover + decoding}}


def _second_time(work: Callable[[], object]) -> float:
    """Seconds of the second of two calls: the first may have to load libraries."""
    work()
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def several_receivers(trial: Trial) -> Measured:
    """Table 5. Corrected: means over receivers. As published: the last receiver's LPIPS divided by their number."""
    stego = _stego(trial, trial.stego, lpips=True)

    def figures(clean: bool) -> Measured:
        each = _receivers(trial, trial.stego, lpips=True, clean=clean)
        corrected = stego | _means(each)
        last = each[-1]["lpips"]
        share: Value = last if isinstance(last, str) else last / len(each)
        return {CORRECTED: corrected, PUBLISHED: corrected | {"recovered_lpips": share}}

    return _with_denoised(trial, figures)


def _with_denoised(trial: Trial, measure: Callable[[bool], Measured]) -> Measured:
    """Every variant, and again with denoised pictures for methods whose pictures are noisy, where that is possible."""
    from csfnns.images.denoise import helps

    raw = measure(False)
    noisy = trial.method.decoder_input is not None and (not trial.profile.has_header or helps(trial.profile))
    if not noisy or denoiser_setting() is None:
        return raw
    return {**raw, **{denoised(variant): figures for variant, figures in measure(True).items()}}


def denoiser_setting() -> str | None:
    """Digest of the denoiser's weights; None where this installation has none."""
    from csfnns.images.denoise import external_weights

    external = external_weights()
    if external is not None:
        return fingerprint(external)
    path = files("csfnns") / "weights" / "denoiser.safetensors"
    return sha256(path.read_bytes()).hexdigest() if path.is_file() else None


def _both(trial: Trial, *, lpips: bool = False, clean: bool = False) -> dict[str, Value]:
    return _stego(trial, trial.stego, lpips=lpips) | _recovered(trial, trial.stego, lpips=lpips, clean=clean)


def _stego(trial: Trial, stego: Picture, *, lpips: bool = False) -> dict[str, Value]:
    """Stego against cover."""
    return {f"stego_{key}": value for key, value in distance(trial.cover, stego, lpips=lpips).items()}


def _recovered(trial: Trial, stego: Picture, *, lpips: bool = False, clean: bool = False) -> dict[str, Value]:
    """What receivers get from that stego, against their secrets: means."""
    return _means(_receivers(trial, stego, lpips=lpips, clean=clean))


def _means(receivers: Sequence[Figures]) -> dict[str, Value]:
    return {f"recovered_{key}": mean([figures[key] for figures in receivers]) for key in receivers[0]}


def _receivers(trial: Trial, stego: Picture, *, lpips: bool, clean: bool) -> Sequence[Figures]:
    """Distance of each receiver's picture from their secret, both on the decoder's grid."""
    pictures = [None if got is None else _shown(got, clean=clean) for got in recover(trial, stego)]
    pairs = zip(trial.secrets.values(), pictures, strict=True)
    return [distance(secret, picture, lpips=lpips) for secret, picture in pairs]


def _shown(got: Recovered, *, clean: bool) -> Picture:
    """The picture, or what `reveal` makes of it with the denoiser."""
    from csfnns.images.denoise import denoise

    return denoise(got.picture, got.expected_psnr) if clean else got.picture


def distance(a: Picture, b: Picture | None, *, lpips: bool) -> Mapping[str, Value]:
    """PSNR in dB, SSIM, APD and, on request, LPIPS; the reason instead of each where there is no picture."""
    if b is None:
        return dict.fromkeys(("psnr", "ssim", "apd", *(["lpips"] if lpips else [])), UNREADABLE)
    figures = compare(a, b)
    ssim: Value = "too small for SSIM" if figures.ssim is None else figures.ssim
    values: dict[str, Value] = {"psnr": figures.psnr, "ssim": ssim, "apd": apd(a, b)}
    return values | {"lpips": perceptual(a, b)} if lpips else values


def mean(values: Sequence[Value]) -> Value:
    """Mean of figures; the first reason if one is missing."""
    missing = [value for value in values if isinstance(value, str)]
    return missing[0] if missing else fmean(float(value) for value in values)


def lpips_setting() -> str | None:
    """Network of the LPIPS measured here, with a digest of its weights; None where these are missing."""
    metric = _lpips()
    return None if isinstance(metric, str) else f"{LPIPS_NETWORK} {_digest(metric)}"


def lpips_missing() -> str | None:
    """Why LPIPS cannot be measured here; None where it can."""
    metric = _lpips()
    return metric if isinstance(metric, str) else None


def perceptual(a: Picture, b: Picture) -> Value:
    """LPIPS, or the reason why there is none."""
    from csfnns.images.lpips import LEAST_SIDE

    metric = _lpips()
    if isinstance(metric, str):
        return f"LPIPS: {metric}"
    return metric(a, b) if min(a.shape[:2]) >= LEAST_SIDE else "too small for LPIPS"


def _lpips() -> "Lpips | str":
    """The metric, or the reason why there is none. Raises UsageError for files that hold something else."""
    if not has("network"):
        return "it needs the extra 'network': pip install 'csfnns[network]'"
    from csfnns.images.lpips import ENVIRONMENT

    return _load_lpips(os.environ.get(ENVIRONMENT))


@cache
def _load_lpips(folder: str | None) -> "Lpips | str":
    from csfnns.images.lpips import Missing, load_lpips

    metric = load_lpips(LPIPS_NETWORK)
    return metric.reason if isinstance(metric, Missing) else metric


@cache
def _digest(metric: "Lpips") -> str:
    """SHA-256 of the numbers that it computes with, whichever files they came from."""
    tensors = [*metric._backbone.state_dict().values(), *metric._heads]
    return sha256(b"".join(tensor.numpy().tobytes() for tensor in tensors)).hexdigest()
