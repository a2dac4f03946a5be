"""Send a message: choose a cover, hide the payloads, write the stego, read it back and check it."""

import hashlib
import os
import time
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from csfnns.address import make_nonce
from csfnns.covers import AlbumRegister, FolderCovers, choose_nonce, make_generator
from csfnns.errors import CapacityError, NoMessageError, SearchError, UsageError
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.jpeg_file import write_coefficients
from csfnns.images.metrics import Figures, compare, psnr
from csfnns.images.output import JPEG, check_output_name, encode_picture, write_atomically
from csfnns.keys import Key, Route, message_id
from csfnns.messages.results import Arrival, Hidden
from csfnns.messages.stego import Stego, read_nonce
from csfnns.methods import Direct, Envelope, ReceiverSeeds, Trellis
from csfnns.methods.select import (
    LEAST_PSNR,
    Plan,
    Prepared,
    Request,
    check_room,
    choose_method,
    largest_side,
    plans,
)
from csfnns.payloads.secret import read_secret

if TYPE_CHECKING:
    from csfnns.covers import CoverGenerator
    from csfnns.payloads.base import Decoded
    from csfnns.payloads.secret import Secret
    from csfnns.search import Progress

_DRAWS = 4  # covers to try, at most: in a few, what a robust message must survive loses the address
NO_NONCE = bytes(16)
"""Nonce of the check cover, which no message has."""


def send(
    payload: Any,
    key: Key,
    *,
    out: str | os.PathLike[str] | None,
    overwrite: bool,
    method: Any,
    name: str | None,
    resize: int | None,
    dated: bool,
    covers: str | os.PathLike[str] | None,
    progress: "Progress | None",
) -> Hidden:
    """Hide a payload as `csfnns.hide` describes."""
    sources: dict[str | None, Any] = dict(payload) if isinstance(payload, Mapping) else {None: payload}
    if not sources:
        raise UsageError("payload must have something for at least one receiver.", f"Names: {', '.join(key.names)}.")
    route = key.route([each for each in sources if each is not None])
    suffix = "" if out is None else Path(out).suffix.lower()
    if out is not None:
        files = [each for each in sources.values() if isinstance(each, str | os.PathLike)]
        check_output_name(out, overwrite=overwrite, inputs=files, jpeg=suffix in JPEG)
    sent = int(time.time()) if dated else 0
    secrets = {
        receiver or next(iter(route.readers)): read_secret(each, name=name, resize=resize, sent=sent)
        for receiver, each in sources.items()
    }
    request = Request(secrets, key.profile, suffix, method)
    chosen = choose_method(request)
    check_room(chosen, request)
    message = Message(key, route, request, chosen, sent, make_generator(key.profile, covers), progress)
    hidden = message.send()
    if out is not None:
        write_atomically(hidden.data, Path(out), overwrite=overwrite)
    return hidden


