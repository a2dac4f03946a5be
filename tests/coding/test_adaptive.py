import random

from hypothesis import given, settings
from hypothesis import strategies as st

from csfnns.coding.adaptive import Decoder, Encoder

Sequence = list[tuple[int, int, int]]


@given(st.lists(st.tuples(st.integers(0, 7), st.integers(8, 9), st.integers(0, 2)), max_size=60))
@settings(max_examples=60, deadline=None)
def test_symbols_come_back(sequence: Sequence) -> None:
    encoder = Encoder()
    for symbol, symbols, context in sequence:
        encoder.put(symbol, symbols, context)
    decoder = Decoder(encoder.finish())
    assert [decoder.get(symbols, context) for _, symbols, context in sequence] == [s for s, _, _ in sequence]


def test_frequent_symbols_take_little() -> None:
    draw = random.Random(3)
    encoder = Encoder()
    for _ in range(800):
        encoder.put(0 if draw.random() < 0.9 else draw.randrange(8), 8)
    assert len(encoder.finish()) < 800 * 0.9 / 8  # their entropy is 0.8 bits each


def test_nothing_takes_nothing() -> None:
    assert Encoder().finish() == b""


def test_any_bytes_give_symbols_of_the_alphabet() -> None:
    draw = random.Random(4)
    for _ in range(50):
        decoder = Decoder(draw.randbytes(12))
        assert all(0 <= decoder.get(5, i % 3) < 5 for i in range(100))
