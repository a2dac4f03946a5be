"""Covers drawn by a diffusion model, such as Stable Diffusion, from the key's random numbers.

key ─ seed of the message ─ stream ─┬─ which prompt
                                    └─ normals: the latents, then the scheduler's noise ─ pipeline ─ picture

Float32 sums differ between processors, GPUs and library versions, and a cover that differs by a level is noise as
strong as what is hidden. So the profile says what the covers are made with and on, and holds the fingerprint of a
reference picture, which comes from a public seed. Both ends make that picture once, before any cover.
"""

import hashlib
import platform
import warnings
from collections import OrderedDict
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Literal

import numpy as np
import numpy.typing as npt

from csfnns.covers._cache import CoverCache
from csfnns.errors import CoverError, UsageError
from csfnns.picture import Picture
from csfnns.profile import Diffusion, facts_by_name, make_diffusion
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.covers._sampling import Model

CACHED = 8  # covers kept in memory
REFERENCE = Seed(hashlib.sha256(b"csfnns/1/cover/diffusion/reference").digest())
"""Public cover key of the reference picture, which is its cover of message 0."""

_verified: set[str] = set()  # descriptions that were found true in this process


class DiffusionCovers:
    """Covers of a diffusion model: seconds each on a GPU, minutes on a processor. Made covers are kept."""

    exact = False
    """False: the same only on the same kind of device with the same versions, which the reference picture shows."""
    window = 3
    """How many numbers around the last known one a receiver looks at: each look costs a cover."""

    def __init__(
        self, model: str, height: int, width: int, description: Diffusion, *, cache: CoverCache | None = None
    ) -> None:
        """Load `model` (a folder, a file, or a name on the hub) and compare it with the key's description.

        Raises CoverError, which names what differs, and when diffusers is missing or the model cannot be loaded.
        """
        self._height, self._width, self._description = height, width, description
        self._cache = cache or CoverCache()
        self._latest: OrderedDict[bytes, Picture] = OrderedDict()
        sampling = _sampling()
        if description.device == "cuda" and not sampling.has_gpu():
            made_on = facts_by_name(description.environment).get("gpu", "a GPU")
            raise CoverError(
                f"This key's covers are made on {made_on}, and there is no GPU here.",
                "Use such a GPU, or make a key where it will be used.",
            )
        self._model: Model = sampling.load(model, description.scheduler, description.device)
        self._environment = self._model.environment()
        # With the computer's name: home folders travel over networks, to processors that are not quite the same.
        self._identity = hashlib.sha256(
            f"{width}x{height} {description.model_dump_json()} {self._environment} {platform.node()}".encode()
        ).hexdigest()[:32]
        self._compare()
        self._verify()

    def __call__(self, key: Seed, message: int) -> Picture:
        """Cover of message 0, 1, 2, …, uint8 (height, width, 3). Raises CoverError and UsageError."""
        return self._cover(key, message).copy()

    def probe(
        self, key: Seed, message: int, rows: npt.NDArray[np.int64], columns: npt.NDArray[np.int64]
    ) -> npt.NDArray[np.uint8]:
        """Colours of that cover at n pixels, uint8 (n, 3). The first look makes the whole cover."""
        return self._cover(key, message)[rows, columns]

    def _cover(self, key: Seed, message: int) -> Picture:
        if message < 0:
            raise UsageError(f"There is no message {message}.", "Messages count from 0.")
        identity = self._identity
        seed = key.derive(f"csfnns/1/cover/cache/{identity}/{message}")
        cover = self._latest.get(seed.data)
        if cover is None:
            cover = self._cache.get(seed, self._height, self._width)
        if cover is None:
            cover = _draw(self._model, self._description, self._height, self._width, key, message)
            self._cache.put(seed, cover)
        self._latest[seed.data] = cover
        self._latest.move_to_end(seed.data)
        if len(self._latest) > CACHED:
            self._latest.popitem(last=False)
        return cover

    def _compare(self) -> None:
        """Raise CoverError if the model or a setting of the scheduler is not the one of the key."""
        settings, parts = self._model.settings(), self._model.parts(self._description.prompts)
        known = facts_by_name(tuple(settings)).keys() & facts_by_name(self._description.settings).keys()
        different = [
            *_differences("", self._description.model, parts),
            *_differences(f"{self._description.scheduler}'s ", self._description.settings, settings, known),
        ]
        if different:
            raise CoverError(
                f"This model does not make the covers of this key. {' '.join(different)}",
                "Use the other end's model, with its scheduler's settings, file by file.",
            )

    def _verify(self) -> None:
        """Raise CoverError unless the reference picture comes out as the key says; noted, so that once is enough."""
        if self._identity in _verified or self._cache.noted(self._identity):
            return
        here = _reference(self._model, self._description, self._height, self._width)
        if here != self._description.reference:
            different = [*_differences("", self._description.environment, self._environment)]
            found = " ".join(different) or "Versions and device are the same, as far as they are known."
            raise CoverError(
                "This computer does not make the covers of this key: its reference picture has the fingerprint "
                f"{here[:16]}… instead of {self._description.reference[:16]}…. {found}",
                "Covers are the same only with the same versions on the same kind of device: install those, "
                "or make a key where it will be used.",
            )
        _verified.add(self._identity)
        self._cache.note(self._identity)