class Message:
    """One message on its way into a stego."""

    def __init__(
        self,
        key: Key,
        route: Route,
        request: Request,
        method: Any,
        sent: int,
        generator: "CoverGenerator",
        progress: "Progress | None",
    ) -> None:
        self._profile, self._route, self._request, self._progress = key.profile, route, request, progress
        digest = hashlib.sha256()
        for name, each in request.secrets.items():  # all that is sealed: a nonce must not meet two contents
            digest.update(hashlib.sha256(f"{name}/{each.name}/{each.kind}/{each.sent}".encode()).digest())
            digest.update(hashlib.sha256(_bytes_of(each)).digest())
        for _ in range(_DRAWS):
            nonce = draw_nonce(key, route, generator, digest.digest())
            self._envelope = Envelope(route.link.address_key(), nonce, sent, len(key.names))
            self._cover = generator(route.link.cover_seed(nonce))
            if method.name != "robust" or method.address_survives(self._cover, self._envelope):
                break
        self._nonce = nonce
        self._method = method
        self._seeds = {
            name: ReceiverSeeds(link.decoder_seed(nonce), link.header_seed(nonce))
            for name, link in route.readers.items()
        }
        names = {self._seeds[name]: Path(each.name).stem for name, each in request.secrets.items() if each.name}
        self._envelope = replace(self._envelope, names=names)

    def send(self) -> Hidden:
        """Hide everything. Raises CapacityError, SearchError and Cancelled."""
        refused: CapacityError | None = None
        for plan in plans(self._method, self._request, self._cover):
            payloads = {self._seeds[name]: each.payload for name, each in plan.prepared.items()}
            try:
                stego = plan.method.embed(self._cover, payloads, envelope=self._envelope, progress=self._progress)
            except CapacityError as error:
                refused = error
                continue
            return self._check(plan, encode_file(plan.method, stego, self._request.suffix))
        assert refused is not None
        raise refused

    def _check(self, plan: Plan, data: bytes) -> Hidden:
        """Read the file as every receiver will. Raises SearchError."""
        method, stego = plan.method, Stego(data)
        self._check_address(stego, method, "")
        receivers = {name: self._arrival(method, stego, name, each) for name, each in plan.prepared.items()}
        survives: dict[str, dict[str, Figures | None]] = {}
        for case, picture in self._cases(method, stego.picture):
            arrived = Stego(picture)
            self._check_address(arrived, method, f" after {case}")
            survives[case] = {
                name: self._figures(method, self._extract(method, arrived, name, each), name, each, f" after {case}")
                for name, each in plan.prepared.items()
            }
        figures = compare(self._plain(method), stego.picture)
        identity = message_id(self._route.link, self._nonce)
        warnings = tuple(_warnings(plan.prepared))
        return Hidden(stego.picture, method.name, identity, figures, receivers, survives, data, warnings)

    def _check_address(self, stego: Stego, method: Any, where: str) -> None:
        found = read_nonce(stego, self._profile, self._envelope.key, method.carrier)
        if found is None or found[0] != self._nonce:
            hint = "Try again: another message has another cover."
            raise SearchError(f"The receiver could not find the message{where}.", hint)

    def _arrival(self, method: Any, stego: Stego, name: str, prepared: Prepared) -> Arrival:
        secret, file = prepared.secret, prepared.file
        found = self._extract(method, stego, name, prepared)
        figures = self._figures(method, found, name, prepared, "")
        kind = secret.kind.name.lower()
        if file is not None and secret.picture is None:
            return Arrival(kind, "exact", file=file)  # type: ignore[arg-type]
        shown = found.grid if file is None else read_picture(file.content)  # type: ignore[union-attr]
        if prepared.form == "avif":
            assert secret.picture is not None
            figures = compare(shown, fit(secret.picture, *shown.shape[:2]))
        assert secret.original is not None
        height, width = shown.shape[:2]
        whole = psnr(fit(shown, *secret.original.shape[:2]), secret.original)
        return Arrival("picture", prepared.form, width, height, figures, whole, file)

    def _figures(
        self, method: Any, found: "bytes | Decoded | None", name: str, prepared: Prepared, where: str
    ) -> Figures | None:
        """A picture as it arrives, against the secret; None for bytes, which must arrive exactly. Raises SearchError."""
        if isinstance(prepared.payload, bytes):
            if found != prepared.payload:
                hint = "Try again; if it happens twice, check the memory of this computer."
                raise SearchError(f"The {name} would not get the secret as it is{where}.", hint)
            return None
        hint = "Try again: another message has another cover and decoder."
        if method.name in ("robust", "paper"):
            hint = "Try again with more steps, a larger beta or less gamma; or survive less."
        if found is None or isinstance(found, bytes):
            raise SearchError(f"The search ended before the {name}'s secret could be read{where}.", hint)
        figures = compare(found.grid, fit(prepared.payload, *found.grid.shape[:2]))
        if figures.psnr < LEAST_PSNR:
            reason = f"The {name}'s secret would arrive with only {figures.psnr:.1f} dB{where}."
            raise SearchError(reason, self._smaller(method, prepared.payload) or hint)
        return figures

    def _smaller(self, method: Any, picture: Picture) -> str:
        """Hint that proposes the size at which a picture would fit."""
        if not isinstance(method, Trellis):
            return ""
        several = len(self._request.secrets) > 1
        side = largest_side(method, self._cover.size // (self._envelope.shares if several else 1), picture)
        larger = "make a key with a larger --size"
        return f"Scale it down: --resize {side}; or {larger}." if side else f"{larger.capitalize()}."

    def _extract(self, method: Any, stego: Stego, name: str, prepared: Prepared) -> "bytes | Decoded | None":
        if isinstance(method, Trellis) and isinstance(prepared.payload, bytes):
            method = Direct()  # as bytes go beside pictures
        try:
            content = stego.coefficients if method.carrier == "coefficients" else stego.picture
            return method.extract(content, self._cover, self._seeds[name], envelope=self._envelope)
        except NoMessageError:
            return None

    def _cases(self, method: Any, stego: Picture) -> Iterator[tuple[str, Picture]]:
        """What the stego was prepared for; nothing if it already is the JPEG file that it was prepared for."""
        if method.name != "robust" or self._request.suffix in JPEG:
            return iter(())
        return method.cases(stego, np.random.default_rng(0))

    def _plain(self, method: Any) -> Picture:
        """The cover as such a file shows it without a message."""
        if method.name == "jpeg":
            return read_picture(write_coefficients(method.plain(self._cover)))
        if self._request.suffix in JPEG:
            return read_picture(method.one_jpeg.encode(self._cover))
        return self._cover


def draw_nonce(key: Key, route: Route, generator: "CoverGenerator", digest: bytes) -> bytes:
    """Nonce of a new message or decoy. Of an album, its picture is registered as used. Raises CoverError."""

    def draw() -> bytes:
        return make_nonce(route.link.seed, digest)

    if not isinstance(generator, FolderCovers):
        return draw()
    check = generator.index(key.check_link.cover_seed(NO_NONCE))
    return choose_nonce(draw, route.link.cover_seed, generator, AlbumRegister(), key.id, check)


def encode_file(method: Any, stego: Any, suffix: str) -> bytes:
    """Stego as a file."""
    if method.carrier == "coefficients":
        return write_coefficients(stego)
    if suffix in JPEG:
        data: bytes = method.one_jpeg.encode(stego)
        return data
    return encode_picture(stego, suffix or ".png")


def _warnings(prepared: Mapping[str, Prepared]) -> Iterator[str]:
    """What is lost of each secret that goes as pixels, said once for each receiver."""
    for name, each in prepared.items():
        if each.secret.lost and (each.file is None or each.file.content != each.secret.content):
            yield f"{each.secret.lost}" if len(prepared) == 1 else f"{name}: {each.secret.lost}"


def _bytes_of(secret: "Secret") -> bytes:
    if secret.content is not None:
        return secret.content
    assert secret.picture is not None
    return secret.picture.tobytes()
