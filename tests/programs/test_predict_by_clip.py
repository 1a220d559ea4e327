"""Naming pictures with a CLIP alone, as a user does it: no run, no dataset, classes in words or pictures."""

import csv
import json
import math
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

import predict
import report
from caption_training import write_captioned_images
from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS
from clip.embed import Clip
from helpers import NAMES, VOCABULARY, predict_with, predicted, refusal, start, write_whole_clip
from inference.accuracy import Labels
from inference.clip_classifier import ClipClassifier, as_words
from inference.new_classes import parse
from support.cli import REPOSITORY
from support.errors import InputError

CLASSES = ["green field", "harbor", "desert"]


@pytest.fixture(scope="module")
def here(tmp_path_factory):
    """clip/, words.json, photos/ with twelve pictures in three class folders, and one that is broken."""
    folder = tmp_path_factory.mktemp("alone")
    write_whole_clip(folder / "clip")
    (folder / "words.json").write_text(json.dumps(VOCABULARY))
    (folder / "photos").mkdir()
    write_captioned_images(folder / "photos")
    (folder / "photos" / "desert" / "broken.png").write_bytes(b"nothing")
    return folder


def options(here, output, names=CLASSES):
    words = [here / "photos", "--clip", here / "clip", "--vocabulary", here / "words.json"]
    words += ["--output", output, "--device", "cpu", "--workers", 0, "--batch_size", 5]
    if names:
        words += ["--names", *names]
    return [str(word) for word in words]


def run(here, output, *more, names=CLASSES):
    predict.main([*options(here, output, names), *map(str, more)])


def table(file) -> list:
    with open(file, encoding="utf-8", newline="") as text:
        return list(csv.DictReader(text))


# ---- the numbers -----------------------------------------------------------------------------------


def test_classes_and_attributes_are_clips_own_softmax(here, tmp_path):
    run(here, tmp_path / "out", "--top", 3, "--attributes", 5)
    clip = Clip(here / "clip", torch.device("cpu"))
    found = [line for line in predicted(tmp_path / "out") if "error" not in line]
    images = clip.embed_images(clip.loader([Path(line["image"]) for line in found], 5, 0)).double()
    for words, prompts, key, name, value in (
        (CLASSES, CLASS_PROMPTS, "classes", "class", "probability"),
        (NAMES, ATTRIBUTE_PROMPTS, "attributes", "attribute", "share"),
    ):
        expected = (clip.scale * images @ clip.embed_words(words, prompts).double().T).softmax(dim=1)
        for line, row in zip(found, expected):
            told = {entry[name]: entry[value] for entry in line[key]}
            assert [told[word] for word in words] == pytest.approx(row.tolist(), rel=1e-4)
            assert list(told.values()) == sorted(told.values(), reverse=True)


def test_an_image_is_told_the_same_in_any_folder(here, tmp_path):
    run(here, tmp_path / "all")
    picture = here / "photos" / "harbor" / "2.png"
    words = options(here, tmp_path / "one")[1:]
    predict.main([str(picture), *words])
    (alone,) = predicted(tmp_path / "one")
    (among,) = [line for line in predicted(tmp_path / "all") if line["image"] == str(picture)]
    assert [entry["class"] for entry in alone["classes"]] == [entry["class"] for entry in among["classes"]]
    for key, value in (("classes", "probability"), ("attributes", "share")):
        assert [entry[value] for entry in alone[key]] == pytest.approx(
            [entry[value] for entry in among[key]], rel=1e-4
        )


def test_prompts_change_what_is_asked_and_the_console_says_it(here, tmp_path, capsys):
    run(here, tmp_path / "usual", names=["harbor", "quay: cranes, grey concrete"])
    usual = capsys.readouterr().out
    assert '"a satellite image of a {}."' in usual and "of harbor (--prompts asks otherwise)" in usual
    assert '"cranes", "grey concrete"' in usual and "my_images.sh" in usual
    run(here, tmp_path / "other", "--prompts", "a {}!", names=["harbor", "quay: cranes, grey concrete"])
    other = capsys.readouterr().out
    assert 'asked   "a {}!": of harbor' in other and '"a satellite image of a {}."' not in other
    assert predicted(tmp_path / "usual")[0]["classes"] != predicted(tmp_path / "other")[0]["classes"]


