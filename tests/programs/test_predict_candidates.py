"""Among which classes predict.py chooses: those of the run, some of them, and added ones."""

import json

import pytest
import torch

from helpers import CLASSES, contents, predicted, probabilities_in, refusal
from helpers import predict_with as run
from inference import choose_candidates, load_saved
from inference.new_classes import parse
from runs.checkpoint import checkpoint_metadata, save_checkpoint

# ---- candidates ------------------------------------------------------------------------------------


def test_the_classes_of_the_runs_own_test_are_the_candidates_and_are_named(place, photos, tmp_path, capsys):
    run(place, photos / "b", "--top 9 --output", tmp_path / "gzsl")
    printed = capsys.readouterr().out
    assert set(probabilities_in(predicted(tmp_path / "gzsl")[0])) == set(CLASSES)
    assert "(as in this GZSL run's own test; --classes unseen leaves the seen ones out)" in printed
    assert "\nunseen  Class0, Class1\nseen    Class2, Class3, Class4\n" in printed

    saved = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    options = {**checkpoint_metadata(place / "run" / "last.safetensors")["options"], "gzsl": False}
    save_checkpoint(tmp_path / "zsl.safetensors", saved.model, 0, options, classes=saved.data)
    run(place, "--resume", tmp_path / "zsl.safetensors", photos / "b", "--top 9 --output", tmp_path / "zsl")
    assert set(probabilities_in(predicted(tmp_path / "zsl")[0])) == set(CLASSES[:2])
    assert "2 unseen (as in this ZSL run's own test; --classes all lets" in capsys.readouterr().out


@pytest.mark.parametrize(
    "words, expected",
    [
        (["--classes", "class 3, Class0"], ["Class0", "Class3"]),
        (["--classes", "CLASS_1"], ["Class1"]),
        (["--without", "class 1", "CLASS-2"], ["Class0", "Class3", "Class4"]),
        (["--classes", "class3,class4", "--without", "class 4"], ["Class3"]),
    ],
)
def test_candidates_are_typed_in_words(place, photos, tmp_path, words, expected):
    run(place, photos / "b", *words, "--top", 9, "--output", tmp_path)
    assert set(probabilities_in(predicted(tmp_path)[0])) == set(expected)


@pytest.mark.parametrize("name", ["Class0", "Class4"])
def test_one_candidate_is_certain(place, photos, tmp_path, capsys, name):
    run(place, photos / "b", "--classes", name, "--output", tmp_path)
    for line in predicted(tmp_path):
        assert line["classes"] == [{"class": name, "probability": 1}]
    assert "100.0%" in capsys.readouterr().out


VALUES = '{"dunes": {"sand": 2, "ships": -1}, "quay": {"ships": 2}}'


@pytest.mark.parametrize("left_out", [0, 1, 3, 4, 5])
@pytest.mark.parametrize("classes", ["all", "none"])
def test_any_number_of_known_classes_gives_finite_and_sensible_columns(
    place, photos, tmp_path, capsys, left_out, classes
):
    (tmp_path / "values.json").write_text(VALUES)
    words = ["--without", *CLASSES[:left_out]] if left_out else []
    words += ["--add_class", f"our own={place}/RSSDIVCS/Class3", "--add_class", "a fort: circles, stripes"]
    words += ["--class_values", tmp_path / "values.json", "--classes", classes, "--top", 9]
    run(place, photos / "b", *words, "--output", tmp_path / "out")
    printed = capsys.readouterr().out
    assert "nan" not in printed
    assert ("too few to compare new ones with" in printed) == (left_out > 2)
    for text in contents(tmp_path / "out"):
        assert b"nan" not in text.lower()
    own = 5 - left_out if classes == "all" else 0
    for line in predicted(tmp_path / "out"):
        probabilities = probabilities_in(line)
        assert len(probabilities) == own + 4
        assert sum(probabilities.values()) == pytest.approx(1, abs=1e-5)
    news = [line for line in printed.splitlines() if line.startswith("new ")]
    assert len(news) == 4 and not any(line.endswith("nothing of its own") for line in news)


def test_the_columns_of_new_classes_do_not_vanish_where_one_known_class_is_left(place):
    run_ = load_saved(place / "run" / "last.safetensors", torch.device("cpu"))
    for without in (CLASSES, CLASSES[:4]):
        pictured = [parse(f"our own={place}/RSSDIVCS/Class3")]
        column = choose_candidates(run_, "none", without, pictured).attributes[:, 0]
        known = run_.data.class_attributes[:, 3]
        assert torch.nn.functional.cosine_similarity(column, known, dim=0) > 0.99


def test_the_constant_is_the_runs_own_where_none_is_given(place, photos, tmp_path, capsys):
    run(place, photos / "b", "--classes", "all", "--output", tmp_path / "own")
    assert (
        "2 unseen, 3 seen\n        calibrated stacking ranks seen classes as if 0.1 less probable"
        in capsys.readouterr().out
    )
    run(place, photos / "b", "--classes", "all", "--calibrated_stacking", 0.1, "--output", tmp_path / "given")
    assert contents(tmp_path / "own") == contents(tmp_path / "given")
    run(place, photos / "b", "--classes unseen --output", tmp_path / "unseen")
    assert "calibrated" not in capsys.readouterr().out.rpartition("classes 2 unseen")[2]


def test_a_new_class_competes_with_the_others(place, photos, tmp_path, capsys):
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2, "ships": -1}}')
    run(
        place,
        photos,
        "--add_class",
        f"our own={place}/RSSDIVCS/Class3",
        "--add_class",
        "quay: ships in a row",
        "--class_values",
        tmp_path / "values.json",
        "--classes unseen --top 9 --output",
        tmp_path / "out",
    )
    named = {entry["class"] for line in predicted(tmp_path / "out") for entry in line.get("classes", [])}
    assert named == {"Class0", "Class1", "our own", "quay", "dunes"}
    assert json.loads((tmp_path / "out" / "options.json").read_text())["classes"] == {
        "Class0": "unseen",
        "Class1": "unseen",
        "our own": "3 pictures",
        "quay": "description",
        "dunes": "values",
    }
    assert "dunes                    by values: sand\n" in capsys.readouterr().out


def test_only_added_classes(place, photos, tmp_path):
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 2}, "port": {"ships": 1}}')
    run(
        place,
        photos / "b",
        "--classes none --class_values",
        tmp_path / "values.json",
        "--output",
        tmp_path / "out",
    )
    for line in predicted(tmp_path / "out"):
        assert {entry["class"] for entry in line["classes"]} == {"dunes", "port"}
        assert sum(entry["probability"] for entry in line["classes"]) == pytest.approx(1, abs=1e-5)


# ---- the files -------------------------------------------------------------------------------------


def test_a_class_can_be_left_out_and_come_back_under_its_name(place, photos, tmp_path, capsys):
    run(
        place,
        photos,
        "--without",
        "class 0",
        "Class1",
        "--add_class",
        f"Class0={place / 'RSSDIVCS' / 'Class0'}",
        "--classes unseen --output",
        tmp_path / "out",
    )
    assert {entry["class"] for line in predicted(tmp_path / "out") for entry in line.get("classes", [])} == {
        "Class0"
    }
    assert "no candidate class is left" in refusal(
        capsys,
        run,
        place,
        photos,
        "--classes unseen --without",
        "Class0",
        "Class1",
        "--output",
        tmp_path / "none",
    )
