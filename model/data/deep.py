"""The values of pictures that Pillow opens, with all their bits.

Pillow keeps the upper byte alone of 16 bits in several bands, without a word. And it takes some TIFFs for
something else, or does not know them: `layout` says what they have.
"""

from pathlib import Path
from typing import NamedTuple, Optional, Tuple

import numpy as np
from PIL import Image
from PIL.TiffImagePlugin import ImageFileDirectory_v2

from data.stretch import is_other
from support.notes import counted

TIFF_BEGINS = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")
BITS, COLOURS, SAMPLES, PLANES, FORMAT, NODATA = 258, 262, 277, 284, 339, 42113  # numbers of tags
TYPES = {1: "uint", 2: "int", 3: "float"}  # of the tag FORMAT
WHITE_IS_ZERO = 0  # of the tag COLOURS
OTHER_COLOURS = {5: "cyan, magenta, yellow and black", 6: "YCbCr", 8: "Lab", 9: "Lab", 10: "Lab"}


class Layout(NamedTuple):
    """What the tags of a TIFF say."""

    bands: int
    type: str  # of all bands, such as "uint16"
    is_planar: bool  # one band after another, instead of pixel by pixel
    nodata: Optional[float]
    colours: int = 1  # the tag COLOURS

    def __str__(self) -> str:
        return f"{counted(self.bands, 'band')} of {self.type}"


def is_tiff(path: Path) -> bool:
    """By its first bytes."""
    with path.open("rb") as file:
        return file.read(4) in TIFF_BEGINS


def layout(path: Path) -> Layout:
    """Of a TIFF, whether Pillow knows its kind or not. Raises one of images.UNREADABLE if it is damaged."""
    with path.open("rb") as file:
        header = file.read(8)
        if header[2:3] == b"+" or header[3:4] == b"+":  # BigTIFF
            header += file.read(8)
        tags = ImageFileDirectory_v2(header)
        file.seek(tags.next)
        tags.load(file)
    return layout_of_tags(tags)


def layout_of_tags(tags) -> Layout:
    """tags: of Pillow, `image.tag_v2`. Raises ValueError if they are no tags of a picture."""
    try:
        count = int(tags.get(SAMPLES, 1))
        bits = max(tags.get(BITS, (1,)))
        kind = TYPES.get(max(tags.get(FORMAT, (1,))), "complex")
        is_planar = tags.get(PLANES, 1) == 2
        nodata = str(tags.get(NODATA, "")).strip("\0 ")
        colours = int(tags.get(COLOURS, 1))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError("its tags are damaged") from error
    return Layout(count, f"{kind}{bits}", is_planar, as_number(nodata), colours)


def check_colours(tags: Layout):
    """Raise ValueError if a TIFF of more than 8 bits has other bands than red, green and blue, or grey."""
    if tags.colours in OTHER_COLOURS and tags.type not in ("uint8", "uint1"):
        raise ValueError(
            f"it has {tags} that are {OTHER_COLOURS[tags.colours]}: save it as red, green and blue"
        )


def as_number(text: str) -> Optional[float]:
    """None if it is none."""
    try:
        return float(text)
    except ValueError:
        return None


# ---- values ----------------------------------------------------------------------------------------


def is_deep(image: Image.Image) -> bool:
    """Has it values of other than 8 bits without sign?  image: opened, its pixels not yet read"""
    if image.mode.startswith("I") or image.mode == "F":
        return True
    if hasattr(image, "tag_v2") and layout_of_tags(image.tag_v2).type == "int8":
        return True
    check_upper_bytes(image)
    return ";16" in raw_mode(image) and image.mode in ("RGB", "RGBA", "LA")


def check_upper_bytes(image: Image.Image):
    """Raise ValueError for kinds of which Pillow gives the upper bytes alone, not the lower ones."""
    if image.format not in ("SGI", "PPM") or image.mode == "I" or not image.tile:
        return
    codec, _, _, arguments = image.tile[0]
    last = arguments[-1] if isinstance(arguments, tuple) and arguments else 0
    largest = last if isinstance(last, int) else 0  # value of a PPM; how many bytes a value of an SGI has
    if codec == "SGI16" or (codec == "sgi_rle" and largest == 2) or largest > 4095:  # fewer bits are scaled
        raise ValueError(f"16 bits are not read of the format {image.format}: save it as PNG or TIFF")


def deep_values(path: Path, image: Image.Image) -> Tuple[np.ndarray, np.ndarray, bool]:
    """[H, W, C], where there are data [H, W] bool, and whether the last of C bands is marked transparent.

    image: of this path, its pixels not yet read
    """
    raw = raw_mode(image)
    image.load()
    is_marked = image.mode in ("RGBA", "LA") or raw.startswith("LA")
    if image.mode in ("RGB", "RGBA", "LA"):
        values = np.asarray(image) if ";16" not in raw else two_bytes(path, image, raw)
    else:
        values = np.asarray(image)[..., None]
        values = values.astype(values.dtype.newbyteorder("="))  # I;16B
    valid = np.ones(values.shape[:2], bool)
    if hasattr(image, "tag_v2"):
        tags = layout_of_tags(image.tag_v2)
        values = typed(values, tags.type)
        if tags.nodata is not None:
            valid = is_other(values, tags.nodata)
    transparent = image.info.get("transparency")  # of a PNG: a value, or one of each band
    if transparent is not None and not is_marked:
        valid &= is_other(values, transparent)
    return values, valid, is_marked


def typed(values: np.ndarray, name: str) -> np.ndarray:
    """Values of the type that they have in the file, which Pillow may have taken for another."""
    if name in ("int8", "uint32") and values.dtype.itemsize == np.dtype(name).itemsize:
        return values.view(name)
    return values.astype(name) if name in ("int16", "uint16") else values


def two_bytes(path: Path, image: Image.Image, raw: str) -> np.ndarray:
    """uint16 [H, W, C] of a picture of which Pillow reads the upper bytes alone.

    It reads the lower ones, if it is told that the bytes lie in the other order.
    """
    if raw.startswith("LA"):  # Pillow has no other order of these: read as four bands of a byte
        bytes_ = read_as(path, "RGBA").astype(np.uint16)
        return bytes_[..., ::2] << 8 | bytes_[..., 1::2]
    other = {"B": "L", "L": "B", "N": "B" if np.little_endian else "L"}[raw[-1]]
    lower = read_as(path, raw[:-1] + other)
    upper = np.asarray(image)
    return upper.astype(np.uint16) << 8 | lower


def raw_mode(image: Image.Image) -> str:
    """How Pillow will read the bytes of the file, such as "RGB;16B"; "" if that is not known."""
    if not getattr(image, "tile", None):  # a picture that was made in memory has no such attribute
        return ""
    arguments = image.tile[0][3]
    first = arguments[0] if isinstance(arguments, tuple) and arguments else arguments
    return first if isinstance(first, str) else ""


def read_as(path: Path, raw: str) -> np.ndarray:
    """uint8 [H, W, C]: the pixels of a file, its bytes taken for those of another raw mode."""
    with Image.open(path) as image:
        image.tile = [tile_as(tile, raw) for tile in image.tile]
        image.load()
        return np.asarray(image)


def tile_as(tile, raw: str):
    """One of `image.tile`: codec, extents, offset and arguments, of which the raw mode is the first."""
    arguments = tile[3]
    others = (raw, *arguments[1:]) if isinstance(arguments, tuple) else raw
    if hasattr(tile, "_replace"):
        return tile._replace(args=others)
    return (*tile[:3], others)  # Pillow before 11
