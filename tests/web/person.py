"""Somebody at the page in a real browser, who finds everything by roles and names."""

import re
import shutil
from pathlib import Path
from typing import Any, Literal
from urllib.parse import unquote

from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Locator, Page, Playwright, Request, expect

CHROMIUM = shutil.which("chromium")
Room = Literal["Hide", "Reveal", "Keys", "Inspect"]
ROOMS: tuple[Room, ...] = ("Hide", "Reveal", "Keys", "Inspect")

expect.set_options(timeout=120_000)


def launch(playwright: Playwright) -> Browser:
    """Debian's chromium, without a window."""
    return playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])


class Person:
    """A browser context at a server, with one tab at first.

    `faults` has each error of the console and of the page, each request to another origin and each dialog. An answer
    whose status is in `refusals` is no fault: the browser itself writes to the console that a request was refused.
    """

    def __init__(self, browser: Browser, server: Any, *, link: str | None = None, **options: Any) -> None:
        self.server = server
        self.faults: list[str] = []
        self.urls: list[str] = []
        self.refusals: set[int] = set()
        self.context: BrowserContext = browser.new_context(accept_downloads=True, **options)
        self.context.set_default_timeout(120_000)
        self.context.on("console", self._on_console)
        self.context.on("weberror", lambda error: self.faults.append(f"error of the page: {error.error}"))
        self.context.on("request", self._on_request)
        self.context.on("dialog", self._on_dialog)
        self.page: Page = self.open_tab(link)

    def open_tab(self, link: str | None = None) -> Page:
        """Open a tab with a launch link, a fresh one by default, and make it this person's."""
        self.page = self.context.new_page()
        self.page.goto(link or self.server.link())
        expect(self.page.get_by_role("tabpanel")).to_be_visible()
        return self.page

    def close(self) -> None:
        self.context.close()

    def _on_console(self, message: ConsoleMessage) -> None:
        refused = re.search(r"the server responded with a status of (\d+)", message.text)
        if message.type in ("error", "warning") and not (refused and int(refused[1]) in self.refusals):
            self.faults.append(f"{message.type} in the console: {message.text} ({message.location['url']})")

    def _on_request(self, request: Request) -> None:
        self.urls.append(unquote(request.url))
        if not request.url.startswith((f"{self.server.url}/", f"blob:{self.server.url}/", "data:")):
            self.faults.append(f"request to another origin: {request.url}")

    def _on_dialog(self, dialog: Any) -> None:
        self.faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    def room(self, name: Room) -> Locator:
        """Open a room, and return it."""
        self.page.get_by_role("tab", name=name).click()
        panel = self.page.get_by_role("tabpanel", name=name)
        expect(panel).to_be_visible()
        return panel

    def save(self, button: Locator, folder: Path) -> Path:
        """Press what downloads, and keep the file in `folder` under the name that the page proposes."""
        expect(button).to_be_visible(timeout=3_000)
        with self.page.expect_download() as waiting:
            button.click()
        path = folder / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    def make_key(self, *, size: str = "256x256", profile: str = "standard", receivers: str = "") -> Locator:
        """Make a key in the room Keys, and return its card, which is the first."""
        keys = self.room("Keys")
        keys.get_by_label("Receivers").fill(receivers)
        keys.get_by_label("Picture size").select_option(size)
        keys.get_by_label("What it is for").select_option(profile)
        before = keys.get_by_role("button", name="Forget").count()
        keys.get_by_role("button", name="Make key").click()
        cards = keys.get_by_role("listitem")
        expect(cards.get_by_role("button", name="Forget")).to_have_count(before + 1)
        return cards.last

    def open_key(self, path: Path) -> None:
        """Open a key file in the room Keys."""
        keys = self.room("Keys")
        keys.get_by_label("Choose a key file").set_input_files(path)
        expect(keys.get_by_text(f"{path.name} is open.")).to_be_visible()

    def give(self, what: Path | str, *, to: str = "") -> Locator:
        """Choose a file, or write a text, for a receiver in the room Hide."""
        hide = self.room("Hide")
        whose = hide.get_by_role("group", name=f"For {to}" if to else "Kind of secret", exact=True)
        if isinstance(what, str):
            whose.get_by_role("radio", name="Text").check()
            whose.get_by_role("textbox").fill(what)
        else:
            whose.get_by_role("radio", name="Photo or file").check()
            whose.get_by_label("Choose a photo or file").set_input_files(what)
        return hide

    def hide(self, what: Path | str, folder: Path) -> Path:
        """Hide a file or text with the chosen key, and save the picture."""
        return self.finish(self.give(what), folder)

    def finish(self, hide: Locator, folder: Path) -> Path:
        """Hide what was chosen, and save the picture."""
        hide.get_by_role("button", name="Hide", exact=True).click()
        return self.save(self.outcome(hide).get_by_role("link", name="Save picture"), folder)

    def reveal(self, picture: Path) -> Locator:
        """Reveal a picture with the chosen key, and return what came of it."""
        reveal = self.room("Reveal")
        reveal.get_by_label("Choose the picture you received").set_input_files(picture)
        reveal.get_by_role("button", name="Reveal", exact=True).click()
        return self.outcome(reveal)

    def outcome(self, room: Locator) -> Locator:
        """What the job of a room came to, once it has ended."""
        live = room.locator(".outcome")
        expect(live).not_to_be_empty()
        return live
