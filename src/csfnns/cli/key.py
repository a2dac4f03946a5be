"""`csfnns key`: make keys and passphrases, and show what is public in a key."""

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from csfnns.cli import options, show, streams
from csfnns.cli.config import setting
from csfnns.cli.keys import HUB, ask_key_passphrase, ask_new_key_passphrase, choose_profile, load_key
from csfnns.cli.options import argument, declare, option, parse_settings
from csfnns.errors import KeyFileError, UsageError

if TYPE_CHECKING:
    from csfnns.keys import Key
    from csfnns.profile import Profile

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make keys and passphrases, and show keys.")

_COVERS = "Where the covers come from"


@app.command()
@declare(
    file=argument("FILE", "Key file to make, such as mine.key; - for standard output."),
    receiver=option("NAME", "A receiver with a key of their own; repeat for more."),
    profile=option(
        "standard|robust|paper",
        "What it is for: files that are sent unchanged (standard, unless given), pictures that are recompressed on their "
        "way (robust), the paper's network (paper).",
    ),
    size=option("SIDE|WxH", "Size of the pictures, multiples of 16; 512 unless given. Larger ones hold more."),
    bpp=option("24|6|1.5", "Secret bits per cover pixel of profile paper; 6 unless given.", group=options.MORE),
    generator=option("abstract|folder|diffusion", "Generator, if neither --album nor --model says it.", group=_COVERS),
    album=option("DIR", "Folder of pictures that serve as covers. [env var: CSFNNS_COVERS]", group=_COVERS),
    model=option(
        "PATH",
        "Diffusion model: a folder that diffusers saved, or a .safetensors file beside its configuration. "
        "[env var: CSFNNS_COVERS]",
        group=_COVERS,
    ),
    hub=option(
        "NAME@REVISION",
        "Diffusion model on the Hugging Face hub, at a commit of 40 hexadecimal digits; downloaded unless it is here.",
        group=_COVERS,
    ),
    prompt=option("TEXT", "What the model draws, Campus unless given; the key picks one.", group=_COVERS),
    settings=option(
        "NAME=VALUE",
        "Setting of the model: steps=50, guidance=7.5, scheduler=LCMScheduler (a class of diffusers instead of the "
        "model's own), device=cpu or cuda (at both ends).",
        "--set",
        group=_COVERS,
    ),
    protect=option(
        None,
        "Encrypt the file under a passphrase, which is asked for. [env var: CSFNNS_KEY_PASSPHRASE]",
        "--protect",
    ),
    allow_weak=option(None, "Accept a weak passphrase.", "--allow-weak", group=options.MORE),
)
def new(
    file: Path,
    receiver: list[str] | None = None,
    profile: str | None = None,
    size: str | None = None,
    bpp: str | None = None,
    generator: str | None = None,
    album: Path | None = None,
    model: str | None = None,
    hub: str | None = None,
    prompt: list[str] | None = None,
    settings: list[str] | None = None,
    protect: bool = False,
    allow_weak: bool = False,
    json: options.AsJson = False,
) -> None:
    """Make a key. An existing file is never replaced.

    \b
    csfnns key new mine.key
    csfnns key new team.key --receiver bob --receiver carol
    csfnns key new phone.key --profile robust

    Without --receiver, both ends hide and reveal with copies of the one file. With receivers, each gets a file of their
    own, such as team.bob.key next to team.key, which reveals what is hidden for them and hides answers to the sender.
    --protect protects FILE alone: receivers protect theirs with 'csfnns key protect'.
    """
    from csfnns.api import check_profile
    from csfnns.keys import Key, receiver_path, render_key

    to_stdout = str(file) == streams.STANDARD
    if to_stdout and (json or receiver):
        raise UsageError("Standard output takes one key and nothing else.", "Name a file, such as mine.key.")
    model = _model(model, hub, generator)
    types = {"steps": "int", "guidance": "float", "scheduler": "str", "device": "str"}
    sampling = parse_settings(settings or [], types, "A model")
    if prompt:
        sampling["prompts"] = prompt
    if sampling and model is None:
        hint = "Give --model PATH or --hub NAME@REVISION."
        raise UsageError("--prompt and --set go with a diffusion model.", hint)

    def describe(height: int, width: int) -> Any:
        from csfnns.covers import describe_diffusion

        if not json:
            show.note("Making a reference picture with the model: seconds on a GPU, minutes without.")
        return describe_diffusion(model or "", height, width, **sampling)

    chosen = choose_profile(
        profile, size, bpp=bpp, generator=generator, album=album, describe=describe if model else None
    )
    key = Key.new(chosen, receiver or ())
    check_profile(chosen)
    passphrase = ask_new_key_passphrase(allow_weak=allow_weak) if protect else None
    others = {name: receiver_path(file, name) for name in receiver or ()}
    if chosen.generator == "folder":  # before the key is written: where this is refused, no file is left
        from csfnns.covers import AlbumRegister

        AlbumRegister().make_writer(key.id)
    if to_stdout:
        streams.write(render_key(key, passphrase).encode())
    else:
        theirs = {path: (key.for_receiver(name), None) for name, path in others.items()}
        _write_all({file: (key, passphrase)} | theirs)
    if json:
        files = {name: str(path) for name, path in others.items()}
        show.as_json({"file": str(file), "receiver_files": files, **_public(key)})
    elif others:
        give = ", ".join(f"{path} to {name}" for name, path in others.items())
        show.text(f"{file} is yours alone: it hides for {_and(others)}, and reveals their answers.")
        show.text(f"Give {give}: each in person or over a secure channel.")
        if protect:
            show.text("Their files have no passphrase: hand them over, and delete yours.")
    else:
        name = "The key" if to_stdout else str(file)
        show.text(f"{name} hides and reveals, for everyone who has a copy.", stderr=to_stdout)
        give = "Give a copy to the other end alone, in person or over a secure channel."
        show.text(give, stderr=to_stdout)
    if not json:
        _explain_cost(chosen)


