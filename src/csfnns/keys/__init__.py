"""Keys: what both ends share, how it is kept, and which message numbers were used."""

from csfnns.keys.files import KeyFileWarning, read_key, receiver_path, write_key
from csfnns.keys.ledger import Ledger
from csfnns.keys.material import DEFAULT_RECEIVER, LAST_MESSAGE, MAX_RECEIVERS, Key, Receiver, check_message
from csfnns.keys.passphrase import Strength, key_from_passphrase, strength
from csfnns.keys.text import parse_key, render_key

__all__ = [
    "DEFAULT_RECEIVER",
    "LAST_MESSAGE",
    "MAX_RECEIVERS",
    "Key",
    "KeyFileWarning",
    "Ledger",
    "Receiver",
    "Strength",
    "check_message",
    "key_from_passphrase",
    "parse_key",
    "read_key",
    "receiver_path",
    "render_key",
    "strength",
    "write_key",
]
