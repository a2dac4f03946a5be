# %% [markdown]
# # A channel and a detector of your own
#
# A notebook in percent format. Members of a family can be added at run time; nothing of csfnns has to be
# changed. In a package of your own, entry points do the same (examples/plugin).

# %%
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

import csfnns
from csfnns.covers import make_generator
from csfnns.images.io import Picture
from csfnns.search.channel import CHANNELS, ChannelEntry, parse_channel
from csfnns.steganalysis import DETECTORS, DetectorEntry, make_detector
from csfnns.stream import Seed

# %% [markdown]
# ## A channel
#
# A channel turns the picture that is sent into the one that arrives. `str` gives its text; `cases` lists
# what a stego must survive before it is sent. The factory takes the texts after the colon: "posterise:32"
# calls `Posterise.parse("32")`.


# %%
@dataclass(frozen=True)
class Posterise:
    """Levels rounded to multiples of a step."""

    step: int

    @classmethod
    def parse(cls, step: str) -> "Posterise":
        """Channel of its text; a ValueError becomes an error of csfnns."""
        return cls(int(step))

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        """Picture that arrives."""
        return (picture // self.step * self.step).astype(np.uint8)

    def cases(self) -> "Sequence[Posterise]":
        """This channel leaves nothing open."""
        return [self]

    def __str__(self) -> str:
        return f"posterise:{self.step}"


CHANNELS.add("posterise", ChannelEntry(Posterise.parse, "levels rounded to a step", example="posterise:32"))
channel = parse_channel("posterise:4+jpeg:90/444")  # works in chains, and as `Robust(survive="posterise:4")`
print(channel)

# %% [markdown]
# ## A detector
#
# A detector has a method `score`. This one looks for levels missing from the histogram.


# %%
class MissingLevels:
    """Share of the 256 levels that a picture does not have."""

    def score(self, picture: Picture) -> float:
        """Score in [0, 1] of a picture, uint8 (H, W, 3)."""
        return 1 - len(np.unique(picture)) / 256


DETECTORS.add(
    "missing-levels",
    DetectorEntry(MissingLevels, "levels that a picture does not have", meaning="Scores are shares of the 256 levels."),
)

# %% [markdown]
# Both are now known by name, here and wherever csfnns lists names.

# %%
cover = make_generator(csfnns.make_profile(width=128, height=128))(Seed(bytes(32)))
detector = make_detector("missing-levels")
before = detector.score(cover)
after = detector.score(channel(cover, np.random.default_rng(0)))
plain = detector.score(parse_channel("posterise:4")(cover, np.random.default_rng(0)))
print(f"missing levels: {before:.2f} before, {plain:.2f} posterised, {after:.2f} posterised and compressed")
assert plain >= 0.75 > before
