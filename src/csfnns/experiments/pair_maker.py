"""Makes pairs: a plain cover, and a secret where one is hidden → what is sent without a message, and with one."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from csfnns.coding import ModelName
from csfnns.errors import NoMessageError, UsageError
from csfnns.experiments.methods import Method, grid_side
from csfnns.experiments.pair_wanted import MATCHING, WITH_GRAIN, Wanted, root_of
from csfnns.experiments.plan import describe
from csfnns.measure import psnr
from csfnns.picture import Picture, fit
from csfnns.schemes import CsFnns, Direct, ReceiverSeeds, Scheme
from csfnns.steganalysis import Deep
from csfnns.stream import SEED_BYTES, Seed


@dataclass(frozen=True)
class Pair:
    """Two pictures, and what is known of them."""

    cover: Picture
    """What is sent without a message."""
    stego: Picture
    figures: Mapping[str, float | None]
    """As PairSet has them."""


class Maker:
    """Makes pairs as they are wanted."""

    def __init__(self, wanted: Wanted) -> None:
        self.wanted = wanted
        self._detectors = [Deep.load(path) for path in wanted.against]
        self.met = tuple(sorted({each.name for each in self._detectors}))
        # Before anything is done: an impossible search is refused here.
        self.search = None if wanted.searches is None else self._describe(wanted.searches)

    @property
    def scheme(self) -> str:
        """Name in results: of a search that deceives detectors, with theirs."""
        return "-".join([self.wanted.scheme, *(["against", *self.met] if self.met else [])])

    @property
    def label(self) -> str:
        """The same for people."""
        return self.wanted.label + (f" against {', '.join(self.met)}" if self.met else "")

    def seed(self, name: str) -> Seed:
        """Of a pair; crops do not depend on the scheme, so that schemes can be compared on the same covers."""
        label = f"csfnns/1/experiment/pairs/{self.scheme}/{self.wanted.payload:g}/{name}"
        return root_of(self.wanted).derive(label)

    def make(self, cover: Picture, secret: Picture | None, seed: Seed) -> Pair:
        """Pair on a plain cover. Raises CapacityError and SearchError."""
        stego, figures = self._stego(cover, secret, seed)
        with_grain = self.wanted.scheme == WITH_GRAIN
        sent = Direct("grain").decoy(cover, seed.derive("csfnns/1/decoy")) if with_grain else cover
        found = {"psnr": psnr(cover, stego), "changed": float((stego != cover).mean())}
        return Pair(sent, stego, found | figures)

    def _stego(
        self, cover: Picture, secret: Picture | None, seed: Seed
    ) -> tuple[Picture, dict[str, float | None]]:
        """Stego, and what only the scheme can tell of it."""
        wanted = self.wanted
        if wanted.scheme == MATCHING:
            changes = round((wanted.rate or 0) / 2 * cover.size)
            if secret is not None:
                changes = int((self._searched(cover, secret, seed)[0] != cover).sum())
            return matched(cover, changes, seed), {}
        if secret is not None:
            return self._searched(cover, secret, seed)
        data = seed.derive("csfnns/1/data").stream().take(wanted.bytes or 0)
        model: ModelName = "grain" if wanted.scheme == WITH_GRAIN else "cost"
        return Direct(model).embed(cover, {_receiver(seed): data}), {}

    def _searched(
        self, cover: Picture, secret: Picture, seed: Seed
    ) -> tuple[Picture, dict[str, float | None]]:
        """Stego with a picture in it, and the PSNR of what its receiver gets; None where that is nothing."""
        method = self.wanted.searches
        assert method is not None
        receiver = _receiver(seed)
        scheme = self._scheme(method, receiver)
        grid = grid_side(self.wanted.side, self.wanted.case)
        fitted = fit(secret, grid, grid)
        scheme.check([fitted])
        stego = scheme.embed(cover, {receiver: fitted})
        try:
            return stego, {"recovered": psnr(fitted, scheme.extract(stego, cover, receiver).grid)}
        except NoMessageError:
            return stego, {"recovered": None}

    def _scheme(self, method: Method, receiver: ReceiverSeeds) -> Scheme:
        wanted = self.wanted
        scheme = method.build(method.profile(wanted.case, wanted.side), wanted.setting, [receiver])
        if not self._detectors:
            return scheme
        if not isinstance(scheme, CsFnns) or scheme.search is None:
            raise UsageError(f"The search of {method.name} knows no detectors.", "Leave --against out.")
        from csfnns.search import GAMMA

        gamma = wanted.gamma or scheme.search.gamma or GAMMA
        networks = [each.network for each in self._detectors]
        return replace(scheme, search=replace(scheme.search, gamma=gamma), detectors=networks)

    def _describe(self, method: Method) -> str:
        nobody = Seed(bytes(SEED_BYTES))  # seeds are not shown
        scheme = self._scheme(method, ReceiverSeeds(nobody, nobody))
        text = describe(method, self.wanted.case, self.wanted.setting)
        if isinstance(scheme, CsFnns) and scheme.search is not None and scheme.detectors:
            text += f", with gamma={scheme.search.gamma:g} against networks"
        return text


def _receiver(seed: Seed) -> ReceiverSeeds:
    return ReceiverSeeds(seed.derive("csfnns/1/decoder"), seed.derive("csfnns/1/header"))


def matched(cover: Picture, changes: int, seed: Seed) -> Picture:
    """LSB matching: that many sub-pixels at random places moved by ±1, away from the ends of the scale."""
    stream = seed.derive("csfnns/1/experiment/pairs/matching").stream()
    places = stream.permutation(cover.size)[:changes]
    levels = cover.reshape(-1).astype(np.int16)
    moved = levels[places]
    steps = np.where(moved == 0, 1, np.where(moved == 255, -1, stream.signs(changes)))
    levels[places] = moved + steps
    return levels.astype(np.uint8).reshape(cover.shape)
