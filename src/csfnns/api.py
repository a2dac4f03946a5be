"""The two straight lines, hide and reveal: for pictures by a search, for files by direct coding.

hide:   secret → codec.encode → target            ┐
        key + message number → seeds → cover      ├→ search → δ → stego = cover + δ → file → read back → check
                                     → decoders   ┘
        file → pack → sealed bytes → Direct.embed → δ, for the rest as above
reveal: stego ─┐
        key + message number → seeds → cover → δ = stego - cover ┬→ decoder → codec.decode → picture
                                                                 └→ Direct.extract → unpack → file
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from hashlib import sha256
from io import BytesIO
from math import inf, log2, sqrt
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.aim import Aim, Trial, best, next_trial
from csfnns.covers import Slow, make_generator
from csfnns.errors import (
    CapacityError,
    DamagedError,
    KeyFileError,
    NoMessageError,
    PictureError,
    SearchError,
    UsageError,
)
from csfnns.keys import DEFAULT_RECEIVER, Key, Ledger, check_message
from csfnns.measure import Figures, compare
from csfnns.output import JPEG, check_output_name, encode_picture, write_atomically, write_picture
from csfnns.picture import READABLE, Picture, fit, read_picture, restore
from csfnns.profile import Profile
from csfnns.words import words

if TYPE_CHECKING:
    from PIL import Image as Pil

    from csfnns.covers import CoverGenerator
    from csfnns.payloads import Decoded
    from csfnns.payloads.file import File, Kind
    from csfnns.schemes import CsFnns, ReceiverSeeds
    from csfnns.schemes.direct import Capacity
    from csfnns.search import Channel, Jpeg, Progress, Search

Source: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[Any] | Pil.Image"
"""Anything `read_picture` reads: a file's name or bytes, an array, a Pillow image."""

FileSource: TypeAlias = str | os.PathLike[str] | bytes
"""A file's name, or its content."""

Avif = Literal["never", "needed", "always"]
"""When a picture is sent as AVIF instead of its own bytes."""

WINDOW = 200
"""How many numbers past the last known one a receiver looks at for the message of a picture."""
LEAST_PSNR = 20.0
"""A secret that the receiver would get below this many dB is not sent."""

AVIF_STEGO = 55.0
"""An AVIF is as large as leaves the stego at this PSNR in dB, where it is one receiver's."""

_PROBES = 64
_NEAR = 12
_FRAME = 32  # bytes that travel with a file: its length, kind and method, and a name of 24 letters
_LEAST_QUALITY = 30  # of an AVIF: smaller and finer is the better picture than larger and coarser
_LEAST_BITS = 0.1  # of an AVIF for a pixel: with fewer hardly any picture has that quality
_LEAST_SIDE = 16


