"""Files of every depth and kind as people have them, read as RGB."""

import io
import struct
import zlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from PIL import Image, TiffImagePlugin

from csfnns.errors import PictureError
from csfnns.images import decode
from csfnns.images.colour import flatten
from csfnns.images.header import picture_suffixes
from csfnns.images.io import Picture, load, read_picture
from csfnns.images.sandbox import count_frames

RANDOM = np.random.default_rng(14)
CHROMATICITIES = {
    "srgb": (0.3127, 0.3290, 0.64, 0.33, 0.30, 0.60, 0.15, 0.06),
    "adobe": (0.3127, 0.3290, 0.64, 0.33, 0.21, 0.71, 0.15, 0.06),
    "p3": (0.3127, 0.3290, 0.68, 0.32, 0.265, 0.69, 0.15, 0.06),
}


def rounded(levels: Any, bits: int) -> Picture:
    return np.floor(np.asarray(levels, np.int64) * 255 / (2**bits - 1) + 0.5).astype(np.uint8)


def packed(levels: Any, bits: int, order: str = ">") -> list[bytes]:
    """Rows of levels (H, W, C) with the highest bit first."""
    rows = np.asarray(levels).reshape(len(levels), -1)
    if bits == 16:
        return [row.astype(f"{order}u2").tobytes() for row in rows]
    shifts = np.arange(bits - 1, -1, -1)
    return [np.packbits((row[:, None] >> shifts & 1).reshape(-1)).tobytes() for row in rows]


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(levels: Any, bits: int = 8, *chunks: tuple[bytes, bytes], colour: int | None = None) -> bytes:
    """PNG of levels (H, W, C): grey, grey + alpha, RGB, RGB + alpha."""
    height, width, channels = levels.shape
    kind = {1: 0, 2: 4, 3: 2, 4: 6}[channels] if colour is None else colour
    header = struct.pack(">IIBBBBB", width, height, bits, kind, 0, 0, 0)
    body = zlib.compress(b"".join(b"\0" + row for row in packed(levels, bits)))
    parts = [(b"IHDR", header), *chunks, (b"IDAT", body), (b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(chunk(*each) for each in parts)


def tiff(levels: Any, bits: int, photometric: int, order: str = "<", **tags: Sequence[int]) -> bytes:
    """Uncompressed TIFF of one strip."""
    height, width, channels = levels.shape
    body = b"".join(packed(levels, bits, order))
    extra = channels - {0: 1, 1: 1, 2: 3, 3: 1, 5: 4, 6: 3, 8: 3}[photometric]
    fields: dict[int, Sequence[int]] = {
        256: [width], 257: [height], 258: [bits] * channels, 259: [1], 262: [photometric], 273: [0],
        277: [channels], 278: [height], 279: [len(body)],
    }  # fmt: skip
    if extra:
        fields[338] = [tags.pop("alpha", [2])[0]] * extra
    fields |= {int(name[1:]): values for name, values in tags.items()}
    start = 8 + 2 + 12 * len(fields) + 4
    longs = {tag: values for tag, values in fields.items() if len(values) > 2}
    offset = start + sum(2 * len(values) for values in longs.values())
    fields[273] = [offset]
    directory, tail = struct.pack(f"{order}H", len(fields)), b""
    for tag in sorted(fields):
        values = fields[tag]
        directory += struct.pack(f"{order}HHI", tag, 4 if tag in (273, 279) else 3, len(values))
        data = struct.pack(f"{order}{len(values)}{'I' if tag in (273, 279) else 'H'}", *values)
        if len(data) > 4:
            directory += struct.pack(f"{order}I", start + len(tail))
            tail += data
        else:
            directory += data.ljust(4, b"\0")
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", 8)
    return head + directory + bytes(4) + tail + body


def levels(bits: int, channels: int) -> Any:
    found = RANDOM.integers(0, 2**bits, (5, 9, channels))
    found[0, :2] = [[0] * channels, [2**bits - 1] * channels]
    return found


# Depths and conventions


@pytest.mark.parametrize("bits", [1, 2, 4, 8, 16])
def test_greys_of_a_png_and_their_clear_level(bits: int) -> None:
    grey = levels(bits, 1)
    expected = np.repeat(rounded(grey, bits), 3, axis=2)
    assert (read_picture(png(grey, bits)) == expected).all()
    clear = int(grey[1, 1, 0])
    shown = read_picture(png(grey, bits, (b"tRNS", struct.pack(">H", clear))))
    at = grey[..., 0] == clear
    assert len(np.unique(shown[at])) == 1
    assert shown[at][0, 0] in (0, 255)
    assert (shown[~at] == expected[~at]).all()


@pytest.mark.parametrize("bits", [8, 16])
@pytest.mark.parametrize("channels", [2, 3, 4])
def test_colours_of_a_png_are_rounded_and_have_their_clear_colour(bits: int, channels: int) -> None:
    colours = levels(bits, channels)
    if channels % 2 == 0:
        colours[..., -1] = 2**bits - 1
    rgb = np.repeat(colours[..., :1], 3, axis=2) if channels == 2 else colours[..., :3]
    expected = rounded(rgb, bits)
    for as_stored in (False, True):
        assert (read_picture(png(colours, bits), as_stored=as_stored) == expected).all()
    if channels == 3:
        clear = png(colours, bits, (b"tRNS", struct.pack(">3H", *colours[2, 2])))
        expected[2, 2] = 255
        assert (read_picture(clear) == expected).all()


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_palettes_of_a_png(bits: int) -> None:
    index, palette = levels(bits, 1), RANDOM.integers(40, 200, (2**bits, 3)).astype(np.uint8)
    expected = palette[index[..., 0]]
    assert (read_picture(png(index, bits, (b"PLTE", palette.tobytes()), colour=3)) == expected).all()
    clear = png(index, bits, (b"PLTE", palette.tobytes()), (b"tRNS", b"\0"), colour=3)
    assert (read_picture(clear) == np.where(index == 0, 255, expected)).all()


def test_sixteen_bit_colours_of_a_tiff_and_a_filtered_png() -> None:
    smooth = np.cumsum(RANDOM.integers(0, 300, (40, 50, 3)), axis=1).astype(np.uint16)
    expected = rounded(smooth, 16)
    assert np.any(expected != smooth >> 8)
    for order in "<>":
        assert (read_picture(tiff(smooth, 16, 2, order)) == expected).all()
        assert (read_picture(tiff(smooth, 16, 2, order), as_stored=True) == expected).all()
    rows = [np.frombuffer(row, np.uint8).reshape(-1, 6) for row in packed(smooth, 16)]
    differences = [np.diff(row, axis=0, prepend=np.zeros((1, 6), np.uint8)).tobytes() for row in rows]
    body = zlib.compress(b"".join(b"\1" + row for row in differences))  # filter Sub
    plain = png(smooth, 16)
    at = plain.index(b"IDAT") - 4
    assert (read_picture(plain[:at] + chunk(b"IDAT", body) + chunk(b"IEND", b"")) == expected).all()
    image = Image.open(io.BytesIO(png(smooth, 16)))
    assert (read_picture(image) == smooth >> 8).all()  # Pillow has already taken the upper byte


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    ("bits", "photometric", "channels"),
    [
        *((bits, 0, 1) for bits in (1, 2, 4, 8, 16)),
        *((bits, 1, 1) for bits in (1, 2, 4, 8, 12, 16)),
        *((bits, 2, channels) for bits in (8, 16) for channels in (3, 4)),
        *((8, 1, 2), (8, 5, 4), (16, 5, 4)),
    ],
)
def test_depths_and_conventions_of_a_tiff(bits: int, photometric: int, channels: int, order: str) -> None:
    values = levels(bits, channels)
    if (photometric, channels) in ((2, 4), (1, 2)):
        values[..., -1] = 2**bits - 1
    data = tiff(values, bits, photometric, order)
    if order == ">" and (bits, photometric) in ((12, 1), (16, 0)):  # Pillow does not know these
        with pytest.raises(PictureError, match="not a picture"):
            read_picture(data)
        return
    shown = rounded(values, bits)
    if photometric == 5:
        ink, black = shown[..., :3].astype(int), shown[..., 3:].astype(int)
        assert np.abs(read_picture(data) - (255 - ink) * (255 - black) / 255).max() <= 1
        return
    grey = 255 - shown if photometric == 0 else shown
    assert (read_picture(data) == (grey[..., :3] if channels > 2 else np.repeat(grey[..., :1], 3, axis=2))).all()


def test_palette_ycbcr_lab_and_premultiplied_tiffs() -> None:
    index = levels(4, 1)
    table = RANDOM.integers(0, 256, (3, 16))
    data = tiff(index, 4, 3, t320=(257 * table).reshape(-1).tolist())
    assert (read_picture(data) == table.T[index[..., 0]]).all()
    grey = np.full((4, 4, 3), (100, 128, 128))
    assert np.abs(read_picture(tiff(grey, 8, 6, t530=[1, 1])).astype(int) - 100).max() <= 1
    lab = np.array([[[255, 0, 0], [137, 0, 0], [138, 81, 70]]])  # white, grey, sRGB's red: L* 54.3, a* 80.8, b* 69.9
    shown = read_picture(tiff(lab, 8, 8)).astype(int)
    assert np.abs(shown[0] - [[255] * 3, [128] * 3, [255, 0, 0]]).max() <= 6
    half = np.array([[[50, 25, 0, 128], [0, 0, 0, 128]]])
    assert np.abs(read_picture(tiff(half, 8, 2, alpha=[1])).astype(int) - [[[177, 152, 127], [127] * 3]]).max() <= 1


def test_levels_without_a_known_white_are_refused() -> None:
    values = levels(16, 1)
    for data in (tiff(values, 16, 1, t339=[2]), tiff(levels(8, 1), 8, 1, t339=[2])):
        with pytest.raises(PictureError, match="no known white"):
            read_picture(data)
    for array in (np.ones((4, 4), np.float32), np.full((4, 4), 300, np.int32)):
        buffer = io.BytesIO()
        Image.fromarray(array).save(buffer, "TIFF")
        with pytest.raises(PictureError, match="no known white"):
            read_picture(buffer.getvalue())


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "tiff_adobe_deflate", "packbits", "jpeg"])
def test_compressed_tiffs(compression: str) -> None:
    assert TiffImagePlugin.WRITE_LIBTIFF is False
    picture = np.full((16, 16, 3), (200, 100, 50), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "TIFF", compression=compression)
    assert np.abs(read_picture(buffer.getvalue()).astype(int) - picture).max() <= (3 if compression == "jpeg" else 0)


