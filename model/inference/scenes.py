"""Large images, read box by box.

Pillow reads all of a picture into memory. A GeoTIFF is read by rasterio (data/rasters.py), if that is
installed, and only the tile that is looked at is in memory.
"""

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
from PIL import Image

from data.bands import Bands
from data.images import check_regular, printable, read_whole
from data.rasters import Raster, rasterio
from inference.tiles import NO_DATA, Box, Scene
from support.errors import InputError
from support.files import atomic
from support.packages import install

GEOTIFF = (".tif", ".tiff")
MOST_PIXELS = 2 * 10**9  # pixels


def open_scene(file: str, bands: Optional[Bands] = None) -> Scene:
    """Raises InputError if it cannot be read.  bands: that are red, green and blue, if not the first"""
    is_geotiff = Path(file).suffix.lower() in GEOTIFF
    if is_geotiff and rasterio is None:
        print(
            f"note: {printable(file)}: a georeference would not be kept, "
            f"as rasterio is not installed ({install('rasterio')})"
        )
    if is_geotiff and rasterio is not None:
        check_regular(Path(file))
        return Raster(file, bands)
    return Picture(file, bands)


class Picture:
    """An image in memory."""

    georeference: Optional[Dict[str, Any]] = None

    def __init__(self, file: str, bands: Optional[Bands] = None):
        try:
            with pixels_allowed(MOST_PIXELS):
                self.image = read_whole(Path(file), bands)
        except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(f"cannot read the image {file}: {error}") from error
        self.size = self.image.size  # width, height

    def read(self, box: Box) -> Image.Image:
        """A part of it."""
        return self.image.crop(box)

    def overview(self, longest: int) -> Image.Image:
        """All of it, no larger than needed to be `longest` pixels long."""
        return self.image.reduce(max(1, max(self.size) // longest))

    def has_data(self, shape: Tuple[int, int]) -> np.ndarray:
        """bool [R, L]: where the image has data."""
        return np.ones(shape, bool)


@contextmanager
def pixels_allowed(count: int):
    """Let Pillow open images of up to this many pixels; a warning of larger ones is an error.

    Pillow takes very large images for an attack, as a few bytes can claim any size. Here they are wanted.
    """
    usual = Image.MAX_IMAGE_PIXELS
    Image.MAX_IMAGE_PIXELS = count
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = usual


def write_geotiff(
    file: Path,
    classes: np.ndarray,
    cell: int,
    georeference: Dict[str, Any],
    names: Sequence[str],
    colours: np.ndarray,
):
    """Class numbers, one pixel a cell, where the scene is on earth; names in the tags, colours in the table.

    classes: uint8 [R, L];  cell: side of a cell in pixels of the scene;  colours: uint8 [K, 3]
    """
    tags = {f"class_{k}": name for k, name in enumerate(names)}
    colour_table = {k: tuple(colour) for k, colour in enumerate(colours.tolist())}
    with cells_on_earth(file, classes, cell, georeference, NO_DATA) as raster:
        raster.write_colormap(1, colour_table)
        raster.update_tags(**tags)


def write_confidence_geotiff(file: Path, values: np.ndarray, cell: int, georeference: Dict[str, Any]):
    """Probabilities, one pixel a cell, where the scene is on earth.  values: float32 [R, L]"""
    with cells_on_earth(file, values, cell, georeference, None):
        pass


@contextmanager
def cells_on_earth(
    file: Path, values: np.ndarray, cell: int, georeference: Dict[str, Any], no_data: Optional[int]
):
    """A GeoTIFF of one band, to which more can be added.  values: [R, L]"""
    a, b, left, d, e, top = tuple(georeference["transform"])[:6]
    height, width = values.shape
    profile = {
        "driver": "GTiff",
        "dtype": values.dtype,
        "count": 1,
        "height": height,
        "width": width,
        "nodata": no_data,
        "compress": "deflate",
        "crs": georeference["crs"],
        "transform": rasterio.Affine(a * cell, b * cell, left, d * cell, e * cell, top),
    }
    with atomic(file) as temporary, rasterio.open(temporary, "w", **profile) as raster:
        raster.write(values, 1)
        yield raster
