"""Speed and memory of embedding by a search in torch, with a key of profile robust; on a CPU or a GPU.

Single pictures of several sizes, batches, and what takes the time.

One command measures all of it on whatever torch finds: `python benchmarks/speed.py`, or with `--device cpu|cuda`.
Pictures are made here (a cover of the abstract generator, another as the secret), so no data is needed. On a GPU the
figures are of the second call: the first one loads kernels. Memory is the process's peak on a CPU (each size runs in
a process of its own) and torch's own peak on a GPU.
"""

import argparse
import json
import resource
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from common import make_parser, print_table, save

SIZES = (512, 1024, 2048, 4096)
BATCHES = (1, 4, 16, 32)
GPU_SECONDS, GPU_RATE, PIXEL_TIME, PEAK_GIB = 0.5, 10.0, 1.15, 4.0


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--device", choices=("cpu", "cuda"), help="default: cuda where torch finds one")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--batches", type=int, nargs="+", help="default 1 4 16 32 on a GPU, 1 2 on a CPU")
    parser.add_argument("--bf16", action="store_true", help="convolutions in bfloat16")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        print(json.dumps(measure(**json.loads(arguments.one))))
        return 0
    device = arguments.device or _device()
    if arguments.quick:
        arguments.sizes, arguments.batches = [512, 1024], [1, 2]
    batches = arguments.batches or (BATCHES if device == "cuda" else (1, 2))
    settings = {"device": device, "bf16": arguments.bf16}
    jobs = [{"size": size, "batch": 1} for size in arguments.sizes]
    jobs += [{"size": 512, "batch": batch} for batch in batches if batch > 1 or 512 not in arguments.sizes]
    rows = []
    for job in jobs:
        rows.append(_apart(job | settings))
        print(job, {key: round(value, 4) for key, value in rows[-1].items()}, flush=True)
    heads = (
        "size",
        "batch",
        "seconds",
        "pictures/s",
        "µs a pixel",
        "ms a step",
        "of it ms to set up",
        "peak GiB",
    )
    print_table(heads, [_cells(row) for row in rows])
    save(f"speed-{device}", {"rows": rows, "bf16": arguments.bf16}, arguments.out)
    return _judge(rows, device)


def _device() -> str:
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def _apart(job: dict[str, Any]) -> dict[str, Any]:
    """Measure in a process of its own, whose peak memory is this job's alone."""
    command = [sys.executable, str(Path(__file__)), "--one", json.dumps(job)]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    row: dict[str, Any] = json.loads(answer.stdout)
    return row


def measure(size: int, batch: int, device: str, bf16: bool) -> dict[str, Any]:
    """Seconds for a batch of pictures of one size, with 300 steps and no channel, and peak memory in GiB."""
    import torch

    from csfnns.covers.abstract import AbstractCovers
    from csfnns.decoders import make_decoder
    from csfnns.profile import make_profile
    from csfnns.schemes import CsFnns, ReceiverSeeds
    from csfnns.search import preset
    from csfnns.stream import Seed

    profile = make_profile("robust", width=size, height=size)
    scheme = CsFnns(profile, replace(preset(profile), channel=None, bf16=bf16), device)
    root, pictures = Seed(bytes(32)), AbstractCovers(size, size)
    covers = [pictures(root, 1 + i) for i in range(batch)]
    secrets = [
        {ReceiverSeeds(root.derive(f"d{i}"), root.derive(f"h{i}")): pictures(root, 100 + i)}
        for i in range(batch)
    ]

    started = time.perf_counter()
    for each in secrets:
        make_decoder(profile, next(iter(each)).decoder)
    setup = time.perf_counter() - started
    if device == "cuda":
        scheme.embed_batch(covers, secrets)
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    scheme.embed_batch(covers, secrets)
    seconds = time.perf_counter() - started
    if device == "cuda":
        peak = torch.cuda.max_memory_allocated() / 2**30
    else:
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    steps = preset(profile).steps
    return {
        "size": size,
        "batch": batch,
        "seconds": seconds,
        "setup": setup,
        "steps": steps,
        "peak_gib": peak,
    }


def _cells(row: dict[str, Any]) -> list[object]:
    pixels = row["batch"] * row["size"] ** 2
    return [
        row["size"],
        row["batch"],
        row["seconds"],
        row["batch"] / row["seconds"],
        1e6 * row["seconds"] / pixels,
        1e3 * (row["seconds"] - row["setup"]) / row["steps"],
        1e3 * row["setup"],
        row["peak_gib"],
    ]


def _judge(rows: list[dict[str, Any]], device: str) -> int:
    """Bars that this device can be held to."""
    failed = []
    single = {row["size"]: row for row in rows if row["batch"] == 1}
    if 512 in single and 2048 in single:
        ratio = single[2048]["seconds"] / 16 / single[512]["seconds"]
        print(f"a pixel at 2048x2048 takes {ratio:.2f} times as long as at 512x512")
        if ratio > PIXEL_TIME:
            failed.append(f"a pixel at 2048x2048: over {PIXEL_TIME} times")
        if single[2048]["peak_gib"] > PEAK_GIB:
            failed.append(f"2048x2048: over {PEAK_GIB} GiB")
    if device == "cuda":
        if single[512]["seconds"] > GPU_SECONDS:
            failed.append(f"one picture: over {GPU_SECONDS} s")
        if max(row["batch"] / row["seconds"] for row in rows if row["size"] == 512) < GPU_RATE:
            failed.append(f"batches: below {GPU_RATE} pictures a second")
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
