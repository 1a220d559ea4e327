"""Prediction as a user runs it: a folder of a few pictures, a tiny run, and the files that come out."""

import csv
import json
import os
import re
import shutil
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from data import images
from data.pipeline import Images, dsva_preprocessing, image_loader, load_image
from dsva.engine import evaluate
from helpers import predict_with as run
from inference import choose_candidates, load_saved, predictions
from inference.new_classes import parse
from runs.checkpoint import checkpoint_metadata, save_checkpoint

CLASSES = [f"Class{c}" for c in range(5)]  # the first two are unseen


@pytest.fixture(scope="module")
def photos(place, tmp_path_factory) -> Path:
    """Eight pictures in two folders, one that cannot be read, and what is no picture."""
    folder = tmp_path_factory.mktemp("photos")
    for number, source in enumerate(sorted((place / "RSSDIVCS").glob("*/*.png"))[::2]):
        target = folder / ("b" if number % 3 else "a/deeper") / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (folder / "broken.png").write_bytes(b"nothing")
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    return folder


def fails(capsys, place, *words) -> str:
    """The one line that a wrong use prints."""
    with pytest.raises(SystemExit) as stop:
        run(place, *words)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and error.startswith("error: ") and "\n" not in error
    return error


def lines(folder) -> list:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def contents(folder) -> tuple:
    return tuple((folder / name).read_bytes() for name in ("predictions.jsonl", "predictions.csv"))


@pytest.fixture(scope="module")
def finished(place, photos, tmp_path_factory) -> Path:
    output = tmp_path_factory.mktemp("finished") / "predictions"
    run(place, photos, "--output", output)
    return output


# ---- the numbers -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "sel_res, pro_start_epoch, branch",
    [
        ("layer", 0, "attention"),
        ("main", 0, "projection"),
        ("main", -1, "projection+window"),
        ("pro", 0, "window"),
    ],
)
def test_probabilities_are_those_that_evaluation_sees(place, tmp_path, sel_res, pro_start_epoch, branch):
    saved = checkpoint_metadata(place / "run" / "last.safetensors")
    trained = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    options = {**saved["options"], "sel_res": sel_res, "pro_start_epoch": pro_start_epoch}
    save_checkpoint(tmp_path / "other.safetensors", trained.model, saved["epoch"], options)
    data = trained.dataset.load()
    tested = data.test_images(True)
    paths = [data.image_paths[i] for i in tested]
    batches = [list(range(len(paths)))]
    loader = image_loader(Images(paths, trained.preprocessing), batches, 0, trained.device)
    classes = data.candidates(True)
    windows = "window" in branch
    expected, _ = evaluate(trained.model, loader, data.class_attributes, classes, windows, "")
    run(
        place,
        "--resume",
        tmp_path / "other.safetensors",
        "--classes all --top 5 --output",
        tmp_path / "out",
        *paths,
    )
    found = [
        {entry["class"]: entry["probability"] for entry in line["classes"]}
        for line in lines(tmp_path / "out")
    ]
    np.testing.assert_allclose(
        [[line[name] for name in CLASSES] for line in found], expected[branch], rtol=1e-5
    )


@pytest.mark.parametrize("constant, allowed", [("10", CLASSES[:2]), ("-10", CLASSES[2:])])
def test_calibrated_stacking_ranks_but_leaves_probabilities_as_they_are(
    place, photos, tmp_path, constant, allowed
):
    for name, value in (("plain", "0"), ("calibrated", constant)):
        run(
            place,
            photos / "b",
            "--classes all --top 5",
            f"--calibrated_stacking={value}",
            "--output",
            tmp_path / name,
        )
    for plain, calibrated in zip(lines(tmp_path / "plain"), lines(tmp_path / "calibrated")):
        assert [entry["class"] for entry in calibrated["classes"][: len(allowed)]] == [
            e["class"] for e in plain["classes"] if e["class"] in allowed
        ]
        assert probabilities_in(calibrated) == probabilities_in(plain)


def probabilities_in(line) -> dict:
    return {entry["class"]: entry["probability"] for entry in line["classes"]}


