from collections.abc import Callable

import numpy as np
import pytest
import torch

from csfnns.decoders import make_decoder
from csfnns.errors import CapacityError, DamagedError, NoMessageError, UsageError
from csfnns.images.io import Picture
from csfnns.images.metrics import psnr
from csfnns.methods import ReceiverSeeds
from csfnns.methods.robust_bits import HEADER_BITS, MARGIN, Margin, NeuralBits
from csfnns.payloads.seal import open_header
from csfnns.profile import make_profile
from csfnns.search import SearchState, parse_channel
from csfnns.stream import Seed

Scene = Callable[..., Picture]
PROFILE = make_profile("robust", width=128, height=128)
SCHEME = NeuralBits(PROFILE, steps=60)
DATA = Seed(bytes(32)).stream().take(60)


@pytest.fixture(scope="module")
def cover(scene: Scene) -> Picture:
    return scene(128, 128, 3)


@pytest.fixture(scope="module")
def stego(cover: Picture, receivers: list[ReceiverSeeds]) -> Picture:
    """Prepared for JPEG of quality 75 to 95."""
    return SCHEME.embed(cover, {receivers[0]: DATA})


def through(channel: str, picture: Picture) -> Picture:
    return parse_channel(channel)(picture, np.random.default_rng(0))


@pytest.mark.parametrize(
    "channel",
    [
        "jpeg:75/420",
        "jpeg:75/444",
        "jpeg:83/420",
        "jpeg:95/444",
        "noise:2",
        "mismatch:0.05",
        "noise:1+jpeg:90/420",
    ],
)
def test_bytes_survive(channel: str, stego: Picture, cover: Picture, receivers: list[ReceiverSeeds]) -> None:
    assert SCHEME.extract(through(channel, stego), cover, receivers[0]) == DATA


def test_the_stego_itself_is_read_and_is_near_its_cover(
    stego: Picture, cover: Picture, receivers: list[ReceiverSeeds]
) -> None:
    assert SCHEME.extract(stego, cover, receivers[0]) == DATA
    assert psnr(stego, cover) > 40


def test_what_the_channel_does_is_tested(stego: Picture, cover: Picture, receivers: list[ReceiverSeeds]) -> None:
    assert SCHEME.losses(stego, cover, {receivers[0]: DATA}) == []
    hard = NeuralBits(PROFILE, parse_channel("jpeg:75", "jpeg:5/420"))
    assert hard.losses(stego, cover, {receivers[0]: DATA}) == ["jpeg:5/420"]
    every = [str(case) for case in SCHEME.channel.cases()]
    assert SCHEME.losses(stego, cover, {receivers[0]: b"other"}) == every


def test_other_keys_other_covers_and_plain_covers_hold_nothing(
    stego: Picture, cover: Picture, scene: Scene, receivers: list[ReceiverSeeds]
) -> None:
    for seeds in (
        receivers[1],
        ReceiverSeeds(receivers[0].decoder, receivers[1].header),
        ReceiverSeeds(receivers[1].decoder, receivers[0].header),
    ):
        with pytest.raises(NoMessageError):
            SCHEME.extract(stego, cover, seeds)
    for picture, other in ((cover, cover), (through("jpeg:75", cover), cover), (stego, scene(128, 128, 4))):
        with pytest.raises(NoMessageError):
            SCHEME.extract(picture, other, receivers[0])


def test_damage_gives_an_error_and_never_other_bytes(
    stego: Picture, cover: Picture, receivers: list[ReceiverSeeds]
) -> None:
    seen = set()
    for sigma in (3, 4, 5, 6, 7, 8, 10, 12, 15, 20, 40):
        try:
            assert SCHEME.extract(through(f"noise:{sigma}", stego), cover, receivers[0]) == DATA
            seen.add("exact")
        except DamagedError:
            seen.add("damaged")
        except NoMessageError:
            seen.add("nothing")
    assert seen == {"exact", "damaged", "nothing"}