def test_pictures_alone_are_compared_as_they_are(here):
    clip = Clip(here / "clip", torch.device("cpu"))
    classes = [parse(f"{name}={here}/photos/{name}/?.png", "--names") for name in ("harbor", "GreenField")]
    classifier = ClipClassifier(clip, classes, NAMES)
    vectors = (
        clip.embed_images(clip.loader([Path(file) for file in classes[0].pictures], 4, 0))
        .double()
        .mean(dim=0)
    )
    torch.testing.assert_close(classifier.class_vectors[0], vectors / vectors.norm())
    assert classifier.candidates.kinds == ["4 pictures", "4 pictures"]


def test_pictures_among_names_lie_where_words_do():
    torch.manual_seed(0)
    attributes, in_words = torch.randn(6, 16).double(), torch.randn(3, 16).double()
    gap = torch.linalg.svd(attributes - attributes.mean(dim=0)).Vh[-1]  # which no attribute tells
    pictured = torch.randn(2, 16).double()
    moved = as_words(pictured + 100 * gap, in_words, attributes)
    torch.testing.assert_close(moved, as_words(pictured, in_words, attributes))


def test_a_mixture_of_names_descriptions_and_pictures(here, tmp_path, capsys):
    names = ["harbor", "sands: yellow dunes", f"field={here}/photos/GreenField/?.png"]
    run(here, tmp_path, "--top", 9, names=names)
    for line in predicted(tmp_path):
        if "error" not in line:
            assert {entry["class"] for entry in line["classes"]} == {"harbor", "sands", "field"}
            assert math.isclose(sum(entry["probability"] for entry in line["classes"]), 1, rel_tol=1e-4)
    assert json.loads((tmp_path / "options.json").read_text())["classes"] == {
        "harbor": "name",
        "sands": "description",
        "field": "4 pictures",
    }
    assert "by 4 pictures: field" in capsys.readouterr().out


def test_one_class_is_certain(here, tmp_path):
    run(here, tmp_path, names=["harbor"])
    for line in predicted(tmp_path):
        assert "error" in line or line["classes"] == [{"class": "harbor", "probability": 1}]


def test_prompts_change_what_is_asked_about_a_new_class_of_a_run(place, tmp_path, capsys):
    picture = next((place / "RSSDIVCS" / "Class0").glob("*.png"))
    for folder, words in (("usual", []), ("other", ["--prompts", "look, a {}!"])):
        predict_with(place, picture, "--add_class", "fort", "--top 9 --output", tmp_path / folder, *words)
    printed = capsys.readouterr().out
    assert 'asked   "a satellite image of a {}."' in printed and 'asked   "look, a {}!": of fort' in printed
    assert predicted(tmp_path / "usual")[0]["classes"] != predicted(tmp_path / "other")[0]["classes"]


def test_prompts_without_a_name_to_ask_about_are_refused(place, capsys):
    saved = place / "run" / "last.safetensors"
    error = refusal(capsys, start, predict, place / "RSSDIVCS", "--resume", saved, "--prompts", "a {}.")
    assert "--prompts are for a class by its name" in error


# ---- files, maps, pages ----------------------------------------------------------------------------


def test_table_and_gallery_are_as_with_a_run(here, tmp_path):
    run(here, tmp_path / "out")
    rows = table(tmp_path / "out" / "predictions.csv")
    assert list(rows[0])[:3] == ["image", "class_1", "probability_1"] and "share_3" in rows[0]
    report.main([str(tmp_path / "out")])
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "by a CLIP alone" in page and "CLIP sees in it most" in page
    assert "added classes" not in page


def test_a_scene_becomes_a_map(here, tmp_path):
    scene = tmp_path / "scene.png"
    shutil.copy(here / "photos" / "desert" / "0.png", scene)
    predict.main([str(scene), *options(here, tmp_path / "map")[1:], "--tile", "16"])
    for name in ("classes.png", "overlay.png", "tiles.csv", "areas.csv", "raster.png"):
        assert (tmp_path / "map" / f"scene_{name}").is_file()
    report.main([str(tmp_path / "map")])


