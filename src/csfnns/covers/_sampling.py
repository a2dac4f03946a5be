"""Loads a diffusion model of the diffusers library and draws one picture with it.

A pipeline asks torch for normal random numbers: first for the initial latents, then, with some schedulers, for the
noise of each step. Here the key's stream provides all of them. torch's own generators, whose seeds have 32 or 64 bits,
are not used, and a pipeline that uses them nevertheless is refused.
"""

import hashlib
import json
import math
import os
import platform
import re
import sys
import threading
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from inspect import signature
from pathlib import Path
from typing import Any

import diffusers
import huggingface_hub
import numpy as np
import torch
import transformers
from torch.overrides import TorchFunctionMode

from csfnns.covers._models import HubModel, check_file, check_folder, numbers_of, read_index
from csfnns.errors import CoverError
from csfnns.images.io import Picture
from csfnns.stream import Stream

# Settings of torch apply to the whole process, and a scheduler keeps its position in itself.
_LOCK = threading.Lock()
_LONGEST = 40  # characters of a value; a longer one is replaced by its digest
_ASKED: dict[str, Any] = {"safety_checker": None, "trust_remote_code": False, "use_safetensors": True}
"""Settings of every pipeline: no safety checker, no Python files from the model, and no pickles."""
_SPARE = 1.25  # numbers that a configuration may ask for, over those that its files hold: some parts share weights


class Model:
    """A pipeline in memory, in float32, with fingerprints of its parts."""

    def __init__(self, pipeline: Any, name: str, device: str) -> None:
        self._pipeline, self._name, self._device = pipeline, name, device
        self._weights = {
            part: _hash_weights(each) for part, each in pipeline.components.items() if isinstance(each, torch.nn.Module)
        }

    @property
    def scheduler(self) -> str:
        """Name of the scheduler's class."""
        return type(self._pipeline.scheduler).__name__

    def settings(self) -> list[str]:
        """The scheduler's settings as texts `name=value`, sorted."""
        config = self._pipeline.scheduler.config.items()
        return sorted(_fact(name, value) for name, value in config if not name.startswith("_"))

    def parts(self, prompts: Sequence[str]) -> list[str]:
        """The pipeline's class, and digests of each part's weights and of the prompts' tokens, as texts `name=value`."""
        with _quiet():  # a prompt that is too long is truncated, at both ends in the same way
            tokens = {
                name: _digest(json.dumps([each(prompt).input_ids for prompt in (*prompts, "")]).encode())
                for name, each in self._pipeline.components.items()
                if hasattr(each, "get_vocab")
            }
        found = self._weights | tokens
        parts = sorted(_fact(name, value) for name, value in found.items())
        return [_fact("pipeline", type(self._pipeline).__name__), *parts]

    def environment(self) -> list[str]:
        """Versions and device, which may change a picture of the same model."""
        facts: dict[str, Any] = {"torch": torch.__version__, "diffusers": diffusers.__version__}
        facts |= {"transformers": transformers.__version__, "dtype": "float32"}
        facts |= {"processor": platform.machine(), "instructions": torch.backends.cpu.get_cpu_capability()}
        if self._device == "cuda":
            facts |= {"gpu": torch.cuda.get_device_name(), "cuda": torch.version.cuda}
            facts |= {"cudnn": torch.backends.cudnn.version()}  # type: ignore[no-untyped-call]
        return [_fact(name, value) for name, value in facts.items()]

    def draw(
        self,
        stream: Stream,
        prompt: str,
        *,
        height: int,
        width: int,
        steps: int,
        guidance: float,
        threads: int,
    ) -> Picture:
        """Picture of the prompt, uint8 (height, width, 3), with all its random numbers from the stream.

        Raises CoverError for a pipeline that fails, takes random numbers from elsewhere or none at all, or makes no
        picture of that size.
        """
        choices = {"height": height, "width": width, "num_inference_steps": steps, "output_type": "np"}
        choices |= {"guidance_scale": guidance} if "guidance_scale" in self._accepted() else {}
        noise = _KeyedNoise(stream)
        with _LOCK, _quiet(), _deterministic(threads):
            before = self._random_states()
            try:
                with noise:
                    image = self._pipeline(prompt=prompt, **choices).images[0]
            except (RuntimeError, ValueError, TypeError, LookupError, AttributeError, ImportError) as error:
                reason = f"The model {self._name} could not make a cover: {_first_line(error)}"
                raise CoverError(reason, "Try another scheduler, size or model.") from error
            touched = any(not torch.equal(a, b) for a, b in zip(before, self._random_states(), strict=True))
        if touched or not noise.draws:
            what = "takes random numbers from torch itself" if touched else "takes no random numbers"
            raise CoverError(
                f"{self.scheduler} of {type(self._pipeline).__name__} {what}; covers must come from the key alone.",
                "Choose another scheduler, such as DDIMScheduler.",
            )
        return self._as_picture(np.asarray(image), height, width)

    def _accepted(self) -> set[str]:
        return set(signature(self._pipeline.__call__).parameters)

    def _random_states(self) -> list[torch.Tensor]:
        cuda = [torch.cuda.get_rng_state()] if self._device == "cuda" else []
        return [torch.get_rng_state(), *cuda]

    def _as_picture(self, image: np.ndarray[Any, Any], height: int, width: int) -> Picture:
        if image.shape != (height, width, 3):
            made = "x".join(map(str, image.shape[1::-1]))
            raise CoverError(
                f"The model {self._name} makes pictures of {made} instead of {width}x{height}.",
                "Make a key for another size; multiples of 64 usually work.",
            )
        if not np.isfinite(image).all() or np.ptp(image) == 0:
            raise CoverError(
                f"The model {self._name} made a picture of one colour, which anybody can guess.",
                "Check the model with other programs, or try another scheduler or guidance.",
            )
        return np.rint(np.float32(255) * np.clip(image, 0, 1)).astype(np.uint8)


