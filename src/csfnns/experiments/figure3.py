"""Figure 3: stego and recovered pictures of each method, with ten times the residual (Sec. 4.2)."""

from collections.abc import Sequence

from csfnns.experiments.base import FIDELITY, Experiment, Page, Shot, dataset_label
from csfnns.experiments.grid import BLUE, CENTRE, ORANGE, Cell, against, centre, grid
from csfnns.experiments.measures import RAW, raw_fidelity
from csfnns.measure import residual

_HEADINGS = ("cover", "stego", "residual x 10, centre", "secret", "recovered")


def _draw(shots: Sequence[Shot], remark: str) -> list[Page]:
    """A page for each pair, a row for each method."""
    pairs = dict.fromkeys((shot.dataset, shot.pair) for shot in shots)
    return [
        Page(
            f"{dataset}-{pair}",
            grid(
                f"Figure 3: {dataset_label(dataset)}, pair {pair}",
                remark,
                _HEADINGS,
                [(s.label, _cells(s)) for s in shots if (s.dataset, s.pair) == (dataset, pair)],
            ),
        )
        for dataset, pair in pairs
    ]


def _cells(shot: Shot) -> list[Cell]:
    secret, got = shot.secrets[0], shot.recovered[0]
    return [
        Cell(shot.cover, "", BLUE),
        Cell(shot.stego, against(shot.cover, shot.stego), BLUE),
        Cell(centre(residual(shot.stego, shot.cover)), "", BLUE),
        Cell(secret, "", ORANGE),
        Cell(got, against(secret, got), ORANGE),
    ]


FIGURE3 = Experiment(
    name="figure3",
    title="Figure 3: stego and recovered pictures",
    methods=("kishore", "luo", "paper", "standard"),
    columns=FIDELITY,
    measure=raw_fidelity,
    pairs=1,
    notes=(f"The residual is 128 + 10 (stego - cover), clipped. {CENTRE}", RAW),
    draw=_draw,
)
