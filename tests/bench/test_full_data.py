"""A dataset of full size is decoded quickly, and is what main.py would have decoded itself."""

from argparse import Namespace

import numpy as np
import pytest
import torch

from bench import full_data
from bench.full_data import write_full_data
from bench.kernels import count_kernels
from data.cache import on_disk, open_shared, stamp
from data.pipeline import decode, dsva_preprocessing
from data.store import Store
from runs.build import build_data
from runs.settings import benchmark_files, with_options

SIZES = Namespace(width=32, layers=1, heads=2, image_size=32, patch_size=8, classes=14, images=14 * 20)
CPU = torch.device("cpu")


@pytest.fixture
def opt(tmp_path, monkeypatch):
    monkeypatch.setattr(full_data, "WRITTEN", 8)  # of 20 images of a class
    yield write_full_data(SIZES, tmp_path / "full", [])
    open_shared.cache_clear()


def test_nothing_is_left_to_decode_and_every_picture_is_its_own(opt, monkeypatch, tmp_path):
    paths = build_data(benchmark_files(opt), None, CPU).image_paths
    how = dsva_preprocessing(32, "imagenet")
    store = Store(tmp_path / "full" / "cache", how)
    stamps = [stamp(path) for path in paths]
    assert len(paths) == 280 and not store.missing(paths, stamps)
    monkeypatch.setattr(Store, "fill", None)  # which must not be called
    images = on_disk(paths, stamps, how, tmp_path / "full" / "cache", 0)
    for number in (0, 3, 7, 8, 19, 20, 279):
        assert torch.equal(images[number], decode(paths[number], how)), number  # and its checksum is sound
    places = images.places[:, 0]
    assert len(np.unique(places)) == 14 * 8
    assert not torch.equal(images[0], images[1]) and not torch.equal(images[0], images[20])


def test_its_divisions_are_in_proportion_to_the_published_ones(opt):
    unseen = {}
    for name in ("43", "52", "61"):
        other = with_options(opt, image_embedding=name, class_embedding=f"ann_attr_finetune_{name}")
        unseen[name] = len(build_data(benchmark_files(other), None, CPU).unseen)
    assert unseen == {"43": 6, "52": 4, "61": 2}  # of 14; 30, 20 and 10 of 70


def test_kernels_are_operations_that_compute():
    left, right = torch.ones(2, 3), torch.ones(2, 3)
    found = count_kernels(lambda: (left + right).view(6)[2:].relu().reshape(2, 2).T.contiguous(), CPU)
    assert found.launched == 3 and found.busy is None  # add, relu, clone
