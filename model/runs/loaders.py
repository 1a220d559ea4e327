"""From the options of a training to its batches of images.

`opt` holds the options of options.py, `data` is a `data.benchmark.Benchmark`, and `images` are those of
`open_images`.
"""

from pathlib import Path
from typing import List, Optional

import numpy as np
import torch
from torch.utils.data import BatchSampler

from data.appearance import Appearance, appearance, appearance_of_classes
from data.cache import open_cache
from data.pipeline import DeviceLoader, Images, dsva_preprocessing, image_loader
from data.samplers import EpisodeSampler, ShuffledSampler
from dsva.kept_tokens import KeptTokens, bytes_of_tokens
from support.machine import free_bytes
from support.processes import ShardedSampler, progress, shard, world_size

LOOKED_AT = 30  # training images of a class, at most, that tell how such images look
START_IMAGES = 512  # training images, at most, that the heads look at to start from words


def open_images(opt, data, model, device) -> Images:
    """The images as the network wants them, kept where --cache says."""
    how = dsva_preprocessing(model.tower.config.image_size, opt.normalize, opt.bands)
    folder = None
    if opt.cache_dir:
        folder = Path(opt.cache_dir)
    elif opt.cache == "disk":
        folder = Path(opt.root) / opt.dataset / "cache"
    decoded = open_cache(opt.cache, data.image_paths, how, folder, opt.workers, device)
    return Images(data.image_paths, how, data.labels, decoded)


def make_sampler(opt, data, part, seed):
    """Batches of training images: episodes, or all images shuffled.  part: the split that is trained on"""
    images = data.splits[part]
    if opt.train_mode == "random":
        return ShuffledSampler(images, opt.batch_size, seed)
    return EpisodeSampler(data.labels, images, opt.n_batch, opt.ways, opt.shots, seed, data.class_names)


def training_loader(opt, images, sampler, device) -> DeviceLoader:
    """This process's share of every batch."""
    batches = ShardedSampler(sampler) if world_size() > 1 else sampler
    return image_loader(images, batches, opt.workers, device)


def test_loader(opt, data, images, device) -> DeviceLoader:
    """The test images in their order; of several processes each takes some of the batches."""
    batches = BatchSampler(data.test_images(opt.gzsl).tolist(), opt.batch_size, drop_last=False)
    return image_loader(images, shard(batches), opt.workers, device)


def start_batches(opt, data, part, images, device):
    """Batches of at most START_IMAGES training images, of all classes alike.  part: see `make_sampler`"""
    chosen = evenly(data.splits[part], START_IMAGES)
    batches = BatchSampler(chosen, opt.batch_size, drop_last=False)
    return progress(image_loader(images, batches, opt.workers, device), "start")


def evenly(images: np.ndarray, most: int) -> List[int]:
    """At most so many of them, from the first on at equal steps."""
    step = -(-len(images) // most)  # rounded up
    return images[::step].tolist()


def looks_of_training(opt, data, part, images, device) -> Optional[Appearance]:
    """How the training images look, at most LOOKED_AT of each class.  part: see `make_sampler`"""
    training = data.splits[part]
    chosen: List[int] = []
    for c in np.unique(data.labels[training]):  # fewer than are seen, if those of one are all tested
        chosen += evenly(training[data.labels[training] == c], LOOKED_AT)
    batches = BatchSampler(chosen, opt.batch_size, drop_last=False)
    squares = image_loader(images, batches, opt.workers, device).loader
    numbers = [appearance(batch.to(device)).numpy() for batch, _ in progress(squares, "looks")]
    return appearance_of_classes(np.concatenate(numbers), data.labels[chosen])


def keep_tokens(opt, data, model, device) -> Optional[KeptTokens]:
    """Where the tokens of test images are kept in warm-up: where --cache keeps the images, if they fit.

    They take half of what is free at most: a training needs room, too.
    """
    places = {"memory": torch.device("cpu"), "device": device}
    if opt.cache not in places:
        return None
    place = places[opt.cache]
    free = free_bytes(place)
    needed = bytes_of_tokens(model, len(data.test_images(opt.gzsl)))
    if free is not None and needed > free / 2:
        return None
    return KeptTokens(place)
