"""`csfnns capacity`: how large a file may be."""

from csfnns.cli import options, show
from csfnns.cli.unlock import Choices, album_for, model_for, unlock

_LEVELS = (65.0, 60.0, 55.0, 50.0)


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
    json: options.AsJson = False,
) -> None:
    """Show how large a file the key's covers hold, and how near the picture then stays to its cover.

    Measured on the check cover, message 0, for one receiver and a file that does not compress.
    """
    chosen = Choices(profile, size, bpp, generator, album)
    owner = unlock(key, passphrase, passphrase_file, insist, chosen, json=json)

    from csfnns import api

    found = api.capacity(owner, _LEVELS, album=album_for(owner, album), model=model_for(owner, model))
    if json:
        at = {f"{level:.0f}": most for level, most in found.at.items()}
        show.as_json({"message": 0, "bytes_at_db": at, "most": found.most})
        return
    rows = {show.decibels(level): f"{most:>9,} bytes" for level, most in found.at.items()}
    show.table({**rows, "at most": f"{found.most:>9,} bytes"})
    show.text(
        f"Measured on this key's check cover, {owner.profile.width}x{owner.profile.height}; others differ a little. "
        "Files that compress may be larger; several receivers share the room."
    )
