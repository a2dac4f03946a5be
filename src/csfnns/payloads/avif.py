"""Pictures as files: the best AVIF within a number of bytes, and the smallest lossless file.

The best one has the least squared error after the receiver has scaled it back. With few bytes a smaller copy of higher
quality beats a full-size one of low quality, so both are searched: the scale at the encoder's fastest speed, the quality at
a medium one, and the result at the slowest that the time allows.
"""

import io
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from csfnns.errors import UsageError
from csfnns.images.io import Picture, check_picture, fit, read_picture
from csfnns.images.metrics import psnr

LEAST_SIDE = 16
"""Shorter side of the smallest copy, in pixels."""
MAX_SIDE = 32_768
"""Longest side of an AVIF: Pillow writes longer ones, but does not read them."""

_USUAL_BITS = 0.3  # a pixel of the best copy, where the search starts
_HANDICAP = 0.15  # dB for each halving of the sides: small copies score too well at the fastest speed
_LEVELS = 63  # the encoder's own steps; Pillow's qualities 0…100 name some of them twice
_SLOPE = 0.07  # of log(bytes) over levels, for most photographs
_LARGE_COPY = 1_000_000  # pixels
_FAST = 9  # Pillow's speeds
_MIDDLE = {6: 12.0, 7: 7.0}  # time of an encode at this speed, relative to _FAST
_SLOW = {3: 13.0, 4: 7.0, 5: 3.7}  # the same, relative to speed 6
_WEBP_SIDE = 16_383
_FEW_PIXELS = 2_000_000  # larger pictures take many seconds by the better lossless methods

_Tries = dict[int, bytes]
"""AVIF of each level tried."""


@dataclass(frozen=True)
class Still:
    """A picture as AVIF."""

    data: bytes
    width: int
    height: int
    psnr: float
    """dB at the transmitted size, against the original scaled to that size."""
    original_psnr: float
    """dB at the original's size, scaled back by Lanczos."""


def best_avif(picture: Picture, room: int, *, seconds: float = 6.0) -> Still | None:
    """Find the AVIF of `picture`, uint8 (H, W, 3), within `room` bytes with the highest `original_psnr`.

    None where not even a copy with a shorter side of 16 pixels (or its own, if less) fits. Takes at most about `seconds`;
    the result depends a little on the machine's speed. Raises UsageError for a wrong array, or where Pillow lacks AVIF.
    """
    check_picture(picture)
    _check_support()
    start = time.monotonic()
    height, width = picture.shape[:2]
    largest = min(1.0, MAX_SIDE / max(height, width))
    least = min(largest, LEAST_SIDE / min(height, width))
    copy = _scaled(picture, least)
    data = _encode(copy, 0, _FAST)
    if len(data) > room:
        return None
    scale, level = _best_scale(picture, room, least, largest, start + seconds / 3)
    better = _scaled(picture, scale)
    figures = 2e-7 * height * width  # seconds of the comparisons at the end
    if found := _fill(better, room, level, start + seconds - figures):
        copy, data = better, found
    shown = read_picture(data, as_stored=True)
    whole = psnr(fit(shown, height, width), picture)
    return Still(data, shown.shape[1], shown.shape[0], psnr(shown, copy), whole)


def lossless(picture: Picture) -> bytes:
    """Return the smaller of PNG and lossless WebP of `picture`, uint8 (H, W, 3), without metadata.

    A photograph takes about a second per megapixel. Raises UsageError for a wrong array.
    """
    from PIL import Image

    check_picture(picture)
    image, few = Image.fromarray(picture), picture.size <= 3 * _FEW_PIXELS
    with io.BytesIO() as png, io.BytesIO() as webp:
        image.save(png, "PNG", optimize=few)
        if max(image.size) > _WEBP_SIDE:
            return png.getvalue()
        method, effort = (4, 75) if few else (0, 50)
        image.save(webp, "WEBP", lossless=True, exact=True, method=method, quality=effort)
        return min(png.getvalue(), webp.getvalue(), key=len)


def _best_scale(picture: Picture, room: int, least: float, largest: float, end: float) -> tuple[float, int]:
    """Scale with the best result at the fastest speed, and the level that fills the room there."""
    pixels = picture.shape[0] * picture.shape[1]
    usual = min(largest, max(least, math.sqrt(8 * room / _USUAL_BITS / pixels)))
    # All tries lack what the largest copy lacks, so it replaces the original and saves time.
    largest = min(largest, max(1.42 * usual, math.sqrt(_LARGE_COPY / pixels)))
    original = _scaled(picture, largest)
    last = math.ceil(4 * math.log2(largest / least))
    results: dict[int, tuple[float, int]] = {}

    def scale(step: int) -> float:
        return max(least, largest * 2 ** (-step / 4))

    def score(step: int) -> float:
        if not 0 <= step <= last:
            return -math.inf
        if step not in results:
            near = min(results, key=lambda other: abs(other - step), default=None)
            guess = 16 if near is None else results[near][1] + 4 * (step - near)  # as photographs need
            results[step] = _estimate(original, scale(step) / largest, room, guess)
        return results[step][0] - _HANDICAP * step / 4

    best = round(4 * math.log2(largest / usual))
    while score(best) == -math.inf and best < last:
        best += 1
    step = 1 if score(best + 1) > score(best) else -1
    while time.monotonic() < end and score(best + step) > score(best):
        best += step
    return scale(best), results[best][1]


