import os
import subprocess
import sys
from hashlib import sha256
from typing import Any

import numpy as np
import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]

from csfnns.stream import Seed, Stream, normal_quantile

ZERO = Seed(bytes(32))
COUNTED = Seed(bytes(range(32)))
ORACLE: Any = stats

# A compatibility promise: covers and decoders of every key ever made hang on these bytes.
GOLDEN = {
    "uniforms": "b9b375367d6e4e74d77158f5817132b691ab8076851be65e5a11564dc0a03a7c",
    "normals": "595c312ef3b76c31628d3cadf16e259dc94671de40a44d316113cb7a2e4fc974",
    "permutation": "2cb52964aaf6d8656dd427c0ff56f0464e29a0fa75fc23454d535cd594f111b0",
    "signs": "ab7a485b31d3b873f17f9c4e991455872faebde1fbbd9087ab4c69de4819c732",
    "integers": "2943a7b40347bde627edd084572e378c6fb8d53e43e8ad6f9a8f065d072ecd02",
}


def draw(stream: Stream, kind: str, n: int) -> Any:
    return stream.integers(n, 1000) if kind == "integers" else getattr(stream, kind)(n)


@pytest.mark.parametrize("kind", GOLDEN)
def test_numbers_of_a_seed_are_these_bytes_for_ever(kind: str) -> None:
    assert sha256(draw(COUNTED.stream(), kind, 10_000).tobytes()).hexdigest() == GOLDEN[kind]


def test_keystream_is_chacha20_of_rfc_8439() -> None:
    """RFC 8439, appendix A.1, test vectors 1 and 2: zero key, zero nonce, blocks 0 and 1."""
    block0 = (
        "76b8e0ada0f13d90405d6ae55386bd28bdd219b8a08ded1aa836efcc8b770dc7"
        "da41597c5157488d7724e03fb8d84a376a43b8f41518a11cc387b669b2ee6586"
    )
    block1 = (
        "9f07e7be5551387a98ba977c732d080dcb0f29a048e3656912c6533e32ee7aed"
        "29b721769ce64e43d57133b074d839d531ed1f28510afb45ace10a1f4b794d6f"
    )
    assert ZERO.stream().take(128).hex() == block0 + block1


def test_keystream_is_what_the_library_gives_for_the_seed_as_key() -> None:
    cipher = Cipher(algorithms.ChaCha20(COUNTED.data, bytes(16)), mode=None)
    assert COUNTED.stream().take(1000) == cipher.encryptor().update(bytes(1000))


def test_words_are_little_endian() -> None:
    assert ZERO.stream().words(1)[0] == int.from_bytes(bytes.fromhex("76b8e0ada0f13d90"), "little")


def test_derivation_is_hkdf_expand_of_rfc_5869() -> None:
    """One block of HKDF-Expand, T(1) = HMAC-SHA256(key, info | 1), written out."""
    import hmac

    expected = hmac.new(COUNTED.data, b"csfnns/1/test\x01", sha256).digest()
    assert COUNTED.derive("csfnns/1/test").data == expected
    assert expected.hex() == "0aa998360a0ce4a0f86fc90c2acd2357ae7cd279264c1e0618c013215562320e"


def test_other_labels_give_other_seeds() -> None:
    labels = ["csfnns/1/a", "csfnns/1/b", "csfnns/2/a", "csfnns/1/a/", ""]
    assert len({COUNTED.derive(label).data for label in labels}) == len(labels)


@pytest.mark.parametrize("n", [0, 31, 33])
def test_a_seed_has_32_bytes(n: int) -> None:
    with pytest.raises(ValueError, match=f"not {n}"):
        Seed(bytes(n))


def test_a_seed_never_shows_itself() -> None:
    for text in (repr(COUNTED), str(COUNTED), f"{COUNTED}", repr([COUNTED]), repr({"seed": COUNTED})):
        assert "Seed(…)" in text
        assert COUNTED.data.hex()[:8] not in text
        assert repr(COUNTED.data)[2:14] not in text


@pytest.mark.parametrize("kind", ["take", "words", "uniforms", "normals", "integers"])
@given(first=st.integers(0, 300), second=st.integers(0, 300))
@settings(max_examples=20, deadline=None)
def test_reading_in_two_parts_equals_reading_at_once(kind: str, first: int, second: int) -> None:
    stream = COUNTED.stream()
    parts = [np.frombuffer(bytes(draw(stream, kind, n)), np.uint8) for n in (first, second)]
    whole = np.frombuffer(bytes(draw(COUNTED.stream(), kind, first + second)), np.uint8)
    assert np.array_equal(np.concatenate(parts), whole)


def test_uniforms_are_strictly_inside_and_exact() -> None:
    """The outermost values, from words of all zeros and all ones, are no 0 and no 1."""
    u = COUNTED.stream().uniforms(100_000)
    assert 0 < u.min() < 1e-4
    assert 1 - 1e-4 < u.max() < 1
    assert np.all(u * 2.0**53 % 2 == 1)