@pytest.mark.parametrize("words", ["", "--calibrated_stacking=0.3"])
def test_classes_are_in_the_order_of_their_calibrated_score(place, photos, tmp_path, words):
    constant = 0.3 if words else 0.1  # the run's own
    run(place, photos / "b", "--top 5 --output", tmp_path, *([words] if words else []))
    for line in lines(tmp_path):
        scores = []
        for entry in line["classes"]:
            held_back = constant if entry["class"] in CLASSES[2:] else 0
            assert entry["calibrated_score"] == pytest.approx(entry["probability"] - held_back, abs=2e-6)
            scores.append(entry["calibrated_score"])
        assert scores == sorted(scores, reverse=True)
    with open(tmp_path / "predictions.csv", encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            scores = [float(row[f"calibrated_score_{place}"]) for place in range(1, 6)]
            assert scores == sorted(scores, reverse=True)


def test_lines_of_an_earlier_version_without_scores_are_not_mixed_with_others(
    place, photos, tmp_path, capsys
):
    run(place, photos / "b", "--output", tmp_path)
    file = tmp_path / "predictions.jsonl"
    former = lines(tmp_path)
    for line in former:
        for entry in line["classes"]:
            del entry["calibrated_score"]
    file.write_text("".join(json.dumps(line) + "\n" for line in former))
    assert "line 1 has no calibrated_score" in fails(capsys, place, photos / "b", "--output", tmp_path)


# ---- candidates ------------------------------------------------------------------------------------


def test_the_classes_of_the_runs_own_test_are_the_candidates_and_are_named(place, photos, tmp_path, capsys):
    run(place, photos / "b", "--top 9 --output", tmp_path / "gzsl")
    printed = capsys.readouterr().out
    assert set(probabilities_in(lines(tmp_path / "gzsl")[0])) == set(CLASSES)
    assert "(as in this GZSL run's own test; --classes unseen leaves the seen ones out)" in printed
    assert "\nunseen  Class0, Class1\nseen    Class2, Class3, Class4\n" in printed

    saved = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    options = {**checkpoint_metadata(place / "run" / "last.safetensors")["options"], "gzsl": False}
    save_checkpoint(tmp_path / "zsl.safetensors", saved.model, 0, options, classes=saved.data)
    run(place, "--resume", tmp_path / "zsl.safetensors", photos / "b", "--top 9 --output", tmp_path / "zsl")
    assert set(probabilities_in(lines(tmp_path / "zsl")[0])) == set(CLASSES[:2])
    assert "2 unseen (as in this ZSL run's own test; --classes all lets" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--classes", "class 3, Class0"], ["Class0", "Class3"]),
        (["--classes", "CLASS_1"], ["Class1"]),
        (["--without", "class 1", "CLASS-2"], ["Class0", "Class3", "Class4"]),
        (["--classes", "class3,class4", "--without", "class 4"], ["Class3"]),
    ],
)
def test_candidates_are_typed_in_words(place, photos, tmp_path, words, expected):
    run(place, photos / "b", *words, "--top", 9, "--output", tmp_path)
    assert set(probabilities_in(lines(tmp_path)[0])) == set(expected)


@pytest.mark.parametrize("name", ["Class0", "Class4"])
def test_one_candidate_is_certain(place, photos, tmp_path, capsys, name):
    run(place, photos / "b", "--classes", name, "--output", tmp_path)
    for line in lines(tmp_path):
        assert line["classes"] == [{"class": name, "probability": 1}]
    assert "100.0%" in capsys.readouterr().out


VALUES = '{"dunes": {"sand": 2, "ships": -1}, "quay": {"ships": 2}}'


