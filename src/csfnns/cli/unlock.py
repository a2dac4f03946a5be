"""The key that a command's options name: a key file, or a passphrase and a profile."""

import getpass
import os
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from csfnns.cli import show
from csfnns.cli.options import parse_size
from csfnns.errors import KeyFileError, UsageError

if TYPE_CHECKING:
    from csfnns.keys import Key
    from csfnns.profile import Diffusion, Profile

KEY = "CSFNNS_KEY"
PASSPHRASE = "CSFNNS_PASSPHRASE"
ALBUM = "CSFNNS_ALBUM"
MODEL = "CSFNNS_MODEL"

_MAX_BYTES = 64 * 1024
_WAYS = f"Give -k FILE, --passphrase or --passphrase-file FILE, or set {KEY} or {PASSPHRASE}."


@dataclass(frozen=True)
class Sampling:
    """Options for covers of a diffusion model; None where nothing was said."""

    model: str | None
    prompts: list[str] | None
    steps: int | None
    guidance: float | None
    scheduler: str | None
    device: Literal["cpu", "cuda", "auto"]

    def describe(self, height: int, width: int) -> "Diffusion":
        """What the profile says of the model; makes a picture with it. Raises UsageError and CoverError."""
        from csfnns.covers import describe_diffusion

        model = self.model or os.environ.get(MODEL)
        if not model:
            raise UsageError(
                "The generator diffusion needs a model.", f"Give --model PATH|NAME, or set {MODEL}."
            )
        chosen: dict[str, Any] = {"prompts": self.prompts, "steps": self.steps, "guidance": self.guidance}
        given = {name: value for name, value in chosen.items() if value is not None and value != []}
        return describe_diffusion(model, height, width, scheduler=self.scheduler, device=self.device, **given)

    def refuse(self) -> None:
        """Raise UsageError if anything was chosen: another generator has no use for it."""
        given: dict[str, Any] = {"--model": self.model, "--prompt": self.prompts}
        given |= {"--sampling-steps": self.steps, "--guidance": self.guidance, "--scheduler": self.scheduler}
        given |= {"--device": None if self.device == "auto" else self.device}
        for name, value in given.items():
            if value is not None and value != []:
                hint = "Add that, or leave it out."
                raise UsageError(f"{name} goes with --generator diffusion.", hint)


@dataclass(frozen=True)
class Choices:
    """Options that make a profile; None where nothing was said."""

    profile: str | None
    size: str | None
    bpp: str | None
    generator: str | None
    album: Path | None
    sampling: Sampling | None = None
    """Only when a key file is made: what a diffusion model needs is more than a passphrase can carry."""

    def make_profile(self) -> "Profile":
        """Profile with these choices. Raises UsageError, and CoverError for the album and the model."""
        from csfnns.covers import GENERATORS, FolderCovers
        from csfnns.profile import make_profile

        generator = self.generator or "abstract"
        if generator not in GENERATORS:
            hint = f"Choose one of: {', '.join(GENERATORS)}."
            raise UsageError(f"There is no cover generator {generator!r}.", hint)
        chosen: dict[str, Any] = {"generator": generator}
        if self.bpp is not None:
            chosen["bpp"] = self.bpp
        if self.size is not None:
            chosen["width"], chosen["height"] = parse_size(self.size)
        if generator != "folder" and self.album is not None:
            raise UsageError("An album goes with --generator folder.", "Add that, or leave it out.")
        if generator != "diffusion" and self.sampling is not None:
            self.sampling.refuse()
        name = self.profile or "standard"
        if generator == "abstract":
            return make_profile(name, **chosen)
        size = make_profile(name, **{**chosen, "generator": "abstract"})
        if generator == "diffusion":
            if self.sampling is None:
                hint = "Make a key file with 'csfnns key new'."
                raise UsageError("Covers of a diffusion model need a key file, not a passphrase.", hint)
            return make_profile(name, **chosen, diffusion=self.sampling.describe(size.height, size.width))
        folder = self.album or _environment_path(ALBUM)
        if folder is None:
            raise UsageError("The generator folder needs an album.", f"Give --album DIR, or set {ALBUM}.")
        covers = FolderCovers(folder, size.height, size.width)
        return make_profile(name, **chosen, album=covers.album_fingerprint)

    def refuse(self) -> None:
        """Raise UsageError if anything but the album was chosen: a key file holds its profile."""
        given = {"--profile": self.profile, "--size": self.size, "--bpp": self.bpp}
        given["--generator"] = self.generator
        names = [name for name, value in given.items() if value is not None]
        if names:
            hint = "Leave it out: a key file holds its profile."
            raise UsageError(f"{' and '.join(names)} cannot go with a key file.", hint)


