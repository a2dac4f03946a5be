"""What each receiver gets: the one place that chooses how a secret goes.

No more change than a very clear secret needs. A file goes exactly. A picture, into the levels of a lossless stego:

1. byte for byte, its own bytes or a lossless copy, if they leave the stego at EXACT_STEGO;
2. by the trellis decoder, if that brings it at its own size as clear as `Quality` says, with the stego at `Quality.stego`;
3. byte for byte, if that leaves the stego at `Quality.stego`;
4. else by the trellis decoder or as AVIF, whichever arrives better with such a stego.

Other ways carry bytes alone: there a picture goes byte for byte if it fits, and else as AVIF.
"""

import math
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from csfnns.coding import SLOTS
from csfnns.errors import CapacityError, PictureError, UsageError
from csfnns.picture import READABLE, Picture, fit, read_picture
from csfnns.results import MethodName
from csfnns.ways import Bits, JpegFile, Payload, Pixels

if TYPE_CHECKING:
    from csfnns.payloads.file import File

EXACT_STEGO = 60.0
"""PSNR in dB of a stego that a picture's own bytes may leave where the trellis decoder would do as well."""
LEAST_PSNR = 20.0
"""A picture that the receiver would get below this many dB is not sent."""

SendAs = Literal["picture", "file"]
_MOST_BYTES = 0.11  # for each sub-pixel, at most, that a stego of 56 dB has room for
_RATIO = 30  # bytes of pixels that a lossless copy has one byte for, at most, in drawings


@dataclass(frozen=True)
class Secret:
    """One receiver's secret."""

    content: bytes | None
    """Its own bytes; None for an array, an image, and a picture that was scaled."""
    name: str | None
    picture: Picture | None
    """It as a picture, if it is one and is sent as one."""
    original: Picture | None
    """The same before it was scaled."""

    @cached_property
    def packed(self) -> bytes:
        """Its own bytes or, of what has none, a lossless copy, in a frame with its name. Raises CapacityError."""
        from csfnns.payloads.avif import lossless
        from csfnns.payloads.file import Kind, pack

        if self.content is not None:
            return pack(self.content, self.name, Kind.FILE if self.picture is None else Kind.PICTURE)
        assert self.picture is not None
        return pack(*_named(lossless(self.picture), self.name), Kind.PICTURE)


@dataclass(frozen=True)
class Prepared:
    """A secret and how it goes."""

    method: MethodName
    payload: Payload
    secret: Secret
    file: "File | None" = None
    """What the payload holds, if it is bytes."""


@dataclass(frozen=True)
class Wishes:
    """What the sender asked for."""

    send_as: SendAs | None = None
    exact: bool = False
    targets: bool = False
    """Whether a quality was named: then a picture goes by the trellis decoder."""


def read_secret(source: Any, name: str | None, send_as: SendAs | None, resize: int | None) -> Secret:
    """Read a path, the bytes of a file, an array or a Pillow image. `resize` is the longer side of a picture, at most.

    Raises UsageError for a side below 1 and PictureError for what cannot be read, CapacityError for more than MAX_CONTENT.
    """
    if resize is not None and resize < 1:
        raise UsageError(
            f"resize must be at least 1 pixel, got {resize}.", "Give the longer side, such as 1280."
        )
    content: bytes | None = None
    if isinstance(source, bytes):
        content = source
    elif isinstance(source, str | os.PathLike):
        content = _read_file(Path(source))
        name = name or Path(source).name
    wanted = send_as == "picture" or content is None or (send_as is None and is_picture(source))
    picture = read_picture(source if content is None else content) if wanted else None
    if picture is None and resize is not None:
        raise UsageError("resize is for pictures, and this is sent as a file.", "Leave it out.")
    if picture is None or resize is None or max(picture.shape[:2]) <= resize:
        return Secret(content, name, picture, picture)
    scale = resize / max(picture.shape[:2])
    height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
    label = None if name is None else f"{Path(name).stem}.png"
    return Secret(None, label, fit(picture, height, width), picture)


def is_picture(source: Any) -> bool:
    """Whether this is meant as a picture: by its name, else by what is in it."""
    if isinstance(source, str | os.PathLike) and Path(source).suffix.lower() in READABLE:
        return True
    try:
        read_picture(source)
    except PictureError:
        return False
    return True


