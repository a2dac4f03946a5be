"""Tables and pages. `world` is made in conftest.py."""

import csv
import io
import json
import math
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns.errors import PictureError, UsageError
from csfnns.experiments import EXPERIMENTS, Store, make_plan, render, run
from csfnns.experiments.base import CORRECTED, HERE, Case, Column, Shot
from csfnns.experiments.grid import BLUE, CELL, ORANGE
from csfnns.experiments.report import FORMATS, Entry, Sheet
from csfnns.experiments.run import find_pictures
from csfnns.experiments.statistics import estimate
from csfnns.images.io import read_picture
from csfnns.images.metrics import apd, residual


def cells(markdown: str) -> list[list[str]]:
    return [re.split(r" \| ", line[2:-2]) for line in markdown.splitlines() if line.startswith("| ")]


def test_the_papers_row_stands_above_ours(world: Any) -> None:
    _, store, _ = world.run("table1", datasets=("imagenet", "celebahq"), methods=["lsb", "paper"])
    text = render(EXPERIMENTS["table1"], store).markdown
    head, _, *rows = cells(text)
    columns = ("PSNR (dB) ↑", "SSIM ↑", "LPIPS ↓", "APD ↓")
    assert head[3:7] == [f"ImageNet: stego {each}" for each in columns]
    ours = [row for row in rows if row[0] == "Cs-FNNS (paper)"]
    assert ours[0] == [
        "Cs-FNNS (paper)",
        "the paper",
        "–",
        "41.89",
        "0.9799",
        "0.0035",
        "–",
        "41.78",
        "0.9787",
        "0.0034",
        "–",
    ]
    assert ours[1][:3] == ["Cs-FNNS (paper)", "here", "2"]
    assert re.fullmatch(r"\d\d\.\d\d, \d\d\.\d\d", ours[1][3])  # two are too few for an interval
    assert ours[1][5] == "n/a"
    assert "CelebA-HQ are for CelebA." in text
    assert "NOT THE PUBLISHED SETTINGS: covers of 64 pixels a side and not 512 and searches of 2 steps" in text
    assert "no backbone for alex" in text
    assert re.search(r"torch [^;]+ cores, \d+ threads", text)


def test_figures_beside_a_stand_in_are_said_to_be_so_only_where_there_are_some(world: Any) -> None:
    _, store, _ = world.run("table6", datasets=("celebahq",), methods=["lsb"], pairs=1)
    text = render(EXPERIMENTS["table6"], store, ["md"]).markdown
    assert "The paper has this table for ImageNet." in text
    assert "are for CelebA" not in text


def test_good_looks_of_what_nobody_can_read_are_told(world: Any) -> None:
    _, store, _ = world.run("table1", methods=["lsb", "paper"])
    text = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    assert "- Cs-FNNS (paper): from 2 of 2 stego pictures nothing can be read" in text
    assert "low bits: from" not in text


def test_the_mean_is_that_of_the_rows(world: Any) -> None:
    plan, store, _ = world.run("table6", methods=["paper"], pairs=3)
    rows = store.rows()
    sheet = Sheet(EXPERIMENTS["table6"], plan, rows)
    line = next(line for line in sheet.lines if (line.part, line.source) == ("N(0, 1)", "here"))
    mine = [rows[job.id]["values"]["here"]["stego_psnr"] for job in plan.jobs if job.case == "normal"]
    assert line.entries[0].estimate is not None
    assert line.entries[0].estimate.mean == pytest.approx(np.mean(mine))


def test_latex_has_as_many_cells_in_every_line(world: Any) -> None:
    _, store, _ = world.run("table6", pairs=1)
    render(EXPERIMENTS["table6"], store, ["tex"])
    text = (store.folder / "table6.tex").read_text()
    body = [line for line in text.splitlines() if line.endswith((r"\\", r"\\ \hline"))]
    shape = re.search(r"begin\{tabular\}\{([lr]+)\}", text)
    assert shape is not None
    spans = [sum(int(n) - 1 for n in re.findall(r"multicolumn\{(\d+)\}", line)) for line in body]
    assert {line.count("&") + 1 + span for line, span in zip(body, spans, strict=True)} == {len(shape[1])}
    assert not re.search(r"[±↑↓–]", "\n".join(body))


def test_latex_says_in_print_what_nobody_may_overlook(world: Any) -> None:
    _, store, _ = world.run("table1", methods=["lsb"], pairs=1)
    world.plan("table1", methods=["lsb"], pairs=3).save(store.folder)
    render(EXPERIMENTS["table1"], store, ["tex"])
    printed = [line for line in (store.folder / "table1.tex").read_text().splitlines() if line[0] != "%"]
    assert "NOT THE PUBLISHED SETTINGS" in printed[-2]
    assert "Not finished: 1 of 3 pictures" in printed[-2]


