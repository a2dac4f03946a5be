"""Options: how functions become commands, and the options that several commands share."""

import inspect
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from functools import wraps
from typing import Annotated, Any, TypeAlias

import typer

from csfnns.errors import UsageError

MORE = "More"


class Device(StrEnum):
    """Where the search runs."""

    cpu = "cpu"
    cuda = "cuda"
    auto = "auto"


Force: TypeAlias = Annotated[bool, typer.Option("--force", "-f", help="Replace the output if it exists.")]
Verbose: TypeAlias = Annotated[bool, typer.Option("--verbose", "-v", help="Show figures, too.")]
Quiet: TypeAlias = Annotated[bool, typer.Option("--quiet", "-q", help="Show nothing but warnings and errors.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="Show the result as JSON.")]


def option(metavar: str | None, help: str, *names: str, group: str | None = None) -> Any:
    """Option of `declare`; those of a group are shown by --help-all alone."""
    return typer.Option(*names, metavar=metavar, help=help, rich_help_panel=group)


def argument(metavar: str, help: str) -> Any:
    """Argument of `declare`."""
    return typer.Argument(metavar=metavar, help=help)


SURVIVE = option(
    "CHANNEL",
    "What the picture must survive, with a key of profile robust: jpeg:75-95 (unless given), jpeg:90, noise:2, "
    "resize:0.5, mismatch:0.05; a+b for one after another. Several times: any of them.",
    group=MORE,
)


def declare(**declared: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """Turn a function into a command whose parameters are the options and arguments declared by their names.

    A parameter whose type is a dataclass stands for its fields, which its OPTIONS declare.
    """

    def decorate(function: Callable[..., None]) -> Callable[..., None]:
        parameters: list[inspect.Parameter] = []
        groups: dict[str, Any] = {}

        def add(name: str, kind: Any, default: Any, declaration: Any) -> None:
            kind = kind if declaration is None else Annotated[kind, declaration]
            parameters.append(inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind))

        for name, each in inspect.signature(function, eval_str=True).parameters.items():
            if is_dataclass(each.annotation):
                groups[name] = each.annotation
                for field in fields(each.annotation):
                    add(field.name, field.type, field.default, groups[name].OPTIONS[field.name])
            else:
                add(name, each.annotation, each.default, declared.get(name))

        @wraps(function)
        def run(**given: Any) -> None:
            for name, kind in groups.items():
                given[name] = kind(**{each.name: given.pop(each.name) for each in fields(kind)})
            function(**given)

        run.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        run.__annotations__ = {each.name: each.annotation for each in parameters} | {"return": None}
        return run

    return decorate


def parse_size(text: str) -> tuple[int, int]:
    """Width and height of "512" or "768x512". Raises UsageError."""
    sides = text.lower().split("x")
    if len(sides) > 2 or not all(side.isascii() and side.isdigit() and len(side) < 6 for side in sides):
        reason = f"size must be like 512 or 768x512, got {text!r}."
        raise UsageError(reason, "Give one side, or width and height.")
    return int(sides[0]), int(sides[-1])


def parse_settings(texts: Iterable[str], types: Mapping[str, str], owner: str) -> dict[str, Any]:
    """Settings NAME=VALUE in the types of their fields, such as "int | None". Raises UsageError."""
    found: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals:
            raise UsageError(f"--set needs NAME=VALUE, got {text!r}.", "An example: --set quality=80.")
        if name not in types:
            hint = f"It has: {', '.join(types)}." if types else "It has none."
            raise UsageError(f"{owner} has no setting {name!r}.", hint)
        kind = types[name]
        try:
            found[name] = int(value) if "int" in kind else float(value) if "float" in kind else value
        except ValueError:
            raise UsageError(f"{name} must be a number, got {value!r}.", f"An example: --set {name}=10.") from None
        if "tuple" in kind:
            found[name] = tuple(value.split(","))
    return found
