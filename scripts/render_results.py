"""Write the measured figures of the pages from results/: `python scripts/render_results.py`, or `make results`.

**Tables.** A page marks the place of a table with `<!-- table: NAME -->` and `<!-- end -->`; everything between the two is
replaced. Each table names its command, commit and machine. Tables `earlier-NAME` are of runs of earlier commits, as
results/earlier.json holds them, and `published-N` the paper's own (results/published.json).

**Prose.** A comment below a paragraph says where its figures come from, in their order:

    SPAM is right in 53.5 % of the cases.
    <!-- figures
    54.3 = detection/evidence rows[spam][standard].accuracy × 100
    -->

Each line is the figure as written (with words behind it, where the number alone stands elsewhere too), a result, and a path
in its JSON: names after a dot, and in brackets a key, an index, or what an entry of a list has in one of its fields
(`[bytes=20000]` in that field); `.count` is the length of a list, `.mean.NAME` the mean of that field of its entries. The
figure is written again with as many decimals. It is an error if the paragraph lacks it.

`--check` writes nothing and exits with 1 when a page is stale. tests/test_quotations.py finds figures without a source.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
MARKED = re.compile(r"<!-- table: ([a-z0-9-]+) -->\n(.*?)<!-- end -->", re.DOTALL)
OPENED = re.compile(r"<!-- table: ")
SOURCES = re.compile(r"<!-- figures\n(.*?)^-->", re.DOTALL | re.MULTILINE)
SOURCE = re.compile(
    r"(?P<figure>−?\d+(?:,\d{3})*(?:\.\d+)?)(?P<behind>.*?) = (?P<result>\S+) (?P<path>.+?)(?: × (?P<scale>[\d.]+))?"
)
STEP = re.compile(r"\.?([^.\[\]]+)|\[([^\]]+)\]")
PAGES = ("README.md", "docs/*.md", "src/csfnns/weights/README.md")
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


@dataclass(frozen=True)
class Experiment:
    """A table of the paper, as `csfnns experiment` lays it out, without the paper's own rows."""

    source: str
    """Name of the JSON in results/, and of the experiment."""

    def render(self, results: Path) -> str:
        """Return the table in Markdown, with the line that names its run."""
        data = _read(results / f"{self.source}.json")
        if data is None:
            return f"Not run yet: `csfnns experiment run {self.source}`.\n"
        table = data["tables"][0]
        source = table["head"].index("Source")
        rows = [list(row) for row in table["rows"] if "here" in row[source]]
        for row in rows:
            row[source] = row[source].removeprefix("here").lstrip(", ")
        head = [*table["head"][:source], "", *table["head"][source + 1 :]]
        lines = [_line(head), _line(["---", *["---:"] * (len(head) - 1)]), *map(_line, rows)]
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