@lru_cache(maxsize=1)
def load(source: Path | HubModel, scheduler: str | None, device: str) -> Model:
    """Load a folder, a single file, or a commit on the Hugging Face hub; the last model stays in memory.

    `scheduler`, a class of diffusers, replaces the model's own and takes over its settings. Raises CoverError.
    """
    if device == "cuda":
        # Without this, torch refuses to be deterministic.
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    with _LOCK, _quiet():
        try:
            pipeline = _open(source)
            if scheduler not in (None, type(pipeline.scheduler).__name__):
                pipeline.scheduler = _scheduler_class(scheduler).from_config(pipeline.scheduler.config)
            if not {"prompt", "height", "width", "num_inference_steps"} <= set(signature(pipeline.__call__).parameters):
                raise CoverError(f"{source} makes no pictures from text.", "Give a text-to-image model.")
            pipeline.to(device, torch.float32)
        except CoverError:
            raise
        except Exception as error:  # a damaged model can raise anything in diffusers and its loaders
            raise CoverError(
                f"The model {source} cannot be loaded: {_first_line(error)}",
                "Give a folder that diffusers saved, a .safetensors file, or --hub NAME@REVISION.",
            ) from error
        pipeline.set_progress_bar_config(disable=True)
        # A watermark would show how the picture was made; a checker's black picture would be a cover known to all.
        if getattr(pipeline, "watermark", None) is not None:
            pipeline.watermark = None
        return Model(pipeline, str(source), device)


def check_libraries() -> None:
    """Import what diffusers imports lazily. Raises any exception of a broken library."""
    with _quiet():
        _ = diffusers.StableDiffusionPipeline


def has_gpu() -> bool:
    """Whether there is a GPU that torch can use as "cuda"."""
    return torch.cuda.is_available()


def threads() -> int:
    """Threads that torch would use now, 1…256."""
    return min(torch.get_num_threads(), 256)


def _open(source: Path | HubModel) -> Any:
    if isinstance(source, Path):
        return _open_folder(source) if source.is_dir() else _open_file(source)
    # Not by local_files_only: with that, huggingface_hub may still ask the hub about programs like this one.
    cached = huggingface_hub.try_to_load_from_cache(source.name, "model_index.json", revision=source.revision)
    if isinstance(cached, str):
        try:
            return _open_folder(Path(cached).parent)
        except (OSError, ValueError, CoverError):  # incomplete on this computer
            pass
    folder = diffusers.DiffusionPipeline.download(source.name, revision=source.revision, **_ASKED)
    return _open_folder(Path(folder))


def _open_folder(folder: Path) -> Any:
    check_folder(folder)
    parts = dict(_networks(folder))
    return diffusers.DiffusionPipeline.from_pretrained(str(folder), local_files_only=True, **_ASKED, **parts)


def _networks(folder: Path) -> Iterator[tuple[str, torch.nn.Module]]:
    """Networks of a folder by part. Raises CoverError where its files hold fewer numbers than a configuration asks for:

    a library would make up the rest, from torch's generator and in any amount of memory.
    """
    for part, value in read_index(folder).items():
        library, name = value if isinstance(value, list) and len(value) == 2 else ("", "")
        kind: Any = getattr({"diffusers": diffusers, "transformers": transformers}.get(str(library)), str(name), None)
        if not _is_network(kind):
            continue
        place: dict[str, Any] = {"subfolder": part, "local_files_only": True}
        with torch.device("meta"):
            if issubclass(kind, diffusers.ModelMixin):
                empty = kind.from_config(kind.load_config(str(folder), **place))
            else:
                empty = kind(kind.config_class.from_pretrained(str(folder), **place))
        asked, held = sum(each.numel() for each in empty.parameters()), numbers_of(folder / part)
        if asked > _SPARE * held:
            reason = f"its configuration asks for {asked} numbers, and its files hold {held}"
            raise _unlike(folder / part, reason)
        network, about = kind.from_pretrained(
            str(folder), **place, use_safetensors=True, torch_dtype=torch.float32, output_loading_info=True
        )
        for what in ("missing_keys", "mismatched_keys"):
            for tensor in sorted(map(str, about.get(what) or ())):
                raise _unlike(folder / part, f"{tensor} is {what.removesuffix('_keys')}")
        yield part, network


