import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from csfnns.experiments import Store
from csfnns.picture import Picture

SCRIPT = str(Path(sys.executable).with_name("csfnns"))
COMMAND = "csfnns experiment run table2 --covers covers --secrets imagenet --size 64 --steps 2"

Transcript = Callable[[str], None]
Run = Callable[[str], str]
Scene = Callable[..., Picture]


@pytest.fixture(autouse=True)
def pictures(desk: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten covers and ten secrets, and no weights of anything."""
    for name in ("CSFNNS_LPIPS", "CSFNNS_UDH"):
        monkeypatch.delenv(name, raising=False)
    for k, folder in enumerate(("covers", "imagenet")):
        (desk / folder).mkdir()
        for i in range(10):
            Image.fromarray(scene(64, 64, 20 * k + i)).save(desk / folder / f"{i}.png")


def test_a_table_in_one_command(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ {COMMAND} --pairs 1 --methods standard,paper
        table2: 2 pictures to measure, 0 are stored.
        1 of 2: paper, one, imagenet 0; about ... left
        2 of 2: standard, one, imagenet 0; about ... left
        # Table 2: visual quality of the recovered pictures
        | Method | Source | Pictures | ImageNet: recovered PSNR (dB) ↑ | ...
        | --- | --- | ---: | ---: | ---: | ---: |
        | Kishore et al. | the paper | – | 22.79 | 0.7827 | 0.1763 |
        | Luo et al. | the paper | – | 21.20 | 0.7413 | 0.2288 |
        | Cs-FNNS (paper) | the paper | – | 33.01 | 0.9156 | 0.0390 |
        | Cs-FNNS (paper) | here | 1 | ... | ... | n/a |
        ...
        | Cs-FNNS (standard) | here | 1 | ... | ... | n/a |
        ...
        - NOT THE PUBLISHED SETTINGS: covers of 64 pixels a side and not 512 and searches of 2 steps ...
        ...
        Written: runs/table1/table2.md, runs/table1/table2.tex, runs/table1/table2.png.
    """)
    assert {path.name for path in (desk / "runs" / "table1").iterdir()} == {
        "rows.sqlite",
        "table2.json",
        "table2.md",
        "table2.tex",
        "table2.png",
    }


def test_json_tells_what_was_measured_and_written(run: Run) -> None:
    line = f"{COMMAND} --pairs 1 --methods standard --json"
    first, again = json.loads(run(line)), json.loads(run(line))
    assert (first["measured"], first["reused"]) == (1, 0)
    assert (again["measured"], again["reused"]) == (0, 1)
    assert [Path(name).suffix for name in again["files"]] == [".md", ".tex", ".png"]
    rendered = json.loads(run("csfnns experiment render table2 --format tex --json"))
    assert rendered["files"] == ["runs/table1/table2.tex"]


def test_list_tells_what_can_run(transcript: Transcript, run: Run) -> None:
    transcript("""
        $ csfnns experiment list
        table1 visual quality of the stego pictures
        kishore, luo, paper, standard; about ... a pair of cover and secret
        ...
        without udh: no weights weights/udh-2-6.safetensors ...
        ...
        LPIPS: no backbone for alex...
    """)
    found = json.loads(run("csfnns experiment list --json"))
    names = [*(f"table{n}" for n in range(1, 7)), "figure3", "figure5"]
    assert list(found["experiments"]) == names
    assert all(each["seconds_a_pair"] > 60 for each in found["experiments"].values())
    assert "udh" in found["experiments"]["table5"]["lacks"]


@pytest.mark.parametrize(
    ("line", "message", "code"),
    [
        ("csfnns experiment run table9 --covers covers --secrets imagenet", "no experiment 'table9'", 2),
        ("csfnns experiment run table1 --covers nowhere --secrets imagenet", "no folder nowhere", 3),
        (
            "csfnns experiment run table1 --covers covers --secrets imagenet --methods udh",
            "udh cannot run",
            2,
        ),
        (f"{COMMAND} --methods magic", "no method 'magic'", 2),
        (f"{COMMAND} --size 100", "100x100", 2),
        (f"{COMMAND} --pairs 11", "There are 10 pairs", 2),
        (f"{COMMAND} --secrets imagenet=covers", "two folders for the data set 'imagenet'", 2),
        ("csfnns experiment render table1", "No run is stored", 2),
        (f"{COMMAND} --methods standard --out covers/0.png", "cannot be made", 2),
    ],
)
def test_an_error_is_said_and_nothing_is_written(
    run: Run, desk: Path, line: str, message: str, code: int
) -> None:
    before = sorted(desk.rglob("*"))
    seen = run(line)
    assert seen.startswith("error: ")
    assert message in seen
    assert "hint: " in seen
    assert seen.endswith(f"[exit {code}]")
    assert sorted(desk.rglob("*")) == before


def test_data_sets_have_the_names_that_they_are_given(run: Run) -> None:
    text = run(f"{COMMAND} --secrets celebahq=covers --pairs 1 --methods standard")
    assert "CelebA-HQ: recovered PSNR" in text
    assert "ImageNet: recovered PSNR" in text


def values(folder: Path) -> dict[str, Any]:
    return {key: row["values"] for key, row in Store(folder).rows().items()}


def table(folder: Path) -> str:
    """The table without the note of versions: somebody may commit meanwhile."""
    lines = (folder / "table2.md").read_text().splitlines()
    return "\n".join(line for line in lines if not line.startswith("- Measured with"))


def killed(line: str, folder: Path, rows: int) -> int:
    """Start the command in a process of its own, kill it after so many new rows, and give the number that is left."""
    before = len(Store(folder).rows())
    command = [SCRIPT, *line.split()[1:]]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        end = time.monotonic() + 60
        while len(Store(folder).rows()) < before + rows:
            assert time.monotonic() < end
            assert process.poll() is None
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL
    return len(Store(folder).rows())


def test_a_run_that_is_killed_three_times_ends_in_the_same_table(run: Run, desk: Path) -> None:
    # Enough steps that no process gets to the end before it is killed, few enough that nobody waits.
    line = COMMAND.replace("--steps 2", "--steps 20") + " --methods paper --out"
    assert "[exit" not in run(f"{line} through")
    expected = values(desk / "through")
    assert len(expected) == 10
    counts = [killed(f"{line} killed", desk / "killed", rows) for rows in (1, 2, 1)]
    assert 0 < counts[0] < counts[1] < counts[2] < 10
    assert values(desk / "killed").items() < expected.items()
    seen = run(f"{line} killed")
    assert f"{10 - counts[2]} pictures to measure, {counts[2]} are stored." in seen
    assert values(desk / "killed") == expected
    assert table(desk / "killed") == table(desk / "through")


def test_a_run_that_is_stopped_says_how_and_keeps_what_it_has(desk: Path) -> None:
    line = COMMAND.replace("--steps 2", "--steps 30") + " --methods paper --out out"
    with subprocess.Popen(
        [SCRIPT, *line.split()[1:]], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        while "1 of 10" not in process.stderr.readline():
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        output, errors = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert errors.endswith("error: Stopped.\n")
    assert 1 <= len(Store(desk / "out").rows()) < 10
    assert {path.name for path in (desk / "out").iterdir()} == {"rows.sqlite", "table2.json"}
