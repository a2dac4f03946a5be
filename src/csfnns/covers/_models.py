"""Where a diffusion model comes from: a local folder or file, or a pinned commit on the Hugging Face hub.

What is local stays local: a path where nothing is is an error, and only the form hub:NAME@REVISION goes online.
"""

import json
import os
import re
from dataclasses import dataclass
from pathlib import Path

from csfnns.errors import CoverError, UsageError
from csfnns.tensors import PICKLES, BadTensorsError, read_header

HUB = "hub:"
_NAME = r"\w[\w.-]*/\w[\w.-]*"
_MAX_INDEX = 2**20


@dataclass(frozen=True)
class HubModel:
    """A model on the hub as it was at one commit."""

    name: str
    revision: str

    def __str__(self) -> str:
        return f"{self.name}@{self.revision}"


def locate(model: str) -> Path | HubModel:
    """Folder or file of a model, or the commit that hub:NAME@REVISION names.

    Raises CoverError where there is no such folder or file, and UsageError for a hub name without a commit.
    """
    if not model.startswith(HUB):
        path = Path(os.path.expanduser(model))
        if not path.exists():
            hint = "Check the path. Models of the Hugging Face hub are named by --hub NAME@REVISION."
            raise CoverError(f"There is no model {model}: no such folder or file.", hint)
        return path
    name, _, revision = model.removeprefix(HUB).partition("@")
    if not re.fullmatch(_NAME, name, re.ASCII):
        hint = "An example: stable-diffusion-v1-5/stable-diffusion-v1-5@ and a commit."
        raise UsageError(f"The name of a model on the hub must be OWNER/NAME, got {name!r}.", hint)
    if not re.fullmatch("[0-9a-f]{40}", revision):
        raise UsageError(
            f"The revision of a model must be a commit of 40 hexadecimal digits, got {revision or 'none'}.",
            "Branches and tags can move. The model's page shows commits under 'Files and versions', History; "
            f"so does: git ls-remote https://huggingface.co/{name}",
        )
    return HubModel(name, revision)


def read_index(folder: Path) -> dict[str, object]:
    """Content of model_index.json, which says what a folder's parts are. Raises CoverError."""
    path = folder / "model_index.json"
    try:
        with path.open("rb") as file:
            index = json.loads(file.read(_MAX_INDEX))
        if not isinstance(index, dict):
            raise ValueError(path)
    except (OSError, ValueError, RecursionError) as error:
        hint = "Give a folder that diffusers saved."
        raise CoverError(f"{folder} is no model: its model_index.json is missing or damaged.", hint) from error
    return index


def check_folder(folder: Path) -> None:
    """Raise CoverError unless each part that has weights has them as safetensors, with sound headers."""
    for part in [each for each in read_index(folder) if (folder / each).is_dir()]:
        held = sorted(path.suffix for path in (folder / part).iterdir())
        if ".safetensors" not in held and any(suffix in PICKLES for suffix in held):
            raise pickled(folder / part)
        numbers_of(folder / part)


def check_file(file: Path) -> None:
    """Raise CoverError for a single file that is not read: of another format, damaged, or without its configuration."""
    if file.suffix != ".safetensors":
        raise pickled(file) if file.suffix in PICKLES else CoverError(f"{file} is no model.", _FILE_HINT)
    _numbers(file)
    if not file.with_name("model_index.json").is_file():
        raise CoverError(f"{file} has no configuration: there is no model_index.json beside it.", _FILE_HINT)


_FILE_HINT = (
    "Give a folder that diffusers saved, or a .safetensors file beside the model_index.json and the folders of its "
    "configuration."
)


def numbers_of(part: Path) -> int:
    """Numbers in all weights of a part's folder. Raises CoverError for a header that is not sound."""
    return sum(map(_numbers, part.glob("*.safetensors")))


def _numbers(file: Path) -> int:
    try:
        return read_header(file).numbers
    except (BadTensorsError, OSError) as error:
        raise CoverError(f"{file} does not hold weights: {error}.", "Get it again from its source.") from error


def pickled(path: Path) -> CoverError:
    """Error for weights that are only there as pickles."""
    return CoverError(
        f"{path} has no safetensors, only pickles, which can run code when they are loaded.",
        "Get the model as safetensors, or convert it where you trust it: see docs/covers.md, 'Weights'.",
    )
