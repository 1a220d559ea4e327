"""Classic zero-shot classifiers in closed form, to compare DSVA with: ridge regressions between features and
attributes.

ESZSL  Romera-Paredes and Torr, "An embarrassingly simple approach to zero-shot learning", ICML 2015
SAE    Kodirov, Xiang and Gong, "Semantic autoencoder for zero-shot learning", CVPR 2017

Shapes: `n` training images, `m` test images, `P` features, `A` attributes, `C` seen classes, `K` candidates.
"""

from dataclasses import dataclass
from functools import cached_property
from itertools import product
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np
from scipy.linalg import eigh, solve

from support.processes import progress

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

    @cached_property
    def gram(self) -> np.ndarray:
        """X'X [P, P], which is the same for all strengths."""
        return self.features.T @ self.features


@dataclass(frozen=True)
class Trial:
    """Seen classes play the unseen ones, so that strengths can be judged.

    training:   the images of the other seen classes
    features:   [m, P] of the images that are tested
    candidates: [A, K] of the classes that they may be given
    judge:      class scores [m, K] -> what is to be high
    """

    training: Training
    features: np.ndarray
    candidates: np.ndarray
    judge: Callable[[np.ndarray], float]


def standardise(features: np.ndarray, reference: np.ndarray) -> np.ndarray:
    """Features from the reference's mean, in units of its deviation: all of CLIP's point to one side.

    features: [m, P];  reference: [n, P] of training images
    """
    mean = reference.mean(axis=0)
    return (features - mean) / max(np.sqrt(reference.var(axis=0).mean()), 1e-12)


# ---- the two methods -------------------------------------------------------------------------------


def eszsl(training: Training, gamma: float, strength: float) -> np.ndarray:
    """V [P, A], ESZSL eq. 5: (X'X + gamma I)^-1 X' Y S' (S S' + strength I)^-1. `strength` is lambda there.

    Y [n, C] is 1 for an image's class and -1 elsewhere.
    """
    X, S = training.features, training.class_attributes
    Y = np.full((len(X), S.shape[1]), -1.0)
    Y[np.arange(len(X)), training.labels] = 1
    left = solve(training.gram + gamma * np.eye(X.shape[1]), X.T @ Y @ S.T, assume_a="pos")  # [P, A]
    return solve(S @ S.T + strength * np.eye(len(S)), left.T, assume_a="pos").T


def sae(training: Training, strength: float) -> np.ndarray:
    """W [A, P], SAE eq. 6: S S' W + strength W X'X = (1 + strength) S X. `strength` is lambda there.

    S [A, n] holds the attributes of each training image's class. Both products are symmetric: between their
    eigenvectors each number of W has an equation of its own. Where neither product has anything to say, as
    with fewer classes than attributes and fewer images than features, it is 0.
    """
    X, S = training.features, training.class_attributes[:, training.labels]
    of_attributes, U = eigh(S @ S.T)  # [A], [A, A]
    of_features, V = eigh(training.gram)  # [P], [P, P]
    divisors = of_attributes[:, None] + strength * of_features  # [A, P]
    says_something = divisors > 1e-10 * divisors.max()
    wanted = U.T @ ((1 + strength) * S @ X) @ V
    return U @ np.where(says_something, wanted / np.where(says_something, divisors, 1), 0) @ V.T


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


# method: its class scores, the names of its strengths, and those to choose from
METHODS: Dict[str, Tuple[Callable[..., np.ndarray], Tuple[str, ...], List[tuple]]] = {
    "ESZSL": (eszsl_scores, ("gamma", "lambda"), list(product(STRENGTHS, STRENGTHS))),
    "SAE": (sae_scores, ("lambda",), [(strength,) for strength in STRENGTHS]),
}


def standardised(training: Training, features: np.ndarray) -> Tuple[Training, np.ndarray]:
    """What is learnt from, and the features of test images, both standardised by the former."""
    own = standardise(training.features, training.features)
    learnt_from = Training(own, training.labels, training.class_attributes)
    return learnt_from, standardise(features, training.features)


def class_scores(
    method: str, training: Training, features: np.ndarray, candidates: np.ndarray, strengths: tuple
) -> np.ndarray:
    """Class scores [m, K] of a method of METHODS, learnt from the training images alone.

    features: [m, P] of test images, as they are: this function standardises them;  candidates: [A, K]
    """
    scores, _, _ = METHODS[method]
    return scores(*standardised(training, features), candidates, *strengths)


def choose_strengths(method: str, trials: Sequence[Trial]) -> Tuple[tuple, float]:
    """The strengths of the highest mean judgement over the trials, of equal ones the first; and this mean."""
    scores, _, choices = METHODS[method]
    judged = np.zeros(len(choices))
    for trial in trials:
        learnt_from, features = standardised(trial.training, trial.features)
        for place, strengths in enumerate(progress(choices, method)):
            judged[place] += trial.judge(scores(learnt_from, features, trial.candidates, *strengths))
    best = int(judged.argmax())
    return choices[best], float(judged[best] / len(trials))
