"""The two straight lines, hide and reveal.

hide:   secrets → select.py: how each goes ┐
        key + message number → seeds → cover ┴→ way.embed → file → read back as every receiver will → written
reveal: stego ─┐
        key + message number → seeds → cover → way.extract, each way → a picture, or bytes → unpack → a file
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy.typing as npt

from csfnns.covers import make_generator
from csfnns.errors import KeyFileError, NoMessageError, SearchError, UsageError
from csfnns.extras import require
from csfnns.finding import WINDOW, candidate_numbers, look, nothing_found, resembling_covers, window_of
from csfnns.jpeg_file import is_jpeg
from csfnns.keys import DEFAULT_RECEIVER, Key, Ledger, check_message
from csfnns.output import JPEG, check_output_name, write_atomically
from csfnns.picture import Picture, fit, read_picture, restore
from csfnns.profile import Profile
from csfnns.results import Arrival, Cover, Decoy, Hidden, Revealed, RevealedFile
from csfnns.select import Secret, SendAs, Wishes, is_picture, read_secret
from csfnns.sending import Sending, seeds_of
from csfnns.stream import SEED_BYTES, Seed
from csfnns.ways import (
    Arrived,
    Bits,
    JpegFile,
    Network,
    Pixels,
    arrive,
    check_robust,
    check_suffix,
    choose_way,
)
from csfnns.words import words

if TYPE_CHECKING:
    from PIL import Image as Pil
    from torch import nn

    from csfnns.covers import CoverGenerator
    from csfnns.schemes.direct import Capacity
    from csfnns.schemes.trellis import Trellis
    from csfnns.search import Progress, Search

Source: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[Any] | Pil.Image"
"""Anything `read_picture` reads: a file's name or bytes, an array, a Pillow image."""


LEAST_JPEG = 30.0
"""PSNR in dB of a JPEG file with the most that `capacity` shows: a fuller one resembles a stranger's picture as much."""
_TURN = 4.0  # dB that a balance of 1 moves
_FRAME = 32  # bytes that travel with a file: its length, kind and method, and a name of 24 letters


