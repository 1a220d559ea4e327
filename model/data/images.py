"""Picture files of any kind: found, and read as 8-bit RGB, or refused with a line that says why."""

import logging
import os
import stat
import struct
import warnings
import zlib
from functools import cache
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Iterable, Iterator, Optional, Tuple

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError
from torchvision.transforms import functional as TF

from data import rasters
from data.archives import check_unpacked
from data.bands import Bands, choose_bands, is_transparency, say_left_out
from data.deep import (
    WHITE_IS_ZERO,
    Layout,
    check_colours,
    deep_values,
    is_deep,
    is_tiff,
    layout,
    layout_of_tags,
    raw_mode,
)
from data.jpeg2000 import layout_beyond_pillow
from data.ranges import USED
from data.stretch import find_stretch, sampled
from support.errors import InputError, first_line
from support.packages import install

LONGEST_STRIP = 16  # times as long as wide: of a longer strip only the middle is kept
READING = 2  # raised when pictures of some kind are read otherwise than before: caches keep it
ORIENTATION = 0x0112  # the EXIF tag

# Pillow has a line for each odd file; one that cannot be read is an error of ours
warnings.filterwarnings("ignore", module=r"PIL\.")
logging.getLogger("PIL").setLevel(logging.CRITICAL)

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


def read_image(path: Path, bands: Optional[Bands] = None) -> Image.Image:
    """A picture in 8-bit RGB, turned upright as its EXIF says. Raises InputError if it cannot be read.

    What is transparent becomes black, like missing data in orthophotos. Values of more than 8 bits are
    stretched: see stretch.py.

    bands: that are red, green and blue, counted from 1; by default the first three
    """
    try:
        return middle(read_whole(path, bands))
    except Image.DecompressionBombError as error:
        raise InputError(
            f"cannot read the image {path}: {first_line(error)}; for large images there is predict.py --tile"
        ) from error


def read_whole(path: Path, bands: Optional[Bands] = None) -> Image.Image:
    """The same, of any shape. Raises InputError, or DecompressionBombError if it is too large for Pillow."""
    check_regular(path)
    try:
        try:
            image = Image.open(path)
        except UnidentifiedImageError:
            found = layout(path) if is_tiff(path) else layout_beyond_pillow(path)
            if not found:
                raise
            return read_by_rasterio(path, found, bands)
        with image:
            found = layout_beyond_pillow(path) if image.format == "JPEG2000" else None
            if found:
                return read_by_rasterio(path, found, bands)
            tags = checked_tags(image)
            if tags and is_beyond_pillow(tags, image, bands):
                return read_by_rasterio(path, tags, bands)
            if bands is None and tags and tags.bands == 4 and image.mode == "RGB":
                say_left_out(path.name)
            return in_eight_bits(path, image, bands)
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"cannot read the image {path}: {first_line(error)}") from error


def from_pillow(image: Image.Image, name: str, bands: Optional[Bands] = None) -> Image.Image:
    """The same of a picture that Pillow has, whatever it was made from: its pixels are those that Pillow has.

    name:  for messages
    bands: as of `read_image`

    A file of more than 8 bits in several bands has lost its lower bits there: read it by its path.
    """
    try:
        image.load()
        tags = checked_tags(image)
        if tags and is_beyond_pillow(tags, image, bands):
            raise ValueError(f"Pillow does not give all of its {tags}: name its file instead")
        if not all(image.size):
            raise ValueError("it has no pixels")
        return middle(in_eight_bits(Path(name), image, bands))
    except UNREADABLE as error:
        raise InputError(f"cannot read {name}: {first_line(error)}") from error


def checked_tags(image: Image.Image) -> Optional[Layout]:
    """What a TIFF says that it has; None if it is none. Raises ValueError if its colours are not known."""
    if not hasattr(image, "tag_v2"):
        return None
    tags = layout_of_tags(image.tag_v2)
    check_colours(tags)
    return tags


def in_eight_bits(path: Path, image: Image.Image, bands: Optional[Bands]) -> Image.Image:
    """What Pillow reads rightly, upright, in RGB."""
    if bands or is_deep(image):
        return stretched(path, image, bands)
    return eight_bit_rgb(ImageOps.exif_transpose(image), path.name)


def size_of_image(path: Path) -> Tuple[int, int]:
    """Width and height, as its head says; 0 and 0 if Pillow cannot tell."""
    try:
        with Image.open(path) as image:
            return image.size
    except (*UNREADABLE, Image.DecompressionBombError):
        return 0, 0


