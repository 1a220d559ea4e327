"""The drawing of the method in README.md: RSSDIVCS/method.svg, legible on a light and on a dark page.

    python script/draw_method.py

Every arrow names the function that does it. tests/scripts/test_draw_method.py checks that these exist.
"""

import argparse
from html import escape
from pathlib import Path
from typing import List, Tuple

WIDTH, HEIGHT = 1120, 420  # pixels
BOX = 150, 58  # width and height of a box

STYLE = """
  text { font: 14px system-ui, sans-serif; fill: #1f2328; }
  .small { font-size: 12px; fill: #59636e; }
  .code { font: 12px ui-monospace, monospace; fill: #0550ae; }
  .box { fill: #f6f8fa; stroke: #59636e; stroke-width: 1.2; }
  .result { fill: #dafbe1; stroke: #1a7f37; }
  .arrow { fill: none; stroke: #59636e; stroke-width: 1.5; }
  .head { fill: #59636e; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .small { fill: #9198a1; }
    .code { fill: #79c0ff; }
    .box { fill: #151b23; stroke: #9198a1; }
    .result { fill: #12361f; stroke: #3fb950; }
    .arrow { stroke: #9198a1; }
    .head { fill: #9198a1; }
  }
"""

# name: (left, top), what it is, and its shape
BOXES = {
    "classes": ((240, 20), "classes", "names, or pictures"),
    "matrix": ((700, 20), "class attributes", "M, A × C"),
    "picture": ((10, 230), "picture", "3 × S × S"),
    "tokens": ((240, 230), "tokens", "1 + G² × D"),
    "projected": ((700, 130), "attribute scores", "projection branch, A"),
    "maps": ((470, 230), "attention maps", "A × G × G"),
    "attended": ((700, 230), "attribute scores", "attention branch, A"),
    "window": ((470, 340), "window", "3 × S × S"),
    "seen_again": ((700, 340), "attribute scores", "window branch, A"),
    "scores": ((960, 230), "class scores", "C candidates"),
}

# the points of an arrow, its function, and where that is written
ARROWS: List[Tuple[List[Tuple[int, int]], str, Tuple[int, int]]] = [
    ([(390, 49), (700, 49)], "similarities", (500, 40)),
    ([(160, 259), (240, 259)], "encode", (176, 250)),
    ([(315, 230), (315, 159), (700, 159)], "pool, project", (445, 150)),
    ([(390, 259), (470, 259)], "attend", (406, 250)),
    ([(620, 259), (700, 259)], "max", (646, 250)),
    ([(545, 288), (545, 340)], "find_windows", (554, 318)),
    ([(620, 369), (700, 369)], "look_again", (622, 360)),
    ([(850, 49), (1035, 49), (1035, 230)], "", (0, 0)),
    ([(850, 159), (920, 159), (920, 245), (960, 245)], "classify", (858, 150)),
    ([(850, 259), (960, 259)], "classify", (858, 250)),
    ([(850, 369), (920, 369), (920, 273), (960, 273)], "classify", (858, 360)),
]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    where = Path(__file__).parents[1] / "RSSDIVCS" / "method.svg"
    parser.add_argument("--output", type=Path, default=where, metavar="FILE", help=f"default: {where}")
    parser.parse_args().output.write_text(drawing(), encoding="utf-8")


def drawing() -> str:
    """The SVG."""
    parts = [arrow(points) for points, _, _ in ARROWS]
    parts += [box(name) for name in BOXES]
    parts += [words(place, name, "code") for _, name, place in ARROWS]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">\n'
        "<title>DSVA: from a picture and class attributes to class scores</title>\n"
        f"<style>{STYLE}</style>\n"
        '<marker id="head" viewBox="0 0 8 8" refX="8" refY="4" '
        'markerWidth="8" markerHeight="8" orient="auto">'
        '<path class="head" d="M0 0L8 4L0 8z"/></marker>\n' + "\n".join(parts) + "\n</svg>\n"
    )


def box(name: str) -> str:
    (left, top), title, shape = BOXES[name]
    kind = "box result" if name == "scores" else "box"
    width, height = BOX
    frame = f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{height}" rx="8"/>'
    return frame + words((left + 12, top + 25), title) + words((left + 12, top + 45), shape, "small")


def arrow(points: List[Tuple[int, int]]) -> str:
    """A line through these points, with a head at the last."""
    path = " ".join(f"{x},{y}" for x, y in points)
    return f'<polyline class="arrow" points="{path}" marker-end="url(#head)"/>'


def words(place: Tuple[int, int], text: str, kind: str = "") -> str:
    x, y = place
    return f'<text class="{kind}" x="{x}" y="{y}">{escape(text)}</text>'


if __name__ == "__main__":
    main()
