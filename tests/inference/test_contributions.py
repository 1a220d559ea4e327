"""What attributes add to a decision: exactly that, in files, panels and pages."""

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from data.pipeline import load_image
from dsva.discriminant import Discriminant
from dsva.network import Output
from helpers import predict_with, predicted
from inference import Classifier, choose_candidates, load_run, load_saved
from inference.contributions import Contributions, distinctions, explain, has_place, reasons
from inference.new_classes import parse
from inference.predictions import best_class
from pages.panels import whose_maps
from runs.checkpoint import checkpoint_metadata, save_checkpoint

BRANCHES = {  # options of a training, by the branch that counts then
    "attention": {"sel_res": "layer", "pro_start_epoch": 0},
    "projection": {"sel_res": "main", "pro_start_epoch": 0},
    "projection+window": {"sel_res": "main", "pro_start_epoch": -1},
    "window": {"sel_res": "pro", "pro_start_epoch": -1},
}


def save_recipe(place: Path, file: Path, branch: str, decorrelate: float) -> Path:
    """The run of `place`, as if trained by another recipe."""
    trained = checkpoint_metadata(place / "run" / "last.safetensors")
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    attributes = len(run.data.attribute_names)
    if decorrelate:
        draw = torch.Generator().manual_seed(0)
        for name in ("projection", "attention"):
            run.model.discriminants[name] = Discriminant(attributes)
            scores = 1 + torch.randn(40, attributes, generator=draw)
            run.model.discriminants[name].fit(scores, torch.arange(40) % 3, decorrelate)
    options = {**trained["options"], **BRANCHES[branch], "decorrelate": decorrelate, "pro_weight": 0.5}
    save_checkpoint(file, run.model, trained["epoch"], options)
    return file


