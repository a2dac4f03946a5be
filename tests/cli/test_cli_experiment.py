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
from csfnns.images.io import Picture
from csfnns.steganalysis import Deep, make_network, shipped_networks

SCRIPT = str(Path(sys.executable).with_name("csfnns"))
COMMAND = "csfnns experiment run table2 --covers covers --secrets imagenet --size 64 --steps 2"
PAIRS = "csfnns experiment pairs --covers crops --out pairs/lsb"
LSB = f"{PAIRS} --scheme lsb --secrets imagenet"
FIGURE = "csfnns experiment figure4 pairs/lsb --detectors spam --pairs 8 --seeds 1"

Transcript = Callable[[str], None]
Run = Callable[[str], str]
Scene = Callable[..., Picture]


@pytest.fixture(autouse=True)
def pictures(desk: Path, scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten covers and ten secrets, and no weights of anything."""
    for name in ("CSFNNS_LPIPS", "CSFNNS_UDH"):
        monkeypatch.delenv(name, raising=False)
    for k, (folder, number) in enumerate((("covers", 10), ("imagenet", 10), ("crops", 6))):
        (desk / folder).mkdir()
        for i in range(number):
            Image.fromarray(scene(72, 72, 20 * k + i)).save(desk / folder / f"{i}.png")


def test_a_table_in_one_command(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ {COMMAND} --pairs 1 --methods standard,paper
        table2: 2 pictures to measure, 0 are stored; about ...
        1 of 2: paper, one, imagenet 0; about ... left
        2 of 2: standard, one, imagenet 0; about ... left
        # Table 2: visual quality of the recovered pictures
        | Method | Source | Pictures | ImageNet: recovered PSNR (dB) ↑ | ...
        | --- | --- | ---: | ---: | ---: | ---: | ---: |
        | Kishore et al. | the paper | – | 22.79 | 0.7827 | 0.1763 | – |
        | Luo et al. | the paper | – | 21.20 | 0.7413 | 0.2288 | – |
        | Cs-FNNS (paper) | the paper | – | 33.01 | 0.9156 | 0.0390 | – |
        | Cs-FNNS (paper) | here | 1 | ... | ... | n/a | ... |
        ...
        | Cs-FNNS (standard) | here | 1 | ... | ... | n/a | ... |
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
        ("csfnns experiment run figure4 --covers covers --secrets imagenet", "made from sets of pairs", 2),
        (f"{PAIRS} --scheme magic --count 1", "no scheme 'magic'", 2),
        (f"{PAIRS} --scheme lsb --count 1", "lsb needs --secrets", 2),
        (f"{LSB} --count 0", "count must be 1 or more", 2),
        (f"{LSB} --count 1 --evade eyes", "no model 'eyes'", 2),
        (f"{PAIRS} --scheme standard --secrets imagenet --count 1 --steps 2", "does not use --steps", 2),
        (f"{LSB} --count 1 --size 80", "72x72 pixels, and no crop of 80x80", 3),
        (f"{PAIRS} --scheme direct --bytes 10 --count 1 --covers nowhere", "no folder nowhere", 3),
        (FIGURE, "no pairs in pairs/lsb: no pairs.json", 2),
        (f"{FIGURE} --pairs 8,x", "pairs must be numbers, got '8,x'", 2),
        ("csfnns experiment render figure4", "No run is stored", 2),
        (f"{COMMAND} --methods standard --out covers/0.png", "cannot be created", 2),
    ],
)
def test_an_error_is_said_and_nothing_is_written(run: Run, desk: Path, line: str, message: str, code: int) -> None:
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
    assert f"{10 - counts[2]} pictures to measure, {counts[2]} are stored;" in seen
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


def test_pairs_and_what_detectors_make_of_them(transcript: Transcript, desk: Path) -> None:
    transcript(f"""
        $ {LSB} --count 11
        1 of 11: 0@0; about ... left
        ...
        11 of 11: 4@1; about 1 s left
        pairs/lsb: 11 pairs of low bits, 6 bits a pixel; 11 are new.
        $ {LSB} --count 12
        1 of 1: 5@1; about 1 s left
        pairs/lsb: 12 pairs of low bits, 6 bits a pixel; 1 are new.
        $ {FIGURE}
        2 evaluations to do, 0 are stored; about ... on one core.
        1 of 2: stegexpose: lsb-6; about ... left
        2 of 2: spam trained on 8 pairs, seed 1: lsb-6; about 1 s left
        # Figure 4: undetectability
        ## Sets
        | Scheme | Payload | Pairs | of pictures | Stego (dB) | Changed (%) | Recovered (dB) | Unreadable |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
        | low bits | 6 | 12 | 6 | ... | ... | ∞ | 0 |
        ## Detectors without training
        | Detector and scheme | Payload | Pairs | AUC, here | least error, here | AUC, the paper |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | StegExpose: low bits | 6 | 12 | 0...…...) | ... % | – |
        ## Accuracy in %. Detectors unknown to the search
        | Detector and scheme | Payload | 8 pairs |
        | --- | ---: | ---: |
        | SPAM: low bits | 6 | ...(...…...), AUC ... |
        - NOT THE PUBLISHED SETTINGS: 12 pairs and not 3000 and pictures of 64x64 and not 512x512.
        ...
        Written: runs/figure4/figure4.md, runs/figure4/figure4.tex, runs/figure4/figure4.png.
    """)
    names = {path.name for path in (desk / "runs" / "figure4").iterdir()}
    assert names == {"rows.sqlite", "figure4.json", "figure4.md", "figure4.tex", "figure4.png"}


def test_json_tells_what_was_made_and_evaluated(run: Run, desk: Path) -> None:
    made: dict[str, Any] = json.loads(run(f"{LSB} --count 12 --json"))
    assert made == {"folder": "pairs/lsb", "made": 12, "reused": 0, "failed": {}}
    first, again = json.loads(run(f"{FIGURE} --json")), json.loads(run(f"{FIGURE} --json"))
    assert (first["measured"], first["reused"]) == (2, 0)
    assert (again["measured"], again["reused"]) == (0, 2)
    rendered = json.loads(run("csfnns experiment render figure4 --format tex --json"))
    assert rendered["files"] == ["runs/figure4/figure4.tex"]
    assert "figure4" in run("csfnns experiment list")


def test_a_rate_at_which_networks_diverge_is_an_error(run: Run) -> None:
    run(f"{LSB} --count 12")
    seen = run(f"{FIGURE.replace('spam', 'xunet')} --steps 6 --batch 2 --crop 32 --rate 1e30")
    assert "error: The training of xunet diverged" in seen
    assert "rate below 1e+30" in seen
    assert seen.endswith("[exit 2]")


def test_covers_may_come_from_the_generator(run: Run, desk: Path) -> None:
    line = "csfnns experiment pairs --scheme direct-grain --covers abstract --bytes 100 --count 2 --out set"
    assert run(line).endswith("2 pairs of direct (grain), 0.195 bits a pixel; 2 are new.")
    assert sorted(path.name for path in (desk / "set" / "stegos").iterdir()) == ["0@0.png", "1@0.png"]


def test_a_network_to_evade_is_named_or_a_file(run: Run, desk: Path) -> None:
    name, shipped = next(iter(shipped_networks().items()))
    line = PAIRS.replace("pairs/lsb", "{out}") + " --scheme paper --secrets imagenet --count 1 --steps 2"
    line += " --evade {model} --gamma 1e-4"
    (desk / shipped.name).write_bytes(shipped.read_bytes())
    (desk / "models").mkdir()
    Deep(name, make_network(name, 1)).save(desk / "models" / shipped.name)
    models = {"named": name, "file": shipped.name, "other": f"models/{shipped.name}"}
    settings = {}
    for out, model in models.items():
        assert f"1 pairs of Cs-FNNS (paper) evading {name}" in run(line.format(out=out, model=model))
        settings[out] = json.loads((desk / out / "pairs.json").read_text())["settings"]
    digests = {out: each["models of --evade"] for out, each in settings.items()}
    assert digests["named"] == digests["file"] != digests["other"]
    assert len(digests["named"]) == 64
    stegos = [(desk / out / "stegos" / "0@0.png").read_bytes() for out in ("named", "file")]
    assert stegos[0] == stegos[1]
