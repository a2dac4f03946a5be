"""Writing files: whole and on disk, or not at all, and never in the place of what nothing may replace."""

import errno
import os
import re
import stat
import sys
import time
import unicodedata
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import IO, Literal, Self, TypeAlias

from csfnns.errors import UsageError

Input: TypeAlias = "str | os.PathLike[str] | int"
"""A file, a folder of files, or the descriptor of an open file that a command reads."""

DISK_HINT = "Check permissions and free space, or choose another place."
STALE = 3600.0
"""Seconds after which a temporary file belongs to nobody any more."""

_NEW = os.O_CREAT | os.O_EXCL | os.O_WRONLY | getattr(os, "O_BINARY", 0)
_NEW_TO_READ = _NEW & ~os.O_WRONLY | os.O_RDWR
_TEMPORARY = re.compile(r"\.csfnns-[0-9a-f]{16}\.tmp")
_HEAD = 64 * 1024  # bytes of the longest key file
_KEY_FIELDS = ("format", "role", "profile", "checksum")  # of every key file, in any order
# Begin of a table of each database, by what it is.
_TABLES = {
    b"CREATE TABLE share (key_id": "a register of used pictures",
    b"CREATE TABLE plan (options": "the plan of a batch",
    b"CREATE TABLE rows (id": "what a batch or an experiment has done",
}
_JOURNAL = b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7"  # of a transaction in SQLite that has not ended
_FAILURES = (errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # of the disk: no other way of writing helps
_ASCII = {ord(c): '"' for c in "“”„‟«»"} | {ord(c): "'" for c in "‘’‚‛"} | {ord(c): "-" for c in "‐‒–—−"}
_swept: set[str] = set()


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


def kept_file(path: Path, inputs: Iterable[Input] = ()) -> str | None:
    """What a path is that nothing may replace, such as "a key file"; None for other files, and where there is none.

    Kept are the `inputs` under any of their names and what is in an input folder, at any depth; key files, registers of
    used pictures, plans of batches and their results by their content; and everything that is no regular file: symbolic
    links too, whatever they lead to.
    """
    folders = {*path.parents, *_real(path.parent).parents, _real(path.parent)}
    for each in inputs:
        if is_same_file(path, each):
            return "one of the inputs"
        if any(is_same_file(folder, each) for folder in folders):
            return f"in {each}, which is one of the inputs"
    try:
        mode = os.lstat(path).st_mode
    except (OSError, ValueError):
        return None
    if stat.S_ISREG(mode):
        return _kept_content(path)
    return "a folder" if stat.S_ISDIR(mode) else "a symbolic link" if stat.S_ISLNK(mode) else "not a regular file"


def _kept_content(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
    except OSError:
        return "not readable, and could be a key file"
    if _may_be_key(head):
        return "a key file"
    if head.startswith(_JOURNAL):
        return "a register of used pictures"
    if not head.startswith(b"SQLite format 3"):
        return None
    return next((what for table, what in _TABLES.items() if table in head), None)


def _may_be_key(head: bytes) -> bool:
    """Whether it has the comment of a key file, or names all its fields in some way that a reader of keys forgives."""
    text = plain(head.decode("utf-8", "ignore"))
    text = re.sub(r"\\u([0-9a-fA-F]{4})", lambda code: chr(int(code[1], 16)), text).casefold()
    return "csfnns key of" in text or all(field in text for field in _KEY_FIELDS)


def plain(text: str) -> str:
    """Text with ASCII for typographic characters, and without invisible ones: as key files are read."""
    text = unicodedata.normalize("NFKC", text).translate(_ASCII)
    return "".join(c for c in text if unicodedata.category(c) != "Cf")


def _real(folder: Path) -> Path:
    try:
        return Path(os.path.realpath(folder))
    except (OSError, ValueError):
        return folder


def is_same_file(path: Path, source: Input) -> bool:
    """Whether two names, or a name and a descriptor, are of one file; False where one of them does not exist."""
    try:
        return os.path.samestat(os.stat(path), os.stat(source))
    except (OSError, ValueError):
        return False


def write_whole(
    path: Path,
    data: bytes,
    *,
    mode: int = 0o666,
    overwrite: bool = False,
    replace_kept: bool = False,
    from_elsewhere: bool = False,
) -> None:
    """Write `data` so that `path` holds all of it or is left as it was, even if the process is killed midway.

    `mode` is subject to the umask. Data `from_elsewhere` gets the mark that macOS and Windows have for downloads. Raises
    FileExistsError for a name that is taken, unless `overwrite`; PermissionError for a `kept_file`, unless
    `replace_kept`; and other OSErrors for everything else.
    """
    if overwrite and not replace_kept and (what := kept_file(path)):
        raise PermissionError(errno.EPERM, f"it is {what}")
    temporary = path.parent / f".csfnns-{os.urandom(8).hex()}.tmp"
    try:
        if not _link_unnamed(temporary if overwrite else path, data, mode):
            _fill(temporary, data, mode)
            if from_elsewhere:
                _mark(temporary)
            if not overwrite:
                _move_new(temporary, path, mode)
        if overwrite:
            temporary.replace(path)
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    try:
        _sync_folder(path.parent)
    except OSError:
        if not overwrite:  # else the name already leads to the new content, and after a power cut to one of the two
            path.unlink(missing_ok=True)
            raise


class Draft:
    """A file that is written and read piece by piece, and has no name of its own until it is finished.

    Used with `with`; what has no name at the end is removed.
    """

    def __init__(self, folder: Path) -> None:
        """Open it in the folder where its name will be. Raises OSError."""
        self._temporary = folder / f".csfnns-{os.urandom(8).hex()}.tmp"
        self.file: IO[bytes] = open(os.open(self._temporary, _NEW_TO_READ, 0o666), "r+b")  # noqa: SIM115 - closed by close
        _sweep(folder, os.fstat(self.file.fileno()).st_mtime)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.file.close()
        with suppress(OSError):
            self._temporary.unlink(missing_ok=True)

    def finish(self, path: Path, *, overwrite: bool = False) -> None:
        """Give it its name, once it is on disk; it is from elsewhere. Raises OSErrors as `write_whole` does."""
        if overwrite and (what := kept_file(path)):
            raise PermissionError(errno.EPERM, f"it is {what}")
        self.file.flush()
        os.fsync(self.file.fileno())
        self.file.close()
        _mark(self._temporary)
        if overwrite:
            self._temporary.replace(path)
        else:
            _move_new(self._temporary, path, 0o666)
        _sync_folder(path.parent)


def write_result(path: Path, data: bytes, *, overwrite: bool = True, hint: str = DISK_HINT) -> None:
    """`write_whole` for a file that the user named. Raises UsageError for a name that is taken or cannot be written."""
    try:
        write_whole(path, data, overwrite=overwrite)
    except FileExistsError as error:
        raise UsageError(f"{path} already exists.", "Choose another name, or allow overwriting.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}.", hint) from error


def _link_unnamed(path: Path, data: bytes, mode: int) -> bool:
    """Create `path` from a file that has no name before it is on disk. False where the system has no such files."""
    if not hasattr(os, "O_TMPFILE"):
        return False
    try:
        descriptor = os.open(path.parent, os.O_TMPFILE | os.O_WRONLY, mode)
    except OSError:  # where it is the folder's fault, the file with a name fails for the same reason
        return False
    with open(descriptor, "wb") as file:
        _write_all(file, data, path.parent)
        try:  # src_dir_fd makes Python follow the link in /proc
            os.link(f"/proc/self/fd/{descriptor}", path, src_dir_fd=descriptor, follow_symlinks=True)
        except OSError as error:
            if error.errno in (errno.EEXIST, *_FAILURES):
                raise
            return False
    return True


def _fill(temporary: Path, data: bytes, mode: int) -> None:
    with open(os.open(temporary, _NEW, mode), "wb") as file:
        _write_all(file, data, temporary.parent)


def _write_all(file: IO[bytes], data: bytes, folder: Path) -> None:
    _sweep(folder, os.fstat(file.fileno()).st_mtime)
    file.write(data)
    file.flush()
    os.fsync(file.fileno())


def _sweep(folder: Path, now: float) -> None:
    """Remove what killed processes left in the folder, once a process; `now` by the clock of its file system."""
    name = os.path.abspath(folder)
    if name in _swept:
        return
    _swept.add(name)
    with suppress(OSError), os.scandir(folder) as entries:
        for each in entries:
            if _TEMPORARY.fullmatch(each.name) and each.is_file(follow_symlinks=False):
                with suppress(OSError):
                    if each.stat(follow_symlinks=False).st_mtime < now - STALE:
                        os.unlink(each.path)


def _move_new(temporary: Path, path: Path, mode: int) -> None:
    try:
        os.link(temporary, path)
    except OSError as error:  # FAT sticks and some network folders know no links
        if error.errno in (errno.EEXIST, *_FAILURES):
            raise
        if not _rename_new(temporary, path):
            os.close(os.open(path, _NEW, mode))  # take the name first, then fill it
            try:
                temporary.replace(path)
            except BaseException:
                path.unlink()
                raise


def _rename_new(temporary: Path, path: Path) -> bool:
    """Rename in one step where the name is free, and raise FileExistsError where not. False: the system cannot."""
    if os.name == "nt":
        temporary.rename(path)  # Windows never replaces
        return True
    try:
        import ctypes
    except ImportError:
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    here, no_replace = -100, 1  # AT_FDCWD, RENAME_NOREPLACE
    failed: int = rename(here, os.fsencode(temporary), here, os.fsencode(path), no_replace)
    if failed and ctypes.get_errno() == errno.EEXIST:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), str(path))
    return not failed


def _mark(path: Path) -> None:
    """Mark a file as one from elsewhere, so that the system asks before it runs. Where it cannot be marked, it is not."""
    with suppress(OSError, ImportError):
        if os.name == "nt":
            Path(f"{path}:Zone.Identifier").write_bytes(b"[ZoneTransfer]\r\nZoneId=3\r\n")
        elif sys.platform == "darwin":
            import ctypes

            value = f"0081;{int(time.time()):x};csfnns;".encode()
            set_attribute = ctypes.CDLL(None).setxattr
            set_attribute(os.fsencode(path), b"com.apple.quarantine", value, ctypes.c_size_t(len(value)), 0, 0)


def _sync_folder(folder: Path) -> None:
    """Make the names in a folder durable. Raises OSError where the disk fails."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:  # not every system can do it
        return
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno in _FAILURES:
            raise
    finally:
        os.close(descriptor)


def natural(path: Path) -> list[list[tuple[int, str]]]:
    """Key of a sort in which photo9 comes before photo10, in each folder."""
    parts = (re.split(r"(\d+)", part.casefold()) for part in path.parts)
    return [[(int(part), "") if part.isdecimal() else (-1, part) for part in each] for each in parts]
