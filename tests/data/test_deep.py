"""Pictures of more than 8 bits and of more than three bands: one stretch, whoever reads the file."""

import io
import json
import struct
from contextlib import redirect_stderr

import numpy as np
import pytest
import torch
from PIL import Image

from data import rasters
from data.cache import open_cache, open_shared, stamp
from data.images import read_image
from data.pipeline import dsva_preprocessing
from data.ranges import used_range
from data.store import Store
from deep_pictures import (
    chunk,
    forget_notes,
    needs_rasterio,
    photograph,
    stretched,
    write_geotiff,
    write_png16,
    write_tiff,
)
from support.errors import InputError

PHOTOGRAPH = photograph()
ELEVEN_BITS = PHOTOGRAPH.astype(np.uint16) << 3
NARROW = PHOTOGRAPH.astype(np.uint16) + 1000  # fills no range from 0 on
FAR = PHOTOGRAPH[..., :1] // 2 + 60  # near infrared: neither constant nor mostly 0 or 255


@pytest.fixture(autouse=True)
def notes():
    forget_notes()


def read(path, bands=None) -> np.ndarray:
    image = read_image(path, bands)
    assert image.mode == "RGB"
    return np.asarray(image).astype(int)


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
        rf"x.tif: it has 3 bands of {kind}: install rasterio to read it \(pip install rasterio\), or save"
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


# ---- bands -----------------------------------------------------------------------------------------


def with_far(ending, tmp_path, kind=np.uint8):
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


# ---- how much of its range a picture uses ----------------------------------------------------------


def test_the_used_range_is_that_of_the_type_or_of_8_bits(tmp_path):
    sensor = used_range(read_image(write_png16(tmp_path / "x.png", ELEVEN_BITS)))
    assert 0.01 < sensor.by_type < 0.04 and sensor.by_picture > 0.5
    Image.fromarray(PHOTOGRAPH >> 5).save(tmp_path / "dark.png")
    dark = used_range(read_image(tmp_path / "dark.png"))
    assert dark.by_type == 1 and dark.by_picture < 0.04
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "usual.png")
    assert used_range(read_image(tmp_path / "usual.png")).by_picture > 0.4


# ---- what is kept decoded --------------------------------------------------------------------------


def decoded(folder, files, bands=None):
    """Through the cache on disk, as uint8 [3, H, W] each.  Returns them, and how many were decoded."""
    open_shared.cache_clear()
    how = dsva_preprocessing(32, "imagenet", bands)
    missing = Store(folder, how).missing(files, [stamp(file) for file in files])
    images = open_cache("disk", files, how, folder, 0, torch.device("cpu"))
    return [images[place] for place in range(len(files))], len(missing)


def make_older(folder):
    """As a version wrote it that knew no other reading: six numbers a line."""
    index = folder / "37.jsonl"
    head, *lines = index.read_text().splitlines()
    older = [json.dumps(json.loads(line)[:7]) for line in lines]
    index.write_text("\n".join([head, *older]) + "\n")


def test_pixels_of_the_former_rule_are_not_served(tmp_path):
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "a.png")
    Image.fromarray(PHOTOGRAPH).save(tmp_path / "b.jpg")
    write_tiff(tmp_path / "c.tif", PHOTOGRAPH)
    files = [tmp_path / "a.png", tmp_path / "b.jpg", tmp_path / "c.tif"]
    files.append(write_png16(tmp_path / "d.png", ELEVEN_BITS))
    files.append(write_tiff(tmp_path / "e.tif", np.dstack([PHOTOGRAPH, FAR]), extra=2))
    files.append(write_tiff(tmp_path / "f.tif", ELEVEN_BITS[..., :1].astype(np.float32)))
    folder = tmp_path / "cache"
    folder.mkdir()
    before, count = decoded(folder, files)
    assert count == 6
    make_older(folder)
    after, count = decoded(folder, files)
    assert count == 3  # what was read rightly before is not decoded again
    assert all(torch.equal(one, other) for one, other in zip(before, after))
    assert decoded(folder, files)[1] == 0


@needs_rasterio
def test_other_bands_are_other_pixels(tmp_path):
    folder = tmp_path / "cache"
    folder.mkdir()
    files = [write_geotiff(tmp_path / "x.tif", photograph(bands=4), photometric="RGB", alpha="unspecified")]
    (usual,), _ = decoded(folder, files)
    (false,), count = decoded(folder, files, [4, 3, 2])
    assert count == 1 and not torch.equal(usual, false)
    assert {file.name for file in folder.glob("*.pixels")} == {"37.pixels", "37-bands-4-3-2.pixels"}


# ---- kinds of which Pillow loses bits, or bands ----------------------------------------------------


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


def test_five_bands_of_8_bits_are_counted_whatever_their_first_are_called(tmp_path):
    file = write_tiff(tmp_path / "x.tif", photograph(bands=5), photometric=2)
    with pytest.raises(InputError, match="it has 5 bands: --bands says"):
        read(file)
