"""Erasure code: any k of n pieces give all back, and the field is one."""

import itertools
import random

import hypothesis.strategies as st
import numpy as np
import pytest
from hypothesis import given, settings

import other_program
from csfnns.coding.erasure import MOST_PIECES, Parity, recover


def parity_of(pieces: list[bytes], count: int) -> list[bytes]:
    parity = Parity(range(count), len(pieces[0]))
    for index, piece in enumerate(pieces):
        parity.add(index, piece)
    return [parity.piece(number) for number in range(count)]


def test_parity_is_what_the_format_says() -> None:
    draw = random.Random(1)
    pieces = {i: draw.randbytes(6) for i in (0, 1, 2, 300, MOST_PIECES - 3)} | {7: b"\x00\x00\xff\xff\x00\x01"}
    parity = Parity([0, 2], 6)
    for index, piece in pieces.items():
        parity.add(index, piece)
    assert [parity.piece(j) for j in (0, 2)] == [other_program.parity(pieces, j) for j in (0, 2)]


def test_every_choice_of_k_pieces_gives_all() -> None:
    draw = random.Random(2)
    k, spare = 4, 3
    pieces = [draw.randbytes(10) for _ in range(k)]
    parity = parity_of(pieces, spare)
    for lost in itertools.chain.from_iterable(itertools.combinations(range(k + spare), n) for n in range(spare + 1)):
        missing = [i for i in lost if i < k]
        left = [j for j in range(spare) if k + j not in lost][: len(missing)]
        others = ((i, piece) for i, piece in enumerate(pieces) if i not in missing)
        assert recover(missing, {j: parity[j] for j in left}, others) == {i: pieces[i] for i in missing}


@given(st.integers(1, 40), st.integers(0, 12), st.randoms(use_true_random=False))
@settings(max_examples=40, deadline=None)
def test_any_k_of_n(k: int, spare: int, draw: random.Random) -> None:
    pieces = [draw.randbytes(8) for _ in range(k)]
    parity = parity_of(pieces, spare)
    lost = set(draw.sample(range(k + spare), spare))
    missing = [i for i in range(k) if i in lost]
    numbers = [j for j in range(spare) if k + j not in lost]
    draw.shuffle(numbers)
    others = ((i, pieces[i]) for i in range(k) if i not in lost)
    assert recover(missing, {j: parity[j] for j in numbers[: len(missing)]}, others) == {i: pieces[i] for i in missing}


@pytest.mark.parametrize("size", [0, 2])
def test_pieces_without_a_bit_set(size: int) -> None:
    parity = parity_of([bytes(size)] * 3, 2)
    assert parity == [bytes(size)] * 2
    assert recover([1], {1: parity[1]}, [(0, bytes(size)), (2, bytes(size))]) == {1: bytes(size)}
    assert not np.any(np.frombuffer(parity[0], np.uint8))
