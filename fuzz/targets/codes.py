"""Codes: what is decoded is what was encoded, or nothing."""

from contextlib import suppress
from functools import cache

import numpy as np

from csfnns.coding import arithmetic
from csfnns.coding import reed_solomon as rs
from csfnns.coding.arithmetic import TOTAL
from csfnns.coding.ldpc import RATES, Ldpc
from csfnns.errors import DamagedError
from csfnns.stream import Seed
from fuzz.fields import Fields, check

SEED = Seed(bytes(range(32)))


def arithmetic_coder(data: bytes) -> None:
    """Bits come back from their symbols, whatever the distributions; other symbols give bits or an error."""
    fields = Fields(data)
    rows, symbols, length = 1 + fields.number(4), 1 + fields.number(8), fields.number(48)
    edges = [sorted(fields.number(TOTAL + 1) for _ in range(symbols - 1)) for _ in range(rows)]
    distributions = np.array([[0, *each, TOTAL] for each in edges], np.int64)
    which = np.frombuffer(fields.take(1 + fields.number(256)), np.uint8) % rows
    other, stream = np.frombuffer(fields.take(len(which)), np.uint8) % symbols, fields.take(length)
    decoded = arithmetic.decode(distributions, which, stream, 8 * length, stop=bool(length % 2))
    if decoded.determined:
        used = which[: len(decoded.symbols)]
        check(arithmetic.encode(distributions, used, decoded.symbols, 8 * length) == stream, "other bits came back")
    with suppress(DamagedError):
        arithmetic.encode(distributions, which, other.astype(np.int64), 8 * length)


def reed_solomon(data: bytes) -> None:
    """Up to half as many wrong bytes as check bytes are corrected; with more, what is found is a word as near as that."""
    fields = Fields(data)
    checks = 1 + fields.number(32)
    places = [fields.number(255) for _ in range(fields.number(24))]
    changes = fields.take(len(places))
    message = fields.rest()[: min(60, rs.LONGEST - checks)]
    word = bytearray(rs.encode(message, checks))
    for place, change in zip(places, changes, strict=True):
        word[place % len(word)] ^= change
    wrong = sum(a != b for a, b in zip(word, rs.encode(message, checks), strict=True))
    found = rs.decode(bytes(word), checks)
    if wrong <= checks // 2:
        check(found == (message, wrong), f"{wrong} wrong bytes of {checks} checks were not corrected")
    elif found is not None:
        off = sum(a != b for a, b in zip(word, rs.encode(found[0], checks), strict=True))
        check(off == found[1] <= checks // 2, "what was found is no word nearby")


def ldpc(data: bytes) -> None:
    """A word with a few doubtful bits is found; whatever is received gives a word or nothing."""
    fields = Fields(data)
    rate = fields.number(len(RATES))
    code = _code(rate, (88, 104, 192)[fields.number(3)])
    bits = np.unpackbits(np.frombuffer(fields.take(code.bits // 8), np.uint8))
    doubtful = {fields.number(code.length) for _ in range(fields.number(4))}
    llr = 8.0 * (1 - 2.0 * code.encode(bits)).astype(np.float32)
    llr[list(doubtful)] = 0
    found = code.decode(llr)
    if len(doubtful) <= 1:
        check(found is not None, "a word with one doubtful bit was not found")
    noise = np.frombuffer(fields.rest()[: 4 * code.length].ljust(4 * code.length, b"\0"), "<f4")
    with np.errstate(all="ignore"):
        other = code.decode(llr + np.nan_to_num(noise, posinf=0, neginf=0))
    for each in (found, other):
        check(each is None or (each.shape == bits.shape and each.max() <= 1), "what was found is no word")
    check(found is None or len(doubtful) > 3 - rate // 2 or np.array_equal(found, bits), "another word was found")


@cache
def _code(rate: int, bits: int) -> Ldpc:
    return Ldpc(RATES[rate], bits, SEED)
