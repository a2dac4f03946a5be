"""The paper's tables and figures as data: what is compared, what is measured, and the paper's own rows."""

from collections.abc import Sequence

from csfnns.experiments import measures
from csfnns.experiments.base import (
    CORRECTED,
    FIDELITY,
    HERE,
    PUBLISHED,
    RECOVERED,
    RECOVERED_APD,
    STEGO,
    STEGO_APD,
    Case,
    Column,
    Experiment,
    Pages,
    Published,
    Shot,
    dataset_label,
    denoised,
)
from csfnns.experiments.grid import BLUE, CENTRE, ORANGE, Cell, centre, grid, psnr_caption
from csfnns.images.metrics import residual

_DENOISED = (
    "The paper's recovered figures are after its denoiser (DnCNN). Lines that say so are after csfnns's own, a smaller"
    " one, unless CSFNNS_DENOISER named another; the others are what the decoder returns."
)
_RAW = "Recovered pictures are as the decoder returns them, before any denoiser."
_COMPARED = ("kishore", "luo", "paper", "standard")
_BOTH_WAYS = (PUBLISHED, denoised(PUBLISHED), CORRECTED, denoised(CORRECTED))
_STAGES = ("cover", "search", "decoding", "embedding", "extraction")


def _published(columns: Sequence[Column], text: str) -> tuple[Published, ...]:
    """Rows of the paper, a line each: case, method, data set (* for any), and figures, - for none."""
    rows = []
    for line in text.strip().splitlines():
        case, method, dataset, *figures = line.split()
        named = zip(columns, figures, strict=True)
        found = {column.key: float(figure) for column, figure in named if figure != "-"}
        rows.append(Published(case, method, dataset, found))
    return tuple(rows)


def _receivers(label: str) -> tuple[Case, ...]:
    names = {2: "two", 3: "three", 4: "four"}
    return tuple(Case(name, f"{name}{label}", receivers=count) for count, name in names.items())


def _figure3(shots: Sequence[Shot], remark: str) -> Pages:
    """A page for each pair, a row for each method."""
    headings = ("cover", "stego", "residual x 10, centre", "secret", "recovered")
    pages: dict[tuple[str, int], list[tuple[str, list[Cell]]]] = {}
    for shot in shots:
        cells = [*_stego_cells(shot), Cell(shot.secrets[0], "", ORANGE), *_recovered_cells(shot)[:1]]
        pages.setdefault((shot.dataset, shot.pair), []).append((shot.label, cells))
    return {
        f"{dataset}-{pair}": grid(f"Figure 3: {dataset_label(dataset)}, pair {pair}", remark, headings, rows)
        for (dataset, pair), rows in pages.items()
    }


def _figure5(shots: Sequence[Shot], remark: str) -> Pages:
    """A page for each method and pair, with three rows for each number of receivers."""
    headings = (
        "cover",
        *(f"receiver {t + 1}" for t in range(max((len(s.secrets) for s in shots), default=0))),
    )
    pages: dict[str, tuple[str, list[tuple[str, list[Cell]]]]] = {}
    for shot in shots:
        title = f"Figure 5: {shot.label}, {dataset_label(shot.dataset)}, pair {shot.pair}"
        _, rows = pages.setdefault(f"{shot.method}-{shot.dataset}-{shot.pair}", (title, []))
        cover, stego, change = _stego_cells(shot)
        pairs = zip(shot.secrets, shot.recovered, strict=True)
        errors = [None if got is None else centre(residual(got, secret)) for secret, got in pairs]
        rows += [
            (shot.case.label, [cover, *(Cell(secret, "", ORANGE) for secret in shot.secrets)]),
            ("stego, recovered", [stego, *_recovered_cells(shot)]),
            ("residual x 10, centre", [change, *(Cell(error, "", ORANGE) for error in errors)]),
        ]
    return {name: grid(title, remark, headings, rows) for name, (title, rows) in pages.items()}


