"""What the bytes of a picture say before anything of it is decoded: format, size, frames, and whether its parts are few.

Everything here is plain Python over bytes of strangers, in time that is linear in the length of the file at most.
"""

import itertools
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

from csfnns.errors import PictureError

MAX_PIXELS = 256_000_000
MAX_SIDE = 65_535  # headers hold two bytes a side

FORMATS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "PPM")
"""Formats that are read, in Pillow's names. It reads more, but one of them starts another program (EPS), and the others
are little tested."""
STEGO_FORMATS = ("PNG", "WEBP", "JPEG", "BMP")
"""Formats of a stego: those that are written, and BMP as a lossless copy that programs make."""
PHONE = (".heic", ".heif", ".hif")
"""Suffixes of pictures of phones, which need the extra `phone`."""

MAX_SCANS = 30  # of a JPEG: each costs a pass over all coefficients, and usual files have 10
MAX_CHUNKS = 100_000  # of a PNG or WebP
MAX_SEGMENTS = 10_000  # of a JPEG
MAX_PAGES = 10_000  # of a TIFF
MAX_BLOCKS = 500_000  # of a GIF: 255 bytes each
MAX_PROFILE = 1 << 24  # bytes of an ICC profile
_MAX_BOXES = 10_000  # of an AVIF or HEIF
_MAX_ENTRIES = 1000  # of a directory of a TIFF
_MAX_FIRST_BLOCKS = 10_000  # of a GIF before its first frame
_MAX_PADDING = 1 << 16  # bytes between the segments of a JPEG
_MAX_XMP = 1 << 20

