"""Pictures that are decoded once and kept: in a file, in memory or on the device.

No cache changes a number: it holds what `pipeline.decode` makes of a picture file.
"""

from collections import deque
from functools import lru_cache
from pathlib import Path
from typing import Iterable, Optional, Sequence, Tuple

import numpy as np
import torch

from data.decoded import Decoded, map_file
from data.decoding import check_room, decode_all
from data.pipeline import Preprocessing
from data.store import Stamp, Store
from support.errors import InputError
from support.files import hold
from support.machine import free_bytes

Part = Tuple[np.ndarray, Sequence]  # pixels of some pictures, and the height and width of each


def open_cache(
    kind: str,
    paths: Sequence[Path],
    how: Preprocessing,
    folder: Optional[Path],
    workers: int,
    device: torch.device,
) -> Optional[Decoded]:
    """All pictures, decoded now if they were not before; None of the kind "none".

    kind:    "none", "disk", "memory" or "device"
    folder:  of the file; "memory" and "device" do without it, if it is None
    workers: processes that decode
    """
    if kind == "none":
        return None
    stamps = tuple(stamp(path) for path in paths)
    return open_shared(kind, tuple(paths), stamps, how, folder, workers, device)


@lru_cache(maxsize=1)  # all trainings of a process share one
def open_shared(
    kind: str,
    paths: Sequence[Path],
    stamps: Sequence[Stamp],
    how: Preprocessing,
    folder: Optional[Path],
    workers: int,
    device: torch.device,
) -> Decoded:
    """The same for files of these sizes and times."""
    if folder is None:
        batches = decode_all(paths, how, workers)
        parts: Iterable[Part] = ((batch.pixels.numpy(), batch.shapes) for batch in batches)
    else:
        images = on_disk(paths, stamps, how, folder, workers)
        if kind == "disk":
            return images
        parts = ((images.pixels(i), [images.places[i, 1:]]) for i in range(len(paths)))
    return in_memory(parts, len(paths), how, device if kind == "device" else torch.device("cpu"))


def stamp(path: Path) -> Stamp:
    """Size and time of a picture file. Raises InputError if there is none."""
    try:
        found = path.stat()
    except OSError as error:
        raise InputError(f"cannot read the image {path}: {error.strerror}") from error
    return found.st_size, found.st_mtime_ns


def on_disk(
    paths: Sequence[Path], stamps: Sequence[Stamp], how: Preprocessing, folder: Path, workers: int
) -> Decoded:
    """The pictures in the file, to which those are added that are missing."""
    store = Store(folder, how)
    if store.missing(paths, stamps):
        with hold(folder, wait=True):
            store.read()  # another process may have filled it meanwhile
            store.fill(store.missing(paths, stamps), workers)
    entries = [store.entries[str(path)] for path in paths]
    places = np.array([[entry.first, entry.height, entry.width] for entry in entries])
    return map_file(store.pixels, places, np.array([entry.checksum for entry in entries]))


def in_memory(parts: Iterable[Part], count: int, how: Preprocessing, device: torch.device) -> Decoded:
    """Pictures in one array, or in a tensor on an NVIDIA GPU.

    parts: some pictures after others; each part is freed when it is copied
    count: of all pictures
    """
    check_room(count, how, "memory", free_bytes(torch.device("cpu")))
    on_gpu = device.type == "cuda"
    if on_gpu:
        check_room(count, how, str(device), free_bytes(device))
    waiting = deque(parts)
    shapes = np.array([shape for _, part in waiting for shape in part], np.int64).reshape(-1, 2)
    sizes = 3 * shapes.prod(axis=1)
    ends = np.cumsum(sizes)
    content = torch.empty(int(sizes.sum()), dtype=torch.uint8, device=device if on_gpu else "cpu")
    filled = 0
    while waiting:
        pixels, _ = waiting.popleft()
        content[filled : filled + len(pixels)] = torch.from_numpy(pixels)
        filled += len(pixels)
    places = np.column_stack([ends - sizes, shapes])
    return Decoded(content if on_gpu else content.numpy(), places)
