"""Large images: tiles that cover all of them, tiles that blend, and maps whose colours are where the classes are."""

import csv
import importlib.util
import json
import os
import re

import numpy as np
import pytest
import torch
from PIL import Image

import predict
import test_predict
from inference import maps, scenes
from inference.maps import draw_map, palette
from inference.tiles import NOWHERE, Grid, areas, blend, blending, slide, starts

place, run = test_predict.place, test_predict.run  # the fixture of a tiny run, and the program


class Scene:
    """Black on the left, white on the right."""

    georeference = None

    def __init__(self, width, height):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, width // 2 :] = 255
        self.image, self.size = Image.fromarray(pixels), (width, height)

    def read(self, box):
        return self.image.crop(box)

    def overview(self, longest):
        return self.image


def bright(images: torch.Tensor) -> np.ndarray:
    """A classifier: [dark, bright]"""
    share = images.float().mean(dim=(1, 2, 3)).numpy() / 255
    return np.stack([1 - share, share], axis=1)


# ---- where the tiles lie ---------------------------------------------------------------------------------------------


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


# ---- what they blend to ----------------------------------------------------------------------------------------------


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
    grid, chance = Grid(90, 70, 32, 16), np.random.default_rng(0)
    scores = chance.random((len(grid.tops), len(grid.lefts), 4))
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
    probabilities = slide(scene, grid, bright, 8, 5, workers, "")
    assert probabilities.shape == (5, 19, 2)
    classes = blend(probabilities, grid)
    columns = (np.arange(classes.shape[1]) + 0.5) * grid.cell
    assert (classes[:, columns < 152] == 0).all() and (classes[:, columns > 168] == 1).all()
    assert areas(classes, grid)[0] == pytest.approx(0.5, abs=0.03)


def test_shares_are_of_pixels_even_where_cells_are_cut():
    grid = Grid(25, 16, 16, 64)  # cells of 8 pixels, the last column 1 pixel wide
    classes = np.array([[0, 0, 1, 2], [0, NOWHERE, 1, 2]], np.uint8)
    pixels = {0: 192, 1: 128, 2: 16}
    assert areas(classes, grid) == pytest.approx({k: count / 336 for k, count in pixels.items()}) and list(
        areas(classes, grid)
    ) == [0, 1, 2]
    assert areas(np.full((2, 4), NOWHERE, np.uint8), grid) == {}


# ---- the map as a picture --------------------------------------------------------------------------------------------


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
    shown = max(width, height) / 800  # of a small scene, enlarged to 800 pixels
    legend = [
        (colour[:, 1] > sheet.shape[1] * 0.5) & (colour[:, 1] > np.median(light[:, 1]))
        for colour in (dark, light)
    ]
    assert all(area.any() for area in legend)
    assert (np.ptp(dark[:, 0]) + 1) * shown >= height - 1 and place_of(
        (0, 0, 0)
    ).size  # the map is as high as the scene, which is black at the left


def test_cells_without_data_stay_white():
    grid = Grid(64, 64, 16, 8)
    image = np.asarray(maps.paint(np.full((64, 64), NOWHERE, np.uint8), grid, palette(2), 100, 100))
    assert (image == 255).all()


# ---- the program -----------------------------------------------------------------------------------------------------


@pytest.fixture
def ortho(tmp_path):
    chance = np.random.default_rng(0)
    Image.fromarray(chance.integers(0, 255, size=(72, 100, 3), dtype=np.uint8)).save(tmp_path / "ortho.png")
    return tmp_path / "ortho.png"


