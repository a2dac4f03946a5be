"""The page in a real browser, against the real server: what people do there, and what must not happen.

Every test fails on an error in the console, a request to another origin, or a dialog (person.py).
"""

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns.extras import has
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr

AXE = Path(__file__).parents[2] / ".cache" / "axe" / "node_modules" / "axe-core" / "axe.min.js"
REQUIRED = os.environ.get("CSFNNS_BROWSER") == "required"  # as in .ci/run

Scene = Callable[..., Picture]


def absent(reason: str) -> None:
    """Skip where a browser need not be; fail where it must."""
    if REQUIRED:
        pytest.fail(reason)
    pytest.skip(reason, allow_module_level=True)


try:
    from person import CHROMIUM, ROOMS, Person, expect, launch
    from playwright.sync_api import Browser, Page, sync_playwright
except ModuleNotFoundError as missing:
    absent(f"{missing.name} is not installed")
if CHROMIUM is None:
    absent("chromium is not installed")


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = launch(playwright)
        yield browser
        browser.close()


def forget_keys(server: Any) -> None:
    for key in server.request("GET", "/api/keys")["open"]:
        server.request("DELETE", f"/api/keys/{key['id']}")


@pytest.fixture
def meet(chromium: Browser, server: Any) -> Iterator[Callable[..., Person]]:
    """Maker of people at the page, who have met no error when the test ends."""
    people: list[Person] = []

    def make(at: Any = server, **options: Any) -> Person:
        people.append(Person(chromium, at, **options))
        return people[-1]

    yield make
    for person in people:
        person.close()
        if person.server.process.poll() is None:
            forget_keys(person.server)
    assert [fault for person in people for fault in person.faults] == []


@pytest.fixture
def anna(meet: Callable[..., Person]) -> Person:
    return meet()


@pytest.fixture(scope="session")
def elsewhere(start_server: Callable[..., Any]) -> Any:
    """Another computer: a server that shares nothing with the first but what people carry over."""
    return start_server()


@pytest.fixture
def ben(meet: Callable[..., Person], elsewhere: Any) -> Person:
    return meet(elsewhere)


