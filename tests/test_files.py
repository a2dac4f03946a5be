"""Files are whole or not there, whatever fails or ends the process, and nothing takes the place of what must stay."""

import errno
import json
import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csfnns import files
from csfnns.batch.plan import HideJob, Options, Plan
from csfnns.batch.store import Store
from csfnns.covers import AlbumRegister
from csfnns.errors import UsageError
from csfnns.files import STALE, kept_file, write_result, write_whole
from csfnns.keys import Key, change_passphrase, decode_key, render_key, write_key
from csfnns.profile import make_profile
from csfnns.stream import Seed

KEY = Key.from_root(make_profile(), Seed(bytes(range(32))), ("bob", "carol"))
posix = pytest.mark.skipif(os.name != "posix", reason="links, modes and special files of POSIX")


@pytest.fixture(params=["unnamed", "named", "no links"])
def folder(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Folder on a file system with files without a name, without these, and without links as well, as FAT."""

    def refuse(*_: object, **__: object) -> None:
        raise PermissionError(errno.EPERM, os.strerror(errno.EPERM))

    if request.param != "unnamed":
        monkeypatch.delattr(os, "O_TMPFILE", raising=False)
    if request.param == "no links":
        monkeypatch.setattr(os, "link", refuse)
    return tmp_path


def test_the_file_holds_all_and_has_the_mode(folder: Path) -> None:
    write_whole(folder / "a", b"all of it", mode=0o600)
    assert (folder / "a").read_bytes() == b"all of it"
    assert (folder / "a").stat().st_mode & 0o777 == 0o600
    assert os.listdir(folder) == ["a"]


@posix
def test_the_umask_counts_and_the_replaced_file_does_not(folder: Path) -> None:
    before = os.umask(0o027)
    try:
        write_whole(folder / "a", b"first")
        (folder / "a").chmod(0o777)
        write_whole(folder / "a", b"second", overwrite=True)
    finally:
        os.umask(before)
    assert stat.S_IMODE((folder / "a").stat().st_mode) == 0o640


def test_a_name_that_is_taken_is_kept_unless_told_otherwise(folder: Path) -> None:
    write_whole(folder / "a", b"first")
    with pytest.raises(FileExistsError):
        write_whole(folder / "a", b"second")
    assert (folder / "a").read_bytes() == b"first"
    write_whole(folder / "a", b"third", overwrite=True)
    assert (folder / "a").read_bytes() == b"third"
    assert os.listdir(folder) == ["a"]


def test_without_links_the_name_is_taken_first_where_the_system_cannot_rename_to_a_free_one(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "_rename_new", lambda *_: False)
    write_whole(folder / "a", b"first")
    with pytest.raises(FileExistsError):
        write_whole(folder / "a", b"second")
    assert [(each.name, each.read_bytes()) for each in folder.iterdir()] == [("a", b"first")]


def _key_file(path: Path) -> None:
    path.write_text(render_key(KEY))


def _mailed_key_file(path: Path) -> None:
    body = render_key(KEY.for_receiver("bob")).partition("{")[2].replace('"', "”")
    path.write_text("Here it is:\n> {" + body.replace("\n", "\n> "), "utf-8")


def _disguised_key_file(path: Path) -> None:
    """One that csfnns reads, though none of its names is written as usual, and with its checksum first."""
    fields = json.loads("{" + render_key(KEY).partition("{")[2])
    text = json.dumps({"checksum": fields.pop("checksum"), **fields})
    text = text.replace('"role": ', '"ｒo\u200bl\\u0065"\n:' + "\n> " * 20).replace('"format"', '"for\u00admat"')
    path.write_text(text, "utf-8")
    assert decode_key(path.read_bytes(), "it") == KEY


def _plan(path: Path) -> None:
    path.with_name("secret").touch()
    job = HideJob("0", str(path.with_name("secret")), None, str(path.with_name("out.png")))
    Plan.make(path, [job], Options())


def _store(path: Path) -> None:
    Store(path.parent, path.name)


def _protected_key_file(path: Path) -> None:
    write_key(KEY, path)
    change_passphrase(path, new="eleven tired umbrellas near the harbour wall")


def _register(path: Path) -> None:
    AlbumRegister(path).claim("some key", 1)


def _journal(path: Path) -> None:
    path.write_bytes(b"\xd9\xd5\x05\xf9\x20\xa1\x63\xd7" + bytes(504))


def _folder(path: Path) -> None:
    path.mkdir()


def _link(path: Path) -> None:
    path.with_name("far").write_bytes(b"behind a link")
    path.symlink_to("far")


def _dangling(path: Path) -> None:
    path.symlink_to("nowhere")


def _pipe(path: Path) -> None:
    os.mkfifo(path)


def _device(path: Path) -> None:
    os.mknod(path, stat.S_IFCHR | 0o666, os.makedev(1, 3))


def _socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        before = Path.cwd()
        os.chdir(path.parent)  # an address is short
        try:
            server.bind(path.name)
        finally:
            os.chdir(before)


@posix
@pytest.mark.parametrize(
    ("make", "what"),
    [
        (_key_file, "a key file"),
        (_mailed_key_file, "a key file"),
        (_protected_key_file, "a key file"),
        (_disguised_key_file, "a key file"),
        (_plan, "the plan of a batch"),
        (_store, "what a batch or an experiment has done"),
        (_register, "a register of used pictures"),
        (_journal, "a register of used pictures"),
        (_folder, "a folder"),
        (_link, "a symbolic link"),
        (_dangling, "a symbolic link"),
        (_pipe, "not a regular file"),
        (_socket, "not a regular file"),
        (_device, "not a regular file"),
    ],
)
def test_what_must_stay_is_replaced_by_nothing(make: Callable[[Path], None], what: str, tmp_path: Path) -> None:
    path = tmp_path / "kept"
    try:
        make(path)
    except PermissionError:
        pytest.skip("only root makes devices")
    before = os.lstat(path)
    with pytest.raises(UsageError, match=f"kept cannot be written: it is {what}"):
        write_result(path, b"other", overwrite=True)
    after = os.lstat(path)
    assert (after.st_ino, after.st_mode, after.st_size) == (before.st_ino, before.st_mode, before.st_size)
    assert not list(tmp_path.glob(".csfnns-*"))


@posix
@pytest.mark.skipif(hasattr(os, "geteuid") and os.geteuid() == 0, reason="root reads every file")
def test_what_cannot_be_read_stays(tmp_path: Path) -> None:
    (tmp_path / "a").touch(mode=0o200)
    assert kept_file(tmp_path / "a") == "not readable, and could be a key file"


def test_other_files_and_free_names_are_not_kept(tmp_path: Path) -> None:
    (tmp_path / "a").write_text('{"role": "mixed", "profile": "standard", "receiver": "bob", "checksum": "0"}')
    assert [kept_file(tmp_path / name) for name in ("a", "b", "nowhere/c", "a/d")] == [None] * 4


@posix
def test_an_input_is_known_under_all_its_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "album" / "deep" / "er").mkdir(parents=True)
    for name in ("in.png", "other.png", "album/1.png"):
        (tmp_path / name).touch()
    os.link("in.png", "hard.png")
    os.symlink("in.png", "soft.png")
    os.symlink(".", "here")
    for name in ("in.png", "hard.png", "soft.png", "album/../in.png", "here/in.png"):
        assert kept_file(Path(name), ["missing", "in.png"]) == "one of the inputs"
    with open("in.png", "rb") as file:
        assert kept_file(tmp_path / "hard.png", [file.fileno()]) == "one of the inputs"
    for name in ("album/1.png", "album/new.png", "here/album/new.png", "album/deep/er/a.png"):
        assert kept_file(Path(name), ["album"]) == "in album, which is one of the inputs"
    assert kept_file(Path("other.png"), ["in.png", "album"]) is None


def test_old_temporary_files_go_and_nothing_else_does(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "_swept", set())
    old = [".csfnns-0123456789abcdef.tmp", ".csfnns-0123456789abcdef.tmp.png", "csfnns-0123456789abcdef.tmp", "x.tmp"]
    for name in (*old, ".csfnns-fedcba9876543210.tmp"):
        (folder / name).touch()
        if name in old:
            os.utime(folder / name, (0, time.time() - STALE - 60))
    (folder / ".csfnns-aaaaaaaaaaaaaaaa.tmp").mkdir()
    write_whole(folder / "a", b"data")
    left = {".csfnns-fedcba9876543210.tmp", ".csfnns-aaaaaaaaaaaaaaaa.tmp", "a", *old[1:]}
    assert set(os.listdir(folder)) == left


# Every call that writes, each made to fail once and to be the last one of the process.

WRITING = "write,fsync,rename,renameat2,link,linkat,unlink,openat"
CALL = re.compile(r"(\w+)\(.*")
PROGRAM = """
import os, sys
from pathlib import Path
from csfnns.errors import UsageError
from csfnns.files import write_result
if "named" in sys.argv:
    del os.O_TMPFILE
os.write(1, b"begin")
try:
    write_result(Path("a"), b"new" * 50_000, overwrite="replace" in sys.argv)
except UsageError as error:
    sys.stderr = None
    os.write(2, error.message.encode())
    os._exit(1)
os._exit(0)
"""
NEW = b"new" * 50_000


class Traced:
    """A process that writes the file `a` of a folder of its own, with its calls listed by strace."""

    def __init__(self, place: Path, mode: str, inject: str | None = None) -> None:
        self.folder, self.replaces = place / "folder", "replace" in mode
        shutil.rmtree(self.folder, ignore_errors=True)
        self.folder.mkdir()
        if self.replaces:
            (self.folder / "a").write_bytes(b"old")
        options = ["-qq", "-o", str(place / "log"), "-e", f"trace={WRITING}"]
        options += [] if inject is None else ["-e", f"inject={inject}"]
        command = [
            "strace",
            *options,
            sys.executable,
            "-S",
            "-E",
            "-B",
            "-c",
            f"import sys; sys.path = {sys.path}{PROGRAM}",
        ]
        ended = subprocess.run([*command, *mode.split()], cwd=self.folder, capture_output=True, check=False, timeout=60)
        self.code, self.said = ended.returncode, ended.stderr.decode()
        self.log = (place / "log").read_text()

    def calls(self) -> Iterator[tuple[str, int]]:
        """Name and number, among those of its name, of each call that writes after the program began to."""
        counts: dict[str, int] = {}
        began = False
        for line in self.log.splitlines():
            found = CALL.match(line)
            if found is None:
                continue
            counts[found[1]] = counts.get(found[1], 0) + 1
            if began and (found[1] != "openat" or "O_WRONLY" in line):
                yield found[1], counts[found[1]]
            began = began or "begin" in line

    @property
    def is_whole(self) -> bool:
        path = self.folder / "a"
        return path.exists() and path.read_bytes() == NEW

    @property
    def is_as_before(self) -> bool:
        path = self.folder / "a"
        return path.read_bytes() == b"old" if self.replaces else not path.exists()

    @property
    def left(self) -> list[str]:
        return [each for each in os.listdir(self.folder) if each != "a"]


@pytest.fixture(scope="module")
def strace() -> None:
    """Skip where no process can be traced."""
    if shutil.which("strace") is None:
        pytest.skip("needs strace")
    if subprocess.run(["strace", "-qq", "-o", os.devnull, "true"], capture_output=True, check=False).returncode:
        pytest.skip("processes may not be traced here")


ORDER = {
    "new": "openat write fsync linkat unlink fsync",
    "replace": "openat write fsync linkat rename unlink fsync",
    "new named": "openat write fsync link unlink fsync",
    "replace named": "openat write fsync rename unlink fsync",
}


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("mode", ORDER)
def test_a_write_that_fails_leaves_everything_as_it_was(mode: str, tmp_path: Path) -> None:
    calls = list(Traced(tmp_path, mode).calls())
    assert " ".join(name for name, _ in calls) == ORDER[mode]  # on disk before it has its name, and then the name
    for name, number in calls:
        for error in ("ENOSPC", "EIO") if name == "fsync" else ("ENOSPC",):
            run = Traced(tmp_path, mode, f"{name}:error={error}:when={number}")
            assert "(INJECTED)" in run.log
            if run.code == 0:  # there was another way, or the call was not needed
                assert run.is_whole, (name, error)
            else:
                assert run.is_as_before, (name, error)
                assert run.said.startswith("a cannot be written: "), run.said
            assert not run.left or name == "unlink"


@pytest.mark.usefixtures("strace")
@pytest.mark.parametrize("mode", ORDER)
def test_a_process_that_is_killed_leaves_the_old_file_or_the_new_one(
    mode: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, number in Traced(tmp_path, mode).calls():
        run = Traced(tmp_path, mode, f"{name}:signal=SIGKILL:when={number}")
        assert run.code == -signal.SIGKILL
        assert run.is_whole or run.is_as_before, name
        for each in run.left:
            os.utime(run.folder / each, (0, time.time() - STALE - 60))
        monkeypatch.setattr(files, "_swept", set())
        write_whole(run.folder / "a", b"next", overwrite=True)
        assert os.listdir(run.folder) == ["a"]


@pytest.mark.usefixtures("strace")
def test_a_command_says_that_the_disk_failed_and_leaves_nothing(tmp_path: Path) -> None:
    fault = ["strace", "-f", "-qq", "-o", os.devnull, "-e", "trace=fsync", "-e", "inject=fsync:error=EIO:when=1"]
    command = [*fault, sys.executable, "-m", "csfnns", "key", "new", "a.key", "--size", "64"]
    ended = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=120)
    hint = "Choose another folder."
    assert ended.stderr == f"error: a.key cannot be written: Input/output error.\nhint: {hint}\n"
    assert (ended.returncode, ended.stdout, os.listdir(tmp_path)) == (4, "", [])
