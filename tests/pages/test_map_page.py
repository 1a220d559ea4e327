"""The page of a folder of maps: pictures, classes with their areas, tiles."""

import csv
import json

import numpy as np
import pytest
from page_reader import write_report
from PIL import Image

import report
from helpers import predict_with


@pytest.fixture(scope="module")
def mapped(place, tmp_path_factory):
    """What predict.py --tile writes of two scenes, one with a name of another script."""
    folder = tmp_path_factory.mktemp("mapped")
    rng = np.random.default_rng(0)
    for name in ("scene", "道路 <b>"):
        Image.fromarray(rng.integers(0, 255, (70, 100, 3), np.uint8)).save(folder / f"{name}.png")
    scenes = sorted(folder.glob("*.png"))
    predict_with(place, *scenes, "--tile 32", "--classes all", "--output", folder / "maps")
    return folder / "maps"


@pytest.fixture
def maps(mapped, tmp_path):
    for file in mapped.iterdir():
        if file.is_file() and file.name != "report.html":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    return tmp_path


def columns(file):
    with file.open(newline="", encoding="utf-8") as lines:
        return list(csv.DictReader(lines))


def test_every_scene_has_its_map_its_areas_and_its_tiles(maps):
    page = write_report(maps)
    assert list(page.sections) == ["Maps", "Areas", "Tiles", "Settings"]
    titles = {image["alt"] for image in page.of("img")}
    assert {"scene: Classes", "道路 <b>: Classes"} <= titles and "<b>:" not in page.text
    tiles = columns(maps / "scene_tiles.csv")
    head, *rows = page.tables["Tiles of scene"]
    assert head == ["tile", "x", "y", "width", "height", "class", "probability"]
    assert [row[1:6] for row in rows] == [
        [tile[key].replace(".0", "") for key in ("x", "y", "width", "height", "class")] for tile in tiles
    ]
    assert f"100 x 70 pixels, {len(tiles)} tiles of 32 pixels, one every 16." in page.sections["Maps"]


def test_the_legend_has_the_colours_and_shares_of_the_map(maps):
    areas = columns(maps / "scene_areas.csv")
    shares = [float(row["share"]) for row in areas]
    assert sum(shares) == pytest.approx(1, abs=1e-5) and shares == sorted(shares, reverse=True)
    picture = np.asarray(Image.open(maps / "scene_classes.png").convert("RGB")).reshape(-1, 3)
    there = {"#{:02x}{:02x}{:02x}".format(*colour) for colour in np.unique(picture, axis=0)}
    page = write_report(maps)
    for row in areas:
        assert row["colour"] in there and f"--hue: {row['colour']}" in page.text
        share = float(row["share"])
        assert (f"{share:.1%}" if share >= 0.001 else "< 0.1%") in page.sections["Maps"]
    assert "Share of the area" in page.sections["Maps"]


def test_whatever_pictures_are_there_are_shown(maps):
    Image.new("RGB", (40, 30)).save(maps / "scene_overlay.png")
    Image.new("L", (40, 30)).save(maps / "scene_my_own.jpg")
    Image.new("RGB", (40, 30)).save(maps / "scene_b_classes.png")
    (maps / "scene_confidence.png").write_bytes(b"no picture")
    page = write_report(maps)
    titles = [image["alt"] for image in page.of("img") if image["alt"].startswith("scene: ")]
    assert titles[:2] == ["scene: Classes", "scene: Classes over the scene"] and "scene: My own" in titles
    assert "Left out: cannot read the image" in page.sections["Maps"]
    (maps / "scene_b_tiles.csv").write_bytes((maps / "scene_tiles.csv").read_bytes())
    alts = [image["alt"] for image in write_report(maps).of("img")]
    assert "scene_b: Classes" in alts and "scene: B classes" not in alts  # of the other scene


def test_one_map_is_shown_once_and_confidence_has_a_scale(maps):
    page = write_report(maps)
    titles = [image["alt"] for image in page.of("img") if image["alt"].startswith("scene: ")]
    assert titles == [
        "scene: Classes",
        "scene: Classes over the scene",
        "scene: Confidence: how probable the class is",
    ]
    assert page.text.count('class="scale">0 %<i class="grey"></i>100 %') == 2  # of each scene
    (maps / "scene_classes.png").unlink()
    assert "scene: The class of every pixel" in [image["alt"] for image in write_report(maps).of("img")]


def test_maps_of_before_have_the_share_of_their_tiles(maps):
    for file in maps.glob("*_areas.csv"):
        file.unlink()
    (maps / "options.json").unlink()
    page = write_report(maps)
    assert "Share of the tiles" in page.sections["Maps"] and "--hue" not in page.text.split("</style>")[1]
    assert "no options.json" in page.sections["Settings"]


@pytest.mark.parametrize(
    "file, content, told",
    [
        ("scene_tiles.csv", "", "scene_tiles.csv is no table of predict.py --tile"),
        ("scene_tiles.csv", "x,y\n1,2\n", "expected the columns x, y, width, height, class, probability"),
        ("scene_tiles.csv", "x,y,width,height,class,probability\na,0,1,1,b,1\n", "is no table of predict.py"),
        ("scene_areas.csv", "class,share\na,1\n", "expected the columns class, share, colour"),
        ("options.json", "[]", "options.json: expected"),
    ],
)
def test_a_damaged_file_is_one_line(maps, capsys, file, content, told):
    (maps / file).write_text(content)
    with pytest.raises(SystemExit) as stop:
        report.main([str(maps)])
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and told in error and "\n" not in error and "Error(" not in error
    assert not (maps / "report.html").exists()


def test_a_colour_of_a_file_can_do_nothing_else(maps):
    table = (maps / "scene_areas.csv").read_text(encoding="utf-8").splitlines()
    name = table[1].split(",")[0]
    (maps / "scene_areas.csv").write_text(f'class,share,colour\n{name},1,"red; position: fixed"\n')
    assert "position: fixed" not in write_report(maps).text.split("</style>")[1]


def test_many_tiles_are_listed_in_part(maps, monkeypatch):
    monkeypatch.setattr("pages.map_page.TILES_LISTED", 3)
    page = write_report(maps)
    assert len(page.tables["Tiles of scene"]) == 4 and "the first 3 are listed" in page.sections["Tiles"]


def test_options_say_how_the_tiles_lie(maps):
    options = json.loads((maps / "options.json").read_text())["options"]
    assert options["tile"] == 32 and options["stride"] == 16