def check_regular(path: Path):
    """Raise InputError for what is no file: a pipe would be waited for, for ever."""
    try:
        is_regular = stat.S_ISREG(Path(path).stat().st_mode)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the image {path}: {first_line(error)}") from error
    if not is_regular:
        raise InputError(
            f"cannot read the image {path}: it is a folder, a pipe or a device; expected a regular file"
        )


def is_beyond_pillow(tags: Layout, image: Image.Image, bands: Optional[Bands]) -> bool:
    """Would Pillow read a TIFF wrongly, or are there bands that it does not read?"""
    if tags.is_planar and tags.type not in ("uint8", "uint1"):
        return True
    if tags.bands > 4 or raw_mode(image).startswith("RGBa;16"):
        return True
    return bands is not None and tags.bands != len(image.getbands()) and image.mode != "P"


def read_by_rasterio(path: Path, tags: Layout, bands: Optional[Bands]) -> Image.Image:
    """All of a TIFF of a kind that Pillow does not read."""
    choose_bands(tags.bands, bands)
    check_colours(tags)
    if rasters.rasterio is None:
        raise ValueError(
            f"it has {tags}: install rasterio to read it ({install('rasterio')}), "
            "or save red, green and blue with 8 bits"
        )
    raster = rasters.Raster(str(path), bands)
    width, height = raster.size
    if width * height > 2 * (Image.MAX_IMAGE_PIXELS or width * height):
        raise Image.DecompressionBombError(f"it has {width} x {height} pixels")
    picture = raster.read((0, 0, width, height))
    picture.info[USED] = raster.stretch.used
    return picture


def stretched(path: Path, image: Image.Image, bands: Optional[Bands]) -> Image.Image:
    """Of more than 8 bits, or of chosen bands."""
    if is_deep(image):
        values, valid, is_marked = deep_values(path, image)
    else:
        colours = image if image.mode in ("L", "LA", "RGB", "RGBA") else eight_bit_rgb(image, path.name)
        values = np.atleast_3d(np.asarray(colours))
        valid = np.ones(values.shape[:2], bool)
        is_marked = colours.mode in ("LA", "RGBA")
    count = values.shape[2]
    if is_marked:
        alpha = values[..., -1]
        if is_transparency(alpha, (values[..., :-1] == 0).all(axis=2)):
            valid &= alpha > 0
            count -= 1 if bands is None else 0
        elif bands is None:
            say_left_out(path.name, count)
    values = values[..., [band - 1 for band in choose_bands(count, bands)]]
    stretch = find_stretch(sampled(values), sampled(valid))
    pixels = stretch.apply(values, valid)
    if hasattr(image, "tag_v2") and is_deep_and_negative(layout_of_tags(image.tag_v2)):
        pixels = np.where(valid[..., None], 255 - pixels, 0).astype(np.uint8)
    picture = Image.fromarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)
    picture.info[USED] = stretch.used
    picture.getexif()[ORIENTATION] = image.getexif().get(ORIENTATION, 1)
    return ImageOps.exif_transpose(picture)


def is_deep_and_negative(tags: Layout) -> bool:
    """Is 0 white, in a type of which Pillow does not turn it round?"""
    return tags.colours == WHITE_IS_ZERO and tags.type not in ("uint1", "uint2", "uint4", "uint8")


def eight_bit_rgb(image: Image.Image, name: str) -> Image.Image:
    """A picture of 8 bits in RGB.  name: of its file"""
    if image.mode == "La":
        image = image.convert("LA")
    if image.mode in ("RGBA", "LA"):
        values = np.asarray(image)
        if not is_transparency(values[..., -1], (values[..., :-1] == 0).all(axis=2)):
            say_left_out(name, values.shape[2])
            return image.convert("RGBA").convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        black = Image.new("RGB", image.size)
        return Image.composite(image.convert("RGB"), black, image.getchannel("A"))
    return image.convert("RGB")


def is_read_otherwise(path: Path) -> bool:
    """Did READING 1 make other pixels of this file? It kept the upper byte of 16 bits, and took a fourth
    band for transparency. JPEG has neither.
    """
    if path.suffix.lower() in (".jpg", ".jpeg"):
        return False
    try:
        with Image.open(path) as image:
            return is_deep(image) or image.mode in ("RGBA", "LA", "RGBa", "La") or image.format == "JPEG2000"
    except UNREADABLE:
        return True


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