@pytest.fixture(scope="session")
def photo(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("photos") / "harbour.png"
    Image.fromarray(scene(120, 160, 3)).save(path)
    return path


def carry_key(sender: Person, receiver: Person, folder: Path, **choices: str) -> None:
    """Make a key, save it, and open the file at the other end."""
    card = sender.make_key(**choices)
    receiver.open_key(sender.save(card.get_by_role("button", name="Save key file"), folder))


def change(stego: Path, share: float) -> None:
    """Move a share of the levels of a PNG by one."""
    picture = read_picture(stego).copy()
    flat = picture.reshape(-1)
    where = np.random.default_rng(1).choice(flat.size, int(share * flat.size), replace=False)
    flat[where] ^= 1
    Image.fromarray(picture).save(stego)


def test_a_photo_reaches_whoever_has_the_key(anna: Person, ben: Person, photo: Path, tmp_path: Path) -> None:
    hide = anna.room("Hide")
    hide.get_by_role("button", name="Make a key").click()
    expect(hide.get_by_role("radio", name=re.compile("Cover"))).to_have_count(8)
    key = anna.save(hide.get_by_role("button", name="Save key file"), tmp_path)
    anna.give(photo)
    hide.get_by_role("radio", name="Cover 3").check()
    stego = anna.finish(hide, tmp_path)
    assert read_picture(stego).shape == (512, 512, 3)

    ben.open_key(key)
    reveal = ben.reveal(stego)
    expect(reveal.get_by_text("Unchanged")).to_be_visible()
    expect(reveal.get_by_role("img", name="The picture that was hidden")).to_be_visible()
    revealed = ben.save(reveal.get_by_role("link", name="Save picture"), tmp_path)
    assert psnr(read_picture(revealed), read_picture(photo)) > 36


@pytest.mark.parametrize("image_format", ["WebP, lossless", "JPEG"])
def test_a_file_arrives_byte_for_byte(anna: Person, ben: Person, image_format: str, tmp_path: Path) -> None:
    if image_format == "JPEG" and not has("jpeg"):
        pytest.skip("the extra jpeg is not installed")
    carry_key(anna, ben, tmp_path)
    content = np.random.default_rng(2).bytes(700)
    (tmp_path / "plan.bin").write_bytes(content)
    hide = anna.give(tmp_path / "plan.bin")
    hide.get_by_text("More", exact=True).click()
    hide.get_by_label("Format").select_option(image_format)
    stego = anna.finish(hide, tmp_path)
    assert stego.suffix == {"JPEG": ".jpg"}.get(image_format, ".webp")

    reveal = ben.reveal(stego)
    saved = ben.save(reveal.get_by_role("link", name="Save file"), tmp_path / "ben")
    assert (saved.name, saved.read_bytes()) == ("plan.bin", content)


def test_each_receiver_gets_their_own_secret(anna: Person, ben: Person, photo: Path, tmp_path: Path) -> None:
    card = anna.make_key(receivers="bob, carol")
    keys = {who: anna.save(card.get_by_role("button", name=f"Save for {who}"), tmp_path) for who in ("bob", "carol")}
    anna.give("Only for Bob", to="bob")
    stego = anna.finish(anna.give(photo, to="carol"), tmp_path)

    ben.open_key(keys["bob"])
    reveal = ben.reveal(stego)
    expect(reveal.get_by_label("The text that was hidden")).to_have_text("Only for Bob")
    ben.open_key(keys["carol"])
    reveal = ben.reveal(stego)
    expect(reveal.get_by_role("img", name="The picture that was hidden")).to_be_visible()


def test_a_robust_picture_survives_compression(anna: Person, ben: Person, photo: Path, tmp_path: Path) -> None:
    if not has("network"):
        pytest.skip("the extra network is not installed")
    carry_key(anna, ben, tmp_path, profile="robust", size="512x512")
    stego = anna.hide(photo, tmp_path)
    compressed = tmp_path / "compressed.jpg"
    Image.fromarray(read_picture(stego)).save(compressed, quality=85)

    reveal = ben.reveal(compressed)
    revealed = ben.save(reveal.get_by_role("link", name="Save picture"), tmp_path / "ben")
    arrived = Image.fromarray(read_picture(revealed)).resize((160, 120), Image.Resampling.LANCZOS)
    assert psnr(np.asarray(arrived), read_picture(photo)) > 20


def test_another_key_finds_nothing(anna: Person, ben: Person, tmp_path: Path) -> None:
    anna.make_key()
    ben.make_key()
    stego = anna.hide("At noon", tmp_path)
    reveal = ben.reveal(stego)
    expect(reveal.get_by_text("Not for this key.")).to_be_visible()
    expect(reveal.get_by_role("link")).to_have_count(0)
    expect(reveal.get_by_text("--")).to_have_count(0)  # what belongs to the command line
    expect(reveal.get_by_text("At noon")).to_have_count(0)


def test_a_changed_picture_says_so_and_shows_what_is_left(
    anna: Person, ben: Person, photo: Path, tmp_path: Path
) -> None:
    carry_key(anna, ben, tmp_path)
    hide = anna.give(photo)
    expect(hide.get_by_role("slider", name="Quality")).to_be_enabled()
    hide.get_by_role("slider", name="Quality").fill("36")
    stego = anna.finish(hide, tmp_path)
    change(stego, 0.0005)
    reveal = ben.reveal(stego)
    expect(reveal.get_by_text("changed on its way")).to_have_count(1)
    expect(reveal.get_by_role("img", name="The picture that was hidden")).to_be_visible()
    change(stego, 0.3)
    reveal = ben.reveal(stego)
    expect(reveal.get_by_role("link")).to_have_count(0)
    expect(reveal.get_by_text("Not for this key.")).to_be_visible()


def start_long(person: Person, photo: Path) -> Any:
    """Start a search that takes a minute, and wait until it runs."""
    person.make_key(profile="robust", size="512x512")
    hide = person.give(photo)
    hide.get_by_role("button", name="Hide", exact=True).click()
    expect(hide.get_by_role("progressbar")).to_have_attribute("max", re.compile(r"\d+"))
    return hide


needs_network = pytest.mark.skipif(not has("network"), reason="the extra network is not installed")


@needs_network
def test_cancel_ends_a_job_and_the_next_begins(anna: Person, photo: Path, tmp_path: Path) -> None:
    hide = start_long(anna, photo)
    hide.get_by_role("button", name="Cancel").click()
    expect(hide.get_by_text("Cancelled")).to_be_visible()
    expect(hide.get_by_role("progressbar")).to_be_hidden()
    anna.make_key()
    assert anna.hide("Next", tmp_path).exists()


@needs_network
def test_a_reload_finds_its_job_and_a_closed_tab_leaves_the_server_well(
    meet: Callable[..., Person], start_server: Callable[..., Any], photo: Path
) -> None:
    server = start_server()
    anna = meet(server)
    start_long(anna, photo)
    anna.page.reload()
    hide = anna.page.get_by_role("tabpanel", name="Hide")
    expect(hide.get_by_role("progressbar")).to_be_visible()
    anna.page.close()

    carol = meet(server)
    carol.make_key()
    hide = carol.give("Is anybody there?")
    hide.get_by_role("button", name="Hide", exact=True).click()
    expect(hide.get_by_text("Waiting")).to_be_visible()
    carol.close()
    assert server.stop() == 0  # with one job running and one waiting


def test_two_tabs_share_keys_and_nothing_else(anna: Person, tmp_path: Path) -> None:
    anna.make_key()
    first = anna.page
    with anna.context.expect_page() as opened:
        first.get_by_role("button", name="Open another tab").click()
    second = opened.value
    stegos = []
    for text, page in (("One", first), ("Two", second)):
        anna.page = page
        anna.give(text).get_by_role("button", name="Hide", exact=True).click()
    for page in (first, second):
        anna.page = page
        link = anna.outcome(anna.room("Hide")).get_by_role("link", name="Save picture")
        stegos.append(anna.save(link, tmp_path / str(len(stegos))))
    assert psnr(read_picture(stegos[0]), read_picture(stegos[1])) < 40  # two covers
    for text, stego in zip(("One", "Two"), stegos, strict=True):
        expect(anna.reveal(stego).get_by_label("The text that was hidden")).to_have_text(text)


def test_a_reload_keeps_the_room_the_key_and_the_result(anna: Person, tmp_path: Path) -> None:
    anna.make_key()
    stego = anna.hide("Once more", tmp_path)
    reveal = anna.reveal(stego)
    expect(reveal.get_by_label("The text that was hidden")).to_have_text("Once more")
    anna.page.reload()
    reveal = anna.page.get_by_role("tabpanel", name="Reveal")
    expect(reveal.get_by_label("The text that was hidden")).to_have_text("Once more")
    expect(reveal.get_by_role("combobox", name="Key")).to_be_visible()


def test_a_launch_link_works_once_and_leaves_no_trace(anna: Person, meet: Callable[..., Person]) -> None:
    link = anna.server.link()
    ben = meet(link=link)
    expect(ben.page.get_by_role("tabpanel", name="Hide")).to_be_visible()
    assert "launch" not in ben.page.url
    anna.refusals = {401}
    anna.page.evaluate("sessionStorage.clear()")
    anna.page.goto("about:blank")
    anna.page.goto(link)
    expect(anna.page.get_by_text("This tab is not signed in.")).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_room_is_accessible(meet: Callable[..., Person], scheme: str, photo: Path, tmp_path: Path) -> None:
    if not AXE.exists():
        absent("axe-core is not in .cache/axe")
    anna = meet(color_scheme=scheme)
    expect(anna.page.get_by_role("button", name="Make a key")).to_be_visible()
    serious = axe(anna.page, "Hide, without a key")
    anna.make_key(receivers="bob, carol")
    serious += axe(anna.page, "Keys")
    anna.make_key()
    anna.give(photo)
    expect(anna.page.get_by_role("status").get_by_text("dB").first).to_be_visible()
    serious += axe(anna.page, "Hide, with a preview")
    stego = anna.hide(photo, tmp_path)
    serious += axe(anna.page, "Hide")
    expect(anna.reveal(stego).get_by_role("link", name="Save picture")).to_be_visible()
    serious += axe(anna.page, "Reveal")
    change(stego, 0.3)
    expect(anna.reveal(stego).get_by_text("Not for this key.")).to_be_visible()
    serious += axe(anna.page, "Reveal, with another key")
    inspect(anna, photo)
    serious += axe(anna.page, "Inspect")
    assert serious == []


def axe(page: Page, where: str) -> list[str]:
    """Serious and critical faults that axe-core finds."""
    page.evaluate(AXE.read_text("utf-8"))
    rules = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}
    found = page.evaluate("options => axe.run(document, options)", rules)
    return [
        f"{where}: {each['id']}: {each['help']}: {node['html'][:200]}"
        for each in found["violations"]
        if each["impact"] in ("serious", "critical")
        for node in each["nodes"]
    ]


