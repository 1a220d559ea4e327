"""Random changes of an aerial photograph that leave its captions true.

Shapes: `B` images of a batch, `S` pixels a side.
"""

import math
from dataclasses import dataclass

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from support.processes import shard_slice


@dataclass(frozen=True)
class Augmentation:
    """One map of the plane and one of the colours for each image.

    turn:   by right angles; a view from above has no up
    flip:   mirror images
    crop:   smallest share of the area that is kept, above 0; 1 for no crop
    colour: largest change of brightness, contrast and saturation, at most 1; 0 for none
    """

    turn: bool = True
    flip: bool = True
    crop: float = 0.5
    colour: float = 0.3

    def __call__(self, images: Tensor, size: int, count: int, rng: np.random.Generator) -> Tensor:
        """Of a batch of `count` images, change those of this process.

        All processes draw the same numbers for the whole batch, and each takes its own.

        images: [B, 3, S, S] uint8 -> [B, 3, size, size] float32 in 0..255
        """
        images = images.float()
        plane = self.draw_plane(count, rng)[shard_slice()].to(images)
        grid = F.affine_grid(plane, [len(images), 3, size, size], align_corners=False)
        images = F.grid_sample(images, grid, padding_mode="border", align_corners=False)
        if not self.colour:
            return images
        factors = self.draw_colours(count, rng)[:, shard_slice()].to(images)
        return change_colours(images, factors)

    def draw_plane(self, count: int, rng: np.random.Generator) -> Tensor:
        """Affine maps from the place in the new image to that in the old one: [count, 2, 3].

        Coordinates run from -1 to 1. A new image is cropped, then turned, then flipped.
        """
        area = rng.uniform(self.crop, 1, count)
        aspect = np.exp(rng.uniform(-1, 1, count) * math.log(4 / 3) * (self.crop < 1))
        extent = np.sqrt([area * aspect, area / aspect]).clip(max=1)  # [2, count], of width and height
        shift = rng.uniform(-1, 1, (2, count)) * (1 - extent)
        width, height = extent
        x, y = shift

        quarter = rng.integers(4, size=count) * self.turn
        cos = np.array([1, 0, -1, 0])[quarter]
        sin = np.array([0, 1, 0, -1])[quarter]
        mirror = 1 - 2 * (rng.integers(2, size=count) * self.flip)  # 1 or -1

        maps = np.array(
            [
                [width * cos * mirror, -width * sin, x],
                [height * sin * mirror, height * cos, y],
            ]
        )
        return torch.tensor(maps).permute(2, 0, 1)  # [2, 3, count] -> [count, 2, 3]

    def draw_colours(self, count: int, rng: np.random.Generator) -> Tensor:
        """Factors of brightness, contrast and saturation: [3, count, 1, 1]."""
        return torch.from_numpy(rng.uniform(1 - self.colour, 1 + self.colour, (3, count, 1, 1)))


def change_colours(images: Tensor, factors: Tensor) -> Tensor:
    """brightness x (contrast x (saturated - mean) + mean), as one 3 x 3 matrix and one offset for each image.

    images: [B, 3, S, S] in 0..255;  factors: [3, B, 1, 1]
    """
    gray = images.new_tensor([0.299, 0.587, 0.114])
    brightness, contrast, saturation = factors  # [B, 1, 1] each
    matrix = saturation * torch.eye(3, device=images.device) + (1 - saturation) * gray  # [B, 3, 3]
    mean = (images.mean(dim=(2, 3)) @ gray)[:, None, None]  # [B, 1, 1]
    offset = brightness * (1 - contrast) * mean
    mixed = torch.baddbmm(offset, brightness * contrast * matrix, images.flatten(2))  # [B, 3, S * S]
    return mixed.clamp(0, 255).view_as(images)
