"""Settings of methods that one run changes: `--set NAME=VALUE`."""

from collections.abc import Mapping
from dataclasses import fields, replace
from typing import Any

from csfnns.errors import UsageError
from csfnns.methods import CsFnns, Scheme

INITIALISER, EVADE, RESIZE = "initialiser", "evade", "resize"
"""Distribution of the decoder's weights, a choice of the profile; networks that the search evades; how pictures are
resized (resize.py), a choice of the run."""
_INSIDE = frozenset({"profile", "search", "weights", "receivers", "device", "detectors"})
"""Fields of schemes that a run gives otherwise."""


def settings_of(scheme: Scheme) -> dict[str, Any]:
    """Names and values of what can be changed, of the scheme and of its search."""
    own = scheme.search if isinstance(scheme, CsFnns) else scheme
    assert own is not None
    found = {each.name: getattr(own, each.name) for each in fields(own) if each.name not in _INSIDE}  # type: ignore[arg-type]
    return {**found, EVADE: ""} if isinstance(scheme, CsFnns) else found


def change(scheme: Scheme, changes: Mapping[str, str]) -> Scheme:
    """The scheme with those changes whose settings it has. Raises UsageError for values that it refuses."""
    known = settings_of(scheme)
    values = {name: _parsed(name, text, known[name]) for name, text in changes.items() if name in known}
    networks = values.pop(EVADE, None)
    if isinstance(scheme, CsFnns):
        assert scheme.search is not None
        scheme = replace(scheme, search=replace(scheme.search, **values))
    elif values:
        scheme = replace(scheme, **values)  # type: ignore[type-var]
    if networks is not None:
        from csfnns.experiments.methods import evade
        from csfnns.steganalysis import Deep

        device = getattr(scheme, "device", "cpu")
        scheme = evade(scheme, [Deep.load(path, device=device).network for path in networks], None)
    return scheme


def _parsed(name: str, text: str, now: Any) -> Any:
    """Value of a text, of the type that the setting has."""
    if name == EVADE:
        from csfnns.steganalysis import find_model

        return [find_model(each.strip()) for each in text.split(",")]
    if name == "channel":
        from csfnns.search import parse_channel

        return None if text == "none" else parse_channel(text)
    try:
        if isinstance(now, bool):
            return {"true": True, "false": False}[text]
        return type(now)(text)
    except (KeyError, ValueError) as error:
        kind = "true or false" if isinstance(now, bool) else f"a number such as {now}"
        raise UsageError(f"{name} must be {kind}, got {text!r}.", "Change the value of --set.") from error
