"""How many images a second come out of each --cache, ready on the device."""

import time
from argparse import Namespace
from dataclasses import dataclass
from typing import Dict, List, Sequence

import torch

from bench.batches import open_images, test_loader, training_loader
from bench.workload import exhaust, wait
from data.cache import open_shared
from runs.build import build_data
from runs.settings import benchmark_files
from support.processes import progress

CACHES = ("none", "disk", "memory", "device")


@dataclass
class Loading:
    """Of one --cache.

    seconds_to_open: once a run, until the pictures are where --cache says; the file is there already
    training:        images a second, in episodes of random crops
    test:            images a second, in larger batches of the centre
    """

    cache: str
    seconds_to_open: float
    training: float
    test: float


def measure_loading(
    opt: Namespace, size: int, device: torch.device, caches: Sequence[str] = CACHES
) -> List[Loading]:
    """opt: options of main.py, of which n_batch says how much is loaded;  size: S, of the network's square"""
    data = build_data(benchmark_files(opt), opt.only_groups, device)
    rows = []
    for cache in progress(caches, "caches"):
        chosen = Namespace(**{**vars(opt), "cache": cache})
        open_shared.cache_clear()
        began = time.perf_counter()
        images = open_images(chosen, data, size, device)
        opened = time.perf_counter() - began
        speed: Dict[str, float] = {}
        for name, make in (("training", training_loader), ("test", test_loader)):
            speed[name] = images_a_second(make(chosen, data, images, device), device)
        rows.append(Loading(cache, opened, **speed))
        open_shared.cache_clear()
    return rows


def images_a_second(loader, device: torch.device) -> float:
    """Of a second look: the first one warms up."""
    exhaust(loader)
    count = 0
    wait(device)
    began = time.perf_counter()
    for _, labels in loader:
        count += len(labels)
    wait(device)
    return count / (time.perf_counter() - began)
