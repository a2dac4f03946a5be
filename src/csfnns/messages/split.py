"""Send a file over several pictures: pieces of one length, and parity pieces, each in a message of its own.

file → SHA-256; then piece by piece → part → message → picture; and piece by piece → parity → the last pictures
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from csfnns.coding.erasure import MOST_PIECES, Parity
from csfnns.covers import GENERATORS, make_generator
from csfnns.errors import Cancelled, CapacityError, CoverError, PictureError, UsageError
from csfnns.images.output import check_output_name, write_atomically
from csfnns.keys import Key
from csfnns.messages.results import Hidden, LongHidden
from csfnns.messages.send import Message, digest_of, draw_seeds
from csfnns.methods import Direct
from csfnns.methods.direct import AVIF_STEGO
from csfnns.methods.select import Request, choose_method
from csfnns.payloads.frame import Kind, pack
from csfnns.payloads.part import OVERHEAD, Division, Part, encode_part, piece_size
from csfnns.payloads.secret import Secret

if TYPE_CHECKING:
    from csfnns.search import Progress

_SAMPLES = 4  # covers in which the length of a piece is measured; 1 of a model's, which take long
_MARGIN = 0.95  # of what the least of them holds
_DRAWS = 50  # covers to try for a picture: some hold less than was measured
_BLOCK = 1 << 20


class Splitter:
    """How files go over several pictures."""

    def __init__(
        self,
        key: Key,
        *,
        receiver: str | None,
        method: Any,
        suffix: str,
        covers: str | os.PathLike[str] | None,
        name: str | None,
        dated: bool,
    ) -> None:
        """Measure what a picture holds. Raises CsfnnsError as `csfnns.hide_long` does."""
        self._key, self._route = key, key.route([] if receiver is None else [receiver])
        self._name, self._suffix, self._sent = name, suffix, int(time.time()) if dated else 0
        self._method = choose_method(self._request(b"", method))
        self._generator = make_generator(key.profile, covers)
        self.room = self._room() - OVERHEAD - len(pack(b"", name, Kind.PART, self._sent))
        """Bytes of a piece, at most."""
        if self.room < 2:
            raise CapacityError("A picture of this key holds no part of a file.", "Make a key with a larger --size.")

    def hide(self, part: Part) -> Hidden:
        """Hide a part in a fresh picture that keeps 56 dB, where the method can say so."""
        request = self._request(encode_part(part), self._method)
        least = AVIF_STEGO if self._method == Direct() else 0.0
        digest = digest_of(request.secrets)
        for _ in range(_DRAWS):
            draws = draw_seeds(self._key, self._route, self._generator, digest)
            with suppress(CapacityError):
                hidden = Message(draws, self._generator, request, self._method, self._sent).send()
                if hidden.stego.psnr >= least:
                    return hidden
        raise CoverError(f"None of {_DRAWS} covers holds a part of {part.of.piece} bytes.", "Use another key.")

    def _request(self, content: bytes, method: Any) -> Request:
        secret = Secret(content, self._name, Kind.PART, sent=self._sent)
        return Request(dict.fromkeys(self._route.readers, secret), self._key.profile, self._suffix, method)

    def _room(self) -> int:
        """Bytes of a message that nearly every cover of the key holds."""
        count = 1 if GENERATORS[self._key.profile.generator].source == "model" else _SAMPLES
        seeds = [self._key.check_link.cover_seed(i.to_bytes(16, "big")) for i in range(count)]  # of no message
        return int(_MARGIN * min(self._method.room(self._generator(seed), 1) for seed in seeds))


def send_long(
    source: Path,
    out: Path,
    make_splitter: Callable[[], Splitter],
    *,
    spare: int,
    suffix: str,
    overwrite: bool,
    progress: "Progress | None",
) -> LongHidden:
    """Hide a file as `csfnns.hide_long` describes."""
    if not 0 <= spare < MOST_PIECES:
        raise UsageError(f"spare must be in 0…{MOST_PIECES - 1}, got {spare}.", "2 is usual.")
    with _open(source) as file:
        length, digest = _measure(file)
        splitter = make_splitter()
        of = _division(length, digest, splitter.room, spare)
        digits = max(4, len(str(of.parts)))
        stem = out.resolve().name or "picture"
        paths = [out / f"{stem}-{number:0{digits}}{suffix}" for number in range(1, of.parts + 1)]
        with _made(out) as written:
            for path in paths:
                check_output_name(path, overwrite=overwrite, inputs=[source], jpeg=True)
            parity, read = Parity(range(spare), of.piece), hashlib.sha256()
            figures = []
            for number, path in enumerate(paths):
                if number < of.data:
                    content = file.read(min(of.piece, max(length - number * of.piece, 0)))
                    read.update(content)
                    piece = content.ljust(of.piece, b"\0")
                    parity.add(number, piece)
                else:
                    piece = parity.piece(number - of.data)
                if number == of.data - 1 and (read.digest() != of.sha256 or file.read(1)):
                    raise PictureError(f"{source} was changed while it was read.", "Hide it again.")
                hidden = splitter.hide(Part(of, number, piece))
                write_atomically(hidden.data, path, overwrite=overwrite)
                written.append(path)
                figures.append(hidden.stego.psnr)
                if progress is not None and progress(number + 1, of.parts) is False:
                    raise Cancelled("Hiding was stopped.")
    return LongHidden(tuple(paths), spare, length, hidden.method, min(figures))


def _division(length: int, digest: bytes, room: int, spare: int) -> Division:
    """The fewest pieces of at most `room` bytes. Raises CapacityError."""
    room -= room % 2
    data = max(-(-length // room), 1)
    if data + spare > MOST_PIECES:
        reason = f"The file needs {data + spare:,} pictures of this key, and {MOST_PIECES:,} are the most."
        raise CapacityError(reason, "Make a key with a larger --size.")
    assert piece_size(length, data) <= room
    return Division(os.urandom(16), data, data + spare, length, digest)


def _open(source: Path) -> IO[bytes]:
    try:
        if not source.is_file():  # a pipe cannot be read twice
            reason = f"{source} is not a regular file." if source.exists() else f"There is no file {source}."
            raise PictureError(reason, "Give the name of a file.")
        return source.open("rb")
    except OSError as error:
        raise PictureError(f"{source} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _measure(file: IO[bytes]) -> tuple[int, bytes]:
    """Length and SHA-256 of a file, which is read from its beginning afterwards."""
    length, digest = 0, hashlib.sha256()
    while block := file.read(_BLOCK):
        length += len(block)
        digest.update(block)
    file.seek(0)
    return length, digest.digest()


@contextmanager
def _made(folder: Path) -> Iterator[list[Path]]:
    """The folder, made if it is not there, and a list for what is written: gone again where something fails."""
    is_new = not folder.exists()
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        reason = f"The folder {folder} cannot be made: {error.strerror}."
        raise PictureError(reason, "Choose another place.") from error
    written: list[Path] = []
    try:
        yield written
    except BaseException:
        with suppress(OSError):
            for path in written:
                path.unlink()
            if is_new:
                folder.rmdir()
        raise
