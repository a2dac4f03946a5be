"""Every command resolves its key in one place; `cover` stands for all of them, and `hide` for those that ask twice."""

import getpass
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from csfnns.cli.keys import KeyAccess, resolve_key
from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.keys import Key, key_from_passphrase
from csfnns.profile import make_profile

Transcript = Callable[[str], None]
Run = Callable[[str], str]

PASSPHRASE = "wagon lattice thirty orchid plume"
SMALL = make_profile(width=64, height=64)


@pytest.fixture
def words(desk: Path) -> Path:
    file = desk / "words.txt"
    file.write_text(PASSPHRASE + "\n")
    return file


@pytest.fixture
def type_in(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Iterator[str]]:
    """What a person types at the prompts."""

    def answers(*lines: str) -> Iterator[str]:
        left = iter(lines)
        monkeypatch.setattr(getpass, "getpass", lambda prompt: next(left))
        return left

    return answers


def resolve(*, twice: bool = False, **options: object) -> Key:
    access = KeyAccess(**{"size": "64"} | options)  # type: ignore[arg-type]
    return resolve_key(access, quiet=True, twice=twice)


def test_both_ends_need_only_the_words_and_the_size(transcript: Transcript, photo: Picture, words: Path) -> None:
    transcript("""
        $ csfnns hide secret.png --passphrase-file words.txt --size 64 -o holiday.png
        passphrase: strong, about ... bits; words to compare: ...-...
        ...
        $ csfnns reveal holiday.png --passphrase-file words.txt --size 64 -o back.png
        passphrase: strong, about ... bits; words to compare: ...-...
        ...
    """)


def test_another_size_is_proposed(transcript: Transcript, words: Path) -> None:
    transcript("""
        $ csfnns hide --text Hi --passphrase-file words.txt --size 128x96 -o holiday.png -q
        $ csfnns reveal holiday.png --passphrase-file words.txt -q
        error: This picture is not for this key, ...
        hint: If it was made with the passphrase and this size, add --size 128x96. ...
        [exit 8]
        $ csfnns reveal holiday.png --passphrase-file words.txt --size 128x96 -q
        Hi
    """)


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\r", "\nsecond line\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_the_environment_and_a_file_give_the_same_key_whoever_wrote_them(
    mark: str, ending: str, words: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = key_from_passphrase(PASSPHRASE, SMALL)
    words.write_bytes((mark + PASSPHRASE + ending).encode())
    assert resolve(passphrase_file=words) == expected
    monkeypatch.setenv("CSFNNS_PASSPHRASE", mark + PASSPHRASE + ending)
    assert resolve() == resolve(passphrase=True) == resolve(passphrase=True, twice=True) == expected


def test_a_text_changes_the_key_and_its_spelling_does_not(words: Path) -> None:
    keys = [resolve(passphrase_file=words, context=text) for text in (None, "bob@example.org", " Bob@Example.ORG")]
    assert keys[0].id != keys[1].id == keys[2].id


def test_hiding_asks_twice_and_revealing_once(type_in: Callable[..., Iterator[str]]) -> None:
    left = type_in(PASSPHRASE, PASSPHRASE, "not asked for")
    resolve(passphrase=True, twice=True)
    assert next(left) == "not asked for"
    left = type_in(PASSPHRASE, "not asked for")
    resolve(passphrase=True)
    assert next(left) == "not asked for"
    type_in(PASSPHRASE, PASSPHRASE + "s")
    with pytest.raises(UsageError, match="The passphrases differ"):
        resolve(passphrase=True, twice=True)


def test_an_empty_variable_counts_as_not_set(transcript: Transcript, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CSFNNS_KEY", "")
    monkeypatch.setenv("CSFNNS_PASSPHRASE", "")
    transcript("""
        $ csfnns cover
        error: No key is given.
        ...
        [exit 2]
    """)
    run("csfnns key new mine.key --size 64")
    monkeypatch.setenv("CSFNNS_KEY", "mine.key")
    assert resolve(size=None).profile == SMALL
    monkeypatch.setenv("CSFNNS_PASSPHRASE", PASSPHRASE)
    with pytest.raises(UsageError, match="CSFNNS_KEY and CSFNNS_PASSPHRASE are both set"):
        resolve(size=None)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("-k mine.key --passphrase", "There are several keys on this command line."),
        ("-k mine.key --size 64", "--size goes with a passphrase, not with a key file."),
        ("-k mine.key --profile paper", "--profile goes with a passphrase, not with a key file."),
        ("-k mine.key --for bob", "--for goes with a passphrase, not with a key file."),
        ("--passphrase", "There is no terminal to type a passphrase at."),
        ("--passphrase='wagon lattice'", ""),
    ],
)
def test_options_that_do_not_fit_together_are_refused(options: str, said: str, run: Run, words: Path) -> None:
    run("csfnns key new mine.key --size 64")
    seen = run(f"csfnns cover {options}")
    assert said in seen
    assert seen.endswith("[exit 2]")


def test_a_weak_passphrase_is_refused_unless_it_is_allowed(transcript: Transcript, words: Path) -> None:
    words.write_text("correct horse battery staple")
    transcript("""
        $ csfnns cover --passphrase-file words.txt --size 64
        error: The passphrase is weak: about 10 bits, and 50 are needed.
        hint: It contains a well-known phrase. ... To use it anyway: --allow-weak.
        [exit 4]
        $ csfnns cover --passphrase-file words.txt --size 64 --allow-weak
        passphrase: weak, about 10 bits; words to compare: ...-...
        ...
    """)


def test_a_passphrase_is_never_part_of_the_output(run: Run, words: Path) -> None:
    seen = [run(f"csfnns cover --passphrase-file words.txt --size 64 {form}") for form in ("", "--json")]
    assert not [word for word in PASSPHRASE.split() for output in seen if word in output]
    assert json.loads(seen[1])


def test_passphrase_files_that_cannot_be_read_are_refused(transcript: Transcript, desk: Path) -> None:
    (desk / "empty.txt").write_text("\n")
    (desk / "latin.txt").write_bytes(b"gr\xfc\xdfe\n")
    transcript("""
        $ csfnns cover --passphrase-file missing.txt
        error: The passphrase file missing.txt cannot be read: No such file or directory.
        hint: Check the name and the file's permissions.
        [exit 4]
        $ csfnns cover --passphrase-file empty.txt
        error: The passphrase is empty.
        ...
        [exit 4]
        $ csfnns cover --passphrase-file latin.txt
        error: latin.txt is not in UTF-8.
        ...
        [exit 4]
    """)
