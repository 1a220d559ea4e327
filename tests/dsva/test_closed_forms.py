"""The closed forms solve what they are the solution of, and find a class that no image showed."""

import numpy as np
import pytest

from dsva.closed_forms import (
    METHODS,
    Training,
    Trial,
    choose_strengths,
    class_scores,
    eszsl,
    sae,
    standardise,
)


@pytest.fixture
def world():
    """Features are a linear picture of attributes, with noise; classes 8 and 9 are in no training image."""
    rng = np.random.default_rng(0)
    attributes = rng.normal(size=(6, 10))  # [A, classes]
    labels = np.repeat(np.arange(10), 20)
    features = attributes[:, labels].T @ rng.normal(size=(6, 12)) + 0.3 * rng.normal(size=(200, 12)) + 5
    seen = labels < 8
    training = Training(features[seen], labels[seen], attributes[:, :8])
    return training, features[~seen], labels[~seen] - 8, attributes[:, 8:]


def test_eszsl_is_the_minimum_of_its_loss(world):
    training, gamma, strength = world[0], 0.7, 0.2
    X, S = training.features, training.class_attributes
    Y = np.where(np.arange(S.shape[1]) == training.labels[:, None], 1.0, -1.0)

    def loss(V):  # eq. 4 with beta = gamma x lambda
        error = ((X @ V @ S - Y) ** 2).sum()
        return (
            error
            + gamma * ((V @ S) ** 2).sum()
            + strength * ((X @ V) ** 2).sum()
            + gamma * strength * (V**2).sum()
        )

    V = eszsl(training, gamma, strength)
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert loss(V + 1e-3 * rng.normal(size=V.shape)) > loss(V)


def test_sae_is_the_minimum_of_its_loss(world):
    training, strength = world[0], 0.4
    X, S = training.features.T, training.class_attributes[:, training.labels]

    def loss(W):  # eq. 4
        return ((X - W.T @ S) ** 2).sum() + strength * ((W @ X - S) ** 2).sum()

    W = sae(training, strength)
    rng = np.random.default_rng(1)
    for _ in range(20):
        assert loss(W + 1e-3 * rng.normal(size=W.shape)) > loss(W)


def test_features_are_standardised_by_the_training_images(world):
    training, features, *_ = world
    own = standardise(training.features, training.features)
    assert np.allclose(own.mean(axis=0), 0) and np.isclose(own.var(axis=0).mean(), 1)
    expected = (features - training.features.mean(axis=0)) / np.sqrt(training.features.var(axis=0).mean())
    assert np.allclose(standardise(features, training.features), expected)


def test_sae_has_a_solution_where_images_and_classes_are_few():
    """Fewer images than features, and fewer classes than attributes: both products are singular."""
    rng = np.random.default_rng(0)
    training = Training(rng.normal(size=(8, 40)), np.repeat(np.arange(4), 2), rng.normal(size=(20, 4)))
    X, S = training.features.T, training.class_attributes[:, training.labels]
    W = sae(training, 1e-3)
    assert np.allclose(S @ S.T @ W + 1e-3 * W @ X @ X.T, (1 + 1e-3) * S @ X.T)
    assert np.abs(W).max() < 100


@pytest.mark.parametrize("method", METHODS)
def test_classes_without_an_image_are_named(world, method):
    training, features, labels, candidates = world
    trial = Trial(training, training.features, training.class_attributes, lambda s: 0.0)
    assert choose_strengths(method, [trial])[0] == METHODS[method][2][0]  # all alike: the first
    scores = class_scores(method, training, features, candidates, METHODS[method][2][-3])
    assert (scores.argmax(axis=1) == labels).mean() > 0.9


@pytest.mark.parametrize("method", METHODS)
def test_strengths_are_those_of_the_best_mean_judgement(world, method):
    training, features, _, candidates = world
    wanted = METHODS[method][2][4]
    expected = class_scores(method, training, features, candidates, wanted)

    def judge(scores):
        return -np.abs(scores - expected).sum()

    trials = [Trial(training, features, candidates, judge)] * 2
    assert choose_strengths(method, trials) == (wanted, pytest.approx(0, abs=1e-9))
    best_once = Trial(
        training, features, candidates, lambda scores: -1e9 * np.isclose(scores, expected).all()
    )
    assert choose_strengths(method, [*trials, best_once])[0] != wanted
