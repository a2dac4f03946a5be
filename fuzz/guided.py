"""Run one target guided by its coverage, with atheris (pip install atheris; it has wheels for Linux).

python -m fuzz.guided keys -max_total_time=600 fuzz/corpus/keys

Options and folders are libFuzzer's: the first folder gets new cases that reach new code. A finding ends the run and is
written to the current folder; `python -m fuzz.run --target keys --file FILE` runs it again.
"""

import random
import sys

import atheris  # type: ignore[import-not-found]

from fuzz.mutate import mutate
from fuzz.run import HANG, read_corpus
from fuzz.targets import TARGETS


def main() -> None:
    """Run until libFuzzer ends."""
    name, *options = sys.argv[1:]
    corpus = read_corpus(name)
    with atheris.instrument_imports(include=["csfnns"]):
        function = TARGETS[name].load()

    def changed(data: bytes, most: int, seed: int) -> bytes:
        dice = random.Random(seed)
        return mutate(data, dice.choice(corpus), dice)[:most] if dice.random() < 0.8 else atheris.Mutate(data, most)

    limits = [f"-timeout={HANG:.0f}", "-rss_limit_mb=2048", "-max_len=65536"]
    atheris.Setup([sys.argv[0], *limits, *options], function, custom_mutator=changed)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
