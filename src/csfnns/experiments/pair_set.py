"""A set of pairs as it lies in its folder."""

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from csfnns.errors import UsageError
from csfnns.experiments.pair_wanted import MATCHING
from csfnns.experiments.store import FILE as ROWS
from csfnns.experiments.store import Row, Store
from csfnns.picture import Picture, read_picture

ABOUT = "pairs.json"
VERSION = 1
AS_STANDARD = "LSB matching (as many changes as standard)"
"""Label of `matching` whose payload is that of the search whose changes it counts."""


@dataclass(frozen=True)
class PairSet:
    """A set as it lies there."""

    folder: Path
    scheme: str
    label: str
    payload: float
    """Bits a pixel of the cover."""
    met: tuple[str, ...]
    """Detectors whose gradients the search used: their verdict says less."""
    names: tuple[str, ...]
    """NAME@K of each whole pair, in order."""
    count: int
    """Pairs that were asked for."""
    steps: int | None
    """Of each search, where it was not the method's own."""
    figures: Mapping[str, Row]
    """By pair, where they are known: `psnr` in dB and `changed`, the share of sub-pixels, of stego against plain cover;
    for hidden pictures `recovered`, what a receiver gets in dB, None for nothing."""

    @property
    def key(self) -> str:
        """Scheme and payload in one word, such as "standard-6"."""
        return f"{self.scheme}-{self.payload:g}"

    def cover(self, name: str) -> Picture:
        """uint8 (H, W, 3)."""
        return read_picture(self._path("covers", name))

    def stego(self, name: str) -> Picture:
        """uint8 (H, W, 3)."""
        return read_picture(self._path("stegos", name))

    def digest(self, name: str) -> str:
        """Of both files' bytes."""
        files = [self._path(side, name).read_bytes() for side in ("covers", "stegos")]
        return sha256(b"".join(sha256(data).digest() for data in files)).hexdigest()

    def _path(self, side: str, name: str) -> Path:
        return self.folder / side / f"{name}.png"


def load_pairs(folder: Path) -> PairSet:
    """Set in a folder: pairs whose cover and stego are both there.

    Only scheme and payload must be told by its pairs.json, and may tell label, met and count: other programs' stegos
    can be judged too. Raises UsageError for a folder without.
    """
    about = read_about(folder / ABOUT)
    names = {side: {path.stem for path in (folder / side).glob("*.png")} for side in ("covers", "stegos")}
    both = tuple(sorted(names["covers"] & names["stegos"]))
    try:
        scheme, payload = str(about["scheme"]), float(about["payload"])
        met = tuple(map(str, about.get("met", ())))
        count = int(about.get("count", len(both)))
        settings = about.get("settings", {})
        steps = settings.get("steps")
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise UsageError(f"{folder / ABOUT} does not tell scheme and payload.", "Add them.") from error
    if not 0 < payload < math.inf:
        raise UsageError(f"{folder / ABOUT} tells a payload of {payload}.", "Give bits a pixel, more than 0.")
    if not both:
        raise UsageError(f"There are no pairs in {folder} yet.", "Make them first: csfnns experiment pairs.")
    label = str(about.get("label", scheme))
    if scheme == MATCHING and "rate" in settings and settings["rate"] is None:
        label = AS_STANDARD
    rows = Store(folder).rows() if (folder / ROWS).exists() else {}
    figures = {name: rows[name] for name in both if name in rows}
    return PairSet(folder, scheme, label, payload, met, both, count, steps, figures)


def source_of(name: str) -> str:
    """Source picture of a pair: all that is before its first @."""
    return name.partition("@")[0] or name


def read_about(path: Path) -> dict[str, Any]:
    """Content of a pairs.json. Raises UsageError for what is none."""
    hint = "Make pairs with: csfnns experiment pairs."
    try:
        content = json.loads(path.read_text("utf-8"))
    except OSError as error:
        raise UsageError(f"There are no pairs in {path.parent}: no {ABOUT}.", hint) from error
    except ValueError as error:
        raise UsageError(f"{path} is damaged.", hint) from error
    if not isinstance(content, dict) or content.get("version") != VERSION:
        raise UsageError(f"{path} was written by another version of csfnns.", hint)
    return content
