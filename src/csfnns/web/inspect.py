"""What the room "Inspect" shows of a picture: what detectors see in it, and how little that proves."""

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from csfnns.api import Place, cover_of
from csfnns.errors import Cancelled, CoverError, NoMessageError, UsageError
from csfnns.extras import has
from csfnns.images.header import STEGO_FORMATS, picture_format
from csfnns.images.io import Picture
from csfnns.images.metrics import compare, residual
from csfnns.images.output import encode_picture
from csfnns.images.sandbox import count_frames, read_shown, read_stored
from csfnns.keys import Key
from csfnns.messages.stego import positions
from csfnns.search import Progress
from csfnns.sentences import decibels, figures_json
from csfnns.steganalysis import DETECTORS, make_detector
from csfnns.steganalysis.visual import energy_picture, residual_picture

SIDE = 2048
"""Of larger pictures, the middle of so many pixels a side is analysed: scaling would remove what detectors look for."""
NETWORK_SIDE = 512
"""The same for networks, which need seconds for so much, and were measured on pictures of this size."""
_SAMPLE = 4  # every fourth pixel decides how a picture was turned

NO_PROOF = (
    "A suspicious score is no proof: detectors raise false alarms, and a generated picture may look suspicious to them"
    " whether it holds something or not."
)
NO_ALL_CLEAR = "A low score is no proof that nothing is hidden: detectors find only what they know."


SUSPICIOUS, UNSUSPICIOUS = "suspicious", "not suspicious"
_UNTRAINED = "It has to be trained first: csfnns steganalysis train. Then csfnns steganalysis score --model uses it."


@dataclass(frozen=True, kw_only=True)
class Score:
    """What one detector says."""

    detector: str
    help: str
    meaning: str = ""
    """What a score means, in a sentence."""
    threshold: float | None = None
    false_alarms: str = ""
    """How many plain pictures are above the threshold, in words."""
    verdict: str
    """One of SUSPICIOUS, UNSUSPICIOUS, "no threshold", "too small" and "not available"."""
    reason: str = ""
    """Why a detector is not available."""
    score: float | None = None
    cover_score: float | None = None
    """Score of the plain cover or of the reference, where there is one."""


def inspect(
    upload: bytes,
    reference: bytes | None = None,
    key: Key | None = None,
    *,
    covers: Place | None = None,
    progress: Progress | None = None,
) -> tuple[dict[str, Any], dict[str, bytes]]:
    """Analyse a picture, beside a reference, or beside the plain cover that is made again from the key and `covers`.

    Returns the result for programs (`sentences`, `scores`, `histogram` of red, green and blue, `figures` where the picture
    was compared) and PNG files by name: `residual`, `energy`, and `difference`, ten times, where it was compared. A picture
    that is not for the key is analysed without a cover. Raises PictureError for what cannot be read, and Cancelled when
    `progress`, which gets the detectors done and all of them, returns False.
    """
    picture = _read(upload)
    histogram = [np.bincount(picture[..., c].reshape(-1), minlength=256).tolist() for c in range(3)]
    sentences = list[str]()
    cover = None if key is None else _cover(upload, key, covers, sentences)
    other = cover if reference is None else _read(reference)
    figures, parts = None, dict[str, Picture]()
    if other is not None:
        what = "the reference" if reference is not None else "the plain cover"
        turned = _turned_like(picture, other)
        if turned is None:
            sizes = " and ".join(f"{each.shape[1]}x{each.shape[0]}" for each in (picture, other))
            sentences.append(f"The picture and {what} have {sizes} pixels, so there is no difference to show.")
        else:
            if not np.array_equal(turned, picture):
                sentences.append("The picture was turned or mirrored on its way, and is turned back to be compared.")
            a, b = middle(turned, SIDE), middle(other, SIDE)
            figures, parts["difference"] = compare(a, b), residual(a, b)
            sentences.append(_compared(figures.psnr, figures.changed, what))
    if max(picture.shape[:2]) > SIDE:
        sentences.append(
            f"The picture has {picture.shape[1]}x{picture.shape[0]} pixels. The histogram is of all of it, and the rest of"
            f" its middle of at most {SIDE}x{SIDE}, pixel for pixel."
        )
    picture = middle(picture, SIDE)
    plain = cover if cover is not None else other
    scores = _scores(picture, None if plain is None else middle(plain, SIDE), progress)
    sentences += _meaning(scores, None if plain is None else "plain cover" if plain is cover else "reference")
    parts = {"residual": residual_picture(picture), "energy": energy_picture(picture), **parts}
    result = {"sentences": sentences, "scores": [asdict(score) for score in scores], "histogram": histogram}
    if figures is not None:
        result["figures"] = figures_json(figures)
    return result, {name: encode_picture(part, ".png") for name, part in parts.items()}


