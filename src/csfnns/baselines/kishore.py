"""Fixed neural network steganography: L-BFGS on the stego picture until a fixed network decodes the secret.

Varsha Kishore, Xiangyu Chen, Yan Wang, Boyi Li and Kilian Q. Weinberger, "Fixed Neural Network Steganography: Train the
images, not the network", ICLR 2022; here as the authors of Cs-FNNS ran it for their Tables 1, 2 and 4.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch

from csfnns.baselines._fixed import FixedNetworkScheme, check_setting
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.search import Progress
from csfnns.search.parts import as_image, as_picture


@dataclass(frozen=True)
class Kishore(FixedNetworkScheme):
    """Minimises the secret's error alone; only ε keeps the picture near its cover.

    After each round the picture is clipped to that box.
    """

    epsilon: float = 0.3
    """Largest change of a pixel, in (0, 1]."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_setting("epsilon", self.epsilon, 0 < self.epsilon <= 1, "in (0, 1]")

    def embed(
        self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture], *, progress: Progress | None = None
    ) -> Picture:
        """Stego of the cover, uint8 (H, W, 3). Several receivers' errors are added.

        Raises CapacityError, SearchError and Cancelled.
        """
        errors, image = self.errors(cover, secrets), as_image(cover, self.device)
        stego = self.minimise(
            image,
            lambda x: torch.stack(errors(x)).sum(),
            lambda x, _: (image + (x - image).clamp(-self.epsilon, self.epsilon)).clamp(0, 1),
            progress,
        )
        return as_picture(stego)
