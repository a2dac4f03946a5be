"""Every measured figure on a page comes from results/; what a page sets itself stands in a list here."""

import json
import re
import runpy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
PROGRAM: Mapping[str, Any] = runpy.run_path(str(ROOT / "scripts" / "render_results.py"))
main: Callable[[Sequence[str]], int] = PROGRAM["main"]


def read(page: str) -> str:
    return (ROOT / page).read_text("utf-8")


PAGES = [page.relative_to(ROOT).as_posix() for page in PROGRAM["pages"](ROOT)]

DEFINING = re.compile(r"docs/(?:api(?:-\w+)?|cluster|commands|format-\w+|json)\.md")
"""Pages of limits and definitions alone, which other tests hold."""
WITH_VERSIONS = re.compile(
    r"docs/(?:architecture|covers|dependencies|experiments|fidelity|format|threat-model|web)\.md"
)
"""Pages where numbers with decimals are settings and versions; those with a unit are looked at all the same."""
CHECKED = [page for page in PAGES if not DEFINING.fullmatch(page)]

_NUMBER = r"\d+(?:,\d{3})*(?:\.\d+)?"
_UNIT = r"(?:%|(?:dB|s|ms|seconds|minutes|hours|[kMG]B|[KMG]iB)\b)"
WITH_UNIT = (
    rf"(?<![\w.,]){_NUMBER}(?:\s?(?:…|–|±|/|to|and|or|against|,)\s?{_NUMBER})*\s?{_UNIT}|{_NUMBER} of {_NUMBER}\b"
)
"""A number with a unit, with those before it that share the unit, or "N of N"."""
WITH_DECIMALS = rf"{WITH_UNIT}|\d+\.\d+"

_SETTINGS = """
Apache-2.0
Python 3.11 or later
torch 2.13
below 20 dB
at 38 dB
38 dB or as clear
stays at 60 dB
stays at 56 dB
the 38, 56 and 60 dB at which
38 dB for the secret, a stego of 56 dB at least
at 56 dB or more
within 0.1 dB
in small covers, meet a target within 0.1
more than 20 kB
less than 100 kB
where 20 kB by
pictures with 20 kB as grain
50 % is guessing
38 dB unless named
The 20 kB of
Crossings below 0.26
a σ that is 2 % too large
one that is 5 % too large
correlated by 0.05
at 20 % of the levels in more than 85 %
the control at 10 % does
a stego of 56 dB
bar of 85 %
Grain with 20 kB
beside decoys: with 20 kB
is 20 kB as
20 kB of random bytes
20 kB by the direct method
with 20 kB and pictures
256 MiB
8 MiB
64 MiB
64 KiB
16 MiB
512 MiB and 8 passes
takes 512 MiB and about 10 seconds of a core
1 GB or 30 seconds
1 GB, or 30 seconds
15 minutes or beyond 256 MB
after 15 minutes
JPEG of 60 MB of padding
1 s of the processor and 1 s for each
5 s and 1 s for each
waits 10 s
12 s with a picture
24 s with a JPEG
over 10 seconds
95 % interval
95 % t-interval
give 95 % intervals
stays below 55 %
its 50 % does
50 % there says nothing
accuracy of 55 %
includes 55 %
55 % is where
1.5 bits a pixel
1.5 bpp
halved every 500 of 1500 steps
Python 3.11, 3.12 and 3.13
matching at 10 and 40 %
25 % to spare
arXiv 1410.6656
above 0.2 suspicious
for quality Q, at least 0.2
from 0 to 0.4 %
get 0.01 on their diagonal
margin 1, weight 0.1
AUC at rate 0.2
±1 on 0.1 % of the levels
not 20 of 64
rate 0.001
by up to 2.5
15 % are drawings
| 40 % | profile
| 20 % | white
22–45 dB
24–50 dB
22–53 dB
above 43 dB
Right at 0.5
above 0.5
"""
SETTINGS = _SETTINGS.strip().splitlines()
"""Limits, targets, settings, versions and confidence levels, with words beside them: nothing here was measured."""


def prose(text: str) -> str:
    """A page's text without code, comments and the targets of links, on one line."""
    code = r"^```.*?^```$|<!--.*?-->|`[^`\n]*`|\]\([^)]*\)|\*\*"
    return " ".join(re.sub(code, "", PROGRAM["MARKED"].sub("", text), flags=re.MULTILINE | re.DOTALL).split())


