"""The methods that experiments compare: each a scheme with its settings, under one name."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from csfnns.experiments.base import Case, Seen
from csfnns.profile import GRID, Profile, make_profile

if TYPE_CHECKING:
    from csfnns.schemes import ReceiverSeeds, Scheme

UDH_FOLDER = "CSFNNS_UDH"
"""Environment variable: folder of UDH's weights, udh-SECRETS-BPP.safetensors of training/udh.py."""

JPEG = "jpeg:90/420"
"""The compression of Table 3, which adapted methods (★) know in their search."""

TRELLIS = "standard"
"""Profile of the trellis method."""

_PIXELS = 512 * 512


@dataclass(frozen=True)
class Setting:
    """What one run asks of every method."""

    side: int
    """Of the covers, in pixels."""
    steps: int | None
    """Of every search; None for each method's own."""
    device: str


Build = Callable[[Profile, Setting, "Sequence[ReceiverSeeds]"], "Scheme"]


@dataclass(frozen=True)
class Method:
    """One line of a table."""

    name: str
    label: str
    preset: str
    """Profile that gives its public choices: decoder, rate, weights."""
    build: Build
    steps: int | None
    """Of its search, unless others are asked for; None for methods without a search in steps."""
    step_seconds: float
    """Of one step, or of the whole hiding, at 512x512 and one receiver, on two cores; a rough figure."""
    seen: Seen | None
    """What the profile's decoder looks at; None for schemes with another way to decode."""
    adapted: bool = False
    """Whether its search knows JPEG compression (Table 3)."""
    lacks: Callable[[Case], str | None] = lambda case: None
    """Says what is missing on this machine for that case, and where to get it; None if nothing is."""

    def profile(self, case: Case, side: int) -> Profile:
        """Public choices for covers of that side."""
        choices: dict[str, Any] = {"width": side, "height": side}
        if self.preset != TRELLIS:  # which has neither a rate nor weights
            choices["bpp"] = case.bpp
        if case.weights is not None:
            choices["weights"] = case.weights
        return make_profile(self.preset, **choices)

    def seconds(self, case: Case, setting: Setting) -> float:
        """Time of one hiding on two cores, roughly."""
        size = scaled(setting.side, case) ** 2 / _PIXELS
        steps = 1 if self.steps is None else setting.steps or self.steps
        return steps * self.step_seconds * size * case.receivers


def grid_side(side: int, case: Case) -> int:
    """Side of the secrets for covers of that side: the same pixels for every method, whatever sizes it can carry."""
    return side // {"24": 1, "6": 2, "1.5": 4}[case.bpp]


def scaled(side: int, case: Case) -> int:
    """Side of the case's covers: a multiple of 16."""
    return max(GRID, round(side * case.scale / GRID) * GRID)


def _cs_fnns(channel: str | None = None) -> Build:
    """Cs-FNNS with the search of its profile, for that channel."""

    def build(profile: Profile, setting: Setting, receivers: "Sequence[ReceiverSeeds]") -> "Scheme":
        from csfnns.schemes import make_scheme
        from csfnns.search import parse_channel, preset

        search = preset(profile)
        passes = parse_channel(channel) if channel else None
        search = replace(search, steps=setting.steps or search.steps, channel=passes)
        return make_scheme("csfnns", profile, search=search, device=setting.device)

    return build


def _searched(name: str, channel: str | None = None) -> Build:
    """A scheme of that name, with its own settings but for the steps, for that channel."""

    def build(profile: Profile, setting: Setting, receivers: "Sequence[ReceiverSeeds]") -> "Scheme":
        from csfnns.schemes import make_scheme
        from csfnns.search import parse_channel

        steps = {} if setting.steps is None else {"steps": setting.steps}
        passes = parse_channel(channel) if channel else None
        return make_scheme(name, profile, device=setting.device, channel=passes, **steps)

    return build


def _trellis(profile: Profile, setting: Setting, receivers: "Sequence[ReceiverSeeds]") -> "Scheme":
    from csfnns.schemes import make_scheme
    from csfnns.schemes.trellis import STATES
    from csfnns.search.viterbi import default_form

    # Named in the settings of rows and pairs: stegos follow from them, and machines with a compiler have more.
    return make_scheme("trellis", profile, states=STATES[default_form()])


def _lsb(profile: Profile, setting: Setting, receivers: "Sequence[ReceiverSeeds]") -> "Scheme":
    from csfnns.schemes import make_scheme

    return make_scheme("lsb", profile)


def _udh(profile: Profile, setting: Setting, receivers: "Sequence[ReceiverSeeds]") -> "Scheme":
    from csfnns.schemes import make_scheme

    weights = _udh_weights(len(receivers), profile.bpp)
    return make_scheme("udh", profile, weights=weights, receivers=tuple(receivers), device=setting.device)


def _udh_weights(secrets: int, bpp: str) -> Path:
    return Path(os.environ.get(UDH_FOLDER, "weights")) / f"udh-{secrets}-{bpp}.safetensors"


def _udh_lacks(case: Case) -> str | None:
    path = _udh_weights(case.receivers, case.bpp)
    if path.is_file():
        return None
    train = f"python training/udh.py --secrets {case.receivers} --bpp {case.bpp} --out {path}"
    return f"no weights {path} (train them with '{train}', or set {UDH_FOLDER} to their folder)"


_ALL = (
    Method("lsb", "low bits", "paper", _lsb, None, 0.2, None),
    Method("kishore", "Kishore et al.", "paper", _searched("kishore"), 2000, 0.3, "stego"),
    Method("luo", "Luo et al.", "paper", _searched("luo"), 1500, 0.3, "stego"),
    Method("udh", "UDH", "paper", _udh, None, 0.5, None, lacks=_udh_lacks),
    Method("paper", "Cs-FNNS (paper)", "paper", _cs_fnns(), 1500, 0.3, "perturbation"),
    Method("standard", "Cs-FNNS (standard)", TRELLIS, _trellis, None, 0.5, "perturbation"),
    Method(
        "kishore-jpeg",
        "★ Kishore et al.",
        "paper",
        _searched("kishore", JPEG),
        2000,
        0.2,
        "stego",
        adapted=True,
    ),
    Method("luo-jpeg", "★ Luo et al.", "paper", _searched("luo", JPEG), 1500, 0.2, "stego", adapted=True),
    Method(
        "paper-jpeg", "★ Cs-FNNS (paper)", "paper", _cs_fnns(JPEG), 1500, 0.2, "perturbation", adapted=True
    ),
    Method("robust", "★ Cs-FNNS (robust)", "robust", _cs_fnns(JPEG), 300, 0.04, "perturbation", adapted=True),
)
METHODS = {method.name: method for method in _ALL}
"""In the order of the tables' lines."""