# Colours


def tagged(picture: Picture, *chunks: tuple[bytes, bytes]) -> Picture:
    return read_picture(png(picture, 8, *chunks))


def gama(gamma: float) -> tuple[bytes, bytes]:
    return b"gAMA", struct.pack(">I", round(100_000 * gamma))


def chrm(name: str) -> tuple[bytes, bytes]:
    return b"cHRM", struct.pack(">8I", *(round(100_000 * each) for each in CHROMATICITIES[name]))


def cicp(primaries: int, transfer: int, full: int = 1) -> tuple[bytes, bytes]:
    return b"cICP", bytes([primaries, transfer, 0, full])


SWATCHES = np.array([[[0, 0, 0], [255, 255, 255], [128, 128, 128], [255, 0, 0], [0, 255, 0], [64, 128, 192]]], np.uint8)


@pytest.mark.parametrize(
    "chunks",
    [
        (),
        (gama(1 / 2.2),),
        (gama(1 / 2.2), chrm("srgb")),
        (chrm("srgb"),),
        (gama(1.0), (b"sRGB", b"\0")),
        (cicp(1, 13), gama(1.0)),
        (cicp(1, 1),),
        (cicp(1, 99),),
        (cicp(99, 13),),
    ],
)
def test_what_is_srgb_changes_no_byte(chunks: tuple[tuple[bytes, bytes], ...]) -> None:
    picture = RANDOM.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    assert (tagged(picture, *chunks) == picture).all()


