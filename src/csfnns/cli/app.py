"""The commands put together; every error becomes a message and an exit code."""

from collections.abc import Iterator
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

import csfnns
from csfnns.cli import capacity, doctor, experiment, grain, hide, key, measure, reveal, show, steganalysis
from csfnns.errors import Cancelled, CsfnnsError, UsageError


class _Commands(TyperGroup):
    """Runs a command, and turns its errors into messages and exit codes."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        # Looked up before anything is parsed, so that a usage error is written as JSON too.
        ctx.meta[__name__] = "--json" in args
        return super().parse_args(ctx, args)

    def invoke(self, ctx: Any) -> Any:
        json = ctx.meta[__name__]
        try:
            return super().invoke(ctx)
        except CsfnnsError as error:
            raise _failed(error, json) from error
        except KeyboardInterrupt:
            raise _failed(Cancelled("Stopped."), json) from None
        except Exception as error:
            # The parser's own errors have no common class in all versions of typer.
            describe = getattr(error, "format_message", None)
            if describe is None or not json:
                raise
            hint = f"Try '{ctx.command_path} --help'."
            raise _failed(UsageError(describe(), hint), json) from None


def _failed(error: CsfnnsError, json: bool) -> typer.Exit:
    show.error(error, json=json)
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
app.add_typer(key.app, name="key")
app.add_typer(experiment.app, name="experiment")
app.add_typer(steganalysis.app, name="steganalysis")
app.command()(hide.hide)
app.command()(reveal.reveal)
app.command()(reveal.cover)
app.command()(grain.grain)
app.command()(capacity.capacity)
app.command()(measure.measure)
app.command()(doctor.doctor)


def _show_version(asked: bool) -> None:
    if asked:
        typer.echo(f"csfnns {csfnns.__version__}")
        raise typer.Exit


@app.callback()
def _main(
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Show the version.")
    ] = False,
) -> None:
    """Hide pictures and files in pictures that are made from a shared key.

    \b
    csfnns key new mine.key                               make a key; give the receiver a copy
    csfnns hide secret.jpg -k mine.key -o holiday.png     send holiday.png to anyone
    csfnns reveal holiday.png -k mine.key -o secret.png   only the key reveals it
    csfnns hide report.pdf -k mine.key -o holiday.png     any file, byte for byte
    """