def inspect(person: Person, picture: Path) -> Any:
    room = person.room("Inspect")
    room.get_by_label("Choose a picture to inspect").set_input_files(picture)
    room.get_by_label("Choose one to compare it with").set_input_files(picture)
    room.get_by_role("button", name="Inspect", exact=True).click()
    expect(room.get_by_role("table")).to_be_visible()
    return room


def test_inspect_shows_maps_scores_and_what_they_mean(anna: Person, photo: Path) -> None:
    room = inspect(anna, photo)
    for name in ("Residual", "Energy", "Difference", "Histogram"):
        expect(room.get_by_role("img", name=name)).to_be_visible()
    expect(room.get_by_role("row").nth(1)).to_contain_text("stegexpose")
    expect(room.get_by_text("no proof").first).to_be_visible()


def test_a_phone_shows_every_room_without_scrolling_sideways(
    meet: Callable[..., Person], photo: Path, tmp_path: Path
) -> None:
    anna = meet(viewport={"width": 360, "height": 740}, has_touch=True, is_mobile=True)
    anna.make_key(receivers="bob, a-receiver-with-a-long-name")
    anna.make_key()
    long_name = tmp_path / f"{'a-very-long-name-' * 8}.png"
    long_name.write_bytes(photo.read_bytes())
    stego = anna.hide(long_name, tmp_path)
    expect(anna.reveal(stego).get_by_role("link", name="Save picture")).to_be_visible()
    inspect(anna, long_name)
    for room in ROOMS:
        anna.room(room)
        assert anna.page.evaluate("document.documentElement.scrollWidth") <= 360, room


