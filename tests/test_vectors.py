"""Frozen outputs of every part of the format: a change here makes sent pictures unreadable.

After a deliberate change of the format, `CSFNNS_REGENERATE=1 pytest tests/test_vectors.py` writes them anew, with the table
of constants in docs/format.md. The tests at the end read the stegos with a program of its own, which was written from the
documents alone.
"""

import hashlib
import json
import os
import re
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import csfnns
import other_cover
import other_program
from csfnns import Key, Profile, make_profile
from csfnns.address import CoefficientAddress, LevelAddress, ProjectionAddress, encode
from csfnns.address.code import draw_distinct
from csfnns.coding import keyed_order
from csfnns.coding.erasure import Parity
from csfnns.coding.layout import _shuffled
from csfnns.covers import AbstractCovers
from csfnns.decoders import decode, initialise, make_decoder, robust
from csfnns.images.io import RESTORE_LIMIT, Picture, read_picture, restored_shape
from csfnns.images.jpeg_file import LUMINANCE_STEPS
from csfnns.images.metrics import psnr
from csfnns.images.output import write_picture
from csfnns.keys import message_id, parse_key, render_key
from csfnns.methods import Envelope, ReceiverSeeds, Robust, Trellis
from csfnns.methods.base import context_of
from csfnns.payloads import header, make_codec, pixels, transform
from csfnns.payloads import spectral as codec
from csfnns.payloads.frame import Kind, pack
from csfnns.payloads.part import Division, Part, encode_part
from csfnns.payloads.seal import seal, seal_header
from csfnns.stream import Seed, normal_quantile

DOCS = Path(__file__).parents[1] / "docs"
PAGES = ("format.md", "format-files.md", "format-trellis.md", "format-covers.md")
STORE = DOCS / "vectors.json"
SEED = Seed(bytes(range(32)))
NONCE = bytes(range(16))
SENT = 1767225600  # 2026-01-01
TEXT = b"What is hidden here is a text. " * 3
NETWORKS = [*((d, r) for d in ("shuffle", "plain") for r in ("24", "6", "1.5")), ("robust", "1.5")]
SHAPES = ((480, 640), (512, 512), (513, 512), (3000, 2000), (1, 65535))


def example_secret() -> Picture:
    """A ramp in each colour and a bright square, (32, 48, 3)."""
    row, column = np.mgrid[:32, :48]
    picture = np.stack([5 * column, 8 * row, 240 - 2 * (row + column)], axis=-1)
    picture[8:20, 12:28] = 230, 200, 40
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def example_keys() -> dict[str, Key]:
    """Key of each stego."""
    return {
        "vectors-stego.png": Key.from_root(make_profile(width=128, height=96), SEED),
        "vectors-several.png": Key.from_root(make_profile(width=128, height=112), SEED, ("bob", "carol")),
        "vectors-robust.png": Key.from_root(make_profile("robust", width=192, height=128), SEED),
    }


def example_nonce(key: Key) -> bytes:
    """The least nonce whose cover the other program can draw."""
    link = key.route(key.names).link
    nonces = (i.to_bytes(16, "big") for i in range(1, 1000))
    return next(nonce for nonce in nonces if other_cover.family_of(link.cover_seed(nonce).data) in other_cover.SCENES)


def cover_of(key: Key, nonce: bytes) -> Picture:
    return AbstractCovers(key.profile.height, key.profile.width)(key.route(key.names).link.cover_seed(nonce))


def make_stego(name: str) -> None:
    key = example_keys()[name]
    nonce, route = example_nonce(key), key.route(key.names)
    seeds = [ReceiverSeeds(each.decoder_seed(nonce), each.header_seed(nonce)) for each in route.readers.values()]
    contents: list[Any] = [example_secret(), pack(TEXT, "a.txt", Kind.TEXT, SENT)]
    payloads = dict(zip(seeds, contents, strict=False))
    robustly = key.profile.decoder == "robust"
    method: Any = Robust(key.profile, steps=200) if robustly else Trellis(key.profile, form="numpy")
    names = {seeds[0]: "ramps"} if len(seeds) == 1 else {}
    envelope = Envelope(route.link.address_key(), nonce, SENT, len(key.names), names)
    stego = method.embed(cover_of(key, nonce), payloads, envelope=envelope)
    write_picture(stego, DOCS / name, overwrite=True)


