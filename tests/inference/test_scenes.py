"""Large images are read as small ones are, whichever library reads them."""

import os

import numpy as np
import pytest
from PIL import Image

from data.images import read_image
from deep_pictures import (
    ELEVEN_BITS,
    NARROW,
    needs_rasterio,
    photograph,
    stretched,
    write_geotiff,
    write_png16,
    write_tiff,
)
from inference.scenes import Picture, open_scene
from support.errors import InputError

pytestmark = pytest.mark.usefixtures("forgotten_notes")


def whole(scene) -> np.ndarray:
    return np.asarray(scene.read((0, 0, *scene.size))).astype(int)


@needs_rasterio
@pytest.mark.parametrize("kind", ["uint8", "uint16", "int16", "float32"])
def test_a_scene_has_the_pixels_of_the_picture(tmp_path, kind):
    for values in (photograph().astype(kind), *([] if kind == "uint8" else [ELEVEN_BITS.astype(kind)])):
        file = write_geotiff(tmp_path / "x.tif", values)
        assert (whole(open_scene(str(file))) == photograph()).all()
    values = photograph() if kind == "uint8" else NARROW.astype(kind)
    file = write_geotiff(tmp_path / "x.tif", values)
    assert (whole(open_scene(str(file))) == np.asarray(read_image(file))).all()
    assert (whole(Picture(str(file))) == whole(open_scene(str(file)))).all()


@needs_rasterio
def test_8_bit_values_in_16_bits_are_not_stretched(tmp_path):
    file = write_geotiff(tmp_path / "x.tif", photograph().astype(np.uint16))
    assert (whole(open_scene(str(file))) == photograph()).all()


def test_a_picture_of_16_bits_is_stretched(tmp_path):
    file = write_png16(tmp_path / "x.png", NARROW)
    assert (whole(open_scene(str(file))) == stretched(NARROW)).all()


@needs_rasterio
@pytest.mark.parametrize("nodata", [None, 0])
def test_near_infrared_is_no_mask(tmp_path, nodata, capsys):
    values = photograph(bands=4)
    values[:20] = 0
    values[30:, 20:30, 3] = 0  # water
    file = write_geotiff(tmp_path / "x.tif", values, photometric="RGB", alpha="yes", nodata=nodata)
    has_data = open_scene(str(file)).has_data((40, 50))
    assert has_data[20:].all() and has_data[:20].all() == (nodata is None)
    assert "note: x.tif: band 4 is no transparency" in capsys.readouterr().out


@needs_rasterio
@pytest.mark.parametrize("missing", [7, np.nan])
def test_what_the_file_calls_no_data_is_asked_of_the_bands_that_are_seen(tmp_path, missing):
    values = photograph(bands=4).astype(np.float32)
    values[:20] = missing
    values[30:, 20:30, 3] = missing
    how = {"photometric": "RGB", "alpha": "unspecified", "nodata": missing}
    has_data = open_scene(str(write_geotiff(tmp_path / "x.tif", values, **how))).has_data((40, 50))
    assert has_data[20:].all() and not has_data[:20].any()


@needs_rasterio
def test_a_mask_is_one(tmp_path, capsys):
    alpha = np.full((40, 50, 1), 255, np.uint8)
    alpha[:10] = 0
    values = np.dstack([photograph(), alpha])
    file = write_geotiff(tmp_path / "x.tif", values, photometric="RGB", alpha="yes")
    has_data = open_scene(str(file)).has_data((40, 50))
    assert has_data[10:].all() and not has_data[:10].any() and not capsys.readouterr().out


@needs_rasterio
def test_no_data_is_black_in_a_stretched_scene(tmp_path):
    values = NARROW.copy()
    values[:4] = 65535
    scene = open_scene(str(write_geotiff(tmp_path / "x.tif", values, nodata=65535)))
    assert not whole(scene)[:4].any() and (whole(scene)[4:] == stretched(values[4:])).all()
    assert not np.asarray(scene.read((10, 0, 20, 4))).any()
    assert np.asarray(scene.overview(20)).shape == (16, 20, 3)


@needs_rasterio
def test_more_than_four_bands_are_counted_and_chosen(tmp_path):
    values = photograph(bands=13).astype(np.uint16) + 1000
    file = write_geotiff(tmp_path / "x.tif", values)
    with pytest.raises(InputError, match="x.tif: it has 13 bands: --bands says .*4 3 2"):
        open_scene(str(file))
    assert (whole(open_scene(str(file), [4, 3, 2])) == stretched(values[..., [3, 2, 1]])).all()


def test_without_rasterio_a_tiff_of_many_bands_is_refused_by_its_count(tmp_path):
    write_tiff(tmp_path / "x.tif", photograph(bands=6), photometric=1)
    with pytest.raises(InputError, match="it has 6 bands: --bands"):
        Picture(str(tmp_path / "x.tif"))


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_a_pipe_is_no_scene(tmp_path, ending):
    os.mkfifo(tmp_path / f"x.{ending}")
    with pytest.raises(InputError, match="it is a folder, a pipe or a device"):
        open_scene(str(tmp_path / f"x.{ending}"))


def test_8_bit_scenes_stay_as_they_are(tmp_path):
    for ending in ("png", "tif"):
        Image.fromarray(photograph()).save(tmp_path / f"x.{ending}")
        assert (whole(open_scene(str(tmp_path / f"x.{ending}"))) == photograph()).all()
