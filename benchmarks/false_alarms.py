"""Counts plain pictures above each detector's threshold: what `false_alarms` of the registry says.

Kodak's photographs whole, 40 covers of the generator abstract and covers/eval at 512x512; networks see the middle 512x512.
"""

from collections.abc import Iterator

from common import make_parser, pictures, print_table
from csfnns.covers import make_generator
from csfnns.images.io import Picture, read_picture
from csfnns.profile import make_profile
from csfnns.steganalysis import DETECTORS, make_detector, shipped_networks
from csfnns.stream import Seed
from csfnns.web.inspect import NETWORK_SIDE, middle

COVERS = 40


def main() -> int:
    """Print the counts."""
    arguments = make_parser(__doc__).parse_args()
    generator = make_generator(make_profile(width=512, height=512))

    def generated() -> Iterator[Picture]:
        return (generator(Seed(bytes([i]) * 32)) for i in range(1, (4 if arguments.quick else COVERS) + 1))

    def read(folder: str) -> Iterator[Picture]:
        return map(read_picture, pictures(arguments.data / folder)[: 4 if arguments.quick else None])

    rows = []
    for name, entry in DETECTORS.entries().items():
        if entry.threshold is None or (entry.kind != "statistic" and name not in shipped_networks()):
            continue
        detector, row = make_detector(name), [name]
        for shown in (read("kodak"), generated(), read("covers/eval")):
            scores = [detector.score(middle(each, NETWORK_SIDE) if entry.kind == "network" else each) for each in shown]
            row.append(f"{sum(score > entry.threshold for score in scores)} of {len(scores)}")
        rows.append(row)
    print_table(("detector", "Kodak", "abstract", "Stable Diffusion"), rows)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
