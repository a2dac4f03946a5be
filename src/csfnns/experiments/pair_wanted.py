"""What a set of pairs shall be: scheme, sources, settings."""

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import get_args

from csfnns.errors import UsageError
from csfnns.experiments.base import Case
from csfnns.experiments.methods import METHODS, Method, Setting
from csfnns.profile import GRID, Rate
from csfnns.stream import Seed

MATCHING = "matching"
BYTES_SCHEMES = {"direct": "direct", "direct-grain": "direct (grain)"}
"""Schemes that hide bytes, and their labels."""


PICTURE_SCHEMES = {name: method for name, method in METHODS.items() if not method.adapted}
"""Schemes that hide a picture: the methods of the tables that know no compression."""
WITH_GRAIN = "direct-grain"
"""Scheme whose pictures without a message carry grain of the same law."""
SCHEMES = (*PICTURE_SCHEMES, MATCHING, *BYTES_SCHEMES)


@dataclass(frozen=True)
class Wanted:
    """What a set of pairs shall be. Raises UsageError for choices that do not fit together."""

    scheme: str
    """One of SCHEMES."""
    covers: Path | None
    """Folder of source pictures, of which crops are taken; None for pictures of the generator `abstract`."""
    secrets: Path | None = None
    """Folder of secrets, for schemes that hide a picture."""
    side: int = 64
    """Of the covers, in pixels: a multiple of 16 from 64."""
    bpp: Rate | None = None
    """Secret bits a cover pixel, for schemes that hide a picture: 6 unless given."""
    steps: int | None = None
    """Of each search; None for the method's own."""
    bytes: int | None = None
    """Random bytes in each stego, for `direct` and `direct-grain`."""
    rate: float | None = None
    """For `matching`: bits a sub-pixel in (0, 1], half of which change it; None to change as many sub-pixels of each
    cover as `standard` changes."""
    against: tuple[Path, ...] = ()
    """Models of networks that the search shall deceive, for Cs-FNNS."""
    gamma: float | None = None
    """γ of Eq. 6: their weight; None for the search's own."""
    seed: int = 1
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.scheme not in SCHEMES:
            raise UsageError(f"There is no scheme {self.scheme!r}.", f"Choose one of: {', '.join(SCHEMES)}.")
        if self.side % GRID or not 64 <= self.side <= 8192:
            hint = f"Sides are multiples of {GRID} from 64 to 8192."
            raise UsageError(f"Covers cannot have {self.side}x{self.side} pixels.", hint)
        if self.bpp not in (None, *get_args(Rate)):
            hint = f"Choose one of: {', '.join(get_args(Rate))}."
            raise UsageError(f"There is no rate of {self.bpp} bits a pixel.", hint)
        if self.rate is not None and not 0 < self.rate <= 1:
            raise UsageError(f"There is no rate of {self.rate} bits a sub-pixel.", "Give one in (0, 1].")
        if self.steps is not None and self.steps < 1:
            raise UsageError(f"A search of {self.steps} steps does nothing.", "Give 1 or more.")
        if self.bytes is not None and self.bytes < 1:
            raise UsageError(f"{self.bytes} bytes are nothing to hide.", "Give 1 or more.")
        self._check_choices()

    @property
    def searches(self) -> Method | None:
        """Method that makes the stegos, or whose changes are counted; None where no picture is hidden."""
        if self.scheme == MATCHING:
            return METHODS["standard"] if self.rate is None else None
        return PICTURE_SCHEMES.get(self.scheme)

    @property
    def case(self) -> Case:
        """The rate of the search, as tables have it."""
        return Case("one", "one secret", bpp=self.bpp or "6")

    @property
    def setting(self) -> Setting:
        """What is asked of the search."""
        return Setting(self.side, self.steps, self.device)

    @property
    def payload(self) -> float:
        """Bits a pixel of the cover: of the secret's pixels, of the file, or of the places that were drawn."""
        if self.bytes is not None:
            return 8 * self.bytes / self.side**2
        return float(self.case.bpp) if self.rate is None else 3 * self.rate

    @property
    def label(self) -> str:
        """Name of the scheme for people."""
        if self.scheme == MATCHING:
            return "LSB matching"
        return BYTES_SCHEMES.get(self.scheme) or PICTURE_SCHEMES[self.scheme].label

    def _check_choices(self) -> None:
        by_bytes, searches = self.scheme in BYTES_SCHEMES, self.searches is not None
        needed = {"bytes": by_bytes, "secrets": searches}
        of_use = {**needed, "bpp": searches, "rate": self.scheme == MATCHING, "gamma": bool(self.against)}
        of_use["steps"] = self.searches is not None and self.searches.steps is not None
        of_use["against"] = searches and self.scheme != MATCHING
        for name, useful in of_use.items():
            given = getattr(self, name) not in (None, ())
            if needed.get(name) and not given:
                raise UsageError(f"{self.scheme} needs --{name}.", _WHAT[name])
            if given and not useful:
                raise UsageError(f"{self.scheme} has no use for --{name}.", "Leave it out.")
        if self.searches and (reason := self.searches.lacks(self.case)):
            raise UsageError(f"{self.scheme} cannot run here: {reason}.", "Choose another scheme.")


_WHAT = {
    "bytes": "Say how many random bytes each stego shall hold.",
    "secrets": "Name a folder of pictures to hide.",
}


def root_of(wanted: Wanted) -> Seed:
    """Seed of everything that is drawn for a set."""
    return Seed(sha256(f"csfnns/1/experiments/pairs/{wanted.seed}".encode()).digest())
