import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from csfnns.picture import Picture
from csfnns.steganalysis import Deep, make_network, shipped_networks

Transcript = Callable[[str], None]
Run = Callable[[str], str]
Scene = Callable[..., Picture]

PAIRS = "csfnns experiment pairs --covers covers --out pairs/lsb"
LSB = f"{PAIRS} --scheme lsb --secrets secrets"
FIGURE = "csfnns experiment figure4 pairs/lsb --judges spam --numbers 8 --seeds 1"


@pytest.fixture(autouse=True)
def pictures(desk: Path, scene: Scene) -> None:
    """Six covers and three secrets."""
    for folder, number in (("covers", 6), ("secrets", 3)):
        (desk / folder).mkdir()
        for i in range(number):
            Image.fromarray(scene(72, 80, number + i)).save(desk / folder / f"{i}.png")


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
        2 judgements to make, 0 are stored.
        1 of 2: stegexpose on lsb-6; about ... left
        2 of 2: spam on lsb-6 by 8 pairs, seed 1; about 1 s left
        # Figure 4: undetectability
        ## What is judged
        | Scheme | Payload | Pairs | of pictures | Stego (dB) | Changed (%) | Recovered (dB) | Unreadable |
        | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |
        | low bits | 6 | 12 | 6 | ... | ... | ∞ | 0 |
        ## StegExpose
        | Scheme | Payload | Pairs | AUC, here | least error, here | AUC, the paper |
        | --- | ---: | ---: | ---: | ---: | ---: |
        | low bits | 6 | 12 | 0...…...) | ... % | – |
        ## Accuracy in %. Judges that never met the search
        | Judge and scheme | Payload | 8 pairs |
        | --- | ---: | ---: |
        | SPAM: low bits | 6 | ...(...…...), AUC ... |
        - NOT THE PUBLISHED SETTINGS: 12 pairs and not 3000 and pictures of 64x64 and not 512x512.
        ...
        Written: runs/figure4/figure4.md, runs/figure4/figure4.tex, runs/figure4/figure4.png.
    """)
    names = {path.name for path in (desk / "runs" / "figure4").iterdir()}
    assert names == {"rows.sqlite", "figure4.json", "figure4.md", "figure4.tex", "figure4.png"}


def test_json_tells_what_was_made_and_judged(run: Run, desk: Path) -> None:
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
    assert "lower rate than 1e+30" in seen
    assert seen.endswith("[exit 2]")


def test_covers_may_come_from_the_generator(run: Run, desk: Path) -> None:
    line = "csfnns experiment pairs --scheme direct-grain --covers abstract --bytes 100 --count 2 --out set"
    assert run(line).endswith("2 pairs of direct (grain), 0.195 bits a pixel; 2 are new.")
    assert sorted(path.name for path in (desk / "set" / "stegos").iterdir()) == ["0@0.png", "1@0.png"]


def test_a_network_to_evade_is_named_or_a_file(run: Run, desk: Path) -> None:
    name, shipped = next(iter(shipped_networks().items()))
    line = PAIRS.replace("pairs/lsb", "{out}") + " --scheme paper --secrets secrets --count 1 --steps 2"
    line += " --against {model} --gamma 1e-4"
    (desk / shipped.name).write_bytes(shipped.read_bytes())
    (desk / "models").mkdir()
    Deep(name, make_network(name, 1)).save(desk / "models" / shipped.name)
    models = {"named": name, "file": shipped.name, "other": f"models/{shipped.name}"}
    settings = {}
    for out, model in models.items():
        assert f"1 pairs of Cs-FNNS (paper) against {name}" in run(line.format(out=out, model=model))
        settings[out] = json.loads((desk / out / "pairs.json").read_text())["settings"]
    digests = {out: each["models of --against"] for out, each in settings.items()}
    assert digests["named"] == digests["file"] != digests["other"]
    assert len(digests["named"]) == 64
    stegos = [(desk / out / "stegos" / "0@0.png").read_bytes() for out in ("named", "file")]
    assert stegos[0] == stegos[1]


@pytest.mark.parametrize(
    ("line", "message", "code"),
    [
        (f"{PAIRS} --scheme magic --count 1", "no scheme 'magic'", 2),
        (f"{PAIRS} --scheme lsb --count 1", "lsb needs --secrets", 2),
        (f"{LSB} --count 0", "nothing to make", 2),
        (f"{LSB} --count 1 --against eyes", "no file 'eyes'", 2),
        (f"{PAIRS} --scheme standard --secrets secrets --count 1 --steps 2", "no use for --steps", 2),
        (f"{LSB} --count 1 --size 80", "80x72 pixels, and no crop of 80x80", 3),
        (f"{PAIRS} --scheme direct --bytes 10 --count 1 --covers nowhere", "no folder nowhere", 3),
        (FIGURE, "no pairs in pairs/lsb: no pairs.json", 2),
        (f"{FIGURE} --numbers 8,x", "'8,x' are no numbers of pairs", 2),
        ("csfnns experiment run figure4 --covers covers --secrets secrets", "made of sets of pairs", 2),
        ("csfnns experiment render figure4", "No run is stored", 2),
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
