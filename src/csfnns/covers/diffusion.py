"""Covers drawn by a diffusion model, such as Stable Diffusion, from the key's random numbers.

cover seed ─ stream ─┬─ choice of a prompt
                     └─ normals: the latents, then the scheduler's noise ─ pipeline ─ picture

Float32 sums differ between processors, GPUs and library versions, and a cover that differs by one level is noise as
strong as the hidden message. So the profile describes the model, the settings and the device, and holds the
fingerprint of a reference picture from a public seed. Each end makes that picture once, before the first cover.
"""

import hashlib
import platform
import warnings
from collections.abc import Iterator, Sequence
from types import ModuleType
from typing import TYPE_CHECKING, Literal

from csfnns.covers._cache import CoverCache
from csfnns.covers._models import locate
from csfnns.errors import CoverError, UsageError
from csfnns.images.io import Picture
from csfnns.profile import Diffusion, Profile, facts_by_name, make_diffusion
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.covers._sampling import Model

REFERENCE = Seed(hashlib.sha256(b"csfnns/2/cover/diffusion/reference").digest())
"""Public cover seed of the reference picture."""

_verified: set[str] = set()  # descriptions whose reference picture came out right in this process


class DiffusionCovers:
    """Covers of a diffusion model: each takes seconds on a GPU and minutes on a processor. They are cached."""

    def __init__(
        self, model: str, height: int, width: int, description: Diffusion, *, cache: CoverCache | None = None
    ) -> None:
        """Load `model` (a folder, a file, or hub:NAME@REVISION) and compare it with the key's description.

        Raises CoverError, which names what differs, and when diffusers is missing or the model cannot be loaded, and
        UsageError for a name on the hub without a commit.
        """
        self._height, self._width, self._description = height, width, description
        self._cache = cache or CoverCache()
        sampling = _sampling()
        if description.device == "cuda" and not sampling.has_gpu():
            made_on = facts_by_name(description.environment).get("gpu", "a GPU")
            raise CoverError(
                f"This key's covers are made on {made_on}, and there is no GPU here.",
                "Use such a GPU, or make a key where it will be used.",
            )
        self._model: Model = sampling.load(locate(model), description.scheduler, description.device)
        self._environment = self._model.environment()
        # The computer's name is included because computers with different processors may share a home folder.
        self._identity = hashlib.sha256(
            f"{width}x{height} {description.model_dump_json()} {self._environment} {platform.node()}".encode()
        ).hexdigest()[:32]
        self._compare()
        self._verify()

    def __call__(self, seed: Seed) -> Picture:
        """Cover of a cover seed, uint8 (height, width, 3). Raises CoverError."""
        kept = seed.derive(f"csfnns/2/cover/cache/{self._identity}")
        cover = self._cache.get(kept, self._height, self._width)
        if cover is None:
            cover = _draw(self._model, self._description, self._height, self._width, seed)
            self._cache.put(kept, cover)
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
        """Raise CoverError unless the reference picture comes out as in the key; a success is noted in the cache."""
        if self._identity in _verified or self._cache.noted(self._identity):
            return
        here = _reference(self._model, self._description, self._height, self._width)
        if here != self._description.reference:
            different = [*_differences("", self._description.environment, self._environment)]
            found = " ".join(different) or "The known versions and the device are the same."
            raise CoverError(
                "This computer does not make the covers of this key: its reference picture has the fingerprint "
                f"{here[:16]}… instead of {self._description.reference[:16]}…. {found}",
                "Covers are the same only with the same versions on the same kind of device: install those, "
                "or make a key where it will be used.",
            )
        _verified.add(self._identity)
        self._cache.note(self._identity)


def from_profile(profile: Profile, model: str) -> DiffusionCovers:
    """Generator of a key with generator `diffusion`."""
    assert profile.diffusion is not None  # the profile's own rule
    return DiffusionCovers(model, profile.height, profile.width, profile.diffusion)


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
    """Description of a diffusion model on this computer, for a profile; makes the reference picture.

    `model` is a folder that diffusers saved, a .safetensors file beside its configuration, or hub:NAME@REVISION: a commit
    on the Hugging Face hub, which alone is looked for online. `guidance` has at most two decimals. `scheduler`, a class of
    diffusers, replaces the model's own. Raises UsageError for wrong settings, and CoverError for a model that cannot be
    loaded or makes no picture.
    """
    sampling = _sampling()
    if device == "cuda" and not sampling.has_gpu():
        raise UsageError("device must be cpu where torch finds no GPU, got cuda.", "Use the processor.")
    where = ("cuda" if sampling.has_gpu() else "cpu") if device == "auto" else device
    loaded: Model = sampling.load(locate(model), scheduler, where)
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
        raise UsageError(f"guidance must have at most two decimals, got {scale}.", "Round it.")
    return text


def _draw(model: "Model", description: Diffusion, height: int, width: int, seed: Seed) -> Picture:
    """Cover of a seed: the stream's first word chooses the prompt, its normals are the noise."""
    stream = seed.derive("csfnns/2/cover/diffusion").stream()
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
    return hashlib.sha256(_draw(model, description, height, width, REFERENCE).tobytes()).hexdigest()


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
            warnings.simplefilter("ignore")
            from csfnns.covers import _sampling
        _sampling.check_libraries()
        return _sampling
    except Exception as error:  # a broken torchvision raises RuntimeError, a broken build anything
        raise CoverError(
            f"Covers of a diffusion model need diffusers and transformers, which cannot be loaded: {error}.",
            "Install them: pip install 'csfnns[sd]'",
        ) from error