def describe_stego(name: str) -> dict[str, Any]:
    key = example_keys()[name]
    nonce = example_nonce(key)
    several = {"bob": "the example secret", "carol": TEXT.decode()}
    return {
        "key": render_key(key),
        "nonce": nonce.hex(),
        "cover, sha256": hashlib.sha256(cover_of(key, nonce).tobytes()).hexdigest(),
        "message id": message_id(key.route(key.names).link, nonce),
        "time": SENT,
        "readers": several if len(key.names) > 1 else {"receiver": "the example secret"},
    }


def pattern(height: int, width: int) -> torch.Tensor:
    """δ in [-1, 1], (1, 3, H, W): ((7 row + 3 column + 5 colour) mod 11 mod 5 - 2) / 255."""
    colour, row, column = np.mgrid[:3, :height, :width]
    return torch.from_numpy(((7 * row + 3 * column + 5 * colour) % 11 % 5 - 2) / 255).float()[None]


def constants() -> dict[str, Any]:
    return {
        "GROUP": LevelAddress(SEED, 1024, 1024).places.shape[1],
        "SLOPE": robust.SLOPE,
        "OUTPUTS": robust.OUTPUTS,
        "BELOW": robust.BELOW,
        "STEPS": [step for row in LUMINANCE_STEPS for step in row],
        "TILE": robust.TILE,
        "BLOCK": robust.BLOCK,
        "INSTANCE_NORM_EPSILON": initialise.INSTANCE_NORM_EPSILON,
        "TARGET_STD": codec.TARGET_STD,
        "REPEATS": codec.REPEATS,
        "BAND_EDGES": list(transform.BAND_EDGES),
        "BANDS": header.BANDS,
        "LEVELS": header.LEVELS,
        "SIZE": header.SIZE,
        "RESTORE_LIMIT": RESTORE_LIMIT,
        "LEAST_CORRELATION": pixels.LEAST_CORRELATION,
        "LEAST_IN_SECRET": pixels.LEAST_IN_SECRET,
    }


def example_parts() -> list[bytes]:
    """The text in two parts, and a spare one."""
    of = Division(NONCE, 2, 3, len(TEXT), hashlib.sha256(TEXT).digest())
    pieces = [TEXT[: of.piece], TEXT[of.piece :].ljust(of.piece, b"\0")]
    parity = Parity([0], of.piece)
    for index, piece in enumerate(pieces):
        parity.add(index, piece)
    return [encode_part(Part(of, i, piece)) for i, piece in enumerate([*pieces, parity.piece(0)])]


def floats(values: Any) -> list[float]:
    return [round(float(v), 7) for v in np.asarray(values).ravel()]


def network_output(decoder: str, bpp: str) -> list[float]:
    profile = make_profile(
        "paper",
        width=96,
        height=64,
        channels=16,
        decoder=decoder,  # type: ignore[arg-type]
        bpp=bpp,  # type: ignore[arg-type]
        weights="orthogonal",
    )
    with torch.inference_mode():
        return floats(make_decoder(profile, SEED)(pattern(64, 96)).flatten()[:4])


def weights(distribution: str) -> list[float]:
    layer = torch.nn.Conv2d(2, 3, 3)
    initialise.initialise(layer, SEED, distribution, slope=0.01)
    return floats(layer.weight.detach().flatten()[:3])


def conversation() -> Key:
    return Key.from_root(make_profile(), SEED)


def addresses() -> dict[str, Any]:
    key = conversation().check_link.address_key()
    found: dict[str, Any] = {}
    for height, width in ((64, 96), (512, 512)):
        sized: dict[str, Any] = {}
        for carrier in ("levels", "coefficients", "projections"):
            bits = encode(key, NONCE, context_of(carrier, height, width))
            sized[carrier] = {"bits": np.packbits(bits).tobytes().hex()}
        sized["levels"]["places"] = LevelAddress(key, height, width).places[:2].tolist()
        sized["coefficients"]["places"] = CoefficientAddress(key, height, width).places[:2].tolist()
        projected = ProjectionAddress(key, height, width)
        sized["projections"]["blocks"] = projected._blocks[0, :2].tolist()
        sized["projections"]["offsets"] = [x.hex() for x in projected._offsets[0, :2].tolist()]
        found[f"{width}x{height}"] = sized
    return found


