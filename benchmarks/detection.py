"""How well detectors that are trained from scratch tell stegos from their covers, each beside material that it should find.

Covers are the first 120 of covers/train, 512x512; the last 43 chose the parameters and are not used. Secrets are those of
imagenet, coco and celebahq in turn, resized to 256x256 by Pillow's LANCZOS, or 20 kB of random bytes. Keys follow from the
seed and the index. Stegos carry an address, as those that are sent do; only `paper` is the paper's procedure to the letter.

"Half are right" has a meaning beside what else the same detector sees with as many pairs. MATERIALS has controls (LSB
matching), other methods on the same covers, payloads from 1.5 to 24 bits a pixel in middles of 256x256, and flaws of known
size: grain of a wrong σ or with correlated neighbours, signs of δ that follow the cover's residual, changes that gather on
the secret's edges.
`informed` are covers of `abstract`: the detector trains on the generator's pictures and on stegos of other keys.

Networks are trained by Figure 4's procedure (csfnns.experiments.evaluation): a third of the pictures is held out, others in
each split, and scored whole. Features (SPAM, SRM, residuals) go to the FLD ensemble and are scored by five-fold
cross-validation of whole pairs, dealt anew in each repeat. The interval of an accuracy is from pictures drawn again, each
with all decisions on it and on its stego; it does not include what other training pictures would change, which the
accuracies of single splits show. `pooled` judges 4 and 16 pictures of one sender by the mean of their scores.

The result is written anew after each row. Stegos and scores are kept in a folder that is named after all that they depend
on, code, libraries, form of the search and pictures: a run that was stopped goes on where it was. Exit status 1 when a bar
fails.
"""

import ast
import json
import math
import multiprocessing
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from contextlib import suppress
from dataclasses import dataclass, field, replace
from fractions import Fraction
from functools import cache
from hashlib import sha256
from itertools import chain
from pathlib import Path
from statistics import NormalDist, fmean, pstdev
from typing import Any, Literal

import numpy as np

from common import (
    ROOT,
    edges,
    envelope,
    follow,
    make_method,
    make_parser,
    own_code,
    pictures,
    print_table,
    receiver,
    write,
)
from csfnns.batch.store import VERSION
from csfnns.coding.distributions import GRAIN, GRAIN_SIGMA, grain_distributions
from csfnns.covers.abstract import AbstractCovers
from csfnns.errors import NoMessageError
from csfnns.experiments import EvaluationConfig, PairSet, Store, load_pairs, plan_evaluation, run_evaluation
from csfnns.experiments.evaluation import split
from csfnns.experiments.methods import fingerprint
from csfnns.experiments.pairs import lsb_matching
from csfnns.experiments.provenance import HIDING, code_digest, code_of, libraries
from csfnns.experiments.run import digest_of
from csfnns.experiments.statistics import accuracy, area, crossing
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import compare
from csfnns.images.output import write_picture
from csfnns.methods import Direct, Envelope, ReceiverSeeds, Trellis
from csfnns.methods._trellis_sender import SHARE, analyse_for, last_index
from csfnns.methods.trellis import COST_EXPONENT
from csfnns.search.viterbi import default_form
from csfnns.steganalysis import StegExpose, cross_scores, residual_features, roc, spam_features, srm_features
from csfnns.stream import Seed

COVERS = 120
"""Of covers/train; those behind them chose parameters."""
INFORMED = 400
"""Covers of `abstract`, of which there are as many as anybody likes."""
COMPARED = 40
"""Pairs of the comparison with methods that take long."""
SECRETS = ("imagenet", "coco", "celebahq")
FEATURES: dict[str, tuple[Callable[[Picture], Any], str]] = {
    "spam": (spam_features, "spam.py"),
    "srm": (srm_features, "srm.py"),
    "residual": (residual_features, "residual.py"),
    "stegexpose": (lambda picture: np.array([StegExpose().score(picture)]), "replacement.py"),
}
"""What is computed of each picture, and the module that it depends on; the score of `stegexpose` is all of its own."""
TRAINED = ("spam", "srm", "residual")
NETWORKS = ("xunet", "siastegnet", "srnet")
DETECTORS = (*NETWORKS, *TRAINED, "stegexpose")
SLOWEST_FIRST = ("srnet", "siastegnet", "xunet")
FOLDS = 5
POOLED = (1, 4, 16)
LEVELS = (0.55, 0.6)
"""Accuracies whose payloads are looked for."""
CONTROL = 0.85
"""Least accuracy of a detector on one of its controls: otherwise its scores of other material mean nothing."""
BARS = {"spam": 0.58, "srm": 0.62, "residual": 0.62, "stegexpose": 0.52} | dict.fromkeys(NETWORKS, 0.65)
"""Largest accuracy on `standard`; of StegExpose the AUC."""
GRAIN_BAR, GRAIN_FLAW, INFORMED_BAR = 0.52, "sigma-5", 0.6
"""Largest accuracy on `grain`, the flaw of grain that some detector must see, and the largest accuracy on `informed`."""
CODE = (*HIDING, "address", "covers", "steganalysis", "experiments/evaluation.py", "experiments/pairs.py")
PAPER_BATCH = 15
BYTES = 20_000
SAVING = 30
"""Seconds after which the result is written again."""

Row = dict[str, Any]


@cache
def code_at(*parts: str) -> str:
    """First digits of the digest of the package's code at these paths."""
    return code_digest(parts)[:10]


@cache
def code_of_functions() -> dict[str, str]:
    """Code of each function of this program, by name."""
    program = ast.parse(Path(__file__).read_text("utf-8"))
    return {each.name: code_of(ast.unparse(each)) for each in program.body if isinstance(each, ast.FunctionDef)}


