"""What a perturbation reveals of secrets to whoever has the cover, but not the decoder's key.

1. Over pairs of real pictures (the i-th cover of covers/eval with the i-th secret), by the trellis method: correlation of
   what the cost map leaves of δ's local energy with the secret's in matching blocks, and δ's mean autocorrelation.
2. With one receiver's key and the cover, over abstract covers of 256x256: whether a linear classifier can tell a message
   to two of a key's three receivers from one to all three, and a large secret of the other receiver from a small one.

Each figure stands beside the same one with flaws of known size put in: changes where the secret is far from its mean
(layout), where it has edges (texture), or repeated in the next pixel (autocorrelation); and, in half of the messages,
changes of the others that are undone.
"""

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt

from common import edges, envelope, finish, follow, make_parser, pairs, pictures, print_table, receiver, root_of
from csfnns.coding import partitions
from csfnns.coding.hill import hill_costs
from csfnns.covers import AbstractCovers
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.metrics import autocorrelation, local_energy
from csfnns.methods import Envelope, ReceiverSeeds, Trellis
from csfnns.methods._direct import reserve_levels
from csfnns.methods._trellis_format import Layout, Shared, find_head
from csfnns.stream import Seed

BLOCK = 16  # of the cover
LAGS = 4
SIDE = 256
BARS = {"layout": 0.02, "texture": 0.02, "autocorrelation": 0.003}
"""Upper bounds of the means over all pairs; of the correlations `layout` and `texture`, of their magnitude."""
MOST_RIGHT = 0.55
CONTROL = 0.85
"""Least share of right answers about the largest flaw."""
PLANTED = (0.0, 0.01, 0.02, 0.05, 0.1, 0.5)
"""Shares of the changes that have a flaw."""
RECEIVERS, SIZES = "two or three receivers", "a small or a large secret of the other"

Delta = npt.NDArray[np.int16]
F64 = npt.NDArray[np.float64]


def leakage(delta: Delta, cover: Picture, secret: Picture) -> dict[str, float]:
    """Figures of BARS for δ and the secret, whose sides are the cover's divided by a whole number."""
    block = BLOCK * secret.shape[0] // delta.shape[0]
    energy = local_energy(delta, BLOCK).ravel()
    cost = np.log(local_energy(1 / hill_costs(cover).astype(np.float64) ** 0.5, BLOCK).ravel())
    rest = energy - np.poly1d(np.polyfit(cost, energy, 3))(cost)  # what the cost map does not explain
    rows, columns = secret.shape[0] // block, secret.shape[1] // block
    parts = secret.astype(np.float64).reshape(rows, block, columns, block, 3)
    about_mean = (parts - secret.mean((0, 1))) ** 2
    about_block = (parts - parts.mean((1, 3), keepdims=True)) ** 2
    layout, texture = (x.mean((1, 3, 4)).ravel() for x in (about_mean, about_block))
    lags = np.stack([autocorrelation(delta[..., c], LAGS) for c in range(3)])
    beside = np.ones(lags.shape[1:], np.bool_)
    beside[LAGS, LAGS] = False
    return {
        "layout": float(np.corrcoef(rest, layout)[0, 1]),
        "texture": float(np.corrcoef(rest, texture)[0, 1]),
        "autocorrelation": float(np.abs(lags[:, beside]).mean()),
    }


def repeat(cover: Picture, stego: Picture, share: float, random: np.random.Generator) -> Picture:
    """The stego with a share of its changes repeated in the next pixel."""
    delta = (stego.astype(np.int16) - cover)[:, :-1]
    repeated = np.where(random.random(delta.shape) < share, delta, 0)
    found = stego.astype(np.int16)
    found[:, 1:] += np.where(stego[:, 1:] == cover[:, 1:], repeated, 0)
    return np.clip(found, 0, 255).astype(np.uint8)