def _estimate(original: Picture, scale: float, room: int, guess: int) -> tuple[float, int]:
    """PSNR in dB of a copy of this scale that fills the room, and its level; -inf where none fits."""
    copy = _scaled(original, scale)
    tries: _Tries = {}
    level = _search(copy, room, _FAST, guess, tries, lambda: len(tries) < 2)
    if level is None:
        return -math.inf, 0
    near = sorted(tries, key=lambda each: abs(math.log(len(tries[each]) / room)))[:2]
    figures = [psnr(fit(read_picture(tries[each], as_stored=True), *original.shape[:2]), original) for each in near]
    sizes = [math.log(len(tries[each])) for each in near]
    if level == _LEVELS or len(near) < 2 or sizes[0] == sizes[1] or math.inf in figures:
        return figures[0], level
    slope = (figures[1] - figures[0]) / (sizes[1] - sizes[0])
    return figures[0] + slope * (math.log(room) - sizes[0]), _predict(tries, room)


def _fill(copy: Picture, room: int, guess: int, end: float) -> bytes | None:
    """AVIF of the highest level that fits, as slow as the time allows; None where none fits."""
    start = time.monotonic()
    _encode(copy, guess, _FAST)
    speed, _ = _slowest(_MIDDLE, time.monotonic() - start, end) or (_FAST - 1, 0.0)
    tries: _Tries = {}
    start = time.monotonic()
    half = (start + end) / 2
    middle = _search(copy, room, speed, guess, tries, lambda: len(tries) < 3 and time.monotonic() < half)
    if middle is None:
        return None
    slowest = _slowest(_SLOW, (time.monotonic() - start) / len(tries), end)
    if speed > min(_MIDDLE) or slowest is None:
        return tries[middle]
    speed, longest = slowest
    slow: _Tries = {}
    best = _search(copy, room, speed, middle, slow, lambda: time.monotonic() + longest < end, must=False)
    return tries[middle] if best is None else slow[best]


def _slowest(costs: dict[int, float], each: float, end: float) -> tuple[int, float] | None:
    """First speed with time left for one and a half encodes, and the seconds of one; costs are in `each` seconds."""
    left = end - time.monotonic()
    return next(((speed, cost * each) for speed, cost in costs.items() if 1.5 * cost * each < left), None)


def _search(
    copy: Picture,
    room: int,
    speed: int,
    guess: int,
    tries: _Tries,
    going_on: Callable[[], bool],
    *,
    must: bool = True,
) -> int | None:
    """Add to `tries` while `going_on` and, with `must`, until one fits; return the highest level that does, or None."""
    while True:
        low = max((each for each, data in tries.items() if len(data) <= room), default=-1)
        high = min((each for each, data in tries.items() if len(data) > room), default=_LEVELS + 1)
        if low + 1 >= high or (tries and not going_on() and (low >= 0 or not must)):
            return None if low < 0 else low
        if tries:
            # Sizes that hardly depend on the level would lead down step by step.
            guess = 0 if low < 0 and len(tries) > 5 else _predict(tries, room)
        guess = min(max(guess, low + 1), high - 1)
        tries[guess] = _encode(copy, guess, speed)


def _predict(tries: _Tries, room: int) -> int:
    """Highest level that should fit, with log(bytes) linear between the two tries nearest to the room."""
    near = sorted(tries, key=lambda each: abs(math.log(len(tries[each]) / room)))[:2]
    slope = _SLOPE
    if len(near) == 2:
        slope = math.log(len(tries[near[0]]) / len(tries[near[1]])) / (near[0] - near[1])
    steps = math.log(room / len(tries[near[0]])) / max(slope, _SLOPE / 3)
    return min(max(near[0] + math.floor(steps), 0), _LEVELS)


def _scaled(picture: Picture, scale: float) -> Picture:
    if scale == 1:
        return picture
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    return fit(picture, height, width)


def _check_support() -> None:
    from PIL import features

    if not features.check("avif"):
        raise UsageError("This Pillow cannot write AVIF.", "Install one that can, or send the file as it is.")


def _encode(picture: Picture, level: int, speed: int) -> bytes:
    return _save(picture, round(100 * level / _LEVELS), speed, _tuning())


def _save(picture: Picture, quality: int, speed: int, advanced: dict[str, str] | None) -> bytes:
    from PIL import Image

    with io.BytesIO() as file:
        image = Image.fromarray(picture)
        # Chrominance at half resolution costs 0.1 to 0.7 dB over RGB, at low rates, too.
        image.save(file, "AVIF", quality=quality, speed=speed, subsampling="4:4:4", advanced=advanced)
        return file.getvalue()


@cache
def _tuning() -> dict[str, str] | None:
    """Encoder options for the least squared error; the default, perceptual tuning costs 0.5 dB."""
    import numpy as np

    options = {"tune": "psnr"}
    try:
        _save(np.zeros((8, 8, 3), np.uint8), 50, _FAST, options)
    except ValueError:  # an encoder other than libaom
        return None
    return options
