"""A saved run, or a CLIP alone, from Python: the README's lines, what comes out, and other classes."""

import json
import sys

import numpy as np
import pytest
import torch
from loaded import GRID, SIDE, same

import predict
from helpers import (
    CLASSES,
    NAMES,
    WORDS,
    predict_with,
    predicted,
    probabilities_in,
    python_of_the_readme,
    start,
)
from inference import NewClass, load_clip, load_run, load_saved
from inference.classifier import six_digits
from runs.checkpoint import checkpoint_metadata, save_checkpoint
from support.cli import REPOSITORY

BATCH = 3  # pictures at a time, as `predict_with` has it


# ---- the README ------------------------------------------------------------------------------------


def test_the_python_of_the_readme_runs_as_it_stands(place, monkeypatch, capfd):
    """But for the paths, which are those of a small run. test_quickstart.py runs it with its own."""
    code = python_of_the_readme()
    assert len(code.splitlines()) <= 11
    for path, here in {
        "RSSDIVCS/demo_data/Desert/*.jpg": place / "RSSDIVCS" / "Class3" / "*.png",
        "runs/quickstart-0-1/words": place / "run",
        "flax-community/clip-rsicd-tiny": place / "clip",
    }.items():
        assert path in code
        code = code.replace(path, str(here))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(REPOSITORY)
    names: dict = {}
    exec(code, names)
    assert names["found"].probabilities.shape == (3, 6)
    assert names["found"].class_names == [*CLASSES, "wind farm"]
    assert names["clip"].candidates.names == ["beach", "port"]
    assert capfd.readouterr() == ("", "")


# ---- what comes out --------------------------------------------------------------------------------


def test_a_folder_stands_for_the_checkpoint_that_its_protocol_chose(place, loaded_run, files):
    from_folder = load_run(str(place / "run"), device="cpu")
    assert from_folder.notes == (f"{place / 'run'} stands for its best.safetensors",)
    best = load_run(place / "run" / "best.safetensors", device="cpu")
    same(from_folder.predict(files), best.predict(files))
    assert loaded_run.notes == ()


def test_what_a_notebook_shows_is_short(loaded_run, files, place):
    found = loaded_run.predict(files)
    shown = repr(found)
    assert shown.startswith(f"Prediction of 8 pictures: {found.classes[0]}, ")
    assert "  probabilities [8, 5]\n" in shown and f"  maps          [8, 5, {GRID}, {GRID}]\n" in shown
    assert len(shown) < 700
    assert "maps" not in repr(loaded_run.predict(files[0], maps=False))
    assert repr(loaded_run) == f"Classifier of 5 classes: {', '.join(CLASSES)}"
    assert repr(load_clip(place / "clip", ["beach"])) == "ClipClassifier of 1 class: beach"


def test_of_no_pictures_all_arrays_are_empty(loaded_run, files):
    found, one = loaded_run.predict([]), loaded_run.predict(files[:1])
    assert len(found) == 0 and found.classes == []
    for name in ("probabilities", "scores", "attributes", "maps", "windows", "deciding", "contributions"):
        empty, filled = getattr(found, name), getattr(one, name)
        assert empty.shape == (0, *filled.shape[1:]) and empty.dtype == filled.dtype
    assert "Prediction of 0 pictures" in repr(found)


def test_shapes_and_ranges(loaded_run, files):
    found = loaded_run.predict(files)
    assert len(found) == len(found.classes) == 8
    assert found.class_names == CLASSES and found.attribute_names == NAMES
    assert found.probabilities.shape == found.scores.shape == (8, 5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)
    assert found.attributes.shape == (8, 5) and found.maps.shape == (8, 5, GRID, GRID)
    # an attribute's score is the peak of its map, or what the class token says
    assert (found.attributes >= found.maps.max(axis=(2, 3))).all()
    assert all(getattr(found, name).dtype == np.float32 for name in ("probabilities", "attributes", "maps"))
    top, left, height, width = found.windows.T
    assert found.windows.shape == (8, 4) and found.windows.dtype == np.int64
    assert (found.windows[:, :2] >= 0).all() and (found.windows[:, 2:] > 0).all()
    assert (top + height <= SIDE).all() and (left + width <= SIDE).all()


