"""Which training images, in which order."""

import math
from typing import Iterator, List, Sequence, Tuple

import numpy as np
from torch.utils.data import Sampler

from support.errors import InputError


class TrainSampler(Sampler):
    """Batches of (image index, draw). An epoch's batches depend on nothing but the seed and the epoch's number."""

    def __init__(self, seed: int):
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __iter__(self) -> Iterator[List[Tuple[int, int]]]:
        chance = np.random.default_rng([self.seed, self.epoch])
        for batch in self.batches(chance):
            yield list(zip(batch.tolist(), chance.integers(2**31, size=len(batch)).tolist()))

    def batches(self, chance: np.random.Generator) -> Iterator[np.ndarray]:
        raise NotImplementedError


class EpisodeSampler(TrainSampler):
    """Episodes: `ways` classes x `shots` images, both without replacement (`--train_mode distributed`).

    labels: [n] classes of all images;  images: the training images' indices
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
        self.episodes, self.ways, self.shots = episodes, ways, shots
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

    def batches(self, chance):
        classes = np.array(list(self.by_class))
        for _ in range(self.episodes):
            yield np.concatenate(
                [
                    chance.choice(self.by_class[c], self.shots, replace=False)
                    for c in chance.choice(classes, self.ways, replace=False)
                ]
            )


class ShuffledSampler(TrainSampler):
    """Every training image once an epoch, in shuffled batches (`--train_mode random`)."""

    def __init__(self, images: np.ndarray, batch_size: int, seed: int):
        super().__init__(seed)
        self.images, self.batch_size = images, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def batches(self, chance):
        yield from np.array_split(
            chance.permutation(self.images), np.arange(self.batch_size, len(self.images), self.batch_size)
        )