def _cases(first: str, columns: Mapping[str, Cell], cases: Mapping[str, str]) -> Table:
    """Table of some cases of core.py, by their labels."""

    def rows(data: Data | None) -> list[Row]:
        found = {case["case"]: case for case in data["cases"]} if data else {}
        table = []
        for label, name in cases.items():
            case = found.get(name)
            cells = [cell(case) if case else "" for cell in columns.values()]
            table.append([label, *cells] if case else [label, NOT_RUN, *cells[1:]])
        return table

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
TABLES: dict[str, "Rendered"] = {
    "summary": _cases(
        "secrets",
        _SHORT,
        {f"{name}, 256x256": case for name, case in _SETS.items()} | _SIZES | _RECEIVERS,
    ),
    "fidelity": _cases("secrets, 256x256", _FULL, _SETS),
    "fidelity-abstract": _cases("covers", _FULL, {"`abstract`, ImageNet secrets": "imagenet, covers of abstract"}),
    "why": _cases("decoder", _SHORT, {"the trellis decoder": _SETS["ImageNet"]}),
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


TABLES["detection-dctr"] = Table(
    "detection/dctr",
    ["detector", "stegos", "pairs", "size", "stego, dB", "coefficients changed, %", "right, %", "AUC"],
    _detection,
)


# Tables of the evidence of benchmarks/detection.py: a row a material, a column a detector.
_TRAINED = {"spam": "SPAM", "srm": "SRM", "residual": "residuals"}
_JUDGES = {name: f"{label}: right, %" for name, label in _TRAINED.items()} | {"stegexpose": "StegExpose"}


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


def _recovered(row: Data) -> str:
    """Mean PSNR; of what arrives exactly, in how many pairs."""
    exact = row.get("exact")
    if exact:
        return f"exact, {exact} of {row['pairs']}"
    return _number(row["recovered"]["mean"], 1) if row["recovered"] else ""


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
    "bits a pixel": lambda row: _number(row["bpp"], 1) if row["recovered"] or row.get("exact") else "",
    "recovered, dB": _recovered,
    **_MADE,
}
for _name, _source, _columns, _detectors in (
    ("main", "evidence", _MADE, ("spam", "srm", "residual")),
    ("payload", "evidence", _CURVE, ("spam", "srm", "residual")),
    ("flaws", "evidence", _MADE, ("spam", "srm", "residual")),
    ("informed", "informed", _MADE, ("spam", "srm", "residual")),
    ("compare", "compare", _CURVE, ("spam", "srm", "residual", "stegexpose")),
):
    TABLES[f"evidence-{_name}"] = Table(
        f"detection/{_source}",
        ["stegos", *_columns, *(_JUDGES[each] for each in _detectors)],
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
        "detection/evidence": ("detection", "what SPAM, SRM and residuals find ([here](results-detectors.md))"),
        "detection/informed": ("detection", "what somebody finds who knows the generator"),
        "detection/compare": ("detection", "what they find of other methods, on the same covers"),
        "detection/networks": ("detection", "what networks trained from scratch find"),
        "detection/dctr": ("jpeg_detection", "what DCTR finds of bytes in JPEG files"),
        "address": (
            "address",
            "nonces are read, also after damage and lossy channels; foreign pictures are not",
        ),
        "conversation": (
            "conversation",
            "nonces never repeat, both ends read, and one classifier does not link messages",
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
        "pretrained": (
            "pretrained",
            "what the pretrained networks find ([here](https://github.com/csfnns/csfnns/blob/main/src/csfnns/weights/README.md))",
        ),
        "mutants": ("mutants", "faults put into the code, and whether the tests notice them"),
    }
)


def _direct(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, *[""] * 7]]
    rows: list[Row] = []
    for row in data["levels"]:
        share = f"{100 * row['of limit']:.1f}" if "of limit" in row else ""
        figures = [_number(row["stego"], 1), _number(row["least stego"], 1), share, _number(row["seconds"], 1)]
        rows.append([row["model"], f"{row['bytes']:,}", str(row["covers"]), str(row["exact"]), *figures])
    return rows


def _jpeg(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, *[""] * 7]]
    return [
        [
            "quality {}, {}".format(*row["file"][1:].split("/")),
            f"{row['bytes']:,}",
            str(row["covers"]),
            str(row["exact"]),
            *(_number(row[name], 2) for name in ("changed %", "growth %", "lost", "stego")),
        ]
        for row in data["jpeg"]
    ]


def _capacity(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, *[""] * 4]]
    names = {"cost": "pixels", "grain": "pixels, as grain"}
    return [
        [
            names.get(row["case"], row["case"].replace("Q", "JPEG of quality ")),
            f"{row['bytes']:,.0f}",
            str(row["covers"]),
            str(row["exact"]),
            _number(row["stego"], 1),
        ]
        for row in data["capacity"]
    ]


def _channels(data: Data | None) -> list[Row]:
    """Rows of benchmarks/channels.py: of pictures a case each, of bytes a trial each."""
    if data is None:
        return [[NOT_RUN, *[""] * 6]]
    table: list[Row] = []
    for trial, found in data["rows"].items():
        stegos = [row["stego"] for row in found]
        sent = [trial, str(len(found)), f"{fmean(stegos):.1f}", f"{min(stegos):.1f}"]
        cases = [name for name in found[0] if re.match("none|(jpeg|noise|mismatch|resize):", name)]
        if isinstance(found[0][cases[0]], str):
            least = min(sum(row[case] == "exact" for row in found) for case in cases)
            table.append([*sent, f"each of {len(cases)} cases", f"{least} of {len(found)} exact", ""])
            continue
        for case in cases:
            values = [row[case] for row in found]
            table.append([*sent, case, f"{fmean(values):.1f}", f"{min(values):.1f}"])
            sent = [""] * len(sent)
    return table


