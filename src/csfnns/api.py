"""The functions of the package: hide, reveal, capacity, and covers without a message.

hide:    payload → method (methods/select.py) ┐
         key + fresh nonce → cover, decoder ──┴→ embed → file → read back as every receiver will → written
reveal:  stego → address → nonce; key + nonce → cover, decoder → extract → picture, file or text
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import sha256
from typing import TYPE_CHECKING, Any

from csfnns.covers import AlbumRegister, make_generator, parse_share
from csfnns.errors import CoverError, PictureError, SearchError, UsageError
from csfnns.images.io import Picture, read_picture
from csfnns.images.output import check_output_name
from csfnns.keys import Key, message_id
from csfnns.keys.fingerprint import words
from csfnns.messages.receive import find, receive
from csfnns.messages.results import Cover, Decoy, Hidden, Revealed
from csfnns.messages.send import NO_NONCE, draw_nonce, send
from csfnns.methods import Direct, Envelope, Jpeg, Method, Robust
from csfnns.payloads.secret import Source
from csfnns.process import undisturbed
from csfnns.stream import SEED_BYTES, Seed

if TYPE_CHECKING:
    from csfnns.methods import Capacity
    from csfnns.search import Progress

LEAST_JPEG = 30.0
"""PSNR in dB of a JPEG file with the most that `capacity` reports."""
_FRAME = 37  # bytes that travel with a file: frame, and a name of 24 letters

Place = str | os.PathLike[str]


@undisturbed(SearchError)
def hide(
    payload: "Source | Mapping[str, Source]",
    key: Key,
    *,
    out: Place | None = None,
    overwrite: bool = False,
    method: "str | Method | None" = None,
    name: str | None = None,
    resize: int | None = None,
    dated: bool = True,
    covers: Place | None = None,
    progress: "Progress | None" = None,
) -> Hidden:
    """Hide a picture, a file or text, or one for each of several receivers, in a fresh cover of the key.

    Args:
        payload: A path, the bytes of a file, `csfnns.text("…")`, an array uint8 (H, W, 3) or a Pillow image; or a mapping
            from names of receivers to such.
        key: Key of a conversation, of a sender or of a receiver, who answers the sender.
        out: File to write, .png, .webp or .jpg. It appears once the stego has been decoded as every receiver will.
        overwrite: Whether an existing file may be replaced.
        method: Name or settings of a method: `Trellis(recovered=40)`, `Direct()`, "grain", `Jpeg(quality=90)`,
            `Robust(survive="jpeg:60-95")`, `Paper()`. None: the one with which the payload arrives best
            (methods/select.py); a picture then arrives at about 38 dB and leaves the stego at 56 dB or more.
        name: File name to send, instead of the path's.
        resize: Longest side of a picture in pixels, at most.
        dated: Whether to send the time of sending.
        covers: Folder of the album, or folder, file or name of the model, for keys whose covers come from one.
        progress: Called with the steps done and all steps of a search; returning False cancels it.

    Returns:
        The stego and what each receiver gets, measured on the file as it was written.

    Raises:
        CsfnnsError: UsageError, PictureError, KeyFileError, CoverError, CapacityError, SearchError or Cancelled. Then
            there is no file.
    """
    return send(
        payload,
        key,
        out=out,
        overwrite=overwrite,
        method=method,
        name=name,
        resize=resize,
        dated=dated,
        covers=covers,
        progress=progress,
    )


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
def capacity(
    key: Key,
    psnr: Sequence[float] = (50, 55, 60, 65),
    *,
    method: "str | Method" = "direct",
    covers: Place | None = None,
) -> "Capacity":
    """Bytes of a file for one receiver by a method for bytes: the most, and at each stego PSNR in dB.

    Measured on the check cover; other covers differ a little. With "grain", the stego changes the same whatever it holds.
    Of a JPEG file, the PSNR is that against the same file without a message, and the most leaves 30 dB. Raises
    CoverError, and UsageError for other methods.
    """
    from csfnns.methods import METHODS

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
    path = None if out is None else check_output_name(out, overwrite=overwrite)
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
    return Direct("grain").decoy(read_picture(source), Seed(os.urandom(SEED_BYTES)))  # type: ignore[arg-type]


def _net(size: int) -> int:
    """Bytes of a file that fit in `size` bytes of data."""
    return max(size - _FRAME, 0)
