"""Searches that deceive networks: what these make of the stego, that its receiver notices nothing, what is refused."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from csfnns import Hidden, Key, Ledger, hide, make_profile, reveal
from csfnns.errors import UsageError
from csfnns.picture import Picture
from csfnns.search import preset
from csfnns.steganalysis import Deep, make_network, shipped_networks
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
ROBUST = make_profile("robust", width=128, height=128)
SHAPE = 32, 32
NAME = next(iter(shipped_networks()))
Scene = Callable[..., Picture]
Send = Callable[..., Hidden]


@pytest.fixture
def key() -> Key:
    return Key.from_root(ROBUST, ROOT)


@pytest.fixture
def send(key: Key, scene: Scene, tmp_path: Path) -> Send:
    """Hides one secret in one cover, message 1 of the key, by a short search."""
    ledgers = (Ledger(tmp_path / f"{i}.sqlite3") for i in range(9))

    def sent(**choices: Any) -> Hidden:
        search = dataclasses.replace(preset(ROBUST), steps=30, beta=0.2)
        return hide(scene(*SHAPE), key, search=search, ledger=next(ledgers), **choices)

    return sent


def judge() -> Deep:
    return Deep.load(shipped_networks()[NAME])


def test_the_network_is_deceived_and_the_receiver_notices_nothing(send: Send, key: Key) -> None:
    naive, sly = send(), send(evade=[NAME])
    assert (naive.message, sly.message) == (1, 1)
    assert judge().score(sly.picture) < judge().score(naive.picture)
    assert sly.stego.psnr == pytest.approx(naive.stego.psnr, abs=1)
    assert sly.least_recovered == pytest.approx(naive.least_recovered, abs=1)
    found = reveal(sly, key)
    assert found.picture.shape == (*SHAPE, 3)
    assert (found.message, found.receiver) == (1, "main")


def test_names_and_files_may_be_mixed_and_all_count(send: Send, tmp_path: Path) -> None:
    Deep("yenet", make_network("yenet", 1)).save(tmp_path / "own.safetensors")
    one, file, both = (
        send(evade=models)
        for models in (NAME, shipped_networks()[NAME], [NAME, tmp_path / "own.safetensors"])
    )
    assert (one.picture == file.picture).all()
    assert (one.picture != both.picture).any()


def test_the_weight_is_the_callers_or_the_searchs(send: Send, key: Key, scene: Scene, tmp_path: Path) -> None:
    usual, same, strong = (send(evade=NAME, **given) for given in ({}, {"gamma": 1e-4}, {"gamma": 1e-2}))
    assert (usual.picture == same.picture).all()
    assert judge().score(strong.picture) < judge().score(usual.picture)
    search = dataclasses.replace(preset(ROBUST), steps=30, beta=0.2, gamma=1e-2)
    own = hide(scene(*SHAPE), key, search=search, evade=NAME, ledger=Ledger(tmp_path / "own.sqlite3"))
    assert (own.picture == strong.picture).all()


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"gamma": 1e-4}, "--gamma weighs the networks of --evade"),
        ({"evade": NAME, "gamma": 0.0}, "gamma must be above 0"),
        ({"evade": NAME, "gamma": float("nan")}, "gamma must be above 0"),
        ({"evade": "eyes"}, "no file 'eyes'"),
        ({"evade": [NAME], "grain": True}, "--grain"),
        ({"evade": [NAME], "exact": True}, "search by gradients"),
        ({"evade": [NAME], "send_as": "file"}, "search by gradients"),
    ],
)
def test_what_makes_no_sense_is_refused_before_a_number_is_used(
    key: Key, scene: Scene, choices: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        hide(scene(*SHAPE), key, **choices)
    assert Ledger().highest(key.id) == 0


def test_the_paper_profile_evades_too(scene: Scene, tmp_path: Path) -> None:
    paper = make_profile("paper", width=64, height=64, channels=32)
    key, search = Key.from_root(paper, ROOT), dataclasses.replace(preset(paper), steps=80)
    naive = hide(scene(32, 32), key, search=search, ledger=Ledger(tmp_path / "naive"))
    sly = hide(scene(32, 32), key, search=search, ledger=Ledger(tmp_path / "sly"), evade=NAME, gamma=1e-2)
    assert judge().score(sly.picture) < judge().score(naive.picture)
    assert reveal(sly, key).picture.shape == (32, 32, 3)


@pytest.mark.parametrize("choices", [{"evade": NAME}, {"evade": [NAME], "gamma": 1e-4}, {"gamma": 1e-4}])
def test_the_standard_profile_refuses_in_one_sentence(choices: dict[str, Any], scene: Scene) -> None:
    standard = Key.from_root(make_profile(width=64, height=64), ROOT)
    for secret in (scene(*SHAPE), b"a file"):
        with pytest.raises(UsageError, match="profile paper or robust") as caught:
            hide(secret, standard, **choices)
        assert caught.value.message.count(".") == 1
        assert "--profile robust" in caught.value.hint
    assert Ledger().highest(standard.id) == 0


def test_a_jpeg_file_does_not_keep_what_deceives(scene: Scene, key: Key, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="JPEG file does not keep"):
        hide(scene(*SHAPE), key, evade=NAME, survive="jpeg:90", out=tmp_path / "a.jpg")
    assert Ledger().highest(key.id) == 0
