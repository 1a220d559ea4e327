"""Tiles that cover all of a large image, and that blend to a map of classes."""

import numpy as np
import pytest
import torch

from data.pipeline import dsva_preprocessing
from helpers import Scene
from inference.tiles import NO_DATA, Grid, areas, blend, blending, classify_tiles, confidence, starts


def bright(images: torch.Tensor) -> np.ndarray:
    """A classifier: [dark, bright]"""
    share = images.float().mean(dim=(1, 2, 3)).numpy() / 255
    return np.stack([1 - share, share], axis=1)


# ---- where the tiles lie ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "length, tile, stride",
    [(100, 10, 10), (101, 10, 10), (99, 10, 7), (10, 10, 5), (11, 10, 10), (1000, 256, 128), (57, 8, 1)],
)
def test_tiles_cover_every_pixel_and_reach_no_further(length, tile, stride):
    covered = np.zeros(length, int)
    places = starts(length, tile, stride)
    for start in places:
        covered[start : start + tile] += 1
        assert 0 <= start <= length - tile
    assert covered.min() >= 1 and places == sorted(set(places)) and max(np.diff(places), default=0) <= stride


@pytest.mark.parametrize("length", [1, 9, 10])
def test_a_scene_no_larger_than_a_tile_is_one_tile(length):
    assert starts(length, 10, 5) == [0]
    assert Grid(length, 7, 10, 5).boxes() == [(0, 0, length, 7)]


def test_the_boxes_are_those_of_a_worked_example():
    assert Grid(25, 12, 10, 10).boxes() == [
        (0, 0, 10, 10),
        (10, 0, 20, 10),
        (15, 0, 25, 10),
        (0, 2, 10, 12),
        (10, 2, 20, 12),
        (15, 2, 25, 12),
    ]


# ---- what they blend to ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "length, tile, stride, cell",
    [
        (100, 10, 10, 1),
        (101, 32, 16, 2),
        (7, 10, 5, 1),
        (640, 256, 100, 12),
        (100, 20, 20, 20),
        (40, 20, 20, 2),
    ],
)
def test_every_cell_is_a_mean_of_the_tiles_that_cover_it(length, tile, stride, cell):
    places = starts(length, tile, stride)
    weights = blending(length, tile, places, cell)
    np.testing.assert_allclose(weights.sum(axis=1), 1)
    for number, row in enumerate(weights):
        centre = (number * cell + min(length, (number + 1) * cell)) / 2
        assert all((weight > 0) == (start <= centre <= start + tile) for start, weight in zip(places, row))


def test_a_tile_says_most_where_its_middle_is():
    weights = blending(40, 20, [0, 10, 20], 1)
    assert weights[9].argmax() == 0 and weights[20].argmax() == 1 and weights[30].argmax() == 2
    np.testing.assert_allclose(
        weights[12], [0.75, 0.25, 0]
    )  # a tent: 12.5 is 7.5 from the end of the first, 2.5 into the second


def test_constant_probabilities_blend_to_one_class():
    grid = Grid(300, 200, 64, 24)
    scores = np.tile([0.2, 0.5, 0.3], (len(grid.tops), len(grid.lefts), 1))
    assert (blend(scores, grid) == 1).all() and blend(scores, grid).shape == grid.cells == (67, 100)


def test_the_blend_is_the_weighted_mean_over_all_tiles():
    grid, rng = Grid(90, 70, 32, 16), np.random.default_rng(0)
    scores = rng.random((len(grid.tops), len(grid.lefts), 4))
    rows, columns = blending(70, 32, grid.tops, grid.cell), blending(90, 32, grid.lefts, grid.cell)
    expected = np.array(
        [
            [
                sum(
                    rows[r, j] * columns[c, i] * scores[j, i]
                    for j in range(len(grid.tops))
                    for i in range(len(grid.lefts))
                ).argmax()
                for c in range(45)
            ]
            for r in range(35)
        ]
    )
    assert (blend(scores, grid) == expected).all() and len(np.unique(expected)) == 4


@pytest.mark.parametrize("workers", [0, 1])
def test_a_scene_of_two_halves_gives_a_map_of_two_halves(workers):
    scene, grid = Scene(320, 96), Grid(320, 96, 32, 16)
    how = dsva_preprocessing(8, "imagenet")
    probabilities = classify_tiles(scene, grid, bright, how, 5, workers, title="")
    assert probabilities.shape == (5, 19, 2)
    classes = blend(probabilities, grid)
    columns = (np.arange(classes.shape[1]) + 0.5) * grid.cell
    assert (classes[:, columns < 152] == 0).all() and (classes[:, columns > 168] == 1).all()
    assert areas(classes, grid)[0] == pytest.approx(0.5, abs=0.03)


def test_the_confidence_is_the_blended_probability_of_the_given_class():
    grid, rng = Grid(90, 70, 32, 16), np.random.default_rng(0)
    scores = rng.dirichlet([1, 1, 1], (len(grid.tops), len(grid.lefts)))
    classes = blend(scores, grid)
    rows, columns = blending(70, 32, grid.tops, grid.cell), blending(90, 32, grid.lefts, grid.cell)
    blended = np.einsum("rj,ci,jik->rck", rows, columns, scores)
    np.testing.assert_allclose(confidence(scores, classes, grid), blended.max(axis=2), rtol=1e-6)
    classes[3:5] = NO_DATA
    values = confidence(scores, classes, grid)
    assert not values[3:5].any() and values[5:].min() > 0.3 and values.dtype == np.float32


def test_shares_are_of_pixels_even_where_cells_are_cut():
    grid = Grid(25, 16, 16, 64)  # cells of 8 pixels, the last column 1 pixel wide
    classes = np.array([[0, 0, 1, 2], [0, NO_DATA, 1, 2]], np.uint8)
    pixels = {0: 192, 1: 128, 2: 16}
    assert areas(classes, grid) == pytest.approx({k: count / 336 for k, count in pixels.items()}) and list(
        areas(classes, grid)
    ) == [0, 1, 2]
    assert areas(np.full((2, 4), NO_DATA, np.uint8), grid) == {}
