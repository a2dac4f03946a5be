"""What is left of a command that is killed? `python benchmarks/kills.py`, on Linux with strace.

`hide`, `reveal`, `key new` and `key protect` are killed at every system call with which they write, and else at random
moments, half by SIGKILL and half by SIGTERM. Each output must be absent, as before, or whole. What SIGKILL leaves beside it
must be gone after the next write into the folder an hour later; SIGTERM must leave nothing. Then several processes hide at
once with one key: no two messages may be equal.
"""

import random
import signal
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import common
from csfnns import read_key, reveal
from faults import Bench, Scenario, scenarios, table

SIGNALS = (signal.SIGKILL, signal.SIGTERM)


def seconds_of(bench: Bench, scenario: Scenario) -> float:
    """Seconds that an undisturbed process takes."""
    folder, began = bench.folder(scenario), time.monotonic()
    process = bench.start(scenario, folder)
    _, said = process.communicate()
    seconds = time.monotonic() - began
    bench.inspect(scenario, folder, "nothing", process.returncode, said.decode())
    return seconds


def kill(bench: Bench, scenario: Scenario, by: signal.Signals, moment: float) -> None:
    """End a process after `moment` seconds."""
    folder = bench.folder(scenario)
    process = bench.start(scenario, folder)
    time.sleep(moment)
    process.send_signal(by)
    _, said = process.communicate()
    run = bench.inspect(scenario, folder, f"{by.name} after {moment:.2f} s", process.returncode, said.decode())
    if run.left and by is signal.SIGTERM:
        run.problems.append(f"left {', '.join(run.left)}")


def hide_at_once(bench: Bench, scenario: Scenario, count: int) -> list[str]:
    """Let that many processes hide with one key; return the names of their messages."""
    folders = [bench.folder(scenario) for _ in range(count)]
    for process in [bench.start(scenario, folder) for folder in folders]:
        process.communicate()
    return [reveal(folder / "out.png", read_key(folder / "k.key")).id for folder in folders]


def main() -> int:
    """Kill, inspect, print, save; exit status 1 when anything is wrong."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--side", type=int, default=64, help="of the covers (default %(default)s)")
    parser.add_argument("--kills", type=int, default=500, help="of all commands together (default %(default)s)")
    parser.add_argument("--at-once", type=int, default=8, help="processes on one key (default %(default)s)")
    arguments = parser.parse_args()
    kills, dice = arguments.kills // (10 if arguments.quick else 1), random.Random(arguments.seed)
    with tempfile.TemporaryDirectory() as place:
        bench, commands = Bench(Path(place)), scenarios(arguments.side)
        typical = {each.name: seconds_of(bench, each) for each in commands}
        print(", ".join(f"{name} takes {seconds:.1f} s" for name, seconds in typical.items()), flush=True)
        at_calls = [(each, call) for each in commands for call in bench.calls(each)]
        chosen = dice.sample(at_calls, min(len(at_calls), kills // 2))
        for scenario, call in chosen:
            bench.disturb(scenario, f"{call.name}:signal=SIGKILL:when={call.number}")
        for i in range(kills - len(chosen)):
            scenario = commands[i % len(commands)]
            kill(bench, scenario, SIGNALS[i // len(commands) % 2], dice.uniform(0, typical[scenario.name]))
        ids = hide_at_once(bench, commands[0], arguments.at_once)
        home = sorted(path.name for path in Path(place, "home").glob("*"))
    problems = bench.problems
    if len(set(ids)) < len(ids):
        problems.append("two processes sent the same message")
    if home:
        problems.append(f"files appeared in the home: {', '.join(home)}")
    common.print_table(*table(bench.runs))
    killed = sum(run.fault != "nothing" for run in bench.runs)
    print(f"{killed} kills, {len(chosen)} of them at calls that write; {len(ids)} messages at once")
    content = {
        "side": arguments.side,
        "kills": killed,
        "at_calls": len(chosen),
        "seconds": typical,
        "runs": [asdict(run) for run in bench.runs],
    }
    return common.finish("kills", content, problems, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
