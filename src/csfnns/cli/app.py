"""The commands put together; every error becomes a message and an exit code."""

import errno
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Annotated, Any

import typer

import csfnns
from csfnns.cli import (
    batch,
    capacity,
    config,
    cover,
    doctor,
    experiment,
    help,
    hide,
    key,
    measure,
    reveal,
    show,
    steganalysis,
    web,
    weights,
)
from csfnns.errors import Cancelled, CsfnnsError, PictureError, UsageError


class _Commands(help.Group):
    """Runs a command, and turns its errors into messages and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        ctx.meta[__name__] = list(args)
        with _errors_shown(ctx):
            return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        with _errors_shown(ctx):
            result = super().invoke(ctx)
            sys.stdout.flush()
            return result


@contextmanager
def _errors_shown(ctx: Any) -> Iterator[None]:
    try:
        yield
    except CsfnnsError as error:
        raise _failed(error, ctx) from error
    except KeyboardInterrupt:
        raise _failed(Cancelled("Stopped."), ctx) from None
    except OSError as error:
        if error.errno == errno.EPIPE:
            raise
        sys.stdout = StringIO()  # what it holds would be written again at the end
        reason = f"The output cannot be written: {error.strerror}."
        raise _failed(PictureError(reason, "Check the disk, or write to another place."), ctx) from None
    except Exception as error:
        # The parser's own errors have no common class in all versions of typer. One of them shows the help.
        describe = getattr(error, "format_message", None)
        if describe is None or type(error).__name__ == "NoArgsIsHelpError":
            raise
        where = getattr(error, "ctx", None) or ctx
        raise _failed(UsageError(describe(), f"'{where.command_path} --help' shows what there is."), ctx) from None


def _failed(error: CsfnnsError, ctx: Any) -> typer.Exit:
    args: list[str] = ctx.meta[__name__]
    dashed = next((each for each in args if each[:1] == "-" and each[1:] and os.path.lexists(each)), None)
    if dashed is not None and "--" not in args:
        hint = f"For the file {dashed}, write ./{dashed}, or -- before it. {error.hint}".strip()
        error = type(error)(error.message, hint)
    elif not error.hint and isinstance(error, UsageError):
        error = UsageError(error.message, f"'csfnns {args[0]} --help-all' explains the options.")
    try:
        show.error(error, json="--json" in args)
    except OSError:
        sys.stderr = StringIO()  # a full disk, for instance: the exit status says it
    return typer.Exit(error.exit_code)


def _codes(kind: type[CsfnnsError] = CsfnnsError) -> Iterator[tuple[int, str]]:
    for each in kind.__subclasses__():
        if each.exit_code != kind.exit_code:
            yield each.exit_code, (each.__doc__ or each.__name__).rstrip(".")
        yield from _codes(each)


def _exit_codes() -> str:
    """Help text made from the errors themselves. The \\b keeps its lines as they are."""
    codes = [
        (0, "Done"),
        (1, "The doctor found something wrong, nobody read the output, or csfnns has a defect"),
        *_codes(),
    ]
    lines = [f"{code:>5}  {meaning}" for code, meaning in sorted([*codes, (143, "Ended by SIGTERM")])]
    return "\n".join(["\b", "Exit codes:", *lines])


# Tracebacks stay plain: pretty ones of some versions show local variables, and those hold keys.
app = typer.Typer(
    cls=_Commands,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    epilog=_exit_codes(),
    context_settings={"help_option_names": ["-h", "--help"]},
)
_MORE, _RESEARCH = "More", "Research"
app.add_typer(key.app, name="key")
app.command()(hide.hide)
app.command()(reveal.reveal)
app.command()(cover.cover)
app.command()(web.web)
app.command(rich_help_panel=_MORE)(capacity.capacity)
app.command(rich_help_panel=_MORE)(cover.grain)
app.command(rich_help_panel=_MORE)(measure.measure)
app.command(rich_help_panel=_MORE)(config.config)
app.command(rich_help_panel=_MORE)(help.completion)
app.command(rich_help_panel=_MORE)(doctor.doctor)
app.command("help", rich_help_panel=_MORE)(help.help_command)
app.add_typer(batch.app, name="batch", rich_help_panel=_MORE)
app.add_typer(experiment.app, name="experiment", rich_help_panel=_RESEARCH)
app.add_typer(steganalysis.app, name="steganalysis", rich_help_panel=_RESEARCH)
app.add_typer(weights.app, name="weights", rich_help_panel=_RESEARCH)
for _each in (key.app, batch.app, experiment.app, steganalysis.app, weights.app):
    _each.info.cls = help.Group
for _each in (app, key.app, batch.app, experiment.app, steganalysis.app, weights.app):
    for _command in _each.registered_commands:
        _command.cls = help.Command


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"csfnns {csfnns.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", "-V", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hide pictures, files and text in pictures that are made from a shared key.

    \b
    csfnns key new mine.key                             make a key; give the receiver a copy
    csfnns hide secret.jpg -k mine.key -o holiday.png   send holiday.png to anyone
    csfnns reveal holiday.png -k mine.key               only the key reveals what is in it
    csfnns hide --text "At noon" -k mine.key -o a.png   text, or any file
    """
