"""What a scheme is: a way to hide secrets in a given cover and to get them back."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from csfnns.payloads import Decoded
from csfnns.picture import Picture
from csfnns.search import Progress
from csfnns.stream import Seed


@dataclass(frozen=True)
class ReceiverSeeds:
    """What one receiver's part of one message grows from."""

    decoder: Seed
    header: Seed


class Scheme(Protocol):
    """Settings (the profile, the search) go to the constructor; keys, files and ledgers are the caller's."""

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for what `embed` would certainly refuse or fail at."""
        ...

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture],
        *,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with one secret, of any size, a receiver.

        Raises CapacityError, SearchError and Cancelled. What a receiver gets is not checked here.
        """
        ...

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver, on the grid that carried it. Raises NoMessageError when there is none.

        Schemes whose receivers have no cover do not look at it.
        """
        ...
