"""Adaptive arithmetic coding for the few hundred small numbers of a header, each context with its own frequencies.

I. H. Witten, R. M. Neal and J. G. Cleary, "Arithmetic coding for data compression", Comm. ACM 30 (1987), with exact
fractions of Python's integers and no renormalisation.
"""

from collections.abc import Hashable

_INCREMENT = 24  # of a symbol's frequency each time it is coded; all start at 1
_MAX_TOTAL = 1 << 13


class _Coder:
    """An interval [low, low + range) of scale, and the frequencies of each alphabet size and context."""

    def __init__(self) -> None:
        self._low, self._range, self._scale = 0, 1, 1
        self._counts: dict[tuple[int, Hashable], list[int]] = {}

    def _frequencies(self, symbols: int, context: Hashable) -> list[int]:
        return self._counts.setdefault((symbols, context), [1] * symbols)

    def _narrow(self, counts: list[int], symbol: int) -> None:
        """Narrow the interval to a symbol, and count it."""
        total = sum(counts)
        self._low = self._low * total + self._range * sum(counts[:symbol])
        self._range *= counts[symbol]
        self._scale *= total
        counts[symbol] += _INCREMENT
        for neighbour in (symbol - 1, symbol + 1):  # numbers close to this one become more likely, too
            if 0 <= neighbour < len(counts):
                counts[neighbour] += _INCREMENT // 8
        if sum(counts) > _MAX_TOTAL:
            counts[:] = [(count + 1) // 2 for count in counts]


class Encoder(_Coder):
    """Encodes symbols one after another; `finish` returns the bytes."""

    def put(self, symbol: int, symbols: int, context: Hashable = None) -> None:
        """Encode a symbol in 0…symbols-1, in a context that the decoder knows, too."""
        self._narrow(self._frequencies(symbols, context), symbol)

    def finish(self) -> bytes:
        """Return the shortest byte string whose fraction lies in the interval."""
        size = 0
        while True:
            k = -(-self._low * 256**size // self._scale)  # the least k / 256^size in the interval or above it
            if k * self._scale < (self._low + self._range) * 256**size:
                return k.to_bytes(size, "big")
            size += 1


class Decoder(_Coder):
    """Decodes what an `Encoder` wrote, given the same alphabets and contexts. Any bytes decode to some symbols."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self._value, self._unit = int.from_bytes(data, "big"), 256 ** len(data)

    def get(self, symbols: int, context: Hashable = None) -> int:
        """Return the next symbol."""
        counts = self._frequencies(symbols, context)
        total = sum(counts)
        # Where in the interval the fraction lies, in units of the total.
        at = (self._value * self._scale - self._low * self._unit) * total // (self._range * self._unit)
        rest = min(max(at, 0), total - 1)
        symbol = 0
        while rest >= counts[symbol]:
            rest -= counts[symbol]
            symbol += 1
        self._narrow(counts, symbol)
        return symbol
