"""Keys of the page: made, opened, described, written. Their bytes leave the server as a file alone."""

import re
import secrets
from pathlib import Path
from threading import Lock
from typing import Any

from csfnns.api import check_cover, check_profile
from csfnns.errors import KeyFileError, UsageError
from csfnns.files import own_folder
from csfnns.keys import (
    Key,
    check_cost,
    check_strength,
    decode_key,
    key_from_passphrase,
    read_key,
    render_key,
    write_key,
)
from csfnns.keys.fingerprint import words
from csfnns.payloads.frame import safe_name
from csfnns.profile import Profile, make_profile
from csfnns.web.store import Forgotten

MOST_OPEN = 64
_NAME = re.compile(r"[\w][\w .-]{0,63}")
_LARGE = 1 << 21  # pixels of a cover from which its words are not made unasked: that takes seconds
_PROTECTED = b'"protection"'


class PassphraseNeeded(KeyFileError):
    """A key file is protected, and no passphrase was given."""


class OpenKey:
    """A key in memory."""

    def __init__(self, key: Key, label: str, stored: str | None = None) -> None:
        self.key, self.label, self.stored = key, label, stored
        small = key.profile.width * key.profile.height <= _LARGE and key.profile.generator == "abstract"
        self._check = check_cover(key).fingerprint if small else None

    def describe(self, identity: str) -> dict[str, Any]:
        """What the page shows of it."""
        profile = self.key.profile
        about: dict[str, Any] = {"id": identity, "label": self.label, "role": self.key.role, "owner": self.key.owner}
        about |= {"receivers": list(self.key.names), "width": profile.width, "height": profile.height}
        about |= {"profile": profile.name, "generator": profile.generator, "check": self._check}
        return about | {"words": words(bytes.fromhex(self.key.id.replace("-", "")), 2), "stored": self.stored}


class KeyRing:
    """Open keys by id. They stay until they are closed or the server ends: a new key may not be saved yet."""

    def __init__(self) -> None:
        self._keys: dict[str, OpenKey] = {}
        self._lock = Lock()

    def add(self, found: OpenKey) -> dict[str, Any]:
        """Open a key and describe it; one that is open already keeps its id. Raises UsageError for too many."""
        with self._lock:
            same = next((each for each, known in self._keys.items() if known.key == found.key), None)
            if same is None and len(self._keys) >= MOST_OPEN:
                raise UsageError(f"{MOST_OPEN} keys are open.", "Close one that is not needed.")
            identity = same or secrets.token_urlsafe(16)
            self._keys[identity] = found
        return found.describe(identity)

    def get(self, identity: object) -> OpenKey:
        """An open key. Raises Forgotten."""
        found = self._keys.get(identity) if isinstance(identity, str) else None
        if found is None:
            raise Forgotten("key", "Open it in the room Keys.")
        return found

    def close(self, identity: str) -> None:
        """Forget an open key. Raises Forgotten."""
        self.get(identity)
        with self._lock:
            self._keys.pop(identity, None)

    def describe(self) -> list[dict[str, Any]]:
        """All open keys."""
        return [each.describe(identity) for identity, each in list(self._keys.items())]


def make_key(size: str, profile: str, receivers: list[str]) -> OpenKey:
    """A new key. Raises UsageError and CapacityError."""
    key = Key.new(_profile(profile, size), receivers)
    who = f" for {', '.join(receivers)}" if receivers else ""
    return OpenKey(key, f"New key{who}")


def open_text(text: str, name: str, passphrase: str | None) -> OpenKey:
    """Key in the text of a key file. Raises KeyFileError."""
    label = safe_name(name) or "Key file"
    return OpenKey(decode_key(text.encode(), label, _asked(passphrase)), label)


def open_passphrase(passphrase: str, size: str, profile: str, *, allow_weak: bool) -> OpenKey:
    """Key from a passphrase. Raises KeyFileError and UsageError."""
    return OpenKey(key_from_passphrase(passphrase, _profile(profile, size), allow_weak=allow_weak), "Passphrase")


def key_file(found: OpenKey, receiver: str | None, passphrase: str | None) -> tuple[bytes, str]:
    """A key file, or that of one receiver, and its name. Raises UsageError and KeyFileError."""
    key = found.key if receiver is None else found.key.for_receiver(receiver)
    stem = found.stored or ("csfnns" if found.label.startswith(("New key", "Passphrase")) else Path(found.label).stem)
    name = f"{stem}.key" if receiver is None else f"{stem}.{receiver}.key"
    return render_key(key, _strong(passphrase)).encode(), safe_name(name) or "csfnns.key"


def stored() -> list[dict[str, Any]]:
    """Keys in csfnns's own folder."""
    found = []
    for path in sorted(_folder().glob("*.key")):
        try:
            found.append({"name": path.stem, "protected": _PROTECTED in path.read_bytes()})
        except OSError:
            continue
    return found


def store(found: OpenKey, name: str, passphrase: str | None) -> None:
    """Write a key file, readable by its owner alone. Raises KeyFileError for a name that is taken or cannot be used."""
    path = _path(name)
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.parent.chmod(0o700)
    except OSError as error:
        raise KeyFileError(f"The folder of keys cannot be made: {error.strerror}.", "Set CSFNNS_HOME.") from None
    write_key(found.key, path, _strong(passphrase))
    found.stored = name


def open_stored(name: str, passphrase: str | None) -> OpenKey:
    """A key from csfnns's own folder. Raises KeyFileError."""
    return OpenKey(read_key(_path(name), _asked(passphrase)), name, name)


def _profile(name: str, size: str) -> Profile:
    sides = re.fullmatch(r"(\d{2,5})(?:x(\d{2,5}))?", size.lower())
    if sides is None:
        raise UsageError(f"size must be like 512 or 768x512, got {size!r}.", "Give one side, or width and height.")
    profile = make_profile(name, width=int(sides[1]), height=int(sides[2] or sides[1]))
    check_cost(profile, "This key")
    check_profile(profile)
    return profile


def _asked(passphrase: str | None) -> Any:
    """The passphrase for a protected file. Raises PassphraseNeeded where it is protected and none was given."""
    if passphrase:
        return passphrase

    def ask() -> str:
        raise PassphraseNeeded("A passphrase protects this key.", "Type it.")

    return ask


def _strong(passphrase: str | None) -> str | None:
    if not passphrase:
        return None
    check_strength(passphrase)
    return passphrase


def _folder() -> Path:
    return own_folder("data") / "keys"


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name) or safe_name(name) != name:
        hint = "Use letters, digits, blanks, hyphens and dots, at most 64."
        raise KeyFileError(f"A stored key cannot be named {name!r}.", hint)
    return _folder() / f"{name}.key"
