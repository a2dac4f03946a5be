"""What targets are made of: fields of a case, and the finding that a result is wrong."""


class Wrong(Exception):
    """A result that contradicts what is known about the case."""


def check(right: bool, claim: str) -> None:
    """Raise Wrong unless the claim holds."""
    if not right:
        raise Wrong(claim)


class Fields:
    """Numbers and bytes read one after another from the bytes of a case; zeros follow their end."""

    def __init__(self, data: bytes) -> None:
        self._data, self._at = data, 0

    def take(self, n: int) -> bytes:
        """Return the next `n` bytes."""
        part = self._data[self._at : self._at + n]
        self._at += n
        return part.ljust(n, b"\0")

    def number(self, bound: int) -> int:
        """Return a number of 0…bound-1, from one byte where that can hold all of them, else from four."""
        return int.from_bytes(self.take(1 if bound <= 256 else 4), "big") % bound

    def rest(self) -> bytes:
        """Return all bytes that are left."""
        part, self._at = self._data[self._at :], len(self._data)
        return part
