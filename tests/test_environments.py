"""Other people's processes: in each of these environments csfnns works, or says in one sentence why not."""

import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import csfnns
from csfnns.keys import Key, write_key
from csfnns.profile import make_profile
from csfnns.stream import Seed

SOURCE = Path(csfnns.__file__).parents[1]

# Both commands in one process, because starting one is what takes time.
COMMANDS = """
from csfnns.cli import main
for words in sys.argv[1], sys.argv[2]:
    sys.argv[0:] = ["csfnns", *words.split("|")]
    try:
        main()
    except SystemExit as end:
        if end.code:
            raise
"""
API = """
import csfnns
key = csfnns.read_key("mine.key")
picture = csfnns.check_cover(key).picture[:32, :32].copy()
def turn(number=0):
    stego = csfnns.hide(csfnns.text("noon"), key).data
    assert csfnns.reveal(stego, key).text == "noon"
    stego = csfnns.hide(picture, key, method="trellis").data
    assert csfnns.reveal(stego, key).picture.shape == picture.shape
def fork(job):
    number = os.fork()
    if number == 0:
        import faulthandler
        faulthandler.dump_traceback_later(50, exit=True)
        job()
        os._exit(0)
    assert os.waitpid(number, 0)[1] == 0
"""
UNKNOWN = ("unshare", "--user", "--map-user=4242")
"""Runs as a user without a name, a home and rights over others' files."""
SMALL_DISK = (
    *("unshare", "--user", "--map-root-user", "--mount", "sh", "-c"),
    'mount -t tmpfs -o size=8k none /mnt && exec "$@"',
    "sh",
)
NO_THREADS = """
import threading
def start(self):
    raise RuntimeError("can't start new thread")
threading.Thread.start = start
"""


@dataclass(frozen=True)
class Environment:
    """How `csfnns hide` and `csfnns reveal` are started."""

    name: str
    said: str = ""
    """How the error begins; empty where both must work."""
    flags: Sequence[str] = ()
    env: Mapping[str, str | None] = field(default_factory=dict)
    redirect: str = ""
    """Redirections of a shell."""
    wrap: Sequence[str] = ()
    before: str = ""
    """Statements that are run before csfnns is imported."""
    out: str = "a.png"
    seen: bool = True
    """Whether what is revealed can be seen on standard output."""


def limit(kind: str, size: int) -> str:
    return f"import resource; resource.setrlimit(resource.RLIMIT_{kind}, ({size}, {size}))"


ENVIRONMENTS = [
    Environment("as usual"),
    Environment("-O", flags=["-O"]),
    Environment("-OO", flags=["-OO"]),
    Environment("-W error", flags=["-W", "error"]),
    Environment("-I", flags=["-I"]),
    Environment("-X dev", flags=["-X", "dev"]),
    Environment("hash seed", env={"PYTHONHASHSEED": "7"}),
    Environment("no environment", env=dict.fromkeys(os.environ)),
    Environment("standard input closed", redirect="<&-"),
    Environment("standard output closed", redirect=">&-", seen=False),
    Environment("standard error closed", redirect="2>&-"),
    Environment("all streams closed", redirect="<&- >&- 2>&-", seen=False),
    Environment("-o - without standard output", "Standard output is closed", redirect=">&-", out="-"),
    Environment("no home", env={"HOME": None, "CSFNNS_HOME": None}),
    Environment("HOME=/proc", env={"HOME": "/proc", "CSFNNS_HOME": None}),
    Environment("home of nobody", env={"CSFNNS_HOME": "~nosuchuser/x"}),
    Environment("unknown user without a home", env={"HOME": None, "CSFNNS_HOME": None}, wrap=UNKNOWN),
    Environment(
        "read-only folder",
        "Nothing can be written into .",
        wrap=UNKNOWN,
        before="os.chmod('.', 0o555)",
        env={"HOME": ".", "CSFNNS_HOME": None},
    ),
    Environment(
        "folder that is gone",
        "There is no ",
        before="os.mkdir('gone'); os.chdir('gone'); os.rmdir('../gone')",
    ),
    Environment("umask 777", before="os.umask(0o777)"),
    Environment("LANG=C and a name in UTF-8", env={"LANG": "C", "LC_ALL": "C", "PYTHONUTF8": "0"}, out="Grüße.png"),
    Environment("ASCII output", env={"PYTHONIOENCODING": "ascii"}, out="Grüße.png"),
    Environment("full disk", "a.png cannot be written: ", before=limit("FSIZE", 100)),
    Environment("full standard output", "The output cannot be written: ", redirect=">/dev/full", out="-"),
    Environment("full tmpfs", "/mnt/a.png cannot be written: No space", wrap=SMALL_DISK, out="/mnt/a.png"),
    Environment("400 MB of memory", before=limit("AS", 400 << 20)),
    Environment("160 MB of memory", "There is too little memory", before=limit("AS", 160 << 20)),
    Environment("64 MB of memory", "csfnns cannot run here: ", before=limit("AS", 64 << 20)),
    Environment("12 open files", before=limit("NOFILE", 12)),
    Environment("no temporary folder", env=dict.fromkeys(("TMPDIR", "TEMP", "TMP"), "/nowhere")),
    Environment("NumPy form of the search", env={"CSFNNS_KERNEL": "numpy"}),
    Environment("no width", env={"COLUMNS": "0", "TERM": "dumb"}),
    Environment("no threads", before=NO_THREADS),
    Environment("small stacks", before="import threading; threading.stack_size(65536)"),
]


