"""Attention concentration: attention maps -> window boxes -> crops.

`B` images, `A` attributes, maps of `G x G` cells, images of `S x S` pixels.
A box is (top, left, height, width) in pixels.
"""
from typing import Sequence

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

EIGHT_CONNECTED = np.ones((3, 3), dtype=int)


@torch.no_grad()  # the search is a choice, not a function to differentiate
def window_boxes(maps: Tensor, scores: Tensor, groups: Sequence[Sequence[int]], size: int, threshold: float) -> Tensor:
    """The window that the strongest attribute of each group agrees on.

    maps:   [B, A, G, G], attention maps
    scores: [B, A], attribute scores that choose one map per group
    groups: attribute indices, one list per group
    size:   S, side of the image in pixels
    threshold: pixels above threshold x mean are kept (`--pro_thr`, > 0; the published runs use 1.0)
    returns [B, 4] int64 on the CPU
    """
    heat = concentration(maps, scores, groups, size)
    keep = heat > threshold * heat.mean(dim=(1, 2), keepdim=True)
    return torch.tensor([largest_component(mask) for mask in keep.cpu().numpy()])


def concentration(maps: Tensor, scores: Tensor, groups: Sequence[Sequence[int]], size: int) -> Tensor:
    """Mean over groups of the strongest attribute's map, enlarged and scaled to [0, 1]: [B, S, S]."""
    strongest = torch.stack([scores.new_tensor(g, dtype=torch.long)[scores[:, g].argmax(dim=1)] for g in groups], dim=1)
    images = torch.arange(len(maps), device=maps.device)[:, None]
    heat = F.interpolate(maps[images, strongest], size=(size, size), mode="bilinear", align_corners=True)
    low, high = heat.amin(dim=(2, 3), keepdim=True), heat.amax(dim=(2, 3), keepdim=True)
    flat = torch.finfo(heat.dtype).tiny  # a constant map says nothing: it becomes 0, not NaN
    return ((heat - low) / (high - low).clamp_min(flat)).mean(dim=1)


def largest_component(mask: np.ndarray) -> tuple:
    """Box of the largest 8-connected component of a boolean mask [S, S]: the first in reading order if tied,
    the whole image if no pixel is kept."""
    labels, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
    if count == 0:
        return (0, 0, *mask.shape)
    largest = np.bincount(labels.ravel())[1:].argmax()  # component 0 is the background
    rows, columns = ndimage.find_objects(labels)[largest]
    return rows.start, columns.start, rows.stop - rows.start, columns.stop - columns.start


def crop_windows(images: Tensor, boxes: Tensor) -> Tensor:
    """Crop each image to its box and resize it to the full size, bilinear with corners aligned.

    images: [B, 3, S, S];  boxes: [B, 4];  returns [B, 3, S, S]
    """
    size = images.shape[-1]
    top, left, height, width = boxes.to(images.device, images.dtype).T[:, :, None]  # each [B, 1]
    steps = torch.linspace(0, 1, size, device=images.device, dtype=images.dtype)
    rows = (top + steps * (height - 1)) * 2 / (size - 1) - 1                        # [B, S], in [-1, 1] as grid_sample asks
    columns = (left + steps * (width - 1)) * 2 / (size - 1) - 1
    grid = torch.stack([columns[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], dim=-1)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)
