"""Addresses are read with the key alone, from every kind of picture, and stand out nowhere."""

import io
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.stats import binom

from csfnns.address import (
    CODED,
    CoefficientAddress,
    LevelAddress,
    ProjectionAddress,
    decode,
    draw_changes,
    encode,
    low_frequencies,
    make_nonce,
)
from csfnns.address.code import draw_distinct
from csfnns.address.projections import STEP
from csfnns.coding.distributions import grain_distributions
from csfnns.coding.jpeg import compress, standard_tables
from csfnns.coding.models import RATES, Model, make_model
from csfnns.coding.uerd import changed, flatten, jpeg_model
from csfnns.images.io import Picture
from csfnns.stream import Seed

Scene = Callable[..., Picture]
KEY, OTHER, DICE = (Seed(bytes([i]) * 32) for i in (1, 2, 3))
NONCE = bytes(range(16))
CONTEXT = b"any"
BITS = encode(KEY, NONCE, CONTEXT)


def flat(level: int, side: int = 64) -> Picture:
    return np.full((side, side, 3), level, np.uint8)


def written(cover: Picture, address: LevelAddress, model: Model, rate: int) -> Picture:
    levels = cover.reshape(-1).astype(int)
    levels[address.places] += address.changes(cover, BITS, model, rate, DICE)
    assert levels.min() >= 0
    assert levels.max() <= 255
    return levels.reshape(cover.shape).astype(np.uint8)


def soft(bits: np.ndarray) -> np.ndarray:
    return 3.0 - 6.0 * bits


def test_nonces_differ_even_where_the_random_generator_repeats_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert make_nonce(KEY, b"x") != make_nonce(KEY, b"x")
    monkeypatch.setattr("os.urandom", bytes)
    assert len({make_nonce(key, data) for key in (KEY, OTHER) for data in (b"x", b"y")}) == 4


def test_a_word_is_for_one_key_and_one_context() -> None:
    assert decode(KEY, soft(BITS), CONTEXT) == NONCE
    assert decode(OTHER, soft(BITS), CONTEXT) is None
    assert decode(KEY, soft(BITS), b"other") is None
    with pytest.raises(ValueError, match="nonce must have 16 bytes"):
        encode(KEY, b"short", CONTEXT)


def test_three_percent_of_wrong_bits_are_corrected() -> None:
    draw = np.random.default_rng(1)
    for _ in range(100):
        assert decode(KEY, soft(BITS ^ (draw.random(CODED) < 0.031)), CONTEXT) == NONCE


def test_the_likeliest_of_several_candidates_is_found_and_noise_is_refused() -> None:
    noise = np.random.default_rng(2).normal(size=(200, CODED))
    assert decode(KEY, np.stack([noise[0], noise[1], soft(BITS)]), CONTEXT) == NONCE
    assert not any(decode(KEY, each, CONTEXT) for each in noise)


def test_coded_bits_look_random_to_others() -> None:
    words = np.stack([encode(KEY, make_nonce(KEY, b""), CONTEXT) for _ in range(400)])
    assert abs(words.mean() - 0.5) < 4 * 0.5 / words.size**0.5
    assert np.abs(words.mean(0) - 0.5).max() < 4.5 * 0.5 / 20


def test_distinct_numbers() -> None:
    for n, bound in ((64, 64), (5, 9), (3000, 12288)):
        drawn = draw_distinct(DICE.stream(), n, bound)
        assert len(set(drawn.tolist())) == n
        assert 0 <= drawn.min() <= drawn.max() < bound


@pytest.mark.parametrize("name", ["cost", "uniform", "grain"])
@pytest.mark.parametrize("level", [0, 77, 255])
def test_levels_of_flat_covers_carry_an_address(name: str, level: int) -> None:
    cover, address = flat(level), LevelAddress(KEY, 64, 64)
    model = make_model(name, cover, Fraction(1))  # type: ignore[arg-type]
    for rate in (0, RATES - 1):
        stego = written(cover, address, model, rate)
        assert decode(KEY, address.read(stego), CONTEXT) == NONCE
        assert decode(OTHER, LevelAddress(OTHER, 64, 64).read(stego), CONTEXT) is None


