"""Classic zero-shot classifiers in closed form, to compare DSVA with: ridge regressions between features and
attributes.

ESZSL  Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015
SAE    Kodirov, Xiang and Gong, "Semantic autoencoder for zero-shot learning", CVPR 2017

Shapes: `n` training images, `m` test images, `P` features, `A` attributes, `C` seen classes, `K` candidates.
"""

from dataclasses import dataclass
from itertools import product
from typing import Callable, Dict, List, Tuple

import numpy as np
from scipy.linalg import solve, solve_sylvester

STRENGTHS = [10.0**power for power in range(-3, 4)]  # of regularisation, as the papers try them


@dataclass(frozen=True)
class Training:
    """What is learnt from.

    features:         [n, P]
    labels:           [n], columns of class_attributes
    class_attributes: [A, C] of the seen classes
    """

    features: np.ndarray
    labels: np.ndarray
    class_attributes: np.ndarray


def standardise(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Features from the reference's mean, in units of its deviation: all of CLIP's point to one side.

    features: [m, P];  reference: [n, P] of training images
    """
    mean = reference.mean(axis=0)
    return (features - mean) / np.sqrt(reference.var(axis=0).mean())


# ---- the two methods -------------------------------------------------------------------------------


def eszsl(training: Training, gamma: float, strength: float) -> np.ndarray:
    """V [P, A], ESZSL eq. 5: (X'X + gamma I)^-1 X' Y S' (S S' + strength I)^-1. `strength` is lambda there.

    Y [n, C] is 1 for an image's class and -1 elsewhere.
    """
    X, S = training.features, training.class_attributes
    Y = np.full((len(X), S.shape[1]), -1.0)
    Y[np.arange(len(X)), training.labels] = 1
    left = solve(X.T @ X + gamma * np.eye(X.shape[1]), X.T @ Y @ S.T, assume_a="pos")  # [P, A]
    return solve(S @ S.T + strength * np.eye(len(S)), left.T, assume_a="pos").T


def sae(training: Training, strength: float) -> np.ndarray:
    """W [A, P], SAE eq. 6: S S' W + strength W X'X = (1 + strength) S X. `strength` is lambda there.

    S [A, n] holds the attributes of each training image's class.
    """
    X, S = training.features, training.class_attributes[:, training.labels]
    return solve_sylvester(S @ S.T, strength * X.T @ X, (1 + strength) * S @ X)


def eszsl_scores(
    training: Training, features: np.ndarray, candidates: np.ndarray, gamma: float, strength: float
) -> np.ndarray:
    """Class scores [m, K].  features: [m, P];  candidates: [A, K]"""
    return features @ eszsl(training, gamma, strength) @ candidates


def sae_scores(
    training: Training, features: np.ndarray, candidates: np.ndarray, strength: float
) -> np.ndarray:
    """Cosines of an image's attributes with a class's, [m, K].  features: [m, P];  candidates: [A, K]"""
    attributes = features @ sae(training, strength).T  # [m, A]
    lengths = np.linalg.norm(attributes, axis=1)[:, None] * np.linalg.norm(candidates, axis=0)
    return attributes @ candidates / np.maximum(lengths, 1e-12)


# method: its class scores, and the strengths to choose from
METHODS: Dict[str, Tuple[Callable[..., np.ndarray], List[tuple]]] = {
    "ESZSL": (eszsl_scores, list(product(STRENGTHS, STRENGTHS))),
    "SAE": (sae_scores, [(strength,) for strength in STRENGTHS]),
}


def class_scores(
    method: str, training: Training, features: np.ndarray, candidates: np.ndarray, strengths: tuple
) -> np.ndarray:
    """Class scores [m, K] of a method of METHODS, learnt from the training images alone.

    features: [m, P] of test images, as they are: this function standardises them;  candidates: [A, K]
    """
    scores, _ = METHODS[method]
    own = standardise(training.features, training.features)
    learnt_from = Training(own, training.labels, training.class_attributes)
    return scores(learnt_from, standardise(features, training.features), candidates, *strengths)


def choose_strengths(
    method: str,
    training: Training,
    features: np.ndarray,
    candidates: np.ndarray,
    judge: Callable[[np.ndarray], float],
) -> tuple:
    """The strengths of the highest score on validation images; of equal ones the first.

    judge: class scores [m, K] -> what is to be high
    """
    _, choices = METHODS[method]
    judged = []
    for strengths in choices:
        judged.append(judge(class_scores(method, training, features, candidates, strengths)))
    return choices[int(np.argmax(judged))]
