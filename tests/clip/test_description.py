"""How far two annotations agree."""

import math

import numpy as np
import pytest

from clip.description import agreement


def test_rank_correlation_is_the_one_of_a_worked_example():
    scores, truth = np.array([[1.0, 9], [2, 5], [3, 6]]), np.array([[10.0, 2], [30, 3], [20, 3]])
    # ranks of all pairs: 1 6 2 4 3 5, and 4 1 6 2.5 5 2.5 (the threes tie)
    # within: 1 2 3 with 1 3 2, and 3 1 2 with 1 2.5 2.5
    assert agreement(scores, truth) == pytest.approx(
        (-14 / math.sqrt(17.5 * 17), (0.5 - math.sqrt(3) / 2) / 2)
    )


def test_an_attribute_that_all_classes_share_is_left_out_of_the_mean():
    scores, truth = np.array([[1.0, 1], [2, 2], [3, 3]]), np.array([[1.0, 5], [2, 5], [3, 5]])
    assert agreement(scores, truth)[1] == pytest.approx(1)
