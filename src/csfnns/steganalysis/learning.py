"""Teaches networks of this package: batches of whole pairs, a curve, a state that outlives the process.

Every step draws its batch from the seed and its own number, so that a run that was stopped needs no generator's state.
"""

import hashlib
import io
import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from torch import Tensor

import csfnns
from csfnns.errors import UsageError
from csfnns.files import write_result
from csfnns.picture import Picture, check_picture
from csfnns.steganalysis._network import Network
from csfnns.steganalysis.deep import LEAST_SIDE, Curve, Lesson

SAVE_EVERY = 30.0
"""Seconds between two states on disk."""
_WARM_UP = 0.1
_PIXELS_AT_ONCE = 2**20


@dataclass(frozen=True)
class Pairs:
    """Covers and stegos, and which of them are learned from."""

    covers: Sequence[Picture]
    stegos: Sequence[Picture]
    taught: tuple[int, ...]
    held: tuple[int, ...]
    groups: int

    @classmethod
    def check(
        cls,
        covers: Sequence[Picture],
        stegos: Sequence[Picture],
        groups: Sequence[str] | None,
        lesson: Lesson,
    ) -> Self:
        """Pairs of the lists. Raises UsageError for lists that cannot be learned from."""
        names = [str(i) for i in range(len(covers))] if groups is None else list(groups)
        if not len(covers) == len(stegos) == len(names):
            raise UsageError(
                f"{len(covers)} covers, {len(stegos)} stegos and {len(names)} groups are no pairs.",
                "Learning takes pairs: give a stego, and a group if any, for each cover.",
            )
        held = held_out(names, lesson.held_out)
        check_pairs(covers, stegos, lesson.crop)
        taught = tuple(i for i, name in enumerate(names) if name not in held)
        return cls(
            covers, stegos, taught, tuple(i for i, name in enumerate(names) if name in held), len(set(names))
        )

    def digest(self) -> str:
        """Fingerprint of every level, and of the division."""
        total = hashlib.sha256(json.dumps([self.taught, self.held]).encode())
        for picture in (*self.covers, *self.stegos):
            total.update(str(picture.shape).encode() + picture.tobytes())
        return total.hexdigest()


def check_pairs(covers: Sequence[Picture], stegos: Sequence[Picture], crop: int | None) -> None:
    """Raise UsageError unless the i-th stego, uint8 (H, W, 3), has the size of the i-th cover, and all can be learned from.

    Every side holds the crop; without one, all pictures have one size.
    """
    if len(covers) != len(stegos):
        raise UsageError(
            f"{len(covers)} covers and {len(stegos)} stegos are no pairs.", "Give a stego for each cover."
        )
    for cover, stego in zip(covers, stegos, strict=True):
        check_picture(cover)
        check_picture(stego)
        if cover.shape != stego.shape:
            hint = "A stego has the size of its cover."
            raise UsageError(f"A cover of {_size(cover)} and a stego of {_size(stego)} are no pair.", hint)
    least = crop or LEAST_SIDE
    small = next((each for each in covers if min(each.shape[:2]) < least), None)
    if small is not None:
        hint = "Take larger pictures, or a smaller crop." if crop else "Take larger pictures."
        raise UsageError(f"A picture of {_size(small)} is too small for squares of {least}.", hint)
    if crop is None and len({each.shape for each in covers}) > 1:
        raise UsageError("Whole pictures of several sizes do not fit into one batch.", "Learn from crops.")


def held_out(groups: Sequence[str], share: float) -> frozenset[str]:
    """Names of the groups that are held out: those whose SHA-256 lies in the lowest `share` of all values.

    So each name decides for itself, whatever others are there, but that one at least is held out and one at least is
    learned from. Raises UsageError for fewer than two groups.
    """
    names = sorted(set(groups), key=_place)
    if len(names) < 2:
        hint = (
            "Give pairs of two pictures at least: those held out are other pictures than those learned from."
        )
        raise UsageError(f"{len(names)} pictures are too few to learn from.", hint)
    low = sum(_place(name) < share * 2**64 for name in names)
    return frozenset(names[: min(max(1, low), len(names) - 1)])


