"""The site of the documentation: every page is in its navigation, every link and every public name on a page."""

import re
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import csfnns

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.glob("*.md"))
SITE = tomllib.loads((ROOT / "zensical.toml").read_text("utf-8"))["project"]
VARIABLES = {"METHODS"}
"""Public names that have no entry of their own: a page names them."""


def files(entries: list[dict[str, Any]]) -> Iterator[str]:
    for entry in entries:
        for value in entry.values():
            yield from [value] if isinstance(value, str) else files(value)


def anchors(page: Path) -> set[str]:
    """Anchors of a page's headings, as Python-Markdown's toc makes them."""
    text = re.sub(r"^```.*?^```$", "", page.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    headings = re.findall(r"^#+ (.*)$", text, re.MULTILINE)
    plain = [re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings]
    return {re.sub(r"[-\s]+", "-", heading) for heading in plain}


def test_every_page_is_in_the_navigation() -> None:
    assert sorted(files(SITE["nav"])) == [page.name for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_to_pages_of_the_site_or_out_of_it(page: Path) -> None:
    text = re.sub(r"`[^`\n]*`", "", page.read_text("utf-8"))
    broken = []
    for link in re.findall(r"\]\(([^)\s]+)\)", text):
        if "://" in link:
            if link.startswith(SITE["repo_url"] + "/blob/main/"):
                path = ROOT / link.removeprefix(SITE["repo_url"] + "/blob/main/").split("#")[0]
                broken += [] if path.exists() else [link]
            continue
        name, _, anchor = link.partition("#")
        target = DOCS / name if name else page
        if target.parent != DOCS or not target.is_file() or (anchor and anchor not in anchors(target)):
            broken.append(link)
    assert broken == []


def test_every_public_name_is_on_a_page() -> None:
    text = "\n".join(page.read_text("utf-8") for page in DOCS.glob("api*.md"))
    named = set(re.findall(r"^::: csfnns\.(\w+)$", text, re.MULTILINE)) | VARIABLES
    assert sorted(set(csfnns.__all__) - named) == []
    assert all(f"csfnns.{name}" in text for name in VARIABLES)
