"""Columns of new classes: from words, pictures or values, they lie where a class lies that the run knows."""

import json

import numpy as np
import pytest
import scipy.io
import torch

import annotate
from clip import sentences
from data.benchmark import find_files
from dsva.discriminant import Discriminant
from helpers import NAMES, VOCABULARY, FakeClip, vector
from inference import new_columns
from inference.new_classes import NewClass, known_classes, parse
from inference.new_columns import (
    class_vectors,
    columns_by_clip,
    columns_by_hand,
    columns_of_vectors,
    match_class_scores,
)
from runs.build import build_data
from support.errors import InputError
from tiny_data import write_dataset


@pytest.fixture
def place(tmp_path, monkeypatch):
    """A dataset to be described with `annotated`. CLIP's embeddings are drawn from words and file names."""
    monkeypatch.setattr(annotate, "Clip", FakeClip)
    monkeypatch.setattr(new_columns, "Clip", FakeClip)
    (tmp_path / "words.json").write_text(json.dumps(VOCABULARY))
    return write_dataset(tmp_path, seen=3, unseen=2, per_class=3)


def annotated(place, source, *words):
    """The data of a run whose classes were described in this way."""
    splits_mat = place / "RSSDIVCS/files/mine_splits.mat"
    options = ["--root", place, "--vocabulary", place / "words.json", "--clip", "fake", "--workers", 0]
    options += ["--device", "cpu", "--output", splits_mat, "--group_file", "mine", "--from", source, *words]
    annotate.main([str(word) for word in options])
    return read(place, "mine")


def read(place, name):
    """The data of these files."""
    files = find_files(
        root=str(place),
        dataset="RSSDIVCS",
        image_embedding="61",
        class_embedding=name,
        group_file=name or "attri_group_3",
        image_root=None,
        random_id=0,
    )
    return build_data(files, None, torch.device("cpu"))


def all_of(data) -> np.ndarray:
    return np.arange(len(data.class_names))


def columns_of(new, data, known=None, **more) -> np.ndarray:
    """[A, n], where all classes of the run are known, or some."""
    return columns_by_clip(new, all_of(data) if known is None else known, data, **more)


def column(place, source, new: NewClass, *words) -> tuple:
    data = annotated(place, source, *words)
    return columns_of([new], data)[:, 0], data.class_attributes.numpy()


def direction(column) -> np.ndarray:
    return column / np.linalg.norm(column)


def own_pictures(place, c) -> tuple:
    return tuple(map(str, sorted((place / "RSSDIVCS" / f"Class{c}").glob("*.png"))))


# ---- from words and pictures -----------------------------------------------------------------------


@pytest.mark.parametrize("c", range(5))
def test_the_pictures_of_a_known_class_lead_to_its_own_column(place, c):
    new, known = column(place, "images", NewClass("new", "new", own_pictures(place, c)))
    np.testing.assert_allclose(direction(new), known[:, c], atol=1e-6)


def test_a_class_that_is_left_out_has_no_part_in_the_columns_of_new_ones(place):
    data = annotated(place, "images")
    new, others = NewClass("new", "new", own_pictures(place, 2)), known_classes(data.class_names, ["class 2"])
    before = columns_of([new], data, known=others)
    assert others.tolist() == [0, 1, 3, 4] and not np.allclose(
        before, data.class_attributes[:, 2:3].numpy(), atol=1e-3
    )
    file = place / "RSSDIVCS/files/mine_splits.mat"
    table = {key: value for key, value in scipy.io.loadmat(file).items() if not key.startswith("__")}
    table["similarity_images"][:, 2] = 9
    scipy.io.savemat(file, table)
    np.testing.assert_array_equal(columns_of([new], read(place, "mine"), known=others), before)
    with pytest.raises(InputError, match="--without: there is no class Clas3; did you mean 'Class3'"):
        known_classes(data.class_names, ["Clas3"])


@pytest.mark.parametrize("source", ["images", "names"])
def test_a_name_gives_images_the_class_scores_that_clip_gives_them(place, source, monkeypatch):
    """With so many attributes that they tell all that an embedding can be."""
    monkeypatch.setattr(sentences, "SENTENCE_RIDGE", 1e-9)
    data = annotated(place, source)
    discriminant = fitted(len(data.attribute_names))
    new = columns_of([NewClass("new", "dunes")], data, discriminant=discriminant)
    embedded, attributes = (
        np.array([vector(f"image {n}") for n in range(50)]),
        np.array([vector(attribute) for attribute in NAMES]),
    )
    similarity = data.similarities.by_image if source == "images" else data.similarities.by_name
    scores = embedded @ attributes.T / similarity.std(axis=0) @ class_vectors(new, discriminant)
    wanted = embedded @ (
        np.array(vector("dunes")) - attributes.mean(axis=0)
    )  # all that is left out is the mean attribute
    np.testing.assert_allclose(np.corrcoef(scores[:, 0], wanted), 1, atol=1e-6)


def fitted(attributes) -> Discriminant:
    discriminant, draw = Discriminant(attributes), torch.Generator().manual_seed(0)
    discriminant.fit(
        torch.randn(40, attributes, generator=draw) @ torch.randn(attributes, attributes, generator=draw),
        torch.arange(40) % 3,
        0.9,
    )
    return discriminant


@pytest.mark.parametrize("discriminant", [None, fitted(5)])
def test_columns_of_vectors_have_class_vectors_in_these_directions(discriminant):
    wanted = np.random.default_rng(0).normal(size=(5, 3))
    columns = columns_of_vectors(wanted, discriminant)
    vectors = class_vectors(columns, discriminant)
    np.testing.assert_allclose(
        vectors / np.linalg.norm(vectors, axis=0), wanted / np.linalg.norm(wanted, axis=0), atol=1e-4
    )
    if discriminant:
        covariance = np.linalg.inv(discriminant.precision.double().numpy())
        scores = np.linalg.solve(covariance, columns)
        np.testing.assert_allclose((columns * scores).sum(axis=0), 1, rtol=1e-4)


