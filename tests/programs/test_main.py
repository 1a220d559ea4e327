"""The program as a user runs it, on a dataset of a few images and a tiny checkpoint."""

import csv
import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from data.matlab import DATA_HELP
from helpers import QUICK, fails, interrupt, log, run
from runs.command_line import get_options
from runs.settings import loss_weights, window_groups, windows_after
from tiny_data import write_clip, write_dataset

REPOSITORY = Path(__file__).parents[2]
# The six command lines as published, their paths aside.
PUBLISHED = """
    --dataset RSSDIVCS --pretrain_epoch 4 --pro_type 4 --pro_thr 1.0 --additional_loss
    --calibrated_stacking 0.7 --cuda --nepoch 30 --batch_size 64 --train_id 123 --pretrain_lr 1e-4
    --classifier_lr 1e-6 --xe 1 --attri 1e-2 --l_xe 1 --l_attri 8e-2 --xe_pro 1 --cpt 1e-9 --use_group
    --train_mode 'distributed' --n_batch 300 --ways 8 --shots 3 --sel_res layer
"""
NO_NORMS = "--regular 0 --l_regular 0"
GZSL = "--gzsl --calibrated_stacking"
SETTINGS = {
    "43 zsl": f"--pro_start_epoch -1 --manualSeed 3982 {NO_NORMS}",
    "52 zsl": f"--pro_start_epoch -1 --manualSeed 3866 {NO_NORMS}",
    "61 zsl": f"--pro_start_epoch 40 --manualSeed 4702 {NO_NORMS}",
    "43 gzsl": f"--pro_start_epoch -1 --manualSeed 1342 {NO_NORMS} {GZSL} 0.0001",
    "52 gzsl": f"--pro_start_epoch -1 --manualSeed 9905 --regular 5e-6 --l_regular 5e-4 {GZSL} 0.00014",
    "61 gzsl": f"--pro_start_epoch -1 {NO_NORMS} {GZSL} 0.0001",
}
# All options that the published program declares, some with a value as its users may give them.
DECLARED = """
    --root . --image_root . --dataset RSSDIVCS --matdataset True --image_embedding res101
    --class_embedding att
    --image_embedding_path . --class_embedding_path . --random_id 0 --preprocessing --standardization --ol
    --validation --batch_size 64 --nepoch 1 --classifier_lr 1e-6 --beta1 0.5 --cuda --pretrain_classifier x
    --manualSeed 1 --resnet_path ./resnet101.pth --train_id 0 --pretrained --image_type test_unseen_loc
    --pretrain_epoch 4 --proto_warm --pretrain_lr 1e-4 --gzsl --additional_loss --xe 1 --attri 1e-2
    --regular 0
    --l_xe 1 --l_attri 1e-2 --l_regular 0 --xe_pro 1 --pro_type 4 --attention_K 3 --pro_size 16 --pro_thr 1.0
    --pro_weight 1 --pro_start_epoch 0 --cpt 1e-9 --calibrated_stacking 0.7 --save_att False --IoU_scale 4
    --IoU_thr 0.5 --resize_WH --out_of_edge --max_area_center --KNOW_BIRD_BB --train_mode random --n_batch 1
    --ways 2 --shots 1 --transform_mode random --awa_finetune --use_group --avg_pool --all --use_proposal
    --sel_res layer --version 1 --attri_dim 98 --lasso
"""
EXPERIMENTS = {
    "01_zsl_40_30": "01_ZSL_43_11",
    "02_zsl_50_20": "02_ZSL_52_11",
    "03_zsl_60_10": "03_ZSL_61_12",
    "11_gzsl_40_30": "11_gzsl_43_11",
    "12_gzsl_50_20": "12_gzsl_52_9",
    "13_gzsl_60_10": "13_gzsl_61_12",
}


# ---- the six experiments ---------------------------------------------------------------------------


