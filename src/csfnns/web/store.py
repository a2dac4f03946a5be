"""What the server remembers, in memory alone: forgotten 15 minutes after its last use, or when room is short."""

import secrets
import time
from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock
from typing import Any

from csfnns.errors import UsageError

SECONDS = 15 * 60.0
BYTES = 256 << 20


@dataclass
class _Item:
    kind: str
    value: Any
    size: int
    used: float


class Store:
    """Things by unguessable ids. Methods may be called from any thread."""

    def __init__(self, seconds: float = SECONDS, most: int = BYTES) -> None:
        """`seconds` is how long a thing is kept after its last use, `most` is the size in bytes of all together."""
        self._seconds, self._most = seconds, most
        self._items: OrderedDict[str, _Item] = OrderedDict()  # the one that was used last at the end
        self._size = 0
        self._lock = Lock()

    def put(self, kind: str, value: Any, size: int) -> str:
        """Remember a thing and return its id. Others are forgotten for it, oldest first."""
        identity = secrets.token_urlsafe(16)
        with self._lock:
            self._items[identity] = _Item(kind, value, size, time.monotonic())
            self._size += size
            self._sweep()
        return identity

    def get(self, kind: str, identity: object) -> Any:
        """A thing of that kind. Raises Forgotten."""
        with self._lock:
            self._sweep()
            found = self._items.get(identity) if isinstance(identity, str) else None
            if found is None or found.kind != kind:
                raise Forgotten(kind)
            found.used = time.monotonic()
            self._items.move_to_end(str(identity))
            return found.value

    def drop(self, kind: str, identity: str) -> None:
        """Forget a thing. Raises Forgotten."""
        self.get(kind, identity)
        with self._lock:
            self._remove(identity)

    def sweep(self) -> None:
        """Forget what is too old."""
        with self._lock:
            self._sweep()

    def _sweep(self) -> None:
        oldest = time.monotonic() - self._seconds
        for identity in list(self._items):
            if self._items[identity].used >= oldest and (self._size <= self._most or len(self._items) == 1):
                break
            self._remove(identity)

    def _remove(self, identity: str) -> None:
        found = self._items.pop(identity, None)
        if found is not None:
            self._size -= found.size


class Forgotten(UsageError):
    """A thing that the server does not know, or not any more."""

    def __init__(self, kind: str, hint: str = "Give it again: it is kept for 15 minutes.") -> None:
        super().__init__(f"The server has no such {kind}, or not any more.", hint)
