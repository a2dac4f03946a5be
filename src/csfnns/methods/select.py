"""Choice of the method, and of the form in which each secret goes: the only place that chooses.

The stego changes no more than a very clear secret needs. A file goes exactly. A picture goes into the levels of a
lossless stego

1. exactly, as its own bytes or a lossless copy, if that leaves the stego at EXACT_STEGO;
2. else by the trellis method, if that brings it at its own size at 38 dB, with the stego at 56 dB or more;
3. else exactly, if that leaves the stego at 56 dB;
4. else by the trellis method or as AVIF, whichever arrives better with such a stego.

Other methods carry bytes alone: there a picture goes exactly if it fits, else as AVIF.
"""

import math
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

from csfnns.coding import PARTITIONS
from csfnns.errors import CapacityError, PictureError, UsageError
from csfnns.extras import require
from csfnns.images.io import Picture, fit
from csfnns.images.output import JPEG
from csfnns.methods import METHODS, Direct, Jpeg, Paper, Robust, Trellis
from csfnns.methods.base import Form, Payload
from csfnns.payloads.frame import Kind, pack, unpack
from csfnns.profile import Profile

if TYPE_CHECKING:
    from csfnns.payloads.frame import File
    from csfnns.payloads.secret import Secret

EXACT_STEGO = 60.0
"""PSNR in dB of a stego that carries a picture exactly where the trellis method would do as well."""
LEAST_PSNR = 20.0
"""A picture that would arrive below this many dB is not sent."""

_MOST_BYTES = 0.11  # per sub-pixel, at most, for which a stego of 56 dB has room
_RATIO = 30  # bytes of pixels per byte of a lossless copy, at most, in drawings


@dataclass(frozen=True)
class Request:
    """What the sender asks for."""

    secrets: "Mapping[str, Secret]"
    """By receiver."""
    profile: Profile
    suffix: str = ""
    """Of the file to write, lower-case; "" for none."""
    method: Any = None
    """Name or settings of a method; None: the best one."""


@dataclass(frozen=True)
class Prepared:
    """A secret in the form in which it goes."""

    form: Form
    payload: Payload
    secret: "Secret"
    file: "File | None" = None
    """What the payload holds, if it is bytes."""


@dataclass(frozen=True)
class Plan:
    """A method, and what goes by it to each receiver."""

    method: Any
    prepared: dict[str, Prepared]


def choose_method(request: Request) -> Any:
    """Method of a message, bound to the profile. Raises UsageError and PictureError for what does not fit together.

    For a picture by a lossless stego it is Trellis, with which `plans` may replace others.
    """
    profile, suffix = request.profile, request.suffix
    pictures = [secret.picture is not None for secret in request.secrets.values()]
    method = request.method
    if isinstance(method, str):
        method = METHODS.make(method)
    elif method is None:
        if profile.decoder == "robust":
            method = METHODS.make("robust")
        elif suffix in JPEG:
            method = METHODS.make("jpeg")
        elif profile.is_network and all(pictures):
            method = METHODS.make("paper")
        else:
            method = Trellis() if any(pictures) and not profile.is_network else Direct()
    if not is_dataclass(method) or isinstance(method, type):
        raise UsageError(
            f"method must be a name or settings of a method, got {method!r}.", f"Names: {', '.join(METHODS)}."
        )
    if any(field.name == "profile" for field in fields(method)):
        method = replace(method, profile=profile)
    if isinstance(method, Robust | Paper):
        require("network", f"The method {method.name!r}")
    _check(method, request, pictures)
    return method


def _check(method: Any, request: Request, pictures: list[bool]) -> None:
    """Raise UsageError or PictureError where method, secrets and file name do not fit together."""
    suffix, name = request.suffix, method.name
    if (isinstance(method, Trellis) and not any(pictures)) or (isinstance(method, Paper) and not all(pictures)):
        raise UsageError(f"The method {name!r} carries pictures, and the secret is a file.", "Use direct instead.")
    if isinstance(method, Direct) and method not in (Direct(), Direct("grain")):
        raise UsageError(
            f"Receivers read no messages of {method!r}: these settings are for experiments.",
            "Use direct or grain.",
        )
    if isinstance(method, Robust) and (method.evade or method.beta is not None):
        if not all(pictures):
            raise UsageError("evade, gamma and beta are for pictures, and the secret is a file.", "Leave them out.")
        if method.evade and suffix in JPEG:
            raise UsageError("A JPEG file does not keep what evades detectors.", "Name the file .png or .webp.")
    if isinstance(method, Jpeg):
        if suffix and suffix not in JPEG:
            raise UsageError(f"The method 'jpeg' writes a .jpg, not a {suffix}.", "Name the file .jpg.")
    elif suffix in JPEG and not (isinstance(method, Robust) and method.one_jpeg):
        hint = "Name the file .png or .webp, or use --method jpeg for the secret's own bytes in the coefficients"
        if isinstance(method, Robust):
            hint += ", or survive one quality, such as jpeg:90"
        raise PictureError(f"{suffix} is a lossy format: it would destroy what is hidden.", f"{hint}.")


