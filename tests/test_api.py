import dataclasses
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    Hidden,
    Key,
    Ledger,
    Revealed,
    RevealedFile,
    Search,
    finding,
    hide,
    make_cover,
    make_profile,
    reveal,
)
from csfnns.api import WINDOW, capacity_pictures
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
from csfnns.picture import Picture, fit, read_picture
from csfnns.profile import Profile
from csfnns.search import preset
from csfnns.select import LEAST_PSNR
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
SMALL = make_profile(width=96, height=96)
PAPER = make_profile("paper", width=64, height=64, channels=32)
SHAPE = 36, 48
Scene = Callable[..., Picture]


def quick(profile: Profile, **settings: Any) -> Search:
    """The profile's own search, only shorter."""
    return dataclasses.replace(preset(profile), **({"steps": 80} | settings))


@pytest.fixture
def key() -> Key:
    return Key.from_root(SMALL, ROOT)


@pytest.fixture
def secret(scene: Scene) -> Picture:
    return scene(*SHAPE)


@pytest.fixture(scope="module")
def hidden(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    """One message, hidden once for the tests that only look at it: number 1 of the key."""
    ledger = Ledger(tmp_path_factory.mktemp("sender") / "ledger.sqlite3")
    return hide(scene(*SHAPE), Key.from_root(SMALL, ROOT), ledger=ledger)


@pytest.fixture
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    """A window of 6 numbers: fewer covers to look at where none is the one."""
    monkeypatch.setattr(finding, "WINDOW", 6)


def png(picture: Picture, **options: Any) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, **({"format": "PNG"} | options))
    return buffer.getvalue()


def picture_in(stego: Any, key: Key, **options: Any) -> Revealed:
    """What goes by a decoder, not as bytes."""
    found = reveal(stego, key, **options)
    assert isinstance(found, Revealed)
    return found


# Round trips


@pytest.mark.parametrize("suffix", [".png", ".webp"])
def test_a_secret_goes_through_a_file(suffix: str, key: Key, secret: Picture, tmp_path: Path) -> None:
    source, out = tmp_path / "secret.png", tmp_path / f"stego{suffix}"
    source.write_bytes(png(secret))
    sent = hide(source, key, out=out)
    found = picture_in(out, key)
    assert found.picture.shape == secret.shape
    assert psnr(found.picture, secret) > 36
    assert (found.message, found.receiver) == (sent.message, "main")
    assert (sent.carrier, sent.survives) == ("pixels", {})


@pytest.mark.parametrize("form", ["image", "bytes", "path", "text", "hidden"])
def test_a_stego_may_be_given_in_any_form(form: str, hidden: Hidden, key: Key, tmp_path: Path) -> None:
    path = tmp_path / "stego.png"
    hidden.save(path)
    forms: dict[str, Any] = {
        "image": Image.fromarray(hidden.picture),
        "bytes": png(hidden.picture),
        "path": path,
        "text": str(path),
        "hidden": hidden,
    }
    found = reveal(forms[form], key)
    assert np.array_equal(found.picture, reveal(hidden.picture, key).picture)
    assert found.message == hidden.message


@pytest.mark.parametrize("form", ["image", "bytes"])
def test_a_secret_may_be_given_in_any_form(form: str, key: Key, secret: Picture, hidden: Hidden) -> None:
    forms: dict[str, Any] = {"image": Image.fromarray(secret), "bytes": png(secret)}
    assert np.array_equal(hide(forms[form], key).picture, hidden.picture)


@pytest.mark.parametrize("bpp", ["24", "6", "1.5"])
def test_every_rate_of_the_paper_goes_through(bpp: str, scene: Scene) -> None:
    profile = make_profile("paper", width=64, height=96, channels=32, bpp=bpp)
    key, secret = Key.from_root(profile, ROOT), scene(96, 64, 3)
    sent = hide(secret, key, search=quick(profile, steps=160 if bpp == "24" else 80))
    grid = profile.secret_size
    assert sent.carrier == sent.receivers["main"].method == "network"
    assert psnr(fit(picture_in(sent, key).picture, *grid), fit(secret, *grid)) > LEAST_PSNR


