"""The registry of detectors. A new one is a module with a class, and an entry here."""

from csfnns.registry import Registry
from csfnns.steganalysis.base import DetectorEntry

_RATE = "Scores estimate the share of levels whose lowest bit was replaced."
_HERE = "csfnns.steganalysis"


def _network(factory: str, help: str) -> DetectorEntry:
    meaning = "Scores are probabilities of a stego, if half of all pictures are stegos."
    return DetectorEntry(f"{_HERE}.{factory}", help, ("network",), kind="network", meaning=meaning)


DETECTORS = Registry(
    "detector",
    {
        "stegexpose": DetectorEntry(
            f"{_HERE}.replacement:StegExpose",
            "mean of the next four (Boehm 2014)",
            meaning="The tool of that name suspects pictures above 0.2.",
        ),
        "primary-sets": DetectorEntry(
            f"{_HERE}.replacement:PrimarySets",
            "rate of LSB replacement, from horizontal neighbours (Dumitrescu, Wu, Memon 2002)",
            meaning=_RATE,
        ),
        "chi-square": DetectorEntry(
            f"{_HERE}.replacement:ChiSquare",
            "LSB replacement that starts at the top (Westfeld, Pfitzmann 1999)",
            meaning="Scores estimate how much of the picture a message from its beginning fills.",
        ),
        "sample-pairs": DetectorEntry(
            f"{_HERE}.replacement:SamplePairs",
            "rate of LSB replacement, from all neighbours (Dumitrescu, Wu, Wang 2003)",
            meaning=_RATE,
        ),
        "rs": DetectorEntry(
            f"{_HERE}.replacement:Rs",
            "rate of LSB replacement, from squares of 2x2 (Fridrich, Goljan, Du 2001)",
            meaning=_RATE,
        ),
        "spam": DetectorEntry(
            f"{_HERE}.spam:Spam",
            "686 features of neighbours and a trained ensemble (Pevný, Bas, Fridrich 2010)",
            ("network",),
            kind="model",
            meaning="Scores are the share of votes for stego: above 0.5 most say so.",
        ),
        "xunet": _network("xunet:XuNet", "network: a fixed filter, absolute values (Xu, Wu, Shi 2016)"),
        "yenet": _network("yenet:YeNet", "network: filters of the rich model, truncated (Ye, Ni, Yi 2017)"),
        "siastegnet": _network(
            "siastegnet:SiaStegNet", "network: compares both halves of a picture (You, Zhang, Zhao 2020)"
        ),
        "srnet": _network("srnet:SrNet", "network: deep and residual (Boroumand, Chen, Fridrich 2019)"),
    },
    group="csfnns.detectors",
)


def networks() -> tuple[str, ...]:
    """Names of the detectors that are networks."""
    return tuple(name for name, entry in DETECTORS.entries().items() if entry.kind == "network")
