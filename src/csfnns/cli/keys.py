"""The options that name a key, the same for every command that uses one: a key file, or a passphrase and a profile."""

import getpass
import os
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from csfnns.cli import show, streams
from csfnns.cli.config import setting
from csfnns.cli.options import MORE, option, parse_size
from csfnns.errors import KeyFileError, UsageError, WeakPassphraseError

if TYPE_CHECKING:
    from csfnns.keys import Key
    from csfnns.profile import Diffusion, Profile

PASSPHRASE = "CSFNNS_PASSPHRASE"
KEY_PASSPHRASE = "CSFNNS_KEY_PASSPHRASE"
"""Passphrase of protected key files: not one from which a key is made."""

_SET = f"Set {KEY_PASSPHRASE}."
_MAX_BYTES = 64 * 1024
_GROUP = "Passphrases, with options that are the same at both ends"
_COVERS = "[env var: CSFNNS_COVERS]"
HUB = "hub:"
"""Begins the name of a model on the hub where a path could stand as well."""


@dataclass(frozen=True, kw_only=True)
class KeyAccess:
    """What the command line says about the key. Each field is an option of every command that takes a key."""

    key: Path | None = None
    passphrase: bool = False
    passphrase_file: Path | None = None
    allow_weak: bool = False
    context: str | None = None
    profile: str | None = None
    size: str | None = None
    source: Path | None = None

    OPTIONS: ClassVar[dict[str, Any]] = {
        "key": option("FILE", "Key file; - for standard input. [env var: CSFNNS_KEY]", "--key", "-k"),
        "passphrase": option(None, f"Ask for a passphrase instead. [env var: {PASSPHRASE}]", "--passphrase"),
        "passphrase_file": option("FILE", "Read it from a file's first line.", group=_GROUP),
        "allow_weak": option(None, "Accept a weak passphrase.", "--allow-weak", group=_GROUP),
        "context": option("TEXT", "Public text that goes with it, such as an address.", "--for", group=_GROUP),
        "profile": option("standard|robust|paper", "Profile; standard unless given.", group=_GROUP),
        "size": option("SIDE|WxH", "Size of the pictures; 512 unless given.", group=_GROUP),
        "source": option(
            "PATH|hub:NAME@COMMIT",
            f"Album or model of the key's covers; a model of the hub is downloaded unless it is here. {_COVERS}",
            "--covers",
            group=MORE,
        ),
    }

    def covers(self, key: "Key") -> str | Path | None:
        """Argument `covers` of the package's functions; a setting counts only for keys that need one."""
        if self.source is not None and str(self.source).startswith(HUB):
            return str(self.source)
        if self.source is None and key.profile.generator in ("folder", "diffusion"):
            return os.path.expanduser(setting("covers") or "") or None
        return self.source

    @property
    def by_passphrase(self) -> bool:
        """Whether the key comes from a passphrase."""
        asked = self.passphrase or self.passphrase_file is not None
        return asked or (self.key is None and bool(os.environ.get(PASSPHRASE)))


def resolve_key(access: KeyAccess, *, quiet: bool, json: bool = False, twice: bool = False) -> "Key":
    """Key that the options name, else the environment, else the settings.

    A passphrase is asked for `twice` before something is hidden; unless `quiet`, its strength is shown. Raises UsageError,
    KeyFileError and CoverError.
    """
    if sum([access.key is not None, access.passphrase, access.passphrase_file is not None]) > 1:
        raise UsageError("There are several keys on this command line.", "Give one of -k and --passphrase.")
    file = access.key
    if file is None and not access.by_passphrase:
        file = _path(setting("key"))
        if file is None:
            hint = "Give -k FILE or --passphrase. 'csfnns key new mine.key' makes a key"
            raise UsageError(
                "No key is given.", f"{hint}, and 'csfnns config set key mine.key' makes it the usual one."
            )
    elif file is None and os.environ.get("CSFNNS_KEY") and not (access.passphrase or access.passphrase_file):
        raise UsageError(f"CSFNNS_KEY and {PASSPHRASE} are both set.", "Give -k FILE or --passphrase.")
    if file is not None:
        _refuse_passphrase_options(access)
        allowed = setting("allow_large") == "yes"
        return load_key(file, json=json, allow_large=allowed)
    profile = choose_profile(access.profile, access.size, album=access.source)
    passphrase = _ask(twice=twice) if access.passphrase_file is None else _read(access.passphrase_file)
    return _from_passphrase(passphrase, profile, access, quiet=quiet or json)


def load_key(file: Path, *, json: bool, allow_large: bool = True) -> "Key":
    """Key in a file or standard input; a warning about its permissions is shown. Raises KeyFileError.

    The passphrase of a protected file is asked for. Commands that make no covers accept large keys.
    """
    from csfnns.keys import KeyFileWarning, decode_key, read_key

    if str(file) == streams.STANDARD:
        data = streams.read_standard_input(_MAX_BYTES)
        return decode_key(data, "Standard input", ask_key_passphrase, allow_large=allow_large)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", KeyFileWarning)
        key = read_key(file, ask_key_passphrase, allow_large=allow_large)
    for warning in caught:
        show.warning(str(warning.message), json=json)
    return key


