"""Pictures that rasterio reads: GeoTIFFs of any size, and of any number of bands of any type.

rasterio need not be installed: most pictures are read by Pillow.
"""

import logging
import struct
import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
from PIL import Image

from data.bands import Bands, choose_bands, is_transparency, say_left_out
from data.deep import WHITE_IS_ZERO, check_colours, is_tiff, layout
from data.stretch import LONGEST, Stretch, find_stretch, is_other
from support.errors import InputError, first_line

try:
    import rasterio
    from rasterio._err import CPLE_BaseError  # GDAL's own errors, which rasterio lets through in places
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.windows import Window
except ImportError:
    rasterio = None

Box = Tuple[int, int, int, int]  # left, top, right, bottom, as Pillow has it

logging.getLogger("rasterio").setLevel(logging.CRITICAL)  # a line for each odd file; errors are raised


class Raster:
    """A file on disk, read box by box.

    Its bands are red, green and blue, or its only one is grey. Values of more than 8 bits are stretched as
    data/stretch.py says, by percentiles of the whole image, the same for every box.
    """

    def __init__(self, file: str, bands: Optional[Bands] = None):
        """bands: that are red, green and blue, by default the first three"""
        self.file = file
        self.georeference: Optional[Dict[str, Any]] = None
        with self.open() as raster:
            self.size = raster.width, raster.height
            try:
                self.bands = choose_bands(raster.count, bands)
            except ValueError as error:
                raise InputError(f"cannot read the image {file}: {error}") from error
            self.nodata = raster.nodatavals[0]
            self.check_colours()  # GDAL makes up a palette where 0 is white
            self.bits = int(raster.tags(self.bands[0], ns="IMAGE_STRUCTURE").get("NBITS", 8))
            if raster.crs or not raster.transform.is_identity:
                self.georeference = {"crs": raster.crs, "transform": raster.transform}
            if raster.colorinterp[0] == ColorInterp.palette and not self.is_negative:
                raise InputError(
                    f"{file} has a palette: make it red, green and blue with gdal_translate -expand rgb"
                )
            if raster.dtypes[0].startswith("complex"):
                raise InputError(f"cannot read the image {file}: its values are complex numbers")
            self.ignores_mask = False  # is what GDAL takes for transparency a band?
            self.is_byte = all(raster.dtypes[band - 1] == "uint8" for band in self.bands) and self.bits >= 8
            alpha = raster.count if raster.colorinterp[-1] == ColorInterp.alpha else None
            if alpha and not is_transparency(*self.alpha(raster, alpha)):
                self.ignores_mask = True
            if raster.count == 4 and bands is None and (self.ignores_mask or not alpha):
                say_left_out(Path(file).name)
        self.stretch = self.find_stretch()

    def check_colours(self):
        """See that the bands are red, green and blue, or grey, and whether 0 is white."""
        self.is_negative = False
        path = Path(self.file)
        if not is_tiff(path):
            return
        try:
            tags = layout(path)
            check_colours(tags)
        except (ValueError, SyntaxError, KeyError, TypeError, struct.error) as error:
            raise InputError(f"cannot read the image {self.file}: {first_line(error)}") from error
        self.is_negative = tags.colours == WHITE_IS_ZERO

    @contextmanager
    def open(self):
        """The file, opened anew for every box, so that each worker process has its own."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # a TIFF without georeference is fine
                with rasterio.open(self.file) as raster:
                    yield raster
        except (rasterio.errors.RasterioError, CPLE_BaseError) as error:
            raise InputError(f"cannot read the image {self.file}: {first_line(error)}") from error

    def alpha(self, raster, band: int) -> Tuple[np.ndarray, np.ndarray]:
        """[H, W] of a band, and where all others are 0, shrunk."""
        _, height, width = self.shape_within(LONGEST)
        others = [other for other in range(1, raster.count + 1) if other != band]
        colours = raster.read(others, out_shape=(len(others), height, width))
        return raster.read(band, out_shape=(height, width)), (colours == 0).all(axis=0)

    def find_stretch(self) -> Stretch:
        """Of the whole image, shrunk."""
        if self.is_byte:
            return Stretch(np.zeros(3), np.full(3, 255.0))
        if self.bits < 8:
            return Stretch(np.zeros(len(self.bands)), np.full(len(self.bands), 2.0**self.bits - 1))
        _, height, width = self.shape_within(LONGEST)
        values = self.values(out_shape=(len(self.bands), height, width))
        valid = self.valid(values, out_shape=(height, width))
        try:
            return find_stretch(values, valid)
        except ValueError as error:
            raise InputError(f"cannot read the image {self.file}: {error}") from error

    def values(self, **what) -> np.ndarray:
        """[height, width, C].  what: arguments of rasterio's `read`, which part and how large"""
        with self.open() as raster:
            return raster.read(self.bands, **what).transpose(1, 2, 0)

    def valid(self, values: np.ndarray, **what) -> np.ndarray:
        """bool [height, width]: where there are data.  values: there;  what: arguments of `dataset_mask`"""
        if self.nodata is not None:  # rasterio's own mask asks the other bands, too
            return is_other(values, self.nodata)
        if self.ignores_mask:
            return np.ones(values.shape[:2], bool)
        with self.open() as raster:
            return raster.dataset_mask(**what) > 0

    def shape_within(self, longest: int) -> Tuple[int, int, int]:
        """C, height, width: in proportion, no side longer than this, and none larger than it is."""
        scale = min(1, longest / max(self.size))
        width, height = (max(1, round(side * scale)) for side in self.size)
        return len(self.bands), height, width

    def picture(self, mask: Dict[str, Any], **what) -> Image.Image:
        """8 bits of what rasterio reads with these arguments.  mask: those of its mask"""
        pixels = self.values(**what)
        if not self.is_byte or self.is_negative:
            valid = self.valid(pixels, **mask)
            if not self.is_byte:
                pixels = self.stretch.apply(pixels, valid)
            if self.is_negative:
                pixels = np.where(valid[..., None], 255 - pixels, 0).astype(np.uint8)
        return Image.fromarray(np.repeat(pixels, 3, axis=2) if pixels.shape[2] == 1 else pixels)

    def read(self, box: Box) -> Image.Image:
        """A part of it."""
        left, top, right, bottom = box
        window = Window(left, top, right - left, bottom - top)
        return self.picture({"window": window}, window=window)

    def overview(self, longest: int) -> Image.Image:
        """All of it, no side longer than this."""
        shape = self.shape_within(longest)
        return self.picture({"out_shape": shape[1:]}, out_shape=shape, resampling=Resampling.average)

    def has_data(self, shape: Tuple[int, int]) -> np.ndarray:
        """bool [R, L]: where the image has data."""
        values = np.empty((*shape, 0))
        if self.nodata is not None:
            values = self.values(out_shape=(len(self.bands), *shape))
        return self.valid(values, out_shape=shape)
