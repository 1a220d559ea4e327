"""Vocabulary, words, and the matrix that two sources make."""

import numpy as np
import pytest

from clip.attributes import flat, group_indices, load_vocabulary, merge_sources
from data.benchmark import readable
from support.errors import InputError
from support.machine import REPOSITORY

# ---- words -----------------------------------------------------------------------------------------


def test_the_default_vocabulary_has_98_attributes_in_the_published_groups():
    groups = load_vocabulary(REPOSITORY / "RSSDIVCS" / "files" / "attributes_98.json")
    assert list(groups) == ["functions", "materials", "surface_properties"] and len(flat(groups)) == 98
    assert sum(group_indices(groups).values(), []) == list(range(98))


@pytest.mark.parametrize(
    "text, message",
    [
        ("{", "not a readable vocabulary"),
        ("[]", "expected a JSON object"),
        ("{}", "expected a JSON object"),
        ('{"functions": []}', "expected a JSON object"),
        ('{"functions": [" "]}', "expected a JSON object"),
        ('{"functions": ["sand"], "materials": ["sand"]}', "'sand' twice"),
        ('{"functions": ["Sand", "sand "]}', "'sand' twice"),
        ('{"functions": ["sand"], "functions": ["ships"]}', "it has 'functions' twice"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused(tmp_path, text, message):
    (tmp_path / "words.json").write_text(text)
    with pytest.raises(InputError, match=message):
        load_vocabulary(tmp_path / "words.json")


@pytest.mark.parametrize(
    "name, words",
    [
        ("BaseballField", "baseball field"),
        ("storage_tanks", "storage tanks"),
        ("dense residential", "dense residential"),
        ("GolfCourse2", "golf course2"),
        ("ATMTower", "atm tower"),
        ("T-junction", "t junction"),
        ("airport", "airport"),
    ],
)
def test_class_names_become_words(name, words):
    assert readable(name) == words


# ---- the matrix ------------------------------------------------------------------------------------


def test_classes_that_come_later_take_their_place_and_move_none():
    rng = np.random.default_rng(0)
    by_name, by_image = rng.normal(size=(7, 4)), rng.normal(size=(7, 4))
    pictured = np.array([True, False, True, True, True, True, False])
    by_name[5], by_image[5] = by_name[2], by_image[2]  # known class 2 once more
    merged = merge_sources(by_name, by_image, pictured, known=5)
    np.testing.assert_allclose(merged[:5], merge_sources(by_name[:5], by_image[:5], pictured[:5]))
    np.testing.assert_allclose(merged[5], merged[2])
    assert np.isfinite(merged[6]).all()


def test_what_is_no_image_moves_nothing_and_what_is_broken_stays_so():
    rng = np.random.default_rng(0)
    by_name, by_image = rng.normal(size=(4, 3)), rng.normal(size=(4, 3))
    pictured = np.array([True, True, False, True])
    expected = merge_sources(by_name, by_image, pictured)
    by_image[2] = 1e9
    np.testing.assert_array_equal(merge_sources(by_name, by_image, pictured), expected)
    by_image[1] = np.nan  # of a broken CLIP: not taken for "no image"
    assert np.isnan(merge_sources(by_name, by_image, pictured)).any()