def with_key(folder: Path) -> Path:
    key = Key.from_root(make_profile(width=64, height=64), Seed(bytes(range(32))))
    write_key(key, folder / "mine.key")
    return folder


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return with_key(tmp_path)


def python(
    code: str,
    *words: str,
    flags: Sequence[str] = (),
    env: Mapping[str, str | None] | None = None,
    wrap: Sequence[str] = (),
    redirect: str = "",
    source: Path = SOURCE,
    folder: Path | None = None,
) -> subprocess.CompletedProcess[str]:
    """Run code in another process that imports csfnns from `source`."""
    code = f"import os, sys\nsys.path.insert(0, {str(source)!r})\n{code}"
    line = [*wrap, sys.executable, *flags, "-c", code, *words]
    if redirect:
        line = ["sh", "-c", f'exec "$@" {redirect}', "sh", *line]
    settings = os.environ | {"OMP_NUM_THREADS": "1"} | (env or {})
    return subprocess.run(
        line,
        cwd=folder,
        env={name: value for name, value in settings.items() if value is not None},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        check=False,
        timeout=60,
    )


def check_tool(wrap: Sequence[str]) -> None:
    if wrap and (shutil.which(wrap[0]) is None or subprocess.run([*wrap, "true"], check=False).returncode):
        pytest.skip(f"{wrap[0]} cannot be used here")


def run_commands(at: Environment, folder: Path) -> subprocess.CompletedProcess[str]:
    code = f"{at.before}\n{COMMANDS}"
    words = f"hide|--text|noon|-k|mine.key|-o|{at.out}", f"reveal|{at.out}|-k|mine.key"
    how = {"flags": at.flags, "env": at.env, "redirect": at.redirect, "wrap": at.wrap}
    return python(code, *words, folder=folder, **how)  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Path, Future[Any]]]]:
    """All environments, two at a time."""
    pool = ThreadPoolExecutor(2)
    folders = {at.name: with_key(tmp_path_factory.mktemp("desk")) for at in ENVIRONMENTS}
    yield {at.name: (folders[at.name], pool.submit(run_commands, at, folders[at.name])) for at in ENVIRONMENTS}
    pool.shutdown(cancel_futures=True)


@pytest.mark.parametrize("at", ENVIRONMENTS, ids=lambda at: at.name)
def test_the_commands_work_or_say_why_not(at: Environment, started: dict[str, tuple[Path, Future[Any]]]) -> None:
    check_tool(at.wrap)
    desk, future = started[at.name]
    result = future.result()
    assert "Traceback" not in result.stderr, result.stderr
    if at.said:
        assert result.returncode
        assert result.stderr.startswith(f"error: {at.said}"), result.stderr
        assert len(result.stderr.splitlines()) == 2
        assert not (desk / at.out).exists()
    else:
        assert result.returncode == 0, result.stderr
        assert (desk / at.out).is_file()
        assert not at.seen or "noon" in result.stdout