@pytest.mark.parametrize("decoder", ["shuffle", "plain"])
def test_the_paper_profile_goes_through(decoder: Any, scene: Scene) -> None:
    profile = make_profile("paper", decoder=decoder, width=64, height=64, channels=32)
    key = Key.from_root(profile, ROOT)
    secret = scene(64, 64, 3)
    found = picture_in(hide(secret, key, search=quick(profile, steps=100)), key)
    assert found.picture.shape == (32, 32, 3)
    assert found.expected_psnr is None
    assert psnr(found.picture, fit(secret, 32, 32)) > LEAST_PSNR


@pytest.mark.parametrize("colour", [0, 128, 255])
def test_a_secret_of_one_colour_comes_back_as_it_was(colour: int, key: Key) -> None:
    secret = np.full((40, 30, 3), colour, np.uint8)
    found = picture_in(hide(secret, key, send_as="picture"), key)
    assert np.array_equal(found.picture, secret)


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 3), (90, 120)])
def test_a_picture_arrives_at_its_own_size(shape: tuple[int, int], key: Key, scene: Scene) -> None:
    secret = scene(*shape)
    sent = hide(secret, key, send_as="picture")
    arrival, found = sent.receivers["main"], picture_in(sent, key)
    assert found.picture.shape == secret.shape
    assert (arrival.height, arrival.width, arrival.method) == (*shape, "trellis")
    assert arrival.figures is not None
    assert arrival.figures.psnr == arrival.original_psnr == psnr(found.picture, secret) > 28


def test_a_grey_picture_arrives_grey_and_takes_less(key: Key, scene: Scene) -> None:
    grey = scene(*SHAPE).mean(axis=2).astype(np.uint8)
    sent = hide(Image.fromarray(grey), key, send_as="picture")
    levels = picture_in(sent, key).picture
    assert (levels == levels[..., :1]).all()
    assert psnr(levels, np.repeat(grey[..., None], 3, axis=2)) > 36
    assert sent.stego.changed < hide(scene(*SHAPE), key, send_as="picture").stego.changed


def test_the_receiver_knows_the_quality(hidden: Hidden, key: Key) -> None:
    figures = hidden.receivers["main"].figures
    assert figures is not None
    assert picture_in(hidden, key).expected_psnr == pytest.approx(figures.psnr, abs=0.2)
    assert hidden.least_recovered == figures.psnr


def test_figures_are_of_what_was_made(hidden: Hidden, key: Key, secret: Picture) -> None:
    cover = make_cover(key, hidden.message).picture
    assert hidden.stego.psnr == psnr(cover, hidden.picture)
    assert hidden.stego.changed == np.mean(cover != hidden.picture)
    assert hidden.stego.max_abs == np.abs(cover.astype(int) - hidden.picture).max() == 1
    figures = hidden.receivers["main"].figures
    assert figures is not None
    assert figures.psnr == psnr(reveal(hidden, key).picture, secret)


def test_what_is_written_is_what_was_checked(key: Key, secret: Picture, tmp_path: Path) -> None:
    sent = hide(secret, key, out=tmp_path / "stego.png")
    assert (tmp_path / "stego.png").read_bytes() == sent.data
    assert np.array_equal(read_picture(tmp_path / "stego.png"), sent.picture)
    assert list(tmp_path.glob("stego*")) == [tmp_path / "stego.png"]