def measure_pair(cover_path: Path, secret_path: Path, root: Seed) -> dict[float, dict[str, float]]:
    """Figures of one pair by share of PLANTED, each of the flaw that it measures."""
    cover, label = read_picture(cover_path), f"{cover_path.name}/{secret_path.name}"
    secret = fit(read_picture(secret_path), cover.shape[0] // 2, cover.shape[1] // 2)
    stego = Trellis().embed(cover, {receiver(root, label): secret}, envelope=envelope(root, label))
    laid = fit(secret, *cover.shape[:2])
    weights = {"layout": abs(laid - laid.mean((0, 1))), "texture": edges(secret, *cover.shape[:2])}
    found: dict[float, dict[str, float]] = {}
    for share in PLANTED:
        random = np.random.default_rng(list(root.derive(f"{label}/{share}").data))
        flawed = {name: follow(cover, stego, each, share, random) for name, each in weights.items()}
        flawed["autocorrelation"] = repeat(cover, stego, share, random)
        found[share] = {
            name: leakage(each.astype(np.int16) - cover, cover, secret)[name] for name, each in flawed.items()
        }
    return found


def classify(question: str, count: int, secrets: list[Path], seed: int) -> dict[float, float]:
    """Share of right answers of a receiver's best linear classifier, by 10-fold cross-validation.

    By share of PLANTED: of the others' changes, undone in the messages of the second kind.
    """
    features: dict[float, list[list[float]]] = {share: [] for share in PLANTED}
    answers = []
    dice = np.random.default_rng(seed)
    for i in range(count):
        root, answer = Seed(dice.bytes(32)), i % 2
        cover = AbstractCovers(SIDE, SIDE)(root.derive("cover"))
        mine, *others = (fit(read_picture(secrets[dice.integers(len(secrets))]), 32, 32) for _ in range(3))
        others = others[: 1 + answer] if question == RECEIVERS else [fit(others[0], *((16, 16), (96, 96))[answer])]
        shares = 3 if question == RECEIVERS else 2
        seeds, address = [receiver(root, str(k)) for k in range(3)], envelope(root, "address", shares)
        stego = Trellis(states=64).embed(cover, dict(zip(seeds, [mine, *others], strict=False)), envelope=address)
        for share, seen in zip(PLANTED, _seen(stego, cover, seeds[0], address, answer, dice), strict=True):
            features[share].append(seen)
        answers.append(answer)
    return {share: _cross_validated(np.array(each), np.array(answers)) for share, each in features.items()}


def _seen(
    stego: Picture, cover: Picture, seeds: ReceiverSeeds, address: Envelope, answer: int, dice: np.random.Generator
) -> list[list[float]]:
    """What a receiver can measure: their share and its clarity, and the changes of each partition, by cost and sign.

    For each share of PLANTED, of the others' changes that are undone where the answer is 1.
    """
    moved = (stego.astype(np.int16) - cover).reshape(-1)
    reserved = reserve_levels(address, cover, seeds.header)
    assert reserved is not None
    partition, cost = reserved.keep_free(partitions(cover)), hill_costs(cover).reshape(-1)
    head = find_head(Layout(Shared(cover, reserved), seeds), moved)
    assert head is not None
    own = np.array([bool(head.mask >> i & 1) for i in range(8)])
    mine, others = np.isin(partition, np.flatnonzero(own)), np.isin(partition, np.flatnonzero(~own))
    high = cost > np.median(cost)
    clarity = float(Trellis().extract(stego, cover, seeds, envelope=address).expected_psnr or 0)
    kept = dice.random(moved.size)
    seen = []
    for share in PLANTED:
        left = np.where(others & (kept < share * answer), 0, moved)
        rates = np.array([[(left[(partition == i) & p] != 0).mean() for p in (high, ~high)] for i in range(8)])
        each = np.sort(rates[~own].mean(1))
        of_others = [*rates[~own].mean(0), *rates[~own].std(0), float(each[0]), float(each[-1])]
        signs = [float((left[part] > 0).mean()) for part in (mine, others)]
        seen.append([float(own.sum()), clarity, *rates[own].mean(0), *of_others, *signs])
    return seen


def _cross_validated(features: F64, answers: npt.NDArray[np.int64]) -> float:
    order = np.random.default_rng(0).permutation(len(answers))
    right = 0
    for held in np.array_split(order, 10):
        training = np.setdiff1d(order, held)
        mean, spread = features[training].mean(0), features[training].std(0) + 1e-9
        x = np.c_[(features - mean) / spread, np.ones(len(features))]
        ridge = 1e-2 * len(training) * np.eye(x.shape[1])
        weights = np.linalg.solve(x[training].T @ x[training] + ridge, x[training].T @ (2.0 * answers[training] - 1))
        right += int(((x[held] @ weights > 0) == answers[held]).sum())
    return right / len(answers)


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=20, help="(default %(default)s)")
    parser.add_argument("--stegos", type=int, default=200, help="for each question (default %(default)s)")
    arguments = parser.parse_args()
    count, stegos = (2, 20) if arguments.quick else (arguments.pairs, arguments.stegos)
    paths = pairs(arguments.data, arguments.secrets, count)
    rows = [measure_pair(*pair, root_of(arguments)) for pair in paths]
    means = [
        {"planted": share} | {name: float(np.mean([row[share][name] for row in rows])) for name in BARS}
        for share in PLANTED
    ]
    print_table(("planted", *BARS), [[row[name] for name in ("planted", *BARS)] for row in means])
    failed = [f"{name}: {means[0][name]:.4f}, bar {bar}" for name, bar in BARS.items() if abs(means[0][name]) >= bar]
    failed += [
        f"{name}: half of the changes planted, and not seen" for name, bar in BARS.items() if abs(means[-1][name]) < bar
    ]
    told = []
    for question in (RECEIVERS, SIZES):
        right = classify(question, stegos, pictures(arguments.data / "secrets"), arguments.seed)
        told += [{"question": question, "planted": share, "right": each} for share, each in right.items()]
        print_table((question, "right"), [*right.items()])
        if right[0] > MOST_RIGHT:
            failed.append(f"{question}: {100 * right[0]:.1f} % right")
        if right[PLANTED[-1]] < CONTROL:
            failed.append(f"{question}: {100 * right[PLANTED[-1]]:.1f} % right about half of the changes undone")
    content = {
        "secrets": arguments.secrets,
        "bars": BARS,
        "pairs": count,
        "stegos": stegos,
        "means": means,
        "told": told,
    }
    failed = [] if arguments.quick else failed  # on so few, chance alone exceeds the bars
    return finish("secrecy", content, failed, arguments.out)


if __name__ == "__main__":
    sys.exit(main())