def _round_trips(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, *[""] * 3]]
    table = []
    for part, found in data["rows"].items():
        right = sum(row["problem"] is None for row in found)
        what = _PARTS.get(part, f"files by `{part}`")
        inputs = sum(sum(row["outcomes"].values()) for row in found if "outcomes" in row)
        files = sum(len(row.get("sizes", ())) for row in found) or inputs
        table.append([what, f"{len(found):,}", f"{files:,}" if files else "", f"{right:,}"])
    return table


_PARTS = {
    "picture": "pictures of any shape: as announced, or refused with a size that fits",
    "verdict": "stegos that are reported as unchanged when untouched, and as changed after one level moved",
    "refusals": "damaged files, wrong keys: a clear error for each, or what was sent",
}


def _statistics(key: str) -> Callable[[Data | None], list[Row]]:
    """Rows of benchmarks/steganalysis.py: estimates by rate, or areas."""

    def rows(data: Data | None) -> list[Row]:
        if data is None:
            return [[NOT_RUN, *[""] * len(_STATISTICS)]]
        if key == "rates":
            cell = "{:.3f} ± {:.3f}".format
            return [[f"{row['rate']:.1f}", *(cell(*row[name]) for name in _STATISTICS)] for row in data["rates"]]
        area = "{auc:.3f} ({low:.3f}…{high:.3f})"
        names = {"replaced": "bits replaced", "matching": "steps of ±1"}
        found = data["areas"].items()
        return [[names[kind], *(area.format(**row[name]) for name in _STATISTICS)] for kind, row in found]

    return rows


_STATISTICS = ("stegexpose", "primary-sets", "chi-square", "sample-pairs", "rs")


def _conversation(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, "", ""]]
    nonces, texts, linking, mail = (data[name] for name in ("nonces", "messages", "linking", "mail"))
    shared = ", ".join(f"{part}: {100 * right:.1f} % right" for part, right in linking["right, sharing levels"].items())
    return [
        [
            "nonces of one key for one payload, drawn by 8 processes with two homes, one restored from a copy half way",
            f"{nonces['drawn']:,}",
            f"{nonces['different']:,} different",
        ],
        [
            "texts between two copies of a key, in homes that are read-only, absent, damaged and `/proc`",
            f"{texts['sent']:,}",
            f"{texts['revealed']:,} revealed at the other end",
        ],
        [
            "pairs of pictures: a linear classifier that does not have the key tells whether both have the same one",
            f"{linking['pairs']:,}",
            f"{100 * linking['right']:.1f} % right",
        ],
        [
            "pairs of unrelated pictures that were given some levels in common, against those without",
            f"{linking['pairs']:,}",
            shared,
        ],
        [
            "pairs of pictures on one cover, against unrelated ones (control)",
            f"{linking['pairs']:,}",
            f"{100 * linking['right, control']:.1f} % right",
        ],
        [
            "messages to one receiver, read by another receiver of the same sender",
            f"{mail['messages']:,}",
            f"{mail['recognised by another']:,} recognised; {mail['read by their receiver']:,} read by their own",
        ],
    ]


_SECRECY = {
    "layout": "changes where the secret is far from its mean: correlation with the local energy of δ",
    "texture": "changes where the secret has edges: correlation with the local energy of δ",
    "autocorrelation": "changes repeated in the next pixel: mean magnitude of the autocorrelation of δ",
    "two or three receivers": "changes of others removed: accuracy of a classifier that tells two receivers from three, %",
    "a small or a large secret of the other": (
        "changes of the other removed: accuracy of a classifier that tells a small secret from a large one, %"
    ),
}
"""Figure of benchmarks/secrecy.py → the flaw that is put in, and what is measured."""


def _secrecy(data: Data | None) -> list[Row]:
    """Rows of a figure, by how many of the changes have its flaw."""
    if data is None:
        return [[NOT_RUN]]
    right = {(each["question"], each["planted"]): 100 * each["right"] for each in data["told"]}
    rows = []
    for name, what in _SECRECY.items():
        asked = name in {question for question, _ in right}
        cells = [_number(right[name, of["planted"]], 1) if asked else _number(of[name], 4) for of in data["means"]]
        rows.append([what, f"{data['stegos']} messages" if asked else f"{data['pairs']} pairs", *cells])
    return rows