@pytest.fixture(scope="module")
def photos(place, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("photos")
    for number, source in enumerate(sorted((place / "RSSDIVCS").glob("*/*.png"))[::2]):
        shutil.copy(source, folder / f"{number}.png")
    return folder


# ---- they add up -----------------------------------------------------------------------------------


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("decorrelate", [0, 0.7])
def test_contributions_of_a_prediction_sum_to_the_networks_logit_difference(
    place, photos, tmp_path, branch, decorrelate
):
    """With classes of the run, and with one added in each way that there is."""
    saved = save_recipe(place, tmp_path / "run.safetensors", branch, decorrelate)
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": -1}}')
    texts = ["quay", "marina: ships, sand", f"pier={place}/RSSDIVCS/Class3/*.png"]
    words = [word for text in texts for word in ("--add_class", text)]
    predict_with(
        place,
        *("--resume", saved, photos, "--classes all --top 99 --attributes 99 --calibrated_stacking 0.3"),
        *(*words, "--class_values", tmp_path / "values.json", "--output", tmp_path / "out"),
    )
    run = load_saved(saved, torch.device("cpu"))
    assert run.branch == branch and (run.discriminant is not None) == bool(decorrelate)
    added = [parse(text) for text in texts]
    candidates = choose_candidates(run, "all", added=added, values=tmp_path / "values.json")
    rows = predicted(tmp_path / "out")
    assert len(candidates.names) == 9 and len(rows) == len(list(photos.iterdir()))
    for row in rows:
        contributions = [entry["contribution"] for entry in row["attributes"]]
        assert len(contributions) == len(run.data.attribute_names) and row["rest"] == 0
        assert contributions == sorted(contributions, reverse=True)
        image = load_image(Path(row["image"]), run.preprocessing)[None]
        logits = run.class_scores(run.look(image, candidates.attributes))[0]
        expected = logits[candidates.names.index(row["classes"][0]["class"])] - logits.mean()
        assert row["logit_difference"] == pytest.approx(float(expected), abs=1e-4)
        assert sum(contributions) == pytest.approx(row["logit_difference"], abs=1e-4)


def test_what_is_not_told_is_the_rest(place, photos, tmp_path):
    predict_with(place, photos, "--attributes 2", "--output", tmp_path / "some")
    predict_with(place, photos, "--attributes 99", "--output", tmp_path / "all")
    for some, every in zip(predicted(tmp_path / "some"), predicted(tmp_path / "all")):
        assert some["attributes"] == every["attributes"][:2]
        assert some["logit_difference"] == every["logit_difference"]
        told = sum(entry["contribution"] for entry in some["attributes"])
        assert told + some["rest"] == pytest.approx(some["logit_difference"], abs=1e-5)
    with (tmp_path / "some" / "predictions.csv").open(encoding="utf-8", newline="") as file:
        for row, line in zip(csv.DictReader(file), predicted(tmp_path / "some")):
            assert float(row["rest"]) == line["rest"]
            assert float(row["logit_difference"]) == line["logit_difference"]
            assert float(row["score_1"]) == line["attributes"][0]["score"]


# ---- they are reasons ------------------------------------------------------------------------------


@pytest.mark.parametrize("branch", BRANCHES)
@pytest.mark.parametrize("decorrelate", [0, 0.7])
def test_without_an_attribute_the_logit_difference_is_smaller_by_its_contribution(
    place, tmp_path, branch, decorrelate
):
    """Without: its score is what has no say, which is the centre of a discriminant, or else 0."""
    saved = save_recipe(place, tmp_path / "run.safetensors", branch, decorrelate)
    run = load_saved(saved, torch.device("cpu"))
    candidates = choose_candidates(run, "all")
    image = load_image(sorted((place / "RSSDIVCS").glob("*/*.png"))[0], run.preprocessing)[None]
    out = run.look(image, candidates.attributes)
    for number in range(len(candidates.names)):
        found = explain(run, candidates, out, number)
        for a in range(len(run.data.attribute_names)):
            changed = difference(class_scores_without(run, candidates, out, a), number)
            expected = difference(run.class_scores(out), number) - found.values[a]
            assert changed == pytest.approx(expected, abs=1e-4)


def class_scores_without(run, candidates, out: Output, a: int) -> torch.Tensor:
    """Class scores of the branch that counts, by the network's own means.  a: the attribute left out"""
    branch = "attention" if run.branch == "attention" else "projection"
    nothing = run.discriminant.centre[a] if run.discriminant else 0.0

    def classify(scores):
        without = scores.clone()
        without[:, a] = nothing
        return run.model.classify(branch, without, candidates.attributes)

    if branch == "attention":
        return classify(out.attributes_attention)
    if run.branch == "projection":
        return classify(out.attributes_projection)
    window = classify(out.attributes_window)
    if run.branch == "window":
        return window
    return classify(out.attributes_projection) + run.model.pro_weight * window


def difference(class_scores: torch.Tensor, number: int) -> float:
    return float(class_scores[0, number] - class_scores[0].mean())


def test_a_single_candidate_needs_no_reason(place, photos, tmp_path, capsys):
    predict_with(place, photos, "--classes Class1", "--output", tmp_path)
    for line in predicted(tmp_path):
        assert line["logit_difference"] == line["rest"] == 0
        assert [entry["contribution"] for entry in line["attributes"]] == [0, 0, 0]
        assert best_class(line).endswith("100.0%  ")


def test_what_all_candidates_have_alike_says_nothing(place):
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    candidates = choose_candidates(run, "all")
    candidates.attributes[2] = 5.0
    rows = distinctions(run, candidates)
    assert not rows[:, 2].any() and rows[:, 0].any()
    np.testing.assert_allclose(rows.sum(axis=0), 0, atol=1e-6)


# ---- in words --------------------------------------------------------------------------------------


def test_the_lack_of_an_attribute_is_told_as_such():
    line = {
        "classes": [{"class": "desert", "probability": 0.9}],
        "attributes": [
            {"attribute": "sand", "score": 2.0, "contribution": 1.51},
            {"attribute": "water", "score": -1.0, "contribution": 0.7},
            {"attribute": "snow", "score": 1.0, "contribution": -0.2},
        ],
        "rest": 2.0,
        "logit_difference": 4.01,
    }
    assert best_class(line).endswith("90.0%  sand +1.5, less water +0.7 of 4.0")


def test_what_adds_to_a_small_lead_is_shown_with_a_decimal_more():
    assert reasons([("sand", 0.043), ("water", -0.01)], 0.3) == "sand +0.04 of 0.30"
    assert reasons([("sand", 0.043)], 2.0) == "sand +0.0 of 2.0"
    assert reasons([("sand", 0.0)], 0.0) == ""


def test_the_strongest_are_those_that_add_most():
    found = Contributions(np.ones(4), np.array([0.5, -3.0, 2.0, 0.5]))
    assert found.strongest(3).tolist() == [2, 0, 3] and found.lead == 0
    assert found.rest(found.strongest(2)) == -2.5 and found.rest(found.strongest(9)) == 0


def test_maps_are_called_reasons_of_their_own_branch_only():
    assert whose_maps("attention").startswith("maps: attention of the branch that decides")
    for branch in ("projection", "projection+window", "window"):
        assert "where the model sees it" in whose_maps(branch) and branch in whose_maps(branch)


def test_a_score_of_the_class_token_is_of_no_place(place):
    run = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    pixels = load_image(sorted((place / "RSSDIVCS").glob("*/*.png"))[0], run.preprocessing)
    out = run.look(pixels[None], choose_candidates(run).attributes)
    tokens = run.model.attend(run.model.encode(run.normalize(pixels[None])))  # [1, A, N], class token first
    out.attributes_attention = tokens.amax(dim=2)
    expected = tokens[0].argmax(dim=1) > 0
    assert has_place(out)[0].tolist() == expected.tolist()
    out.attributes_attention[0, 0] = out.maps[0, 0].max() + 1
    assert not has_place(out)[0, 0]


def test_scores_in_files_are_of_the_branch_that_decides(place, photos, tmp_path):
    saved = save_recipe(place, tmp_path / "run.safetensors", "projection", 0.7)
    run = load_saved(saved, torch.device("cpu"))
    classifier = Classifier(run, choose_candidates(run))
    images = torch.stack([load_image(file, run.preprocessing) for file in sorted(photos.iterdir())])
    out = run.look(images, classifier.candidates.attributes)
    expected = out.attributes_projection - run.discriminant.centre
    for line, scores in zip(classifier.describe(images, top=1, attributes=99), expected):
        for entry in line["attributes"]:
            a = classifier.attribute_names.index(entry["attribute"])
            assert entry["score"] == pytest.approx(float(scores[a]), rel=1e-5, abs=1e-6)


def test_a_notebook_has_the_contributions_of_the_file(place, photos, tmp_path):
    saved = save_recipe(place, tmp_path / "run.safetensors", "projection+window", 0.7)
    predict_with(place, "--resume", saved, photos, "--attributes 99", "--output", tmp_path / "out")
    found = load_run(saved, device="cpu").predict(sorted(photos.iterdir()), batch_size=3)
    by_name = {line["image"]: line for line in predicted(tmp_path / "out")}
    for row, file in enumerate(sorted(photos.iterdir())):
        line = by_name[str(file)]
        assert found.contributions[row].sum() == pytest.approx(line["logit_difference"], abs=1e-4)
        for entry in line["attributes"]:
            a = found.attribute_names.index(entry["attribute"])
            assert found.contributions[row, a] == pytest.approx(entry["contribution"], abs=1e-4)
            assert found.deciding[row, a] == pytest.approx(entry["score"], abs=1e-4)


# ---- earlier versions ------------------------------------------------------------------------------


def test_a_prediction_of_an_earlier_version_does_not_go_on(place, photos, tmp_path, capsys):
    predict_with(place, photos, "--output", tmp_path)
    file = tmp_path / "predictions.jsonl"
    earlier = []
    for line in predicted(tmp_path):
        del line["rest"], line["logit_difference"]
        earlier.append(json.dumps(line) + "\n")
    file.write_text("".join(earlier))
    with pytest.raises(SystemExit) as stop:
        predict_with(place, photos, "--output", tmp_path)
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "line 1 has no rest and no logit_difference" in error
    assert file.read_text() == "".join(earlier)