@app.command("show")
@declare(file=argument("FILE", "Key file; - for standard input."))
def show_key(file: Path, json: options.AsJson = False) -> None:
    """Show what is public in a key file."""
    key = load_key(file, json=json)
    if json:
        show.as_json(_public(key))
        return
    uses = {
        "conversation": "hides and reveals, at both ends",
        "sender": f"hides for {_and(key.names)}, and reveals their answers",
        "receiver": f"reveals what is hidden for {key.owner}, and hides answers",
    }
    profile = key.profile
    covers = f"{profile.width}x{profile.height}, {profile.generator}"
    show.table({"id": key.id, "use": uses[key.role], "covers": covers, "profile": _in_words(profile)})


@app.command()
@declare(
    file=argument("FILE", "Key file."),
    allow_weak=option(None, "Accept a weak passphrase.", "--allow-weak"),
)
def protect(file: Path, allow_weak: bool = False, json: options.AsJson = False) -> None:
    """Encrypt a key file under a passphrase, or under another one.

    The passphrase is typed, or taken from CSFNNS_KEY_PASSPHRASE; of a file that is protected already, that is the old
    one. Every command that reads the file then needs it. Nobody can help where it is lost. Copies of the file, and what
    a disk keeps of deleted ones, stay unprotected.
    """
    from csfnns.keys import change_passphrase

    asked = False

    def old() -> str:
        nonlocal asked
        asked = True
        return ask_key_passphrase()

    change_passphrase(file, old, new=lambda: ask_new_key_passphrase(allow_weak=allow_weak, typed=asked))
    _say(file, protected=True, json=json)


@app.command()
@declare(file=argument("FILE", "Key file."))
def unprotect(file: Path, json: options.AsJson = False) -> None:
    """Remove the passphrase of a key file."""
    from csfnns.keys import change_passphrase

    change_passphrase(file, ask_key_passphrase)
    _say(file, protected=False, json=json)


@app.command()
@declare(words=option("N", "Words, 6 to 16."))
def phrase(words: int = 6, json: options.AsJson = False) -> None:
    """Make a passphrase of random words. Each has 16 random bits."""
    from csfnns.keys import make_phrase

    made = make_phrase(words)
    if json:
        show.as_json({"phrase": made, "bits": 16 * words})
        return
    show.text(made)
    show.note(f"{16 * words} random bits. Both ends use it with --passphrase; nothing is stored.")


@app.command()
@declare(
    file=argument("FILE", "Key file of a key with an album."),
    part=argument("I/N", "Part of the album, such as 1/2."),
)
def share(file: Path, part: str, json: options.AsJson = False) -> None:
    """Restrict this computer to a part of the key's album.

    No picture of an album may carry two messages. Without shares, only the computer that made the key hides with it;
    with them, each hides in its own part. All other keys hide on any number of computers and need no shares.
    """
    import csfnns

    csfnns.share_album(load_key(file, json=json), part)
    if json:
        show.as_json({"file": str(file), "share": part})
    else:
        show.text(f"This computer hides with {file} in pictures of share {part} alone.")


def _model(path: str | None, hub: str | None, generator: str | None) -> str | None:
    """Model that the options name, else the settings for the generator diffusion. Raises UsageError for two."""
    if path is not None and hub is not None:
        raise UsageError("--model and --hub both name a model.", "Give one of them.")
    if hub is not None:
        return HUB + hub
    return setting("covers") if path is None and generator == "diffusion" else path


def _say(file: Path, *, protected: bool, json: bool) -> None:
    if json:
        show.as_json({"file": str(file), "protected": protected})
    else:
        about = "A passphrase protects" if protected else "No passphrase protects"
        show.text(f"{about} {file} now.")


def _explain_cost(profile: "Profile") -> None:
    """Say what a key needs that is refused unless the settings allow it."""
    from csfnns.keys import check_cost

    try:
        check_cost(profile, "It")
    except KeyFileError as error:
        show.note(f"{error.message} Both ends need: csfnns config set allow_large yes.")


def _write_all(files: "dict[Path, tuple[Key, str | None]]") -> None:
    """Write every key file with its passphrase, or none."""
    from csfnns.keys import write_key

    written: list[Path] = []
    try:
        for file, (key, passphrase) in files.items():
            write_key(key, file, passphrase)
            written.append(file)
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise


def _and(names: Iterable[str]) -> str:
    *most, last = names
    return f"{', '.join(most)} and {last}" if most else last


def _in_words(profile: "Profile") -> str:
    if not profile.is_network:
        return f"{profile.name}, decoder {profile.decoder}"
    network = f"{profile.channels} channels, {profile.weights} weights, {profile.bpp} bits per cover pixel"
    return f"{profile.name}, decoder {profile.decoder}, {network}"


def _public(key: "Key") -> dict[str, Any]:
    about = {"id": key.id, "role": key.role, "owner": key.owner, "names": list(key.names)}
    return about | {"profile": key.profile.model_dump()}
