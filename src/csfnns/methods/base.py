"""Interface of methods: ways to hide secrets in a given cover and to extract them again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol, TypeAlias

from csfnns.images.io import Picture
from csfnns.payloads.base import Decoded
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.search import Progress

Carrier = Literal["levels", "coefficients", "projections"]
"""Where a stego carries the address: levels of a lossless picture, coefficients of a JPEG file, or low frequencies."""

Form = Literal["exact", "trellis", "avif", "network"]
"""How a secret goes: byte for byte, for the trellis decoder, as a smaller AVIF, or for a network."""

Payload: TypeAlias = "bytes | Picture"
"""What goes to one receiver: bytes that arrive exactly, or a picture."""


@dataclass(frozen=True, slots=True)
class ReceiverSeeds:
    """Seeds of one receiver's part of one message."""

    decoder: Seed
    header: Seed


@dataclass(frozen=True, slots=True)
class Envelope:
    """What every method writes into a message besides the payloads."""

    key: Seed
    """Address key: writes the nonce into the stego (csfnns.address)."""
    nonce: bytes
    sent: int = 0
    """Time of sending in seconds since 1970, for payloads that are pictures; 0: not stated."""
    shares: int = 1
    """Receivers that the key has: several pictures get equal shares of the cover, whoever gets one."""
    names: Mapping[ReceiverSeeds, str] = field(default_factory=dict)
    """File names of pictures without their suffixes, for methods that have room for them."""


def context_of(carrier: Carrier, height: int, width: int) -> bytes:
    """What the check value of an address covers besides the nonce."""
    return f"{carrier}/{width}x{height}".encode()


class Scheme(Protocol):
    """What experiments compare: pictures into a cover and back. Settings are fields of the class."""

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for what `embed` would certainly refuse."""
        ...

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: "Progress | None" = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with one secret of any size for each receiver.

        What a receiver gets is not checked here. Raises CapacityError, SearchError and Cancelled.
        """
        ...

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver, on the grid that carried it. Raises NoMessageError where there is none.

        Baselines whose receivers have no cover ignore it.
        """
        ...


class Method(Protocol):
    """One way to hide. Its settings are the fields of a frozen dataclass and the sender's alone.

    A stego is a picture, uint8 (H, W, 3), or with carrier "coefficients" a `coding.jpeg.Coefficients`.
    """

    name: ClassVar[str]
    carrier: ClassVar[Carrier]

    def embed(
        self,
        cover: Picture,
        payloads: Mapping[ReceiverSeeds, Any],
        *,
        envelope: Envelope | None = None,
        progress: "Progress | None" = None,
    ) -> Any:
        """Stego with a payload for each receiver, and with the address of `envelope` unless that is None.

        Raises CapacityError, SearchError, UsageError and Cancelled.
        """
        ...

    def extract(
        self, stego: Any, cover: Picture, seeds: ReceiverSeeds, *, envelope: Envelope | None = None
    ) -> bytes | Decoded:
        """Payload of one receiver; `envelope` as it was embedded.

        Raises NoMessageError where there is none and DamagedError for bytes that were changed.
        """
        ...
