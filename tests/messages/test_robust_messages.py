"""Stegos of robust keys: compressed, made noisy or scaled by Pillow on their way, and revealed all the same."""

import io
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from csfnns import (
    Cancelled,
    CapacityError,
    Hidden,
    Key,
    NoMessageError,
    Paper,
    Robust,
    SearchError,
    UsageError,
    capacity_surviving,
    hide,
    make_profile,
    reveal,
)
from csfnns.images.io import Picture, read_picture
from csfnns.images.metrics import psnr
from csfnns.methods import NeuralBits, ReceiverSeeds
from csfnns.stream import Seed

pytest.importorskip("torch", reason="needs the extra network")
pytestmark = pytest.mark.usefixtures("fixed_nonces")

ROOT = Seed(bytes(range(32)))
PROFILE = make_profile("robust", width=192, height=192)
USUAL = {"jpeg:75/420", "jpeg:75/444", "jpeg:95/420", "jpeg:95/444"}
TEAM = ["ann", "bob", "eve"]
Scene = Callable[..., Picture]


def quick(**settings: Any) -> Robust:
    """Fewer steps, and more weight on the picture to make up for them."""
    return Robust(**({"steps": 60, "beta": 0.3} | settings))


@pytest.fixture(scope="module")
def key() -> Key:
    return Key.from_root(PROFILE, ROOT)


@pytest.fixture(scope="module")
def secret(scene: Scene) -> Picture:
    return scene(48, 48)


@pytest.fixture(scope="module")
def hidden(key: Key, secret: Picture, fixed_nonces: None) -> Hidden:
    """A picture, prepared for jpeg:75-95."""
    return hide(secret, key, method=quick())


@pytest.fixture(scope="module")
def files(fixed_nonces: None) -> Hidden:
    """Bytes for ann and for bob, nothing for eve."""
    payloads = {"ann": b"twenty bytes for ann", "bob": b"hello"}
    return hide(payloads, Key.from_root(PROFILE, ROOT, TEAM), method=Robust(steps=60))


def saved(picture: Picture, quality: int, subsampling: str = "4:2:0") -> bytes:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality, subsampling=subsampling)
    return file.getvalue()


def test_a_robust_key_prepares_for_usual_jpegs(hidden: Hidden, key: Key, secret: Picture) -> None:
    assert set(hidden.survives) == USUAL
    assert (hidden.method, hidden.receivers["receiver"].form) == ("robust", "network")
    assert hidden.stego.psnr > 28
    assert psnr(reveal(hidden, key).picture, secret) > 24


@pytest.mark.parametrize(("quality", "subsampling"), [(75, "4:2:0"), (75, "4:4:4"), (88, "4:2:0"), (95, "4:4:4")])
def test_a_picture_survives_any_jpeg_of_its_range(
    quality: int, subsampling: str, hidden: Hidden, key: Key, secret: Picture
) -> None:
    found = reveal(saved(hidden.picture, quality, subsampling), key)
    assert psnr(found.picture, secret) > 21
    assert (found.id, found.receiver) == (hidden.id, "receiver")


def test_reported_figures_are_those_that_arrive(hidden: Hidden, key: Key, secret: Picture) -> None:
    """The receiver estimates them too."""
    for arrived, case in ((hidden, None), (saved(hidden.picture, 75), "jpeg:75/420")):
        found = reveal(arrived, key)
        figures = hidden.receivers["receiver"].figures if case is None else hidden.survives[case]["receiver"]
        assert figures is not None
        assert psnr(found.picture, secret) == pytest.approx(figures.psnr, abs=0.01)
        assert found.expected_psnr == pytest.approx(figures.psnr, abs=2.5)
    cases = [hidden.receivers["receiver"].figures, *(each["receiver"] for each in hidden.survives.values())]
    assert hidden.least_recovered == min(each.psnr for each in cases if each is not None)


def test_a_jpeg_file_is_written_for_one_quality(key: Key, secret: Picture, tmp_path: Path) -> None:
    out = tmp_path / "holiday.jpg"
    hidden = hide(secret, key, out=out, method=quick(survive="jpeg:90/444"))
    assert out.read_bytes()[:3] == b"\xff\xd8\xff"
    assert hidden.survives == {}
    assert np.array_equal(read_picture(out), hidden.picture)
    hidden.save(tmp_path / "copy.jpg")
    assert (tmp_path / "copy.jpg").read_bytes() == out.read_bytes()
    hidden.save(tmp_path / "pixels.png")
    for path in (out, tmp_path / "pixels.png"):
        assert psnr(reveal(path, key).picture, secret) > 24


