"""The page of predictions whose folders tell what each picture is: accuracy, confusion, mistakes."""

import json
import re
import shutil
from pathlib import Path

import pytest
from page_reader import write_report
from PIL import Image

from helpers import predict_with, read_lines, write_lines


@pytest.fixture(scope="module")
def counted(place, tmp_path_factory) -> Path:
    """Pictures in folders of classes, one in none, as predict.py --labels folders counts them."""
    folder = tmp_path_factory.mktemp("labelled")
    shutil.copytree(place / "RSSDIVCS", folder / "pictures")
    (folder / "pictures" / "elsewhere").mkdir()
    Image.new("RGB", (30, 30)).save(folder / "pictures" / "elsewhere" / "one.png")
    words = ["--classes all --labels folders --output", folder / "named"]
    predict_with(place, folder / "pictures", *words)
    return folder / "named"


@pytest.fixture
def named(counted, tmp_path) -> Path:
    return Path(shutil.copytree(counted, tmp_path / "named"))


def change(file: Path, **new):
    content = json.loads(file.read_text(encoding="utf-8"))
    file.write_text(json.dumps({**content, **new}), encoding="utf-8")


def wrong_images(folder: Path) -> list:
    """Those whose folder is a class, and another one than they were named."""
    classes = json.loads((folder / "accuracy.json").read_text())["per_class"]["class"]
    wrong = []
    for line in read_lines(folder / "predictions.jsonl"):
        label = Path(line["image"]).parent.name
        if label in classes and line["classes"][0]["class"] != label:
            wrong.append(line["image"])
    return wrong


def test_the_mean_accuracy_is_the_first_card(named):
    record = json.loads((named / "accuracy.json").read_text())
    first = write_report(named).text.split('<ul class="cards">')[1].split("</li>")[0]
    assert f"<strong>{record['mean']:.1f}<i>%</i>" in first
    assert f"{record['images']} images" in first and f"chance is {record['chance']:.1f} %" in first


def test_every_class_has_its_accuracy(named):
    record = json.loads((named / "accuracy.json").read_text())["per_class"]
    page = write_report(named)
    assert list(page.sections)[:3] == ["Accuracy", "Confusion", "Pictures"]
    rows = page.by_row("Accuracy by class")
    expected = {}
    for name, images, share in zip(record["class"], record["images"], record["accuracy"]):
        if images:
            expected[name] = (str(images), f"{share:.1f}")
    assert {name: (row["images"], row["%"]) for name, row in rows.items()} == expected
    assert len(page.of("g", "bar")) >= len(expected)
    assert "1 images are not counted: of no candidate class" in page.sections["Accuracy"]


def test_the_confusion_is_what_was_counted(named):
    record = json.loads((named / "accuracy.json").read_text())["confusion"]
    shown = write_report(named).by_row("Counts")
    for name, row in shown.items():
        assert row == {guess: str(record[name][guess]) for guess in shown}
    kept = sum(int(count) for row in shown.values() for count in row.values())
    assert kept == sum(count for row in record.values() for count in row.values())


def test_every_picture_says_whether_it_was_named_right(named):
    page = write_report(named)
    pictures = [item for item in page.of("li") if "data-class" in item]
    wrong = wrong_images(named)
    assert wrong and [item["data-name"] for item in pictures if "data-wrong" in item] == wrong
    marks = re.findall('<p class="truth (\\w+)">(.*?)</p>', page.text)
    assert len(marks) == len(pictures) and ("unknown", "? its folder is no candidate class") in marks
    signs = {"right": "&#10003; right", "wrong": f"&#10007; is {Path(wrong[0]).parent.name}"}
    for how, words in signs.items():
        assert (how, words) in marks  # not told by a colour alone
    button = re.search('id="wrong" aria-pressed="false">&#10007; wrong <span>(\\d+)</span>', page.text)
    assert int(button[1]) == len(wrong)


def test_without_labels_nothing_is_said_of_them(named):
    (named / "accuracy.json").unlink()
    page = write_report(named)
    assert list(page.sections)[0] == "Pictures" and 'id="wrong"' not in page.text
    assert not [item for item in page.of("li") if "data-wrong" in item]


@pytest.mark.parametrize(
    "new, told",
    [
        ({"confusion": {}}, "its confusion is not of its classes"),
        ({"confusion": 3}, "its values are of another kind"),
        ({"not_counted": {"unreadable": -1}}, "its counts are no numbers of images"),
        ({"folders": {"/x": "no class"}}, "its folders are not of its classes"),
        ({"folders": {}}, "does not count the images of predictions.jsonl"),
    ],
)
def test_of_a_damaged_count_the_page_does_without_and_says_so(named, new, told):
    change(named / "accuracy.json", **new)
    page = write_report(named)
    assert told in page.sections["Accuracy"] and "Left out: " in page.sections["Accuracy"]
    assert "Confusion" not in page.sections and 'id="wrong"' not in page.text
    assert len([item for item in page.of("li") if "data-class" in item]) > 3


def test_an_earlier_count_without_folders_says_what_to_do(named):
    record = json.loads((named / "accuracy.json").read_text())
    del record["folders"]
    (named / "accuracy.json").write_text(json.dumps(record))
    assert "'folders' is missing): run predict.py again" in write_report(named).sections["Accuracy"]


def test_more_images_than_were_counted_are_told(named):
    lines = read_lines(named / "predictions.jsonl")
    write_lines(named / "predictions.jsonl", [*lines, lines[0]])
    assert "does not count the images" in write_report(named).sections["Accuracy"]
