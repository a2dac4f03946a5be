"""Sending: what arrives, at which quality, what the file holds, and that nothing is left behind where it fails."""

import io
from collections.abc import Callable
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    Cancelled,
    CapacityError,
    CoverError,
    CsfnnsError,
    Hidden,
    Key,
    PictureError,
    SearchError,
    Trellis,
    UsageError,
    hide,
    make_profile,
    reveal,
    text,
)
from csfnns.covers import AlbumRegister, FolderCovers
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr
from csfnns.messages import send as sending
from csfnns.methods.select import LEAST_PSNR
from csfnns.stream import Seed

pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=64, height=64)
MEDIUM = make_profile(width=96, height=96)
SHAPE = 36, 48
UNREACHABLE = Trellis(stego=65, recovered=50, states=64)
Scene = Callable[..., Picture]


@pytest.fixture
def key() -> Key:
    return Key.from_root(MEDIUM, ROOT)


@pytest.fixture
def small() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture
def team() -> Key:
    return Key.from_root(MEDIUM, ROOT, ["ann", "bob", "eve"])


@pytest.fixture
def secret(scene: Scene) -> Picture:
    return scene(*SHAPE)


@pytest.fixture(scope="module")
def hidden(scene: Scene, fixed_nonces: None) -> Hidden:
    """A picture, hidden once for the tests that only look at it."""
    return hide(scene(*SHAPE), Key.from_root(MEDIUM, ROOT))


def noise(n: int, label: str = "") -> bytes:
    """Bytes that nothing compresses."""
    return ROOT.derive(f"test/send/{label}").stream().take(n)


def png(picture: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "PNG")
    return buffer.getvalue()


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "home" not in path.name]


# What arrives


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_picture_goes_through_a_file(suffix: str, key: Key, secret: Picture, tmp_path: Path) -> None:
    source, out = tmp_path / "secret.png", tmp_path / f"stego{suffix}"
    source.write_bytes(png(secret))
    sent = hide(source, key, out=out, method="trellis")
    found = reveal(out, key)
    assert (found.kind, found.picture.shape, found.content) == ("picture", secret.shape, None)
    assert psnr(found.picture, secret) > 36
    assert (found.id, found.receiver) == (sent.id, "receiver")
    assert (sent.method, sent.survives) == ("trellis", {})
    assert out.read_bytes() == sent.data
    assert np.array_equal(read_picture(out), sent.picture)
    assert sorted(leftovers(tmp_path)) == ["secret.png", f"stego{suffix}"]


@pytest.mark.parametrize("content", [b"", b"x", noise(300), noise(1600), bytes(20_000)], ids=len)
@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_file_arrives_byte_for_byte(content: bytes, suffix: str, small: Key, tmp_path: Path) -> None:
    source, out = tmp_path / "report.pdf", tmp_path / f"stego{suffix}"
    source.write_bytes(content)
    sent = hide(source, small, out=out)
    found, arrival = reveal(out, small), sent.receivers["receiver"]
    assert arrival.file is not None
    assert found.content == arrival.file.content == content
    assert (found.kind, found.name, found.unchanged) == ("file", "report.pdf", True)
    assert (sent.method, arrival.form, arrival.width, arrival.figures) == ("direct", "exact", None, None)
    assert sent.least_recovered == float("inf")
    assert (sent.stego.max_abs, found.id) == (1, sent.id)


@pytest.mark.parametrize("content", ["", "grüße, привет, 你好 👋", "line\nline\r\n"])
def test_text_arrives_as_text(content: str, small: Key) -> None:
    found = reveal(hide(text(content), small), small)
    assert (found.kind, found.text, found.name) == ("text", content, None)


@pytest.mark.parametrize("name", ["standard", "robust", "paper"])
@pytest.mark.parametrize("method", ["direct", "grain"])
def test_files_go_losslessly_with_every_profile(name: str, method: str) -> None:
    key = Key.from_root(make_profile(name, width=64, height=96), ROOT)
    sent = hide(noise(900), key, method=method)
    assert (sent.method, sent.stego.max_abs) == (method, 1 if method == "direct" else 3)
    assert reveal(sent, key).content == noise(900)


