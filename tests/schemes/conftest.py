"""What the tests of schemes share: a cover, a secret, and seeds of receivers."""

from collections.abc import Callable

import pytest

from csfnns.picture import Picture, fit
from csfnns.profile import Profile, make_profile
from csfnns.schemes import ReceiverSeeds
from csfnns.stream import Seed

Scene = Callable[..., Picture]


@pytest.fixture(scope="session")
def receivers(seed: Seed) -> list[ReceiverSeeds]:
    """Seeds of four receivers."""
    return [ReceiverSeeds(seed.derive(f"decoder/{i}"), seed.derive(f"header/{i}")) for i in range(4)]


@pytest.fixture(scope="session")
def paper() -> Profile:
    """The decoders that the baselines are compared on, small."""
    return make_profile("paper", width=64, height=64, channels=24)


@pytest.fixture(scope="session")
def cover(scene: Scene) -> Picture:
    return scene(64, 64, 1)


@pytest.fixture(scope="session")
def secret(scene: Scene) -> Picture:
    """A picture on the grid of 6 bits a pixel."""
    return fit(scene(90, 70, 2), 32, 32)
