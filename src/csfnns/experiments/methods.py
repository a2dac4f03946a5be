"""The methods that experiments compare. The only module of experiments that calls the schemes behind them."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from csfnns.baselines import SCHEMES, make_scheme
from csfnns.errors import CsfnnsError, NoMessageError, PictureError, UsageError
from csfnns.experiments.base import Case, DecoderInput, Recovered
from csfnns.experiments.changes import EVADE, INITIALISER, RESIZE, change, settings_of
from csfnns.experiments.provenance import code_digest, outside_modules
from csfnns.experiments.resize import LANCZOS, resizer
from csfnns.images.io import Picture
from csfnns.images.jpeg_file import write_coefficients
from csfnns.methods import CsFnns, Direct, Jpeg, ReceiverSeeds, Scheme
from csfnns.methods.select import LEAST_PSNR
from csfnns.profile import GRID, Profile, make_profile
from csfnns.registry import Entry, Registry
from csfnns.steganalysis import find_model
from csfnns.stream import SEED_BYTES, Seed

__all__ = ["LEAST_PSNR", "METHODS", "Method", "ReceiverSeeds", "Scheme", "Setting"]

UDH_FOLDER = "CSFNNS_UDH"
"""Environment variable: folder of UDH's weights, udh-SECRETS-BPP.safetensors of training/udh.py."""
STEGANOGAN_FOLDER = "CSFNNS_STEGANOGAN"
"""Environment variable: folder of steganogan-dense.safetensors, which `csfnns weights convert` writes."""
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
    changes: Mapping[str, str] = field(default_factory=dict)
    """Other values of settings, for methods that have them (changes.py)."""
    seed: int = 0
    """Of all keys; 0 for those of a run without a seed."""

    def resize(self, picture: Picture, side: int) -> Picture:
        """A cover or a secret at its side, uint8 (side, side, 3)."""
        return resizer(self.changes.get(RESIZE, LANCZOS))(picture, side, side)


@dataclass(frozen=True, kw_only=True)
class Method(Entry):
    """One line of a table. Its factory makes a scheme: (profile, setting, receivers' seeds) → Scheme.

    Its help is the label that tables show.
    """

    name: str
    preset: str = "paper"
    """Profile that gives its public choices: decoder, rate, weights."""
    steps: int | None = None
    """Of its search, unless others are asked for; None for methods without a search in steps."""
    step_seconds: float = 0.5
    """Of one step, or of a whole embedding without steps, at 512x512 and one receiver, on two cores; roughly."""
    decoder_input: DecoderInput | None = None
    """What the profile's decoder reads; None for schemes with another way to decode."""
    adapted: bool = False
    """Whether its search knows JPEG compression (Table 3)."""
    lacks: Callable[[Case], str | None] = lambda case: None
    """What is missing on this machine for that case, and where to get it; None if nothing is."""

    @property
    def label(self) -> str:
        """Its name in tables."""
        return self.help

    def build(self, profile: Profile, setting: Setting, receivers: Sequence[ReceiverSeeds]) -> Scheme:
        """Scheme for these receivers."""
        assert callable(self.factory)
        scheme: Scheme = self.factory(profile, setting, receivers)
        return change(scheme, setting.changes) if setting.changes else scheme

    def profile(self, case: Case, side: int, changes: Mapping[str, str] | None = None) -> Profile:
        """Public choices for covers of that side."""
        choices: dict[str, Any] = {"width": side, "height": side}
        if self.preset != TRELLIS:  # which has neither a rate nor weights
            choices["bpp"] = case.bpp
        weights = case.weights or (changes or {}).get(INITIALISER)
        if weights is not None and self.has_initialiser:
            choices["weights"] = weights
        return make_profile(self.preset, **choices)

    @property
    def has_initialiser(self) -> bool:
        """Whether it has a decoder whose weights can have several distributions."""
        return self.decoder_input is not None and self.preset != TRELLIS

    def settings(self, case: Case, setting: Setting) -> set[str]:
        """Names of the settings that a run can change."""
        plain = replace(setting, changes={})
        scheme = self.build(self.profile(case, setting.side), plain, [NOBODY] * case.receivers)
        return {*settings_of(scheme), RESIZE, *([INITIALISER] if self.has_initialiser else [])}

    def seconds(self, case: Case, setting: Setting) -> float:
        """Time of one embedding on two cores, roughly."""
        size = scaled(setting.side, case) ** 2 / _PIXELS
        steps = 1 if self.steps is None else setting.steps or self.steps
        return steps * self.step_seconds * size * case.receivers

    def describe(self, case: Case, setting: Setting) -> str:
        """Every setting in this case, as the scheme shows them, with digests of weights and of another package's code."""
        side = scaled(setting.side, case)
        try:
            profile = self.profile(case, side, setting.changes)
            scheme = self.build(profile, replace(setting, side=side), [NOBODY] * case.receivers)
        except CsfnnsError as error:
            raise type(error)(f"{self.name}, {case.label}: {error.message}", error.hint) from error
        weights = getattr(scheme, "weights", None)
        networks = ""
        if isinstance(scheme, CsFnns) and scheme.detectors:
            scheme = replace(scheme, detectors=())
            evaded = [find_model(each.strip()) for each in setting.changes[EVADE].split(",")]
            networks = ", evading " + ", ".join(f"{path.name} of {fingerprint(path)}" for path in evaded)
            networks += f" by code {code_digest(['steganalysis'])}"
        text = repr(scheme) + networks + (f" of {fingerprint(weights)}" if isinstance(weights, Path) else "")
        if name := setting.changes.get(RESIZE):
            resizer(name)  # raises for an unknown one
            text += f", pictures resized by {name}"
        outside = outside_modules(type(scheme))
        return f"{text}, code {code_digest((), outside)}" if outside else text


