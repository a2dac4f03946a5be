"""Registries: built-in members, members added at run time, and those of other packages (examples/plugin)."""

import json
import os
import subprocess
import sys
from importlib.metadata import EntryPoint
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import csfnns
from csfnns import extras
from csfnns.baselines import SCHEMES, make_scheme
from csfnns.cli.app import app
from csfnns.covers import GENERATORS
from csfnns.errors import UsageError
from csfnns.profile import make_profile
from csfnns.registry import Entry, Registry
from csfnns.search.channel import CHANNELS, ChannelEntry, parse_channel
from csfnns.steganalysis import DETECTORS, DetectorEntry

PLUGIN = Path(__file__).parents[1] / "examples" / "plugin"
FAMILIES = (DETECTORS, SCHEMES, CHANNELS, GENERATORS)

PROGRAM = """
import numpy as np
from csfnns import extras
from csfnns.baselines import make_scheme
from csfnns.covers import GENERATORS
from csfnns.methods import ReceiverSeeds
from csfnns.profile import make_profile
from csfnns.search import parse_channel
from csfnns.stream import Seed

profile, seed = make_profile("paper", width=64, height=64), Seed(bytes(32))
cover = GENERATORS.make("stripes", profile)(seed)
assert (cover == GENERATORS.make("stripes", profile)(seed)).all() and cover.shape == (64, 64, 3)
channel = parse_channel("blur:2+jpeg:90/420")
assert str(channel) == "blur:2+jpeg:90/420"
assert channel(cover, np.random.default_rng(0)).std() < cover.std()
scheme, seeds = make_scheme("corner", profile), ReceiverSeeds(seed, seed)
secret = np.random.default_rng(0).integers(0, 256, (32, 32, 3), np.uint8)
assert (scheme.extract(scheme.embed(cover, {seeds: secret}), cover, seeds).grid == secret).all()
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder with the example package, installed without any index."""
    site = tmp_path_factory.mktemp("site")
    offline = "--no-index", "--no-deps", "--no-build-isolation", "--quiet", "--target", str(site)
    command = [sys.executable, "-m", "pip", "install", *offline, str(PLUGIN)]
    subprocess.run(command, check=True, capture_output=True, timeout=120)
    return site


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Python with the packages of that folder, and with this csfnns."""
    path = os.pathsep.join([str(folder), str(Path(csfnns.__file__).parents[1])])
    environment = os.environ | {"PYTHONPATH": path}
    return subprocess.run(
        [sys.executable, *command], capture_output=True, text=True, timeout=120, env=environment, check=False
    )


def test_members_of_an_installed_package_work(installed: Path, tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    Image.fromarray(np.full((20, 20, 3), 101, np.uint8)).save(picture)
    scored = run(installed, "-m", "csfnns", "steganalysis", "score", str(picture), "--detector", "parity", "--json")
    assert json.loads(scored.stdout)["scores"] == [{"file": str(picture), "score": 1.0}], scored.stderr
    listed = run(installed, "-m", "csfnns", "steganalysis", "detectors")
    assert "parity         share of odd levels" in listed.stdout
    found = run(installed, "-c", PROGRAM)
    assert (found.returncode, found.stderr) == (0, "")


def test_a_broken_package_is_named_and_breaks_only_what_uses_it(tmp_path: Path) -> None:
    info = tmp_path / "broken-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: broken\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[csfnns.detectors]\nghost = broken:GHOST\nrs = broken:GHOST\n")
    (tmp_path / "broken.py").write_text("import nothing_of_that_name")
    picture = tmp_path / "a.png"
    Image.new("RGB", (20, 20)).save(picture)
    score = "-m", "csfnns", "steganalysis", "score", str(picture), "--detector"
    failed = run(tmp_path, *score, "ghost")
    assert failed.returncode == 2
    assert "The detector 'ghost' of the package 'broken' cannot be loaded: ModuleNotFoundError" in failed.stderr
    assert "pip uninstall broken" in failed.stderr
    for name in ("rs", "xunet"):  # a built-in name wins; networks are listed, too
        assert run(tmp_path, *score, name).returncode == 0
    listed = run(tmp_path, "-m", "csfnns", "steganalysis", "detectors")
    assert listed.returncode == 0
    assert "'ghost' of the package 'broken' cannot be loaded" in listed.stdout


@pytest.mark.parametrize("registry", FAMILIES, ids=lambda registry: registry.noun)
def test_builtin_members_load_and_unknown_ones_list_the_choices(registry: Registry[Entry]) -> None:
    for name in registry:
        assert callable(registry.load(name)), name
        assert registry.help()[name]
    assert "no such" not in registry
    with pytest.raises(UsageError, match=f"There is no {registry.noun} 'no such'") as refused:
        registry.make("no such")
    assert refused.value.hint == f"Choose one of: {', '.join(registry.names())}."
    assert len(registry) == len(registry.names())


def small() -> Registry[Entry]:
    return Registry("toy", {"one": Entry(lambda x: x + 1, "adds one")})


def test_members_are_added_replaced_and_removed() -> None:
    registry = small()
    registry.add("two", Entry("math:pow", "a power"))
    assert registry.help() == {"one": "adds one", "two": "a power"}
    assert (registry.make("one", 1), registry.make("two", 2, 3)) == (2, 8)
    registry.add("one", Entry(lambda x: x, "nothing"))
    assert (registry.make("one", 1), len(registry)) == (1, 2)
    registry.remove("two")
    assert "two" not in registry


def test_missing_extras_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(extras.MODULES, "jpeg", ("no_such_module_at_all",))
    registry = small()
    registry.add("two", Entry("math:pow", "a power", ("jpeg",)))
    assert "two" in registry.help()
    with pytest.raises(UsageError, match="The toy 'two' needs the extra 'jpeg'"):
        registry.load("two")


@pytest.mark.parametrize(
    ("value", "reason"), [("math:pi", "math:pi is not of type Entry"), ("nowhere:x", "ModuleNotFoundError")]
)
def test_an_entry_point_that_names_no_entry_is_refused(value: str, reason: str) -> None:
    registry = small()
    registry._outside = {"two": EntryPoint("two", value, "toys")}
    with pytest.raises(UsageError, match=f"cannot be loaded: {reason}"):
        registry["two"]
    assert registry.entries().keys() == {"one"}


def test_toy_members_appear_in_choices_and_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for registry in FAMILIES:
        monkeypatch.setattr(registry, "_entries", dict(registry._entries))

    class Half:
        def score(self, picture: np.ndarray) -> float:
            return 0.5

    DETECTORS.add("half", DetectorEntry(Half, "always one half", meaning="Scores are one half."))
    CHANNELS.add("noise2", ChannelEntry(lambda: parse_channel("noise:2"), "noise of 2", example="noise2:"))
    SCHEMES.add("copy", Entry("csfnns.baselines.lsb:Lsb", "low bits again"))
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")

    def out(*words: str) -> str:
        return CliRunner().invoke(app, ["steganalysis", *words]).output

    assert "half" in out("detectors")
    assert "0.5000\nScores are one half." in out("score", str(tmp_path / "a.png"), "--detector", "half")
    assert "half" in out("score", str(tmp_path / "a.png"), "--detector", "eyes")
    with pytest.raises(UsageError, match="noise2:"):
        parse_channel("fog")
    assert "copy" in SCHEMES
    assert make_scheme("copy", make_profile("paper", width=64, height=64)) is not None
