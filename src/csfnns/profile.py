"""Profile: every public choice that both ends must share. It travels in the key file and is no secret."""

from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from csfnns.errors import UsageError

GRID = 16  # cover sides are multiples of this: every decoder's shuffles, strides and 8x8 blocks then come out whole

Rate = Literal["24", "6", "1.5"]


class Profile(BaseModel):
    """Public choices of one key. Frozen; two equal profiles make equal covers and decoders from equal seeds."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    name: str = Field(pattern=r"^[a-z][a-z0-9-]{0,31}$")
    version: Literal[1] = 1
    generator: str = Field(default="abstract", pattern=r"^[a-z][a-z0-9-]{0,31}$")
    album: str | None = Field(default=None, pattern=r"^[0-9a-f]{64}$")
    """Fingerprint of the shared album, for generator `folder`."""
    width: int = Field(default=512, ge=64, le=8192, multiple_of=GRID)
    height: int = Field(default=512, ge=64, le=8192, multiple_of=GRID)
    bpp: Rate = "6"
    """Secret bits a cover pixel, 24 a secret pixel as in the paper: 24, 6 or 1.5."""
    decoder: Literal["plain", "shuffle", "spectral"] = "spectral"
    channels: int = Field(default=48, ge=3, le=512)
    weights: Literal["xavier-normal", "xavier-uniform", "orthogonal", "kaiming", "uniform", "normal"] = (
        "orthogonal"
    )

    @model_validator(mode="after")
    def _album_belongs_to_folder(self) -> Self:
        if (self.album is not None) != (self.generator == "folder"):
            raise ValueError("an album fingerprint goes with the generator 'folder', and only with it")
        return self

    @property
    def secret_size(self) -> tuple[int, int]:
        """Height and width of the secret's grid: the cover's, divided by 1, 2 or 4 (24, 6, 1.5 bpp)."""
        divisor = {"24": 1, "6": 2, "1.5": 4}[self.bpp]
        return self.height // divisor, self.width // divisor


PRESETS: dict[str, dict[str, Any]] = {
    "standard": {"decoder": "spectral", "channels": 48, "weights": "orthogonal"},
    # The authors' public code, which made every table of the paper.
    "paper": {"decoder": "shuffle", "channels": 96, "weights": "xavier-normal"},
}


def make_profile(name: str = "standard", **choices: Any) -> Profile:
    """Preset `standard` or `paper`, with single choices replaced. Raises UsageError for what cannot be."""
    if name not in PRESETS:
        raise UsageError(f"There is no profile {name!r}.", f"Choose one of: {', '.join(PRESETS)}.")
    try:
        return Profile(name=name, **(PRESETS[name] | choices))
    except ValidationError as error:
        first = error.errors()[0]
        reason = first["msg"].removeprefix("Value error, ")
        if not first["loc"]:
            raise UsageError(f"This profile cannot be: {reason}.") from error
        field = ".".join(map(str, first["loc"]))
        raise UsageError(f"The profile's {field} cannot be {first['input']!r}: {reason}.") from error
