"""A start from words: at first both heads say what CLIP says, in units of the training images."""

import json
import shlex

import pytest
import torch

import annotate
import main as program
from clip.checkpoint import load_both_towers
from dsva.discriminant import Discriminant
from dsva.network import DSVA
from dsva.words import find_prototypes, start_from_words
from helpers import write_whole_clip
from tiny_data import GROUPS, write_dataset

QUICK = "--nepoch 2 --n_batch 2 --ways 3 --shots 2 --pretrain_epoch 0 --manualSeed 1 --workers 0 --device cpu"


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_whole_clip(tmp_path_factory.mktemp("clip") / "whole")


@pytest.fixture
def words(clip):
    model, _ = load_both_towers(clip)
    torch.manual_seed(0)
    for parameter in model.vision_model.post_layernorm.parameters():  # as if it had been trained
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model, torch.nn.functional.normalize(torch.randn(6, model.config.projection_dim), dim=1)


def test_the_projection_branch_starts_as_clips_similarities_standardised(words):
    model, sentences = words
    size = model.config.vision_config.image_size
    images = torch.randn(20, 3, size, size)
    dsva = DSVA(
        getattr(model.vision_model, "vision_model", model.vision_model),
        6,
        list(GROUPS.values()),
        class_token=True,
    )
    start_from_words(
        dsva,
        sentences @ model.visual_projection.weight.detach(),
        zip(images.split(8), torch.zeros(20).split(8)),
    )
    with torch.no_grad():
        said = dsva(images, torch.eye(6)).attributes_projection
        similarity = (
            model.visual_projection(model.vision_model(pixel_values=images).pooler_output) @ sentences.T
        )
    torch.testing.assert_close(
        said, (similarity - similarity.mean(dim=0)) / similarity.std(dim=0), rtol=1e-3, atol=1e-3
    )


