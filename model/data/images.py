"""Picture files of any kind: found, and read as 8-bit RGB, or refused with a line that says why."""

import os
import struct
import zlib
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Iterable, Iterator

import numpy as np
from PIL import Image, ImageOps
from torchvision.transforms import functional as TF

from support.errors import InputError, first_line

LONGEST = 16  # times as long as wide: of a longer strip only the middle is kept


UNREADABLE = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    IndexError,
    RuntimeError,
    struct.error,
    zlib.error,
    OverflowError,
    ZeroDivisionError,
    MemoryError,
)  # all that Pillow raises on bad files


def read_image(path: Path) -> Image.Image:
    """RGB, turned upright as its EXIF says; what is transparent becomes black, like missing data in orthophotos. Raises InputError."""
    try:
        with Image.open(path) as image:
            return middle(eight_bit_rgb(ImageOps.exif_transpose(image)))
    except Image.DecompressionBombError as error:
        raise InputError(
            f"cannot read the image {path}: {error}; for large images there is predict.py --tile"
        ) from error
    except UNREADABLE as error:
        raise InputError(f"cannot read the image {path}: {first_line(error)}") from error


def eight_bit_rgb(image: Image.Image) -> Image.Image:
    if (
        image.mode.startswith("I;16")
        or image.mode == "I"
        and 0 <= image.getextrema()[0] <= image.getextrema()[1] < 2**16
    ):
        image = Image.fromarray(
            (np.asarray(image) >> 8).astype(np.uint8)
        )  # Pillow's own conversion cuts off all above 255
    if image.mode in ("I", "F"):
        raise ValueError("the range of its 32-bit values is not known; save it with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        return Image.composite(image.convert("RGB"), Image.new("RGB", image.size), image.getchannel("A"))
    return image.convert("RGB")


def middle(image: Image.Image) -> Image.Image:
    """Of a long strip, its middle: its shorter side is resized to the network's, and then the longer one would fill the memory."""
    longest = LONGEST * min(image.size)
    return (
        image
        if max(image.size) <= longest
        else TF.center_crop(image, [min(side, longest) for side in reversed(image.size)])
    )


def is_below(name: str) -> bool:
    """Does a path that a file tells stay in the folder that it is relative to, on any system? Links in that folder are its owner's, and followed."""
    kinds = PurePosixPath(name), PureWindowsPath(name)
    return all(path.name and not path.anchor and ".." not in path.parts for path in kinds)


def walk(places: Iterable[str]) -> Iterator[str]:
    """Images: files as they are given, folders with all below them in the order of their names. Of a folder, only the names of
    its own entries are ever in memory. Links to folders are not followed, hidden entries are passed over."""
    for place in places:
        if os.path.isdir(place):
            yield from walk_folder(place)
        else:
            yield str(place)


def walk_folder(folder: str) -> Iterator[str]:
    try:
        with os.scandir(folder) as entries:
            found = sorted(
                (entry.name, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if not entry.name.startswith(".")
            )
    except OSError as error:
        raise InputError(f"cannot look into {folder}: {error.strerror}") from error
    for name, is_folder in found:
        if is_folder:
            yield from walk_folder(os.path.join(folder, name))
        elif Path(name).suffix.lower() in readable_endings():
            yield os.path.join(folder, name)


@cache
def readable_endings() -> frozenset:
    """Of the formats that Pillow reads: it also knows some that it only writes, such as .pdf."""
    return frozenset(ending for ending, kind in Image.registered_extensions().items() if kind in Image.OPEN)


def printable(name: str) -> str:
    """A file may have any bytes for a name."""
    return os.fsencode(name).decode(errors="replace")
