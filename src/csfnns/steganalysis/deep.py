"""Networks that learn from pairs what a stego looks like: as detectors, in files, trained.

xunet.py, yenet.py, siastegnet.py and srnet.py define the networks, training.py the training loop. torch is imported when
a network is made. Some come pretrained: training/detectors.py makes their files, weights/README.md is their card.
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
from csfnns.images.io import Picture, check_picture
from csfnns.steganalysis.base import F64
from csfnns.steganalysis.config import LEAST_SIDE, Curve, TrainingConfig, check_name
from csfnns.steganalysis.detectors import DETECTORS, networks
from csfnns.tensors import BadTensorsError, read_header, read_tensors, specs

if TYPE_CHECKING:
    from torch import Tensor, nn

    from csfnns.steganalysis.network import Network

_TILE = 1024
_FORMAT = "csfnns-deep-1"


@dataclass(frozen=True)
class Deep:
    """A trained network as a detector: the probability of a stego."""

    name: str
    network: "nn.Module"
    about: Mapping[str, Any] = field(default_factory=dict)
    """Its training: the config, pairs trained on, groups, accuracy and the number of pictures it was measured on; what
    the pictures were, and their licence, where `save` was given them."""

    def score(self, picture: Picture) -> float:
        """Probability of a stego in [0, 1]; above 0.5 the network classifies it as one. NaN for sides below 16.

        Pictures above 1024 a side are split into equal tiles of at most that, whose logits are averaged, to bound the
        memory. Raises UsageError for an array that is no picture.
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
        """Write a safetensors file, and a card beside it as .md that describes it, with `data` and `licence`.

        With `half`, trained weights are rounded to float16, except those of biases and normalisation: half the size.
        Raises UsageError for names that are taken or cannot be written.
        """
        from safetensors.torch import save

        notes = {name: text for name, text in (("pictures", data), ("licence", licence)) if text}
        about = dict(self.about) | notes
        # One entry: safetensors writes several in any order, and equal models have to be equal files.
        metadata = {_FORMAT: json.dumps({"detector": self.name, "about": about})}
        card = path.with_suffix(".md")
        for file in (path, card):
            if file.exists() and not overwrite:
                raise UsageError(f"{file} already exists.", "Choose another name, or allow overwriting.")
        write_result(path, save(self._tensors(half=half), metadata), overwrite=overwrite)
        write_result(card, self._card(about).encode(), overwrite=overwrite)

    @classmethod
    def load(cls, path: Path, *, detector: str | None = None, device: str = "cpu") -> Self:
        """Detector that `save` wrote, and of that name if one is given. Raises UsageError for other files."""
        require("network", "A trained network")

        if not path.is_file():
            raise UsageError(f"There is no file {path}.", "Check the path of the model.")
        try:
            content = json.loads(read_header(path).metadata[_FORMAT])
            name, about = content["detector"], content["about"]
            network = make_network(name, 0)
            tensors = read_tensors(path, specs(network.state_dict()))
            if not isinstance(about, dict) or not all(bool(x.isfinite().all()) for x in tensors.values()):
                raise ValueError(path)
            network.load_state_dict(tensors)  # copies halves into weights of float32
        except (OSError, KeyError, TypeError, ValueError, RuntimeError, UsageError) as error:
            reason = f": {error}" if isinstance(error, BadTensorsError) else ""
            hint = "Train one: csfnns steganalysis train --detector NAME --covers DIR --stegos DIR."
            raise UsageError(f"{path} is not a model of a network{reason}.", hint) from error
        if detector not in (None, name):
            raise UsageError(f"{path} is a model of {name!r}, not of {detector!r}.", f"Choose --detector {name}.")
        return cls(name, network.to(device).eval(), about)

    def _tensors(self, *, half: bool) -> "dict[str, Tensor]":
        """The weights by name, as a file holds them."""
        tensors = {name: each.detach().cpu().contiguous() for name, each in self.network.state_dict().items()}
        for name, each in self.network.named_parameters():
            # Fixed filters are kept exact: rounded, they would respond to flat pictures.
            if half and each.requires_grad and each.ndim > 1:
                tensors[name] = tensors[name].half()
        return tensors

    def _card(self, about: Mapping[str, Any]) -> str:
        rows = {"pictures": "unknown", "licence": "unknown"}
        rows |= {key.replace("_", " "): str(value) for key, value in about.items()}
        lines = [f"# {self.name}", "", "A detector of hidden messages, trained by csfnns.", ""]
        lines += ["| | |", "| --- | --- |", *(f"| {key} | {value} |" for key, value in rows.items())]
        return "\n".join(lines) + "\n"


