"""Write tests/vectors/negative/*.json: every field of every format, how it is changed, and the error it must give.

python scripts/make_negative.py

A case has the changed field, the change, the input of the reader, and the error: the name of its class and a part of its
message; "None" where the reader finds nothing, and null where it gives `result`. Expected errors are written here by hand.
Fields that a check value covers are also changed together with it, as somebody who has the key can do.
tests/test_negative.py runs all cases.
"""

import base64
import io
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from csfnns.address import CODED, encode
from csfnns.covers import AbstractCovers
from csfnns.keys import Key, render_key
from csfnns.keys.protection import MAX_MEMORY, Protection
from csfnns.methods import ReceiverSeeds
from csfnns.methods._trellis_format import CHECK, FIELDS, Layout, Shared
from csfnns.payloads.blocks import MOST_WATER, PictureModel
from csfnns.payloads.frame import Kind, pack
from csfnns.payloads.header import Header
from csfnns.payloads.header import _check as robust_check
from csfnns.payloads.seal import seal, seal_header
from csfnns.payloads.transform import BANDS
from csfnns.profile import Diffusion, make_profile
from csfnns.stream import Seed

FOLDER = Path(__file__).parents[1] / "tests" / "vectors" / "negative"
SEED = Seed(bytes(range(32)))
PASSPHRASE = "wagon lattice"
CHEAP = Protection(cipher="argon2id/chacha20-poly1305", memory=32, passes=1, lanes=1, salt="5a" * 16)
CONTEXT = "levels/64x64"

DECIDING = {
    ("conversation", "profile.decoder"),
    *((base, f"profile.{name}") for base, name in (("album", "album"), ("diffusion", "diffusion"))),
    *((base, "profile.generator") for base in ("album", "diffusion")),
}
"""Fields of the bases that decide which other fields there must be."""

Case = dict[str, Any]
KEY, GONE, LOST, NONE = "KeyFileError", "NoMessageError", "DamagedError", "None"


def case(field: str, change: str, given: Any, error: str | None = None, message: str = "") -> Case:
    """A case; without an error, the input is valid."""
    return {"field": field, "change": change, "input": given, "error": error, "message": message}


def keys() -> Case:
    """Key files: a base with one value at a path replaced, or removed, or another text."""
    drawn = Diffusion(
        prompts=("Campus",),
        steps=50,
        guidance="7.5",
        device="cpu",
        threads=1,
        scheduler="DDIMScheduler",
        settings=("eta=0.0",),
        model=("class=StableDiffusionPipeline",),
        environment=("torch=2.13.0",),
        reference="ab" * 32,
    )
    team = Key.from_root(make_profile(), SEED, ("bob", "carol"))
    made = {
        "conversation": Key.from_root(make_profile("paper"), SEED),
        "sender": team,
        "receiver": team.for_receiver("bob"),
        "album": Key.from_root(make_profile(generator="folder", album="0f" * 32), SEED),
        "diffusion": Key.from_root(make_profile(generator="diffusion", diffusion=drawn), SEED),
    }
    texts = {name: render_key(key) for name, key in made.items()}
    texts["protected"] = render_key(team, PASSPHRASE, protection=CHEAP)
    bases = {name: json.loads(text[text.index("{") :]) for name, text in texts.items()}
    return {"passphrase": PASSPHRASE, "bases": bases, "cases": list(key_cases(bases, texts))}


def key_cases(bases: dict[str, Any], texts: dict[str, str]) -> Iterator[Case]:
    """Cases of key files."""
    for base, content in bases.items():
        yield case("", "none", {"text": texts[base]})
        yield from field_cases(base, content)
    for base, path, values, message in key_values(bases):
        for value in values:
            yield changed_value(base, path, value, message)
    for path, value in (
        ("id", "0ba2-2e75-6596-7442"),
        ("profile.width", 528),
        ("receivers", ["bob", "dave"]),
        ("protection.passes", 2),
        ("protection.salt", "5b" * 16),
        ("sealed", None),
    ):
        given = {"base": "protected", "path": path, "value": value, "checksum": True}
        yield case(path, f"{json.dumps(value)}, with its checksum", given, KEY, "does not open")
    for text, message in (
        ("", "is not a key file"),
        ("{", "cannot be read"),
        ("{}", "format must be 2"),
        ("[" * 300, "is not a key file"),
        ('{"format": ' + "[" * 3000, "is not a key file"),
        ('{"format": ' + "9" * 5000 + "}", "is not a key file"),
        ('{"format": NaN}', "format must be 2"),
        ("format = 1\n", "a key of csfnns 0.1"),
        (texts["sender"].replace('"id"', '"role": "sender", "id"'), "role stands there twice"),
        (texts["sender"] * 2, "A second key begins here"),
    ):
        yield case("", "another text", {"text": text}, KEY, message)


