"""Planning and doing: ids, what is stored, and what is refused. `world` is made in conftest.py."""

import io
import os
import re
import shutil
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from csfnns.baselines.udh import Networks, Shape, save_networks
from csfnns.errors import PictureError, UsageError
from csfnns.experiments import EXPERIMENTS, METHODS, Plan, provenance, render, run
from csfnns.experiments.base import CORRECTED, HERE, PUBLISHED, denoised
from csfnns.experiments.measures import after_jpeg, denoiser_setting, quality
from csfnns.experiments.methods import JPEG, Trial, recover
from csfnns.experiments.run import seeds_of
from csfnns.images.denoise import denoise
from csfnns.images.io import Picture, fit, read_picture
from csfnns.images.lpips import AlexNet, load_lpips
from csfnns.images.metrics import psnr, ssim
from csfnns.methods import CsFnns
from csfnns.profile import make_profile
from csfnns.search import preset
from csfnns.steganalysis import Deep, make_network


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_declarations_fit_together(name: str) -> None:
    experiment = EXPERIMENTS[name]
    cases, columns = (
        {case.name for case in experiment.cases},
        {column.key for column in experiment.columns},
    )
    assert experiment.name == name
    assert set(experiment.methods) <= set(METHODS)
    assert experiment.rows_of in EXPERIMENTS
    for row in experiment.published:
        assert row.method in METHODS
        assert row.case in cases
        assert set(row.figures) <= columns
    keys = [(row.method, row.case, row.dataset) for row in experiment.published]
    assert len(keys) == len(set(keys))


def test_there_is_a_job_for_each_picture(world: Any) -> None:
    plan = world.plan("table5", datasets=("imagenet", "celebahq"), methods=["lsb", "paper"])
    every = Counter((job.case, job.method, job.dataset, job.pair) for job in plan.jobs)
    assert len(every) == 3 * 2 * 2 * 2
    assert set(every.values()) == {1}
    assert len({job.id for job in plan.jobs}) == len(plan.jobs)
    assert [job.pair for job in plan.jobs] == sorted(job.pair for job in plan.jobs)


def test_pairs_are_in_name_order_and_receivers_take_the_next_secrets(world: Any) -> None:
    jobs = world.plan("table5", methods=["paper"], pairs=4).jobs
    last = next(job for job in jobs if (job.case, job.pair) == ("three", 3))
    assert Path(last.cover).name == "3.png"
    assert [Path(secret).name for secret in last.secrets] == ["3.png", "0.png", "1.png"]


def test_a_plan_comes_back_from_its_file(world: Any, tmp_path: Path) -> None:
    plan = world.plan("table6")
    plan.save(tmp_path)
    assert Plan.load(tmp_path, "table6") == plan
    with pytest.raises(UsageError, match="no run of table1"):
        Plan.load(tmp_path, "table1")


@pytest.mark.parametrize("content", ["{", "[1]", '"text"', '{"version": 1}', '{"version": 1, "jobs": [2]}'])
def test_a_damaged_plan_is_an_error(tmp_path: Path, content: str) -> None:
    (tmp_path / "table6.json").write_text(content)
    with pytest.raises(UsageError, match="damaged"):
        Plan.load(tmp_path, "table6")


def test_a_row_belongs_to_pictures_and_settings_and_not_to_paths(world: Any, tmp_path: Path) -> None:
    def ids(**choices: Any) -> set[str]:
        return {job.id for job in world.plan("table1", **{"methods": ["paper"]} | choices).jobs}

    before = ids()
    for changed in ({"steps": 3}, {"side": 80}, {"methods": ["luo"]}, {"device": "cuda"}):
        assert not before & ids(**changed)
    assert before < ids(pairs=3)
    assert {job.id for job in world.plan("table2", methods=["paper"]).jobs} == before
    shutil.move(tmp_path / "covers", tmp_path / "elsewhere")
    shutil.copytree(tmp_path / "elsewhere", tmp_path / "covers")
    (tmp_path / "covers" / "0.png").write_bytes((tmp_path / "covers" / "3.png").read_bytes())
    after = ids()  # the same paths: what was read of them before must not be believed
    assert len(before & after) == 1


