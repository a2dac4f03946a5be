"""Stories: people who write to each other, from several computers, and others who must not read along."""

import os
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import product
from pathlib import Path
from shutil import copytree
from types import FrameType
from typing import Any

import numpy as np
import pytest

from csfnns import (
    CoverError,
    Key,
    NoMessageError,
    Trellis,
    hide,
    make_decoy,
    make_profile,
    read_key,
    reveal,
    share_album,
    text,
    write_key,
)
from csfnns.covers import AlbumRegister, FolderCovers
from csfnns.covers.abstract import AbstractCovers
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.images.output import write_picture
from csfnns.keys.text import parse_key, render_key
from csfnns.messages.send import draw_nonce
from csfnns.messages.stego import Stego, find_address
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
PROFILE = make_profile(width=64, height=64)
NAMES = ["bob", "carol", "dave"]
Scene = Callable[..., Picture]
Move = Callable[[Path], None]


@pytest.fixture
def move(monkeypatch: pytest.MonkeyPatch) -> Move:
    """Sit down at the computer with that home."""
    return lambda home: monkeypatch.setenv("CSFNNS_HOME", str(home))


@pytest.fixture
def read_only(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "read-only"
    folder.mkdir()
    folder.chmod(0o555)
    yield folder
    folder.chmod(0o755)


def nonce_of(stego: Any, key: Key) -> bytes:
    found = find_address(Stego(stego.data if hasattr(stego, "data") else stego.picture), key)
    assert found is not None
    return found.nonce


def test_alice_and_bob_answer_each_other_with_copies_of_one_key(
    scene: Scene, read_only: Path, tmp_path: Path, move: Move
) -> None:
    # Alice makes a key and hands Bob a copy. Her home can only be read; his is restored from a copy half way.
    write_key(Key.new(PROFILE), tmp_path / "alice.key")
    (tmp_path / "bob.key").write_bytes((tmp_path / "alice.key").read_bytes())
    os.chmod(tmp_path / "bob.key", 0o600)
    alice, bob = read_key(tmp_path / "alice.key"), read_key(tmp_path / "bob.key")
    bobs_home, backup, post, nonces = tmp_path / "bob", tmp_path / "backup", [], []
    bobs_home.mkdir()
    for turn in range(4):
        move(read_only)
        post.append((f"Alice, {turn}", hide(text(f"Alice, {turn}"), alice)))
        move(bobs_home)
        assert reveal(post[-1][1], bob).text == f"Alice, {turn}"
        if turn == 1:
            copytree(bobs_home, backup)
        if turn == 2:
            bobs_home = backup
            move(bobs_home)
        post.append((f"Bob, {turn}", hide(text(f"Bob, {turn}"), bob)))
        move(read_only)
        assert reveal(post[-1][1], alice).text == f"Bob, {turn}"
    # A picture, and decoys of both between the messages.
    photograph = hide(scene(20, 24), alice, method=Trellis(states=64))
    found = reveal(photograph, bob)
    assert (found.id, found.author) == (photograph.id, None)
    assert psnr(found.picture, scene(20, 24)) > 30
    decoys = [make_decoy(alice), make_decoy(bob)]
    for decoy, key in product(decoys, (alice, bob)):
        with pytest.raises(NoMessageError, match="nothing for you can be read"):
            reveal(decoy.picture, key)
    # Both can read all of it again, in any order; no two share a nonce, an id or a cover.
    for sent, stego in reversed(post):
        for key in (alice, bob):
            assert (reveal(stego, key).text, reveal(stego, key).id) == (sent, stego.id)
    every = [stego for _, stego in post] + [photograph, *decoys]
    nonces = [nonce_of(each, alice) for each in every]
    assert len(set(nonces)) == len({each.id for each in every}) == len(every)
    pictures = [each.picture for each in every]
    for i, one in enumerate(pictures):
        assert all(np.mean(one == other) < 0.5 for other in pictures[:i])
    # A stranger finds nothing in any of them, and neither writes anything at home.
    for each in every:
        with pytest.raises(NoMessageError, match="not for this key"):
            reveal(each.picture, Key.new(PROFILE))
    assert list(read_only.iterdir()) == []


def test_a_sender_and_three_receivers_who_answer(scene: Scene) -> None:
    alice = Key.new(PROFILE, NAMES)
    keys = {name: parse_key(render_key(alice.for_receiver(name))) for name in NAMES}
    inbox = {"alice": alice} | keys

    def readers(stego: Any) -> dict[str, Any]:
        """Who reads what; "nothing" for those who only see that it was made with their key."""
        found: dict[str, Any] = {}
        for name, key in inbox.items():
            try:
                found[name] = reveal(stego, key).text
            except NoMessageError as error:
                if "nothing for you can be read" in str(error):
                    found[name] = "nothing"
        return found

    # Each pair has mail of its own, of which the others recognise nothing.
    for name in NAMES:
        assert readers(hide({name: text(f"to {name}")}, alice)) == {"alice": f"to {name}", name: f"to {name}"}
        answer = hide(text(f"from {name}"), keys[name])
        assert readers(answer) == {"alice": f"from {name}", name: f"from {name}"}
        assert (reveal(answer, alice).author, reveal(answer, alice).receiver) == (name, "sender")
    # A message to two of three: Dave sees that there is one, and nothing in it.
    both = hide({"bob": text("to bob"), "carol": text("to carol")}, alice)
    assert readers(both) == {"alice": "to bob", "bob": "to bob", "carol": "to carol", "dave": "nothing"}
    assert reveal(both, alice, receiver="carol").text == "to carol"
    # Several rounds: Carol answers the answer, and Alice answers both.
    for turn in range(2):
        assert reveal(hide(text(f"{turn}!"), keys["carol"]), alice).author == "carol"
        answer = hide(dict.fromkeys(NAMES, text(f"all of you, {turn}")), alice)
        assert readers(answer) == dict.fromkeys(inbox, f"all of you, {turn}")
    # A decoy is made with the group's key: all recognise it, and none has anything in it.
    assert readers(make_decoy(alice).picture) == dict.fromkeys(inbox, "nothing")
    # A receiver's decoy goes to the sender alone.
    assert readers(make_decoy(keys["dave"]).picture) == {"alice": "nothing", "dave": "nothing"}
    # Pictures for two of three.
    secrets = {"bob": scene(8, 10, 1), "dave": scene(10, 8, 2)}
    album = hide(secrets, alice, method=Trellis(states=64))
    for name, secret in secrets.items():
        assert reveal(album, keys[name]).picture.shape == secret.shape
    with pytest.raises(NoMessageError, match="nothing for you can be read"):
        reveal(album, keys["carol"])
    # Another sender whose receivers have the same names has nothing to do with it.
    for other in (Key.new(PROFILE, NAMES), Key.new(PROFILE, NAMES).for_receiver("bob")):
        with pytest.raises(NoMessageError, match="not for this key"):
            reveal(album, other)


def test_keys_of_receivers_follow_from_the_senders_and_not_from_each_other() -> None:
    alice = Key.from_root(PROFILE, ROOT, NAMES)
    bob = alice.for_receiver("bob")
    assert bob.id == alice.id
    own = {route.link for route in bob.incoming()}
    for name in ("carol", "dave"):
        other = {route.link for route in alice.for_receiver(name).incoming()}
        assert len(own & other) == 1  # the group's


def test_a_nonce_never_repeats(monkeypatch: pytest.MonkeyPatch) -> None:
    """From eight threads, for equal payloads; and with a random generator that repeats itself, for different ones."""
    key = Key.from_root(PROFILE, ROOT)

    def draw(payload: bytes) -> bytes:
        return draw_nonce(key, key.route(), None, payload)  # type: ignore[arg-type]

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(draw, [b"same"] * 4000))) == 4000
    monkeypatch.setattr(os, "urandom", bytes)
    assert len({draw(i.to_bytes(4, "big")) for i in range(1000)}) == 1000
    other = Key.from_root(PROFILE, ROOT.derive("other"))
    assert draw(b"same") != draw_nonce(other, other.route(), None, b"same")  # type: ignore[arg-type]