def changed_value(base: str, path: str, value: Any, message: str) -> Case:
    """Case of one value of a key file."""
    return case(path, json.dumps(value), {"base": base, "path": path, "value": value}, KEY, message)


def field_cases(base: str, content: dict[str, Any], inside: str = "") -> Iterator[Case]:
    """Each field of an object removed and of another type, and one field more."""
    for name, value in content.items():
        path = inside + name
        if (base, path) in DECIDING:
            message = "goes with"
        elif path in ("format", "role"):
            message = f"{name} must be"
        else:
            message = f"{name} is missing"
        yield case(path, "removed", {"base": base, "remove": path}, KEY, message)
        if (base, path) not in DECIDING:
            yield changed_value(base, path, "x" if isinstance(value, int) else 7, "must be")
        if isinstance(value, dict):
            yield from field_cases(base, value, f"{path}.")
    yield changed_value(base, f"{inside}colour", 1, "colour is unknown")


def key_values(bases: dict[str, Any]) -> Iterator[tuple[str, str, Sequence[Any], str]]:
    """Base, path, values, and the error of each."""
    root, sealed = bases["sender"]["root"], bases["protected"]["sealed"]
    checksum, owner = "The checksum does not fit", "goes with"
    yield from (
        ("sender", "format", (0, 1, 3, 2.0, True, "2", None), "format must be 2"),
        ("sender", "role", ("boss", ["sender"]), "role must be one of"),
        ("sender", "role", ("conversation",), "receivers is unknown"),
        ("sender", "role", ("receiver",), "receiver is missing"),
        ("sender", "id", ("", "0ba2-2e75-6596-7442", "0ba22e7565967441"), "The id does not belong"),
        ("sender", "profile.name", ("", "Standard", "a" * 33, "ä"), "profile.name must"),
        ("sender", "profile.version", (1, 3, True), "profile.version must be 2"),
        ("sender", "profile.generator", ("", "A", "../x"), "profile.generator must"),
        ("sender", "profile.generator", ("folder", "diffusion"), owner),
        ("sender", "profile.generator", ("other",), checksum),
        ("sender", "profile.width", (0, -16, 48, 513, 8208, 2**63, 512.5, "512"), "profile.width must be"),
        ("sender", "profile.height", (0, -16, 48, 513, 8208, 10**40, True), "profile.height must be"),
        ("sender", "profile.width", (528,), checksum),
        ("sender", "profile.decoder", ("magic",), "profile.decoder must be"),
        ("sender", "profile.decoder", ("shuffle",), "is missing"),
        ("sender", "profile.bpp", ("6",), owner),
        ("sender", "profile.channels", (48,), owner),
        ("sender", "profile.weights", ("normal",), owner),
        ("sender", "profile.album", ("0f" * 32,), owner),
        ("sender", "receivers", ([],), "receivers must have at least 1"),
        ("sender", "receivers", (["bob", "bob"],), "named twice"),
        ("sender", "receivers", (["bob", "sender"],), "is reserved"),
        ("sender", "receivers", (["Bob"], ["b" * 33], [""]), "cannot be named"),
        ("sender", "receivers", ([f"r{i}" for i in range(9)],), "1 to 8 receivers, got 9"),
        ("sender", "receivers", (["carol", "bob"],), checksum),
        ("sender", "root", ([], root[:3], root * 2), "root must have 4 parts, got"),
        ("sender", "root", (root[::-1],), "Part 1 of root is damaged"),
        ("sender", "root", (["0001 0203 0405 0607 - 212b", *root[1:]],), "Part 1 of root is damaged"),
        ("sender", "root", (["0001 0203 0405 060 - 212a", *root[1:]],), "Part 1 of root is damaged"),
        ("sender", "checksum", ("", "9783 8e92 1e7a b2f3"), checksum),
        ("conversation", "profile.bpp", ("12", 6), "profile.bpp must be"),
        ("conversation", "profile.channels", (2, 513, -1, 10**30, "96"), "profile.channels must be"),
        ("conversation", "profile.weights", ("zero",), "profile.weights must be"),
        ("conversation", "profile.decoder", ("robust",), "bpp must be '1.5'"),
        ("conversation", "profile.decoder", ("trellis",), owner),
        ("receiver", "receiver", ("carol",), checksum),
        ("receiver", "receiver", ("sender",), "is reserved"),
        ("receiver", "receiver", ("",), "cannot be named"),
        ("receiver", "pair", (bases["receiver"]["group"],), "Part 1 of pair is damaged"),
        ("receiver", "group", (bases["receiver"]["pair"],), "Part 1 of group is damaged"),
        ("album", "profile.album", ("0F" * 32, "0f" * 31), "profile.album must"),
        ("protected", "id", ("", "0ba2-2e75-6596-7442"), checksum),
        ("protected", "protection.cipher", ("none",), "protection.cipher must be"),
        ("protected", "protection.memory", (7,), "protection.memory must be"),
        ("protected", "protection.memory", (MAX_MEMORY + 1, 2**40), f"or equal to {MAX_MEMORY}, got"),
        ("protected", "protection.passes", (0, 10**9), "protection.passes must be"),
        ("protected", "protection.passes", (131073,), "asks for 32 KiB, 131073 passes and 1 lanes"),
        ("protected", "protection.lanes", (0, 17), "protection.lanes must be"),
        ("protected", "protection.lanes", (5,), "at least 8 KiB for each lane"),
        ("protected", "protection.salt", ("5a" * 15, "5A" * 16), "protection.salt must match"),
        ("protected", "protection.salt", ("5b" * 16,), checksum),
        ("protected", "sealed", (sealed[:5],), "sealed must have 6 parts, got 5"),
        ("protected", "sealed", (sealed[::-1],), "Part 1 of sealed is damaged"),
        ("protected", "root", (root,), "root is unknown"),
        ("protected", "receivers", (["bob", "dave"],), checksum),
    )
    for name, values, message in (
        ("prompts", ([],), "prompts must have at least 1"),
        ("prompts", (["x"] * 33,), "prompts must have at most 32"),
        ("prompts", (["x" * 501],), "must have at most 500"),
        ("prompts", (['a"b'],), "must match"),
        ("steps", (0, 1001), "steps must be"),
        ("guidance", ("100", "07"), "guidance must match"),
        ("device", ("tpu",), "device must be"),
        ("threads", (0, 257), "threads must be"),
        ("scheduler", ("os.system",), "scheduler must match"),
        ("settings", (["eta"],), "must match"),
        ("settings", (["a=1", "a=2"],), "a name is there twice"),
        ("model", (["x=1"] * 101,), "model must have at most 100"),
        ("environment", (["x=" + "y" * 63],), "must have at most 64"),
        ("reference", ("zz" * 32,), "reference must match"),
    ):
        yield "diffusion", f"profile.diffusion.{name}", values, message


