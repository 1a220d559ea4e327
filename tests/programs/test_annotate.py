"""Automatic annotation: the matrix against one by hand, which images are touched, what is written."""

import json
import math
import shlex
import statistics
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

import annotate
import zero_shot_clip
from clip.attributes import CLASS_PROMPTS, group_indices, merge_sources, unit_norm
from data.benchmark import BenchmarkFiles, load_benchmark
from data.matlab import cell_array
from helpers import NAMES, VOCABULARY, FakeClip, change_splits, vector, write_whole_clip
from support.errors import InputError
from tiny_data import write_dataset

SOURCES = ("images", "seen", "names")


@pytest.fixture(scope="module")
def clip(tmp_path_factory):
    return write_whole_clip(tmp_path_factory.mktemp("clip") / "clip")


@pytest.fixture
def root(tmp_path):
    (tmp_path / "words.json").write_text(json.dumps(VOCABULARY))
    return write_dataset(tmp_path, seen=3, unseen=2, per_class=3)


def run(root, words="", clip="unused", output="mine_splits.mat"):
    """annotate.py in this process; returns what it wrote."""
    annotate.main(
        [
            "--root",
            str(root),
            "--vocabulary",
            str(root / "words.json"),
            "--clip",
            str(clip),
            "--device",
            "cpu",
            "--workers",
            "0",
            "--output",
            str(root / output),
            *shlex.split(words),
        ]
    )
    return scipy.io.loadmat(root / output)


# ---- the matrix ------------------------------------------------------------------------------------


