"""A message on its way: hidden, made a file, read back and checked as every receiver will read it."""

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from math import inf, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np

from csfnns.aim import Aim, Trial, best, next_trial
from csfnns.errors import CapacityError, DamagedError, NoMessageError, PictureError, SearchError, UsageError
from csfnns.keys import Key
from csfnns.measure import Figures, compare
from csfnns.output import JPEG, encode_picture
from csfnns.picture import READABLE, Picture, fit, read_picture
from csfnns.results import Hidden, HiddenFile
from csfnns.ways import Arrived, Way, arrive, one_jpeg

if TYPE_CHECKING:
    from csfnns.schemes import CsFnns, ReceiverSeeds
    from csfnns.search import Channel, Progress, Search

FileSource: TypeAlias = str | os.PathLike[str] | bytes
"""A file's name, or its content."""

Avif = Literal["never", "needed", "always"]
"""When a picture is sent as AVIF instead of its own bytes."""

LEAST_PSNR = 20.0
"""A secret that the receiver would get below this many dB is not sent."""

_LEAST_QUALITY = 30  # of an AVIF: smaller and finer is the better picture than larger and coarser
_LEAST_BITS = 0.1  # of an AVIF for a pixel: with fewer hardly any picture has that quality
_LEAST_SIDE = 16


def seeds_of(key: Key, name: str, message: int) -> "ReceiverSeeds":
    """Seeds of one receiver's part of a message."""
    from csfnns.schemes import ReceiverSeeds

    return ReceiverSeeds(key.decoder_seed(name, message), key.header_seed(name, message))


def is_picture(source: FileSource) -> bool:
    """Whether this is meant as a picture: by its name, else by what is in it."""
    if not isinstance(source, bytes) and Path(source).suffix.lower() in READABLE:
        return True
    try:
        read_picture(source)
    except PictureError:
        return False
    return True


@dataclass(frozen=True)
class Sending:
    """One message on its way."""

    key: Key
    message: int
    secrets: Mapping[str, Picture]
    cover: Picture
    suffix: str
    progress: "Progress | None"

    def send(self, scheme: "CsFnns", search: "Search") -> tuple[bytes, Hidden]:
        """Search once; the file's bytes, and what they hold. Raises SearchError for what would arrive too weak."""
        targets = {seeds_of(self.key, name, self.message): each for name, each in self.secrets.items()}
        stego = replace(scheme, search=search).embed(self.cover, targets, progress=self.progress)
        jpeg = one_jpeg(search.channel) if self.suffix in JPEG else None
        if jpeg is not None:  # compressed already: what it prepared for has happened
            data, cover = jpeg.encode(stego), read_picture(jpeg.encode(self.cover))
            return data, self._check(data, scheme, cover, None)
        data = encode_picture(stego, self.suffix)
        return data, self._check(data, scheme, self.cover, search.channel)

    def send_at(self, aim: Aim, scheme: "CsFnns", search: "Search") -> tuple[bytes, Hidden]:
        """Search until the aim is met. Raises SearchError when it is not."""
        trials: list[Trial] = []
        sent: list[tuple[bytes, Hidden] | None] = []
        reason = ""
        while (settings := next_trial(aim, trials)) is not None:
            doublings, steps = settings
            changed = replace(
                search, beta=search.beta * 2**doublings, steps=max(1, round(search.steps * steps))
            )
            try:
                data, hidden = self.send(scheme, changed)
            except SearchError as error:
                reason = error.message
                trials.append(Trial(doublings, steps, 0.0, -inf))
                sent.append(None)
                continue
            trials.append(Trial(doublings, steps, hidden.stego.psnr, hidden.least_recovered))
            sent.append((data, hidden))
        at = best(aim, trials)
        found = sent[at]
        if found is None or not trials[at].meets(aim):
            if found:
                reason = (
                    f"the nearest was {trials[at].stego:.1f} dB for the stego"
                    f" with {trials[at].recovered:.1f} dB for the secret."
                )
            fewer = "" if self.key.profile.bpp == "1.5" else ", or make a key with fewer --bpp"
            raise SearchError(f"{aim} cannot be met: {reason}", f"Ask for less, give more --steps{fewer}.")
        return found

    def _check(self, data: bytes, scheme: "CsFnns", cover: Picture, channel: "Channel | None") -> Hidden:
        """Read the file's bytes back and decode them as every receiver will, in each case of the channel.

        Raises SearchError. `cover` is what the stego is compared with.
        """
        stego = read_picture(data)
        draws = np.random.default_rng(self.message)
        recovered = self._recovered(stego, scheme, "")
        survives = {
            str(case): self._recovered(case(stego, draws), scheme, f" behind {case}")
            for case in (channel.cases() if channel else ())
        }
        return Hidden(stego, self.message, compare(cover, stego), recovered, survives, data)

    def _recovered(self, received: Picture, scheme: "CsFnns", where: str) -> dict[str, Figures]:
        hint = "Try again with more steps or a larger beta: the next message has another cover and decoder."
        if scheme.detectors:
            hint = "Try again with less --gamma: the next message has another cover and decoder."
        elif where:
            hint = "Try again with a larger beta, or prepare for less: the next message has another cover."
        found: dict[str, Figures] = {}
        for name, secret in self.secrets.items():
            try:
                grid = scheme.extract(received, self.cover, seeds_of(self.key, name, self.message)).grid
            except NoMessageError as error:
                raise SearchError(
                    f"The search ended before {name}'s secret could be read{where}.", hint
                ) from error
            found[name] = compare(grid, fit(secret, *grid.shape[:2]))
            if found[name].psnr < LEAST_PSNR:
                reason = f"{name}'s secret would arrive with {found[name].psnr:.1f} dB only{where}."
                raise SearchError(reason, hint)
        return found


