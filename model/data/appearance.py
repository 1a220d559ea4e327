"""How pictures look, whatever they show: their colour, brightness, sharpness and contrast.

A picture of another sensor, ground resolution or kind differs here, also where a network does not notice.
Shapes: `B` pictures of `S x S` pixels, `F` numbers of each (53; fewer where S is below 32), `K` classes.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import List, Optional, Sequence

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

SCALES = 4  # each half of the one before
SMALLEST = 4  # pixels of a side that still has edges
BLOCK = 6  # pixels of a block's side, whose contrast counts
LEVELS = (0.01, 0.1, 0.5, 0.9, 0.99)  # quantiles of brightness
CONTRASTS = (0.02, 0.1, 0.25, 0.5, 0.75, 0.9, 0.98)  # quantiles of the blocks' contrasts
TINY = 1e-4  # below what 8 bits can hold

SHRINKING = 0.1  # of covariances, towards a sphere
FEWEST_CLASSES = 8  # that can tell what is usual


def appearance(images: Tensor) -> Tensor:
    """images: uint8 [B, 3, S, S], on any device.  Returns float64 [B, F], on the CPU."""
    colours = images.float() / 255
    grey = colours.mean(dim=1, keepdim=True)
    red, green, blue = colours.split(1, dim=1)
    parts = [*colour(colours), *brightness(grey)]
    parts += edges(grey, detailed=True)
    parts += edges(red - green, detailed=False)
    parts += edges(blue - (red + green) / 2, detailed=False)
    parts += contrast(grey) + contrast(F.avg_pool2d(grey, 2))
    return torch.cat(parts, dim=1).cpu().double()


def count_numbers(side: int) -> int:
    """F, of pictures with so many pixels a side."""
    return appearance(torch.zeros(1, 3, side, side, dtype=torch.uint8)).shape[1]


def colour(colours: Tensor) -> List[Tensor]:
    """Mean and deviation of red, green and blue, and of the saturation; how neighbouring bands correlate."""
    saturation = (colours.amax(dim=1) - colours.amin(dim=1)).flatten(1)
    parts = [colours.mean(dim=(2, 3)), colours.std(dim=(2, 3), unbiased=False)]
    parts += [saturation.mean(dim=1, keepdim=True), saturation.std(dim=1, keepdim=True, unbiased=False)]
    bands = colours.flatten(2)
    centred = bands - bands.mean(dim=2, keepdim=True)
    lengths = centred.norm(dim=2) + TINY
    for first, second in ((0, 1), (1, 2)):
        product = (centred[:, first] * centred[:, second]).sum(dim=1)
        parts.append((product / (lengths[:, first] * lengths[:, second]))[:, None])
    return parts


def brightness(grey: Tensor) -> List[Tensor]:
    """Quantiles of the grey values."""
    return [quantiles(grey, LEVELS)]


def edges(channel: Tensor, detailed: bool) -> List[Tensor]:
    """How much neighbouring pixels differ, at several scales. What is sharp differs most at the finest.

    channel:  [B, 1, S, S]
    detailed: also the direction of the edges, how rare they are, and how much of it is noise
    """
    parts = []
    for _ in range(SCALES):
        if channel.shape[-1] < SMALLEST:
            break
        across = (channel[..., 1:] - channel[..., :-1]).flatten(1)
        down = (channel[..., 1:, :] - channel[..., :-1, :]).flatten(1)
        strength_across, strength_down = mean_size(across), mean_size(down)
        parts.append((strength_across * strength_down).log())
        if detailed:
            rareness = (root_mean_square(across) / strength_across) * (root_mean_square(down) / strength_down)
            parts += [(strength_across / strength_down).log(), rareness.log()]
            parts.append((noise(channel) / strength_across).log())
        channel = F.avg_pool2d(channel, 2)
    return parts


def mean_size(differences: Tensor) -> Tensor:
    """[B, n] -> [B, 1]"""
    return differences.abs().mean(dim=1, keepdim=True) + TINY


def root_mean_square(differences: Tensor) -> Tensor:
    """[B, n] -> [B, 1]"""
    return differences.square().mean(dim=1, keepdim=True).sqrt() + TINY


def noise(channel: Tensor) -> Tensor:
    """[B, 1, S, S] -> [B, 1]: by what a pixel differs from its neighbours, in the median of all pixels."""
    middle = channel[..., 1:-1, 1:-1]
    beside = channel[..., 1:-1, :-2] + channel[..., 1:-1, 2:]
    above = channel[..., :-2, 1:-1] + channel[..., 2:, 1:-1]
    differences = (4 * middle - beside - above).abs()
    return median(differences.flatten(1)) + TINY


def median(values: Tensor) -> Tensor:
    """[B, n] -> [B, 1]; of an even number the lower one of the two in the middle."""
    if not values.is_cuda:
        return values.median(dim=1, keepdim=True).values
    middle = (values.shape[1] - 1) // 2
    return values.sort(dim=1).values[:, middle, None]  # of torch.median it warns: not deterministic on a GPU


def contrast(grey: Tensor) -> List[Tensor]:
    """Quantiles of the deviation within small blocks: is there any smooth place, any rough one?"""
    block = min(BLOCK, grey.shape[-1])
    mean = F.avg_pool2d(grey, block, stride=max(1, block // 2))
    mean_of_squares = F.avg_pool2d(grey.square(), block, stride=max(1, block // 2))
    deviation = (mean_of_squares - mean.square()).clamp_min(0).sqrt()
    return [(quantiles(deviation, CONTRASTS) + 20 * TINY).log()]


def quantiles(values: Tensor, levels: Sequence[float]) -> Tensor:
    """[B, 1, H, W] -> [B, len(levels)]"""
    return torch.quantile(values.flatten(1), torch.tensor(levels, device=values.device), dim=1).T


# ---- of many pictures ------------------------------------------------------------------------------


@dataclass(frozen=True)
class Appearance:
    """How the pictures of K classes look, so that others can be held against them.

    means:  float64 [K, F], of each class's pictures
    within: float64 [F, F], covariance of pictures within a class
    counts: int64 [K], how many pictures of each class these were
    scale:  float64 [F], what numbers of `appearance` were divided by: their deviation over all pictures
    """

    means: np.ndarray
    within: np.ndarray
    counts: np.ndarray
    scale: np.ndarray

    def distance(self, mean: np.ndarray, count: int, without: Optional[int] = None) -> float:
        """How far the mean [F] of `count` pictures of one kind is from the mean class.

        In the metric of how the means of classes differ, and how those of `count` pictures of one class do.
        mean:    divided by `scale`
        without: a class that is not among those that say what is usual
        """
        usual = self.means if without is None else np.delete(self.means, without, axis=0)
        covariance = shrunk(np.cov(usual.T) + self.within / count)
        off = mean - usual.mean(axis=0)
        return float(np.sqrt(off @ np.linalg.solve(covariance, off) / len(off)))

    @cached_property
    def own_distances(self) -> np.ndarray:
        """[K]: how far each class is from the others, as if it was a new one."""
        distances = []
        for place, (mean, count) in enumerate(zip(self.means, self.counts)):
            distances.append(self.distance(mean, count, without=place))
        return np.array(distances)


def appearance_of_classes(numbers: np.ndarray, labels: np.ndarray) -> Optional[Appearance]:
    """numbers: [n, F] of `appearance`;  labels: [n].  None of fewer than FEWEST_CLASSES classes."""
    classes = np.unique(labels)
    if len(classes) < FEWEST_CLASSES:
        return None
    scale = numbers.std(axis=0) + TINY
    scaled = numbers / scale
    means = np.stack([scaled[labels == c].mean(axis=0) for c in classes])
    rest = scaled - means[np.searchsorted(classes, labels)]
    counts = np.array([(labels == c).sum() for c in classes])
    return Appearance(means, rest.T @ rest / len(rest), counts, scale)


def shrunk(covariance: np.ndarray) -> np.ndarray:
    """[F, F], a little nearer to a sphere of the same size: so few classes leave directions unknown."""
    size = len(covariance)
    sphere = np.trace(covariance) / size * np.eye(size)
    return (1 - SHRINKING) * covariance + SHRINKING * sphere
