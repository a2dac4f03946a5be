"""`csfnns key`: make keys, and look at what is public in them."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from csfnns.cli import options, show
from csfnns.cli.unlock import Choices, Sampling, load_key

if TYPE_CHECKING:
    from csfnns.keys import Key
    from csfnns.profile import Diffusion, Profile

app = typer.Typer(no_args_is_help=True, rich_markup_mode=None, help="Make keys, and look at them.")


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Key file to make, such as mine.key.")],
    receiver: Annotated[
        list[str] | None,
        typer.Option("--receiver", metavar="NAME", help="A receiver with a key of his own; repeat for more."),
    ] = None,
    profile: options.ProfileName = None,
    size: options.Size = None,
    bpp: options.Bpp = None,
    generator: options.Generator = None,
    album: options.Album = None,
    model: options.Model = None,
    prompt: Annotated[
        list[str] | None,
        typer.Option(
            "--prompt",
            metavar="TEXT",
            help="What the model draws, Campus unless given; the key picks of several.",
        ),
    ] = None,
    sampling_steps: Annotated[
        int | None, typer.Option(metavar="N", help="Steps of the model, 50 unless given.")
    ] = None,
    guidance: Annotated[
        float | None,
        typer.Option(metavar="X", help="How closely the model keeps to the prompt, 7.5 unless given."),
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="Class of diffusers instead of the model's own, e.g. LCMScheduler."
        ),
    ] = None,
    device: Annotated[
        options.Device,
        typer.Option(help="Where the model runs, at both ends; auto is cuda where there is one."),
    ] = options.Device.auto,
    json: options.AsJson = False,
) -> None:
    """Make a key. An existing file is never replaced.

    Without --receiver, sender and receiver share the one file. With receivers, each gets their own file, such as
    team.bob.key next to team.key, that reveals what is hidden for them and nothing else.
    """
    from csfnns.keys import Key, receiver_path

    if generator == "diffusion" and not json:
        show.note("Making a reference picture with the model: seconds on a GPU, minutes without.")
    sampling = Sampling(model, prompt, sampling_steps, guidance, scheduler, device.value)
    chosen = Choices(profile, size, bpp, generator, album, sampling).make_profile()
    key = Key.new(chosen, receiver or ())
    _check_capacity(key)
    files = {file: key}
    for name in receiver or ():
        files[receiver_path(file, name)] = key.for_receiver(name)
    _write_all(files)
    if json:
        others = {name: str(receiver_path(file, name)) for name in receiver or ()}
        show.as_json({"file": str(file), "receiver_files": others, **_public(key)})
    else:
        _explain(key, list(files))


@app.command("show")
def show_key(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Key file.")],
    json: options.AsJson = False,
) -> None:
    """Show what is public in a key file: nothing of it is secret."""
    key = load_key(file, json=json)
    if json:
        show.as_json(_public(key))
        return
    roles = {"sender": "sender: hides, and reveals", "receiver": "receiver: reveals, and does not hide"}
    rows = {"id": key.id, "role": roles[key.role], "receivers": ", ".join(key.names)}
    show.table(rows | _in_words(key.profile))


def _check_capacity(key: "Key") -> None:
    """Refuse now what no picture could ever be hidden with. Raises CapacityError."""
    from csfnns.payloads import make_codec

    if key.profile.is_network:
        make_codec(key.profile, key.header_seed(key.names[0], 1))


def _write_all(files: "dict[Path, Key]") -> None:
    """Write every key file, or none."""
    from csfnns.keys import write_key

    written: list[Path] = []
    try:
        for file, key in files.items():
            write_key(key, file)
            written.append(file)
    except BaseException:
        for file in written:
            file.unlink(missing_ok=True)
        raise


def _explain(key: "Key", files: Sequence[Path]) -> None:
    sender, *others = files
    if others:
        show.text(f"{sender}: yours; it hides and reveals for every receiver")
        for name, file in zip(key.names, others, strict=True):
            show.text(f"{file}: give it to {name} alone")
    else:
        show.text(
            f"{sender}: your key. Anyone who has it can reveal your messages. Give the receiver a copy."
        )
    show.table({"id": key.id} | _in_words(key.profile))
    show.text("Hand keys over in person or over a secure channel, never together with the pictures.")
    show.text("Then run 'csfnns cover -k FILE' at both ends: matching words mean matching covers.")
    show.text("Use 'csfnns key show FILE' to see the receiver.")


def _in_words(profile: "Profile") -> dict[str, str]:
    covers = f"{profile.width}x{profile.height}, generator {profile.generator}"
    rows = {"profile": f"{profile.name}, version {profile.version}", "covers": covers}
    if profile.is_network:
        height, width = profile.secret_size
        rows["secrets"] = f"{profile.bpp} bits a cover pixel, carried as {width}x{height}"
        rows["decoder"] = f"{profile.decoder}, {profile.channels} channels, {profile.weights} weights"
    else:
        rows["decoder"] = profile.decoder
    if profile.diffusion is not None:
        rows |= _drawing_in_words(profile.diffusion)
    return rows | ({"album": profile.album} if profile.album else {})


def _drawing_in_words(diffusion: "Diffusion") -> dict[str, str]:
    rows = {"prompts": " | ".join(diffusion.prompts)}
    rows["drawn in"] = f"{diffusion.steps} steps of {diffusion.scheduler}, guidance {diffusion.guidance}"
    rows["drawn with"] = ", ".join(diffusion.environment)
    return rows | {"model": ", ".join(diffusion.model)}


def _public(key: "Key") -> dict[str, Any]:
    profile = key.profile.model_dump()
    return {"id": key.id, "role": key.role, "receivers": list(key.names), "profile": profile}
