"""Figure 5: two, three and four secrets for different receivers, with ten times the residuals (Sec. 4.6)."""

from collections.abc import Sequence

from csfnns.experiments.base import FIDELITY, Case, Experiment, Page, Shot, dataset_label
from csfnns.experiments.grid import BLUE, CENTRE, ORANGE, Cell, against, centre, grid, stack
from csfnns.experiments.measures import RAW, raw_fidelity
from csfnns.measure import residual
from csfnns.picture import Picture


def _draw(shots: Sequence[Shot], remark: str) -> list[Page]:
    """A page for each method and pair, with a part for each number of receivers."""
    pages = dict.fromkeys((shot.method, shot.dataset, shot.pair) for shot in shots)
    return [
        Page(
            "-".join(map(str, page)),
            stack([_part(s, remark) for s in shots if (s.method, s.dataset, s.pair) == page]),
        )
        for page in pages
    ]


def _part(shot: Shot, remark: str) -> Picture:
    count = len(shot.secrets)
    each = list(zip(shot.secrets, shot.recovered, strict=True))
    found = [Cell(got, against(secret, got), ORANGE) for secret, got in each]
    errors = [
        Cell(None if got is None else centre(residual(got, secret)), "", ORANGE) for secret, got in each
    ]
    rows = [
        ("original", [Cell(shot.cover, "", BLUE), *(Cell(secret, "", ORANGE) for secret in shot.secrets)]),
        ("stego, recovered", [Cell(shot.stego, against(shot.cover, shot.stego), BLUE), *found]),
        ("residual x 10, centre", [Cell(centre(residual(shot.stego, shot.cover)), "", BLUE), *errors]),
    ]
    title = f"Figure 5: {shot.label}, {shot.case.label}, {dataset_label(shot.dataset)}, pair {shot.pair}"
    return grid(title, remark, ("cover", *(f"receiver {t + 1}" for t in range(count))), rows)


FIGURE5 = Experiment(
    name="figure5",
    title="Figure 5: several secrets for different receivers",
    methods=("paper", "standard"),
    case_heading="Secrets",
    cases=(
        Case("two", "two secrets", receivers=2),
        Case("three", "three secrets", receivers=3),
        Case("four", "four secrets", receivers=4),
    ),
    columns=FIDELITY,
    measure=raw_fidelity,
    pairs=1,
    notes=(f"Residuals are 128 + 10 (result - original), clipped. {CENTRE}", RAW),
    draw=_draw,
)