@pytest.mark.parametrize("form", ["image", "bytes", "array", "path", "string"])
def test_a_picture_may_be_given_in_any_form(form: str, key: Key, secret: Picture, tmp_path: Path) -> None:
    path = tmp_path / "secret.png"
    path.write_bytes(png(secret))
    forms: dict[str, Any] = {
        "image": Image.fromarray(secret),
        "bytes": png(secret),
        "array": secret,
        "path": path,
        "string": str(path),
    }
    sent = hide(forms[form], key, method=Trellis(states=64))
    assert psnr(reveal(sent, key).picture, secret) > 35


def test_figures_are_of_the_written_file(hidden: Hidden, key: Key, secret: Picture) -> None:
    """The stego's against the cover, the picture's against the secret; the receiver knows the quality too."""
    assert hidden.stego.max_abs == 1
    assert hidden.stego.psnr == pytest.approx(-10 * np.log10(hidden.stego.changed / 255**2))
    figures, found = hidden.receivers["receiver"].figures, reveal(hidden, key)
    assert figures is not None
    assert figures.psnr == hidden.least_recovered == psnr(found.picture, secret)
    assert found.expected_psnr == pytest.approx(figures.psnr, abs=0.2)


def test_the_file_holds_pixels_and_nothing_else(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    hide(secret, key, out=out)
    with Image.open(out) as image:
        assert image.info == {}
    chunks = [name for name in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME", b"gAMA") if name in out.read_bytes()]
    assert chunks == []


def test_two_messages_share_neither_cover_nor_id(small: Key) -> None:
    sent = [hide(b"the same", small) for _ in range(5)]
    assert len({each.id for each in sent}) == 5
    for a, b in pairwise(sent):
        assert np.mean(a.picture == b.picture) < 0.3


@pytest.mark.parametrize("payload", ["file", "text", "picture"])
def test_the_time_of_sending_travels_unless_it_is_left_out(payload: str, key: Key, scene: Scene) -> None:
    sources: dict[str, Any] = {"file": b"x", "text": text("x"), "picture": scene(20, 20)}
    method = "trellis" if payload == "picture" else None
    before = datetime.now(UTC).replace(microsecond=0)
    sent = reveal(hide(sources[payload], key, method=method), key).sent
    assert sent is not None
    assert before <= sent <= datetime.now(UTC)
    assert reveal(hide(sources[payload], key, method=method, dated=False), key).sent is None


def test_a_name_replaces_that_of_the_path(small: Key, tmp_path: Path) -> None:
    (tmp_path / "private.txt").write_bytes(b"x")
    assert reveal(hide(tmp_path / "private.txt", small, name="a.txt"), small).name == "a.txt"
    assert reveal(hide(b"x", small), small).name is None


# Quality and size


def test_targets_out_of_reach_name_the_closest_and_leave_no_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    with pytest.raises(SearchError, match=r"closest is \d+\.\d dB for the stego and \d+\.\d dB") as caught:
        hide(secret, key, out=tmp_path / "stego.png", method=UNREACHABLE)
    assert "--resize" in caught.value.hint
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize(("resize", "size"), [(30, (22, 30)), (1, (1, 1)), (400, (90, 120))])
def test_a_picture_is_scaled_down_to_resize(resize: int, size: tuple[int, int], key: Key, scene: Scene) -> None:
    secret = scene(90, 120)
    sent = hide(secret, key, resize=resize, method="trellis")
    shown, arrival = reveal(sent, key).picture, sent.receivers["receiver"]
    assert shown.shape[:2] == (arrival.height, arrival.width) == size
    assert arrival.figures is not None
    assert arrival.figures.psnr == psnr(shown, fit(secret, *size))
    assert arrival.original_psnr == psnr(fit(shown, 90, 120), secret)


def test_a_picture_that_would_arrive_too_poor_is_refused_with_a_size_that_fits(key: Key, tmp_path: Path) -> None:
    secret = np.random.default_rng(1).integers(0, 256, (100, 140, 3), dtype=np.uint8)
    with pytest.raises(SearchError, match=r"would arrive with only 1\d\.\d dB") as caught:
        hide(secret, key, out=tmp_path / "stego.png", method="trellis")
    assert leftovers(tmp_path) == []
    words = caught.value.hint.replace(";", " ").split()
    side = int(words[words.index("--resize") + 1])
    assert side >= 20
    assert hide(secret, key, resize=side, method="trellis").least_recovered > LEAST_PSNR


# Several receivers


def test_a_picture_for_one_and_a_file_for_another_share_a_cover(team: Key, scene: Scene) -> None:
    sent = hide({"ann": scene(*SHAPE, 1), "bob": noise(300)}, team, name="plan.pdf")
    assert {name: each.form for name, each in sent.receivers.items()} == {"ann": "trellis", "bob": "exact"}
    picture, file = (reveal(sent, team.for_receiver(name)) for name in ("ann", "bob"))
    assert psnr(picture.picture, scene(*SHAPE, 1)) > 28
    assert (file.content, file.name) == (noise(300), "plan.pdf")


def test_the_stego_shows_no_receiver_how_many_others_there_are(team: Key, scene: Scene) -> None:
    """Pictures of several have equal shares: the stego has 56 dB, whoever gets one and however small it is."""
    for secrets in ({"ann": scene(8, 8), "bob": scene(9, 9)}, dict.fromkeys(team.names, scene(40, 40))):
        assert hide(secrets, team).stego.psnr == pytest.approx(56, abs=0.5)


# Errors before anything is made


@pytest.fixture
def no_cover(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the test fail where a cover is made."""

    def make(*_: Any) -> None:
        pytest.fail("a cover was made before the mistake was found")

    monkeypatch.setattr(sending, "make_generator", make)


@pytest.mark.usefixtures("no_cover")
@pytest.mark.parametrize(
    ("problem", "error"),
    [
        ("missing", PictureError),
        ("folder", PictureError),
        ("huge", CapacityError),
        ("unequal", CapacityError),
        ("lossy", PictureError),
        ("no suffix", PictureError),
        ("nowhere", PictureError),
        ("taken", PictureError),
        ("input", PictureError),
        ("nobody", UsageError),
        ("several", UsageError),
        ("stranger", UsageError),
        ("answer", UsageError),
        ("broken", PictureError),
        ("no picture", UsageError),
        ("resize 0", UsageError),
        ("resize file", UsageError),
    ],
)
def test_mistakes_are_found_before_a_cover_is_made(problem: str, error: type[CsfnnsError], tmp_path: Path) -> None:
    key = Key.from_root(SMALL, ROOT, ["ann", "bob"])
    (tmp_path / "taken.png").write_bytes(b"precious")
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    cases: dict[str, tuple[Any, dict[str, Any]]] = {
        "missing": ({"ann": tmp_path / "missing.pdf"}, {}),
        "folder": ({"ann": tmp_path}, {}),
        "huge": ({"ann": noise(2600)}, {}),
        "unequal": ({"ann": noise(2300), "bob": noise(310)}, {}),
        "lossy": ({"ann": b"x"}, {"out": tmp_path / "stego.gif"}),
        "no suffix": ({"ann": b"x"}, {"out": tmp_path / "stego"}),
        "nowhere": ({"ann": b"x"}, {"out": tmp_path / "nowhere" / "stego.png"}),
        "taken": ({"ann": b"x"}, {"out": tmp_path / "taken.png"}),
        "input": ({"ann": tmp_path / "taken.png"}, {"out": tmp_path / "taken.png", "overwrite": True}),
        "nobody": ({}, {}),
        "several": (b"x", {}),
        "stranger": ({"ann": b"x", "dan": b"x"}, {}),
        "answer": ({"sender": b"x"}, {}),
        "broken": ({"ann": tmp_path / "broken.jpg"}, {}),
        "no picture": ({"ann": b"x"}, {"method": "trellis"}),
        "resize 0": ({"ann": np.zeros((9, 9, 3), np.uint8)}, {"resize": 0}),
        "resize file": ({"ann": b"x"}, {"resize": 100}),
    }
    source, options = cases[problem]
    with pytest.raises(error) as caught:
        hide(source, key, **options)
    assert caught.value.hint
    assert sorted(leftovers(tmp_path)) == ["broken.jpg", "taken.png"]
    assert (tmp_path / "taken.png").read_bytes() == b"precious"


# Failures leave nothing behind


def test_slightly_too_much_leaves_no_file(small: Key, tmp_path: Path) -> None:
    with pytest.raises(CapacityError) as caught:
        hide(noise(2200), small, out=tmp_path / "stego.png")
    assert caught.value.hint
    assert leftovers(tmp_path) == []


@pytest.mark.parametrize("places", [1, 5000])
def test_a_cancelled_search_leaves_no_file(places: int, key: Key, secret: Picture, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        hide(
            secret,
            key,
            out=tmp_path / "stego.png",
            method="trellis",
            progress=lambda done, of: done < places,
        )
    assert leftovers(tmp_path) == []


def test_a_failed_hide_leaves_the_old_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    out.write_bytes(b"old")
    with pytest.raises(SearchError):
        hide(secret, key, out=out, overwrite=True, method=UNREACHABLE)
    assert out.read_bytes() == b"old"


def test_a_file_is_replaced_only_with_overwrite(small: Key, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    out.write_bytes(b"old")
    sent = hide(b"x", small, out=out, overwrite=True)
    with pytest.raises(PictureError, match="already exists"):
        hide(b"x", small, out=out)
    assert out.read_bytes() == sent.data


@pytest.mark.parametrize("broken", ["payload", "address"])
def test_a_file_that_was_written_wrong_is_not_sent(
    broken: str, small: Key, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A fault on the way into the file is put in: the check must notice it before there is a file."""
    write = sending.encode_picture

    def faulty(picture: Picture, suffix: str) -> bytes:
        rows = np.arange(64)[:, None, None]
        return write(np.where(rows % 20 == 3 if broken == "payload" else rows >= 0, picture ^ 1, picture), suffix)

    monkeypatch.setattr(sending, "encode_picture", faulty)
    with pytest.raises(SearchError, match=r"could not find the message|would not get the secret") as caught:
        hide(noise(1500), small, out=tmp_path / "stego.png")
    assert caught.value.hint
    assert leftovers(tmp_path) == []


def test_progress_rises_to_the_end(key: Key, secret: Picture) -> None:
    seen: list[tuple[int, int]] = []
    hide(secret, key, method="trellis", progress=lambda done, places: seen.append((done, places)))
    done, places = seen[-1]
    assert done == places
    assert 10_000 < places < 96 * 96 * 3
    last = [i for i, (at, of) in enumerate(seen) if at == of]
    for first, end in zip([0, *(i + 1 for i in last)], last, strict=False):  # one search after another
        steps = [at for at, _ in seen[first : end + 1]]
        assert steps == sorted(set(steps))


# Albums


@pytest.fixture
def album(scene: Scene, tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.png").write_bytes(png(scene(108, 98, 20 + i)))
    return folder


@pytest.fixture
def album_key(album: Path) -> Key:
    fingerprint = FolderCovers(album, 64, 64).album_fingerprint
    key = Key.from_root(make_profile(width=64, height=64, generator="folder", album=fingerprint), ROOT)
    AlbumRegister().make_writer(key.id)
    return key


def test_an_album_gives_covers_until_it_is_used_up(album: Path, album_key: Key) -> None:
    """Four pictures: the check cover and three messages. A failed message takes none, or its own."""
    sent = [hide(noise(200, str(i)), album_key, covers=album) for i in range(3)]
    for i, each in enumerate(sent):
        assert reveal(each, album_key, covers=album).content == noise(200, str(i))
    with pytest.raises(CoverError):
        hide(b"x", album_key, covers=album)


def test_an_album_must_be_the_one_of_the_key(album: Path, album_key: Key, small: Key) -> None:
    with pytest.raises(CoverError):
        hide(b"x", album_key)
    with pytest.raises(UsageError):
        hide(b"x", small, covers=album)
    next(album.iterdir()).unlink()
    with pytest.raises(CoverError):
        hide(b"x", album_key, covers=album)
