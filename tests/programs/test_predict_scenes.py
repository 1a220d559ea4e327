"""predict.py --tile as a user runs it: maps and tables of large images, and of GeoTIFFs."""

import csv
import importlib.util
import json
import os
import re

import numpy as np
import pytest
from PIL import Image

from deep_pictures import forget_notes
from helpers import predict_with as run
from inference import Classifier, scenes
from inference.maps import palette
from inference.tiles import NO_DATA


@pytest.fixture
def ortho(tmp_path):
    rng = np.random.default_rng(0)
    Image.fromarray(rng.integers(0, 255, size=(72, 100, 3), dtype=np.uint8)).save(tmp_path / "ortho.png")
    return tmp_path / "ortho.png"


def test_a_scene_gives_a_map_and_a_table_of_its_tiles(place, ortho, tmp_path, capsys):
    run(place, "--tile", 32, "--stride", 16, "--classes", "all", ortho, "--output", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "options.json",
        "ortho_classes.png",
        "ortho_confidence.png",
        "ortho_overlay.png",
        "ortho_raster.png",
        "ortho_tiles.csv",
        "ortho_areas.csv",
    }
    with open(tmp_path / "out" / "ortho_tiles.csv", encoding="utf-8", newline="") as file:
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
        assert float(row["calibrated_score"]) == pytest.approx(held_back[row["class"]], abs=2e-6)
    printed = capsys.readouterr().out
    assert "ortho: 100 x 72 pixels in 6 x 4 tiles" in printed
    assert sum(float(share) for share in re.findall(r"([\d.]+)% Class", printed)) == pytest.approx(
        100, abs=0.3
    )


def test_a_tile_is_seen_whole(place, tmp_path, monkeypatch):
    Image.new("RGB", (64, 64), "red").save(tmp_path / "red.png")
    seen = []
    monkeypatch.setattr(
        Classifier,
        "probabilities",
        lambda self, images: seen.append(images) or np.full((len(images), 2), 0.5),
    )
    run(place, "--tile", 64, tmp_path / "red.png", "--classes unseen --output", tmp_path / "out")
    assert seen[0].shape == (1, 3, 32, 32) and (seen[0][0, 0] == 255).all() and (seen[0][0, 1:] == 0).all()


def halves(self, images):
    """Left tiles are surely the second class, right ones the first with 75 %."""
    is_bright = images.float().mean(dim=(1, 2, 3)).numpy() > 127
    return np.where(is_bright[:, None], [0.75, 0.25, 0, 0, 0], [0.0, 1.0, 0, 0, 0])


def test_a_picture_has_a_class_raster_a_confidence_and_an_overlay(place, tmp_path, monkeypatch):
    pixels = np.zeros((60, 130, 3), np.uint8)
    pixels[:, 64:] = 255
    Image.fromarray(pixels).save(tmp_path / "x.png")
    monkeypatch.setattr(Classifier, "probabilities", halves)
    (tmp_path / "colours.json").write_text('{"Class0": "#112233"}')
    words = ["--tile 32 --stride 32 --colours", tmp_path / "colours.json", tmp_path / "x.png"]
    run(place, *words, "--output", tmp_path / "out")
    raster = Image.open(tmp_path / "out" / "x_raster.png")
    classes = np.asarray(raster)
    assert raster.mode == "P" and raster.size == (130, 60) and raster.info["class_1"] == "Class1"
    assert (classes[:, :60] == 1).all() and (classes[:, 68:] == 0).all()
    assert raster.getpalette()[:3] == [0x11, 0x22, 0x33]
    confidence = np.asarray(Image.open(tmp_path / "out" / "x_confidence.png"))
    assert confidence.shape == (60, 130)
    assert (confidence[:, :40] == 255).all() and (confidence[:, 90:] == round(0.75 * 255)).all()
    overlay = np.asarray(Image.open(tmp_path / "out" / "x_overlay.png").convert("RGB")).astype(int)
    expected = 0.55 * 255 + 0.45 * np.array([0x11, 0x22, 0x33])
    assert overlay.shape == (60, 130, 3) and np.abs(overlay[5, -5] - expected).max() <= 1


