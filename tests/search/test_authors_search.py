"""The search of the paper's authors under JPEG: every second step compressed, compressed distortion."""

import numpy as np
import pytest
import torch

from csfnns.errors import UsageError
from csfnns.images.io import Picture
from csfnns.search import Distortion, Recovery, Search, Weighted
from csfnns.search.objective import SearchState
from csfnns.stream import SEED_BYTES, Seed


class _Grey:
    """Everything arrives as grey; counts the pictures."""

    seen = 0

    def __call__(self, picture: Picture, random: np.random.Generator) -> Picture:
        self.seen += 1
        return np.full_like(picture, 128)

    def cases(self) -> tuple["_Grey"]:
        return (self,)


@pytest.mark.parametrize(("every", "seen"), [(1, 7), (2, 3), (7, 1), (8, 0)])
def test_the_channel_is_seen_by_the_last_of_so_many_steps(every: int, seen: int) -> None:
    channel, cover = _Grey(), torch.full((1, 3, 16, 16), 100 / 255)
    search = Search(steps=7, channel=channel, channel_every=every)
    terms = [Weighted(Distortion(), 1.0), Weighted(Recovery(torch.nn.Identity(), torch.zeros(1, 3, 16, 16)), 1.0)]
    search(cover, terms, seeds=[Seed(bytes(SEED_BYTES))])
    assert channel.seen == seen
    with pytest.raises(UsageError, match="channel_every must be at least 1, got 0"):
        Search(channel_every=0)


def test_the_distortion_is_of_what_is_sent_or_of_what_arrives() -> None:
    cover = torch.zeros(1, 3, 2, 2)
    state = SearchState(cover, cover + 0.1, cover + 0.5)
    assert float(Distortion()(state)) == pytest.approx(0.01)
    assert float(Distortion(received=True)(state)) == pytest.approx(0.25)
    assert float(Distortion(received=True)(SearchState(cover, cover + 0.1))) == pytest.approx(0.01)