def ask_key_passphrase() -> str:
    """Passphrase of a protected key file, from the environment or typed."""
    return _from_environment(KEY_PASSPHRASE) or _typed("Passphrase of the key file: ", _SET)


def ask_new_key_passphrase(*, allow_weak: bool, typed: bool = False) -> str:
    """New passphrase of a key file, from the environment unless it must be `typed`: twice.

    Raises WeakPassphraseError unless weak ones are allowed.
    """
    from csfnns.keys import check_strength

    given = "" if typed else _from_environment(KEY_PASSPHRASE)
    new = given or _typed("New passphrase of the key file: ", _SET, twice=True)
    if not allow_weak:
        with _explained():
            check_strength(new)
    return new


def choose_profile(
    name: str | None,
    size: str | None,
    *,
    generator: str | None = None,
    bpp: str | None = None,
    album: Path | None = None,
    describe: "Callable[[int, int], Diffusion] | None" = None,
) -> "Profile":
    """Profile of these options. An album is read; `describe(height, width)` describes a diffusion model.

    Raises UsageError, and CoverError for the album and the model.
    """
    from csfnns.covers import GENERATORS, FolderCovers
    from csfnns.profile import make_profile

    generator = generator or ("folder" if album else "diffusion" if describe else "abstract")
    if generator not in GENERATORS:
        hint = f"Choose one of: {', '.join(GENERATORS)}."
        raise UsageError(f"There is no cover generator {generator!r}.", hint)
    for given, named, owner in ((album, "--album", "folder"), (describe, "--model", "diffusion")):
        if given is not None and generator != owner:
            hint = f"Choose --generator {owner}, or leave {named} out."
            raise UsageError(f"{named} does not go with the generator {generator}.", hint)
    width, height = (512, 512) if size is None else parse_size(size)
    about: dict[str, Any] = {"name": name or "standard", "width": width, "height": height, "bpp": bpp}
    make_profile(**about)  # refuses bad choices before anything slow is done
    if generator == "folder":
        album = album or _path(setting("covers"))
        if album is None:
            raise UsageError("The generator folder needs an album.", "Give --album DIR.")
        about["album"] = FolderCovers(album, height, width).album_fingerprint
    elif generator == "diffusion":
        if describe is None:
            raise UsageError("The generator diffusion needs a model.", "Give --model PATH or --hub NAME@REVISION.")
        about["diffusion"] = describe(height, width)
    return make_profile(generator=generator, **about)


def _path(text: str | None) -> Path | None:
    return None if text is None else Path(os.path.expanduser(text))


def _refuse_passphrase_options(access: KeyAccess) -> None:
    given = {"--profile": access.profile, "--size": access.size, "--for": access.context}
    for name in [name for name, value in given.items() if value is not None]:
        raise UsageError(f"{name} goes with a passphrase, not with a key file.", f"Leave {name} out.")


def _from_passphrase(passphrase: str, profile: "Profile", access: KeyAccess, *, quiet: bool) -> "Key":
    from csfnns.keys import key_from_passphrase, strength
    from csfnns.keys.fingerprint import words

    context, allow_weak = access.context or "", access.allow_weak
    with _explained():
        key = key_from_passphrase(passphrase, profile, context=context, allow_weak=allow_weak)
    if not quiet:
        found = strength(passphrase)
        compare = words(bytes.fromhex(key.id.replace("-", "")), 2)
        show.note(f"passphrase: {found.word}, about {found.bits:.0f} bits; words to compare: {compare}")
    return key


@contextmanager
def _explained() -> Iterator[None]:
    """Add to the refusal of a weak passphrase how to use it anyway."""
    try:
        yield
    except WeakPassphraseError as error:
        raise WeakPassphraseError(error.message, f"{error.hint} To use it anyway: --allow-weak.") from None


def _ask(*, twice: bool) -> str:
    """Passphrase from the environment, else typed unseen."""
    hint = f"Set {PASSPHRASE}, or give --passphrase-file FILE."
    return _from_environment(PASSPHRASE) or _typed("Passphrase: ", hint, twice=twice)


def _from_environment(variable: str) -> str:
    return _first_line(os.environ.get(variable, ""))


def _typed(prompt: str, hint: str, *, twice: bool = False) -> str:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # without a terminal, it would be visible
            typed = getpass.getpass(prompt)
            if twice and getpass.getpass("The same again: ") != typed:
                raise UsageError("The passphrases differ.", "Type the same passphrase twice.")
            return typed
    except (EOFError, getpass.GetPassWarning):
        raise UsageError("There is no terminal to type a passphrase at.", hint) from None


def _read(file: Path) -> str:
    try:
        if str(file) == streams.STANDARD:
            return _first_line(streams.read_standard_input(_MAX_BYTES).decode())
        with file.open("rb") as stream:
            return _first_line(stream.readline(_MAX_BYTES).decode())
    except OSError as error:
        hint = "Check the name and the file's permissions."
        raise KeyFileError(f"The passphrase file {file} cannot be read: {error.strerror}.", hint) from None
    except UnicodeDecodeError:
        raise KeyFileError(f"{file} is not in UTF-8.", "Save it as plain UTF-8 text.") from None


def _first_line(text: str) -> str:
    """The same passphrase from a file and from the environment, whatever editor or shell wrote it."""
    return text.removeprefix("\ufeff").partition("\n")[0].rstrip("\r")
