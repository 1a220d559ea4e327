"""Decoded images, kept in a file, in memory or on the device. No cache changes a number: it holds what `dataset.decode` makes of a file.

The folder of a cache, shared by datasets and processes:
    256.pixels  uint8 [3, H, W] of one image after another, their shorter sides 256
    256.jsonl   who decoded; then a line an image: its file, that file's size and time, where its pixels begin, H, W, their checksum
Both only grow at their ends, the pixels first: whatever a killed process leaves can be gone on with.
"""

import json
import os
import shutil
import zlib
from collections import deque
from functools import lru_cache
from importlib.metadata import version
from itertools import accumulate
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from data.decoded import Decoded, map_file
from data.pipeline import Preprocessing, decode
from support.errors import InputError
from support.files import hold, write_text
from support.machine import free_memory
from support.processes import progress
from support.untrusted import parse_json

AT_ONCE = 64  # images that are decoded and written together
HELP = "make room, name another --cache_dir, or use --cache none"
Stamp = Tuple[int, int]  # size and time of a file


def open_cache(
    kind: str,
    paths: Sequence[Path],
    how: Preprocessing,
    folder: Optional[Path],
    workers: int,
    device: torch.device,
) -> Optional[Decoded]:
    """All images, decoded now if they were not before; None of the kind "none".

    kind:   "none", "disk", "memory" or "device"
    folder: of the file; the last two do without, if it is None
    """
    return (
        None
        if kind == "none"
        else keep(kind, tuple(paths), tuple(map(stamp, paths)), how, folder, workers, device)
    )


@lru_cache(maxsize=1)  # the trainings of a process share it
def keep(
    kind: str,
    paths: Sequence[Path],
    stamps: Sequence[Stamp],
    how: Preprocessing,
    folder: Optional[Path],
    workers: int,
    device: torch.device,
) -> Decoded:
    if folder:
        images = on_disk(paths, stamps, how, folder, workers)
        return (
            images
            if kind == "disk"
            else in_memory(
                ((images.pixels(i), [images.places[i, 1:]]) for i in range(len(paths))),
                len(paths),
                how,
                kind,
                device,
            )
        )
    return in_memory(
        ((pixels, shapes) for _, pixels, shapes, _ in decoded(paths, how, workers)),
        len(paths),
        how,
        kind,
        device,
    )


def on_disk(
    paths: Sequence[Path], stamps: Sequence[Stamp], how: Preprocessing, folder: Path, workers: int
) -> Decoded:
    """From the file, once it holds all of them as they are now."""
    store = Store(folder, how)
    if store.missing(paths, stamps):
        with hold(folder, wait=True):
            store.read()  # another process may have filled it meanwhile
            store.fill(store.missing(paths, stamps), workers)
    known = np.array([store.images[str(path)][2:] for path in paths])
    return map_file(store.pixels, known[:, :3], known[:, 3])


def in_memory(
    parts: Iterable[Tuple[np.ndarray, list]], count: int, how: Preprocessing, kind: str, device: torch.device
) -> Decoded:
    """parts: the pixels of some images, and the height and width of each;  count: of all images"""
    on_device = kind == "device" and device.type == "cuda"
    announce(count, how, "memory", free_memory())
    if on_device:
        announce(count, how, str(device), torch.cuda.mem_get_info(device)[0])
    parts = deque(parts)
    shapes = [shape for _, several in parts for shape in several]
    *first, end = accumulate((3 * height * width for height, width in shapes), initial=0)
    content, filled = np.empty(end, np.uint8), 0
    while parts:  # each part is freed as the whole grows
        pixels, _ = parts.popleft()
        content[filled : filled + len(pixels)] = pixels
        filled += len(pixels)
    return Decoded(
        torch.from_numpy(content).to(device) if on_device else content, np.column_stack([first, shapes])
    )


def announce(count: int, how: Preprocessing, where: str, free: Optional[int]):
    """Say how much it will be, or refuse it.  free: bytes, if they are known"""
    needed = count * 3 * how.shorter_side**2  # of square images
    if free is not None and needed > free:
        raise InputError(
            f"--cache: {count} decoded images take {needed / 1e9:.3g} GB, and {free / 1e9:.3g} GB are free in {where}: {HELP}"
        )
    print(f"cache   {count} images in {where}, about {needed / 1e9:.3g} GB", flush=True)