def _addresses(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, "", ""]]
    names = {"reads levels": "levels and grain, untouched", "reads jpeg": "JPEG coefficients, untouched"}
    names |= {"reads robust": "projections, untouched", "foreign": "foreign pictures: accepted"}
    names |= {"damage": "±1 on 0.1 % of the levels, 512x512"}
    rows = []
    for name, found in data["results"].items():
        if name in names or name.startswith("abstract 512, "):
            label = names.get(name, name.replace("abstract 512, ", "projections, 512x512, after "))
            rows.append([label, f"{found.get('read', found.get('accepted')):,}", f"{found['of']:,}"])
    return rows


def _gpu(data: Data | None) -> list[Row]:
    if data is None:
        return [[NOT_RUN, *[""] * 6]]
    rows = []
    for row in data["rows"]:
        if "batch" not in row:
            continue
        seconds, count = row["seconds"], f"{row['seconds']['n']} / {row['stego_psnr']['n']}"
        cells = [_spread(seconds, 2), _spread(row["stego_psnr"], 2), _number(row["stego_ssim"]["mean"], 3)]
        cells += [_spread(row["recovered_psnr"], 2), _number(row["recovered_ssim"]["mean"], 3)]
        rows.append([f"{row['what']}, {row['size']}", str(row["batch"]), count, *cells])
    return rows


def _pretrained(data: Data | None) -> list[Row]:
    """Rows of benchmarks/pretrained.py: what each detector finds in a set."""
    table = []
    for row in data["rows"] if data else []:
        cells = [f"{row['scheme']} on {row['covers']}", _number(row["payload"], 1), str(row["pairs"])]
        cells += [_number(row["psnr"], 1), _number(100 * row["changed"], 1)]
        for found in row["detectors"].values():
            low, high = found["interval"]
            cells += [_number(100 * found[name], 1) for name in ("right", "false_alarms")]
            cells.append(f"{found['auc']:.3f} ({low:.3f}…{high:.3f})")
        table.append(cells)
    return table or [[NOT_RUN]]


def _spread(found: Data, digits: int) -> str:
    return f"{found['mean']:.{digits}f} ± {found['sd']:.{digits}f}"


TABLES |= {
    "direct": Table(
        "direct",
        ["cost", "bytes", "covers", "exact", "stego, dB", "least", "of the limit, %", "seconds"],
        _direct,
    ),
    "jpeg": Table(
        "direct",
        ["file", "bytes", "covers", "exact", "coefficients changed, %", "longer, %", "lost, dB", "stego, dB"],
        _jpeg,
    ),
    "capacity": Table("direct", ["in", "bytes, mean", "covers", "exact", "stego, dB"], _capacity),
    "channels": Table(
        "channels-imagenet",
        ["sent, searched for", "covers", "stego, dB", "least", "through", "recovered, dB", "least recovered"],
        _channels,
    ),
    "roundtrips": Table("roundtrips", ["what", "messages", "files", "right"], _round_trips),
    "replacement": Table("steganalysis", ["replaced", *(f"`{each}`" for each in _STATISTICS)], _statistics("rates")),
    "replacement-auc": Table(
        "steganalysis",
        ["AUC at rate 0.2", *(f"`{each}`" for each in _STATISTICS)],
        _statistics("areas"),
    ),
    **{f"table{n}": Experiment(f"table{n}") for n in (1, 2, 3, 5, 6)},
    "pretrained": Table(
        "pretrained",
        [
            "stegos",
            "bits a pixel",
            "pairs",
            "stego, dB",
            "levels changed, %",
            *(
                f"`{name}`: {what}" if what == "right, %" else what
                for name in ("xunet",)
                for what in ("right, %", "false alarms, %", "AUC")
            ),
        ],
        _pretrained,
    ),
    "conversation": Table("conversation", ["what", "count", "result"], _conversation),
    "secrecy": Table(
        "secrecy",
        [
            "flaw put in, and what is measured",
            "of",
            *("none" if not n else f"{n} % of the changes" for n in (0, 1, 2, 5, 10, 50)),
        ],
        _secrecy,
    ),
    "addresses": Table("address", ["address of", "read or accepted", "of"], _addresses),
    "gpu": Table(
        "gpu",
        [
            "profile, cover",
            "at once",
            "timings / pictures",
            "s a picture",
            "stego, dB",
            "SSIM",
            "recovered, dB",
            "SSIM",
        ],
        _gpu,
    ),
}


