"""Large images, read box by box.

Pillow reads all of a picture into memory. A GeoTIFF is read by rasterio, if that is installed, and only the
tile that is looked at is in memory.
"""

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Optional, Sequence, Tuple

import numpy as np
from PIL import Image, ImageOps

from data.images import UNREADABLE, eight_bit_rgb, printable
from inference.tiles import NO_DATA, Box, Scene
from support.errors import InputError
from support.files import atomic

try:
    import rasterio
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.windows import Window
except ImportError:
    rasterio = None


GEOTIFF = (".tif", ".tiff")
MOST_PIXELS = 2 * 10**9  # pixels


def open_scene(file: str) -> Scene:
    """Raises InputError if it cannot be read."""
    is_geotiff = Path(file).suffix.lower() in GEOTIFF
    if is_geotiff and rasterio is None:
        print(
            f"note: {printable(file)}: a georeference would not be kept, "
            "as rasterio is not installed (pip install rasterio)"
        )
    if is_geotiff and rasterio is not None:
        return Raster(file)
    return Picture(file)


class Picture:
    """An image in memory."""

    georeference: Optional[Dict[str, Any]] = None

    def __init__(self, file: str):
        try:
            with pixels_allowed(MOST_PIXELS), Image.open(file) as image:
                self.image = eight_bit_rgb(ImageOps.exif_transpose(image))
        except (*UNREADABLE, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
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


class Raster:
    """A GeoTIFF on disk. Its first three bands are red, green and blue, or its only one is grey.

    Values of more than 8 bits are stretched.
    """

    def __init__(self, file: str):
        self.file = file
        with self.open() as raster:
            self.size = raster.width, raster.height
            self.bands = [1, 2, 3] if raster.count >= 3 else [1, 1, 1]
            self.is_byte = raster.dtypes[0] == "uint8"
            self.georeference: Optional[Dict[str, Any]] = None
            if raster.crs or not raster.transform.is_identity:
                self.georeference = {"crs": raster.crs, "transform": raster.transform}
            if raster.colorinterp[0] == ColorInterp.palette:
                raise InputError(
                    f"{file} has a palette: make it red, green and blue with gdal_translate -expand rgb"
                )
        self.black, self.white = self.stretch()

    @contextmanager
    def open(self):
        """The file, opened anew for every box, so that each worker process has its own."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a TIFF without georeference is fine
                with rasterio.open(self.file) as raster:
                    yield raster
        except rasterio.errors.RasterioError as error:
            raise InputError(f"cannot read the image {self.file}: {error}") from error

    def stretch(self) -> Tuple[np.ndarray, np.ndarray]:
        """The values that become black and white, [3, 1, 1] each: percentiles 2 and 98 of each band.

        They are those of the whole image, shrunk to 1024 pixels, and the same for every tile.
        """
        if self.is_byte:
            return np.zeros((3, 1, 1)), np.full((3, 1, 1), 255)
        bands = np.ma.masked_invalid(self.pixels(out_shape=self.shape_within(1024), masked=True))
        percentiles = []
        for band in bands:
            values = band.compressed() if band.count() else [0]
            percentiles.append(np.percentile(values, (2, 98)))
        low, high = np.array(percentiles).T.reshape(2, 3, 1, 1)  # [3, 2] -> two of [3, 1, 1]
        return low, np.where(high > low, high, low + 1)

    def pixels(self, **what) -> np.ndarray:
        """[3, height, width].  what: arguments of rasterio's `read`, which part and how large"""
        with self.open() as raster:
            return raster.read(self.bands, **what)

    def shape_within(self, longest: int) -> Tuple[int, int, int]:
        """3, height, width: in proportion, no side longer than this, and none larger than it is."""
        scale = min(1, longest / max(self.size))
        width, height = (max(1, round(side * scale)) for side in self.size)
        return 3, height, width

    def picture(self, **what) -> Image.Image:
        """As `pixels`, stretched to 8 bits."""
        pixels = (self.pixels(**what) - self.black) / (self.white - self.black) * 255
        pixels = np.nan_to_num(pixels).clip(0, 255).round().astype(np.uint8)
        return Image.fromarray(pixels.transpose(1, 2, 0))  # [3, H, W] -> [H, W, 3]

    def read(self, box: Box) -> Image.Image:
        """A part of it."""
        left, top, right, bottom = box
        return self.picture(window=Window(left, top, right - left, bottom - top))

    def overview(self, longest: int) -> Image.Image:
        """All of it, no side longer than this."""
        return self.picture(out_shape=self.shape_within(longest), resampling=Resampling.average)

    def has_data(self, shape: Tuple[int, int]) -> np.ndarray:
        """bool [R, L]: where the image has data."""
        with self.open() as raster:
            return raster.dataset_mask(out_shape=shape) > 0


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
    a, b, left, d, e, top = tuple(georeference["transform"])[:6]
    height, width = classes.shape
    profile = {
        "driver": "GTiff",
        "dtype": "uint8",
        "count": 1,
        "height": height,
        "width": width,
        "nodata": NO_DATA,
        "compress": "deflate",
        "crs": georeference["crs"],
        "transform": rasterio.Affine(a * cell, b * cell, left, d * cell, e * cell, top),
    }
    tags = {f"class_{k}": name for k, name in enumerate(names)}
    colour_table = {k: tuple(colour) for k, colour in enumerate(colours.tolist())}
    with atomic(file) as temporary, rasterio.open(temporary, "w", **profile) as raster:
        raster.write(classes, 1)
        raster.write_colormap(1, colour_table)
        raster.update_tags(**tags)
