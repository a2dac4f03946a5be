"""Profile: every public choice that both ends must share. It travels in the key file and is no secret."""

import re
import reprlib
from typing import Annotated, Any, Literal, Self

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    ValidationError,
    model_serializer,
    model_validator,
)

from csfnns.errors import UsageError

GRID = 16  # cover sides are multiples of this: every decoder's shuffles, strides and 8x8 blocks then come out whole

Rate = Literal["24", "6", "1.5"]
Decoder = Literal["trellis", "robust", "shuffle", "plain"]
Weights = Literal["xavier-normal", "xavier-uniform", "orthogonal", "kaiming", "uniform", "normal"]

NETWORK_FIELDS = ("bpp", "channels", "weights")

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
    """Public choices of one key. Frozen; two equal profiles make equal covers and decoders from equal seeds.

    `model_dump` gives the fields that apply: no album or model unless the generator needs it, and nothing of a
    network with the trellis decoder.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    version: Literal[2] = 2
    generator: str = Field(default="abstract", pattern=r"^[a-z][a-z0-9-]{0,31}$")
    album: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Fingerprint of the shared album, for generator `folder`."""
    diffusion: Diffusion | None = None
    """The model and its settings, for generator `diffusion`."""
    width: int = Field(default=512, ge=64, le=8192, multiple_of=GRID)
    height: int = Field(default=512, ge=64, le=8192, multiple_of=GRID)
    decoder: Decoder = "trellis"
    """What makes a picture of δ: the trellis decoder, or one of three networks."""
    bpp: Rate = "6"
    """Secret bits per cover pixel of a network, with 24 bits in a secret pixel as in the paper."""
    channels: int = Field(default=48, ge=3, le=512)
    """Channels of a network's hidden layers."""
    weights: Weights = "orthogonal"
    """Distribution of a network's weights."""

    @model_validator(mode="after")
    def _fields_fit_together(self) -> Self:
        for field, generator in (("album", "folder"), ("diffusion", "diffusion")):
            if (getattr(self, field) is not None) != (self.generator == generator):
                with_it = f"goes with the generator {generator!r}, and only with it"
                raise ValueError(f"{field} {with_it}; the generator is {self.generator!r}")
        given = [field for field in NETWORK_FIELDS if field in self.model_fields_set]
        if self.decoder == "trellis" and given:
            raise ValueError(f"{given[0]} goes with a network, and this decoder is 'trellis'")
        # The decoder robust reads 28 numbers of a block: 12 outputs can be made of them, 48 or 192 cannot.
        if self.decoder == "robust" and self.bpp != "1.5":
            raise ValueError(f"bpp must be '1.5' with the decoder 'robust', got {self.bpp!r}")
        return self

    @model_serializer(mode="wrap")
    def _applying_fields(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        network = () if self.is_network else NETWORK_FIELDS
        fields: dict[str, Any] = handler(self)
        return {name: value for name, value in fields.items() if value is not None and name not in network}

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


def make_profile(
    name: str = "standard",
    *,
    width: int = 512,
    height: int = 512,
    generator: str = "abstract",
    album: str | None = None,
    diffusion: Diffusion | None = None,
    decoder: Decoder | None = None,
    bpp: Rate | None = None,
    channels: int | None = None,
    weights: Weights | None = None,
) -> Profile:
    """Preset `standard`, `robust` or `paper`, with single choices replaced.

    `width` and `height` are the cover's, multiples of 16 in 64…8192. `album` is the fingerprint of an album, with the
    generator `folder`; `diffusion` comes from `csfnns.covers.describe_diffusion`. `bpp`, `channels` and `weights` go
    with the networks of `robust` and `paper`. Raises UsageError for an unknown preset and for choices that are out of
    range or do not fit together.
    """
    if name not in PRESETS:
        raise UsageError(f"There is no profile {name!r}.", f"Choose one of: {', '.join(PRESETS)}.")
    network = {"decoder": decoder, "bpp": bpp, "channels": channels, "weights": weights}
    cover = {"width": width, "height": height, "generator": generator, "album": album, "diffusion": diffusion}
    chosen = {field: value for field, value in network.items() if value is not None}
    try:
        return Profile(name=name, **(PRESETS[name] | chosen | cover))
    except ValidationError as error:
        raise UsageError(explain(error), "Choose another value, or leave it out.") from error


def make_diffusion(**fields: Any) -> Diffusion:
    """Model and settings of diffusion covers. Raises UsageError for fields that are out of range."""
    try:
        return Diffusion(**fields)
    except ValidationError as error:
        raise UsageError(explain(error), "Choose another value.") from error


def explain(error: ValidationError) -> str:
    """First problem as a sentence with field and value, such as "width must be a multiple of 16, got 100."."""
    first = error.errors()[0]
    field = ".".join(map(str, first["loc"]))
    if first["type"] == "value_error":
        return f"{field}{': ' * bool(field)}{first['ctx']['error']}."
    if first["type"] in ("missing", "extra_forbidden"):
        return f"{field} is {'missing' if first['type'] == 'missing' else 'unknown'}."
    return f"{field} {re.sub('^[A-Z][a-z]+ should', 'must', first['msg'])}, got {reprlib.repr(first['input'])}."