def test_nothing_but_pixels_is_written(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    hide(secret, key, out=out)
    with Image.open(out) as image:
        assert image.info == {}
    chunks = [
        name for name in (b"tEXt", b"iTXt", b"zTXt", b"eXIf", b"tIME", b"gAMA") if name in out.read_bytes()
    ]
    assert chunks == []


def test_hiding_is_deterministic_for_key_number_and_secret(hidden: Hidden, secret: Picture, key: Key) -> None:
    assert np.array_equal(hide(secret, key).picture, hidden.picture)


def test_levels_are_not_what_a_jpeg_keeps(hidden: Hidden, tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="lossy"):
        hidden.save(tmp_path / "stego.jpg")
    assert not (tmp_path / "stego.jpg").exists()


# Quality and size


def test_a_picture_arrives_at_38_db_where_there_is_room(hidden: Hidden) -> None:
    assert hidden.least_recovered == pytest.approx(38, abs=0.3)
    assert hidden.stego.psnr > 56


def test_where_there_is_less_room_the_stego_stays_at_56_db(key: Key, scene: Scene) -> None:
    sent = hide(scene(90, 120), key, send_as="picture")
    assert sent.stego.psnr > 55.9
    assert LEAST_PSNR < sent.least_recovered < 36


@pytest.mark.parametrize("recovered", [34, 40])
def test_a_target_for_the_picture_is_met(recovered: float, scene: Scene) -> None:
    key = Key.from_root(make_profile(width=128, height=128), ROOT)
    sent = hide(scene(64, 64), key, target_recovered=recovered)
    assert sent.least_recovered == pytest.approx(recovered, abs=0.2)


@pytest.mark.parametrize(("side", "stego"), [(128, 54), (128, 60), (192, 60), (192, 62)])
def test_a_target_for_the_stego_is_met(side: int, stego: float, scene: Scene) -> None:
    key = Key.from_root(make_profile(width=side, height=side), ROOT)
    sent = hide(scene(64, 64), key, target_stego=stego)
    assert sent.stego.psnr == pytest.approx(stego, abs=0.2)


def test_both_targets_are_met(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    sent = hide(secret, key, out=out, target_stego=58, target_recovered=33)
    assert sent.stego.psnr > 57.9
    assert sent.least_recovered == psnr(reveal(out, key).picture, secret) > 32.9


def test_targets_out_of_reach_name_the_nearest_and_leave_no_file(
    key: Key, secret: Picture, tmp_path: Path
) -> None:
    with pytest.raises(SearchError, match=r"closest is \d+\.\d dB for the stego and \d+\.\d dB") as caught:
        hide(secret, key, out=tmp_path / "stego.png", target_stego=65, target_recovered=50)
    assert "--resize" in caught.value.hint
    assert leftovers(tmp_path) == []


def test_a_balance_moves_both_ends_by_up_to_4_db(key: Key, scene: Scene) -> None:
    """Of a picture with more than enough room, what arrives; of a large one, the stego."""
    small, large = scene(24, 24), scene(90, 120)
    clear, unseen = (hide(small, key, balance=b, send_as="picture") for b in (1, -1))
    assert clear.least_recovered == pytest.approx(42, abs=0.5)
    assert unseen.least_recovered == pytest.approx(34, abs=0.5)
    assert hide(large, key, balance=1).stego.psnr == pytest.approx(52.4, abs=0.5)
    assert hide(large, key, balance=-1).stego.psnr >= 59.8


@pytest.mark.parametrize(
    ("choices", "said"),
    [
        ({"target_stego": 5}, "20…90 dB"),
        ({"target_recovered": 91}, "20…90 dB"),
        ({"target_recovered": float("nan")}, "20…90 dB"),
        ({"balance": 1.5}, "balance must be in -1…1"),
        ({"balance": float("nan")}, "balance must be in -1…1"),
        ({"balance": 0.5, "target_stego": 50}, "do not go together"),
        ({"target_stego": 50, "grain": True}, "need a .png or .webp"),
        ({"balance": 1, "quality": 90}, "need a .png or .webp"),
        ({"resize": 0}, "resize"),
    ],
)
def test_a_quality_that_cannot_be_uses_no_number(
    choices: dict[str, Any], said: str, key: Key, secret: Picture
) -> None:
    with pytest.raises(UsageError, match=said) as caught:
        hide(secret, key, **choices)
    assert caught.value.hint
    assert Ledger().highest(key.id) == 0


def test_a_network_has_no_targets(secret: Picture) -> None:
    key = Key.from_root(PAPER, ROOT)
    for choices in ({"target_stego": 50}, {"target_recovered": 30}, {"balance": 0.5}):
        with pytest.raises(UsageError, match="standard"):
            hide(secret, key, **choices)
    assert Ledger().highest(key.id) == 0


@pytest.mark.parametrize(("resize", "size"), [(30, (22, 30)), (1, (1, 1)), (400, (90, 120))])
def test_a_picture_may_be_scaled_down_before_it_goes(
    resize: int, size: tuple[int, int], key: Key, scene: Scene
) -> None:
    secret = scene(90, 120)
    sent = hide(secret, key, resize=resize, send_as="picture")
    shown, arrival = picture_in(sent, key).picture, sent.receivers["main"]
    assert shown.shape[:2] == (arrival.height, arrival.width) == size
    assert arrival.figures is not None
    assert arrival.figures.psnr == psnr(shown, fit(secret, *size))
    assert arrival.original_psnr == psnr(fit(shown, 90, 120), secret)


def test_what_would_arrive_too_poor_is_refused_with_a_size_that_fits(key: Key, tmp_path: Path) -> None:
    secret = np.random.default_rng(1).integers(0, 256, (100, 140, 3), dtype=np.uint8)
    with pytest.raises(SearchError, match=r"would arrive with 1\d\.\d dB only") as caught:
        hide(secret, key, out=tmp_path / "stego.png", send_as="picture")
    assert leftovers(tmp_path) == []
    words = caught.value.hint.replace(";", " ").split()
    side = int(words[words.index("--resize") + 1])
    assert side >= 20
    assert hide(secret, key, resize=side, send_as="picture").least_recovered > LEAST_PSNR


def test_larger_photographs_arrive_less_clear(key: Key) -> None:
    sizes = [(16, 16), (48, 36), (96, 72), (192, 144), (400, 300)]
    found = capacity_pictures(key, sizes)
    values = [found[size] for size in sizes]
    assert values[0] == 38
    assert values == sorted(values, reverse=True)
    assert values[-1] < values[-2] < 36
    larger = capacity_pictures(Key.from_root(make_profile(), ROOT), sizes)
    assert larger[400, 300] > found[400, 300] + 4
    with pytest.raises(UsageError, match="paper"):
        capacity_pictures(Key.from_root(PAPER, ROOT), sizes)


# Changed on its way


def moved(picture: Picture, places: Any, by: int = 1) -> Picture:
    """The levels at these places moved by so much: up, and down from the upper half."""
    levels = picture.reshape(-1).astype(np.int16)
    levels[places] += np.where(levels[places] > 127, -by, by).astype(np.int16)
    return levels.astype(np.uint8).reshape(picture.shape)


def test_an_untouched_stego_is_known_as_such(hidden: Hidden, key: Key) -> None:
    found = picture_in(hidden, key)
    assert found.unchanged
    assert not found.denoised


def test_a_little_noise_leaves_a_picture_and_is_noticed(hidden: Hidden, key: Key, secret: Picture) -> None:
    """One level in 10,000."""
    size = hidden.picture.size
    for label in range(3):
        places = np.random.default_rng(label).choice(size, size // 10_000 + 1, replace=False)
        found = picture_in(moved(hidden.picture, places), key)
        assert not found.unchanged
        assert found.expected_psnr is None
        assert psnr(found.picture, secret) > 25


def test_one_level_moved_by_1_anywhere_is_noticed(hidden: Hidden, key: Key) -> None:
    size = hidden.picture.size
    places = [0, size - 1, *np.random.default_rng(5).integers(0, size, 14)]
    for place in places:
        assert not picture_in(moved(hidden.picture, [place]), key, message=1).unchanged


def test_one_level_moved_far_is_noticed(hidden: Hidden, key: Key) -> None:
    for place in (7, 20_000):
        assert not picture_in(moved(hidden.picture, [place], by=100), key, message=1).unchanged


def test_much_noise_is_damage_and_no_picture(hidden: Hidden, key: Key) -> None:
    size = hidden.picture.size
    places = np.random.default_rng(5).choice(size, size // 10, replace=False)
    with pytest.raises(DamagedError) as caught:
        reveal(moved(hidden.picture, places), key, message=1)
    assert caught.value.hint


# Receivers


@pytest.fixture(scope="module")
def two(scene: Scene, tmp_path_factory: pytest.TempPathFactory) -> Hidden:
    ledger = Ledger(tmp_path_factory.mktemp("two") / "ledger.sqlite3")
    secrets = {"ann": scene(36, 48, 1), "bob": scene(48, 36, 2)}
    return hide(secrets, team(), send_as="picture", ledger=ledger)


def team() -> Key:
    return Key.from_root(SMALL, ROOT, ["ann", "bob", "eve"])


@pytest.mark.parametrize(("name", "shape", "which"), [("ann", (36, 48), 1), ("bob", (48, 36), 2)])
def test_each_receiver_gets_his_own(
    name: str, shape: tuple[int, int], which: int, two: Hidden, scene: Scene
) -> None:
    found = picture_in(two, team().for_receiver(name))
    assert (found.receiver, found.unchanged) == (name, True)
    assert psnr(found.picture, scene(*shape, which)) > 28
    assert np.array_equal(found.picture, reveal(two, team(), receiver=name).picture)


def test_a_receiver_for_whom_nothing_was_hidden_gets_nothing(two: Hidden) -> None:
    with pytest.raises(NoMessageError):
        reveal(two, team().for_receiver("eve"), message=1)


def test_each_receivers_quality_is_measured(two: Hidden, scene: Scene) -> None:
    expected = {"ann": scene(36, 48, 1), "bob": scene(48, 36, 2)}
    assert set(two.receivers) == {"ann", "bob"}
    for name, arrival in two.receivers.items():
        assert arrival.figures is not None
        assert arrival.figures.psnr == psnr(reveal(two, team(), receiver=name).picture, expected[name])


def test_a_picture_for_one_and_a_file_for_another_share_a_cover(scene: Scene) -> None:
    content = ROOT.stream().take(300)
    sent = hide({"ann": scene(*SHAPE, 1), "bob": content}, team(), name="plan.pdf")
    assert {name: each.method for name, each in sent.receivers.items()} == {"ann": "trellis", "bob": "exact"}
    picture, file = (reveal(sent, team().for_receiver(name)) for name in ("ann", "bob"))
    assert isinstance(picture, Revealed)
    assert psnr(picture.picture, scene(*SHAPE, 1)) > 30
    assert isinstance(file, RevealedFile)
    assert (file.content, file.name) == (content, "plan.pdf")
    with pytest.raises(NoMessageError):
        reveal(sent, team().for_receiver("eve"), message=1)


@pytest.mark.parametrize("name", ["bob", "eve"])
def test_a_receivers_key_reveals_for_no_other(name: str, two: Hidden) -> None:
    with pytest.raises(UsageError, match=name):
        reveal(two, team().for_receiver("ann"), receiver=name)


def test_with_several_receivers_one_must_be_named(two: Hidden, secret: Picture) -> None:
    with pytest.raises(UsageError, match="several"):
        reveal(two, team())
    with pytest.raises(UsageError, match="several"):
        hide(secret, team())


@pytest.mark.parametrize("names", [["zoe"], ["ann", "zoe"], []])
def test_secrets_go_to_receivers_of_the_key_only(names: list[str], secret: Picture) -> None:
    with pytest.raises(UsageError, match="no receiver" if names else "no secret"):
        hide(dict.fromkeys(names, secret), team())


def test_what_cannot_be_is_refused_before_a_number_is_used(secret: Picture) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    uniform = make_profile("paper", width=64, height=64, weights="uniform")
    robust = make_profile("robust", width=128, height=128)
    cases: list[tuple[Profile, Picture, dict[str, Any], type[Exception], str]] = [
        (PAPER, noise, {}, CapacityError, "noise"),
        (PAPER, secret, {"device": "nowhere"}, UsageError, "device 'nowhere'"),
        (uniform, secret, {}, UsageError, "wrong key"),
        (make_profile("robust", width=64, height=64), secret, {}, CapacityError, "cover"),
        (robust, secret, {"grain": True}, UsageError, "--exact"),
        (SMALL, secret, {"survive": "jpeg:90"}, UsageError, "--profile robust"),
        (SMALL, secret, {"search": quick(PAPER)}, UsageError, "search by gradients"),
    ]
    for profile, picture, choices, error, said in cases:
        key = Key.from_root(profile, ROOT)
        with pytest.raises(error, match=said):
            hide(picture, key, **choices)
        assert Ledger().highest(key.id) == 0


def test_eight_receivers_share_a_cover(key: Key, scene: Scene) -> None:
    crowd = Key.from_root(SMALL, ROOT, [f"r{i}" for i in range(8)])
    secrets = {name: scene(8, 10, i) for i, name in enumerate(crowd.names)}
    sent = hide(secrets, crowd, send_as="picture")
    for name, secret in secrets.items():
        found = picture_in(sent, crowd, receiver=name, message=1)
        assert found.unchanged
        assert psnr(found.picture, secret) > 25


def test_covers_that_resemble_each_other_are_told_apart(tmp_path: Path, secret: Picture) -> None:
    """An album of small things on white: at nearly every pixel all its pictures are the same."""
    for i in range(6):
        page = np.full((128, 128, 3), 244, np.uint8)
        page[20 * i : 20 * i + 12, 40:60] = 30 * i
        write_picture(page, tmp_path / f"{i}.png")
    fingerprint = FolderCovers(tmp_path, 128, 128).album_fingerprint
    key = Key.new(make_profile(width=128, height=128, generator="folder", album=fingerprint))
    sent = [hide(secret, key, album=tmp_path) for _ in range(3)]
    for i, hidden in enumerate(sent):
        receiver = Ledger(tmp_path / f"ledger{i}")
        assert reveal(hidden, key, album=tmp_path, ledger=receiver).message == i + 1


def test_a_number_of_numpy_is_a_number(hidden: Hidden, key: Key) -> None:
    assert reveal(hidden, key, message=np.int64(hidden.message)).message == hidden.message
    assert Ledger().seen(key.id, key.names[0]) == {hidden.message}


def test_a_receivers_key_does_not_hide(secret: Picture) -> None:
    with pytest.raises(KeyFileError, match="receiver's key"):
        hide(secret, team().for_receiver("ann"))


# Nothing there


@pytest.mark.usefixtures("narrow")
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


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("message", [None, 1])
def test_an_unrelated_picture_holds_nothing(message: int | None, key: Key, scene: Scene) -> None:
    with pytest.raises(NoMessageError):
        reveal(scene(96, 96, 9), key, message=message)


@pytest.mark.parametrize("shape", [(64, 64), (96, 112), (95, 96), (192, 192)])
def test_a_picture_of_another_size_holds_nothing(shape: tuple[int, int], key: Key, hidden: Hidden) -> None:
    with pytest.raises(NoMessageError, match="96x96"):
        reveal(fit(hidden.picture, *shape), key)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize(("quality", "message"), [(50, 1), (90, None), (100, 1)])
def test_a_stego_saved_as_jpeg_holds_nothing(
    quality: int, message: int | None, hidden: Hidden, key: Key
) -> None:
    with pytest.raises(DamagedError, match="message 1"):
        reveal(png(hidden.picture, format="JPEG", quality=quality), key, message=message)


@pytest.mark.parametrize("change", ["flipped", "turned", "inverted", "shifted", "scaled and back"])
def test_a_stego_that_was_edited_holds_nothing(change: str, hidden: Hidden, key: Key) -> None:
    picture = hidden.picture
    changed: dict[str, Any] = {
        "flipped": picture[:, ::-1],
        "turned": np.rot90(picture),
        "inverted": 255 - picture,
        "shifted": np.roll(picture, 1, axis=1),
        "scaled and back": fit(fit(picture, 48, 48), 96, 96),
    }
    with pytest.raises(NoMessageError):
        reveal(changed[change], key, message=hidden.message)


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
    first = hide(secret, key).message
    with pytest.raises(Cancelled):
        hide(secret, key, progress=lambda done, steps: False)
    with pytest.raises(SearchError):
        hide(secret, key, **UNREACHABLE)
    assert (first, hide(secret, key).message) == (1, 4)


def test_each_number_has_its_own_cover(key: Key) -> None:
    assert len({make_cover(key, message).fingerprint for message in range(5)}) == 5


def test_messages_may_arrive_out_of_order_and_again(key: Key, secret: Picture, tmp_path: Path) -> None:
    sent = [hide(secret, key) for _ in range(3)]
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
        sent = hide(secret, key, ledger=ledger)
        assert sent.message == number
        return sent

    return at


def test_a_message_is_found_as_far_ahead_as_promised(key: Key, ahead: Callable[[int], Hidden]) -> None:
    assert reveal(ahead(WINDOW).picture, key).message == WINDOW


@pytest.mark.usefixtures("narrow")
def test_a_message_further_ahead_is_found_by_its_number(key: Key, ahead: Callable[[int], Hidden]) -> None:
    sent = ahead(7)
    with pytest.raises(NoMessageError, match="none of this key's covers") as error:
        reveal(sent.picture, key)
    assert "6 ahead" in error.value.hint
    assert reveal(sent.picture, key, message=7).message == 7
    assert reveal(ahead(9).picture, key).message == 9


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


UNREACHABLE: dict[str, Any] = {"target_stego": 65, "target_recovered": 50}


@pytest.mark.parametrize("places", [1, 5000])
def test_a_cancelled_hide_leaves_no_file(places: int, key: Key, secret: Picture, tmp_path: Path) -> None:
    with pytest.raises(Cancelled):
        hide(secret, key, out=tmp_path / "stego.png", progress=lambda done, of: done < places)
    assert leftovers(tmp_path) == []


def test_a_cancelled_search_by_gradients_leaves_no_file(scene: Scene, tmp_path: Path) -> None:
    key = Key.from_root(PAPER, ROOT)
    seen: list[tuple[int, int]] = []

    def stop(done: int, steps: int) -> bool:
        seen.append((done, steps))
        return done < 3

    with pytest.raises(Cancelled):
        hide(scene(64, 64, 3), key, out=tmp_path / "stego.png", search=quick(PAPER), progress=stop)
    assert seen == [(1, 80), (2, 80), (3, 80)]
    assert leftovers(tmp_path) == []


def test_a_secret_that_a_network_would_bring_too_poor_is_not_sent(scene: Scene, tmp_path: Path) -> None:
    """The paper profile has no check value, so only the measured quality can tell."""
    key, search = Key.from_root(PAPER, ROOT), quick(PAPER, steps=5)
    with pytest.raises(SearchError) as caught:
        hide(scene(64, 64, 3), key, out=tmp_path / "stego.png", search=search)
    assert caught.value.hint
    assert leftovers(tmp_path) == []


def test_a_failed_hide_leaves_the_old_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    out.write_bytes(b"old")
    with pytest.raises(SearchError):
        hide(secret, key, out=out, overwrite=True, **UNREACHABLE)
    assert out.read_bytes() == b"old"


def test_a_file_is_replaced_only_when_told(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "stego.png"
    out.write_bytes(b"old")
    sent = hide(secret, key, out=out, overwrite=True)
    assert out.read_bytes() == sent.data
    with pytest.raises(PictureError, match="already exists"):
        hide(secret, key, out=out)
    assert out.read_bytes() == sent.data


@pytest.mark.parametrize("name", ["stego.gif", "stego", "missing/stego.png", "old.png", "secret.png"])
def test_an_output_that_cannot_be_is_refused_before_a_number_is_used(
    name: str, key: Key, secret: Picture, tmp_path: Path
) -> None:
    for existing in ("old.png", "secret.png"):
        (tmp_path / existing).write_bytes(png(secret))
    with pytest.raises(PictureError):
        hide(tmp_path / "secret.png", key, out=tmp_path / name)
    assert Ledger().highest(key.id) == 0


def test_a_secret_that_shall_be_a_picture_and_is_none_uses_no_number(key: Key, tmp_path: Path) -> None:
    (tmp_path / "broken.jpg").write_bytes(b"no picture")
    for source, choices in ((b"no picture", {"send_as": "picture"}), (tmp_path / "broken.jpg", {})):
        with pytest.raises(PictureError):
            hide(source, key, **choices)  # type: ignore[arg-type]
    assert Ledger().highest(key.id) == 0


def test_progress_rises_to_the_end(key: Key, secret: Picture) -> None:
    seen: list[tuple[int, int]] = []
    hide(secret, key, progress=lambda done, places: seen.append((done, places)))
    done, places = seen[-1]
    assert done == places
    assert 20_000 < places < 96 * 96 * 3
    assert len(seen) > 3
    last = [i for i, (at, of) in enumerate(seen) if at == of]
    for first, end in zip([0, *(i + 1 for i in last)], last, strict=False):  # one search after another
        steps = [at for at, _ in seen[first : end + 1]]
        assert steps == sorted(set(steps))


# Albums and covers


@pytest.fixture
def album(scene: Scene, tmp_path: Path) -> Path:
    folder = tmp_path / "album"
    folder.mkdir()
    for i in range(4):
        (folder / f"{i}.png").write_bytes(png(scene(108, 98, 20 + i)))
    return folder


@pytest.fixture
def album_key(album: Path) -> Key:
    fingerprint = FolderCovers(album, 96, 96).album_fingerprint
    profile = make_profile(width=96, height=96, generator="folder", album=fingerprint)
    return Key.from_root(profile, ROOT)


def test_a_secret_goes_through_an_album(album: Path, album_key: Key, secret: Picture) -> None:
    sent = hide(secret, album_key, album=album)
    cover = make_cover(album_key, sent.message, album=album).picture
    assert any(np.array_equal(read_picture(path)[6:102, 1:97], cover) for path in album.iterdir())
    assert psnr(reveal(sent.picture, album_key, album=album).picture, secret) > LEAST_PSNR


def test_an_album_ends(album: Path, album_key: Key, secret: Picture) -> None:
    """Four pictures: the check cover and three messages."""
    numbers = [hide(secret, album_key, album=album).message for _ in range(3)]
    assert numbers == [1, 2, 3]
    with pytest.raises(CoverError, match="used up"):
        hide(secret, album_key, album=album)


def test_a_changed_or_missing_album_is_refused(album: Path, album_key: Key, secret: Picture) -> None:
    with pytest.raises(CoverError):
        hide(secret, album_key)
    next(album.iterdir()).unlink()
    with pytest.raises(CoverError, match="not the one"):
        hide(secret, album_key, album=album)


def test_an_album_for_a_key_without_one_is_refused(key: Key, album: Path, secret: Picture) -> None:
    with pytest.raises(UsageError):
        hide(secret, key, album=album)


def test_the_check_covers_fingerprint_is_this_for_ever() -> None:
    """A compatibility promise: both ends compare it, whatever versions they have."""
    key = Key.from_root(make_profile(width=128, height=128), ROOT)
    assert make_cover(key).fingerprint == "rofuk-maguz-dirov-supuz"


def test_a_cover_before_the_check_cover_is_refused(key: Key) -> None:
    with pytest.raises(UsageError):
        make_cover(key, -1)
