"""The closed forms of zero_shot_clip.py: what they score, and what they are chosen on."""

import numpy as np
import pytest
import torch
from PIL import Image
from zero_shot import run

import report
import tables
from clip.embed import Clip
from dsva.closed_form_choice import learn_and_score, validation_folds
from dsva.closed_forms import STRENGTHS, Training, class_scores
from dsva.metrics import score_gzsl
from helpers import change_splits, load, refusal, write_whole_clip
from tiny_data import write_dataset


@pytest.fixture
def plain(tmp_path):
    """Six seen classes whose attributes have no names, and a CLIP."""
    write_dataset(tmp_path, seen=6, unseen=2, per_class=6)
    write_whole_clip(tmp_path / "clip")
    return tmp_path


@pytest.mark.parametrize("gzsl", ["", "--gzsl"])
def test_closed_forms_score_as_their_own_functions_do(plain, gzsl):
    results = run(plain, f"--closed_forms {gzsl}", plain / "clip")
    assert list(results["scores"]) == ["names", "ESZSL", "SAE"]
    data = load(plain)
    clip = Clip(plain / "clip", torch.device("cpu"))
    features = clip.embed_images(clip.loader(data.image_paths, 64, 0)).double().numpy()
    part = "train_gzsl_loc" if gzsl else "train_zsl_loc"
    classes, train, tested = data.candidates(bool(gzsl)), data.splits[part], data.test_images(bool(gzsl))
    M = data.class_attributes.double().numpy()
    M /= np.linalg.norm(M, axis=0)
    training = Training(features[train], data.labels[train] - data.seen[0], M[:, data.seen])
    for method, names in (("ESZSL", ("gamma", "lambda")), ("SAE", ("lambda",))):
        chosen = results["chosen"][method]
        strengths = tuple(chosen[name] for name in names)
        scores = class_scores(method, training, features[tested], M[:, classes], strengths)
        p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
        p[:, np.isin(classes, data.seen)] -= chosen.get("calibrated_stacking", 0)
        named = classes[p.argmax(axis=1)]
        accuracy = [100 * np.mean(named[data.labels[tested] == c] == c) for c in classes]
        assert results["per_class"][method] == pytest.approx(accuracy)
        assert ("calibrated_stacking" in chosen) == bool(gzsl)
        assert 0 <= chosen["validation_score"] <= 100


@pytest.mark.parametrize("gzsl", ["", "--gzsl"])
def test_test_images_choose_nothing(plain, gzsl):
    chosen = run(plain, f"--closed_forms {gzsl}", plain / "clip")["chosen"]
    tested = load(plain).test_images(gzsl=True)
    if not gzsl:  # ZSL trains on the images that test seen classes in GZSL
        tested = load(plain).test_images(gzsl=False)
    for i in tested:
        pixels = np.random.default_rng(int(i)).integers(0, 255, (40, 48, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(load(plain).image_paths[i])
    assert run(plain, f"--closed_forms {gzsl}", plain / "clip")["chosen"] == chosen


def test_the_choice_is_that_of_the_mean_over_folds(plain):
    """Two of six classes play in each of two folds: every choice is judged again, one by one."""
    data = load(plain)
    rng = np.random.default_rng(0)
    features = rng.normal(size=(len(data.labels), 12)) + np.eye(8, 12)[data.labels]
    _, chosen = learn_and_score("SAE", data, features, "train_gzsl_loc", gzsl=True)
    folds = validation_folds(data, "train_gzsl_loc", gzsl=True)
    assert len(folds) == 2 and not set(folds[0].unseen) & set(folds[1].unseen)
    assert not set(folds[0].unseen) & set(data.unseen)
    means = []
    for strength in STRENGTHS:
        areas = []
        for played in folds:
            train, tested = played.splits["train_gzsl_loc"], played.test_images(gzsl=True)
            classes = played.candidates(gzsl=True)
            M = played.class_attributes.double().numpy()
            M = M / np.linalg.norm(M, axis=0)
            training = Training(
                features[train], np.searchsorted(played.seen, played.labels[train]), M[:, played.seen]
            )
            scores = class_scores("SAE", training, features[tested], M[:, classes], (strength,))
            p = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
            columns = [
                np.searchsorted(classes, c) for c in (played.labels[tested], played.seen, played.unseen)
            ]
            areas.append(score_gzsl(p, *columns, 0.0)[0]["AUSUC"])
        means.append(np.mean(areas))
    assert chosen.strengths == {"lambda": STRENGTHS[int(np.argmax(means))]}
    assert chosen.score == pytest.approx(max(means))


def test_closed_forms_of_all_divisions_come_with_mean_table_and_page(plain, capsys):
    results = run(plain, "--closed_forms --gzsl --random_id all", plain / "clip")
    for part in ("division-0", "division-1"):
        assert list(results["runs"][part]["chosen"]) == ["ESZSL", "SAE"]
    said = capsys.readouterr().out
    assert said.count("chosen on validation classes for SAE: lambda ") == 2
    tables.main(["--column", "mine", str(plain / "out"), "--scores", "H"])
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines() if "±" in line]
    assert rows == ["CLIP by class name", "ESZSL", "SAE"]
    report.main([str(plain / "out")])
    page = (plain / "out" / "report.html").read_text()
    assert "ESZSL" in page and "a closed form, chosen on validation classes" in page


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda root: write_dataset(root, seen=1, unseen=2, per_class=6), "of 1 seen classes cannot play"),
        (
            lambda root: change_splits(root, train_gzsl_loc_0=load(root).splits["train_zsl_loc"] + 1),
            "the clean protocol: 6 test images are in train_gzsl_loc too",
        ),
        (
            lambda root: change_splits(root, train_gzsl_loc_0=np.array([[14], [15]])),
            "train_gzsl_loc has images of 1 of 6 seen classes, and 2 are to play the unseen ones",
        ),
        (
            lambda root: (root / "RSSDIVCS/files/ann_attr_finetune_61_splits.mat").unlink(),
            "no such file",
        ),
    ],
)
def test_closed_forms_refuse_what_they_cannot_choose_on_before_anything_is_embedded(
    plain, capsys, spoil, message
):
    spoil(plain)
    assert message in refusal(capsys, run, plain, "--closed_forms --gzsl", plain / "clip")
    assert not (plain / "out").exists() and not (plain / "RSSDIVCS" / "cache").exists()
