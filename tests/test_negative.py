"""Every field of every format with a wrong value gives its error: corpora of scripts/make_negative.py."""

import base64
import json
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import csfnns.errors
from csfnns.address import decode
from csfnns.coding import parity
from csfnns.covers import AbstractCovers
from csfnns.errors import CsfnnsError
from csfnns.images.jpeg_file import has_jpeglib, read_coefficients
from csfnns.keys.files import decode_key
from csfnns.keys.text import checksum
from csfnns.methods import ReceiverSeeds
from csfnns.methods._trellis_format import (
    HEAD_PLACES,
    Layout,
    Shared,
    header_changes,
    protected_size,
    read_picture,
)
from csfnns.payloads.frame import unpack
from csfnns.payloads.header import Header
from csfnns.payloads.seal import open_header, unseal
from csfnns.stream import Seed

FOLDER = Path(__file__).parent / "vectors" / "negative"
SEED = Seed(bytes(range(32)))


@cache
def corpus(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((FOLDER / f"{name}.json").read_text(encoding="ascii"))
    return content


def read_key(given: dict[str, Any]) -> None:
    about = corpus("key")
    text = given.get("text")
    if text is None:
        content = json.loads(json.dumps(about["bases"][given["base"]]))
        *inside, last = given.get("path", given.get("remove")).split(".")
        place = content
        for name in inside:
            place = place[name]
        if "remove" in given:
            del place[last]
        elif given.get("checksum") and last == "sealed":
            content = with_other_tag(content)
        else:
            place[last] = given["value"]
        text = json.dumps(with_checksum(content) if given.get("checksum") else content, indent=2)
    decode_key(text.encode(), "key", about["passphrase"])


def with_other_tag(content: dict[str, Any]) -> dict[str, Any]:
    from csfnns.keys.text import _lines

    sealed = bytearray.fromhex(hexadecimal(content["sealed"]))
    sealed[-1] ^= 1
    return content | {"sealed": _lines("sealed", bytes(sealed))}


def with_checksum(content: dict[str, Any]) -> dict[str, Any]:
    rest = {name: value for name, value in content.items() if name != "checksum"}
    return rest | {"checksum": checksum(rest | {"sealed": hexadecimal(rest["sealed"])})}


def hexadecimal(lines: list[str]) -> str:
    return "".join(line.partition(" - ")[0].replace(" ", "") for line in lines)


def read_address(given: dict[str, str]) -> str | None:
    bits = np.unpackbits(np.frombuffer(bytes.fromhex(given["bits"]), np.uint8))
    found = decode(SEED, 6.0 * (1 - 2.0 * bits), given["context"].encode())
    return None if found is None else found.hex()


def read_seal(given: dict[str, str]) -> str:
    header = bytes.fromhex(given["header"])
    open_header(header, SEED)
    return unseal(bytes.fromhex(given["sealed"]), SEED, header).hex()


@cache
def layout() -> Layout:
    seeds = ReceiverSeeds(SEED.derive("decoder"), SEED.derive("header"))
    return Layout(Shared(AbstractCovers(64, 64)(SEED)), seeds)


def read_trellis(given: dict[str, str]) -> str | None:
    head, tables = bytes.fromhex(given["head"]), bytes.fromhex(given["tables"])
    places = layout().head(0)
    room = layout().rest(255, 0)[: parity.PER_BYTE * protected_size(len(tables))]
    delta = np.zeros(3 * 64 * 64, np.int16)
    delta[places], delta[room] = header_changes(layout(), places, room, head, tables)
    assert len(places) == HEAD_PLACES
    found = read_picture(layout(), delta)
    return None if found is None else "unchanged" if found.unchanged else "changed"


READERS: dict[str, Callable[[Any], Any]] = {
    "key": read_key,
    "address": read_address,
    "frame": lambda data: unpack(bytes.fromhex(data)) and None,
    "seal": read_seal,
    "robust-header": lambda data: Header.from_bytes(bytes.fromhex(data), SEED) and None,
    "trellis": read_trellis,
    "jpeg": lambda data: read_coefficients(base64.b64decode(data)) and None,
}


def cases() -> Iterator[Any]:
    for name in READERS:
        needs = pytest.mark.skipif(name == "jpeg" and not has_jpeglib(), reason="needs jpeglib")
        for number, each in enumerate(corpus(name)["cases"], 1):
            yield pytest.param(name, each, id=f"{name}-{number}-{each['field']}", marks=needs)


@pytest.mark.parametrize(("name", "case"), list(cases()))
def test_a_wrong_field_gives_its_error(name: str, case: dict[str, Any]) -> None:
    if case["error"] in (None, "None"):
        assert READERS[name](case["input"]) == case.get("result")
        return
    with pytest.raises(CsfnnsError) as caught:
        READERS[name](case["input"])
    assert type(caught.value) is getattr(csfnns.errors, case["error"])
    assert case["message"] in caught.value.message


def test_the_corpora_are_small_and_complete() -> None:
    assert {file.stem for file in FOLDER.glob("*.json")} == set(READERS)
    assert sum(file.stat().st_size for file in FOLDER.glob("*.json")) < 200 * 1024