def test_a_package_in_a_zip_file_works(desk: Path) -> None:
    with zipfile.ZipFile("csfnns.zip", "w") as file:
        for path in SOURCE.joinpath("csfnns").rglob("*"):
            if path.suffix in (".py", ".txt", ".json"):
                file.write(path, path.relative_to(SOURCE))
    words = "hide|--text|noon|-k|mine.key|-o|a.png", "reveal|a.png|-k|mine.key"
    result = python(COMMANDS, *words, source=desk / "csfnns.zip")
    assert (result.returncode, result.stdout[-5:]) == (0, "noon\n"), result.stderr


def test_a_reader_that_leaves_is_no_traceback(desk: Path) -> None:
    hide = "hide|--text|noon|-k|mine.key|-o|-"
    words = f'"$0" -c "$1" "{hide}" "{hide}"'
    code = f"import sys; sys.path.insert(0, {str(SOURCE)!r})\n{COMMANDS}"
    line = ["bash", "-c", f"set -o pipefail; {words} | true", sys.executable, code]
    result = subprocess.run(line, capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout, result.stderr) == (1, "", "")


PROGRAMS = {
    "-O": "turn()",
    "fork": "turn(); fork(turn)",
    "fork while another thread reads a picture": """
import threading, csfnns.images.decode as images
inside, leave = threading.Event(), threading.Event()
def hold():
    with images.as_picture_error("it"):
        inside.set()
        leave.wait()
thread = threading.Thread(target=hold)
thread.start()
inside.wait()
fork(turn)
leave.set()
""",
    "fork, NumPy form": """
os.environ["CSFNNS_KERNEL"] = "numpy"
turn(); fork(turn)
""",
    "fork pool": """
import multiprocessing
turn()
with multiprocessing.get_context("fork").Pool(2) as pool:
    pool.map(turn, range(2))
""",
    "8 threads": """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(8) as pool:
    list(pool.map(turn, range(8)))
""",
    "asyncio": """
import asyncio
async def main():
    turn()
    await asyncio.gather(*(asyncio.to_thread(turn) for _ in range(2)))
asyncio.run(main())
""",
    "notebook": """
class Cell:
    def write(self, text): assert "\\x1b" not in text
    def flush(self): pass
shown = sys.stdout
sys.stdout = sys.stderr = Cell()
sys.stdin = None
turn()
sys.stdout = shown
""",
    "while the interpreter ends": "import atexit; atexit.register(turn)",
}


@pytest.mark.parametrize("name", PROGRAMS)
def test_programs_may_call_the_package_in_any_way(name: str, desk: Path) -> None:
    result = python(f"{API}\n{PROGRAMS[name]}\nprint('done', flush=True)", flags=["-O"] if name == "-O" else [])
    assert (result.returncode, result.stdout, result.stderr) == (0, "done\n", "")


