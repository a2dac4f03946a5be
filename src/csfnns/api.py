"""The two straight lines: hide and reveal.

hide:   secret → codec.encode → target            ┐
        key + message number → seeds → cover      ├→ search → δ → stego = cover + δ → file → read back → check
                                     → decoders   ┘
reveal: stego ─┐
        key + message number → seeds → cover → δ = stego - cover → decoder → codec.decode → picture
"""

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence, Sized
from dataclasses import dataclass, replace
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from csfnns.aim import Aim, Trial, best, next_trial
from csfnns.covers import Slow, make_generator
from csfnns.errors import DamagedError, KeyFileError, NoMessageError, SearchError, UsageError
from csfnns.keys import DEFAULT_RECEIVER, Key, Ledger, check_message
from csfnns.measure import Figures, compare
from csfnns.output import JPEG, check_output_name, encode_picture, write_atomically, write_picture
from csfnns.picture import Picture, fit, read_picture, restore
from csfnns.profile import Profile
from csfnns.words import words

if TYPE_CHECKING:
    from PIL import Image as Pil

    from csfnns.covers import CoverGenerator
    from csfnns.schemes import CsFnns, ReceiverSeeds
    from csfnns.search import Jpeg, Progress, Search

Source: TypeAlias = "str | os.PathLike[str] | bytes | npt.NDArray[Any] | Pil.Image"
"""Anything `read_picture` reads: a file's name or bytes, an array, a Pillow image."""

WINDOW = 200
"""How many numbers past the last known one a receiver looks at for the message of a picture."""
LEAST_PSNR = 20.0
"""A secret that the receiver would get below this many dB is not sent."""

_PROBES = 64
_NEAR = 12


@dataclass(frozen=True, slots=True)
class Hidden:
    """A stego picture, checked as its receivers will see it."""

    picture: Picture
    """uint8 (H, W, 3)."""
    message: int
    """Number of the message: says which cover was used."""
    stego: Figures
    """Stego against cover."""
    recovered: dict[str, Figures]
    """What each receiver gets, against the secret as it was carried: both on the decoder's grid."""
    survives: dict[str, dict[str, Figures]]
    """The same behind each case of the channel that the search prepared for, such as "jpeg:75/420"."""

    @property
    def least_recovered(self) -> float:
        """PSNR in dB of the worst secret in the worst case."""
        return min(each.psnr for case in (self.recovered, *self.survives.values()) for each in case.values())

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp. Raises PictureError."""
        write_picture(self.picture, path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Revealed:
    """A secret that was found."""

    picture: Picture
    """uint8 (H, W, 3), in the secret's true shape."""
    message: int
    receiver: str
    expected_psnr: float | None
    """Quality in dB of the decoder's output, before any denoising, that the receiver can tell without the original; None
    with the profile `paper`."""
    denoised: bool
    """Whether noise was taken out of the decoder's output."""

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> None:
        """Write to .png or lossless .webp. Raises PictureError."""
        write_picture(self.picture, path, overwrite=overwrite)


@dataclass(frozen=True, slots=True)
class Cover:
    """The cover of one message and its fingerprint, which both ends compare."""

    picture: Picture
    fingerprint: str
    """64 bits of SHA-256 of the pixels, as words to read out."""


