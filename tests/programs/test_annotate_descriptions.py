"""annotate.py --descriptions: classes in words, as predict.py reads them, and no image of an unseen class."""

import json
import shlex

import numpy as np
import pytest
import scipy.io
import torch

import annotate
import zero_shot_clip
from clip.sentences import SENTENCE_RIDGE, phrases_of
from data.benchmark import find_files
from data.matlab import cell_array
from helpers import NAMES, VOCABULARY, FakeClip, change_splits, vector, write_whole_clip
from inference import new_columns
from inference.new_classes import NewClass
from inference.new_columns import columns_by_clip
from runs.build import build_data
from tiny_data import write_dataset

SAID = {f"Class{c}": f"{NAMES[c]}, many {NAMES[c - 1]}" for c in range(5)}
UNSEEN = {name: SAID[name] for name in ("Class0", "Class1")}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Five classes with three images each; 0 and 1 are unseen. CLIP's embeddings are drawn from words."""
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    monkeypatch.setattr(new_columns, "Clip", FakeClip)
    FakeClip.images = []
    (tmp_path / "words.json").write_text(json.dumps(VOCABULARY))
    return write_dataset(tmp_path, seen=3, unseen=2, per_class=3)


def run(root, said, words="", clip="fake"):
    """annotate.py in this process, with a file of these descriptions; returns what it wrote."""
    (root / "said.json").write_text(said if isinstance(said, str) else json.dumps(said))
    output = root / "RSSDIVCS/files/mine_splits.mat"
    where = ["--root", root, "--vocabulary", root / "words.json", "--clip", clip, "--device", "cpu"]
    where += ["--workers", 0, "--output", output, "--group_file", "mine"]
    where += ["--descriptions", root / "said.json", *shlex.split(words)]
    annotate.main([str(word) for word in where])
    return scipy.io.loadmat(output)


def read(root, random_id=0):
    files = find_files(
        root=str(root),
        dataset="RSSDIVCS",
        image_embedding="61",
        class_embedding="mine",
        group_file="mine",
        image_root=None,
        random_id=random_id,
    )
    return build_data(files, None, torch.device("cpu"))


def provenance(table):
    return json.loads(table["provenance"].item())


# ---- the matrix ------------------------------------------------------------------------------------


def test_a_described_class_has_the_column_that_predict_gives_to_a_new_class(root):
    run(root, UNSEEN, "--from seen")
    data = read(root)
    new = [NewClass("new", said) for said in UNSEEN.values()]
    columns = columns_by_clip(new, np.array([2, 3, 4]), data)
    np.testing.assert_allclose(data.class_attributes[:, :2].numpy(), columns, atol=1e-6)


def test_the_others_are_described_as_if_the_described_ones_were_not_there(root):
    others = run(root, UNSEEN, "--from seen")["att"][:, 2:]
    changed = run(root, {"Class0": "sand", "Class1": "ships"}, "--from seen")["att"][:, 2:]
    np.testing.assert_array_equal(others, changed)
    np.testing.assert_allclose(np.linalg.norm(others, axis=0), 1)


def test_the_matrix_of_descriptions_alone_is_the_one_computed_by_hand(root):
    table = run(root, SAID)
    V = np.array([vector(name) for name in NAMES])
    mean = V.mean(axis=0)
    gram = (V - mean) @ (V - mean).T
    gram += (SENTENCE_RIDGE * gram.diagonal().mean() + 1e-9) * np.eye(5)
    by_name = np.array([vector(f"class{c}") for c in range(5)]) @ V.T
    for c in range(5):
        column = 0
        for phrase in (NAMES[c], f"many {NAMES[c - 1]}"):
            shares = np.linalg.solve(gram, (V - mean) @ (np.array(vector(phrase)) - mean))
            wanted = by_name.std(axis=0) * (shares - shares.mean())
            column = column + wanted / np.linalg.norm(wanted)
        np.testing.assert_allclose(table["att"][:, c], column / np.linalg.norm(column), atol=1e-6)


@pytest.mark.parametrize(
    "said",
    [
        {name: text.split(", ") for name, text in SAID.items()},
        {name.upper(): f" {text} ;" for name, text in SAID.items()},
        {f"class_{c}": SAID[f"Class{c}"].replace(", ", "; ") for c in (4, 3, 2, 1, 0)},
        {f"dir{c}": SAID[f"Class{c}"] for c in range(5)},
    ],
)
def test_lists_sentences_names_and_folders_say_the_same(root, said):
    change_splits(root, class_folders=cell_array(f"dir{c}" for c in range(5)))
    np.testing.assert_array_equal(run(root, said)["att"], run(root, SAID)["att"])


def test_phrases_of_a_sentence_stand_between_commas_and_those_of_a_list_as_they_are(root):
    assert phrases_of("sand, dunes; , nothing built") == ["sand", "dunes", "nothing built"]
    table = run(root, {**SAID, "Class3": ["sand, and dunes", " ships "]})
    assert provenance(table)["descriptions"]["Class3"] == ["sand, and dunes", "ships"]


# ---- which images are touched ----------------------------------------------------------------------


def test_descriptions_of_all_classes_need_no_image_and_hold_for_every_division(root, capsys):
    for image in root.glob("RSSDIVCS/*/*.png"):
        image.unlink()
    (root / "RSSDIVCS/files/61_images.mat").unlink()
    table = run(root, SAID)
    assert FakeClip.images == []
    facts = provenance(table)
    assert (facts["from"], facts["images"], facts["random_id"]) == ("descriptions", 0, None)
    printed = capsys.readouterr().out
    assert "descriptions of 5 classes; " in printed
    assert "describe a class by pictures was much better" in printed


