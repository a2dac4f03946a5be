"""A key from a passphrase: both ends need nothing but the words, the profile, and a public text if they want one.

The same words must give the same key everywhere, so the salt consists of what both ends know. Without a text of their
own, anyone can hash a list of likely passphrases once and try it on everybody's pictures. Hence a slow hash, and
weak passphrases are refused. A key file has neither problem.
"""

import hashlib
import math
import re
import secrets
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from csfnns.errors import KeyFileError, UsageError, WeakPassphraseError
from csfnns.keys.fingerprint import words as proquints
from csfnns.keys.material import Key, canonical
from csfnns.profile import Profile
from csfnns.stream import SEED_BYTES, Seed

MAX_BYTES = 1024
WEAK_BITS = 50.0
STRONG_BITS = 65.0

_RATED = 100  # characters: the time of zxcvbn grows faster than their number
_RUN = 4  # words of a known phrase that count as known
_KNOWN_BITS = 10.0  # which phrase of the list it is, and which part of it
_WORD_BITS = 13.0  # of a word beside a known phrase: one of 8,192
_REPEAT_BITS = 2.0  # of a word that was there before
_LEET = str.maketrans("013457@$", "oieastas")
_ADVICE = "Use the words of 'csfnns key phrase', or a key file."


@dataclass(frozen=True, slots=True)
class Strength:
    """Estimate of a passphrase: log2 of the guesses that find it, a word for it, and advice or ""."""

    bits: float
    word: Literal["weak", "fair", "strong"]
    feedback: str


def make_phrase(words: int = 6) -> str:
    """Random passphrase of 6 to 16 pronounceable words with 16 bits each, such as "lusab babad gutih ...".

    Raises UsageError for another number of words.
    """
    if not 6 <= words <= 16:
        raise UsageError(f"words must be in 6…16, got {words}.", "6 words have 96 bits.")
    return proquints(secrets.token_bytes(2 * words), words).replace("-", " ")


def key_from_passphrase(passphrase: str, profile: Profile, *, context: str = "", allow_weak: bool = False) -> Key:
    """Key of a conversation from a passphrase, the profile, and a public text such as an address or a name.

    In `context`, capitals and blanks make no difference. Argon2id with the second recommendation of RFC 9106
    (3 passes, 4 lanes, 64 MiB). Raises WeakPassphraseError below 50 estimated bits unless `allow_weak`, and
    KeyFileError for a passphrase or context that is over 1024 bytes or not valid Unicode, and an empty passphrase.
    """
    if not allow_weak:
        check_strength(passphrase)
    root = slow_hash(passphrase, salt(profile, context), memory=64 * 1024, passes=3, lanes=4)
    return Key.from_root(profile, Seed(root))


def check_strength(passphrase: str) -> None:
    """Raise WeakPassphraseError below 50 estimated bits, with advice."""
    rated = strength(passphrase)
    if rated.word == "weak":
        message = f"The passphrase is weak: about {rated.bits:.0f} bits, and {WEAK_BITS:.0f} are needed."
        raise WeakPassphraseError(message, f"{rated.feedback} {_ADVICE}".strip())


def slow_hash(passphrase: str, salt: bytes, *, memory: int, passes: int, lanes: int) -> bytes:
    """Argon2id (RFC 9106) of a normalised passphrase, 32 bytes; `memory` in KiB.

    Raises KeyFileError for what is no passphrase, where OpenSSL lacks Argon2id and where memory is short.
    """
    password = _normalise(passphrase).encode()
    try:
        slow = Argon2id(salt=salt, length=SEED_BYTES, iterations=passes, lanes=lanes, memory_cost=memory)
        return slow.derive(password)
    except UnsupportedAlgorithm:
        hint = "Install the `cryptography` wheel of PyPI, or use a key file."
        raise KeyFileError("Passphrases need Argon2id, which this OpenSSL lacks.", hint) from None
    except MemoryError:
        reason = f"The passphrase needs {memory >> 10} MiB of memory, which this computer does not give."
        raise KeyFileError(reason, "End other programs.") from None