def addresses() -> Case:
    """Addresses: 384 bits without noise."""
    nonce = bytes(range(16))
    bits = encode(SEED, nonce, CONTEXT.encode())
    packed = np.packbits(bits).tobytes()

    def given(data: bytes, context: str = CONTEXT) -> Case:
        return {"bits": data.hex(), "context": context}

    def flipped(first: int, last: int) -> bytes:
        changed = bits.copy()
        changed[first:last] ^= 1
        return np.packbits(changed).tobytes()

    valid = case("", "none", given(packed)) | {"result": nonce.hex()}
    corrected = case("nonce", "bits 0…3 flipped: corrected", given(flipped(0, 4))) | {"result": nonce.hex()}
    cases = [valid, corrected]
    cases += [
        case("context", text, given(packed, text), NONE)
        for text in ("levels/64x80", "coefficients/64x64", "projections/64x64", "")
    ]
    for field, first, last in (("nonce", 0, 128), ("check", 128, 192), ("code", 192, 384), ("all", 0, CODED)):
        cases.append(case(field, "flipped", given(flipped(first, last)), NONE))
    other = encode(SEED.derive("other"), nonce, CONTEXT.encode())
    cases.append(case("key", "of another key", given(np.packbits(other).tobytes()), NONE))
    cases += [case("all", f"{byte:02x}", given(bytes([byte]) * 48), NONE) for byte in (0, 255, 85)]
    return {"cases": cases}


