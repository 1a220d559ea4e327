"""The classes that a visitor of the page of app.py types, or adds by pictures."""

import pytest
from app_reader import add, ranked, refused
from PIL import Image

from inference import NewClass, load_run, parse
from pages.app_classes import read_classes
from pages.app_page import Asked, name_picture, panel_link
from support.errors import InputError


def test_classes_are_read_as_predict_reads_them():
    lines = " wind farm \n\nquay: long walls, ships\nport area: a=b\n"
    expected = [parse(text) for text in ("wind farm", "quay: long walls, ships", "port area: a=b")]
    assert read_classes(lines) == expected and read_classes("") == []


def test_no_file_of_the_machine_is_read_by_its_name(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "secret.png")
    with pytest.raises(InputError, match="dropped below"):
        read_classes(f"port={tmp_path}")


def test_a_class_by_pictures(models, run_offer, place, pictures):
    five = [str(file) for file in pictures[:5]]
    new, said = add(models, run_offer, " port ", five)
    assert new == NewClass("port", "port", tuple(five)) and "Added port, by 5 pictures" in said
    html = name_picture(models, Asked(run_offer, pictures[0], own="unseen", pictured=(new,)))
    expected = load_run(place / "run", "cpu").among("unseen").with_classes(new).predict(pictures[0])
    assert dict(ranked(html))["port"] == pytest.approx(expected.probabilities[0, -1], rel=1e-5)
    assert "a class by 5 pictures" in html or expected.classes[0] != "port"


def test_a_class_by_one_picture(models, run_offer, pictures):
    new, said = add(models, run_offer, "port", pictures[:1])
    assert "Added port, by 1 picture." in said
    html = name_picture(models, Asked(run_offer, pictures[0], own="none", pictured=(new,)))
    assert "a class by 1 picture<" in html


@pytest.mark.parametrize(
    "name, count, words",
    [
        ("", 5, "Give the class a name, without a colon."),
        ("port: ships", 5, "Give the class a name, without a colon."),
        ("port=x", 5, "cannot be read"),
        ("port", 0, "Drop some pictures of port: five are a good number."),
        ("port", 101, "101 pictures are too many: 100 are the most."),
        ("Quay", 5, "Quay is there already: give the new class another name."),
    ],
)
def test_a_class_by_pictures_that_cannot_be(models, run_offer, pictures, name, count, words):
    files = [str(pictures[0])] * count
    new, said = add(models, run_offer, name, files, others=[parse("quay")])
    assert new is None and words in refused(said)


def test_a_picture_of_a_class_that_cannot_be_read(models, run_offer, pictures, tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    new, said = add(models, run_offer, "port", [pictures[0], broken])
    assert new is None and "Cannot read the image broken.png" in refused(said)


@pytest.mark.parametrize(
    "typed, words",
    [
        (
            "",
            "CLASS1 is a class of the run: untick it under “Classes by pictures”, or add it by another name.",
        ),
        (
            "Class-9",
            "Class 9 is typed already: untick it under “Classes by pictures”, or add it by another name.",
        ),
    ],
)
def test_a_class_by_pictures_that_a_later_choice_has_too_is_to_be_unticked(
    models, run_offer, clip_offer, pictures, typed, words
):
    """Of a CLIP alone it was no class of a run, and was not typed yet."""
    name = "Class 9" if typed else "CLASS1"
    new, _ = add(models, clip_offer, name, pictures[:2])
    asked = Asked(run_offer, pictures[0], own="all", typed=typed, pictured=(new,))
    assert refused(name_picture(models, asked)) == words and panel_link(models, asked) == ""
    unticked = Asked(run_offer, pictures[0], own="all", typed=typed, unticked=(new,))
    assert "Ranking" in name_picture(models, unticked)
