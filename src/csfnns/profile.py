"""Profile: every public choice that both ends must share. It travels in the key file and is no secret."""

from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from csfnns.errors import UsageError

GRID = 16  # cover sides are multiples of this: every decoder's shuffles, strides and 8x8 blocks then come out whole

Rate = Literal["24", "6", "1.5"]

# What key files can hold as it is: printable ASCII but " and \, one blank at a time, none at the ends.
_WORDS = r"[!#-\[\]-~]+( [!#-\[\]-~]+)*"

Prompt = Annotated[str, Field(max_length=500, pattern=f"^{_WORDS}$")]
Fact = Annotated[str, Field(max_length=64, pattern=rf"^[a-z0-9_]+=({_WORDS})?$")]
Facts = Annotated[tuple[Fact, ...], Field(max_length=100, strict=False)]
"""Texts `name=value`, each name once."""


class Diffusion(BaseModel):
    """How a diffusion model makes a key's covers, with what and on what: for generator `diffusion`. Frozen.

    `csfnns.covers.describe_diffusion` fills it in.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    prompts: tuple[Prompt, ...] = Field(min_length=1, max_length=32, strict=False)
    """The key chooses one of them for each cover."""
    steps: int = Field(ge=1, le=1000)
    guidance: str = Field(pattern=r"^(0|[1-9][0-9]?)(\.[0-9]?[1-9])?$")
    """Guidance scale, as a text so that every program writes the same: 7.5, 0."""
    device: Literal["cpu", "cuda"]
    threads: int = Field(ge=1, le=256)
    """Threads of the processor: sums come out otherwise on another number, so it is set while a cover is made."""
    scheduler: str = Field(pattern=r"^[A-Z][A-Za-z0-9]{0,63}$")
    """Class of diffusers."""
    settings: Facts
    """The scheduler's settings. One that both ends know must be the same."""
    model: Facts
    """The pipeline's class and fingerprints of its parts. Must be the same."""
    environment: Facts
    """Versions and device. May differ as long as the reference picture comes out the same."""
    reference: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the reference picture's pixels."""

    @model_validator(mode="after")
    def _each_name_once(self) -> Self:
        for facts in (self.settings, self.model, self.environment):
            if len(facts_by_name(facts)) < len(facts):
                raise ValueError("a name is there twice")
        return self


def facts_by_name(facts: tuple[str, ...]) -> dict[str, str]:
    """Name → value of texts `name=value`."""
    return {name: value for name, _, value in (fact.partition("=") for fact in facts)}


class Profile(BaseModel):
    """Public choices of one key. Frozen; two equal profiles make equal covers and decoders from equal seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    version: Literal[1] = 1
    generator: str = Field(default="abstract", pattern=r"^[a-z][a-z0-9-]{0,31}$")
    album: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Fingerprint of the shared album, for generator `folder`."""
    diffusion: Diffusion | None = None
    """What makes the covers of generator `diffusion`."""
    width: int = Field(default=512, ge=64, le=8192, multiple_of=GRID)
    height: int = Field(default=512, ge=64, le=8192, multiple_of=GRID)
    decoder: Literal["trellis", "robust", "shuffle", "plain"] = "trellis"
    """What makes a picture of δ: the trellis decoder, or one of three networks."""
    bpp: Rate = "6"
    """Of a network: secret bits a cover pixel, 24 a secret pixel as in the paper: 24, 6 or 1.5."""
    channels: int = Field(default=48, ge=3, le=512)
    """Of a network."""
    weights: Literal["xavier-normal", "xavier-uniform", "orthogonal", "kaiming", "uniform", "normal"] = (
        "orthogonal"
    )

    @model_validator(mode="after")
    def _album_belongs_to_folder(self) -> Self:
        if (self.album is not None) != (self.generator == "folder"):
            raise ValueError("an album fingerprint goes with the generator 'folder', and only with it")
        return self

    @model_validator(mode="after")
    def _diffusion_belongs_to_its_generator(self) -> Self:
        if (self.diffusion is not None) != (self.generator == "diffusion"):
            raise ValueError("a description of a model goes with the generator 'diffusion', and only with it")
        return self

    @model_validator(mode="after")
    def _trellis_has_no_network(self) -> Self:
        if self.decoder == "trellis":
            for name in ("bpp", "channels", "weights"):
                if getattr(self, name) != type(self).model_fields[name].default:
                    raise ValueError(f"{name} goes with a network: choose the profile 'paper' or 'robust'")
        return self

    @model_validator(mode="after")
    def _robust_carries_little(self) -> Self:
        # 28 numbers of a block are looked at: 12 can be made of them, 48 or 192 cannot.
        if self.decoder == "robust" and self.bpp != "1.5":
            raise ValueError("the decoder 'robust' carries 1.5 bits a pixel, no more")
        return self

    @property
    def has_header(self) -> bool:
        """Whether a picture has a header with a check value, so that a wrong key is known as such."""
        return self.decoder in ("trellis", "robust")

    @property
    def is_network(self) -> bool:
        """Whether the decoder is a network, whose search needs torch."""
        return self.decoder != "trellis"

    @property
    def secret_size(self) -> tuple[int, int]:
        """Height and width of a network's grid: the cover's, divided by 1, 2 or 4 (24, 6, 1.5 bpp)."""
        divisor = {"24": 1, "6": 2, "1.5": 4}[self.bpp]
        return self.height // divisor, self.width // divisor


PRESETS: dict[str, dict[str, Any]] = {
    # Pictures at their own size, by few changes; needs no torch.
    "standard": {"decoder": "trellis"},
    # For pictures that are compressed, scaled or made noisy on their way.
    "robust": {"decoder": "robust", "channels": 48, "weights": "orthogonal", "bpp": "1.5"},
    # The authors' public code, which made every table of the paper.
    "paper": {"decoder": "shuffle", "channels": 96, "weights": "xavier-normal"},
}


def make_profile(name: str = "standard", **choices: Any) -> Profile:
    """Preset `standard`, `robust` or `paper`, with single choices replaced. Raises UsageError for what cannot be."""
    if name not in PRESETS:
        raise UsageError(f"There is no profile {name!r}.", f"Choose one of: {', '.join(PRESETS)}.")
    try:
        return Profile(name=name, **(PRESETS[name] | choices))
    except ValidationError as error:
        raise _as_usage_error(error, "profile") from error


def make_diffusion(**fields: Any) -> Diffusion:
    """Description of how a diffusion model makes covers. Raises UsageError for what cannot be."""
    try:
        return Diffusion(**fields)
    except ValidationError as error:
        raise _as_usage_error(error, "covers") from error


def _as_usage_error(error: ValidationError, whose: str) -> UsageError:
    first = error.errors()[0]
    reason = first["msg"].removeprefix("Value error, ")
    if not first["loc"]:
        return UsageError(
            f"This {whose.removesuffix('s')} cannot be: {reason}.", "Leave one of the choices out."
        )
    field = ".".join(map(str, first["loc"]))
    return UsageError(f"The {whose}'s {field} cannot be {first['input']!r}: {reason}.")
