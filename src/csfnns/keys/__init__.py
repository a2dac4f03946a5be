"""Keys: what both ends share, and how it is kept."""

from csfnns.keys.cost import Cost, check_cost, estimate_cost
from csfnns.keys.files import (
    KeyFileWarning,
    change_passphrase,
    decode_key,
    read_key,
    receiver_path,
    write_key,
)
from csfnns.keys.material import MAX_RECEIVERS, NO_NONCE, Key, Link, Route, message_id
from csfnns.keys.passphrase import Strength, check_strength, key_from_passphrase, make_phrase, strength
from csfnns.keys.text import parse_key, render_key

__all__ = [
    "MAX_RECEIVERS",
    "NO_NONCE",
    "Cost",
    "Key",
    "KeyFileWarning",
    "Link",
    "Route",
    "Strength",
    "change_passphrase",
    "check_cost",
    "check_strength",
    "decode_key",
    "estimate_cost",
    "key_from_passphrase",
    "make_phrase",
    "message_id",
    "parse_key",
    "read_key",
    "receiver_path",
    "render_key",
    "strength",
    "write_key",
]
