"""Faults put into the code one at a time, and whether the tests notice them.

A mutant is the package with one small fault: a comparison or condition the other way round, another operator, a number
one higher or lower, two arguments swapped, None as the result, a slice that ends elsewhere. The seed draws equally many
in each room. In a copy of the tree, the tests of the room that call the faulty function are run, the quickest first, for a
few seconds; where there are none, those that call something of its module. A run that was stopped goes on where it was;
`--again` tries those once more that were not noticed, with all tests of both kinds.

Faults that change no behaviour are no fault of the tests: give such an entry of the result `"status": "equivalent"` and
a `"why"` by hand. Later runs keep both.
"""

import ast
import json
import os
import random
import re
import resource
import shutil
import signal
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from copy import copy
from functools import cache
from hashlib import sha256
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

import pytest

from common import ROOT, finish, make_parser, write
from csfnns.experiments.provenance import code_digest

LEAST_SHARE = 0.9
PACKAGES = ("cryptography.hazmat.primitives.ciphers.aead", "hypothesis.extra.numpy", "PIL.ImageFont", "zxcvbn")
PACKAGES += ("safetensors.torch", "scipy.fft", "scipy.ndimage", "scipy.stats", "skimage.metrics", "torch")
LARGEST_MEMORY = 12 << 30
FIRST_SECONDS = 6.0
"""Time of the processor for the tests of one mutant, but for those that are tried again."""
SOURCE = Path("src/csfnns")

ROOMS = {
    "keys": ("keys/*", "keys/*"),
    "address": ("address/*", "address/* messages/test_stego*"),
    "headers": ("payloads/frame* payloads/header* payloads/part* payloads/seal*", "payloads/test_[fhps]*"),
    "coding": ("coding/*", "coding/*"),
    "search": ("search/*", "search/*"),
    "metrics": ("images/metrics* images/lpips*", "images/test_measure* images/test_lpips*"),
    "steganalysis": ("steganalysis/[!ct]*", "steganalysis/test_[!t]*"),
    "experiments": (
        "experiments/[efsw]* experiments/pickles* experiments/provenance*",
        "experiments/test_experiment_statistics* experiments/test_[fw]* experiments/test_provenance*",
    ),
}
"""Room → its modules, and its tests. Left out is what only slow tests call: training of networks, runs of tables."""
WIDER = "test_vectors*"
"""Tests that `--again` adds in every room."""

OTHERS: dict[type, type] = {
    **{ast.Lt: ast.LtE, ast.LtE: ast.Lt, ast.Gt: ast.GtE, ast.GtE: ast.Gt, ast.Eq: ast.NotEq, ast.NotEq: ast.Eq},
    **{ast.Is: ast.IsNot, ast.IsNot: ast.Is, ast.In: ast.NotIn, ast.NotIn: ast.In, ast.And: ast.Or, ast.Or: ast.And},
    **{ast.Add: ast.Sub, ast.Sub: ast.Add, ast.Mult: ast.Add, ast.Div: ast.Mult, ast.FloorDiv: ast.Mult},
    **{ast.Mod: ast.FloorDiv, ast.Pow: ast.Mult, ast.LShift: ast.RShift, ast.RShift: ast.LShift},
    **{ast.BitAnd: ast.BitOr, ast.BitOr: ast.BitAnd, ast.BitXor: ast.BitOr},
}
"""Operator → the one that takes its place."""


def faults(node: ast.AST) -> Iterator[tuple[Any, ast.AST]]:
    """Parts of the tree below a node, each with what takes its place; texts, types and errors stay as they are."""
    match node:
        case ast.Raise() | ast.Assert() | ast.JoinedStr() | ast.If(test=ast.Name("TYPE_CHECKING")):
            return
        case ast.arg() | ast.keyword(arg="strict") | ast.BinOp(right=ast.Constant(None | str())):
            return
        case ast.Return(value=ast.expr() as value) if ast.unparse(value) != "None":
            yield value, ast.Constant(None)
        case ast.Slice():
            bounds = (each for each in (node.lower, node.upper) if each and not isinstance(each, ast.Constant))
            yield from ((each, ast.BinOp(each, ast.Add(), ast.Constant(1))) for each in bounds)
        case ast.If() | ast.While() | ast.IfExp() if isinstance(node.test, ast.Name | ast.Attribute | ast.Call):
            yield node.test, ast.UnaryOp(ast.Not(), node.test)
        case _:
            yield from ((node, new) for new in _others(node))
    for name, value in ast.iter_fields(node):
        if name not in ("annotation", "returns", "decorator_list", "bases"):
            for each in value if isinstance(value, list) else [value]:
                if isinstance(each, ast.AST):
                    yield from faults(each)