def test_a_picture_survives_scaling(key: Key, secret: Picture) -> None:
    hidden = hide(secret, key, method=quick(survive="resize:0.5/box", steps=80))
    half = hidden.picture.reshape(96, 2, 96, 2, 3).mean((1, 3)).round().astype(np.uint8)
    found = reveal(half, key)
    assert psnr(found.picture, secret) > 20


def test_where_a_message_is_lost_another_cover_is_taken(
    key: Key, secret: Picture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cover in which a case loses the message is rare, so the loss is put in: the first file is written wrong."""
    covers: list[Picture] = []
    embed = Robust.embed

    def faulty(method: Robust, cover: Picture, *args: Any, **settings: Any) -> Picture:
        covers.append(cover)
        stego = embed(method, cover, *args, **settings)
        return stego if len(covers) > 1 else cover

    monkeypatch.setattr(Robust, "embed", faulty)
    sent = hide(secret, key, method=quick())
    assert len(covers) == 2
    assert not np.array_equal(*covers)
    assert sent.survives.keys() == USUAL
    assert psnr(reveal(sent, key).picture, secret) > 20


def test_what_would_not_survive_is_not_sent(key: Key, secret: Picture, tmp_path: Path) -> None:
    cases: list[tuple[Any, Robust]] = [
        (secret, quick(survive=("jpeg:3", "noise:1"), steps=80)),
        (b"x" * 60, Robust(steps=1)),
    ]
    for payload, method in cases:
        with pytest.raises(SearchError, match=r"could (not )?be read( after jpeg:.*)?\.|find the message") as caught:
            hide(payload, key, out=tmp_path / "stego.png", method=method)
        assert caught.value.hint
    assert not (tmp_path / "stego.png").exists()


def test_too_much_compression_leaves_an_error_and_no_noise(hidden: Hidden, files: Hidden, key: Key) -> None:
    for stego, reader in ((hidden, key), (files, Key.from_root(PROFILE, ROOT, TEAM))):
        with pytest.raises(NoMessageError) as caught:
            reveal(saved(stego.picture, 5), reader)
        assert caught.value.hint


def test_five_pictures_are_too_many_for_a_robust_cover(secret: Picture) -> None:
    key = Key.from_root(PROFILE, ROOT, tuple("abcde"))
    with pytest.raises(CapacityError, match="5 secrets"):
        hide(dict.fromkeys("abcde", secret), key)


def test_a_cover_too_small_for_a_network_is_refused(secret: Picture) -> None:
    key = Key.from_root(make_profile("robust", width=64, height=64), ROOT)
    with pytest.raises(CapacityError, match="larger cover"):
        hide(secret, key)


# Files


def test_files_survive_exactly(files: Hidden, tmp_path: Path) -> None:
    key = Key.from_root(PROFILE, ROOT, TEAM)
    assert set(files.survives) == USUAL
    assert all(case == {"ann": None, "bob": None} for case in files.survives.values())
    files.save(tmp_path / "a.png")
    for stego in (tmp_path / "a.png", saved(files.picture, 80), files):
        assert reveal(stego, key.for_receiver("ann")).content == b"twenty bytes for ann"
        assert reveal(stego, key, receiver="bob").content == b"hello"
        with pytest.raises(NoMessageError, match="nothing for you can be read"):
            reveal(stego, key.for_receiver("eve"))


def test_files_go_into_the_jpeg_that_they_are_prepared_for(key: Key, tmp_path: Path) -> None:
    out = tmp_path / "a.jpg"
    sent = hide(b"hello", key, out=out, method=Robust(survive="jpeg:90/420", steps=60))
    assert (sent.method, sent.survives) == ("robust", {})
    assert reveal(out, key).content == b"hello"
    sent.save(tmp_path / "b.png")
    assert reveal(tmp_path / "b.png", key).content == b"hello"


def test_a_search_for_bytes_is_repeated_with_more_strength(scene: Scene) -> None:
    """Where a case loses bytes after one search, the next one is stronger."""
    cover, steps = scene(192, 192, 3), []
    seeds = ReceiverSeeds(ROOT.derive("decoder"), ROOT.derive("header"))
    method = Robust(PROFILE, survive="jpeg:30/420", steps=12)
    payload = {seeds: b"hello" * 6}
    with suppress(SearchError):
        stego = method.embed(cover, payload, progress=lambda step, of: steps.append(step))
        assert NeuralBits(PROFILE, method.channel).losses(stego, cover, payload) == []
    assert len(steps) in (24, 36)


def test_a_cancelled_search_leaves_no_file(key: Key, secret: Picture, tmp_path: Path) -> None:
    for payload in (b"x", secret):
        seen: list[tuple[int, int]] = []

        def stop(done: int, steps: int, seen: list[tuple[int, int]] = seen) -> bool:
            seen.append((done, steps))
            return done < 3

        with pytest.raises(Cancelled):
            hide(payload, key, out=tmp_path / "a.png", method=Robust(steps=60), progress=stop)
        assert seen == [(1, 60), (2, 60), (3, 60)]
    assert not (tmp_path / "a.png").exists()


def test_more_than_survives_is_refused_with_what_fits(key: Key) -> None:
    room = NeuralBits(PROFILE).room
    with pytest.raises(CapacityError, match="survive") as caught:
        hide(ROOT.stream().take(room), key)
    assert f"{room:,} bytes" in caught.value.hint
    assert "--method direct" in caught.value.hint
    assert hide(ROOT.stream().take(room), key, method="direct").method == "direct"


def test_the_capacity_of_surviving_bytes_is_what_fits(key: Key, monkeypatch: pytest.MonkeyPatch) -> None:
    """Measured at the last strength that `hide` tries."""
    monkeypatch.setattr("csfnns.methods.robust._STRENGTHS", (3.0,))
    most = capacity_surviving(key, "noise:1")
    assert 50 < most < NeuralBits(PROFILE).room
    content = ROOT.stream().take(most)
    assert reveal(hide(content, key, method=Robust(survive="noise:1")), key).content == content
    with pytest.raises(UsageError, match="standard"):
        capacity_surviving(Key.from_root(make_profile(width=64, height=64), ROOT))


# Searches that evade detectors


def detector() -> Any:
    from csfnns.steganalysis import Deep, shipped_networks

    return Deep.load(next(iter(shipped_networks().values())))


def name_of_detector() -> str:
    from csfnns.steganalysis import shipped_networks

    return next(iter(shipped_networks()))


@pytest.mark.parametrize("profile", ["robust", "paper"])
def test_a_detector_is_evaded_and_the_receiver_notices_nothing(
    profile: str, key: Key, scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("csfnns.messages.send.make_nonce", lambda *_: bytes([3] * 16))  # the same cover for all
    if profile == "paper":
        key = Key.from_root(make_profile("paper", width=64, height=64, channels=32), ROOT)
    make = quick if profile == "robust" else Paper
    steps = 60 if profile == "robust" else 80
    naive = hide(scene(32, 32), key, method=make(steps=steps))
    adversarial = hide(scene(32, 32), key, method=make(steps=steps, evade=name_of_detector(), gamma=1e-2))
    assert detector().score(adversarial.picture) < detector().score(naive.picture)
    assert adversarial.least_recovered > 20
    assert reveal(adversarial, key).picture.shape == (32, 32, 3)


def test_detectors_may_be_names_and_files(key: Key, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    from csfnns.steganalysis import shipped_networks

    monkeypatch.setattr("csfnns.messages.send.make_nonce", lambda *_: bytes([3] * 16))
    name, file = next(iter(shipped_networks().items()))
    one, other = (hide(scene(32, 32), key, dated=False, method=quick(evade=(str(each),))) for each in (name, file))
    assert np.array_equal(one.picture, other.picture)


def test_the_smallest_covers_hold_bytes_beside_their_address() -> None:
    """There, the address is most of what changes, and what is hidden must stand out from it."""
    key = Key.from_root(make_profile("robust", width=128, height=128), Seed(bytes([1] * 32)))
    data = np.random.default_rng(1).bytes(72)
    stego = hide(data, key, method=Robust(survive="jpeg:90/420")).picture
    assert reveal(saved(stego, 90), key).content == data
