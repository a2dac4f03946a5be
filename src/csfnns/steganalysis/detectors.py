"""The registry of detectors. A new one is a module with a class, and an entry here."""

from csfnns.registry import Registry
from csfnns.steganalysis.base import DetectorEntry

_RATE = "Scores estimate the share of levels whose lowest bit was replaced."
_HERE = "csfnns.steganalysis"
_SUSPECTED = 0.2
"""Threshold of the tool StegExpose, here of the detectors too whose mean it is."""


def _alarms(photographs: str, abstract: str, diffusion: str) -> str:
    """What `benchmarks/false_alarms.py` counts above the threshold."""
    return (
        f"Plain pictures above it: {photographs} Kodak photographs, {abstract} covers of abstract,"
        f" {diffusion} Stable Diffusion pictures."
    )


def _network(factory: str, help: str, false_alarms: str = "") -> DetectorEntry:
    meaning = "Scores are probabilities of a stego, if half of all pictures are stegos."
    return DetectorEntry(
        f"{_HERE}.{factory}",
        help,
        ("network",),
        kind="network",
        meaning=meaning,
        threshold=0.5,
        false_alarms=false_alarms,
    )


DETECTORS = Registry(
    "detector",
    {
        "stegexpose": DetectorEntry(
            f"{_HERE}.replacement:StegExpose",
            "mean of the next four (Boehm 2014)",
            meaning="The tool of that name suspects pictures above 0.2.",
            threshold=_SUSPECTED,
            false_alarms=_alarms("0 of 24", "0 of 40", "1 of 20"),
        ),
        "primary-sets": DetectorEntry(
            f"{_HERE}.replacement:PrimarySets",
            "rate of LSB replacement, from horizontal neighbours (Dumitrescu, Wu, Memon 2002)",
            meaning=_RATE,
            threshold=_SUSPECTED,
            false_alarms=_alarms("0 of 24", "0 of 40", "3 of 20"),
        ),
        "chi-square": DetectorEntry(
            f"{_HERE}.replacement:ChiSquare",
            "LSB replacement that starts at the top (Westfeld, Pfitzmann 1999)",
            meaning="Scores estimate how much of the picture a message from its beginning fills.",
            threshold=_SUSPECTED,
            false_alarms=_alarms("0 of 24", "10 of 40", "1 of 20"),
        ),
        "sample-pairs": DetectorEntry(
            f"{_HERE}.replacement:SamplePairs",
            "rate of LSB replacement, from all neighbours (Dumitrescu, Wu, Wang 2003)",
            meaning=_RATE,
            threshold=_SUSPECTED,
            false_alarms=_alarms("0 of 24", "0 of 40", "3 of 20"),
        ),
        "rs": DetectorEntry(
            f"{_HERE}.replacement:Rs",
            "rate of LSB replacement, from squares of 2x2 (Fridrich, Goljan, Du 2001)",
            meaning=_RATE,
            threshold=_SUSPECTED,
            false_alarms=_alarms("0 of 24", "0 of 40", "2 of 20"),
        ),
        "spam": DetectorEntry(
            f"{_HERE}.spam:Spam",
            "686 features of neighbours and a trained ensemble (Pevný, Bas, Fridrich 2010)",
            ("network",),
            kind="model",
            meaning="Scores are the share of votes for stego: above 0.5 most say so.",
            threshold=0.5,
        ),
        "srm": DetectorEntry(
            f"{_HERE}.srm:Srm",
            "12,753 features of the spatial rich model and a trained ensemble (Fridrich, Kodovský 2012)",
            ("network",),
            kind="model",
            meaning="Scores are the share of votes for stego: above 0.5 most say so.",
            threshold=0.5,
        ),
        "residual": DetectorEntry(
            f"{_HERE}.residual:Residual",
            "90 features of the noise in smooth places and a trained ensemble; for grain (Lee, Hoppel 1989)",
            ("network",),
            kind="model",
            meaning="Scores are the share of votes for stego: above 0.5 most say so.",
            threshold=0.5,
        ),
        "dctr": DetectorEntry(
            f"{_HERE}.dctr:Dctr",
            "of JPEG files: 8,000 features of the undecimated DCT and a trained ensemble (Holub, Fridrich 2015)",
            ("network", "jpeg"),
            kind="model",
            reads="coefficients",
            meaning="Scores are the share of votes for stego: above 0.5 most say so.",
            threshold=0.5,
        ),
        "xunet": _network(
            "xunet:XuNet",
            "network: a fixed filter, absolute values (Xu, Wu, Shi 2016)",
            _alarms("19 of 24", "40 of 40", "0 of 20"),
        ),
        "yenet": _network("yenet:YeNet", "network: filters of the rich model, truncated (Ye, Ni, Yi 2017)"),
        "siastegnet": _network(
            "siastegnet:SiaStegNet",
            "network: compares both halves of a picture (You, Zhang, Zhao 2020)",
            _alarms("0 of 24", "23 of 24", "0 of 20"),
        ),
        "srnet": _network("srnet:SrNet", "network: deep and residual (Boroumand, Chen, Fridrich 2019)"),
    },
    group="csfnns.detectors",
)


def networks() -> tuple[str, ...]:
    """Names of the detectors that are networks."""
    return tuple(name for name, entry in DETECTORS.entries().items() if entry.kind == "network")