def test_a_small_payload_has_an_address_of_few_changes(scene: Scene) -> None:
    cover, address = scene(512, 512), LevelAddress(KEY, 512, 512)
    stego = written(cover, address, make_model("cost", cover, Fraction(1)), 0)
    assert (stego != cover).sum() <= 230
    assert np.abs(stego.astype(int) - cover).max() == 1
    assert len(np.unique(address.places)) == address.places.size == CODED * 8


def test_levels_changed_on_the_way_are_corrected(scene: Scene) -> None:
    cover, address = scene(512, 512), LevelAddress(KEY, 512, 512)
    stego = written(cover, address, make_model("cost", cover, Fraction(1)), 0)
    draw = np.random.default_rng(3)
    for _ in range(10):
        moved = stego + draw.choice([-1, 1], stego.shape) * (draw.random(stego.shape) < 0.001)
        assert decode(KEY, address.read(np.clip(moved, 0, 255).astype(np.uint8)), CONTEXT) == NONCE


def test_a_parity_is_as_sure_as_its_values(scene: Scene) -> None:
    """Each is wrong with probability 0.0015, the parity if an odd number of them is: a binomial distribution."""
    cover = scene(64, 64)
    for address, picture, group in (
        (LevelAddress(KEY, 64, 64), cover, 8),
        (CoefficientAddress(KEY, 400, 400), compress(scene(400, 400), standard_tables(90), "444").file, 51),
    ):
        wrong = binom.pmf(np.arange(1, group + 1, 2), group, 0.0015).sum()
        assert address.places.shape == (CODED, group)
        assert np.abs(address.read(picture)) == pytest.approx(np.log((1 - wrong) / wrong))  # type: ignore[arg-type]


def test_grain_with_an_address_has_the_distribution_of_grain() -> None:
    """χ² over 100 keys, of the places alone, where the bits are as random as nonces make them."""
    cover, model = flat(1), make_model("grain", flat(1), Fraction(1))
    counts = np.zeros(7)
    for i in range(100):
        key = Seed(bytes([i, 7]) * 16)
        address = LevelAddress(key, 64, 64)
        delta = address.changes(cover, encode(key, make_nonce(key, b""), CONTEXT), model, 0, key)
        counts += np.bincount(delta.reshape(-1) + 3, minlength=7)
    expected = np.diff(grain_distributions(Fraction(1)))[model.classes[0]] / 2**30 * counts.sum()
    some = expected > 5
    assert (counts[~some] == 0).all()
    assert ((counts - expected)[some] ** 2 / expected[some]).sum() < 25  # of 4 degrees of freedom


def test_changes_have_the_conditional_distribution() -> None:
    """Against the same by rejection: single places, and pairs, of groups of three whose sums are odd."""
    cover, groups = flat(128, 16), 200
    model = make_model("uniform", cover, Fraction(1))
    places, rate = np.arange(3 * groups).reshape(groups, 3), RATES // 2 + 6 * 1024
    drawn = np.concatenate(
        [draw_changes(model, rate, places, np.ones(groups, np.uint8), Seed(bytes([i]) * 32)) for i in range(40)]
    )
    p = np.diff(model.distributions(rate))[model.classes[0]] / 2**30
    rejected = np.random.default_rng(4).choice([-1, 0, 1], (400_000, 3), p=p)
    rejected = rejected[rejected.sum(1) % 2 == 1]
    assert (drawn.sum(1) % 2 == 1).all()
    for number in (1, 3):
        counts, wanted = ((np.abs(each).sum(1) == number).mean() for each in (drawn, rejected))
        assert abs(counts - wanted) < 0.03
    assert abs((drawn == 1).mean() - (rejected == 1).mean()) < 0.02


@pytest.mark.parametrize("quality", [50, 90])
def test_coefficients_carry_an_address(quality: int, scene: Scene) -> None:
    for cover in (scene(96, 112), flat(0), flat(255), flat(128)):
        encoded = compress(cover, standard_tables(quality), "420")
        address, model = CoefficientAddress(KEY, *cover.shape[:2]), jpeg_model(encoded)
        delta = np.zeros(flatten(encoded.file.planes).size, np.int8)
        delta[address.places] = address.changes(encoded.file, BITS, model, 0, DICE)
        assert np.count_nonzero(delta) < 260
        assert decode(KEY, address.read(changed(encoded.file, delta)), CONTEXT) == NONCE
        assert decode(KEY, address.read(encoded.file), CONTEXT) is None


