"""Training of networks: batches of whole pairs, a curve, a state that survives the process.

Every step draws its batch from the seed and its own number, so that a stopped training needs no generator's state.
"""

import hashlib
import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

import csfnns
from csfnns.errors import UsageError
from csfnns.files import write_result
from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.config import LEAST_SIDE, Curve, TrainingConfig
from csfnns.steganalysis.network import Network
from csfnns.tensors import BadTensorsError, read_header, read_tensors, specs

SAVE_EVERY = 30.0
"""Seconds between two states on disk."""
_WARM_UP = 0.1
_STATE = "csfnns-training-1"


@dataclass(frozen=True)
class Pairs:
    """Covers and stegos, and the indices of those that are trained on and of those held out."""

    covers: Sequence[Picture]
    stegos: Sequence[Picture]
    training: tuple[int, ...]
    held_out: tuple[int, ...]
    groups: int

    @classmethod
    def split(
        cls,
        covers: Sequence[Picture],
        stegos: Sequence[Picture],
        groups: Sequence[str] | None,
        config: TrainingConfig,
    ) -> Self:
        """Divide pairs by their groups. Raises UsageError for lists that cannot be trained on."""
        names = [str(i) for i in range(len(covers))] if groups is None else list(groups)
        check_pairs(covers, stegos, config.crop)
        if len(names) != len(covers):
            raise UsageError(f"groups must have {len(covers)} names, got {len(names)}.", "Name one a pair.")
        held = held_out(names, config.held_out)
        training, rest = (tuple(i for i, name in enumerate(names) if (name in held) is side) for side in (False, True))
        return cls(covers, stegos, training, rest, len(set(names)))

    def digest(self) -> str:
        """Fingerprint of every level, and of the division."""
        total = hashlib.sha256(json.dumps([self.training, self.held_out]).encode())
        for picture in (*self.covers, *self.stegos):
            total.update(str(picture.shape).encode() + picture.tobytes())
        return total.hexdigest()


def check_pairs(covers: Sequence[Picture], stegos: Sequence[Picture], crop: int | None) -> None:
    """Raise UsageError unless the i-th stego, uint8 (H, W, 3), has the size of the i-th cover, and the crop fits.

    Without a crop, all pictures must have one size.
    """
    if len(covers) != len(stegos):
        raise UsageError(
            f"Training takes pairs, got {len(covers)} covers and {len(stegos)} stegos.",
            "Give a stego for each cover.",
        )
    for cover, stego in zip(covers, stegos, strict=True):
        check_picture(cover)
        check_picture(stego)
        if cover.shape != stego.shape:
            hint = "A stego must have the size of its cover."
            raise UsageError(f"A cover of {_size(cover)} has a stego of {_size(stego)}.", hint)
        if min(cover.shape[:2]) < (crop or LEAST_SIDE):
            hint = "Choose larger pictures or a smaller crop." if crop else "Choose larger pictures."
            raise UsageError(f"A picture of {_size(cover)} is smaller than {crop or LEAST_SIDE}.", hint)
    if crop is None and len({each.shape for each in covers}) > 1:
        raise UsageError("Whole pictures of several sizes do not fit into one batch.", "Set a crop.")


def held_out(groups: Sequence[str], share: float) -> frozenset[str]:
    """Names of the groups that are held out: those whose SHA-256 lies in the lowest `share` of all values.

    So each name decides for itself, whatever others there are, except that at least one is held out and at least one
    is trained on. Raises UsageError for fewer than two groups.
    """
    names = sorted(set(groups), key=_position)
    if len(names) < 2:
        raise UsageError(
            f"Training takes pairs of at least 2 pictures, got {len(names)}.",
            "Add pairs: the held-out ones come from other pictures than those trained on.",
        )
    low = sum(_position(name) < share * 2**64 for name in names)
    return frozenset(names[: min(max(1, low), len(names) - 1)])


