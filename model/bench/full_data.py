"""A dataset as large as RSSDIVCS, made in seconds: few pictures differ, and each is decoded once.

The decoded pictures lie in the file that main.py reads (`--cache_dir`). There, too, few differ, so that it is
written in seconds. In memory, or on a GPU, each image has its own pixels, as in RSSDIVCS: 11 GB.
"""

import json
import os
import shutil
from argparse import Namespace
from pathlib import Path
from typing import List, Sequence

import numpy as np
import torch

from bench.generated import DIFFERENT, generate, write_division
from data.cache import stamp
from data.decoding import BatchDecoder, DecodedBatch
from data.pipeline import Preprocessing, dsva_preprocessing
from data.store import Store
from support.errors import InputError
from support.machine import free_bytes
from support.processes import progress

PUBLISHED_CLASSES = 70
UNSEEN = {"43": 30, "52": 20}  # of the published divisions; "61", which `generate` writes, has 10
# pictures of a class that are written: of 70 classes 1.5 GB, more than a processor's own memory holds
WRITTEN = 28 * DIFFERENT
CHECKPOINTS = 5  # of a tower, that there are at once: two CLIPs; last, best and a new one of a run


def write_full_data(sizes: Namespace, folder: Path, options: List[str]) -> Namespace:
    """All pictures, the three divisions, a tower, and folder/cache. Returns the options of a training.

    sizes: as of `generate`, and "images", of all classes
    """
    per_class = sizes.images // sizes.classes
    opt = generate(sizes, folder, per_class, [*options, "--cache_dir", str(folder / "cache")])
    rng = np.random.default_rng(1)
    for name, unseen in UNSEEN.items():
        scaled = round(sizes.classes * unseen / PUBLISHED_CLASSES)
        write_division(folder / "RSSDIVCS", name, sizes.classes, scaled, per_class, rng)
    how = dsva_preprocessing(sizes.image_size, opt.normalize)
    fill_cache(folder / "cache", folder / "RSSDIVCS", sizes.classes, per_class, how)
    return opt


def fill_cache(folder: Path, root: Path, classes: int, per_class: int, how: Preprocessing):
    """Make the file of decoded pictures for root/Class0/0.jpg, ...

    Each different picture is decoded once. Of each class the pixels of the first WRITTEN are written, and the
    index says of the others that theirs are where those of an equal picture are.
    """
    folder.mkdir(parents=True)
    store = Store(folder, how)
    store.begin()
    with store.pixels.open("r+b") as pixels, store.index.open("r+b") as index:
        index.seek(0, os.SEEK_END)
        for c in progress(range(classes), "decoded pictures"):
            files = [root / f"Class{c}" / f"{n}.jpg" for n in range(per_class)]
            stamps = {file: stamp(file) for file in files}
            batch = BatchDecoder(how)[files[:DIFFERENT]]
            written = files[:WRITTEN]
            store.append(repeated(batch, written), stamps, pixels, index)
            entries = [store.entries[str(file)] for file in written]
            for n, file in enumerate(files[WRITTEN:], WRITTEN):
                size, time = stamps[file]
                entry = entries[n % WRITTEN]._replace(size=size, time=time)
                index.write(json.dumps([str(file), *entry]).encode() + b"\n")


def repeated(batch: DecodedBatch, files: Sequence[Path]) -> DecodedBatch:
    """A batch of different pictures, over and over until there is one for each file."""
    pictures = batch.pixels.split([3 * height * width for height, width in batch.shapes])
    places = [n % len(pictures) for n in range(len(files))]
    return DecodedBatch(
        list(files),
        torch.cat([pictures[place] for place in places]),
        [batch.shapes[place] for place in places],
        [batch.checksums[place] for place in places],
    )


def check_full_room(sizes: Namespace, folder: Path, device: torch.device):
    """Raise InputError if the data do not fit on the disk, or the decoded pictures into memory or the device.

    sizes: as of `write_full_data`
    """
    picture = 3 * dsva_preprocessing(sizes.image_size, "imagenet").shorter_side ** 2
    written = sizes.classes * min(sizes.images // sizes.classes, WRITTEN) * picture
    needed = written + CHECKPOINTS * bytes_of_tower(sizes)
    free = shutil.disk_usage(existing(folder)).free
    if needed > free:
        raise InputError(
            f"the generated data take about {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free in "
            f"{folder}: make room, or name another --output"
        )
    needed = sizes.images * picture
    for place in {torch.device("cpu"), device}:
        room = free_bytes(place)
        if room is not None and needed > room:
            raise InputError(
                f"{sizes.images} decoded images take {needed / 1e9:.3g} GB, and {room / 1e9:.3g} GB are free "
                f"in {'memory' if place.type == 'cpu' else place}: take fewer --images"
            )


def bytes_of_tower(sizes: Namespace) -> int:
    """Of its weights, about: those of its layers, in float32."""
    return 4 * 12 * sizes.layers * sizes.width**2


def existing(folder: Path) -> Path:
    """The folder, or the first above it that is there."""
    while not folder.is_dir():
        folder = folder.parent
    return folder