def press_until(page: Page, key: str, target: Any, most: int = 60) -> None:
    """Press a key until the target has the focus."""
    for _ in range(most):
        if target.evaluate("element => element === document.activeElement"):
            return
        page.keyboard.press(key)
    raise AssertionError(f"{target} is not reached by {key}")


def test_the_keyboard_is_enough(anna: Person, photo: Path, tmp_path: Path) -> None:
    page = anna.page
    hide = page.get_by_role("tabpanel", name="Hide")
    # From here on choosers come to the test. Asked for by the key press alone, that now and then begins too late.
    page.on("filechooser", lambda _: None)

    def tab_to(target: Any) -> None:
        expect(target).to_be_visible()
        press_until(page, "Tab", target)

    def choose(target: Any, path: Path, key: str) -> None:
        tab_to(target)
        with page.expect_file_chooser() as chooser:
            page.keyboard.press(key)
        chooser.value.set_files(path)

    def save(target: Any) -> Path:
        tab_to(target)
        with page.expect_download() as waiting:
            page.keyboard.press("Enter")
        path = tmp_path / waiting.value.suggested_filename
        waiting.value.save_as(path)
        return path

    tab_to(hide.get_by_role("button", name="Make a key"))
    page.keyboard.press("Enter")
    save(hide.get_by_role("button", name="Save key file"))
    choose(hide.get_by_label("Choose a photo or file"), photo, "Enter")
    cover = hide.get_by_role("radio", name="Cover 1")
    expect(cover).to_be_checked()
    tab_to(cover)
    page.keyboard.press("ArrowRight")
    expect(hide.get_by_role("radio", name="Cover 2")).to_be_checked()
    tab_to(hide.get_by_role("slider", name="Quality"))
    page.keyboard.press("ArrowRight")
    expect(hide.get_by_text("38.5 dB")).to_be_visible()
    tab_to(hide.get_by_role("button", name="Hide", exact=True))
    page.keyboard.press("Enter")
    stego = save(hide.get_by_role("link", name="Save picture"))

    press_until(page, "Shift+Tab", page.get_by_role("tab", name="Hide"))
    page.keyboard.press("ArrowRight")
    reveal = page.get_by_role("tabpanel", name="Reveal")
    choose(reveal.get_by_label("Choose the picture you received"), stego, "Space")
    tab_to(reveal.get_by_role("button", name="Reveal", exact=True))
    page.keyboard.press("Enter")
    revealed = save(reveal.get_by_role("link", name="Save picture"))
    assert psnr(read_picture(revealed), read_picture(photo)) > 36


def canvas(room: Any, name: str) -> str:
    """What a preview shows, as text to compare."""
    return room.get_by_role("img", name=name).evaluate("canvas => canvas.toDataURL()")


def test_the_preview_follows_the_slider(anna: Person, photo: Path) -> None:
    anna.make_key(size="512x512")
    hide = anna.give(photo)
    words = hide.get_by_role("status").filter(has_text="dB")
    expect(words).to_be_visible()
    seen = [canvas(hide, "Difference from the cover")]
    slider = hide.get_by_role("slider", name="Quality")
    for value in ("25", "42"):
        slider.fill(value)
        expect(hide.get_by_text(f"{value} dB")).to_be_visible()
        expect(hide.locator(".stale")).to_have_count(0)
        seen.append(canvas(hide, "Difference from the cover"))
    assert len(set(seen)) == 3


