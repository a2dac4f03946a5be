"""Help, settings, completion, and the pages that are made from the commands."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import typer

from csfnns.cli.app import app
from csfnns.errors import CsfnnsError

Transcript = Callable[[str], None]
Run = Callable[..., str]

ROOT = Path(__file__).parents[2]


def commands(command: Any = None, path: str = "csfnns") -> dict[str, Any]:
    """Every command by its words, groups included."""
    command = command or typer.main.get_command(app)
    found = {path: command}
    for name, each in getattr(command, "commands", {}).items():
        found |= commands(each, f"{path} {name}")
    return found


def run_raw(words: str) -> list[str]:
    shown = subprocess.run([sys.executable, "-m", "csfnns", *words.split()], capture_output=True, text=True, check=True)
    return shown.stdout.splitlines()


@pytest.mark.parametrize("command", ["hide", "reveal", "key new", "cover", "capacity"])
def test_help_has_two_tiers(command: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    few, all_of_it = run_raw(f"{command} --help"), run_raw(f"{command} --help-all")
    assert len(few) <= 40 < len(all_of_it) + 15
    assert max(map(len, few)) <= 80
    assert "More:" in all_of_it
    assert not [line for line in few if line.startswith(("More:", "Passphrases"))]
    if command in ("hide", "reveal", "key new"):
        assert len([line for line in few if line.startswith(f"  csfnns {command} ")]) == 3


def test_hide_has_twenty_parameters() -> None:
    names = [each.name for each in commands()["csfnns hide"].params]
    assert len(names) <= 20


def test_every_command_and_option_is_described() -> None:
    for path, command in commands().items():
        assert command.help, path
        for each in command.params:
            assert getattr(each, "help", None), (path, each.name)


def test_the_help_of_the_root_is_short(run: Run) -> None:
    seen = run("csfnns --help")
    assert len(seen.splitlines()) < 40
    assert "Exit codes" not in seen
    assert run("csfnns").startswith(seen)


def test_help_names_every_exit_code(run: Run) -> None:
    seen = run("csfnns --help-all")
    listed = seen[seen.index("Exit codes:") :].splitlines()[1:]
    codes = {0, 1, 143} | {each.exit_code for each in _all_errors(CsfnnsError)}
    assert {int(line.split()[0]) for line in listed} == codes


def _all_errors(kind: type[CsfnnsError]) -> list[type[CsfnnsError]]:
    return [kind, *(each for sub in kind.__subclasses__() for each in _all_errors(sub))]


def test_help_is_a_command(run: Run) -> None:
    assert run("csfnns help key new") == run("csfnns key new --help")
    assert run("csfnns help hide") == run("csfnns hide --help")
    assert "There is no command 'key old'." in run("csfnns help key old")


def test_help_on_a_narrow_terminal_is_narrow(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    options = run("csfnns hide --help").partition("Options:")[2].splitlines()
    assert max(map(len, options)) <= 40


def test_mistakes_are_answered_with_what_there_is(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns hid
        error: No such command 'hid'. Did you mean 'hide'?
        hint: 'csfnns --help' shows what there is.
        [exit 2]
        $ csfnns hide --fancy
        error: No such option...
        hint: 'csfnns hide --help' shows what there is.
        [exit 2]
        $ csfnns --fancy
        error: No such option: --fancy
        ...
        [exit 2]
        $ csfnns reveal
        error: Missing argument 'PICTURE|FOLDER'.
        ...
        [exit 2]
        $ csfnns -V
        csfnns ...
    """)
    assert '"kind": "UsageError"' in run("csfnns hide --fancy --json")


def test_settings_hold_until_something_else_is_said(
    transcript: Transcript,
    run: Run,
    home: Path,
    fixed_key: Callable[..., None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    fixed_key("mine.key", side=64)
    fixed_key("other.key", 2, side=64)
    transcript(f"""
        $ csfnns config
        {home}/config.toml
        Nothing is set.
        $ csfnns cover
        error: No key is given.
        hint: Give -k FILE or --passphrase. 'csfnns key new mine.key' makes a key, and 'csfnns config set key ...
        [exit 2]
        $ csfnns config set key mine.key
        {home}/config.toml
        key = "{Path.cwd()}/mine.key"
    """)
    mine, other = run("csfnns cover -k mine.key"), run("csfnns cover -k other.key")
    Path("below").mkdir()
    monkeypatch.chdir("below")
    assert run("csfnns cover") == mine
    monkeypatch.setenv("CSFNNS_KEY", "../other.key")
    assert run("csfnns cover") == other
    assert run("csfnns cover -k ../mine.key") == mine
    monkeypatch.delenv("CSFNNS_KEY")
    assert "Nothing is set." in run("csfnns config unset key")
    assert run("csfnns cover").endswith("[exit 2]")


def test_a_device_may_be_set(run: Run, photo: object, fixed_key: Callable[..., None]) -> None:
    fixed_key("paper.key", profile="paper", side=64)
    fixed_key("mine.key", side=64)
    Path("note.txt").write_text("hello")
    run("csfnns config set device cuda:7")
    assert "[exit" not in run("csfnns config set device cuda")
    seen = run("csfnns hide secret.png -k paper.key -o a.png --set steps=5")
    assert "'cuda'" in seen or "[exit" not in seen
    assert "[exit" not in run("csfnns hide note.txt -k paper.key -o b.png")  # by no network
    assert "[exit" not in run("csfnns hide secret.png -k mine.key -o c.png")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("set colour red", "There is no setting 'colour'."),
        ("set key", "config cannot 'set key'."),
        ("set device tpu", "device must be auto, cpu or cuda, got 'tpu'."),
        ("set key ''", "key must be printable text, got ''."),
        ("forget", "config cannot 'forget'."),
    ],
)
def test_settings_that_cannot_be_are_refused(words: str, said: str, run: Run, home: Path) -> None:
    seen = run(f"csfnns config {words}")
    assert said in seen
    assert "\nhint: " in seen
    assert seen.endswith("[exit 2]")
    assert not home.exists()


