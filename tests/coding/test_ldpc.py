from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.coding.ldpc import RATES, Ldpc, Rate
from csfnns.stream import Seed
from other_program import parities

EACH = pytest.mark.parametrize("rate", RATES, ids=lambda rate: f"{rate.numerator}-{rate.denominator}")

# Eb/N0 in dB at which words of 2048 bits come through.
NEEDED = {(1, 4): 1.7, (1, 2): 1.9, (2, 3): 3.1, (3, 4): 3.4, (5, 6): 4.3}


def bits(n: int, which: int = 0) -> Any:
    return np.random.default_rng(which).integers(0, 2, n, np.uint8)


def received(word: Any, rate: float, decibels: float, which: int) -> Any:
    """Log-likelihoods behind normal noise of so many dB of Eb/N0."""
    variance = 1 / (2 * rate * 10 ** (decibels / 10))
    noise = variance**0.5 * np.random.default_rng(which).standard_normal(len(word))
    return (2 * (1 - 2.0 * word + noise) / variance).astype(np.float32)


@EACH
@pytest.mark.parametrize("n", [88, 128, 1001])
def test_words_come_back_and_have_the_promised_length(rate: Rate, n: int, seed: Seed) -> None:
    code = Ldpc(rate, n, seed)
    word = code.encode(bits(n))
    assert len(word) == code.length == n + rate.parities(n)
    assert n / code.length == pytest.approx(rate.numerator / rate.denominator, rel=0.02)
    assert np.array_equal(word[:n], bits(n))
    assert np.array_equal(code.decode((5 - 10.0 * word).astype(np.float32)), bits(n))


@EACH
def test_every_check_holds_different_bits_and_every_bit_stands_in_three(rate: Rate, seed: Seed) -> None:
    members = Ldpc(rate, 500, seed)._members
    assert members.shape == (rate.parities(500), rate.check_size)
    assert all(len(set(row)) == rate.check_size for row in members.tolist())
    assert np.bincount(members.ravel(), minlength=500).min() == 3


@EACH
def test_a_word_is_linear_and_satisfies_its_checks(rate: Rate, seed: Seed) -> None:
    code = Ldpc(rate, 300, seed)
    a, b = bits(300, 1), bits(300, 2)
    assert np.array_equal(code.encode(a) ^ code.encode(b), code.encode(a ^ b))
    parity = code.encode(a)[300:]
    for i, row in enumerate(code._members):
        before = parity[i - 1] if i else 0
        assert (int(a[row].sum()) + int(before) + int(parity[i])) % 2 == 0


@EACH
def test_noise_near_the_limit_is_corrected_and_more_is_refused(rate: Rate, seed: Seed) -> None:
    code, decibels = Ldpc(rate, 2048, seed), NEEDED[rate.numerator, rate.denominator]
    true_rate = rate.numerator / rate.denominator
    for which in range(5):
        sent = bits(2048, which)
        llr = received(code.encode(sent), true_rate, decibels, which)
        assert np.any((llr < 0) != code.encode(sent))
        assert np.array_equal(code.decode(llr), sent)
    assert code.decode(received(code.encode(bits(2048)), true_rate, -3, 9)) is None


def test_certain_bits_make_up_for_lost_ones(seed: Seed) -> None:
    code = Ldpc(RATES[1], 1000, seed)
    llr = (8 - 16.0 * code.encode(bits(1000))).astype(np.float32)
    llr[np.random.default_rng(3).permutation(code.length)[: code.length * 2 // 5]] = 0
    assert np.array_equal(code.decode(llr), bits(1000))


def test_a_code_is_its_seeds_alone_and_the_same_on_every_machine(seed: Seed) -> None:
    information = np.unpackbits(np.arange(0, 240, 20, dtype=np.uint8))
    word = Ldpc(RATES[1], 96, seed).encode(information)
    assert np.packbits(word[96:]).tobytes().hex() == "c000d04f4aa1acd09adb68d8"
    assert not np.array_equal(word, Ldpc(RATES[1], 96, seed.derive("other")).encode(information))


def test_rates_are_those_of_the_format() -> None:
    """The rows R, a and D of the table in docs/format-files.md."""
    lines = (Path(__file__).parents[2] / "docs" / "format-files.md").read_text("utf-8").splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| R |"))
    table = [[cell.strip() for cell in line.split("|")[2:-1]] for line in lines[start : start + 5]]
    found = [[f"{rate.numerator}/{rate.denominator}", str(rate.check_size), str(rate.degree)] for rate in RATES]
    assert found == [list(column) for column in zip(table[0], *table[3:], strict=True)]


@EACH
@pytest.mark.parametrize("n", [88, 300])
def test_parity_is_as_the_format_tells(rate: Rate, n: int, seed: Seed) -> None:
    """By a program that was written from docs/format.md."""
    word = Ldpc(rate, n, seed).encode(bits(n))
    theirs = parities(bits(n).tolist(), rate.parities(n), rate.check_size, rate.degree, seed.data)
    assert word[n:].tolist() == theirs


def test_no_code_is_too_short_for_its_degrees(seed: Seed) -> None:
    with pytest.raises(ValueError, match="88"):
        Ldpc(RATES[0], 87, seed)


def test_nonsense_is_no_word(seed: Seed) -> None:
    code = Ldpc(RATES[1], 400, seed)
    noise = 4 * np.random.default_rng(1).standard_normal(code.length).astype(np.float32)
    assert code.decode(noise) is None
