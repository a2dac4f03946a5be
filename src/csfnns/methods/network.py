"""The scheme of the paper: a searched perturbation that a receiver with the same cover separates and decodes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from csfnns.decoders import decode, make_decoder
from csfnns.errors import CapacityError, NoMessageError, SearchError, UsageError
from csfnns.extras import require
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded, Target, make_codec
from csfnns.process import undisturbed
from csfnns.profile import Profile
from csfnns.search import Progress, perturbation
from csfnns.stream import SEED_BYTES, Seed

if TYPE_CHECKING:
    from torch import Tensor, nn

    from csfnns.decoders import Part
    from csfnns.search import Recovery, Search, Weighted


@dataclass(frozen=True)
class CsFnns:
    """Cs-FNNS with the decoder of a profile `paper` or `robust`. Receivers of `robust` need no torch."""

    profile: Profile
    search: "Search | None" = None
    """Settings of the search; None: those of the profile."""
    device: str = "cpu"
    detectors: "Sequence[nn.Module]" = ()
    """Networks that the search evades (search/objective.py), with the weight γ of its settings."""

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for what `embed` would certainly refuse."""
        require("network", f"Hiding with the profile {self.profile.name!r}")
        from csfnns.search import check_device

        room, hint = 24.0, "--bpp 6 for up to 4 secrets, 1.5 for 8."
        if self.profile.decoder == "robust":
            room, hint = 6.0, "--bpp 1.5 for up to 4 secrets."
        need = len(secrets) * float(self.profile.bpp)
        if need > room:
            raise CapacityError(
                f"{len(secrets)} secrets of {self.profile.bpp} bits per pixel exceed the {room:.0f} of a cover.",
                f"Hide fewer at once, or make a key with fewer bits: {hint}",
            )
        check_device(self.device)
        for secret in secrets:
            make_codec(self.profile, Seed(bytes(SEED_BYTES))).encode(secret)

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture],
        *,
        sent: int = 0,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with one secret a receiver (Eq. 10).

        Raises CapacityError, SearchError, Cancelled, and UsageError without the extra `network`. What a receiver gets is
        not checked here.
        """
        return self.embed_batch([cover], [secrets], sent=sent, progress=progress)[0]

    @undisturbed(SearchError)
    def embed_batch(
        self,
        covers: Sequence[Picture],
        secrets: Sequence[Mapping[ReceiverSeeds, Picture]],
        *,
        sent: int = 0,
        progress: Progress | None = None,
    ) -> list[Picture]:
        """Stegos of several covers, each with its own secrets, as `embed` makes them; a GPU does more at once.

        Raises UsageError unless there are as many covers as secrets and as many receivers for each.
        """
        if not covers or len(covers) != len(secrets) or len({len(each) for each in secrets}) != 1:
            hint = "Give secrets for each cover, and as many receivers for one as for another."
            raise UsageError("These covers and secrets are no batch.", hint)
        require("network", f"Hiding with the profile {self.profile.name!r}")
        from csfnns.search import Distortion, Undetected, Weighted, preset
        from csfnns.search.parts import search_parts

        search = self.search or preset(self.profile)
        jobs = [[self._job(seeds, secret, sent) for seeds, secret in each.items()] for each in secrets]

        def terms_of(i: int) -> "list[Weighted]":
            terms = [Weighted(Distortion(received=search.received_distortion), 1.0)]
            for receivers in zip(*jobs, strict=True):
                terms.append(Weighted(self._recovery(receivers, i), search.beta, grows=True))
            if self.detectors and search.gamma:
                undetected = Undetected([each.to(self.device) for each in self.detectors])
                weight = search.beta * search.gamma
                terms.append(Weighted(undetected, weight, start=search.gamma_from, grows=True))
            return terms

        return search_parts(
            covers,
            [(part.rows, part.columns) for part in jobs[0][0].parts],
            terms_of,
            search,
            seeds=[next(iter(each)).decoder for each in secrets],
            device=self.device,
            progress=progress,
        )

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver. Raises NoMessageError when there is none for these seeds.

        Raises UsageError without the extra `network`, but for a profile `robust`.
        """
        delta = perturbation(stego, cover)
        if not delta.any():
            hint = "Somebody may have sent the wrong file."
            raise NoMessageError("This is a cover as it was generated: nothing is hidden in it.", hint)
        output = decode(self.profile, seeds.decoder, delta)
        return make_codec(self.profile, seeds.header).decode(output)

    def _job(self, seeds: ReceiverSeeds, secret: Picture, sent: int) -> "_Job":
        decoder = make_decoder(self.profile, seeds.decoder)
        return _Job(decoder.parts(), make_codec(self.profile, seeds.header).encode(secret, sent))

    def _recovery(self, jobs: "Sequence[_Job]", i: int) -> "Recovery":
        """Term of the i-th part of one receiver's job in each picture."""
        import torch

        from csfnns.decoders import Together
        from csfnns.search import Recovery

        values, weights = zip(*(job.target_of(i) for job in jobs), strict=True)
        decoder = Together([job.parts[i].decoder for job in jobs]).to(self.device)
        return Recovery(decoder, torch.stack(values).to(self.device), torch.stack(weights).to(self.device))


@dataclass(frozen=True)
class _Job:
    """One secret: the parts of its decoder, and their target outputs."""

    parts: "Sequence[Part]"
    target: Target

    def target_of(self, i: int) -> "tuple[Tensor, Tensor]":
        """Values and weights of the i-th part's outputs, (n,)."""
        import torch

        places = self.parts[i].indices
        there = slice(None) if places is None else places
        values, weights = (torch.from_numpy(x).flatten() for x in (self.target.values, self.target.weights))
        return values[there], weights[there]


def torch_device(name: str) -> str:
    """Device of torch; "auto" is "cuda" where there is one."""
    if name != "auto":
        return name
    from csfnns.extras import has

    if not has("network"):
        return "cpu"  # whatever needs torch says so
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def load_adversaries(names: str | Sequence[str]) -> "list[nn.Module]":
    """Networks of the detectors that a search is to evade, by names of pretrained ones or by files. Raises UsageError."""
    if not names:
        return []
    from csfnns.steganalysis import Deep, find_model

    names = [names] if isinstance(names, str) else names
    return [Deep.load(find_model(each)).network for each in dict.fromkeys(names)]
