"""Secured fixed neural network steganography: changes cost more in smooth places, and a key is added before decoding.

Zicong Luo, Sheng Li, Guobiao Li, Zhenxing Qian and Xinpeng Zhang, "Securing Fixed Neural Network Steganography", ACM
Multimedia 2023.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn import functional

from csfnns.baselines._fixed import FixedNetworkScheme, check_setting
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.search import Progress
from csfnns.search.parts import as_image, as_picture

KEY_STRENGTH = 0.01
"""Size of the key's signs, in [0, 1]: two levels and a half."""
SMOOTH, SMOOTH_COST = 0.5, 3.0
"""Costs above the first count as the second."""


@dataclass(frozen=True)
class Luo(FixedNetworkScheme):
    """Minimises the secret's error and the change of each pixel times its cost."""

    steps: int = 1500
    round_steps: int = 15
    keyed: bool = False
    """Whether each receiver's key is added before decoding, as published; the tables of Cs-FNNS were made without, since
    there the decoder is the key."""
    rounded: bool = False
    """Whether the picture is rounded to whole levels after every second round, as published; not so in those tables."""
    rho: float = 0.5
    """Weight of the changes' cost against the secret's error."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_setting("rho", self.rho, self.rho >= 0, "0 or above")

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Several receivers' errors are added.

        Raises CapacityError, SearchError and Cancelled.
        """
        errors, image = self.errors(cover, secrets), as_image(cover, self.device)
        weights = 1 + torch.from_numpy(costs(cover)).to(self.device)[None]

        def loss(delta: Tensor) -> Tensor:
            change = self.rho * (weights * delta.square()).mean()
            return torch.stack([change, *errors(image + delta)]).sum()

        def project(delta: Tensor, i: int) -> Tensor:
            if self.rounded and i % 2 == 1:
                return as_image(as_picture(image + delta), self.device) - image
            return delta

        return as_picture(image + self.minimise(torch.zeros_like(image), loss, project, progress))

    def pattern(self, seeds: ReceiverSeeds, picture: Picture) -> Tensor | float:
        """Signs of size KEY_STRENGTH from the receiver's key, (1, 3, H, W); 0 unless keyed."""
        if not self.keyed:
            return 0.0
        signs = seeds.decoder.derive("csfnns/2/luo/key").stream().signs(picture.size)
        return KEY_STRENGTH * torch.from_numpy(signs).float().reshape(1, 3, *picture.shape[:2])


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
    """Add a mirrored margin that repeats the border pixels; torch's own mirroring leaves those out."""
    pad = ((0, 0), (0, 0), (margin, margin), (margin, margin))
    return torch.from_numpy(np.pad(x.numpy(), pad, mode="symmetric"))
