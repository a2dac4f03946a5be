"""Write the tables of README.md and docs/*.md that come from results/*.json: `python scripts/render_results.py`.

A page marks the place of a table with `<!-- table: NAME -->` and `<!-- end -->`; everything between the two is replaced.
Each table names its command, commit and machine. `--check` writes nothing and exits with 1 when a page is stale.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"<!-- table: ([a-z0-9-]+) -->\n(.*?)<!-- end -->", re.DOTALL)
OPENED = re.compile(r"<!-- table: ")
NOT_RUN = "not run"

Data = Mapping[str, Any]
Row = Sequence[str]


@dataclass(frozen=True)
class Table:
    """One table: the result that it comes from, and how to lay it out."""

    source: str
    """Name of the JSON in results/, and of the benchmark that writes it."""
    head: Row
    rows: Callable[[Data | None], list[Row]]
    """Rows for the JSON's content, or for None where it was not run."""

    def render(self, results: Path) -> str:
        """Return the table in Markdown, with the line that names its run."""
        data = _read(results / f"{self.source}.json")
        right = ["---", *["---:"] * (len(self.head) - 1)]
        lines = [_line(self.head), _line(right), *map(_line, self.rows(data))]
        return "\n".join([*lines, "", _origin(self.source, data)]) + "\n"


# Columns of the tables of benchmarks/core.py: heading → cell for the summary of a case.
Cell = Callable[[Data], str]


def _mean(name: str, digits: int = 2) -> Cell:
    def cell(case: Data) -> str:
        if f"{name}_sd" not in case:
            return _number(case.get(name), digits)
        return f"{_number(case.get(name), digits)} ± {_number(case[f'{name}_sd'], digits)}"

    return cell


def _plain(name: str, digits: int, scale: float = 1) -> Cell:
    def cell(case: Data) -> str:
        value = case.get(name)
        return _number(None if value is None else scale * value, digits)

    return cell


def _pairs(case: Data) -> str:
    return str(len(case["rows"]))


_FULL: dict[str, Cell] = {
    "pairs": _pairs,
    "stego, dB": _mean("stego"),
    "least": _plain("least_stego", 2),
    "SSIM": _plain("ssim", 5),
    "levels changed, %": _plain("changed", 2, 100),
    "recovered, dB": _mean("mean_recovered"),
    "least recovered": _plain("least_recovered", 2),
    "SSIM recovered": _plain("recovered_ssim", 4),
    "hide, s": _plain("hide_seconds", 2),
    "reveal, s": _plain("reveal_seconds", 2),
}
_SHORT: dict[str, Cell] = {
    "pairs": _pairs,
    "stego, dB": _plain("stego", 2),
    "levels changed, %": _plain("changed", 1, 100),
    "recovered, dB": _plain("mean_recovered", 2),
    "hide, s": _plain("hide_seconds", 1),
}


def _cases(first: str, columns: Mapping[str, Cell], cases: Mapping[str, str], others: Sequence[Row] = ()) -> Table:
    """Table of some cases of core.py, by their labels; `others` are rows of earlier editions and of the paper."""

    def rows(data: Data | None) -> list[Row]:
        found = {case["case"]: case for case in data["cases"]} if data else {}
        table: list[Row] = []
        for label, name in cases.items():
            case = found.get(name)
            cells = [cell(case) if case else "" for cell in columns.values()]
            table.append([label, *cells] if case else [label, NOT_RUN, *cells[1:]])
        return [*table, *others]

    return Table("core", [first, *columns], rows)