@dataclass(frozen=True)
class Trial:
    """One finished embedding: what measures evaluate."""

    method: Method
    profile: Profile
    scheme: Scheme
    cover: Picture
    """uint8 (H, W, 3), at the experiment's size."""
    secrets: Mapping[ReceiverSeeds, Picture]
    """Each receiver's secret, resized to the decoder's grid."""
    stego: Picture
    """As read back from its file."""
    search_seconds: float


NOBODY = ReceiverSeeds(Seed(bytes(SEED_BYTES)), Seed(bytes(SEED_BYTES)))
"""Seeds for a scheme whose settings are only shown."""


def receiver_seeds(seed: Seed) -> ReceiverSeeds:
    """Seeds of a receiver's decoder and header."""
    return ReceiverSeeds(seed.derive("csfnns/2/experiment/decoder"), seed.derive("csfnns/2/experiment/header"))


def recover(trial: Trial, stego: Picture | None = None) -> list[Recovered | None]:
    """What each receiver gets from the stego of a trial, or from a changed one."""
    return [_recover(trial, trial.stego if stego is None else stego, seeds) for seeds in trial.secrets]


def _recover(trial: Trial, stego: Picture, seeds: ReceiverSeeds) -> Recovered | None:
    """What a receiver gets, even if it is noise: the paper's tables count that too.

    None where pixels cannot be decoded without a header, or the scheme finds nothing.
    """
    try:
        decoded = trial.scheme.extract(stego, trial.cover, seeds)
        return Recovered(decoded.grid, decoded.expected_psnr)
    except NoMessageError:
        if trial.method.decoder_input is None or trial.profile.has_header:
            return None
    from csfnns.decoders import decode

    levels = stego.astype(np.float32) - (trial.cover if trial.method.decoder_input == "perturbation" else 0)
    output = decode(trial.profile, seeds.decoder, levels)  # (3, H, W)
    return Recovered(np.rint(255 * output.clip(0, 1)).astype(np.uint8).transpose(1, 2, 0).copy(), None)


def evade(scheme: Scheme, networks: Sequence[Any], gamma: float | None) -> Scheme:
    """The scheme with a search that evades these networks. Raises UsageError for a search that cannot."""
    if not isinstance(scheme, CsFnns) or scheme.search is None:
        raise UsageError("This search cannot evade detectors.", "Leave --evade out, or use the scheme paper.")
    from csfnns.search import GAMMA

    search = replace(scheme.search, gamma=gamma or scheme.search.gamma or GAMMA)
    return replace(scheme, search=search, detectors=networks)


def hide_bytes(cover: Picture, data: bytes, seeds: ReceiverSeeds, *, grain: bool) -> Picture:
    """Stego with these bytes by direct coding."""
    return Direct("grain" if grain else "cost").embed(cover, {seeds: data})


def hide_in_jpeg(cover: Picture, data: bytes, seeds: ReceiverSeeds) -> tuple[bytes, bytes]:
    """JPEG file of the cover without a message, and with these bytes in its coefficients."""
    method = Jpeg()
    return write_coefficients(method.plain(cover)), write_coefficients(method.embed(cover, {seeds: data}))


def grain_decoy(cover: Picture, seed: Seed) -> Picture:
    """The cover with grain of the same distribution as that of stegos."""
    return Direct("grain").decoy(cover, seed)


def grid_side(side: int, case: Case) -> int:
    """Side of the secrets for covers of that side: equal for all methods, whatever sizes they can carry."""
    return side // {"24": 1, "6": 2, "1.5": 4}[case.bpp]


def scaled(side: int, case: Case) -> int:
    """Side of the case's covers: a multiple of 16."""
    return max(GRID, round(side * case.scale / GRID) * GRID)


def fingerprint(path: Path) -> str:
    """SHA-256 of a file. Raises PictureError where it cannot be read."""
    try:
        return sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}.", "Check its permissions.") from error


