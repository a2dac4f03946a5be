"""Nonces and linking: no nonce twice, everybody reads their mail, and nobody sees whose it is.

nonces    20,000 nonces of one key, drawn by 8 processes with two homes, one of which is restored from a copy half way
messages  400 of them sent between two ends with copies of the key, each revealed by the other; in a home that cannot be
          written, or that is not there
linking   stegos of one key and as many of others: whether a classifier without the key tells if two pictures share a key;
          beside it, links of known size: pictures that share some of their levels, or all but ±1 (one cover)
mail      messages to one receiver, read by another receiver of the same sender
"""

import contextlib
import multiprocessing
import os
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from common import make_parser, print_table, save
from csfnns import Key, NoMessageError, hide, make_profile, reveal, text
from csfnns.address import make_nonce
from csfnns.images.io import Picture
from csfnns.messages.stego import Stego, find_address
from csfnns.stream import Seed

F64 = npt.NDArray[np.float64]

PROCESSES = 8
SHARED = (0.001, 0.002, 0.005, 0.01)
"""Shares of levels that two pictures have in common, as links of known size."""
CONTROL = 0.85
"""Least accuracy on pictures with one cover: otherwise that on pictures of one key means nothing."""


def draw(arguments: tuple[bytes, int, str]) -> list[bytes]:
    """Nonces that one process draws for the same payload, in a home."""
    root, count, home = arguments
    os.environ["CSFNNS_HOME"] = home
    key = Key.from_root(make_profile(width=64, height=64), Seed(root))
    return [make_nonce(key.route().link.seed, b"the same payload") for _ in range(count)]


