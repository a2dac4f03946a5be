"""Keyed random numbers: the same bits on every machine, in every library version.

Everything random in csfnns is read from a ChaCha20 keystream (RFC 8439) whose key is a 256-bit seed; torch's
and NumPy's generators promise no stable stream, and torch's seeds keep 32 bits on the CPU. Uniforms are
integers over 2^53. Normals come from the inverse of the normal distribution function, computed with nothing
but +, -, *, / and sqrt on float64: IEEE 754 fixes every bit of those, while a library's `log` and `exp` differ
in the last one.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

SEED_BYTES = 32

F64 = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Seed:
    """256 secret bits, from which other seeds and one stream of numbers are derived."""

    data: bytes

    def __post_init__(self) -> None:
        if len(self.data) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes, not {len(self.data)}")

    def __repr__(self) -> str:
        return "Seed(…)"  # never shown: seeds are keys

    def derive(self, label: str) -> "Seed":
        """Seed for one purpose: HKDF-Expand (RFC 5869, SHA-256) with `label` as info.

        Labels are versioned (`csfnns/2/decoder`): a later format never shares a seed with an earlier one.
        """
        return Seed(HKDFExpand(hashes.SHA256(), SEED_BYTES, label.encode()).derive(self.data))

    def stream(self) -> "Stream":
        """Stream of numbers from the start of this seed's keystream."""
        return Stream(self)


class Stream:
    """Numbers read one after another from a seed's ChaCha20 keystream (zero nonce, block counter from 0)."""

    def __init__(self, seed: Seed) -> None:
        self._keystream = Cipher(algorithms.ChaCha20(seed.data, bytes(16)), mode=None).encryptor()

    def take(self, n: int) -> bytes:
        """Return the next `n` bytes of the keystream."""
        return self._keystream.update(bytes(n))

    def words(self, n: int) -> npt.NDArray[np.uint64]:
        """Return the next `n` 64-bit little-endian words, (n,) uint64."""
        return np.frombuffer(self.take(8 * n), dtype="<u8").astype(np.uint64, copy=False)

    def uniforms(self, n: int) -> F64:
        """Uniforms strictly inside (0, 1): (2k + 1) / 2^53 with k the top 52 bits of a word; (n,) float64."""
        k = (self.words(n) >> np.uint64(12)).astype(np.float64)
        return (2.0 * k + 1.0) / 2.0**53

    def normals(self, n: int) -> F64:
        """Draw standard normals, (n,) float64."""
        return normal_quantile(self.uniforms(n))

    def integers(self, n: int, bound: int) -> npt.NDArray[np.int64]:
        """Integers in 0…bound-1 by multiply-and-shift of 32-bit halves; (n,) int64. `bound` ≤ 2^31.

        The bias, at most bound / 2^32, is the same on every machine.
        """
        if not 0 < bound <= 2**31:
            raise ValueError(f"bound {bound} is not in 1…2^31")
        high = self.words(n) >> np.uint64(32)
        return ((high * np.uint64(bound)) >> np.uint64(32)).astype(np.int64)

    def signs(self, n: int) -> npt.NDArray[np.int8]:
        """Signs -1 and +1, one a bit of the stream, lowest bit of each byte first; (n,) int8."""
        bits = np.unpackbits(np.frombuffer(self.take((n + 7) // 8), np.uint8), count=n, bitorder="little")
        return (2 * bits.astype(np.int8) - 1).astype(np.int8)

    def permutation(self, n: int) -> npt.NDArray[np.int64]:
        """Permutation of 0…n-1: the order that sorts n words, equal words by position; (n,) int64."""
        return np.argsort(self.words(n), kind="stable").astype(np.int64, copy=False)


def normal_quantile(p: F64) -> F64:
    """Inverse of the standard normal distribution function for 0 < p < 1, to about 1e-15 relative.

    Wichura, Algorithm AS 241 (PPND16), Applied Statistics 37 (1988), with the logarithm written out.
    """
    q = p - 0.5
    central = np.abs(q) <= 0.425
    x = np.empty_like(p)
    r = 0.180625 - q[central] * q[central]
    x[central] = q[central] * _horner(_A, r) / _horner(_B, r)

    tail = ~central
    qt = q[tail]
    r = np.sqrt(-_log(np.minimum(p[tail], 1.0 - p[tail])))
    near = np.where(r <= 5.0, r - 1.6, 0.0)
    far = np.where(r <= 5.0, 0.0, r - 5.0)
    magnitude = np.where(r <= 5.0, _horner(_C, near) / _horner(_D, near), _horner(_E, far) / _horner(_F, far))
    x[tail] = np.where(qt < 0.0, -magnitude, magnitude)
    return x


def _horner(coefficients: tuple[float, ...], x: F64) -> F64:
    """Polynomial with the highest power first; separate multiplications and additions, never fused."""
    value: Any = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        value = value * x
        value = value + c
    return np.asarray(value, dtype=np.float64)


def _log(x: F64) -> F64:
    """Natural logarithm of positive normal numbers: x = m 2^e, log m = 2 artanh((m - 1) / (m + 1))."""
    m, e = np.frexp(x)  # m in [0.5, 1)
    low = m < 0.7071067811865476
    m = np.where(low, 2.0 * m, m)
    e = np.where(low, e - 1, e).astype(np.float64)
    s = (m - 1.0) / (m + 1.0)  # |s| ≤ 0.1716, so 2 s^23 / 23 < 1e-18
    series = _horner(tuple(1.0 / k for k in range(21, 0, -2)), s * s)
    return e * 0.6931471805599453 + 2.0 * s * series


# Coefficients of AS 241, highest power first.
_A = (
    2.5090809287301226727e3,
    3.3430575583588128105e4,
    6.7265770927008700853e4,
    4.5921953931549871457e4,
    1.3731693765509461125e4,
    1.9715909503065514427e3,
    1.3314166789178437745e2,
    3.3871328727963666080e0,
)
_B = (
    5.2264952788528545610e3,
    2.8729085735721942674e4,
    3.9307895800092710610e4,
    2.1213794301586595867e4,
    5.3941960214247511077e3,
    6.8718700749205790830e2,
    4.2313330701600911252e1,
    1.0,
)
_C = (
    7.74545014278341407640e-4,
    2.27238449892691845833e-2,
    2.41780725177450611770e-1,
    1.27045825245236838258e0,
    3.64784832476320460504e0,
    5.76949722146069140550e0,
    4.63033784615654529590e0,
    1.42343711074968357734e0,
)
_D = (
    1.05075007164441684324e-9,
    5.47593808499534494600e-4,
    1.51986665636164571966e-2,
    1.48103976427480074590e-1,
    6.89767334985100004550e-1,
    1.67638483018380384940e0,
    2.05319162663775882187e0,
    1.0,
)
_E = (
    2.01033439929228813265e-7,
    2.71155556874348757815e-5,
    1.24266094738807843860e-3,
    2.65321895265761230930e-2,
    2.96560571828504891230e-1,
    1.78482653991729133580e0,
    5.46378491116411436990e0,
    6.65790464350110377720e0,
)
_F = (
    2.04426310338993978564e-15,
    1.42151175831644588870e-7,
    1.84631831751005468180e-5,
    7.86869131145613259100e-4,
    1.48753612908506148525e-2,
    1.36929880922735805310e-1,
    5.99832206555887937690e-1,
    1.0,
)