def test_two_computers_share_an_album(scene: Scene, tmp_path: Path, move: Move) -> None:
    """With disjoint shares, whichever of them writes: no picture is used twice."""
    album = tmp_path / "album"
    album.mkdir()
    for i in range(8):
        write_picture(scene(70, 64, i), album / f"{i}.png")
    fingerprint = FolderCovers(album, 64, 64).album_fingerprint
    alice = Key.new(make_profile(width=64, height=64, generator="folder", album=fingerprint))
    bob = parse_key(render_key(alice))
    homes = {"alice": tmp_path / "alice", "bob": tmp_path / "bob"}
    move(homes["alice"])
    AlbumRegister().make_writer(alice.id)
    move(homes["bob"])
    with pytest.raises(CoverError, match="made elsewhere"):
        hide(b"x", bob, covers=album)
    for i, name in enumerate(homes, start=1):
        move(homes[name])
        share_album(alice if name == "alice" else bob, f"{i}/2")
    sent = []
    for turn in range(3):
        for name, key, reader in (("alice", alice, bob), ("bob", bob, alice)):
            move(homes[name])
            sent.append(hide(text(f"{name}, {turn}"), key, covers=album))
            move(homes["bob" if name == "alice" else "alice"])
            assert reveal(sent[-1], reader, covers=album).text == f"{name}, {turn}"
    covers = FolderCovers(album, 64, 64)
    link = alice.route().link
    assert len({covers.index(link.cover_seed(nonce_of(each, alice))) for each in sent}) == len(sent)


