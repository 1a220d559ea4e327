"""From a picture file to a tensor."""

import random
from functools import cache
from pathlib import Path
from typing import Any, List, Optional, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as TF

from data.benchmark import Benchmark
from data.images import read_image

NORMALIZATIONS = {  # mean and deviation of R, G, B in [0, 1]
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


class SceneImages(Dataset):
    """Decoded images and their class, as uint8 so that little is copied; `normalize` does the rest on the device.

    A key is an image index (shorter side to S * 256/224, centre crop of S x S: test), or a pair (image index, draw) whose
    second number decides a random crop and flip (train): the same draw gives the same crop in any worker.
    """

    def __init__(self, benchmark: Benchmark, size: int, kept: Any = None):
        """kept: a cache.Decoded, images that are decoded already"""
        self.paths, self.labels = benchmark.image_paths, benchmark.labels
        self.size, self.kept = size, kept

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key) -> Tuple[Tensor, int]:
        index, draw = key if isinstance(key, tuple) else (key, None)
        pixels = None if self.kept is None else self.kept[index]
        image = (
            load_image(self.paths[index], self.size, draw) if pixels is None else cut(pixels, self.size, draw)
        )
        return image, int(self.labels[index])


def load_image(path: Path, size: int, draw: Optional[int] = None) -> Tensor:
    """uint8 [3, S, S]: the centre, or the crop and flip that a draw decides."""
    return cut(decode(path, size), size, draw)


def decode(path: Path, size: int) -> Tensor:
    """uint8 [3, H, W]: all of an image, its shorter side as the crops of S x S want it."""
    return TF.pil_to_tensor(TF.resize(read_image(path), shorter_side(size)))


def shorter_side(size: int) -> int:
    return round(size * 256 / 224)


def cut(pixels: Tensor, size: int, draw: Optional[int]) -> Tensor:
    """uint8 [3, H, W] -> [3, S, S]"""
    _, height, width = pixels.shape
    top, left, flipped = crop_and_flip(height, width, size, draw)
    part = pixels[:, top : top + size, left : left + size]
    return part.flip(2) if flipped else part


def crop_and_flip(height: int, width: int, size: int, draw: Optional[int]) -> Tuple[int, int, bool]:
    """Top and left of the crop, and whether it is flipped: those of the centre, or those that a draw decides."""
    if draw is None:
        return round((height - size) / 2), round((width - size) / 2), False
    chance = random.Random(draw)
    return chance.randint(0, height - size), chance.randint(0, width - size), chance.random() < 0.5


def normalize(images: Tensor, name: str) -> Tensor:
    """[B, 3, S, S] uint8 -> float32 with the mean and deviation of "imagenet" (as published) or "clip"."""
    mean, deviation = statistics(name, images.device)
    return (images / 255).sub_(mean).div_(deviation)  # in place: new memory costs more than the sums


@cache  # a GPU would wait for each copy
@torch.inference_mode(False)
def statistics(name: str, device: torch.device) -> List[Tensor]:
    """Mean and deviation, [3, 1, 1] each."""
    return [torch.tensor(values, device=device).view(3, 1, 1) for values in NORMALIZATIONS[name]]


class OnDevice(Dataset):
    """Whole batches, cut out where the images lie. A key is a list of keys of `SceneImages`."""

    def __init__(self, scenes: SceneImages):
        self.scenes = scenes

    def __getitem__(self, keys: list) -> Tuple[Tensor, Tensor]:
        """uint8 [B, 3, S, S] on the device, and [B] classes."""
        content, size = self.scenes.kept.content, self.scenes.size
        keys = [key if isinstance(key, tuple) else (key, None) for key in keys]
        first, height, width = self.scenes.kept.places[[index for index, _ in keys]].T
        for index, _ in keys:
            if not self.scenes.kept.places[index, 1]:
                decode(self.scenes.paths[index], size)  # says what is wrong with it
        top, left, flipped = np.array(
            [
                crop_and_flip(high, wide, size, draw)
                for high, wide, (_, draw) in zip(height.tolist(), width.tolist(), keys)
            ]
        ).T
        corner = first + top * width + left + flipped * (size - 1)
        corner, channel, row, column = torch.from_numpy(
            np.stack([corner, height * width, width, 1 - 2 * flipped])
        ).to(content.device)[:, :, None, None, None]
        three, every = (
            torch.arange(3, device=content.device)[:, None, None],
            torch.arange(size, device=content.device),
        )
        pixels = content[corner + channel * three + row * every[:, None] + column * every]
        return pixels, torch.from_numpy(self.scenes.labels[[index for index, _ in keys]])


def scene_loader(scenes: SceneImages, batches, workers: int, pin_memory: bool) -> DataLoader:
    """Batches of uint8 [B, 3, S, S] and classes [B], from wherever the scenes are kept.  batches: of lists of keys"""
    kept = scenes.kept
    if kept is not None and isinstance(kept.content, Tensor):
        return DataLoader(OnDevice(scenes), batch_size=None, sampler=batches)
    return DataLoader(
        scenes,
        batch_sampler=batches,
        num_workers=workers if kept is None or kept.file else 0,
        pin_memory=pin_memory,
    )
