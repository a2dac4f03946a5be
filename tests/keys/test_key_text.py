import re
import string

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from csfnns.errors import KeyFileError
from csfnns.keys import Key, parse_key, render_key
from csfnns.profile import Profile, make_profile
from csfnns.stream import Seed

TEAM = Key.from_root(make_profile(), Seed(bytes(range(32))), ("bob", "carol"))
ALBUM = Key.from_root(make_profile("paper", generator="folder", album="0f" * 32), Seed(bytes(32)))
KEYS = [TEAM, TEAM.for_receiver("bob"), ALBUM]
PRINTABLE = string.ascii_letters + string.digits + string.punctuation

patient = settings(deadline=None)  # a busy machine is no failure

seeds = st.binary(min_size=32, max_size=32).map(Seed)
names = st.lists(st.from_regex(r"[a-z0-9-]{1,32}", fullmatch=True), min_size=1, max_size=8, unique=True)
common = {
    "width": st.integers(4, 512).map(lambda n: 16 * n),
    "generator": st.sampled_from(["abstract", "another"]),
}
profiles = st.one_of(
    st.builds(make_profile, **common),
    st.builds(
        make_profile,
        st.just("paper"),
        bpp=st.sampled_from(["24", "6", "1.5"]),
        channels=st.integers(3, 512),
        **common,
    ),
)
keys = st.builds(Key.from_root, profiles, seeds, names)


def marks(text: str) -> list[int]:
    """Positions of all that counts in a key file: no comments, no blanks."""
    lines = re.finditer(r"^[^#\n]+$", text, re.MULTILINE)
    return [i for line in lines for i in range(line.start(), line.end()) if not text[i].isspace()]


@patient
@given(keys)
def test_what_is_written_is_read_back(key: Key) -> None:
    assert parse_key(render_key(key)) == key
    for name in key.names:
        assert parse_key(render_key(key.for_receiver(name))) == key.for_receiver(name)


@patient
@given(keys)
def test_the_text_is_ascii_in_lines_that_no_mail_program_breaks(key: Key) -> None:
    text = render_key(key)
    assert text.isascii()
    assert max(map(len, text.split("\n"))) <= 72


@patient
@given(st.sampled_from(KEYS), st.data())
def test_any_letter_or_digit_changed_is_noticed(key: Key, data: st.DataObject) -> None:
    text = render_key(key)
    i = data.draw(st.sampled_from([i for i in marks(text) if text[i].isalnum()]))
    other = data.draw(st.sampled_from(PRINTABLE + " ").filter(lambda c: c != text[i]))
    with pytest.raises(KeyFileError):
        parse_key(text[:i] + other + text[i + 1 :])


@patient
@given(st.sampled_from(KEYS), st.data())
def test_no_damage_gives_another_key(key: Key, data: st.DataObject) -> None:
    text = render_key(key)
    start = data.draw(st.integers(0, len(text)))
    end = data.draw(st.integers(start, min(start + 40, len(text))))
    damaged = text[:start] + data.draw(st.text(PRINTABLE + " \n\t", max_size=8)) + text[end:]
    try:
        read = parse_key(damaged)
    except KeyFileError:
        return
    assert read == key


@patient
@given(st.sampled_from(KEYS), st.data())
def test_a_text_that_ends_early_is_noticed(key: Key, data: st.DataObject) -> None:
    text = render_key(key).rstrip("\n")
    end = data.draw(st.integers(0, len(text) - 1))
    with pytest.raises(KeyFileError):
        parse_key(text[:end])


@patient
@given(st.text(max_size=200))
def test_any_other_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError):
        parse_key(text)


@pytest.mark.parametrize("text", ["[" * 20000, "format = " + "9" * 5000, "format = 1\nformat = 1", "\0"])
def test_hostile_text_is_refused(text: str) -> None:
    with pytest.raises(KeyFileError, match="not a readable key file"):
        parse_key(text)


@pytest.mark.parametrize(
    "mangle",
    [
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text.replace("\n", "\r"),
        lambda text: "\ufeff" + text,
        lambda text: text.replace("\n", "  \t\n"),
        lambda text: text.replace("\n", "\n\n"),
        lambda text: text.rstrip("\n"),
        lambda text: text.replace(" = ", "\t=\t"),
        lambda text: text.replace("  ", "\t"),
        lambda text: re.sub(r"(?<=[0-9a-f]) (?=[0-9a-f])", "  ", text),
        lambda text: re.sub(r"^#.*\n", "", text, flags=re.MULTILINE),
    ],
    ids=["crlf", "cr", "bom", "trailing", "blank lines", "no end", "tabs", "indent", "wider", "no comments"],
)
def test_what_editors_and_mail_programs_do_is_harmless(mangle) -> None:  # type: ignore[no-untyped-def]
    for key in KEYS:
        text = mangle(render_key(key))
        assert text != render_key(key)
        assert parse_key(text) == key


