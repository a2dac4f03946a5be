"""Train universal deep hiding: one hider, a revealer for each secret (src/csfnns/schemes/udh.py holds the networks).

Covers are crops of covers/train; secrets are crops of those and of kodak, squeezed into their grid. Every step draws
its batch from the seed and its own number, so a run that was stopped goes on as if it had not been: the state is beside
the weights, in FILE.state. The same command trains for seconds on a CPU or for hours on a GPU:

    python training/udh.py --secrets 2 --bpp 6 --steps 60000 --batch 32 --device cuda --out udh-2-6.safetensors
    python training/udh.py --steps 60 --batch 2 --size 64 --channels 8 --out runs/udh.safetensors
"""

import argparse
import io
import os
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from csfnns.baselines.udh import DIVISORS, MOST_SECRETS, Networks, Shape, save_networks
from csfnns.files import write_whole
from csfnns.images.io import Picture, fit, read_picture

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CSFNNS_DATA", ROOT.parent / "shared" / "data"))
BETA = 0.75  # of the secrets' error against the cover's, as published
EVERY = 500  # steps between two states on disk


def main(arguments: Sequence[str] | None = None) -> int:
    """Train, print the losses, write the weights."""
    options = _options(arguments)
    torch.manual_seed(options.seed)  # the first weights
    shape = Shape(options.secrets, options.bpp, options.channels)
    networks = Networks(shape).to(options.device)
    optimiser = torch.optim.Adam(networks.parameters(), lr=options.rate, betas=(0.5, 0.999))
    plan = {name: getattr(options, name) for name in ("secrets", "bpp", "channels", "size", "batch", "rate", "seed")}
    state = options.out.with_name(f"{options.out.name}.state")
    done = _resume(state, networks, optimiser, plan)
    covers, secrets = _pictures(options.data)

    started = time.perf_counter()
    for step in range(done, options.steps):
        for group in optimiser.param_groups:
            group["lr"] = options.rate * (0.1 if step >= 0.8 * options.steps else 1.0)
        draw = random.Random(f"udh/{options.seed}/{step}")
        cover = _batch(covers, draw, options.batch, options.size)
        side = options.size // DIVISORS[options.bpp]
        hidden = [_secrets(secrets, draw, options.batch, side) for _ in range(options.secrets)]
        outer, inner = train_step(networks, optimiser, cover, hidden, options.device)
        if step % options.log == 0 or step == options.steps - 1:
            seconds = time.perf_counter() - started
            print(
                f"step {step + 1}: stego {_db(outer):.2f} dB, secrets {_db(inner):.2f} dB, {seconds:.0f} s",
                flush=True,
            )
        if (step + 1) % EVERY == 0 or step == options.steps - 1:
            _write(
                state,
                {"networks": networks.state_dict(), "adam": optimiser.state_dict(), "step": step + 1} | plan,
            )
    save_networks(networks.cpu(), options.out)
    print(f"written to {options.out}")
    return 0


def train_step(
    networks: Networks,
    optimiser: torch.optim.Optimizer,
    cover: Tensor,
    secrets: Sequence[Tensor],
    device: str,
) -> tuple[float, float]:
    """One step on a batch: covers (N, 3, H, W), secrets T times (N, 3, Hs, Ws). Mean squared errors of both."""
    cover, secrets = cover.to(device), [each.to(device) for each in secrets]
    delta = networks.hider(torch.cat(list(secrets), 1))
    stego = (cover + delta).clamp(0, 1)
    outer = (stego - cover).square().mean()
    read = [revealer(stego) for revealer in networks.revealers]
    inner = torch.stack([(r - s).square().mean() for r, s in zip(read, secrets, strict=True)]).mean()
    optimiser.zero_grad()
    (outer + BETA * inner).backward()
    optimiser.step()
    return float(outer.detach()), float(inner.detach())


def _options(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real pictures (default %(default)s)")
    parser.add_argument("--out", type=Path, default=Path("udh.safetensors"), help="weights to write")
    parser.add_argument(
        "--secrets",
        type=int,
        choices=range(1, MOST_SECRETS + 1),
        default=2,
        help="secrets in a cover (default %(default)s)",
    )
    parser.add_argument("--bpp", choices=tuple(DIVISORS), default="6", help="bits a pixel of each secret")
    parser.add_argument("--channels", type=int, default=32)
    parser.add_argument("--size", type=int, default=256, help="side of the covers' crops, a multiple of 16")
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--steps", type=int, default=20000, help="in all: a resumed run makes the rest")
    parser.add_argument("--rate", type=float, default=1e-3)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log", type=int, default=100, help="steps between two lines")
    parser.add_argument("--device", default="cpu")
    options = parser.parse_args(arguments)
    if options.size % 16 or options.size < 32:
        parser.error("--size must be a multiple of 16, 32 at least")
    return options


def _pictures(data: Path) -> tuple[list[Picture], list[Picture]]:
    """Covers and secrets. Ends the program where there are none."""
    found = [[read_picture(path) for path in sorted((data / name).glob("*.png"))] for name in ("covers/train", "kodak")]
    if not all(found):
        raise SystemExit(f"There are no pictures in {data}: point --data or CSFNNS_DATA at them.")
    covers, photographs = found
    return covers, covers + photographs


def _batch(pictures: list[Picture], draw: random.Random, count: int, side: int) -> Tensor:
    """Square crops, some mirrored, (count, 3, side, side) in [0, 1]."""
    return torch.stack([_tensor(_crop(draw.choice(pictures), draw, side)) for _ in range(count)])


def _secrets(pictures: list[Picture], draw: random.Random, count: int, side: int) -> Tensor:
    """Square crops of any size from `side` up, scaled down to it, (count, 3, side, side) in [0, 1]."""
    crops = []
    for _ in range(count):
        picture = draw.choice(pictures)
        crop = _crop(picture, draw, draw.randint(side, min(picture.shape[:2])))
        crops.append(_tensor(fit(crop, side, side)))
    return torch.stack(crops)


def _crop(picture: Picture, draw: random.Random, side: int) -> Picture:
    y, x = (draw.randint(0, length - side) for length in picture.shape[:2])
    crop = picture[y : y + side, x : x + side]
    return crop[:, ::-1] if draw.random() < 0.5 else crop


def _tensor(picture: Picture) -> Tensor:
    return torch.from_numpy(np.ascontiguousarray(picture.transpose(2, 0, 1))).float() / 255


def _resume(path: Path, networks: Networks, optimiser: torch.optim.Optimizer, plan: dict[str, Any]) -> int:
    """Steps done by the run that left this state, 0 without one. Ends the program for a run of another plan."""
    if not path.exists():
        return 0
    state = torch.load(path, weights_only=True, map_location="cpu")
    if any(state[name] != value for name, value in plan.items()):
        raise SystemExit(f"{path} belongs to a run with other settings: remove it or choose another --out.")
    networks.load_state_dict(state["networks"])
    optimiser.load_state_dict(state["adam"])
    print(f"going on after step {state['step']}")
    return int(state["step"])


def _write(path: Path, state: dict[str, Any]) -> None:
    """Whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    buffer = io.BytesIO()
    torch.save(state, buffer)
    write_whole(path, buffer.getvalue(), overwrite=True)


def _db(error: float) -> float:
    return -10 * float(np.log10(max(error, 1e-12)))


if __name__ == "__main__":
    sys.exit(main())
