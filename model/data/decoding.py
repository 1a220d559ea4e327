"""Decodes many pictures, in several processes, as they are kept in a cache."""

import zlib
from pathlib import Path
from typing import Any, Iterator, List, NamedTuple, Optional, Sequence, Tuple

import torch
from torch import Tensor
from torch.utils.data import Dataset

from data.pipeline import Preprocessing, decode
from support.errors import InputError
from support.loader import Loader
from support.notes import counted
from support.processes import progress

AT_ONCE = 64  # images that are decoded and written together
ADVICE = "make room, name another main.py --cache_dir, or use main.py --cache none"


class DecodedBatch(NamedTuple):
    """Some pictures.

    files:     [B]
    pixels:    uint8, [3, H, W] of one picture after another
    shapes:    [B] height and width of each; 0 and 0 of a file that is no readable picture
    checksums: [B] CRC-32 of each one's pixels
    """

    files: List[Path]
    pixels: Tensor
    shapes: List[Tuple[int, int]]
    checksums: List[int]


class BatchDecoder(Dataset):
    """A key is a list of files."""

    def __init__(self, how: Preprocessing):
        self.how = how

    def __getitem__(self, files: List[Path]) -> DecodedBatch:
        pictures = [self.decode(file) for file in files]
        return DecodedBatch(
            files,
            torch.cat([picture.flatten() for picture in pictures]),
            [(picture.shape[1], picture.shape[2]) for picture in pictures],
            [zlib.crc32(picture.numpy().tobytes()) for picture in pictures],
        )

    def decode(self, file: Path) -> Tensor:
        """uint8 [3, H, W]; [3, 0, 0] if it is not readable: whoever needs it will raise the error."""
        try:
            return decode(file, self.how)
        except InputError:
            return torch.empty(3, 0, 0, dtype=torch.uint8)


def decode_all(paths: Sequence[Path], how: Preprocessing, workers: int) -> Iterator[DecodedBatch]:
    """All pictures, AT_ONCE at a time, in their order.  workers: processes that decode"""
    batches = [paths[start : start + AT_ONCE] for start in range(0, len(paths), AT_ONCE)]
    loader = Loader(
        BatchDecoder(how),
        batch_size=None,
        sampler=batches,
        workers=workers,
        collate_fn=as_it_is,
        generator=torch.Generator(),  # its own: a training draws the same random numbers with and without
    )
    yield from progress(loader, "decoding")


def as_it_is(batch: Any) -> Any:
    """Keeps DataLoader from making tensors of lists."""
    return batch


def check_room(count: int, how: Preprocessing, where: str, free: Optional[int]):
    """Say how much room decoded pictures take. Raises InputError if there is too little.

    count: of pictures; each is counted as a square
    where: the memory, the device or the folder, in words
    free:  bytes, None if it is not known
    """
    needed = count * 3 * how.shorter_side**2
    if free is not None and needed > free:
        raise InputError(
            f"main.py --cache: {count} decoded images take {needed / 1e9:.3g} GB, "
            f"and {free / 1e9:.3g} GB are free in {where}: {ADVICE}"
        )
    print(f"cache   {counted(count, 'image')} in {where}, about {needed / 1e9:.3g} GB", flush=True)
