"""The largest 8-connected component of each of many masks: of ties the first in reading order, and the whole mask if it is empty.

`B` masks of `H x W` pixels. On a GPU all masks are labelled together; on a CPU one after another is faster.
"""
import numpy as np
import torch
import torch.nn.functional as F
from scipy import ndimage
from torch import Tensor

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
    return labels == (1 + np.bincount(labels.ravel())[1:].argmax() if count else 0)  # component 0 is the background


def largest_together(masks: Tensor) -> Tensor:
    """What `largest_one_by_one` gives, without a loop over the masks."""
    labels = label_together(masks).flatten(1)                                               # [B, H*W]
    slots = 1 + labels.shape[1]                                                             # of each mask, 0 the background's
    first = slots * torch.arange(len(masks), device=masks.device)[:, None]
    sizes = torch.bincount((first + labels).flatten(), minlength=slots * len(masks)).view(-1, slots)
    sizes[:, 0] = 0
    return (labels == sizes.argmax(dim=1, keepdim=True)).view_as(masks)                     # an empty mask: its background


def label_together(masks: Tensor) -> Tensor:
    """[B, H, W] bool -> [B, H, W] int64: the first pixel of each pixel's component, counted from 1 in reading order, or 0 outside.

    Each pixel points at an earlier one of its component. In a round, the pixel that it points at takes over the earliest that it
    sees among its neighbours, and pointers are followed. Lines that wind through the whole mask need 8 rounds, windows about 4.
    """
    inside = masks.flatten(1)
    pixels = inside.shape[1]
    labels = F.pad(inside * torch.arange(1, pixels + 1, device=masks.device), (1, 0))       # [B, 1 + H*W], slot 0 is the background
    while True:
        late = (-labels[:, 1:]).masked_fill(~inside, -pixels - 1).view_as(masks).float()    # float: exact below 2^24 pixels
        earliest = -F.max_pool2d(late, 3, stride=1, padding=1).long().flatten(1)
        earlier = labels.scatter_reduce(1, labels[:, 1:], earliest * inside, "amin")
        for _ in range(JUMPS):
            earlier = earlier.gather(1, earlier)
        if torch.equal(earlier, labels):                                                    # all that a GPU waits for
            return labels[:, 1:].view_as(masks)
        labels = earlier


def bounding_boxes(masks: Tensor) -> Tensor:
    """[B, H, W] bool, none empty -> [B, 4]: top, left, height, width."""
    rows, columns = masks.any(dim=2).int(), masks.any(dim=1).int()
    top, left = rows.argmax(dim=1), columns.argmax(dim=1)                                   # the first of the largest
    bottom, right = (axis.shape[1] - axis.flip(1).argmax(dim=1) for axis in (rows, columns))
    return torch.stack([top, left, bottom - top, right - left], dim=1)
