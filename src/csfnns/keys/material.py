"""What a key is made of, and every seed that comes out of it.

    root ─┬─ csfnns/1/cover-key ───────→ k_c ─┬─ (the cover generator's own labels) → covers
          │                                   └─ csfnns/1/key-id ──────────────────→ public name of the key
          └─ csfnns/1/receiver/{name} ─→ k_d ─┬─ csfnns/1/decoder/{message} ───────→ decoder of that message
                                              └─ csfnns/1/header/{message} ────────→ its check value

The sender holds the root. A receiver holds k_c and the k_d of his own name, from which nobody else's follows.
"""

import json
import operator
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self, SupportsIndex

from csfnns.errors import UsageError
from csfnns.profile import Profile, make_profile
from csfnns.stream import SEED_BYTES, Seed

DEFAULT_RECEIVER = "main"
MAX_RECEIVERS = 8
LAST_MESSAGE = 2**32 - 1

Role = Literal["sender", "receiver"]


@dataclass(frozen=True, slots=True)
class Receiver:
    """One who can reveal: his name and his key, k_d of the paper."""

    name: str
    seed: Seed


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """Shared key of one sender and 1…8 receivers, made by `new`, `from_root` or `for_receiver`.

    `cover` is k_c of the paper, shared by all; `root` is None in a receiver's key, which holds one receiver,
    himself. Raises UsageError for names that cannot be.
    """

    profile: Profile
    cover: Seed
    receivers: tuple[Receiver, ...]
    root: Seed | None = None

    def __post_init__(self) -> None:
        check_names(self.names)
        if self.root is None and len(self.receivers) != 1:
            raise UsageError(f"A receiver's key holds one receiver, not {len(self.receivers)}.")

    def __repr__(self) -> str:
        what = f"id={self.id!r}, role={self.role!r}, receivers={self.names!r}, profile={self.profile.name!r}"
        return f"Key({what})"

    @classmethod
    def new(cls, profile: Profile | None = None, receivers: Sequence[str] = ()) -> Self:
        """Key with fresh secrets from the operating system; profile `standard` unless given.

        Without `receivers` there is one, named "main", and the sender's key itself reveals what it hides.
        """
        return cls.from_root(profile or make_profile(), Seed(secrets.token_bytes(SEED_BYTES)), receivers)

    @classmethod
    def from_root(cls, profile: Profile, root: Seed, receivers: Sequence[str] = ()) -> Self:
        """Sender's key with every secret derived from `root`. Raises UsageError for names that cannot be."""
        names = tuple(receivers) or (DEFAULT_RECEIVER,)
        check_names(names)
        each = tuple(Receiver(name, root.derive(f"csfnns/1/receiver/{name}")) for name in names)
        return cls(profile, root.derive("csfnns/1/cover-key"), each, root)

    def for_receiver(self, name: str) -> Self:
        """Key of that receiver alone: it reveals what is hidden for him, and gives no other's key."""
        return type(self)(self.profile, self.cover, (Receiver(name, self._seed(name)),))

    @property
    def role(self) -> Role:
        """Whether this key may hide, or only reveal."""
        return "receiver" if self.root is None else "sender"

    @property
    def names(self) -> tuple[str, ...]:
        """The receivers' names, in the order in which the key was made."""
        return tuple(receiver.name for receiver in self.receivers)

    @property
    def id(self) -> str:
        """Public name of the key, such as "5d0f-91c2-0b7e-44a8": the same for the sender and every receiver.

        64 bits derived from k_c. It tells nothing else about a key with random secrets; but whoever has the
        id of a key made from a passphrase can test guesses of the passphrase against it.
        """
        digits = self.cover.derive("csfnns/1/key-id").data[:8].hex()
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))

    def decoder_seed(self, receiver: str, message: int) -> Seed:
        """Seed of that receiver's decoder for message 1, 2, 3, …

        Raises UsageError for a receiver whom this key does not hold and for a number that cannot be.
        """
        check_message(message)
        return self._seed(receiver).derive(f"csfnns/1/decoder/{message}")

    def header_seed(self, receiver: str, message: int) -> Seed:
        """Secret for the check value in that message's header. Raises like `decoder_seed`."""
        check_message(message)
        return self._seed(receiver).derive(f"csfnns/1/header/{message}")

    def _seed(self, name: str) -> Seed:
        for receiver in self.receivers:
            if receiver.name == name:
                return receiver.seed
        raise UsageError(f"This key holds no receiver {name!r}.", f"It holds: {', '.join(self.names)}.")


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError unless these are 1…8 different receiver names of a-z, 0-9 and "-", up to 32 long."""
    for name in names:
        if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
            raise UsageError(
                f"A receiver cannot be named {name!r}.", "Use 1 to 32 of the characters a-z, 0-9 and -."
            )
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"The receiver {twice!r} is named twice.", "Give each receiver a name of his own.")
    if not 1 <= len(names) <= MAX_RECEIVERS:
        raise UsageError(f"A key holds 1 to {MAX_RECEIVERS} receivers, not {len(names)}.")


def check_message(number: SupportsIndex) -> int:
    """Message number as an int of Python's. Raises UsageError outside 1…2^32-1: 0 is the check cover, never sent."""
    number = operator.index(number)
    if not 1 <= number <= LAST_MESSAGE:
        raise UsageError(f"There is no message number {number}.", f"Numbers go from 1 to {LAST_MESSAGE}.")
    return number


def canonical(content: object) -> str:
    """One text for equal contents, on every machine: JSON with sorted names, no blanks, and ASCII only."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def canonical_profile(profile: Profile) -> str:
    """Every field of the profile that has a value, as canonical JSON."""
    return canonical(profile.model_dump(exclude_none=True))