@pytest.mark.parametrize("text", ["key = mine", "key = 7", 'colour = "red"', "\xff"])
def test_a_damaged_file_of_settings_is_named(text: str, run: Run, home: Path) -> None:
    home.mkdir()
    (home / "config.toml").write_text(text, "latin-1")
    seen = run("csfnns cover")
    assert f"{home}/config.toml" in seen
    assert seen.endswith("[exit 2]")


@pytest.mark.skipif(not shutil.which("bash"), reason="there is no bash")
def test_bash_completes_commands_and_options(desk: Path) -> None:
    program = desk / "csfnns"
    program.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m csfnns "$@"\n')
    program.chmod(0o755)
    script = """
        eval "$(csfnns completion bash)"
        complete -p csfnns >&2
        for line in "re" "key " "hide --su" "steganalysis sc"; do
            read -ra words <<< "$line"; [[ $line == *" " ]] && words+=("")
            COMP_WORDS=(csfnns "${words[@]}"); COMP_CWORD=${#words[@]}
            _csfnns_completion csfnns; echo "${COMPREPLY[@]}"
        done
    """
    environment = os.environ | {"PATH": f"{desk}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, check=True, env=environment)
    assert done.stdout.splitlines() == [
        "reveal",
        "new show protect unprotect phrase share",
        "--survive",
        "score",
    ]
    assert "-o default" in done.stderr


def test_completion_is_there_for_three_shells(run: Run) -> None:
    for shell in ("bash", "zsh", "fish"):
        assert "_CSFNNS_COMPLETE" in run(f"csfnns completion {shell}")
    assert run("csfnns completion tcsh").endswith("[exit 2]")


def test_the_pages_of_the_commands_are_up_to_date() -> None:
    script = [sys.executable, str(ROOT / "scripts/make_commands.py"), "--check"]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_manual_page_is_sound() -> None:
    page = ROOT / "man/csfnns.1"
    text = page.read_text()
    assert text.startswith(".TH CSFNNS 1 ")
    assert all(f".SH {title}\n" in text for title in ("NAME", "SYNOPSIS", "DESCRIPTION", "EXIT STATUS"))
    macros = {".TH", ".SH", ".SS", ".TP", ".PP", ".nf", ".fi", ".B"}
    assert {line.split()[0] for line in text.splitlines() if line.startswith(".")} <= macros
    if shutil.which("groff"):
        words = ["groff", "-man", "-Tutf8", "-ww", "-z", str(page)]
        assert subprocess.run(words, capture_output=True, text=True, check=True).stderr == ""


def test_every_field_of_the_json_is_documented(run: Run, fixed_key: Callable[..., None], photo: object) -> None:
    fixed_key("mine.key", side=128)
    page = (ROOT / "docs/json.md").read_text()
    lines = (
        "hide secret.png -k mine.key -o a.png",
        "reveal a.png -k mine.key -o b.png",
        "hide --text x -k mine.key -o c.png",
        "reveal c.png -k mine.key",
        "key new team.key --receiver bob",
        "key phrase",
        "cover -k mine.key",
        "cover -k mine.key --decoy -o d.png",
        "grain secret.png -o e.png",
        "capacity -k mine.key",
        "measure secret.png e.png",
        "config",
        "doctor",
        "reveal secret.png -k mine.key",
    )
    for line in lines:
        for name in re.findall(r'"([a-z_]+)":', run(f"csfnns {line} --json")):
            # names of receivers and fields of profiles, libraries and levels are data
            if name not in (
                "receiver",
                "bob",
                "python",
                "csfnns",
                "numpy",
                "pillow",
                "cryptography",
                "torch",
            ):
                assert f"`{name}`" in page or f'"{name}"' in page or name in _profile(), (line, name)


def _profile() -> set[str]:
    from csfnns.profile import Profile

    return set(Profile.model_fields)
