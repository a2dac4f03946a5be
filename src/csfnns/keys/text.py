"""The text of a key file: something to look at, copy and mail, that notices when a single character was lost.

The format is in docs/format.md. It is a subset of TOML with three safeguards: each line of a 256-bit value
carries a check of its own, so that an error can name the line; a checksum covers everything, so that no
public field changes unnoticed; and the key's public id is written out and compared with the one that the
secrets give.
"""

import hashlib
import re
import tomllib
from typing import Any, TypeVar

from pydantic import ValidationError

from csfnns.errors import KeyFileError, UsageError
from csfnns.keys.material import DEFAULT_RECEIVER, Key, Receiver, canonical, check_names
from csfnns.profile import Diffusion, Profile
from csfnns.stream import Seed

FORMAT = 1

_LONGEST = 64  # characters of a text on one line, so that no line has more than 72
_BLOCKS = (
    "album",
    "reference",
    "root-key",
    "cover-key",
    "receiver-key",
)  # 256-bit values, written over four lines
_ASK = "Get an unchanged copy of the key from whoever made it."

T = TypeVar("T")


def render_key(key: Key) -> str:
    """Text of the key's file, which is secret: ASCII, lines of at most 72 characters.

    Raises KeyFileError for a profile with characters that no key file can hold.
    """
    content = _content(key)
    lines = [f"# {line}".rstrip() for line in _header(key)]
    lines += [_field(name, content[name]) for name in ("format", "role", "id")]
    for table in ("profile", "secret"):
        lines += _table(table, content[table])
    lines += ["", "[check]", _field("checksum", checksum(content))]
    return "\n".join(lines) + "\n"


def parse_key(text: str, source: str = "The key") -> Key:
    """Key in the text of a key file, called `source` in errors.

    Raises KeyFileError saying what is wrong where.
    """
    file = _Text(text, source)
    top = file.table(file.parsed)
    if top.take("format", int) != FORMAT:
        raise file.error("format", f"is not {FORMAT}", "A newer csfnns made this key: update this one.")
    role, written_id = top.take("role", str), top.take("id", str)
    profile, secret, check = (file.table(top.take(name, dict)) for name in ("profile", "secret", "check"))
    top.end()

    key = _key(file, role, _profile(file, profile), secret)
    if written_id != key.id:
        raise file.error("id", "is not the one that the secrets give", _ASK)
    written_checksum = check.take("checksum", str)
    check.end()
    if " ".join(written_checksum.split()) != checksum(_content(key)):
        hint = f"{_ASK} No field can be edited: for another profile or other receivers, make a new key."
        raise file.error("checksum", "does not fit: something was changed after the key was made", hint)
    return key


def checksum(content: dict[str, Any]) -> str:
    """First 64 bits of SHA-256 over a key file's content, in hex: against accidents, not forgers."""
    return _groups(hashlib.sha256(b"csfnns/1/key-file\n" + canonical(content).encode()).hexdigest()[:16])


def _content(key: Key) -> dict[str, Any]:
    """All that the file says but its checksum, with 256-bit values as 64 hex digits."""
    secret: dict[str, Any]
    if key.root is not None:
        secret = {"receivers": list(key.names), "root-key": key.root.data.hex()}
    else:
        (me,) = key.receivers
        secret = {"receiver": me.name, "cover-key": key.cover.data.hex(), "receiver-key": me.seed.data.hex()}
    profile = key.profile.model_dump(exclude_none=True)
    return {"format": FORMAT, "role": key.role, "id": key.id, "profile": profile, "secret": secret}


