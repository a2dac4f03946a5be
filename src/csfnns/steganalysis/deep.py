"""Networks that learn from pairs what a stego looks like: judged with, taught, kept in files.

xunet.py, yenet.py, siastegnet.py and srnet.py hold the networks, learning.py the training. torch loads when one is made.
Some come taught: training/detectors.py makes their files, and weights/README.md is their card.
"""

import io
import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from csfnns.errors import UsageError
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.picture import Picture, check_picture
from csfnns.steganalysis.base import F64

if TYPE_CHECKING:
    from torch import Tensor, nn

    from csfnns.steganalysis._network import Network

NETWORKS = ("xunet", "yenet", "siastegnet", "srnet")
"""Names that `make_network` knows."""

LEAST_SIDE = 16
_TILE = 1024
_FORMAT = "csfnns-deep-1"

Curve = list[dict[str, float]]
"""Rows of `step`, `loss` (mean since the row before) and `accuracy` (of crops of held-out pictures)."""


@dataclass(frozen=True)
class Lesson:
    """How a network is taught. Raises UsageError for settings that make no sense."""

    detector: str = "xunet"
    steps: int = 2000
    batch: int = 16
    """Pairs a step: each cover beside its own stego, both cut and turned alike."""
    crop: int | None = 64
    """Side of the squares that are cut at random places; None for whole pictures, which then have one size."""
    rate: float | None = None
    """Adam's learning rate at its highest; the network's own without."""
    seed: int = 1
    held_out: float = 0.25
    """Share of the groups that is never learned from, about: the SHA-256 of each name decides."""
    start: Path | None = None
    """Model to begin with, for a curriculum: hard pairs after easy ones."""
    checks: int = 10
    """Rows of the curve."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        _known(self.detector)
        wrong = [name for name in ("steps", "batch", "checks") if getattr(self, name) < 1]
        wrong += ["crop"] * (self.crop is not None and self.crop < LEAST_SIDE)
        wrong += ["held_out"] * (not 0 < self.held_out < 1)
        wrong += ["rate"] * (self.rate is not None and not 0 < self.rate < math.inf)
        wrong += ["seed"] * (not 0 <= self.seed < 2**31)
        if wrong:
            hint = (
                f"Counts are 1 or more, crops {LEAST_SIDE} or more, a share between 0 and 1, a rate above 0."
            )
            raise UsageError(f"{getattr(self, wrong[0])!r} is no {wrong[0]} to learn with.", hint)


@dataclass(frozen=True)
class Deep:
    """A trained network as a detector: the probability of a stego."""

    name: str
    network: "nn.Module"
    about: Mapping[str, Any] = field(default_factory=dict)
    """Figures of its training: the lesson, pairs learned from, groups, accuracy and how many pictures that is of; what
    the pictures were, and their licence, where `save` was told."""

    def score(self, picture: Picture) -> float:
        """Probability of a stego in [0, 1]; above 0.5 the network says so. NaN for sides below 16.

        Above 1024 a side, equal tiles of at most that are judged and their logits averaged, to bound the memory.
        Raises UsageError for an array that is no picture.
        """
        import torch

        check_picture(picture)
        if min(picture.shape[:2]) < LEAST_SIDE:
            return math.nan
        device = next(self.network.parameters()).device
        self.network.eval()
        with torch.inference_mode():
            logits = [self.network(_levels(tile).to(device))[0].double() for tile in _tiles(picture)]
        cover, stego = torch.stack(logits).mean(0).tolist()
        return 1 / (1 + math.exp(min(cover - stego, 700.0)))

    def scores(self, pictures: Sequence[Picture]) -> F64:
        """`score` of each, (N,)."""
        return np.array([self.score(picture) for picture in pictures])

    def save(
        self, path: Path, *, data: str = "", licence: str = "", half: bool = False, overwrite: bool = False
    ) -> None:
        """Write a safetensors file, and its card beside it as .md: what it is, and the two notes given here.

        With `half`, weights that were trained are rounded to float16, but for the few of biases and normalisation: half
        the size. Raises UsageError for names that are taken or cannot be written.
        """
        from safetensors.torch import save

        notes = {name: text for name, text in (("pictures", data), ("licence", licence)) if text}
        about = dict(self.about) | notes
        # One entry: safetensors writes several in any order, and equal models shall be equal files.
        entry = {_FORMAT: json.dumps({"detector": self.name, "about": about})}
        card = path.with_suffix(".md")
        for file in (path, card):
            if file.exists() and not overwrite:
                raise UsageError(f"{file} already exists.", "Choose another name, or allow overwriting.")
        write_result(path, save(self._tensors(half=half), entry), overwrite=overwrite)
        write_result(card, self._card(about).encode(), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path, *, detector: str | None = None, device: str = "cpu") -> Self:
        """Detector that `save` wrote, and of that name if one is given. Raises UsageError for other files."""
        require("network", "A trained network")
        from safetensors import SafetensorError, safe_open

        if not path.is_file():
            raise UsageError(f"There is no file {path}.", "Check the path of the model.")
        try:
            with safe_open(path, "pt") as file:
                content = json.loads((file.metadata() or {})[_FORMAT])
                tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118
            name, about = content["detector"], content["about"]
            if not isinstance(about, dict) or not all(
                bool(each.isfinite().all()) for each in tensors.values()
            ):
                raise ValueError(path)
            network = make_network(name, 0)
            network.load_state_dict(tensors)  # copies halves into weights of float32
        except (
            OSError,
            SafetensorError,
            KeyError,
            TypeError,
            ValueError,
            RuntimeError,
            UsageError,
        ) as problem:
            raise _no_model(path) from problem
        if detector not in (None, name):
            raise UsageError(
                f"{path} is a model of {name!r}, not of {detector!r}.", f"Say --detector {name}."
            )
        return cls(name, network.to(device).eval(), about)

    def _tensors(self, *, half: bool) -> "dict[str, Tensor]":
        """The weights by name, as a file holds them."""
        tensors = {name: each.detach().cpu().contiguous() for name, each in self.network.state_dict().items()}
        for name, each in self.network.named_parameters():
            # Fixed filters see nothing in a flat picture, and rounded they would.
            if half and each.requires_grad and each.ndim > 1:
                tensors[name] = tensors[name].half()
        return tensors

    def _card(self, about: Mapping[str, Any]) -> str:
        lines = [f"# {self.name}", "", "A detector of hidden messages, trained by csfnns.", ""]
        rows = {"pictures": "not said", "licence": "not said"}
        rows |= {key.replace("_", " "): str(value) for key, value in about.items()}
        lines += ["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows.items())]
        return "\n".join(lines) + "\n"


@dataclass(frozen=True)
class Learned:
    """What `learn` gives."""

    detector: Deep
    accuracy: float
    """Share of held-out pictures, covers and stegos, that are judged right as a whole."""
    curve: Curve
    held_out: tuple[int, ...]
    """Places of the held-out pairs in the lists."""


def shipped_networks() -> dict[str, Path]:
    """Files of the networks that come taught with this package, by name."""
    found = {name: Path(str(files("csfnns") / "weights" / f"{name}.safetensors")) for name in NETWORKS}
    return {name: path for name, path in found.items() if path.is_file()}


def find_model(model: str | Path) -> Path:
    """File of a model: for a str that is the name of a shipped network, that one's; else the path itself.

    Raises UsageError where there is no file.
    """
    shipped = shipped_networks()
    path = shipped.get(model, Path(model)) if isinstance(model, str) else model
    if not path.is_file():
        hint = f"Give the file of a model, or the name of a network that comes taught: {', '.join(shipped)}."
        raise UsageError(f"There is no file {str(model)!r}, and no network of that name comes taught.", hint)
    return path


def make_network(name: str, seed: int) -> "Network":
    """Untrained network; the seed decides its weights.

    It takes float32 levels 0…255, (N, 3, H, W) with sides of at least 16, and gives logits (N, 2): cover, stego.
    Raises UsageError for an unknown name.
    """
    require("network", f"The network {_known(name)!r}")
    import torch

    from csfnns.steganalysis.siastegnet import SiaStegNet
    from csfnns.steganalysis.srnet import SrNet
    from csfnns.steganalysis.xunet import XuNet
    from csfnns.steganalysis.yenet import YeNet

    classes = dict(zip(NETWORKS, (XuNet, YeNet, SiaStegNet, SrNet), strict=True))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return classes[name]()


def learn(
    covers: Sequence[Picture],
    stegos: Sequence[Picture],
    lesson: Lesson,
    *,
    groups: Sequence[str] | None = None,
    state: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> Learned:
    """Teach a network from pairs: the i-th stego is the i-th cover with something in it.

    Pairs of one group (crops of one picture) are all learned from or all held out; without `groups` each pair is its
    own. The name of each group decides whether it is held out, whatever the seed and the others. With `state`, a file,
    training that was stopped goes on, and ends on the same processor with the same weights as without the stop (on a
    GPU nearly so). `progress` is called with the steps done and all steps. Raises UsageError for pictures that are no
    pairs, too few, smaller than the crop, for a state or a start that belongs to something else, and where the training
    diverges.
    """
    require("network", "Training a network")
    from csfnns.steganalysis import learning

    pairs = learning.Pairs.check(covers, stegos, groups, lesson)
    network = make_network(lesson.detector, lesson.seed)
    if lesson.start is not None:
        network.load_state_dict(Deep.load(lesson.start, detector=lesson.detector).network.state_dict())
    curve = learning.train(network, pairs, lesson, state, progress)
    about = asdict(lesson) | {"start": None if lesson.start is None else lesson.start.name}
    about |= {"rate": network.rate if lesson.rate is None else lesson.rate}
    about |= {"pairs": len(pairs.taught), "groups": pairs.groups}
    del about["detector"], about["device"]
    detector = Deep(lesson.detector, network.eval(), about)
    # What is right is counted, not what is wrong: a score that is no number is neither.
    right = sum(
        int(detector.score(covers[i]) <= 0.5) + int(detector.score(stegos[i]) > 0.5) for i in pairs.held
    )
    accuracy = right / (2 * len(pairs.held))
    about |= {"accuracy": accuracy, "pictures_judged": 2 * len(pairs.held)}
    network.cpu()
    return Learned(detector, accuracy, curve, pairs.held)


def draw_curve(curve: Curve, title: str) -> bytes:
    """PNG of loss and accuracy against steps. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained", dpi=150)
    axes = figure.subplots()
    steps = [row["step"] for row in curve]
    axes.plot(
        steps, [row["accuracy"] for row in curve], color="#1f5fa8", marker=".", label="accuracy, held out"
    )
    axes.plot(steps, [row["loss"] for row in curve], color="#b8562b", marker=".", label="loss")
    axes.axhline(0.5, color="0.7", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("steps")
    axes.set_title(title, fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _known(name: str) -> str:
    if name not in NETWORKS:
        raise UsageError(f"There is no network {name!r}.", f"Choose one of: {', '.join(NETWORKS)}.")
    return name


def _levels(picture: Picture) -> "Tensor":
    """Levels 0…255 as float32, (1, 3, H, W)."""
    import torch

    return torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))


def _tiles(picture: Picture) -> list[Picture]:
    rows = np.array_split(picture, math.ceil(picture.shape[0] / _TILE))
    return [tile for row in rows for tile in np.array_split(row, math.ceil(row.shape[1] / _TILE), axis=1)]


def _no_model(path: Path) -> UsageError:
    return UsageError(
        f"{path} is no model of a network.",
        "Make one: csfnns steganalysis train --detector NAME --covers DIR --stegos DIR.",
    )
