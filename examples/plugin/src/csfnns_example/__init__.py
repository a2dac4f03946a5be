"""Entries of the example: what `pyproject.toml` names. The members themselves are imported when they are used."""

from csfnns.covers import GeneratorEntry
from csfnns.registry import Entry
from csfnns.search.channel import ChannelEntry
from csfnns.steganalysis import DetectorEntry

STRIPES = GeneratorEntry("csfnns_example.members:stripes", "stripes of two colours")
BLUR = ChannelEntry("csfnns_example.members:Blur.parse", "Gaussian blur of a radius", example="blur:1.5")
PARITY = DetectorEntry(
    "csfnns_example.members:Parity",
    "share of odd levels",
    meaning="Scores are distances of that share from ½.",
)
CORNER = Entry("csfnns_example.members:Corner", "the secret in the upper left corner, for all to see")
