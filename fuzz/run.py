"""Run targets on changed cases of their corpora, and count what they find.

python -m fuzz.run --minutes 10                         all targets, each its share of the time
python -m fuzz.run --cases 200000 --json fuzz.json      all targets, each its share of the cases
python -m fuzz.run --target keys --file CASE            one case again, with its traceback

A case follows from the seed, the target's name and its number, so that a run is repeated by its seed. Targets run in
processes of their own: one that ends by itself, takes 10 seconds of the processor (or six times that by the clock) or too
much memory is a finding like one that raises something or gives a wrong result.
"""

import argparse
import json
import multiprocessing
import os
import platform
import random
import resource
import signal
import sys
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from types import FrameType
from typing import Any

for _each in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # before NumPy is loaded: cases are small
    os.environ.setdefault(_each, "1")

from fuzz.mutate import mutate  # noqa: E402
from fuzz.targets import TARGETS  # noqa: E402

ROOT = Path(__file__).parent
HANG = 10.0
"""Seconds of the processor that a case may take."""
BLOCKED = 6 * HANG
"""Seconds by the clock."""
MOST_GROWTH = 1_000_000_000
"""Bytes of memory by which a case may exceed all before it."""
_ADDRESSES = 8_000_000_000  # bytes of address space, so that a bomb does not take the computer's memory

Finding = dict[str, Any]


class Hang(BaseException):
    """The case takes too long. No target can catch it by accident."""


def read_corpus(name: str) -> list[bytes]:
    """Committed cases of a target, in the order of their names."""
    return [path.read_bytes() for path in sorted(corpus_of(name).iterdir())]


def corpus_of(name: str) -> Path:
    """Folder of a target's committed cases."""
    return ROOT / "corpus" / (TARGETS[name].corpus or name)


def make_case(name: str, seed: int, number: int, corpus: list[bytes]) -> bytes:
    """The case of that number: first those of the corpus, then changed ones."""
    if number < len(corpus):
        return corpus[number]
    dice = random.Random(f"{seed}/{name}/{number}")
    return mutate(dice.choice(corpus), dice.choice(corpus), dice)


def try_case(function: Callable[[bytes], None], data: bytes) -> Finding | None:
    """Run one case. Return what is wrong with it: kind, error and place."""
    before = _peak()
    signal.setitimer(signal.ITIMER_PROF, HANG)
    try:
        function(data)
    except Hang as error:
        found = {"kind": "hang", "error": f"over {HANG:.0f} s", "place": _place(error)}
    except Exception as error:  # noqa: BLE001 - that is what is looked for
        kind = "wrong" if type(error).__name__ == "Wrong" else "traceback"
        found = {"kind": kind, "error": f"{type(error).__name__}: {error}"[:300], "place": _place(error)}
    else:
        grown = _peak() - before
        if grown < MOST_GROWTH:
            return None
        found = {"kind": "memory", "error": f"{grown / 1e6:.0f} MB more", "place": ""}
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
    return found


def _place(error: BaseException) -> str:
    """Innermost line of csfnns or of the target."""
    frames = [each for each in traceback.extract_tb(error.__traceback__) if each.name != "check"]
    ours = [each for each in frames if {"csfnns", "targets"} & {*Path(each.filename).parts}] or frames
    return f"{'/'.join(Path(ours[-1].filename).parts[-2:])}:{ours[-1].lineno}"


