"""The text of a key file: comments and one JSON object, which survive mail programs and show what was lost.

The format is in docs/format.md. Each line of a 256-bit secret carries a check of its own, so that an error can name
the line; a checksum covers everything; and the key's public id must be the one that the secrets give. A passphrase may
protect the secrets (keys/protection.py); what is public stays readable, and is authenticated.
"""

import hashlib
import json
import re
from collections.abc import Callable
from functools import cache
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from csfnns.errors import KeyFileError, UsageError
from csfnns.files import plain
from csfnns.keys.material import Key, Role, canonical
from csfnns.keys.protection import TAG_BYTES, Protection
from csfnns.profile import Profile, explain
from csfnns.stream import SEED_BYTES, Seed

FORMAT = 2
MAX_CHARACTERS = 64 * 1024

Passphrase: TypeAlias = str | Callable[[], str] | None
"""Passphrase of a protected key file, or what asks for it where the file is protected."""

_ASK = "Get an unchanged copy of the key from whoever made it."
_COMMENTS: dict[Role, str] = {
    "conversation": """\
# csfnns key of a conversation. KEEP IT SECRET.
# Whoever has a copy can hide, and reveal all that is hidden with it.
# Hand it over in person or over a secure channel.
""",
    "sender": """\
# csfnns key of a sender. KEEP IT SECRET.
# It hides for its receivers and reveals everything, also their answers.
# It belongs to the sender alone: receivers have files of their own.
""",
    "receiver": """\
# csfnns key of a receiver. KEEP IT SECRET.
# It reveals what is hidden for them, and hides answers to the sender.
# It belongs to them alone.
""",
}
_PROTECTED = "# A passphrase protects it.\n"


class _Form(BaseModel):
    """Public fields of every key file."""

    model_config = ConfigDict(extra="forbid", strict=True)

    format: Literal[2]
    role: Role
    id: str
    profile: Profile
    checksum: str


class _Sender(_Form):
    receivers: list[str] = Field(min_length=1)


class _Receiver(_Form):
    receiver: str


_FORMS: dict[str, type[_Form]] = {"conversation": _Form, "sender": _Sender, "receiver": _Receiver}
_SECRETS = {"conversation": ("root",), "sender": ("root",), "receiver": ("pair", "group")}


@cache
def _form(role: str, protected: bool) -> type[_Form]:
    """Fields of a key file: the secrets, or what they are encrypted as."""
    fields: dict[str, Any] = dict.fromkeys(_SECRETS[role], (list[str], ...))
    if protected:
        fields = {"protection": (Protection, ...), "sealed": (list[str], ...)}
    return create_model("Form", __base__=_FORMS[role], **fields)


def render_key(key: Key, passphrase: str | None = None, *, protection: Protection | None = None) -> str:
    """Text of the key's file, which is secret. ASCII; lines of at most 72 characters but for the profile's texts.

    A passphrase encrypts the secrets; `protection` says how. Raises KeyFileError for what is no passphrase.
    """
    content, secrets, comments = _public(key), _secrets(key), _COMMENTS[key.role]
    if passphrase is not None:
        protection = protection or Protection.new()
        content["protection"] = protection.model_dump()
        secrets = {"sealed": protection.seal(b"".join(secrets.values()), passphrase, _associated(content))}
        comments += _PROTECTED
    shown: dict[str, Any] = content | {name: _lines(name, data) for name, data in secrets.items()}
    shown["checksum"] = _groups(checksum(content | {name: data.hex() for name, data in secrets.items()}))
    return comments + json.dumps(shown, indent=2) + "\n"