_PNG = b"\x89PNG\r\n\x1a\n"
_STARTS: tuple[tuple[tuple[bytes, ...], str, tuple[str, ...]], ...] = (
    ((_PNG,), "PNG", (".png", ".apng")),
    ((b"\xff\xd8\xff",), "JPEG", (".jpg", ".jpeg", ".jpe", ".jfif")),
    ((b"GIF87a", b"GIF89a"), "GIF", (".gif",)),
    ((b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"), "TIFF", (".tif", ".tiff")),
    ((b"BM",), "BMP", (".bmp",)),
    (tuple(b"P%d" % i for i in range(1, 7)), "PPM", (".ppm", ".pgm", ".pbm", ".pnm")),
    ((b"\xff\x0a", b"\0\0\0\x0cJXL "), "JXL", (".jxl",)),
)


@dataclass(frozen=True)
class Header:
    """Format in Pillow's name, and size as stored."""

    format: str
    height: int
    width: int


def picture_format(data: bytes) -> str | None:
    """Format that bytes begin like: one of `FORMATS`, HEIF or JXL; None for what is no picture."""
    if data[4:8] == b"ftyp":  # the brands of the ISO base media format
        size = max(12, min(int.from_bytes(data[:4], "big"), 64))
        brands = {data[i : i + 4] for i in range(8, size, 4)}
        if brands & {b"avif", b"avis"}:
            return "AVIF"
        heic = {b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"}
        return "HEIF" if brands & heic else None
    if data.startswith(b"RIFF"):
        return "WEBP" if data[8:12] == b"WEBP" else None
    return next((name for starts, name, _ in _STARTS if data.startswith(starts)), None)


def picture_suffixes(data: bytes) -> tuple[str, ...]:
    """Suffixes of the format that bytes begin like, the usual one first; none for what is no picture."""
    kind = picture_format(data)
    return () if kind is None else _SUFFIXES[kind]


_SUFFIXES: dict[str, tuple[str, ...]] = {name: suffixes for _, name, suffixes in _STARTS} | {
    "WEBP": (".webp",),
    "AVIF": (".avif",),
    "HEIF": PHONE,
}
PICTURE_SUFFIXES = {suffix for suffixes in _SUFFIXES.values() for suffix in suffixes}
"""Suffixes that say that a file is a picture of a certain format."""


def read_header(data: bytes, name: str) -> Header:
    """Read format and size from the beginning of a file; of a JPEG, from all before its first scan.

    Raises PictureError for what is no picture, without pixels, or larger than 256 megapixels or 65535 a side.
    """
    kind = picture_format(data)
    size = None
    try:
        if kind is not None and kind != "JXL":
            size = _SIZES[kind](data)
    except _TooMany as error:
        raise too_many(name, *error.args) from error
    except (struct.error, IndexError):
        if kind == "BMP":  # two letters may begin anything
            kind = None
    if kind is None or (kind == "PPM" and size is None):
        raise not_readable(name)
    if kind == "JXL":
        raise PictureError(f"{name} is a JPEG XL picture.", "Convert it to PNG or JPEG first.")
    if size is None:
        reason = "its header is cut short" if len(data) < 1024 else "its header has no size"
        raise broken(name, reason)
    check_size(name, *size)
    return Header(kind, *size)


def check_parts(data: bytes, header: Header, name: str) -> int:
    """Number of pictures in the file: frames of an animation, pages of a TIFF; 1 for HEIF, which its decoder knows.

    Raises PictureError for a file of so many parts that reading it would take long.
    """
    count = _COUNTS.get(header.format)
    try:
        return 1 if count is None else count(data)
    except _TooMany as error:
        raise too_many(name, *error.args) from error
    except (struct.error, IndexError) as error:
        raise broken(name, "it is cut short") from error


class _TooMany(Exception):
    """More parts than their budget: the budget, and what they are."""


def not_readable(name: str) -> PictureError:
    """Error for what is no picture."""
    return PictureError(f"{name} is not a picture that csfnns can read.", f"It reads {', '.join(FORMATS)}.")


def broken(name: str, reason: str) -> PictureError:
    """Error for a damaged picture."""
    return PictureError(
        f"{name} cannot be decoded: {reason}.", "It is damaged or cut short; get it again from its source."
    )


def too_many(name: str, limit: int, parts: str) -> PictureError:
    """Error for a picture whose parts take too long to read."""
    return PictureError(f"{name} has more than {limit} {parts}.", "Save it again with another program.")


def too_large(name: str) -> PictureError:
    """Error for a picture of too many pixels."""
    return PictureError(
        f"{name} is larger than {MAX_PIXELS // 10**6} megapixels or {MAX_SIDE} pixels a side.",
        "Make it smaller first.",
    )


def check_size(name: str, height: int, width: int) -> None:
    """Raise PictureError for no pixels and for too many."""
    if height < 1 or width < 1:
        raise PictureError(f"{name} has no pixels ({width}x{height}).", "Give a picture of at least 1x1.")
    if height * width > MAX_PIXELS or max(height, width) > MAX_SIDE:
        raise too_large(name)


# Sizes as height and width


def _png_size(data: bytes) -> tuple[int, int] | None:
    if data[12:16] != b"IHDR":
        return None
    width, height = struct.unpack_from(">II", data, 16)
    return height, width


def _jpeg_size(data: bytes) -> tuple[int, int] | None:
    for marker, at, _ in _segments(data):
        if marker == _SOS:
            break
        if 0xC0 <= marker <= 0xCF and marker not in (0xC4, 0xC8, 0xCC):
            height, width = struct.unpack_from(">HH", data, at + 5)
            return height, width
    return None


def _webp_size(data: bytes) -> tuple[int, int] | None:
    kind = data[12:16]
    if kind == b"VP8X":
        width, height = (1 + int.from_bytes(data[i : i + 3], "little") for i in (24, 27))
        return (height, width) if len(data) >= 30 else None
    if kind == b"VP8L":
        (bits,) = struct.unpack_from("<I", data, 21)
        return (bits >> 14 & 0x3FFF) + 1, (bits & 0x3FFF) + 1
    width, height = struct.unpack_from("<HH", data, 26)
    return height & 0x3FFF, width & 0x3FFF


def _bmp_size(data: bytes) -> tuple[int, int]:
    (length,) = struct.unpack_from("<I", data, 14)
    if length not in (12, 16, 40, 52, 56, 64, 108, 124):
        raise struct.error("no header of a BMP")
    width, height = struct.unpack_from("<HH" if length == 12 else "<ii", data, 18)
    return abs(height), width


def _gif_size(data: bytes) -> tuple[int, int]:
    width, height = struct.unpack_from("<HH", data, 6)
    for at in _gif_images(data, _MAX_FIRST_BLOCKS):  # the first may be larger than the screen
        left, top, wide, high = struct.unpack_from("<HHHH", data, at + 1)
        return max(height, top + high), max(width, left + wide)
    return height, width


def _tiff_size(data: bytes) -> tuple[int, int] | None:
    order, big = _tiff_form(data)
    found = {256: 0, 257: 0}
    at, count, step = _tiff_directory(data, order, big, _tiff_first(data, order, big))
    for entry in range(at, at + count * step, step):
        tag, kind = struct.unpack_from(order + "HH", data, entry)
        if tag in found and kind in (3, 4, 16):
            form = {3: "H", 4: "I", 16: "Q"}[kind]
            (found[tag],) = struct.unpack_from(order + form, data, entry + (12 if big else 8))
    return found[257], found[256]


def _ppm_size(data: bytes) -> tuple[int, int] | None:
    found = re.match(rb"P[1-6](?:\s|#[^\n]*\n)+(\d{1,9})(?:\s|#[^\n]*\n)+(\d{1,9})", data[:4096])
    return (int(found[2]), int(found[1])) if found else None


def _media_size(data: bytes) -> tuple[int, int] | None:
    """The largest size that is stated in an AVIF or HEIF file: that of the whole grid, where it has one."""
    sizes = [struct.unpack_from(">II", data, at + 4) for at, _ in _boxes(data, b"meta", b"iprp", b"ipco", b"ispe")]
    for at, _ in _boxes(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsd"):
        sizes.append(struct.unpack_from(">HH", data, at + 40))
    width, height = max(sizes, key=lambda size: size[0] * size[1], default=(0, 0))
    return (height, width) if sizes else None


_SIZES = {
    "PNG": _png_size,
    "JPEG": _jpeg_size,
    "WEBP": _webp_size,
    "BMP": _bmp_size,
    "GIF": _gif_size,
    "TIFF": _tiff_size,
    "PPM": _ppm_size,
    "AVIF": _media_size,
    "HEIF": _media_size,
}

# Parts


def _png_parts(data: bytes) -> int:
    frames = 1
    for number, (kind, start, _) in enumerate(png_chunks(data)):
        if number >= MAX_CHUNKS:
            raise _TooMany(MAX_CHUNKS, "chunks")
        if kind == b"acTL":
            (frames,) = struct.unpack_from(">I", data, start)
    return max(1, frames)


def png_chunks(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """Name, start and end of the content of each chunk of a PNG."""
    at = len(_PNG)
    while at < len(data):
        start = at + 8
        end = start + int.from_bytes(data[at : at + 4], "big")
        yield data[at + 4 : start], start, end
        at = end + 4


def essential_png(data: bytes) -> tuple[bytes, bytes | None]:
    """A PNG of its first picture, its colours and its orientation alone, and the 4 bytes of its cICP chunk.

    Texts and animations are left out unread, and so is a profile or an XMP packet beyond its budget: then the levels count
    as sRGB, or as upright. Of what a PNG may have once, the first counts.
    """
    parts, cicp = [_PNG], None
    seen: set[bytes] = set()
    for name, start, end in png_chunks(data):
        if name == b"iTXt" and not data.startswith(b"XML:com.adobe.xmp\0\0", start):
            continue
        if name not in _DECIDING:
            if name not in _ONCE or name in seen:
                continue
            seen.add(name)
        if name == b"cICP":
            cicp = data[start:end] if end == start + 4 else None
        elif name == b"iTXt":
            if end - start <= _MAX_XMP:
                parts.append(data[start - 8 : end + 4])
        elif name != b"iCCP" or _is_small_profile(data[start:end]):
            parts.append(data[start - 8 : end + 4])
    return b"".join(parts), cicp


_DECIDING = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_ONCE = (b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"eXIf", b"iCCP", b"iTXt", b"cICP")


def _is_small_profile(content: bytes) -> bool:
    """Whether the profile of an iCCP chunk has at most `MAX_PROFILE` bytes; it is unpacked that far."""
    unpacking = zlib.decompressobj()
    try:
        unpacking.decompress(content.partition(b"\0")[2][1:], MAX_PROFILE)
    except zlib.error:
        return False
    return not unpacking.unconsumed_tail


_SOS, _EOI = 0xDA, 0xD9
_EXIF, _XMP, _ICC = b"Exif\0\0", b"http://ns.adobe.com/xap/1.0/\0", b"ICC_PROFILE\0"
_KEPT = {(0xE0, b"JFIF\0"): 1, (0xE1, _EXIF): 1, (0xE1, _XMP): 1, (0xE2, _ICC): 255, (0xEE, b"Adobe"): 1}
"""Metadata of a JPEG that decide its colours and orientation, and how many of each count."""
_MARKER = re.compile(rb"\xff[^\x00\xff]")
_AFTER_SCAN = re.compile(rb"\xff[\xc0-\xcf\xd8-\xfe]")  # decoders pass over the others in a scan


def _segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of each segment of a JPEG, until its end; of a scan, its header.

    What is between them is passed over, as decoders do.
    """
    at, padding, in_scan = 2, _MAX_PADDING, False
    for _ in range(MAX_SEGMENTS):
        found = _AFTER_SCAN.search(data, at) if in_scan else _MARKER.search(data, at, at + padding + 2)
        if found is None:
            if not in_scan and at + padding < len(data):
                raise _TooMany(_MAX_PADDING, "bytes between its segments")
            return
        start = found.start()
        padding -= 0 if in_scan else start - at
        marker, at, in_scan = data[start + 1], start + 2, False
        if marker == _EOI:
            return
        if marker >= 0xC0 and not 0xD0 <= marker <= 0xD8:  # others have no content
            length = int.from_bytes(data[at : at + 2], "big")
            if length < 2 and at + 2 <= len(data):
                raise IndexError(at)
            at += max(2, length)
            in_scan = marker == _SOS
            yield marker, start, at
    raise _TooMany(MAX_SEGMENTS, "segments")


def jpeg_parts(data: bytes) -> Iterator[tuple[int, bytes]]:
    """Markers and their segments, the first scan together with all that follows it. Raises PictureError for too many."""
    try:
        for marker, start, end in _segments(data):
            if marker == _SOS:
                yield marker, data[start:]
                return
            yield marker, data[start:end]
    except _TooMany as error:
        raise too_many("The picture", *error.args) from error
    except IndexError as error:
        raise broken("The picture", "a segment has no length") from error


def essential_jpeg(data: bytes) -> bytes:
    """A JPEG with no metadata but its colours and its orientation; of what it may have once, the first counts."""
    parts, left = [data[:2]], dict(_KEPT)
    for marker, part in jpeg_parts(data):
        if 0xE0 <= marker <= 0xEF or marker == 0xFE:
            kind = next((each for each in _KEPT if each[0] == marker and part.startswith(each[1], 4)), None)
            if kind is None or not left[kind]:
                continue
            left[kind] -= 1
        parts.append(part)
    return b"".join(parts)


def _jpeg_parts(data: bytes) -> int:
    """Check scans and segments. What follows the first picture is its preview or depth, and not counted."""
    scans = 0
    for marker, _, _ in _segments(data):
        scans += marker == _SOS
        if scans > MAX_SCANS:
            raise _TooMany(MAX_SCANS, "scans")
    return 1


def _bmp_parts(data: bytes) -> int:
    """Check that runs have no more bytes than pixels need: their decoder goes on through what adds none."""
    height, width = _bmp_size(data)
    if bmp_has_runs(data) and len(data) > (most := 4 * height * width + _MAX_PADDING):
        raise _TooMany(most, "bytes for its pixels")
    return 1


def bmp_has_runs(data: bytes) -> bool:
    """Whether the pixels of a BMP are stored as runs."""
    return data[14] != 12 and data[30:31] in (b"\1", b"\2")


def _webp_parts(data: bytes) -> int:
    at, frames, number = 12, 0, 0
    while at + 8 <= len(data):
        frames += data[at : at + 4] == b"ANMF"
        size = int.from_bytes(data[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
        number += 1
        if number > MAX_CHUNKS:
            raise _TooMany(MAX_CHUNKS, "chunks")
    return max(1, frames)


def _gif_parts(data: bytes) -> int:
    return max(1, sum(1 for _ in _gif_images(data, MAX_BLOCKS)))


def _gif_images(data: bytes, most: int) -> Iterator[int]:
    """Places of the image descriptors."""

    def after_table(at: int, flags: int) -> int:
        return at + (3 << (flags & 7) + 1 if flags & 0x80 else 0)

    at, budget = after_table(13, data[10]), most
    while at < len(data) and data[at] != 0x3B:
        kind = data[at]
        if kind == 0x2C:
            if at + 10 > len(data):
                return
            yield at
            at = after_table(at + 10, data[at + 9]) + 1
        elif kind == 0x21:
            at += 2
        while kind in (0x21, 0x2C) and at < len(data) and data[at] and budget >= 0:
            at += data[at] + 1
            budget -= 1
        at += 1  # other bytes are passed over, as Pillow does
        budget -= 1
        if budget < 0:
            raise _TooMany(most, "blocks")


def _tiff_form(data: bytes) -> tuple[str, bool]:
    return "<" if data.startswith(b"II") else ">", b"+" in data[2:4]


def _tiff_first(data: bytes, order: str, big: bool) -> int:
    return int(struct.unpack_from(order + ("Q" if big else "I"), data, 8 if big else 4)[0])


def _tiff_directory(data: bytes, order: str, big: bool, at: int) -> tuple[int, int, int]:
    """Place of a directory's first entry, how many it has, and bytes of each."""
    if at >= len(data):
        raise struct.error("beyond the end")
    (count,) = struct.unpack_from(order + ("Q" if big else "H"), data, at)
    if count > _MAX_ENTRIES:
        raise _TooMany(_MAX_ENTRIES, "entries in a directory")
    return at + (8 if big else 2), count, 20 if big else 12


def _tiff_parts(data: bytes) -> int:
    order, big = _tiff_form(data)
    seen: set[int] = set()
    at = _tiff_first(data, order, big)
    while at and at not in seen:
        seen.add(at)
        if len(seen) > MAX_PAGES:
            raise _TooMany(MAX_PAGES, "pages")
        try:
            first, count, step = _tiff_directory(data, order, big, at)
            (at,) = struct.unpack_from(order + ("Q" if big else "I"), data, first + count * step)
        except (struct.error, _TooMany):  # the decoder may not need what is missing
            break
    return max(1, len(seen))


def _media_parts(data: bytes) -> int:
    if data[8:12] != b"avis":
        return 1
    samples = _boxes(data, b"moov", b"trak", b"mdia", b"minf", b"stbl", b"stsz")
    counts = [struct.unpack_from(">I", data, at + 8)[0] for at, _ in samples]
    return max(1, min(max(counts, default=1), len(data)))


_COUNTS = {
    "PNG": _png_parts,
    "JPEG": _jpeg_parts,
    "BMP": _bmp_parts,
    "WEBP": _webp_parts,
    "GIF": _gif_parts,
    "TIFF": _tiff_parts,
    "AVIF": _media_parts,
}


def _boxes(
    data: bytes, *path: bytes, start: int = 0, end: int | None = None, counter: Iterator[int] | None = None
) -> Iterator[tuple[int, int]]:
    """Start and end of the content of each box of the ISO base media format at a path from the outermost one."""
    at, end = start, len(data) if end is None else end
    counter = itertools.count(1) if counter is None else counter
    while at + 8 <= end:
        if next(counter) > _MAX_BOXES:
            raise _TooMany(_MAX_BOXES, "boxes")
        size, head = int.from_bytes(data[at : at + 4], "big"), 8
        if size == 1:
            size, head = int.from_bytes(data[at + 8 : at + 16], "big"), 16
        inner, stop = at + head, end if size == 0 else min(end, at + size)
        if size and size < head:
            return
        if data[at + 4 : at + 8] == path[0]:
            if len(path) == 1:
                yield inner, stop
            else:
                skip = 4 if path[0] == b"meta" else 0  # its version
                yield from _boxes(data, *path[1:], start=inner + skip, end=stop, counter=counter)
        at = stop
