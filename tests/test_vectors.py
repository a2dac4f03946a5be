"""Frozen outputs of stream, covers, decoders and codecs: a change here makes sent pictures unreadable.

After a deliberate change of the format, `CSFNNS_REGENERATE=1 pytest tests/test_vectors.py` writes them anew, with
the table of constants in docs/format.md. The last tests read a picture with a program of its own, written from
that document alone.
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
from csfnns import Key, Ledger, Profile, Search, api, finding, make_profile
from csfnns.covers import AbstractCovers
from csfnns.decoders import decode, initialise, make_decoder, robust
from csfnns.jpeg_steps import LUMINANCE_STEPS
from csfnns.measure import psnr
from csfnns.output import write_picture
from csfnns.payloads import header, make_codec, pixels
from csfnns.payloads import spectral as codec
from csfnns.picture import RESTORE_LIMIT, Picture, read_picture, restored_shape
from csfnns.schemes import CsFnns, ReceiverSeeds
from csfnns.stream import Seed, normal_quantile
from other_program import Reader, Stream, hkdf, spread

DOCS = Path(__file__).parents[1] / "docs"
STORE = DOCS / "vectors.json"
STEGO = DOCS / "vectors-stego.png"
SEED = Seed(bytes(range(32)))
LABELS = (
    "csfnns/1/weights/0",
    "csfnns/1/tile/0",
    "csfnns/1/places",
    "csfnns/1/probes",
    "csfnns/1/cover/abstract/1",
)
NETWORKS = [*((d, r) for d in ("shuffle", "plain") for r in ("24", "6", "1.5")), ("robust", "1.5")]


def example_key() -> Key:
    return Key.from_root(make_profile("robust", width=192, height=128), SEED)


def example_cover() -> Picture:
    """Cover of message 1 of the example key."""
    return AbstractCovers(128, 192)(example_key().cover, 1)


def example_seeds() -> ReceiverSeeds:
    """Seeds of message 1 for the example key's receiver."""
    key = example_key()
    (name,) = key.names
    return ReceiverSeeds(key.decoder_seed(name, 1), key.header_seed(name, 1))


def mixed(x: Any) -> Any:
    """Numbers spread by the seed's stream."""
    stream = SEED.stream()
    return robust.mix(x, stream.permutation(len(x)), stream.signs(len(x)))


def example_secret() -> Picture:
    """A ramp in each colour and a bright square, (32, 48, 3)."""
    row, column = np.mgrid[:32, :48]
    picture = np.stack([5 * column, 8 * row, 240 - 2 * (row + column)], axis=-1)
    picture[8:20, 12:28] = 230, 200, 40
    return np.asarray(np.clip(picture, 0, 255), np.uint8)


def pattern(height: int, width: int) -> torch.Tensor:
    """δ in [-1, 1], (1, 3, H, W): ((7 row + 3 column + 5 colour) mod 11 mod 5 - 2) / 255."""
    colour, row, column = np.mgrid[:3, :height, :width]
    return torch.from_numpy(((7 * row + 3 * column + 5 * colour) % 11 % 5 - 2) / 255).float()[None]


def constants() -> dict[str, Any]:
    return {
        "SLOPE": robust.SLOPE,
        "OUTPUTS": robust.OUTPUTS,
        "BELOW": robust.BELOW,
        "STEPS": [step for row in LUMINANCE_STEPS for step in row],
        "TILE": robust.TILE,
        "BLOCK": robust.BLOCK,
        "INSTANCE_NORM_EPSILON": robust.INSTANCE_NORM_EPSILON,
        "TARGET_STD": codec.TARGET_STD,
        "REPEATS": codec.REPEATS,
        "BAND_EDGES": list(codec.BAND_EDGES),
        "BANDS": header.BANDS,
        "LEVELS": header.LEVELS,
        "SIZE": header.SIZE,
        "RESTORE_LIMIT": RESTORE_LIMIT,
        "LEAST_CORRELATION": pixels.LEAST_CORRELATION,
        "LEAST_IN_SECRET": pixels.LEAST_IN_SECRET,
        "WINDOW": api.WINDOW,
        "PROBES": finding._PROBES,
        "NEAR": finding._NEAR,
    }


def floats(values: Any) -> list[float]:
    return [round(float(v), 7) for v in np.asarray(values).ravel()]


