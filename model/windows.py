"""Attention concentration: attention maps -> window boxes -> crops.

`B` images, `A` attributes, maps of `G x G` cells, images of `S x S` pixels.
A box is (top, left, height, width) in pixels.
"""
from functools import cache
from typing import Sequence, Tuple

import torch
import torch.nn.functional as F
from torch import Tensor

from components import largest_boxes


@torch.no_grad()  # the search is a choice, not a function to differentiate
def window_boxes(maps: Tensor, scores: Tensor, groups: Sequence[Sequence[int]], size: int, threshold: float) -> Tensor:
    """The window that the strongest attribute of each group agrees on.

    maps:   [B, A, G, G], attention maps
    scores: [B, A], attribute scores that choose one map per group
    groups: attribute indices, one list per group
    size:   S, side of the image in pixels
    threshold: pixels above threshold x mean are kept (`--pro_thr`, > 0; the published runs use 1.0)
    returns [B, 4] int64: around the largest component of what is kept, or the whole image if nothing is
    """
    heat = concentration(maps, scores, groups, size)
    keep = heat > threshold * heat.mean(dim=(1, 2), keepdim=True)
    return largest_boxes(keep)


def concentration(maps: Tensor, scores: Tensor, groups: Sequence[Sequence[int]], size: int) -> Tensor:
    """Mean over groups of the strongest attribute's map, enlarged and scaled to [0, 1]: [B, S, S]."""
    strongest = torch.stack([g[scores[:, g].argmax(dim=1)] for g in (indices(tuple(group), scores.device) for group in groups)], dim=1)
    images = torch.arange(len(maps), device=maps.device)[:, None]
    heat = F.interpolate(maps[images, strongest], size=(size, size), mode="bilinear", align_corners=True)
    low, high = heat.amin(dim=(2, 3), keepdim=True), heat.amax(dim=(2, 3), keepdim=True)
    flat = torch.finfo(heat.dtype).tiny  # a constant map says nothing: it becomes 0, not NaN
    return ((heat - low) / (high - low).clamp_min(flat)).mean(dim=1)


@cache  # a GPU would wait for each copy
@torch.inference_mode(False)
def indices(numbers: Tuple[int, ...], device: torch.device) -> Tensor:
    return torch.tensor(numbers, device=device)


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
