"""Prediction as a user runs it: the numbers, and what is refused."""

import csv
import re
from itertools import islice

import numpy as np
import pytest
import torch

from data.pipeline import Images, dsva_preprocessing, image_loader
from dsva.engine import evaluate
from helpers import CLASSES, predicted, probabilities_in, refusal
from helpers import predict_with as run
from inference import load_saved, predictions
from runs.checkpoint import checkpoint_metadata, save_checkpoint

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
        for line in predicted(tmp_path / "out")
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
    for plain, calibrated in zip(predicted(tmp_path / "plain"), predicted(tmp_path / "calibrated")):
        assert [entry["class"] for entry in calibrated["classes"][: len(allowed)]] == [
            e["class"] for e in plain["classes"] if e["class"] in allowed
        ]
        assert probabilities_in(calibrated) == probabilities_in(plain)


@pytest.mark.parametrize("words", ["", "--calibrated_stacking=0.3"])
def test_classes_are_in_the_order_of_their_calibrated_score(place, photos, tmp_path, words):
    constant = 0.3 if words else 0.1  # the run's own
    run(place, photos / "b", "--top 5 --output", tmp_path, *([words] if words else []))
    for line in predicted(tmp_path):
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


# ---- a folder of any size --------------------------------------------------------------------------


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
        (
            ["{photos}", "--resume", "nowhere.safetensors"],
            "no such file: .*nowhere.safetensors; expected such as runs",
        ),
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
    error = refusal(
        capsys,
        run,
        place,
        *(["--output", tmp_path / "out"] if "--output" not in words else []),
        *(word.format(photos=photos, place=place, empty=tmp_path / "empty") for word in words),
    )
    assert re.search(message, error), error
    assert [file.name for file in tmp_path.iterdir()] == ["empty"]
