"""Table 6: laws of the decoder's random weights (Sec. 4.7)."""

from csfnns.experiments.base import FIDELITY, HERE, Case, Experiment, denoised, published
from csfnns.experiments.measures import DENOISED, fidelity

TABLE6 = Experiment(
    name="table6",
    title="Table 6: laws of the decoder's random weights",
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
    measure=fidelity,
    variants=(HERE, denoised(HERE)),
    published=(
        published("paper", FIDELITY, {"imagenet": (29.87, 0.9458, 8.61, 0.1564)}, "uniform"),
        published("paper", FIDELITY, {"imagenet": (27.84, 0.7419, 14.53, 0.3439)}, "normal"),
        published("paper", FIDELITY, {"imagenet": (41.92, 0.9807, 32.77, 0.9183)}, "xavier"),
        published("paper", FIDELITY, {"imagenet": (42.09, 0.9808, 32.22, 0.9130)}, "orthogonal"),
        published("paper", FIDELITY, {"imagenet": (41.84, 0.9805, 32.80, 0.9186)}, "kaiming"),
    ),
    notes=("Xavier and Kaiming are the normal laws.", DENOISED),
)
