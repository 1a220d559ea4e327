"""A map of classes as a picture: the scene, its map, and a legend.

`palette` has more colours than any table of matplotlib: its largest ones, tab20, tab20b and tab20c together,
have 60, some of which look alike, and a run may have more classes. colours.py gives them to classes. The
legend is drawn here, as it has to fit any number of classes, and a $ in a class's name begins no formula.
"""

from typing import Dict, List, Optional, Sequence

import numpy as np
from PIL import Image, ImageDraw

from inference.tiles import NO_DATA, Grid, Scene, areas
from support.figures import load_font

# Paul Tol's "muted" colours and his blue, which colour-blind readers tell apart, too
FIRST_COLOURS = (
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
OVERLAY_LONGEST = 4096  # pixels
OVERLAY_OPACITY = 0.45
FILLED = 0.7  # share of the pictures' height that a legend at their right fills; a lower one stands below
INK = "#222222"
GREY = "#666666"

# ---- colours ---------------------------------------------------------------------------------------


def palette(count: int) -> np.ndarray:
    """[count, 3] uint8. After the first colours, each is the one that is farthest from all before it.

    A class keeps its colour in every map that has the same candidates.
    """
    others = moderate_colours()
    others_seen = oklab(others)

    chosen: List[np.ndarray] = []
    nearest = np.full(len(others), np.inf)  # distance to the nearest of the chosen ones
    while len(chosen) < count:
        if len(chosen) < len(FIRST_COLOURS):
            colour = from_hex(FIRST_COLOURS[len(chosen)])
        else:
            colour = others[nearest.argmax()]
        chosen.append(colour)
        distance = np.linalg.norm(others_seen - oklab(colour), axis=1)
        nearest = np.minimum(nearest, distance)
    return np.array(chosen, np.uint8)


def moderate_colours() -> np.ndarray:
    """[n, 3] sRGB of all hues, neither black nor white nor glaring."""
    levels = np.arange(20, 256, 20)
    colours = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    lightness, *hue = oklab(colours).T
    is_moderate = (lightness > 0.35) & (lightness < 0.88) & (np.hypot(*hue) < 0.17)
    return colours[is_moderate]


def from_hex(colour: str) -> np.ndarray:
    """#FF8000 -> [255, 128, 0]"""
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)])


def oklab(rgb: np.ndarray) -> np.ndarray:
    """[..., 3] sRGB, 0 to 255 -> lightness and two of hue, in which colours are as far apart as they look.

    Björn Ottosson, A perceptual color space for image processing, 2020.
    """
    share = np.asarray(rgb) / 255
    linear = np.where(share > 0.04045, ((share + 0.055) / 1.055) ** 2.4, share / 12.92)
    cones = np.cbrt(linear @ [[0.4122, 0.2119, 0.0883], [0.5363, 0.6807, 0.2817], [0.0514, 0.1074, 0.6300]])
    return cones @ [[0.2105, 1.9780, 0.0259], [0.7936, -2.4286, 0.7828], [-0.0041, 0.4506, -0.8087]]


# ---- the picture -----------------------------------------------------------------------------------