def test_a_scene_gives_a_map_and_a_table_of_its_tiles(place, ortho, tmp_path, capsys):
    run(place, "--tile", 32, "--stride", 16, "--classes", "all", ortho, "--output", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "options.json",
        "ortho_classes.png",
        "ortho_tiles.csv",
    }
    with open(tmp_path / "out" / "ortho_tiles.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [tuple(int(row[key]) for key in ("x", "y", "width", "height")) for row in rows] == [
        (x, y, 32, 32) for y in (0, 16, 32, 40) for x in (0, 16, 32, 48, 64, 68)
    ]
    for row in rows:
        probabilities = {key[2:]: float(value) for key, value in row.items() if key.startswith("p_")}
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-4) and probabilities[
            row["class"]
        ] == float(row["probability"])
        held_back = {name: p - 0.1 * (name > "Class1") for name, p in probabilities.items()}
        assert row["class"] == max(held_back, key=held_back.get)  # by the run's calibrated stacking
    printed = capsys.readouterr().out
    assert "ortho: 100 x 72 pixels in 6 x 4 tiles" in printed
    assert sum(float(share) for share in re.findall(r"([\d.]+)% Class", printed)) == pytest.approx(
        100, abs=0.3
    )


def test_a_tile_is_seen_whole(place, tmp_path, monkeypatch):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    seen = []
    monkeypatch.setattr(
        predict.Classifier,
        "probabilities",
        lambda self, images: seen.append(images) or np.full((len(images), 2), 0.5),
    )
    run(place, "--tile", 64, tmp_path / "red.png", "--output", tmp_path / "out")
    assert seen[0].shape == (1, 3, 32, 32) and (seen[0][0, 0] == 255).all() and (seen[0][0, 1:] == 0).all()


