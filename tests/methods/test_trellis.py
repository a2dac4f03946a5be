import numpy as np
import pytest

from csfnns.coding import partitions
from csfnns.errors import CapacityError, NoMessageError, SearchError, UsageError
from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr
from csfnns.methods import Direct, Envelope, ReceiverSeeds, Trellis
from csfnns.methods.trellis import photograph_psnr
from csfnns.search import viterbi
from csfnns.stream import Seed

SIDE = 192


def seeds(number: int = 0) -> ReceiverSeeds:
    return ReceiverSeeds(Seed(bytes([number]) * 32), Seed(bytes([number, 1]) * 16))


def scene(height: int, width: int, seed: int = 0, grain: float = 4) -> Picture:
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[:height, :width]
    base = 110 + 60 * np.sin(x / (13 + seed)) + 40 * np.cos(y / 11) + 40 * (x > width / 2)
    return np.clip(base[..., None] + grain * draw.standard_normal((height, width, 3)), 0, 255).astype(np.uint8)


@pytest.fixture(scope="module")
def cover() -> Picture:
    picture = scene(SIDE, SIDE, 7, 3)
    picture[:20, :40] = 255
    picture[-20:, :40] = 0
    return picture


SCHEME = Trellis(states=256)


@pytest.fixture(scope="module")
def stego(cover: Picture) -> Picture:
    return SCHEME.embed(cover, {seeds(): scene(64, 96)})


def stego_psnr(cover: Picture, stego: Picture) -> float:
    return psnr(cover, stego)


def test_a_picture_arrives_as_clear_as_wanted_at_its_own_size(cover: Picture, stego: Picture) -> None:
    found = SCHEME.extract(stego, cover, seeds())
    assert found.grid.shape == (64, 96, 3)
    assert psnr(found.grid, scene(64, 96)) == pytest.approx(38, abs=0.15)
    assert found.expected_psnr == pytest.approx(38, abs=0.25)
    assert found.unchanged


def test_changes_are_of_one_level_and_few(cover: Picture, stego: Picture) -> None:
    delta = stego.astype(int) - cover
    assert np.abs(delta).max() == 1
    assert psnr(cover, stego) > 56


def test_a_receiver_needs_no_settings(cover: Picture, stego: Picture) -> None:
    other = Trellis(recovered=25, stego=45, states=4096, exponent=0, form="numpy")
    assert np.array_equal(other.extract(stego, cover, seeds()).grid, SCHEME.extract(stego, cover, seeds()).grid)


@pytest.mark.parametrize("shape", [(1, 1), (2, 150), (90, 3), (33, 47)])
def test_any_shape_comes_back(cover: Picture, shape: tuple[int, int]) -> None:
    secret = scene(*shape)
    found = SCHEME.extract(SCHEME.embed(cover, {seeds(): secret}), cover, seeds())
    assert found.grid.shape == secret.shape
    assert psnr(found.grid, secret) > 37.8


@pytest.mark.parametrize("level", [0, 77, 255])
def test_one_colour_comes_back_exactly(cover: Picture, level: int) -> None:
    secret = np.full((50, 40, 3), level, np.uint8)
    found = SCHEME.extract(SCHEME.embed(cover, {seeds(): secret}), cover, seeds())
    assert np.array_equal(found.grid, secret)


def test_grey_costs_less_than_colour(cover: Picture) -> None:
    secret = scene(64, 64)
    grey = np.repeat(secret[..., :1], 3, axis=2)
    changed = [float((SCHEME.embed(cover, {seeds(): each}) != cover).mean()) for each in (grey, secret)]
    assert changed[0] < 0.6 * changed[1]


