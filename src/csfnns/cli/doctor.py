"""`csfnns doctor`: does what the other commands need, and reports what does not work on this computer."""

import platform
import secrets
import tempfile
import time
from collections.abc import Callable
from contextlib import suppress
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

import csfnns
from csfnns.cli import options, show

LIBRARIES = ("numpy", "pillow", "cryptography", "torch")

# SHA-256 of what seed 00 01 … 1f gives on every machine: a compatibility promise, held by the tests as well.
SEED = bytes(range(32))
COVER = "8046d8071dcafb776a87082c031f31e714e57988f6aaa4a2c043fc348562361e"  # 96x128
STREAM = "5d21777e5bbee34052051a9df878090a933458276e7bd3d59475d2210947f9da"  # 4096 normals, float64, little-endian

_SIDE = 64


def doctor(json: options.AsJson = False) -> None:
    """Show versions and devices, and check that all works. Ends with 1 if something is wrong."""
    about = _about()
    checks = [{"name": name, "needed": True, **_try(each)} for name, each in _needed().items()]
    places = [{"name": name, "needed": False, **_try(each)} for name, each in _PLACES.items()]
    ok = all(check["ok"] for check in checks)
    checks += places
    if json:
        show.as_json({"ok": ok, **about, "checks": checks})
    else:
        devices = ", ".join(about["devices"])
        rows = {"system": about["system"], "search": about["search"], "devices": devices}
        show.table(about["versions"] | rows)
        show.text()
        words = {(True, True): "ok", (True, False): "WRONG", (False, True): "ok", (False, False): "warning"}
        show.table({each["name"]: f"{words[each['needed'], each['ok']]}: {each['detail']}" for each in checks})
        show.lines(["", "All is well." if ok else "Something is wrong here: covers and secrets may not fit."])
    raise typer.Exit(0 if ok else 1)


def _about() -> dict[str, Any]:
    from csfnns.extras import has
    from csfnns.search.viterbi import default_form

    versions = {"python": platform.python_version(), "csfnns": csfnns.__version__}
    versions |= {name: _version(name) for name in LIBRARIES}
    forms = {"c": "C kernel", "numpy": "NumPy: no C compiler was there when csfnns was installed"}
    about = {"versions": versions, "system": platform.platform(), "search": forms[default_form()]}
    try:
        if not has("network"):
            return about | {"devices": ["cpu"]}
        import torch
    except (ImportError, OSError):  # the check of the network says why
        return about | {"devices": ["cpu"]}
    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return about | {"devices": ["cpu", *(f"cuda: {name}" for name in names)]}


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


def _needed() -> dict[str, Callable[[], str]]:
    """Checks that must succeed."""
    from csfnns.extras import has
    from csfnns.images.jpeg_file import has_jpeglib

    checks = {"covers": _covers, "random numbers": _stream, "search": _search, "round trip": _round_trip}
    if has_jpeglib():
        checks["jpeg"] = _jpeg
    if has("network"):
        checks["network"] = _network
    return checks


def _try(check: Callable[[], str]) -> dict[str, Any]:
    try:
        return {"ok": True, "detail": check()}
    except Exception as error:  # noqa: BLE001 - a broken library may raise anything
        lines = str(error).strip().splitlines() or [type(error).__name__]
        return {"ok": False, "detail": lines[0]}


def _write(folder: Path) -> str:
    """Write a file and read it back, in the folder or, if it is not there yet, where it would be made."""
    from csfnns.files import write_whole

    there = next((each for each in (folder, *folder.absolute().parents) if each.exists()), folder)
    path, data = there / f".csfnns-{secrets.token_hex(8)}.tmp", secrets.token_bytes(64)
    try:
        write_whole(path, data)
        if path.read_bytes() != data:
            raise RuntimeError(f"{folder.absolute()} does not keep what is written")
    finally:
        with suppress(OSError):
            path.unlink()
    return str(folder.absolute())


def _settings() -> str:
    from csfnns.cli.config import place

    return _write(place().parent)


def _used_pictures() -> str:
    from csfnns.covers import AlbumRegister

    return _write(AlbumRegister().path.parent)


