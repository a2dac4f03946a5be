"""Keys, and every seed that follows from them.

conversation:  root ── csfnns/2/pair/conversation ─────────────────────────────────→ link, both directions
sender's key:  root ─┬─ csfnns/2/pair/{name} ─→ pair root ──┬─ csfnns/2/to-receiver ─→ link to that receiver
                     │                                      └─ csfnns/2/to-sender ───→ link of their answers
                     └─ csfnns/2/group ───────→ group root ─── csfnns/2/to-receiver ─→ link to several
receiver's key:  pair root, group root
link ─┬─ csfnns/2/address ─────────→ address key
      ├─ csfnns/2/cover/{nonce} ───→ cover of a message
      ├─ csfnns/2/decoder/{nonce} ─→ its decoder
      └─ csfnns/2/header/{nonce} ──→ its header
"""

import json
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, Self

from csfnns.errors import UsageError
from csfnns.keys.fingerprint import words
from csfnns.profile import Profile, make_profile
from csfnns.stream import SEED_BYTES, Seed

MAX_RECEIVERS = 8
NO_NONCE = bytes(16)
"""Nonce of the check cover, which no message has."""

Role = Literal["conversation", "sender", "receiver"]


@dataclass(frozen=True, slots=True)
class Link:
    """What two ends, or a sender and all their receivers, share for messages in one direction.

    A nonce has 16 bytes and is never used twice. The nonce of zeros makes the check cover and is never sent.
    """

    seed: Seed

    def address_key(self) -> Seed:
        """Key of the nonces in pictures: where they are and how they are masked and checked."""
        return self.seed.derive("csfnns/2/address")

    def cover_seed(self, nonce: bytes) -> Seed:
        """Seed of the message's cover, k_c of the paper."""
        return self.seed.derive(f"csfnns/2/cover/{nonce.hex()}")

    def decoder_seed(self, nonce: bytes) -> Seed:
        """Seed of the message's decoder, k_d of the paper."""
        return self.seed.derive(f"csfnns/2/decoder/{nonce.hex()}")

    def header_seed(self, nonce: bytes) -> Seed:
        """Secret that masks and authenticates the message's header."""
        return self.seed.derive(f"csfnns/2/header/{nonce.hex()}")


@dataclass(frozen=True, slots=True)
class Route:
    """Who can write to whom on a link."""

    link: Link
    """Address and cover of a message follow from it."""
    readers: dict[str, Link]
    """Name → link from which that reader's decoder and header follow, with the same nonce."""
    author: str | None
    """Who writes on it: "sender", a receiver's name, or None in a conversation, where both ends may have."""