# Each value is hostile, and must still be there afterwards.
STATE = """
import decimal, gc, io, locale, logging, random, signal, threading, warnings
decimal.DefaultContext.prec = 1
decimal.DefaultContext.rounding = decimal.ROUND_UP
for trap in decimal.DefaultContext.traps:
    decimal.DefaultContext.traps[trap] = True
decimal.setcontext(decimal.Context())
import numpy as np
from PIL import Image, ImageFile
np.seterr(all="raise"); np.setbufsize(16); np.set_printoptions(precision=1, threshold=2); np.random.seed(5)
random.seed(5)
warnings.simplefilter("error")
gc.disable()
gc.set_threshold(7)
os.umask(0o777)
locale.setlocale(locale.LC_ALL, "C")
sys.setrecursionlimit(400)
sys.set_int_max_str_digits(640)
sys.setswitchinterval(1e-6)
threading.stack_size(65536)
logging.disable(logging.CRITICAL)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
sys.stdout.reconfigure(encoding="ascii")
sys.unraisablehook = lambda problem: print("hook")
Image.MAX_IMAGE_PIXELS = 10
ImageFile.LOAD_TRUNCATED_IMAGES = True

def state():
    umask = os.umask(0)
    os.umask(umask)
    stack = threading.stack_size()  # which sets it to 0
    threading.stack_size(stack)
    found = {
        "decimal": repr(decimal.getcontext()), "default decimal": repr(decimal.DefaultContext),
        "errors": np.geterr(), "call": np.geterrcall(), "buffer": np.getbufsize(), "print": np.get_printoptions(),
        "random": (random.getstate(), str(np.random.get_state())),
        "filters": list(warnings.filters), "show": warnings.showwarning,
        "gc": (gc.isenabled(), gc.get_threshold(), gc.get_debug(), gc.get_freeze_count()), "umask": umask,
        "folder": os.getcwd(), "environment": dict(os.environ), "locale": locale.setlocale(locale.LC_ALL),
        "limits": (sys.getrecursionlimit(), sys.get_int_max_str_digits(), sys.getswitchinterval()),
        "stack": stack, "threads": threading.active_count(),
        "logging": (logging.root.level, list(logging.root.handlers), logging.root.manager.disable),
        "signals": {number: signal.getsignal(number) for number in signal.valid_signals()},
        "streams": (sys.stdin, sys.stdout, sys.stderr, sys.stdout.encoding, sys.stdout.errors),
        "hooks": (sys.excepthook, sys.unraisablehook, sys.gettrace(), sys.getprofile(), list(sys.meta_path)),
        "path": list(sys.path), "pillow": (Image.MAX_IMAGE_PIXELS, ImageFile.LOAD_TRUNCATED_IMAGES),
        "files": sorted(os.listdir("/proc/self/fd")) if os.path.isdir("/proc/self/fd") else None,
    }
    return found | torch_state()
def torch_state():
    return {}
"""
TORCH = """
import torch
torch.set_num_threads(1)
torch.set_default_dtype(torch.float64)
torch.set_default_device("meta")
torch.use_deterministic_algorithms(True, warn_only=True)
torch.set_float32_matmul_precision("medium")
torch.backends.cudnn.benchmark = torch.backends.cudnn.allow_tf32 = True
torch.set_flush_denormal(True)
torch.manual_seed(3)
modes = [torch.inference_mode(), torch.autocast("cpu", torch.bfloat16)]
for mode in modes:
    mode.__enter__()
def torch_state():
    return {
        "numbers": torch.get_rng_state().tolist(), "types": (torch.get_default_dtype(), torch.get_default_device()),
        "modes": (torch.is_grad_enabled(), torch.is_inference_mode_enabled(), torch.is_autocast_enabled("cpu"),
                  torch.get_autocast_dtype("cpu")),
        "exact": (torch.are_deterministic_algorithms_enabled(), torch.is_deterministic_algorithms_warn_only_enabled(),
                  torch.get_float32_matmul_precision(), torch.backends.cudnn.benchmark, torch.backends.cudnn.allow_tf32,
                  torch.backends.cudnn.deterministic, torch.backends.cuda.matmul.allow_tf32),
        "torch threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
    }
"""
COMPARED = """
turn()  # imports what it needs
before = state()
turn()
after = state()
changed = {name: (before[name], after[name]) for name in before if before[name] != after[name]}
assert not changed, changed
print("done")
"""
NETWORKS = """
import csfnns.messages.send
from csfnns.stream import Seed
csfnns.messages.send.make_nonce = lambda key, digest: b"1" * 16  # so short a search fails with some covers
paper = csfnns.Key.from_root(csfnns.make_profile("paper", width=64, height=64), Seed(bytes(32)))
robust = csfnns.Key.from_root(csfnns.make_profile("robust", width=128, height=128), Seed(bytes(32)))
def turn():
    try:
        csfnns.hide(picture, paper, method=csfnns.Paper(steps=2))
        raise AssertionError
    except csfnns.SearchError as error:
        assert "The search ended before" in str(error), error
    stego = csfnns.hide(csfnns.text("noon"), robust, method=csfnns.Robust(survive="jpeg:89-90/444", steps=20)).data
    assert csfnns.reveal(stego, robust).text == "noon"
"""


def test_no_setting_of_the_process_is_assumed_or_changed(desk: Path) -> None:
    result = python(f"{STATE}\n{API}\n{COMPARED}")
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