def test_an_interrupted_prediction_goes_on(here, tmp_path, capsys):
    run(here, tmp_path / "whole")
    whole = (tmp_path / "whole" / "predictions.jsonl").read_bytes()
    run(here, tmp_path / "cut")
    cut = tmp_path / "cut" / "predictions.jsonl"
    cut.write_bytes(b"\n".join(whole.split(b"\n")[:7]) + b"\n{torn")
    capsys.readouterr()
    run(here, tmp_path / "cut", "--labels", "folders")
    assert "5 of 13 images are there already" in capsys.readouterr().out
    assert cut.read_bytes() == whole

    words = options(here, tmp_path / "cut", names=["harbor", "desert"])
    assert "holds another prediction" in refusal(capsys, start, predict, *words)
    config = here / "other"
    shutil.copytree(here / "clip", config)
    words = [str(config) if word == str(here / "clip") else word for word in options(here, tmp_path / "cut")]
    assert "holds another prediction (--clip" in refusal(capsys, start, predict, *words)


def test_two_processes_write_what_one_writes(here, tmp_path):
    run(here, tmp_path / "one", "--labels", "folders")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    command += [str(REPOSITORY / "model" / "predict.py"), *options(here, tmp_path / "two")]
    done = subprocess.run(
        [*command, "--labels", "folders"],
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        encoding="utf-8",
        timeout=200,
    )
    assert done.returncode == 0, done.stderr
    for name in ("predictions.jsonl", "predictions.csv", "accuracy.json"):
        assert (tmp_path / "two" / name).read_bytes() == (tmp_path / "one" / name).read_bytes()


def test_the_heading_is_of_what_names_and_one_is_one(here, place, tmp_path, capsys):
    broken = here / "photos" / "desert" / "broken.png"
    with pytest.raises(SystemExit):
        predict.main([str(broken), *options(here, tmp_path / "clip")[1:]])
    assert "CLIP sees most" in capsys.readouterr().out
    with pytest.raises(SystemExit):
        predict_with(place, broken, "--output", tmp_path / "run")
    printed = capsys.readouterr().out
    assert "because of (what it adds" in printed and "CLIP sees most" not in printed
    assert "\n1 image, 1 of them unreadable" in printed


# ---- how often right -------------------------------------------------------------------------------


def test_labels_of_folders_are_counted(here, tmp_path, capsys):
    run(here, tmp_path, "--labels", "folders", names=["Green-Field", "harbor", "lake"])
    record = json.loads((tmp_path / "accuracy.json").read_text())
    named = {name: {} for name in ("GreenField", "harbor")}
    for line in predicted(tmp_path):
        folder = line["image"].split("/")[-2]
        if folder in named:
            best = line["classes"][0]["class"]
            named[folder][best] = named[folder].get(best, 0) + 1
    accuracy = [named["GreenField"].get("Green-Field", 0) * 25, named["harbor"].get("harbor", 0) * 25, None]
    assert record["per_class"] == {
        "class": ["Green-Field", "harbor", "lake"],
        "images": [4, 4, 0],
        "accuracy": accuracy,
    }
    assert record["mean"] == np.mean(accuracy[:2]) and record["images"] == 8
    assert record["not_counted"] == {"unreadable": 1, "of no candidate class": 4}
    for folder, name in (("GreenField", "Green-Field"), ("harbor", "harbor")):
        row = record["confusion"][name]
        assert {guess: count for guess, count in row.items() if count} == named[folder]
    assert [row["accuracy"] for row in table(tmp_path / "per_class.csv")][2] == ""
    assert table(tmp_path / "confusion.csv")[1]["harbor"] == str(named["harbor"].get("harbor", 0))
    printed = capsys.readouterr().out
    assert "the mean over 2 classes with images" in printed
    assert "note: 4 images are not counted: of no candidate class, in desert" in printed


def test_labels_of_lettered_folders_are_the_words_that_prepare_reads(tmp_path):
    for folder in ("aGrass", "bField"):
        (tmp_path / folder).mkdir()
    labels = Labels([str(tmp_path)], ["grass", "field"])
    assert labels.label(str(tmp_path / "aGrass" / "1.jpg")) == 0
    assert labels.label(str(tmp_path / "bField" / "old" / "1.jpg")) == 1
    assert labels.label(str(tmp_path / "1.jpg")) is None