def hide(
    secret: "Source | Mapping[str, Source]",
    key: Key,
    *,
    out: str | os.PathLike[str] | None = None,
    overwrite: bool = False,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    search: "Search | None" = None,
    survive: str | Sequence[str] | None = None,
    target_stego: float | None = None,
    target_recovered: float | None = None,
    ledger: Ledger | None = None,
    device: str = "cpu",
    progress: "Progress | None" = None,
) -> Hidden:
    """Hide a picture, or one for each of several receivers, in a fresh cover of the key.

    `secret` is a picture, or a mapping from receivers' names to pictures. With `out`, the file is written once
    it has been decoded as every receiver will; until then nothing appears under that name. `search` overrides
    the profile's settings; `device` is a torch device for it, such as "cuda". `survive` says what may happen to the
    stego on its way, such as "jpeg:75-95"; of several, any one may (search/channel.py). Each case is checked. For one
    JPEG quality, `out` may be a .jpg: then it is that JPEG file. With a target, a PSNR in dB for one
    end or both, searches are repeated until it is met. What can be refused is refused before a message number is
    used up; then one is, whatever becomes of the message.

    Raises KeyFileError for a receiver's key, UsageError, PictureError, CoverError, CapacityError, LedgerError,
    SearchError and Cancelled; then there is no file.
    """
    if key.role == "receiver":
        hint = "To answer, make a key of your own with 'csfnns key new'."
        raise KeyFileError("This is a receiver's key: it reveals, and does not hide.", hint)
    aim = None if target_stego is target_recovered is None else Aim(target_stego, target_recovered)
    sources = _by_receiver(secret, key)
    files = [source for source in sources.values() if isinstance(source, (str, os.PathLike))]
    search = _prepared(key.profile, search, survive)
    jpeg = _one_jpeg(search) is not None
    path = None if out is None else check_output_name(out, overwrite=overwrite, inputs=files, jpeg=jpeg)
    secrets = {name: read_picture(source) for name, source in sources.items()}
    generator = _generator(key.profile, album, model)

    from csfnns.schemes import CsFnns
    from csfnns.search import preset

    scheme = CsFnns(key.profile, search or preset(key.profile), device)
    _check_wrong_keys_show(key.profile)
    scheme.check(list(secrets.values()))
    message = (ledger or Ledger()).claim(key.id)
    cover = generator(key.cover, message)
    sending = _Sending(key, message, secrets, cover, path.suffix.lower() if path else ".png", progress)
    data, hidden = sending.send(scheme) if aim is None else sending.send_at(aim, scheme)
    if path is not None:
        write_atomically(data, path, overwrite=overwrite)
    return hidden


def reveal(
    stego: "Source | Hidden",
    key: Key,
    *,
    receiver: str | None = None,
    message: int | None = None,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
    denoise: bool | None = None,
    ledger: Ledger | None = None,
) -> Revealed:
    """Reveal what is hidden in a stego picture for the key's receiver.

    The cover is recognised among the numbers that may come next and those known before; `message` names the
    number outright. `denoise` takes the noise out of the picture; None: with profiles where that was measured to help
    (denoise.py). Raises NoMessageError when there is nothing for this key, DamagedError when it cannot be read
    any more, PictureError, UsageError, CoverError and LedgerError.
    """
    picture = stego.picture if isinstance(stego, Hidden) else read_picture(stego)
    name = _one_receiver(receiver, key)
    size = key.profile.height, key.profile.width
    if picture.shape[:2] != size and key.profile.decoder != "robust":
        raise NoMessageError(
            f"The picture has {picture.shape[1]}x{picture.shape[0]} pixels, this key's have"
            f" {key.profile.width}x{key.profile.height}.",
            "Use the picture as it was sent, not cut or scaled, and the key that belongs to it.",
        )
    from csfnns.denoise import denoise as without_noise
    from csfnns.denoise import helps
    from csfnns.schemes import CsFnns

    _check_wrong_keys_show(key.profile)
    generator = _generator(key.profile, album, model)
    ledger = ledger or Ledger()
    numbers = _candidates(key, ledger, generator) if message is None else [check_message(message)]
    resembling = []
    # Covers of one style can resemble each other, so the first that does need not be the one.
    for number in _resembling(fit(picture, *size), key, generator, numbers):
        resembling.append(number)
        cover = generator(key.cover, number)
        try:
            found = CsFnns(key.profile).extract(picture, cover, _seeds(key, name, number))
        except NoMessageError:
            if np.array_equal(picture, cover):
                raise
            continue
        ledger.mark_seen(key.id, name, number)
        denoised = helps(key.profile) if denoise is None else denoise
        grid = without_noise(found.grid, found.expected_psnr) if denoised else found.grid
        return Revealed(restore(grid, found.shape), number, name, found.expected_psnr, denoised)
    raise _nothing_found(resembling, name, _window(generator))


def make_cover(
    key: Key,
    message: int = 0,
    *,
    album: str | os.PathLike[str] | None = None,
    model: str | os.PathLike[str] | None = None,
) -> Cover:
    """Cover of a message. That of message 0 is never sent: both ends make it and compare fingerprints.

    Raises CoverError, and UsageError for a number that cannot be.
    """
    if message < 0:
        raise UsageError(f"There is no message number {message}.", "Numbers start at 0, the check cover.")
    picture = _generator(key.profile, album, model)(key.cover, message)
    return Cover(picture, words(sha256(picture.tobytes()).digest(), 4))