def parse_key(text: str, source: str = "The key", passphrase: Passphrase = None) -> Key:
    """Key in the text of a key file, called `source` in errors.

    Forgives what mail programs and editors do: wrapped lines, ">" before them, other line ends, blanks, quotes and
    hyphens, upper-case hexadecimal digits, and text before and after the JSON object. Raises KeyFileError that says
    what is wrong, and where; for a protected key also without its passphrase.
    """
    file = _File(text, source)
    version, role = (file.content.get(name) for name in ("format", "role"))
    if version != FORMAT or type(version) is not int:
        raise file.error("format", f"format must be {FORMAT}, got {version!r}.", f"{_ASK} Or update csfnns.")
    if not isinstance(role, str) or role not in _FORMS:
        raise file.error("role", f"role must be one of {', '.join(_FORMS)}, got {role!r}.")
    protected = not {"protection", "sealed"}.isdisjoint(file.content)
    try:
        form: Any = _form(role, protected).model_validate(file.content)
    except ValidationError as error:
        fields = [each for each in error.errors()[0]["loc"] if isinstance(each, str)]
        raise file.error(fields[-1], explain(error)) from None
    for name in form.profile.model_dump().keys() - file.content["profile"].keys():
        raise file.error("profile", f"profile.{name} is missing.")
    if protected:
        secrets = _unlocked(file, form, passphrase)
    else:
        secrets = {name: file.secret(name, SEED_BYTES) for name in _SECRETS[role]}
    try:
        if role == "receiver":
            pair = (form.receiver, Seed(secrets["pair"]))
            key = Key(form.profile, "receiver", (pair,), Seed(secrets["group"]))
        else:
            key = Key.from_root(form.profile, Seed(secrets["root"]), getattr(form, "receivers", ()))
    except UsageError as error:
        raise file.error("receivers" if role == "sender" else "receiver", error.message) from None
    if _compact(form.id) != key.id:
        raise file.error("id", "The id does not belong to these secrets.")
    if not protected:
        file.compare(form.checksum, _public(key) | {name: data.hex() for name, data in secrets.items()})
    return key


def _unlocked(file: "_File", form: Any, passphrase: Passphrase) -> dict[str, bytes]:
    """Secrets of a protected key. Raises KeyFileError."""
    names = _SECRETS[form.role]
    sealed = file.secret("sealed", len(names) * SEED_BYTES + TAG_BYTES)
    content = form.model_dump(mode="json", exclude={"checksum", "sealed"}) | {"id": _compact(form.id)}
    file.compare(form.checksum, content | {"sealed": sealed.hex()})
    if passphrase is None:
        raise KeyFileError(f"{file.source} is protected by a passphrase.", 'Give it: passphrase="…".')
    typed = passphrase if isinstance(passphrase, str) else passphrase()
    opened = form.protection.open(sealed, typed, _associated(content))
    if opened is None:
        reason = f"This passphrase does not open {file.source}, or somebody changed the file."
        raise KeyFileError(reason, "Type it again; capitals and blanks count.")
    return {name: opened[i * SEED_BYTES :][:SEED_BYTES] for i, name in enumerate(names)}


def checksum(content: dict[str, Any]) -> str:
    """First 64 bits of SHA-256 over a key file's content, in hex: against accidents, not forgers."""
    return hashlib.sha256(b"csfnns/2/key-file\n" + canonical(content).encode()).hexdigest()[:16]


def _public(key: Key) -> dict[str, Any]:
    """Everything public in the file but its checksum."""
    content = {
        "format": FORMAT,
        "role": key.role,
        "id": key.id,
        "profile": key.profile.model_dump(mode="json"),
    }
    if key.role == "conversation":
        return content
    return content | ({"receivers": list(key.names)} if key.role == "sender" else {"receiver": key.owner})


def _secrets(key: Key) -> dict[str, bytes]:
    if key.role == "receiver":
        assert key.group is not None
        return {"pair": key.pairs[0][1].data, "group": key.group.data}
    assert key.root is not None
    return {"root": key.root.data}


def _associated(content: dict[str, Any]) -> bytes:
    """What is public in a protected file, as it is authenticated with the secrets."""
    return b"csfnns/2/key-file/protected\n" + canonical(content).encode()


def _lines(name: str, data: bytes) -> list[str]:
    """Secret as texts of 8 bytes, each with its check."""
    parts = [data[i : i + 8].hex() for i in range(0, len(data), 8)]
    return [f"{_groups(part)} - {_check(name, n, part)}" for n, part in enumerate(parts, 1)]