_SETS = {
    "ImageNet": "imagenet, 256x256",
    "COCO": "coco, 256x256",
    "CelebA-HQ": "celebahq, 256x256",
}
_SIZES = {
    "512x512 (Kodak), at 35 dB": "kodak 512x512, 35 dB",
    "128x128, at 41 dB": "imagenet 128x128, 41 dB",
}
_RECEIVERS = {f"{n} receivers": f"{n} receivers" for n in (2, 3, 4)}
# docs/results.md names the commits of these rows.
_BEFORE = [
    ["edition 1: the decoder `spectral`", "20", "51.51", "41.8", "40.42", "5.5"],
    ["profile `paper`: the authors' procedure", "4", "42.81", "", "27.26", "414"],
    ["the paper's own, after its denoiser", "1000", "41.89", "", "33.01", ""],
    ["no decoder: an AVIF by direct coding, near the limit", "20", "62.5", "3.7", "38.2", ""],
]

TABLES: dict[str, "Table | Listing"] = {
    "summary": _cases(
        "secrets",
        _SHORT,
        {f"{name}, 256x256": case for name, case in _SETS.items()} | _SIZES | _RECEIVERS,
    ),
    "fidelity": _cases("secrets, 256x256", _FULL, _SETS),
    "why": _cases("decoder", _SHORT, {"the trellis decoder": _SETS["ImageNet"]}, _BEFORE),
    "targets": _cases(
        "asked for",
        _FULL,
        {
            "38 dB recovered (default)": _SETS["ImageNet"],
            "35 dB recovered": "imagenet, 35 dB recovered",
            "a stego of 60 dB": "imagenet, a stego of 60 dB",
        },
    ),
    "forms": _cases(
        "search",
        _FULL,
        {
            "C kernel, 4096 states (default)": _SETS["ImageNet"],
            "NumPy, 256 states": "imagenet, NumPy form",
            "C kernel, no cost map": "imagenet, no cost map",
        },
    ),
    "sizes": _cases("secrets", _FULL, {"256x256 (ImageNet), at 38 dB": _SETS["ImageNet"]} | _SIZES),
    "receivers": _cases("receivers", _FULL, _RECEIVERS),
    "damage": _cases(
        "changed on its way",
        _FULL,
        {
            "nothing": _SETS["ImageNet"],
            "±1 on 0.01 % of the sub-pixels": "±1 on 0.01 % on its way",
            "±1 on 0.1 % of the sub-pixels": "±1 on 0.1 % on its way",
        },
    ),
}


def _detection(data: Data | None) -> list[Row]:
    """Rows of benchmarks/detection.py, in its order."""
    if data is None:
        return [[NOT_RUN, *[""] * 7]]
    return [
        [
            row["detector"],
            row["what"] + (" (control)" if row.get("control") else ""),
            str(row["pairs"]),
            row["size"],
            _number(row["stego_psnr"]["mean"], 1),
            _number(100 * row["changed"], 1),
            _share(row),
            _number(row.get("auc"), 3),
        ]
        for row in data["rows"]
    ]


def _share(row: Data) -> str:
    """Accuracy in % with its interval; of detectors without a threshold, the interval of the AUC."""
    if "accuracy" in row:
        low, high = (100 * each for each in row["interval"])
        return f"{100 * row['accuracy']:.1f} ({low:.1f}…{high:.1f})"
    low, high = row["auc_interval"]
    return f"AUC {low:.3f}…{high:.3f}"


for _name in ("networks", "cost-map", "paper"):
    TABLES[f"detection-{_name}"] = Table(
        f"detection/{_name}",
        ["detector", "stegos", "pairs", "size", "stego, dB", "levels changed, %", "right, %", "AUC"],
        _detection,
    )


# Tables of the evidence of benchmarks/detection.py: a row a material, a column a detector.
_TRAINED = {"spam": "SPAM", "srm": "SRM", "residual": "residuals"}


def _seen(table: str, columns: Mapping[str, Cell], detectors: Sequence[str]) -> Callable[[Data | None], list[Row]]:
    """Rows of the materials of one table, with these columns and the accuracy of each detector."""

    def rows(data: Data | None) -> list[Row]:
        if data is None:
            return [[NOT_RUN, *[""] * (len(columns) + len(detectors))]]
        usual = "standard" if table == "flaws" else ""  # for comparison
        found: dict[str, dict[str, Data]] = {}
        for row in (row for row in data["rows"] if row["table"] == table or row["material"] == usual):
            found.setdefault(row["material"], {})[row["detector"]] = row
        table_rows: list[Row] = []
        for of in found.values():
            first = next(iter(of.values()))
            shares = [_share(of[name]) if name in of else "" for name in detectors]
            table_rows.append([_label(first), *(cell(first) for cell in columns.values()), *shares])
        return table_rows + (_crossed(data, len(columns), detectors) if table == "payload" else [])

    return rows