@dataclass(frozen=True, slots=True)
class Hidden:
    """A stego picture, checked as its receivers will see it."""

    picture: Picture
    """uint8 (H, W, 3)."""
    message: int
    """Number of the message: says which cover was used."""
    stego: Figures
    """Stego against cover; of a JPEG file, against the cover in the same JPEG."""
    recovered: dict[str, Figures]
    """What each receiver gets, against the secret as it was carried: both on the decoder's grid."""
    survives: dict[str, dict[str, Figures]]
    """The same behind each case of the channel that the search prepared for, such as "jpeg:75/420"."""

    @property
    def least_recovered(self) -> float:
        """PSNR in dB of the worst secret in the worst case."""
        return min(each.psnr for case in (self.recovered, *self.survives.values()) for each in case.values())

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp. Raises PictureError."""
        write_picture(self.picture, path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class HiddenFile:
    """A stego picture that holds files, checked as its receivers will see it."""

    picture: Picture
    """uint8 (H, W, 3)."""
    message: int
    """Number of the message: says which cover was used."""
    stego: Figures
    """Stego against cover."""
    sent: "dict[str, File]"
    """What each receiver gets, to the last bit: `content`, `name` and `kind`."""
    recovered: dict[str, Figures]
    """Pictures that were made AVIF, against the pictures as they were, both in the AVIF's size."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp. Raises PictureError."""
        write_picture(self.picture, path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A picture that was found."""

    picture: Picture
    """uint8 (H, W, 3), in the secret's true shape."""
    message: int
    receiver: str
    expected_psnr: float | None
    """Quality in dB of the decoder's output, before any denoising, that the receiver can tell without the original; None
    with the profile `paper`."""
    denoised: bool
    """Whether noise was taken out of the decoder's output."""

    @property
    def file_name(self) -> str:
        """What it is called in a folder."""
        return f"message-{self.message}.png"

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write to .png or lossless .webp, or into a folder; tells where it is. Raises PictureError."""
        path = _in_folder(path, self.file_name)
        write_picture(self.picture, path, overwrite=overwrite)
        return path


@dataclass(frozen=True, slots=True)
class RevealedFile:
    """A file that was found: byte for byte what was sent."""

    content: bytes
    name: str | None
    """As the sender gave it, made safe to join to a folder; None where none was sent."""
    kind: "Kind"
    """Whether the sender meant it as a file or as a picture."""
    message: int
    receiver: str

    @property
    def picture(self) -> Picture:
        """The content as a picture, uint8 (H, W, 3). Raises PictureError for what is none."""
        return read_picture(self.content)

    @property
    def file_name(self) -> str:
        """What it is called in a folder: its own name if it has one."""
        return self.name or f"message-{self.message}.bin"

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write to a file, or into a folder under its own name; tells where it is. Raises PictureError.

        What was sent as a picture becomes a .png or .webp if that is the name and it is in another format; everything
        else, whatever the name, is written byte for byte.
        """
        path = _in_folder(path, self.file_name)
        converted = self.is_converted(path)
        data = encode_picture(self.picture, path.suffix.lower()) if converted else self.content
        write_atomically(data, path, overwrite=overwrite)
        return path

    def is_converted(self, path: str | os.PathLike[str]) -> bool:
        """Whether `save` writes the picture in another format than it was sent in."""
        from csfnns.payloads.file import Kind

        start = {".png": b"\x89PNG", ".webp": b"RIFF"}.get(Path(path).suffix.lower(), b"")
        return self.kind is Kind.PICTURE and not self.content.startswith(start)


@dataclass(frozen=True, slots=True)
class Cover:
    """The cover of one message and its fingerprint, which both ends compare."""

    picture: Picture
    fingerprint: str
    """64 bits of SHA-256 of the pixels, as words to read out."""


def hide(
    secret: "Source | Mapping[str, Source]",
    key: Key,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    search: "Search | None" = None,
    survive: str | Sequence[str] | None = None,
    target_stego: float | None = None,
    target_recovered: float | None = None,
    ledger: Ledger | None = None,
    device: str = "cpu",
    progress: "Progress | None" = None,
) -> Hidden:
    """Hide a picture, or one for each of several receivers, in a fresh cover of the key.

    `secret` is a picture, or a mapping from receivers' names to pictures. With `out`, the file is written once
    it has been decoded as every receiver will; until then nothing appears under that name. `search` overrides
    the profile's settings; `device` is a torch device for it, such as "cuda". `survive` says what may happen to the
    stego on its way, such as "jpeg:75-95"; of several, any one may (search/channel.py). Each case is checked. For one
    JPEG quality, `out` may be a .jpg: then it is that JPEG file. With a target, a PSNR in dB for one
    end or both, searches are repeated until it is met. What can be refused is refused before a message number is
    used up; then one is, whatever becomes of the message.

    Raises KeyFileError for a receiver's key, UsageError, PictureError, CoverError, CapacityError, LedgerError,
    SearchError and Cancelled; then there is no file.
    """
    _check_sends(key)
    aims = target_stego is not None or target_recovered is not None
    aim = Aim(target_stego, target_recovered) if aims else None
    sources: dict[str, Source] = _by_receiver(secret, key)
    files = [source for source in sources.values() if isinstance(source, (str, os.PathLike))]
    search = _prepared(key.profile, search, survive)
    jpeg = _one_jpeg(search) is not None
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files, jpeg=jpeg)
    secrets = {name: read_picture(source) for name, source in sources.items()}
    generator = _generator(key.profile, album, model)

    from csfnns.schemes import CsFnns

    scheme = CsFnns(key.profile, search, device)
    _check_wrong_keys_show(key.profile)
    scheme.check(list(secrets.values()))
    message = (ledger or Ledger()).claim(key.id)
    cover = generator(key.cover, message)
    sending = _Sending(key, message, secrets, cover, path.suffix.lower() if path else ".png", progress)
    data, hidden = sending.send(scheme, search) if aim is None else sending.send_at(aim, scheme, search)
    if path is not None:
        write_atomically(data, path, overwrite=overwrite)
    return hidden


