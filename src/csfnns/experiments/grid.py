"""Pages of figures: labelled pictures in rows, drawn with Pillow, so that only scaling changes a pixel."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from csfnns.images.io import Picture, fit
from csfnns.images.metrics import psnr

if TYPE_CHECKING:
    from PIL import ImageDraw, ImageFont

CELL = 256
_GAP, _BORDER, _LINE = 12, 4, 24
_TEXT, _TITLE = 17, 21
INK, PAPER = (30, 30, 30), (255, 255, 255)
BLUE, ORANGE = (47, 110, 186), (226, 125, 36)
"""Borders: of covers and stegos, of secrets and recovered pictures."""
CENTRE = f"Of larger residuals the centre of {CELL}x{CELL} is drawn, pixel by pixel."


@dataclass(frozen=True)
class Cell:
    """One picture with a caption below and a border around it; without a picture, the caption in an empty frame."""

    picture: Picture | None
    caption: str = ""
    colour: tuple[int, int, int] = INK


def grid(title: str, remark: str, headings: Sequence[str], rows: Sequence[tuple[str, Sequence[Cell]]]) -> Picture:
    """A table of pictures: title, a remark below it, headings of columns, and a label at the left of each row."""
    from PIL import Image, ImageDraw

    left = _GAP + max(_width(label) for label, _ in rows) + _GAP
    columns = max(len(cells) for _, cells in rows)
    top = _GAP + (3 if remark else 2) * _LINE + _GAP // 2
    step = CELL + 2 * _BORDER + _GAP
    heights = [step + (_LINE if any(cell.caption for cell in cells) else 0) for _, cells in rows]
    width = max(left + columns * step, 2 * _GAP + _width(title, _TITLE), 2 * _GAP + _width(remark))
    sheet = Image.new("RGB", (width, top + sum(heights) + _GAP), PAPER)
    draw = ImageDraw.Draw(sheet)
    _write(draw, (_GAP, _GAP), title, _TITLE)
    _write(draw, (_GAP, _GAP + _LINE), remark)
    for i, heading in enumerate(headings):
        _centre(draw, left + i * step, top - _LINE, heading)
    y = top
    for (label, cells), height in zip(rows, heights, strict=True):
        _write(draw, (_GAP, y + CELL // 2), label)
        for i, cell in enumerate(cells):
            _paste(sheet, draw, left + i * step, y, cell)
        y += height
    return np.array(sheet)


def centre(picture: Picture) -> Picture:
    """Middle of a picture, as large as a cell: its pixels are drawn as they are, since scaling would weaken noise."""
    top, left = (max(0, side - CELL) // 2 for side in picture.shape[:2])
    return picture[top : top + CELL, left : left + CELL].copy()


def psnr_caption(a: Picture, b: Picture | None) -> str:
    """PSNR of two pictures, for a caption."""
    return "nothing could be read" if b is None else f"{psnr(a, b):.1f} dB"


def _paste(sheet: Any, draw: "ImageDraw.ImageDraw", x: int, y: int, cell: Cell) -> None:
    from PIL import Image

    side = CELL + 2 * _BORDER
    inside = (x + _BORDER, y + _BORDER)
    draw.rectangle((x, y, x + side - 1, y + side - 1), fill=cell.colour)
    if cell.picture is None:
        draw.rectangle((*inside, inside[0] + CELL - 1, inside[1] + CELL - 1), fill=PAPER)
        _centre(draw, x, y + CELL // 2, cell.caption)
        return
    sheet.paste(Image.fromarray(fit(cell.picture, CELL, CELL)), inside)
    _centre(draw, x, y + side + 2, cell.caption)


def _centre(draw: "ImageDraw.ImageDraw", x: int, y: int, text: str) -> None:
    _write(draw, (x + (CELL + 2 * _BORDER - _width(text)) // 2, y), text)


def _write(draw: "ImageDraw.ImageDraw", at: tuple[int, int], text: str, size: int = _TEXT) -> None:
    draw.text(at, text, fill=INK, font=_font(size))


def _width(text: str, size: int = _TEXT) -> int:
    return math.ceil(_font(size).getlength(text))


@cache
def _font(size: int) -> "ImageFont.FreeTypeFont | ImageFont.ImageFont":
    """Pillow's own font, the same on every machine. It has Latin letters and no × sign."""
    from PIL import ImageFont

    return ImageFont.load_default(size)
