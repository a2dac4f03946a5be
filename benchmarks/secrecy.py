"""What a perturbation says of secrets to whoever has the cover, but not the decoder's key.

1. Over pairs of real pictures (the i-th cover of covers/eval with the i-th secret), for the profile `standard`:
   correlation of what the cost map leaves of δ's local energy with the secret's in matching blocks, and δ's
   autocorrelation in mean size.
2. With one receiver's key and the cover, over abstract covers of 256x256: whether a linear classifier can tell a message
   to two of a key's three receivers from one to all three, and a large secret of the other receiver from a small one.

Exit status 1 when a bar fails.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import make_parser, pairs, pictures, print_table, save
from csfnns.coding import slots
from csfnns.coding.costs import cost_map
from csfnns.covers import AbstractCovers
from csfnns.measure import autocorrelation, local_energy
from csfnns.picture import Picture, fit, read_picture
from csfnns.schemes import ReceiverSeeds
from csfnns.schemes._trellis_format import Layout, Shared, find_head
from csfnns.schemes.trellis import Trellis
from csfnns.stream import Seed

BLOCK = 16  # of the cover
LAGS = 4
SIDE = 256
BARS = {"layout": 0.02, "texture": 0.02, "autocorrelation": 0.003}
"""Upper bounds of the means over all pairs; of the correlations `layout` and `texture`, of their size."""
MOST_RIGHT = 0.55

Delta = npt.NDArray[np.int16]
F64 = npt.NDArray[np.float64]


def leakage(delta: Delta, cover: Picture, secret: Picture) -> dict[str, float]:
    """Figures of BARS for δ and the secret, whose sides are the cover's divided by a whole number."""
    block = BLOCK * secret.shape[0] // delta.shape[0]
    energy = local_energy(delta, BLOCK).ravel()
    cost = local_energy(1 / cost_map(cover).astype(np.float64) ** 0.5, BLOCK).ravel()
    rest = energy - np.poly1d(np.polyfit(np.log(cost), energy, 3))(
        np.log(cost)
    )  # what the cost map does not explain
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


