"""Pictures of more than 8 bits: one stretch to 8 bits, whoever reads the file."""

import numpy as np
import pytest
from PIL import Image

from data import rasters
from data.images import read_image
from data.ranges import used_range
from deep_pictures import (
    ELEVEN_BITS,
    NARROW,
    PHOTOGRAPH,
    chunk,
    needs_rasterio,
    read,
    stretched,
    write_geotiff,
    write_png16,
    write_tiff,
)
from support.errors import InputError

pytestmark = pytest.mark.usefixtures("forgotten_notes")


# ---- the stretch -----------------------------------------------------------------------------------


@pytest.mark.parametrize("bands", [1, 2, 3, 4])
def test_a_narrow_range_in_a_png_is_stretched(tmp_path, bands):
    values = NARROW[..., : 1 if bands < 3 else 3]
    opaque = np.full_like(values[..., :1], 65535)
    file = write_png16(tmp_path / "x.png", values if bands % 2 else np.dstack([values, opaque]))
    assert (read(file) == stretched(values)).all()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_narrow_range_in_a_tiff_is_stretched(tmp_path, bands, order):
    values = NARROW[..., :bands]
    assert (read(write_tiff(tmp_path / "x.tif", values, order)) == stretched(values)).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("bits", [9, 10, 11, 12, 14, 15, 16])
@pytest.mark.parametrize("bands", [1, 3])
def test_a_sensors_bits_are_those_of_the_8_bit_picture(tmp_path, ending, bits, bands):
    lower = np.random.default_rng(1).integers(0, 1 << (bits - 8), PHOTOGRAPH.shape).astype(np.uint16)
    values = (PHOTOGRAPH.astype(np.uint16) << (bits - 8)) + lower
    write = write_png16 if ending == "png" else write_tiff
    file = write(tmp_path / f"x.{ending}", values[..., :bands])
    assert (read(file) == PHOTOGRAPH[..., :bands]).all()


@pytest.mark.parametrize("kind", ["int16", "int32", "uint32", "float32"])
@pytest.mark.parametrize("factor", [1, 8, 0.004])
def test_a_filled_range_is_kept_in_any_type(tmp_path, kind, factor):
    if kind != "float32" and factor < 1:
        pytest.skip("whole numbers")
    file = write_tiff(tmp_path / "x.tif", (PHOTOGRAPH[..., :1] * float(factor)).astype(kind))
    expected = PHOTOGRAPH[..., :1] * (0.004 * 256 if factor < 1 else 1)
    assert np.abs(read(file) - expected).max() <= (0.51 if factor < 1 else 0)


