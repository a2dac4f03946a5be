"""Sets of pairs for steganalysis: covers, and the stegos made of them.

    DIR/pairs.json             scheme, payload, and every setting that the pictures follow from
    DIR/covers/NAME@K.png      what is sent without a message: the K-th crop of the source picture NAME
    DIR/stegos/NAME@K.png      the same with one
    DIR/rows.sqlite            for each pair, how far the stego is from the plain cover, and what a receiver gets

A pair depends on its name and on the settings alone, not on how many there are: a set can be stopped, and can grow.
"""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import csfnns
from csfnns.errors import CapacityError, SearchError, UsageError
from csfnns.experiments.pair_maker import Maker
from csfnns.experiments.pair_set import ABOUT, VERSION, read_about
from csfnns.experiments.pair_sources import Secrets, Sources, digest_of
from csfnns.experiments.pair_wanted import Wanted
from csfnns.experiments.provenance import code_digest, libraries
from csfnns.experiments.store import FILE as ROWS
from csfnns.experiments.store import Store
from csfnns.extras import require
from csfnns.files import write_result
from csfnns.output import encode_picture

_CODE = (
    *("search", "schemes", "decoders", "payloads", "coding", "covers"),
    *("picture.py", "jpeg_steps.py", "stream.py", "profile.py", "measure.py"),
    *(f"experiments/{name}.py" for name in ("base", "methods", "pair_wanted", "pair_maker", "pair_sources")),
)
"""Sources, or folders of them, that the pictures follow from."""
_DETECTORS = ("steganalysis",)
"""Further ones where a search is to deceive detectors."""

Tell = Callable[[str, int, int], None]
"""Called after each pair with its name, how many are there, and how many there shall be."""


@dataclass(frozen=True)
class Made:
    """What making a set came to."""

    done: int
    """Pairs that it made."""
    reused: int
    """Pairs that were there."""
    failed: Mapping[str, str]
    """Pairs that there are none of, and why: a secret that does not fit, or a search that failed."""


def make_pairs(wanted: Wanted, count: int, out: Path, tell: Tell | None = None) -> Made:
    """Make the first `count` pairs that the folder does not have; with the same settings again, the same bytes.

    Crops are spread evenly over the source pictures: all of them give their first before one gives its second.
    Raises PictureError for files that are no pictures or too small, UsageError for a folder that holds something else,
    for names with @, and for more crops than there are places, and CapacityError where every pair fails.
    """
    require("network", "A set of pairs")
    if count < 1:
        raise UsageError(f"There is nothing to make with {count} pairs.", "Give 1 or more.")
    maker = Maker(wanted)
    sources = Sources(wanted, out, count)
    wrong = [name for name in map(sources.name, range(count)) if name.count("@") > 1]
    if wrong:
        hint = f"Rename {wrong[0].rpartition('@')[0]}."
        raise UsageError("Names of covers have no @: it divides picture and crop.", hint)
    secrets = Secrets(wanted, out)
    _claim(maker, count, out, {"covers": sources.digest, "secrets": secrets.digest})
    store = Store(out)
    reused, failed = 0, {}
    for i in range(count):
        name = sources.name(i)
        files = [out / side / f"{name}.png" for side in ("covers", "stegos")]
        if files[1].exists() and files[0].exists():
            reused += 1
            continue
        try:
            pair = maker.make(sources.cover(i), secrets.secret(i), maker.seed(name))
        except (CapacityError, SearchError) as error:
            failed[name] = error.message
            continue
        store.add(name, pair.figures)
        # The stego last: a pair whose stego is there is whole.
        for picture, path in zip((pair.cover, pair.stego), files, strict=True):
            _write(path, encode_picture(picture, ".png"))
        if tell is not None:
            tell(name, i + 1, count)
    if len(failed) == count:
        raise CapacityError(f"No pair can be made: {next(iter(failed.values()))}", "Choose other settings.")
    return Made(count - reused - len(failed), reused, failed)


def _claim(maker: Maker, count: int, out: Path, pictures: Mapping[str, str | None]) -> None:
    """Make the folder, and write down what it holds. Raises UsageError where it holds something else."""
    path = out / ABOUT
    settings = _settings(maker) | {f"pictures of --{name}": digest for name, digest in pictures.items()}
    hint = "Choose another --out, or empty this folder."
    if path.exists() and any((out / "stegos").glob("*.png")):
        found = read_about(path)
        if found.get("settings") != settings:
            raise UsageError(
                f"{out} holds other pairs: {_difference(found.get('settings'), settings)}.", hint
            )
        count = max(count, found["count"])
    elif any((out / side).exists() for side in ("covers", "stegos")) and not path.exists():
        raise UsageError(f"{out} holds pictures, and no {ABOUT} says what they are.", hint)
    else:
        (out / ROWS).unlink(missing_ok=True)  # of pairs that were taken away
    about = {"version": VERSION, "scheme": maker.scheme, "label": maker.label, "met": maker.met}
    about |= {"payload": maker.wanted.payload, "count": count, "settings": settings}
    try:
        for side in ("covers", "stegos"):
            (out / side).mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{out} cannot be made: {error.strerror}.", "Choose another --out.") from error
    _write(path, json.dumps(about, indent=1).encode())


def _settings(maker: Maker) -> dict[str, Any]:
    """Everything that a pair follows from, but for its name and the pictures of the folders."""
    wanted = maker.wanted
    names = ("scheme", "bpp", "steps", "bytes", "rate", "gamma", "seed", "device")
    given = {name: getattr(wanted, name) for name in names}
    code = code_digest((*_CODE, *_DETECTORS) if wanted.against else _CODE)
    made_with = {"csfnns": csfnns.__version__, "code": code, **libraries()}
    against = digest_of(wanted.against) if wanted.against else None
    return {"size": wanted.side, **given, "search": maker.search, "models of --against": against, **made_with}


def _difference(found: Any, settings: Mapping[str, Any]) -> str:
    """The first setting that is another, in words."""
    if not isinstance(found, dict):
        return "their settings are not told"
    for name, value in settings.items():
        if found.get(name) == value:
            continue
        if name in {"code", "search"} or name.startswith(("pictures", "models")):
            return f"{'another version of the program made them' if name == 'code' else f'{name} differ'}"
        return f"{name} is {found.get(name)} there, and {value} here"
    return "they have more settings"


def _write(path: Path, data: bytes) -> None:
    write_result(path, data, hint="Choose another --out.")