_PLACES = {
    "this folder": lambda: _write(Path()),
    "temporary files": lambda: _write(Path(tempfile.gettempdir())),
    "settings": _settings,
    "used pictures": _used_pictures,
}
"""Places that only some commands write to."""


def _covers() -> str:
    from csfnns.covers import AbstractCovers
    from csfnns.stream import Seed

    return _same(AbstractCovers(128, 96)(Seed(SEED)).tobytes(), COVER)


def _stream() -> str:
    from csfnns.stream import Seed

    return _same(Seed(SEED).stream().normals(4096).astype("<f8").tobytes(), STREAM)


def _same(data: bytes, expected: str) -> str:
    digest = sha256(data).hexdigest()
    if digest != expected:
        raise RuntimeError(f"{digest[:16]}… instead of {expected[:16]}…, as on every other machine")
    return f"{digest[:16]}…, the same as on every machine"


def _search() -> str:
    """Search for a small picture by both forms, if there is a kernel."""
    from csfnns.covers import AbstractCovers
    from csfnns.methods import ReceiverSeeds, Trellis
    from csfnns.search.viterbi import default_form
    from csfnns.stream import Seed

    cover, seed = AbstractCovers(_SIDE, _SIDE)(Seed(SEED)), Seed(SEED)
    payload = {ReceiverSeeds(seed.derive("decoder"), seed.derive("header")): cover[:16, :16].copy()}
    forms = ("numpy", "c") if default_form() == "c" else ("numpy",)
    stegos = [Trellis(states=256, form=form).embed(cover, payload).tobytes() for form in forms]  # type: ignore[arg-type]
    if len(set(stegos)) > 1:
        raise RuntimeError("the C kernel finds other changes than NumPy: set CSFNNS_KERNEL=numpy")
    return "the C kernel and NumPy find the same changes" if len(forms) > 1 else "NumPy finds changes"


def _round_trip() -> str:
    """Hide a cover of one seed in a cover of another and reveal it."""
    from csfnns.covers import AbstractCovers
    from csfnns.stream import Seed

    key = csfnns.Key.from_root(csfnns.make_profile(width=_SIDE, height=_SIDE), Seed(SEED))
    secret = AbstractCovers(_SIDE, _SIDE)(Seed(SEED))
    start = time.perf_counter()
    hidden = csfnns.hide(secret, key, method="trellis")
    csfnns.reveal(hidden.data, key)
    seconds = time.perf_counter() - start
    quality = f"stego {hidden.stego.psnr:.1f} dB, recovered {hidden.receivers['receiver'].original_psnr:.1f} dB"
    return f"{_SIDE}x{_SIDE} hidden and revealed in {seconds:.1f} s, {quality}"


def _jpeg() -> str:
    """Hide and reveal a text in the coefficients of a JPEG file."""
    from csfnns.stream import Seed

    key = csfnns.Key.from_root(csfnns.make_profile(width=4 * _SIDE, height=4 * _SIDE), Seed(SEED))
    hidden = csfnns.hide(csfnns.text("x"), key, method="jpeg")
    if csfnns.reveal(hidden.data, key).text != "x":
        raise RuntimeError("another text was revealed")
    return f"a JPEG file of {len(hidden.data):,} bytes carries a text"


def _network() -> str:
    """Take two steps of a search in torch."""
    from csfnns.covers import AbstractCovers
    from csfnns.methods import ReceiverSeeds
    from csfnns.methods.network import CsFnns, torch_device
    from csfnns.search import Search
    from csfnns.stream import Seed

    cover, seed, device = AbstractCovers(_SIDE, _SIDE)(Seed(SEED)), Seed(SEED), torch_device("auto")
    profile = csfnns.make_profile("paper", width=_SIDE, height=_SIDE)
    payload = {ReceiverSeeds(seed.derive("decoder"), seed.derive("header")): cover}
    start = time.perf_counter()
    CsFnns(profile, Search(steps=2), device).embed(cover, payload)
    return f"two steps of a search on {device} in {time.perf_counter() - start:.1f} s"
