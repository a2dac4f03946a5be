"""What every test may ask for: a home of its own, fixed seeds, made-up pictures, and the real ones."""

import importlib.util
import itertools
import os
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from types import ModuleType

# Before NumPy and torch are loaded: sums on one thread come out the same on every machine with these libraries.
os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import pytest

from csfnns.images.io import Picture, fit
from csfnns.methods import ReceiverSeeds
from csfnns.profile import Profile, make_profile
from csfnns.stream import Seed

Scene = Callable[..., Picture]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder of this test's register of albums: no test ever touches the user's."""
    folder = tmp_path / "csfnns-home"
    monkeypatch.setenv("CSFNNS_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def fixed_nonces() -> Iterator[None]:
    """Nonces that follow from the key, the payload and a counter, so that a test module always sees the same covers."""
    count = itertools.count()

    def nonce(key: Seed, digest: bytes) -> bytes:
        return sha256(key.data + digest + next(count).to_bytes(4, "big")).digest()[:16]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("csfnns.messages.send.make_nonce", nonce)
        yield


@pytest.fixture(scope="session")
def seed() -> Seed:
    return Seed(bytes(range(32)))


@pytest.fixture(scope="session")
def training_program() -> Callable[[str], ModuleType]:
    """Reader of a program in training/, as a module."""

    def load(name: str) -> ModuleType:
        path = Path(__file__).parents[1] / "training" / f"{name}.py"
        spec = importlib.util.spec_from_file_location(f"training_{name}", path)
        assert spec is not None
        assert spec.loader is not None
        program = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(program)
        return program

    return load


@pytest.fixture(scope="session")
def scene() -> Scene:
    """Maker of pictures with what photographs have: slopes, edges, texture and colours; `which` tells them apart."""

    def make(height: int, width: int, which: int = 0) -> Picture:
        random = np.random.default_rng(which)
        y, x = np.mgrid[:height, :width] / max(height, width)
        a, b, c = random.uniform(2, 6, 3)
        waves = np.stack([np.sin(a * x + k) * np.cos(b * y + c * k) for k in range(3)], axis=-1)
        disc = np.hypot(x - random.uniform(0.2, 0.5), y - random.uniform(0.2, 0.5)) < 0.2
        texture = 12 * random.standard_normal((height, width, 3)) * (x > 0.5)[..., None]
        levels: Picture = np.clip(127 + 70 * waves - 60 * disc[..., None] + texture, 0, 255).astype(np.uint8)
        return levels

    return make


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real pictures; the test is skipped where it is absent."""
    default = Path(__file__).parents[1] / ".." / "shared" / "data"
    folder = Path(os.environ.get("CSFNNS_DATA", default))
    if not (folder / "secrets").is_dir():
        pytest.skip(f"no real pictures in {folder}: set CSFNNS_DATA")
    return folder


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
