"""Help in two tiers, `csfnns help`, and completion.

`--help` shows the options without a group; `--help-all` shows the others too, under the title of their group, which is
their `rich_help_panel`.
"""

import shutil
from typing import Any

import typer
from typer.core import TyperCommand, TyperGroup

from csfnns.cli.options import argument, declare
from csfnns.errors import UsageError

_ALL = "--help-all"

Rows = list[tuple[str, str]]


class Command(TyperCommand):
    """Command with help in two tiers."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: D102
        return super().parse_args(ctx, _asked_for_all(ctx, args))

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        _write(formatter, sections(self, ctx, ctx.meta.get(_ALL, False)))


class Group(TyperGroup):
    """Group of commands with help in two tiers, its commands under the titles of their groups."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:  # noqa: D102
        return super().parse_args(ctx, _asked_for_all(ctx, args) if args[:1] == [_ALL] else args)

    def format_options(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        _write(formatter, sections(self, ctx, True))
        groups: dict[str, Rows] = {}
        for name in self.list_commands(ctx):
            command = self.commands[name]
            text = command.get_short_help_str(formatter.width)
            groups.setdefault(getattr(command, "rich_help_panel", None) or "Commands", []).append((name, text))
        _write(formatter, groups)

    def format_epilog(self, ctx: Any, formatter: Any) -> None:  # noqa: D102
        if ctx.meta.get(_ALL):
            super().format_epilog(ctx, formatter)


def sections(command: Any, ctx: Any, everything: bool) -> dict[str, Rows]:
    """Names and help of a command's parameters under the titles of their groups."""
    found: dict[str, Rows] = {"Arguments": [], "Options": []}
    hidden = False
    for each in command.get_params(ctx):
        group = getattr(each, "rich_help_panel", None)
        hidden = hidden or group is not None
        if group is not None and not everything:
            continue
        if each.param_type_name == "argument":
            found["Arguments"].append(
                (f"{each.metavar or each.name.upper()}{'...' * (each.nargs != 1)}", each.help or "")
            )
        else:
            found.setdefault(group or "Options", []).append(each.get_help_record(ctx))
    if hidden and not everything:
        found["Options"].append((_ALL, "Show all options."))
    return {title: rows for title, rows in found.items() if rows}


def find_command(root: Any, words: list[str]) -> Any:
    """Context of the command of these words. Raises UsageError."""
    ctx = root
    for word in words:
        command = getattr(ctx.command, "commands", {}).get(word)
        if command is None:
            raise UsageError(f"There is no command {' '.join(words)!r}.", "'csfnns help' shows all commands.")
        ctx = type(root)(command, info_name=word, parent=ctx)
    return ctx


@declare(command=argument("COMMAND", "Such as: key new."))
def help_command(ctx: typer.Context, command: list[str] | None = None) -> None:
    """Show the help of a command."""
    typer.echo(find_command(ctx.find_root(), command or []).get_help())


@declare(shell=argument("bash|zsh|fish", "Your shell."))
def completion(shell: str) -> None:
    """Print a script that completes commands, options and file names.

    \b
    bash: echo 'eval "$(csfnns completion bash)"' >> ~/.bashrc
    zsh:  echo 'eval "$(csfnns completion zsh)"' >> ~/.zshrc
    fish: csfnns completion fish > ~/.config/fish/completions/csfnns.fish
    """
    from typer._completion_shared import get_completion_script

    if shell not in ("bash", "zsh", "fish"):
        raise UsageError(f"shell must be bash, zsh or fish, got {shell!r}.", "Choose one of them.")
    typer.echo(get_completion_script(prog_name="csfnns", complete_var="_CSFNNS_COMPLETE", shell=shell))


def _asked_for_all(ctx: Any, args: list[str]) -> list[str]:
    """Arguments with --help in place of --help-all, which is remembered."""
    options = args[: args.index("--")] if "--" in args else args
    if _ALL not in options:
        return args
    ctx.meta[_ALL] = True
    return ["--help"]


def _write(formatter: Any, groups: dict[str, Rows]) -> None:
    formatter.width = min(formatter.width, max(shutil.get_terminal_size().columns - 2, 30))
    for title, rows in groups.items():
        with formatter.section(title):
            formatter.write_dl(rows, col_max=min(30, formatter.width // 3))