@pytest.mark.parametrize("name", SETTINGS)
def test_published_command_lines_run(root, clip, tmp_path, capsys, name):
    """Images are found in the folder of the dataset whose files the paths name: there is no --root."""
    division, setting = name.split()
    files = root / "RSSDIVCS" / "files"
    run(
        f"{PUBLISHED} {SETTINGS[name]} --nepoch 2 --n_batch 2 --workers 0",
        image_embedding_path=files / f"{division}_images.mat",
        class_embedding_path=files / f"ann_attr_finetune_{division}_splits.mat",
        clip_root=clip.parent,
        output=tmp_path / "run",
    )
    printed = capsys.readouterr().out
    ignored = "--cuda, --train_id"
    if setting == "zsl":
        ignored += ", --calibrated_stacking (ZSL has no seen candidates)"
    assert f"note: accepted, without effect: {ignored}\n" in printed
    options = json.loads((tmp_path / "run" / "options.json").read_text())["options"]
    assert options["use_group"] and options["ways"] == 8 and options["cpt"] == 1e-9
    constants = {"43 gzsl": 1e-4, "52 gzsl": 1.4e-4, "61 gzsl": 1e-4}
    assert options["calibrated_stacking"] == constants.get(name, 0.7)
    assert options["image_embedding"] == str(files / f"{division}_images.mat")
    assert json.loads((tmp_path / "run" / "results.json").read_text())["last"]["epoch"] == 1


def test_every_option_of_the_published_program_is_understood_or_said_to_do_nothing(capsys):
    opt = get_options(DECLARED.split())
    (note,) = capsys.readouterr().out.splitlines()
    given = [word[2:] for word in DECLARED.split() if word.startswith("--")]
    ignored = [name for name in given if f"--{name}," in f"{note}," or note.endswith(f"--{name}")]
    replaced = ["image_embedding_path", "class_embedding_path"]
    assert sorted([*ignored, *replaced, *(name for name in given if hasattr(opt, name))]) == sorted(given)
    assert opt.image_embedding == opt.class_embedding == str(Path.cwd())  # paths, not the names


def test_terms_are_silenced_as_in_the_published_program():
    def weights(words):
        return loss_weights(get_options(f"--cpt 1 --regular 1 {words}".split()))

    with_groups, without = weights("--use_group"), weights("")
    assert with_groups["cpt"] == with_groups["regular"] == 1
    assert without["cpt"] == without["regular"] == 0
    assert weights("--l_regular 2")["regular"] == 1  # beside l_regular
    alone = weights("--use_group --l_regular 1 --no-additional_loss")
    assert [name for name, weight in alone.items() if weight] == ["xe", "attri"]


@pytest.mark.parametrize(
    "words, last", [("", math.inf), ("--pro_start_epoch 0", math.inf), ("--pro_start_epoch -1", -1)]
)
def test_windows_are_never_used_without_a_start_or_with_0(words, last):
    assert windows_after(get_options(words.split())) == last