def describe_diffusion(
    model: str,
    height: int,
    width: int,
    *,
    prompts: Sequence[str] = ("Campus",),
    steps: int = 50,
    guidance: float = 7.5,
    scheduler: str | None = None,
    device: Literal["cpu", "cuda", "auto"] = "auto",
) -> Diffusion:
    """What a profile says of a diffusion model on this computer; makes the reference picture.

    `model` is a folder that diffusers saved, a .safetensors or .ckpt file, or a name on the Hugging Face hub.
    `guidance` has at most two decimals. `scheduler`, a class of diffusers, replaces the model's own. Raises
    CoverError, and UsageError for choices that cannot be.
    """
    sampling = _sampling()
    if device == "cuda" and not sampling.has_gpu():
        raise UsageError("There is no GPU that torch can use.", "Choose the device cpu.")
    where = ("cuda" if sampling.has_gpu() else "cpu") if device == "auto" else device
    loaded: Model = sampling.load(model, scheduler, where)
    prompts = [" ".join(prompt.split()) for prompt in prompts]
    draft = make_diffusion(
        prompts=prompts,
        steps=steps,
        guidance=_guidance(guidance),
        device=where,
        threads=sampling.threads(),
        scheduler=loaded.scheduler,
        settings=loaded.settings(),
        model=loaded.parts(prompts),
        environment=loaded.environment(),
        reference="0" * 64,
    )
    return draft.model_copy(update={"reference": _reference(loaded, draft, height, width)})


def _guidance(scale: float) -> str:
    """Shortest text of a number with at most two decimals."""
    text = f"{scale:.2f}".rstrip("0").rstrip(".")
    if float(text) != scale:
        raise UsageError(f"The guidance cannot be {scale}.", "Give at most two decimals.")
    return text


def _draw(
    model: "Model", description: Diffusion, height: int, width: int, key: Seed, message: int
) -> Picture:
    """Cover of a message: the stream's first word chooses the prompt, its normals are all the noise."""
    stream = key.derive(f"csfnns/1/cover/diffusion/{message}").stream()
    prompt = description.prompts[int(stream.integers(1, len(description.prompts))[0])]
    return model.draw(
        stream,
        prompt,
        height=height,
        width=width,
        steps=description.steps,
        guidance=float(description.guidance),
        threads=description.threads,
    )


def _reference(model: "Model", description: Diffusion, height: int, width: int) -> str:
    return hashlib.sha256(_draw(model, description, height, width, REFERENCE, 0).tobytes()).hexdigest()


def _differences(
    whose: str, expected: Sequence[str], here: Sequence[str], names: set[str] | None = None
) -> Iterator[str]:
    """Sentences about facts that are not the same, or missing at one end; of `names` only, if given."""
    theirs, ours = facts_by_name(tuple(expected)), facts_by_name(tuple(here))
    for name in sorted(theirs.keys() | ours.keys() if names is None else names):
        if theirs.get(name) != ours.get(name):
            yield f"{whose}{name}: expected {theirs.get(name, 'none')}, here {ours.get(name, 'none')}."


def _sampling() -> ModuleType:
    """The module that needs the extra libraries. Raises CoverError without them."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other libraries, about themselves
            from csfnns.covers import _sampling
        _sampling.check_libraries()
        return _sampling
    except Exception as error:  # a broken torchvision raises RuntimeError, a broken build anything
        raise CoverError(
            f"Covers of a diffusion model need diffusers and transformers, which cannot be loaded: {error}.",
            "Install them: pip install 'csfnns[sd]'",
        ) from error
