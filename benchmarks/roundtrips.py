"""Does what was hidden come back, and does everything else end in a clear error?

`python benchmarks/roundtrips.py` hides secrets of random sizes in abstract covers with random keys and reveals
each from its file. Then it reveals with wrong keys and from wrong pictures: each must give a message, a hint
and no file. Both profiles; of `paper`, which has no check value, also the margins of its statistical test.
Every reveal is the command `csfnns reveal`. Ends with 1 when anything was not as it should be.
"""

import argparse
import io
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.progress import track

import common
from csfnns import CsfnnsError, Key, Ledger, Profile, hide, make_cover, make_profile, write_key
from csfnns.decoders import make_decoder
from csfnns.measure import psnr
from csfnns.payloads.pixels import LEAST_CORRELATION, _neighbour_correlation
from csfnns.picture import Picture, Shape, fit, read_picture, restore
from csfnns.search import preset
from csfnns.stream import Seed

FLOOR = {"standard": 30.0, "paper": 20.0}
"""Least PSNR in dB of what arrives (paper: after few steps), against the secret as its grid can hold it."""
KEYS = ("another key", "another key", "another key, number named", "another receiver")
WRONG = (*KEYS, "plain cover", "unrelated picture", "saved as JPEG")


@dataclass(frozen=True)
class Sent:
    """A secret that was hidden, and what shall come back."""

    key: Key
    message: int
    stego: Path
    shape: Shape
    """Height and width of the secret."""
    carried: Picture
    """The secret on its grid, before it was hidden."""


@dataclass(frozen=True)
class Wrong:
    """A reveal that must end in an error."""

    kind: str
    how: str
    stego: Path
    key: Key
    message: int
    named: bool
    """Whether the receiver names the message's number, and so skips the search for the cover."""
    sent: Sent


class Bench:
    """One profile's round trips and wrong inputs, in a folder that is thrown away afterwards."""

    def __init__(self, folder: Path, data: Path, profile: Profile, steps: int | None, seed: int) -> None:
        self.folder, self.profile = folder, profile
        self.search = None if steps is None else replace(preset(profile), steps=steps)
        self.dice = np.random.default_rng(seed)
        self.secrets = common.pictures(data / "secrets")
        self.others = common.pictures(data / "kodak") + common.pictures(data / "covers")
        self.ledger = Ledger(folder / "sender.sqlite3")  # the receiver sits at another computer

    def key(self) -> Key:
        """Fresh key; its secrets come from the benchmark's seed, so that any failure can be repeated."""
        return Key.from_root(self.profile, Seed(self.dice.bytes(32)))

    def piece(self, files: Sequence[Path], height: int, width: int) -> Picture:
        """Random part of a random picture, scaled to (height, width)."""
        with Image.open(files[int(self.dice.integers(len(files)))]) as image:
            zoom = self.dice.uniform(0.5, 1) * min(image.height / height, image.width / width)
            left = self.dice.uniform(0, image.width - zoom * width)
            top = self.dice.uniform(0, image.height - zoom * height)
            box = (left, top, left + zoom * width, top + zoom * height)
            return np.array(image.convert("RGB").resize((width, height), Image.Resampling.LANCZOS, box))

    def send(self, name: str, secret: Picture) -> Sent:
        """Hide with a fresh key. Raises what `hide` does."""
        key, path = self.key(), self.folder / f"{name}.png"
        hidden = hide(secret, key, out=path, search=self.search, ledger=self.ledger)
        shape = (secret.shape[0], secret.shape[1])
        return Sent(key, hidden.message, path, shape, fit(secret, *self.profile.secret_size))

    def reveal(self, stego: Path, key: Key, message: int | None) -> tuple[common.Ended, Picture | None]:
        """How `csfnns reveal` ends, and the picture that it wrote, if any."""
        key_file, out = self.folder / "reveal.key", self.folder / "revealed.png"
        key_file.unlink(missing_ok=True)
        out.unlink(missing_ok=True)
        write_key(key, key_file)
        named = () if message is None else ("--message", message)
        ended = common.command("reveal", stego, "-k", key_file, "-o", out, *named)
        return ended, read_picture(out) if out.exists() else None

    def wrong(self, sent: Sequence[Sent], count: int) -> Iterator[Wrong]:
        """Wrong inputs, the kinds of WRONG in turn, each made from one of the stego pictures."""
        for i in range(count):
            kind, base, turn = WRONG[i % len(WRONG)], sent[i % len(sent)], i // len(WRONG)
            key, how, picture = base.key, "", read_picture(base.stego)
            if kind.startswith("another key"):
                key = self.key()
            elif kind == "another receiver":
                key = _of_another_receiver(key)
            elif kind == "plain cover":
                picture = make_cover(key, base.message).picture
            elif kind == "unrelated picture":
                picture = self.piece(self.others, *picture.shape[:2])
                how = "number named" if turn % 2 else ""
            else:
                quality, subsampling = int(self.dice.integers(50, 101)), (2, 0)[turn % 2]
                picture = _saved_as_jpeg(picture, quality, subsampling)
                how = f"quality {quality}, {'4:2:0' if subsampling else '4:4:4'}"
            path = self.folder / "wrong.png"
            Image.fromarray(picture).save(path)
            named = "number named" in (how or kind)
            yield Wrong(kind, how, path, key, base.message, named, base)


