import numpy as np
import pytest

from csfnns.payloads.bits import HEADER_COPIES, BitCodec, soft_bits

CODEC = BitCodec(outputs=3000, header=100)
RANDOM = np.random.default_rng(1)
HEADER, BODY = RANDOM.integers(0, 2, 100, np.uint8), RANDOM.integers(0, 2, 2000, np.uint8)


def test_bits_come_back_from_an_output_of_any_shape_and_scale() -> None:
    signs = CODEC.encode(HEADER, BODY)
    output = (0.3 * signs).reshape(3, 50, 20)
    assert np.array_equal(CODEC.decode_header(output) < 0, HEADER == 1)
    assert np.array_equal(CODEC.decode_body(output, 2000) < 0, BODY == 1)


def test_what_carries_nothing_is_free() -> None:
    signs = CODEC.encode(HEADER, BODY)
    assert np.abs(signs[: HEADER_COPIES * 100 + 2000]).min() == 1
    assert not signs[HEADER_COPIES * 100 + 2000 :].any()
    assert CODEC.room == 3000 - HEADER_COPIES * 100


def test_the_header_profits_from_both_copies() -> None:
    signs = CODEC.encode(HEADER, BODY)
    signs[:40] *= -1
    signs[100:200] *= 3
    assert np.array_equal(CODEC.decode_header(signs) < 0, HEADER == 1)


@pytest.mark.parametrize("deviation", [0.5, 0.8, 1.2])
@pytest.mark.parametrize("amplitude", [0.1, 1.0, 7.0])
def test_soft_bits_say_how_sure_they_are(deviation: float, amplitude: float) -> None:
    """Calibrated: of numbers whose soft bits promise a share of errors, that share is wrong."""
    sent = RANDOM.integers(0, 2, 60_000)
    noise = deviation * RANDOM.standard_normal(60_000)
    llr = soft_bits((amplitude * (1 - 2 * sent + noise)).astype(np.float32)).astype(float)
    wrong = (llr < 0) != (sent == 1)
    assert wrong.mean() == pytest.approx(float(np.mean(1 / (1 + np.exp(np.abs(llr))))), rel=0.15, abs=0.002)
    assert np.polyfit(1 - 2 * sent + noise, llr, 1)[0] == pytest.approx(2 / deviation**2, rel=0.15)


def test_silence_says_nothing() -> None:
    assert not soft_bits(np.zeros(50, np.float32)).any()
    assert np.isfinite(soft_bits(np.ones(50, np.float32))).all()