@pytest.mark.parametrize(
    ("chunks", "level", "expected"),
    [
        ((gama(1.0),), 128, 188),  # linear light 0.502 → sRGB 0.7366
        ((cicp(1, 8),), 55, 128),
        ((gama(1 / 1.8),), 128, 147),  # 0.502^1.8 = 0.2891 → 0.5749
        ((cicp(1, 4),), 20, 12),  # 0.0784^2.2 = 0.00369 → 0.0472
        ((cicp(1, 13, full=0),), 235, 255),
        ((cicp(1, 13, full=0),), 16, 0),
        ((cicp(9, 16),), 148, 255),  # PQ 0.5804 is 203 cd/m²
        ((cicp(9, 18),), 191, 255),  # HLG 0.75 is 203 cd/m²
    ],
)
def test_known_answers_of_curves(chunks: tuple[tuple[bytes, bytes], ...], level: int, expected: int) -> None:
    shown = tagged(np.full((1, 1, 3), level, np.uint8), *chunks)
    assert np.abs(shown.astype(int) - expected).max() <= 1


@pytest.mark.parametrize(
    ("chunks", "matrix"),
    [
        # Published: Display P3 → sRGB, and ITU-R BT.2087's inverse BT.2020 → BT.709
        ((cicp(12, 8),), [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]),
        ((gama(1.0), chrm("p3")), [[1.2249, -0.2247, 0], [-0.0420, 1.0419, 0], [-0.0197, -0.0786, 1.0979]]),
        ((cicp(9, 8),), [[1.6605, -0.5876, -0.0728], [-0.1246, 1.1329, -0.0083], [-0.0182, -0.1006, 1.1187]]),
        ((gama(1.0), chrm("adobe")), [[1.3984, -0.3984, 0], [0, 1, 0], [0, -0.0429, 1.0429]]),
    ],
)
def test_known_answers_of_primaries(chunks: tuple[tuple[bytes, bytes], ...], matrix: list[list[float]]) -> None:
    light = (SWATCHES / 255) @ np.array(matrix).T
    light = light.clip(0, 1)
    expected = 255 * np.where(light <= 0.0031308, 12.92 * light, 1.055 * light ** (1 / 2.4) - 0.055)
    assert np.abs(tagged(SWATCHES, *chunks) - expected).max() <= 1


