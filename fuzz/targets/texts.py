"""Key files, passphrases, names, settings of the command line, and the files that csfnns keeps for itself."""

import json
import os
import re
import tempfile
import tomllib
import unicodedata
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

from csfnns.cli.options import parse_settings, parse_size
from csfnns.covers import AlbumRegister, parse_share
from csfnns.errors import CoverError, KeyFileError, UsageError
from csfnns.keys import Key, check_strength, decode_key, estimate_cost, key_from_passphrase, parse_key, render_key
from csfnns.keys.protection import Protection
from csfnns.keys.text import checksum
from csfnns.payloads.frame import MAX_NAME, inert_name, runs, safe_name
from csfnns.profile import Profile
from csfnns.search.channel import MAX_CASES, parse_channel
from csfnns.stream import Seed
from fuzz.fields import Fields, check

PASSPHRASE = "wagon lattice"
CHEAP = Protection(cipher="argon2id/chacha20-poly1305", memory=8, passes=1, lanes=1, salt="5a" * 16)
CORPUS = Path(__file__).parents[1] / "corpus"
RIGHT = b"!"
"""First byte of a key file whose checks are made right, as somebody does who changes it on purpose."""

_DEVICE = re.compile(r"(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[0-9¹²³])\s*(\..*)?", re.IGNORECASE | re.DOTALL)


def keys(data: bytes) -> None:
    """A key file gives a key of the corpus or an error; with its checks made right, a key that is written as it reads."""
    changed = data.startswith(RIGHT)
    if changed:
        data = _with_right_checks(data[1:])
    with suppress(KeyFileError):
        key = decode_key(data, "key", PASSPHRASE)
        check(changed or key in _known_keys(), "another key was read from a damaged file")
        check(parse_key(render_key(key)) == key, "a key is read otherwise than it was written")
        check(decode_key(render_key(key, PASSPHRASE, protection=CHEAP).encode(), "key", PASSPHRASE) == key, "protected")
        check(0 < estimate_cost(key.profile).memory <= 1e9, "a key that costs too much was read")


def _with_right_checks(data: bytes) -> bytes:
    """The file with the id, checks and checksum that its values should have, where it is JSON at all."""
    with suppress(ValueError, KeyError, TypeError, AttributeError, RecursionError, UsageError):
        content = json.loads(data.decode())
        for name, size in (("root", 32), ("pair", 32), ("group", 32), ("sealed", 80)):
            if name in content:
                digits = re.sub(r"\s|-.*", "", " ".join(content[name])).encode()
                content[name] = json.loads(_rendered(name, digits.ljust(size, b"\0")[:size]))
        if "protection" in content:
            asked = content["protection"]
            asked["memory"], asked["passes"] = min(asked["memory"], 64), min(asked["passes"], 2)
        with suppress(UsageError, ValueError, KeyError, TypeError):
            profile = Profile.model_validate(content["profile"])
            if "root" in content:
                content["id"] = Key.from_root(profile, _seed(content["root"]), content.get("receivers", ())).id
        rest = {name: value for name, value in content.items() if name != "checksum"}
        secrets = {name: _hexadecimal(rest[name]) for name in ("root", "pair", "group", "sealed") if name in rest}
        return json.dumps(content | {"checksum": checksum(rest | secrets)}).encode()
    return data


def _rendered(name: str, data: bytes) -> str:
    from csfnns.keys.text import _lines

    return json.dumps(_lines(name, data))


def _hexadecimal(lines: list[str]) -> str:
    return "".join(line.partition(" - ")[0].replace(" ", "") for line in lines)


def _seed(lines: list[str]) -> Seed:
    return Seed(bytes.fromhex(_hexadecimal(lines)))


@cache
def _known_keys() -> list[Key]:
    found = []
    for path in sorted((CORPUS / "keys").iterdir()):
        data = path.read_bytes()
        if not data.startswith(RIGHT):
            with suppress(KeyFileError):
                found.append(decode_key(data, "key", PASSPHRASE))
    return found


