"""How an attention map is laid over its image: heat in colours, the more transparent the weaker it is.

Shapes: `G x G` cells of a map.
"""

from typing import Tuple

import numpy as np
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from support.figures import import_matplotlib

COLOURS = "inferno"  # by matplotlib's name


def scaled_heat(attention: Tensor) -> np.ndarray:
    """[G, G] -> [8 G, 8 G]: a map, smooth, from 0 where it is least to 1 where it is most."""
    heat = F.interpolate(attention[None, None], scale_factor=8, mode="bicubic")[0, 0]
    return ((heat - heat.min()) / (heat.max() - heat.min()).clamp_min(1e-12)).cpu().numpy()


def opacity_of(heat: np.ndarray) -> np.ndarray:
    """The weaker the attention, the more of the image is seen."""
    return 0.25 + 0.5 * heat


def peak_of(attention: Tensor, size: float) -> Tuple[float, float]:
    """The middle of the cell where a map [G, G] is most: across and down.  size: of the image's side"""
    grid = len(attention)
    row, column = np.unravel_index(int(attention.argmax()), (grid, grid))
    return (column + 0.5) * size / grid, (row + 0.5) * size / grid


def heat_picture(attention: Tensor) -> Image.Image:
    """RGBA, 8 G x 8 G: a map [G, G] that can be laid over its image, of any size."""
    heat = scaled_heat(attention)
    colours = import_matplotlib().colormaps[COLOURS](heat)  # [8 G, 8 G, 4], 0 to 1
    colours[..., 3] = opacity_of(heat)
    return Image.fromarray(np.uint8(np.round(255 * colours)))
