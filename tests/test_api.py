import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import Hidden, Key, Ledger, Profile, Search, hide, make_cover, make_profile, reveal
from csfnns.api import WINDOW
from csfnns.covers.folder import FolderCovers
from csfnns.errors import (
    Cancelled,
    CapacityError,
    CoverError,
    DamagedError,
    KeyFileError,
    NoMessageError,
    PictureError,
    SearchError,
    UsageError,
)
from csfnns.measure import psnr
from csfnns.output import write_picture
from csfnns.picture import Picture, fit, read_picture, restored_shape
from csfnns.search import preset
from csfnns.sending import LEAST_PSNR
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=128, height=128)
STEPS = 80
Scene = Callable[..., Picture]


def quick(profile: Profile = SMALL, **settings: Any) -> Search:
    """The profile's own search, only shorter."""
    return dataclasses.replace(preset(profile), **({"steps": STEPS} | settings))


@pytest.fixture
def key() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture
def secret(scene: Scene) -> Picture:
    return scene(90, 120)


@pytest.fixture(scope="module")
def hidden(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    """One message, hidden once for the tests that only look at it: number 1 of the key."""
    ledger = Ledger(tmp_path_factory.mktemp("sender") / "ledger.sqlite3")
    return hide(scene(90, 120), Key.from_root(SMALL, ROOT), search=quick(), ledger=ledger)


def png(picture: Picture, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, **({"format": "PNG"} | options))
    return buffer.getvalue()


# Round trips


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_secret_goes_through_a_file(suffix: str, key: Key, secret: Picture, tmp_path: Path) -> None:
    source, out = tmp_path / "secret.png", tmp_path / f"stego{suffix}"
    source.write_bytes(png(secret))
    sent = hide(source, key, out=out, search=quick())
    found = reveal(out, key)
    assert found.picture.shape == secret.shape
    assert psnr(found.picture, secret) > 25
    assert (found.message, found.receiver) == (sent.message, "main")


@pytest.mark.parametrize("form", ["array", "image", "bytes", "path", "text", "hidden"])
def test_a_stego_may_be_given_in_any_form(form: str, hidden: Hidden, key: Key, tmp_path: Path) -> None:
    path = tmp_path / "stego.png"
    hidden.save(path)
    forms: dict[str, Any] = {
        "array": hidden.picture,
        "image": Image.fromarray(hidden.picture),
        "bytes": png(hidden.picture),
        "path": path,
        "text": str(path),
        "hidden": hidden,
    }
    found = reveal(forms[form], key)
    assert np.array_equal(found.picture, reveal(hidden.picture, key).picture)
    assert found.message == hidden.message


@pytest.mark.parametrize("form", ["array", "image", "bytes"])
def test_a_secret_may_be_given_in_any_form(form: str, key: Key, secret: Picture, hidden: Hidden) -> None:
    forms: dict[str, Any] = {"array": secret, "image": Image.fromarray(secret), "bytes": png(secret)}
    assert np.array_equal(hide(forms[form], key, search=quick()).picture, hidden.picture)


@pytest.mark.parametrize("bpp", ["24", "6", "1.5"])
def test_every_rate_goes_through(bpp: str, secret: Picture) -> None:
    profile = make_profile(width=128, height=192, bpp=bpp)
    key = Key.from_root(profile, ROOT)
    sent = hide(secret, key, search=quick(profile))
    found = reveal(sent, key)
    rows, columns = profile.secret_size
    assert found.picture.shape[:2] == restored_shape(90, 120, rows, columns)
    assert psnr(fit(found.picture, rows, columns), fit(secret, rows, columns)) > LEAST_PSNR


@pytest.mark.parametrize("decoder", ["shuffle", "plain"])
def test_the_paper_profile_goes_through(decoder: Any, scene: Scene) -> None:
    profile = make_profile("paper", decoder=decoder, width=64, height=64, channels=32)
    key = Key.from_root(profile, ROOT)
    secret = scene(64, 64, 3)
    found = reveal(hide(secret, key, search=quick(profile, steps=100)), key)
    assert found.picture.shape == (32, 32, 3)
    assert found.expected_psnr is None
    assert psnr(found.picture, fit(secret, 32, 32)) > LEAST_PSNR


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_secret_of_one_colour_goes_through(colour: int, key: Key) -> None:
    """With the profile's own number of steps: there is nothing to be found but the header."""
    secret = np.full((40, 30, 3), colour, np.uint8)
    found = reveal(hide(secret, key), key)
    assert found.picture.shape == secret.shape
    assert psnr(found.picture, secret) > 40


def test_a_smooth_secret_goes_through(key: Key) -> None:
    y, x = np.mgrid[:100, :100]
    secret = np.stack([x + 50, y + 100, 200 - x // 2 - y // 2], axis=-1).astype(np.uint8)
    assert psnr(reveal(hide(secret, key), key).picture, secret) > 30


@pytest.mark.parametrize("shape", [(1, 1), (500, 7), (300, 200)])
def test_the_true_shape_comes_back(shape: tuple[int, int], key: Key, scene: Scene) -> None:
    """Where a secret has more than four times the grid's pixels, its aspect does."""
    found = reveal(hide(scene(*shape), key, search=quick()), key)
    assert found.picture.shape[:2] == restored_shape(*shape, 64, 64)


def test_the_receiver_knows_the_quality(hidden: Hidden, key: Key) -> None:
    found = reveal(hidden, key)
    assert found.expected_psnr == pytest.approx(hidden.recovered["main"].psnr, abs=1.5)


def test_figures_are_of_what_was_made(hidden: Hidden, key: Key) -> None:
    cover = make_cover(key, hidden.message).picture
    assert hidden.stego.psnr == psnr(cover, hidden.picture)
    assert hidden.stego.changed == np.mean(cover != hidden.picture)
    assert hidden.stego.max_abs == np.abs(cover.astype(int) - hidden.picture).max()


def test_what_is_written_is_what_was_checked(key: Key, secret: Picture, tmp_path: Path) -> None:
    sent = hide(secret, key, out=tmp_path / "stego.png", search=quick())
    assert np.array_equal(read_picture(tmp_path / "stego.png"), sent.picture)
    assert list(tmp_path.glob("stego*")) == [tmp_path / "stego.png"]


def test_nothing_but_pixels_is_written(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    hide(secret, key, out=out, search=quick())
    with Image.open(out) as image:
        assert image.info == {}
    chunks = [
        name for name in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME", b"gAMA") if name in out.read_bytes()
    ]
    assert chunks == []


def test_hiding_is_deterministic_for_key_number_and_secret(hidden: Hidden, secret: Picture, key: Key) -> None:
    assert np.array_equal(hide(secret, key, search=quick()).picture, hidden.picture)


# Receivers


@pytest.fixture(scope="module")
def two(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    ledger = Ledger(tmp_path_factory.mktemp("two") / "ledger.sqlite3")
    secrets = {"ann": scene(60, 80, 1), "bob": scene(80, 60, 2)}
    return hide(secrets, team(), search=quick(), ledger=ledger)


def team() -> Key:
    return Key.from_root(SMALL, ROOT, ["ann", "bob", "eve"])


@pytest.mark.parametrize(("name", "shape", "which"), [("ann", (60, 80), 1), ("bob", (80, 60), 2)])
def test_each_receiver_gets_his_own(
    name: str, shape: tuple[int, int], which: int, two: Hidden, scene: Scene
) -> None:
    found = reveal(two, team().for_receiver(name))
    assert found.receiver == name
    assert psnr(found.picture, scene(*shape, which)) > LEAST_PSNR
    assert np.array_equal(found.picture, reveal(two, team(), receiver=name).picture)


def test_a_receiver_for_whom_nothing_was_hidden_gets_nothing(two: Hidden) -> None:
    with pytest.raises(NoMessageError):
        reveal(two, team().for_receiver("eve"))


def test_each_receivers_quality_is_measured(two: Hidden) -> None:
    assert set(two.recovered) == {"ann", "bob"}
    assert all(figures.psnr > LEAST_PSNR for figures in two.recovered.values())


@pytest.mark.parametrize("name", ["bob", "eve"])
def test_a_receivers_key_reveals_for_no_other(name: str, two: Hidden) -> None:
    with pytest.raises(UsageError, match=name):
        reveal(two, team().for_receiver("ann"), receiver=name)


def test_with_several_receivers_one_must_be_named(two: Hidden, secret: Picture) -> None:
    with pytest.raises(UsageError, match="several"):
        reveal(two, team())
    with pytest.raises(UsageError, match="several"):
        hide(secret, team(), search=quick())


@pytest.mark.parametrize("names", [["zoe"], ["ann", "zoe"], []])
def test_secrets_go_to_receivers_of_the_key_only(names: list[str], secret: Picture) -> None:
    with pytest.raises(UsageError, match="no receiver" if names else "no secret"):
        hide(dict.fromkeys(names, secret), team(), search=quick())


def test_what_cannot_be_is_refused_before_a_number_is_used(secret: Picture) -> None:
    crowd = Key.new(make_profile(width=128, height=128), [f"r{i}" for i in range(5)])
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    with pytest.raises(CapacityError, match="5 secrets"):
        hide(dict.fromkeys(crowd.names, secret), crowd)
    with pytest.raises(CapacityError, match="noise"):
        hide(noise, Key.from_root(make_profile("paper", width=64, height=64), crowd.cover))
    with pytest.raises(UsageError, match="device 'nowhere'"):
        hide(secret, Key.from_root(make_profile(width=128, height=128), crowd.cover), device="nowhere")
    uniform = make_profile("paper", width=64, height=64, weights="uniform")
    with pytest.raises(UsageError, match="wrong key"):
        hide(secret, Key.from_root(uniform, crowd.cover))
    assert Ledger().highest(crowd.id) == 0
    assert Ledger().highest(Key.from_root(uniform, crowd.cover).id) == 0


def test_covers_that_resemble_each_other_are_told_apart(tmp_path: Path, secret: Picture) -> None:
    """An album of small things on white: at nearly every pixel all its pictures are the same."""
    for i in range(6):
        page = np.full((128, 128, 3), 244, np.uint8)
        page[20 * i : 20 * i + 12, 40:60] = 30 * i
        write_picture(page, tmp_path / f"{i}.png")
    fingerprint = FolderCovers(tmp_path, 128, 128).album_fingerprint
    key = Key.new(make_profile(width=128, height=128, generator="folder", album=fingerprint))
    sent = [hide(secret, key, album=tmp_path, search=quick()) for _ in range(3)]
    for i, hidden in enumerate(sent):
        receiver = Ledger(tmp_path / f"ledger{i}")
        assert reveal(hidden, key, album=tmp_path, ledger=receiver).message == i + 1


def test_a_number_of_numpy_is_a_number(hidden: Hidden, key: Key) -> None:
    assert reveal(hidden, key, message=np.int64(hidden.message)).message == hidden.message
    assert Ledger().seen(key.id, key.names[0]) == {hidden.message}


def test_a_receivers_key_does_not_hide(secret: Picture) -> None:
    with pytest.raises(KeyFileError, match="receiver's key"):
        hide(secret, team().for_receiver("ann"), search=quick())


# Nothing there


def test_another_key_finds_nothing(hidden: Hidden) -> None:
    with pytest.raises(NoMessageError):
        reveal(hidden, Key.from_root(SMALL, ROOT.derive("other")))


def test_another_key_finds_nothing_even_where_it_is_told_to_look(hidden: Hidden) -> None:
    """And it does not call a picture damaged that was never its own."""
    with pytest.raises(NoMessageError) as error:
        reveal(hidden, Key.from_root(SMALL, ROOT.derive("other")), message=hidden.message)
    assert not isinstance(error.value, DamagedError)


def test_the_plain_cover_holds_nothing(hidden: Hidden, key: Key) -> None:
    with pytest.raises(NoMessageError, match="nothing is hidden"):
        reveal(make_cover(key, hidden.message).picture, key)


def test_the_number_of_another_message_finds_nothing(hidden: Hidden, key: Key) -> None:
    with pytest.raises(NoMessageError) as error:
        reveal(hidden, key, message=hidden.message + 1)
    assert not isinstance(error.value, DamagedError)


@pytest.mark.parametrize("message", [None, 1])
def test_an_unrelated_picture_holds_nothing(message: int | None, key: Key, scene: Scene) -> None:
    with pytest.raises(NoMessageError):
        reveal(scene(128, 128, 9), key, message=message)


@pytest.mark.parametrize("shape", [(64, 64), (128, 144), (127, 128), (256, 256)])
def test_a_picture_of_another_size_holds_nothing(shape: tuple[int, int], key: Key, hidden: Hidden) -> None:
    with pytest.raises(NoMessageError, match="128x128"):
        reveal(fit(hidden.picture, *shape), key)


@pytest.mark.parametrize("quality", [50, 90, 100])
def test_a_stego_saved_as_jpeg_holds_nothing(quality: int, hidden: Hidden, key: Key) -> None:
    with pytest.raises(DamagedError, match="message 1"):
        reveal(png(hidden.picture, format="JPEG", quality=quality), key)


@pytest.mark.parametrize("change", ["flipped", "turned", "inverted", "shifted", "scaled and back"])
def test_a_stego_that_was_edited_holds_nothing(change: str, hidden: Hidden, key: Key) -> None:
    picture = hidden.picture
    changed: dict[str, Any] = {
        "flipped": picture[:, ::-1],
        "turned": np.rot90(picture),
        "inverted": 255 - picture,
        "shifted": np.roll(picture, 1, axis=1),
        "scaled and back": fit(fit(picture, 64, 64), 128, 128),
    }
    with pytest.raises(NoMessageError):
        reveal(changed[change], key, message=hidden.message)


PAPER = make_profile("paper", width=64, height=64, channels=32)


@pytest.fixture(scope="module")
def paper(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    ledger = Ledger(tmp_path_factory.mktemp("paper") / "ledger.sqlite3")
    return hide(scene(64, 64, 3), Key.from_root(PAPER, ROOT), search=quick(PAPER), ledger=ledger)


@pytest.mark.parametrize("wrong", ["cover", "key", "number", "jpeg", "noise"])
def test_the_paper_profile_refuses_what_holds_nothing(wrong: str, paper: Hidden) -> None:
    """It has no check value: a statistical test must do."""
    key = Key.from_root(PAPER, ROOT)
    cover = make_cover(key, paper.message).picture
    noise = np.clip(cover + np.rint(3 * ROOT.stream().normals(cover.size)).reshape(cover.shape), 0, 255)
    pictures: dict[str, Any] = {
        "cover": cover,
        "jpeg": png(paper.picture, format="JPEG", quality=90),
        "noise": noise.astype(np.uint8),
    }
    reader = Key.from_root(PAPER, ROOT.derive("other")) if wrong == "key" else key
    with pytest.raises(NoMessageError):
        reveal(pictures.get(wrong, paper.picture), reader, message=paper.message + (wrong == "number"))


# Message numbers


def test_numbers_never_repeat_whatever_becomes_of_the_message(key: Key, secret: Picture) -> None:
    first = hide(secret, key, search=quick()).message
    with pytest.raises(Cancelled):
        hide(secret, key, search=quick(), progress=lambda done, steps: False)
    with pytest.raises(SearchError):
        hide(secret, key, search=quick(steps=1))
    assert (first, hide(secret, key, search=quick()).message) == (1, 4)


def test_each_number_has_its_own_cover(key: Key) -> None:
    assert len({make_cover(key, message).fingerprint for message in range(5)}) == 5


def test_messages_may_arrive_out_of_order_and_again(key: Key, secret: Picture, tmp_path: Path) -> None:
    sent = [hide(secret, key, search=quick()) for _ in range(3)]
    receiver = Ledger(tmp_path / "receiver.sqlite3")
    order = [2, 0, 1, 1, 2]
    found = [reveal(sent[i].picture, key, ledger=receiver).message for i in order]
    assert found == [3, 1, 2, 2, 3]


@pytest.fixture
def ahead(key: Key, secret: Picture, tmp_path: Path) -> Callable[[int], Hidden]:
    """Hide as message number n, skipping all before."""

    def at(number: int) -> Hidden:
        ledger = Ledger(tmp_path / f"sender{number}.sqlite3")
        if number > 1:
            ledger.claim(key.id, number - 1)
        sent = hide(secret, key, search=quick(), ledger=ledger)
        assert sent.message == number
        return sent

    return at


def test_a_message_is_found_as_far_ahead_as_promised(key: Key, ahead: Callable[[int], Hidden]) -> None:
    assert reveal(ahead(WINDOW).picture, key).message == WINDOW


def test_a_message_further_ahead_is_found_by_its_number(key: Key, ahead: Callable[[int], Hidden]) -> None:
    sent = ahead(WINDOW + 1)
    with pytest.raises(NoMessageError, match="none of this key's covers") as error:
        reveal(sent.picture, key)
    assert str(WINDOW) in error.value.hint
    assert reveal(sent.picture, key, message=WINDOW + 1).message == WINDOW + 1
    assert reveal(ahead(WINDOW + 3).picture, key).message == WINDOW + 3


@pytest.mark.parametrize("number", [0, -1, 2**32])
def test_numbers_that_cannot_be_are_refused(number: int, hidden: Hidden, key: Key) -> None:
    with pytest.raises(UsageError):
        reveal(hidden, key, message=number)


def test_a_failed_reveal_leaves_the_window_where_it_was(key: Key, hidden: Hidden, tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "receiver.sqlite3")
    with pytest.raises(NoMessageError):
        reveal(hidden, key, message=1000, ledger=ledger)
    assert ledger.seen(key.id, "main") == set()
    assert reveal(hidden, key, ledger=ledger).message == 1
    assert ledger.seen(key.id, "main") == {1}


# Failures leave nothing behind


def leftovers(folder: Path) -> list[str]:
    return [path.name for path in folder.iterdir() if "home" not in path.name]


def test_a_cancelled_hide_leaves_no_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        hide(
            secret,
            key,
            out=tmp_path / "stego.png",
            search=quick(),
            progress=lambda done, steps: done < steps,
        )
    assert leftovers(tmp_path) == []


def test_a_search_that_does_not_end_in_a_secret_leaves_no_file(
    key: Key, secret: Picture, tmp_path: Path
) -> None:
    with pytest.raises(SearchError) as error:
        hide(secret, key, out=tmp_path / "stego.png", search=quick(steps=1))
    assert error.value.hint
    assert leftovers(tmp_path) == []


def test_a_secret_that_would_arrive_too_poor_is_not_sent(scene: Scene, tmp_path: Path) -> None:
    """The paper profile has no check value, so only the measured quality can tell."""
    key, search = Key.from_root(PAPER, ROOT), quick(PAPER, steps=5)
    with pytest.raises(SearchError):
        hide(scene(64, 64, 3), key, out=tmp_path / "stego.png", search=search)
    assert leftovers(tmp_path) == []


def test_a_failed_hide_leaves_the_old_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    out.write_bytes(b"old")
    with pytest.raises(SearchError):
        hide(secret, key, out=out, overwrite=True, search=quick(steps=1))
    assert out.read_bytes() == b"old"


@pytest.mark.parametrize("name", ["stego.jpg", "stego", "missing/stego.png", "old.png", "secret.png"])
def test_an_output_that_cannot_be_is_refused_before_a_number_is_used(
    name: str, key: Key, secret: Picture, tmp_path: Path
) -> None:
    for existing in ("old.png", "secret.png"):
        (tmp_path / existing).write_bytes(png(secret))
    with pytest.raises(PictureError):
        hide(tmp_path / "secret.png", key, out=tmp_path / name, search=quick())
    assert Ledger().highest(key.id) == 0


def test_a_secret_that_is_no_picture_is_refused_before_a_number_is_used(key: Key) -> None:
    with pytest.raises(PictureError):
        hide(b"no picture", key, search=quick())
    assert Ledger().highest(key.id) == 0


def test_the_paper_profile_refuses_secrets_that_look_like_noise() -> None:
    noise = ROOT.stream().integers(64 * 64 * 3, 256).reshape(64, 64, 3).astype(np.uint8)
    with pytest.raises(CapacityError):
        hide(noise, Key.from_root(PAPER, ROOT), search=quick(PAPER))


def test_a_cover_too_small_for_the_header_is_refused(secret: Picture) -> None:
    profile = make_profile(width=64, height=64, bpp="1.5")
    with pytest.raises(CapacityError):
        hide(secret, Key.from_root(profile, ROOT), search=quick(profile))


def test_progress_is_told_of_every_step(key: Key, secret: Picture) -> None:
    seen: list[tuple[int, int]] = []
    hide(secret, key, search=quick(), progress=lambda done, steps: seen.append((done, steps)))
    assert seen == [(i + 1, STEPS) for i in range(STEPS)]


# Albums and covers


@pytest.fixture
def album(scene: Scene, tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.png").write_bytes(png(scene(140, 130, 20 + i)))
    return folder


@pytest.fixture
def album_key(album: Path) -> Key:
    fingerprint = FolderCovers(album, 128, 128).album_fingerprint
    profile = make_profile(width=128, height=128, generator="folder", album=fingerprint)
    return Key.from_root(profile, ROOT)


def test_a_secret_goes_through_an_album(album: Path, album_key: Key, secret: Picture) -> None:
    sent = hide(secret, album_key, album=album, search=quick())
    cover = make_cover(album_key, sent.message, album=album).picture
    assert any(np.array_equal(read_picture(path)[6:134, 1:129], cover) for path in album.iterdir())
    assert psnr(reveal(sent.picture, album_key, album=album).picture, secret) > LEAST_PSNR


def test_an_album_ends(album: Path, album_key: Key, secret: Picture) -> None:
    """Four pictures: the check cover and three messages."""
    numbers = [hide(secret, album_key, album=album, search=quick()).message for _ in range(3)]
    assert numbers == [1, 2, 3]
    with pytest.raises(CoverError, match="used up"):
        hide(secret, album_key, album=album, search=quick())


def test_a_changed_or_missing_album_is_refused(album: Path, album_key: Key, secret: Picture) -> None:
    with pytest.raises(CoverError):
        hide(secret, album_key, search=quick())
    next(album.iterdir()).unlink()
    with pytest.raises(CoverError, match="not the one"):
        hide(secret, album_key, album=album, search=quick())


def test_an_album_for_a_key_without_one_is_refused(key: Key, album: Path, secret: Picture) -> None:
    with pytest.raises(UsageError):
        hide(secret, key, album=album, search=quick())


def test_the_check_covers_fingerprint_is_this_for_ever(key: Key) -> None:
    """A compatibility promise: both ends compare it, whatever versions they have."""
    assert make_cover(key).fingerprint == "rofuk-maguz-dirov-supuz"


def test_a_cover_before_the_check_cover_is_refused(key: Key) -> None:
    with pytest.raises(UsageError):
        make_cover(key, -1)


# Targets


def test_a_target_is_met(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    sent = hide(secret, key, out=out, search=quick(), target_stego=44)
    assert 44 <= sent.stego.psnr < 44.5
    assert np.array_equal(read_picture(out), sent.picture)
    assert psnr(reveal(out, key).picture, secret) > 25


def test_two_easy_targets_take_fewer_steps(key: Key, secret: Picture) -> None:
    steps = []
    sent = hide(
        secret,
        key,
        search=quick(),
        target_stego=38,
        target_recovered=25,
        progress=lambda step, of: steps.append(of),
    )
    assert sent.stego.psnr >= 38
    assert sent.recovered["main"].psnr >= 25
    assert len(steps) < STEPS


def test_a_target_out_of_reach_leaves_no_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    with pytest.raises(SearchError, match=r"60 dB stego and 60 dB recovered cannot be met: "):
        hide(secret, key, out=out, search=quick(steps=8), target_stego=60, target_recovered=60)
    assert not out.exists()


def test_a_target_that_cannot_be_uses_no_number(key: Key, secret: Picture) -> None:
    ledger = Ledger()
    with pytest.raises(UsageError, match="20 to 90"):
        hide(secret, key, target_stego=5, ledger=ledger)
    assert ledger.highest(key.id) == 0
