"""Charts as inline SVG: lines over epochs, bars, and a heat map. Numbers in, a string out; the page's CSS has the colours.

A chart is as wide as its place: x is in percent of it and y in pixels, so text has one size on a wall and on a phone.
What is drawn has a <title> with its numbers, and a CSS class ("kind") that says what it is: seen, unseen, chosen, other.
"""

import math
from dataclasses import dataclass
from html import escape
from typing import Callable, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

LETTER, LONGEST = 6.9, 24  # width of a letter of 12 pixels; labels with more letters are cut
BAR, TICKS, ROW = 22, 45, 14  # height of a bar with its gap, of a scale's steps, of a mark's name: pixels
Series = Tuple[str, str, Sequence[float]]  # name, kind, a value an epoch, NaN where there is none


@dataclass
class Plane:
    """Where epochs and values lie."""

    epochs: Sequence[int]
    scale: Sequence[float]
    height: int

    def x(self, epoch: int) -> float:
        first, last = self.epochs[0], self.epochs[-1]
        return round(100 * (epoch - first) / (last - first), 2) if last > first else 50

    def y(self, value: float) -> float:
        return round(self.height * (self.scale[-1] - value) / (self.scale[-1] - self.scale[0]), 1)


def line_chart(
    title: str,
    epochs: Sequence[int],
    series: Sequence[Series],
    marks: Mapping[str, int],
    warm_up: Optional[int] = None,
    height: int = 190,
) -> str:
    """Lines over epochs, each with its name and last value at its end.

    marks: name -> epoch, an upright line with a dot on every series;  warm_up: the shaded epochs end with this one
    """
    values = [value for _, _, values in series for value in values if math.isfinite(value)] or [0]
    plane = Plane(epochs, round_numbers(min(values), max(values), about=max(2, height // TICKS)), height)
    shade = (
        element(
            "rect",
            titled("warm-up: only the heads learn"),
            kind="warm-up",
            width=f"{plane.x(warm_up)}%",
            height=height,
        )
        if warm_up
        else ""
    )
    lines = [
        polyline(plane, *one) for one in sorted(series, key=lambda one: one[1] == "chosen")
    ]  # on top of the others
    field = element(
        "svg",
        "".join(lines),
        width="100%",
        height=height,
        viewBox=f"0 0 100 {height}",
        preserveAspectRatio="none",
    )
    rows = {
        name: row for row, name in enumerate(name for name, epoch in marks.items() if epoch < epochs[-1])
    }  # so that no two names overlap
    parts = [
        shade,
        *axes(plane),
        *(upright(plane, name, epoch, rows.get(name, 0)) for name, epoch in marks.items()),
        field,
        *(dots(plane, series, epoch, radius=3.5) for epoch in marks.values()),
        *ends(plane, series),
        *(readout(plane, series, epoch) for epoch in epochs),
    ]
    longest = max(
        map(
            len,
            [
                *(f"{name} {number(values[-1])}" for name, _, values in series),
                *(f"{name} {epoch}" for name, epoch in marks.items()),
            ],
        )
    )
    above = 26 + ROW * max(len(rows) - 1, 0)
    return drawing(
        "lines",
        title,
        parts,
        height + above + 24,
        f"padding: {above}px {18 + LETTER * longest:.0f}px 24px 44px",
    )


def axes(plane: Plane) -> List[str]:
    values = [
        element("line", kind="tick", x2="100%", y1=plane.y(tick), y2=plane.y(tick))
        + element("text", f"{tick:g}", x=-8, y=plane.y(tick) + 4, text_anchor="end")
        for tick in plane.scale
    ]
    return values + [
        element("text", str(epoch), x=f"{plane.x(epoch)}%", y=plane.height + 18, text_anchor="middle")
        for epoch in plane.epochs[:: math.ceil(len(plane.epochs) / 8)]
    ]


def upright(plane: Plane, name: str, epoch: int, row: int) -> str:
    """row: of its name above the field, the lowest is 0"""
    x, inside = f"{plane.x(epoch)}%", 50 < plane.x(epoch) < 100
    return element("line", kind="mark", x1=x, x2=x, y1=-6 - ROW * row, y2=plane.height) + element(
        "text",
        f"{escape(name)} {epoch}",
        kind="mark",
        x=x,
        y=-11 - ROW * row,
        dx=0 if inside else -3,
        text_anchor="end" if inside else "start",
    )


def polyline(plane: Plane, name: str, kind: str, values: Sequence[float]) -> str:
    points = [
        f"{plane.x(epoch)},{plane.y(value)}"
        for epoch, value in zip(plane.epochs, values)
        if math.isfinite(value)
    ]
    return element("polyline", kind=kind, points=" ".join(points))


def dots(plane: Plane, series: Sequence[Series], epoch: int, radius: float) -> str:
    there = [(kind, values[plane.epochs.index(epoch)]) for _, kind, values in series]
    return "".join(
        element("circle", kind=kind, cx=f"{plane.x(epoch)}%", cy=plane.y(value), r=radius)
        for kind, value in there
        if math.isfinite(value)
    )


def ends(plane: Plane, series: Sequence[Series]) -> List[str]:
    there = [
        (f"{escape(name)} {number(values[-1])}", kind, plane.y(values[-1]))
        for name, kind, values in series
        if math.isfinite(values[-1])
    ]
    heights = apart([y for _, _, y in there], gap=15)
    return [
        element("text", words, kind=kind, x="100%", dx=10, y=round(y + 4, 1))
        for (words, kind, _), y in zip(there, heights)
    ]


def readout(plane: Plane, series: Sequence[Series], epoch: int) -> str:
    """All values of an epoch, shown while the pointer is near."""
    words = [
        f"epoch {epoch}",
        *(f"{name} {number(values[plane.epochs.index(epoch)])}".strip() for name, _, values in series),
    ]
    step = 100 / max(plane.epochs[-1] - plane.epochs[0], 1)
    near = element("rect", x=f"{plane.x(epoch) - step / 2:.2f}%", width=f"{step:.2f}%", height=plane.height)
    return element("g", titled("\n".join(words)) + near + dots(plane, series, epoch, radius=3), kind="epoch")


def bar_chart(
    title: str,
    bars: Sequence[Tuple[str, float, str, str]],
    high: float = 100,
    rules: Sequence[Tuple[float, str]] = (),
    digits: str = ".1f",
) -> str:
    """A bar a line. bars: label, value, kind and tooltip of each;  high: the value that fills the width;  rules: values and kinds of upright lines"""
    parts = [
        element(
            "line",
            kind=kind,
            x1=f"{100 * value / high:.2f}%",
            x2=f"{100 * value / high:.2f}%",
            y2=BAR * len(bars),
        )
        for value, kind in rules
    ]
    for y, (label, value, kind, tip) in zip(range(0, BAR * len(bars), BAR), bars):
        width = f"{100 * value / high if value > 0 else 0:.2f}%"
        parts.append(
            element(
                "g",
                titled(tip)
                + element("text", escape(short(label)), x=-10, y=y + 15, text_anchor="end")
                + element("rect", y=y + 4, width=width, height=BAR - 8, rx=2)
                + element("text", format(value, digits), kind="value", x=width, dx=7, y=y + 15),
                kind=f"bar {kind}",
            )
        )
    return drawing(
        "bars",
        title,
        parts,
        BAR * len(bars),
        f"padding: 0 48px 0 {label_width([label for label, *_ in bars])}px",
    )


@dataclass
class Labels:
    """Rows, or columns, in groups with gaps before them. Pixels."""

    groups: Dict[str, List[str]]
    size: int
    gap: int

    def __post_init__(self):
        self.items, self.blocks, self.length = (
            [],
            [],
            0,
        )  # (start, group, label), (start, group, length) of each
        for group, labels in self.groups.items():
            start = self.length + self.gap
            self.items += [(start + self.size * place, group, label) for place, label in enumerate(labels)]
            self.blocks.append((start, group, self.size * len(labels)))
            self.length = start + self.size * len(labels)


def heat_map(
    title: str,
    values: np.ndarray,
    rows: Dict[str, List[str]],
    columns: Dict[str, List[str]],
    tip: Callable[[int, int], str],
    text: Optional[np.ndarray] = None,
) -> str:
    """A matrix in a box that scrolls, its labels staying in sight.

    values: [R, C] in [-1, 1]: the sign chooses the colour, the magnitude its strength; cells of 0 are left out
    rows, columns: group name -> labels;  tip: (row, column) -> what the cell says;  text: [R, C], written into the cells
    """
    most = max(values.shape)
    size = 40 if most <= 12 else 22 if most <= 40 else 15 if most <= 60 else 12
    down, across = (
        Labels(rows, size, 26 if len(rows) > 1 else 4),
        Labels(columns, size, 8 if len(columns) > 1 else 0),
    )
    letters = min(12, size - 2)
    left, top = (label_width([label for _, _, label in labels.items], letters) for labels in (down, across))

    def cell(r, c) -> str:
        x, y, strength = across.items[c][0], down.items[r][0], abs(values[r, c])
        kind = ("plus" if values[r, c] > 0 else "minus") + (" strong" if strength > 0.55 else "")
        words = (
            element("text", str(text[r, c]), x=x + size / 2 - 0.5, y=y + size / 2 + 3.5)
            if text is not None
            else ""
        )
        return element(
            "g",
            titled(tip(r, c)) + element("rect", x=x, y=y, width=size - 1, height=size - 1) + words,
            kind=kind,
            style=f"--v:{strength:.0%}",
        )

    fields = [
        element("rect", kind="field", x=x, y=y, width=width - 1, height=height - 1)
        for y, _, height in down.blocks
        for x, _, width in across.blocks
    ]
    cells = [cell(r, c) for r, c in zip(*np.nonzero(values))]
    names = [
        element(
            "text", label_text(label), kind=escape(group), x=left - 10, y=y + size / 2 + 4, text_anchor="end"
        )
        for y, group, label in down.items
    ]
    names += [
        element(
            "text", escape(group.replace("_", " ")), kind="group", x=left - 10, y=y - 7, text_anchor="end"
        )
        for y, group, _ in down.blocks
        if len(rows) > 1
    ]
    heads = [
        element(
            "text",
            label_text(label),
            kind=escape(group),
            transform=f"translate({x + size / 2 + 4} {top - 8}) rotate(-90)",
        )
        for x, group, label in across.items
    ]
    tall = " tall" if down.length > 1000 else ""
    return (
        f'<div class="matrix{tall}" tabindex="0" role="group" aria-label="{escape(title)}" style="--size:{letters}px"><i></i>'
        + drawing("heads", "columns", heads, top, f"width: {across.length}px")
        + drawing("names", "rows", names, down.length, f"width: {left}px")
        + drawing("cells", title, fields + cells, down.length, f"width: {across.length}px")
        + "</div>"
    )


def element(name: str, content: str = "", **attributes) -> str:
    """An SVG element. content: SVG, or escaped words;  kind: its class;  underscores become hyphens"""
    words = "".join(
        f' {"class" if key == "kind" else key.replace("_", "-")}="{value}"'
        for key, value in attributes.items()
    )
    return f"<{name}{words}>{content}</{name}>" if content else f"<{name}{words}/>"


def drawing(kind: str, title: str, parts: Sequence[str], height: int, style: str) -> str:
    return f'<svg class="{kind}" role="img" aria-label="{escape(title)}" height="{height}" style="{style}">{"".join(parts)}</svg>'


def titled(words: str) -> str:
    return f"<title>{escape(words)}</title>"


def number(value: float) -> str:
    """Three digits, as a label has place for."""
    return "–" if not math.isfinite(value) else f"{value:.1f}" if 10 <= abs(value) <= 100 else f"{value:.3g}"


def short(label: str) -> str:
    return label if len(label) <= LONGEST else label[: LONGEST - 1] + "…"


def label_text(label: str) -> str:
    return escape(short(label)) + (titled(label) if short(label) != label else "")


def label_width(labels: Sequence[str], letters: int = 12) -> int:
    return round(18 + LETTER * letters / 12 * max((len(short(label)) for label in labels), default=0))


def apart(heights: Sequence[float], gap: float) -> List[float]:
    """The heights, pushed down where two are nearer than the gap."""
    pushed, lowest = list(heights), -math.inf
    for place in np.argsort(heights, kind="stable"):
        lowest = pushed[place] = max(heights[place], lowest + gap)
    return pushed


def round_numbers(low: float, high: float, about: int) -> List[float]:
    """Evenly spaced round numbers, the first at most `low`, the last at least `high`."""
    span = high - low or abs(high) or 1
    size = 10 ** math.floor(math.log10(span / about))
    step = next(size * times for times in (1, 2, 5, 10) if span <= about * size * times)
    start = math.floor(low / step)
    return [step * place for place in range(start, max(math.ceil(high / step), start + 1) + 1)]