def draw_map(
    scene: Scene,
    classes: np.ndarray,
    grid: Grid,
    names: Sequence[str],
    title: str,
    colours: Optional[np.ndarray] = None,
) -> Image.Image:
    """The scene, its map in the same size, and a legend with each class's share of the area.

    The legend stands right of them, or in columns below them, if it would leave much of the sheet empty.

    classes: [R, L];  colours: [K, 3] uint8, by default those of `palette`
    """
    scale = min(max(grid.width, grid.height, 800), 2048) / max(grid.width, grid.height)
    width = max(1, round(scale * grid.width))
    height = max(1, round(scale * grid.height))
    longest = max(width, height)
    is_beside = width < 1.6 * height  # the map is beside the scene, or else below it
    shares = areas(classes, grid)
    if colours is None:
        colours = palette(len(names))

    available = height if is_beside else 2 * height
    unit = min(longest // 44, int(available / legend_height(len(shares))))
    unit = max(longest // 70, unit)  # height of the letters
    x = width + unit if is_beside else 0  # of the map
    y = 0 if is_beside else height + unit
    across, down = x + width, y + height  # of scene and map together
    legend = draw_legend(shares, names, colours, title, grid, unit)
    is_below = legend.height < FILLED * down and legend.width <= across
    if is_below:
        legend = draw_legend(shares, names, colours, title, grid, unit, across)
    right = 0 if is_below else legend.width + 2 * unit
    below = legend.height + 2 * unit if is_below else max(legend.height - down, 0)
    sheet = Image.new("RGB", (across + right + 2 * unit, down + below + 2 * unit), "white")
    sheet.paste(scene.overview(longest).resize((width, height)), (unit, unit))
    sheet.paste(paint(classes, grid, colours, width, height), (x + unit, y + unit))
    sheet.paste(legend, (unit, down + 3 * unit) if is_below else (across + 3 * unit, unit))
    return sheet


def paint(classes: np.ndarray, grid: Grid, colours: np.ndarray, width: int, height: int) -> Image.Image:
    """The map in so many pixels, each as the cell that it lies in; white where there is no data.

    classes: [R, L];  colours: [K, 3]
    """
    table = np.full((NO_DATA + 1, 3), 255, np.uint8)
    table[: len(colours)] = colours
    return Image.fromarray(table[spread(classes, grid, width, height)])


def paint_over(scene: Scene, classes: np.ndarray, grid: Grid, colours: np.ndarray) -> Image.Image:
    """The scene with the colours of its classes over it; bare where there is no data.

    It is as large as the scene, or OVERLAY_LONGEST pixels long.
    """
    scale = min(1, OVERLAY_LONGEST / max(grid.width, grid.height))
    width = max(1, round(scale * grid.width))
    height = max(1, round(scale * grid.height))
    shown = scene.overview(max(width, height)).resize((width, height))
    painted = Image.blend(shown, paint(classes, grid, colours, width, height), OVERLAY_OPACITY)
    has_data = np.where(spread(classes, grid, width, height) == NO_DATA, 0, 255).astype(np.uint8)
    return Image.composite(painted, shown, Image.fromarray(has_data))


def spread(cells: np.ndarray, grid: Grid, width: int, height: int) -> np.ndarray:
    """[R, L] of cells -> [height, width] of pixels, each as the cell that it lies in."""
    rows = cell_of_pixel(height, grid.height, grid.cell)
    columns = cell_of_pixel(width, grid.width, grid.cell)
    return cells[rows][:, columns]


def cell_of_pixel(shown: int, length: int, cell: int) -> np.ndarray:
    """[shown]: the cell that each pixel's centre lies in, where `shown` pixels show `length` of the scene."""
    return ((np.arange(shown) + 0.5) * length / shown / cell).astype(int)


def draw_legend(
    shares: Dict[int, float],
    names: Sequence[str],
    colours: np.ndarray,
    title: str,
    grid: Grid,
    unit: int,
    across: int = 0,
) -> Image.Image:
    """Title and facts, then a swatch, a name and a share for every class on the map.

    unit:   height of the letters, in pixels
    across: the width that columns side by side may fill; without it there is one column
    """
    plain = load_font("", unit)
    bold = load_font(title, unit, bold=True)
    fonts = {k: load_font(names[k], unit) for k in shares}  # which may need other letters
    facts = [f"{grid.width} x {grid.height} pixels", f"tiles of {grid.tile}, every {grid.stride}"]
    entries = [fonts[k].getlength(f"{names[k]}   100.0 %") + 2.4 * unit for k in shares]
    width = round(max(bold.getlength(title), *map(plain.getlength, facts), *entries))
    columns, step = 1, 0  # and from one column to the next
    if across:
        column = round(max(entries, default=0))
        columns = max(1, min(len(shares), (across + 4 * unit) // (column + 4 * unit)))
        step = column + 4 * unit
        width = max(width, step * columns - 4 * unit)
    end = width if columns == 1 else step - 4 * unit  # of the shares of the first column
    rows = -(-len(shares) // columns)  # rounded up
    legend = Image.new("RGB", (width, round(legend_height(rows) * unit)), "white")
    pen = ImageDraw.Draw(legend)

    pen.text((0, 0.5 * unit), title, INK, bold, anchor="lm")
    for line, fact in enumerate(facts, 1):
        pen.text((0, (1.6 * line + 0.5) * unit), fact, GREY, plain, anchor="lm")
    for place, (k, share) in enumerate(shares.items()):
        x, y = step * (place // rows), (6.2 + 1.8 * (place % rows)) * unit
        swatch = (x, y - 0.65 * unit, x + 1.6 * unit, y + 0.65 * unit)
        pen.rounded_rectangle(swatch, unit / 4, tuple(colours[k].tolist()))
        pen.text((x + 2.4 * unit, y), names[k], INK, fonts[k], anchor="lm")
        percent = f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %"
        pen.text((x + end, y), percent, GREY, plain, anchor="rm")
    return legend


def legend_height(rows: int) -> float:
    """In heights of its letters."""
    return 6 + 1.8 * rows
