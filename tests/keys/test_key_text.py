import contextlib
import json
import re
import string
import textwrap
import time
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csfnns.errors import KeyFileError
from csfnns.keys import Key, parse_key, render_key
from csfnns.profile import Diffusion, make_profile
from csfnns.stream import Seed

TEAM = Key.from_root(make_profile(), Seed(bytes(range(32))), ("bob", "carol"))
DRAWN = Diffusion(
    prompts=("A campus in spring, {wide} and high, a painter's view of the old library" * 2, "a: b"),
    steps=50,
    guidance="7.5",
    device="cpu",
    threads=1,
    scheduler="DDIMScheduler",
    settings=("eta=0.0",),
    model=("class=StableDiffusionPipeline",),
    environment=("torch=2.13.0",),
    reference="ab" * 32,
)
KEYS = [
    TEAM,
    TEAM.for_receiver("bob"),
    Key.from_root(make_profile("paper", generator="folder", album="0f" * 32), Seed(bytes(32))),
    Key.from_root(make_profile(generator="diffusion", diffusion=DRAWN), Seed(bytes(32))),
]
PRINTABLE = string.ascii_letters + string.digits + string.punctuation + " \n\t\r\u00a0“’—é"

patient = settings(deadline=None)  # a busy machine is no failure

keys = st.builds(
    Key.from_root,
    st.one_of(
        st.builds(make_profile, width=st.integers(4, 512).map(lambda n: 16 * n)),
        st.builds(make_profile, st.just("paper"), bpp=st.sampled_from(["24", "6"]), channels=st.integers(3, 512)),
    ),
    st.binary(min_size=32, max_size=32).map(Seed),
    st.lists(st.from_regex(r"[0-9-]{1,32}", fullmatch=True), max_size=8, unique=True),
)


@patient
@given(keys)
def test_what_is_written_is_read_back_and_no_mail_program_breaks_it(key: Key) -> None:
    receivers = [key.for_receiver(name) for name in key.names] if key.role == "sender" else []
    for each in [key, *receivers]:
        text = render_key(each)
        assert parse_key(text) == each
        assert text.isascii()
        assert max(map(len, text.split("\n"))) <= 72


@patient
@given(st.sampled_from(KEYS), st.data())
def test_a_changed_character_is_forgiven_to_the_same_key_or_refused(key: Key, data: st.DataObject) -> None:
    text = render_key(key)
    i = data.draw(st.integers(0, len(text) - 1))
    same_or_refused(key, text[:i] + data.draw(st.sampled_from(["", *PRINTABLE])) + text[i + 1 :])


@patient
@given(st.sampled_from(KEYS), st.data())
def test_no_damage_gives_another_key(key: Key, data: st.DataObject) -> None:
    text = render_key(key)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    same_or_refused(key, text[:start] + data.draw(st.text(PRINTABLE, max_size=8)) + text[end:])


def same_or_refused(key: Key, text: str) -> None:
    with contextlib.suppress(KeyFileError):
        assert parse_key(text) == key


@patient
@given(st.sampled_from(KEYS), st.data())
def test_a_changed_digit_of_a_secret_is_noticed(key: Key, data: st.DataObject) -> None:
    text = render_key(key)
    blocks = list(re.finditer(r'"[0-9a-f ]{19} - [0-9a-f]{4}"', text))
    block = data.draw(st.sampled_from(blocks))
    i = data.draw(st.integers(block.start(), block.end() - 1).filter(lambda i: text[i] in string.hexdigits))
    other = data.draw(st.sampled_from("0123456789abcdef").filter(lambda c: c != text[i]))
    with pytest.raises(KeyFileError, match=rf"line {text.count(chr(10), 0, i) + 1}: Part \d of \w+ is damaged"):
        parse_key(text[:i] + other + text[i + 1 :])


@patient
@given(st.one_of(st.text(max_size=200), st.text('{}[]",:0', max_size=200)))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError):
        parse_key(text)


@pytest.mark.parametrize(
    "text",
    [
        *("", "{", "{}", "[" * 20000, "{}" * 40000, '{"format": NaN}'),
        *('{"format": ' + "[" * 20000, '{"format": ' + "9" * 5000 + "}"),
        *('{"format": 2, "role": ["sender"]}', '{"format": 2, "role": "sender", "profile": 3}'),
    ],
)
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError):
        parse_key(text)


def wrap(text: str, width: int) -> str:
    return textwrap.fill(text, width, break_long_words=False, break_on_hyphens=False)


MANGLED: dict[str, Callable[[str], str]] = {
    "CRLF": lambda text: text.replace("\n", "\r\n"),
    "CR": lambda text: text.replace("\n", "\r"),
    "byte order mark": lambda text: "\ufeff" + text,
    "blank lines": lambda text: text.replace("\n", "  \t\n\n"),
    "tabs": lambda text: text.replace("  ", "\t"),
    "no-break spaces": lambda text: text.replace(" ", "\u00a0"),
    "no comments": lambda text: re.sub(r"^#.*\n", "", text, flags=re.MULTILINE),
    "quoted": lambda text: textwrap.indent(text, "> > >> "),
    "wrapped": lambda text: "\n".join(wrap(line, 32) for line in text.split("\n")),
    "run together and quoted": lambda text: textwrap.indent(wrap(text, 70), "> "),
    "smart quotes": lambda text: re.sub('"([^"]*)"', "“\\1”", text).replace("'", "’").replace(" - ", " – "),
    "upper case": lambda text: re.sub('"[0-9a-f ]{19} - [0-9a-f]{4}"', lambda m: m[0].upper(), text),
    "invisible characters": lambda text: text.replace("-", "\u2011").replace("0", "0\u200b"),
    "in a letter": lambda text: f"Hello Bob,\nhere is the key:\n-----\n{text}-----\nBest, Alice\n",
}


