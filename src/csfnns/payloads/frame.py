"""A file as bytes to hide: its name, length and content, compressed where that helps.

    version 1 | kind 1 | method 1 | length of the name 1 | length of the content 4 | time 5 | name | content

Numbers are big-endian. csfnns.payloads.seal encrypts and authenticates the bytes.
"""

import lzma
import re
import unicodedata
import zlib
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Any

from csfnns.errors import CapacityError, DamagedError, NoMessageError

VERSION = 2
MAX_CONTENT = 1 << 28
"""Most bytes of a file before compression: larger ones are neither packed nor unpacked."""
MAX_NAME = 255

_HEAD = 13
_LZMA = [{"id": lzma.FILTER_LZMA1, "dict_size": 1 << 22, "lc": 3, "lp": 0, "pb": 2}]
# Names of devices on Windows, whatever follows the first dot.
_DEVICES = {"con", "prn", "aux", "nul", "conin$", "conout$", "clock$"}
_DEVICES |= {f"{port}{i}" for port in ("com", "lpt") for i in "0123456789¹²³"}
# Seen as nothing though they are letters and marks: fillers, joiners and selectors of variants.
_UNSEEN = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\u2800\uffa0\U000e0100-\U000e01ef]"
)
# Endings of files that some desktop runs, installs, mounts or follows to another place when they are opened. Documents
# that people send and their programs open with care are left out: .html, .svg, .pdf, and Office's, .docm and .xlsm too.
_RUN = """
    ade app appcontent-ms appimage appinstaller applescript application appref-ms appx appxbundle bas bat cdxml chm
    class cmd com command cpl csh deb desktop diagcab dll dmg dylib exe fileloc flatpakref ftploc gadget grp hlp hta
    img inetloc inf ins iqy iso isp jar jnlp job js jse ksh library-ms lnk mailloc mde mobileconfig mpkg msc msh msi
    msix msixbundle msp mst msu osax out phar pif pkg pl prefpane ps1 ps1xml psc1 psd1 psm1 py pyc pyo pyw pyz pyzw
    rb rdp reg rpm run scf scpt scptd scr sct search-ms searchconnector-ms settingcontent-ms settings-ms sh shb shs
    slk snap so terminal theme themepack tool udl url vb vbe vbs vhd vhdx vsto webloc website workflow ws wsb wsc
    wsf wsh xbap xlam xll xpi zsh
"""
_RUN_ENDINGS = frozenset(_RUN.split())
_OBEYED = "desktop.ini"  # which Windows obeys where it lies


class Kind(IntEnum):
    """What the content is."""

    FILE = 1
    """Any file."""
    PICTURE = 2
    """A picture as a file: AVIF, PNG, WebP, JPEG."""
    TEXT = 3
    """Text in UTF-8."""
    PART = 4
    """A part of a file that needs several pictures (csfnns.payloads.part)."""


@dataclass(frozen=True, slots=True)
class File:
    """A file in memory: as it was unpacked, or to hide."""

    content: bytes = field(repr=False)
    name: str | None
    """Safe to join to a folder: no path, no control characters. None where no name was sent."""
    kind: Kind = Kind.FILE
    sent: int = 0
    """Time of sending in seconds since 1970; 0: not stated."""


def pack(content: bytes, name: str | None = None, kind: Kind = Kind.FILE, sent: int = 0) -> bytes:
    """Pack a file: at most 13 bytes and the name longer than the content.

    Keeps only the last part of a path as the name. Raises CapacityError for more than MAX_CONTENT.
    """
    if len(content) > MAX_CONTENT:
        raise CapacityError(f"A file must have at most {MAX_CONTENT >> 20} MiB, got {len(content)} bytes.")
    label = (safe_name(name) or "").encode() if name else b""
    method, packed = min(((m, compress(content)) for m, (compress, _) in _METHODS.items()), key=_length)
    head = bytes([VERSION, kind, method, len(label)]) + len(content).to_bytes(4, "big")
    return head + sent.to_bytes(5, "big") + label + packed