def test_labels_can_be_asked_of_a_run_and_afterwards(place, tmp_path, capsys):
    predict_with(place, place / "RSSDIVCS", "--output", tmp_path)
    assert not (tmp_path / "accuracy.json").exists()
    predict_with(place, place / "RSSDIVCS", "--output", tmp_path, "--labels folders")
    record = json.loads((tmp_path / "accuracy.json").read_text())
    assert record["per_class"]["images"] == [3] * 5 and record["chance"] == 20


def test_the_nearest_folder_that_is_called_like_a_class_counts(tmp_path):
    folder = tmp_path / "lake" / "photos"
    (folder / "forest" / "2024").mkdir(parents=True)
    labels = Labels([str(folder), str(tmp_path / "lake" / "single.png")], ["lake", "forest", "Photos"])
    assert labels.label(str(folder / "forest" / "2024" / "a.png")) == 1
    assert labels.label(str(folder / "a.png")) == 2  # the given folder itself
    assert Labels([str(folder)], ["lake"]).label(str(folder / "forest" / "a.png")) is None  # above it
    assert labels.label(str(tmp_path / "lake" / "single.png")) == 0


def test_names_may_have_commas_between_them(here, tmp_path):
    run(here, tmp_path / "spaces", names=["green field", "harbor: piers, and ships", "desert", "lake"])
    run(here, tmp_path / "commas", names=["green field, ", "harbor: piers, and ships", "desert,lake"])
    for name in ("predictions.jsonl", "predictions.csv"):
        assert (tmp_path / "commas" / name).read_bytes() == (tmp_path / "spaces" / name).read_bytes()


@pytest.mark.parametrize("option", ["--names", "--without"])
def test_a_path_that_an_option_took_is_said_to_go_before_it(here, capsys, option):
    words = ["--clip", here / "clip", option, "beach,forest", here / "photos"]
    assert f"PATH; {option} takes all words behind it: PATH goes before it" in refusal(
        capsys, start, predict, *words
    )


# ---- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changed, message",
    [
        (["--names", "harbor", "HARBOR"], "--names: harbor is named twice"),
        (["--names", "harbor="], "--names 'harbor=': expected"),
        (["--names", "harbor=nowhere/*.jpg"], "--names: no picture is found by nowhere"),
        (["--names", " , ,"], "expected names of classes, found nothing but commas"),
        (["--names", "___"], "--names: '___' is no name"),
        (["--names", "a", "--resume", "x"], "--resume is about a run"),
        (["--names", "a", "--classes", "all"], "--classes is about a run"),
        (["--names", "a", "--prompts", "no name in it"], "expected a sentence with {}"),
        (["--names", "a", "--vocabulary", "nowhere.json"], "nowhere.json is not a readable vocabulary"),
        (["--names", "a", "--clip", "nowhere"], "nowhere"),
        (["--names", "lake", "--labels", "folders"], "no folder is called like a candidate class"),
        (["--names", "lake", "--labels", "folders", "--tile", "16"], "leave out --tile"),
        ([], "expected --resume CHECKPOINT, or without a run --clip FOLDER and --names"),
    ],
)
def test_a_wrong_use_is_one_line_and_writes_nothing(here, tmp_path, capsys, changed, message):
    words = [*options(here, tmp_path / "out", names=None), *changed]
    assert message in refusal(capsys, start, predict, *words)
    assert not (tmp_path / "out").exists()


def test_names_need_a_clip(here, capsys):
    assert "--names needs --clip FOLDER" in refusal(
        capsys, start, predict, here / "photos", "--names", "harbor"
    )


def test_a_run_takes_no_vocabulary(here, capsys):
    words = [here / "photos", "--resume", "x", "--vocabulary", here / "words.json"]
    assert "--vocabulary goes with --names" in refusal(capsys, start, predict, *words)


def test_a_broken_picture_of_a_class_is_refused(here):
    clip = Clip(here / "clip", torch.device("cpu"))
    classes = [parse(f"desert={here}/photos/desert/broken.png", "--names")]
    with pytest.raises(InputError, match="broken.png"):
        ClipClassifier(clip, classes, NAMES)