def _searched(name: str, channel: str | None = None, **own: Any) -> Callable[..., Scheme]:
    """Builds a scheme with a search of its own, for that channel and with those settings."""

    def build(profile: Profile, setting: Setting, receivers: Sequence[ReceiverSeeds]) -> Scheme:
        from csfnns.search import parse_channel, preset

        choices = own | ({} if setting.steps is None else {"steps": setting.steps})
        choices["channel"] = parse_channel(channel) if channel else None
        if name == "csfnns":
            choices = {"search": replace(preset(profile), **choices)}
        return make_scheme(name, profile, device=setting.device, **choices)

    return build


def _trellis(profile: Profile, setting: Setting, receivers: Sequence[ReceiverSeeds]) -> Scheme:
    from csfnns.methods.trellis import STATES
    from csfnns.search.viterbi import default_form

    # Named in the settings of rows and pairs: stegos depend on them, and machines with a compiler use more.
    return make_scheme("trellis", profile, states=STATES[default_form()])


def _lsb(profile: Profile, setting: Setting, receivers: Sequence[ReceiverSeeds]) -> Scheme:
    return make_scheme("lsb", profile)


def _udh(profile: Profile, setting: Setting, receivers: Sequence[ReceiverSeeds]) -> Scheme:
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


def _steganogan(profile: Profile, setting: Setting, receivers: Sequence[ReceiverSeeds]) -> Scheme:
    return make_scheme("steganogan", profile, weights=_steganogan_weights(), device=setting.device)


def _steganogan_weights() -> Path:
    return Path(os.environ.get(STEGANOGAN_FOLDER, "weights")) / "steganogan-dense.safetensors"


def _steganogan_lacks(case: Case) -> str | None:
    path = _steganogan_weights()
    if path.is_file():
        return None
    get = f"'pip download --no-deps steganogan' and 'csfnns weights convert steganogan-….whl -o {path.parent}'"
    return f"no weights {path} (get them with {get}, or set {STEGANOGAN_FOLDER} to their folder)"


class _Methods(Registry[Method]):
    """The methods below, and every baseline of another package, as it is."""

    def names(self) -> tuple[str, ...]:
        return (
            *super().names(),
            *(name for name in SCHEMES if name not in _KNOWN and name not in self._entries),
        )

    def __contains__(self, name: object) -> bool:
        return name in self.names()

    def __getitem__(self, name: str) -> Method:
        if name in self._entries or name not in self.names():
            return super().__getitem__(name)
        return Method(lambda profile, setting, receivers: make_scheme(name, profile), name, name=name)


_KNOWN = ("trellis", "csfnns", "kishore", "luo", "lsb", "udh", "steganogan")
"""Schemes that the methods below use."""
_BY_DELTA: dict[str, Any] = {"decoder_input": "perturbation"}
_BY_STEGO: dict[str, Any] = {"decoder_input": "stego"}
_STAR: dict[str, Any] = {"step_seconds": 0.2, "adapted": True}
_ALL = (
    Method(_lsb, "low bits", name="lsb", step_seconds=0.2),
    Method(_searched("kishore"), "Kishore et al.", name="kishore", steps=2000, step_seconds=0.3, **_BY_STEGO),
    Method(_searched("luo"), "Luo et al.", name="luo", steps=1500, step_seconds=0.3, **_BY_STEGO),
    Method(_udh, "UDH", name="udh", lacks=_udh_lacks),
    Method(_steganogan, "SteganoGAN", name="steganogan", step_seconds=4, lacks=_steganogan_lacks),
    Method(_searched("csfnns"), "Cs-FNNS (paper)", name="paper", steps=1500, step_seconds=0.3, **_BY_DELTA),
    Method(_trellis, "Cs-FNNS (standard)", name="standard", preset=TRELLIS, **_BY_DELTA),
    Method(_searched("kishore", JPEG), "★ Kishore et al.", name="kishore-jpeg", steps=2000, **_STAR, **_BY_STEGO),
    Method(_searched("luo", JPEG), "★ Luo et al.", name="luo-jpeg", steps=1500, **_STAR, **_BY_STEGO),
    Method(_searched("csfnns", JPEG), "★ Cs-FNNS (paper)", name="paper-jpeg", steps=1500, **_STAR, **_BY_DELTA),
    Method(
        _searched("csfnns", JPEG, channel_every=2, received_distortion=True),
        "★ Cs-FNNS (paper, as its authors search)",
        name="paper-jpeg-authors",
        steps=1500,
        **_STAR,
        **_BY_DELTA,
    ),
    Method(
        _searched("csfnns", JPEG),
        "★ Cs-FNNS (robust)",
        name="robust",
        preset="robust",
        steps=300,
        **{**_STAR, "step_seconds": 0.04},
        **_BY_DELTA,
    ),
)
METHODS = _Methods("method", {method.name: method for method in _ALL})
"""In the order of the tables' lines."""
