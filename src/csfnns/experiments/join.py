"""Brings the shards of a run together, which several computers did without a shared folder."""

import shutil
from collections.abc import Sequence
from pathlib import Path

from csfnns.batch.store import Store
from csfnns.errors import UsageError
from csfnns.files import write_result

_PICTURES = ("pictures", "covers", "stegos")
"""Folders of what belongs to rows: of figures' pages, and of sets of pairs."""
_HINT = "Choose another DIR."


def join(out: Path, others: Sequence[Path]) -> int:
    """Add what the other folders have and `out` lacks; return the number of new rows.

    Raises UsageError for folders without rows, and for sets of pairs with other settings.
    """
    stores = [Store(each, must_exist=True) for each in others]
    for other in others:
        if _settings(out) not in (None, _settings(other)):
            raise UsageError(f"{other} holds pairs of other settings than {out}.", _HINT)
    try:
        for other in others:
            for name in _PICTURES:
                for path in (other / name).rglob("*.??g"):  # .png and .jpg, before their rows, as runs write them
                    target = out / path.relative_to(other)
                    target.parent.mkdir(parents=True, exist_ok=True)
                    if not target.exists():
                        write_result(target, path.read_bytes(), hint=_HINT)
            for path in other.glob("*.json"):
                if not (out / path.name).exists():
                    shutil.copyfile(path, out / path.name)
    except OSError as error:
        raise UsageError(f"{error.filename} cannot be copied: {error.strerror}.", _HINT) from error
    store = Store(out)
    return sum(map(store.merge, stores))


def _settings(folder: Path) -> object:
    """What a set of pairs depends on; None for another folder."""
    from csfnns.experiments.pairs import SPEC, read_settings

    return read_settings(folder) if (folder / SPEC).exists() else None