@pytest.mark.parametrize("left_out", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("classes", ["all", "none"])
def test_any_number_of_known_classes_gives_finite_and_sensible_columns(
    place, photos, tmp_path, capsys, left_out, classes
):
    (tmp_path / "values.json").write_text(VALUES)
    words = ["--without", *CLASSES[:left_out]] if left_out else []
    words += ["--add_class", f"our own={place}/RSSDIVCS/Class3", "--add_class", "a fort: circles, stripes"]
    words += ["--class_values", tmp_path / "values.json", "--classes", classes, "--top", 9]
    run(place, photos / "b", *words, "--output", tmp_path / "out")
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert ("too few to compare new ones with" in printed) == (left_out > 2)
    for text in contents(tmp_path / "out"):
        assert b"nan" not in text.lower()
    own = 5 - left_out if classes == "all" else 0
    for line in lines(tmp_path / "out"):
        probabilities = probabilities_in(line)
        assert len(probabilities) == own + 4
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    news = [line for line in printed.splitlines() if line.startswith("new ")]
    assert len(news) == 4 and not any(line.endswith("nothing of its own") for line in news)


def test_the_columns_of_new_classes_do_not_vanish_where_one_known_class_is_left(place):
    run_ = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    for without in (CLASSES, CLASSES[:4]):
        pictured = [parse(f"our own={place}/RSSDIVCS/Class3")]
        column = choose_candidates(run_, "none", without, pictured).attributes[:, 0]
        known = run_.data.class_attributes[:, 3]
        assert torch.nn.functional.cosine_similarity(column, known, dim=0) > 0.99


def test_the_constant_is_the_runs_own_where_none_is_given(place, photos, tmp_path, capsys):
    run(place, photos / "b", "--classes", "all", "--output", tmp_path / "own")
    assert (
        "2 unseen, 3 seen; calibrated stacking takes 0.1 from the seen ones\n        ranked by"
        in capsys.readouterr().out
    )
    run(place, photos / "b", "--classes", "all", "--calibrated_stacking", 0.1, "--output", tmp_path / "given")
    assert contents(tmp_path / "own") == contents(tmp_path / "given")
    run(place, photos / "b", "--classes unseen --output", tmp_path / "unseen")
    assert "calibrated" not in capsys.readouterr().out.rpartition("classes 2 unseen")[2]


def test_a_new_class_competes_with_the_others(place, photos, tmp_path, capsys):
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": -1}}')
    run(
        place,
        photos,
        "--add_class",
        f"our own={place}/RSSDIVCS/Class3",
        "--add_class",
        "quay: ships in a row",
        "--class_values",
        tmp_path / "values.json",
        "--classes unseen --top 9 --output",
        tmp_path / "out",
    )
    named = {entry["class"] for line in lines(tmp_path / "out") for entry in line.get("classes", [])}
    assert named == {"Class0", "Class1", "our own", "quay", "dunes"}
    assert json.loads((tmp_path / "out" / "options.json").read_text())["classes"] == {
        "Class0": "unseen",
        "Class1": "unseen",
        "our own": "3 pictures",
        "quay": "description",
        "dunes": "values",
    }
    assert "dunes                    by values: sand\n" in capsys.readouterr().out


def test_only_added_classes(place, photos, tmp_path):
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2}, "port": {"ships": 1}}')
    run(
        place,
        photos / "b",
        "--classes none --class_values",
        tmp_path / "values.json",
        "--output",
        tmp_path / "out",
    )
    for line in lines(tmp_path / "out"):
        assert {entry["class"] for entry in line["classes"]} == {"dunes", "port"}
        assert sum(entry["probability"] for entry in line["classes"]) == pytest.approx(1, abs=1e-5)


# ---- the files -------------------------------------------------------------------------------------


def test_a_class_can_be_left_out_and_come_back_under_its_name(place, photos, tmp_path, capsys):
    run(
        place,
        photos,
        "--without",
        "class 0",
        "Class1",
        "--add_class",
        f"Class0={place / 'RSSDIVCS' / 'Class0'}",
        "--classes unseen --output",
        tmp_path / "out",
    )
    assert {entry["class"] for line in lines(tmp_path / "out") for entry in line.get("classes", [])} == {
        "Class0"
    }
    assert "no candidate class is left" in fails(
        capsys, place, photos, "--classes unseen --without", "Class0", "Class1", "--output", tmp_path / "none"
    )


def test_images_keep_the_order_of_their_names_with_any_number_of_workers(place, photos, finished, tmp_path):
    images = [Path(line["image"]) for line in lines(finished)]
    assert images == sorted(photos.rglob("[!.]*.png")) and len(images) == 9
    run(place, photos, "--workers", 2, "--batch_size", 2, "--output", tmp_path / "two")
    run(place, photos, "--workers", 0, "--batch_size", 2, "--output", tmp_path / "none")
    assert contents(tmp_path / "two") == contents(tmp_path / "none")
    assert [line["image"] for line in lines(tmp_path / "two")] == [str(image) for image in images]