def _header(key: Key) -> list[str]:
    lines = ["csfnns key file. KEEP IT SECRET.", ""]
    if key.role == "receiver":
        lines += [
            f"It belongs to the receiver {key.names[0]}",
            "and to nobody else. Whoever holds it can recognise every picture sent",
            "with this key, and reveal whatever was or will be hidden for him.",
        ]
    elif key.names == (DEFAULT_RECEIVER,):
        lines += [
            "It hides and it reveals: whoever holds it can reveal everything that",
            "was or will be hidden with it. Hand it over in person or through an",
            "encrypted channel. Only one side may hide with it, on one computer;",
            "for the way back, make a second key.",
        ]
    else:
        lines += [
            "It belongs to the sender alone: whoever holds it can hide with it and",
            "reveal everything that was or will be hidden for any receiver.",
            "Give each receiver his own file, never this one.",
        ]
    return [*lines, "", "Do not edit it: every change is noticed.", ""]


def _table(name: str, fields: dict[str, Any]) -> list[str]:
    """Lines of a table, and of the tables in it."""
    inner = {key: value for key, value in fields.items() if isinstance(value, dict)}
    lines = ["", f"[{name}]", *(_field(key, value) for key, value in fields.items() if key not in inner)]
    for key, value in inner.items():
        lines += _table(f"{name}.{key}", value)
    return lines


def _field(name: str, value: object) -> str:
    """One field as TOML."""
    if name in _BLOCKS:
        return f"{name} = {_list(_block(name, str(value)))}"
    if isinstance(value, list | tuple):
        return f"{name} = {_list([_value(name, item) for item in value])}"
    return f"{name} = {_value(name, value)}"


def _list(items: list[str]) -> str:
    return "[\n" + ",\n".join(f"  {item}" for item in items) + "\n]"