def refusal(text: str) -> str:
    with pytest.raises(KeyFileError) as caught:
        parse_key(text, "team.key")
    assert caught.value.hint
    return caught.value.message


def test_the_error_names_the_mangled_line_of_a_secret() -> None:
    text = render_key(TEAM)
    line = 1 + text[: text.index("1011 1213")].count("\n")
    assert refusal(text.replace("1011", "1010")) == f"team.key, line {line}: part 3 of 'root-key' is mangled."


def test_two_lines_of_a_secret_exchanged_are_named() -> None:
    first, second = re.findall(r"  .* - .*\n", render_key(TEAM))[:2]
    assert "part 1 of 'root-key'" in refusal(render_key(TEAM).replace(first + second, second + first))


def test_no_error_shows_a_secret() -> None:
    for key in KEYS[:2]:
        for secret in re.findall(r"([0-9a-f ]{19}) - ", render_key(key)):
            message = refusal(render_key(key).replace(secret, secret[:-1] + "z"))
            assert not any(group in message for group in secret.split())


def test_the_error_names_a_public_field_that_cannot_be() -> None:
    assert re.match(
        r"team.key, line \d+: 'width' cannot be: .*multiple of 16",
        refusal(render_key(TEAM).replace("width = 512", "width = 513")),
    )


def test_a_public_field_changed_to_another_good_value_is_noticed() -> None:
    assert "'checksum' does not fit" in refusal(render_key(ALBUM).replace('bpp = "6"', 'bpp = "24"'))
    assert "'checksum' does not fit" in refusal(render_key(TEAM).replace("width = 512", "width = 528"))
    assert "'checksum' does not fit" in refusal(render_key(TEAM).replace('"carol"', '"caroline"'))


@pytest.mark.parametrize(
    "field", ["format", "role", "id", "checksum", *Profile.model_fields.keys() - {"album", "diffusion"}]
)
def test_a_lost_line_is_named(field: str) -> None:
    text, lost = re.subn(rf"^{field} = .*\n", "", render_key(TEAM), flags=re.MULTILINE)
    assert lost == 1
    assert f"'{field}' is missing" in refusal(text)


@pytest.mark.parametrize("table", ["profile", "secret", "check"])
def test_a_lost_table_is_named(table: str) -> None:
    assert f"'{table}' is missing" in refusal(render_key(TEAM).replace(f"[{table}]", f"[{table}s]"))


def test_unknown_fields_are_refused() -> None:
    text = render_key(TEAM)
    assert "'colour' is unknown" in refusal("colour = 1\n" + text)
    assert "'colour' cannot be" in refusal(text.replace("[profile]", "[profile]\ncolour = 1"))
    assert "'colour' is unknown" in refusal(text.replace("[secret]", "[secret]\ncolour = 1"))
    assert "'colour' is unknown" in refusal(text.replace("[check]", "[check]\ncolour = 1"))


def test_a_newer_format_is_refused_with_what_to_do() -> None:
    with pytest.raises(KeyFileError, match=r"'format' is not 1.*update"):
        parse_key(render_key(TEAM).replace("format = 1", "format = 2"))


def test_the_wrong_kind_of_value_is_refused() -> None:
    assert "'format' is not written" in refusal(render_key(TEAM).replace("format = 1", "format = true"))
    assert "'role' is not written" in refusal(render_key(TEAM).replace('role = "sender"', "role = 1"))
    assert "'role' is neither" in refusal(render_key(TEAM).replace('role = "sender"', 'role = "boss"'))
    assert "'receivers' is not written" in refusal(render_key(TEAM).replace('"carol"', "3"))


def test_a_receivers_secrets_do_not_pass_for_a_senders() -> None:
    text = render_key(TEAM.for_receiver("bob")).replace('role = "receiver"', 'role = "sender"')
    assert "'receivers' is missing" in refusal(text)


def test_the_id_must_be_that_of_the_secrets() -> None:
    assert "'id' is not the one" in refusal(render_key(TEAM).replace(TEAM.id, ALBUM.id))
