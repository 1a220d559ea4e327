"""A checkpoint is enough: it goes to another machine, where no dataset and no CLIP are."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

import held_out
import main
import predict
import visualize
from helpers import refusal, write_described_run
from inference import load_saved
from runs.saved_classes import PREFIX

HERE = ["--device", "cpu"]


def start(program, *words):
    arguments = [str(word) for word in [*words, *HERE]]
    program.main(arguments if program is visualize else [*arguments, "--workers", "0"])


def predictions(output: Path, checkpoint: Path, *words) -> str:
    start(predict, *words, "--resume", checkpoint, "--output", output)
    return (output / "predictions.jsonl").read_text()


@pytest.fixture(scope="module")
def here(tmp_path_factory) -> Path:
    """A checkpoint, last.safetensors, and a picture; the dataset has been renamed, and CLIP has moved.

    before/ holds predictions of the picture from the time when all was in its place: own/ among the classes
    of the run, new/ with one more in words, pictured/ with one more by pictures.
    """
    root = tmp_path_factory.mktemp("here")
    place = write_described_run(root / "place")
    for name in ("last", "best"):
        shutil.copy(place / "run" / f"{name}.safetensors", root)
    shutil.copy(place / "RSSDIVCS" / "Class3" / "image_9.png", root / "photo.png")
    shutil.copytree(place / "RSSDIVCS" / "Class2", root / "examples")
    checkpoint = root / "last.safetensors"
    predictions(root / "before" / "own", checkpoint, root / "photo.png", "--classes", "all")
    predictions(root / "before" / "new", checkpoint, root / "photo.png", "--add_class", "wind farm")
    pictured = ["--add_class", f"mine={root / 'examples'}"]
    predictions(root / "before" / "pictured", checkpoint, root / "photo.png", *pictured)
    (place / "RSSDIVCS").rename(root / "renamed")
    (place / "clip").rename(root / "clip")
    shutil.rmtree(place)
    return root


def without_classes(checkpoint: Path, target: Path) -> Path:
    """The same as earlier versions wrote it."""
    with safe_open(checkpoint, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys() if not name.startswith(PREFIX)}  # noqa: SIM118
        metadata = {key: value for key, value in file.metadata().items() if key != "classes"}
    save_file(weights, target, metadata=metadata)
    return target


# ---- predict ---------------------------------------------------------------------------------------


def test_prediction_needs_the_checkpoint_alone(here, tmp_path):
    said = predictions(tmp_path, here / "last.safetensors", here / "photo.png", "--classes", "all")
    assert said == (here / "before" / "own" / "predictions.jsonl").read_text()


def test_a_class_by_values_needs_no_more(here, tmp_path):
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": -1}}')
    words = [here / "photo.png", "--class_values", tmp_path / "values.json", "--top", 6]
    assert "dunes" in predictions(tmp_path / "out", here / "last.safetensors", *words)


@pytest.mark.parametrize("kind, new", [("new", "wind farm"), ("pictured", "mine={here}/examples")])
def test_a_class_in_words_or_pictures_needs_a_clip_folder_too(here, tmp_path, kind, new):
    words = [here / "photo.png", "--add_class", new.format(here=here), "--clip", here / "clip"]
    said = predictions(tmp_path, here / "last.safetensors", *words)
    assert said == (here / "before" / kind / "predictions.jsonl").read_text()


def test_a_clip_folder_that_is_gone_is_named_with_the_option_that_takes_another(here, tmp_path, capsys):
    words = ["--resume", here / "last.safetensors", "--add_class", "wind farm"]
    said = refusal(capsys, start, predict, here / "photo.png", *words, "--output", tmp_path / "out")
    assert f"was in {here / 'place' / 'clip'} and is not there" in said and "--clip" in said
    assert not (tmp_path / "out").exists()


# ---- visualize and held_out ------------------------------------------------------------------------


def test_maps_of_own_images_need_the_checkpoint_alone(here, tmp_path):
    checkpoint = here / "last.safetensors"
    start(visualize, "--resume", checkpoint, "--images", here / "photo.png", "--output", tmp_path)
    assert (tmp_path / "photo.png").is_file()


def test_maps_of_test_images_need_the_dataset_and_say_how_to_name_it(here, tmp_path, capsys):
    said = refusal(
        capsys, start, visualize, "--resume", here / "last.safetensors", "--output", tmp_path / "out"
    )
    assert f"{here / 'place' / 'RSSDIVCS'}" in said and "--data" in said and "--images" in said
    words = ["--resume", here / "last.safetensors", "--data", here / "renamed"]
    start(visualize, *words, "--per_class", 1, "--output", tmp_path / "out")
    assert (tmp_path / "out" / "Class0_image_0.png").is_file()


def test_a_held_out_class_needs_the_dataset_and_a_clip(here, capsys):
    words = ["--resume", here / "last.safetensors", "--pictures", 1]
    assert "--data" in refusal(capsys, start, held_out, *words)
    said = refusal(capsys, start, held_out, *words, "--data", here / "renamed")
    assert f"was in {here / 'place' / 'clip'} and is not there" in said and "--clip" in said
    start(held_out, *words, "--data", here / "renamed", "--clip", here / "clip")
    assert "chance: 50.0" in capsys.readouterr().out


@pytest.mark.parametrize(
    "gone, missing",
    [("Class3/image_9.png", ""), ("Class0/image_1.png", "1 of 4 images are missing, the first is")],
)
def test_only_images_that_are_read_must_be_there(here, tmp_path, capsys, gone, missing):
    data = tmp_path / "data"
    shutil.copytree(here / "renamed", data)
    (data / gone).unlink()
    words = ["--resume", here / "last.safetensors", "--data", data, "--output", tmp_path / "out"]
    if missing:
        said = refusal(capsys, start, visualize, *words)
        assert missing in said and str(data / gone) in said and "--data" in said and "--root" not in said
    else:
        start(visualize, *words)


def test_evaluation_reads_no_training_picture(here, tmp_path, capsys):
    (tmp_path / "moved").mkdir()
    data = shutil.copytree(here / "renamed", tmp_path / "moved" / "RSSDIVCS")
    saved = load_saved(here / "last.safetensors", torch.device("cpu"), data)
    benchmark = saved.dataset.load()
    tested = benchmark.test_images(True)
    (benchmark.image_paths[np.setdiff1d(benchmark.splits["train_zsl_loc"], tested)[0]]).unlink()
    words = ["--eval", "--resume", here / "last.safetensors", "--root", tmp_path / "moved"]
    start(main, *words)
    benchmark.image_paths[tested[0]].unlink()
    capsys.readouterr()
    assert f"1 of {len(tested)} images are missing" in refusal(capsys, start, main, *words)


# ---- checkpoints of earlier versions ---------------------------------------------------------------


def test_a_checkpoint_of_before_is_loaded_with_its_dataset(here, tmp_path):
    old = without_classes(here / "last.safetensors", tmp_path / "old.safetensors")
    cpu = torch.device("cpu")
    classes = load_saved(old, cpu, here / "renamed").data
    kept = load_saved(here / "last.safetensors", cpu).data
    for name in ("class_names", "attribute_names", "groups", "provenance"):
        assert getattr(classes, name) == getattr(kept, name)
    assert torch.equal(classes.class_attributes, kept.class_attributes)
    assert classes.seen.tolist() == kept.seen.tolist() and classes.unseen.tolist() == kept.unseen.tolist()
    for name in ("by_name", "by_image", "has_images"):
        values, same = getattr(classes.similarities, name), getattr(kept.similarities, name)
        np.testing.assert_array_equal(values, same)


def test_a_checkpoint_of_before_says_that_its_dataset_is_gone(here, tmp_path, capsys):
    old = without_classes(here / "last.safetensors", tmp_path / "old.safetensors")
    said = refusal(capsys, start, predict, here / "photo.png", "--resume", old, "--output", tmp_path / "out")
    assert "earlier version does not keep its classes" in said and "61_images.mat" in said
    assert "--" not in said and not (tmp_path / "out").exists()
    said = refusal(capsys, start, visualize, "--resume", old, "--images", here / "photo.png")
    assert "earlier version" in said and "--data" in said and "--images" not in said
