"""A key from a passphrase: both ends need nothing but the words and the profile.

The same words must give the same key everywhere, so the salt can only be a fixed one. Its price: whoever
wants to guess can hash a list of likely passphrases once and try it on every picture he meets. The profile
is part of the salt, which keeps the keys of two profiles apart but is no secret. Hence a slow hash, and a
strict word about weak passphrases. A key file has neither problem.
"""

import hashlib
import math
import unicodedata
from dataclasses import dataclass
from typing import Literal

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from csfnns.errors import KeyFileError, WeakPassphraseError
from csfnns.keys.material import Key, canonical_profile
from csfnns.profile import Profile
from csfnns.stream import SEED_BYTES, Seed

MAX_BYTES = 1024
WEAK_BITS = 50.0
STRONG_BITS = 65.0

_JUDGED = 100  # characters: the estimator's time grows faster than their number
_ADVICE = "Use five or more words picked at random, or a key file."


@dataclass(frozen=True, slots=True)
class Strength:
    """Estimate of a passphrase: log2 of the guesses that find it, a word for it, and advice or ""."""

    bits: float
    word: Literal["weak", "fair", "strong"]
    feedback: str


def key_from_passphrase(passphrase: str, profile: Profile, *, allow_weak: bool = False) -> Key:
    """Sender's key, with the one receiver "main", from a passphrase and the profile alone.

    Argon2id with the second choice of RFC 9106 (3 passes, 4 lanes, 64 MiB). Raises WeakPassphraseError
    below 50 estimated bits unless `allow_weak`, and KeyFileError for one that is empty, over 1024 bytes or
    no proper text.
    """
    normal = _normalise(passphrase)
    if not allow_weak:
        _refuse_weak(normal)
    salt = hashlib.sha256(b"csfnns/1/passphrase\n" + canonical_profile(profile).encode()).digest()[:16]
    try:
        slow = Argon2id(salt=salt, length=SEED_BYTES, iterations=3, lanes=4, memory_cost=64 * 1024)
        return Key.from_root(profile, Seed(slow.derive(normal.encode())))
    except UnsupportedAlgorithm:
        hint = "Install the `cryptography` wheel of PyPI, or use a key file."
        raise KeyFileError("Passphrases need Argon2id, which this OpenSSL lacks.", hint) from None


def strength(passphrase: str) -> Strength:
    """Estimate how many guesses find the passphrase, by zxcvbn on its first 100 characters.

    It knows frequent words, names and patterns, not quotations: a famous line counts as strong, and is not.
    Raises KeyFileError like `key_from_passphrase`.
    """
    from zxcvbn import zxcvbn

    result = zxcvbn(_normalise(passphrase)[:_JUDGED], max_length=_JUDGED)
    bits = float(result["guesses_log10"]) * math.log2(10.0)
    advice = result["feedback"]
    feedback = " ".join(filter(None, [advice["warning"], *advice["suggestions"]]))
    return Strength(
        bits, "weak" if bits < WEAK_BITS else "fair" if bits < STRONG_BITS else "strong", feedback
    )


def _normalise(passphrase: str) -> str:
    """NFKC, so that every keyboard's way to write the same characters gives the same bytes."""
    too_long = KeyFileError(f"The passphrase is longer than {MAX_BYTES} bytes.", _ADVICE)
    if not passphrase:
        raise KeyFileError("The passphrase is empty.", _ADVICE)
    if len(passphrase) > MAX_BYTES:
        raise too_long
    normal = unicodedata.normalize("NFKC", passphrase)
    try:
        size = len(normal.encode())
    except UnicodeEncodeError:
        raise KeyFileError("The passphrase is no proper text.", "Type it in UTF-8.") from None
    if size > MAX_BYTES:
        raise too_long
    return normal


def _refuse_weak(passphrase: str) -> None:
    judged = strength(passphrase)
    if judged.word == "weak":
        message = f"The passphrase is weak: about {judged.bits:.0f} bits, where {WEAK_BITS:.0f} are needed."
        raise WeakPassphraseError(message, f"{judged.feedback} {_ADVICE}".strip())
