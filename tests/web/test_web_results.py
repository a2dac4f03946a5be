"""Charts of real folders: what they draw, that hostile names stay text, and that damage is an error in words."""

import json
import re
import shutil
import sqlite3
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from csfnns.batch.store import Store
from csfnns.errors import UsageError
from csfnns.experiments import (
    EXPERIMENTS,
    EvaluationConfig,
    PairSpec,
    load_pairs,
    make_pairs,
    make_plan,
    plan_evaluation,
    run,
    run_evaluation,
)
from csfnns.images.io import Picture
from csfnns.images.output import write_picture
from csfnns.steganalysis import roc
from csfnns.web.results import MOST_BYTES, results_folder
from csfnns.web.svg import MOST_CURVES, MOST_POINTS, Axis, Curve, chart

pytest.importorskip("torch")
HOSTILE = "<script>alert(1)</script>\"'&]]>\x00\ud800\u202e" + 300 * "x"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two sets of pairs and their evaluation, as the commands make them."""
    root = tmp_path_factory.mktemp("results")
    for rate in (0.1, 1.0):
        made = make_pairs(PairSpec("matching", "abstract", rate=rate), 12, root / f"pairs-{rate:g}", None)
        assert made.done == 12
    sets = [load_pairs(root / name) for name in ("pairs-0.1", "pairs-1")]
    config = EvaluationConfig(detectors=("chi-square", "spam"), pairs=(8,), seeds=1)
    plan, store = plan_evaluation(sets, config), Store(root / "figure4")
    plan.save(store.folder)
    run_evaluation(plan, sets, config, store)
    return root


@pytest.fixture
def figure4(folders: Path, tmp_path: Path) -> Path:
    """A copy to damage."""
    return Path(shutil.copytree(folders / "figure4", tmp_path / "figure4"))


def texts(svg: str) -> list[str]:
    """All text of an SVG file, which must be XML and hold nothing that runs or loads."""
    root = ElementTree.fromstring(svg)
    names = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert names <= {"svg", "title", "desc", "style", "text", "path"}
    assert not any("href" in name or name.startswith("on") for each in root.iter() for name in each.attrib)
    assert "url(" not in svg
    assert len(svg) < 60_000
    return [each.text or "" for each in root.iter() if each.tag != f"{SVG}style"]


def test_an_evaluation_is_drawn_as_curves_and_accuracies(folders: Path) -> None:
    found = results_folder(folders / "figure4")
    assert found["name"] == "figure4"
    titles = [each["title"] for each in found["figures"]]
    assert titles == [
        "ROC of StegExpose",
        "ROC of chi-square",
        "ROC of SPAM, trained on 8 pairs",
        "Accuracy of SPAM by payload",
    ]
    assert all("NOT THE PUBLISHED SETTINGS" in each["sentence"] for each in found["figures"])
    rows = Store(folders / "figure4", must_exist=True).rows().values()
    areas = {
        f"{roc(row['covers'], row['stegos']).auc:.3f}"
        for row in rows
        if row["detector"] == "stegexpose" and row["set"] in ("matching-0.3", "matching-3")
    }
    drawn = {match[1] for text in texts(found["figures"][0]["svg"]) if (match := re.match(r"AUC ([\d.]+): LSB", text))}
    assert drawn == areas


def test_pairs_are_scored_and_drawn(folders: Path) -> None:
    (figure,) = results_folder(folders / "pairs-1")["figures"]
    assert figure["title"] == "ROC of detectors: LSB matching"
    assert any(re.fullmatch(r"AUC [\d.]+: StegExpose, 12 pairs", text) for text in texts(figure["svg"]))


def test_a_table_has_its_frontier(tmp_path: Path, scene: Callable[..., Picture]) -> None:
    for k in range(2):
        for name in ("covers", "secrets"):
            (tmp_path / name).mkdir(exist_ok=True)
            write_picture(scene(64, 64, k), tmp_path / name / f"{k}.png")
    experiment, store = EXPERIMENTS["table3"], Store(tmp_path / "out")
    secrets = {"secrets": tmp_path / "secrets"}
    plan = make_plan(experiment, tmp_path / "covers", secrets, pairs=1, side=64, steps=1, methods=["paper"])
    plan.save(store.folder)
    run(experiment, plan, store)
    (figure,) = results_folder(tmp_path / "out")["figures"]
    assert figure["title"].startswith("Table 3")
    assert "stego PSNR (dB) ↑" in texts(figure["svg"])
    assert any("one secret, here, corrected" in text for text in texts(figure["svg"]))


def test_names_from_files_stay_text(folders: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(folders / "pairs-1", tmp_path / "pairs")
    content = json.loads((copy / "pairs.json").read_text())
    (copy / "pairs.json").write_text(json.dumps(content | {"label": HOSTILE.replace("\ud800", "")}))
    (figure,) = results_folder(copy)["figures"]
    assert any("<script>alert(1)</script>" in text for text in texts(figure["svg"]))


def test_looking_changes_nothing(figure4: Path) -> None:
    with sqlite3.connect(figure4 / "rows.sqlite") as rows:
        rows.execute("DROP TABLE claims")  # as older versions left it
    rows.close()
    before = {path: path.read_bytes() for path in figure4.iterdir()}
    results_folder(figure4)
    assert {path: path.read_bytes() for path in figure4.iterdir()} == before


@pytest.mark.parametrize(
    "column", ["'no json'", "'[]'", "json_remove(row, '$.covers')", "json_set(row, '$.stegos[0]', 'high')"]
)
def test_damaged_rows_are_an_error_in_words(figure4: Path, column: str) -> None:
    with sqlite3.connect(figure4 / "rows.sqlite") as rows:
        rows.execute(f"UPDATE rows SET row = {column}")
    rows.close()
    with pytest.raises(UsageError, match="damaged"):
        results_folder(figure4)


def test_other_damage_is_an_error_in_words(figure4: Path) -> None:
    plan = figure4 / "figure4.json"
    whole = plan.read_text()
    plan.write_text(whole[: len(whole) // 2])
    with pytest.raises(UsageError, match="damaged"):
        results_folder(figure4)
    plan.write_text(whole)
    (figure4 / "rows.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(UsageError, match="cannot be used"):
        results_folder(figure4)
    with (figure4 / "rows.sqlite").open("wb") as file:
        file.truncate(MOST_BYTES + 1)
    with pytest.raises(UsageError, match="more than 32 MB"):
        results_folder(figure4)
    plan.unlink()
    with pytest.raises(UsageError, match="no curves"):
        results_folder(figure4)


def test_a_chart_is_bounded_and_tells_its_curves_apart() -> None:
    x, y = Axis("x", 0, 1), Axis.around("y", [1e9, -1e9])
    points = [(float(t), float(1e9 * np.sin(9 * t))) for t in np.linspace(-2, 3, 20_000)]
    svg = chart(HOSTILE, x, y, [Curve(f"{HOSTILE}{k}", points) for k in range(MOST_CURVES + 5)])
    found = texts(svg)
    assert sum(text.startswith("<script>") for text in found[2:]) == MOST_CURVES + 1
    root = ElementTree.fromstring(svg)
    lines = [each for each in root.iter(f"{SVG}path") if "c0" in each.get("class", "")]
    assert len(re.findall("L", lines[0].get("d", ""))) == MOST_POINTS - 1
    dashes = [each.get("stroke-dasharray") for each in root.iter(f"{SVG}path") if (each.get("d") or "").endswith("h44")]
    assert len(set(dashes)) == len(dashes) == MOST_CURVES
    numbers = [float(each) for path in root.iter(f"{SVG}path") for each in re.findall(r"-?[\d.]+", path.get("d", ""))]
    assert max(map(abs, numbers)) < 1000


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(0, 1, [0, 0.2, 0.4, 0.6, 0.8, 1]), (37.9, 38.1, [37.9, 37.95, 38, 38.05, 38.1]), (-5, 5, [-4, -2, 0, 2, 4])],
)
def test_ticks_are_round(low: float, high: float, ticks: list[float]) -> None:
    assert Axis("", low, high).ticks() == pytest.approx(ticks)
    assert Axis.around("", [0.3, 3, 3.01, 6], log=True).ticks() == [0.3, 3, 6]
