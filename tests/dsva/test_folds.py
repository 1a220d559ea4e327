"""The clean protocol where few classes can play the unseen ones: in several trainings different ones do."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from dsva.metrics import score_gzsl
from dsva.protocol import (
    best_common_constant,
    choose_over_folds,
    count_folds,
    h_curve,
    played_classes,
    rescale_constant,
    validation_benchmark,
)
from helpers import QUICK, fails, interrupt_epoch, load, log, run
from support.errors import InputError
from tiny_data import write_dataset

FEW = f"{QUICK} --protocol clean --nepoch 2".replace("--ways 3", "")  # of five seen classes and two unseen


@pytest.fixture(scope="module")
def places(clip, tmp_path_factory) -> dict:
    root = write_dataset(tmp_path_factory.mktemp("few"), seen=5, unseen=2)
    return {"root": root, "clip": clip}


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("runs") / "gzsl"
    run(f"{FEW} --gzsl", output=folder, **places)
    return folder


def of_classes(data, seen: int, unseen: int):
    """The first classes are unseen."""
    is_seen = np.isin(data.labels, np.arange(3, 3 + seen))
    splits = {
        **data.splits,
        "train_zsl_loc": np.flatnonzero(is_seen),
        "test_unseen_loc": np.flatnonzero(data.labels < unseen),
    }
    return replace(data, splits=splits)


# ---- how many ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "seen, unseen, gzsl, playing, folds",
    [
        (9, 3, True, 3, 1),  # enough for one training
        (9, 2, True, 2, 2),
        (5, 2, True, 1, 3),
        (5, 2, False, 2, 2),  # one alone would always be named rightly
        (3, 2, True, 1, 3),
        (3, 2, False, 2, 2),
        (2, 2, True, 1, 2),
        (2, 2, False, 1, 2),
    ],
)
def test_three_classes_play_where_they_can(root, seen, unseen, gzsl, playing, folds):
    data = of_classes(load(root), seen, unseen)
    assert played_classes(data, gzsl, None) == playing
    assert count_folds(data, gzsl, None, None) == folds


def test_the_user_sets_both_numbers(root):
    data = load(root)  # of nine seen classes
    assert count_folds(data, True, 1, None) == 1
    assert count_folds(data, True, 1, 9) == 9
    with pytest.raises(InputError, match="--validation_folds 4: 3 of 9 .* expected at most 3"):
        count_folds(data, True, 3, 4)
    with pytest.raises(InputError, match="1 of 1 seen classes cannot play|0 of 1 seen classes cannot play"):
        played_classes(of_classes(data, 1, 2), True, None)


@pytest.mark.parametrize("playing, folds", [(1, 9), (2, 9), (3, 3), (4, 9), (6, 3)])
def test_other_classes_play_in_every_fold(root, playing, folds):
    data = load(root)
    played = []
    for fold in range(folds):
        parts = validation_benchmark(data, "train_gzsl_loc", True, playing, 1, fold)
        played.append(tuple(parts.unseen))
        assert sorted([*parts.seen, *parts.unseen]) == data.seen.tolist()
    assert len(set(played)) == folds == count_folds(data, True, playing, folds)


# ---- what is chosen --------------------------------------------------------------------------------


def case(seed: int, classes=6, images=80):
    """Probabilities, labels, seen and unseen columns."""
    rng = np.random.default_rng(seed)
    labels = rng.integers(classes, size=images)
    probabilities = rng.dirichlet(np.ones(classes), images)
    probabilities[np.arange(images), labels] += 0.2
    return probabilities, labels, np.arange(2, classes), np.arange(2)


class Played:
    """As much of a benchmark as `h_curve` asks for."""

    def __init__(self, seen, unseen):
        self.seen, self.unseen = seen, unseen

    def candidates(self, gzsl):
        return np.union1d(self.seen, self.unseen)


def test_the_curve_has_h_at_every_constant():
    probabilities, labels, seen, unseen = case(0)
    curve = h_curve(probabilities, labels, Played(seen, unseen))
    assert len(curve["H"]) == len(curve["constants"]) + 1
    for constant in np.linspace(-1, 1, 201):
        expected = score_gzsl(probabilities, labels, seen, unseen, constant)[0]["H"]
        found = curve["H"][np.searchsorted(curve["constants"], constant)]
        assert found == pytest.approx(expected)


def test_a_long_curve_is_thinned_out_evenly():
    probabilities, labels, seen, unseen = case(1, images=3000)
    curve = h_curve(probabilities, labels, Played(seen, unseen))
    assert len(curve["H"]) == 500 and len(curve["constants"]) == 499
    for constant in np.linspace(-0.5, 0.5, 21):
        expected = score_gzsl(probabilities, labels, seen, unseen, constant)[0]["H"]
        found = curve["H"][np.searchsorted(curve["constants"], constant)]
        assert found == pytest.approx(expected, abs=1)


def test_the_constant_gives_the_highest_mean_of_h_over_the_folds():
    cases = [case(seed) for seed in range(3)]

    def mean_h(constant):
        return np.mean([score_gzsl(*one, constant)[0]["H"] for one in cases])

    curves = [h_curve(p, labels, Played(seen, unseen)) for p, labels, seen, unseen in cases]
    constant, score = best_common_constant(curves)
    assert mean_h(constant) == pytest.approx(score)
    assert score >= max(mean_h(value) for value in np.linspace(-1, 1, 400)) - 1e-9


def test_of_equally_good_constants_it_is_the_middle_of_the_widest_stretch():
    """H is 50 from 0.2 to 0.3 and from 0.4 to 1; a step of the other fold at 0.6 changes nothing."""
    first = {"constants": [0.2, 0.3, 0.4, 1.0], "H": [0.0, 50.0, 10.0, 50.0, 0.0]}
    second = {"constants": [0.6], "H": [50.0, 50.0]}
    assert best_common_constant([first, second]) == (pytest.approx(0.7), pytest.approx(50))


def test_the_epoch_is_that_of_the_highest_mean():
    first = [{"epoch": e, "score": score} for e, score in enumerate([90, 50, 60])]
    second = [{"epoch": e, "score": score} for e, score in enumerate([10, 50, 60])]
    assert choose_over_folds([first, second], gzsl=False) == (2, 0.0, 60)


def test_one_freak_fold_does_not_set_the_constant():
    """Two folds agree on a constant above 0.1; in the third one that is tiny would do as well."""
    agreed = {"constants": [0.1], "H": [1.0, 60.0]}
    freak = {"constants": [0.001, 0.002], "H": [50.0, 51.0, 50.0]}
    lines = [[{"epoch": 0, "score": 60, "curve": curve}] for curve in (agreed, agreed, freak)]
    epoch, constant, score = choose_over_folds(lines, gzsl=True)
    assert constant > 0.1 and score == pytest.approx(170 / 3)


# ---- as a user runs it -----------------------------------------------------------------------------


def test_small_data_are_chosen_on_in_three_folds(finished, places):
    results = json.loads((finished / "results.json").read_text())
    assert results["options"]["validation_folds"] == 3
    names = ["validation", "validation-2", "validation-3"]
    assert sorted(path.name for path in finished.glob("validation*")) == names
    data = load(places["root"])
    logs = []
    played = []
    for fold, name in enumerate(names):
        parts = validation_benchmark(data, "train_gzsl_loc", True, None, 1, fold)
        played += [data.class_names[c] for c in parts.unseen]
        logs.append([{"score": 0, **line} for line in log(finished / name)])
    assert results["chosen"]["classes"] == played and len(played) == 3
    epoch, constant, score = choose_over_folds(logs, gzsl=True)
    assert (results["chosen"]["epoch"], results["chosen"]["score"]) == (epoch, score)
    assert results["chosen"]["calibrated_stacking"] == rescale_constant(constant, parts, data)
    assert {line["calibrated_stacking"] for line in log(finished)} == {
        results["chosen"]["calibrated_stacking"]
    }


def test_in_zsl_two_classes_play_at_a_time(places, tmp_path, capsys):
    run(FEW, output=tmp_path / "run", **places)
    printed = capsys.readouterr().out
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert len(results["chosen"]["classes"]) == 4 and "validation training 2 of 2: " in printed
    logs = [log(tmp_path / "run" / name) for name in ("validation", "validation-2")]
    scores = [[line["scores"]["attention"]["accuracy"] for line in lines] for lines in logs]
    assert results["chosen"]["epoch"] == np.mean(scores, axis=0).argmax()


@pytest.mark.parametrize("stop", [1, 3, 4, 6, 8])
def test_it_goes_on_from_any_fold(finished, places, tmp_path, monkeypatch, stop):
    """Of two epochs each: three folds, and the training itself."""
    trained = interrupt_epoch(monkeypatch, stop)
    with pytest.raises(SystemExit):
        run(f"{FEW} --gzsl", output=tmp_path / "run", **places)
    run(f"{FEW} --gzsl", output=tmp_path / "run", **places)
    assert len(trained) == 9 and log(tmp_path / "run") == log(finished)
    for name in ("validation", "validation-2", "validation-3"):
        assert log(tmp_path / "run" / name) == log(finished / name)


def test_a_repetition_agrees(finished, places, tmp_path, capsys):
    run("--device cpu", repeat=finished / "results.json", output=tmp_path / "again", **places)
    printed = capsys.readouterr().out
    assert "numbers agree exactly" in printed and "not as recorded" not in printed


def test_few_classes_and_one_training_are_warned_of(places, tmp_path, capsys):
    run(f"{FEW} --gzsl --validation_classes 1 --nepoch 1", output=tmp_path / "run", **places)
    printed = capsys.readouterr().out
    assert (
        "note: unseen classes are played by 1 of 5 seen ones, too few to choose the epoch and the" in printed
    )
    assert "--validation_folds 3 takes the mean of three trainings in which different classes play" in printed
    run(f"{FEW} --validation_classes 1 --nepoch 1", output=tmp_path / "zsl", **places)
    assert "one class alone is always named rightly" in capsys.readouterr().out


def test_a_run_of_an_earlier_version_has_one_training_and_goes_on(finished, places, tmp_path, capsys):
    words = f"{FEW} --gzsl --validation_classes 1"
    run(words, output=tmp_path / "run", **places)
    for folder in (tmp_path / "run", tmp_path / "run" / "validation"):
        facts = json.loads((folder / "options.json").read_text())
        del facts["options"]["validation_folds"]
        (folder / "options.json").write_text(json.dumps(facts))
    before = log(tmp_path / "run")
    run(words, output=tmp_path / "run", **places)
    assert log(tmp_path / "run") == before
    error = fails(capsys, f"{words} --validation_folds 3", output=tmp_path / "run", **places)
    assert "--validation_folds 1, now 3" in error


def test_a_damaged_curve_is_one_line(finished, places, tmp_path, capsys):
    shutil.copytree(finished, tmp_path / "run")
    (tmp_path / "run" / "results.json").unlink()
    file = tmp_path / "run" / "validation-2" / "log.jsonl"
    lines = [json.loads(line) for line in file.read_text().splitlines()]
    lines[0]["curve"]["H"].pop()
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    error = fails(capsys, f"{FEW} --gzsl", output=tmp_path / "run", **places)
    assert "validation-2/log.jsonl: epoch 0 has no curve of H" in error
