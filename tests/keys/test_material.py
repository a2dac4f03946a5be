import hashlib
import hmac
import pickle

import pytest

from csfnns.errors import UsageError
from csfnns.keys import Key, Link, Route
from csfnns.profile import make_profile
from csfnns.stream import Seed

ROOT = Seed(bytes(range(32)))
TEAM = Key.from_root(make_profile(), ROOT, ("bob", "carol"))
BOB, CAROL = TEAM.for_receiver("bob"), TEAM.for_receiver("carol")
BOTH = Key.from_root(make_profile(), ROOT)
NONCE = bytes(range(16))


def hkdf(secret: bytes, *labels: str) -> bytes:
    """HKDF-Expand of RFC 5869 for one block, applied label after label."""
    for label in labels:
        secret = hmac.new(secret, label.encode() + b"\x01", hashlib.sha256).digest()
    return secret


def links(route: Route) -> set[Link]:
    return {route.link, *route.readers.values()}


def test_every_seed_is_the_documented_hkdf_of_the_root() -> None:
    link = TEAM.route(["carol"]).link
    assert link.seed.data == hkdf(ROOT.data, "csfnns/2/pair/carol", "csfnns/2/to-receiver")
    assert link.address_key().data == hkdf(link.seed.data, "csfnns/2/address")
    for name in ("cover", "decoder", "header"):
        seed = getattr(link, f"{name}_seed")(NONCE)
        assert seed.data == hkdf(link.seed.data, f"csfnns/2/{name}/000102030405060708090a0b0c0d0e0f")
    group = TEAM.route(["bob", "carol"]).link.seed.data
    assert group == hkdf(ROOT.data, "csfnns/2/group", "csfnns/2/to-receiver")
    answer = CAROL.route().link.seed.data
    assert answer == hkdf(ROOT.data, "csfnns/2/pair/carol", "csfnns/2/to-sender")
    assert BOTH.route().link.seed.data == hkdf(ROOT.data, "csfnns/2/pair/conversation")


def test_the_id_follows_from_the_check_link() -> None:
    assert TEAM.check_link == TEAM.route(["bob", "carol"]).link
    assert BOTH.check_link == BOTH.route().link
    for key in (TEAM, BOTH):
        assert key.id.replace("-", "") == hkdf(key.check_link.seed.data, "csfnns/2/key-id")[:8].hex()


def test_a_conversation_hides_and_reveals_on_one_link() -> None:
    key = Key.new()
    assert (key.role, key.names, key.owner) == ("conversation", ("receiver",), None)
    assert key.incoming() == [key.route()] == [key.route(["receiver"])]
    assert links(key.route()) == {key.route().link}
    assert key.profile == make_profile("standard")


def test_two_new_keys_share_nothing() -> None:
    assert Key.new().id != Key.new().id


def test_a_message_to_one_runs_on_the_pairs_link_alone() -> None:
    route = TEAM.route(["bob"])
    assert route == Route(route.link, {"bob": route.link}, "sender")
    assert BOB.incoming()[0] == route


def test_a_message_to_several_runs_on_the_groups_link() -> None:
    route = TEAM.route(["carol", "bob"])
    assert list(route.readers) == ["carol", "bob"]
    assert route.readers == {name: TEAM.route([name]).link for name in ("bob", "carol")}
    assert route.link not in route.readers.values()
    for name, key in {"bob": BOB, "carol": CAROL}.items():
        assert Route(route.link, {name: route.readers[name]}, "sender") in key.incoming()


def test_an_answer_runs_on_a_link_of_its_own_and_names_its_author() -> None:
    answer = BOB.route(["sender"])
    assert answer == BOB.route() == Route(answer.link, {"sender": answer.link}, "bob")
    assert answer in TEAM.incoming()
    assert answer.link != TEAM.route(["bob"]).link


def test_a_key_also_reads_what_was_sent_with_it() -> None:
    assert TEAM.route(["bob"]) in TEAM.incoming()
    assert TEAM.route(["bob", "carol"]) in TEAM.incoming()
    assert BOB.route() in BOB.incoming()
    assert (len(TEAM.incoming()), len(BOB.incoming())) == (5, 3)