@pytest.mark.parametrize(
    ("recovered", "stego_target", "least"),
    [(36, None, 50), (None, 58, 57.8), (42, None, 45), (37, 52, 51.9)],
)
def test_targets_are_met(cover: Picture, recovered: float | None, stego_target: float | None, least: float) -> None:
    secret = scene(96, 96, grain=8)
    made = Trellis(recovered=recovered, stego=stego_target, states=256)
    stego = made.embed(cover, {seeds(): secret})
    if recovered is None:
        assert psnr(cover, stego) == pytest.approx(58, abs=0.3)
    else:
        assert psnr(made.extract(stego, cover, seeds()).grid, secret) == pytest.approx(
            recovered, abs=0.3
        )  # chance matters in small pictures
    assert psnr(cover, stego) >= least


def test_a_large_picture_spends_down_to_the_stego_and_no_further(cover: Picture) -> None:
    secret = scene(300, 300, grain=20)
    stego = SCHEME.embed(cover, {seeds(): secret})
    assert psnr(cover, stego) == pytest.approx(56, abs=0.3)
    assert 15 < psnr(SCHEME.extract(stego, cover, seeds()).grid, secret) < 37


def test_targets_that_exclude_each_other_are_refused_with_the_closest(cover: Picture) -> None:
    with pytest.raises(SearchError, match=r"cannot be met: the closest is \d+\.\d dB for the stego"):
        Trellis(recovered=45, stego=60, states=64).embed(cover, {seeds(): scene(128, 128, grain=20)})


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"recovered": 10}, "recovered must be a PSNR in 20…90 dB, got 10"),
        ({"recovered": float("nan")}, "recovered must be a PSNR in 20…90 dB, got nan"),
        ({"recovered": 38, "stego": 95}, "stego must be a PSNR in 20…90 dB, got 95"),
        ({"states": 3}, "states must be a power of two in 4…8192, got 3"),
        ({"states": 16384}, "states must be a power of two"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict[str, float], field: str) -> None:
    with pytest.raises(UsageError, match=field):
        Trellis(**settings)  # type: ignore[arg-type]


def test_forecasts_are_near(cover: Picture) -> None:
    for secret in (scene(64, 96), scene(300, 300, grain=20)):
        forecast = SCHEME.forecast(cover.size, secret)
        found = SCHEME.extract(SCHEME.embed(cover, {seeds(): secret}), cover, seeds()).grid
        assert forecast.psnr == pytest.approx(psnr(found, secret), abs=1)
    assert not forecast.clear
    assert SCHEME.forecast(cover.size, scene(64, 96)).clear


def test_photographs_are_clearer_in_larger_covers_and_at_smaller_sizes() -> None:
    small, large = 3 * 512**2, 3 * 2048**2
    found = [
        photograph_psnr(small, 320 * 240),
        photograph_psnr(small, 4000 * 3000),
        photograph_psnr(large, 4000 * 3000),
    ]
    assert found[0] == 38
    assert 20 < found[1] + 3 < found[2] <= 38


def test_another_receivers_seeds_find_nothing(cover: Picture, stego: Picture) -> None:
    for wrong in (
        seeds(1),
        ReceiverSeeds(seeds().decoder, seeds(1).header),
        ReceiverSeeds(seeds(1).decoder, seeds().header),
    ):
        with pytest.raises(NoMessageError, match="finds no picture"):
            SCHEME.extract(stego, cover, wrong)


def test_a_single_level_moved_anywhere_is_noticed(cover: Picture, stego: Picture) -> None:
    draw = np.random.default_rng(3)
    for place in draw.permutation(stego.size)[:25]:
        moved = stego.reshape(-1).copy()
        moved[place] = moved[place] + 1 if moved[place] < 128 else moved[place] - 1
        found = SCHEME.extract(moved.reshape(stego.shape), cover, seeds())
        assert not found.unchanged
        assert found.expected_psnr is None
        assert psnr(found.grid, scene(64, 96)) > 20