def passphrases(data: bytes) -> None:
    """A passphrase is rated, opens what it closed, and nothing else."""
    fields = Fields(data)
    slow, other, text = fields.number(64) == 0, fields.number(256), _text(fields.rest())
    with suppress(KeyFileError):
        check_strength(text)
    with suppress(KeyFileError):
        file = render_key(_known_keys()[0], text, protection=CHEAP)
        for form in ("NFC", "NFD"):
            check(parse_key(file, passphrase=unicodedata.normalize(form, text)) == _known_keys()[0], "it does not open")
        wrong: Any = None
        with suppress(KeyFileError):
            wrong = parse_key(file, passphrase=text + chr(97 + other % 26))
        check(wrong is None, "another passphrase opens the key")
        if slow:
            key_from_passphrase(text, _known_keys()[0].profile, context=text[: other % 8], allow_weak=True)


def names(data: bytes) -> None:
    """A name from a message is safe on every system, and stays as it is when it is made safe again."""
    name = safe_name(_text(data))
    if name is None:
        return
    check(name not in (".", "..") and not set(name) & set('/\\<>:"|?*'), f"{name!r} is no name")
    check(0 < len(name.encode()) <= MAX_NAME, f"{name!r} is too long")
    check(not any(unicodedata.category(c).startswith("C") for c in name), f"{name!r} has control characters")
    check(name == name.strip(" .") and not name.startswith("-"), f"{name!r} misleads")
    check(not _DEVICE.fullmatch(name), f"{name!r} is a device")
    check(unicodedata.is_normalized("NFC", name), f"{name!r} has other forms")
    check(safe_name(name) == name, f"{name!r} becomes {safe_name(name)!r}")
    inert = inert_name(name)
    check(safe_name(inert) == inert and not runs(inert), f"{name!r} becomes {inert!r}")


def settings(data: bytes) -> None:
    """Texts of the command line are values or one error."""
    from csfnns.cli.hide import _split

    fields = Fields(data)
    kind, text = fields.number(5), _text(fields.rest())
    types = {"recovered": "float", "quality": "int | None", "evade": "str | tuple[str, ...]", "label": "str"}
    with suppress(UsageError):
        match kind:
            case 0:
                found = parse_settings(text.split("\n"), types, "trellis")
                check(set(found) <= set(types), "a setting that is none")
            case 1:
                width, height = parse_size(text)
                check(min(width, height) >= 0 and max(width, height) <= 99999, "a size that is none")
            case 2:
                channel = parse_channel(*text.split("\n"))
                check(1 <= len(channel.cases()) <= MAX_CASES, f"{channel} has {len(channel.cases())} cases")
                if "\n" not in text and "(" not in str(channel):  # a service's text names its channel, too
                    check(str(parse_channel(str(channel))) == str(channel), f"{channel} is read otherwise")
            case 3:
                part, of = parse_share(text)
                check(1 <= part <= of <= 100, "a share that is none")
            case _:
                name, file = _split(text)
                check(text == (file if name is None else f"{name}={file}"), "an argument loses something")


def config(data: bytes) -> None:
    """The file of settings is read, or named in one error; what is read is written so that it reads the same."""
    from csfnns.cli.config import _toml, saved

    file = own_home() / "config.toml"
    file.write_bytes(data)
    with suppress(UsageError):
        found = saved()
        try:
            again = tomllib.loads(_toml(found))
        except ValueError:
            again = None
        check(again == found, "settings are written so that they cannot be read")


def register(data: bytes) -> None:
    """A damaged register is an error or works: what it took is taken."""
    file = own_home() / "albums.sqlite3"
    file.write_bytes(data)
    Path(f"{file}-journal").unlink(missing_ok=True)
    found, key_id = AlbumRegister(file), "5d0f-91c2-0b7e-44a8"
    with suppress(CoverError):
        number = next(i for i in range(1 << 16) if i not in found.used(key_id))
        found.take_share(key_id, None)
        check(found.claim(key_id, number), "a free picture was not given")
        check(not found.claim(key_id, number), "a picture was given twice")
        check(number in found.used(key_id), "a claim was forgotten")


@cache
def own_home() -> Path:
    """Folder for what csfnns keeps, in memory where there is one, and made csfnns's own."""
    folder = Path(tempfile.mkdtemp(prefix="csfnns-fuzz-", dir="/dev/shm" if os.access("/dev/shm", os.W_OK) else None))
    os.environ["CSFNNS_HOME"] = str(folder)
    return folder


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
