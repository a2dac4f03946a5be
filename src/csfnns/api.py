"""The two straight lines, hide and reveal: for pictures by a search, for files by one of the ways of ways.py.

hide:   secret → codec.encode → target            ┐
        key + message number → seeds → cover      ├→ search → δ → stego = cover + δ → file → read back → check
                                     → decoders   ┘
        file → pack → way.embed, with cover and seeds → file, and on as above
reveal: stego ─┐
        key + message number → seeds → cover → δ = stego - cover ┬→ decoder → codec.decode → picture
                                                                 └→ way.extract, each way → unpack → file
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from csfnns.aim import Aim
from csfnns.covers import make_generator
from csfnns.errors import KeyFileError, NoMessageError, SearchError, UsageError
from csfnns.finding import WINDOW, candidates, look, nothing_found, resembling_covers, window_of
from csfnns.jpeg_file import is_jpeg
from csfnns.keys import DEFAULT_RECEIVER, Key, Ledger, check_message
from csfnns.output import JPEG, check_output_name, write_atomically
from csfnns.picture import Picture, fit, read_picture, restore
from csfnns.profile import Profile
from csfnns.results import Cover, Decoy, Hidden, HiddenFile, Revealed, RevealedFile
from csfnns.sending import Avif, FileSource, Sending, SendingFiles, is_picture, make_parcel, seeds_of
from csfnns.stream import SEED_BYTES, Seed
from csfnns.ways import Arrived, arrive, check_robust, check_suffix, choose
from csfnns.words import words

if TYPE_CHECKING:
    from PIL import Image as Pil
    from torch import nn

    from csfnns.covers import CoverGenerator
    from csfnns.schemes.direct import Capacity
    from csfnns.search import Progress, Search

Source: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[Any] | Pil.Image"
"""Anything `read_picture` reads: a file's name or bytes, an array, a Pillow image."""


