"""The batches of a training and of its test, as main.py makes them."""

from argparse import Namespace
from pathlib import Path

import torch
from torch.utils.data import BatchSampler

from data.benchmark import Benchmark
from data.cache import open_cache
from data.pipeline import DeviceLoader, Images, dsva_preprocessing, image_loader
from data.samplers import EpisodeSampler


def open_images(opt: Namespace, data: Benchmark, size: int, device: torch.device) -> Images:
    """The images, kept where --cache says.  opt: of main.py;  size: S, side of the network's square"""
    how = dsva_preprocessing(size, opt.normalize, opt.bands)
    folder = Path(opt.cache_dir or Path(opt.root) / opt.dataset / "cache")
    needs_folder = opt.cache_dir or opt.cache == "disk"
    paths = data.image_paths
    decoded = open_cache(opt.cache, paths, how, folder if needs_folder else None, opt.workers, device)
    return Images(paths, how, data.labels, decoded)


def training_loader(opt: Namespace, data: Benchmark, images: Images, device: torch.device) -> DeviceLoader:
    """Episodes, whatever --train_mode says: n_batch of them."""
    episodes = EpisodeSampler(
        data.labels,
        data.splits["train_zsl_loc"],
        opt.n_batch,
        opt.ways,
        opt.shots,
        seed=0,
        class_names=data.class_names,
    )
    return image_loader(images, episodes, opt.workers, device)


def test_loader(opt: Namespace, data: Benchmark, images: Images, device: torch.device) -> DeviceLoader:
    """All test images."""
    batches = BatchSampler(data.test_images(opt.gzsl).tolist(), opt.batch_size, drop_last=False)
    return image_loader(images, batches, opt.workers, device)
