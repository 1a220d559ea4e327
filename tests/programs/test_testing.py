"""The tests within a training: every epoch or every few, and from tokens that are kept in warm-up."""

import json
import re
import weakref
from collections import Counter

import pytest
import torch
from safetensors.torch import load_file

import main as program
from dsva.engine import Schedule
from dsva.network import DSVA
from helpers import QUICK, fails, interrupt, log, run
from runs import loaders

WARM_UP = QUICK.replace("--pretrain_epoch 0", "--pretrain_epoch 1")  # epochs 0 and 1; 2 is full


def numbers(folder):
    """All that must be equal: every line of the log, and the last weights."""
    weights = load_file(folder / "last.safetensors")
    return log(folder), {name: value.tolist() for name, value in weights.items()}


# ---- kept tokens -----------------------------------------------------------------------------------


@pytest.fixture
def looks(monkeypatch):
    """Counts the images that the tower looks at in tests."""
    counted: Counter = Counter()
    encode = DSVA.encode

    def counting(self, images):
        if not self.training:
            counted["images"] += len(images)
        return encode(self, images)

    monkeypatch.setattr(DSVA, "encode", counting)
    return counted


@pytest.mark.parametrize("place", ["memory", "device"])
@pytest.mark.parametrize(
    "words, saved",
    [
        ("", 15),  # of two tests in warm-up, the first look of the second one, at 15 images
        ("--sel_res main", 15),  # the same; windows move, and are looked at in every test
        ("--gzsl --nepoch 1 --pretrain_epoch 0", 0),  # one test: nothing to keep tokens for
    ],
)
def test_a_test_from_kept_tokens_has_the_same_numbers(places, tmp_path, looks, words, place, saved):
    run(f"{WARM_UP} {words} --cache none", output=tmp_path / "none", **places)
    before = looks["images"]
    looks.clear()
    run(f"{WARM_UP} {words} --cache {place}", output=tmp_path / "kept", **places)
    assert numbers(tmp_path / "kept") == numbers(tmp_path / "none")
    assert before - looks["images"] == saved


def test_a_run_that_goes_on_in_its_warm_up_keeps_tokens_anew(places, tmp_path, looks):
    run(f"{WARM_UP} --pretrain_epoch 2 --cache memory", output=tmp_path / "whole", **places)
    images = looks["images"]
    looks.clear()
    run(f"{WARM_UP} --pretrain_epoch 2 --nepoch 1 --cache memory", output=tmp_path / "parts", **places)
    run(f"{WARM_UP} --pretrain_epoch 2 --cache memory", output=tmp_path / "parts", **places)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    assert looks["images"] == 2 * images


def test_tokens_that_do_not_fit_are_not_kept(places, tmp_path, looks, monkeypatch):
    run(f"{WARM_UP} --cache memory", output=tmp_path / "kept", **places)
    images = looks["images"]
    looks.clear()
    needed = images // 2 * 17 * 32 * 4  # two looks at each image, 17 tokens of 32 numbers
    monkeypatch.setattr(loaders, "free_bytes", lambda place: 2 * needed)
    run(f"{WARM_UP} --cache memory", output=tmp_path / "fit", **places)
    assert looks["images"] == images
    looks.clear()
    monkeypatch.setattr(loaders, "free_bytes", lambda place: 2 * needed - 1)
    run(f"{WARM_UP} --cache memory", output=tmp_path / "too_many", **places)
    assert looks["images"] == 3 * images // 2
    assert numbers(tmp_path / "too_many") == numbers(tmp_path / "kept")


def test_kept_tokens_are_gone_before_the_tower_learns(places, tmp_path, monkeypatch):
    kept = []
    keep, train = program.keep_tokens, program.train_one_epoch
    there = {}

    def keeping(*arguments):
        tokens = keep(*arguments)
        kept.append(weakref.ref(tokens))
        return tokens

    def training(*arguments):
        there[arguments[-1]] = kept[0]() is not None
        return train(*arguments)

    monkeypatch.setattr(program, "keep_tokens", keeping)
    monkeypatch.setattr(program, "train_one_epoch", training)
    run(f"{WARM_UP} --cache memory", output=tmp_path / "run", **places)
    assert there == {"epoch 0": True, "epoch 1": True, "epoch 2": False}


def test_the_clean_protocol_is_the_same_with_kept_tokens(places, tmp_path):
    for cache in ("none", "memory"):
        words = f"{WARM_UP} --gzsl --protocol clean --validation_folds 2 --cache {cache}"
        run(words, output=tmp_path / cache, **places)
    for folder in ("", "validation", "validation-2"):
        assert numbers(tmp_path / "memory" / folder) == numbers(tmp_path / "none" / folder)


# ---- every few epochs ------------------------------------------------------------------------------


def schedule(epochs, test_every):
    return Schedule(epochs, 1, 1e-2, 1e-3, 0.5, torch.inf, test_every)