def test_no_setting_of_torch_is_assumed_or_changed(desk: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra network")
    result = python(f"{STATE}\n{TORCH}\n{API}\n{NETWORKS}\n{COMPARED}", env={"OMP_NUM_THREADS": "2"})
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


def test_a_search_in_torch_works_after_a_fork(desk: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra network")
    used = "import torch; torch.set_num_threads(2); torch.rand(10**6).exp()"
    late = f"def late():\n    exec({API + NETWORKS!r}, globals()); turn()\n"
    code = f"{used}\n{API[API.index('def fork') :]}\n{late}\nfork(late)\n{API}\n{NETWORKS}\nfork(turn)\nprint('done')"
    result = python(code, env={"OMP_NUM_THREADS": "2"})
    assert (result.returncode, result.stdout) == (0, "done\n"), result.stderr


NO_HOME = {"HOME": None, "CSFNNS_HOME": None}


@pytest.mark.parametrize(
    ("line", "env", "wrap", "said"),
    [
        ("config", NO_HOME, UNKNOWN, "There is no home folder for this user."),
        ("config|set|device|cpu", NO_HOME, UNKNOWN, "There is no home folder for this user."),
        (
            "config|set|device|cpu",
            {"HOME": "/proc", "CSFNNS_HOME": None},
            (),
            "/proc/.config/csfnns cannot be made: ",
        ),
        ("config", {"CSFNNS_HOME": "~nosuchuser/x"}, (), "There is no home folder for ~nosuchuser/x."),
        ("key|share|mine.key|1/2", NO_HOME, UNKNOWN, "Only a key with an album has shares."),
        (
            "hide|--text|x|-k|~nosuchuser/mine.key|-o|a.png",
            {},
            (),
            "There is no key file ~nosuchuser/mine.key.",
        ),
        (
            "hide|--text|x|-o|a.png",
            {"CSFNNS_KEY": "~nosuchuser/mine.key"},
            (),
            "There is no key file ~nosuchuser/",
        ),
    ],
)
def test_without_a_home_there_is_a_sentence(
    line: str, env: dict[str, str | None], wrap: Sequence[str], said: str, desk: Path
) -> None:
    check_tool(wrap)
    result = python(COMMANDS, line, "help", env=env, wrap=wrap)
    assert result.returncode
    assert result.stderr.startswith(f"error: {said}"), result.stderr
    assert not (desk / "~").exists()


def test_the_doctor_works_anywhere(desk: Path) -> None:
    check_tool(UNKNOWN)
    env = NO_HOME | {"TMPDIR": "/nowhere"}
    result = python(f"os.chmod('.', 0o555)\n{COMMANDS}", "doctor", "help", env=env, wrap=UNKNOWN)
    assert "this folder       warning: " in result.stdout, result.stderr
    assert "settings          warning: There is no home folder for this user." in result.stdout
    assert result.returncode == 0


LESS = """
import resource
def less(mebibytes):
    with open("/proc/self/statm") as file:
        size = int(file.read().split()[0]) * resource.getpagesize() + (mebibytes << 20)
    resource.setrlimit(resource.RLIMIT_AS, (size, size))
def refused(function, kind):
    try:
        function()
    except kind as error:
        print(f"{type(error).__name__}: {error.message}")
    else:
        raise AssertionError("it worked")
"""


def test_too_little_memory_for_numpy_is_an_error_with_the_size_that_was_asked_for(desk: Path) -> None:
    code = """
turn()
large = csfnns.Key.new(csfnns.make_profile(width=4096, height=4096))
stego = picture.repeat(128, 0).repeat(128, 1)
less(20)
refused(lambda: csfnns.hide(csfnns.text("x"), large), csfnns.SearchError)
refused(lambda: csfnns.reveal(stego, large), csfnns.PictureError)
refused(lambda: csfnns.check_cover(large), csfnns.CoverError)
"""
    result = python(API + LESS + code)
    assert result.returncode == 0, result.stderr
    said = r"There is too little memory: [0-9.]+ [KM]iB more were asked for\."
    for line, kind in zip(result.stdout.splitlines(), ("SearchError", "PictureError", "CoverError"), strict=True):
        assert re.fullmatch(f"{kind}: {said}", line)


def test_too_little_memory_for_torch_is_a_search_error(desk: Path) -> None:
    pytest.importorskip("torch", reason="needs the extra network")
    code = """
import torch
from unittest.mock import patch
large = csfnns.Key.new(csfnns.make_profile("paper", width=256, height=256, channels=64))
def search():
    csfnns.hide(csfnns.check_cover(large).picture, large, method=csfnns.Paper(steps=2))
with patch("torch.autograd.grad", side_effect=torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")):
    refused(search, csfnns.SearchError)
less(16)
refused(search, csfnns.SearchError)
"""
    result = python(API + LESS + code)
    assert result.returncode == 0, result.stderr
    first, second = result.stdout.splitlines()
    assert first == "SearchError: There is too little memory: 2.00 GiB more were asked for."
    assert second.startswith("SearchError: There is too little memory: ")