def _crossed(data: Data, columns: int, detectors: Sequence[str]) -> list[Row]:
    """Rows with the payload at which each detector crosses each level."""
    levels: dict[float, dict[str, str]] = {}
    for each in data["crossings"]:
        sign = "" if each["side"] == "=" else f"{each['side']} "
        levels.setdefault(each["level"], {})[each["detector"]] = f"{sign}{each['bpp']:.1f} bits a pixel"
    return [
        [f"*crosses {100 * level:.0f} % at*", *[""] * columns, *(at.get(name, "") for name in detectors)]
        for level, at in levels.items()
    ]


def _label(row: Data) -> str:
    return str(row["what"]) + (" (control)" if row.get("control") else "")


def _pooled(data: Data | None) -> list[Row]:
    """Rows of a material and a detector, with the accuracy for each number of pictures that are judged together."""
    if data is None:
        return [[NOT_RUN, *[""] * 5]]
    return [
        [
            _label(row),
            str(row["pairs"]),
            _TRAINED[row["detector"]],
            *(f"{_share(each)}; {_number(each['auc'], 3)}" for each in row["pooled"]),
        ]
        for row in data["rows"]
        if "pooled" in row
    ]


_MADE: dict[str, Cell] = {
    "pairs": lambda row: str(row["pairs"]),
    "stego, dB": lambda row: _number(row["stego_psnr"]["mean"], 1),
    "levels changed, %": lambda row: _number(100 * row["changed"], 1),
}
_CURVE: dict[str, Cell] = {
    "bits a pixel": _plain("bpp", 1),
    "recovered, dB": lambda row: _number((row["recovered"] or {}).get("mean"), 1),
    **_MADE,
}
for _name, _source, _columns, _detectors in (
    ("main", "evidence", _MADE, ("spam", "srm", "residual")),
    ("payload", "evidence", _CURVE, ("spam", "srm", "residual")),
    ("flaws", "flaws", _MADE, ("spam", "residual")),
    ("informed", "informed", _MADE, ("spam", "srm", "residual")),
):
    TABLES[f"evidence-{_name}"] = Table(
        f"detection/{_source}",
        ["stegos", *_columns, *(f"{_TRAINED[each]}: right, %" for each in _detectors)],
        _seen(_name, _columns, _detectors),
    )
TABLES["evidence-pooled"] = Table(
    "detection/evidence",
    ["stegos", "pairs", "detector", "1 picture: right, %; AUC", "4 pictures", "16 pictures"],
    _pooled,
)


@dataclass(frozen=True)
class Listing:
    """Table of whole runs: what each measured, whether its bars hold, and where it was made."""

    runs: Mapping[str, tuple[str, str]]
    """Name of the JSON in results/ → program in benchmarks/, and what it measures."""

    def render(self, results: Path) -> str:
        """Return the table in Markdown."""
        head = ["program", "measures", "result", "commit"]
        lines = [_line(head), _line(["---"] * len(head))]
        for name, (program, what) in self.runs.items():
            data = _read(results / f"{name}.json")
            verdict, commit = NOT_RUN, ""
            if data is not None:
                verdict = _verdict(data)
                commit = f"`{_about(data)['commit']}`"
            lines.append(_line([f"`benchmarks/{program}.py`", what, verdict, commit]))
        return "\n".join(lines) + "\n"


