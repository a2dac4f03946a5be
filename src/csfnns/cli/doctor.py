"""`csfnns doctor`: whether this computer makes the same covers as all others, and hides and reveals."""

import platform
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from hashlib import sha256
from importlib import metadata
from pathlib import Path
from typing import Any

import typer

import csfnns
from csfnns.cli import options, show
from csfnns.errors import CsfnnsError

LIBRARIES = ("numpy", "pillow", "cryptography", "torch")

# SHA-256 of what seed 00 01 … 1f gives on every machine: a compatibility promise, held by the tests as well.
SEED = bytes(range(32))
COVER = "9f6e0fa2ec0baef22baff419c9fa236eff11723f779436dad4e3b13d31e2cc68"  # 96x128, message 7
STREAM = (
    "5d21777e5bbee34052051a9df878090a933458276e7bd3d59475d2210947f9da"  # 4096 normals, float64, little-endian
)

_SIDE = 64


@dataclass(frozen=True)
class Check:
    """One thing that was tried."""

    name: str
    ok: bool
    detail: str


def doctor(json: options.AsJson = False) -> None:
    """Show versions and devices, and check that all works. Ends with 1 if something is wrong."""
    tries: dict[str, Callable[[], str]] = {
        "covers": _covers,
        "random numbers": _stream,
        "ledger": _ledger,
        "round trip": _round_trip,
    }
    about = _about()
    checks = [_try(name, each) for name, each in tries.items()]
    ok = all(check.ok for check in checks)
    if json:
        show.as_json({"ok": ok, **about, "checks": [asdict(check) for check in checks]})
    else:
        show.table(_in_words(about))
        show.text()
        show.table({c.name: ("ok: " if c.ok else "WRONG: ") + c.detail for c in checks})
        show.text("\nAll is well." if ok else "\nSomething is wrong here: covers and secrets may not fit.")
    raise typer.Exit(0 if ok else 1)


def _about() -> dict[str, Any]:
    versions = {"python": platform.python_version(), "csfnns": csfnns.__version__}
    versions |= {name: _version(name) for name in LIBRARIES}
    return {"versions": versions, "system": platform.platform(), **_processor()}


def _version(library: str) -> str:
    try:
        return metadata.version(library)
    except metadata.PackageNotFoundError:
        return "not installed"


def _processor() -> dict[str, Any]:
    from csfnns.extras import has
    from csfnns.search.viterbi import default_form

    search = {"c": "C kernel", "numpy": "NumPy: no C compiler was there when csfnns was installed"}[
        default_form()
    ]
    if not has("network"):
        return {"search": search, "devices": ["cpu"]}
    import torch

    names = [torch.cuda.get_device_name(n) for n in range(torch.cuda.device_count())]
    return {"search": search, "devices": ["cpu", *(f"cuda: {name}" for name in names)]}


def _in_words(about: dict[str, Any]) -> dict[str, str]:
    rows = {"system": about["system"], "search": about["search"], "devices": ", ".join(about["devices"])}
    return {**about["versions"], **rows}


def _try(name: str, check: Callable[[], str]) -> Check:
    try:
        return Check(name, True, check())
    except (CsfnnsError, ImportError, OSError, RuntimeError) as error:
        return Check(name, False, f"{error}")


def _covers() -> str:
    from csfnns.covers import AbstractCovers
    from csfnns.stream import Seed

    return _same(AbstractCovers(128, 96)(Seed(SEED), 7).tobytes(), COVER)


def _stream() -> str:
    from csfnns.stream import Seed

    return _same(Seed(SEED).stream().normals(4096).astype("<f8").tobytes(), STREAM)


def _same(data: bytes, expected: str) -> str:
    digest = sha256(data).hexdigest()
    if digest != expected:
        raise RuntimeError(f"{digest[:16]}… instead of {expected[:16]}…, as on every other machine")
    return f"{digest[:16]}…, the same as on every machine"


def _ledger() -> str:
    from csfnns.keys import Ledger

    ledger = Ledger()
    if not ledger.path.exists():
        return f"{ledger.path}, made at the first use"
    ledger.highest("")
    return f"{ledger.path}"


def _round_trip() -> str:
    """A cover of one seed in a cover of another: nothing depends on chance or on the user's ledger."""
    from csfnns import api
    from csfnns.covers import AbstractCovers
    from csfnns.keys import Key, Ledger
    from csfnns.profile import make_profile
    from csfnns.stream import Seed

    key = Key.from_root(make_profile(width=_SIDE, height=_SIDE), Seed(SEED))
    secret = AbstractCovers(_SIDE, _SIDE)(Seed(SEED), 1)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        ledger, file = Ledger(Path(folder) / "ledger.sqlite3"), Path(folder) / "stego.png"
        hidden = api.hide(secret, key, out=file, send_as="picture", ledger=ledger)
        api.reveal(str(file), key, ledger=ledger)
    recovered = hidden.receivers[key.names[0]].original_psnr
    seconds = time.perf_counter() - start
    quality = f"stego {hidden.stego.psnr:.1f} dB, recovered {recovered:.1f} dB"
    return f"{_SIDE}x{_SIDE} hidden and revealed in {seconds:.1f} s, {quality}"
