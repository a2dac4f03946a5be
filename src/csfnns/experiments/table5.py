"""Table 5: several secrets for several receivers (Sec. 4.6)."""

from csfnns.experiments.base import (
    CORRECTED,
    PUBLISHED,
    RECOVERED,
    STEGO,
    Case,
    Experiment,
    Measured,
    Trial,
    Value,
    denoised,
    published,
)
from csfnns.experiments.measures import DENOISED, mean, receivers_figures, stego_figures, with_denoised

_COLUMNS = STEGO + RECOVERED


def _measure(trial: Trial) -> Measured:
    """Corrected: means over receivers. As published: the last receiver's LPIPS, divided by their number."""
    stego = stego_figures(trial.cover, trial.stego, lpips=True)

    def figures(clean: bool) -> Measured:
        each = receivers_figures(trial, lpips=True, clean=clean)
        corrected = stego | {f"recovered_{key}": mean([found[key] for found in each]) for key in each[0]}
        last = each[-1]["lpips"]
        share: Value = last if isinstance(last, str) else last / len(each)
        return {CORRECTED: corrected, PUBLISHED: corrected | {"recovered_lpips": share}}

    return with_denoised(trial, figures)


TABLE5 = Experiment(
    name="table5",
    title="Table 5: several secrets for different receivers",
    methods=("udh", "paper", "standard"),
    case_heading="Secrets",
    cases=(
        Case("two", "two", receivers=2),
        Case("three", "three", receivers=3),
        Case("four", "four", receivers=4),
    ),
    columns=_COLUMNS,
    measure=_measure,
    variants=(PUBLISHED, denoised(PUBLISHED), CORRECTED, denoised(CORRECTED)),
    published=(
        published("udh", _COLUMNS, {"imagenet": (34.86, 0.9544, 0.0009, 27.40, 0.7959, 0.1390)}, "two"),
        published("paper", _COLUMNS, {"imagenet": (40.16, 0.9715, 0.0049, 31.38, 0.8989, 0.0234)}, "two"),
        published("udh", _COLUMNS, {"imagenet": (34.76, 0.9633, 0.0031, 26.88, 0.8011, 0.1422)}, "three"),
        published("paper", _COLUMNS, {"imagenet": (37.54, 0.9492, 0.0104, 28.40, 0.8739, 0.0207)}, "three"),
        published("udh", _COLUMNS, {"imagenet": (32.70, 0.9436, 0.0127, 21.63, 0.7020, 0.2358)}, "four"),
        published("paper", _COLUMNS, {"imagenet": (34.47, 0.9104, 0.0207, 25.02, 0.8370, 0.0239)}, "four"),
    ),
    notes=(
        "As published: the last receiver's LPIPS divided by the number of receivers. Corrected: the mean.",
        DENOISED,
    ),
)
