"""Writing files: whole and on disk, or not at all."""

import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Literal

from csfnns.errors import UsageError

DISK_HINT = "Check permissions and free space, or choose another place."
_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)


def own_folder(kind: Literal["config", "data", "cache"]) -> Path:
    """Folder for what csfnns keeps: CSFNNS_HOME, else the user's of this kind. Raises UsageError where there is no home."""
    import platformdirs

    home = os.environ.get("CSFNNS_HOME")
    try:
        usual = getattr(platformdirs, f"user_{kind}_dir")
        folder: str = os.path.expanduser(home) if home else usual("csfnns", appauthor=False)
    except RuntimeError:  # recent versions of platformdirs
        folder = "~"
    if folder.startswith("~"):
        reason = f"There is no home folder for {home or 'this user'}."
        raise UsageError(reason, "Set CSFNNS_HOME to a folder of yours.")
    return Path(folder)


def write_whole(path: Path, data: bytes, *, mode: int = 0o666, overwrite: bool = False) -> None:
    """Write `data` so that `path` holds all of it or is left as it was, even if the process is killed midway.

    `mode` is subject to the umask. Raises FileExistsError for a name that is taken, unless `overwrite`, and other
    OSErrors for everything else.
    """
    temporary = path.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        with open(os.open(temporary, _NEW, mode), "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        if overwrite:
            temporary.replace(path)
        else:
            _move_new(temporary, path, mode)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(path.parent)


def write_result(path: Path, data: bytes, *, overwrite: bool = True, hint: str = DISK_HINT) -> None:
    """`write_whole` for a file that the user named. Raises UsageError for a name that is taken or cannot be written."""
    try:
        write_whole(path, data, overwrite=overwrite)
    except FileExistsError as error:
        raise UsageError(f"{path} already exists.", "Choose another name, or allow overwriting.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint) from error


def _move_new(temporary: Path, path: Path, mode: int) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        raise
    except OSError:  # FAT sticks and some network folders know no links: take the name first, then fill it
        os.close(os.open(path, _NEW, mode))
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
