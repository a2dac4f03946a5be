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
from csfnns.decoders import base, initialise, make_decoder, robust, spectral, tiles
from csfnns.decoders.tiles import Spread
from csfnns.jpeg_steps import LUMINANCE_STEPS
from csfnns.measure import psnr
from csfnns.payloads import header, make_codec, pixels
from csfnns.payloads import spectral as codec
from csfnns.picture import RESTORE_LIMIT, Picture, read_picture, restored_shape
from csfnns.stream import Seed, normal_quantile
from other_program import Reader, Stream, convolve, hkdf, spread

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
NETWORKS = [(d, r) for d in ("spectral", "shuffle", "plain") for r in ("24", "6", "1.5")] + [
    ("robust", "1.5")
]


def example_key() -> Key:
    return Key.from_root(make_profile(width=96, height=64), SEED)


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
        "SLOPE": spectral.SLOPE,
        "OUTPUTS": spectral.OUTPUTS,
        "ROBUST_OUTPUTS": robust.OUTPUTS,
        "BELOW": robust.BELOW,
        "STEPS": [step for row in LUMINANCE_STEPS for step in row],
        "TILE": tiles.TILE,
        "BLOCK": tiles.BLOCK,
        "INSTANCE_NORM_EPSILON": base.INSTANCE_NORM_EPSILON,
        "TARGET_STD": codec.TARGET_STD,
        "REPEATS": codec.REPEATS["spectral"],
        "ROBUST_REPEATS": codec.REPEATS["robust"],
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
    return make_profile(width=96, height=64, channels=16, **choices)


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
    places = codec.header_places(32, 48, 16, "spectral")
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
        "spread": floats(Spread(96, SEED.stream()).mix(torch.arange(96.0)[None])[0, :4]),
        "decoders": {f"{decoder}/{bpp}": network_output(decoder, bpp) for decoder, bpp in NETWORKS},
        "targets": floats(target.values[:, 1, 1]),
    }


def write(tmp: Path) -> None:
    search = Search(steps=200, beta=0.03)
    key = example_key()
    csfnns.hide(
        example_secret(), key, out=STEGO, overwrite=True, search=search, ledger=Ledger(tmp / "ledger")
    )
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
    if isinstance(value, dict):
        return ", ".join(f"{item} at {rate} bpp" for rate, item in value.items())
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    if os.environ.get("CSFNNS_REGENERATE"):
        write(tmp_path_factory.mktemp("vectors"))
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
    assert psnr(revealed.picture, example_secret()) > 30


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
    cover = AbstractCovers(64, 96)(Seed(hkdf(root, "csfnns/1/cover-key")), 1)
    delta = read_picture(STEGO).astype(int) - cover
    decoder, check = hkdf(receiver, "csfnns/1/decoder/1"), hkdf(receiver, "csfnns/1/header/1")
    theirs, shape = reader().reveal(delta, decoder, check, channels=48, bpp="6")
    ours = csfnns.reveal(STEGO, example_key(), denoise=False, ledger=Ledger(tmp_path / "ledger")).picture
    assert shape == ours.shape[:2] == (32, 48)
    assert np.abs(theirs.astype(int) - ours).max() <= 1


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("decoder", "bpp", "width"),
    [
        *(("spectral", *each) for each in (("24", 96), ("6", 96), ("1.5", 96), ("6", 1040))),
        ("robust", "1.5", 96),
        ("robust", "1.5", 1040),
    ],
)
def test_another_program_computes_the_decoder_as_the_document_says(
    decoder: str, bpp: str, width: int
) -> None:
    delta = pattern(64, width)
    profile = make_profile(decoder=decoder, width=width, height=64, bpp=bpp, channels=16)
    with torch.inference_mode():
        ours = make_decoder(profile, SEED)(delta)[0].numpy()
    reader = Reader(stored_constants(), decoder)
    theirs = reader.decoder(delta[0].double().numpy(), bytes(range(32)), channels=16, bpp=bpp)
    assert theirs.shape == ours.shape
    assert np.allclose(theirs, ours, atol=1e-4)


@pytest.mark.usefixtures("stored")
def test_another_program_finds_the_header_of_robust_as_the_document_says() -> None:
    profile = make_profile("robust", width=256, height=256)
    values = make_codec(profile, SEED).encode(example_secret()).values
    reader = Reader(stored_constants(), "robust")
    assert reader.header(values.astype(float), 16, SEED.data)[7:11] == bytes([0, 32, 0, 48])
    assert len(reader.places(values.shape, 16)) == 7 + 2


def test_the_other_program_spreads_and_convolves_as_torch_does() -> None:
    x = np.arange(96.0)
    assert np.allclose(
        spread(x, Stream(SEED.data), 4096), Spread(96, SEED.stream()).mix(torch.arange(96.0)[None])[0]
    )
    image, kernel = np.mgrid[:2, :5, :7].sum(0) % 4.0, np.arange(54.0).reshape(3, 2, 3, 3)
    theirs = torch.nn.functional.conv2d(torch.from_numpy(image)[None], torch.from_numpy(kernel), padding=1)
    assert np.allclose(convolve(image, kernel), theirs[0])