def test_a_run_in_its_midst_says_so_and_rows_of_others_are_counted(world: Any) -> None:
    world.run("table1", methods=["paper"], steps=1)
    plan, store, _ = world.run("table1", methods=["paper"], pairs=1)
    world.plan("table1", methods=["paper"], pairs=3).save(store.folder)
    text = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    assert "Not finished: 1 of 3 pictures are measured." in text
    assert "not used: 2 rows of other settings" in text
    assert plan.pairs == 1


def test_a_method_that_failed_everywhere_is_in_the_table_with_its_reason(world: Any) -> None:
    _, store, _ = world.run("table5", methods=["lsb"], pairs=1)
    text = render(EXPERIMENTS["table5"], store, ["md"]).markdown
    assert [row[1] for row in cells(text) if "n/a" in row] == ["low bits"] * 3
    assert "No figure for low bits: 2 secrets would overwrite each other's bits." in text


@pytest.mark.parametrize(
    ("values", "shown"),
    [
        ((40.0,), "40.00"),
        ((40.0, 41.0, 42.5), "40.00, 41.00, 42.50"),
        ((40.0, 41.0, 42.5, 44.5), "42.00 ± 3.12"),
        ((math.inf, 40.0), "∞"),
    ],
)
def test_few_pictures_are_shown_one_by_one(values: tuple[float, ...], shown: str) -> None:
    column = Column("stego_psnr", "stego", "PSNR (dB)", 2, "higher")
    assert str(Entry("imagenet", column, estimate(values), expected=len(values))) == shown
    assert str(Entry("imagenet", column, estimate(values), expected=9)) == f"{shown} ({len(values)} of 9)"


def test_exact_recovery_is_infinite(world: Any) -> None:
    _, store, _ = world.run("table2", methods=["lsb"])
    rows = cells(render(EXPERIMENTS["table2"], store, ["md"]).markdown)
    assert next(row for row in rows if row[0] == "low bits")[3:5] == ["∞", "1.0000, 1.0000"]


def test_a_chart_is_a_picture(world: Any) -> None:
    _, store, _ = world.run("table2", methods=["lsb", "paper"])
    rendered = render(EXPERIMENTS["table2"], store)
    assert rendered.skipped == {}
    assert [path.name for path in rendered.files] == ["table2.md", "table2.tex", "table2.png"]
    assert read_picture(store.folder / "table2.png").std() > 10


