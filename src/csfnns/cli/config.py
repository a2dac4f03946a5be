"""`csfnns config`: settings that hold until the command line or the environment says otherwise."""

import json as json_format
import os
import tomllib
from pathlib import Path

from csfnns.cli import options, show
from csfnns.cli.options import argument, declare
from csfnns.errors import UsageError
from csfnns.files import own_folder, write_result

NAMES = ("key", "covers", "device", "allow_large")
_HOME_HINT = "Set CSFNNS_HOME to a folder of yours."


def setting(name: str) -> str | None:
    """Value of the environment's CSFNNS_NAME, else of the file; an empty one counts as not set. Raises UsageError."""
    return os.environ.get(f"CSFNNS_{name.upper()}") or saved().get(name) or None


def place() -> Path:
    """The file with the settings. Raises UsageError where there is no home for it."""
    return own_folder("config") / "config.toml"


def saved() -> dict[str, str]:
    """Settings in the file, none where there is no file. Raises UsageError for one that cannot be used."""
    try:
        file = place()
    except UsageError:
        return {}
    try:
        found = tomllib.loads(file.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except OSError as error:
        raise UsageError(f"{file} cannot be read: {error.strerror}.", "Check its permissions.") from None
    except ValueError as error:  # TOML's and UTF-8's errors
        raise UsageError(f"{file} cannot be read: {error}.", "Correct the line, or delete the file.") from None
    for name, value in found.items():
        if name not in NAMES or not isinstance(value, str):
            reason = f"{file}: {name} = {value!r} is no setting."
            raise UsageError(reason, f"Delete the line. A setting is a text in quotes: {', '.join(NAMES)}.")
    return found


@declare(words=argument("set NAME VALUE|unset NAME", "What to change; shows the settings if left out."))
def config(words: list[str] | None = None, json: options.AsJson = False) -> None:
    """Show or change your settings.

    \b
    csfnns config                       the file, and what is in it
    csfnns config set key ~/mine.key    use this key from now on
    csfnns config unset key

    The settings are key (instead of -k), covers (instead of --covers), device (auto, cpu or cuda, for networks) and
    allow_large (yes, for keys that need over 1 GB of memory or 30 seconds). An option wins over the environment
    (CSFNNS_KEY, CSFNNS_COVERS, CSFNNS_DEVICE, CSFNNS_ALLOW_LARGE), and that over these settings.
    """
    match words or []:
        case ["set", name, value]:
            _write(saved() | {name: _checked(name, value)})
        case ["unset", name]:
            _write({other: value for other, value in saved().items() if other != name})
        case []:
            pass
        case _:
            example = "csfnns config set key mine.key, or csfnns config unset key."
            raise UsageError(f"config cannot {' '.join(words or [])!r}.", f"Examples: {example}")
    if json:
        show.as_json({"file": str(place()), "settings": saved()})
        return
    show.text(str(place()))
    show.lines((_toml(saved()).rstrip() or "Nothing is set.").splitlines())


def _checked(name: str, value: str) -> str:
    """Value as it is saved: paths absolute. Raises UsageError."""
    if name not in NAMES:
        raise UsageError(f"There is no setting {name!r}.", f"Choose one of: {', '.join(NAMES)}.")
    if name == "device" and value not in list(options.Device):
        raise UsageError(f"device must be auto, cpu or cuda, got {value!r}.", "Choose one.")
    if name == "allow_large" and value != "yes":
        raise UsageError(f"allow_large must be yes, got {value!r}.", "Or unset it.")
    if not value or not value.isprintable():
        raise UsageError(f"{name} must be printable text, got {value!r}.", "Or unset it.")
    path = Path(os.path.expanduser(value))
    return str(path.absolute()) if name == "key" or (name == "covers" and path.exists()) else value


def _write(settings: dict[str, str]) -> None:
    file = Path(os.path.realpath(place()))  # what a link leads to, where the settings are kept elsewhere
    try:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{file.parent} cannot be made: {error.strerror}.", _HOME_HINT) from None
    write_result(file, _toml(settings).encode(), hint=_HOME_HINT)


def _toml(settings: dict[str, str]) -> str:
    texts = {name: json_format.dumps(text, ensure_ascii=False) for name, text in settings.items()}
    content = "".join(f"{name} = {text}\n" for name, text in texts.items())
    return content.replace("\x7f", r"\u007f")  # allowed in JSON, not in TOML
