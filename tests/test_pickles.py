"""Pickles by strangers run no code, wherever a program reads weights, states or arrays."""

import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import annotate
import finetune_clip
import held_out
import main
import predict
import report
import visualize
import zero_shot_clip
from commands import captioned, trainings
from helpers import refusal, start


@pytest.fixture
def evil(tmp_path):
    """What writes a file as soon as it is unpickled. Afterwards there must be none."""

    class Evil:
        def __reduce__(self):
            return open, (str(tmp_path / "ran"), "w")

    pickle.loads(pickle.dumps(Evil())).close()
    (tmp_path / "ran").unlink()  # so it would
    yield Evil()
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("program", [main, zero_shot_clip, annotate, finetune_clip])
def test_a_pickle_as_clips_weights_runs_no_code(sound_files, tmp_path, capsys, evil, program, kind):
    weights = shutil.ignore_patterns("*.safetensors")
    clip = Path(shutil.copytree(sound_files / "clip", tmp_path / "clip", ignore=weights))
    write_pickle(clip / "pytorch_model.bin", {"vision_model.post_layernorm.bias": evil}, kind)
    words = captioned(sound_files, tmp_path / "out", "--init", clip)
    if program is not finetune_clip:
        words = trainings(sound_files, clip)[program]
    assert f"{clip} is not a readable CLIP checkpoint" in refusal(capsys, start, program, *words)


def write_pickle(file: Path, content, kind: str):
    if kind == "pickle":
        file.write_bytes(pickle.dumps(content))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=kind == "torch")


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle"])
@pytest.mark.parametrize("program", [main, predict, visualize, held_out])
def test_a_pickle_as_a_saved_model_runs_no_code(sound_files, tmp_path, capsys, evil, program, kind):
    for file in (tmp_path / "x.pt", tmp_path / "last.safetensors"):
        write_pickle(file, {"model": evil}, kind)
        more = {predict: [sound_files / "RSSDIVCS"], main: ["--eval"]}.get(program, [])
        words = ["--resume", file, *more, "--device", "cpu"]
        assert f"{file} is not a readable checkpoint" in refusal(capsys, start, program, *words)


def test_a_pickle_in_a_run_folder_runs_no_code(sound_files, tmp_path, capsys, evil):
    folder = Path(shutil.copytree(sound_files / "run", tmp_path / "run"))
    for name in ("last", "best"):
        write_pickle(folder / f"{name}.safetensors", evil, "torch")
    words = [*trainings(sound_files, sound_files / "clip")[main], "--nepoch", 3, "--output", folder]
    assert "last.safetensors is not a readable checkpoint" in refusal(capsys, start, main, *words)
    # the report does without the weights, and says why
    start(report, folder, "--output", tmp_path / "page.html", "--device", "cpu")
    assert "safetensors is not a readable checkpoint" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("kind", ["torch", "old torch", "pickle"])
def test_a_pickle_as_the_state_of_a_training_runs_no_code(sound_files, tmp_path, capsys, evil, kind):
    words = captioned(sound_files, tmp_path / "out", "--init", sound_files / "clip")
    start(finetune_clip, *words)
    (tmp_path / "out" / "train_results.json").unlink()
    write_pickle(tmp_path / "out" / "state.pt", {"model": evil, "history": []}, kind)
    capsys.readouterr()
    assert "state.pt cannot be gone on from" in refusal(capsys, start, finetune_clip, *words)


@pytest.mark.parametrize("name", ["names", "vectors"])
def test_a_pickle_in_arrays_runs_no_code(sound_files, tmp_path, capsys, evil, name):
    file = tmp_path / "teacher.npz"
    words = captioned(sound_files, tmp_path / "out", "--init", sound_files / "clip", "--image_teacher", file)
    teacher = dict(np.load(sound_files / "teacher.npz"))
    np.savez(file, **{**teacher, name: np.array([evil] * len(teacher["names"]), object)})
    assert "teacher.npz is not a teacher's file" in refusal(capsys, start, finetune_clip, *words)
    write_pickle(file, evil, "pickle")
    assert "teacher.npz is not a teacher's file" in refusal(capsys, start, finetune_clip, *words)


def test_a_pickle_as_masks_runs_no_code(sound_files, tmp_path, capsys, evil):
    for image in (sound_files / "RSSDIVCS").glob("*/*.png"):
        file = tmp_path / "masks" / image.parent.name / f"{image.stem}.npz"
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, label=np.zeros((4, 4), np.uint8), bits=np.array([evil], object))
    words = ["--resume", sound_files / "run" / "last.safetensors", "--masks", tmp_path / "masks"]
    words += ["--output", tmp_path / "out", "--device", "cpu"]
    assert "holds no masks" in refusal(capsys, start, visualize, *words)
