"""δ held to the law of grain: the search chooses where each value goes, and never which values there are."""

from collections.abc import Sequence
from fractions import Fraction

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from csfnns.coding import grain_delta
from csfnns.coding.laws import GRAIN, grain_classes
from csfnns.search.box import LEVELS
from csfnns.stream import Seed

_INSIDE = GRAIN  # the class of levels with room for all grain on both sides
_EVERY = 6  # steps for which thresholds stay: few ranks change in that time, and sorting is dear
_EXACT_FROM = 0.96  # of the steps: then every rank counts

F32 = npt.NDArray[np.float32]


class GrainGrid:
    """δ in grey levels that is, sub-pixel by sub-pixel, a rearrangement of a decoy's grain.

    A decoy's δ is drawn for the cover, from a stream of the sender's. Within each class of levels (by their distance
    to black and white, on which the law depends) its values are dealt out again in the order of the variable: the
    least value where the variable is least. So the histogram of every class is a decoy's, to the last count. Backwards,
    dealing counts as the identity (straight-through). The variable starts as keyed normal noise, from one seed a cover.
    """

    def __init__(
        self, cover: Tensor, seeds: Sequence[Seed], *, sigma: float, start: float, round_from: float
    ) -> None:
        levels = (LEVELS * cover).round().to("cpu", torch.uint8).numpy()
        self._counts, self._members = [], []
        for picture, seed in zip(levels, seeds, strict=True):
            # Rows first, colours last, as a decoy is drawn.
            grain = grain_delta(
                np.ascontiguousarray(picture.transpose(1, 2, 0)),
                Fraction(str(sigma)),
                seed.derive("csfnns/1/law").stream(),
            )
            values, classes = grain.transpose(2, 0, 1).reshape(-1), grain_classes(picture).reshape(-1)
            members = [np.flatnonzero(classes == i) for i in range(2 * GRAIN + 1)]
            self._members.append(members)
            self._counts.append([np.bincount(values[each] + GRAIN, minlength=7) for each in members])
        starts = (seed.derive("csfnns/1/start").stream() for seed in seeds)
        noise = [torch.from_numpy(stream.normals(cover[0].numel())) for stream in starts]
        self.variable = (start * torch.stack(noise)).reshape(cover.shape).to(cover).requires_grad_()
        self._round_from = round_from
        self._steps = 0
        self._final: Tensor | None = None
        # Of each picture: thresholds of its levels inside, and those of every level near black or white.
        edges = [np.flatnonzero(grain_classes(picture).reshape(-1) != _INSIDE) for picture in levels]
        self._edges = [torch.from_numpy(each).to(cover.device) for each in edges]
        self._rows = [
            torch.from_numpy(grain_classes(picture).reshape(-1)[each].astype(np.int64)).to(cover.device)
            for picture, each in zip(levels, edges, strict=True)
        ]
        self._thresholds = torch.zeros((len(cover), 2 * GRAIN + 1, 2 * GRAIN), device=cover.device)

    def prepare(self, progress: float) -> None:
        """Find anew between which values of the variable each level lies, if it is time; in the end, where each goes."""
        if progress < self._round_from:
            return
        variable = self.variable.detach().flatten(1).cpu().numpy()
        if progress >= 1:
            dealt = [_deal(*each) for each in zip(variable, self._members, self._counts, strict=True)]
            self._final = torch.from_numpy(np.stack(dealt)).reshape(self.variable.shape).to(self.variable)
        elif self._steps % _EVERY == 0 or progress >= _EXACT_FROM:
            found = [_thresholds(*each) for each in zip(variable, self._members, self._counts, strict=True)]
            self._thresholds.copy_(torch.from_numpy(np.stack(found)))
        self._steps += 1

    def delta(self, progress: float) -> Tensor:
        """δ = w / 255; the values dealt out in w's order once `progress` has reached `round_from`."""
        if progress < self._round_from:
            return self.variable / LEVELS
        dealt = self._dealt()
        return (self.variable + (dealt - self.variable.detach())) / LEVELS

    def project(self) -> None:
        """Nothing to do: the variable's order alone counts."""

    def _dealt(self) -> Tensor:
        """Values in the variable's order, (N, 3, H, W): nearly so during the search, and exactly in the end."""
        if self._final is not None:
            return self._final
        w = self.variable.detach().flatten(1)
        levels = torch.full_like(w, -GRAIN)
        for k in range(2 * GRAIN):
            levels += w >= self._thresholds[:, _INSIDE, k, None]
        for i, (edge, row) in enumerate(zip(self._edges, self._rows, strict=True)):
            above = w[i, edge, None] >= self._thresholds[i, row]
            levels[i, edge] = above.sum(1).to(levels) - GRAIN
        return levels.reshape(self.variable.shape)


def _deal(
    variable: F32, members: Sequence[npt.NDArray[np.intp]], counts: Sequence[npt.NDArray[np.intp]]
) -> F32:
    """So many of each level, within each class in the order of the variable: (n,)."""
    dealt = np.empty_like(variable)
    for there, count in zip(members, counts, strict=True):
        levels = np.repeat(np.arange(-GRAIN, GRAIN + 1), count)
        dealt[there[np.argsort(variable[there], kind="stable")]] = levels
    return dealt


def _thresholds(
    variable: F32, members: Sequence[npt.NDArray[np.intp]], counts: Sequence[npt.NDArray[np.intp]]
) -> F32:
    """Least value of the variable for each level but the lowest, of each class: (7, 6)."""
    found = np.full((len(members), 2 * GRAIN), np.inf, np.float32)
    for i, (there, count) in enumerate(zip(members, counts, strict=True)):
        ordered = np.sort(variable[there])
        first = np.cumsum(count)[:-1]  # rank of the first of each level
        inside = first < len(ordered)
        found[i, inside] = ordered[first[inside]]
    return found
