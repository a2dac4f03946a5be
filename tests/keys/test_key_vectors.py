"""Frozen outputs: a change here breaks every key in use.

After a deliberate change of a version, `CSFNNS_REGENERATE=1 pytest tests/keys/test_key_vectors.py` writes
them anew, here and in the document on the format.
"""

import hashlib
import hmac
import json
import os
import tomllib
import unicodedata
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from csfnns.keys import Key, key_from_passphrase, parse_key, render_key
from csfnns.keys.material import canonical_profile
from csfnns.profile import make_profile
from csfnns.stream import Seed

STORE = Path(__file__).with_name("vectors.json")
DOCUMENTS = Path(__file__).parents[2] / "docs"
PASSPHRASE = "ﬁve mango violins, harbor ½ pencil tulip"  # its first letters and its ½ are others after NFKC


def make_vectors() -> dict[str, Any]:
    profile = make_profile()
    key = Key.from_root(profile, Seed(bytes(range(32))), ("bob", "carol"))
    album = Key.from_root(make_profile("paper", generator="folder", album="0f" * 32), Seed(bytes(32)))
    spoken = key_from_passphrase(PASSPHRASE, profile)
    assert spoken.root is not None
    return {
        "cover-key": key.cover.data.hex(),
        "id": key.id,
        "receiver-key": {receiver.name: receiver.seed.data.hex() for receiver in key.receivers},
        "decoder": {f"bob/{n}": key.decoder_seed("bob", n).data.hex() for n in (1, 1000)},
        "header": {f"bob/{n}": key.header_seed("bob", n).data.hex() for n in (1, 1000)},
        "profile": canonical_profile(profile),
        "passphrase": {
            "text": PASSPHRASE,
            "nfkc": unicodedata.normalize("NFKC", PASSPHRASE).encode().hex(),
            "salt": hashlib.sha256(f"csfnns/1/passphrase\n{canonical_profile(profile)}".encode()).hexdigest()[
                :32
            ],
            "root-key": spoken.root.data.hex(),
            "id": spoken.id,
        },
        "files": {
            "sender": render_key(key),
            "receiver": render_key(key.for_receiver("bob")),
            "album": render_key(album),
        },
    }


def stored() -> dict[str, Any]:
    vectors: dict[str, Any] = json.loads(STORE.read_text(encoding="utf-8"))
    if os.environ.get("CSFNNS_REGENERATE"):
        old, vectors = vectors, make_vectors()
        STORE.write_text(json.dumps(vectors, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
        for path in DOCUMENTS.glob("format*.md"):
            text = path.read_text(encoding="utf-8")
            for was, now in zip(values(old), values(vectors), strict=True):
                text = text.replace(was, now)
            path.write_text(text, encoding="utf-8")
    return vectors


def values(vectors: Any) -> list[str]:
    if isinstance(vectors, str):
        return [vectors]
    return [value for each in vectors.values() for value in values(each)]


def test_keys_seeds_and_files_never_change() -> None:
    assert make_vectors() == stored()


def test_the_format_document_shows_these_vectors() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in DOCUMENTS.glob("format*.md"))
    album = stored()["files"]["album"]
    assert [value for value in values(stored()) if value not in text] == [album]


def test_another_program_can_make_the_root_key_as_the_document_says() -> None:
    vector = stored()["passphrase"]
    salt, words = bytes.fromhex(vector["salt"]), bytes.fromhex(vector["nfkc"])
    root = Argon2id(salt=salt, length=32, iterations=3, lanes=4, memory_cost=65536).derive(words)
    assert root.hex() == vector["root-key"]


def test_another_program_can_read_the_files_as_the_document_says() -> None:
    for text in stored()["files"].values():
        content = tomllib.loads(text)
        check = content.pop("check")["checksum"]
        for table in (content["profile"], content["secret"]):
            for field in {"album", "root-key", "cover-key", "receiver-key"} & table.keys():
                table[field] = "".join(part(field, n, row) for n, row in enumerate(table[field], 1))
        canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
        digest = hashlib.sha256(b"csfnns/1/key-file\n" + canonical.encode()).hexdigest()
        assert check.replace(" ", "") == digest[:16]
        assert content["id"] == public_id(content["secret"])
        assert content["id"] == parse_key(text).id


def part(field: str, number: int, row: str) -> str:
    digits, check = row.split(" - ")
    digits = digits.replace(" ", "")
    assert check == hashlib.sha256(f"csfnns/1/line/{field}/{number}/{digits}".encode()).hexdigest()[:4]
    return digits


def public_id(secret: dict[str, str]) -> str:
    cover = bytes.fromhex(secret.get("cover-key", ""))
    if not cover:
        cover = hkdf(bytes.fromhex(secret["root-key"]), b"csfnns/1/cover-key")
    digits = hkdf(cover, b"csfnns/1/key-id")[:8].hex()
    return "-".join(digits[i : i + 4] for i in range(0, 16, 4))


def hkdf(key: bytes, label: bytes) -> bytes:
    return hmac.new(key, label + b"\x01", hashlib.sha256).digest()
