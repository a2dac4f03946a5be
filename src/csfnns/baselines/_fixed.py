"""What the two baselines with fixed random networks share: their decoder sees the stego picture itself."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from csfnns.decoders import make_decoder
from csfnns.errors import Cancelled, CapacityError, SearchError, UsageError
from csfnns.images.io import Picture
from csfnns.methods.base import ReceiverSeeds
from csfnns.payloads import Decoded, make_codec
from csfnns.profile import Profile
from csfnns.search import Channel, Progress, Transit
from csfnns.search.parts import as_image
from csfnns.stream import SEED_BYTES, Seed

COVER_BITS = 24.0
"""Bits of a cover pixel."""
_LEAST_CHANGE = 1e-9  # torch's default


@dataclass(frozen=True)
class FixedNetworkScheme:
    """Rounds of L-BFGS until a fixed network decodes the secret. Receivers need no cover.

    Raises UsageError for a profile whose decoder outputs coefficients (use `paper`), and for settings out of range.
    """

    profile: Profile
    steps: int = 2000
    """Of L-BFGS in all; the last round is shorter unless rounds divide them."""
    round_steps: int = 20
    """Steps of a round. Each round starts with an empty history of L-BFGS."""
    learning_rate: float = 0.1
    loss_scale: float = 1.0
    """Factor of the whole loss. L-BFGS's tolerances are absolute and a mean's gradient over 512x512 pixels is tiny: with
    1, as compared, most rounds stop early; with 1000 none does."""
    channel: Channel | None = None
    """What the stego has to survive: the decoder sees what arrives ("adapted" in Table 3)."""
    device: str = "cpu"

    def __post_init__(self) -> None:
        if self.profile.has_header:
            hint = "Use the profile 'paper': it has the decoder that the published tables were made with."
            raise UsageError("This baseline needs a decoder that outputs pictures.", hint)
        for name in ("steps", "round_steps"):
            check_setting(name, getattr(self, name), getattr(self, name) >= 1, "at least 1")
        for name in ("learning_rate", "loss_scale"):
            check_setting(name, getattr(self, name), getattr(self, name) > 0, "above 0")

    def check(self, secrets: Sequence[Picture]) -> None:
        """Raise CapacityError for more bits than the cover's, or for a secret that looks like noise."""
        if len(secrets) * float(self.profile.bpp) > COVER_BITS:
            raise CapacityError(
                f"{len(secrets)} secrets of {self.profile.bpp} bits a pixel exceed a cover's {COVER_BITS:.0f}.",
                "Hide fewer at once, or choose fewer bits.",
            )
        for secret in secrets:
            make_codec(self.profile, Seed(bytes(SEED_BYTES))).encode(secret)

    def extract(self, stego: Picture, cover: Picture, seeds: ReceiverSeeds) -> Decoded:
        """Secret of one receiver; the cover is ignored. Raises NoMessageError for noise.

        A wrong key's decoder may keep some shapes of a photograph, which then counts as a picture.
        """
        with torch.inference_mode():
            output = make_decoder(self.profile, seeds.decoder)(as_image(stego) + self.pattern(seeds, stego))
        return make_codec(self.profile, seeds.header).decode(output[0].numpy())

    def pattern(self, seeds: ReceiverSeeds, picture: Picture) -> Tensor | float:
        """What the receiver adds to the picture before decoding, (1, 3, H, W) on the CPU or 0."""
        return 0.0

    def errors(self, cover: Picture, secrets: Mapping[ReceiverSeeds, Picture]) -> Callable[[Tensor], list[Tensor]]:
        """Function stego (1, 3, H, W) → mean squared error of each secret after the channel, scalars."""
        readers = []
        for seeds, secret in secrets.items():
            decoder = make_decoder(self.profile, seeds.decoder).to(self.device)
            values = torch.from_numpy(make_codec(self.profile, seeds.header).encode(secret).values)
            pattern = torch.as_tensor(self.pattern(seeds, cover)).to(self.device)
            readers.append((decoder, values[None].to(self.device), pattern))
        image = as_image(cover, self.device)
        transit = None if self.channel is None else Transit(self.channel, [next(iter(secrets)).decoder])

        def of(stego: Tensor) -> list[Tensor]:
            arrived = stego if transit is None else image + transit(image, stego - image)
            return [(decoder(arrived + key) - values).square().mean() for decoder, values, key in readers]

        return of

    def minimise(
        self,
        start: Tensor,
        loss: Callable[[Tensor], Tensor],
        project: Callable[[Tensor, int], Tensor],
        progress: Progress | None,
    ) -> Tensor:
        """Variable after all steps; `project` corrects it after each round, whose number it takes, from 0.

        Raises SearchError and Cancelled.
        """
        variable = start
        rounds = range(0, self.steps, self.round_steps)
        for i, done in enumerate(rounds):
            steps = min(self.round_steps, self.steps - done)
            variable = lbfgs_round(
                variable,
                lambda x: self.loss_scale * loss(x),
                steps=steps,
                rate=self.learning_rate,
                # What arrives has whole levels: a step too small for them does not change the loss, and is no end.
                least_change=_LEAST_CHANGE if self.channel is None else 0.0,
            )
            variable = project(variable, i)
            if progress is not None and progress(i + 1, len(rounds)) is False:
                raise Cancelled("The search was cancelled.", "Nothing was written.")
        return variable


def check_setting(name: str, value: float, holds: bool, rule: str) -> None:
    """Raise UsageError unless the rule holds."""
    if not holds:
        raise UsageError(f"{name} must be {rule}, got {value}.", "Change the setting.")


def lbfgs_round(
    variable: Tensor,
    loss: Callable[[Tensor], Tensor],
    *,
    steps: int,
    rate: float,
    least_change: float = _LEAST_CHANGE,
) -> Tensor:
    """`variable` after at most `steps` steps of torch's L-BFGS from an empty history, detached.

    A step that changes loss or variable by less than `least_change` ends the round, and so does a tiny gradient. Raises
    SearchError when the search diverges.
    """
    x = variable.detach().clone().requires_grad_()
    optimiser = torch.optim.LBFGS([x], lr=rate, max_iter=steps, max_eval=2 * steps, tolerance_change=least_change)

    def closure() -> Tensor:
        optimiser.zero_grad()
        value = loss(x)
        value.backward()  # type: ignore[no-untyped-call]
        return value

    optimiser.step(closure)  # type: ignore[no-untyped-call]
    if not bool(torch.isfinite(x).all()):
        raise SearchError("The search diverged.", "Try a smaller learning rate.")
    return x.detach()