@dataclass(frozen=True, slots=True, repr=False)
class Key:
    """Key of a conversation, of a sender with 1 to 8 receivers, or of one of these receivers.

    Made by `Key.new`, `from_root`, `for_receiver`, `read_key` and `key_from_passphrase`.
    """

    profile: Profile
    role: Role
    pairs: tuple[tuple[str, Seed], ...]
    """Receiver's name and pair root; in a receiver's key their own, in a conversation "receiver" and the link."""
    group: Seed | None = None
    """Group root; None in a conversation."""
    root: Seed | None = None
    """What all of it is derived from; None in a receiver's key."""

    def __post_init__(self) -> None:
        if self.role != "conversation":
            check_names([name for name, _ in self.pairs])

    def __repr__(self) -> str:
        owner = f", owner={self.owner!r}" if self.role == "receiver" else ""
        about = f"id={self.id!r}, role={self.role!r}{owner}, names={self.names!r}"
        return f"Key({about}, profile={self.profile.name!r})"

    @classmethod
    def new(cls, profile: Profile | None = None, receivers: Sequence[str] = ()) -> Self:
        """Key with fresh secrets from the operating system; profile `standard` unless given.

        Without `receivers` it is a conversation: everybody who has a copy can hide and reveal. With up to 8 names
        of a-z, 0-9 and "-", it is the sender's key, which makes the receivers' keys with `for_receiver`. Raises
        UsageError for other names.
        """
        return cls.from_root(profile or make_profile(), Seed(secrets.token_bytes(SEED_BYTES)), receivers)

    @classmethod
    def from_root(cls, profile: Profile, root: Seed, receivers: Sequence[str] = ()) -> Self:
        """Like `new`, with the 256 secret bits given."""
        if not receivers:
            conversation = ("receiver", root.derive("csfnns/2/pair/conversation"))
            return cls(profile, "conversation", (conversation,), None, root)
        pairs = tuple((name, root.derive(f"csfnns/2/pair/{name}")) for name in receivers)
        return cls(profile, "sender", pairs, root.derive("csfnns/2/group"), root)

    def for_receiver(self, name: str) -> Self:
        """Key for that receiver alone: it reveals what is hidden for them and hides answers to the sender.

        No other receiver's key follows from it. Raises UsageError unless this is the key of a sender with that
        receiver.
        """
        if self.role != "sender":
            raise UsageError("Only a sender's key makes receivers' keys.", "Make one: Key.new(profile, names).")
        return type(self)(self.profile, "receiver", ((name, self._pair(name)),), self.group)

    @property
    def names(self) -> tuple[str, ...]:
        """Names to hide for: the receivers', ("sender",) with a receiver's key, ("receiver",) in a conversation."""
        return ("sender",) if self.role == "receiver" else tuple(name for name, _ in self.pairs)

    @property
    def owner(self) -> str | None:
        """Name of the end that this key belongs to: "sender" or a receiver's; None in a conversation."""
        owners = {"conversation": None, "sender": "sender", "receiver": self.pairs[0][0]}
        return owners[self.role]

    @property
    def check_link(self) -> Link:
        """Link whose nonce of zeros makes the check cover: the same for all who have a key of this id."""
        return Link(self.pairs[0][1]) if self.group is None else _to_receiver(self.group)

    @property
    def id(self) -> str:
        """Public name of the key, such as "5d0f-91c2-0b7e-44a8": the same for the sender and every receiver.

        64 bits derived from the check link. They reveal nothing else about a key with random secrets; but anyone
        who has the id of a key made from a passphrase can test guesses of the passphrase against it.
        """
        digits = self.check_link.seed.derive("csfnns/2/key-id").data[:8].hex()
        return "-".join(digits[i : i + 4] for i in range(0, 16, 4))

    def route(self, names: Sequence[str] = ()) -> Route:
        """Route of a message from this key to these names; to the only one if none is given.

        Raises UsageError for names that this key cannot hide for, and for none where it has several.
        """
        choose = f"Choose from: {', '.join(self.names)}."
        if not names and len(self.names) > 1:
            raise UsageError("This key has several receivers, and none was chosen.", choose)
        names = names or self.names
        for name in names:
            if name not in self.names:
                raise UsageError(f"This key cannot hide for {name!r}.", choose)
        if len(set(names)) < len(names):
            raise UsageError("A receiver is named twice.", "Name each once.")
        if self.role == "conversation":
            return self._conversation()
        if self.role == "receiver":
            return _answer(*self.pairs[0])
        return self._message(names)

    def incoming(self) -> list[Route]:
        """Every route of a message that this key can read: those to its owner first, then those that they wrote.

        1 in a conversation, 3 with a receiver's key, 2 n + 1 with the key of a sender with n receivers.
        """
        if self.role == "conversation":
            return [self._conversation()]
        names = [name for name, _ in self.pairs]
        answers = [_answer(name, pair) for name, pair in self.pairs]
        messages = [*(self._message([name]) for name in names), self._message(names, group=True)]
        return messages + answers if self.role == "receiver" else answers + messages

    def _conversation(self) -> Route:
        (name, seed), *_ = self.pairs
        return Route(Link(seed), {name: Link(seed)}, None)

    def _message(self, names: Sequence[str], *, group: bool = False) -> Route:
        """Route from the sender to these receivers, by the group's link if they are several."""
        readers = {name: _to_receiver(self._pair(name)) for name in names}
        if len(names) == 1 and not group:
            return Route(readers[names[0]], readers, "sender")
        assert self.group is not None
        return Route(_to_receiver(self.group), readers, "sender")

    def _pair(self, name: str) -> Seed:
        for known, seed in self.pairs:
            if known == name:
                return seed
        raise UsageError(f"This key has no receiver {name!r}.", f"It has: {', '.join(self.names)}.")


def message_id(link: Link, nonce: bytes) -> str:
    """Name of a message in three words, which its sender and its receivers see."""
    return words(link.seed.derive(f"csfnns/2/message-id/{nonce.hex()}").data, 3)


def check_names(names: Sequence[str]) -> None:
    """Raise UsageError unless these are 1 to 8 different receivers' names."""
    for name in names:
        if not re.fullmatch(r"[a-z0-9-]{1,32}", name):
            hint = "Use 1 to 32 of the characters a-z, 0-9 and -."
            raise UsageError(f"A receiver cannot be named {name!r}.", hint)
        if name in ("sender", "receiver"):
            raise UsageError(f"The name {name!r} is reserved.", "Choose another name for this receiver.")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise UsageError(f"The receiver {twice!r} is named twice.", "Give each receiver a name of their own.")
    if not 1 <= len(names) <= MAX_RECEIVERS:
        raise UsageError(f"A sender's key has 1 to {MAX_RECEIVERS} receivers, got {len(names)}.")


def canonical(content: object) -> str:
    """One text for equal contents, on every machine: JSON with sorted names, no blanks, and ASCII only."""
    return json.dumps(content, sort_keys=True, separators=(",", ":"))


def _to_receiver(root: Seed) -> Link:
    return Link(root.derive("csfnns/2/to-receiver"))


def _answer(name: str, pair: Seed) -> Route:
    """Route from that receiver to the sender."""
    link = Link(pair.derive("csfnns/2/to-sender"))
    return Route(link, {"sender": link}, name)
