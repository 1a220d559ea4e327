"""Opening caches of decoded images, and what comes out of them, for the tests of the cache."""

import os
import subprocess
import sys
from pathlib import Path

import torch

from data import decoding
from data.cache import open_cache
from data.pipeline import Images, dsva_preprocessing, image_loader
from support.cli import REPOSITORY

CPU = torch.device("cpu")
HOW = dsva_preprocessing(32, "imagenet")
KEYS = [[0, 7, 59], [(3, 1), (3, 2), (44, 5)], [(20, draw) for draw in range(30)]]  # of test and of training


def open_all(data, kind, folder=None, workers=0) -> Images:
    """kind: of --cache, or none"""
    decoded = open_cache(kind, data.image_paths, HOW, folder, workers, CPU)
    return Images(data.image_paths, HOW, data.labels, decoded)


def batches(scenes, workers=0, keys=KEYS) -> list:
    """(images, labels) of each batch, as lists that can be compared."""
    return [(images.tolist(), labels.tolist()) for images, labels in image_loader(scenes, keys, workers, CPU)]


def watch_decoding(monkeypatch) -> list:
    """The files that are decoded from now on."""
    decode, seen = decoding.decode, []

    def watched(path, how):
        seen.append(path)
        return decode(path, how)

    monkeypatch.setattr(decoding, "decode", watched)
    return seen


def on_device(scenes) -> Images:
    """As on a GPU, but on the CPU."""
    scenes.decoded.content = torch.from_numpy(scenes.decoded.content)
    return scenes


def process(data, folder: Path, **how) -> subprocess.Popen:
    """Another process that fills the cache on disk.  how: of subprocess"""
    code = (
        "import torch; from pathlib import Path; from data import cache, decoding, pipeline\n"
        "decoding.AT_ONCE = 2\n"
        f"paths = [Path(path) for path in {list(map(str, data.image_paths))!r}]\n"
        "how = pipeline.dsva_preprocessing(32, 'imagenet')\n"
        f"folder, device = Path({str(folder)!r}), torch.device('cpu')\n"
        "images = cache.open_cache('disk', paths, how, folder, 0, device)\n"
        "print(all(images[i] is not None for i in range(60)))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "model"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        **how,
    )