def measure_pair(cover_path: Path, secret_path: Path, seed: int) -> dict[str, float]:
    """Figures of one pair; the seed makes the decoder."""
    cover = read_picture(cover_path)
    secret = fit(read_picture(secret_path), cover.shape[0] // 2, cover.shape[1] // 2)
    root = Seed(seed.to_bytes(32, "big")).derive(f"benchmark/{cover_path.name}/{secret_path.name}")
    stego = Trellis().embed(cover, {_seeds(root, 0): secret})
    return leakage(stego.astype(np.int16) - cover, cover, secret)


def telling_apart(question: str, count: int, secrets: list[Path], seed: int) -> float:
    """Share of right answers that a receiver's best linear classifier gives, by 10-fold cross-validation."""
    features, answers = [], []
    dice = np.random.default_rng(seed)
    for i in range(count):
        root = Seed(dice.bytes(32))
        cover = AbstractCovers(SIDE, SIDE)(root.derive("cover"), 1)
        answer = i % 2
        mine, *others = (fit(read_picture(secrets[dice.integers(len(secrets))]), 32, 32) for _ in range(3))
        if question == "two or three receivers":
            message = {_seeds(root, 0): mine, **{_seeds(root, 1 + k): others[k] for k in range(1 + answer)}}
            shares = 3
        else:
            other = fit(others[0], *((16, 16), (96, 96))[answer])
            message, shares = {_seeds(root, 0): mine, _seeds(root, 1): other}, 2
        stego = Trellis(states=64).embed(cover, message, shares=shares)
        features.append(_seen(stego, cover, _seeds(root, 0)))
        answers.append(answer)
    return _cross_validated(np.array(features), np.array(answers))


def _seen(stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> list[float]:
    """What a receiver can measure: their own share and its clarity, and the changes of each slot, by cost and direction."""
    moved = (stego.astype(np.int16) - cover).reshape(-1)
    slot, cost = slots(cover), cost_map(cover).reshape(-1)
    layout = Layout(Shared(cover), seeds)
    head = find_head(layout, moved)
    assert head is not None
    mask = head.mask
    mine = (mask >> slot & 1).astype(np.bool_)
    dear = cost > np.median(cost)
    rates = np.array([[(moved[(slot == i) & part] != 0).mean() for part in (dear, ~dear)] for i in range(8)])
    own = np.array([bool(mask >> i & 1) for i in range(8)])
    ups = [float((moved[part] > 0).mean()) for part in (mine, ~mine)]
    found = Trellis().extract(stego, cover, seeds)
    others = np.sort(rates[~own].mean(1))
    return [
        float(own.sum()),
        float(found.expected_psnr or 0),
        *rates[own].mean(0),
        *rates[~own].mean(0),
        *rates[~own].std(0),
        float(others[0]),
        float(others[-1]),
        *ups,
    ]


def _cross_validated(features: F64, answers: npt.NDArray[np.int64]) -> float:
    order = np.random.default_rng(0).permutation(len(answers))
    right = 0
    for held in np.array_split(order, 10):
        learn = np.setdiff1d(order, held)
        mean, spread = features[learn].mean(0), features[learn].std(0) + 1e-9
        x = np.c_[(features - mean) / spread, np.ones(len(features))]
        ridge = 1e-2 * len(learn) * np.eye(x.shape[1])
        weights = np.linalg.solve(x[learn].T @ x[learn] + ridge, x[learn].T @ (2.0 * answers[learn] - 1))
        right += int(((x[held] @ weights > 0) == answers[held]).sum())
    return right / len(answers)


def _seeds(root: Seed, receiver: int) -> ReceiverSeeds:
    return ReceiverSeeds(root.derive(f"decoder/{receiver}"), root.derive(f"header/{receiver}"))


def report(rows: list[dict[str, float]]) -> tuple[dict[str, float], list[str]]:
    """Print the table; means, and the bars that fail."""
    means = {name: float(np.mean([row[name] for row in rows])) for name in BARS}
    table: list[list[Any]] = [[i, *(f"{row[name]:.4f}" for name in BARS)] for i, row in enumerate(rows)]
    table.append(["mean", *(f"{means[name]:.4f}" for name in BARS)])
    table.append(["bar", *(f"{bar:.4f}" for bar in BARS.values())])
    print_table(("pair", *BARS), table)
    return means, [
        f"{name}: {means[name]:.4f}, bar {bar}" for name, bar in BARS.items() if abs(means[name]) >= bar
    ]


def main() -> int:
    """Measure, print, save."""
    parser = make_parser(__doc__)
    parser.add_argument("--secrets", default="imagenet", choices=("imagenet", "coco", "celebahq"))
    parser.add_argument("--pairs", type=int, default=20, help="(default %(default)s)")
    parser.add_argument("--stegos", type=int, default=200, help="of each question (default %(default)s)")
    arguments = parser.parse_args()
    count, stegos = (2, 40) if arguments.quick else (arguments.pairs, arguments.stegos)
    rows = [measure_pair(*pair, arguments.seed) for pair in pairs(arguments.data, arguments.secrets, count)]
    means, failed = report(rows)
    told = {}
    for question in ("two or three receivers", "a small or a large secret of the other"):
        told[question] = telling_apart(question, stegos, pictures(arguments.data / "secrets"), arguments.seed)
        print(f"{question}: {100 * told[question]:.1f} % right on {stegos} stegos, where half is guessing")
        if told[question] > MOST_RIGHT and not arguments.quick:
            failed.append(f"{question}: {100 * told[question]:.1f} % right")
    payload = {
        "secrets": arguments.secrets,
        "bars": BARS,
        "means": means,
        "rows": rows,
        "told": told,
        "stegos": stegos,
    }
    save("secrecy", payload | {"failed": failed}, arguments.out)
    for each in failed:
        print("FAILED", each)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
