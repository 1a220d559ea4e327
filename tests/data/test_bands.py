"""Transparency, near infrared and more than three bands: which are seen, and which are asked for."""

import io
from contextlib import redirect_stderr
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data import rasters
from deep_pictures import (
    FAR,
    PHOTOGRAPH,
    needs_rasterio,
    photograph,
    read,
    stretched,
    write_geotiff,
    write_png16,
    write_tiff,
)
from support.errors import InputError

pytestmark = pytest.mark.usefixtures("forgotten_notes")


def with_far(ending, tmp_path, kind=np.uint8) -> Path:
    """A file of red, green, blue, and near infrared where transparency is expected."""
    values = np.dstack([PHOTOGRAPH, FAR]).astype(kind)
    if kind == np.uint16:
        values <<= 3
    if ending == "tif":
        return write_tiff(tmp_path / "x.tif", values, extra=2)
    if kind == np.uint16:
        return write_png16(tmp_path / "x.png", values)
    Image.fromarray(values).save(tmp_path / "x.png")
    return tmp_path / "x.png"


@pytest.mark.parametrize("ending", ["tif", "png"])
@pytest.mark.parametrize("kind", [np.uint8, np.uint16])
def test_near_infrared_is_no_transparency_and_that_is_said_once(tmp_path, ending, kind, capsys):
    file = with_far(ending, tmp_path, kind)
    for _ in range(3):
        assert (read(file) == PHOTOGRAPH).all()
    assert capsys.readouterr().out == (
        f"note: x.{ending}: band 4 is no transparency, such as near infrared, and is left out\n"
    )


@pytest.mark.parametrize("level", [255, 128, 0])
def test_a_constant_alpha_is_one(tmp_path, level, capsys):
    Image.fromarray(np.dstack([PHOTOGRAPH, np.full_like(FAR, level)])).save(tmp_path / "x.png")
    assert np.abs(read(tmp_path / "x.png") - PHOTOGRAPH * (level / 255)).max() <= 1
    assert not capsys.readouterr().out


def test_an_alpha_that_is_mostly_0_or_255_is_one_whatever_its_edges_are(tmp_path, capsys):
    alpha = np.full_like(FAR, 255)
    alpha[:10] = 0
    alpha[10:14] = np.array([50, 100, 150, 200], np.uint8)[:, None, None]
    Image.fromarray(np.dstack([PHOTOGRAPH, alpha])).save(tmp_path / "x.png")
    assert not read(tmp_path / "x.png")[:10].any() and not capsys.readouterr().out


def test_a_border_of_zeros_makes_no_transparency_of_near_infrared(tmp_path):
    values = np.dstack([PHOTOGRAPH, FAR])
    values[:30] = 0  # three quarters
    assert (read(write_tiff(tmp_path / "x.tif", values, extra=2))[30:] == PHOTOGRAPH[30:]).all()


@pytest.mark.parametrize("has_rasterio", [False, pytest.param(True, marks=needs_rasterio)])
@pytest.mark.parametrize("bands", [5, 13])
def test_more_than_four_bands_are_counted_and_chosen(tmp_path, bands, has_rasterio, monkeypatch):
    values = photograph(bands=bands).astype(np.uint16) + 1000
    write_tiff(tmp_path / "x.tif", values, photometric=1)
    if not has_rasterio:
        monkeypatch.setattr(rasters, "rasterio", None)
    said = io.StringIO()
    with redirect_stderr(said), pytest.raises(InputError, match=f"it has {bands} bands: --bands .*4 3 2"):
        read(tmp_path / "x.tif")
    assert not said.getvalue()  # of Pillow
    if has_rasterio:
        assert (read(tmp_path / "x.tif", [4, 3, 2]) == stretched(values[..., [3, 2, 1]])).all()
    else:
        with pytest.raises(InputError, match=f"it has {bands} bands of uint16: install rasterio"):
            read(tmp_path / "x.tif", [4, 3, 2])


def test_five_bands_of_8_bits_are_counted_whatever_their_first_are_called(tmp_path):
    file = write_tiff(tmp_path / "x.tif", photograph(bands=5), photometric=2)
    with pytest.raises(InputError, match="it has 5 bands: --bands says"):
        read(file)


@needs_rasterio
def test_13_bands_of_8_bits_are_not_stretched(tmp_path):
    values = photograph(bands=13)
    file = write_geotiff(tmp_path / "x.tif", values)
    assert (read(file, [4, 3, 2]) == values[..., [3, 2, 1]]).all()


@pytest.mark.parametrize("ending", ["tif", "png"])
def test_false_colours_of_four_bands(tmp_path, ending):
    assert (read(with_far(ending, tmp_path), [4, 1, 2]) == np.dstack([FAR, PHOTOGRAPH[..., :2]])).all()


@pytest.mark.parametrize("ending", ["jpg", "png", "tif"])
def test_a_band_that_is_not_there_is_refused(tmp_path, ending):
    Image.fromarray(PHOTOGRAPH).save(tmp_path / f"x.{ending}")
    with pytest.raises(InputError, match="it has 3 bands, and --bands asks for number 4"):
        read(tmp_path / f"x.{ending}", [4, 3, 2])
    assert read(tmp_path / f"x.{ending}", [3, 2, 1]).shape == PHOTOGRAPH.shape