LEAST_JPEG = 30.0
"""PSNR in dB of a JPEG file with the most that `capacity` tells: a fuller one could not be told from a stranger's."""
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
    grain: bool = False,
    against: str | Path | Sequence[str | Path] = (),
    gamma: float | None = None,
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
    JPEG quality, `out` may be a .jpg: then it is that JPEG file. With `grain`, the stego differs from the cover by what
    cannot be told from a decoy's grain (docs/grain.md); of `search` then its steps and rates alone count. With a target, a
    PSNR in dB for one end or both, searches are repeated until it is met. `against` names networks that the search shall
    deceive too: str of those that come taught, such as "xunet", or models' files; `gamma` is their weight (γ of Eq. 6),
    the search's own or 1e-4 unless given; not with `grain`, and not for a .jpg. Others that learn from such stegos find
    them nearly as often as without (docs/results.md). What can be refused is refused before a message number is used up;
    then one is, whatever becomes of the message.

    Raises KeyFileError for a receiver's key, UsageError, PictureError, CoverError, CapacityError, LedgerError,
    SearchError and Cancelled; then there is no file.
    """
    _check_sends(key)
    aims = target_stego is not None or target_recovered is not None
    aim = Aim(target_stego, target_recovered) if aims else None
    sources: dict[str, Source] = _by_receiver(secret, key)
    files = [source for source in sources.values() if isinstance(source, (str, os.PathLike))]
    if grain and (survive or _suffix(out) in JPEG):
        hint = "Name the file .png or .webp, and leave --survive out; or leave --grain out."
        raise UsageError("Grain survives nothing, and JPEG least of all.", hint)
    search = _prepared(key.profile, search, survive, grain=grain)
    if grain and aim:
        raise UsageError("Grain has one strength: there is no target to reach.", "Give one of them.")
    check_suffix(key.profile, _suffix(out), search.channel)
    networks = _to_deceive(against, gamma, grain=search.space == "grain", suffix=_suffix(out))
    if networks:
        from csfnns.search import GAMMA

        search = replace(search, gamma=gamma or search.gamma or GAMMA)
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files, jpeg=True)
    secrets = {name: read_picture(source) for name, source in sources.items()}
    generator = _generator(key.profile, album, model)

    from csfnns.schemes import CsFnns

    scheme = CsFnns(key.profile, search, device, networks)
    _check_wrong_keys_show(key.profile)
    scheme.check(list(secrets.values()))
    message = (ledger or Ledger()).claim(key.id)
    cover = generator(key.cover, message)
    sending = Sending(key, message, secrets, cover, _suffix(out) or ".png", progress)
    data, hidden = sending.send(scheme, search) if aim is None else sending.send_at(aim, scheme, search)
    _check_recognised(hidden.picture, key, generator, message)
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
    survive: str | Sequence[str] | None = None,
    exact: bool = False,
    quality: int | None = None,
    grain: bool = False,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    ledger: Ledger | None = None,
    device: str = "cpu",
    progress: "Progress | None" = None,
) -> HiddenFile:
    """Hide a file, or one for each of several receivers, in a fresh cover of the key. It arrives exactly or not at all.

    `source` is a path or the content itself, or a mapping from receivers' names to such. `name` travels with it
    instead of the path's. With `avif`, pictures are sent in that format, as good as fits without great changes,
    "always" or only when "needed" because they do not fit as they are; `sent` tells.

    A key of profile robust sends by a search, on `device`, what then survives JPEG of quality 75 to 95, or what `survive`
    says as with `hide`; a few kB. `exact`, as all other keys: by direct coding, which carries far more and survives
    nothing: in the pixels of a .png or .webp, with `grain` as grain of σ = 1; or in the coefficients of a .jpg of a
    `quality` (90 unless given).

    As with `hide`, the file appears once it was read as every receiver will, in each case that it shall survive, and
    what can be refused is refused before a message number is used up. Raises KeyFileError for a receiver's key,
    CapacityError for more than fits, UsageError, PictureError (for files that cannot be read too), CoverError,
    LedgerError, SearchError and Cancelled; then there is no file.
    """
    _check_sends(key)
    sources: dict[str, FileSource] = _by_receiver(source, key)
    files = [each for each in sources.values() if not isinstance(each, bytes)]
    way = choose(
        key.profile,
        _suffix(out),
        survive=_texts(survive),
        exact=exact,
        quality=quality,
        grain=grain,
        device=device,
        progress=progress,
    )
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files, jpeg=True)
    _check_wrong_keys_show(key.profile)
    generator = _generator(key.profile, album, model)
    parcels = {who: make_parcel(each, name, avif) for who, each in sources.items()}
    own = avif != "always" and way.has_room([len(each.packed) for each in parcels.values()])
    least = [len(each.packed) if each.picture is None else 0 for each in parcels.values()]
    if not own and not way.has_room(least):
        raise way.too_much(sum(least))
    message = (ledger or Ledger()).claim(key.id)
    data, hidden = SendingFiles(key, message, parcels, generator(key.cover, message), way).send(own=own)
    _check_recognised(hidden.picture, key, generator, message)
    if path is not None:
        write_atomically(data, path, overwrite=overwrite)
    return hidden


def capacity(
    key: Key,
    psnr: Sequence[float] = (65, 60, 55, 50),
    *,
    quality: int | None = None,
    grain: bool = False,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
) -> "Capacity":
    """Bytes, packed, of a file that the key's covers hold by direct coding: the most, and at each stego PSNR in dB.

    In pixels, with `grain` as grain (which changes the same whatever it holds); or in a JPEG file of a `quality`, against
    the same file without a message, and at most what leaves 30 dB. Measured on the check cover, message 0; others differ
    a little. Raises CoverError and UsageError.
    """
    from csfnns.schemes import Direct, DirectJpeg

    if grain and quality is not None:
        raise UsageError("Grain is for lossless pictures, not for a JPEG file.", "Give one of them.")
    scheme = Direct("grain" if grain else "cost") if quality is None else DirectJpeg(quality)
    found = scheme.capacity(make_cover(key, album=album, model=model).picture, [*psnr, LEAST_JPEG])
    at = {each: _net(found.at[each]) for each in psnr}
    return replace(found, most=_net(found.most if quality is None else found.at[LEAST_JPEG]), at=at)


def capacity_surviving(
    key: Key,
    survive: str | Sequence[str] | None = None,
    *,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    device: str = "cpu",
    progress: "Progress | None" = None,
) -> int:
    """Bytes, packed, of a file that survives in the covers of a key of profile robust: JPEG of quality 75 to 95, or what
    `survive` says as with `hide`.

    Measured on the check cover, message 0, by up to four searches; others differ a little. Raises CoverError, UsageError
    for another profile, and Cancelled.
    """
    check_robust(key.profile, ", ".join(_texts(survive)) or "changes")
    from csfnns.schemes import NeuralBits
    from csfnns.search import parse_channel

    scheme = NeuralBits(key.profile, device=device)
    if survive:
        scheme = replace(scheme, channel=parse_channel(*_texts(survive)))
    return _net(scheme.capacity(make_cover(key, album=album, model=model).picture, progress=progress))


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
    arrived = _arrived(stego)
    picture = arrived.picture
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
    numbers = candidates(key, ledger, generator) if message is None else [check_message(message)]
    resembling = []
    # Covers of one style can resemble each other, so the first that does need not be the one.
    for number in resembling_covers(fit(picture, *size), key, generator, numbers):
        resembling.append(number)
        found = look(arrived, generator(key.cover, number), key.profile, seeds_of(key, name, number))
        if found is None:
            continue
        ledger.mark_seen(key.id, name, number)
        if isinstance(found, File):
            return RevealedFile(found.content, found.name, found.kind, number, name)
        denoised = helps(key.profile) if denoise is None else denoise
        grid = without_noise(found.grid, found.expected_psnr) if denoised else found.grid
        return Revealed(restore(grid, found.shape), number, name, found.expected_psnr, denoised)
    raise nothing_found(arrived, key.profile, resembling, name, window_of(generator))


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


def make_decoy(
    key: Key,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    ledger: Ledger | None = None,
) -> Decoy:
    """Make a fresh cover of the key with grain, and nothing in it: what `hide` and `hide_file` make with `grain`, but for
    the secret (docs/grain.md).

    Uses up a message number. Raises KeyFileError for a receiver's key, UsageError, PictureError, CoverError and
    LedgerError.
    """
    _check_sends(key)
    path = None if out is None else check_output_name(out, overwrite=overwrite)
    generator = _generator(key.profile, album, model)
    message = (ledger or Ledger()).claim(key.id)
    cover = generator(key.cover, message)
    decoy = Decoy(_with_grain(cover), message)
    if path is not None:
        decoy.save(path, overwrite=overwrite)
    return decoy


def add_grain(source: Source) -> Picture:
    """Any picture with fresh grain of the law that decoys have (docs/grain.md). Raises PictureError."""
    return _with_grain(read_picture(source))


def _with_grain(picture: Picture) -> Picture:
    from csfnns.schemes import Direct

    return Direct("grain").decoy(picture, Seed(os.urandom(SEED_BYTES)))


def _check_recognised(stego: Picture, key: Key, generator: "CoverGenerator", message: int) -> None:
    """Raise SearchError for a stego in which no receiver would know its cover again."""
    if not list(resembling_covers(stego, key, generator, [message])):
        raise SearchError(
            "The picture would differ so much from its cover that no receiver could tell which one it is.",
            "Try again: the next message has another cover. Or send less, say a higher --quality, or name the file .png.",
        )


def _check_sends(key: Key) -> None:
    if key.role == "receiver":
        hint = "To answer, make a key of your own with 'csfnns key new'."
        raise KeyFileError("This is a receiver's key: it reveals, and does not hide.", hint)


def _generator(
    profile: Profile, album: str | os.PathLike[str] | None, model: str | os.PathLike[str] | None
) -> "CoverGenerator":
    place = None if album is None else Path(album)
    return make_generator(profile, place, None if model is None else os.fspath(model))


def _prepared(
    profile: Profile, search: "Search | None", survive: str | Sequence[str] | None, *, grain: bool
) -> "Search":
    """Settings of the search, with the channel that `survive` names or the decoder is made for, or in grain.

    Raises UsageError.
    """
    from csfnns.search import parse_channel, preset

    usual = preset(profile)
    found = search or usual
    texts = _texts(survive)
    if texts or found.channel is not None:
        check_robust(profile, " or ".join(texts) or str(found.channel))
    if grain and profile.decoder != "spectral":
        raise UsageError(
            f"A key of profile {profile.name!r} cannot hide pictures in grain: its decoder is {profile.decoder!r}.",
            "Make a key with 'csfnns key new --profile standard'.",
        )
    if profile.decoder != "robust":
        return found.in_grain() if grain else found
    channel = parse_channel(*texts) if survive is not None else found.channel or usual.channel
    return replace(found, channel=channel)


def _to_deceive(
    against: str | Path | Sequence[str | Path], gamma: float | None, *, grain: bool, suffix: str
) -> "list[nn.Module]":
    """Networks that the search shall deceive. Raises UsageError."""
    if not against:
        if gamma is not None:
            hint = "Name one, such as --against xunet, or leave --gamma out."
            raise UsageError("--gamma weighs the networks of --against, and there is none.", hint)
        return []
    if gamma is not None and not 0 < gamma < inf:
        raise UsageError(f"{gamma} is no weight of networks to deceive.", "Give one above 0, such as 1e-4.")
    if suffix in JPEG:
        hint = "Name the file .png or .webp, or leave the networks out."
        raise UsageError("Networks are deceived by exact pixels, which a JPEG file does not keep.", hint)
    if grain:
        reason = "Networks suspect decoys and stegos with grain alike, and one that is deceived would tell them apart."
        raise UsageError(reason, "Leave grain out, or the networks.")
    from csfnns.steganalysis import Deep, find_model

    models = [against] if isinstance(against, str | Path) else against
    return [Deep.load(find_model(each)).network for each in dict.fromkeys(models)]


def _texts(survive: str | Sequence[str] | None) -> list[str]:
    return [survive] if isinstance(survive, str) else list(survive or [])


def _suffix(out: str | os.PathLike[str] | None) -> str:
    """Of the file to write; "" for none."""
    return "" if out is None else Path(out).suffix.lower()


def _net(size: int) -> int:
    """Bytes of a file in so many bytes of data."""
    return max(size - _FRAME, 0)


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


def _arrived(stego: "Source | Hidden | HiddenFile") -> Arrived:
    if isinstance(stego, Hidden | HiddenFile):
        return Arrived(stego.picture, stego.data if is_jpeg(stego.data) else None)
    return arrive(stego)


def _check_wrong_keys_show(profile: Profile) -> None:
    """Raise UsageError for the one choice with which a wrong key's noise could pass for a picture."""
    if profile.weights == "uniform" and not profile.has_header:
        raise UsageError(
            f"With weights 'uniform', decoder {profile.decoder!r} makes noise that looks like a picture:"
            " a receiver could not tell a wrong key.",
            "Choose other weights. Experiments can use csfnns.schemes, which does not ask.",
        )


__all__ = [
    "DEFAULT_RECEIVER",
    "WINDOW",
    "Avif",
    "Cover",
    "Decoy",
    "FileSource",
    "Hidden",
    "HiddenFile",
    "Revealed",
    "RevealedFile",
    "Source",
    "add_grain",
    "capacity",
    "capacity_surviving",
    "hide",
    "hide_file",
    "is_picture",
    "make_cover",
    "make_decoy",
    "reveal",
]