def test_a_sender_with_one_receiver_has_a_group_that_no_message_uses() -> None:
    alone = Key.from_root(make_profile(), ROOT, ["bob"])
    assert alone.route() == alone.route(["bob"])
    assert len(alone.incoming()) == 3
    assert alone.for_receiver("bob") == BOB


def test_receivers_share_the_groups_link_and_nothing_else() -> None:
    common = {link for route in BOB.incoming() for link in links(route)} & {
        link for route in CAROL.incoming() for link in links(route)
    }
    assert common == {TEAM.check_link}
    assert BOB.check_link == CAROL.check_link == TEAM.check_link
    assert BOB.id == CAROL.id == TEAM.id
    held = [BOB.group, *(seed for _, seed in BOB.pairs)]
    assert BOB.root is None
    assert dict(CAROL.pairs)["carol"] not in held


def test_all_seeds_of_a_key_differ() -> None:
    every = {link for route in TEAM.incoming() for link in links(route)}
    seeds = [ROOT.data, *(link.address_key().data for link in every)]
    for link in every:
        for nonce in (NONCE, bytes(16)):
            seeds += [
                link.cover_seed(nonce).data,
                link.decoder_seed(nonce).data,
                link.header_seed(nonce).data,
            ]
    assert len(set(seeds)) == len(seeds) == 1 + 5 * 7


@pytest.mark.parametrize(
    ("key", "names", "problem"),
    [
        (TEAM, [], "several receivers"),
        (TEAM, ["dave"], "cannot hide for 'dave'"),
        (TEAM, ["bob", "bob"], "named twice"),
        (TEAM, ["sender"], "cannot hide for 'sender'"),
        (BOB, ["carol"], "cannot hide for 'carol'"),
        (BOB, ["bob"], "cannot hide for 'bob'"),
        (BOTH, ["bob"], "cannot hide for 'bob'"),
    ],
)
def test_a_route_to_others_is_refused(key: Key, names: list[str], problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        key.route(names)


def test_only_a_sender_makes_receivers_keys() -> None:
    with pytest.raises(UsageError, match="no receiver 'dave'"):
        TEAM.for_receiver("dave")
    for key in (BOB, BOTH):
        with pytest.raises(UsageError, match="Only a sender's key"):
            key.for_receiver("bob")


@pytest.mark.parametrize("name", ["", "Bob", "bob carol", "böb", "bob\n", "../bob", "b" * 33])
def test_a_bad_receiver_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="cannot be named"):
        Key.new(receivers=("carol", name))


@pytest.mark.parametrize(
    ("names", "problem"),
    [
        (["carol", "bob", "dave", "bob"], "'bob' is named twice"),
        (["sender"], "'sender' is reserved"),
        (["bob", "receiver"], "'receiver' is reserved"),
        ([f"r{i}" for i in range(9)], "1 to 8 receivers, got 9"),
    ],
)
def test_names_that_do_not_fit_together_are_refused(names: list[str], problem: str) -> None:
    assert len(Key.new(receivers=[f"r{i}" for i in range(8)]).incoming()) == 17
    with pytest.raises(UsageError, match=problem):
        Key.new(receivers=names)


@pytest.mark.parametrize("key", [TEAM, BOB, BOTH])
def test_no_secret_shows_when_a_key_is_printed(key: Key) -> None:
    shown = f"{key} {key!r} {key.pairs!r} {key.group!r} {key.root!r} {key.incoming()!r}"
    secrets = [ROOT, key.group, *(seed for _, seed in key.pairs)]
    secrets += [link.seed for route in key.incoming() for link in links(route)]
    for seed in filter(None, secrets):
        assert seed.data.hex() not in shown
        assert str(seed.data) not in shown


def test_a_key_travels_to_another_process() -> None:
    for key in (TEAM, BOB, BOTH):
        assert pickle.loads(pickle.dumps(key)) == key
