"""Charts as SVG files: curves and points on two axes, for screens light and dark, told apart without colour."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from xml.sax.saxutils import escape

Point = tuple[float, float]

MOST_CURVES = 8
MOST_POINTS = 400
"""Of a curve; of longer ones, so many are drawn, evenly spread."""
_MARKED = 12
"""Points of a line up to which each has its mark."""
_LETTERS, _TITLE = 76, 58
_WIDTH, _PLOT = 640, 380
_LEFT, _RIGHT, _TOP, _BELOW, _LINE = 66, 22, 44, 52, 24
# After Okabe and Ito, for people who see fewer colours: on white, and on black.
_COLOURS = ("#0072b2", "#c04f00", "#00795a", "#a83f7f", "#5b5bc4", "#7a6400", "#b3262b", "#3f7289")
_ON_DARK = ("#56b4e9", "#ff9d52", "#34c79c", "#e79bc8", "#a8a8ff", "#e6cf4a", "#ff8080", "#9cc7da")
_DASHES = ("", "9 4", "2 3", "11 3 2 3", "5 2", "14 4", "4 3 1 3 1 3", "1 5")
_SHAPES = (
    "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z",
    "M-3.6-3.6h7.2v7.2h-7.2z",
    "M0-4.6 4.6 3.6h-9.2z",
    "M0-5 5 0 0 5-5 0z",
    "M-4-4 4 4M-4 4 4-4",
    "M0-5V5M-5 0H5",
    "M0 4.6 4.6-3.6h-9.2z",
    "M-4.4 0H4.4M-2.2-3.8 2.2 3.8M-2.2 3.8 2.2-3.8",
)


@dataclass(frozen=True)
class Axis:
    """One of two axes."""

    label: str
    low: float
    high: float
    log: bool = False
    """Logarithmic; both ends are then above 0."""
    marked: Sequence[float] = ()
    """Values that have a tick; none for round ones."""

    @classmethod
    def around(cls, label: str, values: Sequence[float], *, log: bool = False) -> "Axis":
        """Axis that shows all of these, finite, at least one, with some room; with `log`, they are above 0 and marked."""
        low, high = min(values), max(values)
        if log:
            apart = list[float]()
            for value in sorted(set(values)):
                if not apart or value > max(1.3, (high / low) ** (1 / 8)) * apart[-1]:
                    apart.append(value)
            return cls(label, low / 1.25, high * 1.25, True, apart)
        room = 0.06 * (high - low) or max(abs(low) * 0.05, 0.5)
        return cls(label, low - room, high + room)

    def place(self, value: float) -> float:
        """Share of the axis before a value: 0 at `low`, 1 at `high`, and no less or more."""
        low, high, at = (math.log(max(x, 1e-300)) if self.log else x for x in (self.low, self.high, value))
        return min(max((at - low) / (high - low), 0.0), 1.0)

    def ticks(self) -> list[float]:
        """The marked values, or some round ones on the axis."""
        if self.marked:
            return list(self.marked)
        rough = (self.high - self.low) / 5
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(digit * power for digit in (1, 2, 5, 10) if digit * power >= rough * 0.999)
        first = math.ceil(self.low / step - 1e-9)
        return [step * k for k in range(first, math.floor(self.high / step + 1e-9) + 1)]


@dataclass(frozen=True)
class Curve:
    """Points with a name."""

    name: str
    points: Sequence[Point]
    """(x, y), finite."""
    line: bool = True
    """Whether they are connected."""


def chart(title: str, x: Axis, y: Axis, curves: Sequence[Curve], guessing: Sequence[Point] = ()) -> str:
    """SVG file of at most 8 curves, each with a dash, a mark and a colour of its own, and a legend below them.

    `guessing` is a dashed line through these points. All text is escaped; long names are cut.
    """
    curves = curves[:MOST_CURVES]
    height = _TOP + _PLOT + _BELOW + _LINE * len(curves) + 12
    drawn = [_grid(x, y)]
    if guessing:
        drawn.append(f'<path class="guess" stroke-dasharray="4 4" d="{_path(guessing, x, y)}"/>')
    drawn += [_curve(curve, k, x, y) for k, curve in enumerate(curves)]
    drawn += [_legend(curve, k) for k, curve in enumerate(curves)]
    about = "; ".join(_clean(curve.name) for curve in curves)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        f' role="img" font-family="system-ui, sans-serif" font-size="14"><title>{_clean(title)}</title>'
        f"<desc>{_clean(y.label)} against {_clean(x.label)}: {about}</desc><style>{_style()}</style>"
        f'<text x="{_LEFT}" y="24" font-size="16" font-weight="600">{_clean(title, _TITLE)}</text>{"".join(drawn)}</svg>'
    )


def _style() -> str:
    def rules(ink: str, grid: str, colours: Sequence[str]) -> str:
        own = "".join(f".c{k}{{stroke:{each}}}" for k, each in enumerate(colours))
        thin = f".axis,.grid,.guess{{stroke-width:1;stroke:{ink}}}.guess{{opacity:.6}}.grid{{stroke:{grid}}}"
        return f"text{{fill:{ink}}}path{{fill:none;stroke-width:2}}{thin}{own}"

    dark = rules("#e8e8e8", "#3a3a3a", _ON_DARK)
    return f"{rules('#222', '#dedede', _COLOURS)}@media (prefers-color-scheme:dark){{{dark}}}"


def _grid(x: Axis, y: Axis) -> str:
    right, bottom = _WIDTH - _RIGHT, _TOP + _PLOT
    lines, texts = "", ""
    for value in x.ticks():
        at = _place((value, y.low), x, y)[0]
        lines += f"M{at:.1f} {_TOP}V{bottom}"
        texts += f'<text x="{at:.1f}" y="{bottom + 19}" text-anchor="middle" font-size="12">{value:.6g}</text>'
    for value in y.ticks():
        at = _place((x.low, value), x, y)[1]
        lines += f"M{_LEFT} {at:.1f}H{right}"
        texts += f'<text x="{_LEFT - 8}" y="{at + 4:.1f}" text-anchor="end" font-size="12">{value:.6g}</text>'
    middle = _TOP + _PLOT / 2
    return (
        f'<path class="grid" d="{lines}"/><path class="axis" d="M{_LEFT} {_TOP}V{bottom}H{right}"/>{texts}'
        f'<text x="{(_LEFT + right) / 2}" y="{bottom + 41}" text-anchor="middle">{_clean(x.label)}</text>'
        f'<text transform="translate(18 {middle}) rotate(-90)" text-anchor="middle">{_clean(y.label)}</text>'
    )


def _curve(curve: Curve, k: int, x: Axis, y: Axis) -> str:
    points = curve.points
    if len(points) > MOST_POINTS:
        points = [points[round(i * (len(points) - 1) / (MOST_POINTS - 1))] for i in range(MOST_POINTS)]
    line = f'<path class="c{k}"{_dash(k)} d="{_path(points, x, y)}"/>' if curve.line and len(points) > 1 else ""
    places = [_place(point, x, y) for point in points]
    if curve.line and len(points) > _MARKED:
        places = _spread(places, k)
    return line + "".join(_mark(k, *place) for place in places)


def _spread(places: Sequence[Point], k: int) -> list[Point]:
    """Five places along a path, at other lengths for each curve, so that marks of equal curves do not hide each other."""
    lengths = [0.0]
    for a, b in pairwise(places):
        lengths.append(lengths[-1] + math.dist(a, b))
    found = []
    for i in range(5):
        wanted = lengths[-1] * (i + (k + 0.5) / MOST_CURVES) / 5
        n = next(j for j in range(1, len(lengths)) if lengths[j] >= wanted)
        share = (wanted - lengths[n - 1]) / ((lengths[n] - lengths[n - 1]) or 1.0)
        (ax, ay), (bx, by) = places[n - 1], places[n]
        found.append((ax + share * (bx - ax), ay + share * (by - ay)))
    return found


def _legend(curve: Curve, k: int) -> str:
    at = _TOP + _PLOT + _BELOW + _LINE * k + 14
    line = f'<path class="c{k}"{_dash(k)} d="M{_LEFT} {at - 5}h44"/>' if curve.line and len(curve.points) > 1 else ""
    name = f'<text x="{_LEFT + 56}" y="{at}">{_clean(curve.name)}</text>'
    return f"{line}{_mark(k, _LEFT + 22, at - 5)}{name}"


def _mark(k: int, left: float, top: float) -> str:
    return f'<path class="c{k}" transform="translate({left:.1f} {top:.1f})" d="{_SHAPES[k]}"/>'


def _dash(k: int) -> str:
    return f' stroke-dasharray="{_DASHES[k]}"' if _DASHES[k] else ""


def _path(points: Sequence[Point], x: Axis, y: Axis) -> str:
    return "M" + "L".join(f"{left:.1f} {top:.1f}" for left, top in (_place(point, x, y) for point in points))


def _place(point: Point, x: Axis, y: Axis) -> Point:
    width = _WIDTH - _LEFT - _RIGHT
    return _LEFT + width * x.place(point[0]), _TOP + _PLOT * (1 - y.place(point[1]))


def _clean(text: str, letters: int = _LETTERS) -> str:
    """Text for XML: escaped, without characters that XML forbids, cut where it would leave the picture."""
    text = "".join(letter if letter.isprintable() else " " for letter in text)
    return escape(text if len(text) <= letters else text[: letters - 1] + "…")
