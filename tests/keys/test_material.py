import hashlib
import hmac
import pickle

import pytest

from csfnns.errors import UsageError
from csfnns.keys import LAST_MESSAGE, Key
from csfnns.profile import make_profile
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
TEAM = Key.from_root(make_profile(), ROOT, ("bob", "carol"))


def hkdf(secret: bytes, label: str) -> bytes:
    """HKDF-Expand of RFC 5869 for one block, written out."""
    return hmac.new(secret, label.encode() + b"\x01", hashlib.sha256).digest()


def test_every_seed_is_the_documented_hkdf_of_the_root() -> None:
    cover = hkdf(ROOT.data, "csfnns/1/cover-key")
    carol = hkdf(ROOT.data, "csfnns/1/receiver/carol")
    assert TEAM.cover.data == cover
    assert TEAM.id.replace("-", "") == hkdf(cover, "csfnns/1/key-id")[:8].hex()
    assert TEAM.decoder_seed("carol", 12).data == hkdf(carol, "csfnns/1/decoder/12")
    assert TEAM.header_seed("carol", 12).data == hkdf(carol, "csfnns/1/header/12")


def test_a_plain_new_key_hides_and_reveals_for_one() -> None:
    key = Key.new()
    assert key.names == ("main",)
    assert key.role == "sender"
    assert key.profile == make_profile("standard")


def test_two_new_keys_share_nothing() -> None:
    a, b = Key.new(), Key.new()
    assert a.cover != b.cover
    assert a.id != b.id
    assert a.decoder_seed("main", 1) != b.decoder_seed("main", 1)


def test_a_receiver_has_the_senders_seeds_for_himself() -> None:
    bob = TEAM.for_receiver("bob")
    assert bob.role == "receiver"
    assert bob.cover == TEAM.cover
    assert bob.id == TEAM.id
    assert bob.decoder_seed("bob", 3) == TEAM.decoder_seed("bob", 3)
    assert bob.header_seed("bob", 3) == TEAM.header_seed("bob", 3)
    assert bob.for_receiver("bob") == bob


def test_a_receiver_holds_nothing_that_gives_another_receivers_key() -> None:
    bob = TEAM.for_receiver("bob")
    held = [bob.cover, *(receiver.seed for receiver in bob.receivers)]
    carol = TEAM.receivers[1].seed
    assert bob.root is None
    assert carol not in held
    assert all(seed.derive("csfnns/1/receiver/carol") != carol for seed in held)
    with pytest.raises(UsageError, match="no receiver 'carol'"):
        bob.decoder_seed("carol", 1)
    with pytest.raises(UsageError, match="no receiver 'carol'"):
        bob.for_receiver("carol")


def test_all_seeds_of_a_key_differ() -> None:
    seeds = [TEAM.cover, ROOT]
    for name in TEAM.names:
        for message in (1, 2, 11, 12):
            seeds += [TEAM.decoder_seed(name, message), TEAM.header_seed(name, message)]
    assert len({seed.data for seed in seeds}) == len(seeds)


def test_a_receivers_key_does_not_depend_on_who_else_there_is() -> None:
    alone = Key.from_root(make_profile(), ROOT, ("carol",))
    assert alone.for_receiver("carol") == TEAM.for_receiver("carol")


@pytest.mark.parametrize("name", ["", "Bob", "bob carol", "böb", "bob\n", "../bob", "b" * 33])
def test_a_bad_receiver_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be named"):
        Key.new(receivers=("carol", name))


def test_a_receiver_named_twice_is_refused() -> None:
    with pytest.raises(UsageError, match="'bob' is named twice"):
        Key.new(receivers=("bob", "carol", "bob"))


def test_eight_receivers_fit_and_nine_do_not() -> None:
    names = [f"r{i}" for i in range(9)]
    assert len(Key.new(receivers=names[:8]).names) == 8
    with pytest.raises(UsageError, match="1 to 8 receivers, not 9"):
        Key.new(receivers=names)


@pytest.mark.parametrize("message", [0, -1, LAST_MESSAGE + 1])
def test_only_message_numbers_have_seeds(message: int) -> None:
    with pytest.raises(UsageError, match="no message number"):
        TEAM.decoder_seed("bob", message)
    with pytest.raises(UsageError, match="no message number"):
        TEAM.header_seed("bob", message)


@pytest.mark.parametrize("key", [TEAM, TEAM.for_receiver("bob")])
def test_no_secret_shows_when_a_key_is_printed(key: Key) -> None:
    shown = f"{key} {key!r} {key.receivers!r} {key.root!r} {key.cover}"
    assert "bob" in shown
    for seed in [TEAM.cover, ROOT, *(receiver.seed for receiver in TEAM.receivers)]:
        assert seed.data.hex() not in shown
        assert str(seed.data) not in shown


def test_a_key_travels_to_another_process() -> None:
    assert pickle.loads(pickle.dumps(TEAM)) == TEAM
