"""Registries: the members of a family (detectors, covers, channels, …) by name, each loaded when it is first used.

A new member is one file and one entry in its family's registry. The command line, the contract tests and the tables
derive their choices from there. Other packages add members through entry points (examples/plugin).
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from operator import attrgetter
from typing import Any, Generic, TypeVar

from csfnns.errors import UsageError
from csfnns.extras import require


@dataclass(frozen=True)
class Entry:
    """One member of a family. A family whose members differ in more than this subclasses Entry."""

    factory: str | Callable[..., Any]
    """What makes the member: "module:attribute", imported when it is first used, or the callable itself."""
    help: str
    """One line that describes the member."""
    extras: tuple[str, ...] = ()
    """Optional dependencies that the member needs, as in `csfnns.extras`."""


E = TypeVar("E", bound=Entry)


class Registry(Generic[E]):
    """Members of one family: the built-in ones, those of other packages, and those that `add` registers.

    An entry point of `group` names an entry of the same type as the built-in ones. Entry points are looked up when
    names are listed or a name is not built in. A built-in name wins over an entry point.
    """

    def __init__(self, noun: str, builtin: Mapping[str, E], *, group: str | None = None) -> None:
        self.noun, self.group = noun, group
        self._entries = dict(builtin)
        self._type = type(next(iter(builtin.values())))

    @cached_property
    def _outside(self) -> dict[str, EntryPoint]:
        found = entry_points(group=self.group) if self.group else ()
        return {point.name: point for point in found}

    def names(self) -> tuple[str, ...]:
        """All names: built-in and added ones in their order, then those of other packages."""
        return tuple(dict.fromkeys((*self._entries, *sorted(self._outside))))

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __len__(self) -> int:
        return len(self.names())

    def __contains__(self, name: object) -> bool:
        return name in self._entries or name in self._outside

    def __getitem__(self, name: str) -> E:
        """Entry of that name. Raises UsageError for an unknown name and for a package that cannot be loaded."""
        if name in self._entries:
            return self._entries[name]
        if name not in self._outside:
            raise UsageError(f"There is no {self.noun} {name!r}.", f"Choose one of: {', '.join(self.names())}.")
        point = self._outside[name]
        try:
            entry = point.load()
        except Exception as error:
            raise self._broken(point, f"{type(error).__name__}: {error}") from error
        if not isinstance(entry, self._type):
            raise self._broken(point, f"{point.value} is not of type {self._type.__name__}")
        return entry

    def load(self, name: str) -> Any:
        """Factory of that member. Raises UsageError like `[name]`, and where an extra is missing."""
        entry = self[name]
        for extra in entry.extras:
            require(extra, f"The {self.noun} {name!r}")
        if not isinstance(entry.factory, str):
            return entry.factory
        module, _, attribute = entry.factory.partition(":")
        try:
            return attrgetter(attribute)(import_module(module))
        except Exception as error:
            if name in self._entries:
                raise
            raise self._broken(self._outside[name], f"{type(error).__name__}: {error}") from error

    def make(self, name: str, *arguments: Any, **settings: Any) -> Any:
        """Member of that name, made by its factory. Raises UsageError like `load`."""
        return self.load(name)(*arguments, **settings)

    def entries(self) -> dict[str, E]:
        """Entry of every member but those of packages that cannot be loaded."""
        found = {}
        for name in self.names():
            with suppress(UsageError):
                found[name] = self[name]
        return found

    def help(self) -> dict[str, str]:
        """Line of help of every member; for one of a package that cannot be loaded, why not."""
        lines = {}
        for name in self.names():
            try:
                lines[name] = self[name].help
            except UsageError as error:
                lines[name] = error.message
        return lines

    def add(self, name: str, entry: E) -> None:
        """Register a member in this process, or replace one."""
        self._entries[name] = entry

    def remove(self, name: str) -> None:
        """Forget a member that `add` registered. Raises KeyError for another name."""
        del self._entries[name]

    def _broken(self, point: EntryPoint, reason: str) -> UsageError:
        package = point.dist.name if point.dist else point.value
        return UsageError(
            f"The {self.noun} {point.name!r} of the package {package!r} cannot be loaded: {reason}.",
            f"Update the package, or remove it: pip uninstall {package}.",
        )
