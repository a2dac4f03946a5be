"""`csfnns capacity`: how large a file may be, and how clear a picture arrives."""

from typing import Any

from csfnns.cli import options, show
from csfnns.cli.unlock import Choices, album_for, model_for, unlock

_LEVELS = (65.0, 60.0, 55.0, 50.0)
_JPEG_LEVELS = (50.0, 45.0, 40.0)
_SIDES = ((640, 480), (1280, 960), (2000, 1500), (4000, 3000))
_LEAST = 20.0


def capacity(
    key: options.KeyFile = None,
    passphrase: options.AskPassphrase = False,
    passphrase_file: options.PassphraseFile = None,
    insist: options.Insist = False,
    profile: options.ProfileName = None,
    size: options.Size = None,
    bpp: options.Bpp = None,
    generator: options.Generator = None,
    album: options.Album = None,
    model: options.Model = None,
    quality: options.Quality = None,
    survive: options.Survive = None,
    device: options.SearchDevice = options.Device.auto,
    json: options.AsJson = False,
) -> None:
    """Show how large a file the key's covers hold, how near the stego then stays to its cover, and how pictures arrive.

    Measured on the check cover, message 0, for one receiver and a file that does not compress. With a key of profile
    robust, that is what --exact gives; what survives is found by up to four searches.
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)

    from csfnns import api
    from csfnns.ways import QUALITY, check_robust

    places: dict[str, Any] = {"album": album_for(owner, album), "model": model_for(owner, model)}
    robust = owner.profile.decoder == "robust"
    if survive:
        check_robust(owner.profile, ", ".join(survive))
    quality = QUALITY if quality is None else quality
    compressed = api.capacity(owner, _JPEG_LEVELS, quality=quality, **places)
    found = api.capacity(owner, _LEVELS, **places)
    grain = api.capacity(owner, (), grain=True, **places).most
    channels = survive or ["jpeg:75-95"]
    pictures = {} if owner.profile.is_network else api.capacity_pictures(owner, _SIDES)
    surviving = None
    if robust:
        with show.searching(json=json) as progress:
            where = options.torch_device(device)
            surviving = api.capacity_surviving(owner, channels, **places, device=where, progress=progress)
    if json:
        content: dict[str, Any] = {"message": 0, "bytes_at_db": _by_level(found.at), "most": found.most}
        content |= {"grain": grain, "jpeg": {"quality": quality, "bytes_at_db": _by_level(compressed.at)}}
        content |= {
            "photographs": [{"width": w, "height": h, "psnr": psnr} for (w, h), psnr in pictures.items()]
        }
        content |= {} if surviving is None else {"survive": {"channels": channels, "most": surviving}}
        show.as_json(content)
        return
    rows = {show.decibels(level): most for level, most in found.at.items()}
    rows |= {"at most": found.most, "with --grain, 48.2 dB": grain}
    rows |= {
        f".jpg of quality {quality}, {show.decibels(level)}": most for level, most in compressed.at.items()
    }
    if surviving is not None:
        rows = {f"{name} (--exact)": most for name, most in rows.items()}
        rows |= {f"surviving {', '.join(channels)}": surviving}
    show.table({name: f"{most:>9,} bytes" for name, most in rows.items()})
    for (width, height), psnr in pictures.items():
        fate = (
            f"arrives {show.clarity(psnr)}, at about {show.decibels(psnr)}"
            if psnr >= _LEAST
            else "is too large"
        )
        show.text(f"A {width}x{height} photograph {fate}.")
    show.text(
        f"Measured on this key's check cover, {owner.profile.width}x{owner.profile.height}; others differ a little. "
        "Files that compress may be larger; several receivers share the room."
    )


def _by_level(at: dict[float, int]) -> dict[str, int]:
    return {f"{level:.0f}": most for level, most in at.items()}