def _position(name: str) -> int:
    """Position of a name among all, 0 to 2⁶⁴ − 1."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def train(
    network: Network,
    pairs: Pairs,
    config: TrainingConfig,
    state: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Curve:
    """Train the network in place, on the config's device, and return the curve.

    Raises UsageError where the loss is not finite any more.
    """
    network.to(config.device)
    run = _Run(network, pairs, config, state)
    saved = time.monotonic()
    with torch.random.fork_rng(devices=[]):  # the caller's draws are not disturbed
        while run.step < config.steps:
            run.improve()
            due = run.step == config.steps or time.monotonic() - saved > SAVE_EVERY
            if due and state is not None:
                run.save(state)
                saved = time.monotonic()
            if progress is not None:
                progress(run.step, config.steps)
    return run.curve


class _Run:
    """All that changes from step to step."""

    def __init__(self, network: Network, pairs: Pairs, config: TrainingConfig, state: Path | None) -> None:
        self.network, self.pairs, self.config = network, pairs, config
        self.rate = network.rate if config.rate is None else config.rate
        self.weights = [each for each in network.parameters() if each.requires_grad]
        self.optimiser = torch.optim.Adam(self.weights, lr=self.rate)
        self.step, self.losses, self.curve = 0, list[float](), Curve()
        self.check_every = max(1, config.steps // config.checks)
        # Needed for a state only: it takes seconds for gigabytes of pictures.
        self.plan = _plan(pairs, config) if state is not None else {}
        if state is not None and state.exists():
            self._restore(state)

    def improve(self) -> None:
        """One step, and a row of the curve where one is due."""
        pictures, labels = draw_batch(self.pairs, self.config, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * schedule(self.step, self.config.steps)
        # Dropout draws from torch's generator: like the batch, from the seed and the step.
        torch.manual_seed(self.config.seed * 2**32 + self.step)
        self.network.train()
        loss = self.network.loss(pictures.to(self.config.device), labels.to(self.config.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            reason = f"The training of {self.config.detector} diverged at step {self.step + 1}."
            raise UsageError(reason, f"Set a rate below {self.rate:g}.")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.losses.append(value)
        self.step += 1
        if self.step % self.check_every == 0 or self.step == self.config.steps:
            row = {"step": self.step, "loss": float(np.mean(self.losses)), "accuracy": self.accuracy()}
            self.curve.append(row)
            self.losses = []

    def accuracy(self) -> float:
        """Share of middle crops of held-out pictures that are classified correctly."""
        correct = 0
        self.network.eval()
        for label, side in enumerate((self.pairs.covers, self.pairs.stegos)):
            for i in self.pairs.held_out:
                height, width = _crop_shape(side[i], self.config.crop)
                top, left = (side[i].shape[0] - height) // 2, (side[i].shape[1] - width) // 2
                crop = _stack([side[i][top : top + height, left : left + width]])
                with torch.inference_mode():
                    correct += int(self.network(crop.to(self.config.device)).argmax()) == label
        return correct / (2 * len(self.pairs.held_out))

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        from safetensors.torch import save

        content = {"plan": self.plan, "step": self.step, "losses": self.losses, "curve": self.curve}
        tensors = {f"network.{name}": each for name, each in self.network.state_dict().items()}
        for i, moments in self.optimiser.state_dict()["state"].items():
            tensors |= {f"adam.{i}.{name}": each for name, each in moments.items()}
        copies = {name: each.detach().cpu().clone().contiguous() for name, each in tensors.items()}
        write_result(path, save(copies, {_STATE: json.dumps(content)}))

    def _restore(self, path: Path) -> None:
        wrong = UsageError(f"{path} is not the state of a training.", "Delete it, or name another.")
        try:
            content = json.loads(read_header(path).metadata[_STATE])
            plan, step, losses, curve = (content[name] for name in ("plan", "step", "losses", "curve"))
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise wrong from error
        if plan != json.loads(json.dumps(self.plan)):
            raise UsageError(
                f"{path} is the state of another training.",
                "Delete it to start again, or give the same pictures, settings and versions of csfnns and torch.",
            )
        names = ("step", "exp_avg", "exp_avg_sq")
        moments = [dict(zip(names, (torch.zeros(()), each, each), strict=True)) for each in self.weights]
        expected = specs(self.network.state_dict(), "network.")
        for i, each in enumerate(moments):
            expected |= specs(each, f"adam.{i}.")
        try:
            tensors = read_tensors(path, expected)
        except (OSError, BadTensorsError) as error:
            raise wrong from error
        parts = {name.removeprefix("network."): each for name, each in tensors.items() if name.startswith("network.")}
        self.network.load_state_dict(parts)
        state = {i: {name: tensors[f"adam.{i}.{name}"] for name in names} for i in range(len(moments))}
        self.optimiser.load_state_dict({**self.optimiser.state_dict(), "state": state})
        self.step, self.losses, self.curve = step, losses, Curve(curve)


def schedule(step: int, steps: int) -> float:
    """Share of the highest rate: rises linearly over a tenth of the steps, then falls to 0 as a cosine."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def draw_batch(pairs: Pairs, config: TrainingConfig, step: int) -> tuple[Tensor, Tensor]:
    """Levels (2B, 3, h, w), covers first and then their stegos in the same order, and labels (2B,)."""
    random = np.random.default_rng([config.seed, step])
    chosen = random.choice(pairs.training, config.batch, replace=config.batch > len(pairs.training))
    crops = [_draw_crop(pairs.covers[i], pairs.stegos[i], config.crop, random) for i in chosen]
    labels = torch.arange(2).repeat_interleave(config.batch)
    return _stack([pair[side] for side in (0, 1) for pair in crops]), labels


def _draw_crop(
    cover: Picture, stego: Picture, crop: int | None, random: np.random.Generator
) -> tuple[Picture, Picture]:
    """The same part of both, turned and mirrored alike."""
    height, width = _crop_shape(cover, crop)
    top = int(random.integers(0, cover.shape[0] - height + 1))
    left = int(random.integers(0, cover.shape[1] - width + 1))
    # Pictures that are not square can only be turned upside down, to keep their size.
    turns = int(random.integers(0, 4)) if height == width else 2 * int(random.integers(0, 2))
    step = -1 if random.integers(0, 2) else 1
    first, second = (np.rot90(x[top : top + height, left : left + width], turns)[:, ::step] for x in (cover, stego))
    return first, second


def _crop_shape(picture: Picture, crop: int | None) -> tuple[int, int]:
    height, width = picture.shape[:2]
    return (crop, crop) if crop else (height, width)


def _stack(pictures: Sequence[Picture]) -> Tensor:
    """Levels as float32, (N, 3, H, W)."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32, order="C"))


def _plan(pairs: Pairs, config: TrainingConfig) -> dict[str, Any]:
    """What has to be the same for a training to resume."""
    start = None if config.start is None else hashlib.sha256(config.start.read_bytes()).hexdigest()
    plan = asdict(config) | {"start": start, "pictures": pairs.digest()}
    plan |= {"csfnns": csfnns.__version__, "torch": str(torch.__version__)}
    del plan["device"]
    return plan


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"
