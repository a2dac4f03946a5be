"""Key files on disk: created once, complete or not at all, readable by their owner alone."""

import os
import stat
import warnings
from pathlib import Path

from csfnns.errors import KeyFileError
from csfnns.files import write_whole
from csfnns.keys.cost import check_cost
from csfnns.keys.material import Key, check_names
from csfnns.keys.text import Passphrase, parse_key, render_key

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


def write_key(key: Key, path: str | os.PathLike[str], passphrase: str | None = None) -> None:
    """Write a new key file, readable by its owner alone (0600), complete or not at all.

    A passphrase encrypts its secrets (Argon2id, ChaCha20-Poly1305); `strength` rates one. Raises KeyFileError when the
    name is taken (a key is never overwritten), nothing can be written there, and for what is no passphrase.
    """
    path = Path(path)
    try:
        _write(key, path, passphrase)
    except FileExistsError:
        hint = "Choose another name: no key is ever overwritten."
        raise KeyFileError(f"{path} exists already.", hint) from None


def change_passphrase(path: str | os.PathLike[str], passphrase: Passphrase = None, *, new: Passphrase = None) -> None:
    """Replace a key file by the same key under another passphrase, or without one.

    The new file is whole on disk before it takes the old one's place. What was on that place of the disk, and copies
    and backups, stay as they were. Raises KeyFileError, and then the file is as it was.
    """
    path = Path(path)
    key = read_key(path, passphrase, allow_large=True)
    if not path.is_file():
        raise KeyFileError(f"{path} is not a regular file.", "Name a key file.")
    typed = new if new is None or isinstance(new, str) else new()
    _write(key, path.resolve(), typed, overwrite=True)  # what a link leads to, not the link


def _write(key: Key, path: Path, passphrase: str | None, *, overwrite: bool = False) -> None:
    data = render_key(key, passphrase).encode()
    try:
        write_whole(path, data, mode=0o600, overwrite=overwrite, replace_kept=True)
    except FileExistsError:
        raise
    except OSError as error:
        raise KeyFileError(f"{path} cannot be written: {error.strerror}.", "Choose another folder.") from error


def read_key(path: str | os.PathLike[str], passphrase: Passphrase = None, *, allow_large: bool = False) -> Key:
    """Key in that file. Raises KeyFileError saying what is wrong where.

    `passphrase` opens a protected file; a function is called for it where the file is protected. A key whose covers take
    more than 1 GB or 30 seconds is refused unless `allow_large`. Warns (KeyFileWarning) when other users of this computer
    can get at the file.
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
    key = decode_key(data, str(path), passphrase, allow_large=allow_large)
    if os.name == "posix" and stat.S_ISREG(mode) and mode & 0o077:
        message = f"Other users of this computer can get at {path}. Make it yours alone: chmod 600 {path}"
        warnings.warn(message, KeyFileWarning, stacklevel=2)
    return key


def decode_key(data: bytes, source: str, passphrase: Passphrase = None, *, allow_large: bool = False) -> Key:
    """Key in the bytes of a key file, called `source` in errors. Raises KeyFileError like `read_key`."""
    if len(data) > MAX_BYTES:
        raise KeyFileError(f"{source} is too large for a key file (over {MAX_BYTES} bytes).", "Check the name.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        hint = "Check the name, or save it as plain UTF-8 text."
        raise KeyFileError(f"{source} is no key file, or not in UTF-8.", hint) from None
    key = parse_key(text, source, passphrase)
    if not allow_large:
        check_cost(key.profile, source)
    return key