@dataclass(frozen=True)
class Material:
    """What detectors are shown beside the covers."""

    label: str
    make: Callable[..., Picture]
    """Makes the stego of a place, a material's name and a number, with `options`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    table: str = "main"
    covers: Literal["photos", "grain", "abstract"] = "photos"
    side: int = 512
    """Of pictures; below 512 the middle of a cover."""
    secret: int = 256
    """Side of the secret."""
    control: bool = False
    most: int = COVERS
    """Pairs, at most."""

    @property
    def bpp(self) -> float:
        """Bits of the secret's levels for each pixel of the cover, as the paper counts them."""
        return 24 * self.secret**2 / self.side**2


@dataclass(frozen=True)
class Place:
    """Where pictures are and go."""

    covers: tuple[Path, ...]
    secrets: tuple[tuple[Path, ...], ...]
    work: Path
    seed: int

    def count(self, material: str) -> int:
        """Pairs of a material; fewer than usual where the run has fewer covers."""
        about = MATERIALS[material]
        if about.covers == "abstract" and len(self.covers) == COVERS:
            return about.most
        return min(len(self.covers), about.most)

    def name(self, material: str, i: int) -> str:
        """Of the i-th pair."""
        return f"{i:05d}" if MATERIALS[material].covers == "abstract" else self.covers[i].stem

    def plain(self, material: str, i: int) -> Picture:
        """The i-th cover as the method takes it, uint8 (side, side, 3)."""
        about = MATERIALS[material]
        if about.covers == "abstract":
            return kept_picture(
                self.cover_folder(material) / f"{self.name(material, i)}.png",
                lambda: AbstractCovers(about.side, about.side)(self.root.derive(f"cover/{i}")),
            )
        picture, side = read_picture(self.covers[i]), about.side
        top, left = ((long - side) // 2 for long in picture.shape[:2])
        return np.ascontiguousarray(picture[top : top + side, left : left + side])

    def cover(self, material: str, i: int) -> Picture:
        """What is sent without a message: the cover, or with grain a decoy."""
        if MATERIALS[material].covers != "grain":
            return self.plain(material, i)
        seed = self.root.derive(f"decoy/{i}")
        return kept_picture(
            self.cover_folder(material) / f"{self.name(material, i)}.png",
            lambda: Direct("grain").decoy(self.plain(material, i), seed, envelope=envelope(seed, "decoy")),
        )

    def secret(self, material: str, i: int) -> Picture:
        """The i-th secret."""
        side = MATERIALS[material].secret
        return fit(read_picture(self.secret_path(i)), side, side)

    def secret_path(self, i: int) -> Path:
        """File of the i-th secret."""
        of_set = self.secrets[i % len(self.secrets)]
        return of_set[i // len(self.secrets) % len(of_set)]

    def seeds(self, i: int) -> ReceiverSeeds:
        """Seeds of the i-th pair."""
        return receiver(self.root, f"detection/{i}")

    def envelope(self, i: int) -> Envelope:
        """Address of the i-th pair."""
        return envelope(self.root, f"detection/{i}")

    def data(self, i: int) -> bytes:
        """Random bytes of the i-th pair."""
        return self.root.derive(f"data/{i}").stream().take(BYTES)

    def random(self, material: str, i: int) -> np.random.Generator:
        """Random numbers of the i-th pair, for what does not go by keys."""
        return np.random.default_rng(list(self.root.derive(f"{material}/{i}").data))

    def folder(self, material: str) -> Path:
        """Of a material's pictures and scores, named after the code that makes them."""
        about = MATERIALS[material]
        parts = (*HIDING, "address", "experiments/pairs.py", *(["covers"] if about.covers == "abstract" else []))
        source = code_of_functions()[about.make.__name__]
        key = f"{code_at(*parts)} {source} {sorted(about.options.items())} {about.covers} {about.side} {about.secret}"
        return self.work / f"{material}-{sha256(key.encode()).hexdigest()[:10]}"

    def cover_folder(self, material: str) -> Path:
        """Of covers that are made, and of what is known of covers: materials with the same ones share it."""
        about = MATERIALS[material]
        parts = {"photos": (), "grain": (*HIDING, "address"), "abstract": ("covers", "stream.py")}[about.covers]
        return self.work / f"covers-{about.covers}-{about.side}-{code_at(*parts)}"

    def file(self, material: str, kind: str, i: int) -> Path:
        """The i-th picture of that kind, covers or stegos, as networks are shown them."""
        return self.folder(material) / kind / f"{self.name(material, i)}.png"

    def features(self, material: str, kind: str, detector: str) -> list[Path]:
        """Files of all features of that kind, covers or stegos."""
        home = self.cover_folder(material) if kind == "covers" else self.folder(material)
        home /= f"{detector}-{code_at(f'steganalysis/{FEATURES[detector][1]}')}"
        return [home / f"{self.name(material, i)}.npy" for i in range(self.count(material))]

    def pairs(self, material: str) -> PairSet:
        """The pairs as Figure 4's procedure takes them."""
        return load_pairs(self.folder(material))

    def describe(self, material: str) -> None:
        """Write what a folder of pairs needs for that."""
        about = {"version": VERSION, "scheme": material, "payload": 6, "label": MATERIALS[material].label}
        (self.folder(material) / "pairs.json").write_text(json.dumps(about))

    @property
    def root(self) -> Seed:
        """Seed of all keys."""
        return Seed(self.seed.to_bytes(32, "big"))


def unfinished(file: Path) -> Path:
    """Name beside a file for what is not written yet, with its folder made."""
    file.parent.mkdir(parents=True, exist_ok=True)
    return file.with_name(f"unfinished-{os.getpid()}-{file.name}")


def write_once(picture: Picture, file: Path) -> None:
    """Write a picture, and its folder."""
    file.parent.mkdir(parents=True, exist_ok=True)
    write_picture(picture, file, overwrite=True)


def kept_picture(file: Path, make: Callable[[], Picture]) -> Picture:
    """The picture in a file: as it is there, or made and kept."""
    if not file.exists():
        write_once(make(), file)
    return read_picture(file)


def kept_row(file: Path, make: Callable[[], Row]) -> Row:
    """The same for a row."""
    if not file.exists():
        unfinished(file).write_text(json.dumps(make()))
        unfinished(file).replace(file)
    return dict(json.loads(file.read_text()))


def kept_features(file: Path, detector: str, picture: Callable[[], Picture]) -> None:
    """The same for features, which are left in the file."""
    if not file.exists():
        found = FEATURES[detector][0](picture())
        with unfinished(file).open("wb") as out:
            np.save(out, found)
        unfinished(file).replace(file)


def take_stego(place: Place, material: str, i: int, *, keep: bool = False) -> Picture:
    """The i-th stego: from the folder, or made. Those of slow methods, or all with `keep`, are kept there."""
    about, file = MATERIALS[material], place.file(material, "stegos", i)
    if keep or about.make in SEARCHES:
        return kept_picture(file, lambda: about.make(place, material, i, **about.options))
    return about.make(place, material, i, **about.options)


def by_trellis(place: Place, material: str, i: int, exponent: float = COST_EXPONENT) -> Picture:
    """The trellis method at its defaults, but for the exponent of HILL's cost."""
    secret = {place.seeds(i): place.secret(material, i)}
    return Trellis(exponent=exponent).embed(place.plain(material, i), secret, envelope=place.envelope(i))


def by_paper(place: Place, material: str, i: int) -> Picture:
    """Stegos of `paper` are searched in batches, before they are asked for."""
    raise FileNotFoundError(place.file(material, "stegos", i))


def by_method(place: Place, material: str, i: int, method: str, bpp: str = "6", evade: str | None = None) -> Picture:
    """A method of the tables, at its own settings; `evade` names a network that its search evades."""
    scheme = make_method(method, bpp, MATERIALS[material].side, evade=evade)[0]
    return np.asarray(scheme.embed(place.plain(material, i), {place.seeds(i): place.secret(material, i)}))


def by_direct(place: Place, material: str, i: int, model: Literal["cost", "grain"] = "cost") -> Picture:
    """Random bytes by the direct method: 20 kB at 512x512, and in smaller pictures as many a pixel."""
    data = place.data(i)[: BYTES * MATERIALS[material].side ** 2 // 512**2]
    return Direct(model).embed(place.plain(material, i), {place.seeds(i): data}, envelope=place.envelope(i))


def by_matching(
    place: Place,
    material: str,
    i: int,
    share: float | None = None,
    like: Literal["changes", "bits"] = "changes",
    of: str = "standard",
    strength: int = 1,
) -> Picture:
    """Steps of ±1 at random places: a share of the levels; or as many changes, or bits, as another material has there.

    Of the bits, one for each level that is visited, half are right already. `strength` is another length of the steps.
    """
    cover = place.plain(material, i)
    if share is not None:
        changes = share * cover.size
    elif like == "bits":
        changes = count_bits(place, of, i) / 2
    else:
        changes = compare(place.plain(of, i), take_stego(place, of, i)).changed * cover.size
    return lsb_matching(cover, round(changes), place.random(material, i), strength)


def by_wrong_grain(place: Place, material: str, i: int, sigma: str = "1", correlation: float = 0) -> Picture:
    """A cover with grain of another σ, or whose horizontal neighbours are correlated before they are rounded."""
    cover, seed = place.plain(material, i), place.root.derive(f"{material}/{i}")
    if not correlation:
        return Direct("grain", float(sigma)).decoy(cover, seed, envelope=envelope(seed, "decoy"))
    height, width, colours = cover.shape
    noise = place.random(material, i).standard_normal((height, width + 1, colours))
    weight = (1 - math.sqrt(1 - 4 * correlation**2)) / (
        2 * correlation
    )  # of the neighbour: w / (1 + w²) is the correlation
    noise = (noise[:, :-1] + weight * noise[:, 1:]) / math.hypot(1, weight)
    shares = grain_distributions(GRAIN_SIGMA)[GRAIN] / grain_distributions(GRAIN_SIGMA)[GRAIN, -1]
    delta = np.searchsorted([NormalDist().inv_cdf(float(each)) for each in shares[1:-1]], noise) - GRAIN
    return np.clip(cover + delta, 0, 255).astype(np.uint8)


def with_signs_of_residual(place: Place, material: str, i: int, share: float) -> Picture:
    """`standard`, but a share of its changes moves levels away from the mean of their four neighbours."""
    cover, stego = place.plain("standard", i), take_stego(place, "standard", i)
    follows = (stego != cover) & (place.random(material, i).random(cover.shape) < share)
    return np.where(follows, further(cover, stego), stego)


def by_sharpening(place: Place, material: str, i: int, share: float) -> Picture:
    """A share of the levels a step further from the mean of their four neighbours."""
    cover = place.plain(material, i)
    return np.where(place.random(material, i).random(cover.shape) < share, further(cover, cover), cover)


def further(cover: Picture, otherwise: Picture) -> Picture:
    """Each level a step further from the mean of its four neighbours, or `otherwise` where it cannot be."""
    levels = cover.astype(np.int16)
    padded = np.pad(levels, ((1, 1), (1, 1), (0, 0)), mode="edge")
    around = padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
    away = np.sign(4 * levels - around)
    moves = (away != 0) & (levels + away >= 0) & (levels + away <= 255)
    return np.where(moves, levels + away, otherwise).astype(np.uint8)


def with_density_of_secret(place: Place, material: str, i: int, share: float) -> Picture:
    """`standard`, but a share of its changes goes where the secret, laid over the cover, has edges."""
    cover, stego = place.plain("standard", i), take_stego(place, "standard", i)
    side = MATERIALS[material].side
    return follow(cover, stego, edges(read_picture(place.secret_path(i)), side, side), share, place.random(material, i))


SEARCHES = (by_trellis, by_paper, by_method)
"""What takes long enough to be kept, and hides a picture."""


def count_bits(place: Place, material: str, i: int) -> float:
    """Bits that the i-th secret needs at 38 dB, by the variances that the trellis method reckons with."""
    analysis = analyse_for(place.secret(material, i), 3 * MATERIALS[material].side ** 2)
    return float(analysis.bits[last_index(analysis.psnr(SHARE) >= 38)])


MATERIALS = {
    "standard": Material("trellis, defaults", by_trellis),
    **{
        f"matching-{rate}": Material(
            f"LSB matching, {rate} % changed", by_matching, {"share": rate / 100}, control=rate >= 10
        )
        for rate in (1, 2, 5, 10, 20, 40)
    },
    "matching-same": Material("LSB matching, as many changes as standard", by_matching),
    "matching-bits": Material("LSB matching, as many bits as standard", by_matching, {"like": "bits"}),
    "direct": Material("direct, 20 kB", by_direct),
    "paper": Material("the paper's search, middles of 256x256", by_paper, side=256, secret=128, most=60),
    "unweighted": Material("trellis, all places at one cost", by_trellis, {"exponent": 0.0}),
    "textured": Material("trellis, cost to the power 0.5", by_trellis, {"exponent": 0.5}),
    **{
        f"payload-{side}": Material(
            f"trellis, secrets of {side}x{side}", by_trellis, table="payload", side=256, secret=side
        )
        for side in (64, 128, 192, 256)
    },
    "payload-matching": Material(
        "LSB matching, 20 % changed",
        by_matching,
        {"share": 0.2},
        table="payload",
        side=256,
        control=True,
    ),
    **{
        f"signs-{share}": Material(
            f"standard, {share} % of the signs follow the residual",
            with_signs_of_residual,
            {"share": share / 100},
            table="flaws",
        )
        for share in (10, 25, 50, 100)
    },
    **{
        f"density-{share}": Material(
            f"standard, {share} % of the places follow the secret",
            with_density_of_secret,
            {"share": share / 100},
            table="flaws",
        )
        for share in (25, 50, 100)
    },
    "grain": Material("grain, 20 kB, against decoys", by_direct, {"model": "grain"}, table="flaws", covers="grain"),
    **{
        f"sigma-{off}": Material(
            f"decoys, σ {off} % too large",
            by_wrong_grain,
            {"sigma": str(float(1 + Fraction(off, 100)))},
            table="flaws",
            covers="grain",
        )
        for off in (2, 5, 10, 20)
    },
    **{
        f"correlation-{per_cent}": Material(
            f"decoys, neighbours correlated by {per_cent / 100:.2f}",
            by_wrong_grain,
            {"correlation": per_cent / 100},
            table="flaws",
            covers="grain",
        )
        for per_cent in (5, 10, 20)
    },
    **{
        f"compare-{name}": Material(label, make, options, table="compare", side=64, secret=secret, most=COMPARED)
        for name, label, make, options, secret in (
            ("standard", "trellis, defaults", by_trellis, {}, 32),
            ("matching-same", "LSB matching, as many changes", by_matching, {"of": "compare-standard"}, 32),
            (
                "matching-bits",
                "LSB matching, as many bits",
                by_matching,
                {"like": "bits", "of": "compare-standard"},
                32,
            ),
            ("direct", "direct, as many bytes a pixel as 20 kB at 512x512", by_direct, {}, 32),
            ("paper", "Cs-FNNS (paper)", by_method, {"method": "paper"}, 32),
            ("gamma", "the same, evading XuNet", by_method, {"method": "paper", "evade": "xunet"}, 32),
            ("kishore", "Kishore et al.", by_method, {"method": "kishore"}, 32),
            ("luo", "Luo et al.", by_method, {"method": "luo"}, 32),
            ("steganogan", "SteganoGAN, 1.5 bits a pixel", by_method, {"method": "steganogan", "bpp": "1.5"}, 16),
            ("lsb", "low bits replaced", by_method, {"method": "lsb"}, 32),
        )
    },
    "informed": Material(
        "trellis, defaults, covers of abstract",
        by_trellis,
        table="informed",
        covers="abstract",
        side=256,
        secret=128,
        most=INFORMED,
    ),
    **{
        name: Material(
            f"{label}, covers of abstract",
            make,
            options,
            table="informed",
            covers="abstract",
            side=256,
            secret=128,
            control=True,
            most=INFORMED,
        )
        for name, label, make, options in (
            ("informed-matching-20", "LSB matching, 20 % changed", by_matching, {"share": 0.2}),
            ("informed-matching-50", "LSB matching, 50 % changed", by_matching, {"share": 0.5}),
            ("informed-matching-100", "±1 on every level", by_matching, {"share": 1.0}),
            ("informed-steps-of-3", "±3 on 50 % of the levels", by_matching, {"share": 0.5, "strength": 3}),
            ("informed-sharpened-50", "50 % of the levels away from their neighbours", by_sharpening, {"share": 0.5}),
        )
    },
}


def search_paper(place: Place, numbers: Sequence[int], device: str, steps: int | None) -> float:
    """Make the stegos of `paper` that are missing; return seconds."""
    started = time.monotonic()
    todo = [i for i in numbers if not place.file("paper", "stegos", i).exists()]
    if todo:
        scheme, _ = make_method("paper", "6", MATERIALS["paper"].side, steps)
        secrets = [{place.seeds(i): place.secret("paper", i)} for i in todo]
        covers = [place.plain("paper", i) for i in todo]
        for i, stego in zip(todo, replace(scheme, device=device).embed_batch(covers, secrets), strict=True):
            write_once(stego, place.file("paper", "stegos", i))
    return time.monotonic() - started


def examine(place: Place, material: str, i: int, detectors: Sequence[str]) -> Row:
    """Figures of the i-th pair; its features for these detectors are kept, and for networks the pair."""
    networks = bool(set(detectors) & set(NETWORKS))
    take = cache(lambda: take_stego(place, material, i, keep=networks))

    def figures() -> Row:
        plain, stego = place.plain(material, i), take()
        found = compare(plain, stego)
        row: Row = {"cover": place.name(material, i), "psnr": found.psnr, "changed": found.changed}
        if MATERIALS[material].make not in SEARCHES:
            return row
        secret, seeds = place.secret_path(i), place.seeds(i)
        row |= {"secret": f"{secret.parent.name}/{secret.stem}", "recovered": None}
        with suppress(NoMessageError):
            if material == "paper" or MATERIALS[material].make is by_method:
                about = {"method": "paper", "bpp": "6"} | dict(MATERIALS[material].options)
                scheme = make_method(about["method"], about["bpp"], MATERIALS[material].side)[0]
                arrived = scheme.extract(stego, plain, seeds)
            else:
                arrived = Trellis().extract(stego, plain, seeds, envelope=place.envelope(i))
                row["bits"] = count_bits(place, material, i)
            found = compare(arrived.grid, place.secret(material, i))
            row |= {"exact": True} if math.isinf(found.psnr) else {"recovered": found.psnr}
        return row

    row = kept_row(place.folder(material) / "figures" / f"{place.name(material, i)}.json", figures)
    if networks:
        take()
        kept_picture(place.file(material, "covers", i), lambda: place.cover(material, i))
    for detector in (each for each in detectors if each in FEATURES):
        covers, stegos = (place.features(material, kind, detector)[i] for kind in ("covers", "stegos"))
        kept_features(covers, detector, lambda: place.cover(material, i))
        kept_features(stegos, detector, take)
    return row


def load_features(place: Place, material: str, detector: str) -> tuple[Any, Any]:
    """Features of all covers and of all stegos, (n, size) each."""
    covers, stegos = (
        np.array([np.load(file) for file in place.features(material, kind, detector)]) for kind in ("covers", "stegos")
    )
    return covers, stegos


def score_features(place: Place, material: str, detector: str, seed: int) -> Row:
    """Scores of one repeat of the cross-validation."""

    def scores() -> Row:
        started = time.monotonic()
        covers, stegos = cross_scores(*load_features(place, material, detector), folds=FOLDS, seed=seed)
        row = {"names": [place.name(material, i) for i in range(len(covers))]}
        row |= {"covers": covers.tolist(), "stegos": stegos.tolist()}
        return row | {"seconds": time.monotonic() - started}

    every = [each for kind in ("covers", "stegos") for each in place.features(material, kind, detector)]
    files = [each.relative_to(place.work) for each in every]
    key = f"{code_at('steganalysis/ensemble.py')} {files} {FOLDS} {seed}"
    name = f"{detector}-{seed}-{sha256(key.encode()).hexdigest()[:10]}.json"
    return kept_row(place.folder(material) / "crossed" / name, scores)


def begin_making() -> None:
    """Start every process that trains no network: those that do must not wait for it."""
    if hasattr(os, "nice"):
        os.nice(10)


def begin_training(device: str) -> None:
    """Start every process that trains networks."""
    import torch

    torch.set_num_threads(1)
    if device != "cpu":
        torch.backends.cudnn.benchmark = True


def score_network(place: Place, material: str, detector: str, number: int, config: EvaluationConfig) -> Row:
    """Scores of a network in one split, by Figure 4's procedure."""
    pairs = place.pairs(material)
    trained = len(split(pairs.names, number).training)
    config = replace(config, detectors=(detector,), pairs=(trained,), seeds=number)
    plan = plan_evaluation([pairs], config)
    job = next(each for each in plan.jobs if (each.detector, each.seed) == (detector, number))
    store = Store(place.folder(material) / "scores")
    run_evaluation(replace(plan, jobs=(job,)), [pairs], config, store)
    return dict(store.rows()[job.id])


class Run:
    """A run: its rows so far, and the file with them."""

    def __init__(self, arguments: Any, place: Place) -> None:
        self.arguments, self.place, self.started = arguments, place, time.monotonic()
        self.saved = self.started
        self.figures: dict[str, list[Row]] = {}
        self.scores: dict[tuple[str, str], list[Row]] = {}
        self.left_out: list[str] = []

    @property
    def late(self) -> bool:
        """Whether nothing more may begin."""
        return bool(time.monotonic() - self.started > self.arguments.limit)

    def say(self, text: str) -> None:
        """Print with the time."""
        print(f"{time.monotonic() - self.started:6.0f} s  {text}", flush=True)

    def note(self, material: str, detector: str, scores: Row, what: str) -> None:
        """Scores of one split."""
        self.scores.setdefault((material, detector), []).append(scores)
        share = accuracy(scores["covers"], scores["stegos"])
        seen = scores.get("training")
        trained = f", {100 * accuracy(**seen):.0f} % of pairs trained on" if seen else ""
        took = _seconds(scores)
        self.say(f"{detector}, {material}, {what}: {100 * share:.1f} %{trained}, {took:.0f} s")
        if time.monotonic() - self.saved > SAVING:
            self.save()

    def rows(self, *, pooled: bool = False) -> list[Row]:
        """A row for each material and detector that anything is known of; `pooled` takes a while."""
        found = []
        for material, figures in self.figures.items():
            if "stegexpose" in self.arguments.detectors and figures:
                found.append(self._base(material, "stegexpose") | _area_row(self.place, material))
            for detector in DETECTORS:
                scores = self.scores.get((material, detector))
                if scores:
                    row = self._base(material, detector) | accuracy_row(scores, self.arguments.seed)
                    if pooled and detector in TRAINED and MATERIALS[material].table == "main":
                        row["pooled"] = [pool(scores, size, self.arguments.seed) for size in POOLED]
                    found.append(row)
        return found

    def crossings(self, rows: Sequence[Row]) -> list[Row]:
        """Payload of table `payload`, in bits a pixel, at which each detector reaches each level."""
        found = []
        for detector in DETECTORS:
            curve = [
                row for row in rows if (row["table"], row["detector"], row["control"]) == ("payload", detector, False)
            ]
            points = [(row["bpp"], row["accuracy"]) for row in curve if "accuracy" in row]
            for level in LEVELS if len(points) > 1 else ():
                side, payload = crossing(points, level) or ("", math.nan)
                found.append({"detector": detector, "level": level, "side": side, "bpp": payload})
        return found

    def _base(self, material: str, detector: str) -> Row:
        figures, about = self.figures[material], MATERIALS[material]
        psnrs = [each["psnr"] for each in figures]
        recovered = [each["recovered"] for each in figures if each.get("recovered") is not None]
        return {
            "detector": detector,
            "material": material,
            "what": about.label,
            "table": about.table,
            "control": about.control,
            "size": f"{about.side}x{about.side}",
            "pairs": len(figures),
            "stego_psnr": {"mean": fmean(psnrs), "sd": pstdev(psnrs)},
            "recovered": {"mean": fmean(recovered), "least": min(recovered)} if recovered else None,
            "exact": sum("exact" in each for each in figures),
            "bpp": about.bpp,
            "bits": fmean(each["bits"] for each in figures) if "bits" in figures[0] else None,
            "changed": fmean(each["changed"] for each in figures),
        }

    def save(self, *, pooled: bool = False) -> None:
        """Write the result as far as it is known."""
        arguments, rows, self.saved = self.arguments, self.rows(pooled=pooled), time.monotonic()
        content = {
            "code": code_digest(CODE),
            "seconds": time.monotonic() - self.started,
            "settings": arguments.settings,
            "rows": rows,
            "crossings": self.crossings(rows),
            "failed": self.failures(rows),
            "left_out": self.left_out,
            "pictures": self.figures,
            "scores": [
                {"material": material, "detector": detector} | _short(each)
                for (material, detector), found in self.scores.items()
                for each in found
            ],
        }
        write("detection", content, arguments.out, device=arguments.device, commit=arguments.commit)

    def failures(self, rows: Sequence[Row]) -> list[str]:
        """Bars that do not hold, and detectors whose scores mean nothing because they find no control."""
        found = list[str]()
        known = {(row["material"], row["detector"]): row for row in rows if "accuracy" in row}
        best: dict[tuple[str, str], float] = {}
        for row in (row for row in known.values() if row["control"]):
            key = row["table"], row["detector"]
            best[key] = max(best.get(key, 0.0), row["accuracy"])
        for row in (row for row in rows if row["material"] == "standard" and row["detector"] in BARS):
            name = row["detector"]
            value = float(row["accuracy"] if "accuracy" in row else row["auc"])
            if value > BARS[name]:
                found.append(f"{name} finds standard with {value:.3f}, above {BARS[name]}")
        for material in ("standard", "payload-128", "informed"):
            for name in (detector for of, detector in known if of == material):
                if best.get((MATERIALS[material].table, name), 0.0) < CONTROL:
                    found.append(f"{name} finds no control at {CONTROL}: its scores of {material} mean little")
        for material, bar in (("grain", GRAIN_BAR), ("informed", INFORMED_BAR)):
            for (name, detector), row in known.items():
                if name == material and row["accuracy"] > bar:
                    found.append(f"{detector} finds {material} with {row['accuracy']:.3f}, above {bar}")
        flawed = [row for (name, _), row in known.items() if name == GRAIN_FLAW]
        if flawed and not any(sees(row, known.get(("grain", row["detector"]))) for row in flawed):
            found.append(f"no detector sees {MATERIALS[GRAIN_FLAW].label}: grain's scores mean little")
        return found


def sees(flawed: Row, without: Row | None) -> bool:
    """Whether a detector is right about the flawed more often than about what has no flaw, beyond both intervals."""
    return without is not None and bool(flawed["interval"][0] > max(without["interval"][1], 0.5))


def _area_row(place: Place, material: str) -> Row:
    covers, stegos = (each[:, 0] for each in load_features(place, material, "stegexpose"))
    found = roc(covers, stegos, paired=True)
    return {"auc": found.auc, "auc_interval": [found.low, found.high], "least_error": found.error}


def pool(scores: Sequence[Row], size: int, seed: int) -> Row:
    """How often the mean score of `size` pictures of one sender, dealt at random, falls on the right side of 0.5."""
    random = np.random.default_rng([seed, size])
    sides = np.array([[each["covers"], each["stegos"]] for each in scores])  # (repeats, 2, n)
    pairs = sides.shape[2]

    def deal(drawn: Any, times: int) -> tuple[float, float]:
        found = []
        for k in range(times):
            groups = random.permutation(drawn)[: pairs // size * size].reshape(-1, size)
            covers, stegos = sides[k % len(sides)][:, groups].mean(axis=2)
            found.append((accuracy(covers, stegos), area(covers, stegos)))
        right, auc = np.mean(found, axis=0)
        return float(right), float(auc)

    right, auc = deal(np.arange(pairs), 40 * len(sides))
    again = [deal(random.integers(0, pairs, pairs), len(sides))[0] for _ in range(400)]
    low, high = np.quantile(again, (0.025, 0.975))
    return {"pictures": size, "accuracy": right, "auc": auc, "interval": [float(low), float(high)]}


def accuracy_row(scores: Sequence[Row], seed: int) -> Row:
    """Accuracy over splits with its interval by pictures drawn again; the AUC of each split.

    `set` is the accuracy at the threshold that is best on training pairs, `best` at the one best on the held-out ones: no
    detector knows the latter, and it flatters.
    """
    shares = [accuracy(each["covers"], each["stegos"]) for each in scores]
    areas = [area(each["covers"], each["stegos"]) for each in scores]
    right: dict[str, list[float]] = {}  # decisions on each picture and its stego
    for each in scores:
        for name, c, s in zip(each["names"], each["covers"], each["stegos"], strict=True):
            right.setdefault(name, []).append(accuracy([c], [s]))
    sums = np.array([[sum(each), len(each)] for each in right.values()])
    drawn = np.random.default_rng(seed).multinomial(len(sums), np.full(len(sums), 1 / len(sums)), 4000) @ sums
    low, high = np.quantile(drawn[:, 0] / drawn[:, 1], (0.025, 0.975))
    row: Row = {
        "accuracy": fmean(shares),
        "interval": [float(low), float(high)],
        "splits": shares,
        "auc": fmean(areas),
        "aucs": areas,
        "judged": len(right),
        "seconds": [_seconds(each) for each in scores],
    }
    row["best"] = [_share_right(each["covers"], each["stegos"], _threshold(each)) for each in scores]
    if all("training" in each for each in scores):
        row["training"] = [accuracy(**each["training"]) for each in scores]
        row["set"] = [_share_right(each["covers"], each["stegos"], _threshold(each["training"])) for each in scores]
    return row


def _threshold(scores: Row) -> float:
    """Score that tells most of these covers and stegos apart."""
    values = np.unique([*scores["covers"], *scores["stegos"]])
    between = [*((values[1:] + values[:-1]) / 2), 0.5]
    return float(max(between, key=lambda each: _share_right(scores["covers"], scores["stegos"], each)))


def _share_right(covers: Sequence[float], stegos: Sequence[float], threshold: float) -> float:
    """Share of right decisions at a threshold."""
    return float(np.mean([*(each <= threshold for each in covers), *(each > threshold for each in stegos)]))


def _short(scores: Row) -> Row:
    """Scores as the result holds them."""
    kept: Row = {name: scores[name] for name in ("seed", "names", "settings") if name in scores}
    kept |= {side: _rounded(scores[side]) for side in ("covers", "stegos")}
    if "training" in scores:
        kept["training"] = {side: _rounded(scores["training"][side]) for side in ("covers", "stegos")}
    return kept | {"seconds": _seconds(scores)}


def _rounded(scores: Sequence[float]) -> list[float]:
    return [round(each, 6) for each in scores]


def _seconds(scores: Row) -> float:
    seconds = scores["seconds"]
    return float(sum(seconds.values()) if isinstance(seconds, dict) else seconds)


def complete(run: Run, jobs: dict[Future[Any], tuple[str, ...]]) -> Iterator[tuple[tuple[str, ...], Any]]:
    """What each job is about, and its result, as they end. Failed and late ones are left out. Jobs may be added."""
    while jobs:
        done, _ = wait(jobs, timeout=5, return_when=FIRST_COMPLETED)
        for job in done:
            about = jobs.pop(job)
            if job.exception() is None:
                yield about, job.result()
            else:
                run.left_out.append(f"{' '.join(about)}: {job.exception()}")
                run.say(run.left_out[-1])
        if run.late:
            run.left_out += [" ".join(jobs.pop(job)) for job in list(jobs) if job.cancel()]


def make_all(run: Run, makers: ProcessPoolExecutor, trainers: ProcessPoolExecutor) -> None:
    """Make and examine every pair; `run.figures` then has every material that is complete."""
    place, arguments = run.place, run.arguments
    found: dict[str, dict[int, Row]] = {}
    jobs = dict[Future[Any], tuple[str, ...]]()

    def examine_all(material: str, numbers: Sequence[int]) -> None:
        for i in numbers:
            job = makers.submit(examine, place, material, i, arguments.detectors)
            jobs[job] = ("pair", material, str(i))

    for material in arguments.materials:
        every = range(place.count(material))
        if material != "paper":
            examine_all(material, every)
            continue
        for k in every[::PAPER_BATCH]:
            batch = every[k : k + PAPER_BATCH]
            jobs[trainers.submit(search_paper, place, batch, arguments.device, arguments.paper_steps)] = (
                "paper",
                str(k),
            )
    for (kind, *rest), result in complete(run, jobs):
        if kind == "paper":
            run.say(f"paper, pictures from {rest[0]}: searched in {result:.0f} s")
            first = int(rest[0])
            examine_all("paper", range(first, min(first + PAPER_BATCH, place.count("paper"))))
            continue
        material, pairs = rest[0], found.setdefault(rest[0], {})
        pairs[int(rest[1])] = result
        if len(pairs) == place.count(material):
            run.figures[material] = [pairs[i] for i in range(len(pairs))]
            place.describe(material)
            changed, psnr = (fmean(each[name] for each in run.figures[material]) for name in ("changed", "psnr"))
            run.say(f"{material}: {psnr:.2f} dB, {100 * changed:.2f} % changed")
            run.save()


def score_all(run: Run, makers: ProcessPoolExecutor, trainers: ProcessPoolExecutor) -> None:
    """Score every material by features and networks, split by split, so that a run that ends early has some of each."""
    arguments, jobs = run.arguments, dict[Future[Any], tuple[str, ...]]()
    config = EvaluationConfig(
        steps=arguments.steps, batch=arguments.batch, crop=arguments.crop, device=arguments.device
    )
    materials = [each for each in arguments.materials if each in run.figures]
    for number in range(1, arguments.splits + 1):
        for detector in (each for each in SLOWEST_FIRST if each in arguments.detectors):
            for material in materials:
                job = trainers.submit(score_network, run.place, material, detector, number, config)
                jobs[job] = (material, detector, f"split {number}")
    for seed in range(1, arguments.repeats + 1):
        for detector in (each for each in TRAINED if each in arguments.detectors):
            for material in materials:
                job = makers.submit(score_features, run.place, material, detector, seed)
                jobs[job] = (material, detector, f"repeat {seed}")
    for (material, detector, part), result in complete(run, jobs):
        run.note(material, detector, result, part)


def measure(run: Run) -> None:
    """Do everything that the arguments ask for."""
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):  # one process a core, and not threads of each
        os.environ.setdefault(name, "1")
    spawn = multiprocessing.get_context("spawn")
    workers, device = run.arguments.workers, run.arguments.device
    with (
        ProcessPoolExecutor(run.arguments.processes, spawn, begin_making) as makers,
        ProcessPoolExecutor(workers, spawn, begin_training, (device,)) as trainers,
    ):
        make_all(run, makers, trainers)
        score_all(run, makers, trainers)


def parse() -> Any:
    """The arguments, with what follows from them."""
    parser = make_parser(__doc__)
    add = parser.add_argument
    add("--detectors", nargs="+", default=list(DETECTORS), choices=DETECTORS)
    add("--materials", nargs="+", default=list(MATERIALS), choices=list(MATERIALS))
    add(
        "--device",
        default="cpu",
        help="where networks are trained and `paper` is searched (default %(default)s)",
    )
    add("--covers", type=int, default=COVERS, help="the first ones (default %(default)s, and no more)")
    add("--splits", type=int, default=3, help="trainings of each network (default %(default)s)")
    add("--repeats", type=int, default=10, help="of the cross-validation of features (default %(default)s)")
    add("--steps", type=int, default=2000, help="of each network (default %(default)s)")
    add("--batch", type=int, default=16, help="pairs a step (default %(default)s)")
    add(
        "--crop",
        type=int,
        default=64,
        help="side of the squares that networks are trained on (default %(default)s)",
    )
    add("--paper-steps", type=int, help="of the search of `paper` (default: its own 1500)")
    add("--workers", type=int, default=1, help="networks trained at a time (default %(default)s)")
    add("--processes", type=int, default=os.cpu_count() or 1, help="for all else (default: the cores)")
    add("--limit", type=float, default=math.inf, help="seconds after which nothing more begins")
    add("--commit", default=None, help="of the source, where there is no checkout")
    add("--work", type=Path, default=ROOT / "runs" / "detection", help="folder of the stegos")
    arguments = parser.parse_args()
    if arguments.quick:
        arguments.covers, arguments.splits, arguments.repeats = 12, 1, 1
        arguments.steps, arguments.batch, arguments.crop, arguments.paper_steps = 20, 4, 32, 2
        if len(arguments.materials) == len(MATERIALS):
            arguments.materials = ["standard", "matching-40"]
        if len(arguments.detectors) == len(DETECTORS):
            arguments.detectors = ["xunet", "spam", "stegexpose"]
    if not 2 * FOLDS + 2 <= arguments.covers <= COVERS:
        parser.error(f"--covers are {2 * FOLDS + 2} to {COVERS}: those behind them chose parameters")
    arguments.out = arguments.out or ROOT / "runs" / "detection.json"
    config = EvaluationConfig(steps=arguments.steps, batch=arguments.batch, crop=arguments.crop)
    arguments.settings = {
        "seed": arguments.seed,
        "form": default_form(),
        "features": f"{arguments.repeats} repeats of cross-validation in {FOLDS} parts",
        "splits": list(range(1, arguments.splits + 1)),
    } | {each: config.describe(each) for each in NETWORKS if each in arguments.detectors}
    return arguments


def make_place(arguments: Any) -> Place:
    """Pictures of a run, and its folder, named after seed, pictures, libraries, and the form of the search."""
    train = pictures(arguments.data / "covers" / "train")
    if len(train) < arguments.covers:
        raise SystemExit(f"There are {len(train)} covers, not {arguments.covers}.")
    covers = tuple(train[: arguments.covers])
    secrets = tuple(tuple(pictures(arguments.data / "secrets" / each)) for each in SECRETS)
    depends: Row = {"common": own_code("common"), "form": default_form()} | libraries()
    depends |= {"pictures": [fingerprint(each) for each in (*covers, *chain(*secrets))]}
    name = f"{digest_of(depends)[:12]}-{arguments.seed}" + ("-quick" if arguments.quick else "")
    return Place(covers, secrets, arguments.work / name, arguments.seed)


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    arguments = parse()
    run = Run(arguments, make_place(arguments))
    measure(run)
    run.save(pooled=True)
    table, rows = [], run.rows()
    for row in rows:
        share = f"{100 * row['accuracy']:.1f}" if "accuracy" in row else "–"
        low, high = row.get("interval") or row["auc_interval"]
        cells = (
            f"{row['stego_psnr']['mean']:.2f}",
            f"{100 * row['changed']:.2f}",
            share,
            f"{row['auc']:.3f}",
        )
        table.append((row["detector"], row["material"], row["pairs"], *cells, f"{low:.3f}…{high:.3f}"))
    print_table(("detector", "material", "pairs", "stego dB", "% changed", "% right", "AUC", "95 %"), table)
    print(f"written to {arguments.out}")
    failed = run.failures(rows)
    for reason in failed:
        print("FAILED", reason)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