def hide_file(
    source: FileSource | Mapping[str, FileSource],
    key: Key,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    name: str | None = None,
    avif: Avif = "never",
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    ledger: Ledger | None = None,
) -> HiddenFile:
    """Hide a file, or one for each of several receivers, in a fresh cover of the key: exactly, by direct coding.

    `source` is a path or the content itself, or a mapping from receivers' names to such. `name` travels with it
    instead of the path's. With `avif`, pictures are sent in that format, at the best quality that leaves the stego
    at 55 dB, "always" or only when "needed" because they do not fit as they are; `sent` tells. As with `hide`, the file
    appears once it was read as every receiver will, and what can be refused is refused before a message number is used
    up.

    Raises KeyFileError for a receiver's key, CapacityError for more than fits, UsageError, PictureError (for files that
    cannot be read too), CoverError, LedgerError and SearchError; then there is no file.
    """
    _check_sends(key)
    sources: dict[str, FileSource] = _by_receiver(source, key)
    files = [each for each in sources.values() if not isinstance(each, bytes)]
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files)
    _check_wrong_keys_show(key.profile)
    generator = _generator(key.profile, album, model)
    parcels = {who: _parcel(each, name, avif) for who, each in sources.items()}
    own = avif != "always" and _has_room(key.profile, [each.packed for each in parcels.values()])
    fixed = [each.packed for each in parcels.values() if each.picture is None]
    if not own and not _has_room(key.profile, fixed):
        size = sum(map(len, fixed))
        raise CapacityError(
            f"{size:,} bytes, packed, are more than a cover of {key.profile.width}x{key.profile.height} holds.",
            "Send less, or make a key with a larger --size: 'csfnns capacity' tells how much fits.",
        )
    message = (ledger or Ledger()).claim(key.id)
    sending = _SendingFiles(
        key, message, parcels, generator(key.cover, message), path.suffix.lower() if path else ".png"
    )
    data, hidden = sending.send(own=own)
    if path is not None:
        write_atomically(data, path, overwrite=overwrite)
    return hidden


def is_picture(source: FileSource) -> bool:
    """Whether this is meant as a picture: by its name, else by what is in it."""
    if not isinstance(source, bytes) and Path(source).suffix.lower() in READABLE:
        return True
    try:
        read_picture(source)
    except PictureError:
        return False
    return True


def capacity(
    key: Key,
    psnr: Sequence[float] = (65, 60, 55, 50),
    *,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
) -> "Capacity":
    """Bytes, packed, of a file that the key's covers hold: the most, and at each stego PSNR in dB.

    Measured on the check cover, message 0; others differ a little. Raises CoverError.
    """
    from csfnns.schemes.direct import Direct

    found = Direct().capacity(make_cover(key, album=album, model=model).picture, psnr)
    at = {each: max(size - _FRAME, 0) for each, size in found.at.items()}
    return replace(found, most=max(found.most - _FRAME, 0), at=at)


def reveal(
    stego: "Source | Hidden | HiddenFile",
    key: Key,
    *,
    receiver: str | None = None,
    message: int | None = None,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    denoise: bool | None = None,
    ledger: Ledger | None = None,
) -> Revealed | RevealedFile:
    """Reveal what is hidden in a stego picture for the key's receiver: a picture, or a file.

    Both have `message`, `receiver`, `picture` and `save`. The cover is recognised among the numbers that may come next
    and those known before; `message` names the number outright. `denoise` takes the noise out of a picture; None: with
    profiles where that was measured to help (denoise.py). Raises NoMessageError when there is nothing for this key,
    DamagedError when it cannot be read any more, PictureError, UsageError, CoverError and LedgerError.
    """
    picture = stego.picture if isinstance(stego, Hidden | HiddenFile) else read_picture(stego)
    name = _one_receiver(receiver, key)
    size = key.profile.height, key.profile.width
    if picture.shape[:2] != size and key.profile.decoder != "robust":
        raise NoMessageError(
            f"The picture has {picture.shape[1]}x{picture.shape[0]} pixels, this key's have"
            f" {key.profile.width}x{key.profile.height}.",
            "Use the picture as it was sent, not cut or scaled, and the key that belongs to it.",
        )
    from csfnns.denoise import denoise as without_noise
    from csfnns.denoise import helps
    from csfnns.payloads.file import File

    _check_wrong_keys_show(key.profile)
    generator = _generator(key.profile, album, model)
    ledger = ledger or Ledger()
    numbers = _candidates(key, ledger, generator) if message is None else [check_message(message)]
    resembling = []
    # Covers of one style can resemble each other, so the first that does need not be the one.
    for number in _resembling(fit(picture, *size), key, generator, numbers):
        resembling.append(number)
        found = _found(picture, generator(key.cover, number), key.profile, _seeds(key, name, number))
        if found is None:
            continue
        ledger.mark_seen(key.id, name, number)
        if isinstance(found, File):
            return RevealedFile(found.content, found.name, found.kind, number, name)
        denoised = helps(key.profile) if denoise is None else denoise
        grid = without_noise(found.grid, found.expected_psnr) if denoised else found.grid
        return Revealed(restore(grid, found.shape), number, name, found.expected_psnr, denoised)
    raise _nothing_found(resembling, name, _window(generator))


