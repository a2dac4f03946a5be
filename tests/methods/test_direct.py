from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from csfnns.coding import partitions
from csfnns.coding.distributions import grain_classes, grain_distributions
from csfnns.errors import CapacityError, DamagedError, NoMessageError, UsageError
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.methods import Direct, Envelope, ReceiverSeeds
from csfnns.stream import Seed

Scene = Callable[..., Picture]
SCHEMES = (Direct("cost"), Direct("uniform"), Direct("grain"), Direct("grain", 0.5), Direct("grain", 2.0))
ENVELOPE = Envelope(Seed(bytes([5]) * 32), bytes(range(16)))
EACH = pytest.mark.parametrize("scheme", SCHEMES, ids=lambda scheme: f"{scheme.model}-{scheme.sigma}")

# Values of δ against its law: chi-square's 0.999 quantiles for 1…6 degrees of freedom, times what 20 tests need more.
LIMITS = {1: 15.0, 2: 18.0, 3: 21.0, 4: 23.0, 5: 26.0, 6: 28.0}


@pytest.fixture(scope="module")
def bright(scene: Scene) -> Picture:
    """A cover with much black and much white."""
    cover = scene(64, 80, 4)
    levels = np.clip(cover.astype(int) * 3 - 256, 0, 255)
    levels[:8] = np.arange(8)[:, None, None] % 4
    levels[-8:] = 255 - np.arange(8)[:, None, None] % 4
    return levels.astype(np.uint8)


def data(n: int, label: str = "") -> bytes:
    return Seed(bytes(32)).derive(f"test/data/{label}").stream().take(n)


@EACH
@pytest.mark.parametrize("n", [0, 1, 300])
def test_bytes_come_back(scheme: Direct, n: int, bright: Picture, receivers: list[ReceiverSeeds]) -> None:
    stego = scheme.embed(bright, {receivers[0]: data(n)})
    assert scheme.extract(stego, bright, receivers[0]) == data(n)
    assert stego.dtype == np.uint8
    assert np.abs(stego.astype(int) - bright).max() <= (3 if scheme.model == "grain" else 1)


