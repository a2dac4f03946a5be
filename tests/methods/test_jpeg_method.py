import io
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from csfnns.coding.jpeg import Coefficients, compress, standard_tables
from csfnns.coding.uerd import flatten, jpeg_model
from csfnns.errors import CapacityError, DamagedError, NoMessageError
from csfnns.images.io import Picture, read_picture
from csfnns.images.jpeg_file import read_coefficients, write_coefficients
from csfnns.images.metrics import psnr
from csfnns.methods import Envelope, Jpeg, ReceiverSeeds
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

jpeglib = pytest.importorskip("jpeglib", reason="needs the extra jpeg")
Scene = Callable[..., Picture]
SCHEMES = (Jpeg(), Jpeg(90, "444"), Jpeg(50), Jpeg(100, "444"))
ENVELOPE = Envelope(Seed(bytes([5]) * 32), bytes(range(16)))
EACH = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.quality}-{scheme.subsampling}")


@pytest.fixture(scope="module")
def large(scene: Scene) -> Picture:
    return scene(122, 134, 1)


def data(n: int, label: str = "") -> bytes:
    return Seed(bytes(32)).derive(f"test/data/{label}").stream().take(n)


def sent(scheme: Jpeg, cover: Picture, payloads: dict[ReceiverSeeds, bytes]) -> bytes:
    """File as it is posted."""
    return write_coefficients(scheme.embed(cover, payloads))


def received(file: bytes, cover: Picture, seeds: ReceiverSeeds) -> bytes:
    """Bytes of a file, by a receiver who knows nothing of the sender's settings."""
    return Jpeg().extract(read_coefficients(file), cover, seeds)


def delta(stego: Coefficients, plain: Coefficients) -> np.ndarray:
    return flatten(stego.planes).astype(int) - flatten(plain.planes)


@EACH
@pytest.mark.parametrize("n", [0, 1, 300])
def test_bytes_come_back(scheme: Jpeg, n: int, large: Picture, receivers: list[ReceiverSeeds]) -> None:
    assert received(sent(scheme, large, {receivers[0]: data(n)}), large, receivers[0]) == data(n)


