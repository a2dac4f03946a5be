"""Methods: ways to hide secrets in a given cover and to extract them again. select.py chooses one."""

from dataclasses import dataclass

from csfnns.methods._direct import Capacity
from csfnns.methods.base import Envelope, Method, ReceiverSeeds, Scheme
from csfnns.methods.direct import Direct
from csfnns.methods.jpeg import Jpeg
from csfnns.methods.network import CsFnns
from csfnns.methods.paper import Paper
from csfnns.methods.robust import Robust
from csfnns.methods.robust_bits import NeuralBits
from csfnns.methods.trellis import Trellis
from csfnns.registry import Entry, Registry

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


def grain() -> Direct:
    """Direct coding as grain that decoys have too."""
    return Direct("grain")


METHODS: Registry[MethodEntry] = Registry(
    "method",
    {
        "trellis": MethodEntry(
            "csfnns.methods:Trellis", "Pictures by the trellis decoder: few changes.", (), "pictures"
        ),
        "direct": MethodEntry("csfnns.methods:Direct", "Bytes in the levels of a .png or .webp."),
        "grain": MethodEntry("csfnns.methods:grain", "Bytes as grain, which decoys have too."),
        "jpeg": MethodEntry("csfnns.methods:Jpeg", "Bytes in the coefficients of a .jpg.", ("jpeg",)),
        "robust": MethodEntry(
            "csfnns.methods:Robust", "Survives JPEG and more; key of profile robust.", ("network",), "both"
        ),
        "paper": MethodEntry(
            "csfnns.methods:Paper", "The paper's network; key of profile paper.", ("network",), "pictures"
        ),
    },
)
