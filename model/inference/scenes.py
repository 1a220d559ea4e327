"""Large images, read box by box: by Pillow, all at once, or a GeoTIFF by rasterio (optional), of which only the tile at hand is in memory."""

import warnings
from contextlib import contextmanager
from pathlib import Path
from typing import Sequence, Tuple

import numpy as np
from PIL import Image, ImageOps

from data.images import UNREADABLE, eight_bit_rgb, printable
from inference.tiles import NOWHERE, Box
from support.errors import InputError
from support.files import atomic

try:
    import rasterio
    from rasterio.enums import ColorInterp, Resampling
    from rasterio.windows import Window
except ImportError:
    rasterio = None


GEOTIFF = (".tif", ".tiff")
LARGEST = 2 * 10**9  # pixels


def open_scene(file: str) -> "Picture | Raster":
    is_geotiff = Path(file).suffix.lower() in GEOTIFF
    if is_geotiff and rasterio is None:
        print(
            f"note: {printable(file)}: a georeference would not be kept, as rasterio is not installed (pip install rasterio)"
        )
    return Raster(file) if is_geotiff and rasterio else Picture(file)


class Picture:
    """An image in memory."""

    georeference = None

    def __init__(self, file: str):
        try:
            with pixels_allowed(LARGEST), Image.open(file) as image:
                self.image = eight_bit_rgb(ImageOps.exif_transpose(image))
        except (*UNREADABLE, Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
            raise InputError(f"cannot read the image {file}: {error}") from error
        self.size = self.image.size  # width, height

    def read(self, box: Box) -> Image.Image:
        return self.image.crop(box)

    def overview(self, longest: int) -> Image.Image:
        """All of it, no larger than needed to be `longest` pixels long."""
        return self.image.reduce(max(1, max(self.size) // longest))

    def is_there(self, shape: Tuple[int, int]) -> np.ndarray:
        """bool [R, L]: where the image has data."""
        return np.ones(shape, bool)


@contextmanager
def pixels_allowed(count: int):
    """Pillow takes very large images for an attack, as a few bytes can claim any size. Here they are what is asked for, up to this count,
    above which Pillow would only warn."""
    usual, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, count
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            yield
    finally:
        Image.MAX_IMAGE_PIXELS = usual


class Raster:
    """A GeoTIFF on disk. Its first three bands are red, green and blue, or its only one is grey; all but 8-bit ones are stretched."""

    def __init__(self, file: str):
        self.file = file
        with self.open() as raster:
            self.size = raster.width, raster.height
            self.bands = [1, 2, 3] if raster.count >= 3 else [1, 1, 1]
            self.is_byte = raster.dtypes[0] == "uint8"
            self.georeference = (
                {"crs": raster.crs, "transform": raster.transform}
                if raster.crs or not raster.transform.is_identity
                else None
            )
            if raster.colorinterp[0] == ColorInterp.palette:
                raise InputError(
                    f"{file} has a palette: make it red, green and blue with gdal_translate -expand rgb"
                )
        self.black, self.white = self.stretch()

    @contextmanager
    def open(self):
        """Anew for every box, so that any worker can."""
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # that a TIFF has no georeference is fine
                with rasterio.open(self.file) as raster:
                    yield raster
        except rasterio.errors.RasterioError as error:
            raise InputError(f"cannot read the image {self.file}: {error}") from error

    def stretch(self) -> Tuple[np.ndarray, np.ndarray]:
        """[3, 1, 1] each: what becomes black and white, percentiles 2 and 98 of each band of the whole image."""
        if self.is_byte:
            return np.zeros((3, 1, 1)), np.full((3, 1, 1), 255)
        bands = np.ma.masked_invalid(self.pixels(out_shape=self.shape_within(1024), masked=True))
        low, high = np.array(
            [np.percentile(band.compressed() if band.count() else [0], (2, 98)) for band in bands]
        ).T.reshape(2, 3, 1, 1)
        return low, np.where(high > low, high, low + 1)

    def pixels(self, **what) -> np.ndarray:
        with self.open() as raster:
            return raster.read(self.bands, **what)

    def shape_within(self, longest: int) -> Tuple[int, int, int]:
        width, height = (max(1, round(side * min(1, longest / max(self.size)))) for side in self.size)
        return 3, height, width

    def picture(self, **what) -> Image.Image:
        pixels = (self.pixels(**what) - self.black) / (self.white - self.black) * 255
        return Image.fromarray(np.nan_to_num(pixels).clip(0, 255).round().astype(np.uint8).transpose(1, 2, 0))

    def read(self, box: Box) -> Image.Image:
        left, top, right, bottom = box
        return self.picture(window=Window(left, top, right - left, bottom - top))

    def overview(self, longest: int) -> Image.Image:
        return self.picture(out_shape=self.shape_within(longest), resampling=Resampling.average)

    def is_there(self, shape: Tuple[int, int]) -> np.ndarray:
        with self.open() as raster:
            return raster.dataset_mask(out_shape=shape) > 0


def write_geotiff(
    file: Path, classes: np.ndarray, cell: int, georeference: dict, names: Sequence[str], colours: np.ndarray
):
    """Class numbers, one pixel a cell, where the scene is on earth; names in the tags, colours in the table. classes: uint8 [R, L]"""
    a, b, left, d, e, top = tuple(georeference["transform"])[:6]
    transform = rasterio.Affine(a * cell, b * cell, left, d * cell, e * cell, top)
    with atomic(file) as temporary:
        with rasterio.open(
            temporary,
            "w",
            driver="GTiff",
            dtype="uint8",
            count=1,
            height=classes.shape[0],
            width=classes.shape[1],
            nodata=NOWHERE,
            compress="deflate",
            crs=georeference["crs"],
            transform=transform,
        ) as raster:
            raster.write(classes, 1)
            raster.write_colormap(1, {k: tuple(colour) for k, colour in enumerate(colours.tolist())})
            raster.update_tags(**{f"class_{k}": name for k, name in enumerate(names)})