def small_profile(decoder: str, bpp: str, weights: str = "orthogonal") -> Profile:
    choices = {"decoder": decoder, "bpp": bpp, "weights": weights}
    return make_profile("paper", width=96, height=64, channels=16, **choices)


def network_output(decoder: str, bpp: str) -> list[float]:
    with torch.inference_mode():
        return floats(make_decoder(small_profile(decoder, bpp), SEED)(pattern(64, 96)).flatten()[:4])


def law_weights(law: str) -> list[float]:
    layer = torch.nn.Conv2d(2, 3, 3)
    initialise.initialise(layer, SEED, law, slope=0.01)
    return floats(layer.weight.detach().flatten()[:3])


def make_exact() -> dict[str, Any]:
    """What is the same bit for bit everywhere."""
    stream = SEED.stream()
    quantiles = (2.0**-53, 0.001, 0.07, 0.3, 0.5, 0.975, 1 - 2.0**-53)
    places = codec.header_places(32, 48, 16)
    spectrum = np.arange(24).reshape(3, 8)
    written = header.Header(640, 480, (12, 130, 250), spectrum).to_bytes(SEED)
    probes = SEED.derive("csfnns/1/probes").stream()
    target = make_codec(example_key().profile, SEED).encode(example_secret())
    return {
        "constants": constants(),
        "derive": {label: SEED.derive(label).data.hex() for label in LABELS},
        "stream": {
            "words": [f"{word:016x}" for word in stream.words(3)],
            "uniforms": [u.hex() for u in stream.uniforms(2).tolist()],
            "normals": [x.hex() for x in stream.normals(4).tolist()],
            "integers below 1000": stream.integers(4, 1000).tolist(),
            "signs": stream.signs(12).tolist(),
            "permutation": stream.permutation(8).tolist(),
        },
        "normal quantile": {p.hex(): normal_quantile(np.array([p]))[0].hex() for p in quantiles},
        "cover pixels, sha256": {
            f"64x64/{n}": hashlib.sha256(AbstractCovers(64, 64)(SEED, n).tobytes()).hexdigest()
            for n in (0, 1)
        },
        "check cover, words": csfnns.make_cover(example_key()).fingerprint,
        "probe rows": probes.integers(finding._PROBES, 64)[:4].tolist(),
        "probe columns": probes.integers(finding._PROBES, 96)[:4].tolist(),
        "header": {"height": 640, "width": 480, "mean": [12, 130, 250], "levels": spectrum.ravel().tolist()},
        "header bytes": written.hex(),
        "header places": places.ravel()[:6].tolist(),
        "header places, sha256": hashlib.sha256(places.astype("<i8").tobytes()).hexdigest(),
        "header signs of the example": np.sign(target.values.flat[places[0]][:16]).astype(int).tolist(),
        "restored shape in 256x256": {f"{h}x{w}": restored_shape(h, w, 256, 256) for h, w in SHAPES},
    }


SHAPES = ((480, 640), (512, 512), (513, 512), (3000, 2000), (1, 65535))


def make_near() -> dict[str, Any]:
    """What is the same but for rounding: compared to 1e-5."""
    target = make_codec(example_key().profile, SEED).encode(example_secret())
    laws = ("xavier-normal", "xavier-uniform", "orthogonal", "kaiming", "uniform", "normal")
    return {
        "weights": {law: law_weights(law) for law in laws},
        "spread": floats(mixed(np.arange(96.0))[:4]),
        "decoders": {f"{decoder}/{bpp}": network_output(decoder, bpp) for decoder, bpp in NETWORKS},
        "targets": floats(target.values[:, 1, 1]),
    }


def write() -> None:
    scheme = CsFnns(example_key().profile, Search(steps=200, beta=0.1, epsilon=0.2, learning_rate=1.0))
    write_picture(scheme.embed(example_cover(), {example_seeds(): example_secret()}), STEGO, overwrite=True)
    STORE.write_text(
        json.dumps({"exact": make_exact(), "near": make_near()}, indent=1) + "\n", encoding="utf-8"
    )
    document = DOCS / "format.md"
    text = document.read_text(encoding="utf-8")
    for name, value in constants().items():
        text = re.sub(rf"(?m)^\| `{name}` \| [^|]* \|", f"| `{name}` | {shown(value)} |", text)
    document.write_text(text, encoding="utf-8")