def similarities_by_hand(source):
    """Plain lists: name-based row of each class, {class: its image-based row}, and the images for it."""
    dot = lambda a, b: sum(x * y for x, y in zip(vector(a), vector(b)))
    by_name = [[dot(f"class{c}", a) for a in NAMES] for c in range(5)]
    chosen = {"images": range(15), "names": [], "seen": [i for i in range(6, 15) if i % 3]}[
        source
    ]  # classes 0 and 1 are unseen
    by_image = {
        c: [statistics.mean(dot(f"image_{i}.png", a) for i in chosen if i // 3 == c) for a in NAMES]
        for c in {i // 3 for i in chosen}
    }
    return by_name, by_image, [f"image_{i}.png" for i in chosen]


def standardized_by_hand(column, reference):
    return [(value - statistics.mean(reference)) / statistics.pstdev(reference) for value in column]


@pytest.mark.parametrize("source", SOURCES)
def test_the_matrix_is_the_one_computed_by_hand_from_the_images_it_may_touch(root, source, monkeypatch):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    by_name, by_image, images = similarities_by_hand(source)
    columns = []
    for a in range(len(NAMES)):
        names = [row[a] for row in by_name]
        column = standardized_by_hand(names, [names[c] for c in by_image] or names)
        pictured = [by_image[c][a] for c in by_image]
        for c in by_image:
            column[c] = standardized_by_hand([by_image[c][a]], pictured)[0]
        columns.append(standardized_by_hand(column, column))
    expected = [
        [columns[a][c] / math.hypot(*(column[c] for column in columns)) for c in range(5)]
        for a in range(len(NAMES))
    ]
    np.testing.assert_allclose(run(root, f"--from {source}")["att"], expected, atol=1e-6)
    assert FakeClip.images == images


@pytest.mark.parametrize("source", ["images", "seen"])
def test_a_class_with_one_image_is_described_by_it(root, source, monkeypatch):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    write_dataset(
        root, seen=3, unseen=2, per_class=3, labels=np.repeat([1, 2, 3, 4, 5], [3, 3, 5, 3, 1])[:, None]
    )
    change_splits(root, test_seen_loc_0=[[7]], train_gzsl_loc_0=np.arange(9, 16)[:, None])
    table = run(root, f"--from {source}")
    expected = [sum(x * y for x, y in zip(vector("image_14.png"), vector(a))) for a in NAMES]
    np.testing.assert_allclose(table["similarity_images"][:, 4], expected, atol=1e-6)
    assert np.isfinite(table["att"]).all()


def test_untested_images_stand_for_classes_of_either_kind_and_say_of_which_division(root, monkeypatch):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    change_splits(root, test_unseen_loc_0=[[1], [2], [4]], test_seen_loc_0=[[7], [10], [13]])
    run(root, "--from untested")
    assert FakeClip.images == [f"image_{n}.png" for n in range(15) if n not in (0, 1, 3, 6, 9, 12)]
    with pytest.raises(InputError, match="outside the test sets of division 0, not of 1"):
        load_benchmark(
            BenchmarkFiles(
                root / "RSSDIVCS/files/61_images.mat",
                root / "mine_splits.mat",
                root / "attri_group_3.json",
                root / "RSSDIVCS",
                random_id=1,
            )
        )


def test_untested_images_are_the_default_where_each_class_has_some(root, monkeypatch, capsys):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    change_splits(root, test_unseen_loc_0=[[1], [2], [4]], test_seen_loc_0=[[7], [10], [13]])
    table = run(root)
    assert FakeClip.images == [f"image_{n}.png" for n in range(15) if n not in (0, 1, 3, 6, 9, 12)]
    facts = json.loads(table["provenance"].item())
    assert (facts["from"], facts["images"], facts["random_id"]) == ("untested", 9, 0)
    said = capsys.readouterr().out
    assert "from    untested: 9 images of 5 classes" in said and "test images describe" not in said


@pytest.mark.parametrize("words", ["", "--from images"])
def test_it_is_said_that_test_images_describe_the_unseen_classes(root, monkeypatch, capsys, words):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    table = run(root, words)
    assert json.loads(table["provenance"].item())["from"] == "images"
    said = capsys.readouterr().out
    assert said.count("note: 6 test images describe the unseen classes, as in the paper") == 1
    assert "--from seen" in said and "prepare.py --described 0.2" in said


@pytest.mark.parametrize("source", ["seen", "names"])
def test_other_sources_describe_no_class_by_test_images_and_say_nothing(root, monkeypatch, capsys, source):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    run(root, f"--from {source}")
    assert "test images describe" not in capsys.readouterr().out


def test_images_stay_the_default_if_one_class_has_no_other(root, monkeypatch):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    change_splits(root, test_unseen_loc_0=[[1], [2], [4], [5], [6]])  # all of class 1
    assert json.loads(run(root)["provenance"].item())["from"] == "images"


def test_kept_embeddings_change_no_bit(root, clip, capsys, monkeypatch):
    parts = ("att", "similarity_names", "similarity_images")
    without = run(root, "--no-embedding_cache", clip)
    first = run(root, "--batch_size 4 --no-embedding_cache", clip)
    assert not (root / "RSSDIVCS" / "cache").exists()
    kept = run(root, "--batch_size 4", clip)
    zero_shot_clip.main(shlex.split(f"--root {root} --clip {clip} --batch_size 4 --device cpu --workers 0"))
    again = run(root, "--batch_size 4", clip)
    larger = run(root, "", clip)
    for part in parts:
        assert np.array_equal(first[part], kept[part]) and np.array_equal(first[part], again[part])
        assert np.array_equal(without[part], larger[part])
    counts = [line.split()[1:4:2] for line in capsys.readouterr().out.splitlines() if line[:6] == "cache "]
    assert counts[::2] == [["0", "15"], ["15", "15"]] and counts[1][0] != "0"


def test_prompts_are_used_and_recorded(root, monkeypatch):
    asked = []
    monkeypatch.setattr(
        FakeClip,
        "embed_words",
        lambda self, words, prompts: asked.append(prompts) or torch.tensor([vector(word) for word in words]),
    )
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    table = run(root, '--prompts "{}" "much {}"')
    assert asked[0] == ["{}", "much {}"] == json.loads(table["provenance"].item())["attribute_prompts"]


def test_similarities_are_kept_as_they_were_before_standardising(root, monkeypatch):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    table = run(root, "--from seen")
    by_name, by_image = table["similarity_names"].T, table["similarity_images"].T
    pictured = table["classes_with_images"].ravel() == 1
    assert pictured.tolist() == [False, False, True, True, True]
    assert np.isfinite(by_image).all()  # NaN never stands for "no image"
    np.testing.assert_allclose(unit_norm(merge_sources(by_name, by_image, pictured)).T, table["att"])


@pytest.mark.parametrize("source", ["seen", "names"])
def test_test_images_may_be_missing(root, clip, source):
    """Of unseen classes all images, of seen ones those of test_seen_loc; for names, all and their list."""
    files = root / "RSSDIVCS"
    for image in files.glob("*/*.png"):
        number = int(image.stem.rpartition("_")[2])
        if source == "names" or number < 6 or number % 3 == 0:
            image.unlink()
    if source == "names":
        (files / "files" / "61_images.mat").unlink()
    att = run(root, f"--from {source}", clip)["att"]
    np.testing.assert_allclose(np.linalg.norm(att, axis=0), 1)


def test_the_published_format_comes_out(root, clip):
    source = change_splits(root, unseen_classes_0=cell_array(["Class0"]))
    table = run(root, clip=clip, output="new/mine_splits.mat")
    data = load_benchmark(
        BenchmarkFiles(
            root / "RSSDIVCS/files/61_images.mat",
            root / "new/mine_splits.mat",
            root / "new/attri_group_3.json",
            root / "RSSDIVCS",
            random_id=1,
        )
    )
    assert data.class_attributes.shape == (5, 5) and data.groups == {
        "functions": [0, 1],
        "materials": [2],
        "surface_properties": [3, 4],
    }
    assert data.class_names == [f"Class{c}" for c in range(5)]
    divisions = {key for key in source if "_loc_" in key}
    assert len(divisions) == 8 and divisions | {"unseen_classes_0"} <= set(table)
    assert all(np.array_equal(table[key], source[key]) for key in divisions)
    assert [name.item() for name in table["attribute_names"].ravel()] == NAMES
    facts = json.loads(table["provenance"].item())
    assert (facts["clip"], facts["from"], facts["images"]) == (str(clip), "images", 15)
    assert (
        list(facts["weights_sha256"]) == ["model.safetensors"]
        and len(facts["weights_sha256"]["model.safetensors"]) == 64
    )
    assert facts["vocabulary_sha256"] and facts["class_prompts"] == list(CLASS_PROMPTS)


def test_the_same_command_writes_the_same(root, clip):
    first = run(root, "--from seen", clip)
    np.testing.assert_array_equal(run(root, "--from seen", clip)["att"], first["att"])


# ---- the truth -------------------------------------------------------------------------------------


def test_the_truth_is_found_by_name_and_goes_along(root, monkeypatch, capsys):
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    att = run(root)["att"]
    assert "att_true" not in capsys.readouterr().out
    change_splits(
        root,
        att_true=np.vstack([np.zeros((1, 5)), att[::-1]]),
        attribute_names=cell_array(["snow", *NAMES[::-1]]),
    )
    table = run(root)
    np.testing.assert_allclose(table["att_true"], att)
    correlation = float(capsys.readouterr().out.partition("att_true ")[2].split()[0])
    assert 0.8 < correlation < 1.0  # standardising once more changes a few ranks


# ---- errors ----------------------------------------------------------------------------------------


def spoil_tokenizer(root, clip):
    broken = root / "clip"
    broken.mkdir()
    for file in ("config.json", "model.safetensors", "vocab.json"):
        (broken / file).write_bytes((clip / file).read_bytes())
    return {"clip": broken}


def spoil_weights(root, clip):
    changed = spoil_tokenizer(root, clip)
    for file in clip.iterdir():
        (root / "clip" / file.name).write_bytes(file.read_bytes())
    (root / "clip" / "model.safetensors").write_bytes(b"nothing")
    return changed


def repeat_an_attribute(root, clip):
    (root / "words.json").write_text(json.dumps({**VOCABULARY, "more": ["sand"]}))


def spoil_image(root, clip):
    next(root.glob("RSSDIVCS/Class3/*.png")).write_bytes(b"nothing")


def spoil_groups(root, clip):
    (root / "attri_group_3.json").write_text('{"functions": [0]}')


def lose_a_class(root, clip):
    write_dataset(root, seen=3, unseen=2, per_class=3, labels=np.repeat([1, 2, 3, 4, 4], 3))


def lose_a_label(root, clip):
    write_dataset(root, seen=3, unseen=2, per_class=3, labels=np.ones(4))


def all_but_the_cache(root) -> list:
    """What is in the cache is of use to the next try: embeddings of the images before the one that is bad."""
    return sorted(path for path in root.rglob("*") if "cache" not in path.parts)


@pytest.mark.parametrize(
    "spoil, words, message",
    [
        (None, "--clip nowhere", "no CLIP checkpoint"),
        (None, "--vocabulary nowhere", "not a readable vocabulary"),
        (
            None,
            "--output {root}/RSSDIVCS/files/ann_attr_finetune_61_splits.mat",
            "is the splits file that is read",
        ),
        (None, "--from seen --random_id 7", "has no test_seen_loc_7"),
        (None, "--class_embedding 99", "no such file"),
        (None, "--from everything", "invalid choice"),
        (spoil_tokenizer, "", "has no tokenizer"),
        (spoil_weights, "", "not a readable CLIP checkpoint"),
        (repeat_an_attribute, "", "words.json names the attribute 'sand' twice"),
        (spoil_image, "", "cannot read the image"),
        (spoil_image, "--workers 1", "cannot read the image"),
        (spoil_groups, "", "name another with --group_file"),
        (lose_a_class, "", "class 5 of 5 has no such image"),
        (None, "--from untested", "--from untested: class 1 of 5 has no such image"),
        (lose_a_label, "", "4 labels for 15 image_files"),
    ],
)
def test_wrong_input_gives_one_line_and_writes_nothing(root, clip, capsys, spoil, words, message):
    changed = (spoil(root, clip) if spoil else None) or {}
    before = all_but_the_cache(root)
    with pytest.raises(SystemExit) as stop:
        run(root, words.format(root=root), changed.get("clip", clip))
    assert stop.value.code == 2
    (line,) = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ") and message in line
    assert all_but_the_cache(root) == before


def test_another_group_file_stands_beside_one_that_is_needed(root, clip):
    spoil_groups(root, clip)
    run(root, "--group_file mine", clip)
    assert json.loads((root / "mine.json").read_text()) == group_indices(VOCABULARY)
    assert json.loads((root / "attri_group_3.json").read_text()) == {"functions": [0]}


@pytest.mark.parametrize(
    "name, tells", [("ann_0", True), ("ann_attr_auto_1", False), ("ann_attr_0_mine", True), ("ann10", False)]
)
def test_a_file_that_is_called_by_its_division_needs_no_note(name, tells):
    assert annotate.tells_division(Path(f"{name}_splits.mat"), 0) == tells