def middle(picture: Picture, side: int) -> Picture:
    """The middle of a picture, at most `side` pixels in each direction; the picture itself where it is no larger."""
    height, width = picture.shape[:2]
    if max(height, width) <= side:
        return picture
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return picture[top : top + side, left : left + side].copy()


def _read(data: bytes) -> Picture:
    """Levels as the file stores them, which detectors look at; those that are shown, of formats that no stego has."""
    name = "The picture"
    if picture_format(data) in STEGO_FORMATS and count_frames(data, name) == 1:
        return read_stored(data, name)
    return read_shown(data, name).picture


def _cover(upload: bytes, key: Key, covers: Place | None, sentences: list[str]) -> Picture | None:
    """Plain cover of a stego of the key; otherwise None, and a sentence more."""
    try:
        return cover_of(upload, key, covers=covers)
    except (NoMessageError, CoverError) as error:
        sentences.append(f"There is no plain cover to compare with: {error.message}")
        return None


def _turned_like(picture: Picture, other: Picture) -> Picture | None:
    """The picture, turned and mirrored so that it differs least from another; None where no position has its size."""

    def distance(position: Picture) -> float:
        sample = position[::_SAMPLE, ::_SAMPLE].astype(np.int16)
        return float(np.abs(sample - other[::_SAMPLE, ::_SAMPLE]).mean())

    every = positions(picture) if picture.size <= 3 * SIDE**2 else iter([picture])
    return min((each for each in every if each.shape == other.shape), key=distance, default=None)


def _compared(psnr: float, changed: float, what: str) -> str:
    if changed == 0:
        return f"The picture equals {what}, pixel for pixel."
    return f"The picture differs from {what} in {100 * changed:.1f} % of its levels, at {decibels(psnr)}."


def _scores(picture: Picture, plain: Picture | None, progress: Progress | None) -> list[Score]:
    """Score of every detector; some are not available here."""
    scores, entries = list[Score](), DETECTORS.entries()
    for done, (name, help) in enumerate(DETECTORS.help().items()):
        if progress is not None and progress(done, len(DETECTORS)) is False:
            raise Cancelled("The inspection was cancelled.")
        entry = entries.get(name)
        if entry is None:  # its package cannot be loaded, and the line of help says why
            scores.append(Score(detector=name, help=help, verdict="not available", reason=help))
            continue
        side = NETWORK_SIDE if entry.kind == "network" else SIDE
        about: dict[str, Any] = {
            "meaning": entry.meaning,
            "threshold": entry.threshold,
            "false_alarms": entry.false_alarms,
        }
        try:
            detector = make_detector(name)
            score = _number(detector.score(middle(picture, side)))
            cover_score = None if plain is None else _number(detector.score(middle(plain, side)))
        except UsageError as error:
            reason = error.message if entry.kind == "statistic" or not has("network") else _UNTRAINED
            scores.append(Score(detector=name, help=help, verdict="not available", reason=reason, **about))
            continue
        verdict = _verdict(score, entry.threshold)
        scores.append(Score(detector=name, help=help, verdict=verdict, score=score, cover_score=cover_score, **about))
    return scores


def _meaning(scores: list[Score], plain: str | None) -> list[str]:
    """What the scores mean together, in sentences."""
    judged = [each for each in scores if each.verdict in (SUSPICIOUS, UNSUSPICIOUS)]
    suspected = [each for each in judged if each.verdict == SUSPICIOUS]
    names = ", ".join(each.detector for each in suspected)
    sentences = [f"None of {len(judged)} detectors suspects the picture."]
    if suspected:
        verb = "suspects" if len(suspected) == 1 else "suspect"
        sentences = [f"{len(suspected)} of {len(judged)} detectors {verb} the picture: {names}."]
    elif not judged:
        sentences = ["The picture is too small for every detector."]
    also = [each for each in suspected if (each.cover_score or 0) > (each.threshold or 0)]
    nothing = ", which holds nothing" if plain == "plain cover" else ""
    if plain is not None and also:
        names = ", ".join(each.detector for each in also)
        kind = "What they see there is the kind of picture, and not a message."
        sentences.append(f"The {plain}{nothing + ',' * bool(nothing)} is suspected by {names} as well. {kind}")
    elif plain is not None and suspected:
        sentences.append(f"None of them suspects the {plain}{nothing}: what they see was added to it.")
    return [*sentences, NO_PROOF, NO_ALL_CLEAR]


def _verdict(score: float | None, threshold: float | None) -> str:
    if score is None:
        return "too small"
    if threshold is None:
        return "no threshold"
    return SUSPICIOUS if score > threshold else UNSUSPICIOUS


def _number(score: float) -> float | None:
    """Score for programs: JSON has no NaN."""
    return None if math.isnan(score) else float(score)
