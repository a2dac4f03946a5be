"""Frozen outputs: a change here breaks every key in use.

After a deliberate change of the format, `CSFNNS_REGENERATE=1 pytest tests/keys/test_key_vectors.py` writes them anew,
here and in docs/format.md.
"""

import hashlib
import hmac
import json
import os
import unicodedata
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from csfnns.keys import Key, key_from_passphrase, parse_key, render_key
from csfnns.keys.material import canonical
from csfnns.keys.passphrase import salt
from csfnns.profile import make_profile
from csfnns.stream import Seed

STORE = Path(__file__).with_name("vectors.json")
DOCUMENT = Path(__file__).parents[2] / "docs" / "format.md"
PASSPHRASE = "ﬁve mango violins, harbor ½ pencil tulip"  # its first letters and its ½ are others after NFKC
CONTEXT = "Bob@Example.org "
NONCE = bytes(range(16))


def make_vectors() -> dict[str, Any]:
    profile, root = make_profile(), Seed(bytes(range(32)))
    both, team = Key.from_root(profile, root), Key.from_root(profile, root, ("bob", "carol"))
    bob = team.for_receiver("bob")
    album = Key.from_root(make_profile("paper", generator="folder", album="0f" * 32), root)
    spoken = key_from_passphrase(PASSPHRASE, profile, context=CONTEXT)
    assert spoken.root is not None
    links = {
        "conversation": both.check_link,
        "to bob": team.route(["bob"]).link,
        "from bob": bob.route().link,
        "to bob and carol": team.check_link,
    }
    link = links["to bob"]
    return {
        "links": {name: each.seed.data.hex() for name, each in links.items()},
        "ids": {"conversation": both.id, "sender": team.id},
        "to bob": {
            "address": link.address_key().data.hex(),
            "cover": link.cover_seed(NONCE).data.hex(),
            "decoder": link.decoder_seed(NONCE).data.hex(),
            "header": link.header_seed(NONCE).data.hex(),
        },
        "passphrase": {
            "text": PASSPHRASE,
            "nfkc": unicodedata.normalize("NFKC", PASSPHRASE).encode().hex(),
            "salt": salt(profile, CONTEXT).hex(),
            "root": spoken.root.data.hex(),
            "id": spoken.id,
        },
        "profile": canonical(profile.model_dump(mode="json")),
        "files": {"sender": render_key(team), "receiver": render_key(bob)},
        "other files": {"conversation": render_key(both), "album": render_key(album)},
    }


def stored() -> dict[str, Any]:
    if os.environ.get("CSFNNS_REGENERATE"):
        old, new = json.loads(STORE.read_text(encoding="utf-8")), make_vectors()
        STORE.write_text(json.dumps(new, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        text = DOCUMENT.read_text(encoding="utf-8")
        for was, now in zip(values(old), values(new), strict=True):
            text = text.replace(was, now)
        DOCUMENT.write_text(text, encoding="utf-8")
    vectors: dict[str, Any] = json.loads(STORE.read_text(encoding="utf-8"))
    return vectors


def values(vectors: Any) -> list[str]:
    if isinstance(vectors, str):
        return [vectors]
    return [value for each in vectors.values() for value in values(each)]


def test_keys_seeds_and_files_never_change() -> None:
    assert make_vectors() == stored()


def test_the_format_document_shows_these_vectors() -> None:
    text, vectors = DOCUMENT.read_text(encoding="utf-8"), stored()
    vectors.pop("other files")
    assert [value for value in values(vectors) if value not in text] == []


def test_another_program_can_make_the_root_key_as_the_document_says() -> None:
    vector, profile = stored()["passphrase"], stored()["profile"]
    content = f'{{"for":"bob@example.org","profile":{profile}}}'
    assert hashlib.sha256(f"csfnns/2/passphrase\n{content}".encode()).digest()[:16].hex() == vector["salt"]
    slow = Argon2id(salt=bytes.fromhex(vector["salt"]), length=32, iterations=3, lanes=4, memory_cost=65536)
    assert slow.derive(bytes.fromhex(vector["nfkc"])).hex() == vector["root"]


def test_another_program_can_read_the_files_as_the_document_says() -> None:
    for text in (stored()["files"] | stored()["other files"]).values():
        content = json.loads(text[text.index("{") :])
        check = content.pop("checksum")
        for name in {"root", "pair", "group"} & content.keys():
            content[name] = "".join(part(name, n, row) for n, row in enumerate(content[name], 1))
        compact = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(b"csfnns/2/key-file\n" + compact.encode()).hexdigest()
        assert check.replace(" ", "") == digest[:16]
        assert content["id"] == public_id(content) == parse_key(text).id


def part(name: str, number: int, row: str) -> str:
    digits, check = row.split(" - ")
    digits = digits.replace(" ", "")
    assert check == hashlib.sha256(f"csfnns/2/line/{name}/{number}/{digits}".encode()).hexdigest()[:4]
    return digits


def public_id(content: dict[str, str]) -> str:
    secret = bytes.fromhex(content.get("root", content.get("group", "")))
    steps = {
        "conversation": ["csfnns/2/pair/conversation"],
        "sender": ["csfnns/2/group", "csfnns/2/to-receiver"],
        "receiver": ["csfnns/2/to-receiver"],
    }
    for label in [*steps[content["role"]], "csfnns/2/key-id"]:
        secret = hmac.new(secret, label.encode() + b"\x01", hashlib.sha256).digest()
    digits = secret[:8].hex()
    return "-".join(digits[i : i + 4] for i in range(0, 16, 4))
