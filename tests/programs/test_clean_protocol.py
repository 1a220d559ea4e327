"""A run of main.py with --protocol clean: what it looks at, what it chooses and keeps."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import main as program
from data import pipeline
from helpers import QUICK, fails, interrupt_epoch, load, log, run
from inference.saved import load_saved
from runs.folder import Run
from tiny_data import write_dataset

CLEAN = f"{QUICK} --protocol clean --validation_classes 2"
SETTINGS = {"zsl": "", "gzsl": "--gzsl"}


@pytest.fixture(scope="module", params=SETTINGS)
def finished(request, places, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / request.param
    run(f"{CLEAN} {SETTINGS[request.param]}", output=folder, **places)
    return folder


def words_of(folder: Path) -> str:
    return f"{CLEAN} {SETTINGS[folder.name]}"


def results_of(folder: Path) -> dict:
    """What is the same in every run with these options."""
    results = json.loads((folder / "results.json").read_text())
    for line in (results.get(name, {}) for name in ("best", "clean", "last")):
        line.pop("seconds", None)
    return {name: results[name] for name in ("best", "clean", "last", "chosen") if name in results}


def images_tested(data, gzsl: bool) -> set:
    return {data.image_paths[i] for i in data.test_images(gzsl)}


# ---- what it looks at ------------------------------------------------------------------------------


def test_the_choice_is_the_same_if_no_test_image_can_be_read(finished, clip, tmp_path, capsys):
    spoilt = images_tested(load(write_dataset(tmp_path)), finished.name == "gzsl")
    for image in spoilt:
        image.write_bytes(b"no image")
    error = fails(capsys, words_of(finished), root=tmp_path, clip=clip, output=tmp_path / "run")
    assert any(str(image) in error for image in spoilt)  # of the training itself, which is tested on them
    assert log(tmp_path / "run" / "validation") == log(finished / "validation") and not log(tmp_path / "run")


def test_no_image_is_trained_on_and_tested(finished, places, tmp_path, monkeypatch):
    looked = {True: set(), False: set()}  # in training, in a test -> images

    def load_image(path, how, draw=None):
        looked[draw is not None].add(path)
        return read(path, how, draw)

    read = pipeline.load_image
    monkeypatch.setattr(pipeline, "load_image", load_image)
    run(f"{words_of(finished)} --train_mode random", output=tmp_path / "run", **places)
    data = load(places["root"])
    tested = images_tested(data, finished.name == "gzsl")
    assert tested <= looked[False] and not tested & looked[True]
    assert (looked[False] | looked[True]) - tested <= {
        data.image_paths[i] for i in data.splits["train_zsl_loc"]
    }


# ---- what it chooses -------------------------------------------------------------------------------


def test_the_epoch_is_the_best_one_of_the_choice(finished):
    results, tried = results_of(finished), log(finished / "validation")
    scores = [
        line["scores"]["attention"].get("H", line["scores"]["attention"].get("accuracy")) for line in tried
    ]
    assert results["chosen"]["epoch"] == scores.index(max(scores)) and results["chosen"]["score"] == max(
        scores
    )
    assert (
        results["clean"] == log(finished)[results["chosen"]["epoch"]] and results["last"] == log(finished)[-1]
    )
    assert len(results["chosen"]["classes"]) == 2 and not set(results["chosen"]["classes"]) & {
        "Class0",
        "Class1",
        "Class2",
    }  # unseen ones


def test_the_constant_is_kept_in_units_of_the_mean_probability(finished):
    chosen, tried = results_of(finished)["chosen"], log(finished / "validation")
    expected = (
        tried[chosen["epoch"]]["calibrated_stacking"] * 9 / 12 if finished.name == "gzsl" else 0
    )  # 9 classes there, 12 here
    assert (
        {line["calibrated_stacking"] for line in log(finished)}
        == {chosen["calibrated_stacking"]}
        == {expected}
    )


# ---- what it keeps ---------------------------------------------------------------------------------


def test_the_clean_epoch_has_weights_and_tables(finished):
    results = results_of(finished)
    saved = load_saved(finished / "clean.safetensors", torch.device("cpu"))  # as predict.py does
    assert (saved.epoch, saved.calibration) == (
        results["chosen"]["epoch"],
        results["chosen"]["calibrated_stacking"],
    )
    classes = np.genfromtxt(
        finished / "per_class_clean.csv", delimiter=",", names=True, dtype=None, encoding=None
    )
    unseen = [float(row["attention"]) for row in classes if row["subset"] == "unseen"]
    scores = results["clean"]["scores"]["attention"]
    assert (
        np.mean(unseen) == pytest.approx(scores.get("U", scores.get("accuracy")))
        and (finished / "confusion_clean.csv").is_file()
    )


@pytest.mark.parametrize("epoch", ["best", "clean", "last"])
def test_eval_prints_the_numbers_of_the_run(finished, capsys, epoch):
    run(f"--eval --device cpu --resume {finished / epoch}.safetensors")  # with the constant that was chosen
    scores, printed = results_of(finished)[epoch]["scores"]["attention"], capsys.readouterr().out
    words = "U {U:5.2f} S {S:5.2f} H {H:5.2f}" if finished.name == "gzsl" else "{accuracy:5.2f}"
    assert f"selected branch, attention: {words.format(**scores)}" in printed


@pytest.mark.parametrize("stop", range(1, 7))
def test_it_goes_on_from_any_epoch_of_either_training(finished, places, tmp_path, monkeypatch, stop):
    """Of three epochs each: interrupted in epoch number `stop` of both."""
    trained = interrupt_epoch(monkeypatch, stop)
    with pytest.raises(SystemExit) as ended:
        run(words_of(finished), output=tmp_path / "run", **places)
    assert ended.value.code == 130 and not (tmp_path / "run" / "results.json").exists()
    run(words_of(finished), output=tmp_path / "run", **places)
    assert len(trained) == 7 and same(tmp_path / "run", finished)


def test_killed_before_the_clean_epoch_was_copied(finished, places, tmp_path, monkeypatch):
    def killed(self, name):
        if name == "clean":
            raise KeyboardInterrupt
        keep(self, name)

    keep = Run.keep
    monkeypatch.setattr(Run, "keep", killed)
    with pytest.raises(SystemExit):
        run(words_of(finished), output=tmp_path / "run", **places)
    assert not list((tmp_path / "run").glob("*clean*"))
    monkeypatch.undo()
    run(words_of(finished), output=tmp_path / "run", **places)
    assert same(tmp_path / "run", finished)


def same(one: Path, other: Path) -> bool:
    """Do two runs hold the same numbers, tables and weights?"""
    weights = [
        [load_file(folder / f"{name}.safetensors") for name in ("best", "clean", "last")]
        for folder in (one, other)
    ]
    return (
        results_of(one) == results_of(other)
        and log(one) == log(other)
        and log(one / "validation") == log(other / "validation")
        and all(
            torch.equal(value, there[name]) for here, there in zip(*weights) for name, value in here.items()
        )
        and all((one / file.name).read_text() == file.read_text() for file in other.glob("*.csv"))
    )


def test_a_finished_run_is_not_run_again(finished, places, monkeypatch):
    monkeypatch.setattr(program, "train_one_epoch", None)
    before = results_of(finished)
    run(words_of(finished), output=finished, **places)
    assert results_of(finished) == before


# ---- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        ("--validation_classes 9", "9 of 9 seen classes cannot play the unseen ones"),
        ("--validation_classes 0", "--validation_classes: expected a whole number at least 1"),
        ("--ways 8", "--ways 8 is larger than the number of seen classes, 7"),
        ("--shots 5", "--shots 5 is larger than the class"),
        ("--protocol dirty", "--protocol: invalid choice"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(places, tmp_path, capsys, words, message):
    assert message in fails(capsys, f"{CLEAN} {words}", output=tmp_path / "run", **places)
    assert not (tmp_path / "run").exists()


def test_classes_with_one_training_image_cannot_play_seen_ones(clip, tmp_path, capsys):
    write_dataset(tmp_path, per_class=2)  # one trains, one tests
    error = fails(capsys, f"{CLEAN} --gzsl --shots 1", root=tmp_path, clip=clip, output=tmp_path / "run")
    assert "every seen class has but one training image" in error and not (tmp_path / "run").exists()
    run(
        f"{CLEAN} --shots 1 --nepoch 1", root=tmp_path, clip=clip, output=tmp_path / "zsl"
    )  # tests no seen class


def test_images_that_are_both_trained_on_and_tested_are_refused(clip, tmp_path, capsys):
    everything = np.arange(16, 61)[:, None]  # of all seen classes; every fifth image tests
    write_dataset(tmp_path, train_gzsl_loc_0=everything)
    error = fails(capsys, f"{CLEAN} --gzsl", root=tmp_path, clip=clip, output=tmp_path / "run")
    assert (
        "9 test images are in train_gzsl_loc too" in error
        and "Class3/image_15.png" in error
        and not (tmp_path / "run").exists()
    )
    run(f"{CLEAN} --nepoch 1", root=tmp_path, clip=clip, output=tmp_path / "zsl")  # tests no seen class


def test_more_epochs_might_choose_otherwise_and_are_refused(finished, places, capsys):
    assert "holds a run with other options (--nepoch 3, now 4)" in fails(
        capsys, f"{words_of(finished)} --nepoch 4", output=finished, **places
    )


def test_a_saved_model_is_no_start_of_a_clean_run(finished, tmp_path, capsys):
    error = fails(capsys, f"--resume {finished / 'last.safetensors'} --nepoch 4", output=tmp_path / "run")
    assert "leave --resume out" in error and not (tmp_path / "run").exists()
