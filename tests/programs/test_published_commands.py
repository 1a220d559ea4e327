"""The six published experiments: their command lines, their options and the scripts that run them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import run
from runs.command_line import get_options
from support.cli import REPOSITORY

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


@pytest.mark.parametrize("experiment", EXPERIMENTS)
def test_experiment_scripts_run_from_anywhere(root, clip, tmp_path, experiment):
    environment = {
        **os.environ,
        "DATA_ROOT": str(root),
        "IMAGE_ROOT": str(root / "RSSDIVCS"),
        "CLIP_ROOT": str(clip.parent),
        "PYTHON": sys.executable,
    }
    words = [*"--nepoch 1 --n_batch 1 --workers 0 --output".split(), tmp_path / "run"]
    done = subprocess.run(
        [REPOSITORY / "script" / f"{experiment}.sh", *words],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    assert ("U " in done.stdout) == ("gzsl" in experiment)
    assert (REPOSITORY / "script" / f"{EXPERIMENTS[experiment]}.sh").readlink() == Path(f"{experiment}.sh")