def test_windows_are_those_that_the_network_looks_at(place, loaded_run, files):
    out = loaded_run.run.model(
        loaded_run.run.normalize(loaded_run.prepare(files)),
        loaded_run.run.data.class_attributes,
        windows=True,
    )
    np.testing.assert_array_equal(loaded_run.predict(files).windows, out.boxes.numpy())


def test_the_numbers_are_those_of_predict(place, loaded_run, files, tmp_path):
    predict_with(place, files[0].parent, "--top 5 --attributes 5", "--output", tmp_path)
    written = predicted(tmp_path)
    found = loaded_run.predict(files, batch_size=BATCH)
    assert found.classes == [line["classes"][0]["class"] for line in written]
    for number, line in enumerate(written):
        for key, row in (("probability", found.probabilities), ("calibrated_score", found.scores)):
            told = {entry["class"]: entry[key] for entry in line["classes"]}
            assert told == {name: six_digits(value) for name, value in zip(CLASSES, row[number])}
    described = loaded_run.describe(loaded_run.prepare(files[:BATCH]), top=5, attributes=5)
    told = ("classes", "attributes", "rest", "logit_difference")
    assert described == [{key: line[key] for key in told} for line in written[:BATCH]]


def test_the_numbers_of_a_clip_alone_are_those_of_predict(place, loaded_clip, files, tmp_path):
    words = ["--clip", place / "clip", "--vocabulary", place / "words.json", "--output", tmp_path]
    words += ["--top", 3, "--attributes", 5, "--device", "cpu", "--workers", 0, "--batch_size", BATCH]
    start(predict, files[0].parent, *words, "--names", *WORDS)
    found = loaded_clip.predict(files, batch_size=BATCH)
    assert found.class_names == ["green field", "harbor", "desert"] and found.attribute_names == NAMES
    for number, line in enumerate(predicted(tmp_path)):
        told = probabilities_in(line)
        assert told == dict(zip(found.class_names, map(six_digits, found.probabilities[number])))
        told = {entry["attribute"]: entry["share"] for entry in line["attributes"]}
        assert told == dict(zip(NAMES, map(six_digits, found.attributes[number])))


def test_a_clip_alone_has_no_maps(loaded_clip, files):
    for pictures in (files, []):
        found = loaded_clip.predict(pictures)
        assert found.maps is None and found.windows is None
        assert found.probabilities.shape == (len(pictures), 3) and found.attributes.shape[1] == 5
    np.testing.assert_allclose(loaded_clip.predict(files).attributes.sum(axis=1), 1, rtol=1e-6)


def test_maps_may_be_left_out(loaded_run, files):
    found, without = loaded_run.predict(files), loaded_run.predict(files, maps=False)
    assert without.maps is None and without.windows is None
    np.testing.assert_array_equal(found.probabilities, without.probabilities)


# ---- other classes ---------------------------------------------------------------------------------


def ways_to_add(place, files) -> dict:
    values = {"quay": {"sand": 1.5, "ships": np.float64(2)}}
    (place / "by_hand.json").write_text(json.dumps({"quay": {"sand": 1.5, "ships": 2}}))
    pictures = NewClass("quay", "quay", tuple(map(str, files[:2])))
    return {
        "name": (["quay"], {}, ["--add_class", "quay"]),
        "description": (["quay: ships, sand"], {}, ["--add_class", "quay: ships, sand"]),
        "pattern": (
            [f"quay={files[0].parent}/[01].png"],
            {},
            ["--add_class", f"quay={files[0].parent}/[01].png"],
        ),
        "pictures": ([pictures], {}, ["--add_class", f"quay={files[0].parent}/[01].png"]),
        "values": ([], {"values": values}, ["--class_values", place / "by_hand.json"]),
        "file": ([], {"values": place / "by_hand.json"}, ["--class_values", place / "by_hand.json"]),
        "prompts": (["quay"], {"prompts": ["the {}"]}, ["--add_class", "quay", "--prompts", "the {}"]),
        "clip": (["quay"], {"clip": place / "clip"}, ["--add_class", "quay"]),
    }