def candidates(
    way: Pixels | JpegFile | Bits, cover: Picture, secrets: Mapping[str, Secret], wishes: Wishes
) -> Iterator[dict[str, Prepared]]:
    """What may go into a cover, best first: the next is for where one does not fit. Raises CapacityError."""
    if isinstance(way, Pixels) and not way.grain:
        chooser = _Chooser(way, cover, secrets, wishes)
        chosen = chooser.choose()
        yield chosen
        if wishes.exact and any(each.secret.picture is not None for each in chosen.values()):
            yield {name: chooser.smaller(each) for name, each in chosen.items()}
        return
    forced = wishes.send_as == "picture" and wishes.exact
    own = {name: _exactly(secret) for name, secret in secrets.items() if not forced or secret.picture is None}
    if len(own) == len(secrets) and way.has_room([len(each.payload) for each in own.values()]):
        yield own
    if all(secret.picture is None for secret in secrets.values()):
        raise way.too_much(sum(len(each.payload) for each in own.values()))
    room = way.room(cover, len(secrets))
    yield {
        name: _as_avif(secret, room) if secret.picture is not None else own[name]
        for name, secret in secrets.items()
    }


class _Chooser:
    """Chooses for a lossless stego."""

    def __init__(self, way: Pixels, cover: Picture, secrets: Mapping[str, Secret], wishes: Wishes) -> None:
        from csfnns.schemes.trellis import Trellis

        self._way, self._cover, self._secrets, self._wishes = way, cover, secrets, wishes
        self._trellis = way.trellis or Trellis()
        self._stego = self._trellis.quality.stego or 56.0

    def choose(self) -> dict[str, Prepared]:
        """How each secret goes. Raises CapacityError."""
        if len(self._secrets) > 1 and not self._wishes.exact and self._wishes.send_as != "file":
            # Nobody must see how large the others' pictures are: all go by the trellis decoder, in equal shares.
            pictures = {
                name: each.picture for name, each in self._secrets.items() if each.picture is not None
            }
            if len(pictures) == len(self._secrets):
                return {
                    name: Prepared("trellis", each, self._secrets[name]) for name, each in pictures.items()
                }
        # What takes little comes first, and leaves the rest of the cover to pictures.
        small = {name: found for name, each in self._secrets.items() if (found := self._small(each))}
        others = [name for name in self._secrets if name not in small]
        if not others:
            return small
        most = max(self._room(self._stego), 1) if small else 1
        taken = sum(max(1, round(SLOTS * len(each.payload) / most)) for each in small.values())
        share = max(SLOTS - taken, len(others)) / SLOTS / len(others)
        chosen = {name: self._picture(self._secrets[name], share) for name in others}
        return {name: small.get(name) or chosen[name] for name in self._secrets}

    def _small(self, secret: Secret) -> Prepared | None:
        """The secret byte for byte, if it goes so whatever the others need; else None. Raises CapacityError."""
        if secret.picture is None or self._wishes.send_as == "file":
            own = _exactly(secret)
            if not self._way.has_room([len(own.payload)]):
                raise self._way.too_much(len(own.payload))
            return own
        if self._wishes.exact or self._wishes.targets or self._wishes.send_as == "picture":
            return None
        shortest = self._shortest(secret)
        fits = shortest is not None and len(shortest.payload) * len(self._secrets) <= self._room(EXACT_STEGO)
        return shortest if fits else None

    def _picture(self, secret: Secret, share: float) -> Prepared:
        """How a picture goes in a share of the cover. Raises CapacityError."""
        picture, wishes = secret.picture, self._wishes
        assert picture is not None
        if wishes.exact:
            own = _exactly(secret)
            if wishes.send_as != "picture" and self._way.has_room([len(own.payload)] * len(self._secrets)):
                return own
            return _as_avif(secret, int(share * self._room(self._stego)))
        by_trellis = Prepared("trellis", picture, secret)
        if wishes.send_as == "picture" or wishes.targets:
            return by_trellis
        forecast = self._trellis.forecast(int(share * self._cover.size), picture)
        return by_trellis if forecast.clear else self._clearest(by_trellis, forecast.psnr, share)

    def smaller(self, prepared: Prepared) -> Prepared:
        """The same as AVIF, if it is a picture. Raises CapacityError."""
        if prepared.secret.picture is None:
            return prepared
        return _as_avif(prepared.secret, self._room(self._stego) // len(self._secrets))

    def _clearest(self, by_trellis: Prepared, forecast: float, share: float) -> Prepared:
        """How a picture goes that is too large to arrive as clear as wanted, `forecast` being what the decoder brings."""
        secret, room = by_trellis.secret, int(share * self._room(self._stego))
        assert secret.picture is not None
        shortest = self._shortest(secret)
        if shortest is not None and len(shortest.payload) <= room:
            return shortest
        found = _best_avif(secret.picture, room, secret.name)
        if found is None or found[1] <= forecast:
            return by_trellis
        return replace(found[0], secret=secret)

    def _room(self, stego: float) -> int:
        """Bytes in all that leave the stego at this PSNR in dB."""
        return self._rooms[stego]

    @cached_property
    def _rooms(self) -> dict[float, int]:
        return self._way.direct.capacity(self._cover, [self._stego, EXACT_STEGO]).at

    def _shortest(self, secret: Secret) -> Prepared | None:
        """Its own bytes or a lossless copy, whichever is shorter; None where neither can fit."""
        most = int(self._cover.size * _MOST_BYTES)
        found = []
        if secret.content is not None and len(secret.content) <= most:
            found.append(_exactly(secret))
        assert secret.picture is not None
        if secret.picture.size <= _RATIO * most and _is_plain(secret.picture, most):
            found.append(_exactly(replace(secret, content=None)))
        return min(found, key=lambda each: len(each.payload), default=None)


def _is_plain(picture: Picture, most: int) -> bool:
    """Whether a lossless copy may have so few bytes: a fast compressor makes a drawing small, and a photograph not."""
    import zlib

    return picture.size <= 2 * most or len(zlib.compress(picture.tobytes(), 1)) <= 2 * most


def _exactly(secret: Secret) -> Prepared:
    """Its own bytes, or of what has none a lossless copy."""
    from csfnns.payloads.file import unpack

    return Prepared("exact", secret.packed, secret, unpack(secret.packed))


def _named(data: bytes, name: str | None) -> tuple[bytes, str | None]:
    """A lossless copy with the name that fits its format."""
    suffix = ".webp" if data.startswith(b"RIFF") else ".png"
    return data, None if name is None else f"{Path(name).stem}{suffix}"


def _as_avif(secret: Secret, room: int) -> Prepared:
    """As AVIF, as good as fits into so many bytes. Raises CapacityError."""
    assert secret.picture is not None
    found = _best_avif(secret.picture, room, secret.name)
    if found is None:
        hint = "Make a key with a larger --size."
        raise CapacityError("Not even a small copy of the picture fits into the cover.", hint)
    return replace(found[0], secret=secret)


def _best_avif(picture: Picture, room: int, name: str | None) -> tuple[Prepared, float] | None:
    """The best AVIF within `room` bytes, packed, and its PSNR at the picture's size."""
    from csfnns.payloads.avif import best_avif
    from csfnns.payloads.file import Kind, pack, unpack

    label = None if name is None else f"{Path(name).stem}.avif"
    still = best_avif(picture, room - len(pack(b"", label)))
    if still is None:
        return None
    packed = pack(still.data, label, Kind.PICTURE)
    nobody = Secret(None, name, None, None)
    return Prepared("avif", packed, nobody, unpack(packed)), still.original_psnr


def largest_side(trellis: Any, places: int, picture: Picture) -> int | None:
    """Longer side in pixels at which the trellis decoder brings a picture well above LEAST_PSNR, or None."""
    for halvings in range(1, 9):
        scale = math.sqrt(0.5) ** halvings
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        if trellis.forecast(places, fit(picture, height, width)).psnr >= LEAST_PSNR + 6:
            return max(height, width)
    return None


def _read_file(path: Path) -> bytes:
    from csfnns.payloads.file import MAX_CONTENT

    try:
        if not path.is_file():  # a pipe or a device would block, or never end
            reason = f"{path} is no regular file." if path.exists() else f"There is no file {path}."
            raise PictureError(reason, "Give the name of a file.")
        with path.open("rb") as file:
            return file.read(MAX_CONTENT + 1)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error
