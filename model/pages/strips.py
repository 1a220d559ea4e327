"""Values of several runs as dots on a line, with their mean and deviation, as inline SVG.

The page's CSS has the colours. x is in percent of the chart's width, y in pixels.
"""

import math
from dataclasses import dataclass
from html import escape
from typing import List, Optional, Sequence, Tuple

import numpy as np

from pages.charts import round_numbers
from pages.svg import LETTER, drawing, element, label_text, label_width, tooltip

ROW = 24  # pixels
RADIUS = 4


@dataclass(frozen=True)
class Dot:
    """A value, its CSS class ("kind"), and what it says under the pointer."""

    value: float
    kind: str
    tip: str


@dataclass(frozen=True)
class Strip:
    """A line of dots, with its name. `note` is written right of it."""

    label: str
    dots: Sequence[Dot]
    note: str
    kind: str = "other"


def strip_chart(title: str, strips: Sequence[Strip], limits: Optional[Tuple[float, float]] = None) -> str:
    """Lines of dots, one below the other, on one scale.

    limits: ends of the scale, if they shall not be those of the values
    """
    values = [dot.value for strip in strips for dot in strip.dots if math.isfinite(dot.value)] or [0]
    low, high = limits or (min(values), max(values))
    scale = round_numbers(low, high, about=4)
    height = ROW * len(strips)
    parts = []
    for tick in scale:
        x = f"{position(tick, scale)}%"
        parts.append(element("line", kind="tick", x1=x, x2=x, y2=height))
        parts.append(element("text", f"{tick:g}", kind="scale", x=x, y=height + 16, text_anchor="middle"))
    for place, strip in enumerate(strips):
        parts.append(draw_strip(strip, ROW * place + ROW // 2, scale))
    left = label_width([strip.label for strip in strips])
    right = 22 + LETTER * max(len(strip.note) for strip in strips)
    return drawing("strips", title, parts, height + 24, f"padding: 0 {right:.0f}px 24px {left}px")


def position(value: float, scale: Sequence[float]) -> float:
    """Percent of the width."""
    return round(100 * (value - scale[0]) / (scale[-1] - scale[0]), 2)


def draw_strip(strip: Strip, y: int, scale: Sequence[float]) -> str:
    """y: middle of its row"""
    content = element("line", kind="row", x2="100%", y1=y, y2=y)
    content += element("text", label_text(strip.label), x=-12, y=y + 4, text_anchor="end")
    content += spread(strip, y, scale)
    for dot in strip.dots:
        if math.isfinite(dot.value):
            x = f"{position(dot.value, scale)}%"
            content += element("circle", tooltip(dot.tip), kind=dot.kind, cx=x, cy=y, r=RADIUS)
    content += element("text", escape(strip.note), kind="value", x="100%", dx=14, y=y + 4)
    return element("g", content, kind=f"strip {strip.kind}")


def spread(strip: Strip, y: int, scale: Sequence[float]) -> str:
    """A bar from the mean less the deviation to the mean and the deviation, with a mark at the mean.

    Nothing if there are two kinds of dots, whose common mean would mean nothing.
    """
    values = [dot.value for dot in strip.dots if math.isfinite(dot.value)]
    if len(values) < 2 or len({dot.kind for dot in strip.dots}) > 1:
        return ""
    mean, deviation = mean_and_deviation(values)
    begin = max(position(mean - deviation, scale), 0)
    end = min(position(mean + deviation, scale), 100)
    bar = element("rect", kind="spread", x=f"{begin}%", width=f"{end - begin:.2f}%", y=y - 7, height=14, rx=3)
    x = f"{position(mean, scale)}%"
    return bar + element("line", kind="mean", x1=x, x2=x, y1=y - 9, y2=y + 9)


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