def frames() -> Case:
    """Frames of files, after their seal."""
    data = pack(b"What is hidden here. " * 5, "a.txt", Kind.FILE, 1767225600)
    stored = bytes([2, 1, 0, 5]) + (3).to_bytes(4, "big") + bytes(5) + b"a.txtabc"

    def at(place: int, new: bytes, base: bytes = data) -> str:
        return (base[:place] + new + base[place + len(new) :]).hex()

    def changed(field: str, place: int, new: bytes, error: str, message: str, base: bytes = data) -> Case:
        return case(field, new.hex(), at(place, new, base), error, message)

    damaged = "The message is no file of csfnns"
    cases = [case("", "none", data.hex()), case("", "none, stored", stored.hex())]
    cases += [changed("version", 0, bytes([v]), GONE, f"version {v}") for v in (0, 1, 3, 255)]
    cases += [changed("kind", 1, bytes([v]), GONE, f"kind {v}") for v in (0, 5, 255)]
    cases += [changed("method", 2, bytes([v]), GONE, f"method {v}") for v in (3, 255)]
    cases += [changed("method", 2, bytes([v]), LOST, damaged, stored) for v in (1, 2)]
    cases += [changed("length of the name", 3, bytes([v]), LOST, damaged, stored) for v in (0, 4, 6, 9, 255)]
    for length in (0, 2, 4, 2**28, 2**28 + 1, 2**32 - 1):
        cases.append(changed("length of the content", 4, length.to_bytes(4, "big"), LOST, damaged, stored))
        cases.append(changed("length of the content", 4, length.to_bytes(4, "big"), LOST, damaged))
    cases.append(changed("name", 13, b"\xff", LOST, damaged, stored))
    cases.append(case("content", "cut short", data[:-1].hex(), LOST, damaged))
    cases.append(case("content", "a byte more", (data + b"\0").hex(), LOST, damaged))
    cases.append(case("content", "none", data[:18].hex(), LOST, damaged))
    cases += [case("", f"{n} bytes", data[:n].hex(), LOST, damaged) for n in (0, 1, 12)]
    zeros = pack(bytes(1 << 20))
    cases.append(changed("length of the content", 4, (1000).to_bytes(4, "big"), LOST, damaged, zeros))
    return {"cases": cases}


def seals() -> Case:
    """Sealed data with its header."""
    fields = (5).to_bytes(4, "big") + (1234).to_bytes(2, "big") + b"\xff"
    header = seal_header(fields, SEED)
    sealed = seal(b"hello", SEED, header)

    def flip(data: bytes, place: int) -> bytes:
        return data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]

    def given(head: bytes = header, body: bytes = sealed) -> Case:
        return {"header": head.hex(), "sealed": body.hex()}

    nothing, changed = "This key finds no message", "it was changed on its way"
    cases = [case("", "none", given()) | {"result": b"hello".hex()}]
    names = ["length of the data"] * 4 + ["rate"] * 2 + ["partitions"] + ["check"] * 6
    cases += [case(name, f"byte {i} flipped", given(flip(header, i)), GONE, nothing) for i, name in enumerate(names)]
    for i in range(len(sealed)):
        field = "data" if i < 5 else "tag"
        cases.append(case(field, f"byte {i} flipped", given(body=flip(sealed, i)), LOST, changed))
    cases += [case("tag", f"{n} bytes", given(body=sealed[:n]), LOST, changed) for n in (0, 5, 15, 16, 20)]
    cases.append(case("tag", "a byte more", given(body=sealed + b"\0"), LOST, changed))
    longer = seal_header((6).to_bytes(4, "big") + fields[4:], SEED)
    cases.append(case("length of the data", "another, with its check", given(longer), LOST, changed))
    other = SEED.derive("other")
    cases.append(case("key", "of another", given(seal_header(fields, other)), GONE, nothing))
    return {"cases": cases}


def robust_headers() -> Case:
    """Headers of pictures by the profile robust."""
    spectrum = np.arange(24).reshape(3, 8)
    data = Header(480, 640, (10, 20, 30), spectrum, 1767225600).to_bytes(SEED)
    names = ["check"] * 6 + ["kind"] + ["height"] * 2 + ["width"] * 2 + ["time"] * 5 + ["mean"] * 3
    names += ["levels"] * 15
    cases = [case("", "none", data.hex())]
    for i, name in enumerate(names):
        changed = data[:i] + bytes([data[i] ^ 1]) + data[i + 1 :]
        cases.append(case(name, f"byte {i} flipped", changed.hex(), GONE, "This key finds no message"))

    def sealed(place: int, new: bytes) -> str:
        rest = data[6:place] + new + data[place + len(new) :]
        return (robust_check(SEED, rest) + rest).hex()

    for kind in (0, 2, 255):
        cases.append(case("kind", f"{kind}, with its check", sealed(6, bytes([kind])), GONE, f"of kind {kind}"))
    for name, place in (("height", 7), ("width", 9)):
        cases.append(case(name, "0, with its check", sealed(place, bytes(2)), LOST, "no picture of csfnns"))
    cases += [case("", f"{n} bytes", data[:n].hex(), GONE, "This key finds no message") for n in (0, 6, 33)]
    return {"cases": cases}