def _groups(digits: str) -> str:
    return " ".join(digits[i : i + 4] for i in range(0, len(digits), 4))


def _compact(digits: str) -> str:
    return "".join(digits.lower().split())


def _check(name: str, part: int, digits: str) -> str:
    return hashlib.sha256(f"csfnns/2/line/{name}/{part}/{digits}".encode()).hexdigest()[:4]


class _File:
    """A key file's text and its JSON object. Knows the line of each field."""

    def __init__(self, text: str, source: str) -> None:
        self.source = source
        if len(text) > MAX_CHARACTERS:
            raise KeyFileError(f"{source} is too long for a key.", "Check the name.")
        lines = text.replace("\r\n", "\n").replace("\r", "\n").split("\n")
        self.text = "\n".join(re.sub(r"^(\s*>)+", "", plain(line)) for line in lines)
        start = self.text.find("{")
        if start < 0 and re.search(r"^\s*format\s*=\s*1\b", self.text, re.MULTILINE):
            hint = "Make a new key with 'csfnns key new', and reveal old pictures with csfnns 0.1."
            raise KeyFileError(f"{source} is a key of csfnns 0.1.", hint)
        if start < 0:
            raise KeyFileError(f"{source} is not a key file.", f"Check the name. {_ASK}")
        decoder = json.JSONDecoder(object_pairs_hook=self._object, strict=False)
        try:
            self.content, end = decoder.raw_decode(self.text, start)
        except json.JSONDecodeError as error:
            raise self._at(error.pos, f"This key cannot be read: {error.msg}.") from None
        except (ValueError, RecursionError):
            raise KeyFileError(f"{source} is not a key file.", _ASK) from None
        if "{" in self.text[end:]:
            hint = "Save each key in a file of its own."
            raise self._at(self.text.index("{", end), "A second key begins here.", hint)

    def error(self, field: str, problem: str, hint: str = _ASK) -> KeyFileError:
        """Error about a field, with its line if it stands in the file."""
        found = re.search(rf'"{re.escape(field)}"\s*:', self.text)
        return self._at(found and found.start(), problem, hint)

    def secret(self, name: str, size: int) -> bytes:
        """Bytes in parts of 8, each compared with its check."""
        parts = self.content[name]
        if len(parts) != size // 8:
            raise self.error(name, f"{name} must have {size // 8} parts, got {len(parts)}.")
        digits = ""
        for number, part in enumerate(parts, 1):
            match = re.fullmatch(r"([0-9a-f]{16})-([0-9a-f]{4})", _compact(part))
            if not match or match[2] != _check(name, number, match[1]):
                found = re.search(r"\s+".join(map(re.escape, part.split())), self.text)
                hint = "Copy that line again from the original, or get an unchanged copy of the key."
                raise self._at(found and found.start(), f"Part {number} of {name} is damaged.", hint)
            digits += match[1]
        return bytes.fromhex(digits)

    def compare(self, found: str, content: dict[str, Any]) -> None:
        """Raise KeyFileError unless this is the checksum of the content."""
        if _compact(found) != checksum(content):
            hint = f"No field can be edited: for another profile or other receivers, make a new key. {_ASK}"
            raise self.error("checksum", "The checksum does not fit: something in the file was changed.", hint)

    def _object(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        """Object without wrapped texts, in which each name may stand once."""
        content: dict[str, Any] = {}
        for name, value in pairs:
            if name in content:
                raise self.error(name, f"{name} stands there twice.")
            content[name] = _unwrap(value)
        return content

    def _at(self, position: int | None, problem: str, hint: str = _ASK) -> KeyFileError:
        where = "" if position is None else f", line {self.text.count(chr(10), 0, position) + 1}"
        return KeyFileError(f"{self.source}{where}: {problem}", hint)


def _unwrap(value: Any) -> Any:
    """Texts on one line again."""
    if isinstance(value, list):
        return [_unwrap(item) for item in value]
    return " ".join(value.split()) if isinstance(value, str) else value
