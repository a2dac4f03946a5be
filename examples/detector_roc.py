# %% [markdown]
# # How well does a detector separate stegos from covers?
#
# A notebook in percent format. Its covers are pictures that csfnns makes itself. For figures about your
# pictures, take some hundred of them: `csfnns experiment pairs`, `csfnns steganalysis roc`.

# %%
import os

import numpy as np

import csfnns
from csfnns.covers import make_generator
from csfnns.images.io import Picture
from csfnns.steganalysis import make_detector, roc
from csfnns.stream import Seed

COUNT = int(os.environ.get("COUNT", "40"))
profile = csfnns.make_profile(width=128, height=128)

# %% [markdown]
# Covers, and two kinds of stegos: with random bits in place of the lowest ones, and by csfnns, with a
# file of 2,000 bytes. `hide` makes a fresh cover for each message, and `cover_of` makes it again.

# %%
random = np.random.default_rng(1)


def replace_low_bits(cover: Picture, share: float = 0.5) -> Picture:
    """Random bits in place of the lowest bits of a share of the levels."""
    chosen = random.random(cover.shape) < share
    bits = random.integers(0, 2, cover.shape, np.uint8)
    return np.where(chosen, (cover & 254) | bits, cover).astype(np.uint8)


generator = make_generator(profile)
covers = [generator(Seed(number.to_bytes(32, "big"))) for number in range(COUNT)]
replaced = [replace_low_bits(cover) for cover in covers]

key = csfnns.Key.new(profile)
hidden = [csfnns.hide(os.urandom(2000), key) for _ in range(COUNT)]

# %% [markdown]
# A detector gives a picture a score in [0, 1], higher for more suspicious. StegExpose's statistics were
# made for replaced bits; csfnns changes levels by one, up or down, which they do not notice.

# %%
detector = make_detector("stegexpose")


def scores(pictures: list[Picture]) -> list[float]:
    """Score of each picture."""
    return [detector.score(picture) for picture in pictures]


found = {
    "replaced bits": roc(scores(covers), scores(replaced), paired=True),
    "csfnns": roc(
        scores([csfnns.cover_of(each, key) for each in hidden]),
        scores([each.picture for each in hidden]),
        paired=True,
    ),
}
for name, curve in found.items():
    print(f"{name:14} AUC {curve.auc:.2f} ({curve.low:.2f}…{curve.high:.2f}), error {curve.error:.2f}")
assert found["replaced bits"].auc > found["csfnns"].auc

# %% [markdown]
# AUC 0.5 is guessing. That one detector guesses says nothing about others: networks that learn find more
# (https://github.com/csfnns/csfnns/blob/main/docs/results-detectors.md). With matplotlib, this draws the curve:

# %%
try:
    from csfnns.steganalysis import draw

    curve_png = draw(found["replaced bits"], "replaced bits")
except ImportError:
    print("No curve: pip install matplotlib")
