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
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.aim import Aim
from csfnns.covers import Slow, make_generator
from csfnns.errors import CapacityError, DamagedError, KeyFileError, NoMessageError, UsageError
from csfnns.keys import DEFAULT_RECEIVER, Key, Ledger, check_message
from csfnns.output import check_output_name, write_atomically
from csfnns.picture import Picture, fit, read_picture, restore
from csfnns.profile import Profile
from csfnns.results import Cover, Hidden, HiddenFile, Revealed, RevealedFile
from csfnns.sending import (
    Avif,
    FileSource,
    Sending,
    SendingFiles,
    has_room,
    is_picture,
    make_parcel,
    one_jpeg,
    seeds_of,
)
from csfnns.words import words

if TYPE_CHECKING:
    from PIL import Image as Pil

    from csfnns.covers import CoverGenerator
    from csfnns.payloads import Decoded
    from csfnns.payloads.file import File
    from csfnns.schemes import ReceiverSeeds
    from csfnns.schemes.direct import Capacity
    from csfnns.search import Progress, Search

Source: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[Any] | Pil.Image"
"""Anything `read_picture` reads: a file's name or bytes, an array, a Pillow image."""


WINDOW = 200
"""How many numbers past the last known one a receiver looks at for the message of a picture."""


_PROBES = 64
_NEAR = 12
_FRAME = 32  # bytes that travel with a file: its length, kind and method, and a name of 24 letters


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
    jpeg = one_jpeg(search) is not None
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files, jpeg=jpeg)
    secrets = {name: read_picture(source) for name, source in sources.items()}
    generator = _generator(key.profile, album, model)

    from csfnns.schemes import CsFnns

    scheme = CsFnns(key.profile, search, device)
    _check_wrong_keys_show(key.profile)
    scheme.check(list(secrets.values()))
    message = (ledger or Ledger()).claim(key.id)
    cover = generator(key.cover, message)
    sending = Sending(key, message, secrets, cover, path.suffix.lower() if path else ".png", progress)
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
    parcels = {who: make_parcel(each, name, avif) for who, each in sources.items()}
    own = avif != "always" and has_room(key.profile, [each.packed for each in parcels.values()])
    fixed = [each.packed for each in parcels.values() if each.picture is None]
    if not own and not has_room(key.profile, fixed):
        size = sum(map(len, fixed))
        raise CapacityError(
            f"{size:,} bytes, packed, are more than a cover of {key.profile.width}x{key.profile.height} holds.",
            "Send less, or make a key with a larger --size: 'csfnns capacity' tells how much fits.",
        )
    message = (ledger or Ledger()).claim(key.id)
    sending = SendingFiles(
        key, message, parcels, generator(key.cover, message), path.suffix.lower() if path else ".png"
    )
    data, hidden = sending.send(own=own)
    if path is not None:
        write_atomically(data, path, overwrite=overwrite)
    return hidden


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
        found = _found(picture, generator(key.cover, number), key.profile, seeds_of(key, name, number))
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
