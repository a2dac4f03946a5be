"""Hide pictures, files and text in pictures that a generator makes from a shared key.

key = csfnns.Key.new()
stego = csfnns.hide("secret.jpg", key)
csfnns.reveal(stego, key).save("secret.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

import csfnns.process as _process  # noqa: F401  # notes forks from now on

if TYPE_CHECKING:
    from csfnns.api import add_grain as add_grain
    from csfnns.api import capacity as capacity
    from csfnns.api import capacity_pictures as capacity_pictures
    from csfnns.api import capacity_surviving as capacity_surviving
    from csfnns.api import check_cover as check_cover
    from csfnns.api import cover_of as cover_of
    from csfnns.api import fresh_covers as fresh_covers
    from csfnns.api import hide as hide
    from csfnns.api import hide_long as hide_long
    from csfnns.api import make_decoy as make_decoy
    from csfnns.api import reveal as reveal
    from csfnns.api import reveal_long as reveal_long
    from csfnns.api import share_album as share_album
    from csfnns.batch.plan import BatchResult as BatchResult
    from csfnns.batch.plan import hide_many as hide_many
    from csfnns.errors import Cancelled as Cancelled
    from csfnns.errors import CapacityError as CapacityError
    from csfnns.errors import CoverError as CoverError
    from csfnns.errors import CsfnnsError as CsfnnsError
    from csfnns.errors import DamagedError as DamagedError
    from csfnns.errors import KeyFileError as KeyFileError
    from csfnns.errors import NoMessageError as NoMessageError
    from csfnns.errors import PictureError as PictureError
    from csfnns.errors import SearchError as SearchError
    from csfnns.errors import UsageError as UsageError
    from csfnns.errors import WeakPassphraseError as WeakPassphraseError
    from csfnns.images.metrics import Figures as Figures
    from csfnns.keys import Key as Key
    from csfnns.keys import KeyFileWarning as KeyFileWarning
    from csfnns.keys import Strength as Strength
    from csfnns.keys import change_passphrase as change_passphrase
    from csfnns.keys import key_from_passphrase as key_from_passphrase
    from csfnns.keys import make_phrase as make_phrase
    from csfnns.keys import read_key as read_key
    from csfnns.keys import strength as strength
    from csfnns.keys import write_key as write_key
    from csfnns.messages.results import Arrival as Arrival
    from csfnns.messages.results import Cover as Cover
    from csfnns.messages.results import Decoy as Decoy
    from csfnns.messages.results import Hidden as Hidden
    from csfnns.messages.results import LongHidden as LongHidden
    from csfnns.messages.results import LongRevealed as LongRevealed
    from csfnns.messages.results import Revealed as Revealed
    from csfnns.messages.send import FreshCover as FreshCover
    from csfnns.methods import Capacity as Capacity
    from csfnns.methods import Direct as Direct
    from csfnns.methods import Jpeg as Jpeg
    from csfnns.methods import Paper as Paper
    from csfnns.methods import Robust as Robust
    from csfnns.methods import Trellis as Trellis
    from csfnns.payloads.frame import File as File
    from csfnns.payloads.secret import Text as Text
    from csfnns.payloads.secret import text as text
    from csfnns.profile import Profile as Profile
    from csfnns.profile import make_profile as make_profile

__version__ = "0.2.0"

# Loaded when first used, so that importing the package takes no time.
_HOMES = {
    "csfnns.api": (
        "add_grain",
        "capacity",
        "capacity_pictures",
        "capacity_surviving",
        "check_cover",
        "cover_of",
        "fresh_covers",
        "hide",
        "hide_long",
        "make_decoy",
        "reveal",
        "reveal_long",
        "share_album",
    ),
    "csfnns.batch.plan": ("BatchResult", "hide_many"),
    "csfnns.errors": (
        "Cancelled",
        "CapacityError",
        "CoverError",
        "CsfnnsError",
        "DamagedError",
        "KeyFileError",
        "NoMessageError",
        "PictureError",
        "SearchError",
        "UsageError",
        "WeakPassphraseError",
    ),
    "csfnns.images.metrics": ("Figures",),
    "csfnns.keys": (
        "Key",
        "KeyFileWarning",
        "Strength",
        "change_passphrase",
        "key_from_passphrase",
        "make_phrase",
        "read_key",
        "strength",
        "write_key",
    ),
    "csfnns.messages.results": ("Arrival", "Cover", "Decoy", "Hidden", "LongHidden", "LongRevealed", "Revealed"),
    "csfnns.messages.send": ("FreshCover",),
    "csfnns.methods": ("Capacity", "Direct", "Jpeg", "Paper", "Robust", "Trellis"),
    "csfnns.payloads.frame": ("File",),
    "csfnns.payloads.secret": ("Text", "text"),
    "csfnns.profile": ("Profile", "make_profile"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = sorted(_HOME)  # noqa: PLE0605


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOME])


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'csfnns' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