@pytest.mark.parametrize(
    "way", ["name", "description", "pattern", "pictures", "values", "file", "prompts", "clip"]
)
def test_an_added_class_competes_as_in_predict_and_leaves_the_run_as_it_was(
    place, loaded_run, files, tmp_path, way
):
    before = loaded_run.predict(files)
    words, how, options = ways_to_add(place, files)[way]
    more = loaded_run.with_classes(*words, **how)
    same(loaded_run.predict(files), before)
    assert loaded_run.candidates.names == CLASSES and more.candidates.names == [*CLASSES, "quay"]
    assert more.run is loaded_run.run  # the weights are there once
    predict_with(place, files[0].parent, "--top 6", *options, "--output", tmp_path)
    found = more.predict(files, batch_size=BATCH)
    for line, row in zip(predicted(tmp_path), found.probabilities):
        assert probabilities_in(line) == dict(zip(found.class_names, map(six_digits, row)))


def test_classes_can_be_added_one_after_another(loaded_run, files):
    at_once = loaded_run.with_classes("quay", "dune: sand", values={"pier": {"ships": 1}})
    one_by_one = (
        loaded_run.with_classes(values={"pier": {"ships": 1}}).with_classes("quay").with_classes("dune: sand")
    )
    assert one_by_one.candidates.names == [*CLASSES, "quay", "dune", "pier"]
    same(one_by_one.predict(files), at_once.predict(files))


def test_other_classes_of_the_run_compete_and_added_ones_stay(loaded_run, files):
    more = loaded_run.with_classes("quay")
    assert more.among("unseen").candidates.names == ["Class0", "Class1", "quay"]
    assert more.among(["class 3", "Class0"], without="Class3").candidates.names == ["Class0", "quay"]
    assert loaded_run.among("all", calibration=0.3).candidates.calibration == 0.3
    assert more.among("none").predict(files).classes == ["quay"] * 8
    assert loaded_run.among(without=["Class0"]).with_classes("Class0").candidates.names == [
        *CLASSES[1:],
        "Class0",
    ]
    assert more.candidates.names == [*CLASSES, "quay"] and loaded_run.candidates.names == CLASSES


def test_classes_are_added_to_a_clip_alone(place, loaded_clip, files):
    before = loaded_clip.predict(files)
    more = loaded_clip.with_classes("quay", f"port={files[0]}")
    assert more.candidates.names == ["green field", "harbor", "desert", "quay", "port"]
    at_once = load_clip(place / "clip", [*WORDS, "quay", f"port={files[0]}"], vocabulary=NAMES, device="cpu")
    np.testing.assert_array_equal(more.predict(files).probabilities, at_once.predict(files).probabilities)
    np.testing.assert_array_equal(loaded_clip.predict(files).probabilities, before.probabilities)
    assert loaded_clip.candidates.names == before.class_names


def test_two_runs_at_once_do_not_mix(place, loaded_run, files, tmp_path):
    saved = checkpoint_metadata(place / "run" / "last.safetensors")
    model = load_saved(place / "run" / "last.safetensors", torch.device("cpu")).model
    options = {**saved["options"], "sel_res": "main", "pro_start_epoch": -1}
    with torch.no_grad():
        model.prototypes.neg_()
    save_checkpoint(tmp_path / "other.safetensors", model, saved["epoch"], options)
    first = loaded_run.predict(files)
    other = load_run(tmp_path / "other.safetensors", device="cpu", bands=[3, 2, 1])
    assert (loaded_run.run.branch, other.run.branch) == ("attention", "projection+window")
    assert other.preprocessing.bands == (3, 2, 1)
    second = other.predict(files)
    same(loaded_run.predict(files), first)
    same(other.predict(files), second)
    assert not np.allclose(first.maps, second.maps) and loaded_run.preprocessing.bands is None
