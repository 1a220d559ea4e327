"""Pictures that are decoded already, all in one array: in memory, in a mapped file, or on a GPU."""

import zlib
from pathlib import Path
from typing import Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor

from support.errors import InputError


class Decoded:
    """Pictures of any height and width; `decoded[i]` is the i-th.

    content:   uint8, the pixels of one after another: an array, or a tensor on a device
    places:    int64 [n, 3], where each begins, its height and its width; the latter are 0 of a file that
               is no readable picture
    checksums: [n] CRC-32 of each, if there is a file
    file:      that `content` is mapped from, or None
    """

    def __init__(
        self,
        content: Union[np.ndarray, Tensor],
        places: np.ndarray,
        checksums: Sequence[int] = (),
        file: Optional[Path] = None,
    ):
        self.content = content
        self.places = places
        self.checksums = checksums
        self.file = file
        self.unchecked = np.full(len(places), file is not None)

    def __getitem__(self, index: int) -> Optional[Tensor]:
        """uint8 [3, H, W], or None if the file was no readable picture."""
        _, height, width = self.places[index]
        if not height:
            return None
        return torch.as_tensor(self.pixels(index)).view(3, height, width)

    def pixels(self, index: int) -> np.ndarray:
        """uint8 [3 * H * W]. Raises InputError if the file is damaged, which is checked the first time."""
        first, height, width = self.places[index]
        pixels = self.content[first : first + 3 * height * width]
        if self.unchecked[index]:
            if zlib.crc32(pixels) != self.checksums[index]:
                raise InputError(f"{self.file} is damaged: delete it, and it is made anew")
            self.unchecked[index] = False
        return pixels

    def __reduce__(self):
        """How it is sent to a worker process that is not forked: such a one maps the file itself."""
        if self.file is None:
            return Decoded, (self.content, self.places)
        return map_file, (self.file, self.places, self.checksums)


def map_file(file: Path, places: np.ndarray, checksums: Sequence[int]) -> Decoded:
    """The pictures of a cache file. The system reads only those that are looked at."""
    if not file.stat().st_size:
        return Decoded(np.empty(0, np.uint8), places, checksums, file)
    content = np.memmap(file, mode="c")  # copy on write: torch complains of an array that cannot be written
    return Decoded(content, places, checksums, file)