def test_whites_are_adapted() -> None:
    """DCI-P3's own white is not D65, and stays white."""
    shown = tagged(np.full((1, 2, 3), 255, np.uint8), cicp(11, 8))
    assert (shown >= 254).all()


def test_a_stego_is_read_as_stored_whatever_its_tags_say() -> None:
    picture = RANDOM.integers(0, 256, (8, 8, 3)).astype(np.uint8)
    for chunks in ((gama(1.0),), (chrm("p3"),), (cicp(9, 16),)):
        assert (read_picture(png(picture, 8, *chunks), as_stored=True) == picture).all()


# Transparency


def logo(colour: int, other: int | None = None) -> Picture:
    """A disc on a transparent ground, its right half in another colour."""
    y, x = np.mgrid[:40, :40]
    picture = np.full((40, 40, 4), colour, np.uint8)
    picture[:, 20:, :3] = colour if other is None else other
    picture[..., 3] = np.where(np.hypot(y - 20, x - 20) < 15, 255, 0)
    return picture


@pytest.mark.parametrize(
    ("colour", "other", "ground", "said"),
    [
        (255, None, 0, False),
        (0, None, 255, False),
        (120, None, 255, False),
        (255, 0, 255, True),
        (240, 200, 0, False),
    ],
)
def test_the_ground_contrasts_or_there_is_a_warning(colour: int, other: int | None, ground: int, said: bool) -> None:
    for source in (logo(colour, other), png(logo(colour, other))):
        picture, lost = load(source)
        assert (picture[0, 0] == ground).all()
        assert (lost is not None) == said