def _of_another_receiver(key: Key) -> Key:
    """Key with the same covers and other decoders."""
    assert key.root is not None
    return Key.from_root(key.profile, key.root, ["other"])


def _saved_as_jpeg(picture: Picture, quality: int, subsampling: int) -> Picture:
    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=quality, subsampling=subsampling)
    return read_picture(buffer.getvalue())


def correlation(stego: Path, key: Key, message: int) -> float:
    """What the profile `paper` tests: correlation of neighbours in the output of the key's decoder."""
    delta = read_picture(stego).astype(np.float32) - make_cover(key, message).picture  # (H, W, 3)
    decoder = make_decoder(key.profile, key.decoder_seed(key.names[0], message))
    with torch.inference_mode():
        output = decoder(torch.from_numpy(delta).permute(2, 0, 1)[None] / 255)[0]  # (3, Hs, Ws)
    return _neighbour_correlation(output.numpy())


def right_shape(revealed: Shape, secret: Shape, grid: Shape, keeps_shape: bool) -> bool:
    """Whether a secret came back in its own shape, or in its aspect when its grid carries too few pixels."""
    if not keeps_shape:
        return revealed == grid
    most = 4 * grid[0] * grid[1]
    if secret[0] * secret[1] <= most:
        return revealed == secret
    skew = abs(revealed[0] * secret[1] - revealed[1] * secret[0])
    return skew <= min(secret) and 0.85 * most <= revealed[0] * revealed[1] <= most


def round_trips(bench: Bench, count: int) -> tuple[list[Sent], list[dict[str, Any]]]:
    """What could be sent, and a record of every trip."""
    sent, records = [], []
    for i in track(range(count), f"{bench.profile.name}: round trips"):
        secret = bench.piece(bench.secrets, *(int(side) for side in bench.dice.integers(20, 401, 2)))
        record: dict[str, Any] = {"trip": i, "secret": secret.shape[:2]}
        records.append(record)
        try:
            sent.append(bench.send(f"stego-{i}", secret))
        except CsfnnsError as error:
            record |= {"problem": "refused", "why": str(error)}
            continue
        record |= _arrival(bench, sent[-1])
    return sent, records


def _arrival(bench: Bench, sent: Sent) -> dict[str, Any]:
    """How the reveal of a trip ended."""
    ended, picture = bench.reveal(sent.stego, sent.key, None)
    if picture is None or ended.code != 0:
        return {"problem": "not revealed", "why": f"exit code {ended.code}: {ended.errors}"}
    shape = (picture.shape[0], picture.shape[1])
    arrived: dict[str, Any] = {"shape": shape, "psnr": psnr(picture, restore(sent.carried, shape))}
    if bench.profile.name == "paper":
        arrived["correlation"] = correlation(sent.stego, sent.key, sent.message)
    if not right_shape(shape, sent.shape, bench.profile.secret_size, bench.profile.name != "paper"):
        return arrived | {"problem": "wrong shape"}
    floor = FLOOR[bench.profile.name]
    return arrived | ({"problem": f"below {floor} dB"} if arrived["psnr"] < floor else {})


def wrong_inputs(bench: Bench, sent: Sequence[Sent], count: int) -> list[dict[str, Any]]:
    """A record of every wrong input."""
    records = []
    for case in track(bench.wrong(sent, count), f"{bench.profile.name}: wrong inputs", total=count):
        ended, picture = bench.reveal(case.stego, case.key, case.message if case.named else None)
        record: dict[str, Any] = {"kind": case.kind, "how": case.how, "code": ended.code}
        if bench.profile.name == "paper" and case.kind != "plain cover":
            record["correlation"] = correlation(case.stego, case.key, case.message)
        if picture is not None:
            problem = "a file was written"
            record["psnr"] = psnr(picture, restore(case.sent.carried, (picture.shape[0], picture.shape[1])))
        else:
            problem = "" if ended.is_clear_error else f"no clear error: {ended.errors}"
        records.append(record | ({"problem": problem} if problem else {}))
    return records


