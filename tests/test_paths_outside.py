"""Paths that lead out of the folder of the images are refused."""

import json
import shutil
from pathlib import Path

import pytest
import scipy.io

import annotate
import finetune_clip
import held_out
import main
import visualize
import zero_shot_clip
from commands import trainings
from data.images import is_below
from fuzzing import DATA
from helpers import refusal, start

CLIMBING = [
    "RSSDIVCS/../secret.png",
    "RSSDIVCS/Class0/../../secret.png",
    "RSSDIVCS//etc/passwd",
    "/etc/passwd",
    "../secret.png",
    "RSSDIVCS/..",
    "RSSDIVCS/..\\secret.png",
    "RSSDIVCS/C:\\secret.png",
    "C:/secret.png",
    "RSSDIVCS/\\\\host\\share\\secret.png",
]


@pytest.mark.parametrize("name", CLIMBING)
@pytest.mark.parametrize("program", [main, zero_shot_clip, annotate])
def test_a_path_that_climbs_out_of_the_image_root_is_refused(sound_files, tmp_path, capsys, program, name):
    images = scipy.io.loadmat(sound_files / DATA / "61_images.mat")
    files = images["image_files"].astype(f"U{max(80, len(name))}")
    files[-1] = name
    scipy.io.savemat(tmp_path / "x_images.mat", {"labels": images["labels"], "image_files": files})
    splits = sound_files / DATA / "mine_splits.mat"
    words = trainings(sound_files, sound_files / "clip", splits, tmp_path / "x_images.mat")[program]
    said = refusal(capsys, start, program, *words)
    assert "x_images.mat" in said and "should hold RSSDIVCS/ and then a path below the folder of" in said


@pytest.mark.parametrize(
    "program, more",
    [(main, ["--eval"]), (visualize, []), (held_out, [])],  # predict reads no such file
)
def test_also_by_what_reads_a_saved_model(tmp_path, sound_files, capsys, program, more):
    ignored = shutil.ignore_patterns("predictions", "tmp*")
    root = Path(shutil.copytree(sound_files, tmp_path / "root", ignore=ignored))
    images = scipy.io.loadmat(root / DATA / "61_images.mat")
    words = [*trainings(root, root / "clip")[main], "--output", tmp_path / "run"]
    start(main, *words)
    images["image_files"][-1] = "RSSDIVCS/../secret.png"
    scipy.io.savemat(root / DATA / "61_images.mat", {key: images[key] for key in ("labels", "image_files")})
    capsys.readouterr()
    words = ["--resume", tmp_path / "run" / "last.safetensors", *more, "--device", "cpu"]
    said = refusal(capsys, start, program, *words)
    assert "a path below the folder of the images" in said


@pytest.mark.parametrize("name", [*(name.partition("RSSDIVCS/")[2] or name for name in CLIMBING)])
def test_a_caption_of_an_image_elsewhere_is_refused(sound_files, tmp_path, capsys, name):
    (tmp_path / "x.jsonl").write_text(json.dumps({"image": name, "captions": ["a port"]}) + "\n")
    words = ["--images", sound_files / "RSSDIVCS", "--captions", tmp_path / "x.jsonl"]
    words += ["--init", sound_files / "clip", "--output", tmp_path / "out"]
    said = refusal(capsys, start, finetune_clip, *words)
    assert "x.jsonl, line 1" in said and "lies outside of" in said


def test_links_in_the_image_root_are_its_owners_and_followed(sound_files, tmp_path):
    (tmp_path / "RSSDIVCS").symlink_to(sound_files / "RSSDIVCS")
    words = ["--image_root", tmp_path / "RSSDIVCS", "--output", tmp_path / "run"]
    start(main, *trainings(sound_files, sound_files / "clip")[main], *words)
    assert is_below("Port/1.png") and is_below("1.png") and not is_below("") and not is_below(".")
