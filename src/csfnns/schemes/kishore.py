"""Fixed neural network steganography: L-BFGS on the stego picture until a fixed network says the secret.

Varsha Kishore, Xiangyu Chen, Yan Wang, Boyi Li and Kilian Q. Weinberger, "Fixed Neural Network Steganography: Train the
images, not the network", ICLR 2022; here as the authors of Cs-FNNS ran it for their Tables 1, 2 and 4.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from csfnns.errors import Cancelled, UsageError
from csfnns.payloads import Decoded
from csfnns.picture import Picture
from csfnns.profile import Profile
from csfnns.schemes import _fixed
from csfnns.schemes._lbfgs import lbfgs_round
from csfnns.schemes.base import ReceiverSeeds
from csfnns.search import Channel, Progress


@dataclass(frozen=True)
class Kishore:
    """The secret's error alone is minimised; ε is all that holds the picture to its cover. Receivers need no cover.

    Raises UsageError for a profile with another kind of decoder (use `paper`), and for settings that cannot be.
    """

    profile: Profile
    steps: int = 2000
    """Of L-BFGS in all; the last round is shorter where they are no whole rounds."""
    round_steps: int = 20
    """Steps between two returns into the box, each of which empties L-BFGS's history."""
    learning_rate: float = 0.1
    epsilon: float = 0.3
    """Largest change of a pixel, in [0, 1]."""
    loss_scale: float = 1.0
    """Factor of the whole loss. L-BFGS's tolerances are absolute and a mean's gradient over 512x512 pixels is tiny: with
    1, as compared, most rounds stand still; with 1000 none does."""
    channel: Channel | None = None
    """What the stego shall survive: the decoder sees what arrives ("adapted" in Table 3)."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        _fixed.check_profile(self.profile)
        rates = self.learning_rate > 0 and self.loss_scale > 0 and 0 < self.epsilon <= 1
        if not (self.steps >= 1 and self.round_steps >= 1 and rates):
            hint = "steps, round_steps ≥ 1; learning_rate, loss_scale > 0; 0 < epsilon ≤ 1."
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
        image = _fixed.as_image(cover, self.device)
        arrived = _fixed.arrival(image, secrets, self.channel)
        stego = image

        def loss(x: Tensor) -> Tensor:
            return self.loss_scale * torch.stack([reading.error(arrived(x)) for reading in readings]).sum()

        starts = range(0, self.steps, self.round_steps)
        for i, done in enumerate(starts):
            steps = min(self.round_steps, self.steps - done)
            stego = lbfgs_round(stego, loss, steps=steps, rate=self.learning_rate)
            stego = (image + (stego - image).clamp(-self.epsilon, self.epsilon)).clamp(0, 1)
            if progress is not None and progress(i + 1, len(starts)) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
        return _fixed.as_picture(stego)

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver; the cover is not looked at. Raises NoMessageError for noise.

        What a wrong key's decoder makes of a photograph may keep some of its shapes, and then counts as a picture.
        """
        return _fixed.decode(self.profile, _fixed.as_image(stego), seeds)
