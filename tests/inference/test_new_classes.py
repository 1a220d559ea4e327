"""What a user says of new classes: names, descriptions and pictures, and that no two have one name."""

import pytest

from inference.new_classes import NewClass, check_names, known_classes, parse
from support.errors import InputError
from tiny_data import write_dataset


@pytest.fixture
def pictures(tmp_path):
    """A folder of a class with three pictures."""
    return write_dataset(tmp_path, seen=3, unseen=2, per_class=3) / "RSSDIVCS" / "Class3"


@pytest.mark.parametrize(
    "text, name, words",
    [
        ("wind farm", "wind farm", "wind farm"),
        ("WindFarm", "WindFarm", "wind farm"),
        (" tank farm : round tanks, 50 = many", "tank farm", "round tanks, 50 = many"),
    ],
)
def test_a_class_by_its_name_or_a_description(text, name, words):
    assert parse(text) == NewClass(name, words)


def test_a_class_by_pictures_in_a_file_a_folder_or_a_pattern(pictures):
    (pictures / "notes.txt").touch()
    all_three = tuple(map(str, sorted(pictures.glob("*.png"))))
    assert parse(f"x={pictures}").pictures == all_three
    assert parse(f"x= {pictures}/*.png").pictures == all_three
    assert parse(f"x={pictures.parent}/*3").pictures == all_three
    assert parse(f"x={all_three[1]}").pictures == all_three[1:2]


@pytest.mark.parametrize(
    "text, message",
    [
        ("", "expected"),
        (" : turbines", "expected"),
        ("=pictures/", "expected"),
        ("x=", "expected"),
        ("x:", "expected"),
        ("x=nowhere/*.png", "no picture is found by nowhere"),
    ],
)
def test_a_class_without_name_words_or_pictures_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        parse(text)


@pytest.mark.parametrize(
    "new, message",
    [
        (["tank farm"], "TankFarm is a class of the run"),
        (["Tankfarm"], "TankFarm is a class of the run"),
        (["dunes", "harbor", "Dunes"], "dunes is named twice"),
        (["-"], "is no name"),
    ],
)
def test_no_two_classes_have_one_name(new, message):
    with pytest.raises(InputError, match=message):
        check_names(new, ["TankFarm", "River"])
    check_names(["tank", "farm"], ["TankFarm", "River"])


def test_a_class_that_is_left_out_is_named_as_the_run_names_it_or_nearly():
    names = ["Class0", "TankFarm", "Class2"]
    for typed in ("tank farm", "TankFarm", "tank_farm", "Tank farm", " tankfarm "):
        assert known_classes(names, [typed]).tolist() == [0, 2]
    with pytest.raises(InputError, match="--without: there is no class Clas2; did you mean 'Class2'"):
        known_classes(names, ["Clas2"])