@dataclass(frozen=True)
class Kept:
    """A table that results/earlier.json or results/published.json holds as it is."""

    source: str
    name: str

    def render(self, results: Path) -> str:
        """Return the table in Markdown, with where it comes from. Raises KeyError for one that is not there."""
        data = _read(results / f"{self.source}.json") or {}
        table = data["tables" if self.source == "published" else "runs"][self.name]
        lines = [_line(table["head"]), _line(["---"] * len(table["head"])), *map(_line, table["rows"])]
        return "\n".join([*lines, "", self._origin(table)]) + "\n"

    def _origin(self, table: Data) -> str:
        if self.source == "published":
            return f"As published: {table['what']}."
        commands = [table["command"]] if isinstance(table["command"], str) else table["command"]
        shown = "; ".join(f"`{each}`" for each in commands) or "by hand, or by probes that were not kept"
        return f"An earlier run ({_marked(table['commit'])}): {shown}. Pictures: {table['pictures']}."


Rendered = Table | Experiment | Listing | Kept


def find_table(name: str) -> Rendered | None:
    """Return the table of that name; None where there is none."""
    source, _, kept = name.partition("-")
    return Kept(source, kept) if source in ("earlier", "published") else TABLES.get(name)


def main(arguments: Sequence[str] | None = None) -> int:
    """Render every page, or check it; exit status 1 when a checked page is stale."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--check", action="store_true", help="write nothing, and exit with 1 if a page is stale")
    parser.add_argument("--root", type=Path, default=ROOT, help="folder of README.md, docs and results")
    options = parser.parse_args(arguments)
    stale = []
    for page in pages(options.root):
        before = page.read_text("utf-8")
        after = render(before, options.root / "results", page.relative_to(options.root).as_posix())
        if after == before:
            continue
        stale.append(page)
        if not options.check:
            page.write_text(after, "utf-8")
        sys.stdout.write(f"{page}: {'stale' if options.check else 'written'}\n")
    if stale and options.check:
        sys.stdout.write("Run: python scripts/render_results.py\n")
    return 1 if stale and options.check else 0


def pages(root: Path) -> list[Path]:
    """Return the pages that quote figures."""
    return [page for pattern in PAGES for page in sorted(root.glob(pattern))]


def render(text: str, results: Path, page: str) -> str:
    """Return a page's text with every marked table and figure rendered.

    Ends the program for a table or figure that is not there, and for one that is not closed.
    """
    if len(OPENED.findall(text)) != len(MARKED.findall(text)):
        raise SystemExit(f"{page}: a table lacks its <!-- end -->.")

    def replaced(found: re.Match[str]) -> str:
        name, table = found[1], find_table(found[1])
        try:
            if table is None:
                raise KeyError(name)
            return f"<!-- table: {name} -->\n{table.render(results)}<!-- end -->"
        except KeyError as error:
            raise SystemExit(f"{page}: there is no table {name!r} ({error}).") from error

    text = MARKED.sub(replaced, text)
    for quoted in reversed(quotations(text, page)):
        figure = quoted.figure(results, page)
        for start, end in (quoted.entry, quoted.prose):
            text = text[:start] + figure + text[end:]
    return text


@dataclass(frozen=True)
class Quotation:
    """A figure in prose, with where it comes from."""

    prose: tuple[int, int]
    """Where the figure stands in the page."""
    entry: tuple[int, int]
    """Where it stands in the list below its paragraph."""
    written: str
    result: str
    path: str
    scale: float

    def figure(self, results: Path, page: str) -> str:
        """Return the figure as results/ has it, with as many decimals as it was written with."""
        data = _read(results / f"{self.result}.json")
        try:
            value = self.scale * look_up(data, self.path)
        except (KeyError, TypeError, ValueError, IndexError) as error:
            raise SystemExit(f"{page}: results/{self.result}.json has no figure {self.path} ({error}).") from error
        digits = len(self.written.partition(".")[2])
        return f"{value:,.{digits}f}".replace("-", "−")


def quotations(text: str, page: str) -> list[Quotation]:
    """Return the figures of a page's prose that have a source, in their order. Ends the program where one is missing."""
    found = []
    for block in SOURCES.finditer(text):
        at = max(text.rfind(mark, 0, block.start()) for mark in ("-->", "\n#"))
        at, line_start = max(at, 0), block.start(1)
        for line in block[1].splitlines(keepends=True):
            source = SOURCE.fullmatch(line.strip())
            if source is None:
                raise SystemExit(f"{page}: {line.strip()!r} is not FIGURE = RESULT PATH.")
            figure, behind = source["figure"], r"\s+".join(map(re.escape, source["behind"].split()))
            pattern = rf"(?<![\d.,])({re.escape(figure)})(?!\d|[.,]\d)" + (rf"\s*{behind}" if behind else "")
            prose = re.compile(pattern).search(text, at, block.start())
            if prose is None:
                raise SystemExit(f"{page}: {figure} ({source['result']} {source['path']}) is not in its paragraph.")
            entry = (line_start, line_start + len(figure))
            scale = float(source["scale"] or 1)
            found.append(Quotation(prose.span(1), entry, figure, source["result"], source["path"], scale))
            at, line_start = prose.end(1), line_start + len(line)
    return found


