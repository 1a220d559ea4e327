"""Maps of classes as pictures: their colours are where the classes are."""

import numpy as np
import pytest

from helpers import Scene
from inference import maps
from inference.maps import draw_map, palette
from inference.tiles import NO_DATA, Grid


def test_colours_are_far_apart_and_stay_when_classes_are_added():
    colours = palette(70).astype(int)
    assert (palette(4) == colours[:4]).all() and (palette(30) == colours[:30]).all()
    apart = np.linalg.norm(maps.oklab(colours)[:, None] - maps.oklab(colours)[None], axis=2) + np.eye(70)
    assert apart.min() > 0.04 and apart[:10, :10].min() > 0.1


@pytest.mark.parametrize("width, height", [(320, 96), (96, 320), (30, 30)])
def test_the_sheet_shows_the_scene_the_map_and_a_legend(width, height):
    grid = Grid(width, height, 16, 8)
    classes = (
        np.where(np.arange(grid.cells[1]) < grid.cells[1] / 2, 0, 2)[None]
        .repeat(grid.cells[0], axis=0)
        .astype(np.uint8)
    )
    sheet = np.asarray(draw_map(Scene(width, height), classes, grid, ["dark", "never", "bright"], "a scene"))

    def place_of(colour):
        return np.argwhere((sheet == colour).all(axis=2))

    dark, never, light = map(place_of, palette(3))
    assert len(dark) and len(light) and not len(never)
    enlarged = 800 / max(width, height)  # of a small scene
    pictures = 2 if width > 1.6 * height else 1  # one below the other
    legend = pictures * enlarged * height + 40  # which is of two classes, so it stands below
    assert (dark[:, 0] > legend).any() and (light[:, 0] > legend).any()
    assert np.ptp(dark[dark[:, 0] < legend][:, 0]) + 1 >= enlarged * height - 4  # as high as the scene,
    assert place_of((0, 0, 0)).size  # which is black at the left


@pytest.mark.parametrize("count", [1, 3, 7, 16, 40])
@pytest.mark.parametrize("width, height", [(320, 96), (96, 320), (200, 160)])
def test_no_legend_leaves_a_wide_empty_column(width, height, count):
    grid = Grid(width, height, 16, 8)
    cells = grid.cells[0] * grid.cells[1]
    classes = (np.arange(cells) % count).reshape(grid.cells).astype(np.uint8)
    names = [f"class number {k}" for k in range(count)]
    sheet = np.asarray(draw_map(Scene(width, height), classes, grid, names, "a scene").convert("L"))
    is_blank = sheet == 255
    lowest = np.array([np.flatnonzero(~column).max(initial=0) for column in is_blank.T])
    rightmost = np.flatnonzero(lowest).max()
    assert lowest[rightmost - 40 : rightmost].max() > 0.6 * len(sheet)  # there is something far down
    assert sheet.shape[1] - rightmost < 60


def test_an_overlay_leaves_the_scene_bare_where_there_is_no_data():
    grid = Grid(64, 64, 16, 8)
    classes = np.zeros((64, 64), np.uint8)
    classes[:32] = NO_DATA
    pixels = np.asarray(maps.paint_over(Scene(64, 64), classes, grid, palette(1)))
    assert (pixels[:32, 32:] == 255).all() and not pixels[:32, :32].any()
    assert np.abs(pixels[32:, :32] - 0.45 * palette(1)[0]).max() <= 1


def test_cells_without_data_stay_white():
    grid = Grid(64, 64, 16, 8)
    image = np.asarray(maps.paint(np.full((64, 64), NO_DATA, np.uint8), grid, palette(2), 100, 100))
    assert (image == 255).all()
