import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import csfnns
from csfnns.keys import Key, read_key, write_key
from csfnns.profile import make_profile

Transcript = Callable[[str], None]
Run = Callable[..., str]

WORDS = "wagon lattice thirty orchid plume"
PLACE = os.environ | {"PYTHONPATH": str(Path(csfnns.__file__).resolve().parents[1])}


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    """What a person types at the prompts, and no more."""

    def answers(*lines: str) -> None:
        left = iter(lines)
        monkeypatch.setattr(getpass, "getpass", lambda prompt: next(left))

    return answers


def test_a_key_is_made_protected_used_changed_and_opened(
    transcript: Transcript, run: Run, type_in: Callable[..., None], desk: Path
) -> None:
    type_in(WORDS, WORDS)
    run("csfnns key new mine.key --size 64 --protect")
    assert read_key("mine.key", WORDS).names == ("receiver",)
    type_in(WORDS)
    assert "fingerprint" in run("csfnns cover -k mine.key --json")
    type_in(WORDS, WORDS + "s", WORDS + "s")
    transcript("""
        $ csfnns key protect mine.key
        A passphrase protects mine.key now.
    """)
    type_in(WORDS)
    transcript("""
        $ csfnns key show mine.key
        error: This passphrase does not open mine.key, or somebody changed the file.
        hint: Type it again; capitals and blanks count.
        [exit 4]
    """)
    type_in(WORDS + "s")
    assert json.loads(run("csfnns key unprotect mine.key --json")) == {"file": "mine.key", "protected": False}
    assert read_key("mine.key").profile.width == 64
    assert [file.name for file in desk.iterdir()] == ["mine.key"]


def test_the_environment_gives_the_passphrase_and_another_variable_does_not(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CSFNNS_KEY_PASSPHRASE", f"{WORDS}\n")
    run("csfnns key new team.key --receiver bob --size 64 --protect")
    assert read_key("team.key", WORDS).names == ("bob",)
    assert read_key("team.bob.key").owner == "bob"
    assert "conversation" not in run("csfnns key show team.key --json")
    monkeypatch.delenv("CSFNNS_KEY_PASSPHRASE")
    monkeypatch.setenv("CSFNNS_PASSPHRASE", WORDS)
    assert "no terminal to type a passphrase at. hint: Set CSFNNS_KEY_PASSPHRASE" in run(
        "csfnns key show team.key"
    ).replace("\n", " ")


def test_a_weak_passphrase_is_refused_and_nothing_is_written(
    run: Run, type_in: Callable[..., None], desk: Path
) -> None:
    type_in("password", "password")
    seen = run("csfnns key new mine.key --size 64 --protect")
    assert "The passphrase is weak" in seen
    assert "--allow-weak" in seen
    assert not list(desk.iterdir())
    type_in("password", "password")
    run("csfnns key new mine.key --size 64 --protect --allow-weak")
    assert read_key("mine.key", "password")


def test_a_large_key_is_said_to_be_one_and_used_where_that_is_allowed(
    transcript: Transcript, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = run("csfnns key new large.key --size 8192")
    assert "It asks for covers of 8192x8192: about 13.5 GB" in made
    transcript("""
        $ csfnns cover -k large.key
        error: large.key asks for covers of 8192x8192: about 13.5 GB and 336 s for a message.
        hint: If you trust whoever made it: csfnns config set allow_large yes; in Python, allow_large=True.
        [exit 4]
        $ csfnns key show large.key
        id        ...
        ...
    """)
    monkeypatch.setattr("csfnns.keys.cost.MAX_MEMORY", 10_000_000)
    write_key(Key.new(make_profile(width=64, height=64)), "small.key")
    assert "[exit 4]" in run("csfnns cover -k small.key")
    assert "allow_large must be yes" in run("csfnns config set allow_large maybe")
    run("csfnns config set allow_large yes")
    assert "[exit" not in run("csfnns cover -k small.key")


@pytest.mark.skipif(sys.platform == "win32", reason="there are no core dumps")
def test_the_command_line_leaves_no_core_dumps_and_the_package_allows_them() -> None:
    code = """
import resource, sys
before = resource.getrlimit(resource.RLIMIT_CORE)
import csfnns, csfnns.keys
assert resource.getrlimit(resource.RLIMIT_CORE) == before
sys.argv = ["csfnns", "--version"]
from csfnns.cli import main
try:
    main()
finally:
    print(resource.getrlimit(resource.RLIMIT_CORE))
"""
    done = subprocess.run([sys.executable, "-c", code], env=PLACE, capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "(0, 0)"
