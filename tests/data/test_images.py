"""Any picture file is read rightly, or refused with a clear line; a folder of any size is walked through."""

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from data.images import LONGEST_STRIP, read_image, walk
from deep_pictures import read
from support.errors import InputError

BLUE = (51, 102, 204)  # of the palette that Pillow uses unasked


def picture(size=(40, 30), colour=BLUE) -> Image.Image:
    return Image.new("RGB", size, colour)


def test_a_photograph_is_turned_as_its_camera_says(tmp_path):
    lying = picture()
    lying.paste((255, 255, 255), (0, 0, 40, 10))  # white on top
    exif = Image.Exif()
    exif[0x0112] = 6  # turn by 90 degrees clockwise to look at it
    lying.save(tmp_path / "x.png", exif=exif)
    upright = read(tmp_path / "x.png")
    assert upright.shape == (40, 30, 3) and upright[:, -5].min() == 255 and (upright[:, 5] == BLUE).all()


@pytest.mark.parametrize(
    "mode, ending",
    [("CMYK", "jpg"), ("P", "png"), ("P", "gif"), ("YCbCr", "jpg"), ("RGB", "webp"), ("RGB", "tif")],
)
def test_other_colour_spaces_keep_their_colours(tmp_path, mode, ending):
    picture().convert(mode).save(tmp_path / f"x.{ending}")
    assert np.abs(read(tmp_path / f"x.{ending}") - BLUE).max() <= 6


@pytest.mark.parametrize("mode, value", [("L", 90), ("1", 1), ("LA", (90, 255))])
def test_gray_stays_gray(tmp_path, mode, value):
    Image.new(mode, (9, 9), value).save(tmp_path / "x.png")
    assert (read(tmp_path / "x.png") == (255 if mode == "1" else 90)).all()


@pytest.mark.parametrize("ending", ["png", "tif"])
def test_16_bits_are_scaled_and_not_cut_off(tmp_path, ending):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16).reshape(16, 16)
    Image.fromarray(ramp).save(tmp_path / f"x.{ending}")
    assert np.array_equal(read(tmp_path / f"x.{ending}")[..., 0], ramp >> 8)


@pytest.mark.parametrize(
    "values",
    [np.full((8, 8), 0.5, np.float32), np.full((8, 8), 10**6, np.int32), np.full((8, 8), -1, np.int32)],
)
def test_32_bits_of_one_value_are_refused_since_nobody_knows_their_range(tmp_path, values):
    Image.fromarray(values).save(tmp_path / "x.tif")
    with pytest.raises(InputError, match="x.tif: the range of its 32-bit values is not known"):
        read(tmp_path / "x.tif")


def test_what_is_transparent_is_black_whatever_colour_hides_there(tmp_path):
    image = picture((10, 10)).convert("RGBA")
    image.putpixel((3, 3), (255, 255, 255, 0))
    image.save(tmp_path / "rgba.png")
    palette = picture((10, 10)).convert("P")
    palette.save(tmp_path / "palette.png", transparency=palette.getpixel((0, 0)))
    assert read(tmp_path / "rgba.png")[3, 3].tolist() == [0, 0, 0] and read(tmp_path / "rgba.png")[
        0, 0
    ].tolist() == list(BLUE)
    assert read(tmp_path / "palette.png").max() == 0


def test_one_pixel_is_an_image(tmp_path):
    picture((1, 1)).save(tmp_path / "x.png")
    assert read(tmp_path / "x.png").shape == (1, 1, 3)


def test_of_a_long_strip_the_middle_is_kept(tmp_path):
    strip = picture((20000, 2))
    strip.paste((255, 255, 255), (9990, 0, 10010, 2))
    strip.save(tmp_path / "x.png")
    kept = read(tmp_path / "x.png")
    assert (
        kept.shape == (2, 2 * LONGEST_STRIP, 3)
        and (kept[:, 6:26] == 255).all()
        and (kept[:, 0] == BLUE).all()
    )


def broken(path, kind):
    if kind == "truncated":
        picture((300, 300)).save(path, "JPEG")
        path.write_bytes(path.read_bytes()[:-400])
    elif kind == "bomb":
        Image.new("1", (20000, 20000)).save(path, "PNG")
    elif kind != "missing":
        path.write_bytes({"empty": b"", "text": b"no image"}[kind])


@pytest.mark.parametrize("kind", ["empty", "text", "truncated", "bomb", "missing"])
def test_what_is_no_image_is_refused_by_name(tmp_path, kind):
    broken(tmp_path / "x.jpg", kind)
    with pytest.raises(InputError, match="cannot read the image .*x.jpg: .+"):
        read(tmp_path / "x.jpg")


@pytest.mark.parametrize("kind", ["pipe", "folder", "link to a pipe"])
def test_what_is_no_regular_file_is_refused_and_not_waited_for(tmp_path, kind):
    place = tmp_path / "x.jpg"
    if kind == "folder":
        place.mkdir()
    else:
        os.mkfifo(tmp_path / "pipe" if kind.startswith("link") else place)
    if kind.startswith("link"):
        place.symlink_to(tmp_path / "pipe")
    with pytest.raises(InputError, match="cannot read the image .*x.jpg: it is a folder, a pipe or a device"):
        read(place)


def test_a_device_is_refused_and_not_read_for_ever():
    with pytest.raises(InputError, match="cannot read the image /dev/zero: it is a folder, a pipe"):
        read_image(Path("/dev/zero"))


def test_the_walk_makes_no_list(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    files = walk([str(tmp_path)])
    first = next(files)
    (tmp_path / "b" / "2.jpg").touch()
    assert [first, *files] == [str(tmp_path / file) for file in ("a/1.png", "b/1.png", "b/2.jpg")]
