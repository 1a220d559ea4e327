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

from data.archives import check_unpacked
from support.errors import InputError, first_line

LONGEST_STRIP = 16  # times as long as wide: of a longer strip only the middle is kept

UNREADABLE = (  # all that Pillow raises on bad files
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
)

# ---- reading ---------------------------------------------------------------------------------------


def read_image(path: Path) -> Image.Image:
    """A picture in 8-bit RGB, turned upright as its EXIF says. Raises InputError if it cannot be read.

    What is transparent becomes black, like missing data in orthophotos.
    """
    try:
        with Image.open(path) as image:
            upright = ImageOps.exif_transpose(image)
            return middle(eight_bit_rgb(upright))
    except Image.DecompressionBombError as error:
        raise InputError(
            f"cannot read the image {path}: {error}; for large images there is predict.py --tile"
        ) from error
    except UNREADABLE as error:
        raise InputError(f"cannot read the image {path}: {first_line(error)}") from error


def eight_bit_rgb(image: Image.Image) -> Image.Image:
    """Any picture in 8-bit RGB. Raises ValueError if it has 32-bit values of unknown range."""
    if has_16_bits(image):
        # Pillow's own conversion would cut off all above 255
        image = Image.fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode in ("I", "F"):
        raise ValueError("the range of its 32-bit values is not known; save it with 8 or 16 bits")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGB", image.size)
        return Image.composite(image.convert("RGB"), black, image.getchannel("A"))
    return image.convert("RGB")


def has_16_bits(image: Image.Image) -> bool:
    """Has it values of 16 bits? Pillow also reads some of these files as mode "I", with 32 bits."""
    if image.mode.startswith("I;16"):
        return True
    if image.mode != "I":
        return False
    low, high = image.getextrema()
    return 0 <= low <= high < 2**16


def middle(image: Image.Image) -> Image.Image:
    """The middle of a long strip, or the picture itself.

    The shorter side is resized to what the network takes; then the longer one would fill the memory.
    """
    longest = LONGEST_STRIP * min(image.size)
    if max(image.size) <= longest:
        return image
    width, height = image.size
    return TF.center_crop(image, [min(height, longest), min(width, longest)])


# ---- finding ---------------------------------------------------------------------------------------


def is_below(name: str) -> bool:
    """Does a path that is read from a file stay in the folder that it is relative to, on any system?

    Links in that folder belong to its owner and are followed.
    """
    kinds = PurePosixPath(name), PureWindowsPath(name)
    return all(path.name and not path.anchor and ".." not in path.parts for path in kinds)


def walk(places: Iterable[str]) -> Iterator[str]:
    """Images: files as they are given, folders with all images below them in the order of their names.

    Of a folder, only its own entries are in memory. Links to folders are not followed, and hidden
    entries are passed over. An archive in place of a folder is an InputError.
    """
    for place in places:
        if os.path.isdir(place):
            yield from walk_folder(place)
        elif Path(place).suffix.lower() not in readable_endings():
            check_unpacked(Path(place))
            yield str(place)
        else:
            yield str(place)


def walk_folder(folder: str) -> Iterator[str]:
    """The images below a folder. Raises InputError if it cannot be looked into."""
    try:
        with os.scandir(folder) as entries:
            visible = [
                (entry.name, entry.path, entry.is_dir(follow_symlinks=False))
                for entry in entries
                if not entry.name.startswith(".")
            ]
    except OSError as error:
        raise InputError(f"cannot look into {folder}: {error.strerror}") from error
    for name, path, is_folder in sorted(visible):
        if is_folder:
            yield from walk_folder(path)
        elif Path(name).suffix.lower() in readable_endings():
            yield path


@cache
def readable_endings() -> frozenset:
    """Of the formats that Pillow reads. It also knows some that it only writes, such as .pdf."""
    endings = Image.registered_extensions()
    return frozenset(ending for ending, kind in endings.items() if kind in Image.OPEN)


def printable(name: str) -> str:
    """The name of a file, which may have any bytes, in characters that can be printed."""
    return os.fsencode(name).decode(errors="replace")
