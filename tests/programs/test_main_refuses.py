"""Wrong use of main.py, and data that it cannot train on: one line says so."""

import re

import pytest

from data.matlab import DATA_HELP
from helpers import QUICK, fails
from tiny_data import write_dataset


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
        (
            "--eval --resume nowhere.safetensors",
            "no such file: .*nowhere.safetensors; expected such as runs/X/last.safetensors",
        ),
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


def test_a_folder_that_is_no_run_is_refused(places, tmp_path, capsys):
    (tmp_path / "thesis.tex").touch()
    assert "it is not a run folder" in fails(capsys, QUICK, output=tmp_path, **places)


@pytest.mark.parametrize("workers", [0, 2])
def test_a_corrupt_image_is_one_line_from_any_worker(clip, tmp_path, capsys, workers):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "Class1" / "image_5.png").write_bytes(b"no image")
    words = f"{QUICK} --workers {workers}"
    error = fails(capsys, words, root=tmp_path, clip=clip, output=tmp_path / "run")
    assert "cannot read the image" in error and "image_5.png" in error


def test_a_loss_that_is_no_number_stops_the_run(places, tmp_path, capsys):
    error = fails(capsys, f"{QUICK} --pretrain_lr 1e38 --nepoch 2", output=tmp_path / "run", **places)
    assert "the loss term" in error and "batch" in error and "epoch 0" in error