def test_a_page_with_a_soft_shadow_stays_on_white() -> None:
    picture = np.zeros((40, 40, 4), np.uint8)
    picture[5:35, 5:35, 3] = 90
    picture[8:32, 8:32] = 255
    flat, _ = flatten(picture[..., :3], picture[..., 3])
    assert (flat[0, 0] == 255).all()


def test_a_picture_that_is_clear_all_over_says_so() -> None:
    assert load(np.zeros((4, 4, 4), np.uint8))[1] is not None


# Several pictures, phones, sizes


def animation(kind: str) -> bytes:
    each = [Image.new("RGB", (8, 6), colour) for colour in ("red", "blue", "lime")]
    buffer = io.BytesIO()
    each[0].save(buffer, kind, save_all=True, append_images=each[1:])
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "AVIF", "TIFF"])
def test_frames_and_pages_are_counted(kind: str) -> None:
    assert count_frames(animation(kind), "it") == 3


def test_a_photo_with_its_preview_is_one_picture() -> None:
    assert count_frames(animation("MPO"), "it") == 1


HEADS = {
    ".heic": b"\0\0\0\x18ftypheic\0\0\0\0mif1heic",
    ".avif": b"\0\0\0\x20ftypmif1\0\0\0\0mif1avifmiaf",
    ".jxl": b"\0\0\0\x0cJXL \r\n\x87\n",
}


@pytest.mark.parametrize("suffix", HEADS)
def test_formats_are_known_by_their_first_bytes(suffix: str) -> None:
    assert picture_suffixes(HEADS[suffix])[0] == suffix
    for kind in ("PNG", "GIF", "WEBP", "AVIF", "TIFF", "JPEG", "BMP", "PPM"):
        buffer = io.BytesIO()
        Image.new("RGB", (8, 8)).save(buffer, kind)
        assert {"JPEG": ".jpg", "TIFF": ".tif"}.get(kind, f".{kind.lower()}") == picture_suffixes(buffer.getvalue())[0]
    assert picture_suffixes(b"%PDF-1.7") == picture_suffixes(b"RIFF....WAVE") == picture_suffixes(b"") == ()


def test_pictures_of_phones_are_read_or_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(PictureError, match="JPEG XL picture") as jxl:
        read_picture(HEADS[".jxl"])
    assert "Convert it to PNG or JPEG" in jxl.value.hint
    monkeypatch.setattr(decode, "has", lambda extra: False)
    with pytest.raises(PictureError, match=r"iPhone picture \(HEIC\)") as heic:
        read_picture(HEADS[".heic"])
    assert heic.value.hint == "Install csfnns[phone], or convert it to JPEG first."


def test_a_picture_too_large_for_the_memory_is_refused_by_its_header(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(decode, "free_memory", lambda: 0.5e9)
    header = struct.pack(">IIBBBBB", 10_000, 12_000, 8, 2, 0, 0, 0)
    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")
    with pytest.raises(PictureError, match="120 megapixels, and this computer has memory for 16 now"):
        read_picture(bomb)


def test_a_large_jpeg_is_decoded_at_a_lower_resolution_where_less_is_wanted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(decode, "LARGE", 1000)
    buffer = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(buffer, "JPEG")
    assert decode.decode_shown(buffer.getvalue())[0].shape == (480, 640, 3)
    assert decode.decode_shown(buffer.getvalue(), 70)[0].shape == (60, 80, 3)
