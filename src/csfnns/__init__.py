"""Hide pictures and files in pictures that a generator makes from a shared key.

key = csfnns.Key.new()
stego = csfnns.hide("secret.jpg", key)              # or a file, byte for byte
csfnns.reveal(stego, key).save("secret.png")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csfnns.api import Arrival as Arrival
    from csfnns.api import Cover as Cover
    from csfnns.api import Decoy as Decoy
    from csfnns.api import Hidden as Hidden
    from csfnns.api import Revealed as Revealed
    from csfnns.api import RevealedFile as RevealedFile
    from csfnns.api import add_grain as add_grain
    from csfnns.api import capacity as capacity
    from csfnns.api import capacity_pictures as capacity_pictures
    from csfnns.api import capacity_surviving as capacity_surviving
    from csfnns.api import hide as hide
    from csfnns.api import make_cover as make_cover
    from csfnns.api import make_decoy as make_decoy
    from csfnns.api import reveal as reveal
    from csfnns.errors import CsfnnsError as CsfnnsError
    from csfnns.keys import Key as Key
    from csfnns.keys import Ledger as Ledger
    from csfnns.keys import key_from_passphrase as key_from_passphrase
    from csfnns.keys import read_key as read_key
    from csfnns.keys import write_key as write_key
    from csfnns.profile import Profile as Profile
    from csfnns.profile import make_profile as make_profile
    from csfnns.search import Search as Search

__version__ = "0.1.0"

# Loaded when first used, so that `csfnns --help` never waits for torch.
_HOMES = {
    "csfnns.api": (
        "Arrival",
        "Cover",
        "Decoy",
        "Hidden",
        "Revealed",
        "RevealedFile",
        "add_grain",
        "capacity",
        "capacity_pictures",
        "capacity_surviving",
        "hide",
        "make_cover",
        "make_decoy",
        "reveal",
    ),
    "csfnns.errors": ("CsfnnsError",),
    "csfnns.keys": ("Key", "Ledger", "key_from_passphrase", "read_key", "write_key"),
    "csfnns.profile": ("Profile", "make_profile"),
    "csfnns.search": ("Search",),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = [
    "Arrival",
    "Cover",
    "CsfnnsError",
    "Decoy",
    "Hidden",
    "Key",
    "Ledger",
    "Profile",
    "Revealed",
    "RevealedFile",
    "Search",
    "add_grain",
    "capacity",
    "capacity_pictures",
    "capacity_surviving",
    "hide",
    "key_from_passphrase",
    "make_cover",
    "make_decoy",
    "make_profile",
    "read_key",
    "reveal",
    "write_key",
]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'csfnns' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
