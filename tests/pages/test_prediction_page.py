"""The page of a folder of predictions: the gallery, its tables, and what it refuses."""

import json
import re
from pathlib import Path

import pytest
from page_reader import NASTY, no_report, write_report
from PIL import Image

from helpers import read_lines, write_lines


@pytest.fixture
def predictions(root, tmp_path) -> Path:
    """Six images named, one of them gone since; one that could not be read."""
    folder, images = tmp_path / "predictions", sorted((root / "RSSDIVCS").glob("Class[0-4]/image_*0.png"))[:3]
    images += sorted((root / "RSSDIVCS").glob("Class5/*.png"))[:2] + [tmp_path / f"gone {NASTY}.png"]
    guesses = ["harbour", "lake", "harbour", NASTY, "lake", "lake"]
    lines = [
        {
            "image": str(image),
            "classes": [
                {"class": name, "probability": 0.5 + 0.05 * n},
                {"class": "pier", "probability": 0.04},
            ],
            "attributes": [
                {"attribute": "water", "contribution": 0.41},
                {"attribute": NASTY, "contribution": 0.1},
            ],
        }
        for n, (image, name) in enumerate(zip(images, guesses))
    ]
    lines.insert(2, {"image": "/somewhere/broken.png", "error": f"cannot read {NASTY}"})
    folder.mkdir()
    write_lines(folder / "predictions.jsonl", lines)
    facts = {"options": {"top": 2}, "command": "predict.py here"}
    facts["classes"] = {"harbour": "seen", "lake": "unseen"}
    (folder / "options.json").write_text(json.dumps(facts))
    return folder


def test_every_image_is_in_the_gallery(predictions):
    page = write_report(predictions)
    assert list(page.sections) == ["Pictures", "Classes", "Table", "Unreadable", "Settings"]
    chips = {
        button["value"]: name
        for button, name in zip(
            page.of("button")[:4], re.findall(r'aria-pressed="\w+">(.*?) <span>', page.text)
        )
    }
    places = [li["data-class"] for li in page.of("li") if "data-class" in li]
    assert [chips[place] for place in places] == [
        "harbour",
        "lake",
        "harbour",
        "&lt;b&gt;&amp;&quot;x&quot; &#937;",
        "lake",
        "lake",
    ]
    assert re.findall(r"<span>(\d+)</span></button>", page.text) == ["6", "3", "2", "1"]
    assert len(page.of("img")) == 5 and "the picture is not there any more" in page.sections["Pictures"]
    assert all(image["src"].startswith("data:image/jpeg") and image["alt"] for image in page.of("img"))
    assert "water +41%" in page.sections["Pictures"] and "pier 4%" in page.sections["Pictures"]


def test_attributes_of_an_earlier_version_are_not_told_as_reasons(predictions):
    words = write_report(predictions).sections["Pictures"]
    assert "They do not tell why the class was given: predict anew." in words
    assert "add most" not in words


def test_contributions_are_told_with_what_they_sum_to(predictions):
    file = predictions / "predictions.jsonl"
    lines = read_lines(file)
    for line in lines:
        if "classes" in line:
            line["attributes"] = [
                {"attribute": "water", "score": 1.2, "contribution": 1.31},
                {"attribute": NASTY, "score": -0.5, "contribution": 0.62},
                {"attribute": "snow", "score": -0.5, "contribution": -0.1},
            ]
            line.update(rest=2.37, logit_difference=4.2)
    write_lines(file, lines)
    words = write_report(predictions).sections["Pictures"]
    assert "the attributes that add most to it" in words and "earlier version" not in words
    assert re.search("water \\+1.3, less .* \\+0.6 of 4.2", words) and "snow" not in words


def test_predictions_as_tables(predictions):
    page = write_report(predictions)
    assert page.tables["Predictions"][0] == ["image", "class 1", "probability 1", "class 2", "probability 2"]
    assert (
        page.tables["Predictions"][2][1:] == ["lake", "0.5500", "pier", "0.0400"]
        and len(page.tables["Predictions"]) == 7
    )
    assert page.tables["Images that could not be read"][1] == [
        "/somewhere/broken.png",
        f"cannot read {NASTY}",
    ]
    assert page.tables["Options"][1] == ["top", "2"] and '<b>&"' not in page.text