def _place(name: str) -> int:
    """Where a name stands among all, 0 to 2⁶⁴ - 1."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8])


def train(
    network: Network,
    pairs: Pairs,
    lesson: Lesson,
    state: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Curve:
    """Teach the network in place, on the lesson's device; gives the curve.

    Raises UsageError where the loss is no number any more.
    """
    network.to(lesson.device)
    course = _Course(network, pairs, lesson, state)
    saved = time.monotonic()
    with torch.random.fork_rng(devices=[]):  # the caller's draws are not disturbed
        while course.step < lesson.steps:
            course.improve()
            due = course.step == lesson.steps or time.monotonic() - saved > SAVE_EVERY
            if due and state is not None:
                course.save(state)
                saved = time.monotonic()
            if progress is not None:
                progress(course.step, lesson.steps)
    return course.curve


class _Course:
    """A training on its way: all that changes from step to step."""

    def __init__(self, network: Network, pairs: Pairs, lesson: Lesson, state: Path | None) -> None:
        self.network, self.pairs, self.lesson = network, pairs, lesson
        self.rate = network.rate if lesson.rate is None else lesson.rate
        weights = [each for each in network.parameters() if each.requires_grad]
        self.optimiser = torch.optim.Adam(weights, lr=self.rate)
        self.step, self.losses, self.curve = 0, list[float](), Curve()
        self.check_every = max(1, lesson.steps // lesson.checks)
        # Not needed without a state, and seconds for gigabytes of pictures.
        self.plan = _plan(pairs, lesson) if state is not None else {}
        if state is not None and state.exists():
            self._restore(state)

    def improve(self) -> None:
        """One step, and a row of the curve where one is due."""
        pictures, labels = draw_batch(self.pairs, self.lesson, self.step)
        for group in self.optimiser.param_groups:
            group["lr"] = self.rate * schedule(self.step, self.lesson.steps)
        # Dropout draws from torch's generator: like the batch, from the seed and the step.
        torch.manual_seed(self.lesson.seed * 2**32 + self.step)
        self.network.train()
        loss = self.network.loss(pictures.to(self.lesson.device), labels.to(self.lesson.device))
        value = float(loss.detach())
        if not math.isfinite(value):
            reason = f"The training of {self.lesson.detector} diverged at step {self.step + 1}."
            raise UsageError(reason, f"Give a lower rate than {self.rate:g}.")
        self.optimiser.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        self.optimiser.step()
        self.losses.append(value)
        self.step += 1
        if self.step % self.check_every == 0 or self.step == self.lesson.steps:
            row = {"step": self.step, "loss": float(np.mean(self.losses)), "accuracy": self.accuracy()}
            self.curve.append(row)
            self.losses = []

    def accuracy(self) -> float:
        """Share of middle crops of held-out pictures that are judged right."""
        right = 0
        self.network.eval()
        for crops, label in self._held_crops():
            with torch.inference_mode():
                logits = self.network(crops.to(self.lesson.device))
            right += int((logits.argmax(1) == label).sum())
        return right / (2 * len(self.pairs.held))

    def _held_crops(self) -> Iterator[tuple[Tensor, int]]:
        """Batches of middle crops, (N, 3, h, w) each, and their label."""
        shape = (self.lesson.crop,) * 2 if self.lesson.crop else self.pairs.covers[0].shape[:2]
        count = max(1, _PIXELS_AT_ONCE // (shape[0] * shape[1]))
        for label, side in enumerate((self.pairs.covers, self.pairs.stegos)):
            for k in range(0, len(self.pairs.held), count):
                crops = [_middle(side[i], self.lesson.crop) for i in self.pairs.held[k : k + count]]
                yield _stack(crops), label

    def save(self, path: Path) -> None:
        """Write the state, whole or not at all."""
        content = {"plan": self.plan, "step": self.step, "losses": self.losses, "curve": self.curve}
        content |= {"network": self.network.state_dict(), "optimiser": self.optimiser.state_dict()}
        buffer = io.BytesIO()
        torch.save(content, buffer)
        write_result(path, buffer.getvalue())

    def _restore(self, path: Path) -> None:
        try:
            content = torch.load(path, map_location=self.lesson.device, weights_only=True)
            plan = content["plan"]
        except Exception as error:  # torch.load raises whatever a broken file makes it raise
            raise UsageError(f"{path} is no state of a training.", "Delete it, or name another.") from error
        if plan != self.plan:
            raise UsageError(
                f"{path} is the state of another training.",
                "Delete it to begin anew, or give the same pictures, settings and versions of csfnns and torch.",
            )
        self.network.load_state_dict(content["network"])
        self.optimiser.load_state_dict(content["optimiser"])
        self.step, self.losses, self.curve = content["step"], content["losses"], content["curve"]


def schedule(step: int, steps: int) -> float:
    """Share of the highest rate: up in a straight line over a tenth of the steps, then down to 0 as a cosine."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def draw_batch(pairs: Pairs, lesson: Lesson, step: int) -> tuple[Tensor, Tensor]:
    """Levels (2B, 3, h, w), covers first and then their stegos in the same order, and labels (2B,)."""
    random = np.random.default_rng([lesson.seed, step])
    chosen = random.choice(pairs.taught, lesson.batch, replace=lesson.batch > len(pairs.taught))
    covers, stegos = [], []
    for i in chosen:
        cut = _draw_cut(pairs.covers[i].shape, lesson.crop, random)
        covers.append(cut(pairs.covers[i]))
        stegos.append(cut(pairs.stegos[i]))
    labels = torch.arange(2).repeat_interleave(lesson.batch)
    return _stack([*covers, *stegos]), labels


