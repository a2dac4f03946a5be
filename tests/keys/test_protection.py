"""Key files with a passphrase, and keys that ask for too much."""

import errno
import json
import os
import stat
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from csfnns.errors import KeyFileError
from csfnns.keys import (
    Key,
    change_passphrase,
    estimate_cost,
    parse_key,
    read_key,
    render_key,
    write_key,
)
from csfnns.keys.material import canonical
from csfnns.keys.protection import Protection
from csfnns.profile import Diffusion, Profile, make_profile
from csfnns.stream import Seed

TEAM = Key.from_root(make_profile(), Seed(bytes(range(32))), ("bob", "carol"))
KEYS = [Key.from_root(make_profile(), Seed(bytes(range(32)))), TEAM, TEAM.for_receiver("bob")]
WORDS = "wagon lattice ½"
CHEAP = Protection(cipher="argon2id/chacha20-poly1305", memory=32, passes=1, lanes=1, salt="5a" * 16)


@pytest.mark.parametrize("key", KEYS, ids=lambda key: key.role)
def test_a_protected_key_comes_back_and_its_file_shows_no_secret(key: Key) -> None:
    text = render_key(key, WORDS, protection=CHEAP)
    assert parse_key(text, passphrase=WORDS) == key
    assert parse_key(text.replace("\n", "\r\n> "), passphrase=lambda: "wagon lattice 1⁄2") == key
    assert max(map(len, text.split("\n"))) <= 72
    plain = render_key(key)
    secrets = [part for line in plain.splitlines() if " - " in line for part in line.strip(' ",').split()[:4]]
    assert len(secrets) >= 16
    assert not [part for part in secrets if f" {part} " in text]


def test_another_program_can_open_it_as_the_document_says() -> None:
    text = render_key(TEAM, WORDS, protection=CHEAP)
    content = json.loads(text[text.index("{") :])
    how = content["protection"]
    slow = Argon2id(salt=bytes.fromhex(how["salt"]), length=32, iterations=1, lanes=1, memory_cost=32)
    sealed = bytes.fromhex("".join(row[:19].replace(" ", "") for row in content.pop("sealed")))
    content.pop("checksum")
    public = b"csfnns/2/key-file/protected\n" + canonical(content).encode()
    cipher = ChaCha20Poly1305(slow.derive("wagon lattice 1⁄2".encode()))
    assert cipher.decrypt(bytes(12), sealed, public) == bytes(range(32))


def test_usual_files_have_the_costs_of_the_rfc_and_a_salt_each() -> None:
    files = [json.loads(text[text.index("{") :]) for text in (render_key(TEAM, WORDS) for _ in range(2))]
    first, second = (file["protection"] for file in files)
    assert (first["memory"], first["passes"], first["lanes"]) == (65536, 3, 4)
    assert first["salt"] != second["salt"]


def test_costs_go_from_the_least_of_the_rfc_to_what_a_file_may_ask_for() -> None:
    def asked(memory: int, passes: int, lanes: int) -> Protection:
        return Protection(cipher=CHEAP.cipher, memory=memory, passes=passes, lanes=lanes, salt=CHEAP.salt)

    for cost in ((8, 1, 1), (128, 1, 16), (1 << 19, 8, 1), (8, 1 << 19, 1)):
        assert asked(*cost).memory == cost[0]
    below, above = (
        ((7, 1, 1), (8, 0, 1), (8, 1, 0), (127, 1, 16)),
        ((136, 1, 17), ((1 << 19) + 1, 1, 1), (1 << 19, 9, 1)),
    )
    for cost in (*below, *above):
        with pytest.raises(ValueError, match=r"memory|passes|lanes"):
            asked(*cost)


def test_it_opens_with_its_passphrase_alone(tmp_path: Path) -> None:
    path = tmp_path / "mine.key"
    write_key(TEAM, path, WORDS)
    with pytest.raises(KeyFileError, match="is protected by a passphrase"):
        read_key(path)
    with pytest.raises(KeyFileError, match="This passphrase does not open"):
        read_key(path, WORDS + " ")
    with pytest.raises(KeyFileError, match="The passphrase is empty"):
        read_key(path, "")
    assert read_key(path, WORDS) == TEAM


