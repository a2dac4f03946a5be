"""Send a message: choose a cover, hide the payloads, write the stego, read it back and check it."""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any, Self

import numpy as np

from csfnns.address import make_nonce
from csfnns.covers import AlbumRegister, FolderCovers, choose_nonce, make_generator
from csfnns.errors import CapacityError, CoverError, NoMessageError, SearchError, UsageError
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.jpeg_file import write_coefficients
from csfnns.images.metrics import Figures, compare, psnr
from csfnns.images.output import JPEG, check_output_name, encode_picture, write_atomically
from csfnns.keys import NO_NONCE, Key, Link, Route, message_id
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
from csfnns.payloads.frame import Kind
from csfnns.payloads.secret import read_secret
from csfnns.profile import Profile
from csfnns.stream import Seed

if TYPE_CHECKING:
    from csfnns.covers import CoverGenerator
    from csfnns.payloads.base import Decoded
    from csfnns.payloads.secret import Secret
    from csfnns.search import Progress

DRAWS = 4
"""Covers to try, at most: in a few, what a robust message must survive loses the address."""


def send(
    payload: Any,
    key: Key,
    *,
    out: str | os.PathLike[str] | None,
    overwrite: bool,
    suffix: str,
    method: Any,
    name: str | None,
    resize: int | None,
    dated: bool,
    covers: str | os.PathLike[str] | None,
    cover: "FreshCover | None",
    progress: "Progress | None",
) -> Hidden:
    """Hide a payload as `csfnns.hide` describes."""
    sources: dict[str | None, Any] = dict(payload) if isinstance(payload, Mapping) else {None: payload}
    if not sources:
        raise UsageError("payload must have something for at least one receiver.", f"Names: {', '.join(key.names)}.")
    route = key.route([each for each in sources if each is not None])
    if out is not None:
        suffix = Path(out).suffix.lower()
        files = [each for each in sources.values() if isinstance(each, str | os.PathLike) and os.path.isfile(each)]
        check_output_name(out, overwrite=overwrite, inputs=[*files, covers or ""], jpeg=suffix in JPEG)
    sent = int(time.time()) if dated else 0
    secrets = {
        receiver or next(iter(route.readers)): read_secret(each, name=name, resize=resize, sent=sent)
        for receiver, each in sources.items()
    }
    request = Request(secrets, key.profile, suffix, method)
    chosen = choose_method(request)
    check_room(chosen, request)
    draws: Iterable[MessageSeeds]
    generator: Callable[[Seed], Picture]
    if cover is None:
        generator = make_generator(key.profile, covers)
        draws = draw_seeds(key, route, generator, digest_of(secrets))
    else:
        draws, generator = [MessageSeeds.of(key, route, cover.nonce)], lambda seed: cover.picture
    with nullcontext() if cover is None else cover.used_on(route.link):
        hidden = Message(draws, generator, request, chosen, sent, progress).send()
        if out is not None:
            write_atomically(hidden.data, Path(out), overwrite=overwrite)
    return hidden


def send_with(
    seeds: "Sequence[MessageSeeds]",
    secret: "Secret",
    *,
    suffix: str,
    method: Any,
    sent: int,
    covers: str | os.PathLike[str] | None,
) -> Hidden:
    """Hide a secret for the only receiver of these seeds, without the key that they come from.

    The first of the seeds is used with whose cover the message arrives. Raises CsfnnsError, as `csfnns.hide` does.
    """
    profile, (receiver,) = seeds[0].profile, seeds[0].readers
    request = Request({receiver: secret}, profile, suffix, method)
    chosen = choose_method(request)
    check_room(chosen, request)
    return Message(seeds, make_generator(profile, covers), request, chosen, sent).send()


@dataclass(frozen=True, slots=True)
class MessageSeeds:
    """What one message needs of a key. No cover and no decoder of another message follows from it."""

    profile: Profile
    nonce: bytes
    address: Seed
    """Address key of the link: it finds, and reads nothing of, the other messages on it."""
    cover: Seed
    readers: dict[str, ReceiverSeeds]
    shares: int
    """Receivers that the key has."""
    id: str
    """Name of the message."""

    @classmethod
    def of(cls, key: Key, route: Route, nonce: bytes) -> Self:
        """Seeds of the message with that nonce."""
        readers = {
            name: ReceiverSeeds(link.decoder_seed(nonce), link.header_seed(nonce))
            for name, link in route.readers.items()
        }
        link = route.link
        identity = message_id(link, nonce)
        return cls(key.profile, nonce, link.address_key(), link.cover_seed(nonce), readers, len(key.names), identity)


def draw_seeds(key: Key, route: Route, generator: "CoverGenerator", digest: bytes) -> Iterator[MessageSeeds]:
    """Seeds of a new message, and of more in case its cover holds too little or loses the address. Raises CoverError."""
    for _ in range(DRAWS):
        yield MessageSeeds.of(key, route, draw_nonce(key, route, generator, digest))


