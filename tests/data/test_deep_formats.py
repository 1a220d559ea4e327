"""Kinds of files of which Pillow loses bits or bands, or turns the values: read rightly, or refused."""

import struct

import numpy as np
import pytest

from data import rasters
from deep_pictures import (
    ELEVEN_BITS,
    FAR,
    PHOTOGRAPH,
    needs_rasterio,
    photograph,
    read,
    write_geotiff,
    write_tiff,
)
from support.errors import InputError

pytestmark = pytest.mark.usefixtures("forgotten_notes")


def write_jpeg2000(path, values, bits=16):
    """By rasterio, without loss.  values: [H, W, C]"""
    lossless = {"QUALITY": "100", "REVERSIBLE": "YES", "NBITS": str(bits)}
    return write_geotiff(path, values, driver="JP2OpenJPEG", **lossless)


@needs_rasterio
@pytest.mark.parametrize("bits, shift", [(12, 4), (16, 3), (16, 0)])
@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_jpeg_2000_of_more_than_8_bits(tmp_path, bands, bits, shift):
    values = np.dstack([PHOTOGRAPH, FAR])[..., :bands].astype(np.uint16) << shift
    file = write_jpeg2000(tmp_path / "x.jp2", values, bits)
    assert (read(file) == PHOTOGRAPH[..., : 3 if bands > 2 else 1]).all()


@needs_rasterio
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_jpeg_2000_of_many_bands_is_counted(tmp_path, kind, monkeypatch):
    values = photograph(bands=13).astype(kind)
    file = write_jpeg2000(tmp_path / "x.jp2", values, 8 * values.dtype.itemsize)
    with pytest.raises(InputError, match="it has 13 bands: --bands says"):
        read(file)
    assert (read(file, (4, 3, 2)) == values[..., [3, 2, 1]]).all()
    monkeypatch.setattr(rasters, "rasterio", None)
    with pytest.raises(InputError, match=r"it has 13 bands of uint\d+: install rasterio"):
        read(file, (4, 3, 2))


@pytest.mark.parametrize("kind", ["ppm", "plain ppm", "sgi"])
def test_16_bits_of_which_pillow_gives_the_upper_ones_are_refused(tmp_path, kind):
    height, width, bands = ELEVEN_BITS.shape
    values = ELEVEN_BITS.astype(">u2")
    if kind == "ppm":
        content = b"P6 %d %d 65535\n" % (width, height) + values.tobytes()
    elif kind == "plain ppm":
        content = b"P3 %d %d 65535\n" % (width, height) + " ".join(map(str, values.ravel())).encode()
    else:
        head = struct.pack(">HBBHHHH", 474, 0, 2, 3, width, height, bands).ljust(512, b"\0")
        content = head + values[::-1].transpose(2, 0, 1).tobytes()
    file = tmp_path / f"x.{kind[-3:]}"
    file.write_bytes(content)
    with pytest.raises(InputError, match="16 bits are not read of the format .*: save it as PNG or TIFF"):
        read(file)


@needs_rasterio
@pytest.mark.parametrize("shift", [0, 3])
def test_colours_that_are_multiplied_by_alpha(tmp_path, shift):
    kind = np.uint16 if shift else np.uint8
    opaque = np.full_like(FAR, 255)
    values = np.dstack([PHOTOGRAPH, opaque]).astype(kind) << shift
    assert (read(write_tiff(tmp_path / "x.tif", values, extra=1)) == PHOTOGRAPH).all()
    grey = values[..., [0, 3]]
    file = write_tiff(tmp_path / "grey.tif", grey, photometric=1, extra=1)
    assert (read(file) == PHOTOGRAPH[..., :1]).all()


@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_0_may_be_white(tmp_path, kind):
    values = (255 - PHOTOGRAPH[..., :1]).astype(kind) << (8 if kind is np.uint16 else 0)
    file = write_tiff(tmp_path / "x.tif", values, photometric=-1)
    assert (read(file) == PHOTOGRAPH[..., :1]).all()
    if rasters.rasterio:
        scene = rasters.Raster(str(file))
        assert (np.asarray(scene.read((0, 0, *scene.size))) == PHOTOGRAPH[..., :1]).all()


@needs_rasterio
@pytest.mark.parametrize("bits", [2, 4])
def test_a_scene_of_a_few_bits_is_not_black(tmp_path, bits):
    file = write_geotiff(tmp_path / "x.tif", PHOTOGRAPH[..., :1] >> (8 - bits), nbits=bits)
    scene = rasters.Raster(str(file))
    assert (np.asarray(scene.read((0, 0, *scene.size))) == read(file)).all()


@pytest.mark.parametrize("colours, told", [(5, "cyan, magenta, yellow and black"), (8, "Lab")])
def test_other_colours_of_16_bits_are_no_red_green_and_blue(tmp_path, colours, told):
    values = np.dstack([PHOTOGRAPH, FAR])[..., : 4 if colours == 5 else 3].astype(np.uint16) << 3
    file = write_tiff(tmp_path / "x.tif", values, photometric=colours)
    with pytest.raises(InputError, match=f"that are {told}: save it as red, green and blue"):
        read(file)
    if rasters.rasterio:
        with pytest.raises(InputError, match=told):
            rasters.Raster(str(file))


@needs_rasterio
def test_what_gdal_stumbles_over_late_is_said_once(tmp_path):
    """A second picture that is not there: GDAL asks for it when the bands' colours are read."""
    file = tmp_path / "x.tif"
    write_tiff(file, np.dstack([PHOTOGRAPH, FAR]).astype(np.float64))
    content = bytearray(file.read_bytes())
    content[-4:] = struct.pack("<I", 1)
    file.write_bytes(content)
    with pytest.raises(InputError, match=r"^cannot read the image [^:]*x.tif: TIFFReadDirectory"):
        read(file)
