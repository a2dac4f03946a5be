"""Are batches and experiments done once and right, whatever dies, and how fast? `python benchmarks/batch.py`, on Linux.

1. Secrets of 128x128 are hidden by one worker, for the time; by two workers of which one is killed again and again, while
   the coordinator is killed twice; and the same on a local Ray cluster. Each picture is then revealed and compared.
2. A table is measured by one run, and again by two processes and one Ray run at once on one folder: the tables must be
   equal, and each row measured once.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

import common
import csfnns
from csfnns.batch.plan import Plan
from csfnns.batch.store import Store
from csfnns.images.io import read_picture
from csfnns.images.metrics import psnr

COMMAND = [sys.executable, "-m", "csfnns"]
ONE_THREAD = os.environ | {"OMP_NUM_THREADS": "1"}
LEAST_PSNR, LEAST_SPEEDUP = 30.0, 1.8


def main() -> int:
    """Run all, print, save; exit status 1 when a bar is missed."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--jobs", type=int, help="pictures to hide (default 1000)")
    parser.add_argument("--timed", type=int, help="pictures of the measurement of speed (default 100)")
    parser.add_argument("--runners", default="workers,ray", help="of the batches (default %(default)s)")
    arguments = parser.parse_args()
    jobs = arguments.jobs or (100 if arguments.quick else 1000)
    timed = arguments.timed or max(20, jobs // 10)
    batches, failed, table = [], [], []
    with tempfile.TemporaryDirectory() as home:
        folder = Path(home)
        csfnns.write_key(csfnns.Key.new(csfnns.make_profile(width=128, height=128)), folder / "my.key")
        make_pictures(folder / "in", jobs, random.Random(arguments.seed))
        speed = {workers: throughput(folder / f"speed-{workers}", folder, timed, workers) for workers in (1, 2)}
        for name in filter(None, arguments.runners.split(",")):
            options = ["--workers", "2", *(["--ray", "local"] if name == "ray" else [])]
            batches.append(batch(name, folder / name, folder, jobs, options))
        experiment = shared_experiment(folder / "experiment", folder)
    speedup = speed[2] / speed[1]
    for each in batches:
        table.append([each["runner"], each["jobs"], each["right"], each["twice"], each["kills"], each["seconds"]])
        if (each["right"], each["twice"]) != (jobs, 0):
            failed.append(f"{each['runner']}: {each['right']} of {jobs} are right, {each['twice']} were made twice")
    common.print_table(["runner", "jobs", "right", "twice", "killed workers", "seconds"], table)
    print(f"undisturbed: {speed[1]:.2f} a second by one worker, {speed[2]:.2f} by two: {speedup:.2f} times")
    print(f"experiment: {experiment}")
    if speedup < LEAST_SPEEDUP:
        failed.append(f"two workers have {speedup:.2f} times the throughput of one, not {LEAST_SPEEDUP}")
    if not experiment["equal"] or experiment["measured_twice"]:
        failed.append(f"the shared experiment differs: {experiment}")
    rates = {"one_worker": speed[1], "two_workers": speed[2], "speedup": speedup, "jobs": timed}
    payload = {"side": 128, "batches": batches, "pictures_a_second": rates, "experiment": experiment}
    return common.finish("batch", payload, failed, arguments.out)


def make_pictures(folder: Path, count: int, draw: random.Random) -> None:
    """Smooth pictures of 128x128, each of its own."""
    folder.mkdir()
    y, x = np.mgrid[:128, :128]
    for i in range(count):
        waves = [(draw.uniform(-0.2, 0.2), draw.uniform(-0.2, 0.2), draw.uniform(0, 6)) for _ in range(3)]
        planes = [127 + 90 * np.sin(a * x + b * y + c) for a, b, c in waves]
        Image.fromarray(np.stack(planes, -1).astype(np.uint8)).save(folder / f"{i}.png")


def plan(out: Path, folder: Path, count: int) -> Path:
    """Plan of the first `count` pictures."""
    out.mkdir()
    table = out / "list.csv"
    table.write_text("source\n" + "".join(f"{folder / 'in' / f'{i}.png'}\n" for i in range(count)))
    (out / "stegos").mkdir()
    run("batch", "plan", table, out / "plan", "-o", out / "stegos")
    return out / "plan"


def throughput(out: Path, folder: Path, count: int, workers: int) -> float:
    """Pictures a second, from the first that is written to the last: the start of processes does not count."""
    run("batch", "run", plan(out, folder, count), "-k", folder / "my.key", "--workers", workers)
    written = sorted(path.stat().st_mtime for path in (out / "stegos").iterdir())
    skip = 2 * workers  # processes do not start at once
    return (len(written) - 1 - skip) / (written[-1] - written[skip])


def batch(name: str, out: Path, folder: Path, count: int, options: list[str]) -> dict[str, object]:
    """Hide with kills: of a worker after every tenth of the jobs, at most 100, and of the coordinator twice."""
    path = plan(out, folder, count)
    stegos, every = out / "stegos", max(1, min(100, count // 10))
    killed, coordinators, began = 0, 0, time.monotonic()
    versions: dict[str, set[tuple[int, int]]] = {}

    def look() -> int:
        for entry in os.scandir(stegos):
            if entry.name.endswith(".png"):
                about = entry.stat()
                versions.setdefault(entry.name, set()).add((about.st_ino, about.st_mtime_ns))
        return len(versions)

    while True:
        command = [*COMMAND, "batch", "run", str(path), "-k", str(folder / "my.key"), "--quiet", *options]
        with subprocess.Popen(command, env=ONE_THREAD) as coordinator:
            while coordinator.poll() is None:
                time.sleep(0.1)
                made = look()
                if coordinators < 2 and made >= (coordinators + 1) * count // 3:
                    coordinators += 1
                    coordinator.kill()
                elif made >= (killed + 1) * every and made < count:
                    victims = [*workers_of(coordinator.pid)]
                    if victims:
                        os.kill(victims[killed % len(victims)], signal.SIGKILL)
                        killed += 1
        if coordinator.returncode != -signal.SIGKILL:
            break
    seconds = time.monotonic() - began
    look()
    twice = sum(len(each) > 1 for each in versions.values())
    found = {"runner": name, "jobs": count, "right": right(path, folder), "twice": twice}
    return found | {"kills": killed, "coordinators": coordinators, "seconds": seconds, "exit": coordinator.returncode}


def right(path: Path, folder: Path) -> int:
    """Pictures that the receiver gets from exactly one message each."""
    key, messages, count = csfnns.read_key(folder / "my.key"), Counter[str](), 0
    outputs = Plan(path).outputs()
    for job, row in outputs.items():
        found = csfnns.reveal(job.output, key)
        messages[found.id] += 1
        got, sent = np.asarray(found.picture), read_picture(job.source)
        count += found.id == row["message"] and messages[found.id] == 1 and psnr(got, sent) >= LEAST_PSNR
    return count


def workers_of(coordinator: int) -> Iterator[int]:
    """Workers of that process: its children, and the processes of its Ray cluster that do tasks."""
    parents, names = {}, {}
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                fields = Path(entry.path, "stat").read_text("ascii", "replace").rpartition(")")[2].split()
                names[int(entry.name)] = Path(entry.path, "cmdline").read_bytes()
                parents[int(entry.name)] = int(fields[1])
            except OSError:  # it has just ended
                continue
    for pid, name in names.items():
        above = pid
        while above in parents and above != coordinator:
            above = parents[above]
        mine = b"import work; work()" in name or name.startswith(b"ray::_perform")
        if above == coordinator and pid != coordinator and mine:
            yield pid


def shared_experiment(out: Path, folder: Path) -> dict[str, object]:
    """Measure a table by one run, and by two processes and a Ray run at once."""
    secrets = out / "secrets"
    secrets.mkdir(parents=True)
    for i in range(12):
        (secrets / f"{i}.png").write_bytes((folder / "in" / f"{i}.png").read_bytes())
    table = ["experiment", "run", "table1", "--covers", str(secrets), "--secrets", f"made={secrets}", "--size", "64"]
    table += ["--methods", "kishore,standard,paper", "--steps", "20", "--json"]
    run(*table, "--out", out / "one")
    with Store(out / "shared").opened() as store:  # notes each measurement that is begun
        store.execute("CREATE TABLE begun (id TEXT)")
        for event in ("INSERT ON claims", "UPDATE OF attempts ON claims"):
            name = event.split()[0].lower()
            store.execute(f"CREATE TRIGGER on_{name} AFTER {event} BEGIN INSERT INTO begun VALUES (new.id); END")
    command = [*COMMAND, *table, "--out", str(out / "shared")]
    processes = [
        subprocess.Popen([*command, *more], env=ONE_THREAD, stdout=subprocess.DEVNULL)
        for more in ((), (), ("--ray", "local", "--workers", "2"))
    ]
    codes = [process.wait() for process in processes]
    run(*table, "--out", out / "shared")
    one, shared = ((out / name / "table1.md").read_text() for name in ("one", "shared"))
    values = [
        {key: (row["values"], row["error"]) for key, row in Store(out / name, must_exist=True).rows().items()}
        for name in ("one", "shared")
    ]
    with Store(out / "shared", must_exist=True).opened() as store:
        (again,) = store.execute("SELECT COUNT(*) - COUNT(DISTINCT id) FROM begun").fetchone()
    return {
        "rows": len(values[0]),
        "equal": values[0] == values[1] and one == shared,
        "measured_twice": again,
        "exits": codes,
    }


def run(*arguments: object) -> None:
    """Run a command of csfnns to its end."""
    subprocess.run(
        [*COMMAND, *map(str, arguments)],
        env=ONE_THREAD,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


if __name__ == "__main__":
    sys.exit(main())
