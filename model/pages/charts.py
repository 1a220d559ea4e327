"""Lines over epochs, and bars, as inline SVG. Numbers in, a string out; the page's CSS has the colours.

A chart is as wide as its place: x is in percent of it and y in pixels, so text has one size on a wall and on
a phone. What is drawn has a tooltip with its numbers, and a CSS class ("kind") that says what it is: seen,
unseen, chosen, other.
"""

import math
from dataclasses import dataclass
from html import escape
from typing import Dict, List, Mapping, Optional, Sequence, Tuple, TypeVar

import numpy as np

from pages.svg import LETTER, drawing, element, label_width, short, tooltip

# Pixels
LABEL = 15  # height of a line's name at its end
MARK = 14  # height of a mark's name
TICKS = 45  # between the numbers of the scale, about
BAR, BAR_GAP = 14, 8

TICKS_OF_EPOCHS = 8  # at most
TWO_COLUMNS = 12  # more rows than these stand in two columns
Row = TypeVar("Row")


@dataclass(frozen=True)
class Series:
    """A line: its name, its kind, and a value an epoch, NaN where there is none."""

    name: str
    kind: str
    values: Sequence[float]


@dataclass(frozen=True)
class Plane:
    """Where epochs and values lie: x in percent, y in pixels from the top."""

    epochs: Sequence[int]
    scale: Sequence[float]
    height: int

    def x(self, epoch: int) -> float:
        first, last = self.epochs[0], self.epochs[-1]
        return round(100 * (epoch - first) / (last - first), 2) if last > first else 50

    def y(self, value: float) -> float:
        return round(self.height * (self.scale[-1] - value) / (self.scale[-1] - self.scale[0]), 1)


# ---- lines -----------------------------------------------------------------------------------------


