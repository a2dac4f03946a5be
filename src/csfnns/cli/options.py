"""Options that several commands share, so that they read the same everywhere."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated, TypeAlias

import typer

from csfnns.errors import UsageError

_KEY = "The key and its passphrase"
_PROFILE = "Profile of a passphrase's key: the same at both ends"


class As(StrEnum):
    """What a secret is taken for."""

    file = "file"
    picture = "picture"


class Device(StrEnum):
    """Where the search runs."""

    cpu = "cpu"
    cuda = "cuda"
    auto = "auto"


KeyFile: TypeAlias = Annotated[
    Path | None, typer.Option("--key", "-k", metavar="FILE", help="Key file. [env var: CSFNNS_KEY]")
]
AskPassphrase: TypeAlias = Annotated[
    bool,
    typer.Option(
        "--passphrase", help="Ask for a passphrase instead of a key file. [env var: CSFNNS_PASSPHRASE]"
    ),
]
PassphraseFile: TypeAlias = Annotated[
    Path | None, typer.Option(metavar="FILE", help="Passphrase: the first line of this file.")
]
Insist: TypeAlias = Annotated[bool, typer.Option("--insist", help="Accept a weak passphrase.")]

ProfileName: TypeAlias = Annotated[
    str | None,
    typer.Option("--profile", metavar="standard|robust|paper", help="Decoder family; standard unless given."),
]
Size: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="SIDE|WxH", help="Pixels of the covers: 512 or 768x512; multiples of 16."),
]
Bpp: TypeAlias = Annotated[
    str | None,
    typer.Option(metavar="24|6|1.5", help="Secret bits a cover pixel, with profile paper; robust has 1.5."),
]
Generator: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="abstract|folder|diffusion", help="Where covers come from: grown, an album, or a model."
    ),
]
Album: TypeAlias = Annotated[
    Path | None,
    typer.Option(metavar="DIR", help="Album of covers, for generator folder. [env var: CSFNNS_ALBUM]"),
]
Model: TypeAlias = Annotated[
    str | None,
    typer.Option(
        metavar="PATH|NAME",
        help="Model of covers, for generator diffusion: a folder, a .safetensors or .ckpt file, or a name on the "
        "Hugging Face hub. [env var: CSFNNS_MODEL]",
    ),
]

PictureOut: TypeAlias = Annotated[
    Path, typer.Option("--out", "-o", metavar="FILE", help="Picture to write: .png, .webp or .jpg.")
]
SecretOut: TypeAlias = Annotated[
    str,
    typer.Option(
        "--out",
        "-o",
        metavar="FILE|FOLDER",
        help="File to write: .png or .webp for a picture. In a folder, it is called as the sender called it.",
    ),
]
Survive: TypeAlias = Annotated[
    list[str] | None,
    typer.Option(
        metavar="CHANNEL",
        help="What the picture shall survive, with a key of profile robust: jpeg:75-95 (unless given), jpeg:90, "
        "noise:2, resize:0.5, mismatch:0.05; a+b for one after another. Several times: any of them.",
    ),
]
Quality: TypeAlias = Annotated[
    int | None, typer.Option(metavar="1…100", help="Of a .jpg that holds a file; 90 unless given.")
]
SearchDevice: TypeAlias = Annotated[
    Device, typer.Option("--device", help="Where the search runs; auto is cuda where there is one.")
]
Overwrite: TypeAlias = Annotated[bool, typer.Option("--overwrite", help="Replace the output if it exists.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]


def torch_device(device: Device) -> str:
    """Name of a device for torch."""
    if device is not Device.auto:
        return device.value
    from csfnns.extras import has

    if not has("network"):
        return "cpu"  # whatever needs more says so
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of "512" or "768x512". Raises UsageError."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and len(side) < 6 for side in sides):
        raise UsageError(f"{text!r} is no size.", "Give one side, 512, or width and height, 768x512.")
    return int(sides[0]), int(sides[-1])
