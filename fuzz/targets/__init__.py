"""Targets: functions from the bytes of a case to nothing. Whatever they raise is a finding."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module


@dataclass(frozen=True)
class Target:
    """A target, and how many of 1,000 cases it gets: more where a case takes less time."""

    place: str
    """module:function"""
    share: int
    corpus: str = ""
    """Target whose corpus it uses; its own by default."""

    def load(self) -> Callable[[bytes], None]:
        """Import the function."""
        module, _, name = self.place.partition(":")
        function: Callable[[bytes], None] = getattr(import_module(f"fuzz.targets.{module}"), name)
        return function


TARGETS = {
    "keys": Target("texts:keys", 120),
    "passphrases": Target("texts:passphrases", 15),
    "names": Target("texts:names", 80),
    "settings": Target("texts:settings", 80),
    "config": Target("texts:config", 50),
    "register": Target("texts:register", 15),
    "frames": Target("formats:frames", 100),
    "seals": Target("formats:seals", 40),
    "addresses": Target("formats:addresses", 40),
    "models": Target("formats:models", 40),
    "trellis": Target("formats:trellis", 20),
    "bits": Target("formats:bits", 20),
    "spectra": Target("formats:spectra", 20),
    "arithmetic": Target("codes:arithmetic_coder", 40),
    "reed-solomon": Target("codes:reed_solomon", 50),
    "ldpc": Target("codes:ldpc", 20),
    "pictures": Target("pictures:pictures", 100),
    "headers": Target("pictures:headers", 60, "pictures"),
    "answers": Target("pictures:answers", 20),
    "strangers": Target("pictures:strangers", 1),
    "jpegs": Target("pictures:jpegs", 25),
    "requests": Target("requests:requests", 20),
    "reveals": Target("reveals:reveals", 15),
}