class FreshCover:
    """Cover of one message that is not hidden yet, from `csfnns.fresh_covers`.

    Its nonce was drawn before the secret was known. It carries one message at most.
    """

    def __init__(self, link: Link, nonce: bytes, generator: "CoverGenerator") -> None:
        self._link, self._generator = link, generator
        self._lock, self._used = Lock(), False
        self.nonce = nonce

    @cached_property
    def picture(self) -> Picture:
        """uint8 (H, W, 3), made when it is first looked at. Raises CoverError."""
        return self._generator(self._link.cover_seed(self.nonce))

    def forget(self) -> None:
        """Drop the picture from memory; it is made again when it is next looked at."""
        self.__dict__.pop("picture", None)

    @contextmanager
    def used_on(self, link: Link) -> Iterator[None]:
        """Use it for a message on a link; where that fails, it is fresh again.

        Raises UsageError for a second message, and for one of another key or to other receivers.
        """
        if link != self._link:
            reason = "This cover was made with another key, or for other receivers."
            raise UsageError(reason, "Make fresh covers for this message.")
        with self._lock:
            if self._used:
                reason = "This cover has carried a message already."
                raise UsageError(reason, "Choose another: two messages on one cover give both away.")
            self._used = True
        try:
            yield
        except BaseException:
            self._used = False
            raise

    def __repr__(self) -> str:
        return f"FreshCover(used={self._used})"


class Message:
    """One message on its way into a stego."""

    def __init__(
        self,
        draws: Iterable[MessageSeeds],
        generator: Callable[[Seed], Picture],
        request: Request,
        method: Any,
        sent: int,
        progress: "Progress | None" = None,
    ) -> None:
        self._draws, self._generator, self._sent = iter(draws), generator, sent
        self._method, self._request, self._progress = method, request, progress
        self._tried = 0
        if not self._take_cover() and self._tried == 1:
            reason = f"The address of a message in this cover does not survive {method.channel}."
            raise CoverError(reason, "Choose another cover.")

    def send(self) -> Hidden:
        """Hide everything. Raises CapacityError, SearchError and Cancelled."""
        try:
            return self._hide()
        except (CapacityError, SearchError) as error:
            # Covers differ a little, in what they hold and in what a channel leaves. What a second one refuses is too much.
            if not self._another_may_do(error) or not self._take_cover():
                raise
            return self._hide()

    def _another_may_do(self, error: CapacityError | SearchError) -> bool:
        """Whether another cover is worth a try. An album's picture, which is then used up, is not for room alone."""
        if isinstance(error, CapacityError):
            return not isinstance(self._generator, FolderCovers)
        return bool(self._method.name == "robust")

    def _take_cover(self) -> bool:
        """Take the next cover, or for `robust` the next one in which the address survives. False if none is such a one."""
        for seeds in self._draws:
            self._tried += 1
            names = {
                seeds.readers[name]: Path(each.name).stem for name, each in self._request.secrets.items() if each.name
            }
            self._seeds, self._cover = seeds, self._generator(seeds.cover)
            self._envelope = Envelope(seeds.address, seeds.nonce, self._sent, seeds.shares, names)
            if self._method.name != "robust" or self._method.address_survives(self._cover, self._envelope):
                return True
        return False

    def _hide(self) -> Hidden:
        refused: CapacityError | None = None
        for plan in plans(self._method, self._request, self._cover):
            payloads = {self._seeds.readers[name]: each.payload for name, each in plan.prepared.items()}
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
        method, stego = plan.method, Stego(data, own=True)
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
        brief = any(each.kind is Kind.PART for each in self._request.secrets.values())
        figures = compare(self._plain(method), stego.picture, brief=brief)
        warnings = tuple(_warnings(plan.prepared))
        return Hidden(stego.picture, method.name, self._seeds.id, figures, receivers, survives, data, warnings)

    def _check_address(self, stego: Stego, method: Any, where: str) -> None:
        found = read_nonce(stego, self._seeds.profile, self._envelope.key, method.carrier)
        if found is None or found[0] != self._seeds.nonce:
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
            return method.extract(content, self._cover, self._seeds.readers[name], envelope=self._envelope)
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


def digest_of(secrets: Mapping[str, "Secret"]) -> bytes:
    """Of all that is sealed: a nonce must not meet two contents."""
    digest = hashlib.sha256()
    for name, each in secrets.items():
        about = f"{name}/{each.name}/{each.kind}/{each.sent}".encode(errors="surrogatepass")  # names need not be UTF-8
        digest.update(hashlib.sha256(about).digest())
        digest.update(hashlib.sha256(_bytes_of(each)).digest())
    return digest.digest()


def _bytes_of(secret: "Secret") -> bytes:
    if secret.content is not None:
        return secret.content
    assert secret.picture is not None
    return secret.picture.tobytes()