def _stego_cells(shot: Shot) -> list[Cell]:
    change = centre(residual(shot.stego, shot.cover))
    caption = psnr_caption(shot.cover, shot.stego)
    return [Cell(shot.cover, "", BLUE), Cell(shot.stego, caption, BLUE), Cell(change, "", BLUE)]


def _recovered_cells(shot: Shot) -> list[Cell]:
    pairs = zip(shot.secrets, shot.recovered, strict=True)
    return [Cell(got, psnr_caption(secret, got), ORANGE) for secret, got in pairs]


PAPER = (
    Experiment(
        measures.quality,
        "visual quality of the stego pictures",  # Sec. 4.2
        name="table1",
        methods=_COMPARED,
        columns=(*STEGO, STEGO_APD),
        published=_published(
            STEGO,
            """
            one kishore imagenet 22.24 0.5254 0.2087
            one kishore coco     22.28 0.5290 0.2028
            one kishore celeba   21.69 0.5018 0.2161
            one luo     imagenet 23.42 0.5762 0.1651
            one luo     coco     23.52 0.5825 0.1601
            one luo     celeba   22.98 0.5572 0.1701
            one paper   imagenet 41.89 0.9799 0.0035
            one paper   coco     42.00 0.9804 0.0034
            one paper   celeba   41.78 0.9787 0.0034
            """,
        ),
        notes=("The paper's rows: 1000 covers of their own for each data set (Campus-I, II and III).",),
    ),
    Experiment(
        measures.quality,
        "visual quality of the recovered pictures",  # Sec. 4.2
        name="table2",
        series="table1",
        methods=_COMPARED,
        columns=(*RECOVERED, RECOVERED_APD),
        variants=(HERE, denoised(HERE)),
        published=_published(
            RECOVERED,
            """
            one kishore imagenet 22.79 0.7827 0.1763
            one kishore coco     23.01 0.7970 0.1702
            one kishore celeba   22.63 0.8037 0.2033
            one luo     imagenet 21.20 0.7413 0.2288
            one luo     coco     21.44 0.7549 0.2223
            one luo     celeba   20.98 0.7648 0.2552
            one paper   imagenet 33.01 0.9156 0.0390
            one paper   coco     33.47 0.9260 0.0376
            one paper   celeba   37.04 0.9465 0.0304
            """,
        ),
        notes=("The paper's rows: 1000 secrets of each data set.", _DENOISED),
    ),
    Experiment(
        measures.after_jpeg,
        "stego and recovered pictures under JPEG compression (quality 90)",  # Sec. 4.4
        name="table3",
        methods=(*_COMPARED, "kishore-jpeg", "luo-jpeg", "paper-jpeg", "robust"),
        cases=(Case("one", "one secret", bpp="1.5"),),
        columns=FIDELITY,
        variants=_BOTH_WAYS,
        published=_published(
            FIDELITY,
            """
            one kishore      coco 28.53 0.7830 15.11 0.4450
            one luo          coco 29.17 0.8046 14.54 0.4106
            one paper        coco 41.95 0.9827 12.20 0.2786
            one kishore-jpeg coco 17.89 0.4023 17.13 0.5789
            one luo-jpeg     coco 10.68 0.1047 20.44 0.7018
            one paper-jpeg   coco 24.80 0.6300 29.18 0.8742
            """,
        ),
        notes=(
            "Stego figures are of what the sender hands over; then it is compressed with Pillow, 4:2:0, and decoded.",
            _DENOISED,
        ),
    ),
    Experiment(
        measures.times,
        "time of each stage, in seconds",  # Sec. 4.5
        name="table4",
        methods=_COMPARED,
        case_heading="Covers",
        cases=(  # 256, 512 and 1024 with the paper's covers of 512
            Case("half", "half size", scale=0.5),
            Case("one", "whole size"),
            Case("double", "double size", scale=2.0),
        ),
        columns=(times := tuple(Column(stage, "", f"{stage} (s)", 2, "lower") for stage in _STAGES)),
        published=_published(
            times,
            """
            half   paper   * -     6.55  - -     -
            one    kishore * -     -     - 12.59 0.06
            one    luo     * -     -     - 11.54 0.06
            one    paper   * 11.96 18.06 - 30.02 12.08
            double paper   * -     73.18 - -     -
            """,
        ),
        notes=(
            "Half, whole and double size are 256x256, 512x512 and 1024x1024 in the paper's rows, which were measured on"
            " a GPU that it does not name.",
            "embedding = cover + search; extraction = cover + decoding. Covers: Stable Diffusion v1-5 in the paper, the"
            " generator 'abstract' here. Reading and writing files is not counted.",
        ),
        timed=True,
    ),
    Experiment(
        measures.several_receivers,
        "several secrets for different receivers",  # Sec. 4.6
        name="table5",
        methods=("udh", "paper", "standard"),
        case_heading="Secrets",
        cases=_receivers(""),
        columns=(*STEGO, STEGO_APD, *RECOVERED, RECOVERED_APD),
        variants=_BOTH_WAYS,
        published=_published(
            STEGO + RECOVERED,
            """
            two   udh   imagenet 34.86 0.9544 0.0009 27.40 0.7959 0.1390
            two   paper imagenet 40.16 0.9715 0.0049 31.38 0.8989 0.0234
            three udh   imagenet 34.76 0.9633 0.0031 26.88 0.8011 0.1422
            three paper imagenet 37.54 0.9492 0.0104 28.40 0.8739 0.0207
            four  udh   imagenet 32.70 0.9436 0.0127 21.63 0.7020 0.2358
            four  paper imagenet 34.47 0.9104 0.0207 25.02 0.8370 0.0239
            """,
        ),
        notes=(
            "As published: the last receiver's LPIPS divided by the number of receivers. Corrected: the mean.",
            _DENOISED,
        ),
    ),
    Experiment(
        measures.fidelity,
        "distributions of the decoder's random weights",  # Sec. 4.7
        name="table6",
        methods=("paper",),
        case_heading="Weights",
        cases=(
            Case("uniform", "U(0, 1)", weights="uniform"),
            Case("normal", "N(0, 1)", weights="normal"),
            Case("xavier", "Xavier", weights="xavier-normal"),
            Case("orthogonal", "orthogonal", weights="orthogonal"),
            Case("kaiming", "Kaiming", weights="kaiming"),
        ),
        columns=FIDELITY,
        variants=(HERE, denoised(HERE)),
        published=_published(
            FIDELITY,
            """
            uniform    paper imagenet 29.87 0.9458 8.61  0.1564
            normal     paper imagenet 27.84 0.7419 14.53 0.3439
            xavier     paper imagenet 41.92 0.9807 32.77 0.9183
            orthogonal paper imagenet 42.09 0.9808 32.22 0.9130
            kaiming    paper imagenet 41.84 0.9805 32.80 0.9186
            """,
        ),
        notes=("Xavier and Kaiming are the normal distributions.", _DENOISED),
    ),
    Experiment(
        measures.raw_fidelity,
        "stego and recovered pictures",  # Sec. 4.2
        name="figure3",
        methods=_COMPARED,
        columns=FIDELITY,
        pairs=1,
        notes=(f"The residual is 128 + 10 (stego - cover), clipped. {CENTRE}", _RAW),
        draw=_figure3,
    ),
    Experiment(
        measures.raw_fidelity,
        "several secrets for different receivers",  # Sec. 4.6
        name="figure5",
        methods=("paper", "standard"),
        case_heading="Secrets",
        cases=_receivers(" secrets"),
        columns=FIDELITY,
        pairs=1,
        notes=(f"Residuals are 128 + 10 (result - original), clipped. {CENTRE}", _RAW),
        draw=_figure5,
    ),
)
