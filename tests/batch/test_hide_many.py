"""Many secrets, each in a picture of its own."""

import json
import os
import pickle
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image

import csfnns
from csfnns.batch.plan import Hide, Options, Plan, jobs_of, reveal_folder
from csfnns.errors import UsageError
from csfnns.messages.send import MessageSeeds
from csfnns.payloads.frame import inert_name, safe_name

SIZE = csfnns.make_profile(width=128, height=128)


@pytest.fixture
def desk(tmp_path: Path, scene: "object") -> Path:
    """A folder with three secrets: a picture, a file, and a broken picture; and one for pictures."""
    (tmp_path / "in").mkdir()
    Image.fromarray(scene(40, 40, 1)).save(tmp_path / "in" / "photo9.png")  # type: ignore[operator]
    (tmp_path / "in" / "photo10.txt").write_text("ten")
    (tmp_path / "in" / "broken.png").write_bytes(b"no picture")
    return tmp_path


def test_files_are_hidden_and_failures_do_not_stop_the_others(desk: Path) -> None:
    key, seen = csfnns.Key.new(SIZE), list[tuple[int, int]]()

    def call(**choices: object) -> csfnns.BatchResult:
        return csfnns.hide_many(desk / "in", key, desk / "out", progress=lambda *at: seen.append(at), **choices)  # type: ignore[arg-type]

    made = call(workers=2)
    assert [Path(job.output).name for job in made.done] == ["photo9.png", "photo10.png"]
    ((job, reason),) = made.failed.items()
    assert job.source == str(desk / "in" / "broken.png")
    assert "no picture" in reason or "not a picture" in reason or "cannot be read" in reason
    assert seen == [(1, 3), (2, 3), (3, 3)]
    for job, row in made.done.items():
        found = csfnns.reveal(job.output, key)
        assert (found.id, found.name) == (row["message"], Path(job.source).name)
    before = {path: path.stat().st_mtime_ns for path in (desk / "out").iterdir()}
    assert call(workers=1) == made
    assert {path: path.stat().st_mtime_ns for path in (desk / "out").iterdir()}.items() >= {
        path: changed for path, changed in before.items() if path.suffix == ".png"
    }.items()
    with pytest.raises(UsageError, match="other files or settings"):
        call(resize=10)


def test_only_the_seeds_of_one_message_leave(desk: Path) -> None:
    key = csfnns.Key.new(SIZE, ["bob", "carol"])
    (job, *_) = jobs_of(desk / "in", desk / "out", receiver="bob")
    work = Hide(key, Options(), None).pack(job)
    sent = pickle.dumps(work)
    route = key.route(["bob"])
    kept = [key.root, key.group, *(seed for _, seed in key.pairs), route.link.seed]
    assert not any(seed is not None and seed.data in sent for seed in kept)
    seeds: MessageSeeds = work.seeds[0]  # type: ignore[attr-defined]
    assert route.link.cover_seed(seeds.nonce).data in sent


def test_a_table_names_receivers_and_outputs(desk: Path) -> None:
    (desk / "in" / "list.csv").write_text("source,receiver,output\nphoto10.txt,bob,b.webp\nphoto10.txt,carol,\n")
    key = csfnns.Key.new(SIZE, ["bob", "carol"])
    made = csfnns.hide_many(desk / "in" / "list.csv", key, desk / "out", workers=1)
    names = {job.receiver: Path(job.output).name for job in made.done}
    assert names == {"bob": "b.webp", "carol": "photo10.png"}
    for name, file in names.items():
        assert csfnns.reveal(desk / "out" / file, key.for_receiver(str(name))).content == b"ten"


def test_a_picture_whose_note_was_lost_is_kept(desk: Path) -> None:
    key = csfnns.Key.new(SIZE)
    plan = Plan.make(desk / "plan", jobs_of([desk / "in" / "photo10.txt"], desk / "out"), Options())
    (job,) = plan.jobs
    hidden = csfnns.hide(job.source, key, out=job.output)
    plan.run(key)
    assert plan.outputs() == {job: {"message": hidden.id}}


