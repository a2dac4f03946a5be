"""Receive a message: find the address in a stego, make its cover, extract the payload."""

import contextlib
import os
from typing import TYPE_CHECKING, Any

from csfnns.covers import AlbumRegister, FolderCovers, make_generator
from csfnns.errors import CapacityError, CoverError, DamagedError, NoMessageError, UsageError
from csfnns.images.io import restore
from csfnns.images.jpeg_file import INSTALL, has_jpeglib
from csfnns.keys import Key, message_id
from csfnns.messages.results import Hidden, Revealed, RevealedPart, time_of
from csfnns.messages.stego import Found, Stego, find_address
from csfnns.methods.base import Envelope, ReceiverSeeds
from csfnns.payloads.frame import Kind, safe_name, unpack
from csfnns.payloads.part import decode_part
from csfnns.profile import Profile

if TYPE_CHECKING:
    from csfnns.covers import CoverGenerator
    from csfnns.payloads.base import Decoded


def receive(
    source: Any,
    key: Key,
    *,
    receiver: str | None,
    covers: str | os.PathLike[str] | None,
    denoise: bool | None,
) -> Revealed:
    """Reveal a message as `csfnns.reveal` describes."""
    found = find(source, key)
    generator = make_generator(key.profile, covers)
    revealed = receive_found(found, key, generator, receiver=receiver, denoise=denoise)
    if isinstance(revealed, RevealedPart):
        hint = "Reveal it with the other parts: csfnns reveal FOLDER, or csfnns.reveal_long."
        raise UsageError(f"This picture holds {revealed.title}.", hint)
    return revealed


def receive_found(
    found: Found,
    key: Key,
    generator: "CoverGenerator",
    *,
    receiver: str | None,
    denoise: bool | None,
) -> Revealed | RevealedPart:
    """Reveal a message, or a part of a file, whose address was found. Raises CsfnnsError as `csfnns.reveal` does."""
    readers = found.route.readers
    if receiver is not None and receiver not in readers:
        raise UsageError(
            f"This message is not for {receiver!r}.",
            f"With this key, it can be read as: {', '.join(readers)}.",
        )
    if isinstance(generator, FolderCovers):
        with contextlib.suppress(CoverError):  # reading must not depend on the register
            AlbumRegister().mark(key.id, generator.index(found.route.link.cover_seed(found.nonce)))
    cover = generator(found.route.link.cover_seed(found.nonce))
    for name in readers if receiver is None else [receiver]:
        extracted = _extract(found, name, key.profile, cover)
        if extracted is not None:
            return _revealed(*extracted, found, name, key.profile, denoise)
    raise NoMessageError(
        "This picture was made with this key, and nothing for you can be read from it.",
        "It is a decoy or a message to others, or it was changed on its way: then ask for the file as it was written.",
    )


def find(source: Any, key: Key) -> Found:
    """Address in a stego. Raises NoMessageError, which names the likely cause, and PictureError."""
    own = isinstance(source, Hidden)
    stego = Stego(source.data if own else source, own=own)
    found = find_address(stego, key)
    if found is None:
        raise _not_found(stego, key.profile)
    return found


def _extract(found: Found, name: str, profile: Profile, cover: Any) -> "tuple[Any, bytes | Decoded] | None":
    """Method by which something is hidden for one reader, and the payload. Raises DamagedError."""
    link, nonce = found.route.readers[name], found.nonce
    seeds = ReceiverSeeds(link.decoder_seed(nonce), link.header_seed(nonce))
    envelope = Envelope(found.route.link.address_key(), nonce)
    for method in _methods(found, profile):
        try:
            return method, method.extract(found.content, cover, seeds, envelope=envelope)
        except DamagedError:  # its check value was right: this is the method
            raise
        except (NoMessageError, CapacityError):
            continue
    return None


def _methods(found: Found, profile: Profile) -> list[Any]:
    """Methods by which the message can have been hidden, those with a check value first."""
    from csfnns.methods import Direct, Jpeg, Paper, Robust, Trellis

    if found.carrier == "coefficients":
        return [Jpeg()]
    if found.carrier == "projections":
        return [Robust(profile)]
    levels: list[Any] = [Trellis(), Direct(), Direct("grain")]
    return [*levels, Paper(profile)] if profile.decoder in ("plain", "shuffle") else levels


def _revealed(
    method: Any, payload: "bytes | Decoded", found: Found, name: str, profile: Profile, denoise: bool | None
) -> Revealed | RevealedPart:
    about: dict[str, Any] = {"id": message_id(found.route.link, found.nonce), "receiver": name}
    about["author"] = found.route.author
    if isinstance(payload, bytes):
        file = unpack(payload)
        if file.kind is Kind.PART:
            return RevealedPart(decode_part(file.content), file.name, sent=time_of(file.sent), **about)
        kind: Any = file.kind.name.lower()
        return Revealed(kind, file.content, None, file.name, sent=time_of(file.sent), **about)
    denoised = method.name != "trellis" and _should_denoise(profile, denoise)
    pixels = payload.grid
    if denoised:
        from csfnns.images.denoise import denoise as without_noise

        pixels = without_noise(pixels, payload.expected_psnr)
    return Revealed(
        "picture",
        None,
        restore(pixels, payload.shape),
        safe_name(f"{payload.name}.png") if payload.name else None,
        sent=time_of(payload.sent),
        expected_psnr=payload.expected_psnr,
        unchanged=payload.unchanged,
        denoised=denoised,
        **about,
    )


def _should_denoise(profile: Profile, denoise: bool | None) -> bool:
    from csfnns.extras import require
    from csfnns.images.denoise import helps

    if denoise:
        require("network", "The denoiser")
    return helps(profile) if denoise is None else denoise


def _not_found(stego: Stego, profile: Profile) -> NoMessageError:
    """Error that names the likely cause first."""
    height, width = stego.size
    robust = profile.decoder == "robust"
    if not stego.fits(profile):
        reason = (
            f"This picture is not for this key, or was scaled or cropped on its way: it has {width}x{height} pixels, and"
            f" this key's pictures have {profile.width}x{profile.height}."
        )
        hint = "Ask for the file as it was written, sent as a file or document"
    elif stego.is_jpeg and not robust:
        reason = "This picture is not for this key, or was recompressed as a JPEG on its way."
        hint = "Ask for the file as it was written, sent as a file or document: chat apps recompress pictures"
        if not has_jpeglib():
            hint += f". If it was written as this .jpg, install what reads it: {INSTALL}"
    else:
        reason = "This picture is not for this key, or was changed on its way."
        hint = "Check that it is the right key, and ask for the file as it was written"
    if not robust:
        hint += ". A key made with --profile robust survives recompression"
    return NoMessageError(reason, f"{hint}.")