def test_dark_pictures_of_a_sensor_stay_darker(tmp_path):
    dark, bright = (read(write_png16(tmp_path / "x.png", ELEVEN_BITS // part)).mean() for part in (4, 1))
    assert dark == pytest.approx(bright, rel=0.02)  # by a power of two, nobody can tell
    dark, bright = (read(write_png16(tmp_path / "x.png", ELEVEN_BITS // 5 * part)).mean() for part in (3, 5))
    assert 0.55 < dark / bright < 0.65


def test_a_few_bright_clouds_make_no_picture_black(tmp_path):
    values = (PHOTOGRAPH.astype(np.uint16) << 2) + 200
    values[:1, :20] = 12000
    pixels = read(write_png16(tmp_path / "x.png", values))
    assert 80 < pixels[5:].mean() < 180 and pixels[5:].std() > 40


@pytest.mark.parametrize("ending", ["png", "tif"])
@pytest.mark.parametrize("bands", [1, 3])
def test_8_bit_values_in_16_bits_stay_as_they_are(tmp_path, ending, bands):
    write = write_png16 if ending == "png" else write_tiff
    file = write(tmp_path / f"x.{ending}", PHOTOGRAPH[..., :bands].astype(np.uint16))
    assert (read(file) == PHOTOGRAPH[..., :bands]).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_values_that_fill_16_bits_lose_their_lower_byte(tmp_path, ending):
    values = PHOTOGRAPH.astype(np.uint16) * 257
    write = write_png16 if ending == "png" else write_tiff
    assert (read(write(tmp_path / f"x.{ending}", values)) == PHOTOGRAPH).all()


@pytest.mark.parametrize("kind", ["int16", "int32", "uint32", "float32"])
def test_other_types_of_one_band_are_stretched(tmp_path, kind):
    values = (8.0 * PHOTOGRAPH[..., :1] - 300 - 800 * (kind == "float32")) / (
        8192 if kind == "float32" else 1
    )
    if kind == "uint32":
        values += 3e9
    values = values.astype(kind)
    assert np.abs(read(write_tiff(tmp_path / "x.tif", values)) - stretched(values)).max() <= 1


@needs_rasterio
@pytest.mark.parametrize("kind", ["uint16", "int16", "int32", "uint32", "float32", "float64"])
@pytest.mark.parametrize("how", [{"interleave": "band"}, {"interleave": "pixel"}, {"photometric": "RGB"}])
@pytest.mark.parametrize("bands", [1, 3])
def test_with_rasterio_there_is_no_other_rule(tmp_path, kind, how, bands):
    if bands == 1 and "photometric" in how:
        how = {"compress": "lzw", "predictor": 1}
    values = NARROW[..., :bands].astype(kind)
    assert (read(write_geotiff(tmp_path / "x.tif", values, **how)) == stretched(values)).all()


@pytest.mark.parametrize("compress", ["lzw", "deflate"])
@needs_rasterio
def test_compressed_rgb_of_16_bits_needs_no_rasterio(tmp_path, compress, monkeypatch):
    how = {"photometric": "RGB", "compress": compress, "predictor": 2}
    write_geotiff(tmp_path / "x.tif", NARROW, **how)
    monkeypatch.setattr(rasters, "rasterio", None)
    assert (read(tmp_path / "x.tif") == stretched(NARROW)).all()


@pytest.mark.parametrize("kind", ["int16", "float32"])
def test_without_rasterio_what_pillow_cannot_read_is_refused_with_what_to_do(tmp_path, kind, monkeypatch):
    monkeypatch.setattr(rasters, "rasterio", None)
    write_tiff(tmp_path / "x.tif", NARROW.astype(kind))
    message = (
        rf"x.tif: it has 3 bands of {kind}: install rasterio to read it "
        r"\(\S*python\S* -m pip install rasterio\), or save"
    )
    with pytest.raises(InputError, match=message):
        read(tmp_path / "x.tif")


def test_what_is_not_finite_is_black_and_stretches_nothing(tmp_path):
    values = NARROW[..., :1].astype(np.float32)
    values[:3] = np.nan
    values[3] = np.inf
    pixels = read(write_tiff(tmp_path / "x.tif", values))
    assert not pixels[:4].any() and (pixels[4:] == stretched(values[4:])).all()


@needs_rasterio
@pytest.mark.parametrize("bands, how", [(1, {}), (3, {"photometric": "RGB"}), (3, {"interleave": "band"})])
def test_what_the_file_calls_no_data_is_black_and_stretches_nothing(tmp_path, bands, how):
    values = NARROW[..., :bands].copy()
    values[:4] = 65535
    pixels = read(write_geotiff(tmp_path / "x.tif", values, nodata=65535, **how))
    assert not pixels[:4].any() and (pixels[4:] == stretched(values[4:])).all()


def test_transparent_pixels_of_16_bits_are_black_and_stretch_nothing(tmp_path):
    alpha = np.full_like(NARROW[..., :1], 65535)
    alpha[:4] = 0
    values = NARROW.copy()
    values[:4] = 60000
    pixels = read(write_png16(tmp_path / "x.png", np.dstack([values, alpha])))
    assert not pixels[:4].any() and (pixels[4:] == stretched(values[4:])).all()


def test_a_colour_that_stands_for_transparent_is_black(tmp_path):
    file = write_png16(tmp_path / "x.png", NARROW)
    content = file.read_bytes()
    place = content.index(b"IDAT") - 4
    colour = chunk(b"tRNS", NARROW[7, 9].astype(">u2").tobytes())
    file.write_bytes(content[:place] + colour + content[place:])
    pixels = read(file)
    assert not pixels[7, 9].any() and np.abs(pixels - stretched(NARROW))[8:].max() <= 1


def test_a_few_dead_pixels_do_not_make_a_picture_black(tmp_path):
    values = NARROW.copy()
    values[:2, :2] = 65535
    assert 90 < read(write_png16(tmp_path / "x.png", values)).mean() < 160


def test_a_lying_picture_of_16_bits_is_turned_as_its_camera_says(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(NARROW[..., 0]).save(tmp_path / "x.png", exif=exif)
    assert (read(tmp_path / "x.png")[..., 0] == np.rot90(stretched(NARROW)[..., 0], -1)).all()


# ---- how much of its range a picture uses ----------------------------------------------------------


def test_the_used_range_is_that_of_the_type_or_of_8_bits(tmp_path):
    sensor = used_range(read_image(write_png16(tmp_path / "x.png", ELEVEN_BITS)))
    assert 0.01 < sensor.by_type < 0.04 and sensor.by_picture > 0.5
    Image.fromarray(PHOTOGRAPH >> 5).save(tmp_path / "dark.png")
    dark = used_range(read_image(tmp_path / "dark.png"))
    assert dark.by_type == 1 and dark.by_picture < 0.04
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "usual.png")
    assert used_range(read_image(tmp_path / "usual.png")).by_picture > 0.4
