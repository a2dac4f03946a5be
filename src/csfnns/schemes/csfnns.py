"""The scheme of the paper: a searched perturbation, separated from the cover by a receiver who has the cover too."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch

from csfnns.decoders import Part, make_decoder
from csfnns.errors import CapacityError, NoMessageError, UsageError
from csfnns.payloads import Decoded, Target, make_codec
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import Distortion, Progress, Recovery, Search, Weighted, preset
from csfnns.stream import SEED_BYTES, Seed


@dataclass(frozen=True)
class CsFnns:
    """Cs-FNNS with the decoder of a profile. `search` overrides the profile's settings; receivers need none."""

    profile: Profile
    search: Search | None = None
    device: str = "cpu"

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError or UsageError for what `embed` would certainly refuse or fail at."""
        room, need = 24.0, len(secrets) * float(self.profile.bpp)
        if need > room:
            raise CapacityError(
                f"{len(secrets)} secrets of {self.profile.bpp} bits a cover pixel are more than a cover's {room:.0f}.",
                "Hide fewer at once, or make a key with fewer bits: --bpp 6 for up to 4 secrets, 1.5 for 8.",
            )
        try:
            torch.empty(0, device=self.device)
        except (RuntimeError, AssertionError) as error:  # torch raises either, by device and build
            reason = str(error).splitlines()[0]
            raise UsageError(f"The device {self.device!r} cannot be used: {reason}.", "Try 'cpu'.") from error
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
        search = self.search or preset(self.profile)
        decoders = [make_decoder(self.profile, seeds.decoder).to(self.device) for seeds in secrets]
        targets = [make_codec(self.profile, seeds.header).encode(secret) for seeds, secret in secrets.items()]
        start = next(iter(secrets)).decoder
        stego = np.empty_like(cover)
        parts = list(zip(*(decoder.parts() for decoder in decoders), strict=True))
        for i, each in enumerate(parts):
            window = each[0].rows, each[0].columns
            recoveries = map(self._recovery, each, targets)
            image = _image(cover[window]).to(self.device)
            terms = [Weighted(Distortion(), 1.0)]
            terms += [Weighted(recovery, search.beta, grows=True) for recovery in recoveries]
            report = _share(progress, i, len(parts))
            delta = search(image, terms, seed=start.derive(f"csfnns/1/part/{i}"), progress=report)
            stego[window] = cover[window] + delta[0].permute(1, 2, 0).cpu().numpy()
        return stego

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver. Raises NoMessageError when there is none for these seeds."""
        delta: npt.NDArray[np.int16] = stego.astype(np.int16) - cover
        if not delta.any():
            hint = "Somebody may have sent the wrong file."
            raise NoMessageError("This is a cover as it was generated: nothing is hidden in it.", hint)
        decoder = make_decoder(self.profile, seeds.decoder)
        with torch.inference_mode():
            output = decoder(_image(delta))[0].numpy()
        return make_codec(self.profile, seeds.header).decode(output)

    def _recovery(self, part: Part, target: Target) -> Recovery:
        values, weights = (torch.from_numpy(x).flatten() for x in (target.values, target.weights))
        if part.places is not None:
            there = part.places.cpu()
            values, weights = values[there], weights[there]
        return Recovery(part.decoder, values[None].to(self.device), weights[None].to(self.device))


def _image(levels: npt.NDArray[Any]) -> torch.Tensor:
    """Levels (H, W, 3) → float32 (1, 3, H, W), divided by 255."""
    return torch.from_numpy(np.ascontiguousarray(levels.transpose(2, 0, 1)))[None].float() / 255


def _share(progress: Progress | None, i: int, parts: int) -> Progress | None:
    """Progress of the i-th of some searches, told as progress of all."""
    if progress is None:
        return None
    return lambda step, steps: progress(i * steps + step, parts * steps)
