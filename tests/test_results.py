"""The tables of README.md and docs are those of results/*.json."""

import json
import runpy
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM = runpy.run_path(str(ROOT / "scripts" / "render_results.py"))
main: Callable[[Sequence[str]], int] = PROGRAM["main"]

FIGURES = {
    "stego": 62.2,
    "stego_sd": 1.5,
    "ssim": 0.9998,
    "changed": 0.0436,
    "mean_recovered": 38.02,
    "mean_recovered_sd": 0.05,
    "recovered_ssim": 0.9636,
    "least_stego": 58.3,
    "least_recovered": 37.91,
    "hide_seconds": 1.2,
    "reveal_seconds": 0.1,
}


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A page with a table that comes from one case of one result."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "results").mkdir()
    page = "# Page\n\n<!-- table: fidelity -->\n<!-- end -->\n\nAfter it.\n"
    (tmp_path / "docs" / "page.md").write_text(page, "utf-8")
    write(tmp_path, 62.2)
    return tmp_path


def write(tree: Path, stego: float) -> None:
    case = {"case": "imagenet, 256x256", **FIGURES, "stego": stego, "rows": [{}] * 20}
    environment = {"command": "python benchmarks/core.py", "commit": "0123abc", "cpu": "a processor"}
    content = {"benchmark": "core", "environment": environment, "cases": [case]}
    (tree / "results" / "core.json").write_text(json.dumps(content), "utf-8")


def page(tree: Path) -> str:
    return (tree / "docs" / "page.md").read_text("utf-8")


def run(tree: Path, *arguments: str) -> int:
    return main(["--root", str(tree), *arguments])


def test_the_committed_pages_show_the_committed_results() -> None:
    assert main(["--check"]) == 0


def test_every_table_is_on_a_page() -> None:
    text = "\n".join(each.read_text("utf-8") for each in PROGRAM["pages"](ROOT))
    assert [name for name in PROGRAM["TABLES"] if f"<!-- table: {name} -->" not in text] == []


def test_a_table_names_its_command_commit_and_number_of_pictures(tree: Path) -> None:
    assert run(tree) == 0
    assert "| ImageNet | 20 | 62.20 ± 1.50 | 58.30 | 0.99980 | 4.36 | 38.02 ± 0.05 |" in page(tree)
    assert "`python benchmarks/core.py` at `0123abc`, a processor." in page(tree)
    assert page(tree).endswith("<!-- end -->\n\nAfter it.\n")


def test_a_case_that_was_not_run_says_so(tree: Path) -> None:
    run(tree)
    assert "| COCO | not run |" in page(tree)


def test_a_changed_result_makes_the_check_fail(tree: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run(tree)
    assert run(tree, "--check") == 0
    write(tree, 61.0)
    before = page(tree)
    assert run(tree, "--check") == 1
    assert "page.md: stale" in capsys.readouterr().out
    assert page(tree) == before
    assert run(tree) == 0
    assert run(tree, "--check") == 0


def test_an_earlier_run_names_its_command_commit_and_number_of_pictures(tree: Path) -> None:
    run_before = {"command": "python benchmarks/channels.py", "commit": "before 0123abc", "pictures": "10 pairs"}
    content = {"runs": {"channels": run_before | {"head": ["through", "dB"], "rows": [["JPEG 90", "36.0"]]}}}
    (tree / "results" / "earlier.json").write_text(json.dumps(content), "utf-8")
    (tree / "docs" / "page.md").write_text("<!-- table: earlier-channels -->\n<!-- end -->\n", "utf-8")
    assert run(tree) == 0
    assert "| JPEG 90 | 36.0 |" in page(tree)
    assert "An earlier run (before `0123abc`): `python benchmarks/channels.py`. Pictures: 10 pairs." in page(tree)


def test_channels_show_pictures_by_case_and_bytes_by_what_arrives(tree: Path) -> None:
    rows = [{"stego": 40.0 + i, "compressed, jpeg:90/420": 38, "jpeg:90/420": 36.0 - i} for i in range(2)]
    files = [{"stego": 41, "jpeg:75/420": "exact", "noise:2": each} for each in ("exact", "lost")]
    content = {"rows": {"picture, jpeg:90/420": rows, "1 kB, jpeg": files}, "command": "c", "commit": "0123abc"}
    (tree / "results" / "channels-imagenet.json").write_text(json.dumps(content), "utf-8")
    prose = (
        "Stegos have 40.0 dB.\n\n<!-- figures\n40.0 = channels-imagenet rows[picture, jpeg:90/420].mean.stego\n-->\n"
    )
    (tree / "docs" / "page.md").write_text(f"<!-- table: channels -->\n<!-- end -->\n\n{prose}", "utf-8")
    assert run(tree) == 0
    assert "| picture, jpeg:90/420 | 2 | 40.5 | 40.0 | jpeg:90/420 | 35.5 | 35.0 |" in page(tree)
    assert "| 1 kB, jpeg | 2 | 41.0 | 41.0 | each of 2 cases | 1 of 2 exact | |" in page(tree)
    assert "Stegos have 40.5 dB." in page(tree)


def test_round_trips_count_what_went_wrong(tree: Path) -> None:
    parts = {
        "direct": [{"problem": None, "sizes": [3, 4]}, {"problem": "lost", "sizes": [5]}],
        "refusals": [{"problem": None, "outcomes": {"cut/KeyError": 7, "key/exit status 4": 2}}],
    }
    content = {"rows": parts, "command": "c", "commit": "0123abc"}
    (tree / "results" / "roundtrips.json").write_text(json.dumps(content), "utf-8")
    (tree / "docs" / "page.md").write_text("<!-- table: roundtrips -->\n<!-- end -->\n", "utf-8")
    assert run(tree) == 0
    assert "| files by `direct` | 2 | 3 | 1 |" in page(tree)
    assert "a clear error for each, or what was sent | 1 | 9 | 1 |" in page(tree)


def test_a_missing_result_says_how_to_make_it(tree: Path) -> None:
    (tree / "results" / "core.json").unlink()
    run(tree)
    assert "Not run yet: `python benchmarks/core.py` writes `results/core.json`." in page(tree)


@pytest.mark.parametrize("text", ["<!-- table: none -->\n<!-- end -->\n", "<!-- table: fidelity -->\n"])
def test_an_unknown_or_unended_table_is_an_error(tree: Path, text: str) -> None:
    (tree / "docs" / "page.md").write_text(text, "utf-8")
    with pytest.raises(SystemExit, match=r"page\.md"):
        run(tree)