def line_chart(
    title: str,
    epochs: Sequence[int],
    series: Sequence[Series],
    marks: Mapping[str, int],
    warm_up: Optional[int] = None,
    height: int = 190,
    limits: Optional[Tuple[float, float]] = None,
) -> str:
    """Lines over epochs, each with its name and last value at its end.

    marks:   name -> epoch, an upright line with a dot on every series
    warm_up: the shaded epochs end with this one
    limits:  ends of the scale of several charts that are compared; without, those of the values
    """
    values = [value for line in series for value in line.values if math.isfinite(value)] or [0]
    low, high = limits or (min(values), max(values))
    scale = round_numbers(low, high, about=max(2, height // TICKS))
    plane = Plane(epochs, scale, height)
    rows = mark_rows(marks, last_epoch=epochs[-1])

    parts = []
    if warm_up:
        parts.append(warm_up_shade(plane, warm_up))
    parts += axes(plane)
    parts += [mark(plane, name, epoch, rows.get(name, 0)) for name, epoch in marks.items()]
    parts.append(polylines(plane, series))
    parts += [dots(plane, series, epoch, radius=3.5) for epoch in marks.values()]
    parts += line_names(plane, series)
    parts += [readout(plane, series, epoch) for epoch in epochs]

    above = 26 + MARK * max(len(rows) - 1, 0)
    right = 18 + LETTER * longest_name(series, marks)
    return drawing("lines", title, parts, height + above + 24, f"padding: {above}px {right:.0f}px 24px 44px")


def mark_rows(marks: Mapping[str, int], last_epoch: int) -> Dict[str, int]:
    """Row of each mark's name above the field, so that no two overlap: the lowest is 0.

    The name of the last epoch stands right of the field, and needs no row.
    """
    inside = [name for name, epoch in marks.items() if epoch < last_epoch]
    return {name: row for row, name in enumerate(inside)}


def longest_name(series: Sequence[Series], marks: Mapping[str, int]) -> int:
    """Letters of the longest words right of the field."""
    words = [f"{line.name} {short_number(line.values[-1])}" for line in series]
    words += [f"{name} {epoch}" for name, epoch in marks.items()]
    return max(map(len, words))


def warm_up_shade(plane: Plane, last: int) -> str:
    """A rectangle behind the epochs up to the last of the warm-up."""
    words = tooltip("warm-up: only the heads learn")
    return element("rect", words, kind="warm-up", width=f"{plane.x(last)}%", height=plane.height)


def axes(plane: Plane) -> List[str]:
    """Ticks of the values, with lines across, and of some epochs."""
    parts = []
    for tick in plane.scale:
        y = plane.y(tick)
        line = element("line", kind="tick", x2="100%", y1=y, y2=y)
        parts.append(line + element("text", f"{tick:g}", x=-8, y=y + 4, text_anchor="end"))
    step = math.ceil(len(plane.epochs) / TICKS_OF_EPOCHS)
    for epoch in plane.epochs[::step]:
        x = f"{plane.x(epoch)}%"
        parts.append(element("text", str(epoch), x=x, y=plane.height + 18, text_anchor="middle"))
    return parts


def mark(plane: Plane, name: str, epoch: int, row: int) -> str:
    """An upright line with its name above it, left of it in the right half of the field."""
    x = plane.x(epoch)
    is_left = 50 < x < 100
    line = element("line", kind="mark", x1=f"{x}%", x2=f"{x}%", y1=-6 - MARK * row, y2=plane.height)
    return line + element(
        "text",
        f"{escape(name)} {epoch}",
        kind="mark",
        x=f"{x}%",
        y=-11 - MARK * row,
        dx=0 if is_left else -3,
        text_anchor="end" if is_left else "start",
    )


def polylines(plane: Plane, series: Sequence[Series]) -> str:
    """All lines, those that are chosen on top. In a field of their own, whose width is 100 units."""
    lines = [polyline(plane, line) for line in sorted(series, key=lambda line: line.kind == "chosen")]
    return element(
        "svg",
        "".join(lines),
        width="100%",
        height=plane.height,
        viewBox=f"0 0 100 {plane.height}",
        preserveAspectRatio="none",
    )


def polyline(plane: Plane, line: Series) -> str:
    """A line through the values that there are."""
    points = []
    for epoch, value in zip(plane.epochs, line.values):
        if math.isfinite(value):
            points.append(f"{plane.x(epoch)},{plane.y(value)}")
    return element("polyline", kind=line.kind, points=" ".join(points))


def dots(plane: Plane, series: Sequence[Series], epoch: int, radius: float) -> str:
    """A dot on every line at an epoch."""
    place = plane.epochs.index(epoch)
    circles = ""
    for line in series:
        value = line.values[place]
        if math.isfinite(value):
            x, y = f"{plane.x(epoch)}%", plane.y(value)
            circles += element("circle", kind=line.kind, cx=x, cy=y, r=radius)
    return circles


def line_names(plane: Plane, series: Sequence[Series]) -> List[str]:
    """Name and last value of every line, right of the field, where the line ends if there is room."""
    ending = [line for line in series if math.isfinite(line.values[-1])]
    heights = push_apart([plane.y(line.values[-1]) for line in ending], gap=LABEL)
    names = []
    for line, y in zip(ending, heights):
        words = f"{escape(line.name)} {short_number(line.values[-1])}"
        names.append(element("text", words, kind=line.kind, x="100%", dx=10, y=round(y + 4, 1)))
    return names


def readout(plane: Plane, series: Sequence[Series], epoch: int) -> str:
    """All values of an epoch, shown while the pointer is near."""
    place = plane.epochs.index(epoch)
    words = [f"epoch {epoch}"]
    words += [f"{line.name} {short_number(line.values[place])}".strip() for line in series]
    step = 100 / max(plane.epochs[-1] - plane.epochs[0], 1)
    left = f"{plane.x(epoch) - step / 2:.2f}%"
    near = element("rect", x=left, width=f"{step:.2f}%", height=plane.height)
    return element("g", tooltip("\n".join(words)) + near + dots(plane, series, epoch, radius=3), kind="epoch")


# ---- bars ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bar:
    """A value, with what is written left of its bar and what it says under the pointer."""

    label: str
    value: float
    kind: str
    tip: str


def bar_chart(
    title: str,
    bars: Sequence[Bar],
    high: float = 100,
    means: Sequence[Tuple[float, str]] = (),
    digits: str = ".1f",
) -> str:
    """Bars, one below the other.

    high:   the value that fills the width
    means:  (value, kind) of upright lines
    digits: the format of the values
    """
    height = (BAR + BAR_GAP) * len(bars)
    parts = []
    for value, kind in means:
        x = f"{100 * value / high:.2f}%"
        parts.append(element("line", kind=kind, x1=x, x2=x, y2=height))
    for place, bar in enumerate(bars):
        parts.append(draw_bar(bar, (BAR + BAR_GAP) * place, high, digits))
    left = label_width([bar.label for bar in bars])
    return drawing("bars", title, parts, height, f"padding: 0 48px 0 {left}px")


def in_columns(rows: Sequence[Row]) -> List[Sequence[Row]]:
    """All of a chart's rows in one part; of many, the two halves, for a chart each."""
    half = math.ceil(len(rows) / 2) if len(rows) > TWO_COLUMNS else len(rows)
    return [part for part in (rows[:half], rows[half:]) if part]


def draw_bar(bar: Bar, y: int, high: float, digits: str) -> str:
    """y: top of its row.  A value of NaN has a bar without length."""
    length = bar.value if bar.value > 0 else 0
    width = f"{100 * length / high:.2f}%"
    baseline = y + 15
    content = tooltip(bar.tip)
    content += element("text", escape(short(bar.label)), x=-10, y=baseline, text_anchor="end")
    content += element("rect", y=y + BAR_GAP // 2, width=width, height=BAR, rx=2)
    number = format(bar.value, digits)
    content += element(
        "rect",
        kind="behind",  # hides the lines of the means
        x=width,
        y=y + BAR_GAP // 2 - 1,
        transform="translate(4 0)",
        width=round(LETTER * len(number) + 6),
        height=BAR + 2,
    )
    content += element("text", number, kind="value", x=width, dx=7, y=baseline)
    return element("g", content, kind=f"bar {bar.kind}")


# ---- numbers ---------------------------------------------------------------------------------------


def short_number(value: float) -> str:
    """Three digits: a label has room for no more."""
    if not math.isfinite(value):
        return "–"
    return f"{value:.1f}" if 10 <= abs(value) <= 100 else f"{value:.3g}"


def push_apart(heights: Sequence[float], gap: float) -> List[float]:
    """The heights, pushed down where two are nearer than the gap."""
    pushed = list(heights)
    lowest = -math.inf
    for place in np.argsort(heights, kind="stable"):
        lowest = pushed[place] = max(heights[place], lowest + gap)
    return pushed


def round_numbers(low: float, high: float, about: int) -> List[float]:
    """Evenly spaced round numbers, the first at most `low`, the last at least `high`.

    about: how many steps there are between them
    """
    span = high - low or abs(high) or 1
    power = 10 ** math.floor(math.log10(span / about))
    step = next(power * factor for factor in (1, 2, 5, 10) if span <= about * power * factor)
    first = math.floor(low / step)
    last = max(math.ceil(high / step), first + 1)
    return [step * place for place in range(first, last + 1)]
