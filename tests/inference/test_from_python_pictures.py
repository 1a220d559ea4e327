"""Pictures of any kind given from Python: paths, PIL images, tensors, generators, none at all."""

import io

import numpy as np
import pytest
import torch
from loaded import GRID, SIDE, same
from PIL import Image

from data.pipeline import load_image


def test_a_picture_is_the_same_as_a_path_opened_in_memory_or_prepared(loaded_run, files):
    expected = loaded_run.predict(files)
    in_memory = [Image.open(io.BytesIO(file.read_bytes())) for file in files]
    same(loaded_run.predict([str(file) for file in files]), expected)
    same(loaded_run.predict([Image.open(file) for file in files]), expected)
    same(loaded_run.predict(in_memory), expected)
    same(loaded_run.predict(loaded_run.prepare(files)), expected)
    same(loaded_run.predict(picture for picture in in_memory), expected)
    same(loaded_run.predict([in_memory[0], files[1], loaded_run.prepare(files[2])[0], *files[3:]]), expected)


def test_one_picture_needs_no_list(loaded_run, files):
    expected = loaded_run.predict(files[:1])
    squares = loaded_run.prepare(files[0])
    assert squares.dtype == torch.uint8 and squares.shape == (1, 3, SIDE, SIDE)
    np.testing.assert_array_equal(squares[0], load_image(files[0], loaded_run.preprocessing))
    for picture in (files[0], str(files[0]), Image.open(files[0]), squares, squares[0]):
        same(loaded_run.predict(picture), expected)


def test_no_picture_gives_arrays_without_a_row(loaded_run):
    for nothing in ([], iter(()), torch.empty(0, 3, SIDE, SIDE, dtype=torch.uint8)):
        found = loaded_run.predict(nothing)
        assert len(found) == 0 and found.classes == []
        assert found.probabilities.shape == found.scores.shape == (0, 5)
        assert found.maps.shape == (0, 5, GRID, GRID) and found.windows.shape == (0, 4)
    assert loaded_run.prepare([]).shape == (0, 3, SIDE, SIDE)
    assert loaded_run.describe(loaded_run.prepare([])) == []


@pytest.mark.parametrize("mode", "1 L P RGB RGBA RGBX CMYK YCbCr HSV LA PA I I;16 F".split())
@pytest.mark.parametrize("size", [(1, 1), (48, 40), (700, 5), (5, 300)])
def test_pictures_of_any_mode_and_size(loaded_run, mode, size):
    values = np.linspace(0, 255, size[0] * size[1]).reshape(size[::-1])
    picture = Image.fromarray(values.astype(np.uint8))
    if mode in ("I;16", "F"):
        picture = Image.fromarray((200 * values).astype(np.uint16 if mode == "I;16" else np.float32))
    elif mode != "L":
        picture = picture.convert("RGB" if mode in ("HSV", "YCbCr") else "L").convert(mode)
    assert picture.mode == mode
    found = loaded_run.predict(picture)
    assert found.probabilities.shape == (1, 5) and np.isfinite(found.probabilities).all()


@pytest.mark.parametrize(
    "kind", ["I;16.png", "I;16.tif", "F.tif", "turned.jpg", "palette.png", "infrared.png"]
)
def test_a_file_of_any_kind_is_the_same_opened(loaded_run, kind, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(100, 2000, (40, 48)).astype(np.float32 if kind[0] == "F" else np.uint16)
    file, how = tmp_path / kind, {}
    if kind[:2] in ("I;", "F."):
        picture = Image.fromarray(values)
    else:
        bands = rng.integers(0, 255, (40, 48, 4), np.uint8)
        picture = Image.fromarray(bands if kind == "infrared.png" else bands[..., :3])
    if kind == "turned.jpg":
        how["exif"] = Image.Exif()
        how["exif"][0x0112] = 6
    if kind == "palette.png":
        picture = picture.convert("P")
    picture.save(file, **how)
    np.testing.assert_array_equal(loaded_run.prepare(Image.open(file)), loaded_run.prepare(file))


def test_a_long_list_is_read_batch_after_batch(loaded_run, files, monkeypatch):
    taken, looked = [], []

    def pictures():
        for _ in range(10):
            taken.append(1)
            yield files[0]

    def look(images, maps):
        looked.append(len(images))
        assert sum(looked) == len(taken)  # nothing waits in memory
        return type(loaded_run).look(loaded_run, images, maps)

    monkeypatch.setattr(loaded_run, "look", look)
    assert len(loaded_run.predict(pictures(), batch_size=4)) == 10
    assert looked == [4, 4, 2]