@pytest.mark.parametrize(("share", "least"), [(0.0001, 29), (0.001, 20)])
def test_what_was_changed_on_its_way_is_mostly_left(cover: Picture, stego: Picture, share: float, least: float) -> None:
    draw = np.random.default_rng(4)
    moved = stego.astype(int) + draw.choice([-1, 1], stego.shape) * (draw.random(stego.shape) < share)
    found = SCHEME.extract(np.clip(moved, 0, 255).astype(np.uint8), cover, seeds())
    assert not found.unchanged
    assert psnr(found.grid, scene(64, 96)) > least


def test_a_picture_and_a_file_share_a_cover(cover: Picture) -> None:
    secret, content = scene(48, 48), bytes(range(256)) * 2
    stego = SCHEME.embed(cover, {seeds(0): secret, seeds(1): content})
    assert psnr(SCHEME.extract(stego, cover, seeds(0)).grid, secret) > 37.8
    assert Direct("cost").extract(stego, cover, seeds(1)) == content
    with pytest.raises(NoMessageError):
        SCHEME.extract(stego, cover, seeds(1))


def test_shares_nobody_reads_look_like_the_others(cover: Picture) -> None:
    """Of a key with eight receivers, two get something: the stego is as if it were for all."""
    envelope = Envelope(Seed(bytes([9]) * 32), bytes(16), shares=8)
    stego = SCHEME.embed(cover, {seeds(i): scene(16, 16, i) for i in range(2)}, envelope=envelope)
    moved = (stego != cover).reshape(-1)
    rates = np.array([moved[partitions(cover) == i].mean() for i in range(8)])
    assert rates.std() / rates.mean() < 0.06
    assert psnr(cover, stego) == pytest.approx(56, abs=0.5)
    for i in range(2):
        assert psnr(SCHEME.extract(stego, cover, seeds(i), envelope=envelope).grid, scene(16, 16, i)) > 38


def test_all_receivers_places_change_at_one_rate(cover: Picture) -> None:
    # A small secret beside a large one: who knows the cover and the places cannot tell which is which.
    stego = SCHEME.embed(cover, {seeds(0): scene(16, 16), seeds(1): scene(96, 96, grain=8)})
    moved = (stego != cover).reshape(-1)
    rates = np.array([moved[partitions(cover) == i].mean() for i in range(8)])
    assert rates.std() / rates.mean() < 0.06


def test_the_cost_map_spares_smooth_places(cover: Picture) -> None:
    smooth, secret = cover.copy(), scene(64, 96)
    smooth[40:100] = 128
    rates = []
    for exponent in (0.0, 1.0):
        made = Trellis(states=64, exponent=exponent).embed(smooth, {seeds(): secret})
        rates.append(float((made != smooth)[50:90].mean()))
    assert rates[1] < 0.5 * rates[0]


def test_clipped_levels_move_inwards(cover: Picture, stego: Picture) -> None:
    delta = stego.astype(int) - cover
    assert delta[cover == 255].max(initial=0) == 0
    assert delta[cover == 0].min(initial=0) == 0


def test_a_cover_too_small_for_the_header_is_refused() -> None:
    with pytest.raises(CapacityError, match="too small"):
        SCHEME.embed(scene(16, 16), {seeds(): scene(64, 64)})


def test_least_covers_carry_small_pictures() -> None:
    cover = scene(64, 64, 3)
    found = SCHEME.extract(SCHEME.embed(cover, {seeds(): scene(24, 24)}), cover, seeds())
    assert psnr(found.grid, scene(24, 24)) > 30


def test_nine_receivers_are_too_many(cover: Picture) -> None:
    with pytest.raises(UsageError, match="1 to 8 receivers, got 9"):
        SCHEME.check([fit(cover, 8, 8)] * 9)


def test_both_forms_make_the_same_stego(cover: Picture) -> None:
    if viterbi.default_form() != "c":
        pytest.skip("no C compiler built the kernel")
    made = [Trellis(states=64, form=form).embed(cover, {seeds(): scene(32, 32)}) for form in ("c", "numpy")]
    assert np.array_equal(*made)
