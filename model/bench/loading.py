"""How many images a second come out of each --cache, ready on the device."""

import time
from argparse import Namespace
from dataclasses import dataclass
from typing import List, Sequence

import torch

from bench.workload import exhaust, wait
from data.cache import open_shared
from runs.build import build_data, build_network
from runs.loaders import make_sampler, open_images, test_loader, training_loader
from runs.settings import benchmark_files, network_settings, with_options
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


def measure_loading(opt: Namespace, device: torch.device, caches: Sequence[str] = CACHES) -> List[Loading]:
    """opt: options of main.py, of which n_batch says how many episodes are loaded"""
    data = build_data(benchmark_files(opt), opt.only_groups, device)
    model = build_network(network_settings(opt), data, device)
    sampler = make_sampler(opt, data, "train_zsl_loc", seed=0)
    rows = []
    for cache in progress(caches, "caches"):
        chosen = with_options(opt, cache=cache)
        open_shared.cache_clear()
        began = time.perf_counter()
        images = open_images(chosen, data, model, device)
        opened = time.perf_counter() - began
        training = images_a_second(training_loader(chosen, images, sampler, device), device)
        test = images_a_second(test_loader(chosen, data, images, device), device)
        rows.append(Loading(cache, opened, training, test))
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
