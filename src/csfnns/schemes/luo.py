"""Secured fixed neural network steganography: changes cost more in smooth places, and a key is added before decoding.

Zicong Luo, Sheng Li, Guobiao Li, Zhenxing Qian and Xinpeng Zhang, "Securing Fixed Neural Network Steganography", ACM
Multimedia 2023.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from csfnns.errors import Cancelled, UsageError
from csfnns.payloads import Decoded
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.schemes import _fixed
from csfnns.schemes._lbfgs import lbfgs_round
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import Channel, Progress

KEY_STRENGTH = 0.01
"""Size of the key's signs, in [0, 1]: two levels and a half."""
SMOOTH, SMOOTH_COST = 0.5, 3.0
"""Costs above the first count as the second."""


@dataclass(frozen=True)
class Luo:
    """Minimises the secret's error and the change of each pixel times its cost. Receivers need no cover.

    Raises UsageError for a profile with another kind of decoder (use `paper`), and for settings that cannot be.
    """

    profile: Profile
    keyed: bool = False
    """Whether each receiver's key is added before decoding, as published; the tables of Cs-FNNS were made without, since
    there the decoder is the key."""
    rounded: bool = False
    """Whether the picture is rounded to whole levels after each two rounds, as published; not so in those tables."""
    steps: int = 1500
    """Of L-BFGS in all; the last round is shorter where they are no whole rounds."""
    round_steps: int = 15
    """Steps after which L-BFGS starts with an empty history."""
    learning_rate: float = 0.1
    rho: float = 0.5
    """Weight of the changes' cost against the secret's error."""
    loss_scale: float = 1.0
    """Factor of the whole loss. L-BFGS's tolerances are absolute and a mean's gradient over 512x512 pixels is tiny: with
    1, as compared, most rounds stand still; with 1000 none does."""
    channel: Channel | None = None
    """What the stego shall survive: the decoder sees what arrives ("adapted" in Table 3)."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        _fixed.check_profile(self.profile)
        rates = self.learning_rate > 0 and self.loss_scale > 0 and self.rho >= 0
        if not (self.steps >= 1 and self.round_steps >= 1 and rates):
            hint = "steps, round_steps ≥ 1; learning_rate, loss_scale > 0; rho ≥ 0."
            raise UsageError("These settings cannot be.", hint)

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for what does not fit."""
        _fixed.check_secrets(self.profile, secrets)

    def embed(
        self,
        cover: Picture,
        secrets: Mapping[ReceiverSeeds, Picture],
        *,
        progress: Progress | None = None,
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Several receivers' errors are added.

        Raises CapacityError, SearchError and Cancelled.
        """
        readings = _fixed.make_readings(self.profile, secrets, self.device)
        keys = [self._key(seeds, cover.shape[:2]) for seeds in secrets]
        readings = [replace(reading, key=key) for reading, key in zip(readings, keys, strict=True)]
        image = _fixed.as_image(cover, self.device)
        weights = 1 + torch.from_numpy(costs(cover)).to(self.device)[None]
        arrived = _fixed.arrival(image, secrets, self.channel)
        delta = torch.zeros_like(image)

        def loss(d: Tensor) -> Tensor:
            change = self.rho * (weights * d.square()).mean()
            errors = [reading.error(arrived(image + d)) for reading in readings]
            return self.loss_scale * torch.stack([change, *errors]).sum()

        starts = range(0, self.steps, self.round_steps)
        for i, done in enumerate(starts):
            steps = min(self.round_steps, self.steps - done)
            delta = lbfgs_round(delta, loss, steps=steps, rate=self.learning_rate)
            if self.rounded and i % 2 == 1:
                delta = _fixed.as_image(_fixed.as_picture(image + delta), self.device) - image
            if progress is not None and progress(i + 1, len(starts)) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
        return _fixed.as_picture(image + delta)

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver; the cover is not looked at. Raises NoMessageError for noise.

        What a wrong key's decoder makes of a photograph may keep some of its shapes, and then counts as a picture.
        """
        key = self._key(seeds, stego.shape[:2])
        key = key.cpu() if isinstance(key, Tensor) else key
        return _fixed.decode(self.profile, _fixed.as_image(stego) + key, seeds)

    def _key(self, seeds: ReceiverSeeds, shape: tuple[int, ...]) -> Tensor | float:
        """Signs of size KEY_STRENGTH, (1, 3, H, W); 0 without a key."""
        if not self.keyed:
            return 0.0
        stream = seeds.decoder.derive("csfnns/1/luo/key").stream()
        signs = stream.signs(3 * shape[0] * shape[1]).reshape(1, 3, *shape)
        return KEY_STRENGTH * torch.from_numpy(signs).float().to(self.device)


def costs(cover: Picture) -> npt.NDArray[np.float32]:
    """Cost of changing each pixel, (3, H, W) in (0, 0.5] where there is texture and 3 elsewhere.

    The distortion of HILL, each colour alone: Li, Wang, Huang and Li, "A new cost function for spatial image
    steganography", ICIP 2014. A high pass (Ker and Böhme's), its size averaged over 3x3, the inverse over 15x15.
    """
    levels = torch.from_numpy(cover.transpose(2, 0, 1).astype(np.float64))[:, None]  # (3, 1, H, W)
    high_pass = torch.tensor([[-1.0, 2, -1], [2, -4, 2], [-1, 2, -1]], dtype=torch.float64)[None, None]
    residual = functional.conv2d(_mirror(levels, 2), high_pass).abs()
    energy = functional.avg_pool2d(residual, 3, stride=1)
    inverse = (1 / (energy + 1e-10)).clamp(max=1e10)
    cost = functional.avg_pool2d(_mirror(inverse, 7), 15, stride=1)[:, 0]
    return torch.where(cost > SMOOTH, SMOOTH_COST, cost).float().numpy()


def _mirror(x: Tensor, margin: int) -> Tensor:
    """Add a margin in which the picture is mirrored, its border pixels twice: torch's own leaves those out."""
    pad = ((0, 0), (0, 0), (margin, margin), (margin, margin))
    return torch.from_numpy(np.pad(x.numpy(), pad, mode="symmetric"))