def unsourced(page: str, text: str) -> list[str]:
    """Figures of a page that neither results/ nor SETTINGS accounts for, with the words before them."""
    for quoted in reversed(PROGRAM["quotations"](text, page)):
        start, end = quoted.prose
        text = f"{text[:start]}{'_' * (end - start)}{text[end:]}"
    text = prose(text)
    for setting in SETTINGS:
        text = text.replace(setting, "_")
    pattern = WITH_UNIT if WITH_VERSIONS.fullmatch(page) else WITH_DECIMALS
    return [text[max(found.start() - 40, 0) : found.end()] for found in re.finditer(pattern, text)]


@pytest.mark.parametrize("page", CHECKED)
def test_every_figure_has_a_source(page: str) -> None:
    """A new figure gets a line below its paragraph (scripts/render_results.py), a setting one in SETTINGS."""
    assert unsourced(page, read(page)) == []


@pytest.mark.parametrize("page", [page for page in CHECKED if "<!-- figures" in read(page)])
def test_every_wrong_digit_is_found(page: str) -> None:
    text = read(page)
    for quoted in PROGRAM["quotations"](text, page):
        end = quoted.prose[1]
        wrong = f"{text[: end - 1]}{(int(text[end - 1]) + 1) % 10}{text[end:]}"
        try:
            found = PROGRAM["render"](wrong, ROOT / "results", page) != wrong or unsourced(page, wrong)
        except SystemExit:
            found = True
        assert found, f"{quoted.written} may be wrong: {quoted.path}"


@pytest.mark.parametrize(
    "text",
    [
        "It has 61.2 dB.",
        "SPAM is right in 53 %.",
        "right in 52 to 54 %",
        "All 20 of 20 came back.",
        "It takes 7 s.",
        "AUC 0.51",
    ],
)
def test_a_figure_without_a_source_is_found(text: str) -> None:
    assert unsourced("docs/results.md", text)


def test_every_setting_stands_on_a_page() -> None:
    text = "\n".join(prose(read(page)) for page in CHECKED)
    assert [setting for setting in SETTINGS if setting not in text] == []


def test_every_kept_run_is_quoted() -> None:
    text = "\n".join(map(read, PAGES))
    runs, tables = (
        json.loads(read("results/earlier.json"))["runs"],
        json.loads(read("results/published.json"))["tables"],
    )
    shown = set(re.findall(r"<!-- table: (\S+) -->", text))
    shown |= {f"earlier-{name}" for name in re.findall(r" = earlier runs\.([\w-]+)\.figures", text)}
    shown |= {f"earlier-{table.earlier}" for table in PROGRAM["TABLES"].values() if getattr(table, "earlier", None)}
    assert {*(f"earlier-{name}" for name in runs), *(f"published-{name}" for name in tables)} - shown == set()


PAGE = """# Page

In 4 cases of 4 it took 1,234.5 s.

<!-- figures
4 cases = one rows.count
1,234.5 s = one rows[a][size=9].ms × 0.001
-->
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A page with two figures of one result."""
    (tmp_path / "docs").mkdir()
    (tmp_path / "results").mkdir()
    (tmp_path / "docs" / "page.md").write_text(PAGE, "utf-8")
    write(tmp_path, 1_234_500)
    return tmp_path


def write(tree: Path, ms: float) -> None:
    rows = [{"name": "a", "size": 8, "ms": 1}, {"name": "a", "size": 9, "ms": ms}, {"name": "9"}, {"name": "b"}]
    (tree / "results" / "one.json").write_text(json.dumps({"rows": rows}), "utf-8")


def test_prose_is_rendered_from_results(tree: Path) -> None:
    page = tree / "docs" / "page.md"
    assert main(["--root", str(tree), "--check"]) == 0
    write(tree, 999_960)
    assert main(["--root", str(tree), "--check"]) == 1
    assert "1,234.5 s." in page.read_text("utf-8")
    assert main(["--root", str(tree)]) == 0
    assert "In 4 cases of 4 it took 1,000.0 s." in page.read_text("utf-8")
    assert "1,000.0 s = one rows[a][size=9].ms" in page.read_text("utf-8")
    assert main(["--root", str(tree), "--check"]) == 0


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("1,234.5 s.", "1,234.6 s."),
        ("In 4 cases", "In 5 cases"),
        ("rows[a][size=9]", "rows[a]"),
        ("rows[a][size=9]", "rows[c]"),
        ("one rows[a]", "two rows[a]"),
        ("4 cases = one rows.count", "4 cases"),
    ],
)
def test_a_figure_that_is_not_there_is_an_error(tree: Path, old: str, new: str) -> None:
    page = tree / "docs" / "page.md"
    page.write_text(page.read_text("utf-8").replace(old, new, 1), "utf-8")
    with pytest.raises(SystemExit, match=r"page\.md"):
        main(["--root", str(tree), "--check"])