def trellis() -> Case:
    """Heads and tables of the trellis, written into a cover of 64x64 with body 0."""
    seeds = ReceiverSeeds(SEED.derive("decoder"), SEED.derive("header"))
    layout = Layout(Shared(AbstractCovers(64, 64)(SEED)), seeds)
    table = np.zeros((1, 3, BANDS), np.uint8)
    flat = PictureModel(16, 32, (10, 20, 30), 40, 1, np.zeros((1, 2), np.uint8), table).to_bytes()
    table[0, :, 0] = 5
    filled = PictureModel(16, 32, (10, 20, 30), 40, 1, np.zeros((1, 2), np.uint8), table).to_bytes()

    def given(head: bytes, tables: bytes, *, check: bool = True) -> Case:
        if check:
            right = layout.code("check", head[:3], tables)[:CHECK]
            head = head[:FIELDS] + right + head[FIELDS + CHECK :]
        return {"head": head.hex(), "tables": tables.hex()}

    def head_of(tables: bytes, mask: int = 255, size: int | None = None, flips: int = 0) -> bytes:
        length = len(tables) if size is None else size
        return bytes([mask]) + length.to_bytes(2, "big") + bytes([160, flips]) + bytes(5 + CHECK + 8)

    states = bytes([8, 0, 0])
    usual = states + flat
    changed = "changed"
    cases = [case("seal", "wrong: a picture that was changed", given(head_of(usual), usual)) | {"result": changed}]
    one = bytearray.fromhex(given(head_of(usual), usual)["head"])
    for i in (0, 1, 2, *range(FIELDS, FIELDS + CHECK)):
        flipped = bytearray(one)
        flipped[i] ^= 2
        field = "partitions" if i == 0 else "size of the tables" if i < 3 else "check"
        cases.append(case(field, f"byte {i} flipped", {"head": flipped.hex(), "tables": usual.hex()}, NONE))
    cases.append(case("partitions", "without its own", given(head_of(usual, 254), usual), NONE))
    cases.append(case("partitions", "none", given(head_of(usual, 0), usual), NONE))
    for size in (0, len(usual) - 1, len(usual) + 1, 65535):
        cases.append(case("size of the tables", str(size), given(head_of(usual, size=size), usual), NONE))
    no = "no picture"
    empty = b""
    cases.append(case("tables", "none", given(head_of(empty), empty), NONE))
    cases.append(case("tables", "states alone", given(head_of(states), states), NONE))

    def table_case(field: str, change: str, tables: bytes, error: str, message: str = no) -> None:
        cases.append(case(field, change, given(head_of(tables), tables), error, message))

    for length in (0, 1, 255):
        table_case("length of the name", f"{length} and no model", bytes([136, 0, 0, length]), GONE, "of version")
    for value in (0, 1, 30, 127):
        table_case("states", str(value), bytes([value, 0, 0]) + filled, LOST)
    table_case("filler", "without states", bytes([0, 0, 1]) + flat, LOST)
    for value in (0, 2, 255):
        table_case("version", str(value), states + bytes([value]) + flat[1:], GONE, "of version")
    for value in (0, 2, 4, 255):
        table_case("colours", str(value), states + flat[:1] + bytes([value]) + flat[2:], LOST)
    for value in (0, 9, 255):
        table_case("classes", str(value), states + flat[:2] + bytes([value]) + flat[3:], LOST)
    for name, place in (("height", 6), ("width", 8), ("group", 12)):
        table_case(name, "0", states + flat[:place] + bytes(2) + flat[place + 2 :], LOST)
    table_case("height and width", "65535", states + flat[:6] + b"\xff" * 4 + flat[10:], LOST)
    table_case("height", "65535: too many classes", states + flat[:6] + b"\xff\xff" + flat[8:], LOST)
    water = (MOST_WATER + 1).to_bytes(2, "big")
    table_case("water", str(MOST_WATER + 1), states + flat[:10] + water + flat[12:], LOST)
    for n in (1, 2, 5, 13):
        table_case("tables", f"model of {n} bytes", states + flat[:n], LOST)
    table_case("heights", "all bits 1", states + flat[:14] + b"\xff" * 20, LOST)
    return {"cases": cases}