def _is_network(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, diffusers.ModelMixin | transformers.PreTrainedModel)


def _unlike(part: Path, reason: str) -> CoverError:
    return CoverError(f"{part} does not hold the weights of its configuration: {reason}.", "Get the model again.")


def _open_file(file: Path) -> Any:
    """Pipeline of a single file, configured by the model_index.json and its folders beside it."""
    check_file(file)
    kind = getattr(diffusers, str(read_index(file.parent)["_class_name"]))
    options: dict[str, Any] = {"config": str(file.parent), "local_files_only": True, "safety_checker": None}
    return kind.from_single_file(str(file), **options)


def _scheduler_class(name: str) -> Any:
    found = getattr(diffusers, name, None)
    if not isinstance(found, type) or not issubclass(found, diffusers.SchedulerMixin):
        raise CoverError(
            f"This diffusers, version {diffusers.__version__}, has no scheduler {name!r}.",
            "Examples: DDIMScheduler, PNDMScheduler, LCMScheduler, EulerAncestralDiscreteScheduler.",
        )
    return found


class _KeyedNoise(TorchFunctionMode):
    """Context in which torch.randn returns the stream's next normals, in float32, in row-major order."""

    def __init__(self, stream: Stream) -> None:
        super().__init__()
        self.draws = 0
        self._stream = stream

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func is not torch.randn:
            return func(*args, **kwargs)
        size = kwargs.get("size", args)
        size = size if len(size) != 1 or isinstance(size[0], int) else size[0]
        self.draws += 1
        normals = self._stream.normals(math.prod(size)).astype(np.float32).reshape(tuple(size))
        return torch.from_numpy(normals).to(device=kwargs.get("device"), dtype=kwargs.get("dtype"))


@contextmanager
def _deterministic(threads: int) -> Iterator[None]:
    """Full float32, deterministic kernels and this number of threads; the old settings are restored afterwards."""
    deterministic = torch.are_deterministic_algorithms_enabled()
    warn_only = torch.is_deterministic_algorithms_warn_only_enabled()
    precision, old_threads = torch.get_float32_matmul_precision(), torch.get_num_threads()
    try:
        torch.use_deterministic_algorithms(True)
        torch.set_float32_matmul_precision("highest")
        torch.set_num_threads(threads)
        with (
            torch.backends.cudnn.flags(enabled=True, benchmark=False, deterministic=True, allow_tf32=False),
            torch.autocast("cpu", enabled=False),
            torch.autocast("cuda", enabled=False),
        ):
            yield
    finally:
        torch.use_deterministic_algorithms(deterministic, warn_only=warn_only)
        torch.set_float32_matmul_precision(precision)
        torch.set_num_threads(old_threads)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence messages and progress bars of the libraries."""
    loggers = (diffusers.utils.logging, transformers.utils.logging)
    levels = [logger.get_verbosity() for logger in loggers]
    bars = [logger.is_progress_bar_enabled() for logger in loggers]
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for logger in loggers:
                logger.set_verbosity(logger.CRITICAL)
                logger.disable_progress_bar()
            yield
    finally:
        for logger, level, bar in zip(loggers, levels, bars, strict=True):
            logger.set_verbosity(level)
            if bar:
                logger.enable_progress_bar()


def _hash_weights(part: torch.nn.Module) -> str:
    """Fingerprint of a network's numbers, independent of the file format and of parameter names."""
    digests = []
    for values in part.state_dict().values():
        array = np.ascontiguousarray(values.detach().cpu().numpy())
        little: Any = array if sys.byteorder == "little" else array.byteswap()
        digest = hashlib.sha256(f"{array.dtype.name} {array.shape}\n".encode())
        digest.update(little)
        digests.append(digest.digest())
    return _digest(b"".join(sorted(digests)))


def _fact(name: str, value: object) -> str:
    """Text `name=value` for the profile; a value that is long or has other characters becomes a digest."""
    text = value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
    text = " ".join(text.split())
    if len(text) > _LONGEST or not re.fullmatch(r"[ !#-\[\]-~]*", text):
        text = "sha256 " + _digest(text.encode())
    return f"{name}={text}"


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()[:32]


def _first_line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[0].rstrip(".") + "." if lines else f"{type(error).__name__}."
