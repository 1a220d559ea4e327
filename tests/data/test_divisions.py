"""Random divisions into seen and unseen classes."""

import numpy as np
import pytest

from data.divisions import divide, validation

LABELS = np.repeat([0, 1, 2, 3], [10, 2, 1, 6])


def test_every_image_of_a_seen_class_trains_or_tests():
    parts = divide(LABELS, np.array([3]), np.random.default_rng(0), train_share=0.8)
    assert len(parts["train_zsl_loc"]) == 8 + 1 + 1  # one of either kind, if a class has two images
    assert sorted([*parts["train_zsl_loc"], *parts["test_seen_loc"]]) == list(range(13))
    assert parts["test_unseen_loc"].tolist() == list(range(13, 19))
    assert np.array_equal(parts["train_zsl_loc"], parts["train_gzsl_loc"])


@pytest.mark.parametrize("share, tested", [(0, 6), (1 / 3, 4), (0.999, 0)])
def test_described_images_of_an_unseen_class_are_not_tested(share, tested):
    parts = divide(LABELS, np.array([3]), np.random.default_rng(0), 0.8, described=share)
    assert len(parts["test_unseen_loc"]) == tested


def test_images_that_may_be_tested_can_be_given():
    tested = np.arange(19) % 2 == 0
    parts = divide(LABELS, np.array([0]), np.random.default_rng(0), 0.8, tested=tested)
    assert parts["test_unseen_loc"].tolist() == [0, 2, 4, 6, 8]
    assert parts["test_seen_loc"].tolist() == [10, 12, 14, 16, 18]
    assert parts["train_zsl_loc"].tolist() == [11, 13, 15, 17]


def test_validation_divides_the_training_images_alone():
    train = np.flatnonzero(LABELS != 3)
    parts = validation(LABELS, train, 1, np.random.default_rng(0), 0.5)
    assert len(set(LABELS[parts["test_unseen_loc"]])) == 1
    together = [*parts["train_zsl_loc"], *parts["test_seen_loc"], *parts["test_unseen_loc"]]
    assert sorted(together) == train.tolist()


def test_a_division_depends_on_the_generator_alone():
    first, second, other = (divide(LABELS, np.array([3]), np.random.default_rng(s), 0.5) for s in (1, 1, 2))
    assert all(np.array_equal(first[name], second[name]) for name in first)
    assert any(not np.array_equal(first[name], other[name]) for name in first)