@EACH
def test_a_full_cover_comes_back_and_one_byte_in_ten_more_is_refused(
    scheme: Direct, cover: Picture, receivers: list[ReceiverSeeds]
) -> None:
    """With the address of a message, which takes a quarter of so small a cover."""
    most = scheme.capacity(cover).most
    stego = scheme.embed(cover, {receivers[0]: data(most)}, envelope=ENVELOPE)
    assert scheme.extract(stego, cover, receivers[0], envelope=ENVELOPE) == data(most)
    with pytest.raises(CapacityError):
        scheme.embed(cover, {receivers[0]: data(most * 11 // 10)}, envelope=ENVELOPE)


@settings(deadline=None, max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.binary(max_size=900), st.integers(0, 2**32), st.sampled_from(SCHEMES[:3]))
def test_any_bytes_come_back_with_any_key(cover: Picture, content: bytes, key: int, scheme: Direct) -> None:
    root = Seed(key.to_bytes(32, "big"))
    seeds = ReceiverSeeds(root.derive("a"), root.derive("b"))
    assert scheme.extract(scheme.embed(cover, {seeds: content}), cover, seeds) == content


@EACH
def test_receivers_get_their_own_and_nothing_else(
    scheme: Direct, bright: Picture, receivers: list[ReceiverSeeds]
) -> None:
    sent = {seeds: data(20 + 90 * i, str(i)) for i, seeds in enumerate(receivers[:3])}
    stego = scheme.embed(bright, sent)
    for seeds, content in sent.items():
        assert scheme.extract(stego, bright, seeds) == content
    with pytest.raises(NoMessageError):
        scheme.extract(stego, bright, receivers[3])


def test_eight_receivers_fit(bright: Picture, seed: Seed) -> None:
    every = [ReceiverSeeds(seed.derive(f"d/{i}"), seed.derive(f"h/{i}")) for i in range(9)]
    sent = {seeds: data(30, str(i)) for i, seeds in enumerate(every[:8])}
    stego = Direct().embed(bright, sent)
    assert [Direct().extract(stego, bright, seeds) for seeds in sent] == list(sent.values())
    with pytest.raises(UsageError, match="1 to 8"):
        Direct().embed(bright, dict.fromkeys(every, b""))


def test_no_slot_shows_that_others_have_fewer_to_say(scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    """Whether there is one other receiver or there are three, and whatever they get: all partitions are changed alike."""
    cover = scene(128, 128, 6)
    partition = partitions(cover)
    for others in (1, 3):
        sent = {receivers[0]: data(900)} | dict.fromkeys(receivers[1 : 1 + others], b"")
        changed = (Direct().embed(cover, sent) != cover).reshape(-1)
        shares = np.array([changed[partition == i].mean() for i in range(8)])
        deviation = (shares.mean() / (partition.size / 8)) ** 0.5
        assert np.abs(shares - shares.mean()).max() < 4 * deviation


@pytest.mark.parametrize("scheme", SCHEMES[:3], ids=lambda scheme: scheme.model)
def test_another_key_another_cover_and_a_plain_cover_hold_nothing(
    scheme: Direct, cover: Picture, scene: Scene, receivers: list[ReceiverSeeds]
) -> None:
    stego = scheme.embed(cover, {receivers[0]: data(100)})
    other_header = ReceiverSeeds(receivers[0].decoder, receivers[1].header)
    other_decoder = ReceiverSeeds(receivers[1].decoder, receivers[0].header)
    for seeds in (receivers[1], other_header, other_decoder):
        with pytest.raises(NoMessageError):
            scheme.extract(stego, cover, seeds)
    for picture in (cover, scene(64, 64, 9), cover[:48], cover ^ 1):
        with pytest.raises(NoMessageError):
            scheme.extract(np.ascontiguousarray(picture), cover, receivers[0])
    nearly = cover.copy()
    nearly[5, 5, 1] ^= 1
    with pytest.raises(NoMessageError):
        scheme.extract(stego, nearly, receivers[0])


def test_grain_without_a_message_holds_nothing(cover: Picture, seed: Seed, receivers: list[ReceiverSeeds]) -> None:
    scheme = Direct("grain")
    with pytest.raises(NoMessageError):
        scheme.extract(scheme.decoy(cover, seed), cover, receivers[0])


@pytest.mark.parametrize("scheme", SCHEMES[:3], ids=lambda scheme: scheme.model)
@pytest.mark.parametrize("change", [-1, 1, 100])
def test_changes_never_give_wrong_bytes(
    scheme: Direct, change: int, cover: Picture, receivers: list[ReceiverSeeds]
) -> None:
    """One level in a thousand is changed: 12 of 12288, some of which the message needs."""
    content = data(scheme.capacity(cover).most - 50)
    stego = scheme.embed(cover, {receivers[0]: content})
    for i in range(5):
        places = np.random.default_rng(i).integers(0, stego.size, 12)
        changed = stego.copy().reshape(-1)
        changed[places] = np.clip(changed[places].astype(int) + change, 0, 255)
        with pytest.raises(NoMessageError):
            scheme.extract(changed.reshape(stego.shape), cover, receivers[0])


def test_a_change_behind_the_header_is_damage_or_does_not_matter(
    cover: Picture, receivers: list[ReceiverSeeds]
) -> None:
    stego = Direct().embed(cover, {receivers[0]: data(1500)})
    outcomes = []
    for i in range(200, 260):
        changed = stego.copy().reshape(-1)
        before = int(cover.reshape(-1)[i])
        changed[i] = before + 1 if changed[i] <= before < 255 else max(before - 1, 0)
        try:
            found = Direct().extract(changed.reshape(stego.shape), cover, receivers[0])
        except NoMessageError as error:
            outcomes.append(type(error))
        else:
            assert found == data(1500)
    assert outcomes.count(DamagedError) > 50


def test_costs_keep_changes_out_of_flat_places(receivers: list[ReceiverSeeds]) -> None:
    cover = np.full((64, 64, 3), 90, np.uint8)
    cover[:, 32:] += np.random.default_rng(0).integers(0, 40, (64, 32, 3), dtype=np.uint8)
    changed = {name: (Direct(name).embed(cover, {receivers[0]: data(200)}) != cover) for name in ("cost", "uniform")}
    assert changed["cost"][:, :24].mean() < 0.02 * changed["cost"][:, 32:].mean()
    assert changed["uniform"][:, :24].mean() > 0.7 * changed["uniform"][:, 32:].mean()


def test_fewer_bytes_change_less(cover: Picture, receivers: list[ReceiverSeeds]) -> None:
    figures = [psnr(cover, Direct().embed(cover, {receivers[0]: data(n)})) for n in (20, 200, 1000)]
    assert figures[0] > figures[1] + 3 > figures[2] + 6


@pytest.mark.parametrize("side", [64, 128])
def test_capacity_predicts_the_stego_with_its_address(side: int, scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    cover = scene(side, side, 4)
    for scheme in (Direct(), Direct("uniform")):
        for wanted, n in scheme.capacity(cover, (52, 58)).at.items():
            reached = psnr(cover, scheme.embed(cover, {receivers[0]: data(n)}, envelope=ENVELOPE))
            assert wanted - 0.2 < reached < wanted + 1


def test_bits_are_what_the_entropy_of_the_changes_allows(scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    """With one law for all, changes at rate p carry h(p) + p bits each: nothing above it, and little below."""
    cover = np.clip(scene(256, 256, 4), 1, 254)
    n = 10_000
    p = np.mean(Direct("uniform").embed(cover, {receivers[0]: data(n)}) != cover)
    bound = cover.size * (p - p * np.log2(p) - (1 - p) * np.log2(1 - p))
    assert 0.985 * bound < 8 * n < 1.002 * bound


def misfit(delta: np.ndarray, law: np.ndarray) -> tuple[float, int]:
    """Chi-square of values -3…3 against a cumulative law, and its degrees of freedom; values below 8 expected join."""
    expected = len(delta) * np.diff(law) / 2**30
    counts = np.bincount(delta + 3, minlength=7)
    assert (counts[expected == 0] == 0).all()
    often = expected >= 8
    e = np.append(expected[often], expected[~often].sum())
    c = np.append(counts[often], counts[~often].sum())
    e, c = e[e > 0], c[e > 0]
    return float(((c - e) ** 2 / e).sum()), len(e) - 1


def fits(delta: np.ndarray, classes: np.ndarray, sigma: Any) -> list[bool]:
    """Whether the values have the law of grain, for each class of levels."""
    results = []
    for i, law in enumerate(grain_distributions(sigma)):
        value, degrees = misfit(delta[classes == i], law)
        results.append(value < LIMITS[degrees])
    return results


@pytest.mark.parametrize("sigma", [0.5, 1.0, 2.0])
def test_grain_has_its_law_whatever_it_holds(sigma: float, bright: Picture, seed: Seed) -> None:
    """Over ten keys, a message of zeros that fills a third, at each distance to black and white; decoys the same."""
    scheme = Direct("grain", sigma)
    content = bytes(scheme.capacity(bright).most // 3)
    hidden, decoys = [], []
    for i in range(10):
        seeds = ReceiverSeeds(seed.derive(f"d{i}"), seed.derive(f"h{i}"))
        hidden.append(scheme.embed(bright, {seeds: content}))
        decoys.append(scheme.decoy(bright, seed.derive(f"decoy/{i}")))
    classes = np.tile(grain_classes(bright).reshape(-1), 10)
    for pictures in (hidden, decoys):
        delta = (np.stack(pictures).astype(int) - bright).reshape(-1)
        assert all(fits(delta, classes, Fraction(str(sigma))))
        # Another law is seen: σ larger by 3 %, and grain that knows nothing of black and white.
        assert not all(fits(delta, classes, Fraction(str(sigma)) * 103 / 100))


def test_levels_that_carry_nothing_have_grain_too(cover: Picture, seed: Seed) -> None:
    """Two black ones and two white ones are too few to code with."""
    grey = np.clip(cover, 10, 240)
    few = (np.array([3, 40, 9, 50]), np.array([5, 20, 44, 60]), np.array([0, 1, 2, 0]))
    grey[few] = (0, 0, 255, 255)
    seeds = [ReceiverSeeds(seed.derive(f"d{i}"), seed.derive(f"h{i}")) for i in range(20)]
    delta = [Direct("grain").embed(grey, {each: b"x"})[few].astype(int) - grey[few] for each in seeds]
    # Black and white stay as they are with probability 0.7.
    assert 10 <= np.count_nonzero(delta) <= 40


def test_grain_that_is_reflected_at_black_is_seen(bright: Picture, seed: Seed) -> None:
    grey = np.full((10, *bright.shape), 128, np.uint8)
    free = Direct("grain").decoy(grey.reshape(-1, bright.shape[1], 3), seed).astype(int).reshape(grey.shape) - 128
    classes = np.tile(grain_classes(bright), (10, 1, 1, 1))
    for levels, fitting in ((np.maximum(bright + free, 0), True), (np.abs(bright + free), False)):
        for i in (0, 1):
            value, degrees = misfit((levels - bright)[classes == i], grain_distributions(Fraction(1))[i])
            assert (value < LIMITS[degrees]) == fitting


def test_no_receiver_is_refused(cover: Picture) -> None:
    with pytest.raises(UsageError):
        Direct().embed(cover, {})