def nonces(root: bytes, count: int) -> dict[str, Any]:
    """Draw them in two rounds; between them, one home is replaced by the copy that was made before."""
    with tempfile.TemporaryDirectory() as folder:
        homes = [f"{folder}/a", f"{folder}/b"]
        for home in homes:
            os.mkdir(home)
        shutil.copytree(homes[0], f"{folder}/copy")
        jobs = [(root, count // PROCESSES // 2, homes[i % 2]) for i in range(PROCESSES)]
        with multiprocessing.get_context("spawn").Pool(PROCESSES) as pool:
            found = pool.map(draw, jobs)
            shutil.rmtree(homes[0])
            shutil.copytree(f"{folder}/copy", homes[0])
            found += pool.map(draw, jobs)
    drawn = [each for part in found for each in part]
    return {"drawn": len(drawn), "different": len(set(drawn))}


def messages(root: bytes, count: int) -> dict[str, Any]:
    """Send them to and fro; the ends are two copies of the key, in homes of several states."""
    ends = [Key.from_root(make_profile(width=64, height=64), Seed(root)) for _ in range(2)]
    right, covers = 0, set()
    with tempfile.TemporaryDirectory() as folder:
        readonly = Path(folder) / "readonly"
        readonly.mkdir(mode=0o500)
        (Path(folder) / "damaged").write_bytes(b"\0")
        homes = [str(readonly), f"{folder}/absent", f"{folder}/damaged", "/proc"]
        for i in range(count):
            os.environ["CSFNNS_HOME"] = homes[i % len(homes)]
            content = f"message {i // 2} of {i % 2}"
            stego = hide(text(content), ends[i % 2]).data
            right += reveal(stego, ends[1 - i % 2]).text == content
            covers.add(stego)
    return {"sent": count, "revealed": right, "different": len(covers)}


def features(a: Picture, b: Picture) -> F64:
    """What two pictures may have in common: levels, lowest bits, residuals and their sizes, at the same pixels."""
    x, y = (each.astype(np.float64) for each in (a, b))
    rx, ry = (each - (np.roll(each, 1, 1) + np.roll(each, -1, 1)) / 2 for each in (x, y))
    found = []
    for channel in range(3):
        pairs = ((x, y), (a % 2, b % 2), (rx, ry), (np.abs(rx), np.abs(ry)), (a // 2 % 2, b // 2 % 2))
        for one, other in pairs:
            found.append(np.corrcoef(one[..., channel].ravel(), other[..., channel].ravel())[0, 1])
        found.append(float((a[..., channel] == b[..., channel]).mean()))
    return np.nan_to_num(np.array(found))


def classify(x: F64, y: npt.NDArray[np.bool_], seed: int) -> float:
    """Share of held-out pairs that Fisher's linear discriminant classifies right, mean of 20 splits."""
    rng, rights = np.random.default_rng(seed), []
    for _ in range(20):
        order = rng.permutation(len(y))
        train, test = np.split(order, 2)
        mean, deviation = x[train].mean(0), x[train].std(0) + 1e-12
        z = (x - mean) / deviation
        one, other = z[train][y[train]], z[train][~y[train]]
        within = np.cov(one.T) + np.cov(other.T) + 1e-3 * np.eye(z.shape[1])
        direction = np.linalg.solve(within, one.mean(0) - other.mean(0))
        middle = direction @ (one.mean(0) + other.mean(0)) / 2
        rights.append(float(((z[test] @ direction > middle) == y[test]).mean()))
    return float(np.mean(rights))


def linking(count: int, side: int, seed: int) -> dict[str, Any]:
    """Pairs of stegos that share a key, and pairs with links of known size, against pairs that share nothing."""
    profile = make_profile(width=side, height=side)
    base = Seed(seed.to_bytes(32, "big"))
    one = Key.from_root(profile, base.derive("one"))
    same = [hide(bytes(_random(base, i)), one).picture for i in range(count)]
    others = [
        hide(bytes(_random(base, count + i)), Key.from_root(profile, base.derive(f"other/{i}"))).picture
        for i in range(count)
    ]
    rng = np.random.default_rng(seed)
    together = [tuple(rng.choice(count, 2, replace=False)) for _ in range(10 * count)]
    apart = [tuple(rng.integers(0, count, 2)) for _ in range(10 * count)]
    unlinked = [features(same[i], others[j]) for i, j in apart]

    def right(linked: list[F64]) -> float:
        y = np.arange(len(linked) + len(unlinked)) < len(linked)
        return classify(np.array(linked + unlinked), y, seed)

    def share(a: Picture, b: Picture, part: float) -> Picture:
        return np.where(rng.random(a.shape) < part, a, b)

    def disturb(a: Picture) -> Picture:
        return np.clip(a + rng.integers(-1, 2, a.shape), 0, 255).astype(np.uint8)

    return {
        "pictures of the key": count,
        "pictures of other keys": count,
        "pairs": len(together) + len(apart),
        "right": right([features(same[i], same[j]) for i, j in together]),
        "right, sharing levels": {
            f"{100 * part:g} %": right([features(same[i], share(same[i], others[j], part)) for i, j in apart])
            for part in SHARED
        },
        "right, control": right([features(same[i], disturb(same[i])) for i, _ in together]),
    }


def _random(base: Seed, number: int) -> bytes:
    return base.derive(f"secret/{number}").stream().take(600)


def mail(root: bytes, count: int) -> dict[str, Any]:
    """How many messages to Carol Bob recognises, of those that she reads."""
    team = Key.from_root(make_profile(width=64, height=64), Seed(root), ["bob", "carol"])
    bob, carol = team.for_receiver("bob"), team.for_receiver("carol")
    recognised = read = 0
    for i in range(count):
        stego = hide({"carol": text(f"note {i}")}, team).data
        recognised += find_address(Stego(stego), bob) is not None
        with contextlib.suppress(NoMessageError):
            read += reveal(stego, carol).text == f"note {i}"
    return {"messages": count, "read by their receiver": read, "recognised by another": recognised}


def main() -> int:
    """Measure, print, save; exit status 1 when a bar fails."""
    arguments = make_parser(__doc__).parse_args()
    part = 10 if arguments.quick else 1
    root = Seed(arguments.seed.to_bytes(32, "big")).derive("benchmark/conversation").data
    results = {
        "nonces": nonces(root, 20_000 // part),
        "messages": messages(root, 400 // part),
        "linking": linking(100, 128, arguments.seed),
        "mail": mail(root, 1000 // part),
    }
    failed = []
    if results["nonces"]["drawn"] != results["nonces"]["different"]:
        failed.append("a nonce was drawn twice")
    if not results["messages"]["sent"] == results["messages"]["revealed"] == results["messages"]["different"]:
        failed.append("a message was not revealed")
    if results["linking"]["right"] > 0.52:
        failed.append("pictures of one key can be linked")
    if results["linking"]["right, control"] < CONTROL:
        failed.append("the classifier does not find pictures on one cover")
    if results["mail"]["recognised by another"] or results["mail"]["read by their receiver"] < 1000 // part:
        failed.append("mail was recognised by another receiver, or not read by its own")
    rows = [(name, key, value) for name, found in results.items() for key, value in found.items()]
    print_table(("", "figure", "value"), rows)
    save("conversation", {**results, "failed": failed}, arguments.out)
    for each in failed:
        print("FAILED", each)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main())