@pytest.mark.parametrize("name", ["denoiser_setting", "lpips_setting"])
def test_a_row_belongs_to_the_weights_that_measure_it(world: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {job.id for job in world.plan("table1", methods=["paper"]).jobs}
    monkeypatch.setattr(sys.modules["csfnns.experiments.run"], name, lambda: "other weights")
    assert not before & {job.id for job in world.plan("table1", methods=["paper"]).jobs}


def test_times_belong_to_the_machine_and_other_figures_do_not(world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    def ids(name: str) -> set[str]:
        return {job.id for job in world.plan(name, side=128, methods=["paper"]).jobs}

    times, figures = ids("table4"), ids("table1")
    assert ids("table4") == times
    monkeypatch.setattr(provenance, "machine", lambda device: {"machine": "quicker", "threads": 8, "gpu": None})
    assert not ids("table4") & times
    assert ids("table1") == figures


def test_only_pictures_that_are_used_are_read_and_all_that_are_broken_are_named(world: Any, tmp_path: Path) -> None:
    whole = (tmp_path / "imagenet" / "0.png").read_bytes()
    (tmp_path / "imagenet" / "0.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "covers" / "1.png").write_bytes(b"no picture")
    (tmp_path / "imagenet" / "3.png").write_bytes(b"no picture")
    with pytest.raises(PictureError) as error:
        world.plan("table1", methods=["paper"])
    assert f"imagenet{os.sep}0.png" in error.value.message
    assert f"covers{os.sep}1.png" in error.value.message
    assert "3.png" not in error.value.message
    with pytest.raises(PictureError, match="cannot be decoded"):
        world.plan("table1", methods=["paper"], pairs=1)


def test_the_pictures_of_a_run_are_not_taken_for_its_covers(world: Any, tmp_path: Path) -> None:
    out = tmp_path / "covers" / "0-first-by-name"
    (out / "pictures").mkdir(parents=True)
    shutil.copy(tmp_path / "covers" / "0.png", out / "pictures" / "stego.png")

    def first(out: Path | None) -> str:
        return Path(world.plan("table1", methods=["lsb"], pairs=1, out=out).jobs[0].cover).name

    assert first(None) == "stego.png"
    assert first(out) == "0.png"
    assert first(tmp_path) == "stego.png"  # a folder around the covers leaves none of them out
    with pytest.raises(UsageError, match="pictures to measure"):
        first(world.covers)


def test_methods_that_lack_something_are_left_out_and_said(world: Any) -> None:
    plan = world.plan("table5")
    assert plan.methods == ("paper", "standard")
    assert set(plan.left_out) == {"udh/two", "udh/three", "udh/four"}
    assert "training/udh.py --secrets 3 --bpp 6" in plan.left_out["udh/three"]
    with pytest.raises(UsageError, match="udh cannot run here: no weights"):
        world.plan("table5", methods=["udh"])


@pytest.mark.parametrize(
    ("choices", "message"),
    [
        ({"side": 100}, "100x100"),
        ({"side": 16}, "16x16"),
        ({"steps": 0}, "--steps must be 1 or more, got 0"),
        ({"pairs": 0}, "--pairs must be 1 or more, got 0"),
        ({"pairs": 5}, "There are 4 pairs"),
        ({"methods": ["magic"]}, "no method 'magic'"),
    ],
)
def test_what_cannot_be_is_refused(world: Any, choices: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        world.plan("table1", **choices)


def test_table4_needs_sizes_that_halve(world: Any) -> None:
    assert world.plan("table4", side=128, methods=["paper"]).side == 128
    with pytest.raises(UsageError, match="64x64") as error:
        world.plan("table4")
    assert "32, 64, 128" in error.value.hint


def test_folders_without_pictures_are_refused(world: Any, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    with pytest.raises(PictureError, match="no pictures in"):
        world.plan("table1", datasets=("empty",))
    with pytest.raises(PictureError, match="no folder"):
        world.plan("table1", datasets=("missing",))
    for i in (2, 3):
        (tmp_path / "imagenet" / f"{i}.png").unlink()
    with pytest.raises(UsageError, match="4 receivers need 4 secrets"):
        world.plan("table5", pairs=None)


def test_what_is_stored_is_not_done_again(world: Any) -> None:
    plan, store, ran = world.run("table1", methods=["lsb", "paper"])
    assert (ran.done, ran.reused) == (4, 0)
    rows = store.rows()
    origin = {"csfnns", "commit", "torch", "machine", "threads", "gpu", "cover", "secrets"}
    assert all(origin <= set(row) for row in rows.values())
    assert run(EXPERIMENTS["table1"], plan, store).reused == 4
    assert world.run("table2", methods=["lsb", "paper"])[2].reused == 4
    assert store.rows() == rows
    assert world.run("table1", methods=["paper"], pairs=3)[2].done == 1


def test_the_figures_are_those_of_the_scheme(world: Any) -> None:
    plan, store, _ = world.run("table1", methods=["paper"], pairs=1, steps=30)
    (job,) = plan.jobs
    profile = make_profile("paper", width=64, height=64)
    seeds = seeds_of(EXPERIMENTS["table1"], job, 0)
    scheme = CsFnns(profile, replace(preset(profile), steps=30))
    cover, secret = fit(read_picture(job.cover), 64, 64), fit(read_picture(job.secrets[0]), 32, 32)
    stego = scheme.embed(cover, {seeds: secret})
    figures = store.rows()[job.id]["values"][HERE]
    assert figures["stego_psnr"] == psnr(cover, stego)
    assert figures["stego_ssim"] == ssim(cover, stego)
    assert figures["recovered_psnr"] == psnr(secret, scheme.extract(stego, cover, seeds).grid)


def test_seeds_differ_wherever_jobs_do(world: Any) -> None:
    jobs = world.plan("table5", datasets=("imagenet", "celebahq"), methods=["lsb", "paper"]).jobs
    seeds = {seeds_of(EXPERIMENTS["table5"], job, t).decoder for job in jobs for t in range(len(job.secrets))}
    assert len(seeds) == sum(len(job.secrets) for job in jobs)


def test_a_secret_that_does_not_fit_is_a_row_that_says_so(world: Any, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), np.uint8)
    Image.fromarray(noise).save(tmp_path / "imagenet" / "0.png")
    plan, store, ran = world.run("table1", methods=["paper"])
    rows = [store.rows()[job.id] for job in plan.jobs]
    assert ran.done == 2
    assert "noise" in rows[0]["error"]
    assert (rows[0]["values"], rows[1]["error"]) == ({}, None)


def test_rows_of_other_code_are_not_used_and_their_run_is_still_rendered(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store, _ = world.run("table1", methods=["lsb"])
    before = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    monkeypatch.setattr(provenance, "code_digest", lambda parts, outside=(): "another")
    assert render(EXPERIMENTS["table1"], store, ["md"]).markdown == before
    assert world.run("table1", methods=["lsb"])[2].reused == 0
    text = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    assert "not used: 2 rows of other settings, pictures, methods or code." in text


def test_times_are_those_of_the_stages(world: Any) -> None:
    plan, store, _ = world.run("table4", methods=["lsb", "paper"], side=128, pairs=1)
    rows = store.rows()
    for job in plan.jobs:
        times = rows[job.id]["values"][HERE]
        if job.method == "lsb":
            assert times["cover"] == "receivers need no cover"
            assert times["embedding"] == times["search"]
        else:
            assert times["embedding"] == times["cover"] + times["search"]
            assert times["extraction"] == times["cover"] + times["decoding"]


def trial_of(world: Any, *, adapted: bool, receivers: int = 1) -> Trial:
    profile = make_profile("paper", width=64, height=64)
    scheme = CsFnns(profile, replace(preset(profile), steps=20))
    job = world.plan("table1", methods=["paper"], pairs=1).jobs[0]
    cover = fit(read_picture(job.cover), 64, 64)
    pictures = sorted((world.root / "imagenet").iterdir())[:receivers]
    secrets = {
        seeds_of(EXPERIMENTS["table1"], job, t): fit(read_picture(path), 32, 32) for t, path in enumerate(pictures)
    }
    stego = scheme.embed(cover, secrets)
    return Trial(METHODS["paper-jpeg" if adapted else "paper"], profile, scheme, cover, secrets, stego, 1.0)


def by_pillow(picture: Picture) -> Picture:
    """One compression by Pillow's own numbers: quality 90, and 2 for 4:2:0."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "JPEG", quality=90, subsampling=2)
    return np.asarray(Image.open(file))


def test_the_corrected_table3_compresses_once_and_the_published_one_twice(world: Any) -> None:
    trial = trial_of(world, adapted=True)
    once, twice = by_pillow(trial.stego), by_pillow(by_pillow(trial.stego))
    (secret,) = trial.secrets.values()
    figures = after_jpeg(trial)
    assert figures[CORRECTED]["stego_psnr"] == psnr(trial.cover, trial.stego)
    assert figures[PUBLISHED]["stego_psnr"] == psnr(trial.cover, once)
    for variant, arrived in ((CORRECTED, once), (PUBLISHED, twice)):
        (got,) = recover(trial, arrived)
        assert got is not None
        assert figures[variant]["recovered_psnr"] == psnr(secret, got.picture)
    assert PUBLISHED not in after_jpeg(trial_of(world, adapted=False))


def test_what_is_no_picture_is_measured_all_the_same(world: Any) -> None:
    trial = trial_of(world, adapted=False)
    (stranger,) = (seeds_of(EXPERIMENTS["table1"], world.plan("table1").jobs[1], 7),)
    wrong = replace(trial, secrets=dict.fromkeys([stranger], *trial.secrets.values()))
    figures = quality(wrong)[HERE]
    assert isinstance(figures["recovered_psnr"], float)
    assert figures["recovered_psnr"] < quality(trial)[HERE]["recovered_psnr"]


@pytest.mark.skipif(denoiser_setting() is None, reason="no weights of the denoiser in this checkout")
def test_denoised_lines_are_of_denoised_pictures(world: Any) -> None:
    trial = trial_of(world, adapted=False)
    (secret,), (got,) = trial.secrets.values(), recover(trial)
    assert got is not None
    figures = quality(trial)
    assert figures[denoised(HERE)]["recovered_psnr"] == psnr(secret, denoise(got.picture))
    assert figures[HERE]["recovered_psnr"] == psnr(secret, got.picture)
    assert set(after_jpeg(trial)) == {CORRECTED, denoised(CORRECTED)}
    exact = replace(trial, method=METHODS["lsb"])
    assert list(quality(exact)) == [HERE]


def make_lpips_weights(folder: Path, seed: int) -> Path:
    """Random ones: enough to compute with."""
    torch.manual_seed(seed)
    net = AlexNet()
    folder.mkdir(exist_ok=True)
    save_file(net.state_dict(), folder / "alexnet.safetensors")
    heads = {f"lin{i}.model.1.weight": torch.rand(1, width, 1, 1) for i, width in enumerate(net.widths)}
    save_file(heads, folder / "alex.safetensors")
    return folder


@pytest.fixture
def lpips_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, world: Any) -> None:
    monkeypatch.setenv("CSFNNS_LPIPS", str(make_lpips_weights(tmp_path / "lpips", 1)))


@pytest.mark.usefixtures("lpips_weights")
def test_rows_of_other_lpips_weights_are_not_used(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def ids() -> set[str]:
        return {job.id for job in world.plan("table1", methods=["paper"]).jobs}

    before = ids()
    monkeypatch.setenv("CSFNNS_LPIPS", str(make_lpips_weights(tmp_path / "same", 1)))
    assert ids() == before
    monkeypatch.setenv("CSFNNS_LPIPS", str(make_lpips_weights(tmp_path / "others", 2)))
    assert not ids() & before


@pytest.mark.usefixtures("lpips_weights")
def test_table5_divides_the_last_receivers_lpips_as_published_and_not_when_corrected(world: Any) -> None:
    trial = trial_of(world, adapted=False, receivers=3)
    figures = EXPERIMENTS["table5"].measure(trial)
    metric = load_lpips()
    each = []
    for secret, got in zip(trial.secrets.values(), recover(trial), strict=True):
        assert got is not None
        each.append(metric(secret, got.picture))  # type: ignore[operator]
    assert figures[PUBLISHED]["recovered_lpips"] == pytest.approx(each[-1] / 3)
    assert figures[CORRECTED]["recovered_lpips"] == pytest.approx(sum(each) / 3)
    assert figures[PUBLISHED]["recovered_psnr"] == figures[CORRECTED]["recovered_psnr"]


def test_udh_runs_where_its_weights_are(world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_networks(Networks(Shape(secrets=2, channels=4)), tmp_path / "udh-2-6.safetensors")
    monkeypatch.setenv("CSFNNS_UDH", str(tmp_path))
    plan, store, ran = world.run("table5", methods=["udh"])
    assert {job.case for job in plan.jobs} == {"two"}
    assert set(plan.left_out) == {"udh/three", "udh/four"}
    assert ran.done == 2
    assert all(row["error"] is None for row in store.rows().values())
    save_networks(Networks(Shape(secrets=2, channels=8)), tmp_path / "udh-2-6.safetensors")
    assert world.run("table5", methods=["udh"])[2].done == 2


def test_a_changed_setting_reaches_the_methods_that_have_it(world: Any) -> None:
    plain = world.plan("table1", methods=["kishore", "paper"])
    changes = {"epsilon": "0.1", "beta": "0.25", "channel": JPEG, "initialiser": "orthogonal"}
    plan = world.plan("table1", methods=["kishore", "paper"], changes=changes)
    paper, kishore = plan.settings["paper/one"], plan.settings["kishore/one"]
    for part in ("beta=0.25", "epsilon=0.1", "Jpeg(", "weights='orthogonal'"):
        assert part in paper
        assert part not in plain.settings["paper/one"]
        assert (part in kishore) == (part != "beta=0.25")
    assert not {job.id for job in plan.jobs} & {job.id for job in plain.jobs}
    runs = ({}, {"changes": {"epsilon": "0.01"}})
    before, after = (world.run("table1", methods=["paper"], pairs=1, **more)[1].rows() for more in runs)
    (new,) = after.keys() - before.keys()
    assert after[new]["values"] != next(iter(before.values()))["values"]


def test_a_search_evades_networks_in_tables(world: Any, tmp_path: Path) -> None:
    model = tmp_path / "srnet.safetensors"
    Deep("srnet", make_network("srnet", 0)).save(model)
    changes = {"evade": f"xunet, {model}", "gamma": "0.01", "gamma_from": "0"}
    plan, _, ran = world.run("table1", methods=["paper"], pairs=1, changes=changes)
    assert ran.done == 1
    assert re.search(
        r"gamma=0.01.*evading xunet.safetensors of \w{64}, srnet.safetensors of", plan.settings["paper/one"]
    )
    Deep("srnet", make_network("srnet", 1)).save(model, overwrite=True)
    assert world.plan("table1", methods=["paper"], pairs=1, changes=changes).jobs[0].id != plan.jobs[0].id


@pytest.mark.parametrize(
    ("methods", "changes", "reason"),
    [
        (["kishore", "lsb"], {"beta": "1"}, "No method of this run has a setting 'beta'"),
        (["paper"], {"beta": "much"}, "beta must be a number such as 0.5, got 'much'"),
        (["paper"], {"beta": "-1"}, "beta must be positive"),
        (["paper"], {"bf16": "perhaps"}, "bf16 must be true or false"),
        (["paper"], {"device": "cuda"}, "No method"),
        (["paper"], {"evade": "magic"}, "no model 'magic'"),
        (["paper"], {"channel": "fog"}, "fog"),
        (["paper"], {"initialiser": "zeros"}, "weights"),
    ],
)
def test_a_change_that_cannot_be_made_is_refused(
    world: Any, methods: list[str], changes: dict[str, str], reason: str
) -> None:
    with pytest.raises(UsageError, match=reason):
        world.plan("table1", methods=methods, changes=changes)


def test_another_seed_gives_other_keys(world: Any) -> None:
    first, second = (world.plan("table1", methods=["lsb"], pairs=1, seed=seed).jobs[0] for seed in (0, 1))
    assert first.id != second.id
    keys = {seeds_of(EXPERIMENTS["table1"], first, 0, seed).decoder for seed in (0, 1, 2)}
    assert len(keys) == 3
    rows = [world.run("table1", methods=["paper"], pairs=1, seed=seed)[1].rows() for seed in (0, 1)]
    assert len(rows[1]) == 2
    assert len({str(row["values"]) for row in rows[1].values()}) == 2


def test_the_authors_search_under_jpeg_is_a_method_of_its_own(world: Any) -> None:
    plan, store, ran = world.run("table3", methods=["paper-jpeg", "paper-jpeg-authors"], pairs=1)
    assert "channel_every=2, received_distortion=True" in plan.settings["paper-jpeg-authors/one"]
    assert ran.done == 2
    assert len({str(row["values"]) for row in store.rows().values()}) == 2