def _generator(
    profile: Profile, album: str | os.PathLike[str] | None, model: str | os.PathLike[str] | None
) -> "CoverGenerator":
    place = None if album is None else Path(album)
    return make_generator(profile, place, None if model is None else os.fspath(model))


def _prepared(
    profile: Profile, search: "Search | None", survive: str | Sequence[str] | None
) -> "Search | None":
    """Settings of the search with the channel that `survive` names. Raises UsageError."""
    if survive is None:
        return search
    texts = [survive] if isinstance(survive, str) else survive
    if profile.decoder != "robust":
        raise UsageError(
            f"A stego of this key does not survive {' or '.join(texts)}: its decoder is {profile.decoder!r}.",
            "Make a key with --profile robust.",
        )
    from csfnns.search import parse_channel, preset

    return replace(search or preset(profile), channel=parse_channel(*texts))


def _one_jpeg(search: "Search | None") -> "Jpeg | None":
    """What the search prepares for, if that is one kind of JPEG file."""
    if search is None or search.channel is None:
        return None
    from csfnns.search import Jpeg

    return search.channel if isinstance(search.channel, Jpeg) and search.channel.is_one_file else None


def _by_receiver(secret: "Source | Mapping[str, Source]", key: Key) -> "dict[str, Source]":
    if isinstance(secret, Mapping):
        if not secret:
            raise UsageError("There is no secret to hide.", f"Give one for any of: {', '.join(key.names)}.")
        return {_one_receiver(name, key): source for name, source in secret.items()}
    return {_one_receiver(None, key): secret}


def _one_receiver(name: str | None, key: Key) -> str:
    if name is None and len(key.names) > 1:
        raise UsageError("This key has several receivers.", f"Say which: {', '.join(key.names)}.")
    if name is not None and name not in key.names:
        raise UsageError(f"This key holds no receiver {name!r}.", f"It holds: {', '.join(key.names)}.")
    return name or key.names[0]


def _seeds(key: Key, name: str, message: int) -> "ReceiverSeeds":
    from csfnns.schemes import ReceiverSeeds

    return ReceiverSeeds(key.decoder_seed(name, message), key.header_seed(name, message))


@dataclass(frozen=True)
class _Sending:
    """One message on its way."""

    key: Key
    message: int
    secrets: Mapping[str, Picture]
    cover: Picture
    suffix: str
    progress: "Progress | None"

    def send(self, scheme: "CsFnns") -> tuple[bytes, Hidden]:
        """Search once; the file's bytes, and what they hold. Raises SearchError for what would arrive too weak."""
        targets = {_seeds(self.key, name, self.message): each for name, each in self.secrets.items()}
        stego = scheme.embed(self.cover, targets, progress=self.progress)
        jpeg = _one_jpeg(scheme.search) if self.suffix in JPEG else None
        data = encode_picture(stego, self.suffix) if jpeg is None else jpeg.encode(stego)
        return data, self._check(data, scheme)

    def send_at(self, aim: Aim, scheme: "CsFnns") -> tuple[bytes, Hidden]:
        """Search until the aim is met. Raises SearchError when it is not."""
        trials: list[Trial] = []
        sent: list[tuple[bytes, Hidden] | None] = []
        assert scheme.search is not None
        while (settings := next_trial(aim, trials)) is not None:
            doublings, steps = settings
            search = replace(
                scheme.search,
                beta=scheme.search.beta * 2**doublings,
                steps=max(1, round(scheme.search.steps * steps)),
            )
            try:
                data, hidden = self.send(replace(scheme, search=search))
            except SearchError:
                trials.append(Trial(doublings, steps, 0.0, -inf))
                sent.append(None)
                continue
            trials.append(Trial(doublings, steps, hidden.stego.psnr, hidden.least_recovered))
            sent.append((data, hidden))
        at = best(aim, trials)
        found = sent[at]
        if found is None or not trials[at].meets(aim):
            reached = f"{trials[at].stego:.1f} dB with {trials[at].recovered:.1f} dB" if found else "nothing"
            raise SearchError(
                f"{aim} cannot be met: the nearest was {reached} for stego and secret.",
                "Ask for less, give more --steps, or make a key with fewer --bpp.",
            )
        return found

    def _check(self, data: bytes, scheme: "CsFnns") -> Hidden:
        """Read the file's bytes back and decode them as every receiver will. Raises SearchError."""
        stego = read_picture(data)
        channel = scheme.search.channel if scheme.search else None
        draws = np.random.default_rng(self.message)
        cases = {} if channel is None else {str(case): case(stego, draws) for case in channel.cases()}
        recovered = self._recovered(stego, scheme, "")
        survives = {case: self._recovered(each, scheme, f" behind {case}") for case, each in cases.items()}
        return Hidden(stego, self.message, compare(self.cover, stego), recovered, survives)

    def _recovered(self, received: Picture, scheme: "CsFnns", where: str) -> dict[str, Figures]:
        hint = "Try again with more steps or a larger beta: the next message has another cover and decoder."
        if where:
            hint = "Try again with a larger beta, or prepare for less: the next message has another cover."
        found: dict[str, Figures] = {}
        for name, secret in self.secrets.items():
            try:
                grid = scheme.extract(received, self.cover, _seeds(self.key, name, self.message)).grid
            except NoMessageError as error:
                raise SearchError(
                    f"The search ended before {name}'s secret could be read{where}.", hint
                ) from error
            found[name] = compare(grid, fit(secret, *grid.shape[:2]))
            if found[name].psnr < LEAST_PSNR:
                reason = f"{name}'s secret would arrive with {found[name].psnr:.1f} dB only{where}."
                raise SearchError(reason, hint)
        return found


