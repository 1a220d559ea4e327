"""model/finetune_clip.py: captions and images to a CLIP checkpoint."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from PIL import Image
from transformers import CLIPModel, CLIPProcessor

import finetune_clip
from caption_training import HERE, TINY, inputs, train, training_error, weights
from helpers import write_lines

pytestmark = pytest.mark.usefixtures("one_thread")


# ---- the checkpoint --------------------------------------------------------------------------------


def test_the_folder_loads_as_a_processor_and_a_model(trained, captioned):
    processor, model = CLIPProcessor.from_pretrained(trained), CLIPModel.from_pretrained(trained).eval()
    image = Image.open(captioned / "harbor" / "3.png")
    inputs = processor(
        text=["a harbor", "a desert from above"], images=image, return_tensors="pt", padding=True
    )
    assert inputs["pixel_values"].shape == (1, 3, 32, 32)
    assert model(**inputs).logits_per_image.shape == (1, 2)


def test_training_learns_colours_from_captions(captioned, tmp_path):
    words = "--lr 3e-3 --no_turn --crop 0.9 --colour 0".split()
    train(captioned, tmp_path / "clip", *words, "--templates", "a {} from above.", epochs=20)
    log = [json.loads(line) for line in (tmp_path / "clip" / "log.jsonl").read_text().splitlines()]
    results = json.loads((tmp_path / "clip" / "train_results.json").read_text())
    assert log[-1]["loss"] < log[0]["loss"] / 2
    assert results["class_name_top1"] == 100 and results["image_to_text"]["R@5"] == 100
    assert results["data"]["train"] == {"images": 9, "captions": 18}
    assert not (tmp_path / "clip" / "state.pt").exists()


def test_an_interrupted_run_ends_like_an_uninterrupted_one(captioned, trained, tmp_path, monkeypatch, capsys):
    save = finetune_clip.save_state

    def interrupted(*state):
        save(*state)
        raise KeyboardInterrupt

    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    for _ in range(2):
        with pytest.raises(SystemExit) as stop:
            train(captioned, tmp_path / "clip")
        assert stop.value.code == 130
    monkeypatch.undo()
    train(captioned, tmp_path / "clip", "--cache_gb", "0")  # decoding anew changes nothing
    assert "going on after epoch 2" in capsys.readouterr().out
    expected, found = weights(trained), weights(tmp_path / "clip")
    assert all(torch.equal(expected[name], found[name]) for name in expected)


def test_a_finished_run_is_reported_and_not_trained_again(captioned, trained, tmp_path, capsys):
    shutil.copytree(trained, tmp_path / "clip")
    options = json.loads((tmp_path / "clip" / "options.json").read_text())
    before = (tmp_path / "clip" / "model.safetensors").stat().st_mtime_ns
    train(captioned, tmp_path / "clip")
    assert capsys.readouterr().out.startswith("finished already")
    assert (tmp_path / "clip" / "model.safetensors").stat().st_mtime_ns == before
    assert json.loads((tmp_path / "clip" / "options.json").read_text()) == options


def test_init_goes_on_from_a_checkpoint_with_its_sizes_and_words(captioned, trained, tmp_path):
    train(captioned, tmp_path / "clip", "--init", trained, "--lr", "1e-9", size=HERE, epochs=1)
    before, after = weights(trained), weights(tmp_path / "clip")
    assert all(torch.allclose(before[name], after[name], atol=1e-6) for name in before)
    assert (tmp_path / "clip" / "vocab.json").read_text() == (trained / "vocab.json").read_text()


def test_half_saves_float16_and_reports_the_scores_of_those_weights(captioned, trained, tmp_path):
    train(captioned, tmp_path / "clip", "--half", "--patch_drop", "0.5", "--no_class_names")
    half, full = (folder / "model.safetensors" for folder in (tmp_path / "clip", trained))
    assert half.stat().st_size < 0.6 * full.stat().st_size
    loaded = weights(tmp_path / "clip")
    assert all(
        value.dtype == torch.float32 and torch.equal(value, value.half().float())
        for value in loaded.values()
        if value.is_floating_point()
    )
    assert "class_name_top1" not in json.loads((tmp_path / "clip" / "train_results.json").read_text())


# ---- what the user gave is wrong -------------------------------------------------------------------


@pytest.mark.parametrize(
    "line, says",
    [
        ("{oops", "line 2"),
        ('{"image": "harbor/0.png"}', "line 2"),
        ('{"image": "harbor/0.png", "captions": []}', "line 2"),
        ('{"image": "harbor/0.png", "captions": [" "]}', "line 2"),
        ('{"image": "harbor/9.png", "captions": ["x"]}', "harbor/9.png"),
    ],
)
def test_a_bad_captions_file_is_named_with_its_line(captioned, tmp_path, capsys, line, says):
    bad = tmp_path / "bad.jsonl"
    bad.write_text('{"image": "harbor/0.png", "captions": ["a harbor"]}\n' + line + "\n")
    words = ["--images", captioned, "--captions", bad, "--output", tmp_path / "clip", *TINY]
    said = training_error(capsys, *words)
    assert str(bad) in said and says in said
    assert not (tmp_path / "clip").exists()


@pytest.mark.parametrize(
    "change, says",
    [
        (["--patch_size", "7"], "multiple of --patch_size 7"),
        (["--heads", "5"], "multiple of --heads 5"),
        (["--vocab_size", "100"], "--vocab_size 100"),
        (["--captions", "/nowhere/train.jsonl"], "/nowhere/train.jsonl"),
        (["--init", "/nowhere"], "leave out --"),
        (["--device", "cuda:99"], "--device cuda:99"),
    ],
)
def test_wrong_options_are_named(captioned, tmp_path, capsys, change, says):
    assert says in training_error(capsys, *inputs(captioned), "--output", tmp_path / "clip", *TINY, *change)


def test_an_init_folder_that_is_none_is_named(captioned, tmp_path, capsys):
    said = training_error(capsys, *inputs(captioned), "--output", tmp_path / "clip", "--init", "/nowhere")
    assert "no CLIP checkpoint: /nowhere" in said


@pytest.mark.parametrize(
    "lost, says",
    [
        (("vocab.json", "tokenizer.json"), "has no tokenizer"),
        (("config.json",), "no CLIP checkpoint"),
        (("model.safetensors",), "has neither model.safetensors nor"),
        (("preprocessor_config.json",), "has no readable processor"),
    ],
)
def test_an_init_folder_that_lacks_something_is_named_before_anything_is_written(
    captioned, trained, tmp_path, capsys, lost, says
):
    broken = Path(shutil.copytree(trained, tmp_path / "broken"))
    for file in lost:
        (broken / file).unlink(missing_ok=True)
    said = training_error(capsys, *inputs(captioned), "--output", tmp_path / "clip", "--init", broken)
    assert says in said and str(broken) in said and not (tmp_path / "clip").exists()


def test_a_class_with_one_image_is_trained_on_and_tested_like_any_other(captioned, tmp_path):
    several = [{"image": f"harbor/{number}.png", "captions": ["a harbor"]} for number in range(3)]
    write_lines(tmp_path / "train.jsonl", [*several, {"image": "desert/0.png", "captions": ["a desert"]}])
    captions = ["--captions", tmp_path / "train.jsonl", "--test_captions", tmp_path / "train.jsonl"]
    train(captioned, tmp_path / "clip", *captions, epochs=1)
    results = json.loads((tmp_path / "clip" / "train_results.json").read_text())
    assert results["data"]["train"] == {"images": 4, "captions": 4}
    assert results["class_name_top1"] in (0, 25, 50, 75, 100)


def test_another_runs_folder_is_refused(captioned, trained, tmp_path, capsys):
    arguments = [*inputs(captioned), "--test_captions", captioned / "test.jsonl"]
    said = training_error(capsys, *arguments, "--output", trained, *TINY, "--epochs", "4")
    assert "--epochs 3, now 4" in said
    (tmp_path / "mine.txt").write_text("something")
    assert "not empty" in training_error(capsys, *arguments, "--output", tmp_path, *TINY)


def test_an_image_that_cannot_be_read_is_named(captioned, tmp_path, capsys):
    (tmp_path / "broken.png").write_bytes(b"no image")
    write_lines(tmp_path / "train.jsonl", [{"image": "broken.png", "captions": ["a harbor"]}] * 2)
    for cache_gb, workers in (("1", "1"), ("0", "0")):
        words = [*inputs(tmp_path), "--output", tmp_path / "clip", *TINY]
        said = training_error(capsys, *words, "--cache_gb", cache_gb, "--workers", workers)
        assert "broken.png" in said


# ---- was it worth it? ------------------------------------------------------------------------------


def test_scores_from_before_the_first_step_are_told_and_recorded(captioned, trained, tmp_path, capsys):
    words = ["--init", trained, "--lr", "1e-9"]
    train(captioned, tmp_path / "clip", *words, size=HERE, epochs=2)
    said = capsys.readouterr().out
    expected = {
        name: json.loads((trained / "train_results.json").read_text())[name]
        for name in ("image_to_text", "text_to_image", "class_name_top1")
    }
    log = [json.loads(line) for line in (tmp_path / "clip" / "log.jsonl").read_text().splitlines()]
    results = json.loads((tmp_path / "clip" / "train_results.json").read_text())
    assert log[0]["before"] == results["before"] == expected and "before" not in log[1]
    assert said.index("before training  image to text R@1/5/10") < said.index("epoch   1/2")
    top1 = expected["class_name_top1"]
    assert f"top-1 by class name {top1:.1f} -> {results['class_name_top1']:.1f}" in said


def test_an_interrupted_run_keeps_the_scores_from_before(captioned, tmp_path, monkeypatch, capsys):
    save = finetune_clip.save_state

    def interrupted(*state):
        save(*state)
        raise KeyboardInterrupt

    monkeypatch.setattr(finetune_clip, "save_state", interrupted)
    with pytest.raises(SystemExit):
        train(captioned, tmp_path / "clip")
    monkeypatch.undo()
    first = json.loads((tmp_path / "clip" / "log.jsonl").read_text().splitlines()[0])["before"]
    capsys.readouterr()
    train(captioned, tmp_path / "clip")
    said = capsys.readouterr().out
    assert "before training" not in said and "before -> after" in said
    assert json.loads((tmp_path / "clip" / "train_results.json").read_text())["before"] == first


def test_without_held_out_captions_there_is_nothing_to_compare(captioned, tmp_path, capsys):
    words = [*inputs(captioned), "--output", tmp_path / "clip", "--epochs", 1, *TINY]
    finetune_clip.main([str(word) for word in words])
    assert "before" not in capsys.readouterr().out
    assert "before" not in json.loads((tmp_path / "clip" / "train_results.json").read_text())


def test_pictures_are_prepared_as_the_init_checkpoint_says(captioned, trained, tmp_path):
    """Another mean and deviation than CLIP's own were left out of account."""
    other = Path(shutil.copytree(trained, tmp_path / "other"))
    config = json.loads((other / "preprocessor_config.json").read_text())
    config.update(image_mean=[0.5, 0.5, 0.5], image_std=[0.25, 0.25, 0.25])
    (other / "preprocessor_config.json").write_text(json.dumps(config))
    losses = []
    for init in (trained, other):
        output = tmp_path / f"from {init.name}"
        train(captioned, output, "--init", init, "--lr", "1e-9", "--seed", 1, size=HERE, epochs=1)
        losses.append(json.loads((output / "log.jsonl").read_text())["loss"])
    assert losses[0] != losses[1]
