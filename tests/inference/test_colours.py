"""Colours of classes on a map: as they are expected, and never the same twice."""

import json

import numpy as np
import pytest

from inference.colours import APART, class_colours, read_colours, suggestion
from inference.maps import oklab, palette
from support.errors import InputError

AID = (
    "Airport BareLand BaseballField Beach Bridge Center Church Commercial DenseResidential Desert Farmland "
    "Forest Industrial Meadow MediumResidential Mountain Park Parking Playground Pond Port RailwayStation "
    "Resort River School SparseResidential Square Stadium StorageTanks Viaduct"
).split()
JOINED = (
    "agricultural baseballdiamond denseresidential golfcourse mobilehomepark parkinglot storagetanks".split()
)


def hue(name) -> str:
    """The largest of red, green and blue, or grey."""
    colour = class_colours([name])[0].astype(int)
    if np.ptp(colour) < 20:
        return "grey"
    return ["red", "green", "blue"][colour.argmax()]


@pytest.mark.parametrize(
    "expected, names",
    [
        ("blue", ["River", "lake", "dRiverLake", "sea", "harbor", "water", "Pond"]),
        ("green", ["Forest", "eForest", "Meadow", "aGrass", "golfcourse", "park"]),
        ("grey", ["parking lot", "parkinglot", "gParking", "Airport", "freeway", "runway"]),
        ("red", ["Beach", "desert", "DenseResidential", "buildings", "bare land", "sand"]),
    ],
)
def test_colours_are_those_that_names_suggest(expected, names):
    assert {name: hue(name) for name in names} == dict.fromkeys(names, expected)


@pytest.mark.parametrize("name", AID + JOINED)
def test_classes_of_known_datasets_have_a_suggestion(name):
    assert suggestion(name)


@pytest.mark.parametrize("names", [AID, AID + JOINED, [f"forest {k}" for k in range(40)]])
def test_no_two_classes_look_alike(names):
    seen = oklab(class_colours(names))
    apart = np.linalg.norm(seen[:, None] - seen[None], axis=2) + np.eye(len(names))
    assert apart.min() > 0.9 * APART


@pytest.mark.parametrize("names", [AID, [f"forest {k}" for k in range(255)]])
def test_the_same_names_have_the_same_colours(names):
    colours = class_colours(names)
    assert (colours == class_colours(names)).all() and len(np.unique(colours, axis=0)) == len(names)


def test_names_that_suggest_nothing_have_the_usual_colours():
    assert (class_colours([f"Class{k}" for k in range(30)]) == palette(30)).all()


def write(tmp_path, value):
    (tmp_path / "colours.json").write_text(json.dumps(value))
    return str(tmp_path / "colours.json")


def test_a_user_chooses_some_colours_and_the_others_make_way(tmp_path, capsys):
    file = write(tmp_path, {"city": "#1F6B35", "forest": [1, 2, 3], "moon": "#FFFFFF"})
    city, forest, wood = read_colours(file, ["city", "forest", "wood"]).tolist()
    assert city == [0x1F, 0x6B, 0x35] and forest == [1, 2, 3] and wood != city
    assert "colours of classes that are none of this map's: moon" in capsys.readouterr().out
    assert (read_colours(None, AID) == class_colours(AID)).all()


@pytest.mark.parametrize("value", ["green", "#12345", "#12345G", [1, 2], [1, 2, 300], [1.0, 2, 3], None, 7])
def test_what_is_no_colour_is_named(tmp_path, value):
    with pytest.raises(InputError, match="colours.json: 'city': expected a colour such as"):
        read_colours(write(tmp_path, {"city": value}), ["city"])


@pytest.mark.parametrize("value", [[], 7, "x", None, {}, {"moon": "#FFFFFF"}])
def test_a_file_without_any_class_is_refused(tmp_path, value):
    with pytest.raises(InputError, match="colours.json.*expected"):
        read_colours(write(tmp_path, value), ["city"])