def make_cover(
    key: Key,
    message: int = 0,
    *,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
) -> Cover:
    """Cover of a message. That of message 0 is never sent: both ends make it and compare fingerprints.

    Raises CoverError, and UsageError for a number that cannot be.
    """
    if message < 0:
        raise UsageError(f"There is no message number {message}.", "Numbers start at 0, the check cover.")
    picture = _generator(key.profile, album, model)(key.cover, message)
    return Cover(picture, words(sha256(picture.tobytes()).digest(), 4))


def _check_sends(key: Key) -> None:
    if key.role == "receiver":
        hint = "To answer, make a key of your own with 'csfnns key new'."
        raise KeyFileError("This is a receiver's key: it reveals, and does not hide.", hint)


def _in_folder(path: str | os.PathLike[str], name: str) -> Path:
    """The path, or this name in it if it is a folder."""
    return Path(path) / name if os.path.isdir(path) else Path(path)


def _generator(
    profile: Profile, album: str | os.PathLike[str] | None, model: str | os.PathLike[str] | None
) -> "CoverGenerator":
    place = None if album is None else Path(album)
    return make_generator(profile, place, None if model is None else os.fspath(model))


def _prepared(profile: Profile, search: "Search | None", survive: str | Sequence[str] | None) -> "Search":
    """Settings of the search, with the channel that `survive` names or the decoder is made for. Raises UsageError."""
    from csfnns.search import parse_channel, preset

    usual = preset(profile)
    found = search or usual
    texts = [survive] if isinstance(survive, str) else list(survive or [])
    if profile.decoder != "robust":
        if texts or found.channel is not None:
            wanted = " or ".join(texts) or str(found.channel)
            raise UsageError(
                f"A stego of this key does not survive {wanted}: its decoder is {profile.decoder!r}.",
                "Make a key with --profile robust.",
            )
        return found
    channel = parse_channel(*texts) if survive is not None else found.channel or usual.channel
    return replace(found, channel=channel)


def _one_jpeg(search: "Search") -> "Jpeg | None":
    """What the search prepares for, if that is one kind of JPEG file."""
    from csfnns.search import Jpeg

    return search.channel if isinstance(search.channel, Jpeg) and search.channel.is_one_file else None


def _by_receiver(secret: Any, key: Key) -> dict[str, Any]:
    if isinstance(secret, Mapping):
        if not secret:
            raise UsageError("There is no secret to hide.", f"Give one for any of: {', '.join(key.names)}.")
        return {_one_receiver(name, key): source for name, source in secret.items()}
    return {_one_receiver(None, key): secret}


def _one_receiver(name: str | None, key: Key) -> str:
    if name is None and len(key.names) > 1:
        raise UsageError("This key has several receivers.", f"Say which: {', '.join(key.names)}.")
    if name is not None and name not in key.names:
        raise UsageError(f"This key holds no receiver {name!r}.", f"It holds: {', '.join(key.names)}.")
    return name or key.names[0]


def _seeds(key: Key, name: str, message: int) -> "ReceiverSeeds":
    from csfnns.schemes import ReceiverSeeds

    return ReceiverSeeds(key.decoder_seed(name, message), key.header_seed(name, message))


