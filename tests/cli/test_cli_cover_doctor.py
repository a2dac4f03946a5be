import hashlib
import json
from collections.abc import Callable
from pathlib import Path

import pytest

from csfnns.api import make_cover
from csfnns.cli import doctor
from csfnns.covers import AbstractCovers
from csfnns.errors import CsfnnsError
from csfnns.keys import read_key
from csfnns.picture import read_picture
from csfnns.stream import Seed

Transcript = Callable[[str], None]
Run = Callable[[str], str]


def test_all_ends_of_a_key_get_the_same_fingerprint(transcript: Transcript, run: Run, desk: Path) -> None:
    run("csfnns key new team.key --receiver bob --size 64")
    run("csfnns key new other.key --size 64")
    transcript("""
        $ csfnns cover -k team.key
        ...-...-...-...
        The other end must get the same words. Never send this cover with a secret in it.
    """)
    words = [
        json.loads(run(f"csfnns cover -k {key} --json"))["fingerprint"]
        for key in ("team.key", "team.bob.key", "other.key")
    ]
    assert words[0] == words[1] != words[2]


def test_the_check_cover_can_be_written(run: Run, desk: Path) -> None:
    run("csfnns key new mine.key --size 64")
    shown = json.loads(run("csfnns cover -k mine.key -o cover.png --json"))
    assert shown["file"] == "cover.png"
    assert (read_picture(desk / "cover.png") == make_cover(read_key(desk / "mine.key")).picture).all()
    assert run("csfnns cover -k mine.key -o cover.png").endswith("[exit 3]")
    assert run("csfnns cover -k mine.key -o cover.jpg").endswith("[exit 3]")


def test_the_doctor_finds_that_all_is_well(transcript: Transcript) -> None:
    transcript("""
        $ csfnns doctor
        python         3...
        csfnns         ...
        numpy          ...
        pillow         ...
        cryptography   ...
        torch          ...
        system         ...
        search         ...
        devices        cpu...
        covers           ok: 9f6e0fa2ec0baef2…, the same as on every machine
        random numbers   ok: 5d21777e5bbee340…, the same as on every machine
        ledger           ok: .../ledger.sqlite3, made at the first use
        round trip       ok: 64x64 hidden and revealed in ... s, stego ... dB, recovered ... dB
        All is well.
    """)


def test_the_doctor_leaves_the_ledger_alone(run: Run, desk: Path) -> None:
    result = json.loads(run("csfnns doctor --json"))
    assert result["ok"] is True
    assert [check["name"] for check in result["checks"]] == [
        "covers",
        "random numbers",
        "ledger",
        "round trip",
    ]
    assert not list(desk.iterdir())


def test_the_doctor_ends_with_1_when_covers_differ(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "COVER", "0" * 64)
    seen = run("csfnns doctor")
    assert "WRONG: 9f6e0fa2ec0baef2… instead of 0000000000000000…, as on every other machine" in seen
    assert seen.endswith("Something is wrong here: covers and secrets may not fit.\n[exit 1]")


def test_the_doctor_ends_with_1_when_the_ledger_is_damaged(run: Run, home: Path) -> None:
    home.mkdir()
    (home / "ledger.sqlite3").write_bytes(b"no database")
    checks = json.loads(run("csfnns doctor --json").removesuffix("[exit 1]"))["checks"]
    assert [check["name"] for check in checks if not check["ok"]] == ["ledger"]


def test_the_doctor_knows_the_bytes_that_every_machine_makes() -> None:
    cover = AbstractCovers(128, 96)(Seed(bytes(range(32))), 7)
    assert hashlib.sha256(cover.tobytes()).hexdigest() == doctor.COVER


def test_help_names_every_exit_code(run: Run) -> None:
    seen = run("csfnns --help")
    codes = {0, 1, 143} | {each.exit_code for each in _all_errors(CsfnnsError)}
    listed = seen[seen.index("Exit codes:") :].splitlines()[1:]
    assert {int(line.split()[0]) for line in listed} == codes


def _all_errors(kind: type[CsfnnsError]) -> list[type[CsfnnsError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in _all_errors(sub))]


def test_the_version_is_shown(transcript: Transcript) -> None:
    transcript("""
        $ csfnns --version
        csfnns ...
    """)