def test_scripts_in_names_and_texts_do_nothing(anna: Person, ben: Person, tmp_path: Path) -> None:
    script = "<img src=x onerror=alert(1)><script>alert(2)</script>"
    carry_key(anna, ben, tmp_path)
    stego = anna.hide(script, tmp_path)
    expect(ben.reveal(stego).get_by_label("The text that was hidden")).to_have_text(script)

    named = tmp_path / "<img src=x onerror=alert(3)>.html"
    named.write_text("<script>alert(4)</script>")
    stego = anna.hide(named, tmp_path)
    renamed = tmp_path / '"><svg onload=alert(5)>.png'
    renamed.write_bytes(stego.read_bytes())
    reveal = ben.reveal(renamed)
    saved = ben.save(reveal.get_by_role("link", name="Save file"), tmp_path / "ben")
    assert saved.read_bytes() == named.read_bytes()
    assert not set('<>:"/\\|?*') & set(saved.name)


def test_dropped_files_are_taken_and_others_leave_the_page(anna: Person) -> None:
    anna.make_key()
    hide = anna.room("Hide")
    dropped = "() => { const d = new DataTransfer(); d.items.add(new File(['At noon'], 'note.txt')); return d; }"
    hide.get_by_text("Choose a photo or file").dispatch_event(
        "drop", {"dataTransfer": anna.page.evaluate_handle(dropped)}
    )
    expect(hide.get_by_text("note.txt, 7 bytes")).to_be_visible()


def test_nothing_of_a_secret_stays(chromium: Browser, start_server: Callable[..., Any], tmp_path: Path) -> None:
    server = start_server()
    anna = Person(chromium, server)
    passphrase, text = "seven blue herons wade at dawn", "the meeting is in the old mill"
    # Larger than what programs keep in memory before they write a file, and too large to hide.
    content = b"a file that nobody may find" + np.random.default_rng(3).bytes(1 << 22)
    (tmp_path / "ledger.bin").write_bytes(content)
    keys = anna.room("Keys")
    keys.get_by_label("Passphrase", exact=True).fill(passphrase)
    keys.get_by_role("button", name="Use passphrase").click()
    expect(keys.get_by_role("button", name="Forget")).to_be_visible()
    card = anna.make_key()
    key = anna.save(card.get_by_role("button", name="Save key file"), tmp_path).read_text()
    hide = anna.give(tmp_path / "ledger.bin")
    hide.get_by_role("button", name="Hide", exact=True).click()
    expect(anna.outcome(hide).get_by_role("link")).to_have_count(0)
    stego = anna.hide(text, tmp_path)
    expect(anna.reveal(stego).get_by_label("The text that was hidden")).to_have_text(text)
    history = anna.context.new_cdp_session(anna.page).send("Page.getNavigationHistory")
    visited = " ".join(each["url"] for each in history["entries"])
    addresses = " ".join([*anna.urls, visited])
    token = anna.page.evaluate("sessionStorage.getItem('csfnns-token')")
    left = anna.page.evaluate("JSON.stringify([Object.entries(localStorage), document.cookie])")
    anna.close()
    assert server.stop() == 0

    lines = re.findall(r"((?:[0-9a-f]{4} ){4})-", key)  # of the root, in hexadecimal digits
    assert len(lines) == 4
    root = bytes.fromhex("".join(lines))
    seeds = [lines[0], root.hex()[:16]]
    written = b"".join(path.read_bytes() for path in server.folder.rglob("*") if path.is_file())
    for secret in [passphrase, text, "a file that nobody may find", "ledger.bin", token, *seeds]:
        assert secret.encode() not in written
        assert secret not in addresses
        assert secret not in left
    assert root[:8] not in written
    assert "launch=" not in visited
    # Where the preview was faster than the button, it has said that the file is too large.
    assert [each for each in anna.faults if "api/preview" not in each] == []


def test_the_page_says_that_the_program_has_stopped(chromium: Browser, start_server: Callable[..., Any]) -> None:
    server = start_server()
    anna = Person(chromium, server)
    anna.make_key()
    assert server.stop() == 0
    anna.room("Hide").get_by_role("button", name="More covers").click()
    expect(anna.page.get_by_role("alert").get_by_text("has stopped")).to_be_visible()
    anna.close()