class Store:
    """The two files of a folder.  images: file -> [size, time, first byte, height, width, checksum]"""

    def __init__(self, folder: Path, how: Preprocessing):
        self.folder, self.how = folder, how
        self.pixels, self.index = (folder / f"{how.shorter_side}.{ending}" for ending in ("pixels", "jsonl"))
        self.made_by = {
            "format": 1,
            **{name: version(name) for name in ("pillow", "torchvision")},
        }  # others may decode otherwise
        self.read()

    def read(self):
        """What the index tells; nothing of a damaged one, or by other versions."""
        try:
            made_by, *lines = map(
                parse_json, self.index.read_bytes().split(b"\n")[:-1]
            )  # a line without its end is still being written
            self.images: Dict[str, List[int]] = {name: numbers for name, *numbers in lines}
            sound = (
                made_by == self.made_by
                and all(map(is_entry, self.images.values()))
                and self.end() <= self.pixels.stat().st_size
            )
        except (OSError, ValueError, TypeError):
            sound = False
        if not sound:
            self.images = {}

    def end(self) -> int:
        return max(
            (first + 3 * height * width for _, _, first, height, width, _ in self.images.values()), default=0
        )

    def missing(self, paths: Sequence[Path], stamps: Sequence[Stamp]) -> Dict[Path, Stamp]:
        """Images that are not there, or have changed since."""
        return {
            path: when for path, when in zip(paths, stamps) if self.images.get(str(path), [])[:2] != [*when]
        }

    def fill(self, missing: Mapping[Path, Stamp], workers: int):
        """Add images at the end. For who holds the folder's lock."""
        announce(len(missing), self.how, str(self.folder), shutil.disk_usage(self.folder).free)
        try:
            if not self.images:
                self.begin()
            with self.pixels.open("r+b") as pixels, self.index.open("r+b") as index:
                first = pixels.seek(self.end())
                index.truncate(index.read().rfind(b"\n") + 1)
                index.seek(0, os.SEEK_END)
                for files, content, shapes, checksums in decoded(list(missing), self.how, workers):
                    pixels.write(content)
                    pixels.flush()
                    os.fsync(pixels.fileno())  # before they are spoken of
                    for file, (height, width), checksum in zip(files, shapes, checksums):
                        self.images[str(file)] = [*missing[file], first, height, width, checksum]
                        index.write(json.dumps([str(file), *self.images[str(file)]]).encode() + b"\n")
                        first += 3 * height * width
                    index.flush()
        except OSError as error:
            raise InputError(
                f"cannot write {self.folder}: {error.strerror}; what is decoded already is kept. {HELP}"
            ) from error

    def begin(self):
        """New files: other processes may still read the former ones."""
        if self.index.exists():
            print(f"note: {self.pixels} is damaged, or of other versions, and is made anew")
        for file in (self.index, self.pixels):
            file.unlink(missing_ok=True)
        self.pixels.touch()
        write_text(self.index, json.dumps(self.made_by) + "\n")


def is_entry(numbers: List[int]) -> bool:
    return len(numbers) == 6 and all(type(number) is int and 0 <= number < 2**63 for number in numbers)


def stamp(path: Path) -> Stamp:
    try:
        found = os.stat(path)
    except OSError as error:
        raise InputError(f"cannot read the image {path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns


class BatchDecoder(Dataset):
    """A key is a list of files."""

    def __init__(self, how: Preprocessing):
        self.how = how

    def __getitem__(self, files: List[Path]) -> Tuple[List[Path], Tensor, list, List[int]]:
        """The files, uint8 pixels of one after another, the height and width of each, 0 of an unreadable one, and their checksums."""
        pixels = [self.decode(file) for file in files]
        return (
            files,
            torch.cat([image.flatten() for image in pixels]),
            [image.shape[1:] for image in pixels],
            [zlib.crc32(image.numpy().tobytes()) for image in pixels],
        )

    def decode(self, file: Path) -> Tensor:
        try:
            return decode(file, self.how)
        except InputError:  # who needs this image is told so
            return torch.empty(3, 0, 0, dtype=torch.uint8)


def decoded(paths: Sequence[Path], how: Preprocessing, workers: int) -> Iterator[tuple]:
    """What `Decoder` makes of the next files, and the next, with numpy's pixels."""
    batches = [paths[first : first + AT_ONCE] for first in range(0, len(paths), AT_ONCE)]
    loader = DataLoader(
        BatchDecoder(how),
        batch_size=None,
        sampler=batches,
        num_workers=workers,
        collate_fn=itself,
        generator=torch.Generator(),
    )  # its own: no draw of a training changes
    for files, pixels, shapes, checksums in progress(loader, "decoding"):
        yield files, pixels.numpy(), shapes, checksums


def itself(batch):
    return batch
