"""The classes in a checkpoint: read as they were written, and refused if they are damaged."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from data.benchmark import keep_groups
from data.classes import Similarities
from helpers import load
from runs.saved_classes import PREFIX, pack, unpack
from support.errors import InputError

WHERE = Path("x.safetensors")


@pytest.fixture(scope="module")
def classes(root):
    """Six attributes of twelve classes, three of them unseen; the last class has no image."""
    data = load(root)
    by_name, by_image = np.random.default_rng(0).normal(size=(2, 12, 6))
    by_image[-1] = np.nan
    has_images = np.arange(12) < 11
    provenance = {"clip": "/a/clip", "attribute_prompts": ["{} below"]}
    return replace(data, similarities=Similarities(by_name, by_image, has_images), provenance=provenance)


def test_they_are_read_as_they_were_written(classes):
    again = unpack(*pack(classes), WHERE)
    for name in ("class_names", "attribute_names", "groups", "provenance"):
        assert getattr(again, name) == getattr(classes, name)
    for name in ("class_attributes", "seen", "unseen"):
        assert getattr(again, name).tolist() == getattr(classes, name).tolist()
    for gzsl in (False, True):
        assert again.candidates(gzsl).tolist() == classes.candidates(gzsl).tolist()
    has_images = classes.similarities.has_images
    assert again.similarities.has_images.tolist() == has_images.tolist()
    assert again.similarities.by_name.tolist() == classes.similarities.by_name.tolist()
    is_same = (again.similarities.by_image == classes.similarities.by_image).all(axis=1)
    assert is_same.tolist() == has_images.tolist()


def test_those_of_a_file_made_elsewhere_have_no_similarities(root):
    assert unpack(*pack(load(root)), WHERE).similarities is None


def test_attributes_that_are_left_out_leave_the_similarities_too(classes):
    kept = keep_groups(classes, ["surface_properties"])
    for name in ("by_name", "by_image"):
        whole = getattr(classes.similarities, name)
        np.testing.assert_array_equal(getattr(kept.similarities, name), whole[:, 4:])
    assert unpack(*pack(kept), WHERE).groups == {"surface_properties": [0, 1]}


@pytest.mark.parametrize(
    "part, value, named",
    [
        ("class_names", ["a"] * 11, "seen and unseen classes"),
        ("class_names", [1] * 12, "names"),
        ("class_names", [], "names"),
        ("attribute_names", None, "names"),
        ("attribute_names", ["a"] * 7, "class attributes"),
        ("groups", {"a": [6]}, "attribute groups"),
        ("groups", {}, "attribute groups"),
        ("provenance", {"attribute_prompts": 3}, "prompts"),
        ("provenance", None, "prompts"),
        ("seen", [0, 12], "seen and unseen classes"),
        ("seen", [4, 3], "seen and unseen classes"),
        ("seen", [0, 3], "seen and unseen classes"),
        ("unseen", [], "seen and unseen classes"),
        ("unseen", [0.5], "seen and unseen classes"),
        ("class_attributes", None, "class attributes"),
        ("class_attributes", torch.zeros(12, 6), "class attributes"),
        ("class_attributes", torch.zeros(6, 12, dtype=torch.float64), "class attributes"),
        ("class_attributes", torch.full((6, 12), torch.nan), "class attributes"),
        ("class_attributes", torch.full((6, 12), 1e30), "class attributes"),
        ("similarity_names", None, "similarities"),
        ("similarity_names", torch.full((12, 6), torch.nan, dtype=torch.float64), "similarities"),
        ("classes_with_images", torch.zeros(12), "similarities"),
        ("similarity_images", torch.zeros(6, 12, dtype=torch.float64), "similarities"),
    ],
)
def test_what_is_damaged_is_named(classes, part, value, named):
    words, tensors = pack(classes)
    changed = words if part in words else tensors
    key = part if part in words else PREFIX + part
    changed[key] = value
    if value is None:
        del changed[key]
    with pytest.raises(InputError, match=f"x.safetensors: the {named}.* not as main.py saves them"):
        unpack(words, tensors, WHERE)