def test_classes_have_the_colour_of_their_kind(predictions):
    page = write_report(predictions)
    assert [bar["class"] for bar in page.of("g", "bar")] == ["bar unseen", "bar seen", "bar chosen"]
    assert [h3["class"] for h3 in page.of("h3") if "class" in h3] == [
        "seen",
        "unseen",
        "seen",
        "chosen",
        "unseen",
        "unseen",
    ]


def test_a_gallery_of_many_shows_some_and_says_so(predictions):
    page = write_report(predictions, "--images", 2)
    assert "2 of 6 images are shown" in page.sections["Pictures"] and len(page.tables["Predictions"]) == 3
    assert [image["data-class"] for image in page.of("li") if "data-class" in image] == [
        "1",
        "0",
    ]  # the first and the last; of all six, most are lakes


def test_predictions_without_options_or_readable_images(predictions):
    (predictions / "options.json").unlink()
    (predictions / "predictions.jsonl").write_text('{"image": "a.png", "error": "no"}\n')
    page = write_report(predictions)
    assert (
        list(page.sections) == ["Unreadable", "Settings"] and "no options.json" in page.sections["Settings"]
    )


def test_a_file_may_have_any_bytes_for_a_name(predictions):
    classes = [{"class": "lake", "probability": 1.0}]
    line = {"image": "/x/\udcff.png", "classes": classes, "attributes": []}
    write_lines(predictions / "predictions.jsonl", [line])
    assert "56575" in write_report(predictions).text


@pytest.mark.parametrize(
    "line, message",
    [
        ("", "predictions.jsonl is empty"),
        ("junk\n", "line 1, is not JSON"),
        ("[]\n", "line 1, is not what predict.py writes"),
        ('{"image": "a.png"}\n', "neither classes nor an error"),
        ('{"classes": [{"class": "a", "probability": 1}]}\n', "'image' is missing"),
        ('{"image": "a.png", "classes": [{"class": "a", "probability": "much"}]}\n', "line 1, is not what"),
    ],
)
def test_a_damaged_prediction_is_one_line(predictions, capsys, line, message):
    (predictions / "predictions.jsonl").write_text(line)
    assert message in no_report(capsys, predictions)


@pytest.mark.parametrize("size", [(1200, 40), (30, 20)])
def test_thumbnails_keep_their_shape(predictions, tmp_path, size):
    Image.new("RGB", size).save(tmp_path / "one.png")
    line = {"image": str(tmp_path / "one.png"), "classes": [{"class": "a", "probability": 1.0}]}
    write_lines(predictions / "predictions.jsonl", [line])
    image = write_report(predictions).of("img")[0]
    assert max(int(image["width"]), int(image["height"])) == min(176, max(size))


def test_a_long_table_scrolls_in_a_box_and_says_so(predictions):
    assert "scroll down" not in write_report(predictions).text
    lines = read_lines(predictions / "predictions.jsonl")
    write_lines(predictions / "predictions.jsonl", [lines[-1]] * 81)
    page = write_report(predictions)
    assert "81 rows: scroll down for more" in page.sections["Table"] and len(page.of("div", "tall")) == 1


# ---- ranked by calibrated scores -------------------------------------------------------------------


def one_line(predictions, *classes):
    entries = [{"class": name, "probability": share} for name, share in classes]
    write_lines(predictions / "predictions.jsonl", [{"image": "/gone.png", "classes": entries}])


def test_other_classes_of_no_percent_are_not_told(predictions):
    one_line(predictions, ("lake", 0.98), ("pier", 0.012), ("harbour", 0.004))
    words = write_report(predictions).sections["Pictures"]
    assert "pier 1%" in words and "harbour" not in words


def test_a_class_before_a_more_probable_one_says_why(predictions):
    one_line(predictions, ("lake", 0.18), ("pier", 0.20))
    page = write_report(predictions)
    assert "pier 20% (ranked by calibrated score)" in page.sections["Pictures"]
    assert "ranked by calibrated score" in page.sections["Table"]
    one_line(predictions, ("lake", 0.21), ("pier", 0.20))
    assert "alibrated" not in write_report(predictions).text


def test_a_filter_says_how_many_of_a_class_are_shown(predictions):
    page = write_report(predictions, "--images", 2)
    chips = re.findall(r'aria-pressed="\w+">(\w+) <span>(.*?)</span></button>', page.text)
    assert chips == [("all", "2 of 6 shown"), ("lake", "1 of 3 shown"), ("harbour", "1 of 2 shown")]
