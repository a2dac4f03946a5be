"""What a GPU is for, in about twelve minutes: `python benchmarks/gpu.py` (`--device cpu --quick` tries it elsewhere).

a) `paper` with its own search at 256x256, 512x512 and 1024x1024, one picture at a time and in batches.
b) `robust` at 512x512, likewise, with and without its channel in the search; receivers read every case of the channel.
c) γ: `paper` at 512x512 against the shipped XuNet, by the settings of `csfnns hide --evade xunet`.
d) Figure 4's networks at 512x512, by detection.py: as many splits as end within `--networks` seconds. Its result is
   networks.json beside that of this program.
e) Training of the pretrained networks, by the recipe of src/csfnns/weights/README.md, into the folder `detectors` there.

`--only` takes some of these letters; c needs a. Step a leaves batches of 8 where detection.py looks for stegos of `paper`.

Seconds are a picture's, with making the decoder and both copies, after a warm-up of the same shape. Receivers decode on the
processor. Pairs are covers of covers/eval (their middles at 256x256) and secrets of imagenet; at 1024x1024 covers of
`abstract` and middles of Kodak's pictures; in batches of 8 the pairs of detection.py. Deviations are a sample's. The result
is written anew after each row.
"""

import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import numpy as np
import torch

import detection
from common import ROOT, SCRIPT, make_method, make_parser, pictures, write
from csfnns.covers.abstract import AbstractCovers
from csfnns.errors import NoMessageError
from csfnns.experiments.provenance import code_digest
from csfnns.images.denoise import denoise
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import compare
from csfnns.methods import CsFnns, ReceiverSeeds
from csfnns.search import preset
from csfnns.steganalysis import Deep, find_model
from csfnns.stream import Seed

PUBLISHED = {256: 6.55, 512: 18.06, 1024: 73.18}  # seconds on the authors' GPU, by the cover's side (Table 4)
SIDES = {256: "paper", 512: "standard"}  # materials of detection.py with covers of that side
JOBS = (
    *(("a", "paper", side, 1) for side in PUBLISHED),
    *(("a", "paper", 256, 4), ("a", "paper", 256, 8), ("a", "paper", 512, 4)),
    *(("b", name, 512, batch) for name in ("robust", "robust, no channel") for batch in (1, 4)),
)
SINGLE, BATCHES, WARM_UP_STEPS, SHARED = 3, 2, 20, 8  # SHARED: the batches that detection.py takes over

NETWORKS = ("xunet", "siastegnet", "srnet")
SHOWN = ("standard", "matching-10", "matching-same")
"""Materials of detection.py that Figure 4's networks are trained on: what is sent, and two controls."""
TRAINED = {"xunet": 3000, "siastegnet": 3000}
"""Pretrained network → steps of each of its two trainings."""
LESSONS = {
    "half": ["matching", "--rate", "1", "--count", "326"],
    "fifth": ["matching", "--rate", "0.4", "--count", "326"],
    "standard": ["standard", "--bpp", "24", "--count", "489"],
}
"""Pairs that they learn from: the first set, then all."""

Row = dict[str, Any]
Pair = tuple[Picture, Picture, ReceiverSeeds]


def spread(values: Sequence[float]) -> Row:
    """Values with n, mean and standard deviation, which is None for fewer than two."""
    about = {"mean": fmean(values), "sd": stdev(values) if len(values) > 1 else None} if values else {}
    return {"n": len(values), **about, "values": [round(each, 4) for each in values]}