def test_a_passphrase_is_not_asked_for_where_there_is_none(tmp_path: Path) -> None:
    def ask() -> str:
        raise AssertionError

    write_key(TEAM, tmp_path / "mine.key")
    assert read_key(tmp_path / "mine.key", ask) == TEAM


def test_a_passphrase_is_set_changed_and_removed_in_place(tmp_path: Path) -> None:
    path, link = tmp_path / "mine.key", tmp_path / "link.key"
    write_key(TEAM, path)
    link.symlink_to(path)
    change_passphrase(link, new=WORDS)
    assert read_key(path, WORDS) == TEAM
    assert link.is_symlink()
    change_passphrase(path, WORDS, new="other")
    assert read_key(path, "other") == TEAM
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(KeyFileError, match="does not open"):
        change_passphrase(path, WORDS)
    change_passphrase(path, "other")
    assert read_key(path) == TEAM
    assert len(os.listdir(tmp_path)) == 2


@pytest.mark.parametrize("failing", ["fsync", "replace"])
def test_a_full_disk_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failing: str) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    path = tmp_path / "mine.key"
    write_key(TEAM, path)
    monkeypatch.setattr(os, failing, full)
    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(KeyFileError, match="No space left"):
        change_passphrase(path, new=WORDS)
    assert os.listdir(tmp_path) == ["mine.key"]
    assert read_key(path) == TEAM


DRAWN = Diffusion(
    prompts=("Campus",),
    steps=1000,
    guidance="7.5",
    device="cpu",
    threads=1,
    scheduler="DDIMScheduler",
    settings=(),
    model=(),
    environment=(),
    reference="ab" * 32,
)


@pytest.mark.parametrize(
    ("profile", "asked"),
    [
        (make_profile(width=8192, height=8192), r"covers of 8192x8192: about 13\.5 GB and 336 s"),
        (make_profile("robust", width=8192, height=8192), "about 13.8 GB"),
        (make_profile("paper", width=1024, height=1024, channels=512), "1024x1024 and 512 channels: about"),
        (
            make_profile("paper", decoder="plain", bpp="24", channels=512, width=512, height=512),
            "512 channels: about 6",
        ),
        (
            make_profile(generator="diffusion", diffusion=DRAWN, width=512, height=512),
            "diffusion covers of 512x512 in 1000 steps",
        ),
    ],
)
def test_a_key_that_asks_for_too_much_is_refused_with_what_it_asks_for(
    profile: Profile, asked: str, tmp_path: Path
) -> None:
    write_key(Key.new(profile), tmp_path / "large.key")
    with pytest.raises(KeyFileError, match=asked):
        read_key(tmp_path / "large.key")
    assert read_key(tmp_path / "large.key", allow_large=True).profile == profile


def test_costs_are_those_of_a_cover_and_of_three_convolutions() -> None:
    """By hand for 512x512: covers take 52 MB and 1.31 s, 96 channels of a quarter of the pixels 277 MB and 0.19 s."""
    plain, paper = (estimate_cost(make_profile(name, channels=96)) for name in ("robust", "paper"))
    assert (plain.memory, round(plain.seconds, 3)) == (60_000_000 + 52_428_800 + 330_000_000, 1.311)
    assert (paper.memory - plain.memory, round(paper.seconds - plain.seconds, 3)) == (276_824_064, 0.190)


LARGEST = DRAWN.model_copy(update={"steps": 400})  # as many pixels times steps as there may be, of 512x512


@pytest.mark.parametrize(
    "profile",
    [
        make_profile(width=2048, height=2048),
        make_profile("paper"),
        make_profile(generator="diffusion", diffusion=LARGEST, width=512, height=512),
    ],
)
def test_usual_keys_are_taken(profile: Profile, tmp_path: Path) -> None:
    write_key(Key.new(profile), tmp_path / "usual.key")
    assert read_key(tmp_path / "usual.key").profile == profile
    cost = estimate_cost(profile)
    assert cost.memory < 1e9
    assert cost.seconds < 30
