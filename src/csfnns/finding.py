"""Where a message may be, and what is there: which covers to try, and in what order the ways to hide in them."""

from collections.abc import Iterable, Iterator, Sequence, Sized
from typing import TYPE_CHECKING

import numpy as np

from csfnns.covers import Slow
from csfnns.errors import DamagedError, NoMessageError
from csfnns.jpeg_file import INSTALL
from csfnns.keys import Key, Ledger
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.ways import Arrived, to_read

if TYPE_CHECKING:
    from csfnns.covers import CoverGenerator
    from csfnns.payloads import Decoded
    from csfnns.payloads.file import File
    from csfnns.schemes import ReceiverSeeds

WINDOW = 200
"""How many numbers past the last known one a receiver looks at for the message of a picture."""


_PROBES = 64
_NEAR = 18
"""A coarse JPEG can move fine covers by so much. Of 60 strangers' pictures, 2 were as near to one of 200 covers: that costs
a decoding, and is told otherwise."""


def look(
    arrived: Arrived, cover: Picture, profile: Profile, seeds: "ReceiverSeeds"
) -> "File | Decoded | None":
    """What is there for these seeds, in whichever way it was hidden; None where nothing is.

    Raises NoMessageError for a plain cover and for a file of a later version, DamagedError for a file that was changed.
    """
    from csfnns.payloads.file import unpack

    if np.array_equal(arrived.picture, cover):
        hint = "Somebody may have sent the wrong file."
        raise NoMessageError("This is a cover as it was generated: nothing is hidden in it.", hint)
    for way in to_read(profile, arrived, cover):
        found = way.extract(arrived, cover, seeds)
        if found is not None:
            return unpack(found) if isinstance(found, bytes) else found
    return None


def resembling_covers(
    picture: Picture, key: Key, generator: "CoverGenerator", numbers: Iterable[int]
) -> Iterator[int]:
    """Those of the numbers whose covers resemble the picture at some keyed pixels."""
    stream = key.cover.derive("csfnns/1/probes").stream()
    rows = stream.integers(_PROBES, picture.shape[0])
    columns = stream.integers(_PROBES, picture.shape[1])
    colours = picture[rows, columns].astype(np.int16)
    for number in numbers:
        cover = generator.probe(key.cover, number, rows, columns)
        if np.median(np.abs(colours - cover)) <= _NEAR:
            yield number


def nothing_found(
    arrived: Arrived, profile: Profile, resembling: Sequence[int], name: str, window: int
) -> NoMessageError:
    """What to say where nothing could be read, whichever covers the picture resembles."""
    if not resembling:
        whole = (
            "was neither cut nor turned on its way" if profile.decoder == "robust" else "arrived unchanged"
        )
        return NoMessageError(
            "This picture is made on none of this key's covers, or on none that is due.",
            f"Check that it is the right key, and that the picture {whole}. If the sender's messages are"
            f" more than {window} ahead of what was received here, name the number with --message.",
        )
    changed = "re-saved, filtered, edited"
    hint = f"{name}: ask for the file as it was written."
    if profile.decoder == "robust":
        changed = "cut, turned, or compressed more than it was prepared for"
        hint = f"{name}: ask for the file as it was written, or for one prepared with --survive for this way."
    if arrived.lacks_jpeglib:
        hint += f" If it was sent as this JPEG, it may hold a file that only jpeglib reads: {INSTALL}."
    return DamagedError(
        f"The picture resembles the cover of message {' or '.join(map(str, resembling))},"
        " but no secret can be read from it.",
        f"Either it was changed on its way ({changed}), or it is a decoy, or it holds nothing for {hint}",
    )


def window_of(generator: "CoverGenerator") -> int:
    """How many numbers past the last known one a receiver looks at."""
    return generator.window if isinstance(generator, Slow) else WINDOW


def candidate_numbers(key: Key, ledger: Ledger, generator: "CoverGenerator") -> Sequence[int]:
    """Numbers around the last one known here: the next ones and the latest ones first."""
    seen = max((max(ledger.seen(key.id, name), default=0) for name in key.names), default=0)
    last = max(seen, ledger.highest(key.id))
    window = window_of(generator)
    first = max(1, last + 1 - window) if isinstance(generator, Slow) else 1
    stop = len(generator) if isinstance(generator, Sized) else last + window + 1
    numbers = range(first, min(last + window + 1, stop))
    return sorted(numbers, key=lambda number: abs(number - last - 0.6))
