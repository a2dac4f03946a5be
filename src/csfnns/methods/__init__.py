"""Methods: ways to hide secrets in a given cover and to extract them again. select.py chooses one."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from csfnns.extras import load_lazily
from csfnns.methods.base import Envelope, Method, ReceiverSeeds, Scheme
from csfnns.registry import Entry, Registry

if TYPE_CHECKING:
    from csfnns.methods._direct import Capacity as Capacity
    from csfnns.methods.direct import Direct as Direct
    from csfnns.methods.direct import grain as grain
    from csfnns.methods.jpeg import Jpeg as Jpeg
    from csfnns.methods.network import CsFnns as CsFnns
    from csfnns.methods.paper import Paper as Paper
    from csfnns.methods.robust import Robust as Robust
    from csfnns.methods.robust_bits import NeuralBits as NeuralBits
    from csfnns.methods.trellis import Trellis as Trellis

__all__ = [
    "METHODS",
    "Capacity",
    "CsFnns",
    "Direct",
    "Envelope",
    "Jpeg",
    "Method",
    "NeuralBits",
    "Paper",
    "ReceiverSeeds",
    "Robust",
    "Scheme",
    "Trellis",
    "grain",
]


@dataclass(frozen=True)
class MethodEntry(Entry):
    """A method of the registry."""

    carries: str = "bytes"
    """"bytes", "pictures" or "both"."""


METHODS: Registry[MethodEntry] = Registry(
    "method",
    {
        "trellis": MethodEntry(
            "csfnns.methods.trellis:Trellis", "Pictures by the trellis decoder: few changes.", (), "pictures"
        ),
        "direct": MethodEntry("csfnns.methods.direct:Direct", "Bytes in the levels of a .png or .webp."),
        "grain": MethodEntry("csfnns.methods.direct:grain", "Bytes as grain, which decoys have too."),
        "jpeg": MethodEntry("csfnns.methods.jpeg:Jpeg", "Bytes in the coefficients of a .jpg.", ("jpeg",)),
        "robust": MethodEntry(
            "csfnns.methods.robust:Robust", "Survives JPEG and more; key of profile robust.", ("network",), "both"
        ),
        "paper": MethodEntry(
            "csfnns.methods.paper:Paper", "The paper's network; key of profile paper.", ("network",), "pictures"
        ),
    },
)

# Loaded when first used: a picture that is not for the key is refused without them.
__getattr__ = load_lazily(
    __name__,
    {
        "Capacity": "_direct",
        "CsFnns": "network",
        "Direct": "direct",
        "Jpeg": "jpeg",
        "NeuralBits": "robust_bits",
        "Paper": "paper",
        "Robust": "robust",
        "Trellis": "trellis",
        "grain": "direct",
    },
    extra=None,
)