def check_room(method: Any, request: Request) -> None:
    """Raise CapacityError for what certainly does not fit, before a cover is made."""
    if isinstance(method, Paper) or (isinstance(method, Robust) and _all_pictures(request)):
        method.check([each.picture for each in request.secrets.values() if each.picture is not None])
        return
    bearer = Direct() if isinstance(method, Trellis) else method
    sizes = [len(each.packed) if each.picture is None else 0 for each in request.secrets.values()]
    if not bearer.fits(sizes, _pixels(request)):
        error = _too_much(bearer, sum(sizes), request.profile)
        if any(each.pictures > 1 for each in request.secrets.values()):
            error.hint += " The first picture of an animation goes alone with --resize PIXELS."
        raise error


def plans(method: Any, request: Request, cover: Picture) -> Iterator[Plan]:
    """Plans for a cover, best first: the next one is for where one does not fit. Raises CapacityError."""
    if isinstance(method, Paper) or (isinstance(method, Robust) and _all_pictures(request)):
        prepared = {
            name: Prepared("network", each.picture, each)
            for name, each in request.secrets.items()
            if each.picture is not None
        }
        yield Plan(method, prepared)
    elif isinstance(method, Trellis):
        yield from _Lossless(method, request, cover).plans()
    else:
        yield from _bytes_plans(method, request, cover)


def _bytes_plans(method: Any, request: Request, cover: Picture) -> Iterator[Plan]:
    """Everything exactly; if that does not fit, pictures as AVIF."""
    secrets = request.secrets
    own = {name: _exactly(secret) for name, secret in secrets.items()}
    sizes = [len(each.payload) for each in own.values()]
    if method.fits(sizes, _pixels(request)):
        yield Plan(method, own)
    if all(secret.picture is None for secret in secrets.values()):
        raise _too_much(method, sum(sizes), request.profile)
    room = method.room(cover, len(secrets))
    as_avif = {name: own[name] if each.picture is None else _as_avif(each, room) for name, each in secrets.items()}
    yield Plan(method, as_avif)


class _Lossless:
    """Choice for a lossless stego where the sender leaves it open, or asks for the trellis method."""

    def __init__(self, trellis: Trellis, request: Request, cover: Picture) -> None:
        self._trellis, self._request, self._cover = trellis, request, cover
        self._secrets = request.secrets
        self._direct = Direct()
        self._stego = trellis.quality.stego or 56.0
        self._forced = request.method is not None

    def plans(self) -> Iterator[Plan]:
        """One plan. Raises CapacityError."""
        prepared = self._prepare()
        bytes_alone = all(isinstance(each.payload, bytes) for each in prepared.values())
        yield Plan(self._direct if bytes_alone else self._trellis, prepared)

    def _prepare(self) -> dict[str, Prepared]:
        if len(self._secrets) > 1 and _all_pictures(self._request):
            # No receiver may see how large the others' pictures are: all go by the trellis method, in equal shares.
            return {name: self._by_trellis(each) for name, each in self._secrets.items()}
        # What needs little comes first and leaves the rest of the cover to pictures.
        small = {name: found for name, each in self._secrets.items() if (found := self._small(each))}
        others = [name for name in self._secrets if name not in small]
        if not others:
            return small
        most = max(self._rooms[self._stego], 1) if small else 1
        taken = sum(max(1, round(PARTITIONS * len(each.payload) / most)) for each in small.values())
        share = max(PARTITIONS - taken, len(others)) / PARTITIONS / len(others)
        chosen = {name: self._picture(self._secrets[name], share) for name in others}
        return {name: small.get(name) or chosen[name] for name in self._secrets}

    def _small(self, secret: "Secret") -> Prepared | None:
        """The secret exactly, if it goes so whatever the others need; else None. Raises CapacityError."""
        if secret.picture is None:
            own = _exactly(secret)
            if not self._direct.fits([len(own.payload)], _pixels(self._request)):
                raise _too_much(self._direct, len(own.payload), self._request.profile)
            return own
        if self._forced:
            return None
        shortest = self._shortest(secret)
        # Pixels alone would lose something: its bytes may then change the stego as much as pixels may.
        least = self._stego if secret.lost and secret.content is not None else EXACT_STEGO
        fits = shortest is not None and len(shortest.payload) * len(self._secrets) <= self._rooms[least]
        return shortest if fits else None

    def _picture(self, secret: "Secret", share: float) -> Prepared:
        """How a picture goes in a share of the cover. Raises CapacityError."""
        by_trellis = self._by_trellis(secret)
        if self._forced:
            return by_trellis
        assert secret.picture is not None
        forecast = self._trellis.forecast(int(share * self._cover.size), secret.picture)
        if forecast.clear:
            return by_trellis
        room = int(share * self._rooms[self._stego])
        shortest = self._shortest(secret)
        if shortest is not None and len(shortest.payload) <= room:
            return shortest
        found = _best_avif(secret, room)
        return by_trellis if found is None or found[1] <= forecast.psnr else found[0]

    def _by_trellis(self, secret: "Secret") -> Prepared:
        assert secret.picture is not None
        return Prepared("trellis", secret.picture, secret)

    @cached_property
    def _rooms(self) -> dict[float, int]:
        """Bytes in all that leave the stego at each PSNR in dB."""
        return self._direct.capacity(self._cover, [self._stego, EXACT_STEGO]).at

    def _shortest(self, secret: "Secret") -> Prepared | None:
        """Its own bytes or a lossless copy, whichever is shorter; None where neither can fit."""
        most = int(self._cover.size * _MOST_BYTES)
        found = []
        if secret.content is not None and len(secret.content) <= most:
            found.append(_exactly(secret))
        assert secret.picture is not None
        if not (secret.lost and found) and secret.picture.size <= _RATIO * most and _is_plain(secret.picture, most):
            found.append(_exactly(secret.as_pixels))
        return min(found, key=lambda each: len(each.payload), default=None)


