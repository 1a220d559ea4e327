"""The pictures of a contrastive training or test, in batches of any order."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Iterator, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from data.bands import Bands
from data.pipeline import Images, Normalize, Preprocessing
from support.loader import Loader
from support.processes import all_reduce, progress, shard

DECODED_AT_ONCE = 64


class PictureBatches:
    """Squares of n pictures, uint8 [3, S, S]. All are decoded once if they fit in memory, else in each epoch.

    normalize: makes of them, augmented or not, what CLIP's vision tower takes
    """

    def __init__(
        self,
        paths: Sequence[Path],
        size: int,
        cache_gb: float,
        workers: int,
        device: torch.device,
        like: Preprocessing,
        bands: Optional[Bands] = None,
    ):
        """The pictures of these files.

        size:     S
        cache_gb: memory for decoded pictures, in 10^9 bytes
        workers:  processes that decode
        like:     how the CLIP's processor prepares pictures, but for their size
        bands:    that are red, green and blue, if not the first three
        """
        shape = (size, size) if like.shape else None
        how = replace(like, size=size, shorter_side=size, shape=shape).of_bands(bands)
        self.pictures = Images(paths, how)
        self.workers = workers
        self.device = device
        self.normalize = Normalize(how).to(device)
        self.decoded: Optional[Tensor] = None  # [n, 3, S, S] on the device
        if len(paths) * 3 * size**2 <= cache_gb * 1e9:
            self.decoded = self.decode_all()

    def __len__(self) -> int:
        return len(self.pictures)

    def decode_all(self) -> Tensor:
        """Of several processes each decodes its shard, and all get the sum."""
        count = len(self.pictures)
        size = self.pictures.how.size
        order = shard(np.array_split(np.arange(count), math.ceil(count / DECODED_AT_ONCE)))
        decoded = torch.zeros(count, 3, size, size, dtype=torch.uint8, device=self.device)
        for numbers, pixels in zip(order, self.batches(order, "decoding")):
            decoded[numbers] = pixels
        return all_reduce(decoded)

    def batches(self, order: Sequence[np.ndarray], title: str) -> Iterator[Tensor]:
        """[B, 3, S, S] uint8 on the device, for each array of B image numbers, under a progress bar."""
        if self.decoded is not None:
            for numbers in progress(order, title):
                yield self.decoded[numbers]
            return
        loader = Loader(
            self.pictures,
            batch_sampler=[numbers.tolist() for numbers in order],
            workers=self.workers,
            pin_memory=self.device.type == "cuda",
        )
        for pixels, _ in progress(loader, title):
            yield pixels.to(self.device, non_blocking=True)