def test_a_database_that_is_no_plan_is_left_as_it_is(tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(tmp_path / "other")) as other, other:
        other.execute("CREATE TABLE mine (x)")
    before = (tmp_path / "other").read_bytes()
    with pytest.raises(UsageError, match="not a plan"):
        Plan(tmp_path / "other")
    assert (tmp_path / "other").read_bytes() == before


def csfnns_command(*arguments: object, folder: Path) -> "subprocess.Popen[str]":
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(each for each in sys.path if each)}
    command = [sys.executable, "-m", "csfnns", *map(str, arguments)]
    return subprocess.Popen(
        command, cwd=folder, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )


def output(*arguments: object, folder: Path, code: int = 0) -> str:
    process = csfnns_command(*arguments, folder=folder)
    out, errors = process.communicate(timeout=120)
    assert process.returncode == code, errors
    return out


@pytest.mark.skipif(os.name == "nt", reason="needs signals")
def test_an_interrupt_finishes_what_is_begun_and_the_same_command_continues(desk: Path) -> None:
    import signal

    csfnns.write_key(csfnns.Key.new(SIZE), desk / "my.key")
    (desk / "in" / "broken.png").unlink()
    for i in range(5):
        (desk / "in" / f"{i}.txt").write_text(str(i))
    planned = json.loads(output("batch", "plan", "in", "jobs.db", "-o", "out", "--json", folder=desk))
    assert planned["jobs"] == 7
    run = ("batch", "run", "jobs.db", "-k", "my.key", "--workers", 1)
    process = csfnns_command(*run, folder=desk)
    while not any((desk / "out").iterdir()):
        assert process.poll() is None
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert process.returncode == 130, said
    assert "Stopping when what is begun is finished" in said
    status = json.loads(output("batch", "status", "jobs.db", "--json", folder=desk))
    assert 0 < status["done"] < 7
    assert (status["done"], status["failed"], status["running"]) == (len([*(desk / "out").iterdir()]), 0, 0)
    done = json.loads(output(*run, "--json", folder=desk))
    assert (done["done"], done["failures"]) == (7, [])
    assert json.loads(output("batch", "reveal", "out", "-k", "my.key", "-o", "got", "--json", folder=desk)) == {
        "revealed": 7,
        "failures": {},
    }
    assert (desk / "got" / "4-4.txt").read_text() == "4"


@pytest.mark.skipif(os.name == "nt", reason="names of POSIX")
def test_names_of_received_pictures_are_made_safe_and_none_is_lost(desk: Path) -> None:
    key = csfnns.Key.new(SIZE)
    names = [
        b"-rf.png",
        "a\x1b[2J\u202eb.png".encode(),
        b"a[2Jb.png",
        b"\xff.png",
        b"x" * 251 + b".png",
        b"p-q.png",
        b"p.png",
    ]
    (desk / "got").mkdir()
    for i, name in enumerate(names):
        label = {b"p-q.png": "r.exe", b"p.png": "q-r.exe"}.get(name, "s.txt")
        (desk / label).write_text(str(i))
        csfnns.hide(desk / label, key, out=desk / "new.png")
        os.rename(desk / "new.png", os.fsencode(desk / "got") + b"/" + name)
    rows = reveal_folder(desk / "got", key, desk / "back" / "deep")
    made = {Path(row["output"]) for row in rows.values()}
    assert sorted(path.read_bytes() for path in made) == [str(i).encode() for i in range(len(names))]
    for path in made:
        assert path.name == inert_name(str(safe_name(path.name)))
        assert path.parent == desk / "back" / "deep"


@pytest.mark.skipif(os.name == "nt", reason="links of POSIX")
def test_links_in_a_folder_are_not_hidden_and_that_is_said(desk: Path) -> None:
    (desk / "in" / "link.txt").symlink_to("/etc/passwd")
    process = csfnns_command("batch", "plan", "in", "jobs.db", "-o", "new/out", folder=desk)
    out, errors = process.communicate(timeout=60)
    assert process.returncode == 0
    assert "jobs.db: 3 pictures to write" in out
    assert "warning: in/link.txt is a symbolic link, and left out." in errors
    assert (desk / "new" / "out").is_dir()
