"""A CLIP whose numbers are not finite is refused by name, wherever it is loaded or used."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from transformers import CLIPModel

import annotate
import finetune_clip
import main
import predict
import zero_shot_clip
from caption_training import train, weights
from clip import Clip
from clip.evaluation import retrieval
from clip.saving import fits_half, round_to_half
from data.classes import SIMILARITIES, Similarities, read_similarities
from data.matlab import read_mat
from helpers import refusal, start
from support.errors import InputError

pytestmark = pytest.mark.usefixtures("one_thread")
CPU = torch.device("cpu")
NAMES = {
    "text": "text_model.final_layer_norm.weight",
    "vision": "vision_model.post_layernorm.bias",
    "projection": "visual_projection.weight",
}


def change_weight(folder: Path, name: str, value: float, half: bool = False, everywhere: bool = False):
    file = folder / "model.safetensors"
    content = {key: tensor.half() if half else tensor for key, tensor in load_file(file).items()}
    if everywhere:
        content[name] *= value
    else:
        content[name].flatten()[-1] = value
    save_file(content, file, metadata={"format": "pt"})


@pytest.fixture
def clip(place, tmp_path):
    return Path(shutil.copytree(place / "clip", tmp_path / "clip"))


def words_of(program, place, clip, output) -> list:
    if program is finetune_clip:
        captions = output.parent / "captions.jsonl"
        captions.write_text('{"image": "Class0/image_0.png", "captions": ["a field", "a red field"]}\n' * 2)
        more = ["--init", clip, "--device", "cpu", "--workers", 0]
        return ["--images", place / "RSSDIVCS", "--captions", captions, "--output", output, *more]
    common = ["--root", place, "--clip", clip, "--group_file", "mine", "--device", "cpu", "--workers", 0]
    if program is annotate:
        return [*common, "--vocabulary", place / "words.json", "--output", output / "x_splits.mat"]
    described = [*common, "--class_embedding", "mine", "--output", output]
    if program is main:
        return [*described, *"--nepoch 1 --n_batch 1 --ways 2 --shots 2".split()]
    return described


# ---- weights ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize(
    "program, where",
    [
        *((program, where) for program in (annotate, zero_shot_clip, finetune_clip) for where in NAMES),
        (main, "vision"),  # it needs no other weights
    ],
)
def test_weights_that_are_not_finite(place, clip, tmp_path, capsys, program, value, where):
    change_weight(clip, NAMES[where], value)
    said = refusal(capsys, start, program, *words_of(program, place, clip, tmp_path / "out"))
    assert f"{clip} holds broken weights: " in said and NAMES[where].removeprefix("vision_model.") in said
    assert "--lr" not in said and not list(tmp_path.glob("out/*"))


def test_half_precision_that_overflowed(clip):
    change_weight(clip, NAMES["projection"], 1e6, half=True, everywhere=True)
    with pytest.raises(InputError, match="as half precision leaves them where it overflows"):
        Clip(clip, CPU)


def test_weights_are_read_in_float32_whatever_config_json_says(clip):
    change_weight(clip, NAMES["projection"], 70000.0)  # more than float16 holds
    config = clip / "config.json"
    for key in ("dtype", "torch_dtype"):
        config.write_text(config.read_text().replace(f'"{key}": "float32"', f'"{key}": "float16"'))
    assert Clip(clip, CPU).model.visual_projection.weight.max() == 70000


@pytest.mark.parametrize("scale, told", [(100, "100, is too large"), (-300, "-300, is too small")])
def test_a_temperature_that_overflows_or_vanishes(clip, scale, told):
    file = clip / "model.safetensors"
    content = {**load_file(file), "logit_scale": torch.tensor(float(scale))}
    save_file(content, file, metadata={"format": "pt"})
    with pytest.raises(InputError, match=f"its logit_scale, {told}"):
        Clip(clip, CPU)


@pytest.mark.parametrize("by", [1e38, 0])
def test_embeddings_that_overflow_or_vanish(place, clip, tmp_path, capsys, by):
    """A length that overflows makes zeros of a vector, of which no number is wrong by itself."""
    change_weight(clip, NAMES["projection"], by, everywhere=True)
    for program in (annotate, zero_shot_clip):
        said = refusal(capsys, start, program, *words_of(program, place, clip, tmp_path / "out"))
        assert f"{clip} is a broken CLIP: its embeddings of" in said and "pictures" in said
    assert not (tmp_path / "out").exists()


def test_sentences_that_overflow(clip):
    change_weight(clip, "text_projection.weight", 0, everywhere=True)
    with pytest.raises(InputError, match="its embeddings of 2 of 2 sentences are no finite numbers"):
        Clip(clip, CPU).embed_words(["a", "b"], ["{}"])


def test_a_tower_that_overflows_is_not_blamed_on_the_learning_rate(place, clip, tmp_path, capsys):
    change_weight(clip, "vision_model.embeddings.patch_embedding.weight", 1e38, everywhere=True)
    change_weight(clip, "vision_model.embeddings.class_embedding", 1e38, everywhere=True)
    said = refusal(capsys, start, main, *words_of(main, place, clip, tmp_path / "out"))
    assert "is a broken CLIP: its vision tower makes NaN or infinite numbers" in said and "--lr" not in said


def test_a_saved_model_with_broken_weights(place, tmp_path, capsys):
    with safe_open(place / "run" / "last.safetensors", framework="pt") as file:
        content = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no dict
        metadata = file.metadata()
    content["linear.weight"][0, 0] = float("nan")
    saved = tmp_path / "last.safetensors"
    save_file(content, saved, metadata=metadata)
    words = ["--resume", saved, place / "RSSDIVCS", "--output", tmp_path / "out", "--device", "cpu"]
    said = refusal(capsys, start, predict, *words)
    assert f"{saved} holds broken weights: linear.weight" in said and not (tmp_path / "out").exists()


# ---- NaN is not "none" -----------------------------------------------------------------------------


def splits_with(place, tmp_path, **variables) -> Path:
    table = scipy.io.loadmat(place / "RSSDIVCS/files/mine_splits.mat")
    table = {key: value for key, value in table.items() if not key.startswith("__")}
    table.update(variables)
    file = tmp_path / "x_splits.mat"
    scipy.io.savemat(file, {key: value for key, value in table.items() if value is not None})
    return file


def recorded_similarities(file: Path) -> Similarities:
    return read_similarities(read_mat(file, ["att", "provenance"], SIMILARITIES), file)


def test_a_file_of_a_former_version_has_nan_for_no_image(place, tmp_path):
    expected = recorded_similarities(place / "RSSDIVCS/files/mine_splits.mat").by_image
    changed = expected.copy()
    changed[:2] = np.nan
    former = splits_with(place, tmp_path, similarity_images=changed.T, classes_with_images=None)
    similarities = recorded_similarities(former)
    assert similarities.has_images.tolist() == [False, False, True, True, True]
    np.testing.assert_array_equal(similarities.by_image[2:], expected[2:])


def test_a_file_of_a_broken_clip_is_refused(place, tmp_path):
    by_image = recorded_similarities(place / "RSSDIVCS/files/mine_splits.mat").by_image.copy()
    by_image[0] = np.nan
    file = splits_with(place, tmp_path, similarity_images=by_image.T)
    with pytest.raises(InputError, match="x_splits.mat was written with a broken CLIP"):
        recorded_similarities(file)
    with pytest.raises(InputError, match="classes_with_images"):
        recorded_similarities(splits_with(place, tmp_path, classes_with_images=[1, 1]))


# ---- training --------------------------------------------------------------------------------------


def test_retrieval_among_nan_finds_nothing():
    assert retrieval(torch.full((3, 20), torch.nan), torch.eye(3, 20) > 0)["R@10"] == 0


def test_weights_that_break_in_the_last_step_are_not_saved(captioned, tmp_path, capsys, monkeypatch):
    def broken_step(model, *arguments):
        model.visual_projection.weight.data[0, 0] = torch.nan

    monkeypatch.setattr("clip.contrastive.update", broken_step)
    with pytest.raises(SystemExit) as stop:
        train(captioned, tmp_path / "clip", "--batch_size", 9, epochs=1)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and "visual_projection.weight became NaN or infinite in epoch 1" in said
    assert not (tmp_path / "clip" / "state.pt").exists()


def test_a_state_with_broken_weights_is_not_gone_on_from(captioned, tmp_path, capsys, monkeypatch):
    save = finetune_clip.save_state

    def interrupted(output, model, *state):
        model.visual_projection.weight.data[0, 0] = torch.nan
        save(output, model, *state)
        raise KeyboardInterrupt

    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    with pytest.raises(SystemExit):
        train(captioned, tmp_path / "clip")
    monkeypatch.undo()
    capsys.readouterr()
    with pytest.raises(SystemExit):
        train(captioned, tmp_path / "clip")
    said = capsys.readouterr().err
    assert "state.pt cannot be gone on from: visual_projection.weight has NaN" in said


def test_weights_too_large_for_float16_are_saved_in_float32(trained, captioned, tmp_path, capsys):
    large = Path(shutil.copytree(trained, tmp_path / "large"))
    change_weight(large, NAMES["text"], 7e4)
    model = CLIPModel.from_pretrained(large)
    assert not fits_half(model)
    round_to_half(model)
    assert "--half: some weights are over 65504" in capsys.readouterr().out
    words = [
        "--init",
        large,
        "--half",
        "--lr",
        "1e-9",
        "--batch_size",
        "6",
        "--device",
        "cpu",
        "--workers",
        "0",
    ]
    train(captioned, tmp_path / "clip", *words, size=[], epochs=1)
    assert all(value.isfinite().all() for value in weights(tmp_path / "clip").values())