def covers() -> dict[str, Any]:
    """One cover of each family, and one more that is a kaleidoscope of a family that the other program draws."""
    found: dict[str, Any] = {}
    for number in range(1000):
        seed = conversation().check_link.cover_seed(number.to_bytes(16, "big"))
        family = other_cover.family_of(seed.data)
        order = other_cover.order_of(seed.data)
        name = f"kaleidoscope, {family}" if order and family in other_cover.SCENES else family
        if name not in found:
            cover = AbstractCovers(64, 64)(seed)
            digest = hashlib.sha256(cover.tobytes()).hexdigest()
            found[name] = {
                "nonce": number,
                "order": order,
                "pixels": cover[0, :2].tolist(),
                "sha256": digest,
            }
        if {*other_cover.FAMILIES} < {*found}:
            break
    return found


def make_exact() -> dict[str, Any]:
    """What is the same bit for bit everywhere."""
    stream, key = SEED.stream(), conversation()
    link = key.check_link
    quantiles = (2.0**-53, 0.001, 0.07, 0.3, 0.5, 0.975, 1 - 2.0**-53)
    places = codec.header_places(32, 48, 16)
    spectrum = np.arange(24).reshape(3, 8)
    written = header.Header(640, 480, (12, 130, 250), spectrum, SENT).to_bytes(SEED)
    target = make_codec(example_keys()["vectors-robust.png"].profile, SEED).encode(example_secret(), SENT)
    frame = pack(b"csfnns", "a.txt", Kind.TEXT, SENT)
    sealed_header = seal_header(len(frame).to_bytes(4, "big") + (1234).to_bytes(2, "big") + b"\xff", SEED)
    labels = ("csfnns/2/weights/0", "csfnns/2/tile/0", "csfnns/2/places")
    return {
        "constants": constants(),
        "derive": {label: SEED.derive(label).data.hex() for label in labels},
        "stream": {
            "words": [f"{word:016x}" for word in stream.words(3)],
            "uniforms": [u.hex() for u in stream.uniforms(2).tolist()],
            "normals": [x.hex() for x in stream.normals(4).tolist()],
            "integers below 1000": stream.integers(4, 1000).tolist(),
            "signs": stream.signs(12).tolist(),
            "permutation": stream.permutation(8).tolist(),
            "different": draw_distinct(stream, 5, 40).tolist(),
        },
        "keyed order of 3 rows and 4 columns": keyed_order(SEED, 3, 4).tolist(),
        "keyed shuffle of 7": _shuffled(SEED, 7).tolist(),
        "normal quantile": {p.hex(): normal_quantile(np.array([p]))[0].hex() for p in quantiles},
        "conversation": {
            "link": link.seed.data.hex(),
            "id": key.id,
            "address key": link.address_key().data.hex(),
            "cover seed": link.cover_seed(NONCE).data.hex(),
            "decoder seed": link.decoder_seed(NONCE).data.hex(),
            "header seed": link.header_seed(NONCE).data.hex(),
            "message id": message_id(link, NONCE),
        },
        "address": addresses(),
        "covers": covers(),
        "check cover, words": csfnns.check_cover(key).fingerprint,
        "frame": frame.hex(),
        "seal": {"header": sealed_header.hex(), "sealed": seal(frame, SEED, sealed_header).hex()},
        "parts": [part.hex() for part in example_parts()],
        "header": {"height": 640, "width": 480, "mean": [12, 130, 250], "levels": spectrum.ravel().tolist()},
        "header bytes": written.hex(),
        "header places": places.ravel()[:6].tolist(),
        "header places, sha256": hashlib.sha256(places.astype("<i8").tobytes()).hexdigest(),
        "header signs of the example": np.sign(target.values.flat[places[0]][:16]).astype(int).tolist(),
        "restored shape in 256x256": {f"{h}x{w}": restored_shape(h, w, 256, 256) for h, w in SHAPES},
        "stegos": {name: describe_stego(name) for name in example_keys()},
    }


def make_near() -> dict[str, Any]:
    """What is the same but for rounding: compared to 1e-5."""
    target = make_codec(example_keys()["vectors-robust.png"].profile, SEED).encode(example_secret(), SENT)
    kinds = ("xavier-normal", "xavier-uniform", "orthogonal", "kaiming", "uniform", "normal")
    return {
        "weights": {each: weights(each) for each in kinds},
        "spread": floats(mixed(np.arange(96.0))[:4]),
        "decoders": {f"{decoder}/{bpp}": network_output(decoder, bpp) for decoder, bpp in NETWORKS},
        "targets": floats(target.values[:, 1, 1]),
    }


