"""What classes are called, in words, by their folders, and as a user types them."""

import json

import pytest

from data.names import find_class, read_names, readable, renamed, stored_names, suggest
from support.errors import InputError

NAMES = ["grass", "baseball field", "BareLand", "Café", "草地", "100% corn"]
FOLDERS = {"aGrass": "grass", "bField": "baseball field", "BareLand": "BareLand", "cao-di": "草地"}


@pytest.mark.parametrize(
    "typed, name",
    [
        ("grass", "grass"),
        ("aGrass", "grass"),
        ("agrass", "grass"),
        ("BaseballField", "baseball field"),
        ("baseballfield", "baseball field"),
        ("Baseball_Field", "baseball field"),
        ("bField", "baseball field"),
        ("bare land", "BareLand"),
        ("bareland", "BareLand"),
        ("cafe\u0301", "Café"),  # an accent of its own, as macOS writes it
        ("草地", "草地"),
        ("cao di", "草地"),
        ("100% Corn", "100% corn"),
    ],
)
def test_a_class_is_found_by_words_by_any_spelling_and_by_its_folder(typed, name):
    assert NAMES[find_class(typed, NAMES, FOLDERS)] == name


def test_a_class_is_found_without_folders():
    assert find_class("Bare Land", NAMES) == 2


def test_the_closest_spelling_counts_and_a_name_comes_before_a_folder():
    assert find_class("tankfarm", ["tank farm", "tankfarm"]) == 1
    assert find_class("TankFarm", ["tank farm", "tankfarm"]) == 0
    assert find_class("river", ["lake", "river"], {"river": "lake", "lake": "river"}) == 1


def test_a_name_that_may_mean_two_classes_is_refused():
    with pytest.raises(InputError, match="'TANKFARM' may mean 'tank farm' or 'tankFarm'"):
        find_class("TANKFARM", ["tank farm", "tankFarm"])


@pytest.mark.parametrize("typed", ["gras", "gGrass"])
def test_an_unknown_class_is_refused_with_the_nearest(typed):
    with pytest.raises(InputError, match=f"there is no class {typed}; did you mean 'grass'"):
        find_class(typed, NAMES, FOLDERS)
    with pytest.raises(InputError, match="there are grass, baseball field"):
        find_class("", NAMES, FOLDERS)


# ---- files of names --------------------------------------------------------------------------------

EXPECTED = {"aGrass": "grass", "bField": "open field, dry", "草": "草地"}


@pytest.mark.parametrize(
    "content",
    [
        json.dumps(EXPECTED),
        "\ufeff" + json.dumps(EXPECTED),
        "# RSSCN7\n\naGrass=grass\r\n bField = open field, dry\n草=草地\n",
        "aGrass: grass\nbField: open field, dry\n草: 草地",
        "aGrass\tgrass\nbField\topen field, dry\n草\t草地",
        "\ufeffaGrass,grass\nbField,open field, dry\n草,草地",
    ],
    ids=["JSON", "JSON with a BOM", "=", ":", "tab", "comma"],
)
def test_a_names_file_in_any_form(tmp_path, content):
    (tmp_path / "names.txt").write_bytes(content.encode())
    assert read_names(tmp_path / "names.txt") == EXPECTED


@pytest.mark.parametrize(
    "content, says",
    [
        (b"aGrass=grass\nbField", "names.txt, line 2: expected a folder and its name"),
        (b"aGrass=", "names.txt, line 1: expected a folder and its name"),
        (b"=grass", "names.txt, line 1: expected a folder and its name"),
        (b"aGrass=grass\naGrass=green", "line 2: aGrass is called 'grass' and 'green'"),
        (b"\n# nothing\n", "names.txt holds no name"),
        (b'{"aGrass": 3}', "expected folders and their names in words"),
        (b'{"aGrass": " "}', "expected folders and their names in words"),
        (b'{"aGrass": "grass"', "is not readable JSON"),
        (b"aGrass=\xff\xfe", "cannot read the names file"),
    ],
)
def test_a_wrong_names_file_is_named_with_its_line(tmp_path, content, says):
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(InputError, match=says):
        read_names(tmp_path / "names.txt")


def test_names_are_stored_beside_the_mat_files(tmp_path):
    (tmp_path / "b").mkdir()
    assert stored_names(tmp_path / "a", tmp_path / "b") == {}
    (tmp_path / "b" / "class_names.json").write_text('{"aGrass": "grass", "DenseResidential": "houses"}')
    stored = stored_names(tmp_path / "a", tmp_path / "b")
    published = ["aGrass", "dense residential", "River"]
    assert renamed(published, published, stored) == ["grass", "houses", "River"]
    assert renamed(["x", "y"], ["aGrass", "b"], stored) == ["grass", "y"]


def test_number_signs_of_other_datasets_part_words():
    assert readable("grizzly+bear") == "grizzly bear"


@pytest.mark.parametrize("typed, meant", [("forst", "forest"), ("Farm_land", "Farmland"), ("BareLand", "")])
def test_only_a_near_spelling_is_suggested(typed, meant):
    said = suggest(typed, ["forest", "Farmland", "storage tanks"])
    assert said == (f"did you mean {meant!r}?" if meant else "there are forest, Farmland, storage tanks")
