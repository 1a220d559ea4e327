"""Attention concentration: attention maps -> window boxes -> crops.

`B` images, `A` attributes, maps of `G x G` cells, images of `S x S` pixels.
A box is (top, left, height, width) in pixels.
"""

import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor


@torch.no_grad()  # the search is a choice, not a function to differentiate
def window_boxes(maps: Tensor, scores: Tensor, groups: Tensor, size: int, threshold: float) -> Tensor:
    """The window that the strongest attribute of each group agrees on.

    maps:   [B, A, G, G], attention maps
    scores: [B, A], attribute scores that choose one map per group
    groups: [K, A] bool, the attributes of each group
    size:   S, side of the image in pixels
    threshold: pixels above threshold x mean are kept (`--pro_thr`, > 0; the published runs use 1.0)
    returns [B, 4] int64: around the largest component of what is kept, or the whole image if nothing is
    """
    heat = concentration(maps, scores, groups, size)
    keep = heat > threshold * heat.mean(dim=(1, 2), keepdim=True)
    return largest_boxes(keep)


def concentration(maps: Tensor, scores: Tensor, groups: Tensor, size: int) -> Tensor:
    """Mean over groups of the strongest attribute's map, enlarged and scaled to [0, 1]: [B, S, S].

    Arguments as of `window_boxes`.
    """
    inside = scores[:, None].masked_fill(~groups, -torch.inf)  # [B, A] -> [B, K, A]
    strongest = inside.argmax(dim=2)  # [B, K]
    images = torch.arange(len(maps), device=maps.device)[:, None]
    chosen = maps[images, strongest]  # [B, K, G, G]
    heat = F.interpolate(chosen, size=(size, size), mode="bilinear", align_corners=True)  # [B, K, S, S]
    low = heat.amin(dim=(2, 3), keepdim=True)
    high = heat.amax(dim=(2, 3), keepdim=True)
    tiny = torch.finfo(heat.dtype).tiny  # a constant map says nothing: it becomes 0, not NaN
    return ((heat - low) / (high - low).clamp_min(tiny)).mean(dim=1)


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


# ---- the largest 8-connected component of each of many masks ---------------------------------------

EIGHT_CONNECTED = np.ones((3, 3), dtype=int)
JUMPS = 4  # pointers followed between two looks at the neighbours; fewer make more rounds


def largest_boxes(masks: Tensor) -> Tensor:
    """The box around the largest component: of ties the first in reading order, of an empty mask all of it.

    masks: [B, H, W] bool.  Returns [B, 4] int64 on the same device: top, left, height, width.
    On a GPU all masks are labelled together; on a CPU one after another is faster.
    """
    largest = largest_components_batched(masks) if masks.is_cuda else largest_components(masks)
    return bounding_boxes(largest)


def largest_components(masks: Tensor) -> Tensor:
    """[B, H, W] bool -> the same without all smaller components."""
    kept = [largest_component(mask) for mask in masks.cpu().numpy()]
    return torch.from_numpy(np.stack(kept)).to(masks.device)


def largest_component(mask: np.ndarray) -> np.ndarray:
    """[H, W] bool -> the same without all smaller components."""
    labels, count = ndimage.label(mask, structure=EIGHT_CONNECTED)
    if not count:
        return labels == 0  # all of it: label 0 is the background
    sizes = np.bincount(labels.ravel())[1:]
    return labels == 1 + sizes.argmax()


def largest_components_batched(masks: Tensor) -> Tensor:
    """What `largest_components` gives, without a loop over the masks."""
    labels = label_components(masks).flatten(1)  # [B, H*W]
    slots = 1 + labels.shape[1]  # of each mask; slot 0 is the background
    offset = slots * torch.arange(len(masks), device=masks.device)[:, None]
    sizes = torch.bincount((offset + labels).flatten(), minlength=slots * len(masks)).view(-1, slots)
    sizes[:, 0] = 0
    largest = sizes.argmax(dim=1, keepdim=True)  # [B, 1], of an empty mask its background
    return (labels == largest).view_as(masks)


def label_components(masks: Tensor) -> Tensor:
    """[B, H, W] bool -> [B, H, W] int64: the first pixel of each pixel's component, from 1 in reading order.

    0 outside of the masks. Each pixel points at an earlier one of its component. In a round, the pixel that
    it points at takes over the earliest that it sees among its neighbours, and pointers are followed. Lines
    that wind through all of a mask need 8 rounds, windows about 4.
    """
    inside = masks.flatten(1)
    pixels = inside.shape[1]
    numbers = torch.arange(1, pixels + 1, device=masks.device)
    labels = F.pad(inside * numbers, (1, 0))  # [B, 1 + H*W], slot 0 is the background
    while True:
        # the smallest label among the neighbours, as the largest negative one; floats are exact below 2^24
        negative = (-labels[:, 1:]).masked_fill(~inside, -pixels - 1).view_as(masks).float()
        earliest = -F.max_pool2d(negative, 3, stride=1, padding=1).long().flatten(1)
        earlier = labels.scatter_reduce(1, labels[:, 1:], earliest * inside, "amin")
        for _ in range(JUMPS):
            earlier = earlier.gather(1, earlier)
        if torch.equal(earlier, labels):  # all that a GPU waits for
            return labels[:, 1:].view_as(masks)
        labels = earlier


def bounding_boxes(masks: Tensor) -> Tensor:
    """[B, H, W] bool, none empty -> [B, 4]: top, left, height, width."""
    rows = masks.any(dim=2).int()  # [B, H]
    columns = masks.any(dim=1).int()  # [B, W]
    top = rows.argmax(dim=1)  # the first of the largest
    left = columns.argmax(dim=1)
    bottom = rows.shape[1] - rows.flip(1).argmax(dim=1)
    right = columns.shape[1] - columns.flip(1).argmax(dim=1)
    return torch.stack([top, left, bottom - top, right - left], dim=1)