def hide(
    secret: "Source | Mapping[str, Source]",
    key: Key,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    name: str | None = None,
    send_as: SendAs | None = None,
    exact: bool = False,
    resize: int | None = None,
    target_recovered: float | None = None,
    target_stego: float | None = None,
    balance: float = 0.0,
    quality: int | None = None,
    grain: bool = False,
    survive: str | Sequence[str] | None = None,
    search: "Search | None" = None,
    evade: str | Path | Sequence[str | Path] = (),
    gamma: float | None = None,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    ledger: Ledger | None = None,
    device: str = "cpu",
    progress: "Progress | None" = None,
) -> Hidden:
    """Hide a picture or any file, or one for each of several receivers, in a fresh cover of the key.

    `secret` is a path, the bytes of a file, an array or a Pillow image, or a mapping from receivers' names to such. A
    picture goes as select.py says, at its own size unless `resize` gives a longer side in pixels; everything else goes
    byte for byte, with `name` instead of the path's. `send_as` takes it for a "picture", which then goes by the trellis
    decoder, or for a "file"; with `exact`, a picture goes byte for byte, or as AVIF if it does not fit.

    A picture arrives at 38 dB and leaves the stego at 56 dB at least; `balance` in -1…1 moves both by 4 dB, up for a
    clearer picture. `target_recovered` and `target_stego` are PSNRs in dB to meet instead: one of them alone, or both.

    With `out`, the file is written once it has been decoded as every receiver will; until then nothing appears under
    that name. A .jpg carries bytes in its coefficients, at a `quality` (90 unless given); with `grain`, bytes are grain
    of σ = 1, which cannot be told from a decoy's (docs/grain.md).

    A key of profile robust hides what survives JPEG of quality 75 to 95, or what `survive` says, such as "jpeg:60-95" or
    "noise:2" (search/channel.py): a picture, or a file of a few kB; each case is checked. That and profile paper need the
    extra `network`, take settings of the `search`, and may `evade` named detectors with a weight of `gamma`; `device` is a
    torch device, such as "cuda".

    What can be refused is refused before a message number is used up. Raises KeyFileError for a receiver's key, UsageError,
    PictureError, CoverError, CapacityError, LedgerError, SearchError and Cancelled; then there is no file.
    """
    _check_sends(key)
    sources: dict[str, Source] = _by_receiver(secret, key)
    files = [source for source in sources.values() if isinstance(source, (str, os.PathLike))]
    trellis = _trellis(key.profile, target_recovered, target_stego, balance)
    wishes = Wishes(send_as, exact, trellis is not None)
    network = (
        key.profile.is_network and not exact and send_as != "file" and all(map(is_picture, sources.values()))
    )
    if not network:
        _refuse_network_options(evade, gamma, search, key.profile)
        way: Pixels | JpegFile | Bits | Network = choose_way(
            key.profile,
            _suffix(out),
            survive=_texts(survive),
            exact=exact,
            quality=quality,
            grain=grain,
            trellis=trellis,
            shares=len(key.names),
            device=device,
            progress=progress,
        )
        if trellis is not None and (grain or not isinstance(way, Pixels)):
            reason = "A target and a balance need a .png or .webp, without --grain."
            raise UsageError(reason, "Leave the target out, or --grain; or name the file .png.")
    else:
        if quality is not None or grain:
            reason = f"A picture of a key of profile {key.profile.name!r} goes by a search."
            raise UsageError(
                reason, "Leave --quality and --grain out, or send the picture's own bytes: --exact."
            )
        way = _network(key.profile, _suffix(out), search, survive, evade, gamma, device, progress)
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files, jpeg=True)
    _check_wrong_keys_show(key.profile)
    secrets = {who: read_secret(source, name, send_as, resize) for who, source in sources.items()}
    if trellis is not None and (exact or all(each.picture is None for each in secrets.values())):
        reason = "A target and a balance are for pictures by the trellis decoder; bytes arrive exactly."
        raise UsageError(reason, "Leave the target or the balance out.")
    if (
        send_as == "picture"
        and not exact
        and not isinstance(way, Network)
        and (grain or not isinstance(way, Pixels))
    ):
        reason = "A picture by the trellis decoder needs a .png or .webp, without --grain."
        raise UsageError(reason, "Leave --as picture out to send it as AVIF, or name the file .png.")
    if isinstance(way, Network):
        way.scheme.check([each.picture for each in secrets.values() if each.picture is not None])
    _check_fits(way, secrets)
    generator = _generator(key.profile, album, model)
    message = (ledger or Ledger()).claim(key.id)
    hidden = Sending(key, message, secrets, generator(key.cover, message), way, wishes).send()
    _check_recognised(hidden.picture, key, generator, message)
    if path is not None:
        write_atomically(hidden.data, path, overwrite=overwrite)
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


