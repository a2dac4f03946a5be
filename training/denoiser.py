"""Train the receiver's denoiser (src/csfnns/denoise.py): real pictures, noise made as decoders make it.

    python training/denoiser.py --out runs/denoiser                        # the shipped weights: one core, half an hour
    python training/denoiser.py --out runs/denoiser-big --device cuda --blocks 8 --channels 96 --batch 128 --steps 100000

Pictures come from kodak/ and covers/train/ below --data; the last sixth of kodak/ is kept for checking, and what the
benchmarks measure with (covers/eval, secrets) is never read. A run that was stopped goes on from its last checkpoint
when the same command is given again, and ends with the same weights as if it had not been stopped.
"""

import argparse
import json
import math
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from string import ascii_letters, digits
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image, ImageDraw, ImageFont
from safetensors.torch import save
from torch import Tensor, nn

from csfnns.images.denoise import BLOCKS, CHANNELS, network, noise_of
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import psnr
from csfnns.payloads import make_codec
from csfnns.profile import make_profile
from csfnns.stream import SEED_BYTES, Seed

ROOT = Path(__file__).resolve().parents[1]
DATA = Path(os.environ.get("CSFNNS_DATA", ROOT.parent / "shared" / "data"))
LAWS = ("paper", "spectral", "white")
SHARES = (0.4, 0.4, 0.2)
STRONGEST = {"paper": 0.4, "spectral": 0.5, "white": 0.08}
WEAKEST = {"paper": 0.04, "spectral": 0.05, "white": 0.002}
"""Deviation of the noise at the decoder's output (paper: before its Sigmoid), drawn log-uniformly in between."""
CHECKS = (("paper", 0.18), ("spectral", 0.17), ("spectral", 0.33), ("white", 0.002))
FLOOR = 10**-4.8
"""Noise below 48 dB counts as that much, or errors on nearly clean pictures would outweigh all others."""
DRAWN = 0.15
"""Share of drawings among the pictures."""
WARM_UP = 200

Generator = np.random.Generator


