"""The functions of the package: hide, reveal, capacity, and covers without a message.

hide:    payload → method (methods/select.py) ┐
         key + fresh nonce → cover, decoder ──┴→ embed → file → read back as every receiver will → written
reveal:  stego → address → nonce; key + nonce → cover, decoder → extract → picture, file or text
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from csfnns.covers import AlbumRegister, make_generator, parse_share
from csfnns.errors import CoverError, PictureError, SearchError, UsageError
from csfnns.images.io import Picture, read_picture
from csfnns.images.output import check_output_name
from csfnns.keys import NO_NONCE, Key, message_id
from csfnns.keys.fingerprint import words
from csfnns.messages.receive import find, receive
from csfnns.messages.results import Cover, Decoy, Hidden, LongHidden, LongRevealed, Revealed
from csfnns.payloads.secret import Source
from csfnns.process import undisturbed
from csfnns.stream import SEED_BYTES, Seed

if TYPE_CHECKING:
    from csfnns.messages.join import Came
    from csfnns.messages.send import FreshCover
    from csfnns.methods import Capacity, Method
    from csfnns.profile import Profile
    from csfnns.search import Progress

LEAST_JPEG = 30.0
"""PSNR in dB of a JPEG file with the most that `capacity` reports."""
_MOST_FRESH = 64
_FRAME = 37  # bytes that travel with a file: frame, and a name of 24 letters

Place = str | os.PathLike[str]


@undisturbed(SearchError)
def hide(
    payload: "Source | Mapping[str, Source]",
    key: Key,
    *,
    out: Place | None = None,
    overwrite: bool = False,
    format: Literal["png", "webp", "jpg"] = "png",
    method: "str | Method | None" = None,
    name: str | None = None,
    resize: int | None = None,
    dated: bool = True,
    covers: Place | None = None,
    cover: "FreshCover | None" = None,
    progress: "Progress | None" = None,
) -> Hidden:
    """Hide a picture, a file or text, or one for each of several receivers, in a fresh cover of the key.

    Args:
        payload: A path, the bytes of a file, `csfnns.File(bytes, name)`, `csfnns.text("…")`, an array uint8 (H, W, 3) or
            a Pillow image; or a mapping from names of receivers to such.
        key: Key of a conversation, of a sender or of a receiver, who answers the sender.
        out: File to write, .png, .webp or .jpg. It appears once the stego has been decoded as every receiver will.
        overwrite: Whether an existing file may be replaced.
        format: Format of `Hidden.data`: "png", "webp" or "jpg". With `out`, its suffix decides instead.
        method: Name or settings of a method: `Trellis(recovered=40)`, `Direct()`, "grain", `Jpeg(quality=90)`,
            `Robust(survive="jpeg:60-95")`, `Paper()`. None: the one with which the payload arrives best
            (methods/select.py); a picture then arrives at about 38 dB and leaves the stego at 56 dB or more.
        name: File name to send, instead of the path's.
        resize: Longest side of a picture in pixels, at most.
        dated: Whether to send the time of sending.
        covers: Folder of the album, or folder, file or name of the model, for keys whose covers come from one.
        cover: One of `fresh_covers`, made for the same receivers; None: a new one.
        progress: Called with the steps done and all steps of a search; returning False cancels it.

    Returns:
        The stego and what each receiver gets, measured on the file as it was written.

    Raises:
        CsfnnsError: UsageError, PictureError, KeyFileError, CoverError, CapacityError, SearchError or Cancelled. Then
            there is no file.
    """
    from csfnns.messages.send import send

    return send(
        payload,
        key,
        out=out,
        overwrite=overwrite,
        suffix="" if format == "png" else f".{format}",
        method=method,
        name=name,
        resize=resize,
        dated=dated,
        covers=covers,
        cover=cover,
        progress=progress,
    )


@undisturbed(CoverError)
def fresh_covers(
    key: Key, count: int, *, receivers: Sequence[str] = (), covers: Place | None = None
) -> "list[FreshCover]":
    """Covers to choose from for one message, which `hide(…, cover=…)` then uses; 1 to 64.

    `receivers` are those of the message, all by default. Each picture is made when it is first looked at. Raises
    UsageError, for the key of an album too: its pictures are few, and each that is shown would be lost. Raises CoverError.
    """
    if not 1 <= count <= _MOST_FRESH:
        raise UsageError(f"count must be in 1…{_MOST_FRESH}, got {count}.", "8 are enough to choose from.")
    if key.profile.generator == "folder":
        raise UsageError("The covers of an album cannot be chosen.", "Hide without a cover: one is drawn.")
    generator = make_generator(key.profile, covers)
    route = key.route(receivers or key.names)
    from csfnns.messages.send import FreshCover, draw_nonce

    return [FreshCover(route.link, draw_nonce(key, route, generator, b""), generator) for _ in range(count)]


@undisturbed(PictureError)
def reveal(
    stego: "Source | Hidden",
    key: Key,
    *,
    receiver: str | None = None,
    covers: Place | None = None,
    denoise: bool | None = None,
) -> Revealed:
    """Reveal what a stego holds for the owner of the key: a picture, a file or text.

    Args:
        stego: A path, the bytes of a file, an array uint8 (H, W, 3), a Pillow image, or the result of `hide`.
        key: Key of a conversation, of a receiver or of the sender, who can also read their own messages.
        receiver: Whose part of a message to several, with the sender's key; the first one by default.
        covers: Folder of the album, or folder, file or name of the model, for keys whose covers come from one.
        denoise: Whether to remove noise from the picture of a network; None: where that was measured to help.

    Raises:
        NoMessageError: Where there is nothing for this key.
        DamagedError: Where what there was cannot be read any more.
        CsfnnsError: PictureError, UsageError and CoverError as well.
    """
    return receive(stego, key, receiver=receiver, covers=covers, denoise=denoise)


@undisturbed(SearchError)
def hide_long(
    path: Place,
    key: Key,
    out: Place,
    *,
    spare: int = 2,
    receiver: str | None = None,
    format: Literal["png", "webp", "jpg"] = "png",
    method: "str | Method | None" = None,
    name: str | None = None,
    overwrite: bool = False,
    dated: bool = True,
    covers: Place | None = None,
    progress: "Progress | None" = None,
) -> LongHidden:
    """Hide a file in as many pictures as it needs, each in a fresh cover, which `reveal_long` puts together again.

    The pictures are FOLDER-0001.png and so on in `out`, where FOLDER is its name; it is made if it is not there. Each
    holds what leaves it at 56 dB with the method "direct". One process a core makes the pictures, as far as memory allows
    (CSFNNS_THREADS=1: this one alone); with the method "robust", with covers of a model, and for fewer than 4 pictures it
    is always this one. The file is read twice; memory holds `spare` + 1 parts, and two more for each process.

    Args:
        path: File to hide, of any length. It is not compressed: a .zip needs fewer pictures.
        spare: Number of extra pictures. Any `spare` pictures of the set may be lost.
        receiver: Who gets it; None: the only one of the key.
        method: One for bytes, as in `hide`.
        progress: Called with the pictures done and all pictures; returning False cancels it.

    The others are those of `hide`. Where it fails or is stopped, there is no picture of it, and no process.

    Raises:
        CsfnnsError: as `hide` does; CapacityError also for more than 65,535 pictures.
    """
    from csfnns.messages.split import Splitter, send_long

    suffix = f".{format}"
    splitter = partial(
        Splitter,
        key,
        receiver=receiver,
        method=method,
        suffix=suffix,
        covers=covers,
        name=name or Path(path).name,
        dated=dated,
    )
    return send_long(
        Path(path), Path(out), splitter, spare=spare, suffix=suffix, overwrite=overwrite, progress=progress
    )


@undisturbed(PictureError)
def reveal_long(
    pictures: "Place | Iterable[Source]",
    key: Key,
    out: Place,
    *,
    receiver: str | None = None,
    covers: Place | None = None,
    denoise: bool | None = None,
    overwrite: bool = False,
    each: "Callable[[Source, Came], object]" = lambda picture, came: None,
) -> list[LongRevealed]:
    """Reveal what `hide_long` hid: every file of which there are parts among the pictures, in any order.

    Args:
        pictures: Folder of pictures, or pictures as of `reveal`.
        out: Folder, in which a file gets its sender's name and replaces nothing; or the path of the file.
        overwrite: Whether a file that `out` names may be replaced.
        each: Called with each picture, and what came of it: a `Revealed` that is no part, a part, or the error.

    The others are those of `reveal`. Parts wait on disk, in `out`: memory holds one of them.

    Returns:
        A result for each file, also for those that could not be restored.

    Raises:
        CsfnnsError: UsageError, PictureError and CoverError; those of single pictures go to `each`.
    """
    from csfnns.messages.join import pictures_in, receive_long

    if isinstance(pictures, str | os.PathLike):
        pictures = pictures_in(Path(pictures))
    return receive_long(
        pictures,
        key,
        Path(out),
        receiver=receiver,
        covers=covers,
        denoise=denoise,
        overwrite=overwrite,
        each=each,
    )


@undisturbed(SearchError)
def capacity(
    key: Key,
    psnr: Sequence[float] = (50, 55, 60, 65),
    *,
    method: "str | Method" = "direct",
    covers: Place | None = None,
) -> "Capacity":
    """Bytes of a file for one receiver by a method for bytes: the most, and at each stego PSNR in dB.

    Measured on the check cover. `hide` tries a second cover where the first holds less; an album's are tried once. With
    "grain", the stego changes as much whatever it holds. For a JPEG file, the PSNR is measured against the same file
    without a message, and the most leaves 30 dB. Raises CoverError, and UsageError for other methods.
    """
    from csfnns.methods import METHODS, Direct, Jpeg

    bound: Any = METHODS.make(method) if isinstance(method, str) else method
    if not isinstance(bound, Direct | Jpeg):
        raise UsageError(f"method must be direct, grain or jpeg, got {bound.name!r}.")
    found = bound.capacity(check_cover(key, covers=covers).picture, [*psnr, LEAST_JPEG])
    at = {each: _net(found.at[each]) for each in psnr}
    most = found.at[LEAST_JPEG] if isinstance(bound, Jpeg) else found.most
    return replace(found, most=_net(most), at=at)


@undisturbed(SearchError)
def capacity_surviving(
    key: Key,
    survive: str | Sequence[str] = (),
    *,
    covers: Place | None = None,
    device: str = "auto",
    progress: "Progress | None" = None,
) -> int:
    """Bytes of a file for one receiver that survive, in the covers of a key of profile robust.

    `survive` and `device` are those of `Robust`. Measured on the check cover by up to four searches; other covers differ
    a little. Raises CoverError, UsageError for another profile, and Cancelled.
    """
    texts = survive if isinstance(survive, str) else tuple(survive)
    from csfnns.methods import Robust

    method = Robust(key.profile, survive=texts, device=device)
    return _net(method.capacity(check_cover(key, covers=covers).picture, progress=progress))


@undisturbed(SearchError)
def capacity_pictures(key: Key, sides: Sequence[tuple[int, int]]) -> dict[tuple[int, int], float]:
    """PSNR in dB at which a typical photograph of each size (width, height) would arrive, by the trellis method.

    From 24 Kodak photographs scaled to several sizes; others differ by some dB. Raises UsageError for other profiles.
    """
    if key.profile.is_network:
        reason = f"The profile {key.profile.name!r} sends pictures of one size."
        raise UsageError(reason, "Make a key of the profile standard.")
    from csfnns.methods.trellis import photograph_psnr

    places = 3 * key.profile.width * key.profile.height
    return {(width, height): photograph_psnr(places, width * height) for width, height in sides}


@undisturbed(CoverError)
def check_cover(key: Key, *, covers: Place | None = None) -> Cover:
    """Cover that is never sent: all who have the key make it and compare its fingerprint. Raises CoverError."""
    picture = make_generator(key.profile, covers)(key.check_link.cover_seed(NO_NONCE))
    return Cover(picture, words(sha256(picture.tobytes()).digest(), 4))


@undisturbed(PictureError)
def cover_of(stego: "Source | Hidden", key: Key, *, covers: Place | None = None) -> Picture:
    """Cover of a stego, uint8 (H, W, 3), made again from the key and the address in the stego.

    Raises NoMessageError where the stego is not for this key, PictureError and CoverError.
    """
    found = find(stego, key)
    return make_generator(key.profile, covers)(found.route.link.cover_seed(found.nonce))


@undisturbed(CoverError)
def make_decoy(
    key: Key,
    *,
    out: Place | None = None,
    overwrite: bool = False,
    covers: Place | None = None,
) -> Decoy:
    """Make a fresh cover with grain and an address, and nothing in it.

    Without the key, it cannot be told from what `hide` makes with the method "grain" (docs/grain.md). Raises UsageError,
    PictureError and CoverError.
    """
    from csfnns.messages.send import draw_nonce
    from csfnns.methods import Direct, Envelope

    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=[covers or ""])
    generator = make_generator(key.profile, covers)
    route = key.route(key.names)
    nonce = draw_nonce(key, route, generator, b"")
    cover = generator(route.link.cover_seed(nonce))
    envelope = Envelope(route.link.address_key(), nonce)
    picture = Direct("grain").decoy(cover, Seed(os.urandom(SEED_BYTES)), envelope=envelope)
    decoy = Decoy(picture, message_id(route.link, nonce))
    if path is not None:
        decoy.save(path, overwrite=overwrite)
    return decoy


def check_profile(profile: "Profile") -> None:
    """Raise UsageError for covers too small for what the profile carries, and CapacityError for any picture."""
    from csfnns.methods.robust import LEAST_SIDE
    from csfnns.payloads import make_codec

    if profile.decoder == "robust" and min(profile.width, profile.height) < LEAST_SIDE:
        size = f"{profile.width}x{profile.height}"
        hint = "In smaller ones the address takes too much from the message."
        raise UsageError(f"size must be at least {LEAST_SIDE}x{LEAST_SIDE} with profile robust, got {size}.", hint)
    if profile.is_network:
        make_codec(profile, Seed(bytes(SEED_BYTES)))


def share_album(key: Key, share: str) -> None:
    """Restrict this computer to a part of the key's album, such as "1/2", because other ends hide with the key too.

    Raises UsageError, and CoverError after a message with another share.
    """
    if key.profile.generator != "folder":
        raise UsageError("Only a key with an album has shares.", "All other keys hide on any number of computers.")
    AlbumRegister().take_share(key.id, parse_share(share))


@undisturbed(PictureError)
def add_grain(source: Source) -> Picture:
    """Any picture with fresh grain, distributed as that of decoys (docs/grain.md). Raises PictureError."""
    from csfnns.methods import Direct

    return Direct("grain").decoy(read_picture(source), Seed(os.urandom(SEED_BYTES)))  # type: ignore[arg-type]


def _net(size: int) -> int:
    """Bytes of a file that fit in `size` bytes of data."""
    return max(size - _FRAME, 0)