TABLES["runs"] = Listing(
    {
        "core": ("core", "the tables above"),
        "detection/evidence": ("detection", "what SPAM, SRM and residuals find ([below](#detectors))"),
        "detection/flaws": ("detection", "the smallest flaws that they would have seen"),
        "detection/informed": ("detection", "what somebody finds who knows the generator"),
        "detection/networks": ("detection", "what networks trained from scratch find"),
        "address": (
            "address",
            "nonces are read, also after damage and lossy channels; foreign pictures are not",
        ),
        "conversation": (
            "conversation",
            "nonces never repeat, both ends read, and nobody else can link messages",
        ),
        "secrecy": ("secrecy", "what δ reveals of secrets, and to one receiver of the others"),
        "roundtrips": ("roundtrips", "pictures and files come back; everything else ends in a clear error"),
        "direct": (
            "direct",
            "rates against the bound, capacities and time of direct coding, in levels and JPEG files",
        ),
        "channels-imagenet": ("channels", "what survives compression, noise and scaling"),
        "steganalysis": ("steganalysis", "statistical detectors at known rates"),
        "startup": ("startup", "seconds of whole processes and of covers"),
        "kills": ("kills", "what is left of commands that are killed at random and at every call that writes"),
        "faults": ("faults", "what is left of commands whose disk fails at every call that writes"),
        "bombs": ("bombs", "processor time and memory of hostile pictures"),
        "web": ("web", "the page: its start, memory, preview, and a soak"),
        "batch": ("batch", "1,000 jobs while workers and coordinators are killed"),
        "long": ("long", "a file over many pictures, two of them lost"),
    }
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Render every page, or check it; exit status 1 when a checked page is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if a page is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of README.md, docs and results")
    options = parser.parse_args(arguments)
    stale = []
    for page in [options.root / "README.md", *sorted((options.root / "docs").glob("*.md"))]:
        if not page.exists():
            continue
        before = page.read_text("utf-8")
        after = render(before, options.root / "results", page.name)
        if after == before:
            continue
        stale.append(page)
        if not options.check:
            page.write_text(after, "utf-8")
        sys.stdout.write(f"{page}: {'stale' if options.check else 'written'}\n")
    if stale and options.check:
        sys.stdout.write("Run: python scripts/render_results.py\n")
    return 1 if stale and options.check else 0


def render(text: str, results: Path, page: str) -> str:
    """Return a page's text with every marked table rendered. Ends the program for an unknown or unended table."""
    if len(OPENED.findall(text)) != len(MARKED.findall(text)):
        raise SystemExit(f"{page}: a table lacks its <!-- end -->.")

    def replaced(found: re.Match[str]) -> str:
        name = found[1]
        if name not in TABLES:
            raise SystemExit(f"{page}: there is no table {name!r}. Choose one of: {', '.join(TABLES)}.")
        return f"<!-- table: {name} -->\n{TABLES[name].render(results)}<!-- end -->"

    return MARKED.sub(replaced, text)


def _read(path: Path) -> Data | None:
    data: Data | None = json.loads(path.read_text("utf-8")) if path.exists() else None
    return data


def _origin(source: str, data: Data | None) -> str:
    """Sentence that names the run behind a table."""
    if data is None:
        return f"Not run yet: `python benchmarks/{source}.py` writes `results/{source}.json`."
    environment, about = data.get("environment", {}), _about(data)
    machine = environment.get("cpu") or environment.get("machine")
    if environment.get("gpu"):
        machine = f"{machine}, {environment['gpu']}"
    return f"`{about['command']}` at `{about['commit']}`, {machine}."


def _verdict(data: Data) -> str:
    """Return which bars fail, as far as the result says."""
    if "failed" not in data and "problems" not in data:
        return "measured"
    failed = [*data.get("failed", ()), *data.get("problems", ())]
    return f"fails: {'; '.join(map(str, failed))}" if failed else "every bar holds"


def _about(data: Data) -> dict[str, Any]:
    """Command and commit of a result, which stand beside its environment or in it."""
    return {name: data.get(name) or data.get("environment", {}).get(name) for name in ("command", "commit")}


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
