"""Photograph the page in a real browser: every room, at three sizes, in both colour schemes.

python scripts/screenshots.py FOLDER     all of them, to look at
python scripts/screenshots.py --docs     the few of docs/web.md, as docs/web-*.webp

The pictures in them are covers of ours. It needs playwright and chromium.
"""

import argparse
import io
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

from PIL import Image
from playwright.sync_api import Browser, Locator, expect, sync_playwright

from csfnns.covers import AbstractCovers
from csfnns.stream import Seed

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "web"))

from person import Person, launch  # noqa: E402

from conftest import Server  # noqa: E402

SIZES = {"desktop": (1280, 800), "tablet": (820, 1180), "phone": (390, 844)}
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
DOCS = {
    "hide-desktop-light": "web-hide",
    "reveal-desktop-light": "web-reveal",
    "keys-desktop-light": "web-keys",
    "inspect-desktop-light": "web-inspect",
} | {"reveal-phone-dark": "web-phone"}


def main() -> None:
    """Take the pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", help="folder of all pictures")
    parser.add_argument("--docs", action="store_true", help="write the pictures of docs/web.md")
    options = parser.parse_args()
    expect.set_options(timeout=120_000)
    if options.folder is None and not options.docs:
        parser.error("name a folder, or --docs")
    with tempfile.TemporaryDirectory() as name, sync_playwright() as playwright:
        browser, server = launch(playwright), Server(Path(name) / "server")
        photo = Path(name) / "mountains.png"
        Image.fromarray(AbstractCovers(480, 640)(Seed(bytes([5]) * 32))).save(photo)
        try:
            for size in SIZES:
                for scheme in SCHEMES:
                    if options.docs and not any(f"-{size}-{scheme}" in each for each in DOCS):
                        continue
                    for room, picture in tour(browser, server, photo, size, scheme):
                        write(picture, f"{room}-{size}-{scheme}", None if options.docs else options.folder)
        finally:
            server.stop()
            browser.close()


def write(picture: bytes, name: str, folder: Path | None) -> None:
    """Write a picture to a folder, or, without one, to docs/ if it belongs there."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.png").write_bytes(picture)
    elif name in DOCS:
        Image.open(io.BytesIO(picture)).save(ROOT / "docs" / f"{DOCS[name]}.webp", quality=86, method=6)


def tour(browser: Browser, server: Any, photo: Path, size: str, scheme: str) -> list[tuple[str, bytes]]:
    """Names and pictures of the rooms, as one person sees them one after another."""
    width, height = SIZES[size]
    folder = Path(tempfile.mkdtemp(dir=photo.parent))
    options = {"viewport": {"width": width, "height": height}, "color_scheme": scheme, "has_touch": size != "desktop"}
    anna = Person(browser, server, **options)
    taken: list[tuple[str, bytes]] = []

    def take(name: str, *visible: Locator) -> None:
        for each in visible:
            expect(each).to_be_visible()
        for image in anna.page.locator("img:visible").all():
            expect(image).not_to_have_js_property("naturalWidth", 0)
        anna.page.evaluate("scrollTo(0, 0)")
        taken.append((name, anna.page.screenshot(full_page=True, animations="disabled")))

    take("hide-first")
    anna.make_key(receivers="bob, carol")
    anna.make_key(size="512x512")
    take("keys")
    hide = anna.give(photo)
    take("hide", hide.get_by_role("radio", name="Cover 8"), hide.get_by_role("status").filter(has_text="dB").first)
    stego = anna.finish(hide, folder)
    take("hide-done")
    reveal = anna.reveal(stego)
    take("reveal", reveal.get_by_role("img", name="The picture that was hidden"))
    Image.open(stego).resize((500, 500)).save(folder / "other.png")
    take("reveal-nothing", anna.reveal(folder / "other.png").get_by_text("Not for this key."))
    inspect = anna.room("Inspect")
    inspect.get_by_label("Choose a picture to inspect").set_input_files(stego)
    inspect.get_by_label("Key").select_option(index=2)
    inspect.get_by_role("button", name="Inspect", exact=True).click()
    take("inspect", inspect.get_by_role("table"))
    for key in server.request("GET", "/api/keys")["open"]:
        server.request("DELETE", f"/api/keys/{key['id']}")
    anna.close()
    for fault in anna.faults:
        print(f"{size}, {scheme}: {fault}", file=sys.stderr)  # noqa: T201
    return taken


if __name__ == "__main__":
    main()