def unpack(data: bytes) -> File:
    """Undo `pack`; memory stays below MAX_CONTENT whatever the bytes claim.

    Raises NoMessageError for an unknown version, kind or method, DamagedError for invalid bytes.
    """
    if len(data) < _HEAD:
        raise _damaged()
    version, kind, method, named = data[:4]
    if version != VERSION or kind not in list(Kind) or method not in _METHODS:
        what = f"version {version}, kind {kind}, method {method}"
        raise NoMessageError(f"The message is a file of {what}, unknown here.", "Update csfnns.")
    length, sent = int.from_bytes(data[4:8], "big"), int.from_bytes(data[8:_HEAD], "big")
    label, packed = data[_HEAD : _HEAD + named], data[_HEAD + named :]
    if length > MAX_CONTENT or len(label) < named:
        raise _damaged()
    try:
        content = _METHODS[method][1](packed, length)
        name = label.decode()
    except (zlib.error, lzma.LZMAError, UnicodeDecodeError):
        raise _damaged() from None
    if len(content) != length:
        raise _damaged()
    return File(content, safe_name(name), Kind(kind), sent)


def safe_name(name: str) -> str | None:
    """Last part of a path as a name that is valid on every system and misleads nobody; None if nothing is left.

    Without control and format characters, which also turn the direction of writing, others that are not seen, and dots,
    dashes and blanks at its beginning; at most MAX_NAME bytes of UTF-8, the ending included. A safe name is its own.
    """
    last = unicodedata.normalize("NFC", name).replace("\\", "/").rstrip("/").rpartition("/")[2]
    kept = "".join("_" if c in '<>:"|?*' else c for c in last if unicodedata.category(c)[0] != "C")
    kept = " ".join(_UNSEEN.sub("", kept).split())
    # What was removed may have stood between a letter and its accent.
    kept = unicodedata.normalize("NFC", kept).lstrip(" .-").rstrip(" .")
    if kept.partition(".")[0].strip().lower() in _DEVICES:
        kept = f"_{kept}"
    return _shortened(kept) or None


def inert_name(name: str) -> str:
    """A safe name as one that does not run when it is opened: .bin follows an ending that would."""
    name = _shortened(name)
    return _shortened(f"{name}.bin") if runs(name) else name


def runs(name: str) -> bool:
    """Whether some system runs, installs, mounts or follows a file of this name when it is opened, or obeys it."""
    _, dot, ending = name.lower().rpartition(".")
    return name.lower() == _OBEYED or (bool(dot) and ending in _RUN_ENDINGS)


def _shortened(name: str) -> str:
    data = name.encode()
    if len(data) <= MAX_NAME:
        return name
    stem, dot, ending = name.rpartition(".")
    tail = (dot + ending).encode() if dot and len(ending.encode()) < 32 else b""
    body = (stem if tail else name).encode()[: MAX_NAME - len(tail)]
    return body.decode(errors="ignore").rstrip(" .") + tail.decode()


def _length(each: tuple[int, bytes]) -> tuple[int, int]:
    return len(each[1]), each[0]


def _deflate(content: bytes) -> bytes:
    packer = zlib.compressobj(9, wbits=-15)
    return packer.compress(content) + packer.flush()


def _inflate(packed: bytes, length: int) -> bytes:
    return _bounded(zlib.decompressobj(wbits=-15), packed, length)


def _lzma(content: bytes) -> bytes:
    return lzma.compress(content, lzma.FORMAT_RAW, filters=_LZMA)


def _unlzma(packed: bytes, length: int) -> bytes:
    return _bounded(lzma.LZMADecompressor(lzma.FORMAT_RAW, filters=_LZMA), packed, length)


def _bounded(unpacker: Any, packed: bytes, length: int) -> bytes:
    """Content of a stream that must have `length` bytes and end there."""
    content = unpacker.decompress(packed, length + 1)
    if not unpacker.eof or unpacker.unused_data:
        raise _damaged()
    return content


def _stored(content: bytes, length: int = 0) -> bytes:
    return content


def _damaged() -> DamagedError:
    return DamagedError("The message is no file of csfnns.", "Ask for it again, with the sender's version.")


_METHODS: dict[int, tuple[Callable[[bytes], bytes], Callable[[bytes, int], bytes]]] = {
    0: (_stored, _stored),
    1: (_deflate, _inflate),
    2: (_lzma, _unlzma),
}