@dataclass(frozen=True)
class Parcel:
    """One receiver's file before it is hidden."""

    name: str | None
    packed: bytes
    """Its own content, framed."""
    picture: Picture | None
    """What may be sent as AVIF instead."""


def make_parcel(source: FileSource, name: str | None, avif: Avif) -> Parcel:
    """Read and pack a file. Raises PictureError for what cannot be read, CapacityError for more than MAX_CONTENT."""
    from csfnns.payloads.file import MAX_CONTENT, Kind, pack

    if isinstance(source, bytes):
        content = source
    else:
        path = Path(source)
        name = name or path.name
        try:
            if not path.is_file():  # a pipe or a device would block, or never end
                reason = f"{path} is no regular file." if path.exists() else f"There is no file {path}."
                raise PictureError(reason, "Give the name of a file.")
            with path.open("rb") as file:
                content = file.read(MAX_CONTENT + 1)
        except OSError as error:
            raise PictureError(
                f"{path} cannot be read: {error.strerror}.", "Check its permissions."
            ) from error
    wanted = avif == "always" or (avif == "needed" and is_picture(source))
    picture = read_picture(content) if wanted else None
    # As AVIF in any case, its own content is not needed, and packing takes time.
    packed = b"" if avif == "always" else pack(content, name, Kind.PICTURE if wanted else Kind.FILE)
    return Parcel(name, packed, picture)


@dataclass(frozen=True)
class SendingFiles:
    """One message of files on its way."""

    key: Key
    message: int
    parcels: Mapping[str, Parcel]
    cover: Picture
    way: Way

    def send(self, *, own: bool) -> tuple[bytes, HiddenFile]:
        """The file's bytes, and what they hold; `own`: contents as they are, if they fit. Raises CapacityError."""
        if own:
            try:
                return self._send({name: each.packed for name, each in self.parcels.items()})
            except CapacityError:
                if all(each.picture is None for each in self.parcels.values()):
                    raise
        most = self.way.room(self.cover, len(self.parcels))
        return self._send(
            {
                name: each.packed if each.picture is None else _pack_avif(each.picture, each.name, most)
                for name, each in self.parcels.items()
            }
        )

    def _send(self, packed: Mapping[str, bytes]) -> tuple[bytes, HiddenFile]:
        from csfnns.payloads.file import unpack

        seeds = {name: seeds_of(self.key, name, self.message) for name in packed}
        data = self.way.embed(self.cover, {seeds[name]: each for name, each in packed.items()})
        arrived = arrive(data)
        for name, each in packed.items():
            if self._arrives(arrived, seeds[name]) != each:
                hint = "Try again; if it happens twice, check this computer's memory."
                raise SearchError(f"What {name} would get is not what was to be hidden.", hint)
        stego = arrived.picture
        figures = compare(self.way.plain(self.cover), stego)
        sent = {name: unpack(each) for name, each in packed.items()}
        recovered = {
            name: _compare_fitted(read_picture(sent[name].content), parcel.picture)
            for name, parcel in self.parcels.items()
            if parcel.picture is not None and packed[name] != parcel.packed
        }
        way, survives = self.way.name, self.way.survives
        return data, HiddenFile(stego, self.message, figures, sent, recovered, way, survives, data)

    def _arrives(self, arrived: Arrived, seeds: "ReceiverSeeds") -> bytes | None:
        """What a receiver will get, packed; None where it would be an error."""
        try:
            return self.way.extract(arrived, self.cover, seeds)
        except DamagedError:
            return None


def _compare_fitted(shown: Picture, picture: Picture) -> Figures:
    """Figures of a picture that may have been scaled down."""
    return compare(shown, fit(picture, *shown.shape[:2]))


def _pack_avif(picture: Picture, name: str | None, most: int) -> bytes:
    """Frame of at most `most` bytes that holds a picture as AVIF: as good as fits, and scaled down where it must be.

    Raises CapacityError.
    """
    from csfnns.payloads.file import Kind, pack

    label = None if name is None else f"{Path(name).stem}.avif"
    room = most - len(pack(b"", label))
    height, width = picture.shape[:2]
    scale = min(1.0, sqrt(8 * max(room, 1) / _LEAST_BITS / (height * width)))
    while min(height, width) * scale >= min(_LEAST_SIDE, height, width):
        data = _best_avif(
            picture if scale == 1 else fit(picture, int(height * scale), int(width * scale)), room
        )
        if data is not None:
            return pack(data, label, Kind.PICTURE)
        scale *= 0.8
    raise CapacityError(
        "Not even a small copy of the picture fits into the cover.", "Make a key with a larger --size."
    )


def _best_avif(picture: Picture, most: int) -> bytes | None:
    """AVIF of the highest quality within `most` bytes; None where even a poor one is larger."""
    best = _as_avif(picture, _LEAST_QUALITY)
    if len(best) > most:
        return None
    low, high = _LEAST_QUALITY, 100
    while low < high:
        quality = (low + high + 1) // 2
        data = _as_avif(picture, quality)
        if len(data) <= most:
            best, low = data, quality
        else:
            high = quality - 1
    return best


def _as_avif(picture: Picture, quality: int) -> bytes:
    from PIL import Image, features

    if not features.check("avif"):
        raise UsageError("This Pillow cannot write AVIF.", "Install one that can, or send the file as it is.")
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, "AVIF", quality=quality, subsampling="4:4:4")
    return buffer.getvalue()