def _others(node: ast.AST) -> Iterator[ast.AST]:
    """What may take the place of an expression."""
    match node:
        case ast.Compare():
            for i, operator in enumerate(node.ops):
                yield _changed(node, ops=[*node.ops[:i], OTHERS[type(operator)](), *node.ops[i + 1 :]])
        case ast.BoolOp() | ast.BinOp() if type(node.op) in OTHERS:
            yield _changed(node, op=OTHERS[type(node.op)]())
        case ast.UnaryOp(op=ast.Not() | ast.USub()):
            yield node.operand
        case ast.Constant(value=bool()):
            yield ast.Constant(not node.value)
        case ast.Constant(value=int() | float()):
            yield from (ast.Constant(node.value + step) for step in (1, -1))
        case ast.Call(args=[first, second, *rest]) if not any(isinstance(each, ast.Starred) for each in node.args):
            yield _changed(node, args=[second, first, *rest])


def _changed(node: ast.AST, **fields: Any) -> ast.AST:
    new = copy(node)
    for name, value in fields.items():
        setattr(new, name, value)
    return new


@cache
def mutants(room: str) -> list[dict[str, Any]]:
    """Every fault of a room: id, module, line, and the whole source that has it."""
    found, seen = [], Counter[str]()
    paths = sorted(path for some in ROOMS[room][0].split() for path in (ROOT / SOURCE).glob(f"{some}.py"))
    for path in paths:
        source, name = path.read_bytes(), path.relative_to(ROOT / SOURCE).as_posix()
        starts = [0]
        for line in source.splitlines(keepends=True):
            starts.append(starts[-1] + len(line))
        for node, new in faults(ast.parse(source)):
            first, last = starts[node.lineno - 1] + node.col_offset, starts[node.end_lineno - 1] + node.end_col_offset
            now = ast.unparse(ast.fix_missing_locations(new))
            key = f"{name}: {' '.join(source[first:last].decode().split())} → {now}"
            seen[key] += 1
            row = {"id": f"{key} #{seen[key]}", "room": room, "path": name, "line": node.lineno}
            found.append(row | {"text": source[:first] + f"({now})".encode() + source[last:]})
    return found