# A payload passes each module once


def holds(value: Any, payload: Any, depth: int = 2) -> bool:
    """Whether an argument is the payload, or a container or object that holds it."""
    if value is payload:
        return True
    if isinstance(value, bytes):
        return isinstance(payload, bytes) and payload in value
    if isinstance(value, np.ndarray):
        return isinstance(payload, np.ndarray) and np.shares_memory(value, payload)
    if isinstance(value, dict) and depth:
        return any(holds(each, payload, depth - 1) for each in value.values())
    return False


def trace(payload: Any, action: Callable[[], Any]) -> tuple[Counter[str], Counter[str]]:
    """How often each public function of csfnns is called from another module, and how often with the payload."""
    calls: Counter[str] = Counter()
    carrying: Counter[str] = Counter()
    running: set[FrameType] = set()  # generators are called again for each item

    def profile(frame: FrameType, event: str, _: Any) -> None:
        name, module = frame.f_code.co_qualname, frame.f_globals.get("__name__", "")
        caller = frame.f_back.f_globals.get("__name__", "") if frame.f_back else ""
        if event != "call" or not module.startswith("csfnns.") or module == caller or frame in running:
            return
        if any(part.startswith("_") or part == "<locals>" for part in name.split(".")):
            return
        running.add(frame)
        calls[f"{module}.{name}"] += 1
        count = frame.f_code.co_argcount + frame.f_code.co_kwonlyargcount
        arguments = [frame.f_locals.get(each) for each in frame.f_code.co_varnames[:count]]
        if any(holds(each, payload) for each in arguments):
            carrying[f"{module}.{name}"] += 1

    sys.setprofile(profile)
    try:
        action()
    finally:
        sys.setprofile(None)
    return calls, carrying


ONCE = (
    "csfnns.api.hide",
    "csfnns.messages.send.send",
    "csfnns.payloads.secret.read_secret",
    "csfnns.methods.select.choose_method",
    "csfnns.methods.select.check_room",
    "csfnns.methods.select.plans",
    "csfnns.address.code.make_nonce",
    "csfnns.images.output.encode_picture",
    "csfnns.images.output.write_atomically",
    "csfnns.keys.material.message_id",
)
"""Entry functions on the way of every payload into a lossless file."""


@pytest.mark.parametrize("kind", ["file", "text", "picture"])
def test_a_payload_passes_each_module_once(kind: str, scene: Scene, tmp_path: Path) -> None:
    key = Key.from_root(make_profile(width=96, height=96), ROOT)
    content = ROOT.derive("trace").stream().take(300)
    payload: Any = {"file": content, "text": text(content.hex()), "picture": scene(20, 24)}[kind]
    carried: Any = content.hex().encode() if kind == "text" else payload
    method = Trellis(states=64) if kind == "picture" else None
    hide(payload, key, method=method)  # what is loaded when first used must not count
    covers: list[Seed] = []
    original = AbstractCovers.__call__
    with pytest.MonkeyPatch.context() as patch:

        def counted(self: AbstractCovers, seed: Seed) -> Picture:
            covers.append(seed)
            return original(self, seed)

        patch.setattr(AbstractCovers, "__call__", counted)
        calls, carrying = trace(carried, lambda: hide(payload, key, out=tmp_path / "a.png", method=method))
    assert len(covers) == 1
    embedder = "trellis.Trellis" if kind == "picture" else "direct.Direct"
    once = [*ONCE, f"csfnns.methods.{embedder}.embed", f"csfnns.methods.{embedder}.extract"]
    if kind != "picture":
        once += [
            "csfnns.methods._direct.write_delta",
            "csfnns.methods._direct.read_delta",
            "csfnns.payloads.frame.pack",
            "csfnns.payloads.frame.unpack",
            "csfnns.payloads.seal.unseal",
        ]
    assert {name: calls[name] for name in once} == dict.fromkeys(once, 1)
    # Whatever else gets the payload itself gets it once. It is sealed for each rate that is tried.
    again = {name: count for name, count in carrying.items() if count > 1 and name != "csfnns.payloads.seal.seal"}
    assert again == {}