def test_other_colours_are_no_other_prediction(place, ortho, tmp_path, capsys):
    (tmp_path / "colours.json").write_text('{"Class0": "#112233"}')
    run(place, "--tile", 32, ortho, "--output", tmp_path / "out")
    run(place, "--tile", 32, ortho, "--output", tmp_path / "out", "--colours", tmp_path / "colours.json")
    palette_now = Image.open(tmp_path / "out" / "ortho_raster.png").getpalette()
    assert palette_now[:3] == [0x11, 0x22, 0x33]
    (tmp_path / "colours.json").write_text('{"Class0": "red"}')
    with pytest.raises(SystemExit):
        run(place, "--tile", 32, ortho, "--output", tmp_path / "new", "--colours", tmp_path / "colours.json")
    assert "expected a colour" in capsys.readouterr().err and not (tmp_path / "new").exists()
    with pytest.raises(SystemExit):
        run(place, ortho, "--output", tmp_path / "new", "--colours", tmp_path / "colours.json")
    assert "--colours needs --tile" in capsys.readouterr().err


def test_a_large_image_without_tiles_gets_a_hint_once(place, ortho, tmp_path, capsys):
    for name in ("a", "b"):
        Image.new("RGB", (1600, 1700)).save(tmp_path / f"{name}.png")
    run(place, ortho, tmp_path / "a.png", tmp_path / "b.png", "--output", tmp_path / "out")
    said = capsys.readouterr().out
    assert "note: a.png has 1600 x 1700 pixels and is named as one scene" in said
    assert said.count("--tile") == 1
    forget_notes()
    run(place, ortho, "--output", tmp_path / "small")
    run(place, "--tile", 800, tmp_path / "a.png", "--output", tmp_path / "map")
    assert "--tile" not in capsys.readouterr().out


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
    os.rename(ortho, name)  # noqa: PTH104, a name of any bytes
    run(place, "--tile", 32, os.fsdecode(name), "--output", tmp_path / "out")
    assert os.path.isfile(os.fsencode(tmp_path / "out") + b"/\xff_classes.png")


def test_an_unreadable_scene_is_listed_and_the_others_are_done(place, ortho, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"nothing")
    run(place, "--tile", 32, tmp_path / "broken.png", ortho, "--output", tmp_path / "out")
    assert "cannot read the image" in capsys.readouterr().out
    assert (tmp_path / "out" / "ortho_classes.png").is_file()
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


# ---- GeoTIFF ---------------------------------------------------------------------------------------

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
    run(place, "--tile 32 --stride 16", tmp_path / "geo.tif", "--workers 1 --output", tmp_path / "out")
    assert (tmp_path / "out" / "geo_tiles.csv").read_bytes() == (
        tmp_path / "png" / "ortho_tiles.csv"
    ).read_bytes()
    with rasterio.open(tmp_path / "out" / "geo_classes.tif") as raster:
        classes = raster.read(1)
        assert (raster.crs, raster.transform) == ("EPSG:25832", rasterio.Affine(1, 0, 500000, 0, -1, 5300000))
        assert raster.dtypes == ("uint8",) and raster.nodata == NO_DATA and classes.shape == (36, 50)
        assert raster.tags()["class_0"] == "Class0" and raster.colormap(1)[1] == (
            *palette(2)[1].tolist(),
            255,
        )
        assert set(np.unique(classes)) <= {0, 1}
        place_on_earth = raster.crs, raster.transform, raster.shape
        assert raster.bounds == (500000, 5300000 - 36, 500050, 5300000)
    with rasterio.open(tmp_path / "out" / "geo_confidence.tif") as raster:
        assert (raster.crs, raster.transform, raster.shape) == place_on_earth
        assert raster.dtypes == ("float32",) and 0.2 <= raster.read(1).min() <= raster.read(1).max() <= 1
    assert Image.open(tmp_path / "out" / "geo_overlay.png").size == (100, 72)
    assert not (tmp_path / "out" / "geo_raster.png").exists()


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
        assert (raster.read(1)[:, :5] == NO_DATA).all() and (raster.read(1)[:, 5:] != NO_DATA).all()


@needs_rasterio
def test_a_tiff_without_georeference_gives_no_geotiff(place, ortho, tmp_path):
    Image.open(ortho).save(tmp_path / "plain.tif")
    run(place, "--tile", 32, tmp_path / "plain.tif", "--output", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "options.json",
        "plain_classes.png",
        "plain_confidence.png",
        "plain_overlay.png",
        "plain_raster.png",
        "plain_tiles.csv",
        "plain_areas.csv",
    }
    assert "tile" in json.loads((tmp_path / "out" / "options.json").read_text())["options"]
