import logging
import math
import unicodedata

import pytest
from zxcvbn import zxcvbn

from csfnns.errors import KeyFileError, UsageError, WeakPassphraseError
from csfnns.keys import Key, key_from_passphrase, make_phrase, strength
from csfnns.profile import make_profile

WORDS = "wagon lattice thirty orchid plume"
ACCENTS = "ﬁve Äpfel überqueren ½ Straße №7 ＡＢＣ"  # each is written otherwise after NFKC


def weak_key(passphrase: str, context: str = "") -> Key:
    return key_from_passphrase(passphrase, make_profile(), context=context, allow_weak=True)


def test_both_ends_get_the_same_conversation_from_words_and_profile() -> None:
    here, there = (key_from_passphrase(WORDS, make_profile()) for _ in range(2))
    assert here == there
    assert here.role == "conversation"


def test_another_profile_passphrase_or_context_gives_an_unrelated_key() -> None:
    keys = [weak_key(passphrase) for passphrase in ("a", "b", "a ")]
    keys += [weak_key("a", "bob@example.org"), weak_key("a", "carol@example.org")]
    keys += [key_from_passphrase("a", make_profile(width=528), allow_weak=True)]
    assert len({key.id for key in keys}) == 6


def test_capitals_and_blanks_of_the_context_make_no_difference() -> None:
    written = ["straße 7, Köln", " Stra\u00dfe  7,\tKo\u0308ln\n", "STRASSE 7, KÖLN"]
    assert len({weak_key("a", context).id for context in written}) == 1


def test_every_way_to_write_the_same_characters_gives_the_same_key() -> None:
    written = {unicodedata.normalize(form, ACCENTS) for form in ("NFC", "NFD", "NFKC")}
    assert len(written) == 3
    assert len({weak_key(passphrase).id for passphrase in written}) == 1


@pytest.mark.parametrize(
    "passphrase",
    [
        *("password", "a" * 100, "qwertyuiop", "Tr0ub4dor&3", "zoom lattice orchid", "1234567890987654321"),
        *(
            "apple apple apple apple apple apple",
            "red blue red blue red blue red blue",
            "dog1 dog2 dog3 dog4 dog5",
        ),
        "password password1 password2 password3",
    ],
)
def test_a_weak_passphrase_is_refused_with_advice(passphrase: str) -> None:
    assert strength(passphrase).word == "weak"
    with pytest.raises(WeakPassphraseError, match="bits, and 50 are needed") as caught:
        key_from_passphrase(passphrase, make_profile())
    assert "csfnns key phrase" in caught.value.hint
    assert passphrase not in caught.value.message


@pytest.mark.parametrize(
    "passphrase",
    [
        *("correct horse battery staple", "Correct-Horse-Battery-Staple!", "correcthorsebatterystaple99"),
        *("c0rrect h0rse b4ttery st4ple", "correct1horse2battery3staple4", "my correct horse battery staple"),
        *("call me ishmael some years ago", "call me ishmael some years ago never mind how long precisely"),
        *("to be or not to be that is the question", "To be, or not to be: that is the question?!"),
        *(
            "it was the best of times it was the worst of times",
            "The best of times, it was the worst of times.",
        ),
        *("we hold these truths to be self-evident", "Die Würde des Menschen ist unantastbar"),
        *("May the Force be with you, always!", "the lord is my shepherd I shall not want"),
        "to be or not to be correct horse battery staple",
        "correct horse battery staple zoom lattice orchid",
    ],
)
def test_a_known_phrase_is_weak_whatever_its_spelling_and_with_little_beside_it(passphrase: str) -> None:
    rated = strength(passphrase)
    assert rated.word == "weak"
    assert rated.feedback == "It contains a well-known phrase."


def test_remarks_in_the_list_of_phrases_are_no_phrases() -> None:
    assert strength("phrases that a passphrase must not consist of").feedback != "It contains a well-known phrase."


@pytest.mark.parametrize(
    "passphrase",
    [
        "correct horse battery staple zoom lattice orchid wagon plume thirty",
        WORDS,
        "horse staple orchid correct zoom",
    ],
)
def test_random_words_are_strong_even_beside_a_known_phrase(passphrase: str) -> None:
    assert strength(passphrase).word == "strong"


def test_a_weak_passphrase_is_taken_when_asked_for() -> None:
    assert weak_key("password").names == ("receiver",)


def test_made_phrases_are_random_and_strong() -> None:
    phrases = {make_phrase() for _ in range(20)} | {make_phrase(16)}
    assert len(phrases) == 21
    assert {len(phrase.split()) for phrase in phrases} == {6, 16}
    assert {strength(phrase).word for phrase in phrases} == {"strong"}
    for words in (5, 17):
        with pytest.raises(UsageError, match=f"words must be in 6…16, got {words}"):
            make_phrase(words)


def test_strength_is_the_logarithm_of_the_guesses_that_zxcvbn_estimates() -> None:
    guesses = zxcvbn("orchid lattice")["guesses"]
    assert strength("lattice orchid").bits == pytest.approx(math.log2(guesses))


def test_strength_grows_with_words() -> None:
    by_words = [strength(" ".join(WORDS.split()[:n])) for n in range(1, 6)]
    assert [s.bits for s in by_words] == sorted(s.bits for s in by_words)
    assert by_words[0].feedback


@pytest.mark.parametrize(
    ("passphrase", "problem"),
    [
        ("", "is empty"),
        ("a" * 1025, "at most 1024 bytes"),
        ("é" * 513, "at most 1024 bytes"),
        ("ﷺ" * 200, "at most 1024 bytes"),
        ("\ud800x", "Unicode"),
    ],
)
def test_what_is_no_passphrase_is_refused_even_if_weak_ones_are_not(passphrase: str, problem: str) -> None:
    with pytest.raises(KeyFileError, match=problem):
        weak_key(passphrase)
    with pytest.raises(KeyFileError, match=problem):
        strength(passphrase)
    if passphrase:
        with pytest.raises(KeyFileError, match=f"context.*{problem}"):
            weak_key("a", passphrase)


def test_a_long_passphrase_counts_to_its_end() -> None:
    assert weak_key("a" * 1023 + "b").id != weak_key("a" * 1024).id


def test_a_passphrase_is_never_logged_or_printed(
    caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    with caplog.at_level(logging.DEBUG):
        key = key_from_passphrase(WORDS, make_profile())
    assert "lattice" not in caplog.text + "".join(capsys.readouterr()) + repr(key)