def _draw_cut(
    shape: tuple[int, ...], crop: int | None, random: np.random.Generator
) -> Callable[[Picture], Picture]:
    """Which part to take and how to turn it, for a cover and its stego alike."""
    height, width = (crop, crop) if crop else shape[:2]
    top, left = (
        int(random.integers(0, long - short + 1)) for long, short in ((shape[0], height), (shape[1], width))
    )
    # A picture that is no square can be turned upside down only, to keep its size.
    turns = int(random.integers(0, 4)) if height == width else 2 * int(random.integers(0, 2))
    flip = bool(random.integers(0, 2))

    def cut(picture: Picture) -> Picture:
        part = np.rot90(picture[top : top + height, left : left + width], turns)
        return part[:, ::-1] if flip else part

    return cut


def _middle(picture: Picture, crop: int | None) -> Picture:
    height, width = (crop, crop) if crop else picture.shape[:2]
    top, left = (picture.shape[0] - height) // 2, (picture.shape[1] - width) // 2
    return picture[top : top + height, left : left + width]


def _stack(pictures: Sequence[Picture]) -> Tensor:
    """Levels as float32, (N, 3, H, W)."""
    return torch.from_numpy(np.stack(pictures).transpose(0, 3, 1, 2).astype(np.float32, order="C"))


def _plan(pairs: Pairs, lesson: Lesson) -> dict[str, Any]:
    """What has to be the same for a training to go on."""
    start = None if lesson.start is None else hashlib.sha256(lesson.start.read_bytes()).hexdigest()
    plan = asdict(lesson) | {"start": start, "pictures": pairs.digest()}
    plan |= {"csfnns": csfnns.__version__, "torch": str(torch.__version__)}
    del plan["device"]
    return plan


def _size(picture: Picture) -> str:
    return f"{picture.shape[1]}x{picture.shape[0]}"