def main(arguments: Sequence[str] | None = None) -> None:
    """Train, or go on with training, and write denoiser.safetensors at the end."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="folder of checkpoint, log and weights")
    parser.add_argument("--data", type=Path, default=DATA, help="folder of real pictures (default %(default)s)")
    parser.add_argument("--steps", type=int, default=7000, help="(default %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="patches a step (default %(default)s)")
    parser.add_argument("--patch", type=int, default=64, help="side of a patch (default %(default)s)")
    parser.add_argument("--crop", type=int, default=256, help="side of a noisy picture (default %(default)s)")
    parser.add_argument("--pool", type=int, default=256, help="noisy pictures held (default %(default)s)")
    parser.add_argument("--blocks", type=int, default=BLOCKS, help="(default %(default)s)")
    parser.add_argument("--channels", type=int, default=CHANNELS, help="(default %(default)s)")
    parser.add_argument("--rate", type=float, default=1e-3, help="learning rate (default %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of every random choice (default %(default)s)")
    parser.add_argument("--device", default="cpu", help="torch device (default %(default)s)")
    parser.add_argument("--every", type=int, default=250, help="steps between checkpoints (default %(default)s)")
    parser.add_argument("--stop", type=int, help="end after this step, as if interrupted")
    train(parser.parse_args(arguments))


def train(settings: argparse.Namespace) -> None:
    """The loop: a new noisy picture and a batch of patches a step."""
    settings.out.mkdir(parents=True, exist_ok=True)
    sources, held_out = load_pictures(settings.data)
    checks = [make_pair(held_out, settings.crop, [settings.seed, i], *check) for i, check in enumerate(CHECKS)]
    torch.manual_seed(settings.seed)
    net = network(settings.blocks, settings.channels).to(settings.device, memory_format=torch.channels_last)
    optimiser = torch.optim.Adam(net.parameters(), lr=settings.rate)
    checkpoint = Checkpoint(settings, net, optimiser)

    start = checkpoint.restore()
    # A new noisy picture every other step, the k-th from a generator of its own: a run that goes on finds the same ones.
    newest = start // 2 + settings.pool
    pool = deque(make_pair(sources, settings.crop, [settings.seed, 1, k]) for k in range(start // 2, newest))
    losses: list[float] = []
    for step in range(start, settings.steps):
        for group in optimiser.param_groups:
            group["lr"] = settings.rate * schedule(step, settings.steps)
        noisy, clean = draw_patches(pool, settings, np.random.default_rng([settings.seed, 2, step]))
        losses.append(improve(net, optimiser, noisy.to(settings.device), clean.to(settings.device)))
        if step % 2:
            pool.popleft()
            pool.append(make_pair(sources, settings.crop, [settings.seed, 1, newest]))
            newest += 1
        if (step + 1) % settings.every == 0 or step + 1 == settings.steps:
            row = {"step": step + 1, "loss": float(np.mean(losses))} | gains(net, checks, settings.device)
            checkpoint.save(step + 1, row)
            losses = []
        if step + 1 == settings.stop:
            return
    halves = {name: tensor.half().cpu().contiguous() for name, tensor in net.state_dict().items()}
    (settings.out / "denoiser.safetensors").write_bytes(save(halves))


def improve(net: nn.Sequential, optimiser: torch.optim.Optimizer, noisy: Tensor, clean: Tensor) -> float:
    """One step on patches (N, 3, P, P). The loss is the error left, as a share of the noise there was."""
    noise = (noisy - clean).square().mean((1, 2, 3)).clamp(min=FLOOR)  # (N,)
    with torch.autocast(noisy.device.type, torch.bfloat16):
        estimate = noise_of(net, noisy.contiguous(memory_format=torch.channels_last))
    loss = ((noisy - estimate.float() - clean).square().mean((1, 2, 3)) / noise).mean()
    optimiser.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(net.parameters(), 1.0)
    optimiser.step()
    return float(loss.detach())


def schedule(step: int, steps: int) -> float:
    """Share of the learning rate: up over the first steps, then along a cosine to 0."""
    return min(1.0, (step + 1) / WARM_UP) * (1 + math.cos(math.pi * step / steps)) / 2


def load_pictures(data: Path) -> tuple[list[Picture], list[Picture]]:
    """Pictures to train on and held-out ones, from kodak/ and covers/train/."""
    kodak, covers = (sorted((data / folder).glob("*.png")) for folder in ("kodak", "covers/train"))
    if len(kodak) < 2:
        raise SystemExit(f"There are no pictures in {data / 'kodak'}: point --data or CSFNNS_DATA at them.")
    kept = max(1, len(kodak) // 6)
    photographs = [read_picture(path) for path in kodak]
    often = max(1, len(covers) // len(kodak))  # photographs are what secrets are like
    return often * photographs[:-kept] + [read_picture(path) for path in covers], photographs[-kept:]


def make_pair(
    sources: Sequence[Picture], side: int, seed: Sequence[int], law: str | None = None, strength: float = 0.0
) -> tuple[Picture, Picture]:
    """Noisy and clean picture, both (side, side, 3): a random part of a random picture, with a random noise."""
    random = np.random.default_rng(seed)
    clean = random_part(sources[random.integers(len(sources))], side, random)
    if law is None:
        law = str(random.choice(LAWS, p=SHARES))
        strength = float(np.exp(random.uniform(math.log(WEAKEST[law]), math.log(STRONGEST[law]))))
        clean = random_drawing(side, random) if random.random() < DRAWN else clean
    return add_noise(clean, law, strength, random), clean


def random_part(picture: Picture, side: int, random: Generator) -> Picture:
    """A square of `side` pixels, scaled down by up to 2.5, turned, mirrored, and with colours and contrast changed."""
    height, width = picture.shape[:2]
    scale = min(float(np.exp(random.uniform(0, math.log(2.5)))), min(height, width) / side)
    scaled = fit(picture, max(side, round(height / scale)), max(side, round(width / scale)))
    y, x = (random.integers(length - side + 1) for length in scaled.shape[:2])
    part = np.rot90(scaled[y : y + side, x : x + side], random.integers(4))
    part = part[:, :: random.choice([-1, 1]), random.permutation(3) if random.random() < 0.3 else slice(None)]
    gamma, contrast, shift = random.uniform(0.75, 1.33), random.uniform(0.7, 1.3), random.uniform(-0.1, 0.1)
    if random.random() < 0.5:
        part = np.rint(255 * np.clip(contrast * ((part / 255) ** gamma - 0.5) + 0.5 + shift, 0, 1))
    return np.ascontiguousarray(part, dtype=np.uint8)


def random_drawing(side: int, random: Generator) -> Picture:
    """Shapes, lines and letters in flat colours: secrets may be drawings, and photographs have no such edges."""
    zoom = int(random.integers(1, 4))  # 1 leaves stairs at the edges, more makes them smooth
    image = Image.new("RGB", (side * zoom, side * zoom), _colour(random))
    draw = ImageDraw.Draw(image)
    for _ in range(random.integers(5, 40)):
        box = np.concatenate([corner := random.uniform(-0.2, 1, 2), corner + random.uniform(0.02, 0.5, 2)])
        places, colour = (side * zoom * box).tolist(), _colour(random)
        width = zoom * int(random.integers(1, 6))
        match random.integers(5):
            case 0:
                draw.rectangle(places, fill=colour)
            case 1:
                draw.ellipse(places, fill=colour)
            case 2:
                draw.line(places, fill=colour, width=width)
            case 3:
                draw.ellipse(places, outline=colour, width=width)
            case _:
                letters = "".join(random.choice(list(ascii_letters + digits + "    "), 60))
                font = ImageFont.load_default(zoom * int(random.integers(8, 40)))
                draw.text(places[:2], f"{letters[:30]}\n{letters[30:]}", fill=colour, font=font)
    return fit(np.array(image), side, side)


def _colour(random: Generator) -> tuple[int, ...]:
    """Black, white or any colour."""
    drawn = random.integers(256, size=3).tolist()
    return tuple([(0, 0, 0), (255, 255, 255), drawn, drawn][random.integers(4)])


def add_noise(clean: Picture, law: str, strength: float, random: Generator) -> Picture:
    """What a receiver gets when his decoder's output is off by white noise of this deviation.

    `paper`: before the Sigmoid, which takes it away from dark and light pixels. `spectral`: on the coefficients of the
    spectral codec. `white`: on the pixels.
    """
    if law == "spectral":
        codec = make_codec(make_profile("robust", width=4 * len(clean), height=4 * len(clean)), _SEED)
        values = codec.encode(clean).values
        output = values + strength * random.standard_normal(values.shape)
        plain, noisy = (codec.decode(each.astype(np.float32)).grid for each in (values, output))
        # The header takes the place of fine detail, which no denoiser can put back.
        return np.clip(clean.astype(int) + noisy - plain, 0, 255).astype(np.uint8)
    pixels: npt.NDArray[Any] = clean / 255
    noise = strength * random.standard_normal(clean.shape)
    if law == "paper":
        reached = np.clip(pixels, 2 / 255, 253 / 255)  # no search drives a Sigmoid to its ends
        pixels = 1 / (1 + (1 / reached - 1) * np.exp(-noise))
    else:
        pixels = pixels + noise
    return np.rint(255 * np.clip(pixels, 0, 1)).astype(np.uint8)


_SEED = Seed(bytes(SEED_BYTES))


def draw_patches(
    pool: Sequence[tuple[Picture, Picture]], settings: argparse.Namespace, random: Generator
) -> tuple[Tensor, Tensor]:
    """Noisy and clean patches, float32 (N, 3, P, P) in [0, 1]."""
    patches = []
    for i in random.integers(len(pool), size=settings.batch):
        y, x = random.integers(settings.crop - settings.patch + 1, size=2)
        patches.append([picture[y : y + settings.patch, x : x + settings.patch] for picture in pool[i]])
    both = torch.from_numpy(np.array(patches)).permute(1, 0, 4, 2, 3).float() / 255  # (2, N, 3, P, P)
    return both[0], both[1]


def gains(net: nn.Sequential, checks: Sequence[tuple[Picture, Picture]], device: str) -> dict[str, float]:
    """PSNR in dB that the network gives to held-out noisy pictures, over what they had."""
    result = {}
    for (law, _), (noisy, clean) in zip(CHECKS, checks, strict=True):
        image = torch.from_numpy(noisy.transpose(2, 0, 1).astype(np.float32) / 255)[None].to(device)
        with torch.inference_mode():
            levels = (255 * (image - noise_of(net, image))[0]).round().clamp(0, 255).byte().permute(1, 2, 0)
        result[f"{law} {psnr(noisy, clean):.1f} dB"] = psnr(levels.cpu().numpy().copy(), clean) - psnr(noisy, clean)
    return result


class Checkpoint:
    """Weights, optimiser and step in one file, replaced whole; figures as JSON lines in log.jsonl."""

    def __init__(self, settings: argparse.Namespace, net: nn.Module, optimiser: torch.optim.Optimizer) -> None:
        self._path, self._log = settings.out / "checkpoint.pt", settings.out / "log.jsonl"
        self._parts: dict[str, Any] = {"net": net, "optimiser": optimiser}
        changeable = ("out", "data", "device", "every", "stop")
        self._recipe = {name: value for name, value in vars(settings).items() if name not in changeable}

    def save(self, step: int, row: dict[str, float]) -> None:
        """Write the state after a step, and its figures."""
        state = {name: part.state_dict() for name, part in self._parts.items()}
        torch.save(state | {"step": step, "recipe": self._recipe}, self._path.with_suffix(".new"))
        self._path.with_suffix(".new").replace(self._path)
        with self._log.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(" ".join(f"{name} {value:.4g}" for name, value in row.items()), flush=True)

    def restore(self) -> int:
        """Load the last state; returns the steps that are done."""
        if not self._path.exists():
            return 0
        state = torch.load(self._path, weights_only=True)
        if state["recipe"] != self._recipe:
            raise SystemExit(f"{self._path} belongs to {state['recipe']}: take another --out for other settings.")
        for name, part in self._parts.items():
            part.load_state_dict(state[name])
        return int(state["step"])


if __name__ == "__main__":
    main()