def report(profile: str, trips: list[dict[str, Any]], wrong: list[dict[str, Any]]) -> int:
    """Print the tables of a profile; returns how many records have a problem."""
    levels = sorted(record["psnr"] for record in trips if "psnr" in record)
    revealed = sum("problem" not in record for record in trips)
    floor = FLOOR[profile]
    print(f"\n{profile}: {revealed} of {len(trips)} came back in the right shape with at least {floor} dB")
    if levels:
        print(f"PSNR: least {levels[0]:.1f}, median {median(levels):.1f}, most {levels[-1]:.1f} dB")
    rows = []
    for kind in dict.fromkeys(WRONG):
        tries = [record for record in wrong if record["kind"] == kind]
        clear = sum("problem" not in record for record in tries)
        rows.append((kind, len(tries), clear, len(tries) - clear))
    common.print_table(("wrong input", "tries", "clear errors", "others"), rows)
    problems = [record for record in (*trips, *wrong) if "problem" in record]
    for record in problems:
        print("  " + ", ".join(f"{name} {value}" for name, value in record.items()))
    return len(problems)


def report_margins(trips: list[dict[str, Any]], wrong: list[dict[str, Any]]) -> None:
    """Print on which side of the test of `paper` everything fell, and how far from its threshold."""
    rows = []
    for kind in ("right key", *dict.fromkeys(WRONG)):
        records = trips if kind == "right key" else [record for record in wrong if record["kind"] == kind]
        values = sorted(record["correlation"] for record in records if "correlation" in record)
        if values:
            rows.append((kind, len(values), values[0], median(values), values[-1]))
    print(f"correlation of neighbours once the cover is found or named, accepted from {LEAST_CORRELATION}")
    common.print_table(("", "tries", "least", "median", "most"), rows)


def run(
    arguments: argparse.Namespace, name: str, trips: int, wrong: int, steps: int | None
) -> dict[str, Any]:
    """Both parts for a profile, printed; the records."""
    with tempfile.TemporaryDirectory() as folder:
        os.environ["CSFNNS_HOME"] = folder
        profile = make_profile(name, width=arguments.side, height=arguments.side)
        bench = Bench(Path(folder), arguments.data, profile, steps, arguments.seed)
        sent, there = round_trips(bench, trips)
        astray = wrong_inputs(bench, sent, wrong) if sent else []
    problems = report(name, there, astray)
    if name == "paper":
        report_margins(there, astray)
    return {
        "profile": name,
        "steps": steps,
        "problems": problems,
        "trips": there,
        "wrong": astray,
    }


def main() -> int:
    """Run both profiles; 1 when anything was not as it should be."""
    parser = common.make_parser(__doc__)
    parser.add_argument("--side", type=int, default=128, help="of the covers (default %(default)s)")
    parser.add_argument("--trips", type=int, default=200, help="profile standard (default %(default)s)")
    parser.add_argument("--wrong", type=int, default=350, help="wrong inputs to it (default %(default)s)")
    parser.add_argument("--paper-trips", type=int, default=20, help="profile paper (default %(default)s)")
    parser.add_argument(
        "--paper-wrong", type=int, default=40, help="wrong inputs to it (default %(default)s)"
    )
    parser.add_argument("--paper-steps", type=int, default=300, help="of its search (default %(default)s)")
    arguments = parser.parse_args()
    share = 10 if arguments.quick else 1
    print(f"seed {arguments.seed}, covers {arguments.side}x{arguments.side}")
    counts = (arguments.trips, arguments.wrong, arguments.paper_trips, arguments.paper_wrong)
    trips, wrong, paper_trips, paper_wrong = (-(-count // share) for count in counts)
    results = [
        run(arguments, "standard", trips, wrong, None),
        run(arguments, "paper", paper_trips, max(paper_wrong, len(WRONG)), arguments.paper_steps),
    ]
    settings = {"seed": arguments.seed, "side": arguments.side, "floor": FLOOR}
    common.save("roundtrips", settings | {"results": results}, arguments.out)
    return int(any(result["problems"] for result in results))


if __name__ == "__main__":
    sys.exit(main())