def _resembling(
    picture: Picture, key: Key, generator: "CoverGenerator", numbers: Iterable[int]
) -> Iterator[int]:
    """Those of the numbers whose covers resemble the picture at some keyed pixels."""
    stream = key.cover.derive("csfnns/1/probes").stream()
    rows = stream.integers(_PROBES, picture.shape[0])
    columns = stream.integers(_PROBES, picture.shape[1])
    colours = picture[rows, columns].astype(np.int16)
    for number in numbers:
        cover = generator.probe(key.cover, number, rows, columns)
        if np.median(np.abs(colours - cover)) <= _NEAR:
            yield number


def _nothing_found(resembling: Sequence[int], name: str, window: int) -> NoMessageError:
    if not resembling:
        return NoMessageError(
            "This picture is made on none of this key's covers, or on none that is due.",
            "Check that it is the right key, and that the picture arrived unchanged. If the sender's messages are"
            f" more than {window} ahead of what was received here, name the number with --message.",
        )
    return DamagedError(
        f"The picture resembles the cover of message {' or '.join(map(str, resembling))},"
        " but no secret can be read from it.",
        "Either it was changed on its way (re-saved, filtered, edited), or it holds nothing for"
        f" {name}: ask for the file as it was written.",
    )


def _check_wrong_keys_show(profile: Profile) -> None:
    """Raise UsageError for the one choice with which a wrong key's noise could pass for a picture."""
    if profile.weights == "uniform" and not profile.has_header:
        raise UsageError(
            f"With weights 'uniform', decoder {profile.decoder!r} makes noise that looks like a picture:"
            " a receiver could not tell a wrong key.",
            "Choose other weights. Experiments can use csfnns.schemes, which does not ask.",
        )


def _window(generator: "CoverGenerator") -> int:
    return generator.window if isinstance(generator, Slow) else WINDOW


def _candidates(key: Key, ledger: Ledger, generator: "CoverGenerator") -> Sequence[int]:
    """Numbers around the last one known here: the next ones and the latest ones first."""
    seen = max((max(ledger.seen(key.id, name), default=0) for name in key.names), default=0)
    last = max(seen, ledger.highest(key.id))
    window = _window(generator)
    first = max(1, last + 1 - window) if isinstance(generator, Slow) else 1
    stop = len(generator) if isinstance(generator, Sized) else last + window + 1
    numbers = range(first, min(last + window + 1, stop))
    return sorted(numbers, key=lambda number: abs(number - last - 0.6))


__all__ = ["DEFAULT_RECEIVER", "Cover", "Hidden", "Revealed", "Source", "hide", "make_cover", "reveal"]