def test_without_matplotlib_there_is_everything_but_the_chart(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    _, store, _ = world.run("table1", methods=["paper"], pairs=1)
    for name in ("matplotlib", "matplotlib.figure"):
        monkeypatch.setitem(sys.modules, name, None)
    rendered = render(EXPERIMENTS["table1"], store)
    assert [path.suffix for path in rendered.files] == [".md", ".tex"]
    assert "csfnns[experiments]" in rendered.skipped["png"]
    with pytest.raises(UsageError, match="needs matplotlib"):
        render(EXPERIMENTS["table1"], store, ["png"])


def has_frame(page: Any, colour: tuple[int, int, int]) -> bool:
    """Whether some row of pixels holds a border of that colour as wide as a cell."""
    return bool(((page == np.array(colour)).all(-1).sum(1) >= CELL).any())


def test_figures_are_pages_of_framed_pictures(world: Any) -> None:
    _, store, _ = world.run("figure3", methods=["lsb", "paper"], datasets=("imagenet", "celebahq"), pairs=None)
    names = [path.name for path in render(EXPERIMENTS["figure3"], store, ["png"]).files]
    assert names == ["figure3-imagenet-0.png", "figure3-celebahq-0.png"]
    page = read_picture(store.folder / names[0])
    assert page.shape[0] > 2 * CELL
    assert page.shape[1] > 5 * CELL
    assert has_frame(page, BLUE)
    assert has_frame(page, ORANGE)


def test_residuals_are_drawn_as_strong_as_they_are() -> None:
    cover = np.full((512, 512, 3), 100, np.uint8)
    stego = cover + (np.indices((512, 512)).sum(0) % 2)[..., None].astype(np.uint8)
    secret = cover[:256, :256]
    shot = Shot(
        "paper",
        "Cs-FNNS",
        Case("two", "two", receivers=2),
        "x",
        0,
        cover,
        stego,
        (secret,) * 2,
        (secret,) * 2,
    )
    for name in ("figure3", "figure5"):
        draw = EXPERIMENTS[name].draw
        assert draw is not None
        (page,) = draw([shot], "").values()
        for level in (128, 138):
            assert (page == level).all(-1).sum() >= CELL * CELL // 2


def test_figure5_has_a_part_for_each_number_of_receivers(world: Any) -> None:
    _, store, _ = world.run("figure5", methods=["paper"], pairs=None)
    (path,) = render(EXPERIMENTS["figure5"], store, ["png"]).files
    assert path.name == "figure5-paper-imagenet-0.png"
    page = read_picture(path)
    assert page.shape[0] > 9 * CELL
    assert page.shape[1] > 5 * CELL
    for picture in store.folder.glob("pictures/*/stego.png"):
        picture.unlink()
    with pytest.raises(PictureError, match="stego") as error:
        render(EXPERIMENTS["figure5"], store, ["png"])
    assert "another --out" in error.value.hint


def test_what_cannot_be_rendered_is_refused(world: Any, tmp_path: Path) -> None:
    store = Store(tmp_path / "out")
    with pytest.raises(UsageError, match="no run of table1"):
        render(EXPERIMENTS["table1"], store)
    make_plan(EXPERIMENTS["table1"], world.covers, {"imagenet": tmp_path / "imagenet"}).save(store.folder)
    with pytest.raises(UsageError, match="Nothing of table1 is measured"):
        render(EXPERIMENTS["table1"], store)
    with pytest.raises(UsageError, match="no format 'doc'"):
        render(EXPERIMENTS["table1"], store, ["doc"])
    assert [path.name for path in sorted(store.folder.iterdir())] == ["rows.sqlite", "table1.json"]


def test_everything_measured_is_exported_with_all_digits(world: Any) -> None:
    _, store, _ = world.run("table3", methods=["lsb", "paper-jpeg"])
    found = {path.name: path.read_bytes() for path in render(EXPERIMENTS["table3"], store, FORMATS).files}
    names = ("table3.md", "table3.tex", "table3.png", "table3.csv", "table3-result.json", "table3.svg", "table3.pdf")
    assert tuple(found) == names
    lines = list(csv.DictReader(io.StringIO(found["table3.csv"].decode())))
    content = json.loads(found["table3-result.json"])
    rows = [row for row in store.rows().values() if row["method"] == "paper-jpeg"]
    mine = [line for line in lines if (line["method"], line["variant"]) == ("paper-jpeg", CORRECTED)]
    assert len(mine) == len(rows) == 2
    for line in mine:
        (row,) = (row for row in rows if row["pair"] == int(line["pair"]))
        for name, value in row["values"][CORRECTED].items():
            assert line[name] == str(value)
        assert float(line["stego_apd"]) > 0
    assert [record["variant"] for record in content["records"]] == [line["variant"] for line in lines]
    assert content["tables"][0]["head"][0] == "Method"
    assert found["table3.svg"].startswith(b"<?xml")
    assert found["table3.pdf"].startswith(b"%PDF")
    assert {path.name: path.read_bytes() for path in render(EXPERIMENTS["table3"], store, ["pdf"]).files} == {
        "table3.pdf": found["table3.pdf"]
    }


def test_pages_of_a_figure_are_pictures_alone(world: Any) -> None:
    _, store, _ = world.run("figure3", methods=["lsb"], pairs=1)
    with pytest.raises(UsageError, match="pages of figure3 hold pictures"):
        render(EXPERIMENTS["figure3"], store, ["svg"])


def test_pictures_of_every_row_are_kept_on_request(world: Any) -> None:
    plan, store = world.plan("table1", methods=["lsb"]), Store(world.root / "kept")
    plan.save(store.folder)
    run(EXPERIMENTS["table1"], plan, store, keep=True)
    for job in plan.jobs:
        kept = {path.stem: read_picture(path) for path in (store.folder / "pictures" / job.id).iterdir()}
        assert set(kept) == {"cover", "stego", "residual", "secret-0", "recovered-0"}
        assert (kept["residual"] == residual(kept["stego"], kept["cover"])).all()
        assert (kept["secret-0"] == kept["recovered-0"]).all()
        figures = store.rows()[job.id]["values"][HERE]
        cover, stego = (kept[name].astype(float) for name in ("cover", "stego"))
        assert figures["stego_apd"] == apd(kept["cover"], kept["stego"]) == np.abs(cover - stego).mean()
        assert figures["recovered_apd"] == 0


def test_pictures_are_taken_in_natural_order(tmp_path: Path) -> None:
    for name in ("b10.png", "b9.png", "a/2.png", "a/10.png", "a/1.PNG", "B1.png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    found = [path.relative_to(tmp_path).as_posix() for path in find_pictures(tmp_path)]
    assert found == ["a/1.PNG", "a/2.png", "a/10.png", "B1.png", "b9.png", "b10.png"]