def test_the_phrases_of_a_description_count_the_same(place):
    data = annotated(place, "images")
    new = [
        NewClass("both", "sand, stripes;"),
        NewClass("same", "stripes, sand"),
        NewClass("one", "sand,"),
        NewClass("other", "stripes, stripes"),
    ]
    both, same, one, other = map(direction, columns_of(new, data).T)
    np.testing.assert_allclose(both, same, atol=1e-9)
    np.testing.assert_allclose(both, direction(one + other), atol=1e-9)


def test_a_new_class_has_class_scores_as_large_as_the_known_ones_on_average():
    known = np.array([[3.0, 4.0, 0.0], [0.0, 0.0, 1.0]])
    small, larger = np.array([0.0, 0.1]), np.array([2.0, 0.0])
    scaled = match_class_scores(np.stack([small, larger], axis=1), known)
    np.testing.assert_allclose(
        np.linalg.norm(known.T @ scaled, axis=0), np.linalg.norm(known.T @ known, axis=0).mean()
    )
    np.testing.assert_allclose(direction(scaled[:, 0]), [0, 1])
    assert not match_class_scores(np.zeros((2, 1)), known).any()  # nothing is said of it


def test_new_classes_do_not_move_one_another(place):
    data = annotated(place, "seen")
    several = [
        NewClass("a", "class9"),
        NewClass("b", "b", own_pictures(place, 2)),
        NewClass("c", "ships and sand"),
    ]
    together = columns_of(several, data)
    alone = [columns_of([new], data)[:, 0] for new in several]
    np.testing.assert_allclose(together, np.stack(alone, axis=1), atol=1e-6)


def test_words_are_put_in_the_sentences_that_the_run_was_described_with(place, monkeypatch):
    asked, embed = {}, FakeClip.embed_words
    monkeypatch.setattr(
        FakeClip,
        "embed_words",
        lambda self, words, prompts: asked.update({words[0]: prompts}) or embed(self, words, prompts),
    )
    data = annotated(place, "names", "--prompts", "{} below")
    data.provenance["class_prompts"] = ["our {}"]
    asked.clear()
    columns_of([parse("wind farm"), parse("wind farm: turbines on grass")], data)
    assert asked == {"runways": ["{} below"], "wind farm": ["our {}"], "turbines on grass": ["{} below"]}


def test_pictures_need_a_run_that_was_described_by_pictures(place):
    with pytest.raises(
        InputError, match="the new class new: the run's classes were described by their names alone"
    ):
        column(place, "names", NewClass("new", "new", own_pictures(place, 2)))


def test_a_splits_file_by_other_hands_does_not_do(place):
    with pytest.raises(InputError, match="files that tell. predict.py --class_values works without"):
        columns_of([NewClass("new", "new")], read(place, None))


def test_another_clip_is_told(place, monkeypatch, capsys):
    data = annotated(place, "seen")
    capsys.readouterr()
    columns_of([NewClass("new", "new")], data)
    assert capsys.readouterr().out == ""
    monkeypatch.setattr(FakeClip, "weights_sha256", lambda self: {"model.safetensors": "other"})
    columns_of([NewClass("new", "new")], data, clip_folder="elsewhere")
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith("note: elsewhere has other weights")


# ---- values by hand --------------------------------------------------------------------------------


def test_values_by_hand_become_columns_with_class_scores_as_large_as_the_known_ones(tmp_path):
    (tmp_path / "values.json").write_text('{"dunes": {"sand": 3, "ships": -4.0}, "port": {"ships": 0.1}}')
    columns = columns_by_hand(tmp_path / "values.json", NAMES, np.eye(5))
    assert list(columns) == ["dunes", "port"]
    assert columns["dunes"].tolist() == pytest.approx([0, -0.8, 0.6, 0, 0]) and columns[
        "port"
    ].tolist() == pytest.approx([0, 1, 0, 0, 0])
    assert columns_by_hand(tmp_path / "values.json", NAMES, 2 * np.eye(5))["port"].tolist() == pytest.approx(
        [0, 2, 0, 0, 0]
    )


@pytest.mark.parametrize(
    "text, message",
    [
        ('{"dunes": {"sands": 1}}', "dunes has an unknown attribute 'sands'; did you mean 'sand'"),
        ('{"dunes": {"sand": 1, "Sand": 2}}', "dunes has 'sand' twice, as 'sand' and 'Sand'"),
        ('{"dunes": {"xyz": 1}}', "there are runways, ships, sand, stripes, circles"),
        ('{"dunes": {"sand": 0, "ships": 0}}', "all values of dunes are 0"),
        ('{"dunes": {}}', "all values of dunes are 0"),
        ('{"dunes": {"sand": "much"}}', "should be a number .* and is 'much'"),
        ('{"dunes": {"sand": NaN}}', "should be a number"),
        ('{"dunes": {"sand": true}}', "should be a number"),
        ('{"dunes": {"sand": Infinity}}', "should be a number"),
        ('{"dunes": [1, 2]}', "expected"),
        ("[]", "expected"),
        ("{}", "expected"),
        ("{", "not readable JSON"),
    ],
)
def test_values_that_are_none_are_refused(tmp_path, text, message):
    (tmp_path / "values.json").write_text(text)
    with pytest.raises(InputError, match=message):
        columns_by_hand(tmp_path / "values.json", NAMES, np.eye(5))
