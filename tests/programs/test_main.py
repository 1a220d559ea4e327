"""A run of main.py as a user starts it, and what its folder holds."""

import csv
import json

import pytest
import torch
from safetensors.torch import load_file

from helpers import QUICK, fails, log, run
from tiny_data import write_dataset

# ---- a run and its folder --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "gzsl"
    run(f"{QUICK} --gzsl --use_group --regular 1e-3 --cpt 1e-3 --sel_res main", output=folder, **places)
    return folder


def test_a_run_leaves_all_that_is_known_of_it(finished):
    names = {".lock", "options.json", "log.jsonl", "results.json"}
    for epoch in ("best", "last"):
        names |= {f"{epoch}.safetensors", f"per_class_{epoch}.csv", f"confusion_{epoch}.csv"}
    assert {file.name for file in finished.iterdir()} == names
    facts = json.loads((finished / "options.json").read_text())
    assert {"options", "command", "git", "versions", "machine"} <= facts.keys()


def test_every_epoch_has_a_line_with_every_term_and_score(finished):
    lines = log(finished)
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert [line["stage"] for line in lines] == ["warm-up", "full", "full"]
    terms = {"xe", "attri", "regular", "l_xe", "l_attri", "l_regular", "xe_pro", "cpt"}
    assert set(lines[0]["losses"]) == terms
    assert lines[0]["losses"]["cpt"] == 0 < lines[1]["losses"]["cpt"]
    assert lines[0]["loss"] == pytest.approx(sum(lines[0]["losses"].values()))
    assert set(lines[0]["scores"]["projection+window"]) == {"U", "S", "H", "AUSUC", "ZSL"}
    assert [line["lr"] for line in lines] == [1e-2, 1e-3, 1e-3]


def test_results_name_the_best_and_the_last_epoch(finished):
    results, lines = json.loads((finished / "results.json").read_text()), log(finished)
    assert results["best"]["scores"]["projection+window"]["H"] == max(
        line["scores"]["projection+window"]["H"] for line in lines
    )
    assert results["last"]["epoch"] == 2 and results["chance"] == pytest.approx(100 / 3)


def test_confusion_has_every_test_image_once_and_the_accuracies_on_its_diagonal(finished):
    table, classes = (
        list(csv.DictReader((finished / f"{name}_last.csv").open())) for name in ("confusion", "per_class")
    )
    assert [row["class"] for row in table] == [row["class"] for row in classes] == list(table[0])[1:]
    for row, accuracy in zip(table, classes):
        named = {name: int(count) for name, count in row.items() if name != "class"}
        assert sum(named.values()) == int(accuracy["images"])
        assert 100 * named[row["class"]] / sum(named.values()) == pytest.approx(
            float(accuracy["projection+window"])
        )  # --sel_res main


def test_per_class_table_has_the_mean_that_was_reported(finished):
    rows = list(csv.DictReader((finished / "per_class_last.csv").open()))
    assert len(rows) == 12 and rows[0]["class"] == "Class0"
    for subset, name in (("seen", "S"), ("unseen", "U")):
        accuracies = [float(row["attention"]) for row in rows if row["subset"] == subset]
        assert sum(accuracies) / len(accuracies) == pytest.approx(
            log(finished)[-1]["scores"]["attention"][name]
        )


def test_windows_are_looked_at_only_if_the_score_needs_them(places, finished, tmp_path):
    run(f"{QUICK} --nepoch 1", output=tmp_path / "layer", **places)
    run(f"{QUICK} --nepoch 1 --sel_res main --pro_start_epoch 5", output=tmp_path / "later", **places)
    assert (
        set(log(tmp_path / "layer")[0]["scores"])
        == set(log(tmp_path / "later")[0]["scores"])
        == {"projection", "attention"}
    )
    assert set(log(finished)[0]["scores"]) == {"projection+window", "attention", "window"}


@pytest.mark.parametrize("branch", ["best", "last"])
def test_eval_prints_the_numbers_of_the_run(finished, capsys, branch):
    run(f"--eval --device cpu --resume {finished / branch}.safetensors")
    line = json.loads((finished / "results.json").read_text())[branch]
    printed = capsys.readouterr().out
    for name, scores in line["scores"].items():
        assert f"{name} U {scores['U']:5.2f} S {scores['S']:5.2f} H {scores['H']:5.2f}" in printed


def test_one_seed_gives_the_same_run_whatever_the_workers(places, tmp_path):
    for name, more in (("a", ""), ("b", "--workers 2"), ("c", "--manualSeed 2")):
        run(f"{QUICK} --nepoch 2 {more}", output=tmp_path / name, **places)
    weights = {name: load_file(tmp_path / name / "last.safetensors") for name in "abc"}
    assert all(torch.equal(value, weights["b"][name]) for name, value in weights["a"].items())
    assert log(tmp_path / "a") == log(tmp_path / "b")
    assert not torch.equal(weights["a"]["prototypes"], weights["c"]["prototypes"])


def test_attributes_in_no_group_are_told(clip, tmp_path, capsys):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "files" / "attri_group_3.json").write_text(
        '{"functions": [0, 1], "materials": [3], "surface_properties": [5]}'
    )
    run(f"{QUICK} --nepoch 1 --use_group", root=tmp_path, clip=clip, output=tmp_path / "run")
    assert "note: in no attribute group: attribute 2, attribute 4." in capsys.readouterr().out


def test_random_mode_and_no_additional_loss(places, tmp_path):
    run(
        f"{QUICK} --nepoch 2 --train_mode random --batch_size 16 "
        "--no-additional_loss --xe_on logits --pro_type 1",
        output=tmp_path / "run",
        **places,
    )
    losses = log(tmp_path / "run")[-1]["losses"]
    assert losses["xe"] > 0 == losses["l_xe"] == losses["l_attri"] == losses["cpt"]


def test_a_run_without_seed_draws_and_records_one(places, tmp_path):
    words = QUICK.replace("--manualSeed 1 ", "") + " --nepoch 1"
    run(words, output=tmp_path / "run", **places)
    options = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert 0 <= options["manualSeed"] < 2**32
    run(words + f" --manualSeed {options['manualSeed']}", output=tmp_path / "again", **places)
    assert log(tmp_path / "run") == log(tmp_path / "again")


# ---- wrong use -------------------------------------------------------------------------------------


def test_other_options_in_the_same_folder_are_refused(finished, places, capsys):
    assert "holds a run with other options (--attri 0.01, now 3.0" in fails(
        capsys, f"{QUICK} --attri 3", output=finished, **places
    )


def test_a_checkpoint_of_another_dataset_does_not_fit(finished, tmp_path, capsys):
    write_dataset(tmp_path, att=torch.zeros(5, 12).numpy())
    (tmp_path / "RSSDIVCS" / "files" / "attri_group_3.json").write_text('{"one": [0, 1, 2, 3, 4]}')
    assert "does not fit: linear.bias is (6,), expected (5,)" in fails(
        capsys, "--eval", resume=finished / "last.safetensors", root=tmp_path
    )
