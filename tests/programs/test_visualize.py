import json
import re
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import main as program
import visualize
from data.names import readable
from data.pipeline import dsva_preprocessing, load_image
from helpers import predict_with, predicted
from inference import load_saved
from pages import panels
from pages.panels import add_remark

sys.path.append(str(Path(__file__).parents[2] / "RSSDIVCS"))
from demo.attributes import INDEX, pack_masks  # noqa: E402


@pytest.fixture(scope="module")
def checkpoint(root, clip, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "run"
    program.main(
        [
            "--root",
            str(root),
            "--clip",
            str(clip),
            "--output",
            str(folder),
            "--manualSeed",
            "0",
            "--device",
            "cpu",
            *"--nepoch 1 --n_batch 1 --ways 2 --shots 2 --workers 0".split(),
        ]
    )
    return folder / "last.safetensors"


def look(checkpoint: Path, *words):
    visualize.main(["--resume", str(checkpoint), "--device", "cpu", *map(str, words)])


def test_a_panel_for_each_image_and_a_sheet_of_all(checkpoint, tmp_path):
    look(checkpoint, "--per_class", 2, "--top", 2, "--output", tmp_path)
    panels = sorted(file.name for file in tmp_path.iterdir())
    assert panels == [
        "Class0_image_0.png",
        "Class0_image_1.png",
        "Class1_image_5.png",
        "Class1_image_6.png",
        "Class2_image_10.png",
        "Class2_image_11.png",
        "contact_sheet.png",
    ]
    panel, sheet = Image.open(tmp_path / panels[0]), Image.open(tmp_path / "contact_sheet.png")
    remark = add_remark(Image.new("RGB", panel.size), "projection").height - panel.height
    assert sheet.size == (2 * panel.width, 3 * (panel.height - remark) + remark)  # once for all panels
    assert panel.width > panel.height and np.asarray(panel).std() > 10


def test_images_that_are_not_drawn_and_panels_that_are_on_no_sheet_are_told(
    checkpoint, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(visualize, "ON_SHEET", 2)
    look(checkpoint, "--per_class", 2, "--draw", 3, "--output", tmp_path)
    said = capsys.readouterr().out
    assert "note: contact_sheet.png has the first 2 of them" in said
    assert "note: 3 of 6 images were drawn; visualize.py --draw 6 draws all" in said


def test_images_are_of_every_class_in_turn(checkpoint, tmp_path):
    look(checkpoint, "--per_class", 2, "--draw", 3, "--output", tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == {
        "Class0_image_0.png",
        "Class1_image_5.png",
        "Class2_image_10.png",
        "contact_sheet.png",
    }


def test_own_images(checkpoint, root, tmp_path):
    (tmp_path / "mine" / "deeper").mkdir(parents=True)
    shutil.copy(root / "RSSDIVCS" / "Class4" / "image_20.png", tmp_path / "mine" / "deeper" / "photo.png")
    (tmp_path / "mine" / "notes.txt").touch()
    look(checkpoint, "--images", tmp_path / "mine", "--output", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {"photo.png", "contact_sheet.png"}


@pytest.fixture
def drawn(monkeypatch) -> list:
    """What is written on panels, in the order of writing."""
    words = []
    title, file = panels.add_title, panels.name_file
    monkeypatch.setattr(panels, "add_title", lambda axis, *texts: words.append(texts) or title(axis, *texts))
    monkeypatch.setattr(panels, "name_file", lambda axis, path: words.append(path.name) or file(axis, path))
    return words


def test_a_panel_has_the_class_its_probability_and_the_files_name(place, tmp_path, drawn):
    """The same ones as predict.py gives."""
    photos = tmp_path / "mine"
    photos.mkdir()
    for number, name in enumerate(["b.png", "a $x_1$ \u6cb3.png"]):
        shutil.copy(place / "RSSDIVCS" / "Class3" / f"image_{9 + number}.png", photos / name)
    predict_with(place, photos, "--add_class", "quay: ships", "--output", tmp_path / "named")
    expected = []
    for line in predicted(tmp_path / "named"):
        best = line["classes"][0]
        title = (readable(best["class"]), f"{best['probability']:.0%}", panels.INK)
        expected += [title, Path(line["image"]).name]
    look(
        place / "run" / "last.safetensors",
        *("--images", photos, "--add_class", "quay: ships", "--output", tmp_path / "out"),
    )
    assert [words for words in drawn if len(words) == 3 or isinstance(words, str)] == expected
    assert {"b.png", "a $x_1$ \u6cb3.png"} < {file.name for file in (tmp_path / "out").iterdir()}


def test_a_panel_has_what_predict_tells_and_begins_with_what_is_seen(place, tmp_path, drawn):
    photos = place / "RSSDIVCS" / "Class3"
    predict_with(place, photos, "--attributes", "999", "--output", tmp_path / "named")
    expected = []
    for line in predicted(tmp_path / "named"):
        adding = [entry for entry in line["attributes"] if entry["contribution"] > 0]
        seen = [entry for entry in adding if entry["score"] > 0]
        lacking = [entry for entry in adding if entry["score"] <= 0]
        for entry in [*seen, *lacking][:3]:
            name = entry["attribute"] if entry["score"] > 0 else f"less {entry['attribute']}"
            expected.append((name, entry["contribution"], line["logit_difference"]))
    look(place / "run" / "last.safetensors", "--images", photos, "--output", tmp_path / "out")
    found = [words for words in drawn if len(words) == 2]
    assert expected and [name for name, _ in found] == [name for name, _, _ in expected]
    for (_, remark), (_, contribution, lead) in zip(found, expected):
        added, of_lead = remark.rstrip("*").split(" of ")
        assert float(added) == pytest.approx(contribution, abs=0.051)
        assert float(of_lead) == pytest.approx(lead, abs=0.051)


def test_a_panel_says_whose_maps_it_shows(place, tmp_path, monkeypatch):
    remarks = []
    whose_maps = panels.whose_maps
    monkeypatch.setattr(panels, "whose_maps", lambda branch: remarks.append(branch) or whose_maps(branch))
    words = ["--per_class", 1, "--draw", 1, "--output", tmp_path]
    look(place / "run" / "last.safetensors", *words)
    branch = load_saved(place / "run" / "last.safetensors", torch.device("cpu")).branch
    assert remarks == [branch, branch]  # of the panel, and of the sheet


def test_a_class_can_be_added_and_others_left_out(place, tmp_path, drawn, capsys):
    words = ["--classes", "none", "--add_class", "quay: ships", "--per_class", 1, "--output", tmp_path]
    look(place / "run" / "last.safetensors", *words)
    printed = capsys.readouterr().out
    assert (
        "classes none of the run's" in printed
        and "new     quay                     by description" in printed
    )
    titles = [words for words in drawn if len(words) == 3]
    assert titles == [
        ("quay", "100%, is class0", panels.WRONG),
        ("quay", "100%, is class1", panels.WRONG),
    ]


def test_test_images_compete_as_in_the_runs_own_test(place, tmp_path, capsys):
    look(place / "run" / "last.safetensors", "--per_class", 1, "--output", tmp_path)
    assert "classes 2 unseen, 3 seen (as in this GZSL run's own test;" in capsys.readouterr().out


def test_images_of_one_name_have_a_picture_each(checkpoint, root, tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        shutil.copy(root / "RSSDIVCS" / "Class4" / "image_20.png", tmp_path / folder / "photo.png")
    shutil.copy(root / "RSSDIVCS" / "Class4" / "image_20.png", tmp_path / "a" / "contact_sheet.png")
    look(checkpoint, "--images", tmp_path / "a", tmp_path / "b", "--output", tmp_path / "out")
    assert {file.name for file in (tmp_path / "out").iterdir()} == {
        "photo.png",
        "photo-2.png",
        "contact_sheet-2.png",
        "contact_sheet.png",
    }


def test_masks_are_cropped_as_images_are(tmp_path):
    picture, label = np.zeros((128, 128, 3), np.uint8), np.zeros((128, 128), np.uint8)
    picture[30:70, 80:100], label[30:70, 80:100] = 255, 1
    (tmp_path / "Class").mkdir()
    Image.fromarray(picture).save(tmp_path / "Class" / "x.png")
    (tmp_path / "Class" / "x.npz").write_bytes(pack_masks(label, [(), ("cars",)]))
    how = dsva_preprocessing(112, "imagenet")
    masks = visualize.load_masks(tmp_path, tmp_path / "Class" / "x.png", how)
    shown = load_image(tmp_path / "Class" / "x.png", how)[0].numpy() > 127
    assert (masks[INDEX["cars"]] == shown).all() and masks.sum() == shown.sum()


def test_localization_is_printed_and_saved(checkpoint, root, tmp_path, monkeypatch, capsys):
    masks = np.zeros((6, 32, 32), bool)
    masks[0, :17] = masks[1, :8, :8] = True
    monkeypatch.setattr(visualize, "load_masks", lambda *_: masks)
    look(checkpoint, "--masks", tmp_path, "--output", tmp_path / "out", "--draw", 1)
    result = json.loads((tmp_path / "out" / "localization.json").read_text())
    assert [row["attribute"] for row in result["attributes"]] == [
        "attribute 1"
    ]  # the other covers more than half of the image
    assert (
        result["area"] == pytest.approx(1 / 16)
        and result["iou_chance"] == pytest.approx(1 / 31)
        and "times chance" in capsys.readouterr().out
    )


def test_of_many_attributes_the_mean_the_best_and_the_worst_are_printed(tmp_path, capsys):
    hits = np.linspace(0.9, 0.1, 9)
    image = {"hit": hits, **{name: np.full(9, 0.25) for name in ("area", "iou", "iou_chance")}}
    visualize.report_localization([image], [f"attribute {a}" for a in range(9)], tmp_path)
    lines = capsys.readouterr().out.splitlines()[2:]
    assert lines[0].startswith("mean of the attributes") and "50.0" in lines[0]
    assert [line[:11] for line in lines[1:-1]] == [
        *("attribute 0", "attribute 1", "attribute 2"),
        *("... 3 more,", "attribute 6", "attribute 7", "attribute 8"),
    ]
    assert len(json.loads((tmp_path / "localization.json").read_text())["attributes"]) == 9


@pytest.mark.parametrize(
    "words, message",
    [
        (["--images", "nowhere/x.png"], "cannot read the image"),
        (["--images", "."], "no image in"),
        (["--masks", "nowhere"], "no masks for .*Class0"),
        (["--per_class", "0"], "--per_class"),
        (["--classes", "none"], "--classes none needs --add_class or --class_values"),
        (["--without", "beach"], "--without: there is no class beach"),
    ],
)
def test_wrong_use_is_one_line(checkpoint, tmp_path, capsys, monkeypatch, words, message):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SystemExit) as stop:
        look(checkpoint, "--output", tmp_path / "out", *words)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and "\n" not in error
    assert re.search(message, error)


def test_a_file_that_no_run_saved(clip, tmp_path, capsys):
    with pytest.raises(SystemExit):
        look(clip / "model.safetensors")
    assert "was not saved by a run of main.py" in capsys.readouterr().err