def unlock(
    file: Path | None,
    ask: bool,
    passphrase_file: Path | None,
    insist: bool,
    choices: Choices,
    *,
    json: bool,
) -> "Key":
    """Key of the options, else of the environment. Raises UsageError, KeyFileError and CoverError."""
    ways = sum([file is not None, ask, passphrase_file is not None])
    if ways > 1:
        raise UsageError("There are several keys on this command line.", _WAYS)
    if not ways:
        file = _environment_path(KEY)
        ask = bool(os.environ.get(PASSPHRASE))
        if file is not None and ask:
            raise UsageError(f"{KEY} and {PASSPHRASE} are both set.", "Give -k FILE or --passphrase.")
        if file is None and not ask:
            raise UsageError("There is no key on this command line.", _WAYS)
    if file is not None:
        choices.refuse()
        return load_key(file, json=json)
    profile = choices.make_profile()
    passphrase = _first_line(passphrase_file) if passphrase_file is not None else _ask()
    return _from_passphrase(passphrase, profile, insist, json=json)


def load_key(file: Path, *, json: bool) -> "Key":
    """Key in a file, with its warnings shown. Raises KeyFileError."""
    from csfnns.keys import KeyFileWarning, read_key

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always", KeyFileWarning)
        key = read_key(file)
    for warning in caught:
        show.warning(str(warning.message), json=json)
    return key


def album_for(key: "Key", album: Path | None) -> Path | None:
    """Album that was named; the environment's counts only for keys that need one."""
    if album is None and key.profile.generator == "folder":
        return _environment_path(ALBUM)
    return album


def model_for(key: "Key", model: str | None) -> str | None:
    """Model that was named; the environment's counts only for keys that need one."""
    if model is None and key.profile.generator == "diffusion":
        return os.environ.get(MODEL) or None
    return model


def _environment_path(name: str) -> Path | None:
    value = os.environ.get(name)
    return Path(value) if value else None


def _from_passphrase(passphrase: str, profile: "Profile", insist: bool, *, json: bool) -> "Key":
    from csfnns.errors import WeakPassphraseError
    from csfnns.keys import key_from_passphrase, strength

    try:
        key = key_from_passphrase(passphrase, profile, allow_weak=insist)
    except WeakPassphraseError as error:
        raise WeakPassphraseError(error.message, f"{error.hint} Or insist: --insist.") from None
    if not json:
        judged = strength(passphrase)
        show.note(f"passphrase: {judged.word}, about {judged.bits:.0f} bits")
    return key


def _ask() -> str:
    """Passphrase from the environment, else typed unseen."""
    if given := os.environ.get(PASSPHRASE):
        return given
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", getpass.GetPassWarning)  # no terminal: it would be seen
            return getpass.getpass("Passphrase: ")
    except (EOFError, getpass.GetPassWarning):
        hint = f"Set {PASSPHRASE}, or give --passphrase-file FILE."
        raise UsageError("There is no terminal to type a passphrase at.", hint) from None


def _first_line(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            line = stream.readline(_MAX_BYTES)
    except OSError as error:
        hint = "Check the name and the file's permissions."
        raise KeyFileError(f"The passphrase file {file} cannot be read: {error.strerror}.", hint) from None
    try:
        return line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError:
        raise KeyFileError(f"{file} is not in UTF-8.", "Save it as plain UTF-8 text.") from None
