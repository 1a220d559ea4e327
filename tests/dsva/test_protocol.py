"""The clean protocol: what it looks at, what it chooses and keeps. Several divisions and seeds in one run."""

import json
import math
import shutil
import statistics
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import main as program
from data import pipeline
from data.benchmark import BenchmarkFiles, load_benchmark
from dsva.metrics import score_all
from dsva.protocol import choose_constant, rescale_constant, validation_benchmark
from helpers import QUICK, fails, log, run
from inference.saved import load_saved
from runs.command_line import get_options
from runs.folder import Run, write_summary
from runs.settings import benchmark_files, clip_folder, divisions_and_seeds
from tiny_data import write_dataset

CLEAN = f"{QUICK} --protocol clean --validation_classes 2"
SETTINGS = {"zsl": "", "gzsl": "--gzsl"}


@pytest.fixture(scope="module", params=SETTINGS)
def finished(request, places, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / request.param
    run(f"{CLEAN} {SETTINGS[request.param]}", output=folder, **places)
    return folder


def load(root: Path):
    """Division 0 of the dataset of `write_dataset`."""
    files = root / "RSSDIVCS" / "files"
    splits = files / "ann_attr_finetune_61_splits.mat"
    groups = files / "attri_group_3.json"
    return load_benchmark(BenchmarkFiles(files / "61_images.mat", splits, groups, root / "RSSDIVCS"))


def words_of(folder: Path) -> str:
    return f"{CLEAN} {SETTINGS[folder.name]}"


def results_of(folder: Path) -> dict:
    """What is the same in every run with these options."""
    results = json.loads((folder / "results.json").read_text())
    for line in (results.get(name, {}) for name in ("best", "clean", "last")):
        line.pop("seconds", None)
    return {name: results[name] for name in ("best", "clean", "last", "chosen") if name in results}


def test_images(data, gzsl):
    return {data.image_paths[i] for i in data.test_images(gzsl)}


test_images.__test__ = False


# ---- what it looks at ------------------------------------------------------------------------------


def test_the_choice_is_the_same_if_no_test_image_can_be_read(finished, clip, tmp_path, capsys):
    spoilt = test_images(load(write_dataset(tmp_path)), finished.name == "gzsl")
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
    tested = test_images(data, finished.name == "gzsl")
    assert tested <= looked[False] and not tested & looked[True]
    assert (looked[False] | looked[True]) - tested <= {
        data.image_paths[i] for i in data.splits["train_zsl_loc"]
    }


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_choice_divides_the_training_images_anew(root, seed):
    data = load(root)

    def played_with(seed):
        return validation_benchmark(data, "train_gzsl_loc", True, None, seed)

    played = played_with(seed)
    assert len(played.unseen) == 3  # as many as in the division
    assert sorted([*played.seen, *played.unseen]) == data.seen.tolist()
    parts = [played.splits[name] for name in ("train_gzsl_loc", "test_seen_loc", "test_unseen_loc")]
    assert sorted(np.concatenate(parts)) == data.splits["train_gzsl_loc"].tolist()

    again = played_with(seed)
    for name, images in played.splits.items():
        assert images.tolist() == again.splits[name].tolist()
    assert len({tuple(played_with(other).unseen) for other in range(5)}) > 1


def test_at_most_a_third_of_the_seen_classes_play_unless_told_otherwise(root):
    data = load(root)
    of_4_classes = data.splits["train_zsl_loc"][:20]
    few = replace(data, splits={**data.splits, "train_zsl_loc": of_4_classes})
    assert len(validation_benchmark(few, "train_zsl_loc", True, None, 0).unseen) == 1
    assert len(validation_benchmark(few, "train_zsl_loc", False, None, 0).unseen) == 2  # 1 is always right
    assert len(validation_benchmark(few, "train_zsl_loc", False, 3, 0).unseen) == 3


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


@pytest.mark.parametrize("there, here, constant", [(10, 10, 0.3), (10, 20, 0.15), (15, 10, 0.45)])
def test_twice_the_classes_half_the_constant(there, here, constant):
    def benchmark(classes):
        return SimpleNamespace(candidates=lambda gzsl: np.arange(classes))

    assert rescale_constant(0.3, benchmark(there), benchmark(here)) == pytest.approx(constant)


def test_the_constant_of_a_choice_gives_the_highest_h(root):
    data, chance = load(root), np.random.default_rng(0)
    data = replace(
        data,
        splits={
            **data.splits,
            "train_zsl_loc": np.flatnonzero(np.isin(data.labels, [3, 7, 9])),
            "test_unseen_loc": np.flatnonzero(data.labels == 5),
        },
    )
    classes, labels = data.candidates(gzsl=True), chance.choice([3, 5, 7, 9], 60)
    probabilities = chance.dirichlet(np.ones(4), len(labels))

    def h(constant):
        return score_all(
            {"attention": probabilities}, labels, classes, data.seen, data.unseen, True, constant
        )[0]["attention"]["H"]

    best = h(choose_constant(probabilities, labels, data))
    assert best > h(0) and best >= max(map(h, np.linspace(-1, 1, 400)))


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
    trained = []

    def interrupted(*arguments, **more):
        trained.append(arguments)
        if len(trained) == stop:
            raise KeyboardInterrupt
        return train(*arguments, **more)

    train = program.train_one_epoch
    monkeypatch.setattr(program, "train_one_epoch", interrupted)
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


# ---- several divisions and seeds -------------------------------------------------------------------


@pytest.fixture(scope="module")
def several(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "several"
    run(f"{QUICK} --nepoch 2 --gzsl --random_id 0,1 --seeds 2 --manualSeed 5", output=folder, **places)
    return folder


def test_each_division_and_seed_has_the_run_that_it_would_have_alone(several, places, tmp_path):
    assert {folder.name for folder in several.iterdir() if folder.is_dir()} == {
        f"division-{k}_seed-{seed}" for k in (0, 1) for seed in (5, 6)
    }
    run(f"{QUICK} --nepoch 2 --gzsl --random_id 1 --manualSeed 6", output=tmp_path / "alone", **places)
    assert log(several / "division-1_seed-6") == log(tmp_path / "alone")


@pytest.mark.parametrize("epoch", ["best", "last"])
def test_the_summary_is_the_mean_and_deviation_of_the_runs(several, epoch):
    summary = json.loads((several / "results.json").read_text())
    runs = [json.loads((several / name / "results.json").read_text()) for name in summary["runs"]]
    assert (
        len(runs) == 4
        and list(summary["runs"].values()) == runs
        and summary["mean_and_deviation"].keys() == {"best", "last"}
    )
    for branch, scores in summary["mean_and_deviation"][epoch].items():
        for score, found in scores.items():
            values = [one[epoch]["scores"][branch][score] for one in runs]
            assert found == pytest.approx([statistics.mean(values), statistics.stdev(values)])


def test_clean_runs_have_a_summary_of_their_clean_epochs(places, tmp_path, capsys):
    run(f"{CLEAN} --nepoch 1 --random_id all", output=tmp_path / "run", **places)
    summary = json.loads((tmp_path / "run" / "results.json").read_text())
    values = [one["clean"]["scores"]["attention"]["accuracy"] for one in summary["runs"].values()]
    assert list(summary["runs"]) == ["division-0_seed-1", "division-1_seed-1"]
    assert summary["mean_and_deviation"]["clean"]["attention"]["accuracy"] == pytest.approx(
        [statistics.mean(values), statistics.stdev(values)]
    )
    assert (
        f"clean attention accuracy {statistics.mean(values):.1f} +- {statistics.stdev(values):.1f}"
        in " ".join(capsys.readouterr().out.split())
    )


def test_a_summary_holds_the_branches_that_all_runs_have(tmp_path):
    with_window, without = (
        {"last": {"scores": {branch: {"H": h} for branch in branches}}}
        for h, *branches in ((40.0, "projection", "window"), (50.0, "projection"))
    )
    summary = write_summary(tmp_path, {"a": with_window, "b": without}, "projection", {})
    assert summary["last"] == {"projection": {"H": [45.0, pytest.approx(math.sqrt(50))]}}


def test_one_run_has_no_deviation(tmp_path):
    write_summary(tmp_path, {"a": {"last": {"scores": {"projection": {"H": 40.0}}}}}, "projection", {})
    assert "NaN" not in (tmp_path / "results.json").read_text()
    assert json.loads((tmp_path / "results.json").read_text())["mean_and_deviation"]["last"]["projection"][
        "H"
    ] == [40, 0]


def test_finished_runs_of_several_are_not_run_again(several, places, monkeypatch):
    shutil.rmtree(several / "division-1_seed-5")
    kept = (several / "division-0_seed-5" / "last.safetensors").stat().st_mtime_ns
    before = json.loads((several / "results.json").read_text())["mean_and_deviation"]
    trained = []
    train = program.train_one_epoch
    monkeypatch.setattr(
        program, "train_one_epoch", lambda *words, **more: trained.append(words) or train(*words, **more)
    )
    run(f"{QUICK} --nepoch 2 --gzsl --random_id 0,1 --seeds 2 --manualSeed 5", output=several, **places)
    assert (
        len(trained) == 2 and (several / "division-0_seed-5" / "last.safetensors").stat().st_mtime_ns == kept
    )
    assert json.loads((several / "results.json").read_text())["mean_and_deviation"] == before


@pytest.mark.parametrize(
    "words, parts",
    [
        ("", []),
        ("--random_id 3", []),
        ("--seeds 2", ["division-0_seed-1", "division-0_seed-2"]),
        ("--random_id 3 --manualSeed 8 --seeds 2", ["division-3_seed-8", "division-3_seed-9"]),
        ("--random_id 2,0", ["division-2_seed-1", "division-0_seed-1"]),
        ("--random_id all", ["division-0_seed-1", "division-1_seed-1"]),
    ],
)
def test_divisions_and_seeds(root, words, parts):
    found = divisions_and_seeds(get_options(["--root", str(root), *words.split()]))
    assert list(found) == parts
    assert [f"division-{one.random_id}_seed-{one.manualSeed}" for one in found.values()] == parts and all(
        one.seeds == 1 for one in found.values()
    )


def test_braces_stand_for_the_division(tmp_path):
    (tmp_path / "RSSDIVCS" / "files").mkdir(parents=True)
    for k in (0, 1):
        (tmp_path / "RSSDIVCS" / "files" / f"mine_{k}_splits.mat").touch()
    opt = get_options(
        [
            "--root",
            str(tmp_path),
            "--class_embedding",
            "mine_{}",
            "--clip",
            str(tmp_path / "clip-{}"),
            "--random_id",
            "0,1",
        ]
    )
    for k, one in enumerate(divisions_and_seeds(opt).values()):
        assert (
            benchmark_files(one).splits_mat.name == f"mine_{k}_splits.mat"
            and clip_folder(one) == tmp_path / f"clip-{k}"
        )


@pytest.mark.parametrize(
    "words, message",
    [
        ("--random_id 0,0", "--random_id: expected different divisions, found '0,0'"),
        ("--random_id 0,x", "--random_id: expected a whole number at least 0, found 'x'"),
        ("--random_id 0,7", "has no train_zsl_loc_7"),
        ("--seeds 0", "--seeds: expected a whole number at least 1"),
    ],
)
def test_divisions_that_are_none_are_one_line_and_nothing_is_trained(
    places, tmp_path, capsys, words, message
):
    assert message in fails(capsys, f"{QUICK} {words}", output=tmp_path / "run", **places)
    assert not (tmp_path / "run").exists()


def test_a_saved_model_is_of_one_division(several, capsys):
    last = several / "division-0_seed-5" / "last.safetensors"
    assert "--resume is for one division" in fails(capsys, f"--eval --resume {last} --random_id 0,1")


def test_the_folder_of_a_run_takes_no_others(several, places, capsys):
    assert "holds a run of one division and seed" in fails(
        capsys, f"{QUICK} --seeds 2", output=several / "division-0_seed-5", **places
    )