def _value(name: str, value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if not isinstance(value, str):
        return repr(value)
    if not re.fullmatch(r"[ !#-\[\]-~]*", value):  # printable ASCII but the two that TOML would escape
        message = f"No key file can hold the profile's {name} {value!r}."
        raise KeyFileError(message, "Use plain ASCII characters.")
    return f'"{value}"' if len(value) <= _LONGEST else _long(value)


def _long(value: str) -> str:
    """A text over several lines that TOML joins again. No line but the first may begin with a blank: it is lost."""
    parts = re.findall(rf".{{1,{_LONGEST}}}(?: |$)|.{{{_LONGEST}}}", value)
    return "\n".join(['"""\\', *(f"  {part}\\" for part in parts), '  """'])


def _block(name: str, digits: str) -> list[str]:
    """Four parts of a 256-bit value, 64 bits each, with their checks."""
    parts = [digits[i : i + 16] for i in range(0, 64, 16)]
    return [f'"{_groups(part)} - {_line_check(name, n, part)}"' for n, part in enumerate(parts, 1)]


def _groups(digits: str) -> str:
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def _line_check(name: str, part: int, digits: str) -> str:
    return hashlib.sha256(f"csfnns/1/line/{name}/{part}/{digits}".encode()).hexdigest()[:4]


class _Text:
    """A key file's text, parsed, that can tell on which line something stands."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        self.lines = text.removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n").split("\n")
        try:
            self.parsed = tomllib.loads("\n".join(self.lines))
        except (ValueError, RecursionError) as error:
            message = f"{source} is not a readable key file: {str(error).rstrip('.')}."
            raise KeyFileError(message, f"Check the name. {_ASK}") from None

    def table(self, fields: dict[str, Any]) -> "_Table":
        return _Table(self, dict(fields))

    def error(self, field: str, problem: str, hint: str = _ASK) -> KeyFileError:
        """Error about a field, or about a table of that name, with its line where it stands on one."""
        start = re.compile(rf"\s*(\[\s*(\w+\s*\.\s*)?)?{re.escape(field)}\s*[=\].]")
        line = next((n for n, line in enumerate(self.lines, 1) if start.match(line)), None)
        return self.error_at(line, f"{field!r} {problem}", hint)

    def error_in_block(self, field: str, part: int, written: str) -> KeyFileError:
        line = next((n for n, line in enumerate(self.lines, 1) if f'"{written}"' in line), None)
        hint = "Copy that line again from the original, or get an unchanged copy of the key."
        return self.error_at(line, f"part {part} of {field!r} is mangled", hint)

    def error_at(self, line: int | None, problem: str, hint: str) -> KeyFileError:
        where = self.source if line is None else f"{self.source}, line {line}"
        return KeyFileError(f"{where}: {problem}.", hint)


class _Table:
    """One table of a key file. Each field is taken once, and what is left over at the end is an error."""

    def __init__(self, file: _Text, fields: dict[str, Any]) -> None:
        self.file, self.fields = file, fields

    def take(self, name: str, kind: type[T]) -> T:
        if name not in self.fields:
            raise self.file.error(name, "is missing")
        value = self.fields.pop(name)
        if type(value) is not kind:  # True is no number here
            raise self.file.error(name, "is not written as it should be")
        return value

    def take_texts(self, name: str) -> list[str]:
        items = self.take(name, list)
        if not all(isinstance(item, str) for item in items):
            raise self.file.error(name, "is not written as it should be")
        return items

    def take_block(self, name: str) -> str:
        """64 hex digits of a 256-bit value, each part compared with its check."""
        parts = self.take_texts(name)
        if len(parts) != 4:
            raise self.file.error(name, f"has {len(parts)} parts instead of 4")
        digits = [self._part(name, n, part) for n, part in enumerate(parts, 1)]
        return "".join(digits)

    def take_seed(self, name: str) -> Seed:
        return Seed(bytes.fromhex(self.take_block(name)))

    def end(self) -> None:
        for name in self.fields:
            hint = f"A newer csfnns made this key, or it was edited. {_ASK}"
            raise self.file.error(name, "is unknown", hint)

    def _part(self, name: str, number: int, written: str) -> str:
        match = re.fullmatch(r"((?:[0-9a-f]{4} ){4})- ([0-9a-f]{4})", " ".join(written.split()))
        digits = match[1].replace(" ", "") if match else ""
        if not match or match[2] != _line_check(name, number, digits):
            raise self.file.error_in_block(name, number, written)
        return digits


def _profile(file: _Text, table: _Table) -> Profile:
    fields = dict(table.fields)
    if "album" in fields:
        fields["album"] = table.take_block("album")
    if "diffusion" in fields:
        fields["diffusion"] = _diffusion(file, file.table(table.take("diffusion", dict)))
    for name, info in Profile.model_fields.items():
        if name not in fields and info.get_default() is not None:
            raise file.error(name, "is missing")  # a default would hide that a line was lost
    try:
        return Profile(**fields)
    except ValidationError as error:
        raise _refuse(file, error, "profile") from None


def _diffusion(file: _Text, table: _Table) -> Diffusion:
    fields = dict(table.fields)
    if "reference" in fields:
        fields["reference"] = table.take_block("reference")
    for name in Diffusion.model_fields:
        if name not in fields:
            raise file.error(name, "is missing")
    try:
        return Diffusion(**fields)
    except ValidationError as error:
        raise _refuse(file, error, "diffusion") from None


def _refuse(file: _Text, error: ValidationError, table: str) -> KeyFileError:
    first = error.errors()[0]
    name = str(first["loc"][0]) if first["loc"] else table
    return file.error(name, f"cannot be: {first['msg']}")


def _key(file: _Text, role: str, profile: Profile, secret: _Table) -> Key:
    if role == "sender":
        names = _names(file, "receivers", secret.take_texts("receivers"))
        key = Key.from_root(profile, secret.take_seed("root-key"), names)
    elif role == "receiver":
        (name,) = _names(file, "receiver", [secret.take("receiver", str)])
        cover, own = secret.take_seed("cover-key"), secret.take_seed("receiver-key")
        key = Key(profile, cover, (Receiver(name, own),))
    else:
        raise file.error("role", 'is neither "sender" nor "receiver"')
    secret.end()
    return key


def _names(file: _Text, field: str, names: list[str]) -> list[str]:
    try:
        check_names(names)
    except UsageError as error:
        raise file.error(field, f"cannot be: {error.message.rstrip('.')}") from None
    return names
