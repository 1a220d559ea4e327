"""finetune_clip.py with teachers, in its last epochs, and in another precision."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

import finetune_clip
from caption_training import HERE, TINY, TRAINED_ON, inputs, train, training_error, weights, write_teacher

pytestmark = pytest.mark.usefixtures("one_thread")


PARTLY_DROPPED = "--patch_drop 0.5 --whole_epochs 1".split()


def taught(folder) -> list:
    return ["--image_teacher", folder / "images.npz", "--text_teacher", folder / "sentences.npz"]


@pytest.fixture(scope="module")
def finished(captioned, tmp_path_factory) -> Path:
    """Three epochs with both teachers, patches dropped but in the last one."""
    output = tmp_path_factory.mktemp("run") / "clip"
    train(captioned, output, *taught(captioned), *PARTLY_DROPPED)
    return output


def log(folder) -> list:
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if "seconds" not in key} for line in lines]


def same_weights(one, other) -> bool:
    return all(torch.equal(value, other[name]) for name, value in one.items())


# ---- in a training ---------------------------------------------------------------------------------


@pytest.mark.parametrize("which", [slice(0, 2), slice(2, 4)], ids=["image", "text"])
def test_a_teacher_changes_the_weights_and_leaves_none_of_its_own(captioned, finished, tmp_path, which):
    for name, words in (("alone", []), ("taught", taught(captioned)[which])):
        train(captioned, tmp_path / name, "--init", finished, *words, size=HERE, epochs=1)
    assert not same_weights(weights(tmp_path / "alone"), weights(tmp_path / "taught"))
    saved = [set(load_file(tmp_path / name / "model.safetensors")) for name in ("alone", "taught")]
    assert saved[0] == saved[1]


def test_a_teacher_without_weight_says_nothing(captioned, tmp_path):
    train(captioned, tmp_path / "alone", epochs=1)
    without_weight = ["--image_teacher", captioned / "images.npz", "--teacher_weight", "0"]
    train(captioned, tmp_path / "none", *without_weight, epochs=1)
    assert same_weights(weights(tmp_path / "alone"), weights(tmp_path / "none"))


def test_words_of_the_sentences_alone_become_tokens(captioned, tmp_path):
    write_teacher(tmp_path / "sentences.npz", ["zeppelin " * 200], [[1, 0]])
    train(captioned, tmp_path / "clip", "--text_teacher", str(tmp_path / "sentences.npz"), epochs=1)
    assert "zeppelin</w>" in json.loads((tmp_path / "clip" / "vocab.json").read_text())


def test_a_clip_that_exists_keeps_its_tokens(captioned, finished, tmp_path):
    train(captioned, tmp_path / "more", "--init", finished, *taught(captioned), size=HERE, epochs=1)
    assert (tmp_path / "more" / "vocab.json").read_text() == (finished / "vocab.json").read_text()


@pytest.mark.parametrize("epochs", [1, 2])
def test_an_interrupted_training_with_teachers_ends_like_an_uninterrupted_one(
    captioned, finished, tmp_path, monkeypatch, epochs
):
    saved, save = [], finetune_clip.save_state

    def interrupted(*state):
        save(*state)
        saved.append(state)
        if len(saved) == epochs:
            raise KeyboardInterrupt

    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    with pytest.raises(SystemExit) as stop:
        train(captioned, tmp_path / "clip", *taught(captioned), *PARTLY_DROPPED)
    assert stop.value.code == 130 and len(saved) == epochs
    monkeypatch.undo()
    train(captioned, tmp_path / "clip", *taught(captioned), *PARTLY_DROPPED)
    assert log(tmp_path / "clip") == log(finished)
    assert same_weights(weights(finished), weights(tmp_path / "clip"))


def test_a_state_without_the_teachers_heads_is_not_gone_on_from(captioned, tmp_path, monkeypatch, capsys):
    def interrupted(output, model, teachers, *state):
        save(output, model, torch.nn.ModuleDict(), *state)
        raise KeyboardInterrupt

    save = finetune_clip.save_state
    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    with pytest.raises(SystemExit):
        train(captioned, tmp_path / "clip", *taught(captioned))
    monkeypatch.undo()
    capsys.readouterr()
    with pytest.raises(SystemExit) as stop:
        train(captioned, tmp_path / "clip", *taught(captioned))
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "state.pt cannot be gone on from" in said and said.count("\n") == 1


# ---- the last epochs, and the precision ------------------------------------------------------------


def test_no_patch_is_dropped_in_whole_epochs_and_some_are_in_those_before(captioned, tmp_path):
    options = {
        "dropped": "--patch_drop 0.5",
        "partly": "--patch_drop 0.5 --whole_epochs 1",
        "whole": "--patch_drop 0.5 --whole_epochs 9",
        "none": "",
    }
    losses = {}
    for name, words in options.items():
        train(captioned, tmp_path / name, *words.split())
        losses[name] = [line["loss"] for line in log(tmp_path / name)]
    assert losses["partly"][:2] == losses["dropped"][:2] and losses["partly"][2] != losses["dropped"][2]
    assert losses["whole"] == losses["none"] != losses["dropped"]
    assert same_weights(weights(tmp_path / "whole"), weights(tmp_path / "none"))


def test_auto_is_full_precision_on_a_cpu_and_bf16_saves_full_weights(captioned, tmp_path):
    for precision in ("auto", "fp32", "bf16"):
        train(captioned, tmp_path / precision, "--precision", precision, epochs=1)
    auto, full, mixed = (weights(tmp_path / precision) for precision in ("auto", "fp32", "bf16"))
    assert same_weights(auto, full) and not same_weights(full, mixed)
    assert all(value.dtype == full[name].dtype and value.isfinite().all() for name, value in mixed.items())


# ---- what the user gave is wrong -------------------------------------------------------------------


def text_file(file):
    file.write_text("names and vectors")


def cut_off(file):
    write_teacher(file, TRAINED_ON, np.ones((9, 4)))
    file.write_bytes(file.read_bytes()[:-40])


def one_array(file):
    with file.open("wb") as opened:
        np.save(opened, np.ones((9, 4)))


def arrays(**arrays):
    def write(file):
        np.savez(file, **arrays)

    return write


NO_FILE = "is not a teacher's file, an .npz with names [n] and vectors [n, D]"
NO_SHAPE = "expected n names and finite vectors [n, D], found"

NAMES, VECTORS = np.array(TRAINED_ON), np.ones((9, 4), np.float16)


@pytest.mark.parametrize("option", ["--image_teacher", "--text_teacher"])
@pytest.mark.parametrize(
    "spoil, says",
    [
        (lambda file: None, NO_FILE),
        (text_file, NO_FILE),
        (cut_off, NO_FILE),
        (one_array, NO_FILE),
        (arrays(names=NAMES), NO_FILE),
        (arrays(vectors=VECTORS), NO_FILE),
        (arrays(names=NAMES, vectors=np.array([[None]] * 9)), NO_FILE),
        (arrays(names=NAMES, vectors=np.array([["x"]] * 9)), NO_FILE),
        (arrays(names=NAMES, vectors=VECTORS[:8]), f"{NO_SHAPE} names <U16 [9] and vectors [8, 4]"),
        (arrays(names=NAMES, vectors=VECTORS[:, 0]), NO_SHAPE),
        (arrays(names=NAMES, vectors=VECTORS[:, :, None]), NO_SHAPE),
        (arrays(names=NAMES, vectors=VECTORS[:, :0]), NO_SHAPE),
        (arrays(names=NAMES[:0], vectors=VECTORS[:0]), NO_SHAPE),
        (arrays(names=NAMES[:, None], vectors=VECTORS), NO_SHAPE),
        (arrays(names=np.arange(9), vectors=VECTORS), NO_SHAPE),
        (arrays(names=NAMES, vectors=np.where(np.eye(9, 4), np.nan, 1)), NO_SHAPE),
        (arrays(names=NAMES, vectors=np.where(np.eye(9, 4), np.inf, 1)), NO_SHAPE),
    ],
)
def test_a_file_that_is_no_teachers_is_refused_before_anything_is_written(
    captioned, tmp_path, capsys, option, spoil, says
):
    spoil(tmp_path / "teacher.npz")
    said = training_error(
        capsys, *inputs(captioned), "--output", tmp_path / "clip", *TINY, option, tmp_path / "teacher.npz"
    )
    assert f"{tmp_path / 'teacher.npz'}" in said and says in said and not (tmp_path / "clip").exists()


def test_training_images_that_the_teacher_has_not_seen_are_counted_and_named(captioned, tmp_path, capsys):
    write_teacher(tmp_path / "teacher.npz", TRAINED_ON[2:], np.ones((7, 4)))
    said = training_error(
        capsys,
        *inputs(captioned),
        "--output",
        tmp_path / "clip",
        *TINY,
        "--image_teacher",
        tmp_path / "teacher.npz",
    )
    assert "has no vector of 2 of the 9 training images, the first is GreenField/0.png" in said
    assert not (tmp_path / "clip").exists()