def largest_side(trellis: Trellis, places: int, picture: Picture) -> int | None:
    """Longest side in pixels at which the trellis method brings a picture well above LEAST_PSNR, or None."""
    for halvings in range(1, 9):
        scale = math.sqrt(0.5) ** halvings
        height, width = (max(1, round(side * scale)) for side in picture.shape[:2])
        if trellis.forecast(places, fit(picture, height, width)).psnr >= LEAST_PSNR + 6:
            return max(height, width)
    return None


def _all_pictures(request: Request) -> bool:
    return all(secret.picture is not None for secret in request.secrets.values())


def _pixels(request: Request) -> int:
    return request.profile.width * request.profile.height


def _is_plain(picture: Picture, most: int) -> bool:
    """Whether a lossless copy may be that short: a fast compressor makes a drawing small, and a photograph not."""
    return picture.size <= 2 * most or len(zlib.compress(picture.tobytes(), 1)) <= 2 * most


def _exactly(secret: "Secret") -> Prepared:
    return Prepared("exact", secret.packed, secret, unpack(secret.packed))


def _as_avif(secret: "Secret", room: int) -> Prepared:
    """As AVIF, as good as fits into `room` bytes. Raises CapacityError."""
    found = _best_avif(secret, room)
    if found is None:
        hint = "Make a key with a larger --size."
        raise CapacityError("Not even a small copy of the picture fits into the cover.", hint)
    return found[0]


def _best_avif(secret: "Secret", room: int) -> tuple[Prepared, float] | None:
    """The best AVIF within `room` bytes, packed, and its PSNR at the picture's size."""
    from csfnns.payloads.avif import best_avif

    assert secret.picture is not None
    label = secret.renamed(".avif")
    still = best_avif(secret.picture, room - len(pack(b"", label)))
    if still is None:
        return None
    packed = pack(still.data, label, Kind.PICTURE, secret.sent)
    return Prepared("avif", packed, secret, unpack(packed)), still.original_psnr


def _too_much(method: Any, size: int, profile: Profile) -> CapacityError:
    what = f"{size:,} bytes, packed, are more than a cover of {profile.width}x{profile.height} holds"
    if isinstance(method, Jpeg):
        hint = "A .png holds more, and so does a key with a larger --size"
    elif isinstance(method, Robust):
        what += " so that they survive"
        hint = (
            f"At most {method.bits.room:,} bytes, packed, have a place, which receivers share. Send less, make a key with"
            " a larger --size, or use --method direct: then more fits, and nothing survives"
        )
        return CapacityError(f"{what}.", f"{hint}.")
    else:
        hint = "Send less, or make a key with a larger --size"
    return CapacityError(f"{what}.", f"{hint}: 'csfnns capacity' shows how much fits.")