def _peak() -> int:
    """Most bytes of memory so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def _work(name: str, seed: int, first: int, last: int, until: float, now: Any, results: Any) -> None:
    """Run cases in this process until `last`, or `until` on the clock; `now` is the number and start of the current one."""
    resource.setrlimit(resource.RLIMIT_AS, (_ADDRESSES, resource.RLIM_INFINITY))
    signal.signal(signal.SIGPROF, _ring)
    warnings.simplefilter("ignore")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 2)  # libtiff and libjpeg write what they think of a file
    function, corpus = TARGETS[name].load(), read_corpus(name)
    function(corpus[0])  # loads what loads late
    for number in range(first, last):
        now[0], now[1] = number, time.monotonic()
        if now[1] >= until:
            break
        found = try_case(function, make_case(name, seed, number, corpus))
        if found is not None:
            results.send((number, found))
            if found["kind"] == "memory":  # the peak hides what comes after
                break
    else:
        number = last
    now[0], now[2] = number, time.process_time()
    results.send(None)


def _ring(number: int, frame: FrameType | None) -> None:
    raise Hang


def run_target(name: str, seed: int, cases: int, seconds: float) -> tuple[int, float, list[tuple[int, Finding]]]:
    """Run cases of a target, or as many as there is time for: number, seconds of the processor, and findings."""
    context = multiprocessing.get_context("spawn")
    until, first, used = time.monotonic() + seconds, 0, 0.0
    findings: list[tuple[int, Finding]] = []
    while first < cases and time.monotonic() < until:
        now = context.RawArray("d", [first, time.monotonic() + BLOCKED, 0.0])
        reader, writer = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(name, seed, first, cases, until, now, writer))
        process.start()
        writer.close()
        ended = False
        for found in _messages(reader, process, now):
            if found is None:
                ended = True
            else:
                findings.append(found)
        process.join()
        at, used = int(now[0]), used + now[2]
        if ended:
            first = at + (1 if findings and findings[-1] == (at, findings[-1][1]) else 0)
            if first < cases and not (findings and findings[-1][0] == at):
                break  # no time left
        else:
            used += time.monotonic() - now[1]
            why = f"ended by itself with {process.exitcode}" if process.exitcode != -9 else f"over {BLOCKED:.0f} s"
            findings.append((at, {"kind": "crash" if process.exitcode != -9 else "hang", "error": why, "place": ""}))
            first = at + 1
    return first, used, findings


def _messages(reader: Any, process: Any, now: Any) -> Iterator[Any]:
    """What a process sends until it ends; it is killed where a case blocks."""
    while True:
        try:
            if reader.poll(1):
                yield reader.recv()
            elif time.monotonic() - now[1] > BLOCKED and process.is_alive() and now[2] == 0:
                process.kill()
        except EOFError:
            return


def _save(name: str, seed: int, found: list[tuple[int, Finding]], folder: Path) -> list[Finding]:
    """Write the first case of each kind of finding, and say how it is run again."""
    kinds: dict[tuple[str, str, str], Finding] = {}
    corpus = read_corpus(name)
    for number, finding in found:
        known = finding["kind"], finding["error"].partition(":")[0], finding["place"]
        if known not in kinds:
            data = make_case(name, seed, number, corpus)
            path = folder / f"{name}-{finding['kind']}-{sha256(data).hexdigest()[:8]}"
            folder.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)
            command = f"python -m fuzz.run --target {name} --file {path}"
            kinds[known] = {"target": name, "case": number, **finding, "command": command, "times": 0}
        kinds[known]["times"] += 1
    return list(kinds.values())


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m fuzz.run", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, help="run so long in all")
    parser.add_argument("--cases", type=int, help="run so many cases in all")
    parser.add_argument("--target", action="append", choices=TARGETS, help="only this one; several times")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1 << 31), help="repeat a run")
    parser.add_argument("--file", type=Path, help="run this case of the target, once")
    parser.add_argument("--findings", type=Path, default=ROOT / "findings", help="folder for cases that are findings")
    parser.add_argument("--json", type=Path, help="write figures and findings")
    return parser.parse_args()


def main() -> int:
    """Run, and return 1 if there are findings."""
    asked = _arguments()
    names = asked.target or list(TARGETS)
    if asked.file:
        TARGETS[names[0]].load()(asked.file.read_bytes())
        print("Nothing is wrong with this case.")
        return 0
    print(f"seed {asked.seed}")
    shares = sum(TARGETS[name].share for name in names)
    rows: dict[str, dict[str, float]] = {}
    findings: list[Finding] = []
    end = time.monotonic() + 60 * asked.minutes if asked.minutes else float("inf")
    for left, name in zip(range(len(names), 0, -1), names, strict=True):
        cases = (
            -(-asked.cases * TARGETS[name].share // shares) if asked.cases else sys.maxsize if asked.minutes else 1000
        )
        done, seconds, found = run_target(name, asked.seed, cases, (end - time.monotonic()) / left)
        rows[name] = {"cases": done, "seconds": round(seconds, 1), "findings": len(found)}
        print(f"{name:13} {done:9,} cases {seconds:7.1f} s {len(found):5} findings", flush=True)
        for each in _save(name, asked.seed, found, asked.findings):
            findings.append(each)
            print(f"  {each['kind']}: {each['error']} ({each['place']}), {each['times']} times\n  {each['command']}")
    cases, seconds = (sum(row[column] for row in rows.values()) for column in ("cases", "seconds"))
    print(f"{cases:,} cases in {seconds:.0f} s of one core, {len(findings)} kinds of findings")
    if asked.json:
        about = {"seed": asked.seed, "python": platform.python_version(), "cases": cases, "seconds": round(seconds)}
        asked.json.write_text(json.dumps(about | {"targets": rows, "findings": findings}, indent=2) + "\n")
    return int(bool(findings))


if __name__ == "__main__":
    sys.exit(main())