@pytest.mark.parametrize("class_token", [False, True])
def test_both_branches_start_with_deviation_1_and_know_nothing_of_the_mean_token(words, class_token):
    model, sentences = words
    size = model.config.vision_config.image_size
    images = torch.randn(20, 3, size, size)
    dsva = DSVA(
        getattr(model.vision_model, "vision_model", model.vision_model),
        6,
        list(GROUPS.values()),
        class_token=class_token,
    )
    start_from_words(dsva, sentences @ model.visual_projection.weight.detach(), [(images, torch.zeros(20))])
    with torch.no_grad():
        out, tokens = dsva(images, torch.eye(6)), dsva.encode(images)
    torch.testing.assert_close(out.attributes_attention.std(dim=0), torch.ones(6), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(out.attributes_projection.std(dim=0), torch.ones(6), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(out.attributes_projection.mean(dim=0), torch.zeros(6), rtol=0, atol=1e-3)
    torch.testing.assert_close(dsva.prototypes @ tokens.mean(dim=(0, 1)), torch.zeros(6), rtol=0, atol=1e-3)
    assert dsva.prototypes.requires_grad and dsva.linear.weight.requires_grad


def test_prototypes_find_the_patches_that_an_attribute_lies_on():
    draw = torch.Generator().manual_seed(0)
    directions, tokens = (
        2 * torch.nn.functional.normalize(torch.randn(3, 24, generator=draw), dim=1),
        torch.randn(300, 17, 24, generator=draw),
    )
    strength, places = 4 * torch.rand(300, 3, generator=draw), torch.randint(16, (300, 3), generator=draw)
    for a in range(
        3
    ):  # each attribute lies on a patch of every image, and scores tell how strongly, not where
        tokens[torch.arange(300), 1 + places[:, a]] += strength[:, a, None] * directions[a]
    prototypes = find_prototypes(
        tokens[:200], (strength[:200] - strength[:200].mean(dim=0)) / strength[:200].std(dim=0)
    )
    found = (prototypes @ tokens[200:, 1:].transpose(1, 2)).argmax(dim=2) == places[200:]
    assert found[strength[200:] > 2].float().mean() > 0.95  # chance: 1 / 16


def test_images_that_are_all_alike_tell_no_place():
    assert (
        not find_prototypes(torch.ones(5, 17, 8), torch.randn(5, 3)).isfinite().any()
    )  # training then ends with a line that says so


def test_discriminants_start_from_the_attribute_scores_of_their_branches(words):
    model, sentences = words
    size = model.config.vision_config.image_size
    images, labels = torch.randn(60, 3, size, size), torch.arange(60) % 4
    dsva = DSVA(
        getattr(model.vision_model, "vision_model", model.vision_model),
        6,
        class_token=True,
        decorrelated=True,
    )
    start_from_words(dsva, sentences @ model.visual_projection.weight.detach(), [(images, labels)], 0.9)
    with torch.no_grad():
        out = dsva(images, torch.randn(6, 3))
    for branch, scores in (
        ("projection", out.attributes_projection),
        ("attention", out.attributes_attention),
    ):
        expected = Discriminant(6)
        expected.fit(scores, labels, 0.9)
        torch.testing.assert_close(
            dsva.discriminants[branch].precision, expected.precision, rtol=1e-2, atol=1e-2
        )
        torch.testing.assert_close(dsva.discriminants[branch].centre, expected.centre, rtol=1e-3, atol=1e-3)


@pytest.fixture
def annotated(clip, tmp_path):
    root = write_dataset(tmp_path)
    (tmp_path / "words.json").write_text(
        json.dumps(
            {
                "functions": ["boats", "cars"],
                "materials": ["water", "sand"],
                "surface_properties": ["lines", "rows"],
            }
        )
    )
    annotate.main(
        [
            "--root",
            str(root),
            "--clip",
            str(clip),
            "--vocabulary",
            str(tmp_path / "words.json"),
            "--group_file",
            "three",
            "--workers",
            "0",
            "--output",
            str(root / "RSSDIVCS" / "files" / "mine_splits.mat"),
            "--device",
            "cpu",
        ]
    )
    return root


def run(words, root, clip, output):
    program.main([*shlex.split(words), "--root", str(root), "--clip", str(clip), "--output", str(output)])
    return json.loads((output / "results.json").read_text())


def test_the_recipe_sets_its_options_and_the_command_line_wins(annotated, clip, tmp_path):
    options = run(
        f"{QUICK} --class_embedding mine --group_file three --recipe words --sel_res layer",
        annotated,
        clip,
        tmp_path / "run",
    )["options"]
    assert (
        options["start"],
        options["pool"],
        options["xe_on"],
        options["normalize"],
        options["sel_res"],
    ) == ("words", "class", "logits", "clip", "layer")


def test_a_run_that_goes_on_does_not_start_again(annotated, clip, tmp_path):
    words = f"{QUICK} --class_embedding mine --group_file three --recipe words"
    whole = run(words, annotated, clip, tmp_path / "whole")
    run(words.replace("--nepoch 2", "--nepoch 1"), annotated, clip, tmp_path / "parts")
    parts = run(words, annotated, clip, tmp_path / "parts")
    assert parts["last"]["scores"] == whole["last"]["scores"]


def test_a_saved_run_is_evaluated_with_its_pooling(annotated, clip, tmp_path, capsys):
    last = run(
        f"{QUICK} --class_embedding mine --group_file three --recipe words", annotated, clip, tmp_path / "run"
    )["last"]["scores"]["projection"]["accuracy"]
    program.main(["--eval", "--resume", str(tmp_path / "run" / "last.safetensors")])
    assert f"selected branch, projection: {last:5.2f}" in capsys.readouterr().out


def test_attributes_without_words_are_refused(annotated, clip, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run(f"{QUICK} --recipe words", annotated, clip, tmp_path / "run")
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "--start words" in error and error.count("\n") == 1


def test_what_is_to_be_decorrelated_starts_from_words(annotated, clip, tmp_path, capsys):
    with pytest.raises(SystemExit) as stop:
        run(f"{QUICK} --recipe words --start random", annotated, clip, tmp_path / "run")
    assert stop.value.code == 2 and "--decorrelate 0.7 needs --start words" in capsys.readouterr().err
