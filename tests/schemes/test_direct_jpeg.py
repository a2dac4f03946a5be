import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jpeglib
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from csfnns.coding.jpeg import Coefficients, compress, standard_tables
from csfnns.coding.jpeg_costs import flatten, jpeg_model
from csfnns.errors import CapacityError, DamagedError, NoMessageError, UsageError
from csfnns.jpeg_file import read_coefficients, write_coefficients
from csfnns.measure import psnr
from csfnns.picture import Picture, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes.direct_jpeg import DirectJpeg
from csfnns.search.channel import encode_jpeg
from csfnns.stream import Seed

Scene = Callable[..., Picture]
SCHEMES = (DirectJpeg(), DirectJpeg(90, "444"), DirectJpeg(50), DirectJpeg(100, "444"))
EACH = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.quality}-{scheme.subsampling}")


@pytest.fixture(scope="module")
def large(scene: Scene) -> Picture:
    return scene(122, 134, 1)


def data(n: int, label: str = "") -> bytes:
    return Seed(bytes(32)).derive(f"test/data/{label}").stream().take(n)


def sent(scheme: DirectJpeg, cover: Picture, payloads: dict[ReceiverSeeds, bytes]) -> bytes:
    """File as it is posted."""
    return write_coefficients(scheme.embed(cover, payloads))


def received(file: bytes, cover: Picture, seeds: ReceiverSeeds) -> bytes:
    """Bytes of a file, by a receiver who knows nothing of the sender's settings."""
    return DirectJpeg().extract(read_coefficients(file), cover, seeds)


def delta(stego: Coefficients, plain: Coefficients) -> np.ndarray:
    return flatten(stego.planes).astype(int) - flatten(plain.planes)


@EACH
@pytest.mark.parametrize("n", [0, 1, 300])
def test_bytes_come_back(scheme: DirectJpeg, n: int, large: Picture, receivers: list[ReceiverSeeds]) -> None:
    assert received(sent(scheme, large, {receivers[0]: data(n)}), large, receivers[0]) == data(n)