def mixed(x: Any) -> Any:
    """Numbers spread by the seed's stream."""
    stream = SEED.stream()
    return robust.mix(x, stream.permutation(len(x)), stream.signs(len(x)))


def write() -> None:
    for name in example_keys():
        make_stego(name)
    vectors = {"exact": make_exact(), "near": make_near()}
    text = json.dumps(vectors, indent=1)
    # Lists of numbers on one line.
    text = re.sub(r"\[[-\s\d,.]*\]", lambda found: re.sub(r"\s+", " ", found[0]), text)
    STORE.write_text(text + "\n", encoding="utf-8")
    page = DOCS / "format.md"
    text = page.read_text(encoding="utf-8")
    for name, value in constants().items():
        text = re.sub(rf"(?m)^\| `{name}` \| [^|]* \|", f"| `{name}` | {shown(value)} |", text)
    page.write_text(text, encoding="utf-8")


def shown(value: Any) -> str:
    """A constant as the table in the document has it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@cache
def stored() -> dict[str, Any]:
    if os.environ.get("CSFNNS_REGENERATE"):
        write()
    vectors: dict[str, Any] = json.loads(STORE.read_text(encoding="utf-8"))
    return vectors


def test_what_is_exact_never_changes() -> None:
    then = stored()["exact"]
    assert json.loads(json.dumps(make_exact())) == then


def test_weights_decoders_and_targets_never_change() -> None:
    then, now = stored()["near"], make_near()
    for name in ("weights", "decoders"):
        assert now[name].keys() == then[name].keys()
        for case, values in now[name].items():
            assert values == pytest.approx(then[name][case], abs=1e-5), case
    for name in ("spread", "targets"):
        assert now[name] == pytest.approx(then[name], abs=1e-5), name


def test_the_format_document_shows_these_constants() -> None:
    rows = [f"| `{name}` | {shown(value)} |" for name, value in stored()["exact"]["constants"].items()]
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    assert [row for row in rows if row not in text] == []


def test_the_format_documents_name_every_label_of_the_code() -> None:
    source = Path(csfnns.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py")))
    labels = set(re.findall(r'["\'](csfnns/\d/[^"\'\\]+)["\'\\]', code))
    assert len(labels) > 60
    assert {label[:9] for label in labels} == {"csfnns/2/"}
    pages = "\n".join((DOCS / name).read_text(encoding="utf-8") for name in PAGES)
    spelled = {"{self._identity}": "{identity}", "line/{name}": "line/{field}", ".hex()}": "}"}
    for ours, theirs in spelled.items():
        labels = {label.replace(ours, theirs) for label in labels}
    missing = {label for label in labels if label not in pages}
    assert {label for label in missing if not label.startswith("csfnns/2/experiment")} == set()


@pytest.mark.parametrize("name", example_keys())
def test_the_stored_stegos_are_revealed(name: str) -> None:
    vector = stored()["exact"]["stegos"][name]
    key = parse_key(vector["key"])
    for reader in vector["readers"]:
        revealed = csfnns.reveal(DOCS / name, key, receiver=reader, denoise=False)
        assert revealed.id == vector["message id"]
        assert revealed.sent is not None
        assert revealed.sent.timestamp() == SENT
        if reader == "carol":
            assert revealed.content == TEXT
        else:
            assert revealed.picture is not None
            assert psnr(revealed.picture, example_secret()) > (25 if key.profile.is_network else 36)


@pytest.mark.parametrize("name", example_keys())
def test_another_program_reveals_the_stored_stegos_as_the_documents_say(name: str) -> None:
    vectors = stored()["exact"]
    vector = vectors["stegos"][name]
    nonce, messages = other_program.reveal(read_picture(DOCS / name), vector["key"], vectors["constants"])
    assert nonce.hex() == vector["nonce"]
    assert [message.reader for message in messages] == list(vector["readers"])
    for message in messages:
        key = parse_key(vector["key"])
        ours = csfnns.reveal(DOCS / name, key, receiver=message.reader, denoise=False)
        assert message.sent == SENT
        assert message.kind == ours.kind
        if message.kind == "text":
            assert (message.name, message.content) == (ours.name, ours.content)
        elif name == "vectors-robust.png":
            assert np.abs(message.content.astype(int) - ours.picture).max() <= 1
        else:
            assert np.array_equal(message.content, ours.picture)
            assert message.name == ("ramps" if name == "vectors-stego.png" else "")


def test_another_program_reads_a_mirrored_picture_with_a_receivers_key() -> None:
    vectors = stored()["exact"]
    name = "vectors-several.png"
    key = render_key(parse_key(vectors["stegos"][name]["key"]).for_receiver("carol"))
    mirrored = np.rot90(read_picture(DOCS / name)[:, ::-1])
    _, messages = other_program.reveal(mirrored, key, vectors["constants"])
    assert messages == [other_program.Message("carol", "text", TEXT, SENT, "a.txt")]


def test_another_program_draws_the_covers_as_the_document_says() -> None:
    link = bytes.fromhex(stored()["exact"]["conversation"]["link"])
    drawn = 0
    for name, vector in stored()["exact"]["covers"].items():
        seed = other_program.hkdf(link, f"csfnns/2/cover/{vector['nonce'].to_bytes(16, 'big').hex()}")
        family = name.split(", ")[-1]
        assert other_cover.family_of(seed) == family
        assert other_cover.order_of(seed) == vector["order"]
        if family in other_cover.SCENES:
            cover = other_cover.cover(seed, 64, 64)
            assert hashlib.sha256(cover.tobytes()).hexdigest() == vector["sha256"], name
            drawn += 1
    assert drawn > len(other_cover.SCENES)  # and a kaleidoscope


@pytest.mark.parametrize("size", ["96x64", "512x512"])
def test_another_program_places_the_address_as_the_document_says(size: str) -> None:
    vectors = stored()["exact"]
    key, (width, height) = bytes.fromhex(vectors["conversation"]["address key"]), map(int, size.split("x"))
    vector = vectors["address"][size]
    for carrier, each in vector.items():
        bits = other_program.coded_address(key, NONCE, f"{carrier}/{size}")
        assert np.packbits(bits).tobytes().hex() == each["bits"]
    group = vectors["constants"]["GROUP"]
    assert other_program.level_places(key, height, width, group)[:2].tolist() == vector["levels"]["places"]
    places = other_program.coefficient_places(key, height, width)
    assert places[:2].tolist() == vector["coefficients"]["places"]
    blocks, offsets = other_program.projections(key, height, width)
    assert blocks[0][:2] == vector["projections"]["blocks"]
    assert [x.hex() for x in offsets[:2].tolist()] == vector["projections"]["offsets"]


def test_another_program_shuffles_and_unpacks_as_the_documents_say() -> None:
    vectors = stored()["exact"]
    assert other_program.unpack(bytes.fromhex(vectors["frame"])) == ("text", b"csfnns", SENT, "a.txt")
    order = other_program.Stream(SEED.data).order(3, 4)
    assert order == vectors["keyed order of 3 rows and 4 columns"]
    assert other_program.Stream(SEED.data).shuffle(7) == vectors["keyed shuffle of 7"]


def test_another_program_joins_parts_as_the_document_says() -> None:
    parts = [bytes.fromhex(part) for part in stored()["exact"]["parts"]]
    assert other_program.whole([parts[1], parts[0]]) == TEXT
    assert other_program.parity({i: part[62:] for i, part in enumerate(parts[:2])}, 0) == parts[2][62:]


def network_reader() -> other_program.RobustReader:
    return other_program.RobustReader(stored()["exact"]["constants"])


@pytest.mark.parametrize("width", [96, 1040])
def test_another_program_computes_the_decoder_as_the_document_says(width: int) -> None:
    profile = make_profile("robust", width=width, height=64, channels=16)
    delta = pattern(64, width)[0].double().numpy()
    ours = decode(profile, SEED, np.rint(255 * delta).transpose(1, 2, 0))
    theirs = network_reader().decoder(delta, SEED.data, channels=16)
    assert theirs.shape == ours.shape
    assert np.allclose(theirs, ours, atol=1e-5)


def test_another_program_finds_the_header_of_a_picture_as_the_document_says() -> None:
    profile: Profile = make_profile("robust", width=256, height=256)
    values = make_codec(profile, SEED).encode(example_secret(), SENT).values
    found = network_reader().header(values.astype(float), 16, SEED.data)
    assert found[7:16] == bytes([0, 32, 0, 48]) + SENT.to_bytes(5, "big")
    x = np.arange(96.0)
    assert np.allclose(other_program.spread(x, other_program.Stream(SEED.data), 4096), mixed(x))
