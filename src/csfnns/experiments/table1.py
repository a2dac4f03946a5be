"""Table 1: visual quality of stego pictures (Sec. 4.2)."""

from csfnns.experiments.base import STEGO, Experiment, published
from csfnns.experiments.measures import quality

TABLE1 = Experiment(
    name="table1",
    title="Table 1: visual quality of the stego pictures",
    methods=("kishore", "luo", "paper", "standard"),
    columns=STEGO,
    measure=quality,
    published=(
        published(
            "kishore",
            STEGO,
            {
                "imagenet": (22.24, 0.5254, 0.2087),
                "coco": (22.28, 0.5290, 0.2028),
                "celeba": (21.69, 0.5018, 0.2161),
            },
        ),
        published(
            "luo",
            STEGO,
            {
                "imagenet": (23.42, 0.5762, 0.1651),
                "coco": (23.52, 0.5825, 0.1601),
                "celeba": (22.98, 0.5572, 0.1701),
            },
        ),
        published(
            "paper",
            STEGO,
            {
                "imagenet": (41.89, 0.9799, 0.0035),
                "coco": (42.00, 0.9804, 0.0034),
                "celeba": (41.78, 0.9787, 0.0034),
            },
        ),
    ),
    notes=("The paper's rows: 1000 covers of their own for each data set (Campus-I, II and III).",),
)