def test_the_last_epoch_is_always_tested():
    tested = [epoch for epoch in range(8) if schedule(8, 3).is_tested(epoch)]
    assert tested == [2, 5, 7]
    assert [epoch for epoch in range(3) if schedule(3, 9).is_tested(epoch)] == [2]
    assert all(schedule(8, 1).is_tested(epoch) for epoch in range(8))


def test_only_some_epochs_are_tested_and_the_training_is_the_same(places, tmp_path, capsys):
    run(f"{QUICK} --nepoch 5 --gzsl", output=tmp_path / "all", **places)
    capsys.readouterr()
    run(f"{QUICK} --nepoch 5 --gzsl --test_every 2", output=tmp_path / "some", **places)
    printed = capsys.readouterr().out
    every, some = log(tmp_path / "all"), log(tmp_path / "some")
    for whole, line in zip(every, some):
        assert line["scores"] == (whole["scores"] if line["epoch"] in (1, 3, 4) else {})
        assert line["losses"] == whole["losses"]
    results = json.loads((tmp_path / "some" / "results.json").read_text())
    best = max((every[e] for e in (1, 3, 4)), key=lambda line: line["scores"]["attention"]["H"])
    assert results["best"]["epoch"] == best["epoch"]
    assert results["last"]["epoch"] == 4
    assert numbers(tmp_path / "some")[1] == numbers(tmp_path / "all")[1]
    lines = [line for line in printed.splitlines() if line.startswith("epoch")]
    assert [" H " in line for line in lines] == [False, True, False, True, True]


def test_it_goes_on_after_an_epoch_that_was_not_tested(places, tmp_path, monkeypatch):
    words = f"{QUICK} --nepoch 5 --test_every 3"
    run(words, output=tmp_path / "whole", **places)

    interrupt(monkeypatch, "epoch 1")
    with pytest.raises(SystemExit):
        run(words, output=tmp_path / "parts", **places)
    assert [line["scores"] for line in log(tmp_path / "parts")] == [{}]
    monkeypatch.undo()
    run(words, output=tmp_path / "parts", **places)
    assert numbers(tmp_path / "parts") == numbers(tmp_path / "whole")
    for name in ("best.safetensors", "per_class_best.csv"):
        assert (tmp_path / "parts" / name).is_file()


@pytest.mark.parametrize("folds", [1, 2])
def test_the_clean_protocol_chooses_among_the_tested_epochs(places, tmp_path, folds):
    words = f"{QUICK} --nepoch 5 --gzsl --protocol clean --validation_folds {folds} --test_every 2"
    run(words, output=tmp_path / "run", **places)
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    assert results["clean"]["epoch"] in (1, 3, 4)
    assert results["clean"]["scores"]
    assert (tmp_path / "run" / "clean.safetensors").is_file()


def test_a_run_that_ends_earlier_than_planned_says_that_its_last_epoch_was_not_tested(
    places, tmp_path, capsys, monkeypatch
):
    interrupt(monkeypatch, "epoch 1")
    with pytest.raises(SystemExit):
        run(f"{QUICK} --test_every 3", output=tmp_path / "run", **places)
    monkeypatch.undo()
    capsys.readouterr()
    error = fails(capsys, f"{QUICK} --nepoch 1 --test_every 3", output=tmp_path / "run", **places)
    assert "epoch 0" in error and "was not tested: ask for more --nepoch" in error


def forget_scores(folder, epochs):
    """As if these had not been tested."""
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    for epoch in epochs:
        lines[epoch]["scores"] = {}
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize("folds", [1, 2])
@pytest.mark.parametrize(
    "test_every, lost, message",
    [
        (1, [1], "log.jsonl, line 2, is not what main.py writes of an epoch"),
        (1, [0, 1, 2], "log.jsonl, line 1, is not what main.py writes of an epoch"),
        (2, [1], "log.jsonl, line 2, is not what main.py writes of an epoch"),
        (9, [2], "epoch 2, the last of .*validation, was not tested"),
    ],
)
def test_a_validation_whose_scores_are_gone_is_refused(
    places, tmp_path, capsys, folds, test_every, lost, message
):
    words = f"{QUICK} --gzsl --protocol clean --validation_folds {folds} --test_every {test_every}"
    run(words, output=tmp_path / "run", **places)
    forget_scores(tmp_path / "run" / "validation", lost)
    capsys.readouterr()
    assert re.search(message, fails(capsys, words, output=tmp_path / "run", **places))


# ---- what the console says -------------------------------------------------------------------------


def test_options_are_told_where_they_are_not_the_defaults(places, tmp_path, capsys):
    run(f"{QUICK} --use_group --ways 4", output=tmp_path / "run", **places)
    printed = capsys.readouterr().out
    told = printed.split("\noptions ")[1].split("\n        all others have their defaults")[0]
    words = dict(word.split("=", 1) for word in told.split())
    assert {"use_group": "True", "ways": "4", "nepoch": "3"}.items() <= words.items()
    assert "beta1" not in words and "xe" not in words
    assert all(len(line) <= 100 for line in told.splitlines() if len(line.split()) > 1)
    recorded = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert recorded["beta1"] == 0.5