def shipped_networks() -> dict[str, Path]:
    """Files of the pretrained networks of this package, by name."""
    found = {path.stem: path for path in Path(str(files("csfnns") / "weights")).glob("*.safetensors")}
    return {name: found[name] for name in networks() if name in found}


def find_model(model: str | Path) -> Path:
    """File of a model: of a pretrained network, for a str that is its name; otherwise the path itself.

    Raises UsageError where there is no file.
    """
    shipped = shipped_networks()
    path = shipped.get(model, Path(model)) if isinstance(model, str) else model
    if not path.is_file():
        hint = f"Give the file of a model or the name of a pretrained network: {', '.join(shipped)}."
        raise UsageError(f"There is no model {str(model)!r}.", hint)
    return path


def make_network(name: str, seed: int) -> "Network":
    """Untrained network; the seed decides its weights.

    It takes float32 levels 0…255, (N, 3, H, W) with sides of at least 16, and returns logits (N, 2): cover, stego.
    Raises UsageError for an unknown name, and without the extra `network`.
    """
    check_name(name)
    network = DETECTORS.load(name)
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)  # and not those of GPUs, which nothing restores
        return network().float()


@dataclass(frozen=True)
class TrainingResult:
    """What `train_network` returns."""

    detector: Deep
    accuracy: float
    """Share of whole held-out pictures, covers and stegos, that are classified correctly."""
    curve: Curve
    held_out: tuple[int, ...]
    """Indices of the held-out pairs."""


def train_network(
    covers: Sequence[Picture],
    stegos: Sequence[Picture],
    config: TrainingConfig,
    *,
    groups: Sequence[str] | None = None,
    state: Path | None = None,
    progress: Callable[[int, int], object] | None = None,
) -> TrainingResult:
    """Train a network on pairs: the i-th stego was made from the i-th cover.

    Pairs of one group (crops of one picture) are all trained on or all held out; without `groups` each pair is its own.
    The name of a group decides whether it is held out, whatever the seed and the other groups. With `state`, a file, a
    stopped training resumes, and ends on the same processor with the same weights as without the stop (on a GPU almost).
    `progress` is called with the steps done and all steps. Raises UsageError for pictures that are no pairs, too few or
    smaller than the crop, for a state or a start of something else, and where the training diverges.
    """
    require("network", "Training a network")
    from csfnns.steganalysis import training

    pairs = training.Pairs.split(covers, stegos, groups, config)
    network = make_network(config.detector, config.seed)
    if config.start is not None:
        network.load_state_dict(Deep.load(config.start, detector=config.detector).network.state_dict())
    curve = training.train(network, pairs, config, state, progress)
    about = asdict(config) | {"start": None if config.start is None else config.start.name}
    about |= {"rate": network.rate if config.rate is None else config.rate}
    about |= {"pairs": len(pairs.training), "groups": pairs.groups}
    del about["detector"], about["device"]
    detector = Deep(config.detector, network.eval(), about)
    # Correct scores are counted, not wrong ones: NaN is neither.
    correct = sum(int(detector.score(covers[i]) <= 0.5) + int(detector.score(stegos[i]) > 0.5) for i in pairs.held_out)
    accuracy = correct / (2 * len(pairs.held_out))
    about |= {"accuracy": accuracy, "held_out_pictures": 2 * len(pairs.held_out)}
    network.cpu()
    return TrainingResult(detector, accuracy, curve, pairs.held_out)


def draw_curve(curve: Curve, title: str) -> bytes:
    """PNG of loss and accuracy against steps. Raises ImportError without matplotlib."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4), layout="constrained", dpi=150)
    axes = figure.subplots()
    steps = [row["step"] for row in curve]
    for name, colour, label in (("accuracy", "#1f5fa8", "accuracy, held out"), ("loss", "#b8562b", "loss")):
        axes.plot(steps, [row[name] for row in curve], color=colour, marker=".", label=label)
    axes.axhline(0.5, color="0.7", linestyle="--", linewidth=1)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("steps")
    axes.set_title(title, fontsize=10)
    axes.legend()
    axes.grid(alpha=0.3)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _levels(picture: Picture) -> "Tensor":
    """Levels 0…255 as float32, (1, 3, H, W)."""
    import torch

    return torch.from_numpy(picture.transpose(2, 0, 1)[None].astype(np.float32))


def _tiles(picture: Picture) -> list[Picture]:
    rows = np.array_split(picture, math.ceil(picture.shape[0] / _TILE))
    return [tile for row in rows for tile in np.array_split(row, math.ceil(row.shape[1] / _TILE), axis=1)]