def jpegs() -> Case:
    """JPEG files of 16x16."""
    y, x = np.mgrid[:16, :16] * 15
    pixels = np.stack([y, x, 255 - y], axis=-1).astype(np.uint8)

    def save(picture: Image.Image, **options: Any) -> bytes:
        file = io.BytesIO()
        picture.save(file, "JPEG", quality=75, **options)
        return file.getvalue()

    data = save(Image.fromarray(pixels), subsampling=2)
    parts = dict(segments(data))
    sof, sos, dqt, dht = parts[0xC0], parts[0xDA], parts[0xDB], parts[0xC4]
    picture, other = "PictureError", GONE

    def jpeg(file: bytes) -> str:
        return base64.b64encode(file).decode()

    def at(place: int, new: bytes) -> str:
        return jpeg(data[:place] + new + data[place + len(new) :])

    cases = [
        case("", "none", jpeg(data)),
        case("", "progressive", jpeg(save(Image.fromarray(pixels), progressive=True))),
    ]
    for field, place, new, error in (
        ("SOI", 0, b"\0", picture),
        ("SOI", 1, b"\xd9", picture),
        ("APP0 length", 4, b"\0\0", picture),
        ("APP0 length", 4, b"\xff\xff", picture),
        ("DQT length", dqt + 2, b"\0\2", picture),
        ("DQT length", dqt + 2, b"\xff\xff", picture),
        ("DQT number", dqt + 4, b"\x0f", picture),
        ("DQT step", dqt + 5, b"\0", other),
        ("SOF marker: lossless", sof + 1, b"\xc3", picture),
        ("SOF length", sof + 2, b"\0\2", picture),
        ("SOF precision", sof + 4, b"\x0c", picture),
        ("SOF precision", sof + 4, b"\0", picture),
        ("SOF height", sof + 5, b"\0\0", picture),
        ("SOF width", sof + 7, b"\0\0", picture),
        ("SOF height and width", sof + 5, b"\xff\xff\xff\xff", picture),
        ("SOF components", sof + 9, b"\0", picture),
        ("SOF components", sof + 9, b"\4", picture),
        ("SOF components", sof + 9, b"\xff", picture),
        ("SOF sampling", sof + 11, b"\0", picture),
        ("SOF sampling", sof + 11, b"\x55", picture),
        ("SOF table", sof + 12, b"\x03", picture),
        ("DHT length", dht + 2, b"\0\2", None),  # a file without tables has the usual ones
        ("DHT class", dht + 4, b"\x7f", picture),
        ("DHT counts", dht + 5, b"\xff" * 16, picture),
        ("SOS length", sos + 2, b"\0\2", picture),
        ("SOS components", sos + 4, b"\0", picture),
        ("SOS components", sos + 4, b"\5", picture),
        ("SOS component", sos + 5, b"\x09", picture),
        ("SOS tables", sos + 6, b"\x33", picture),
    ):
        cases.append(case(field, new.hex(), at(place, new), error))
    for n in (0, 2, 20, dqt + 10, sof + 3, sos, sos + 14):
        cases.append(case("", f"{n} bytes", jpeg(data[:n]), picture))
    for mode, error in (("L", other), ("CMYK", other)):
        cases.append(case("", mode, jpeg(save(Image.fromarray(pixels).convert(mode))), error))
    cases.append(case("SOF sampling", "4:2:2", jpeg(save(Image.fromarray(pixels), subsampling=1)), other))
    return {"cases": cases}


def segments(data: bytes) -> Iterator[tuple[int, int]]:
    """Marker and place of each segment up to the first scan."""
    place = 2
    while True:
        yield data[place + 1], place
        if data[place + 1] == 0xDA:
            return
        place += 2 + int.from_bytes(data[place + 2 : place + 4], "big")


CORPORA = {
    "key": keys,
    "address": addresses,
    "frame": frames,
    "seal": seals,
    "robust-header": robust_headers,
    "trellis": trellis,
    "jpeg": jpegs,
}


def main() -> None:
    """Write all corpora."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name, make in CORPORA.items():
        corpus = {"format": name, "about": make.__doc__} | make()
        head = {key: value for key, value in corpus.items() if key != "cases"}
        lines = ",\n".join(json.dumps(each) for each in corpus["cases"])
        text = f'{json.dumps(head)[:-1]}, "cases": [\n{lines}\n]}}\n'
        (FOLDER / f"{name}.json").write_text(text, encoding="ascii")


if __name__ == "__main__":
    main()