def test_what_every_described_class_became_is_printed(root, monkeypatch, capsys):
    monkeypatch.setattr(annotate, "SHOWN_CLASSES", 1)
    run(root, {name: SAID[name] for name in ("Class0", "Class1")})
    told = capsys.readouterr().out.split("most above the others:\n")[1].splitlines()
    assert [line.split()[0] for line in told[:3]] == ["class0", "class1", "and"]
    assert told[2].strip() == "and 3 more: annotate.py --show tells all"


@pytest.mark.parametrize(
    "words, images",
    [
        ("", [7, 8, 10, 11, 13, 14]),
        ("--from untested", [7, 8, 10, 11, 13, 14]),
        ("--from seen", [7, 8, 10, 11, 13, 14]),
        ("--from images", range(6, 15)),
        ("--from names", []),
    ],
)
def test_no_image_of_an_unseen_class_is_touched(root, capsys, words, images):
    """Even where some are not tested, as prepare.py --described leaves them."""
    change_splits(root, test_unseen_loc_0=[[1], [4]])
    table = run(root, UNSEEN, words)
    assert FakeClip.images == [f"image_{n}.png" for n in images]
    facts = provenance(table)
    assert facts["random_id"] == (0 if len(images) else None)
    assert facts["descriptions"]["Class1"] == [NAMES[1], f"many {NAMES[0]}"]
    assert facts["descriptions_file"] == str(root / "said.json")
    assert "test images describe" not in capsys.readouterr().out
    np.testing.assert_array_equal(table["classes_with_images"].ravel(), [0, 0, *[len(images) > 0] * 3])


def test_images_of_one_division_do_for_no_other(root):
    run(root, UNSEEN)
    assert provenance(run(root, UNSEEN))["random_id"] == 0
    with pytest.raises(Exception, match="annotate this division anew"):
        read(root, random_id=1)


def test_an_unseen_class_without_description_may_go_by_its_name(root):
    table = run(root, {"Class0": SAID["Class0"]}, "--from seen")
    assert table["classes_with_images"].ravel().tolist() == [0, 0, 1, 1, 1]
    assert np.isfinite(table["att"]).all()


def test_from_has_no_effect_where_all_are_described(root, capsys):
    run(root, SAID, "--from images")
    assert "note: accepted, without effect: --from (every class has a description)" in capsys.readouterr().out


def test_other_programs_read_what_it_writes(root, monkeypatch, capsys):
    monkeypatch.undo()
    clip = write_whole_clip(root / "clip")
    run(root, UNSEEN, clip=clip)
    where = f"--root {root} --clip {clip} --class_embedding mine --group_file mine --device cpu --workers 0"
    zero_shot_clip.main(shlex.split(f"{where} --gzsl --attributes --closed_forms"))
    assert "attributes U " in capsys.readouterr().out
    annotate.main(["--show", str(root / "RSSDIVCS/files/mine_splits.mat")])
    assert "most alike" in capsys.readouterr().out


# ---- bad input -------------------------------------------------------------------------------------


@pytest.mark.parametrize("source", ["names", "images"])
def test_a_file_without_classes_is_refused(root, capsys, source):
    change_splits(root, allclasses_names=np.empty((0, 1), object))
    with pytest.raises(SystemExit):
        run(root, UNSEEN, f"--from {source}")
    assert "allclasses_names" in capsys.readouterr().err


@pytest.mark.parametrize(
    "said, words, message",
    [
        ({"Class9": "sand"}, "", "said.json: there is no class Class9; did you mean 'Class"),
        ({"Class0": ""}, "", "Class0 should have a sentence or a list of phrases, none of them empty"),
        ({"Class0": " ,; "}, "", "and has ' ,; '"),
        ({"Class0": []}, "", "and has '[]'"),
        ({"Class0": ["sand", " "]}, "", "none of them empty"),
        ({"Class0": ["sand", 3]}, "", "none of them empty"),
        ({"Class0": {"sand": 1}}, "", "a sentence or a list of phrases"),
        ({"Class0": None}, "", "and has 'None'"),
        ({"Class0": "sand", "class 0": "ships"}, "", "describes Class0 twice, as 'Class0' and 'class 0'"),
        ('{"Class0": "sand", "Class0": "ships"}', "", "it has 'Class0' twice"),
        ({}, "", "expected classes and what is said of each, such as {"),
        ([], "", "expected classes and what is said of each"),
        ("{", "", "is not readable JSON"),
        ("[" * 100000, "", "nested too deeply"),
        ({"Class0": "sand"}, "", "says nothing of the unseen class Class1 of division 0"),
        ({"Class0": "sand"}, "--from images", "--from images would describe by its images"),
        ({"Class0": "sand"}, "--from untested", "use --from seen or --from names"),
        (UNSEEN, "--random_id 7", "_7"),
        ({f"Class{c}": "sand" for c in range(4)}, "--from seen", "one class alone is described by images"),
        (UNSEEN, "--descriptions nowhere.json", "nowhere.json is not readable JSON"),
    ],
)
def test_wrong_descriptions_give_one_line_and_nothing_is_written(root, capsys, said, words, message):
    with pytest.raises(SystemExit) as stop:
        run(root, said, words)
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line
    assert not (root / "RSSDIVCS/files/mine_splits.mat").exists()
