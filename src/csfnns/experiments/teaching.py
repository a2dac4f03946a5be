"""Teaches networks from pairs, those that need it from easier ones first: the same covers, moved further."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from csfnns.experiments.pair_set import source_of
from csfnns.picture import Picture
from csfnns.steganalysis import Deep, Lesson, make_network


@dataclass(frozen=True)
class Stage:
    """Part of a network's learning."""

    strength: int
    """Its stegos are `moved` by so many levels; 0: they are those of the pairs."""
    percent: int
    """Of all steps."""


PLAIN = (Stage(0, 100),)
_LADDER = (Stage(4, 20), Stage(2, 20), Stage(0, 60))
STAGES = {"xunet": PLAIN, "yenet": _LADDER, "siastegnet": PLAIN, "srnet": _LADDER}
"""Of each network. With easier pairs first, SRNet depends less on its first weights, and Ye-Net learns sooner."""
RATES = {"yenet": 5e-4}
"""Learning rates other than a network's own: at its own, Ye-Net falls back to where it began."""


def describe_stages(detector: str) -> str:
    """Stages in words."""
    return " → ".join(
        f"{each.percent} % {f'±{each.strength}' if each.strength else 'pairs'}" for each in STAGES[detector]
    )


def stage_lessons(lesson: Lesson) -> list[tuple[int, Lesson]]:
    """Strength and lesson of each stage that gets a step at all; together they have the lesson's steps."""
    stages = STAGES[lesson.detector]
    ends = np.cumsum([each.percent for each in stages]) * lesson.steps // 100
    counts = np.diff(ends, prepend=0).tolist()
    return [
        (each.strength, replace(lesson, steps=count))
        for each, count in zip(stages, counts, strict=True)
        if count
    ]


def teach(
    covers: Sequence[Picture], stegos: Sequence[Picture], names: Sequence[str], lesson: Lesson, states: Path
) -> Deep:
    """Network that learned from every one of these pairs: `learn` would keep some for its own test.

    A teaching that was stopped goes on from the files in the folder `states`, one a stage. Raises UsageError for
    pictures that are no pairs or smaller than the crop, and where the training diverges.
    """
    from csfnns.steganalysis.learning import Pairs, check_pairs, train

    check_pairs(covers, stegos, lesson.crop)
    network = make_network(lesson.detector, lesson.seed)
    everyone, groups = tuple(range(len(names))), len(set(map(source_of, names)))
    states.mkdir(parents=True, exist_ok=True)
    for strength, stage in stage_lessons(lesson):
        shown = moved(covers, strength, lesson.seed) if strength else stegos
        # A curve needs somebody to be judged; nobody looks at it.
        pairs = Pairs(covers, shown, taught=everyone, held=everyone[:1], groups=groups)
        train(network, pairs, stage, states / f"{strength}.state")
    return Deep(lesson.detector, network.eval())


def moved(covers: Sequence[Picture], strength: int, seed: int) -> list[Picture]:
    """Covers with half of their levels `strength` higher or lower, by chance; inwards at the ends of the scale."""
    draws = (np.random.default_rng([seed, strength, place]) for place in range(len(covers)))
    return [matched(cover, 1.0, random, strength) for cover, random in zip(covers, draws, strict=True)]


def matched(cover: Picture, rate: float, random: np.random.Generator, strength: int = 1) -> Picture:
    """Cover with random lowest bits at a share of random places, by ±1 with equal chances (LSB matching).

    Half of them change, and inwards where a level would leave 0…255. More `strength` makes larger steps of ±strength.
    """
    step = np.where(random.random(cover.shape) < 0.5, strength, -strength)
    step = np.where(cover < strength, strength, np.where(cover > 255 - strength, -strength, step))
    return (cover + step * (random.random(cover.shape) < rate / 2)).astype(np.uint8)
