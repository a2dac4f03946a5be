"""Doing it. `world` is made in conftest.py."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file

from csfnns.denoise import denoise
from csfnns.errors import PictureError
from csfnns.experiments import EXPERIMENTS, Store, provenance, render, run
from csfnns.experiments.base import CORRECTED, HERE, PUBLISHED, Trial, denoised
from csfnns.experiments.measures import denoiser_setting, quality
from csfnns.experiments.run import seeds_of
from csfnns.experiments.table3 import TABLE3, compressed
from csfnns.lpips import AlexNet, load_lpips
from csfnns.measure import psnr, ssim
from csfnns.picture import fit, read_picture
from csfnns.profile import make_profile
from csfnns.schemes import CsFnns
from csfnns.schemes.udh import Networks, Shape, save_networks
from csfnns.search import preset


def test_what_is_stored_is_not_done_again(world: Any) -> None:
    plan, store, ran = world.run("table1", methods=["lsb", "paper"])
    assert (ran.done, ran.reused) == (4, 0)
    rows = store.rows()
    assert run(EXPERIMENTS["table1"], plan, store).reused == 4
    assert world.run("table2", methods=["lsb", "paper"])[2].reused == 4
    assert store.rows() == rows
    assert world.run("table1", methods=["paper"], pairs=3)[2].done == 1


def test_the_figures_are_those_of_the_scheme(world: Any) -> None:
    plan, store, _ = world.run("table1", methods=["paper"], pairs=1, steps=30)
    (job,) = plan.jobs
    profile = make_profile("paper", width=64, height=64)
    seeds = seeds_of(EXPERIMENTS["table1"], job, 0)
    scheme = CsFnns(profile, preset(profile).__class__(**{**vars(preset(profile)), "steps": 30}))
    cover, secret = fit(read_picture(job.cover), 64, 64), fit(read_picture(job.secrets[0]), 32, 32)
    stego = scheme.embed(cover, {seeds: secret})
    figures = store.rows()[job.id]["values"][HERE]
    assert figures["stego_psnr"] == psnr(cover, stego)
    assert figures["stego_ssim"] == ssim(cover, stego)
    assert figures["recovered_psnr"] == psnr(secret, scheme.extract(stego, cover, seeds).grid)


def test_two_runs_measure_the_same(world: Any) -> None:
    values = []
    for out in ("one", "two"):
        _, store, _ = world.run("table6", out, steps=3, pairs=1)
        values.append({key: row["values"] for key, row in store.rows().items()})
    assert values[0] == values[1]
    assert len(values[0]) == 5


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


def test_a_picture_that_breaks_stops_the_run_and_keeps_what_was_done(world: Any, tmp_path: Path) -> None:
    plan, store = world.plan("table1", methods=["paper"]), Store(tmp_path / "out")
    (tmp_path / "imagenet" / "1.png").write_bytes(b"no picture")
    with pytest.raises(PictureError):
        run(EXPERIMENTS["table1"], plan, store)
    assert len(store.rows()) == 1


def test_rows_of_other_code_are_not_used_and_their_run_is_still_rendered(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store, _ = world.run("table1", methods=["lsb"])
    before = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    monkeypatch.setattr(provenance, "code_digest", lambda parts: "another")
    assert render(EXPERIMENTS["table1"], store, ["md"]).markdown == before
    assert world.run("table1", methods=["lsb"])[2].reused == 0
    text = render(EXPERIMENTS["table1"], store, ["md"]).markdown
    assert "not used: 2 rows of other settings, pictures, methods or code." in text


def test_rows_tell_where_they_come_from(world: Any) -> None:
    _, store, _ = world.run("table1", methods=["paper"], pairs=1)
    (row,) = store.rows().values()
    assert {"csfnns", "commit", "torch", "machine", "threads", "gpu", "cover", "secrets"} <= set(row)
    assert row["seconds"]["search"] > 0


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
    scheme = CsFnns(profile, preset(profile).__class__(**{**vars(preset(profile)), "steps": 20}))
    job = world.plan("table1", methods=["paper"], pairs=1).jobs[0]
    cover = fit(read_picture(job.cover), 64, 64)
    pictures = sorted((world.root / "imagenet").iterdir())[:receivers]
    secrets = {
        seeds_of(EXPERIMENTS["table1"], job, t): fit(read_picture(path), 32, 32)
        for t, path in enumerate(pictures)
    }
    stego = scheme.embed(cover, secrets)
    return Trial("paper", profile, scheme, cover, secrets, stego, 1.0, "perturbation", adapted)


def test_the_corrected_table3_compresses_once_and_the_published_one_twice(world: Any) -> None:
    trial = trial_of(world, adapted=True)
    once, twice = compressed(trial.stego), compressed(compressed(trial.stego))
    (secret,) = trial.secrets.values()
    figures = TABLE3.measure(trial)
    assert figures[CORRECTED]["stego_psnr"] == psnr(trial.cover, trial.stego)
    assert figures[PUBLISHED]["stego_psnr"] == psnr(trial.cover, once)
    for variant, arrived in ((CORRECTED, once), (PUBLISHED, twice)):
        (got,) = trial.recover(arrived)
        assert got is not None
        assert figures[variant]["recovered_psnr"] == psnr(secret, got.picture)
    assert PUBLISHED not in TABLE3.measure(trial_of(world, adapted=False))


def test_what_is_no_picture_is_measured_all_the_same(world: Any) -> None:
    trial = trial_of(world, adapted=False)
    (stranger,) = (seeds_of(EXPERIMENTS["table1"], world.plan("table1").jobs[1], 7),)
    wrong = Trial(**{**vars(trial), "secrets": dict.fromkeys([stranger], *trial.secrets.values())})
    figures = quality(wrong)[HERE]
    assert isinstance(figures["recovered_psnr"], float)
    assert figures["recovered_psnr"] < quality(trial)[HERE]["recovered_psnr"]


@pytest.mark.skipif(denoiser_setting() is None, reason="no weights of the denoiser in this checkout")
def test_denoised_lines_are_of_denoised_pictures(world: Any) -> None:
    trial = trial_of(world, adapted=False)
    (secret,), (got,) = trial.secrets.values(), trial.recover()
    assert got is not None
    figures = quality(trial)
    assert figures[denoised(HERE)]["recovered_psnr"] == psnr(secret, denoise(got.picture))
    assert figures[HERE]["recovered_psnr"] == psnr(secret, got.picture)
    assert set(TABLE3.measure(trial)) == {CORRECTED, denoised(CORRECTED)}
    exact = Trial(**{**vars(trial), "seen": None})
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
def test_rows_of_other_lpips_weights_are_not_used(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
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
    for secret, got in zip(trial.secrets.values(), trial.recover(), strict=True):
        assert got is not None
        each.append(metric(secret, got.picture))  # type: ignore[operator]
    assert figures[PUBLISHED]["recovered_lpips"] == pytest.approx(each[-1] / 3)
    assert figures[CORRECTED]["recovered_lpips"] == pytest.approx(sum(each) / 3)
    assert figures[PUBLISHED]["recovered_psnr"] == figures[CORRECTED]["recovered_psnr"]


@pytest.mark.usefixtures("lpips_weights")
def test_rows_without_lpips_are_not_taken_for_rows_with_it(
    world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store, _ = world.run("table1", methods=["paper"], pairs=1)
    monkeypatch.delenv("CSFNNS_LPIPS")
    assert world.run("table1", methods=["paper"], pairs=1)[2].done == 1
    kinds = {type(row["values"][HERE]["stego_lpips"]) for row in store.rows().values()}
    assert kinds == {float, str}


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