def test_what_is_not_to_survive_so_much_changes_less(
    stego: Picture, cover: Picture, receivers: list[ReceiverSeeds]
) -> None:
    weak = NeuralBits(PROFILE, steps=60, strength=0.3).embed(cover, {receivers[0]: DATA})
    short = SCHEME.embed(cover, {receivers[0]: DATA[:4]})
    assert psnr(weak, cover) > psnr(stego, cover) + 1
    assert psnr(short, cover) > psnr(stego, cover) + 1


def test_a_full_cover_comes_back_and_a_byte_more_is_refused(cover: Picture, receivers: list[ReceiverSeeds]) -> None:
    scheme = NeuralBits(PROFILE, parse_channel("noise:1"), steps=60)
    data = Seed(bytes(32)).stream().take(scheme.room)
    assert scheme.extract(scheme.embed(cover, {receivers[0]: data}), cover, receivers[0]) == data
    with pytest.raises(CapacityError, match=f"{scheme.room + 1} bytes"):
        scheme.embed(cover, {receivers[0]: data + b"x"})
    with pytest.raises(CapacityError):
        scheme.embed(cover, dict.fromkeys(receivers[:2], data[: scheme.room * 6 // 10]))


def test_capacity_is_what_survived(cover: Picture, receivers: list[ReceiverSeeds]) -> None:
    easy = NeuralBits(PROFILE, parse_channel("noise:1"), steps=60)
    hard = NeuralBits(PROFILE, parse_channel("jpeg:1"), steps=10, strength=0.1)
    assert easy.capacity(cover) == easy.room > 200
    assert hard.capacity(cover) == 0


def test_a_cover_too_small_for_a_header_has_no_room() -> None:
    small = NeuralBits(make_profile("robust", width=64, height=64))
    assert small.room == 0
    with pytest.raises(CapacityError):
        small.embed(np.zeros((64, 64, 3), np.uint8), {ReceiverSeeds(Seed(bytes(32)), Seed(bytes(32))): b""})


def test_large_covers_are_searched_in_parts(scene: Scene, receivers: list[ReceiverSeeds]) -> None:
    wide = scene(64, 528, 5)
    scheme = NeuralBits(make_profile("robust", width=528, height=64), steps=60)
    seen: list[tuple[int, int]] = []
    stego = scheme.embed(wide, {receivers[0]: DATA}, progress=lambda *now: seen.append(now))
    assert scheme.losses(stego, wide, {receivers[0]: DATA}) == []
    assert seen == [(i + 1, 120) for i in range(120)]


def test_settings_that_cannot_be_are_refused(cover: Picture) -> None:
    with pytest.raises(UsageError, match="trellis"):
        NeuralBits(make_profile())
    for strength in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(UsageError, match="strength"):
            NeuralBits(PROFILE, strength=strength)
    with pytest.raises(UsageError):
        SCHEME.embed(cover, {})


def test_the_term_is_0_where_every_bit_is_right_by_the_margin(receivers: list[ReceiverSeeds]) -> None:
    part = make_decoder(PROFILE, receivers[0].decoder).parts()[0]
    delta = torch.randn(1, 3, 128, 128, generator=torch.Generator().manual_seed(1)) / 255
    output = part.decoder(delta)
    state = SearchState(torch.full_like(delta, 0.5), delta)
    clear = torch.nonzero(output[0].abs() > MARGIN)[:, 0]
    assert Margin(part.decoder, clear, output[0, clear].sign())(state).item() == 0
    wrong = Margin(part.decoder, clear, -output[0, clear].sign())(state).item()
    assert wrong == pytest.approx(float((output[0, clear].abs() + MARGIN).square().sum() / output.numel()))


def test_the_first_bits_are_the_header_as_it_is(receivers: list[ReceiverSeeds]) -> None:
    """So docs/format-files.md tells: the words begin with what they carry, and the header stands there twice."""
    signs = SCHEME._jobs({receivers[0]: DATA})[0].signs
    header = np.packbits(signs[:HEADER_BITS] < 0).tobytes()
    assert open_header(header, receivers[0].header) == len(DATA).to_bytes(4, "big") + bytes([0])
    assert np.array_equal(signs[:352], signs[352:704])
    assert np.count_nonzero(signs) == 704 + 2 * 8 * (len(DATA) + 16)