def shown(value: Any) -> str:
    """A constant as the table in the document has it."""
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.fixture(scope="module")
def stored() -> dict[str, Any]:
    if os.environ.get("CSFNNS_REGENERATE"):
        write()
    vectors: dict[str, Any] = json.loads(STORE.read_text(encoding="utf-8"))
    return vectors


def test_what_is_exact_never_changes(stored: dict[str, Any]) -> None:
    assert json.loads(json.dumps(make_exact())) == stored["exact"]


def test_weights_decoders_and_targets_never_change(stored: dict[str, Any]) -> None:
    now, then = make_near(), stored["near"]
    for name in ("weights", "decoders"):
        assert now[name].keys() == then[name].keys()
        for case, values in now[name].items():
            assert values == pytest.approx(then[name][case], abs=1e-5), case
    for name in ("spread", "targets"):
        assert now[name] == pytest.approx(then[name], abs=1e-5), name


def test_the_format_document_shows_these_constants(stored: dict[str, Any]) -> None:
    text = (DOCS / "format.md").read_text(encoding="utf-8")
    rows = [f"| `{name}` | {shown(value)} |" for name, value in stored["exact"]["constants"].items()]
    assert [row for row in rows if row not in text] == []


def test_the_format_document_names_every_label_of_the_code() -> None:
    source = Path(csfnns.__file__).parent
    code = "\n".join(path.read_text(encoding="utf-8") for path in sorted(source.rglob("*.py")))
    labels = set(re.findall(r'["(]f?b?"?(csfnns/1/[^"\\]+)', code))
    document = "\n".join((DOCS / name).read_text("utf-8") for name in ("format.md", "format-files.md"))
    assert len(labels) > 10
    kept = {
        label for label in labels if not label.startswith("csfnns/1/experiment")
    }  # no format follows from them
    assert [label for label in sorted(kept) if label not in document] == []


def test_the_stored_picture_is_revealed(tmp_path: Path) -> None:
    revealed = csfnns.reveal(STEGO, example_key(), denoise=False, ledger=Ledger(tmp_path / "ledger"))
    assert revealed.message == 1
    assert psnr(revealed.picture, example_secret()) > 28


@cache
def reader() -> Reader:
    return Reader(stored_constants())


def stored_constants() -> dict[str, Any]:
    constants: dict[str, Any] = json.loads(STORE.read_text(encoding="utf-8"))["exact"]["constants"]
    return constants


@pytest.mark.usefixtures("stored")
def test_another_program_decodes_the_stored_picture_as_the_document_says(tmp_path: Path) -> None:
    root = bytes(range(32))
    receiver = hkdf(root, "csfnns/1/receiver/main")
    cover = AbstractCovers(128, 192)(Seed(hkdf(root, "csfnns/1/cover-key")), 1)
    delta = read_picture(STEGO).astype(int) - cover
    decoder, check = hkdf(receiver, "csfnns/1/decoder/1"), hkdf(receiver, "csfnns/1/header/1")
    theirs, shape = reader().reveal(delta, decoder, check, channels=48)
    ours = csfnns.reveal(STEGO, example_key(), denoise=False, ledger=Ledger(tmp_path / "ledger")).picture
    assert shape == ours.shape[:2] == (32, 48)
    assert np.abs(theirs.astype(int) - ours).max() <= 1


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("width", [96, 1040])
def test_another_program_computes_the_decoder_as_the_document_says(width: int) -> None:
    profile = make_profile("robust", width=width, height=64, channels=16)
    delta = pattern(64, width)[0].double().numpy()
    ours = decode(profile, SEED, np.rint(255 * delta).transpose(1, 2, 0))
    theirs = reader().decoder(delta, bytes(range(32)), channels=16)
    assert theirs.shape == ours.shape
    assert np.allclose(theirs, ours, atol=1e-5)


@pytest.mark.usefixtures("stored")
def test_another_program_finds_the_header_as_the_document_says() -> None:
    profile = make_profile("robust", width=256, height=256)
    values = make_codec(profile, SEED).encode(example_secret()).values
    assert reader().header(values.astype(float), 16, SEED.data)[7:11] == bytes([0, 32, 0, 48])
    assert len(reader().places(values.shape, 16)) == 7 + 2


def test_the_other_program_spreads_as_ours_does() -> None:
    x = np.arange(96.0)
    assert np.allclose(spread(x, Stream(SEED.data), 4096), mixed(x))
