"""Pictures of any depth and number of bands: writers, which Pillow lacks, and what is read of them."""

import importlib.util
import struct
import warnings
import zlib
from pathlib import Path

import numpy as np
import pytest

from data.images import read_image
from support import notes

HAS_RASTERIO = importlib.util.find_spec("rasterio") is not None
needs_rasterio = pytest.mark.skipif(not HAS_RASTERIO, reason="rasterio is optional")

COLOUR_TYPES = {1: 0, 2: 4, 3: 2, 4: 6}  # of PNG, by the number of bands
TYPE_NUMBERS = {"u": 1, "i": 2, "f": 3}  # the tag SampleFormat, by numpy's kind


def photograph(height=40, width=50, bands=3) -> np.ndarray:
    """uint8 [H, W, C]: stripes, a slope and noise, other ones in each band."""
    rng = np.random.default_rng(0)
    slope = np.linspace(40, 180, width)[None, :, None] + np.zeros((height, 1, bands))
    stripes = 40 * (np.arange(height) // 5 % 2)[:, None, None] * np.arange(1, bands + 1) / bands
    return (slope + stripes + rng.normal(0, 12, slope.shape)).clip(0, 255).astype(np.uint8)


PHOTOGRAPH = photograph()
ELEVEN_BITS = PHOTOGRAPH.astype(np.uint16) << 3
NARROW = PHOTOGRAPH.astype(np.uint16) + 1000  # fills no range from 0 on
FAR = PHOTOGRAPH[..., :1] // 2 + 60  # near infrared: neither constant nor mostly 0 or 255


def read(path: Path, bands=None) -> np.ndarray:
    """int [H, W, 3], as all programs read it.  bands: of --bands"""
    image = read_image(path, bands)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


def write_png16(path: Path, values: np.ndarray) -> Path:
    """values: uint16 [H, W, C]"""
    height, width, bands = values.shape
    rows = [b"\0" + row.astype(">u2").tobytes() for row in values]
    head = struct.pack(">IIBBBBB", width, height, 16, COLOUR_TYPES[bands], 0, 0, 0)
    content = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head)
    path.write_bytes(content + chunk(b"IDAT", zlib.compress(b"".join(rows))) + chunk(b"IEND", b""))
    return path


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def write_tiff(path: Path, values: np.ndarray, order="<", photometric=None, extra=None) -> Path:
    """A plain TIFF, not compressed, pixel by pixel.

    values:      [H, W, C] of any number type
    order:       of its bytes, "<" or ">"
    photometric: 1 grey, -1 grey of which 0 is white, 2 RGB, 5 CMYK, 8 Lab; by default by the number of bands
    extra:       what the bands behind these are: 0 nothing known, 2 transparency
    """
    height, width, bands = values.shape
    photometric = photometric or (2 if bands >= 3 else 1)
    colours = {2: 3, 5: 4, 8: 3}.get(photometric, 1)
    photometric = max(photometric, 0)
    pixels = values.astype(values.dtype.newbyteorder(order)).tobytes()
    bits = 8 * values.dtype.itemsize
    tags = {256: [width], 257: [height], 258: [bits] * bands, 259: [1], 262: [photometric], 273: [8]}
    tags.update({277: [bands], 278: [height], 279: [len(pixels)], 284: [1]})
    if bands > colours:
        tags[338] = [0 if extra is None else extra] * (bands - colours)
    tags[339] = [TYPE_NUMBERS[values.dtype.kind]] * bands
    behind = 8 + len(pixels)  # where long values lie
    long_values, entries = b"", b""
    for tag, numbers in sorted(tags.items()):
        kind, size = ("I", 4) if tag in (256, 257, 273, 278, 279) else ("H", 2)
        content = struct.pack(f"{order}{len(numbers)}{kind}", *numbers)
        if len(content) > 4:
            place = struct.pack(order + "I", behind + len(long_values))
            long_values += content + b"\0" * (len(content) % 2)
            content = place
        entries += struct.pack(order + "HHI", tag, 4 if size == 4 else 3, len(numbers)) + content.ljust(
            4, b"\0"
        )
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(order + "I", behind + len(long_values))
    directory = struct.pack(order + "H", len(tags)) + entries + b"\0" * 4
    path.write_bytes(head + pixels + long_values + directory)
    return path


def write_geotiff(path: Path, values: np.ndarray, driver="GTiff", **profile) -> Path:
    """By rasterio.  values: [H, W, C];  profile: of rasterio, such as nodata or interleave"""
    import rasterio

    height, width, bands = values.shape
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it has no georeference
        shape = {"height": height, "width": width, "count": bands, "dtype": values.dtype}
        with rasterio.open(path, "w", driver=driver, **shape, **profile) as raster:
            raster.write(values.transpose(2, 0, 1))
    return path


def stretched(values: np.ndarray) -> np.ndarray:
    """Expected of [H, W, C] that fills no range: percentiles 2 and 98 of each band become 0 and 255."""
    low, high = np.percentile(values.astype(float), (2, 98), axis=(0, 1))
    return ((values - low) / (high - low) * 255).clip(0, 255).round()


def forget_notes():
    """What a program prints once is printed again."""
    notes.SAID[:] = bytes(len(notes.SAID))