def jpeg(picture: Picture, quality: int) -> Picture:
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))


def resized(picture: Picture, scale: float, filter: str) -> Picture:
    sides = [round(scale * side) for side in picture.shape[1::-1]]
    return np.asarray(Image.fromarray(picture).resize(sides, Image.Resampling[filter]))


def noisy(picture: Picture) -> Picture:
    noise = np.random.default_rng(5).normal(0, 2, picture.shape)
    return np.clip(np.rint(picture + noise), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("level", [None, 0, 100, 255])
def test_projections_survive_lossy_channels(level: int | None, scene: Scene) -> None:
    cover = scene(256, 320) if level is None else np.full((256, 320, 3), level, np.uint8)
    address = ProjectionAddress(KEY, 256, 320)
    stego = address.write(cover, BITS, DICE)
    halves = [resized(stego, 0.5, each) for each in ("BOX", "BILINEAR", "BICUBIC", "LANCZOS")]
    others = [
        resized(stego, 4, "BILINEAR"),
        noisy(stego),
        *(jpeg(stego, quality) for quality in (60, 75, 95)),
    ]
    for picture in (stego, *halves, *others):
        soft_bits = address.read(low_frequencies(picture, 256, 320))
        assert decode(KEY, soft_bits, CONTEXT) == NONCE
    foreign = ProjectionAddress(OTHER, 256, 320).read(low_frequencies(stego, 256, 320))
    assert decode(OTHER, foreign, CONTEXT) is None


@pytest.mark.parametrize("side", [64, 128])
def test_projections_in_small_pictures(side: int) -> None:
    for level in (0, 128, 255):
        address = ProjectionAddress(KEY, side, side)
        stego = address.write(flat(level, side), BITS, DICE)
        for picture in (stego, jpeg(stego, 90)):
            assert decode(KEY, address.read(low_frequencies(picture, side, side)), CONTEXT) == NONCE


def test_numbers_lead_by_half_of_what_a_channel_does_to_them(scene: Scene) -> None:
    """Of two cases that move a number, the lead is to their middle; a sixth of a step at most."""
    address, picture = ProjectionAddress(KEY, 256, 256), scene(256, 256)
    received = [resized(picture, 0.5, "BOX"), picture // 2]
    numbers = [address._at(low_frequencies(each, 256, 256)) for each in (picture, *received)]
    off = [min(each - numbers[0][0], key=lambda x: np.minimum(np.abs(x), STEP).mean()) for each in numbers[1:]]
    middle = (np.minimum(0, np.minimum(*off)) + np.maximum(0, np.maximum(*off))) / 2
    lead = address._lead(numbers[0][0], received)
    inside = np.abs(middle) < STEP / 6
    assert 0.2 < inside.mean() < 1
    assert lead[inside] == pytest.approx(middle[inside])
    assert np.abs(lead[~inside]) == pytest.approx(STEP / 6)


def test_pictures_too_small_are_refused() -> None:
    for kind in (LevelAddress, CoefficientAddress, ProjectionAddress):
        with pytest.raises(ValueError, match="16"):
            kind(KEY, 16, 32)


def test_real_pictures_carry_addresses(data: Path) -> None:
    from csfnns.images.io import read_picture

    cover = read_picture(sorted((data / "covers" / "eval").glob("*.png"))[0])
    address = ProjectionAddress(KEY, *cover.shape[:2])
    stego = address.write(cover, BITS, DICE, [lambda picture: resized(picture, 0.5, "BOX")])
    assert 10 * np.log10(255**2 / np.square(stego.astype(float) - cover).mean()) > 57
    for picture in (jpeg(stego, 60), resized(stego, 0.5, "BOX"), noisy(stego)):
        assert decode(KEY, address.read(low_frequencies(picture, *cover.shape[:2])), CONTEXT) == NONCE
