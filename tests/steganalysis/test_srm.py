"""SRM features, compared with the definition, with symmetries that they must have, and with another program."""

from collections.abc import Callable
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from csfnns import UsageError
from csfnns.experiments.pairs import lsb_matching
from csfnns.images.io import Picture
from csfnns.steganalysis.ensemble import Ensemble
from csfnns.steganalysis.srm import FEATURES, Srm, srm_features, submodels


@pytest.fixture(scope="module")
def picture(scene: Callable[..., Picture]) -> Picture:
    noise = np.random.default_rng(0).integers(-2, 3, (40, 52, 3))
    return np.clip(scene(40, 52).astype(int) + noise, 0, 255).astype(np.uint8)


def test_features_have_the_symmetries_of_their_definition(picture: Picture) -> None:
    features = srm_features(picture)
    assert features.shape == (FEATURES,) == (12753,)
    assert features.sum() == pytest.approx(
        sum(4 if "minmax" in name else 2 for name in submodels(picture[..., 0].astype(np.int32)))
    )
    for other in (255 - picture, picture.transpose(1, 0, 2), picture[::-1], picture[:, ::-1], picture[..., ::-1]):
        # A single residual is counted in one of two opposite directions, which differ at the border.
        assert srm_features(np.ascontiguousarray(other)) == pytest.approx(features, abs=0.02)
    assert abs(srm_features(np.roll(picture, 1, 2)) - features).max() < 1e-12


def test_submodels_count_what_the_paper_defines() -> None:
    x = np.random.default_rng(1).integers(0, 9, (12, 13)).astype(np.int32)
    height, width = x.shape
    counts: dict[tuple[int, ...], float] = {}

    def residual(i: int, j: int) -> tuple[int, int]:
        """Least and largest of both second differences through a pixel."""
        steps = [x[i, j - 1] - 2 * x[i, j] + x[i, j + 1], x[i - 1, j] - 2 * x[i, j] + x[i + 1, j]]
        rounded = [int(np.clip(np.sign(d) * np.floor(abs(d) / 2 + 0.5), -2, 2)) for d in steps]
        return min(rounded), max(rounded)

    for down, right in ((0, 1), (1, 0)):
        places = [
            [(i + k * down, j + k * right) for k in range(4)]
            for i, j in product(range(1, height - 1 - 3 * down), range(1, width - 1 - 3 * right))
        ]
        for place in places:
            least, largest = zip(*(residual(*each) for each in place), strict=True)
            for levels in (least, tuple(-each for each in largest)):
                bins = min(levels, levels[::-1])
                counts[bins] = counts.get(bins, 0) + 1 / len(places)
    found = submodels(x)["2 minmax 21"]
    assert sorted(found[found > 0]) == pytest.approx(sorted(counts.values()))


def test_another_program_has_the_same_features(picture: Picture, other_program: Any) -> None:
    channel = picture[:20, :24, 1].astype(np.int32)
    theirs = other_program("srm.srm").extract(channel, qs=[[1]] * 5)
    folders = {"1": "s1", "2": "s2", "3": "s3", "edge3": "s3x3", "edge5": "s5x5", "square3": "s35", "square5": "s35"}
    for name, ours in submodels(channel).items():
        family, kind, rest = name.split()
        if kind == "minmax":
            assert ours == pytest.approx(theirs[f"{folders[family]}_minmax{rest}_q1"], abs=1e-6), name
            continue
        both = next(value for key, value in theirs.items() if key.startswith(f"{folders[family]}_spam"))
        half = both[:169] if rest == "h" and family != "square5" else both[169:]
        # Theirs begins with the feature of four zeros, ours ends with it.
        assert np.roll(half, -1) == pytest.approx(ours, abs=1e-6), name


def test_an_ensemble_learns_lsb_matching(scene: Callable[..., Picture], tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    covers = [scene(64, 64, i) // 2 + random.integers(60, 66, (64, 64, 3), np.uint8) for i in range(14)]
    stegos = [lsb_matching(cover, cover.size // 2, random) for cover in covers]
    features = (np.array([srm_features(each) for each in side[:10]]) for side in (covers, stegos))
    detector = Srm(Ensemble.fit(*features, members=11))
    detector.save(tmp_path / "model")
    loaded = Srm.load(tmp_path / "model")
    assert all(loaded.score(stego) > loaded.score(cover) for cover, stego in zip(covers[10:], stegos[10:], strict=True))


def test_what_has_no_features_is_refused() -> None:
    with pytest.raises(UsageError, match="sides of at least 8"):
        srm_features(np.zeros((7, 20, 3), np.uint8))
