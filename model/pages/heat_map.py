"""A matrix as inline SVG, in a box that scrolls while its labels stay in sight.

The page's CSS has the colours."""

from html import escape
from typing import Callable, Dict, List, Optional, Tuple

import numpy as np

from pages.html import scroller
from pages.svg import drawing, element, label_text, label_width, tooltip

LARGEST_FONT = 12  # pixels
STRONG = 0.55  # magnitude from which on a cell is so dark that its text is bright
TALL = 1000  # pixels from which on the box scrolls down, too


class Axis:
    """Where the rows lie, or the columns: in groups with a gap before each. Pixels.

    labels: (start, group, label) of each row or column
    blocks: (start, group, length) of each group
    length: of all
    """

    def __init__(self, groups: Dict[str, List[str]], size: int, gap: int):
        """groups: group name -> labels;  size: of a cell"""
        self.labels: List[Tuple[int, str, str]] = []
        self.blocks: List[Tuple[int, str, int]] = []
        self.length = 0
        for group, labels in groups.items():
            start = self.length + gap
            for place, label in enumerate(labels):
                self.labels.append((start + size * place, group, label))
            self.blocks.append((start, group, size * len(labels)))
            self.length = start + size * len(labels)


def heat_map(
    title: str,
    values: np.ndarray,
    rows: Dict[str, List[str]],
    columns: Dict[str, List[str]],
    tip: Callable[[int, int], str],
    text: Optional[np.ndarray] = None,
) -> str:
    """A matrix, a cell a value.

    values: [R, C] in [-1, 1]: the sign chooses the colour, the magnitude its strength; 0 has no cell
    rows, columns: group name -> labels
    tip:    (row, column) -> what the cell says under the pointer
    text:   [R, C], written into the cells
    """
    size = cell_size(max(values.shape))
    font_size = min(LARGEST_FONT, size - 2)
    down = Axis(rows, size, gap=26 if len(rows) > 1 else 4)
    across = Axis(columns, size, gap=8 if len(columns) > 1 else 0)
    left = label_width([label for _, _, label in down.labels], font_size)
    top = label_width([label for _, _, label in across.labels], font_size)

    cells = backgrounds(down, across)
    for r, c in zip(*np.nonzero(values)):
        x, y = across.labels[c][0], down.labels[r][0]
        words = "" if text is None else str(text[r, c])
        cells.append(cell(x, y, size, values[r, c], tip(r, c), words))

    tall = " tall" if down.length > TALL else ""
    width = f"width: {across.length}px"
    return scroller(
        f'<div class="matrix{tall}" tabindex="0" role="group" aria-label="{escape(title)}" '
        f'style="--size:{font_size}px"><i></i>'
        + drawing("heads", "columns", column_labels(across, size, top), top, width)
        + drawing("names", "rows", row_labels(down, size, left), down.length, f"width: {left}px")
        + drawing("cells", title, cells, down.length, width)
        + "</div>"
    )


def cell_size(longer_side: int) -> int:
    """Pixels of a cell's side, the smaller the more rows or columns there are."""
    for most, size in ((12, 40), (40, 22), (60, 15)):
        if longer_side <= most:
            return size
    return 12


def cell(x: int, y: int, size: int, value: float, tip: str, words: str) -> str:
    """A coloured square, with words in its middle if there are any."""
    kind = "plus" if value > 0 else "minus"
    if abs(value) > STRONG:
        kind += " strong"
    content = tooltip(tip) + element("rect", x=x, y=y, width=size - 1, height=size - 1)
    if words:
        content += element("text", words, x=x + size / 2 - 0.5, y=y + size / 2 + 3.5)
    return element("g", content, kind=kind, style=f"--v:{abs(value):.0%}")


def backgrounds(down: Axis, across: Axis) -> List[str]:
    """A rectangle behind each group of rows and columns: the cells of 0."""
    fields = []
    for y, _, height in down.blocks:
        for x, _, width in across.blocks:
            fields.append(element("rect", kind="field", x=x, y=y, width=width - 1, height=height - 1))
    return fields


def row_labels(down: Axis, size: int, left: int) -> List[str]:
    """Labels that end at the matrix, and the name of each group above its rows, if there are several."""
    place = {"x": left - 10, "text_anchor": "end"}
    names = []
    for y, group, label in down.labels:
        names.append(element("text", label_text(label), kind=escape(group), y=y + size / 2 + 4, **place))
    if len(down.blocks) > 1:
        for y, group, _ in down.blocks:
            name = escape(group.replace("_", " "))
            names.append(element("text", name, kind="group", y=y - 7, **place))
    return names


def column_labels(across: Axis, size: int, top: int) -> List[str]:
    """Labels that are turned upwards."""
    heads = []
    for x, group, label in across.labels:
        place = f"translate({x + size / 2 + 4} {top - 8}) rotate(-90)"
        heads.append(element("text", label_text(label), kind=escape(group), transform=place))
    return heads