def test_pro_type_chooses_published_groups_by_name_and_others_by_order():
    published = {"materials": [0], "surface_properties": [1], "functions": [2]}
    assert [window_groups(published, pro_type) for pro_type in (1, 2, 3)] == [[[2]], [[0]], [[1]]]
    assert window_groups(published, 4) == [[0], [1], [2]]
    assert window_groups({"one": [0], "two": [1]}, 2) == [[1]]


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_scripts_run_from_anywhere(root, clip, tmp_path, experiment):
    environment = {
        **os.environ,
        "DATA_ROOT": str(root),
        "IMAGE_ROOT": str(root / "RSSDIVCS"),
        "CLIP_ROOT": str(clip.parent),
        "PYTHON": sys.executable,
    }
    done = subprocess.run(
        [
            REPOSITORY / "script" / f"{experiment}.sh",
            "--nepoch",
            "1",
            "--n_batch",
            "1",
            "--workers",
            "0",
            "--output",
            tmp_path / "run",
        ],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert ("U " in done.stdout) == ("gzsl" in experiment)
    assert (REPOSITORY / "script" / f"{EXPERIMENTS[experiment]}.sh").readlink() == Path(f"{experiment}.sh")


# ---- a run and its folder --------------------------------------------------------------------------


@pytest.fixture(scope="module")
def finished(places, tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "gzsl"
    run(f"{QUICK} --gzsl --use_group --regular 1e-3 --cpt 1e-3 --sel_res main", output=folder, **places)
    return folder


def test_a_run_leaves_all_that_is_known_of_it(finished):
    assert {file.name for file in finished.iterdir()} == {
        ".lock",
        "options.json",
        "log.jsonl",
        "results.json",
        "best.safetensors",
        "last.safetensors",
        "per_class_best.csv",
        "per_class_last.csv",
        "confusion_best.csv",
        "confusion_last.csv",
    }
    assert {"options", "command", "git", "versions", "machine"} <= json.loads(
        (finished / "options.json").read_text()
    ).keys()


def test_every_epoch_has_a_line_with_every_term_and_score(finished):
    lines = log(finished)
    assert [line["epoch"] for line in lines] == [0, 1, 2]
    assert [line["stage"] for line in lines] == ["warm-up", "full", "full"]
    assert set(lines[0]["losses"]) == {
        "xe",
        "attri",
        "regular",
        "l_xe",
        "l_attri",
        "l_regular",
        "xe_pro",
        "cpt",
    }
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


def test_attributes_in_no_group_are_told(tmp_path, capsys):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "files" / "attri_group_3.json").write_text(
        '{"functions": [0, 1], "materials": [3], "surface_properties": [5]}'
    )
    run(
        f"{QUICK} --nepoch 1 --use_group",
        root=tmp_path,
        clip=write_clip(tmp_path / "clip"),
        output=tmp_path / "run",
    )
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


# ---- going on --------------------------------------------------------------------------------------


def test_the_same_command_goes_on_as_if_never_interrupted(places, tmp_path, monkeypatch):
    run(QUICK, output=tmp_path / "whole", **places)

    interrupt(monkeypatch, "epoch 1")
    with pytest.raises(SystemExit) as stop:
        run(QUICK, output=tmp_path / "parts", **places)
    assert stop.value.code == 130 and len(log(tmp_path / "parts")) == 1
    with (tmp_path / "parts" / "log.jsonl").open("a") as file:
        file.write('{"epoch": 1, "half a li')  # killed while it wrote
    monkeypatch.undo()
    run(QUICK, output=tmp_path / "parts", **places)

    assert log(tmp_path / "parts") == log(tmp_path / "whole")
    for name in ("best", "last"):
        whole, parts = (load_file(tmp_path / folder / f"{name}.safetensors") for folder in ("whole", "parts"))
        assert all(torch.equal(value, parts[key]) for key, value in whole.items())


def test_a_finished_run_is_not_run_again_and_may_grow(places, tmp_path, capsys):
    run(f"{QUICK} --nepoch 1", output=tmp_path / "run", **places)
    before = (tmp_path / "run" / "last.safetensors").stat().st_mtime_ns
    run(f"{QUICK} --nepoch 1", output=tmp_path / "run", **places)
    assert (tmp_path / "run" / "last.safetensors").stat().st_mtime_ns == before
    run(f"{QUICK} --nepoch 2", output=tmp_path / "run", **places)
    assert [line["epoch"] for line in log(tmp_path / "run")] == [0, 1]


def test_resume_goes_on_in_another_folder(places, tmp_path):
    run(QUICK, output=tmp_path / "whole", **places)
    run(f"{QUICK} --nepoch 1", output=tmp_path / "start", **places)
    run(
        f"--resume {tmp_path / 'start' / 'last.safetensors'} --nepoch 3 --device cpu",
        output=tmp_path / "rest",
    )
    assert log(tmp_path / "rest") == log(tmp_path / "whole")[1:]


def test_a_name_gets_a_number_when_a_run_with_other_options_has_it(places, tmp_path, monkeypatch):
    monkeypatch.setattr("runs.folder.REPOSITORY", tmp_path)
    for more in ("", "", "--xe 2", "--xe 2"):
        run(f"{QUICK} --nepoch 1 --name mine {more}", **places)
    assert sorted(folder.name for folder in (tmp_path / "runs").iterdir()) == ["mine", "mine-2"]


# ---- wrong use -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words, message",
    [
        ("--nepochs 3", "unrecognized arguments: --nepochs 3"),
        ("--ways 0", "--ways: expected a whole number at least 1, found '0'"),
        ("--ways 2.5", "--ways: expected a whole number at least 1"),
        ("--classifier_lr nan", "--classifier_lr: expected a number above 0, found 'nan'"),
        ("--sel_res all", "--sel_res: invalid choice"),
        ("--device gpu", "--device gpu cannot be used here"),
        ("--eval", "--eval needs --resume"),
        ("--eval --resume nowhere.safetensors", "nowhere.safetensors is not a readable checkpoint"),
        ("--random_id 7", "has no train_zsl_loc_7"),
        ("--image_embedding 99", f"no such file: .*99_images.mat. {DATA_HELP[:30]}"),
        ("--ways 10", "--ways 10 is larger than the number of seen classes, 9"),
        ("--shots 6", "--shots 6 is larger than the class"),
        ("--clip nowhere", "no CLIP checkpoint: .*nowhere.config.json does not exist"),
    ],
)
def test_wrong_use_is_one_line(places, tmp_path, capsys, words, message):
    assert re.search(
        message,
        fails(
            capsys,
            f"{QUICK} {words}" if "--clip" in words else f"{QUICK} --clip {places['clip']} {words}",
            root=places["root"],
            output=tmp_path / "run",
        ),
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("version, folder", [(1, "clip-rsicd"), (2, "clip-rsicd-v2")])
def test_version_names_the_checkpoint_that_is_missing(root, tmp_path, capsys, version, folder):
    error = fails(
        capsys, f"{QUICK} --version {version}", root=root, clip_root=tmp_path, output=tmp_path / "run"
    )
    assert (
        f"{tmp_path / folder / 'config.json'} does not exist" in error
        and "flax-community/clip-rsicd-v2" in error
    )


def test_other_options_in_the_same_folder_are_refused(finished, places, capsys):
    assert "holds a run with other options (--attri 0.01, now 3.0" in fails(
        capsys, f"{QUICK} --attri 3", output=finished, **places
    )


def test_a_folder_that_is_no_run_is_refused(places, tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert "it is not a run folder" in fails(capsys, QUICK, output=tmp_path, **places)


def test_a_checkpoint_of_another_dataset_does_not_fit(finished, tmp_path, capsys):
    write_dataset(tmp_path, att=torch.zeros(5, 12).numpy())
    (tmp_path / "RSSDIVCS" / "files" / "attri_group_3.json").write_text('{"one": [0, 1, 2, 3, 4]}')
    assert "does not fit: linear.bias is (6,), expected (5,)" in fails(
        capsys, "--eval", resume=finished / "last.safetensors", root=tmp_path
    )


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_one_line_from_any_worker(tmp_path, capsys, workers):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "Class1" / "image_5.png").write_bytes(b"no image")
    error = fails(
        capsys,
        f"{QUICK} --workers {workers}",
        root=tmp_path,
        clip=write_clip(tmp_path / "clip"),
        output=tmp_path / "run",
    )
    assert "cannot read the image" in error and "image_5.png" in error


def test_a_loss_that_is_no_number_stops_the_run(places, tmp_path, capsys):
    error = fails(capsys, f"{QUICK} --pretrain_lr 1e38 --nepoch 2", output=tmp_path / "run", **places)
    assert "the loss term" in error and "batch" in error and "epoch 0" in error
