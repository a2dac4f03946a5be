"""Small numbers as few bytes: arithmetic coding with frequencies that learn, each context its own.

After I. H. Witten, R. M. Neal and J. G. Cleary, "Arithmetic coding for data compression", Comm. ACM 30 (1987). It is for
the few hundred numbers of a header: exact fractions of Python's integers, no renormalisation.
"""

from collections.abc import Hashable, Sequence

_STEP = 24  # what a symbol's frequency grows by each time; others begin at 1
_MOST = 1 << 13


class _Frequencies:
    """How often each symbol was seen in each context."""

    def __init__(self, symbols: int) -> None:
        self._symbols = symbols
        self._counts: dict[Hashable, list[int]] = {}

    def of(self, context: Hashable) -> list[int]:
        return self._counts.setdefault(context, [1] * self._symbols)

    def learn(self, context: Hashable, symbol: int) -> None:
        counts = self.of(context)
        counts[symbol] += _STEP
        # Neighbours of a number are likelier than numbers far away.
        for near in (symbol - 1, symbol + 1):
            if 0 <= near < self._symbols:
                counts[near] += _STEP // 8
        if sum(counts) > _MOST:
            counts[:] = [(count + 1) // 2 for count in counts]


class Encoder:
    """Collects symbols 0…symbols-1 of one alphabet after another; `finish` gives the bytes."""

    def __init__(self) -> None:
        self._low, self._range, self._scale = 0, 1, 1  # [low, low + range) of scale
        self._tables: dict[int, _Frequencies] = {}

    def put(self, symbol: int, symbols: int, context: Hashable = None) -> None:
        """Add a symbol of an alphabet of that size, in a context that the decoder knows too."""
        table = self._tables.setdefault(symbols, _Frequencies(symbols))
        counts = table.of(context)
        total = sum(counts)
        self._low = self._low * total + self._range * sum(counts[:symbol])
        self._range *= counts[symbol]
        self._scale *= total
        table.learn(context, symbol)

    def finish(self) -> bytes:
        """Shortest whole number of bytes whose fraction lies in the interval."""
        size = 0
        while True:
            # The least fraction k / 256^size that is not below the interval.
            k = -(-self._low * 256**size // self._scale)
            if k * self._scale < (self._low + self._range) * 256**size:
                return k.to_bytes(size, "big")
            size += 1


class Decoder:
    """Reads the symbols that an `Encoder` put, given the same alphabets and contexts. Any bytes give some symbols."""

    def __init__(self, data: bytes) -> None:
        self._low, self._range, self._scale = 0, 1, 1
        self._value, self._unit = int.from_bytes(data, "big"), 256 ** len(data)
        self._tables: dict[int, _Frequencies] = {}

    def get(self, symbols: int, context: Hashable = None) -> int:
        """Next symbol."""
        table = self._tables.setdefault(symbols, _Frequencies(symbols))
        counts = table.of(context)
        total = sum(counts)
        # The fraction's place within the interval, in units of the total.
        place = (self._value * self._scale - self._low * self._unit) * total // (self._range * self._unit)
        symbol = _which(counts, min(max(place, 0), total - 1))
        self._low = self._low * total + self._range * sum(counts[:symbol])
        self._range *= counts[symbol]
        self._scale *= total
        table.learn(context, symbol)
        return symbol


def _which(counts: Sequence[int], place: int) -> int:
    for symbol, count in enumerate(counts):
        place -= count
        if place < 0:
            return symbol
    raise AssertionError("the place is below the total")