def salt(profile: Profile, context: str = "") -> bytes:
    """Public salt of a passphrase, 16 bytes."""
    if context:
        folded = unicodedata.normalize("NFKC", _normalise(context, "context").casefold())
        context = " ".join(folded.split())
    content = {"for": context, "profile": profile.model_dump(mode="json")}
    return hashlib.sha256(b"csfnns/2/passphrase\n" + canonical(content).encode()).digest()[:16]


def strength(passphrase: str) -> Strength:
    """Estimate how many guesses find the passphrase: zxcvbn, and a list of well-known phrases.

    zxcvbn knows frequent words, names and patterns; it rates the first 100 characters. Four words in a row of a known
    phrase count as 10 bits, words beside them as at most 13 bits each, and repeated words as 2. Raises KeyFileError
    like `key_from_passphrase`.
    """
    from zxcvbn import zxcvbn

    rest, known = _without_known(_normalise(passphrase))
    once = {re.sub(r"[\W\d_]", "", word.lower()) or word: word for word in reversed(rest.split())}
    bits = known * _KNOWN_BITS + (len(rest.split()) - len(once)) * _REPEAT_BITS
    feedback = "It contains a well-known phrase." if known else ""
    if once:
        result = zxcvbn(" ".join(reversed(once.values()))[:_RATED], max_length=_RATED)
        found = float(result["guesses_log10"]) * math.log2(10.0)
        pieces = re.findall(r"[^\W\d_]+|\d+|[^\w\s]+|_+", rest)
        bits += min(found, _WORD_BITS * len(pieces)) if known else found
        advice = result["feedback"]
        feedback = feedback or " ".join(filter(None, [advice["warning"], *advice["suggestions"]]))
    return Strength(bits, "weak" if bits < WEAK_BITS else "fair" if bits < STRONG_BITS else "strong", feedback)


def _normalise(text: str, what: str = "passphrase") -> str:
    """Text in NFKC, so that the same characters give the same bytes whatever keyboard they were typed on."""
    if not text:
        raise KeyFileError(f"The {what} is empty.", _ADVICE)
    try:
        if len(text.encode()) <= MAX_BYTES:
            normal = unicodedata.normalize("NFKC", text)
            if len(normal.encode()) <= MAX_BYTES:
                return normal
    except UnicodeEncodeError:
        raise KeyFileError(f"The {what} is not valid Unicode.", "Type it in UTF-8.") from None
    raise KeyFileError(f"The {what} must have at most {MAX_BYTES} bytes.", "Use a shorter one.")


def _without_known(passphrase: str) -> tuple[str, int]:
    """Passphrase without what is known of it, and the number of known runs."""
    plain = [unicodedata.normalize("NFKD", c.lower())[:1] for c in passphrase]
    hidden: set[int] = set()
    known = 0
    for table in ({}, _LEET):
        places = [i for i, c in enumerate(plain) if "a" <= c.translate(table) <= "z"]
        letters = "".join(plain[i].translate(table) for i in places)
        covered = {i for run in _known_runs() for start in _find(run, letters) for i in range(start, start + len(run))}
        known = max(known, sum(i - 1 not in covered for i in covered))
        hidden.update(places[i] for i in covered)
    kept = "".join(" " if i in hidden else c for i, c in enumerate(passphrase))
    return " ".join(kept.split()) if known else passphrase, known


def _find(run: str, letters: str) -> Iterator[int]:
    start = letters.find(run)
    while start >= 0:
        yield start
        start = letters.find(run, start + 1)


@lru_cache(1)
def _known_runs() -> frozenset[str]:
    """Every four words in a row of a known phrase, without blanks; a shorter phrase as a whole."""
    text = resources.files("csfnns.keys").joinpath("known_phrases.txt").read_text("utf-8")
    phrases = [line.split() for line in text.splitlines() if line and not line.startswith("#")]
    return frozenset("".join(phrase[i : i + _RUN]) for phrase in phrases for i in range(max(1, len(phrase) - _RUN + 1)))
