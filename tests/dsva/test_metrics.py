import numpy as np
import pytest

from dsva.metrics import (
    area_under_curve,
    best_constant,
    calibrated_stacking,
    harmonic_mean,
    localization,
    per_class_accuracy,
    score_gzsl,
    score_zsl,
    seen_unseen_curve,
)


def test_every_class_counts_the_same():
    labels, named = np.array([0, 0, 0, 0, 1]), np.array([0, 0, 0, 1, 1])
    assert per_class_accuracy(named, labels, np.array([0, 1])).tolist() == [
        0.75,
        1.0,
    ]  # mean 0.875, though 4 of 5 are right


def test_a_class_without_images_has_no_accuracy():
    assert np.isnan(per_class_accuracy(np.array([0]), np.array([0]), np.array([0, 7]))[1])


@pytest.mark.parametrize("seen, unseen, expected", [(0.6, 0.3, 0.4), (1, 1, 1), (0, 0, 0), (0.5, 0, 0)])
def test_harmonic_mean(seen, unseen, expected):
    assert harmonic_mean(seen, unseen) == pytest.approx(expected)


def test_calibrated_stacking_lowers_seen_classes_only():
    scores = np.array([[0.5, 0.3, 0.2]])
    assert calibrated_stacking(scores, np.array([0]), 0.25).tolist() == [[0.25, 0.3, 0.2]]
    assert scores.tolist() == [[0.5, 0.3, 0.2]]


def test_zsl_score_in_percent():
    score, per_class = score_zsl(np.array([[0.9, 0.1], [0.2, 0.8], [0.6, 0.4]]), np.array([0, 1, 1]))
    assert score == {"accuracy": 75.0} and per_class.tolist() == [100, 50]


# Classes 0 and 1 are seen, 2 is unseen. Gaps between the best seen and the best unseen score: 0.5,
# 0.1, 0.3, -0.2.
SCORES = np.array([[0.7, 0.1, 0.2], [0.3, 0.4, 0.3], [0.6, 0.1, 0.3], [0.1, 0.3, 0.5]])
LABELS, SEEN, UNSEEN = np.array([0, 1, 2, 2]), np.array([0, 1]), np.array([2])


@pytest.mark.parametrize("constant, U, S", [(0.0, 50, 100), (0.2, 50, 50), (0.4, 100, 50), (0.6, 100, 0)])
def test_gzsl_scores(constant, U, S):
    score, per_class = score_gzsl(SCORES, LABELS, SEEN, UNSEEN, constant)
    assert (score["U"], score["S"], score["H"]) == (U, S, pytest.approx(2 * U * S / (U + S)))
    assert per_class[2] == U


def test_seen_unseen_curve_and_its_area():
    U, S, constants = seen_unseen_curve(SCORES, LABELS, SEEN, UNSEEN)
    np.testing.assert_allclose(U, [0, 0.5, 0.5, 1, 1])
    np.testing.assert_allclose(S, [1, 1, 0.5, 0.5, 0], atol=1e-12)
    np.testing.assert_allclose(
        constants, [-0.7, -0.05, 0.2, 0.4, 1]
    )  # half-way between the gaps, beyond the outer ones
    assert area_under_curve(U, S, constants) == pytest.approx(0.75)


@pytest.fixture(params=range(5))
def drawn(request):
    """Scores, labels, seen and unseen classes. Eighths: many gaps are equal, and none only nearly so."""
    chance = np.random.default_rng(request.param)
    return (
        chance.integers(0, 9, (60, 5)) / 8,
        chance.integers(0, 5, 60),
        np.array([0, 1, 2]),
        np.array([3, 4]),
    )


CALIBRATIONS = np.arange(-17, 18, 2) / 16  # between any two gaps, and beyond them


def test_curve_passes_through_every_calibration(drawn):
    U, S, _ = seen_unseen_curve(*drawn)
    curve = set(zip(U.round(9), S.round(9)))
    for constant in CALIBRATIONS:
        score, _ = score_gzsl(*drawn, constant)
        assert (round(score["U"] / 100, 9), round(score["S"] / 100, 9)) in curve


def test_each_constant_of_the_curve_gives_its_point(drawn):
    for U, S, constant in zip(*seen_unseen_curve(*drawn)):
        score, _ = score_gzsl(*drawn, constant)
        assert (score["U"], score["S"]) == pytest.approx((100 * U, 100 * S))


def test_no_constant_is_better_than_the_best_one(drawn):
    H = {
        constant: score_gzsl(*drawn, constant)[0]["H"] for constant in (best_constant(*drawn), *CALIBRATIONS)
    }
    best = next(iter(H.values()))
    assert (
        best == pytest.approx(max(H.values()))
        and best > score_gzsl(*drawn, 0.0)[0]["H"] - 1e-9
        and len(set(H.values())) > 5
    )


def test_accuracy_among_unseen_classes_alone_is_that_of_zero_shot_learning(drawn):
    scores, labels, seen, unseen = drawn
    images = np.isin(labels, unseen)
    alone, _ = score_zsl(scores[images][:, unseen], np.searchsorted(unseen, labels[images]))
    for constant in (-1, 0, 1):  # no calibration changes it
        assert score_gzsl(*drawn, constant)[0]["ZSL"] == pytest.approx(alone["accuracy"])


def test_localization_by_hand():
    maps = np.array(
        [[[0, 9], [0, 0]], [[9, 0], [0, 0]], [[1, 9], [2, 3]]], float
    )  # peaks above right, above left, above right
    masks = np.zeros((3, 4, 4), bool)
    masks[0, :2, 2:] = True  # a quarter of the image, under its peak
    masks[1, 3, 3] = True  # elsewhere
    masks[2, :2] = True  # the upper half, of which the map has the right part among its eight highest
    found = localization(maps, masks)
    assert found["hit"].tolist() == [1, 0, 1] and found["area"].tolist() == [1 / 4, 1 / 16, 1 / 2]
    assert found["iou"][:2].tolist() == [1, 0] and 1 / 3 <= found["iou"][2] < 1
    assert found["iou_chance"] == pytest.approx([1 / 7, 1 / 31, 1 / 3])


def test_localization_leaves_out_what_is_absent_or_everywhere():
    masks = np.zeros((3, 40, 40), bool)
    masks[1] = True
    masks[2, 0, 0] = True  # 0.06 % of the image
    assert all(np.isnan(values).all() for values in localization(np.zeros((3, 2, 2)), masks).values())
