"""A large image tile by tile: where the tiles lie, what they blend to, and the map of classes that comes out.

Pixels are counted from the top left. A *cell* is a square of pixels that the map gives one class. Shapes: `J x I` tiles, `R x L`
cells (rows x columns), `K` classes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import BatchSampler, DataLoader, Dataset
from torchvision.transforms import functional as TF

from support.processes import gather_batches, progress, raise_together, shard

Box = Tuple[int, int, int, int]  # left, top, right, bottom, as Pillow has it
NOWHERE = 255  # in a map: a cell where the image has no data
FLOOR = 1e-3  # a tent's least weight, at the edge of a tile


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
        return [
            (x, y, min(x + self.tile, self.width), min(y + self.tile, self.height))
            for y in self.tops
            for x in self.lefts
        ]


def starts(length: int, tile: int, stride: int) -> List[int]:
    """Where the tiles begin along one side: every stride pixels, the last one flush with the border."""
    return [*range(0, length - tile, stride), max(0, length - tile)]


def blending(length: int, tile: int, starts: Sequence[int], cell: int) -> np.ndarray:
    """How much each tile says of each cell along one side: [cells, tiles], a tent over every tile; rows sum to 1."""
    begins = np.arange(0, length, cell)
    centres = (begins + np.minimum(begins + cell, length)) / 2
    places = (centres[:, None] - starts) / min(tile, length)  # 0 where the tile begins, 1 where it ends
    tents = np.where((places >= 0) & (places <= 1), np.maximum(1 - abs(2 * places - 1), FLOOR), 0)
    return tents / tents.sum(axis=1, keepdims=True)


def blend(scores: np.ndarray, grid: Grid) -> np.ndarray:
    """scores: [J, I, K] of the tiles.  Returns [R, L] uint8, the class that scores best in each cell.

    A tile's weight is that of its row times that of its column, so the blended scores are rows @ scores @ columns.T: a row of
    cells at a time, nothing is ever as large as the scene.
    """
    rows, columns = (
        blending(*side, grid.cell)
        for side in ((grid.height, grid.tile, grid.tops), (grid.width, grid.tile, grid.lefts))
    )
    return np.stack([(columns @ np.tensordot(row, scores, 1)).argmax(axis=1) for row in rows]).astype(
        np.uint8
    )


def areas(classes: np.ndarray, grid: Grid) -> Dict[int, float]:
    """Share of the scene that each class has, the largest first. Cells at the right and lower border may be cut; those without data do not count."""
    pixels = np.outer(
        *(np.minimum(grid.cell, side - np.arange(0, side, grid.cell)) for side in (grid.height, grid.width))
    )
    counts = np.bincount(classes.ravel(), weights=pixels.ravel())[:NOWHERE]
    return {int(k): counts[k] / counts.sum() for k in np.argsort(-counts, kind="stable") if counts[k]}


class Tiles(Dataset):
    """[3, S, S] uint8: a whole tile each, resized. `scene` reads a box as a picture (see scenes.py)."""

    def __init__(self, scene, grid: Grid, size: int):
        self.scene, self.boxes, self.size = scene, grid.boxes(), size

    def __len__(self) -> int:
        return len(self.boxes)

    def __getitem__(self, index: int) -> Tensor:
        return TF.pil_to_tensor(TF.resize(self.scene.read(self.boxes[index]), [self.size, self.size]))


def slide(
    scene,
    grid: Grid,
    classify: Callable[[Tensor], np.ndarray],
    size: int,
    batch_size: int,
    workers: int,
    title: str,
) -> np.ndarray:
    """Class probabilities of all tiles, [J, I, K]. classify: images [B, 3, S, S] uint8 -> [B, K]"""
    tiles = Tiles(scene, grid, size)
    batches = DataLoader(
        tiles,
        batch_sampler=shard(BatchSampler(range(len(tiles)), batch_size, drop_last=False)),
        num_workers=workers,
    )
    told = raise_together(
        lambda: [{"tiles": torch.from_numpy(classify(images))} for images in progress(batches, title)]
    )
    return (
        torch.cat([batch["tiles"] for batch in gather_batches(told)])
        .numpy()
        .reshape(len(grid.tops), len(grid.lefts), -1)
    )
