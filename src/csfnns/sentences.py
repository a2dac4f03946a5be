"""Results in words for people and in JSON for programs: the command line and the page say the same."""

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from csfnns.images.metrics import Figures
    from csfnns.messages.results import Arrival, Hidden, LongHidden, LongRevealed, Revealed

_STEGO = (
    (48, "the difference is invisible"),
    (40, "a difference can hardly be seen, even side by side"),
    (30, "a close look side by side shows a difference"),
    (-math.inf, "the difference shows"),
)
_CLARITY = ((36, "clear"), (31, "in good quality"), (26, "in fair quality"), (-math.inf, "in poor quality"))
"""Words for how a picture arrives, by its PSNR in dB at the original's size."""
_GOOD = 31.0  # PSNR in dB below which a picture is better sent smaller

CHANGED = (
    "The picture was changed on its way: this is what is left of the secret. Ask for the file as it was written, sent as"
    " a file or document."
)


def decibels(psnr: float) -> str:
    """PSNR for people."""
    return "equal" if math.isinf(psnr) else f"{psnr:.1f} dB"


def size(count: int) -> str:
    """Bytes for people."""
    if count < 10_000:
        return f"{count:,} {'byte' if count == 1 else 'bytes'}"
    return f"{count / 1000:,.0f} kB" if count < 10_000_000 else f"{count / 1e6:,.0f} MB"


def about_stego(psnr: float) -> str:
    """What a distance between stego and cover means to an eye."""
    return next(words for least, words in _STEGO if psnr >= least)


def clarity(psnr: float) -> str:
    """How a picture arrives, such as "clear" or "in good quality"."""
    return next(words for least, words in _CLARITY if psnr >= least)


def arrival(each: "Arrival") -> tuple[str, str]:
    """What one receiver gets, and how it arrives."""
    if each.width is None:
        assert each.file is not None
        what = "a text" if each.kind == "text" else each.file.name or "a file"
        return f"{what} ({size(len(each.file.content))})", "unchanged"
    whole = each.original_psnr
    identical = each.figures is None and (whole is None or math.isinf(whole))
    return f"a {each.width}x{each.height} picture", "identical" if identical else clarity(whole or 0)


def hidden(found: "Hidden", ready: str, *, smaller: str | None) -> list[str]:
    """What is inside a stego and how it arrives, and how to send it.

    `ready` is the beginning, such as "holiday.png is ready"; `smaller` says how a picture arrives clearer, where one
    arrives poorly and was not scaled.
    """
    arrivals = {receiver: arrival(each) for receiver, each in found.receivers.items()}
    if len(arrivals) == 1:
        ((what, how),) = arrivals.values()
        lines = [f"{ready}: {what} is inside and arrives {how}."]
    else:
        gets = [f"{receiver} gets {what}, {how}" for receiver, (what, how) in arrivals.items()]
        lines = [f"{ready}: {'; '.join(gets)}."]
    if found.survives:
        lines.append(f"It survives {', '.join(found.survives)}: it was read back after each.")
    else:
        lines.append("Send it as a file or document: chat apps recompress pictures.")
    if smaller and any((each.original_psnr or _GOOD) < _GOOD for each in found.receivers.values()):
        lines.append(smaller)
    return lines


def revealed(found: "Revealed", name: str = "", *, converted: str | None = None) -> str:
    """What was revealed.

    `name` is the file that it was written to, if any; `converted` describes how a picture was converted for it.
    """
    from csfnns.images.header import picture_suffixes

    formats = picture_suffixes(found.content or b"")
    sent = "" if found.author in (None, "sender") else f" by {found.author}"
    sent += "" if found.sent is None else f" on {found.sent.astimezone():%Y-%m-%d at %H:%M}"
    if found.kind == "picture":
        height, width = found.picture.shape[:2]
        what = f"a {width}x{height} picture"
    else:
        what = "a text" if found.kind == "text" else size(len(found.content or b""))
    if converted is not None:
        what += converted
    elif found.content is not None and formats != (".avif",):  # which is rarely the picture that was given to hide
        what += ", exactly as sent"
    elif found.unchanged and found.expected_psnr is not None:
        what += f", {clarity(found.expected_psnr)}"
    if sent:
        what += sent if what.endswith("sent") else f", sent{sent}"
    return f"Revealed {name}{': ' * bool(name)}{what}."


def long_hidden(found: "LongHidden", folder: str, name: str) -> list[str]:
    """What a folder of pictures holds, and how to send them."""
    count = len(found.pictures)
    least = f"any {count - found.spare} of them restore" if found.spare else "all of them together restore"
    ready = f"{folder} has {count} {'picture' if count == 1 else 'pictures'}: {least} {name} ({size(found.length)})."
    return [ready, "Send them as files or documents: chat apps recompress pictures."]


def long_revealed(found: "LongRevealed") -> str:
    """A file that was restored from several pictures."""
    sent = "" if found.author in (None, "sender") else f" by {found.author}"
    sent += "" if found.sent is None else f" on {found.sent.astimezone():%Y-%m-%d at %H:%M}"
    there = found.parts - len(found.missing)
    return (
        f"Revealed {found.path}: {size(found.length)}, exactly as sent{sent}, from {there} of {found.parts} pictures."
    )


def long_hidden_json(found: "LongHidden") -> dict[str, Any]:
    """A file in several pictures, for programs."""
    about: dict[str, Any] = {"pictures": list(map(str, found.pictures)), "spare": found.spare, "bytes": found.length}
    return about | {"method": found.method, "least_psnr": found.least_psnr}


def long_revealed_json(found: "LongRevealed") -> dict[str, Any]:
    """A file that was restored from several pictures, for programs."""
    about: dict[str, Any] = {"file": str(found.path), "kind": "file", "name": found.name, "bytes": found.length}
    about |= {"parts": found.parts, "needed": found.needed, "missing": list(found.missing)}
    sent = None if found.sent is None else found.sent.isoformat()
    return about | {"receiver": found.receiver, "author": found.author, "sent": sent}


def figures_json(figures: "Figures") -> dict[str, Any]:
    """Figures for programs: JSON has no infinity, so that becomes null with a note."""
    equal = math.isinf(figures.psnr)
    content = {"psnr": None if equal else figures.psnr, "ssim": figures.ssim}
    content |= {"max_abs": figures.max_abs, "changed": figures.changed}
    return content | ({"note": "PSNR is infinite: the pictures are equal."} if equal else {})


def arrival_json(each: "Arrival") -> dict[str, Any]:
    """What one receiver gets, for programs; `psnr` is null for what arrives byte for byte."""
    content: dict[str, Any] = {"kind": each.kind, "form": each.form, "exact": each.figures is None}
    if each.file is not None:
        content |= {"name": each.file.name, "bytes": len(each.file.content)}
    if each.width is None:
        return content
    whole = each.original_psnr
    figures = {"psnr": None, "ssim": None} if each.figures is None else figures_json(each.figures)
    size = {"width": each.width, "height": each.height}
    return content | size | figures | {"original_psnr": None if whole is None or math.isinf(whole) else whole}


def hidden_json(found: "Hidden") -> dict[str, Any]:
    """A stego and what each receiver gets, for programs."""
    survives: Mapping[str, Any] = {
        case: {name: None if each is None else figures_json(each) for name, each in arrived.items()}
        for case, arrived in found.survives.items()
    }
    receivers = {name: arrival_json(each) for name, each in found.receivers.items()}
    about = {"message": found.id, "method": found.method, "stego": figures_json(found.stego)}
    return about | {"receivers": receivers, "survives": survives}