def look_up(data: Any, path: str) -> Any:
    """Return what a JSON holds at a path. Raises KeyError where it holds nothing there, or more than one thing."""
    for name, key in STEP.findall(path):
        if name == "count" and isinstance(data, list):
            data = len(data)
        elif name == "mean" and isinstance(data, list):
            every = {field: [each.get(field) for each in data] for field in data[0]}
            data = {field: fmean(of) for field, of in every.items() if all(isinstance(each, float) for each in of)}
        elif name:
            data = (_only(data, path) if isinstance(data, list) else data)[name]
        elif isinstance(data, list):
            data = data[int(key)] if key.isdigit() else [each for each in data if _has(each, key)]
        else:
            data = data[key]
    return data


def _only(entries: Sequence[Any], path: str) -> Any:
    if len(entries) != 1:
        raise KeyError(f"{len(entries)} entries fit {path}")
    return entries[0]


def _has(entry: Data, key: str) -> bool:
    """Whether a field of an entry has that value, or the named field where the key is `field=value`."""
    name, equals, value = key.partition("=")
    if equals and name in entry:
        return str(entry[name]) == value
    return key in map(str, entry.values())


def _read(path: Path) -> Data | None:
    data: Data | None = json.loads(path.read_text("utf-8")) if path.exists() else None
    return data


def _origin(source: str, data: Data | None) -> str:
    """Sentence that names the run behind a table."""
    if data is None:
        program = re.split("[-/]", source)[0]
        return f"Not run yet: `python benchmarks/{program}.py` writes `results/{source}.json`."
    environment, about = data.get("environment", {}), _about(data)
    machine = environment.get("cpu") or environment.get("machine")
    if environment.get("gpu"):
        machine = f"{machine}, {environment['gpu']}"
    commands = about["command"] if isinstance(about["command"], list) else [about["command"]]
    return f"{'; '.join(f'`{each}`' for each in commands)} at {_marked(about['commit'])}, {machine}."


def _marked(commits: str) -> str:
    """Text with each commit in it as code."""
    return re.sub(r"\b[0-9a-f]{7}\b", r"`\g<0>`", commits)


def _verdict(data: Data) -> str:
    """Return which bars fail, as far as the result says."""
    if "failed" not in data and "problems" not in data:
        return "measured"
    failed = [str(each) for each in (*data.get("failed", ()), *data.get("problems", ()))]
    if len(failed) > _SHOWN:
        failed[_SHOWN:] = [f"and {len(failed) - _SHOWN} more"]
    return f"fails: {'; '.join(failed)}" if failed else str(data.get("summary", "every bar holds"))


_SHOWN = 4
"""Bars that fail of one program, at most, as a table names them; its JSON has all."""


def _about(data: Data) -> dict[str, Any]:
    """Command and commit of a result, which stand beside its environment or in it."""
    return {name: data.get(name) or data.get("environment", {}).get(name) for name in ("command", "commit")}


def _line(cells: Row) -> str:
    return f"| {' | '.join(cells)} |".replace("  ", " ")


def _number(value: float | None, digits: int) -> str:
    return "n/a" if value is None else f"{value:.{digits}f}"


if __name__ == "__main__":
    sys.exit(main())