@dataclass(frozen=True)
class _Sending:
    """One message on its way."""

    key: Key
    message: int
    secrets: Mapping[str, Picture]
    cover: Picture
    suffix: str
    progress: "Progress | None"

    def send(self, scheme: "CsFnns", search: "Search") -> tuple[bytes, Hidden]:
        """Search once; the file's bytes, and what they hold. Raises SearchError for what would arrive too weak."""
        targets = {_seeds(self.key, name, self.message): each for name, each in self.secrets.items()}
        stego = replace(scheme, search=search).embed(self.cover, targets, progress=self.progress)
        jpeg = _one_jpeg(search) if self.suffix in JPEG else None
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
        return Hidden(stego, self.message, compare(cover, stego), recovered, survives)

    def _recovered(self, received: Picture, scheme: "CsFnns", where: str) -> dict[str, Figures]:
        hint = "Try again with more steps or a larger beta: the next message has another cover and decoder."
        if where:
            hint = "Try again with a larger beta, or prepare for less: the next message has another cover."
        found: dict[str, Figures] = {}
        for name, secret in self.secrets.items():
            try:
                grid = scheme.extract(received, self.cover, _seeds(self.key, name, self.message)).grid
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
class _Parcel:
    """One receiver's file before it is hidden."""

    name: str | None
    packed: bytes
    """Its own content, framed."""
    picture: Picture | None
    """What may be sent as AVIF instead."""


def _parcel(source: FileSource, name: str | None, avif: Avif) -> _Parcel:
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
    return _Parcel(name, packed, picture)


def _has_room(profile: Profile, packed: Sequence[bytes]) -> bool:
    """Whether so much may fit into a cover with luck: no sub-pixel carries more than -1, 0 or 1 tell."""
    from csfnns.coding import SLOTS
    from csfnns.payloads.seal import TAG_BYTES

    slot = 1.05 * 3 * profile.height * profile.width * log2(3) / 8 / SLOTS  # bytes; slots differ a little
    return sum(1 + int((len(each) + TAG_BYTES) / slot) for each in packed) <= SLOTS


