import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from csfnns.coding import arithmetic
from csfnns.coding.arithmetic import TOTAL, decode, encode, joint
from csfnns.errors import DamagedError
from csfnns.stream import Seed

# Frequencies from one in 2^30 to nearly all; a frequency of 0 is a symbol that never comes.
FREQUENCIES = st.one_of(st.just(0), st.integers(1, 3), st.integers(1, TOTAL))


@st.composite
def some_distributions(draw_one: st.DrawFn) -> np.ndarray:
    symbols = draw_one(st.integers(2, 7))
    weights = draw_one(st.lists(st.lists(FREQUENCIES, min_size=symbols, max_size=symbols), min_size=1, max_size=4))
    rows = []
    for each in weights:
        sums = np.cumsum([0, *each])
        rows.append([TOTAL * int(value) // int(max(sums[-1], 1)) for value in sums[:-1]] + [TOTAL])
    return np.array(rows, np.int64)


def dice(n: int, label: str = "") -> bytes:
    return Seed(bytes(32)).derive(f"test/{label}").stream().take(n)


def law(*probabilities: float) -> np.ndarray:
    cumulative = np.rint(np.cumsum([0, *probabilities]) * TOTAL).astype(np.int64)
    return cumulative[None]


@settings(deadline=None, max_examples=150)
@given(some_distributions(), st.binary(max_size=24), st.integers(0, 2**32), st.booleans())
def test_bits_come_back_under_any_distributions(
    distributions: np.ndarray, message: bytes, seed: int, stop: bool
) -> None:
    choice = np.random.default_rng(seed).integers(0, len(distributions), 600)
    drawn = decode(distributions, choice, message + dice(300), 8 * len(message), stop=stop)
    symbols = np.concatenate([drawn.symbols, possible(distributions, choice[len(drawn.symbols) :], seed)])
    if drawn.determined:
        assert encode(distributions, choice, symbols, 8 * len(message)) == message
    else:
        with pytest.raises(DamagedError):
            encode(distributions, choice, symbols, 8 * len(message))


@pytest.mark.skipif(arithmetic._decoder() is None, reason="no C compiler built the kernel")
@settings(deadline=None, max_examples=150)
@given(some_distributions(), st.integers(0, 300), st.integers(0, 24), st.integers(0, 2**32), st.booleans())
def test_the_kernel_finds_what_the_form_in_python_finds(
    distributions: np.ndarray, length: int, size: int, seed: int, stop: bool
) -> None:
    choice = np.random.default_rng(seed).integers(0, len(distributions), length)
    given = distributions, choice, dice(40, str(seed)), 8 * size
    found, expected = decode(*given, stop=stop), arithmetic._decode_in_python(*given, stop=stop)
    assert found.symbols.tolist() == expected.symbols.tolist()
    assert found.determined == expected.determined
    drawn = possible(distributions, choice, seed)
    bounds = distributions[choice, drawn], distributions[choice, drawn + 1]
    for most in (1, 5, length + 1):
        assert arithmetic._encode_in_c(*bounds, most) == arithmetic._encode_in_python(*bounds, most)


def possible(distributions: np.ndarray, choice: np.ndarray, seed: int) -> np.ndarray:
    """Symbols that the distributions give, none in particular."""
    die = np.random.default_rng(seed + 1).integers(0, TOTAL, len(choice))
    return np.array(
        [np.searchsorted(distributions[c], d, side="right") - 1 for c, d in zip(choice, die, strict=True)],
        np.int64,
    )


@settings(deadline=None, max_examples=50)
@given(some_distributions(), arrays(np.uint8, 40), st.integers(1, 4))
def test_bits_come_back_from_symbols_taken_together(
    distributions: np.ndarray, message: np.ndarray, group_size: int
) -> None:
    nested = joint(distributions, group_size)
    choice = np.arange(400) % len(distributions)
    drawn = decode(nested, choice, message.tobytes() + dice(900), 8 * 40, stop=False)
    if drawn.determined:
        assert encode(nested, choice, drawn.symbols, 8 * 40) == message.tobytes()


@pytest.mark.parametrize("message", [bytes(40), b"\xff" * 40, b"\x80" + bytes(39), b"\x7f" + b"\xff" * 39])
def test_long_carries_come_back(message: bytes) -> None:
    distributions = law(0.3, 0.4, 0.3)
    choice = np.zeros(300, np.int64)
    for tail in (b"\x55" * 100, dice(100)):
        drawn = decode(distributions, choice, message + tail, 320, stop=True)
        assert drawn.determined
        symbols = np.concatenate([drawn.symbols, np.zeros(300 - len(drawn.symbols), np.int64)])
        assert encode(distributions, choice, symbols, 320) == message


def test_hardly_more_symbols_are_drawn_than_the_bits_fill() -> None:
    distributions = law(*[1 / 8] * 8)  # 3 bits a symbol
    drawn = decode(distributions, np.zeros(5000, np.int64), dice(2000), 12000, stop=True)
    assert 4000 <= len(drawn.symbols) <= 4004


def test_symbols_have_the_law() -> None:
    frequencies = np.array([0.02, 0.11, 0.0, 0.5, 0.37])
    n = 60_000
    drawn = decode(law(*frequencies), np.zeros(n, np.int64), dice(n, "law"), 0, stop=False)
    counts = np.bincount(drawn.symbols, minlength=5)
    assert counts[2] == 0
    expected = n * frequencies[frequencies > 0]
    # 3 degrees of freedom: above 16.3 with probability 0.001.
    assert ((counts[frequencies > 0] - expected) ** 2 / expected).sum() < 16.3


def test_symbols_taken_together_have_the_product_of_the_laws() -> None:
    distributions = np.concatenate([law(0.1, 0.7, 0.2), law(0.0, 0.25, 0.75)])
    nested = joint(distributions, 3)
    assert nested.shape == (2, 28)
    assert (nested[:, 0] == 0).all()
    assert (nested[:, -1] == TOTAL).all()
    for one, three in zip(np.diff(distributions) / TOTAL, np.diff(nested) / TOTAL, strict=True):
        product = np.einsum("i,j,k->ijk", one, one, one).reshape(-1)
        np.testing.assert_allclose(three, product, atol=8 / TOTAL)
        assert (three[product == 0] == 0).all()


def test_a_part_of_the_symbols_is_not_enough() -> None:
    distributions, choice = law(0.3, 0.4, 0.3), np.zeros(300, np.int64)
    drawn = decode(distributions, choice, dice(100), 320, stop=True)
    assert drawn.determined
    with pytest.raises(DamagedError, match="part"):
        encode(distributions, choice[: len(drawn.symbols) - 5], drawn.symbols[:-5], 320)


def test_too_few_symbols_are_noticed_by_the_sender() -> None:
    assert not decode(law(0.5, 0.5), np.zeros(319, np.int64), dice(100), 320, stop=True).determined


def test_a_symbol_that_never_comes_is_noticed() -> None:
    with pytest.raises(DamagedError, match="no message makes"):
        encode(law(0.5, 0, 0.5), np.zeros(3, np.int64), np.array([0, 1, 2]), 0)
