import logging
import unicodedata

import pytest

from csfnns.errors import KeyFileError, WeakPassphraseError
from csfnns.keys import Key, key_from_passphrase, strength
from csfnns.profile import make_profile

WORDS = "mango violin harbor pencil tulip gravel"
ACCENTS = "ﬁve Äpfel überqueren ½ Straße №7 ＡＢＣ"  # each is written otherwise after NFKC


def weak_key(passphrase: str) -> Key:
    return key_from_passphrase(passphrase, make_profile(), allow_weak=True)


def test_both_ends_get_the_same_key_from_words_and_profile() -> None:
    here, there = (key_from_passphrase(WORDS, make_profile()) for _ in range(2))
    assert here == there
    assert here.role == "sender"
    assert here.names == ("main",)


def test_another_profile_gives_an_unrelated_key() -> None:
    wide = key_from_passphrase(WORDS, make_profile(width=528))
    assert wide.cover != key_from_passphrase(WORDS, make_profile()).cover


def test_another_passphrase_gives_an_unrelated_key() -> None:
    assert len({weak_key(passphrase).id for passphrase in ("a", "b", "a ")}) == 3


def test_every_way_to_write_the_same_characters_gives_the_same_key() -> None:
    written = {unicodedata.normalize(form, ACCENTS) for form in ("NFC", "NFD", "NFKC")}
    assert len(written) == 3
    assert len({weak_key(passphrase).id for passphrase in written}) == 1


@pytest.mark.parametrize(
    "passphrase", ["password", "a" * 100, "qwertyuiop", "Tr0ub4dor&3", "zoom lattice orchid"]
)
def test_a_weak_passphrase_is_refused_with_advice(passphrase: str) -> None:
    assert strength(passphrase).word == "weak"
    with pytest.raises(WeakPassphraseError, match="bits, where 50 are needed") as caught:
        key_from_passphrase(passphrase, make_profile())
    assert "words picked at random" in caught.value.hint
    assert passphrase not in caught.value.message


def test_a_weak_passphrase_is_taken_when_asked_for() -> None:
    assert weak_key("password").names == ("main",)


def test_strength_grows_with_words() -> None:
    by_words = [strength(" ".join(WORDS.split()[:n])) for n in range(1, 7)]
    assert [s.bits for s in by_words] == sorted(s.bits for s in by_words)
    assert by_words[0].word == "weak"
    assert by_words[0].feedback
    assert by_words[-1].word == "strong"


def test_strength_of_the_longest_passphrase_is_judged_by_its_beginning() -> None:
    assert strength("a" * 1024).bits == strength("a" * 100).bits


@pytest.mark.parametrize(
    ("passphrase", "problem"),
    [
        ("", "is empty"),
        ("a" * 1025, "longer"),
        ("é" * 513, "longer"),
        ("ﷺ" * 200, "longer"),
        ("\ud800x", "text"),
    ],
)
def test_what_is_no_passphrase_is_refused_even_if_weak_ones_are_not(passphrase: str, problem: str) -> None:
    with pytest.raises(KeyFileError, match=problem):
        weak_key(passphrase)
    with pytest.raises(KeyFileError, match=problem):
        strength(passphrase)


def test_a_long_passphrase_counts_to_its_end() -> None:
    assert weak_key("a" * 1023 + "b").id != weak_key("a" * 1024).id


def test_a_passphrase_is_never_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        key = key_from_passphrase(WORDS, make_profile())
    assert "mango" not in caplog.text + "".join(capsys.readouterr()) + repr(key)
