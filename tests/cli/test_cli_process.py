"""What only a whole process shows: the console script, signals, terminals, and what is loaded."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from csfnns.keys import Key, Ledger, write_key
from csfnns.profile import make_profile

SCRIPT = str(Path(sys.executable).with_name("csfnns"))


@pytest.fixture
def key(desk: Path) -> Key:
    """mine.key for covers of 64x64, with a search that can be long."""
    key = Key.new(make_profile("paper", width=64, height=64))
    write_key(key, desk / "mine.key")
    return key


def call(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([SCRIPT, *words], capture_output=True, text=True, check=False, timeout=60)


@contextmanager
def endless_search(key: Key) -> Iterator[subprocess.Popen[bytes]]:
    """`csfnns hide` in the midst of its work: the message number is taken, the search goes on for hours."""
    line = "hide secret.png -k mine.key -o holiday.png --steps 100000000"
    with subprocess.Popen([SCRIPT, *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            end = time.monotonic() + 60
            while Ledger().highest(key.id) == 0:
                assert time.monotonic() < end
                assert process.poll() is None
                time.sleep(0.1)
            yield process
        finally:
            process.kill()


def test_help_loads_none_of_the_heavy_libraries() -> None:
    code = (
        "import sys, csfnns.cli\n"
        "try: csfnns.cli.main()\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'numpy', 'pydantic', 'PIL', 'cryptography', 'rich'}\n"
        "print(heavy & set(sys.modules))"
    )
    words = [sys.executable, "-c", code, "--help"]
    shown = subprocess.run(words, capture_output=True, text=True, check=True)
    assert "Usage: csfnns" in shown.stdout
    assert shown.stdout.endswith("set()\n")


def test_the_script_and_the_module_are_the_same_program() -> None:
    module = [sys.executable, "-m", "csfnns", "--version"]
    assert (
        subprocess.run(module, capture_output=True, text=True, check=True).stdout == call("--version").stdout
    )


def test_an_error_is_two_lines_and_an_exit_code() -> None:
    result = call("key", "show", "missing.key")
    expected = "error: There is no key file missing.key.\nhint: Check the name, or make a new key.\n"
    assert (result.returncode, result.stdout, result.stderr) == (4, "", expected)


def test_a_key_may_come_through_a_pipe(key: Key, desk: Path) -> None:
    words = [SCRIPT, "key", "show", "/dev/stdin"]
    text = (desk / "mine.key").read_text()
    result = subprocess.run(words, input=text, capture_output=True, text=True, check=True, timeout=60)
    assert key.id in result.stdout
    assert result.stderr == ""


def test_a_usage_error_ends_with_2() -> None:
    result = call("hide", "secret.png", "-k", "mine.key")
    assert (result.returncode, result.stdout) == (2, "")
    assert "--out" in result.stderr


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_search_and_leaves_nothing(
    number: signal.Signals, code: int, key: Key, desk: Path, home: Path
) -> None:
    before = set(desk.iterdir())
    with endless_search(key) as process:
        process.send_signal(number)
        _, errors = process.communicate(timeout=30)
    assert process.returncode == code
    assert errors in (b"", b"error: Stopped.\n")  # no traceback, and no progress where nobody looks
    assert set(desk.iterdir()) - before == {home}


@pytest.mark.usefixtures("key")
@pytest.mark.parametrize("form", [[], ["--json"]])
def test_a_reader_that_leaves_early_is_no_reason_to_complain(form: list[str]) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    words = [SCRIPT, "key", "show", "mine.key", *form]
    result = subprocess.run(words, stdout=write_end, stderr=subprocess.PIPE, check=False)
    os.close(write_end)
    assert (result.returncode, result.stderr) == (1, b"")


def test_a_passphrase_is_typed_unseen() -> None:
    ours, theirs = pty.openpty()
    words = [SCRIPT, "cover", "--passphrase", "--size", "64"]
    with subprocess.Popen(
        words, stdin=theirs, stdout=subprocess.PIPE, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = b""
        while b"Passphrase: " not in seen:
            seen += os.read(ours, 1024)
        os.write(ours, b"gravel onto ninety mauve sundial\n")
        while b"bits" not in seen:
            seen += os.read(ours, 1024)
        result, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert result.count(b"-") == 3
    assert b"gravel" not in seen + result


def test_without_a_terminal_no_passphrase_is_asked_for() -> None:
    words = [SCRIPT, "cover", "--passphrase"]
    result = subprocess.run(
        words, input="letmein\n", capture_output=True, text=True, check=False, start_new_session=True
    )
    assert result.returncode == 2
    assert result.stderr.startswith("error: There is no terminal to type a passphrase at.\nhint: ")


@pytest.mark.usefixtures("key", "photo")
def test_progress_is_shown_on_a_terminal() -> None:
    line = "hide secret.png -k mine.key -o holiday.png --steps 60"
    ours, theirs = pty.openpty()
    with subprocess.Popen([SCRIPT, *line.split()], stdout=subprocess.PIPE, stderr=theirs) as process:
        os.close(theirs)
        seen = everything_from(ours)
        result, _ = process.communicate(timeout=60)
    os.close(ours)
    assert process.returncode == 0
    assert b"searching" in seen
    assert b"searching" not in result


def everything_from(terminal: int) -> bytes:
    """All that is written there, until the other end is closed: a terminal that nobody reads blocks its writer."""
    seen = b""
    while True:
        try:
            part = os.read(terminal, 1024)
        except OSError:  # what Linux says at the end
            return seen
        if not part:
            return seen
        seen += part