def capacity_pictures(key: Key, sides: Sequence[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """PSNR in dB at which a usual photograph of each size (width, height) would arrive, by the trellis decoder.

    After 24 Kodak photographs scaled to several sizes; others differ by some dB. Raises UsageError for another profile.
    """
    if key.profile.is_network:
        reason = f"The profile {key.profile.name!r} sends pictures of one size."
        raise UsageError(reason, "Make a key of the profile standard.")
    from csfnns.schemes.trellis import photograph_psnr

    places = 3 * key.profile.width * key.profile.height
    return {(width, height): photograph_psnr(places, width * height) for width, height in sides}


def reveal(
    stego: "Source | Hidden",
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
    if denoise:
        require("network", "The denoiser")
    from csfnns.denoise import denoise as without_noise
    from csfnns.denoise import helps
    from csfnns.payloads.file import File

    _check_wrong_keys_show(key.profile)
    generator = _generator(key.profile, album, model)
    ledger = ledger or Ledger()
    numbers = candidate_numbers(key, ledger, generator) if message is None else [check_message(message)]
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
        if not key.profile.is_network:
            return Revealed(found.grid, number, name, found.expected_psnr, found.unchanged, False)
        denoised = helps(key.profile) if denoise is None else denoise
        grid = without_noise(found.grid, found.expected_psnr) if denoised else found.grid
        return Revealed(restore(grid, found.shape), number, name, found.expected_psnr, True, denoised)
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
    """Make a fresh cover of the key with grain, and nothing in it: what `hide` makes with `grain`, but for
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


def _trellis(
    profile: Profile, recovered: float | None, stego: float | None, balance: float
) -> "Trellis | None":
    """Settings for pictures where a quality was named, else None. Raises UsageError."""
    if recovered is None and stego is None and balance == 0:
        return None
    if profile.is_network:
        reason = f"A target and a balance go with the profile standard, not {profile.name!r}."
        raise UsageError(reason, "Set the weight of the secret instead: --beta.")
    if not -1 <= balance <= 1:
        raise UsageError(f"balance must be in -1…1, got {balance}.", "0 is the usual one.")
    from csfnns.schemes.trellis import Quality, Trellis

    if recovered is None and stego is None:
        usual = Quality()
        assert usual.recovered is not None
        assert usual.stego is not None
        return Trellis(profile, Quality(usual.recovered + _TURN * balance, usual.stego - _TURN * balance))
    if balance != 0:
        raise UsageError("A target and a balance do not go together.", "Give one of them.")
    return Trellis(profile, Quality(recovered, stego, strict=True))


def _network(
    profile: Profile,
    suffix: str,
    search: "Search | None",
    survive: str | Sequence[str] | None,
    evade: str | Path | Sequence[str | Path],
    gamma: float | None,
    device: str,
    progress: "Progress | None",
) -> Network:
    """Way for pictures by a search. Raises UsageError, also where torch is missing."""
    require("network", f"Hiding a picture with a key of profile {profile.name!r}")
    from csfnns.schemes import CsFnns
    from csfnns.search import GAMMA, parse_channel, preset

    usual = preset(profile)
    found = search or usual
    texts = _texts(survive)
    if texts or found.channel is not None:
        check_robust(profile, " or ".join(texts) or str(found.channel))
    if profile.decoder == "robust":
        channel = parse_channel(*texts) if survive is not None else found.channel or usual.channel
        found = replace(found, channel=channel)
    check_suffix(profile, suffix, found.channel)
    networks = _to_evade(evade, gamma, suffix=suffix)
    if networks:
        found = replace(found, gamma=gamma or found.gamma or GAMMA)
    scheme = CsFnns(profile, found, device, networks)
    return Network(scheme, found.channel, suffix or ".png", progress)


def _refuse_network_options(
    evade: str | Path | Sequence[str | Path], gamma: float | None, search: "Search | None", profile: Profile
) -> None:
    """Raise UsageError for options of a search by gradients where there is none."""
    given = {"--evade": bool(evade), "--gamma": gamma is not None, "search": search is not None}
    for name, there in given.items():
        if there:
            reason = f"{name} needs a search by gradients, which hides pictures with a key of profile paper or robust."
            raise UsageError(reason, "Leave it out, or make a key with 'csfnns key new --profile robust'.")


def _check_fits(way: Pixels | JpegFile | Bits | Network, secrets: Mapping[str, Secret]) -> None:
    """Raise CapacityError for files that certainly do not fit, so that no message number is used up."""
    if isinstance(way, Network):
        return
    least = [len(each.packed) if each.picture is None else 0 for each in secrets.values()]
    if not way.has_room(least):
        raise way.too_much(sum(least))


def _to_evade(
    evade: str | Path | Sequence[str | Path], gamma: float | None, *, suffix: str
) -> "list[nn.Module]":
    """Networks that the search shall evade. Raises UsageError."""
    if not evade:
        if gamma is not None:
            hint = "Name one, such as --evade xunet, or leave --gamma out."
            raise UsageError("--gamma weighs the networks of --evade, and there is none.", hint)
        return []
    if gamma is not None and not 0 < gamma < inf:
        raise UsageError(f"gamma must be above 0, got {gamma}.", "Give one such as 1e-4.")
    if suffix in JPEG:
        hint = "Name the file .png or .webp, or leave the networks out."
        raise UsageError("Networks are evaded by exact pixels, which a JPEG file does not keep.", hint)
    from csfnns.steganalysis import Deep, find_model

    models = [evade] if isinstance(evade, str | Path) else evade
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


def _arrived(stego: "Source | Hidden") -> Arrived:
    if isinstance(stego, Hidden):
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
    "Arrival",
    "Cover",
    "Decoy",
    "Hidden",
    "Revealed",
    "RevealedFile",
    "Source",
    "add_grain",
    "capacity",
    "capacity_pictures",
    "capacity_surviving",
    "hide",
    "is_picture",
    "make_cover",
    "make_decoy",
    "reveal",
]