@dataclass(frozen=True)
class _SendingFiles:
    """One message of files on its way."""

    key: Key
    message: int
    parcels: Mapping[str, _Parcel]
    cover: Picture
    suffix: str

    def send(self, *, own: bool) -> tuple[bytes, HiddenFile]:
        """The file's bytes, and what they hold; `own`: contents as they are, if they fit. Raises CapacityError."""
        if own:
            try:
                return self._send({name: each.packed for name, each in self.parcels.items()})
            except CapacityError:
                if all(each.picture is None for each in self.parcels.values()):
                    raise
        most = self._room()
        return self._send(
            {
                name: each.packed if each.picture is None else _pack_avif(each.picture, each.name, most)
                for name, each in self.parcels.items()
            }
        )

    def _room(self) -> int:
        """Bytes that leave the stego at AVIF_STEGO if each receiver has them."""
        from csfnns.coding import SLOTS
        from csfnns.schemes.direct import Direct

        found = Direct().capacity(self.cover, [AVIF_STEGO]).at[AVIF_STEGO]
        return found * (SLOTS // len(self.parcels)) // SLOTS

    def _send(self, packed: Mapping[str, bytes]) -> tuple[bytes, HiddenFile]:
        from csfnns.payloads.file import unpack
        from csfnns.schemes.direct import Direct

        seeds = {name: _seeds(self.key, name, self.message) for name in packed}
        payloads = {seeds[name]: each for name, each in packed.items()}
        data = encode_picture(Direct().embed(self.cover, payloads), self.suffix)
        stego = read_picture(data)
        for name, each in packed.items():
            if _sent(stego, self.cover, seeds[name]) != each:
                hint = "Try again; if it happens twice, check this computer's memory."
                raise SearchError(f"What {name} would get is not what was to be hidden.", hint)
        sent = {name: unpack(each) for name, each in packed.items()}
        recovered = {
            name: _compare_fitted(read_picture(sent[name].content), parcel.picture)
            for name, parcel in self.parcels.items()
            if parcel.picture is not None and packed[name] != parcel.packed
        }
        return data, HiddenFile(stego, self.message, compare(self.cover, stego), sent, recovered)


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


def _found(
    picture: Picture, cover: Picture, profile: Profile, seeds: "ReceiverSeeds"
) -> "File | Decoded | None":
    """What is there for these seeds, in whichever way it was hidden; None where nothing is.

    Raises NoMessageError for a plain cover and for a file of a later version, DamagedError for a file that was changed.
    """
    # A file changes levels by one at most, a picture nearly always some by more. So the right one comes first; and
    # where a picture has no check value, the one that has.
    small = picture.shape == cover.shape and np.abs(picture.astype(np.int16) - cover).max() <= 1
    if small or not profile.has_header:
        return _file_in(picture, cover, seeds) or _picture_in(picture, cover, profile, seeds)
    return _picture_in(picture, cover, profile, seeds) or _file_in(picture, cover, seeds)


def _file_in(picture: Picture, cover: Picture, seeds: "ReceiverSeeds") -> "File | None":
    from csfnns.payloads.file import unpack
    from csfnns.schemes.direct import Direct

    try:
        data = Direct().extract(picture, cover, seeds)
    except DamagedError:  # its header was found: it is the one
        raise
    except NoMessageError:
        return None
    return unpack(data)


def _sent(picture: Picture, cover: Picture, seeds: "ReceiverSeeds") -> bytes | None:
    """What a receiver will get of a file, packed; None where it would be an error."""
    from csfnns.schemes.direct import Direct

    try:
        return Direct().extract(picture, cover, seeds)
    except NoMessageError:
        return None


def _picture_in(
    picture: Picture, cover: Picture, profile: Profile, seeds: "ReceiverSeeds"
) -> "Decoded | None":
    from csfnns.schemes import CsFnns

    try:
        return CsFnns(profile).extract(picture, cover, seeds)
    except NoMessageError:
        if np.array_equal(picture, cover):
            raise
        return None


def _resembling(
    picture: Picture, key: Key, generator: "CoverGenerator", numbers: Iterable[int]
) -> Iterator[int]:
    """Those of the numbers whose covers resemble the picture at some keyed pixels."""
    stream = key.cover.derive("csfnns/1/probes").stream()
    rows = stream.integers(_PROBES, picture.shape[0])
    columns = stream.integers(_PROBES, picture.shape[1])
    colours = picture[rows, columns].astype(np.int16)
    for number in numbers:
        cover = generator.probe(key.cover, number, rows, columns)
        if np.median(np.abs(colours - cover)) <= _NEAR:
            yield number


def _nothing_found(resembling: Sequence[int], name: str, window: int) -> NoMessageError:
    if not resembling:
        return NoMessageError(
            "This picture is made on none of this key's covers, or on none that is due.",
            "Check that it is the right key, and that the picture arrived unchanged. If the sender's messages are"
            f" more than {window} ahead of what was received here, name the number with --message.",
        )
    return DamagedError(
        f"The picture resembles the cover of message {' or '.join(map(str, resembling))},"
        " but no secret can be read from it.",
        "Either it was changed on its way (re-saved, filtered, edited), or it holds nothing for"
        f" {name}: ask for the file as it was written.",
    )


def _check_wrong_keys_show(profile: Profile) -> None:
    """Raise UsageError for the one choice with which a wrong key's noise could pass for a picture."""
    if profile.weights == "uniform" and not profile.has_header:
        raise UsageError(
            f"With weights 'uniform', decoder {profile.decoder!r} makes noise that looks like a picture:"
            " a receiver could not tell a wrong key.",
            "Choose other weights. Experiments can use csfnns.schemes, which does not ask.",
        )


def _window(generator: "CoverGenerator") -> int:
    return generator.window if isinstance(generator, Slow) else WINDOW


def _candidates(key: Key, ledger: Ledger, generator: "CoverGenerator") -> Sequence[int]:
    """Numbers around the last one known here: the next ones and the latest ones first."""
    seen = max((max(ledger.seen(key.id, name), default=0) for name in key.names), default=0)
    last = max(seen, ledger.highest(key.id))
    window = _window(generator)
    first = max(1, last + 1 - window) if isinstance(generator, Slow) else 1
    stop = len(generator) if isinstance(generator, Sized) else last + window + 1
    numbers = range(first, min(last + window + 1, stop))
    return sorted(numbers, key=lambda number: abs(number - last - 0.6))


__all__ = [
    "DEFAULT_RECEIVER",
    "Avif",
    "Cover",
    "FileSource",
    "Hidden",
    "HiddenFile",
    "Revealed",
    "RevealedFile",
    "Source",
    "capacity",
    "hide",
    "hide_file",
    "is_picture",
    "make_cover",
    "reveal",
]
