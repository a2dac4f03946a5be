"""Key files on disk: created once, complete or not at all, readable by their owner alone."""

import os
import stat
import warnings
from pathlib import Path

from csfnns.errors import KeyFileError
from csfnns.files import write_whole
from csfnns.keys.material import Key, check_names
from csfnns.keys.text import parse_key, render_key

MAX_BYTES = 64 * 1024


class KeyFileWarning(UserWarning):
    """A key file that other users of this computer can read or change."""


def receiver_path(path: str | os.PathLike[str], name: str) -> Path:
    """Name for a receiver's file next to the sender's: team.key → team.bob.key.

    Raises UsageError for a name that no receiver can have.
    """
    check_names([name])
    path = Path(path)
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def write_key(key: Key, path: str | os.PathLike[str]) -> None:
    """Write a new key file, readable by its owner alone (0600), complete or not at all.

    Raises KeyFileError when the name is taken (a key is never overwritten) or nothing can be written there.
    """
    path, data = Path(path), render_key(key).encode()
    try:
        write_whole(path, data, mode=0o600)
    except FileExistsError:
        hint = "Choose another name: no key is ever overwritten."
        raise KeyFileError(f"{path} exists already.", hint) from None
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder."
        ) from error


def read_key(path: str | os.PathLike[str]) -> Key:
    """Key in that file. Raises KeyFileError saying what is wrong where.

    Warns (KeyFileWarning) when other users of this computer can get at the file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            data = file.read(MAX_BYTES + 1)
    except FileNotFoundError:
        raise KeyFileError(f"There is no key file {path}.", "Check the name, or make a new key.") from None
    except OSError as error:
        hint = "Check the name and the file's permissions."
        raise KeyFileError(f"The key file {path} cannot be read: {error.strerror}.", hint) from error
    if len(data) > MAX_BYTES:
        raise KeyFileError(f"{path} is too large for a key file (over {MAX_BYTES} bytes).", "Check the name.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        hint = "Check the name, or save it as plain UTF-8 text."
        raise KeyFileError(f"{path} is no key file, or not in UTF-8.", hint) from None
    key = parse_key(text, str(path))
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        message = f"Other users of this computer can get at {path}. Make it yours alone: chmod 600 {path}"
        warnings.warn(message, KeyFileWarning, stacklevel=2)
    return key
