"""A message on its way: prepared for each receiver, hidden, made a file, read back and checked as they will read it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from csfnns.errors import CapacityError, DamagedError, SearchError
from csfnns.keys import Key
from csfnns.measure import Figures, compare, psnr
from csfnns.picture import Picture, fit, read_picture
from csfnns.results import Arrival, Hidden
from csfnns.select import LEAST_PSNR, Prepared, Secret, Wishes, candidates, largest_side
from csfnns.ways import Arrived, Bits, JpegFile, Network, Payload, Pixels, arrive

if TYPE_CHECKING:
    from csfnns.payloads import Decoded
    from csfnns.schemes import ReceiverSeeds


def seeds_of(key: Key, name: str, message: int) -> "ReceiverSeeds":
    """Seeds of one receiver's part of a message."""
    from csfnns.schemes import ReceiverSeeds

    return ReceiverSeeds(key.decoder_seed(name, message), key.header_seed(name, message))


@dataclass(frozen=True)
class Sending:
    """One message on its way."""

    key: Key
    message: int
    secrets: Mapping[str, Secret]
    cover: Picture
    way: Pixels | JpegFile | Bits | Network
    wishes: Wishes

    def send(self) -> Hidden:
        """Hide everything. Raises CapacityError, SearchError and Cancelled."""
        refused: CapacityError | None = None
        for prepared in self._candidates():
            try:
                data = self.way.embed(self.cover, self._payloads(prepared))
            except CapacityError as error:
                refused = error
                continue
            return self._checked(data, prepared)
        assert refused is not None
        raise refused

    def _candidates(self) -> Iterable[dict[str, Prepared]]:
        if isinstance(self.way, Network):
            pictures = {name: (each.picture, each) for name, each in self.secrets.items()}
            return [
                {
                    name: Prepared("network", picture, each)
                    for name, (picture, each) in pictures.items()
                    if picture is not None
                }
            ]
        return candidates(self.way, self.cover, self.secrets, self.wishes)

    def _payloads(self, prepared: Mapping[str, Prepared]) -> "dict[ReceiverSeeds, Payload]":
        return {seeds_of(self.key, name, self.message): each.payload for name, each in prepared.items()}

    def _checked(self, data: bytes, prepared: Mapping[str, Prepared]) -> Hidden:
        """What the file's bytes bring, read as every receiver will read them. Raises SearchError."""
        arrived = arrive(data)
        stego = arrived.picture
        receivers = {name: self._arrival(arrived, name, each) for name, each in prepared.items()}
        survives: dict[str, dict[str, Figures | None]] = {}
        for case, picture in self.way.behind(stego, np.random.default_rng(self.message)):
            survives[case] = {
                name: self._figures(self._extracted(Arrived(picture), name), name, each, f" behind {case}")
                for name, each in prepared.items()
            }
        figures = compare(self.way.plain(self.cover), stego)
        return Hidden(stego, self.message, figures, receivers, self.way.carrier, survives, data)

    def _arrival(self, arrived: Arrived, name: str, prepared: Prepared) -> Arrival:
        secret, file = prepared.secret, prepared.file
        found = self._extracted(arrived, name)
        figures = self._figures(found, name, prepared, "")
        if file is not None and secret.picture is None:
            return Arrival("exact", None, None, None, None, file)
        shown = found.grid if file is None else read_picture(file.content)  # type: ignore[union-attr]
        if prepared.method == "avif":
            assert secret.picture is not None
            figures = compare(shown, fit(secret.picture, *shown.shape[:2]))
        assert secret.original is not None
        height, width = shown.shape[:2]
        whole = psnr(fit(shown, *secret.original.shape[:2]), secret.original)
        return Arrival(prepared.method, width, height, figures, whole, file)

    def _figures(
        self, found: "bytes | Decoded | None", name: str, prepared: Prepared, where: str
    ) -> Figures | None:
        """A picture as it arrives, against the secret; None for bytes, which must arrive exactly. Raises SearchError."""
        if isinstance(prepared.payload, bytes):
            if found != prepared.payload:
                hint = "Try again; if it happens twice, check this computer's memory."
                raise SearchError(f"What {name} would get is not what was to be hidden{where}.", hint)
            return None
        hint = "Try again: the next message has another cover and decoder."
        if isinstance(self.way, Network):
            hint = "Try again with more steps, a larger beta or less gamma; or prepare for less."
        if found is None or isinstance(found, bytes):
            raise SearchError(f"The search ended before {name}'s secret could be read{where}.", hint)
        figures = compare(found.grid, fit(prepared.payload, *found.grid.shape[:2]))
        if figures.psnr < LEAST_PSNR:
            reason = f"{name}'s secret would arrive with {figures.psnr:.1f} dB only{where}."
            raise SearchError(reason, self._smaller(prepared) or hint)
        return figures

    def _smaller(self, prepared: Prepared) -> str:
        """What would fit instead of a picture that is too large."""
        if not isinstance(self.way, Pixels):
            return ""
        from csfnns.schemes.trellis import Trellis

        several = len(self.secrets) > 1
        places = self.cover.size // (max(self.way.shares, len(self.secrets)) if several else 1)
        side = largest_side(self.way.trellis or Trellis(), places, prepared.payload)  # type: ignore[arg-type]
        larger = "make a key with a larger --size"
        return f"Scale it down: --resize {side}; or {larger}." if side else f"{larger.capitalize()}."

    def _extracted(self, arrived: Arrived, name: str) -> "bytes | Decoded | None":
        try:
            return self.way.extract(arrived, self.cover, seeds_of(self.key, name, self.message))
        except DamagedError:
            return None
