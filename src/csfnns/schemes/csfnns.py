"""The scheme of the paper: a searched perturbation, separated from the cover by a receiver who has the cover too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from csfnns.decoders import Part, Together, make_decoder
from csfnns.errors import CapacityError, NoMessageError, SearchError, UsageError
from csfnns.payloads import Decoded, Target, make_codec
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import (
    Distortion,
    Progress,
    Recovery,
    Search,
    Undetected,
    Weighted,
    check_device,
    perturbation,
    preset,
)
from csfnns.stream import SEED_BYTES, Seed


@dataclass(frozen=True)
class _Job:
    """One secret to be hidden: the parts of its decoder, and what they shall put out."""

    parts: Sequence[Part]
    target: Target

    def target_of(self, part: Part) -> tuple[torch.Tensor, torch.Tensor]:
        """Values and weights of a part's outputs, (n,)."""
        there = slice(None) if part.places is None else part.places
        values, weights = (torch.from_numpy(x).flatten() for x in (self.target.values, self.target.weights))
        return values[there], weights[there]


@dataclass(frozen=True)
class CsFnns:
    """Cs-FNNS with the decoder of a profile. `search` overrides the profile's settings; receivers need none.

    `detectors` are those that the search shall deceive (objective.py), with the weight of its γ.
    """

    profile: Profile
    search: Search | None = None
    device: str = "cpu"
    detectors: Sequence[torch.nn.Module] = ()

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for what `embed` would certainly refuse or fail at."""
        room, hint = 24.0, "--bpp 6 for up to 4 secrets, 1.5 for 8."
        if self.profile.decoder == "robust":
            room, hint = 6.0, "--bpp 1.5 for up to 4 secrets."
        elif self.search is not None and self.search.space == "grain" and len(secrets) > 1:
            room, hint = 18.0, "--bpp 6 for up to 3 secrets, 1.5 for 8; or leave --grain out."
        need = len(secrets) * float(self.profile.bpp)
        if need > room:
            raise CapacityError(
                f"{len(secrets)} secrets of {self.profile.bpp} bits a cover pixel are more than a cover's {room:.0f}.",
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
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3), with one secret a receiver (Eq. 10).

        Raises CapacityError, SearchError and Cancelled. What a receiver gets is not checked here.
        """
        return self.embed_batch([cover], [secrets], progress=progress)[0]

    def embed_batch(
        self,
        covers: Sequence[Picture],
        secrets: Sequence[Mapping[ReceiverSeeds, Picture]],
        *,
        progress: Progress | None = None,
    ) -> list[Picture]:
        """Stegos of several covers, each with its own secrets, as `embed` makes them; a GPU does more at once.

        Raises UsageError unless there are as many covers as secrets and as many receivers for each.
        """
        if not covers or len(covers) != len(secrets) or len({len(each) for each in secrets}) != 1:
            hint = "Give secrets for each cover, and as many receivers for one as for another."
            raise UsageError("These covers and secrets are no batch.", hint)
        search = self.search or preset(self.profile)
        jobs = [[self._job(seeds, secret) for seeds, secret in each.items()] for each in secrets]
        starts = [next(iter(each)).decoder for each in secrets]
        images = torch.cat([_image(cover) for cover in covers])
        stegos = [np.empty_like(cover) for cover in covers]
        windows = [(part.rows, part.columns) for part in jobs[0][0].parts]
        for i, (rows, columns) in enumerate(windows):
            part = images[:, :, rows, columns].to(self.device)
            # Of each part by itself, as its secret is: a calm part beside a rough one has its own balance.
            terms = [Weighted(Distortion(search.cost(part)), 1.0)]
            for receivers in zip(*jobs, strict=True):
                terms.append(Weighted(self._recovery(receivers, i), search.beta, grows=True))
            if self.detectors and search.gamma:
                undetected = Undetected([each.to(self.device) for each in self.detectors])
                terms.append(
                    Weighted(undetected, search.beta * search.gamma, start=search.gamma_from, grows=True)
                )
            try:
                delta = search(
                    part,
                    terms,
                    seeds=[start.derive(f"csfnns/1/part/{i}") for start in starts],
                    progress=_share(progress, i, len(windows)),
                )
            except torch.OutOfMemoryError as error:
                hint = "Hide fewer pictures at once, or search on the processor: --device cpu."
                raise SearchError(f"{self.device} has too little memory for this search.", hint) from error
            for stego, cover, levels in zip(stegos, covers, delta.cpu(), strict=True):
                stego[rows, columns] = cover[rows, columns] + levels.permute(1, 2, 0).numpy()
        return stegos

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver. Raises NoMessageError when there is none for these seeds."""
        delta = perturbation(stego, cover)
        if not delta.any():
            hint = "Somebody may have sent the wrong file."
            raise NoMessageError("This is a cover as it was generated: nothing is hidden in it.", hint)
        decoder = make_decoder(self.profile, seeds.decoder)
        with torch.inference_mode():
            output = decoder(_image(delta))[0].numpy()
        return make_codec(self.profile, seeds.header).decode(output)

    def _job(self, seeds: ReceiverSeeds, secret: Picture) -> _Job:
        decoder = make_decoder(self.profile, seeds.decoder)
        return _Job(decoder.parts(), make_codec(self.profile, seeds.header).encode(secret))

    def _recovery(self, jobs: Sequence[_Job], i: int) -> Recovery:
        """Term of the i-th part of one receiver's job in each picture."""
        parts = [job.parts[i] for job in jobs]
        values, weights = zip(
            *(job.target_of(part) for job, part in zip(jobs, parts, strict=True)), strict=True
        )
        decoder = Together([part.decoder for part in parts]).to(self.device)
        return Recovery(decoder, torch.stack(values).to(self.device), torch.stack(weights).to(self.device))


def _image(levels: npt.NDArray[Any]) -> torch.Tensor:
    """Levels (H, W, 3) → float32 (1, 3, H, W), divided by 255."""
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float() / 255


def _share(progress: Progress | None, i: int, parts: int) -> Progress | None:
    """Progress of the i-th of some searches, told as progress of all."""
    if progress is None:
        return None
    return lambda step, steps: progress(i * steps + step, parts * steps)
