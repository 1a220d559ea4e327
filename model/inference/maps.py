"""A map of classes as a picture, with its legend."""

from pathlib import Path
from typing import Dict, Sequence

import matplotlib
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from inference.tiles import NOWHERE, Grid, areas

# Paul Tol's "muted" colours and his blue, told apart by all eyes; those that `palette` adds are as far as can be from all before
COLOURS = (
    "#4477AA",
    "#DDCC77",
    "#117733",
    "#CC6677",
    "#88CCEE",
    "#882255",
    "#999933",
    "#44AA99",
    "#AA4499",
    "#332288",
)
INK, GREY = "#222222", "#666666"


def palette(count: int) -> np.ndarray:
    """[count, 3] uint8. A class keeps its colour in every map that has the same candidates."""
    chosen = [[int(colour[i : i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS[:count]]
    levels = np.arange(20, 256, 20)
    others = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    light, *hue = oklab(others).T
    others = others[
        (light > 0.35) & (light < 0.88) & (np.hypot(*hue) < 0.17)
    ]  # neither black nor white nor glaring
    distance = [np.linalg.norm(oklab(others) - oklab(colour), axis=1) for colour in chosen]
    while len(chosen) < count:
        chosen.append(others[np.min(distance, axis=0).argmax()])
        distance.append(np.linalg.norm(oklab(others) - oklab(chosen[-1]), axis=1))
    return np.array(chosen, np.uint8)


def oklab(rgb: Sequence) -> np.ndarray:
    """[..., 3] sRGB, 0 to 255 -> lightness and two of hue, where distances are those that are seen (Ottosson, 2020)."""
    part = np.asarray(rgb) / 255
    linear = np.where(part > 0.04045, ((part + 0.055) / 1.055) ** 2.4, part / 12.92)
    cones = np.cbrt(linear @ [[0.4122, 0.2119, 0.0883], [0.5363, 0.6807, 0.2817], [0.0514, 0.1074, 0.6300]])
    return cones @ [[0.2105, 1.9780, 0.0259], [0.7936, -2.4286, 0.7828], [-0.0041, 0.4506, -0.8087]]


def draw_map(scene, classes: np.ndarray, grid: Grid, names: Sequence[str], title: str) -> Image.Image:
    """The scene, its map in the same size, and a legend with each class's share of the area. classes: [R, L]"""
    scale = min(max(grid.width, grid.height, 800), 2048) / max(grid.width, grid.height)
    width, height = (max(1, round(scale * side)) for side in (grid.width, grid.height))
    beside = width < 1.6 * height  # the map beside the scene, or below it
    shares, colours = areas(classes, grid), palette(len(names))
    longest, room = max(width, height), height if beside else 2 * height
    unit = max(longest // 70, min(longest // 44, int(room / legend_height(shares))))  # height of the letters
    x, y = (width + unit, 0) if beside else (0, height + unit)
    legend = draw_legend(shares, names, colours, title, grid, unit)
    sheet = Image.new(
        "RGB", (x + width + 4 * unit + legend.width, max(y + height, legend.height) + 2 * unit), "white"
    )
    sheet.paste(scene.overview(longest).resize((width, height)), (unit, unit))
    sheet.paste(paint(classes, grid, colours, width, height), (x + unit, y + unit))
    sheet.paste(legend, (x + width + 3 * unit, unit))
    return sheet


def paint(classes: np.ndarray, grid: Grid, colours: np.ndarray, width: int, height: int) -> Image.Image:
    """The map in so many pixels, each as the cell that it lies in; white where there is no data."""
    table = np.full((NOWHERE + 1, 3), 255, np.uint8)
    table[: len(colours)] = colours
    rows, columns = (
        ((np.arange(shown) + 0.5) * side / shown / grid.cell).astype(int)
        for shown, side in ((height, grid.height), (width, grid.width))
    )
    return Image.fromarray(table[classes[rows][:, columns]])


def draw_legend(
    shares: Dict[int, float], names: Sequence[str], colours: np.ndarray, title: str, grid: Grid, unit: int
) -> Image.Image:
    """A column: title and facts, then a swatch, a name and a share for every class on the map. unit: height of the letters"""
    plain, bold = (
        ImageFont.truetype(
            str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{kind}.ttf")), unit
        )
        for kind in ("", "-Bold")
    )
    facts = (f"{grid.width} x {grid.height} pixels", f"tiles of {grid.tile}, every {grid.stride}")
    entries = max((plain.getlength(f"{names[k]}   100.0 %") for k in shares), default=0) + 2.4 * unit
    width = round(max(bold.getlength(title), *map(plain.getlength, facts), entries))
    legend = Image.new("RGB", (width, round(legend_height(shares) * unit)), "white")
    pen = ImageDraw.Draw(legend)
    for line, (text, colour, font) in enumerate(
        ((title, INK, bold), *((fact, GREY, plain) for fact in facts))
    ):
        pen.text((0, (1.6 * line + 0.5) * unit), text, colour, font, anchor="lm")
    for line, (k, share) in enumerate(shares.items()):
        y = (6.2 + 1.8 * line) * unit
        pen.rounded_rectangle(
            (0, y - 0.65 * unit, 1.6 * unit, y + 0.65 * unit), unit / 4, tuple(colours[k].tolist())
        )
        pen.text((2.4 * unit, y), names[k], INK, plain, anchor="lm")
        pen.text(
            (width, y), f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %", GREY, plain, anchor="rm"
        )
    return legend


def legend_height(shares: Dict[int, float]) -> float:
    """In heights of its letters."""
    return 6 + 1.8 * len(shares)
