"""Table 3: JPEG compression of quality 90, without and with a JPEG layer in the search (Sec. 4.4)."""

from csfnns.experiments.base import (
    CORRECTED,
    FIDELITY,
    PUBLISHED,
    Case,
    Experiment,
    Measured,
    Trial,
    denoised,
    published,
)
from csfnns.experiments.measures import DENOISED, recovered_figures, stego_figures, with_denoised
from csfnns.picture import Picture, read_picture

QUALITY = 90


def _measure(trial: Trial) -> Measured:
    """Corrected: the stego is compressed once. As published: an adapted stego had been compressed before."""
    once = compressed(trial.stego)
    twice = compressed(once) if trial.adapted else None

    def figures(clean: bool) -> Measured:
        found = {
            CORRECTED: stego_figures(trial.cover, trial.stego) | recovered_figures(trial, once, clean=clean)
        }
        if twice is not None:
            found[PUBLISHED] = stego_figures(trial.cover, once) | recovered_figures(trial, twice, clean=clean)
        return found

    return with_denoised(trial, figures)


def compressed(picture: Picture) -> Picture:
    """The picture after one JPEG compression of quality 90: baseline, colours at half the resolution (4:2:0)."""
    import io

    from PIL import Image

    buffer = io.BytesIO()
    Image.fromarray(picture).save(buffer, "JPEG", quality=QUALITY, subsampling="4:2:0")
    return read_picture(buffer.getvalue())


TABLE3 = Experiment(
    name="table3",
    title="Table 3: stego and recovered pictures under JPEG compression (quality 90)",
    methods=("kishore", "luo", "paper", "standard", "kishore-jpeg", "luo-jpeg", "paper-jpeg", "robust"),
    cases=(Case("one", "one secret", bpp="1.5"),),
    columns=FIDELITY,
    measure=_measure,
    variants=(PUBLISHED, denoised(PUBLISHED), CORRECTED, denoised(CORRECTED)),
    published=(
        published("kishore", FIDELITY, {"coco": (28.53, 0.7830, 15.11, 0.4450)}),
        published("luo", FIDELITY, {"coco": (29.17, 0.8046, 14.54, 0.4106)}),
        published("paper", FIDELITY, {"coco": (41.95, 0.9827, 12.20, 0.2786)}),
        published("kishore-jpeg", FIDELITY, {"coco": (17.89, 0.4023, 17.13, 0.5789)}),
        published("luo-jpeg", FIDELITY, {"coco": (10.68, 0.1047, 20.44, 0.7018)}),
        published("paper-jpeg", FIDELITY, {"coco": (24.80, 0.6300, 29.18, 0.8742)}),
    ),
    notes=(
        "Stego figures are of what the sender hands over; then it is compressed with Pillow, 4:2:0, and decoded.",
        DENOISED,
    ),
)