def test_the_table_holds_what_the_lines_hold(finished):
    with open(finished / "predictions.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    for row, line in zip(rows, lines(finished)):
        assert row["image"] == line["image"] and row["error"] == line.get("error", "")
        for place, entry in enumerate(line.get("classes", []), 1):
            for key in ("calibrated_score", "probability"):
                assert float(row[f"{key}_{place}"]) == entry[key]
            assert row[f"class_{place}"] == entry["class"]
        for place, entry in enumerate(line.get("attributes", []), 1):
            assert row[f"attribute_{place}"] == entry["attribute"]
            for key in ("score", "contribution"):
                assert float(row[f"{key}_{place}"]) == entry[key]
    assert len(rows) == len(lines(finished)) and list(rows[0]) == [
        "image",
        *("class_1", "calibrated_score_1", "probability_1"),
        *("class_2", "calibrated_score_2", "probability_2"),
        *("class_3", "calibrated_score_3", "probability_3"),
        *("attribute_1", "score_1", "contribution_1"),
        *("attribute_2", "score_2", "contribution_2"),
        *("attribute_3", "score_3", "contribution_3"),
        *("rest", "logit_difference"),
        "error",
    ]


def test_unreadable_images_are_listed_and_counted(place, photos, tmp_path, capsys):
    run(place, photos, "--output", tmp_path / "out")
    printed = capsys.readouterr().out
    assert (
        "9 images, 1 of them unreadable" in printed
        and f"cannot read the image {photos / 'broken.png'}" in printed
    )
    (broken,) = (line for line in lines(tmp_path / "out") if "error" in line)
    assert broken["image"] == str(photos / "broken.png") and "classes" not in broken


def test_strict_makes_an_error_of_them_once_all_others_are_done(place, photos, finished, tmp_path, capsys):
    assert "1 of 9 images could not be read" in fails(capsys, place, photos, "--strict", "--output", tmp_path)
    assert contents(tmp_path) == contents(finished)


def test_no_readable_image_is_an_error(place, photos, tmp_path, capsys):
    assert "1 of 1 images could not be read" in fails(
        capsys, place, photos / "broken.png", "--output", tmp_path
    )


def test_any_bytes_are_a_file_name(place, photos, tmp_path):
    name = os.fsencode(tmp_path / "in") + b'/\xff, \n"\xc3\xa9.png'
    (tmp_path / "in").mkdir()
    shutil.copy(photos / "b" / "1.png", name)
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    assert (
        os.fsencode(lines(tmp_path / "out")[0]["image"]) == name
        and name.replace(b'"', b'""') in contents(tmp_path / "out")[1]
    )


# ---- going on --------------------------------------------------------------------------------------


@pytest.mark.parametrize("torn_off", [1, 300, 1100, 1800, 0.9999, 1.0])
def test_a_torn_output_is_gone_on_with_to_the_same_bytes(
    place, photos, finished, tmp_path, torn_off, monkeypatch
):
    shutil.copytree(finished, tmp_path / "out")
    size = len(contents(finished)[0])
    os.truncate(
        tmp_path / "out" / "predictions.jsonl",
        int(size * (1 - torn_off)) if isinstance(torn_off, float) else size - torn_off,
    )
    os.truncate(tmp_path / "out" / "predictions.csv", 77)
    decoded = []

    def load_and_count(file, how):
        decoded.append(file)
        return load_image(file, how)

    monkeypatch.setattr(predictions, "load_image", load_and_count)
    run(place, photos, "--output", tmp_path / "out")
    assert contents(tmp_path / "out") == contents(finished)
    assert len(decoded) in (3, 6, 9)  # whole batches, of what was not there


def test_interrupted_it_leaves_whole_files_and_goes_on(
    place, photos, finished, tmp_path, capsys, monkeypatch
):
    write = predictions.Predictions.write

    def write_one_batch(self, batch):
        write(self, batch)
        raise KeyboardInterrupt

    monkeypatch.setattr(predictions.Predictions, "write", write_one_batch)
    with pytest.raises(SystemExit) as stop:
        run(place, photos, "--output", tmp_path)
    assert stop.value.code == 130 and "interrupted" in capsys.readouterr().err
    assert [len(content.splitlines()) for content in contents(tmp_path)] == [3, 4]
    monkeypatch.undo()
    run(place, photos, "--output", tmp_path)
    assert "3 of 9 images are there already" in capsys.readouterr().out
    assert contents(tmp_path) == contents(finished)


def test_a_finished_one_says_so_and_takes_new_images_at_its_end(place, photos, tmp_path, capsys):
    shutil.copytree(photos, tmp_path / "in")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    before = contents(tmp_path / "out")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    assert (
        "note: 9 of 9 images are there already" in capsys.readouterr().out
        and contents(tmp_path / "out") == before
    )
    shutil.copy(photos / "b" / "1.png", tmp_path / "in" / "z.png")
    run(place, tmp_path / "in", "--output", tmp_path / "out")
    assert contents(tmp_path / "out")[0].startswith(before[0]) and len(lines(tmp_path / "out")) == 10


def test_images_that_are_no_longer_the_first_ones_are_refused(place, photos, finished, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "out")
    error = fails(capsys, place, photos / "b", "--output", tmp_path / "out")
    assert "line 1 is" in error and str(photos / "b" / "1.png") in error
    assert contents(tmp_path / "out") == contents(finished)


@pytest.mark.parametrize(
    "words, message",
    [(["--top", "1"], "--top 3, now 1"), (["--classes", "unseen"], "--classes all, now unseen")],
)
def test_another_prediction_in_the_folder_is_refused_with_the_difference(
    place, photos, finished, capsys, words, message
):
    before = contents(finished)
    assert message in fails(capsys, place, photos, "--output", finished, *words)
    assert contents(finished) == before


def test_values_that_have_changed_are_another_prediction(place, photos, tmp_path, capsys):
    words = photos / "b", "--class_values", tmp_path / "values.json", "--output", tmp_path / "out"
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": 1}}')
    run(place, *words)
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": 0}}')
    assert "the classes' attributes have changed" in fails(capsys, place, *words)


def test_the_walk_makes_no_list(tmp_path):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / name / "1.png")
    files = images.walk([str(tmp_path)])
    first = next(files)
    (tmp_path / "b" / "2.jpg").touch()
    assert [first, *files] == [str(tmp_path / file) for file in ("a/1.png", "b/1.png", "b/2.jpg")]


