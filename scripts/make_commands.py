"""Write docs/commands.md and man/csfnns.1 from the commands themselves; --check only compares them.

python scripts/make_commands.py
"""

import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import typer

import csfnns
from csfnns.cli import help
from csfnns.cli.app import app

ROOT = Path(__file__).parents[1]


def contexts(ctx: Any) -> Iterator[Any]:
    """Context of each command: the root's first, then those of its commands, depth first."""
    yield ctx
    for name, command in getattr(ctx.command, "commands", {}).items():
        yield from contexts(type(ctx)(command, info_name=name, parent=ctx))


def parts(ctx: Any) -> tuple[str, list[str], dict[str, help.Rows]]:
    """Usage, paragraphs of the help and parameters of a command. A paragraph of examples begins with \\b."""
    groups = {}
    for title, found in help.sections(ctx.command, ctx, True).items():
        groups[title] = [row for row in found if "--help" not in row[0]]
    arguments = [name for name, _ in groups.get("Arguments", [])]
    last = ["COMMAND ..."] if hasattr(ctx.command, "commands") else arguments
    usage = " ".join([ctx.command_path, "[OPTIONS]", *last])
    return (
        usage,
        (ctx.command.help or "").split("\n\n"),
        {title: rows for title, rows in groups.items() if rows},
    )


def markdown(root: Any) -> str:
    """The page of all commands."""
    lines = ["# Commands", "", "Written by `scripts/make_commands.py` from the commands themselves.", ""]
    for ctx in contexts(root):
        usage, paragraphs, groups = parts(ctx)
        lines += [f"## {ctx.command_path}", "", "```console", f"$ {usage}", "```", ""]
        for paragraph in paragraphs:
            example = paragraph.removeprefix("\b\n")
            lines += ["```sh", example, "```", ""] if example != paragraph else [" ".join(paragraph.split()), ""]
        for title, rows in groups.items():
            lines += [f"{title}:", ""]
            lines += [f"- `{name}`: {' '.join(text.split())}" for name, text in rows] + [""]
    epilog = root.command.epilog.removeprefix("\b\nExit codes:\n")
    lines += ["## Exit codes", "", "| code | meaning |", "| ---: | --- |"]
    lines += [f"| {code} | {text} |" for code, text in (line.split(maxsplit=1) for line in epilog.splitlines())]
    return "\n".join(lines) + "\n"


def roff(root: Any) -> str:
    """The manual page."""
    summary = root.command.help.split("\n\n")[0].rstrip(".").lower()
    lines = [f'.TH CSFNNS 1 "" "csfnns {csfnns.__version__}" "User Commands"']
    lines += [".SH NAME", f"csfnns \\- {_escape(summary)}", ".SH SYNOPSIS", ".B csfnns", r"\fICOMMAND\fR ..."]
    for ctx in contexts(root):
        usage, paragraphs, groups = parts(ctx)
        lines += [".SH DESCRIPTION"] if ctx is root else [f".SH {_escape(ctx.command_path.upper())}", _escape(usage)]
        for paragraph in paragraphs:
            example = paragraph.removeprefix("\b\n")
            if example == paragraph:
                lines += [".PP", _escape(" ".join(paragraph.split()))]
            else:
                lines += [".PP", ".nf", *(_escape(line) for line in example.splitlines()), ".fi"]
        for title, rows in groups.items():
            lines += [f".SS {_escape(title)}"]
            for name, text in rows:
                lines += [".TP", f"\\fB{_escape(name)}\\fR", _escape(" ".join(text.split())) or "\\&"]
    lines += [".SH EXIT STATUS"]
    for line in root.command.epilog.splitlines()[2:]:
        code, text = line.split(maxsplit=1)
        lines += [".TP", f"\\fB{code}\\fR", _escape(text)]
    return "\n".join(lines) + "\n"


def _escape(text: str) -> str:
    text = text.replace("\\", "\\e").replace("-", "\\-").replace("…", "...")
    return re.sub(r"^([.'])", r"\\&\1", text)


def main() -> None:
    """Write both files, or end with 1 where --check finds one that is out of date."""
    command = typer.main.get_command(app)
    with command.make_context("csfnns", [], resilient_parsing=True) as root:
        files = {"docs/commands.md": markdown(root), "man/csfnns.1": roff(root)}
    for name, text in files.items():
        path = ROOT / name
        if "--check" not in sys.argv:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text, "utf-8")
        elif not path.exists() or path.read_text("utf-8") != text:
            sys.exit(f"{name} is out of date: run scripts/make_commands.py.")


if __name__ == "__main__":
    main()