@EACH
def test_a_full_cover_comes_back_and_one_byte_in_ten_more_is_refused(
    scheme: DirectJpeg, large: Picture, receivers: list[ReceiverSeeds]
) -> None:
    most = scheme.capacity(large).most
    assert received(sent(scheme, large, {receivers[0]: data(most)}), large, receivers[0]) == data(most)
    with pytest.raises(CapacityError):
        scheme.embed(large, {receivers[0]: data(most * 11 // 10)})


@settings(deadline=None, max_examples=12, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=500), st.integers(0, 2**32), st.integers(30, 100))
def test_any_bytes_come_back_with_any_key_and_quality(
    cover: Picture, content: bytes, key: int, quality: int
) -> None:
    root = Seed(key.to_bytes(32, "big"))
    seeds = ReceiverSeeds(root.derive("a"), root.derive("b"))
    assert received(sent(DirectJpeg(quality), cover, {seeds: content}), cover, seeds) == content


def test_receivers_get_their_own_and_nothing_else(large: Picture, receivers: list[ReceiverSeeds]) -> None:
    payloads = {seeds: data(20 + 60 * i, str(i)) for i, seeds in enumerate(receivers[:3])}
    file = sent(DirectJpeg(), large, payloads)
    for seeds, content in payloads.items():
        assert received(file, large, seeds) == content
    with pytest.raises(NoMessageError):
        received(file, large, receivers[3])
    with pytest.raises(UsageError, match="1 to 8"):
        DirectJpeg().embed(large, {})


@EACH
def test_the_file_is_an_ordinary_one(
    scheme: DirectJpeg, large: Picture, receivers: list[ReceiverSeeds]
) -> None:
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


def test_changes_are_of_one_step_and_never_of_a_block_s_mean(
    large: Picture, receivers: list[ReceiverSeeds]
) -> None:
    scheme = DirectJpeg()
    plain, stego = scheme.plain(large), scheme.embed(large, {receivers[0]: data(1500)})
    assert set(np.unique(delta(stego, plain))) == {-1, 0, 1}
    for before, after in zip(plain.planes, stego.planes, strict=True):
        np.testing.assert_array_equal(before[..., 0, 0], after[..., 0, 0])


def test_changes_keep_to_texture(receivers: list[ReceiverSeeds]) -> None:
    cover = np.full((128, 128, 3), 90, np.uint8)
    cover[:, 64:] += np.random.default_rng(0).integers(0, 40, (128, 64, 3), dtype=np.uint8)
    scheme = DirectJpeg()
    plain, stego = scheme.plain(cover), scheme.embed(cover, {receivers[0]: data(500)})
    changed = (stego.planes[0] != plain.planes[0]).mean((0, 2, 3))  # of each column of blocks
    assert changed[8:].min() > 0.02
    assert changed[:7].sum() == 0


def test_fewer_bytes_change_less(large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = DirectJpeg()
    plain = scheme.plain(large)
    counts = [
        np.count_nonzero(delta(scheme.embed(large, {receivers[0]: data(n)}), plain)) for n in (20, 200, 1000)
    ]
    assert 4 * counts[0] < 2 * counts[1] < counts[2]


def test_bits_are_what_the_entropy_of_the_changes_allows(
    scene: Scene, receivers: list[ReceiverSeeds]
) -> None:
    """In a class where changes have rate p, they carry h(p) bits each: nothing above it, and little below.

    Where both ways are open, p more.
    """
    scheme, n = DirectJpeg(95, "444"), 3000
    cover = scene(128, 128, 4)
    own = compress(cover, standard_tables(95), "444")
    changed = delta(scheme.embed(cover, {receivers[0]: data(n)}), own.file) != 0
    classes = jpeg_model(own).classes
    counts, changes = np.bincount(classes), np.bincount(classes, changed)
    p = np.clip(changes / np.maximum(counts, 1), 1e-12, 1 - 1e-12)
    both = np.arange(len(p)) % 3 == 0
    bound = float(counts @ (both * p - p * np.log2(p) - (1 - p) * np.log2(1 - p)))
    assert 0.97 * bound < 8 * n < 1.01 * bound


def test_capacity_tells_what_will_come_out(scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    cover = scene(160, 160, 4)
    for scheme in (DirectJpeg(), DirectJpeg(75, "444")):
        plain = read_picture(write_coefficients(scheme.plain(cover)))
        for wanted, n in scheme.capacity(cover, (38, 43)).at.items():
            assert n > 100
            reached = psnr(plain, read_picture(sent(scheme, cover, {receivers[0]: data(n)})))
            assert wanted - 0.8 < reached < wanted + 1.5


@EACH
def test_another_key_another_cover_and_a_plain_file_hold_nothing(
    scheme: DirectJpeg, large: Picture, scene: Scene, receivers: list[ReceiverSeeds]
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
def test_a_file_that_was_encoded_again_says_so(
    quality: int, large: Picture, receivers: list[ReceiverSeeds]
) -> None:
    file = sent(DirectJpeg(), large, {receivers[0]: data(1000)})
    again = encode_jpeg(read_picture(file), quality, "420")
    with pytest.raises(NoMessageError, match="encoded again"):
        received(again, large, receivers[0])


def test_a_file_packed_anew_without_loss_is_as_good(
    large: Picture, receivers: list[ReceiverSeeds], tmp_path: Path
) -> None:
    file = sent(DirectJpeg(), large, {receivers[0]: data(1000)})
    path = tmp_path / "a.jpg"
    path.write_bytes(file)
    jpeglib.read_dct(str(path)).write_dct(str(tmp_path / "b.jpg"), flags=["+OPTIMIZE_CODING"])
    packed = (tmp_path / "b.jpg").read_bytes()
    assert len(packed) < 0.99 * len(file)
    assert received(packed, large, receivers[0]) == data(1000)


@pytest.mark.parametrize("change", [-1, 1, 100])
def test_changes_never_give_wrong_bytes(change: int, large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = DirectJpeg()
    stego = scheme.embed(large, {receivers[0]: data(scheme.capacity(large).most - 50)})
    for i in range(5):
        luminance = stego.planes[0].copy()
        places = np.random.default_rng(i).integers(0, luminance.size, 30)
        luminance.reshape(-1)[places] += np.int16(change)
        damaged = Coefficients(stego.shape, "420", stego.tables, (luminance, *stego.planes[1:]))
        with pytest.raises(NoMessageError):
            scheme.extract(damaged, large, receivers[0])


def test_a_change_behind_the_header_is_damage(large: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = DirectJpeg()
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
    assert received(sent(DirectJpeg(), flat, {receivers[0]: data(50)}), flat, receivers[0]) == data(50)
    with pytest.raises(CapacityError, match="too small"):
        DirectJpeg().embed(flat[:16, :16].copy(), {receivers[0]: b""})


@pytest.mark.parametrize("settings_", [{"quality": 0}, {"quality": 101}, {"subsampling": "422"}])
def test_settings_that_cannot_be_are_refused(settings_: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        DirectJpeg(**settings_)
