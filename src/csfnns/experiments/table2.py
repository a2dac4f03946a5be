"""Table 2: visual quality of recovered pictures (Sec. 4.2)."""

from csfnns.experiments.base import HERE, RECOVERED, Experiment, denoised, published
from csfnns.experiments.measures import DENOISED, quality

TABLE2 = Experiment(
    name="table2",
    title="Table 2: visual quality of the recovered pictures",
    series="table1",
    methods=("kishore", "luo", "paper", "standard"),
    columns=RECOVERED,
    measure=quality,
    variants=(HERE, denoised(HERE)),
    published=(
        published(
            "kishore",
            RECOVERED,
            {
                "imagenet": (22.79, 0.7827, 0.1763),
                "coco": (23.01, 0.7970, 0.1702),
                "celeba": (22.63, 0.8037, 0.2033),
            },
        ),
        published(
            "luo",
            RECOVERED,
            {
                "imagenet": (21.20, 0.7413, 0.2288),
                "coco": (21.44, 0.7549, 0.2223),
                "celeba": (20.98, 0.7648, 0.2552),
            },
        ),
        published(
            "paper",
            RECOVERED,
            {
                "imagenet": (33.01, 0.9156, 0.0390),
                "coco": (33.47, 0.9260, 0.0376),
                "celeba": (37.04, 0.9465, 0.0304),
            },
        ),
    ),
    notes=("The paper's rows: 1000 secrets of each data set.", DENOISED),
)