class Fixed(Stream):
    """Stream that gives one word for ever."""

    def __init__(self, word: int) -> None:
        self._bytes = word.to_bytes(8, "little")

    def take(self, n: int) -> bytes:
        return self._bytes * (n // 8)


@pytest.mark.parametrize(("word", "uniform"), [(0, 2.0**-53), (2**64 - 1, 1 - 2.0**-53)])
def test_the_outermost_words_give_finite_normals(word: int, uniform: float) -> None:
    assert Fixed(word).uniforms(1)[0] == uniform
    assert Fixed(word).normals(1)[0] == pytest.approx(np.sign(uniform - 0.5) * 8.209536151601387, rel=1e-14)


def test_uniforms_are_uniform() -> None:
    assert ORACLE.kstest(COUNTED.stream().uniforms(100_000), "uniform").pvalue > 0.001


def test_normals_are_normal() -> None:
    x = COUNTED.stream().normals(200_000)
    n = len(x)
    assert abs(x.mean()) < 4 / np.sqrt(n)
    assert abs(x.var() - 1) < 4 * np.sqrt(2 / n)
    assert abs((x**3).mean()) < 4 * np.sqrt(15 / n)
    assert abs((x**4).mean() - 3) < 4 * np.sqrt(96 / n)
    assert ORACLE.kstest(x, "norm").pvalue > 0.001


def test_quantile_agrees_with_scipy() -> None:
    """Through the middle, both boundaries of the approximation (|q| = 0.425, r = 5) and far into the tails."""
    p = np.concatenate([np.linspace(1e-6, 1 - 1e-6, 20_001), 10.0 ** np.linspace(-300, -1, 3000)])
    p = np.concatenate([p, [0.075, np.nextafter(0.075, 1), 0.925, np.exp(-25), np.exp(-25) * (1 + 1e-12)]])
    assert normal_quantile(p) == pytest.approx(ORACLE.norm.ppf(p), rel=1e-14, abs=1e-14)


def test_quantile_is_odd_and_zero_in_the_middle() -> None:
    p = np.arange(1, 2**10) / 2.0**10  # 1 - p is exact
    assert np.array_equal(normal_quantile(1 - p), -normal_quantile(p))
    assert normal_quantile(np.array([0.5]))[0] == 0


def test_quantile_rises() -> None:
    assert np.all(np.diff(normal_quantile(np.linspace(1e-9, 1 - 1e-9, 100_001))) > 0)


@pytest.mark.parametrize("n", [0, 1, 2, 1000])
def test_a_permutation_holds_each_number_once(n: int) -> None:
    assert np.array_equal(np.sort(COUNTED.stream().permutation(n)), np.arange(n))


def test_permutations_treat_all_places_alike() -> None:
    """Where 0 of 5 lands in 5000 permutations: χ² with 4 degrees of freedom."""
    stream = COUNTED.stream()
    landed = np.bincount([int(np.argmin(stream.permutation(5))) for _ in range(5000)], minlength=5)
    assert np.sum((landed - 1000) ** 2 / 1000) < 18.5  # p = 0.001


def test_integers_fill_their_range_evenly() -> None:
    counts = np.bincount(COUNTED.stream().integers(70_000, 7), minlength=7)
    assert len(counts) == 7
    assert np.sum((counts - 10_000) ** 2 / 10_000) < 22.5  # 6 degrees of freedom, p = 0.001


@pytest.mark.parametrize("bound", [0, -1, 2**31 + 1])
def test_integers_refuse_a_bound_that_cannot_be(bound: int) -> None:
    with pytest.raises(ValueError, match="bound"):
        COUNTED.stream().integers(1, bound)


def test_the_largest_bound_still_stays_in_range() -> None:
    assert Fixed(2**64 - 1).integers(1, 2**31)[0] == 2**31 - 1


def test_signs_are_the_bits_of_the_stream_lowest_first() -> None:
    first = COUNTED.stream().take(2)
    bits = [(first[i // 8] >> (i % 8)) & 1 for i in range(11)]
    assert COUNTED.stream().signs(11).tolist() == [2 * bit - 1 for bit in bits]


def test_signs_balance() -> None:
    assert abs(int(COUNTED.stream().signs(100_000).astype(int).sum())) < 4 * np.sqrt(100_000)


def features() -> list[str]:
    """Names of the SIMD groups that NumPy would use on this machine, and can do without."""
    config: Any = np.show_config("dicts")
    return list(config["SIMD Extensions"].get("found", []))


def matrix() -> list[tuple[str, str]]:
    """Thread counts and disabled SIMD groups: none, the widest ones, all."""
    found = features()
    off = {"", " ".join(f for f in found if "512" in f or f == "X86_V4"), " ".join(found)}
    return [(threads, disabled) for threads in ("1", "2") for disabled in sorted(off)]


@pytest.mark.parametrize(("threads", "disabled"), matrix())
def test_normals_are_the_same_with_any_threads_and_instructions(threads: str, disabled: str) -> None:
    program = (
        "from hashlib import sha256; from csfnns.stream import Seed;"
        "print(sha256(Seed(bytes(range(32))).stream().normals(10_000).tobytes()).hexdigest())"
    )
    environment = os.environ | {"OMP_NUM_THREADS": threads, "NPY_DISABLE_CPU_FEATURES": disabled}
    command = [sys.executable, "-c", program]
    output = subprocess.run(command, env=environment, capture_output=True, text=True, check=True, timeout=60)
    assert output.stdout.strip() == GOLDEN["normals"]
    assert output.stderr == ""  # NumPy warns there when it cannot switch a feature off