@EACH
def test_a_full_cover_comes_back_and_one_byte_in_ten_more_is_refused(
    scheme: Jpeg, large: Picture, receivers: list[ReceiverSeeds]
) -> None:
    """With the address of a message, which takes a large part of so small a cover."""
    most = scheme.capacity(large).most
    stego = scheme.embed(large, {receivers[0]: data(most)}, envelope=ENVELOPE)
    assert scheme.extract(stego, large, receivers[0], envelope=ENVELOPE) == data(most)
    with pytest.raises(CapacityError):
        scheme.embed(large, {receivers[0]: data(most * 11 // 10 + 30)}, envelope=ENVELOPE)


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=500), st.integers(0, 2**32), st.integers(30, 100))
def test_any_bytes_come_back_with_any_key_and_quality(cover: Picture, content: bytes, key: int, quality: int) -> None:
    root = Seed(key.to_bytes(32, "big"))
    seeds = ReceiverSeeds(root.derive("a"), root.derive("b"))
    assert received(sent(Jpeg(quality), cover, {seeds: content}), cover, seeds) == content


@EACH
def test_the_file_is_an_ordinary_one(scheme: Jpeg, large: Picture, receivers: list[ReceiverSeeds]) -> None:
    """As Pillow would write the cover but for some coefficients; without a message, to the last byte."""
    theirs = encode_jpeg(large, scheme.quality, scheme.subsampling)
    assert write_coefficients(scheme.plain(large)) == theirs
    file = sent(scheme, large, {receivers[0]: data(200)})
    with Image.open(io.BytesIO(file)) as image:
        image.verify()
        assert (image.format, image.size) == ("JPEG", (134, 122))
    start = theirs.index(b"\xff\xda") + 14
    assert file[:start] == theirs[:start]
    assert psnr(read_picture(theirs), read_picture(file)) > (33 if scheme.quality == 50 else 40)


def test_changes_are_of_one_step_and_never_of_a_block_s_mean(large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = Jpeg()
    plain, stego = scheme.plain(large), scheme.embed(large, {receivers[0]: data(1500)})
    assert set(np.unique(delta(stego, plain))) == {-1, 0, 1}
    for before, after in zip(plain.planes, stego.planes, strict=True):
        np.testing.assert_array_equal(before[..., 0, 0], after[..., 0, 0])


def test_changes_keep_to_texture(receivers: list[ReceiverSeeds]) -> None:
    cover = np.full((128, 128, 3), 90, np.uint8)
    cover[:, 64:] += np.random.default_rng(0).integers(0, 40, (128, 64, 3), dtype=np.uint8)
    scheme = Jpeg()
    plain, stego = scheme.plain(cover), scheme.embed(cover, {receivers[0]: data(500)})
    changed = (stego.planes[0] != plain.planes[0]).mean((0, 2, 3))  # of each column of blocks
    assert changed[8:].min() > 0.02
    assert changed[:7].sum() == 0


def test_fewer_bytes_change_less(large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = Jpeg()
    plain = scheme.plain(large)
    counts = [np.count_nonzero(delta(scheme.embed(large, {receivers[0]: data(n)}), plain)) for n in (20, 200, 1000)]
    assert 4 * counts[0] < 2 * counts[1] < counts[2]


def test_bits_are_what_the_entropy_of_the_changes_allows(scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    """In a class where changes have rate p, they carry h(p) bits each: nothing above it, and little below.

    Where both ways are open, p more.
    """
    scheme, n = Jpeg(95, "444"), 3000
    cover = scene(128, 128, 4)
    own = compress(cover, standard_tables(95), "444")
    changed = delta(scheme.embed(cover, {receivers[0]: data(n)}), own.file) != 0
    classes = jpeg_model(own).classes
    counts, changes = np.bincount(classes), np.bincount(classes, changed)
    p = np.clip(changes / np.maximum(counts, 1), 1e-12, 1 - 1e-12)
    both = np.arange(len(p)) % 3 == 0
    bound = float(counts @ (both * p - p * np.log2(p) - (1 - p) * np.log2(1 - p)))
    assert 0.97 * bound < 8 * n < 1.01 * bound


def test_capacity_predicts_the_stego_with_its_address(scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    cover = scene(192, 192, 4)
    for scheme in (Jpeg(), Jpeg(75, "444")):
        plain = read_picture(write_coefficients(scheme.plain(cover)))
        for wanted, n in scheme.capacity(cover, (38, 42)).at.items():
            assert n > 100
            stego = scheme.embed(cover, {receivers[0]: data(n)}, envelope=ENVELOPE)
            reached = psnr(plain, read_picture(write_coefficients(stego)))
            assert wanted - 0.8 < reached < wanted + 1.5


@EACH
def test_another_key_another_cover_and_a_plain_file_hold_nothing(
    scheme: Jpeg, large: Picture, scene: Scene, receivers: list[ReceiverSeeds]
) -> None:
    file = sent(scheme, large, {receivers[0]: data(100)})
    other_header = ReceiverSeeds(receivers[0].decoder, receivers[1].header)
    other_decoder = ReceiverSeeds(receivers[1].decoder, receivers[0].header)
    for seeds in (receivers[1], other_header, other_decoder):
        with pytest.raises(NoMessageError, match="This key finds no message"):
            received(file, large, seeds)
    plain = write_coefficients(scheme.plain(large))
    others = [(plain, large), (file, scene(122, 134, 2)), (file, large[:120]), (file, large ^ 255)]
    for each, cover in others:
        with pytest.raises(NoMessageError, match=r"Nothing is hidden|changed all over|finds no message"):
            received(each, np.ascontiguousarray(cover), receivers[0])


@pytest.mark.parametrize("quality", [60, 85, 90, 95])
def test_a_file_that_was_encoded_again_says_so(quality: int, large: Picture, receivers: list[ReceiverSeeds]) -> None:
    file = sent(Jpeg(), large, {receivers[0]: data(1000)})
    again = encode_jpeg(read_picture(file), quality, "420")
    with pytest.raises(NoMessageError, match="encoded again"):
        received(again, large, receivers[0])


def test_a_file_packed_anew_without_loss_is_as_good(
    large: Picture, receivers: list[ReceiverSeeds], tmp_path: Path
) -> None:
    file = sent(Jpeg(), large, {receivers[0]: data(1000)})
    path = tmp_path / "a.jpg"
    path.write_bytes(file)
    jpeglib.read_dct(str(path)).write_dct(str(tmp_path / "b.jpg"), flags=["+OPTIMIZE_CODING"])
    packed = (tmp_path / "b.jpg").read_bytes()
    assert len(packed) < 0.99 * len(file)
    assert received(packed, large, receivers[0]) == data(1000)


@pytest.mark.parametrize("change", [-1, 1, 100])
def test_changes_never_give_wrong_bytes(change: int, large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = Jpeg()
    stego = scheme.embed(large, {receivers[0]: data(scheme.capacity(large).most - 50)})
    for i in range(5):
        luminance = stego.planes[0].copy()
        places = np.random.default_rng(i).integers(0, luminance.size, 30)
        luminance.reshape(-1)[places] += np.int16(change)
        damaged = Coefficients(stego.shape, "420", stego.tables, (luminance, *stego.planes[1:]))
        with pytest.raises(NoMessageError):
            scheme.extract(damaged, large, receivers[0])


def test_a_change_behind_the_header_is_damage(large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = Jpeg()
    n = scheme.capacity(large).most - 50
    stego = scheme.embed(large, {receivers[0]: data(n)})
    outcomes = []
    for i in range(40):
        blue = stego.planes[1].copy()  # headers are in the cheapest coefficients, of luminance
        blue.reshape(-1, 64)[i, 5] += np.int16(3)
        damaged = Coefficients(stego.shape, "420", stego.tables, (stego.planes[0], blue, stego.planes[2]))
        try:
            assert scheme.extract(damaged, large, receivers[0]) == data(n)
        except NoMessageError as error:
            outcomes.append(type(error))
    assert outcomes.count(DamagedError) > 30


def test_a_picture_without_texture_is_refused_or_comes_back(receivers: list[ReceiverSeeds]) -> None:
    flat = np.full((128, 128, 3), 90, np.uint8)
    assert received(sent(Jpeg(), flat, {receivers[0]: data(50)}), flat, receivers[0]) == data(50)
    with pytest.raises(CapacityError, match="too small"):
        Jpeg().embed(flat[:16, :16].copy(), {receivers[0]: b""})
