"""Key files on disk: created once, complete or not at all, readable by their owner alone."""

import os
import stat
import tempfile
import warnings
from contextlib import suppress
from pathlib import Path

from csfnns.errors import KeyFileError
from csfnns.keys.material import Key, check_names
from csfnns.keys.text import parse_key, render_key

MAX_BYTES = 64 * 1024


class KeyFileWarning(UserWarning):
    """A key file that other users of this computer can read or change."""


def receiver_path(path: Path, name: str) -> Path:
    """Name for a receiver's file next to the sender's: team.key → team.bob.key.

    Raises UsageError for a name that no receiver can have.
    """
    check_names([name])
    return path.with_name(f"{path.stem}.{name}{path.suffix}")


def write_key(key: Key, path: Path) -> None:
    """Write a new key file, readable by its owner alone (0600), complete or not at all.

    Raises KeyFileError when the name is taken (a key is never overwritten) or nothing can be written there.
    """
    data = render_key(key).encode()
    try:
        write_new(path, data)
    except FileExistsError:
        hint = "Choose another name: no key is ever overwritten."
        raise KeyFileError(f"{path} exists already.", hint) from None
    except OSError as error:
        raise KeyFileError(
            f"{path} cannot be written: {error.strerror}.", "Choose another folder."
        ) from error


def read_key(path: Path) -> Key:
    """Key in that file. Raises KeyFileError saying what is wrong where.

    Warns (KeyFileWarning) when other users of this computer can get at the file.
    """
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


def write_new(path: Path, data: bytes) -> None:
    """Write `data` to a file that must not exist, mode 0600. It appears complete and on disk, or not at all.

    Raises FileExistsError, never replacing a file, and other OSErrors for everything else.
    """
    descriptor, name = tempfile.mkstemp(prefix=".csfnns-", dir=path.parent)
    temporary = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        _move_new(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def _move_new(temporary: Path, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # FAT sticks and some network folders know no links: take the name first, then fill it
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        try:
            temporary.replace(path)
        except BaseException:
            path.unlink()
            raise


def _sync_folder(folder: Path) -> None:
    with suppress(OSError):  # not every system can do it, and the file's own content is on disk already
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