class Run:
    """A run: its arguments, the rows so far, and the file with them."""

    def __init__(self, arguments: Any) -> None:
        self.arguments, self.started, self.data = arguments, time.monotonic(), arguments.data
        self.rows, self.stegos = list[Row](), dict[tuple[str, int, int], list[Picture]]()
        arguments.covers = detection.COVERS
        self.train = detection.make_place(arguments)
        covers = tuple(pictures(self.data / "covers" / "eval"))
        self.eval = replace(self.train, covers=covers, secrets=self.train.secrets[:1])

    def pair(self, place: detection.Place, side: int, i: int, grid: int) -> Pair:
        """The i-th pair for covers and secrets of these sides."""
        if side in SIDES:
            return place.cover(SIDES[side], i), fit(place.secret(SIDES[side], i), grid, grid), place.seeds(i)
        secret = read_picture(pictures(self.data / "kodak")[i])
        top, left = ((long - grid) // 2 for long in secret.shape[:2])
        cover = AbstractCovers(side, side)(Seed(bytes(32)).derive(f"benchmark/gpu/{i}"))
        return cover, np.ascontiguousarray(secret[top : top + grid, left : left + grid]), place.seeds(i)

    def scheme(self, name: str, side: int, **settings: Any) -> CsFnns:
        """A profile with its own search, but for those settings."""
        built = make_method(name, "6" if name == "paper" else "1.5", side)[0]
        settings |= {"steps": 4} if self.arguments.quick else {}
        return CsFnns(built.profile, replace(preset(built.profile), **settings), self.arguments.device)

    def add(self, row: Row) -> None:
        """Print a row and save all."""
        self.rows.append(row)
        told = [str(row.get(name, "")) for name in ("step", "what", "size", "batch")]
        told += [f"{k} {v['mean']:.4g}" for k, v in row.items() if isinstance(v, dict) and v["n"]]
        print(f"{time.monotonic() - self.started:5.0f} s ", ", ".join(told), flush=True)
        content = {
            "code": code_digest(detection.CODE),
            "tf32": torch.backends.cudnn.allow_tf32,
            "seconds": time.monotonic() - self.started,
            "rows": self.rows,
        }
        write("gpu", content, self.arguments.out, device=self.arguments.device, commit=self.arguments.commit)

    def measure(self, about: Row, scheme: Any, pairs: Sequence[Pair], batch: int) -> list[Picture]:
        """Hide in batches, read, add the row; gives the stegos."""
        steps = scheme.search.steps
        warm_up = replace(scheme.search, steps=min(WARM_UP_STEPS, steps), gamma_from=0)
        embed(replace(scheme, search=warm_up), pairs[:batch])
        done = [embed(scheme, pairs[k : k + batch]) for k in range(0, len(pairs), batch)]
        stegos = [stego for found, _ in done for stego in found]
        row = about | {"batch": batch, "steps": steps, "peak_gib": torch.cuda.max_memory_allocated() / 2**30}
        row["seconds"] = spread([took / batch for _, took in done])
        self.add(row | self.read(scheme, pairs, stegos))
        return stegos

    def read(self, scheme: Any, pairs: Sequence[Pair], stegos: Sequence[Picture]) -> Row:
        """Figures of stegos and of what receivers get, the worst of all cases where the search has a channel."""
        cases = scheme.search.channel.cases() if scheme.search.channel else [lambda stego, random: stego]
        figures: dict[str, list[float]] = {"unreadable": []}
        for i, ((cover, secret, seeds), stego) in enumerate(zip(pairs, stegos, strict=True)):
            random, grids = np.random.default_rng([self.arguments.seed, i]), []
            for case in cases:
                with suppress(NoMessageError):
                    grids.append(scheme.extract(case(stego, random), cover, seeds).grid)
            figures["unreadable"].append(len(cases) - len(grids))
            shown = {"stego": (cover, stego)}
            if grids:
                worst = grids[int(np.argmin([compare(each, secret).psnr for each in grids]))]
                shown["recovered"] = (worst, secret)
                if scheme.profile.decoder == "shuffle":
                    shown["denoised"] = (denoise(worst), secret)
            for name, two in shown.items():
                found = compare(*two)
                figures.setdefault(f"{name}_psnr", []).append(found.psnr)
                figures.setdefault(f"{name}_ssim", []).append(found.ssim or 0.0)
        return {"cases": len(cases)} | {name: spread(values) for name, values in figures.items()}

    def speed(self) -> None:
        """Steps a and b."""
        single: dict[Any, float] = {}
        for step, what, side, batch in (job for job in JOBS if job[0] in self.arguments.only):
            scheme = self.scheme(what.split(",")[0], side, **({"channel": None} if "no" in what else {}))
            place, grid = self.train if batch == SHARED else self.eval, side // (2 if step == "a" else 4)
            count = SINGLE if batch == 1 else BATCHES * batch
            pairs = [self.pair(place, side, i, grid) for i in range(count)]
            about = {"step": step, "what": what, "size": f"{side}x{side}"}
            self.stegos[what, side, batch] = self.measure(about, scheme, pairs, batch)
            if batch == SHARED and not self.arguments.quick:
                for i, stego in enumerate(self.stegos[what, side, batch]):
                    detection.write_once(stego, place.file("paper", "stegos", i))
            mean = self.rows[-1]["seconds"]["mean"]
            self.rows[-1]["factor"] = single.setdefault((what, side), mean) / mean
            self.rows[-1] |= {"published": PUBLISHED[side]} if step == "a" else {}

    def evade(self) -> None:
        """Step c."""
        detector = Deep.load(find_model("xunet"))
        pairs = [self.pair(self.eval, 512, i, 256) for i in range(SINGLE)]
        scheme = replace(self.scheme("paper", 512), detectors=(detector.network,))
        shown = {"covers": [pair[0] for pair in pairs], "without": self.stegos["paper", 512, 1]}
        about = {"step": "c", "what": "paper, evades xunet", "size": "512x512"}
        shown["with"] = self.measure(about, scheme, pairs, 1)
        self.rows[-1] |= {f"says_{name}": spread(detector.scores(each).tolist()) for name, each in shown.items()}

    def judge(self) -> None:
        """Step d."""
        about, folder = self.arguments, self.arguments.out.parent
        command: list[object] = ["--data", about.data, "--work", about.work, "--device", about.device]
        command += ["--out", folder / "networks.json", "--limit", about.networks, "--workers", 8]
        command += ["--materials", *SHOWN, "--detectors", *NETWORKS]
        command += ["--commit", about.commit] if about.commit else []
        command += ["--quick"] if about.quick else []
        # Its bars are its own; a run that was stopped by the limit has all of its rows so far.
        subprocess.run([sys.executable, ROOT / "benchmarks" / "detection.py", *map(str, command)], check=False)

    def teach(self) -> None:
        """Step e."""
        about, folder = self.arguments, self.arguments.out.parent / "detectors"
        covers, secrets = about.data / "covers" / "train", about.data / "kodak"
        for name, choices in LESSONS.items():
            command: list[object] = ["experiment", "pairs", "--covers", covers, "--out", folder / name, "--size", 128]
            command += ["--scheme", *choices[:-1], 16 if about.quick else choices[-1]]
            command += ["--secrets", secrets] if name == "standard" else []
            call(SCRIPT, *command, "--workers", 2 if about.quick else 8)
        first, every = (["--pairs", folder / "half"], [x for name in LESSONS for x in ("--pairs", folder / name)])
        for name, steps in TRAINED.items():
            how = ["--detector", name, "--device", about.device, "--steps", 20 if about.quick else steps]
            program = (sys.executable, ROOT / "training" / "detectors.py")
            call(*program, *how, *first, "--out", folder / "first")
            start = ["--start", folder / "first" / f"{name}.safetensors", "--rate", 0.001]
            call(*program, *how, *every, *start, "--out", folder)


def call(*command: object) -> None:
    """Run a command to its end; it must succeed."""
    subprocess.run([*map(str, command)], check=True)


def embed(scheme: CsFnns, pairs: Sequence[Pair]) -> tuple[list[Picture], float]:
    """Stegos and the seconds of all."""
    covers, secrets = [pair[0] for pair in pairs], [{pair[2]: pair[1]} for pair in pairs]
    if torch.cuda.is_available():
        torch.cuda.synchronize()
        torch.cuda.reset_peak_memory_stats()
    started = time.perf_counter()
    stegos = scheme.embed_batch(covers, secrets)  # on the processor again: nothing is left to wait for
    return stegos, time.perf_counter() - started


def main() -> None:
    """Measure, print, save."""
    parser = make_parser(__doc__)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "detection", help="folder of detection.py")
    parser.add_argument("--commit", help="of the source, where there is no checkout")
    parser.add_argument("--only", default="abcde", help="steps (default %(default)s)")
    parser.add_argument("--networks", type=float, default=240, help="seconds of step d (default %(default)s)")
    arguments = parser.parse_args()
    arguments.out = arguments.out or ROOT / "results" / "gpu.json"
    run = Run(arguments)
    for letters, step in {"ab": run.speed, "c": run.evade, "d": run.judge, "e": run.teach}.items():
        if set(letters) & set(arguments.only):
            step()


if __name__ == "__main__":
    main()