def test_large_images_are_read_though_pillow_would_rather_not(place, tmp_path, monkeypatch):
    Image.new("RGB", (500, 400)).save(tmp_path / "large.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 60000)
    run(place, "--tile", 100, tmp_path / "large.png", "--output", tmp_path / "out")
    assert (tmp_path / "out" / "large_classes.png").is_file() and Image.MAX_IMAGE_PIXELS == 60000


def test_a_strip_is_read_to_its_ends(tmp_path):
    Image.new("RGB", (5000, 10)).save(tmp_path / "strip.png")
    assert scenes.open_scene(str(tmp_path / "strip.png")).size == (5000, 10)


def test_any_bytes_are_a_scenes_name(place, ortho, tmp_path):
    name = os.fsencode(tmp_path) + b"/\xff.png"
    os.rename(ortho, name)
    run(place, "--tile", 32, os.fsdecode(name), "--output", tmp_path / "out")
    assert os.path.isfile(os.fsencode(tmp_path / "out") + b"/\xff_classes.png")


def test_an_unreadable_scene_is_listed_and_the_others_are_done(place, ortho, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    run(place, "--tile", 32, tmp_path / "broken.png", ortho, "--output", tmp_path / "out")
    assert (
        "cannot read the image" in capsys.readouterr().out
        and (tmp_path / "out" / "ortho_classes.png").is_file()
    )
    with pytest.raises(SystemExit):
        run(place, "--tile", 32, tmp_path / "broken.png", ortho, "--strict", "--output", tmp_path / "strict")
    assert "1 of 2 images could not be read" in capsys.readouterr().err


def test_two_scenes_of_one_name_are_refused(place, ortho, tmp_path, capsys):
    (tmp_path / "other").mkdir()
    Image.new("RGB", (64, 64)).save(tmp_path / "other" / "ortho.jpg")
    with pytest.raises(SystemExit):
        run(place, "--tile", 32, ortho, tmp_path / "other", "--output", tmp_path / "out")
    assert "two images are called ortho" in capsys.readouterr().err and not (tmp_path / "out").exists()


def test_without_rasterio_a_tiff_is_a_picture(place, ortho, tmp_path, capsys, monkeypatch):
    Image.open(ortho).save(tmp_path / "scene.tif")
    monkeypatch.setattr(scenes, "rasterio", None)
    run(place, "--tile", 32, tmp_path / "scene.tif", "--output", tmp_path / "out")
    assert "georeference would not be kept" in capsys.readouterr().out
    run(place, "--tile", 32, ortho, "--output", tmp_path / "png")
    assert (tmp_path / "out" / "scene_tiles.csv").read_bytes() == (
        tmp_path / "png" / "ortho_tiles.csv"
    ).read_bytes()


# ---- GeoTIFF ---------------------------------------------------------------------------------------------------------

needs_rasterio = pytest.mark.skipif(
    importlib.util.find_spec("rasterio") is None, reason="rasterio is optional"
)


@needs_rasterio
def test_a_geotiff_gives_a_geotiff(place, ortho, tmp_path):
    import rasterio

    pixels = np.asarray(Image.open(ortho)).transpose(2, 0, 1)
    profile = {
        "driver": "GTiff",
        "height": 72,
        "width": 100,
        "count": 4,
        "crs": "EPSG:25832",
        "transform": rasterio.Affine(0.5, 0, 500000, 0, -0.5, 5300000),
    }
    with rasterio.open(
        tmp_path / "geo.tif", "w", dtype="uint8", photometric="RGB", alpha="unspecified", **profile
    ) as raster:
        raster.write(np.vstack([pixels, pixels[:1]]))  # red, green, blue and a band that is not looked at
    run(place, "--tile", 32, "--stride", 16, ortho, "--output", tmp_path / "png")
    run(
        place,
        "--tile",
        32,
        "--stride",
        16,
        tmp_path / "geo.tif",
        "--workers",
        1,
        "--output",
        tmp_path / "out",
    )
    assert (tmp_path / "out" / "geo_tiles.csv").read_bytes() == (
        tmp_path / "png" / "ortho_tiles.csv"
    ).read_bytes()
    with rasterio.open(tmp_path / "out" / "geo_classes.tif") as raster:
        classes = raster.read(1)
        assert (raster.crs, raster.transform) == ("EPSG:25832", rasterio.Affine(1, 0, 500000, 0, -1, 5300000))
        assert raster.dtypes == ("uint8",) and raster.nodata == NOWHERE and classes.shape == (36, 50)
        assert raster.tags()["class_0"] == "Class0" and raster.colormap(1)[1] == (
            *palette(2)[1].tolist(),
            255,
        )
        assert set(np.unique(classes)) <= {0, 1}
        assert raster.bounds == (500000, 5300000 - 36, 500050, 5300000)


@needs_rasterio
def test_sixteen_bits_are_stretched_over_the_whole_image_and_nothing_is_made_of_no_data(place, tmp_path):
    import rasterio

    ramp = np.linspace(1000, 3000, 100).round().astype(np.uint16)[None].repeat(72, axis=0)
    ramp[:, :10] = 0
    profile = {
        "driver": "GTiff",
        "height": 72,
        "width": 100,
        "count": 1,
        "nodata": 0,
        "crs": "EPSG:25832",
        "transform": rasterio.Affine(1, 0, 9, 0, -1, 9),
    }
    with rasterio.open(tmp_path / "ramp.tif", "w", dtype="uint16", **profile) as raster:
        raster.write(ramp, 1)
    scene = scenes.open_scene(str(tmp_path / "ramp.tif"))
    whole, part = (np.asarray(scene.read(box)).astype(int) for box in ((0, 0, 100, 72), (40, 10, 60, 30)))
    assert (whole[10:30, 40:60] == part).all() and (np.diff(whole[0, 10:, 0]) >= 0).all()
    assert (
        whole[0, 11].tolist() == [0, 0, 0]
        and whole[0, 99].tolist() == [255, 255, 255]
        and 120 < whole[0, 55, 0] < 136
    )
    run(place, "--tile", 32, tmp_path / "ramp.tif", "--output", tmp_path / "out")
    with rasterio.open(tmp_path / "out" / "ramp_classes.tif") as raster:
        assert (raster.read(1)[:, :5] == NOWHERE).all() and (raster.read(1)[:, 5:] != NOWHERE).all()


@needs_rasterio
def test_a_tiff_without_georeference_gives_no_geotiff(place, ortho, tmp_path):
    Image.open(ortho).save(tmp_path / "plain.tif")
    run(place, "--tile", 32, tmp_path / "plain.tif", "--output", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "options.json",
        "plain_classes.png",
        "plain_tiles.csv",
    }
    assert "tile" in json.loads((tmp_path / "out" / "options.json").read_text())["options"]
