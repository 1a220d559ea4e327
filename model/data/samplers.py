"""Which training images, in which order."""

import math
from typing import Iterator, List, Sequence, Tuple

import numpy as np
from torch.utils.data import Sampler

from support.errors import InputError


class TrainSampler(Sampler):
    """Batches of (image index, draw); the draw decides the image's crop and flip, see `pipeline.Images`.

    An epoch's batches depend on nothing but the seed and the epoch's number.
    """

    def __init__(self, seed: int):
        self.seed = seed
        self.epoch = 0

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __iter__(self) -> Iterator[List[Tuple[int, int]]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        for batch in self.batches(rng):
            draws = rng.integers(2**31, size=len(batch))
            yield list(zip(batch.tolist(), draws.tolist()))

    def batches(self, rng: np.random.Generator) -> Iterator[np.ndarray]:
        """Image indices [B] of one batch after another."""
        raise NotImplementedError


class EpisodeSampler(TrainSampler):
    """Episodes: `ways` classes x `shots` images, both without replacement (`--train_mode distributed`).

    labels:      [n] classes of all images
    images:      indices of the training images
    class_names: [C], for the message of an InputError if classes or images are too few
    """

    def __init__(
        self,
        labels: np.ndarray,
        images: np.ndarray,
        episodes: int,
        ways: int,
        shots: int,
        seed: int,
        class_names: Sequence[str],
    ):
        super().__init__(seed)
        self.episodes = episodes
        self.ways = ways
        self.shots = shots
        self.by_class = {c: images[labels[images] == c] for c in np.unique(labels[images])}
        if ways > len(self.by_class):
            raise InputError(f"--ways {ways} is larger than the number of seen classes, {len(self.by_class)}")
        smallest = min(self.by_class, key=lambda c: len(self.by_class[c]))
        if shots > len(self.by_class[smallest]):
            raise InputError(
                f"--shots {shots} is larger than the class {class_names[smallest]}, "
                f"which has {len(self.by_class[smallest])} training images"
            )

    def __len__(self) -> int:
        return self.episodes

    def batches(self, rng):
        """One episode after another, each [ways * shots]."""
        classes = np.array(list(self.by_class))
        for _ in range(self.episodes):
            chosen = rng.choice(classes, self.ways, replace=False)
            images = [rng.choice(self.by_class[c], self.shots, replace=False) for c in chosen]
            yield np.concatenate(images)


class ShuffledSampler(TrainSampler):
    """Every training image once an epoch, in shuffled batches (`--train_mode random`)."""

    def __init__(self, images: np.ndarray, batch_size: int, seed: int):
        super().__init__(seed)
        self.images = images
        self.batch_size = batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def batches(self, rng):
        """All images in random order; the last batch may be smaller."""
        shuffled = rng.permutation(self.images)
        for start in range(0, len(shuffled), self.batch_size):
            yield shuffled[start : start + self.batch_size]
