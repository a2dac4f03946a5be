"""Send a file over several pictures: pieces of one length, and parity pieces, each in a message of its own.

file → SHA-256; then piece by piece → part → message → picture; and piece by piece → parity → the last pictures

Messages and pictures are made by worker processes; this one reads the file and writes the pictures, both in order.
"""

import hashlib
import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

from csfnns.coding.erasure import MOST_PIECES, Parity
from csfnns.covers import GENERATORS, FolderCovers, make_generator
from csfnns.errors import Cancelled, CapacityError, CoverError, PictureError, SearchError, UsageError
from csfnns.images.decode import free_memory
from csfnns.images.output import check_output_name, write_atomically
from csfnns.keys import Key, estimate_cost
from csfnns.messages.results import Hidden, LongHidden
from csfnns.messages.send import Message, digest_of, draw_seeds
from csfnns.methods import Direct
from csfnns.methods.direct import AVIF_STEGO
from csfnns.methods.select import Request, choose_method
from csfnns.payloads.frame import Kind, pack
from csfnns.payloads.part import OVERHEAD, Division, Part, encode_part, piece_size
from csfnns.payloads.secret import Secret
from csfnns.process import cores, undisturbed
from csfnns.workers import Pool, can_start

if TYPE_CHECKING:
    from csfnns.search import Progress

_SAMPLES = 4  # covers in which the length of a piece is measured; 1 of a model's, which take long
_MARGIN = 0.95  # of what the least of them holds
_DRAWS = 50  # covers to try for a picture: some hold less than was measured
_FEW = 4  # parts that are worth a worker
_BLOCK = 1 << 20


class Made(NamedTuple):
    """A part as a picture, which is not written yet."""

    data: bytes
    psnr: float
    """PSNR of the stego against its cover, in dB."""


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
        self._covers, self._generator = covers, make_generator(key.profile, covers)
        self.room = self._room() - OVERHEAD - len(pack(b"", name, Kind.PART, self._sent))
        """Bytes of a piece, at most."""
        if self.room < 2:
            raise CapacityError("A picture of this key holds no part of a file.", "Make a key with a larger --size.")

    @property
    def method(self) -> str:
        """Name of the method."""
        name: str = self._method.name
        return name

    def __getstate__(self) -> dict[str, Any]:
        """For a worker, which makes the generator again; but for an album, all of whose pictures that would read."""
        if isinstance(self._generator, FolderCovers):
            return self.__dict__
        return self.__dict__ | {"_generator": None}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._generator = self._generator or make_generator(self._key.profile, self._covers)

    def workers(self, parts: int) -> int:
        """Return the number of processes for this many parts; 1 means this process alone."""
        if parts < _FEW or not can_start():
            return 1
        if self.method == "robust" or self._source == "model":  # which use all cores, and gigabytes
            return 1
        return max(1, min(cores(), int(free_memory() / estimate_cost(self._key.profile).memory), parts))

    @undisturbed(SearchError)
    def make(self, part: Part) -> Made:
        """Hide a part; return the picture alone."""
        hidden = self.hide(part)
        return Made(hidden.data, hidden.stego.psnr)

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

    @property
    def _source(self) -> str | None:
        return GENERATORS[self._key.profile.generator].source

    def _request(self, content: bytes, method: Any) -> Request:
        secret = Secret(content, self._name, Kind.PART, sent=self._sent)
        return Request(dict.fromkeys(self._route.readers, secret), self._key.profile, self._suffix, method)

    def _room(self) -> int:
        """Bytes of a message that nearly every cover of the key holds."""
        count = 1 if self._source == "model" else _SAMPLES
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
        with _made(out) as written, _mapped(splitter.make, splitter.workers(of.parts)) as make:
            for path in paths:
                check_output_name(path, overwrite=overwrite, inputs=[source], jpeg=True)
            figures = []
            for path, made in zip(paths, make(_parts(file, source, of)), strict=True):
                write_atomically(made.data, path, overwrite=overwrite)
                written.append(path)
                figures.append(made.psnr)
                if progress is not None and progress(len(written), of.parts) is False:
                    raise Cancelled("Hiding was stopped.")
    return LongHidden(tuple(paths), spare, length, splitter.method, min(figures))


def _parts(file: IO[bytes], source: Path, of: Division) -> Iterator[Part]:
    """Parts of a file, the parity last. Raises PictureError where it is not the file that was divided."""
    parity, read = Parity(range(of.parts - of.data), of.piece), hashlib.sha256()
    for number in range(of.data):
        content = file.read(min(of.piece, max(of.length - number * of.piece, 0)))
        read.update(content)
        piece = content.ljust(of.piece, b"\0")
        parity.add(number, piece)
        if number == of.data - 1 and (read.digest() != of.sha256 or file.read(1)):
            raise PictureError(f"{source} was changed while it was read.", "Hide it again.")
        yield Part(of, number, piece)
    for number in range(of.data, of.parts):
        yield Part(of, number, parity.piece(number - of.data))


@contextmanager
def _mapped(make: Callable[[Part], Made], workers: int) -> Iterator[Callable[[Iterable[Part]], Iterator[Made]]]:
    """Yield a function that makes the pictures of parts in order, in that many processes."""
    if workers == 1:
        yield lambda parts: map(make, parts)
        return
    with Pool(make, workers) as pool:
        yield pool.map


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
