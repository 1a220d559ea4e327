"""Values of several runs as dots on a line, with their mean and deviation, as HTML with inline SVG.

The page's CSS has the colours. x is in percent of the chart's width, y in pixels.
"""

import math
from dataclasses import dataclass
from html import escape
from typing import List, Optional, Sequence, Tuple

import numpy as np

from pages.charts import round_numbers
from pages.svg import drawing, element, tooltip

ROW = 24  # height of a line, pixels
MIDDLE = ROW // 2
RADIUS = 4


@dataclass(frozen=True)
class Dot:
    """A value, its CSS class ("kind"), and what it says under the pointer."""

    value: float
    kind: str
    tip: str


@dataclass(frozen=True)
class Strip:
    """A line of dots, with its name. `note` is written right of it; `kind` is the CSS class of the name."""

    label: str
    dots: Sequence[Dot]
    note: str
    kind: str = "other"


def strip_chart(title: str, strips: Sequence[Strip], limits: Optional[Tuple[float, float]] = None) -> str:
    """Lines of dots, one below the other, on one scale. On a phone the label stands above its line.

    limits: ends of the scale, if they shall not be those of the values
    """
    values = [dot.value for strip in strips for dot in strip.dots if math.isfinite(dot.value)] or [0]
    low, high = limits or (min(values), max(values))
    scale = round_numbers(low, high, about=4)
    rows = "".join(draw_strip(strip, scale) for strip in strips)
    return (
        f'<div class="strips" role="group" aria-label="{escape(title)}">{rows}'
        f"<i></i>{drawing('scale', 'scale', numbers(scale), 18, '')}<i></i></div>"
    )


def numbers(scale: Sequence[float]) -> List[str]:
    """The numbers of the scale."""
    parts = []
    for tick in scale:
        parts.append(element("text", f"{tick:g}", x=f"{position(tick, scale)}%", y=13, text_anchor="middle"))
    return parts


def position(value: float, scale: Sequence[float]) -> float:
    """Percent of the width."""
    return round(100 * (value - scale[0]) / (scale[-1] - scale[0]), 2)


def draw_strip(strip: Strip, scale: Sequence[float]) -> str:
    """Label, line and note."""
    parts = []
    for tick in scale:
        x = f"{position(tick, scale)}%"
        parts.append(element("line", kind="tick", x1=x, x2=x, y2=ROW))
    parts.append(element("line", kind="row", x2="100%", y1=MIDDLE, y2=MIDDLE))
    parts.append(spread(strip, scale))
    for dot in strip.dots:
        if math.isfinite(dot.value):
            x = f"{position(dot.value, scale)}%"
            parts.append(element("circle", tooltip(dot.tip), kind=dot.kind, cx=x, cy=MIDDLE, r=RADIUS))
    field = drawing("strip", f"{strip.label}: {strip.note}", parts, ROW, "")
    return f'<b class="{strip.kind}">{escape(strip.label)}</b>{field}<span>{escape(strip.note)}</span>'


def spread(strip: Strip, scale: Sequence[float]) -> str:
    """A bar from the mean less the deviation to the mean and the deviation, with a mark at the mean.

    Nothing if there are two kinds of dots, whose common mean would mean nothing.
    """
    values = [dot.value for dot in strip.dots if math.isfinite(dot.value)]
    if len(values) < 2 or len({dot.kind for dot in strip.dots}) > 1:
        return ""
    mean, deviation = mean_and_deviation(values)
    begin = max(position(mean - deviation, scale), 0)
    end = min(position(mean + deviation, scale), 100)
    width = f"{end - begin:.2f}%"
    bar = element("rect", kind="spread", x=f"{begin}%", width=width, y=MIDDLE - 7, height=14, rx=3)
    x = f"{position(mean, scale)}%"
    return bar + element("line", kind="mean", x1=x, x2=x, y1=MIDDLE - 9, y2=MIDDLE + 9)


def mean_and_deviation(values: Sequence[float]) -> Tuple[float, float]:
    """Mean and sample standard deviation of the values that are there; NaN where there are too few."""
    there: List[float] = [value for value in values if math.isfinite(value)]
    mean = float(np.mean(there)) if there else math.nan
    deviation = float(np.std(there, ddof=1)) if len(there) > 1 else math.nan
    return mean, deviation


def in_words(values: Sequence[float]) -> str:
    """`84.8 ± 1.2`, `84.8` of one value, a dash of none."""
    mean, deviation = mean_and_deviation(values)
    if math.isnan(mean):
        return "–"
    return f"{mean:.1f}" if math.isnan(deviation) else f"{mean:.1f} ± {deviation:.1f}"