def main() -> int:
    """Try the mutants, save each, and return 1 where fewer than LEAST_SHARE are noticed."""
    parser = make_parser(__doc__)
    parser.add_argument("--count", type=int, default=304, help="mutants of all rooms together (default %(default)s)")
    parser.add_argument("--again", action="store_true", help="try those once more that were not noticed")
    arguments = parser.parse_args()
    for name in PACKAGES:
        import_module(name)
    resource.setrlimit(resource.RLIMIT_AS, (LARGEST_MEMORY, LARGEST_MEMORY))  # of the tests, too
    out, count = arguments.out or ROOT / "results" / "mutants.json", 24 if arguments.quick else arguments.count
    before = {row["id"]: row for row in (json.loads(out.read_text())["mutants"] if out.exists() else [])}
    chosen = []
    for room in ROOMS:
        every = list(mutants(room))
        random.Random(f"{arguments.seed} {room}").shuffle(every)
        chosen += every[: count // len(ROOMS)]
    rows = {each["id"]: before[each["id"]] for each in chosen if each["id"] in before}
    left = [each for each in chosen if each["id"] not in rows or (arguments.again and _survived(rows[each["id"]]))]
    with tempfile.TemporaryDirectory() as folder:
        tree = Path(folder) / "csfnns"
        shutil.copytree(ROOT, tree, ignore=shutil.ignore_patterns(".*", "runs", "site", "__pycache__"))
        for mutant in left:
            started, by = time.monotonic(), try_mutant(tree, mutant, arguments.again)
            row = {key: mutant[key] for key in ("id", "room", "path", "line")}
            rows[mutant["id"]] = row | ({"status": "killed", "by": by} if by else {"status": "survived"})
            print(f"{time.monotonic() - started:5.1f} s  {mutant['id']}  {by or 'SURVIVED'}", flush=True)
            write("mutants", summary(rows), out)
    share = summary(rows)["share"]
    return finish("mutants", summary(rows), [f"share {share:.3f}, bar {LEAST_SHARE}"] * (share < LEAST_SHARE), out)


def _survived(row: dict[str, Any]) -> bool:
    """Whether a fault was not noticed, and nobody has said why."""
    return bool(row["status"] == "survived" and "why" not in row)


def try_mutant(tree: Path, mutant: dict[str, Any], wide: bool) -> str | None:
    """First test that notices a mutant."""
    tests = {}
    for some in [*ROOMS[mutant["room"]][1].split(), *([WIDER] if wide else [])]:
        for path in sorted((tree / "tests").glob(f"{some}.py")):
            if path.name.startswith("test_"):
                tests |= traced(tree, path.relative_to(tree).as_posix())
    own = {name: test for name, test in tests.items() if mutant["path"] in test["functions"]}
    direct = {
        name
        for name, test in own.items()
        if any(first <= mutant["line"] <= last for first, last in test["functions"][mutant["path"]])
    }
    path = tree / SOURCE / mutant["path"]
    whole = path.read_bytes()
    for some in (direct, own.keys() - direct) if wide or not direct else (direct,):
        names = sorted(some, key=lambda name: own[name]["seconds"])
        before = zip(names, accumulate((own[name]["seconds"] for name in names), initial=0.0), strict=False)
        names = [name for name, seconds in before if wide or seconds < FIRST_SECONDS]
        _write(path, mutant["text"])
        try:
            by = run_tests(tree, names, 4 * sum(own[name]["seconds"] for name in names) + 10) if names else None
        finally:
            _write(path, whole)
        if by:
            return by
    return None


def _write(path: Path, content: bytes) -> None:
    """Write a module; what Python has compiled of it may be of the same second and size."""
    path.write_bytes(content)
    for compiled in (path.parent / "__pycache__").glob(f"{path.stem}.*"):
        compiled.unlink()


@cache
def traced(tree: Path, file: str) -> dict[str, Any]:
    """Of each test of a file that passes, seconds and the functions that it calls, by module and lines."""
    digest = sha256((tree / file).read_bytes() + code_digest(["."]).encode()).hexdigest()[:16]
    kept = ROOT / "runs" / "mutants" / f"{Path(file).stem}-{digest}.json"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        if by := run_tests(tree, [file], 3600, Recorder(f"{tree / SOURCE}/", kept)):
            print(f"Left out, since it fails without any fault: {by}")
    found: dict[str, Any] = json.loads(kept.read_text())
    return found


class Recorder:
    """A plugin of pytest that notes which functions of the package each test calls."""

    def __init__(self, folder: str, kept: Path) -> None:
        self.folder, self.kept, self.tests, self.failed = folder, kept, dict[str, Any](), set[str]()

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        """Trace a test with its fixtures."""
        called, started = set[Any](), time.process_time()

        def trace(frame: Any, event: str, _: Any) -> None:
            called.add(frame.f_code)

        sys.settrace(trace)
        threading.settrace(trace)
        try:
            return (yield)
        finally:
            sys.settrace(None)
            threading.settrace(None)  # type: ignore[arg-type]
            functions = dict[str, list[Any]]()
            for code in called:
                if code.co_filename.startswith(self.folder) and code.co_name != "<module>":
                    last = max(line for *_, line in code.co_lines() if line)
                    name = code.co_filename[len(self.folder) :]
                    functions.setdefault(name, []).append((code.co_firstlineno, last))
            self.tests[item.nodeid] = {"seconds": time.process_time() - started, "functions": functions}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Note what does not pass."""
        if not report.passed:
            self.failed.add(report.nodeid)

    def pytest_sessionfinish(self) -> None:
        """Write what was noted."""
        self.kept.write_text(json.dumps({key: each for key, each in self.tests.items() if key not in self.failed}))


def run_tests(tree: Path, tests: list[str], limit: float, recorder: Recorder | None = None) -> str | None:
    """First test that fails, or what ended them, such as `limit` seconds of the processor; None where all pass."""
    log = tree / "log.txt"
    child = os.fork()  # with all other packages imported: most of what starting pytest anew would take
    if not child:
        os.setsid()
        resource.setrlimit(resource.RLIMIT_CPU, (int(limit), int(limit) + 1))
        with log.open("w") as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.chdir(tree)
        os.environ |= {"PYTHONPATH": str(tree / "src"), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        sys.path.insert(0, str(tree / "src"))
        for name in [each for each in sys.modules if each.partition(".")[0] == "csfnns"]:
            del sys.modules[name]
        options = ["-p", "no:cacheprovider", "-p", "pytest_timeout", *([] if recorder else ["-x"])]
        code = pytest.main([*options, *tests], [recorder] if recorder else [])
        sys.stdout.flush()
        os._exit(code)
    try:
        _, status = os.waitpid(child, 0)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(child, signal.SIGKILL)
    code = os.waitstatus_to_exitcode(status)
    named = re.search(r"^(?:FAILED|ERROR) (\S+)", log.read_text("utf-8", "replace"), re.MULTILINE)
    return (named[1] if named else f"pytest ends with {code}") if code else None


def summary(rows: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """Rows with their counts by room, and the share of the faults that are noticed."""
    counts = {room: Counter(row["status"] for row in rows.values() if row["room"] == room) for room in ROOMS}
    every = Counter(row["status"] for row in rows.values())
    faulty = every["killed"] + every["survived"]
    text = f"{every['killed']} of {faulty} noticed; {every['equivalent']} more change no behaviour"
    share = round(every["killed"] / max(1, faulty), 4)
    ordered = sorted(rows.values(), key=lambda row: (row["path"], row["line"], row["id"]))
    return {"summary": text, "share": share, "rooms": counts, "mutants": ordered}


if __name__ == "__main__":
    sys.exit(main())
