"""A large image tile by tile: where the tiles lie, what they blend to, and the map of classes that comes out.

Pixels are counted from the top left. A *cell* is a square of pixels that the map gives one class. Shapes: `J x I` tiles, `R x L`
cells (rows x columns), `K` classes.
"""
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Callable, Dict, List, Sequence, Tuple

import matplotlib
import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset
from torchvision.transforms import functional as TF

from engine import progress
from parallel import agreed, interleaved, mine

Box = Tuple[int, int, int, int]     # left, top, right, bottom, as Pillow has it
NOWHERE = 255                       # in a map: a cell where the image has no data
FLOOR = 1e-3                        # a tent's least weight, at the edge of a tile


# ---- where the tiles lie ---------------------------------------------------------------------------------------------

@dataclass(frozen=True)
class Grid:
    """Tiles of `tile` pixels a side every `stride` pixels, and cells, over a scene of width x height pixels."""
    width: int
    height: int
    tile: int
    stride: int

    @cached_property
    def cell(self) -> int:
        return max(1, self.stride // 8)

    @cached_property
    def lefts(self) -> List[int]:
        return starts(self.width, self.tile, self.stride)

    @cached_property
    def tops(self) -> List[int]:
        return starts(self.height, self.tile, self.stride)

    @property
    def cells(self) -> Tuple[int, int]:  # R, L
        return -(-self.height // self.cell), -(-self.width // self.cell)

    def boxes(self) -> List[Box]:
        """Of all tiles, row by row. A scene smaller than a tile is one tile."""
        return [(x, y, min(x + self.tile, self.width), min(y + self.tile, self.height)) for y in self.tops for x in self.lefts]


def starts(length: int, tile: int, stride: int) -> List[int]:
    """Where the tiles begin along one side: every stride pixels, the last one flush with the border."""
    return [*range(0, length - tile, stride), max(0, length - tile)]


def blending(length: int, tile: int, starts: Sequence[int], cell: int) -> np.ndarray:
    """How much each tile says of each cell along one side: [cells, tiles], a tent over every tile; rows sum to 1."""
    begins = np.arange(0, length, cell)
    centres = (begins + np.minimum(begins + cell, length)) / 2
    places = (centres[:, None] - starts) / min(tile, length)                # 0 where the tile begins, 1 where it ends
    tents = np.where((places >= 0) & (places <= 1), np.maximum(1 - abs(2 * places - 1), FLOOR), 0)
    return tents / tents.sum(axis=1, keepdims=True)


def blend(scores: np.ndarray, grid: Grid) -> np.ndarray:
    """scores: [J, I, K] of the tiles.  Returns [R, L] uint8, the class that scores best in each cell.

    A tile's weight is that of its row times that of its column, so the blended scores are rows @ scores @ columns.T: a row of
    cells at a time, nothing is ever as large as the scene.
    """
    rows, columns = (blending(*side, grid.cell) for side in ((grid.height, grid.tile, grid.tops), (grid.width, grid.tile, grid.lefts)))
    return np.stack([(columns @ np.tensordot(row, scores, 1)).argmax(axis=1) for row in rows]).astype(np.uint8)


def areas(classes: np.ndarray, grid: Grid) -> Dict[int, float]:
    """Share of the scene that each class has, the largest first. Cells at the right and lower border may be cut; those without data do not count."""
    pixels = np.outer(*(np.minimum(grid.cell, side - np.arange(0, side, grid.cell)) for side in (grid.height, grid.width)))
    counts = np.bincount(classes.ravel(), weights=pixels.ravel())[:NOWHERE]
    return {int(k): counts[k] / counts.sum() for k in np.argsort(-counts, kind="stable") if counts[k]}


# ---- what they are ---------------------------------------------------------------------------------------------------

class Tiles(Dataset):
    """[3, S, S] uint8: a whole tile each, resized. `scene` reads a box as a picture (see scenes.py)."""

    def __init__(self, scene, grid: Grid, size: int):
        self.scene, self.boxes, self.size = scene, grid.boxes(), size

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> Tensor:
        return TF.pil_to_tensor(TF.resize(self.scene.read(self.boxes[index]), [self.size, self.size]))


def slide(scene, grid: Grid, classify: Callable[[Tensor], np.ndarray], size: int, batch_size: int, workers: int, title: str) -> np.ndarray:
    """Class probabilities of all tiles, [J, I, K]. classify: images [B, 3, S, S] uint8 -> [B, K]"""
    tiles = Tiles(scene, grid, size)
    batches = DataLoader(tiles, batch_sampler=mine(BatchSampler(range(len(tiles)), batch_size, drop_last=False)), num_workers=workers)
    told = agreed(lambda: [{"tiles": torch.from_numpy(classify(images))} for images in progress(batches, title)])
    return torch.cat([batch["tiles"] for batch in interleaved(told)]).numpy().reshape(len(grid.tops), len(grid.lefts), -1)


# ---- the map as a picture --------------------------------------------------------------------------------------------

# Paul Tol's "muted" colours and his blue, told apart by all eyes; those that `palette` adds are as far as can be from all before
COLOURS = ("#4477AA", "#DDCC77", "#117733", "#CC6677", "#88CCEE", "#882255", "#999933", "#44AA99", "#AA4499", "#332288")
INK, GREY = "#222222", "#666666"


def palette(count: int) -> np.ndarray:
    """[count, 3] uint8. A class keeps its colour in every map that has the same candidates."""
    chosen = [[int(colour[i:i + 2], 16) for i in (1, 3, 5)] for colour in COLOURS[:count]]
    levels = np.arange(20, 256, 20)
    others = np.stack(np.meshgrid(levels, levels, levels), -1).reshape(-1, 3)
    light, *hue = oklab(others).T
    others = others[(light > 0.35) & (light < 0.88) & (np.hypot(*hue) < 0.17)]      # neither black nor white nor glaring
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
    beside = width < 1.6 * height                                                   # the map beside the scene, or below it
    shares, colours = areas(classes, grid), palette(len(names))
    longest, room = max(width, height), height if beside else 2 * height
    unit = max(longest // 70, min(longest // 44, int(room / legend_height(shares))))  # height of the letters
    x, y = (width + unit, 0) if beside else (0, height + unit)
    legend = draw_legend(shares, names, colours, title, grid, unit)
    sheet = Image.new("RGB", (x + width + 4 * unit + legend.width, max(y + height, legend.height) + 2 * unit), "white")
    sheet.paste(scene.overview(longest).resize((width, height)), (unit, unit))
    sheet.paste(paint(classes, grid, colours, width, height), (x + unit, y + unit))
    sheet.paste(legend, (x + width + 3 * unit, unit))
    return sheet


def paint(classes: np.ndarray, grid: Grid, colours: np.ndarray, width: int, height: int) -> Image.Image:
    """The map in so many pixels, each as the cell that it lies in; white where there is no data."""
    table = np.full((NOWHERE + 1, 3), 255, np.uint8)
    table[:len(colours)] = colours
    rows, columns = (((np.arange(shown) + 0.5) * side / shown / grid.cell).astype(int)
                     for shown, side in ((height, grid.height), (width, grid.width)))
    return Image.fromarray(table[classes[rows][:, columns]])


def draw_legend(shares: Dict[int, float], names: Sequence[str], colours: np.ndarray, title: str, grid: Grid, unit: int) -> Image.Image:
    """A column: title and facts, then a swatch, a name and a share for every class on the map. unit: height of the letters"""
    plain, bold = (ImageFont.truetype(str(Path(matplotlib.get_data_path(), "fonts", "ttf", f"DejaVuSans{kind}.ttf")), unit) for kind in ("", "-Bold"))
    facts = (f"{grid.width} x {grid.height} pixels", f"tiles of {grid.tile}, every {grid.stride}")
    entries = max((plain.getlength(f"{names[k]}   100.0 %") for k in shares), default=0) + 2.4 * unit
    width = round(max(bold.getlength(title), *map(plain.getlength, facts), entries))
    legend = Image.new("RGB", (width, round(legend_height(shares) * unit)), "white")
    pen = ImageDraw.Draw(legend)
    for line, (text, colour, font) in enumerate(((title, INK, bold), *((fact, GREY, plain) for fact in facts))):
        pen.text((0, (1.6 * line + 0.5) * unit), text, colour, font, anchor="lm")
    for line, (k, share) in enumerate(shares.items()):
        y = (6.2 + 1.8 * line) * unit
        pen.rounded_rectangle((0, y - 0.65 * unit, 1.6 * unit, y + 0.65 * unit), unit / 4, tuple(colours[k].tolist()))
        pen.text((2.4 * unit, y), names[k], INK, plain, anchor="lm")
        pen.text((width, y), f"{100 * share:.1f} %" if share >= 0.001 else "< 0.1 %", GREY, plain, anchor="rm")
    return legend


def legend_height(shares: Dict[int, float]) -> float:
    """In heights of its letters."""
    return 6 + 1.8 * len(shares)
