"""A large image tile by tile: where the tiles lie, and the map of classes that they blend to.

Pixels are counted from the top left. A *cell* is a square of pixels that the map gives one class.

Shapes: `J x I` tiles, `R x L` cells (rows x columns), `K` classes, tiles resized to `S x S` pixels.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Callable, Dict, List, Optional, Protocol, Sequence, Tuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.utils.data import BatchSampler, Dataset

from data.pipeline import Preprocessing, squeeze
from support.loader import Loader
from support.processes import gather_batches, progress, raise_together, shard

Box = Tuple[int, int, int, int]  # left, top, right, bottom, as Pillow has it
NO_DATA = 255  # in a map: a cell where the image has no data
LEAST_WEIGHT = 1e-3  # of a tile, at its edge


class Scene(Protocol):
    """A large image that is read box by box. scenes.py has two kinds."""

    size: Tuple[int, int]  # width, height in pixels
    georeference: Optional[Dict[str, Any]]  # crs and transform, as rasterio has them

    def read(self, box: Box) -> Image.Image:
        """A part of it, RGB."""
        ...

    def overview(self, longest: int) -> Image.Image:
        """All of it, RGB, no larger than is needed to be `longest` pixels long."""
        ...

    def has_data(self, shape: Tuple[int, int]) -> np.ndarray:
        """bool [R, L]: where the image has data."""
        ...


@dataclass(frozen=True)
class Grid:
    """Tiles of `tile` pixels a side every `stride` pixels, and cells, in a scene of width x height pixels."""

    width: int
    height: int
    tile: int
    stride: int

    @cached_property
    def cell(self) -> int:
        """Side of a cell, in pixels."""
        return max(1, self.stride // 8)

    @cached_property
    def lefts(self) -> List[int]:
        """[I], where the columns of tiles begin."""
        return starts(self.width, self.tile, self.stride)

    @cached_property
    def tops(self) -> List[int]:
        """[J], where the rows of tiles begin."""
        return starts(self.height, self.tile, self.stride)

    @property
    def cells(self) -> Tuple[int, int]:
        """R, L"""
        return -(-self.height // self.cell), -(-self.width // self.cell)  # rounded up

    def boxes(self) -> List[Box]:
        """Of all tiles, row by row. A scene smaller than a tile is one tile."""
        found = []
        for top in self.tops:
            for left in self.lefts:
                right = min(left + self.tile, self.width)
                bottom = min(top + self.tile, self.height)
                found.append((left, top, right, bottom))
        return found


def starts(length: int, tile: int, stride: int) -> List[int]:
    """Where the tiles begin along one side: every stride pixels, the last one flush with the border."""
    return [*range(0, length - tile, stride), max(0, length - tile)]


def blending(length: int, tile: int, starts: Sequence[int], cell: int) -> np.ndarray:
    """Weights of the tiles in each cell along one side, [cells, tiles]. Rows sum to 1.

    A tile weighs most in its middle, and falls off linearly to its edges.  starts: where the tiles begin
    """
    begins = np.arange(0, length, cell)
    centres = (begins + np.minimum(begins + cell, length)) / 2
    places = (centres[:, None] - starts) / min(tile, length)  # 0 where the tile begins, 1 where it ends
    tents = np.where((places >= 0) & (places <= 1), np.maximum(1 - abs(2 * places - 1), LEAST_WEIGHT), 0)
    return tents / tents.sum(axis=1, keepdims=True)


def blend(scores: np.ndarray, grid: Grid) -> np.ndarray:
    """scores: [J, I, K] of the tiles.  Returns [R, L] uint8, the class that scores best in each cell.

    A tile's weight is that of its row times that of its column, so the blended scores are
    rows @ scores @ columns.T: a row of cells at a time, nothing is ever as large as the scene.
    """
    rows = blending(grid.height, grid.tile, grid.tops, grid.cell)  # [R, J]
    columns = blending(grid.width, grid.tile, grid.lefts, grid.cell)  # [L, I]
    best = []
    for row in rows:
        of_this_row = np.tensordot(row, scores, 1)  # [J] and [J, I, K] -> [I, K]
        best.append((columns @ of_this_row).argmax(axis=1))
    return np.stack(best).astype(np.uint8)


def confidence(probabilities: np.ndarray, classes: np.ndarray, grid: Grid) -> np.ndarray:
    """[R, L] float32: the probability, blended as in `blend`, of the class that each cell is given.

    probabilities: [J, I, K] of the tiles;  classes: [R, L].  0 where there is no data
    """
    rows = blending(grid.height, grid.tile, grid.tops, grid.cell)  # [R, J]
    columns = blending(grid.width, grid.tile, grid.lefts, grid.cell)  # [L, I]
    found = []
    for row, given in zip(rows, classes):
        of_this_row = columns @ np.tensordot(row, probabilities, 1)  # [L, K]
        is_given = given != NO_DATA
        places = np.where(is_given, given, 0)
        found.append(np.where(is_given, of_this_row[np.arange(len(given)), places], 0))
    return np.stack(found).astype(np.float32)


def areas(classes: np.ndarray, grid: Grid) -> Dict[int, float]:
    """Share of the scene that each class has, the largest first.  classes: [R, L]

    Cells at the right and lower border may be cut; those without data do not count.
    """
    heights = np.minimum(grid.cell, grid.height - np.arange(0, grid.height, grid.cell))  # [R] pixels
    widths = np.minimum(grid.cell, grid.width - np.arange(0, grid.width, grid.cell))  # [L] pixels
    pixels = np.outer(heights, widths)
    counts = np.bincount(classes.ravel(), weights=pixels.ravel())[:NO_DATA]
    order = np.argsort(-counts, kind="stable")
    return {int(k): counts[k] / counts.sum() for k in order if counts[k]}


class Tiles(Dataset):
    """uint8 [3, S, S]: all of a tile each, resized.  scene: see scenes.py"""

    def __init__(self, scene: Scene, grid: Grid, how: Preprocessing):
        self.scene = scene
        self.boxes = grid.boxes()
        self.how = how

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> Tensor:
        return squeeze(self.scene.read(self.boxes[index]), self.how)


def classify_tiles(
    scene: Scene,
    grid: Grid,
    classify: Callable[[Tensor], np.ndarray],
    how: Preprocessing,
    batch_size: int,
    workers: int,
    title: str,
) -> np.ndarray:
    """Class probabilities of all tiles, [J, I, K].  classify: images [B, 3, S, S] uint8 -> [B, K]

    Raises InputError, in all processes, if one of them cannot read the scene.
    """
    tiles = Tiles(scene, grid, how)
    batches = shard(BatchSampler(range(len(tiles)), batch_size, drop_last=False))
    loader = Loader(tiles, batch_sampler=batches, workers=workers)

    def classify_shard() -> List[Dict[str, Tensor]]:
        return [{"tiles": torch.from_numpy(classify(images))} for images in progress(loader, title)]

    results = gather_batches(raise_together(classify_shard))
    probabilities = torch.cat([result["tiles"] for result in results])
    return probabilities.numpy().reshape(len(grid.tops), len(grid.lefts), -1)  # [J * I, K] -> [J, I, K]