def test_only_the_next_batches_are_ever_taken(photos):
    taken = []
    how = dsva_preprocessing(8, "imagenet")
    files = (taken.append(n) or str(photos / "b" / "1.png") for n in range(10**9))
    for workers in (0, 1):
        taken.clear()
        batches = list(islice(predictions.decoded_batches(files, how, 2, workers, False), 3))
        assert [images.shape for _, images, _ in batches] == [(2, 3, 8, 8)] * 3 and len(taken) < 20


# ---- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        (["nowhere.png"], "no such file or folder: .*nowhere.png"),
        (["{empty}"], "no image in"),
        (["{photos}", "--resume", "{photos}/broken.png"], "not a readable checkpoint"),
        (["{photos}", "--resume", "nowhere.safetensors"], "not a readable checkpoint"),
        (["{photos}", "--classes", "none"], "needs --add_class or --class_values"),
        (["{photos}", "--classes", "class 7"], "--classes: there is no class class 7"),
        (["{photos}", "--classes", ","], "--classes: expected unseen, all, none or names of classes"),
        (["{photos}", "--without", *CLASSES], "no candidate class is left"),
        (["{photos}", "--stride", "8"], "--stride needs --tile"),
        (["{photos}", "--tile", "8", "--stride", "9"], "there would be gaps"),
        (["{photos}", "--add_class", "class 3"], "Class3 is a class of the run"),
        (["{photos}", "--add_class", "x=nowhere/*.png"], "no picture is found by nowhere"),
        (["{photos}", "--add_class", "x", "--clip", "nowhere"], "no CLIP checkpoint"),
        (["{photos}", "--class_values", "nowhere.json"], "not readable JSON"),
        (["{photos}", "--devise", "cpu"], "unrecognized arguments: --devise"),
        (["{photos}", "--output", "{photos}"], "no prediction's folder"),
        (["{photos}", "--output", "{place}/run"], "no prediction's folder"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(
    place, photos, tmp_path, capsys, monkeypatch, words, message
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    error = fails(
        capsys,
        place,
        *(["--output", tmp_path / "out"] if "--output" not in words else []),
        *(word.format(photos=photos, place=place, empty=tmp_path / "empty") for word in words),
    )
    assert re.search(message, error), error
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]
