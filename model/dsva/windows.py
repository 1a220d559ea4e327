"""Attention concentration: attention maps -> window boxes -> crops.

`B` images, `A` attributes, maps of `G x G` cells, images of `S x S` pixels.
A box is (top, left, height, width) in pixels.
"""

from functools import cache
from typing import Sequence, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor


@torch.no_grad()  # the search is a choice, not a function to differentiate
def window_boxes(
    maps: Tensor, scores: Tensor, groups: Sequence[Sequence[int]], size: int, threshold: float
) -> Tensor:
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
    strongest = torch.stack(
        [g[scores[:, g].argmax(dim=1)] for g in (indices(tuple(group), scores.device) for group in groups)],
        dim=1,
    )
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
    rows = (top + steps * (height - 1)) * 2 / (size - 1) - 1  # [B, S], in [-1, 1] as grid_sample asks
    columns = (left + steps * (width - 1)) * 2 / (size - 1) - 1
    grid = torch.stack(
        [columns[:, None, :].expand(-1, size, -1), rows[:, :, None].expand(-1, -1, size)], dim=-1
    )
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="border", align_corners=True)


EIGHT_CONNECTED = np.ones((3, 3), dtype=int)
JUMPS = 4  # label to label between two looks at the neighbours: fewer make more rounds, more make longer ones


def largest_boxes(masks: Tensor) -> Tensor:
    """[B, H, W] bool -> [B, 4] int64 on the same device: top, left, height, width."""
    largest = largest_together(masks) if masks.is_cuda else largest_one_by_one(masks)
    return bounding_boxes(largest)


def largest_one_by_one(masks: Tensor) -> Tensor:
    """[B, H, W] bool -> the same without all smaller components."""
    return torch.from_numpy(np.stack([largest_of(mask) for mask in masks.cpu().numpy()])).to(masks.device)


def largest_of(mask: np.ndarray) -> np.ndarray:
    labels, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
    return labels == (
        1 + np.bincount(labels.ravel())[1:].argmax() if count else 0
    )  # component 0 is the background


def largest_together(masks: Tensor) -> Tensor:
    """What `largest_one_by_one` gives, without a loop over the masks."""
    labels = label_together(masks).flatten(1)  # [B, H*W]
    slots = 1 + labels.shape[1]  # of each mask, 0 the background's
    first = slots * torch.arange(len(masks), device=masks.device)[:, None]
    sizes = torch.bincount((first + labels).flatten(), minlength=slots * len(masks)).view(-1, slots)
    sizes[:, 0] = 0
    return (labels == sizes.argmax(dim=1, keepdim=True)).view_as(masks)  # an empty mask: its background


def label_together(masks: Tensor) -> Tensor:
    """[B, H, W] bool -> [B, H, W] int64: the first pixel of each pixel's component, counted from 1 in reading order, or 0 outside.

    Each pixel points at an earlier one of its component. In a round, the pixel that it points at takes over the earliest that it
    sees among its neighbours, and pointers are followed. Lines that wind through the whole mask need 8 rounds, windows about 4.
    """
    inside = masks.flatten(1)
    pixels = inside.shape[1]
    labels = F.pad(
        inside * torch.arange(1, pixels + 1, device=masks.device), (1, 0)
    )  # [B, 1 + H*W], slot 0 is the background
    while True:
        late = (
            (-labels[:, 1:]).masked_fill(~inside, -pixels - 1).view_as(masks).float()
        )  # float: exact below 2^24 pixels
        earliest = -F.max_pool2d(late, 3, stride=1, padding=1).long().flatten(1)
        earlier = labels.scatter_reduce(1, labels[:, 1:], earliest * inside, "amin")
        for _ in range(JUMPS):
            earlier = earlier.gather(1, earlier)
        if torch.equal(earlier, labels):  # all that a GPU waits for
            return labels[:, 1:].view_as(masks)
        labels = earlier


def bounding_boxes(masks: Tensor) -> Tensor:
    """[B, H, W] bool, none empty -> [B, 4]: top, left, height, width."""
    rows, columns = masks.any(dim=2).int(), masks.any(dim=1).int()
    top, left = rows.argmax(dim=1), columns.argmax(dim=1)  # the first of the largest
    bottom, right = (axis.shape[1] - axis.flip(1).argmax(dim=1) for axis in (rows, columns))
    return torch.stack([top, left, bottom - top, right - left], dim=1)
