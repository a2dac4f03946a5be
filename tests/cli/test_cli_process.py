"""What only a whole process shows: the console script, signals, terminals, and what is loaded."""

import os
import pty
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

PROGRAM = [sys.executable, "-m", "csfnns"]


@pytest.fixture(autouse=True)
def keys(fixed_key: Callable[..., None]) -> None:
    """mine.key, and paper.key with a search that can be long."""
    fixed_key("mine.key", side=64)
    fixed_key("paper.key", profile="paper", side=64)


def call(line: str, **options: object) -> subprocess.CompletedProcess[str]:
    defaults = {"capture_output": True, "text": True, "timeout": 60}
    return subprocess.run([*PROGRAM, *line.split()], check=False, **defaults | options)  # type: ignore[call-overload]


@contextmanager
def on_a_terminal(line: str, **options: object) -> Iterator[tuple[int, subprocess.Popen[bytes]]]:
    """The command with a terminal for its stderr, as its descriptor and process."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [*PROGRAM, *line.split()],
        stdin=theirs,
        stdout=subprocess.PIPE,
        stderr=theirs,
        start_new_session=True,
        **options,
    ) as process:  # type: ignore[call-overload]
        os.close(theirs)
        yield ours, process
    os.close(ours)


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


def test_an_interrupt_while_a_class_is_made_ends_with_the_exit_code_of_all_interrupts(tmp_path: Path) -> None:
    """CPython remembers one inside an exec(), with which dataclasses are made, and would end by SIGINT."""
    (tmp_path / "interrupted.py").write_text(
        "import csfnns.cli, csfnns.cli.app as cli\n"
        "def app(**_):\n"
        "    try: exec('raise KeyboardInterrupt')\n"
        "    except KeyboardInterrupt: raise SystemExit(130)\n"
        "cli.app = app\n"
        "csfnns.cli.main()"
    )
    words = [sys.executable, "-m", "interrupted"]  # unlike -c, -m looks at what was remembered
    assert subprocess.run(words, cwd=tmp_path, check=False).returncode == 130


def test_an_error_is_two_lines_and_an_exit_code() -> None:
    result = call("key show missing.key")
    expected = "error: There is no key file missing.key.\nhint: Check the name, or make a new key.\n"
    assert (result.returncode, result.stdout, result.stderr) == (4, "", expected)


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize(("number", "code"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_signal_ends_a_search_and_leaves_nothing(number: signal.Signals, code: int, desk: Path) -> None:
    before = {file.name for file in desk.iterdir()}
    line = "hide secret.png -k paper.key -o holiday.png --set steps=100000000"
    with subprocess.Popen([*PROGRAM, *line.split()], stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            time.sleep(5)
            assert process.poll() is None
            process.send_signal(number)
            _, errors = process.communicate(timeout=30)
        finally:
            process.kill()
    assert process.returncode == code
    assert errors in (b"", b"error: Stopped.\n")  # no traceback, and no progress where nobody looks
    assert {file.name for file in desk.iterdir()} - before <= {"csfnns-home"}


@pytest.mark.parametrize("form", ["", "--json"])
def test_a_reader_that_leaves_early_is_no_reason_to_complain(form: str) -> None:
    read_end, write_end = os.pipe()
    os.close(read_end)
    result = call(f"key show mine.key {form}", capture_output=False, stdout=write_end, stderr=subprocess.PIPE)
    os.close(write_end)
    assert (result.returncode, result.stderr) == (1, "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
@pytest.mark.parametrize("line", ["key show mine.key", "hide --text x -k mine.key -o - -q", "cover -k mine.key"])
def test_a_full_disk_is_an_error(line: str) -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = call(line, capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert result.returncode == 3
    assert result.stderr.startswith("error: The output cannot be written: No space left on device.\nhint: ")
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_an_error_that_cannot_be_said_is_an_exit_code() -> None:
    with open("/dev/full", "w", encoding="utf-8") as full:
        result = call("key show missing.key", capture_output=False, stdout=subprocess.PIPE, stderr=full)
    assert (result.returncode, result.stdout) == (4, "")


def test_closed_streams_are_no_reason_to_fail() -> None:
    line = f"{sys.executable} -m csfnns key show mine.key <&- >&- 2>&-"
    assert subprocess.run(["sh", "-c", line], check=False, timeout=60).returncode == 0


def test_a_passphrase_is_typed_unseen() -> None:
    with on_a_terminal("cover --passphrase --size 64") as (terminal, process):
        seen = b""
        while b"Passphrase: " not in seen:
            seen += os.read(terminal, 1024)
        os.write(terminal, b"wagon lattice thirty orchid plume\n")
        while b"bits" not in seen:
            seen += os.read(terminal, 1024)
        result, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert result.count(b"-") == 3
    assert b"wagon" not in seen + result


def test_without_a_terminal_no_passphrase_is_asked_for() -> None:
    result = call("cover --passphrase", input="letmein\n", start_new_session=True)
    assert result.returncode == 2
    assert result.stderr.startswith("error: There is no terminal to type a passphrase at.\nhint: ")


@pytest.mark.usefixtures("photo")
@pytest.mark.parametrize(("kind", "shown"), [("xterm", True), ("dumb", False)])
def test_progress_is_shown_on_a_terminal_that_can_show_it(kind: str, shown: bool) -> None:
    line = "hide secret.png -k paper.key -o holiday.png --set steps=60"
    with on_a_terminal(line, env=os.environ | {"TERM": kind}) as (terminal, process):
        seen = everything_from(terminal)
        result, _ = process.communicate(timeout=60)
    assert process.returncode == 0
    assert (b"searching" in seen) is shown
    assert b"searching" not in result
    assert kind == "xterm" or b"\x1b" not in seen


def test_a_terminal_gets_no_pictures_and_no_control_characters(desk: Path) -> None:
    assert call("hide --text - -k mine.key -o a.png -q", input="a\x1b]0;title\x07b\tc").returncode == 0
    ours, theirs = pty.openpty()
    shown = [
        subprocess.run([*PROGRAM, *line.split()], stdout=theirs, stderr=subprocess.PIPE, check=False, timeout=60)
        for line in ("reveal a.png -k mine.key -q", "hide --text x -k mine.key -o -")
    ]
    os.close(theirs)
    seen = everything_from(ours)
    os.close(ours)
    assert [each.returncode for each in shown] == [0, 2]
    assert seen == "a\ufffd]0;title\ufffdb\tc\r\n".encode() or seen.startswith("a\ufffd]0;title\ufffdb".encode())
    assert b"\x1b" not in seen
    assert b"The result is not for a terminal." in shown[1].stderr