@pytest.mark.parametrize("mangled", MANGLED)
def test_what_editors_and_mail_programs_do_is_harmless(mangled: str) -> None:
    for key in KEYS:
        text = MANGLED[mangled](render_key(key))
        assert text != render_key(key)
        assert parse_key(text) == key


def refusal(text: str) -> str:
    with pytest.raises(KeyFileError) as caught:
        parse_key(text, "team.key")
    assert caught.value.hint
    return caught.value.message


def edited(key: Key = TEAM, **fields: object) -> str:
    """Key file with top-level fields replaced; None leaves one out."""
    text = render_key(key)
    content = json.loads(text[text.index("{") :]) | fields
    return json.dumps({name: value for name, value in content.items() if value is not None}, indent=2)


def test_lines_of_a_secret_that_are_exchanged_or_lost_are_named() -> None:
    text = render_key(TEAM)
    first, second = re.findall(r"    .* - .*,\n", text)[:2]
    line = 1 + text[: text.index(first)].count("\n")
    assert refusal(text.replace(first + second, second + first)) == (
        f"team.key, line {line}: Part 1 of root is damaged."
    )
    assert refusal(text.replace(second, "")) == f"team.key, line {line - 1}: root must have 4 parts, got 3."


def test_no_error_shows_a_secret() -> None:
    for key in KEYS[:2]:
        for secret in re.findall(r"([0-9a-f ]{19}) - ", render_key(key)):
            message = refusal(render_key(key).replace(secret, secret[:-1] + "z"))
            assert not any(group in message for group in secret.split())


def test_a_public_field_that_was_changed_is_noticed() -> None:
    assert "The checksum does not fit" in refusal(render_key(TEAM).replace('"width": 512', '"width": 528'))
    assert "The checksum does not fit" in refusal(render_key(TEAM).replace('"carol"', '"caroline"'))
    assert "The id does not belong" in refusal(edited(id=KEYS[2].id))
    assert re.fullmatch(
        r"team.key, line \d+: profile.width must be a multiple of 16, got 513.",
        refusal(render_key(TEAM).replace('"width": 512', '"width": 513')),
    )


@pytest.mark.parametrize("key", KEYS[:2])
def test_a_lost_field_is_named(key: Key) -> None:
    text = render_key(key)
    for field in json.loads(text[text.index("{") :]):
        assert re.search(rf"\b{field} (is missing|must be)", refusal(edited(key, **{field: None})))
    profile = key.profile.model_dump()
    for field in profile:
        lost = {name: value for name, value in profile.items() if name != field}
        assert f"profile.{field} is missing" in refusal(edited(key, profile=lost))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"colour": 1}, "colour is unknown"),
        ({"profile": TEAM.profile.model_dump() | {"colour": 1}}, "profile.colour is unknown"),
        ({"profile": TEAM.profile.model_dump() | {"bpp": "6"}}, "bpp goes with a network"),
        ({"format": 3}, "format must be 2, got 3"),
        ({"format": True}, "format must be 2, got True"),
        ({"role": "boss"}, "role must be one of conversation, sender, receiver, got 'boss'"),
        ({"role": "receiver"}, "receiver is missing"),
        ({"receivers": []}, "receivers must have at least 1 item"),
        ({"receivers": ["bob", 3]}, "must be a valid string, got 3"),
        ({"receivers": ["bob", "sender"]}, "'sender' is reserved"),
        ({"id": 7}, "id must be a valid string, got 7"),
    ],
)
def test_a_field_that_does_not_belong_is_refused(fields: dict[str, Any], problem: str) -> None:
    assert problem in refusal(edited(**fields))


def test_a_field_that_stands_there_twice_is_refused() -> None:
    assert "width stands there twice" in refusal(render_key(TEAM).replace('"width"', '"width": 512,\n"width"'))


def test_two_keys_in_one_file_are_refused() -> None:
    assert "A second key begins here" in refusal(render_key(TEAM) + render_key(KEYS[1]))
    assert "A second key begins here" in refusal(render_key(TEAM).rstrip() + "{")


def test_a_key_of_version_0_1_is_refused_with_what_to_do() -> None:
    with pytest.raises(KeyFileError) as caught:
        parse_key('# csfnns key file. KEEP IT SECRET.\nformat = 1\nrole = "sender"\n', "old.key")
    assert caught.value.message == "old.key is a key of csfnns 0.1."
    assert caught.value.hint == ("Make a new key with 'csfnns key new', and reveal old pictures with csfnns 0.1.")


@pytest.mark.parametrize(
    "text",
    [
        "{" + ",".join(f'"{i}": 1' for i in range(5900)) + ', "5899": 1}',
        edited(root=["a " * 31000, *["x"] * 3]),
        " >" * 30000 + "{",
    ],
)
def test_a_hostile_text_takes_little_time(text: str) -> None:
    start = time.process_time()
    refusal(text)
    assert time.process_time() - start < 2
