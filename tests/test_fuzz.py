"""The fuzzing kit works, and finds nothing in its corpus and in a few cases more."""

import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))  # where the kit is

from fuzz import run  # noqa: E402
from fuzz.fields import Wrong  # noqa: E402
from fuzz.mutate import join, split  # noqa: E402
from fuzz.targets import TARGETS  # noqa: E402

pytest.importorskip("resource", reason="the kit needs the limits of a Unix system")
NEEDS = {"jpegs": "jpeglib", "answers": "jpeglib", "reveals": "jpeglib", "requests": "starlette"}
SECONDS = 0.4
"""That changed cases of a target may take here, all together."""


@pytest.fixture(autouse=True)
def quiet(capfd: pytest.CaptureFixture[str]) -> Iterator[None]:
    """libtiff and libjpeg write what they think of a file."""
    yield
    capfd.readouterr()


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", TARGETS)
def test_a_target_finds_nothing(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    function, corpus = TARGETS[name].load(), run.read_corpus(name)
    few = {"reveals": 3, "strangers": 2}.get(name)
    for data in corpus[:few]:
        function(data)
    end = time.monotonic() + SECONDS
    for number in range(len(corpus), len(corpus) + (few or 300)):
        function(run.make_case(name, 0, number, corpus))
        if time.monotonic() > end:
            break


def test_the_runner_counts_what_it_finds(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def wrong(data: bytes) -> None:
        raise Wrong("this is not so") if data else ValueError(data)

    assert run.try_case(lambda data: None, b"") is None
    found = run.try_case(wrong, b"x"), run.try_case(wrong, b"")
    assert [each and each["kind"] for each in found] == ["wrong", "traceback"]
    assert "test_fuzz.py" in found[1]["place"]
    saved = run._save("names", 0, [(1, found[0]), (2, found[0]), (3, found[1])], tmp_path)
    assert [each["times"] for each in saved] == [2, 1]
    assert len(list(tmp_path.iterdir())) == 2
    cases, seconds, findings = run.run_target("names", 0, 40, 60)
    assert (cases, findings) == (40, [])
    assert seconds > 0


def test_cases_follow_from_the_seed_and_parts_are_put_together_again() -> None:
    corpus = run.read_corpus("pictures")
    made = [[run.make_case("pictures", seed, number, corpus) for number in range(40)] for seed in (1, 1, 2)]
    assert made[0] == made[1] != made[2]
    files = [data for data in corpus if data.startswith((b"\x89PNG", b"RIFF", b"\xff\xd8"))]
    assert len(files) >= 10
    assert all(join(data, split(data)) == data for data in files)


def test_the_corpora_are_small() -> None:
    files = [path for folder in ("corpus", "stegos") for path in (ROOT / "fuzz" / folder).rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= 200_000
    assert {path.parent.name for path in files} >= {each.corpus or name for name, each in TARGETS.items()}
