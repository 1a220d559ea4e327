"""The closed forms on a benchmark. As in the clean protocol of main.py, their strengths and the constant of
calibrated stacking are chosen where seen classes play the unseen ones: the test images decide nothing.

Shapes: `N` images of the benchmark, `P` features, `A` attributes, `C` classes.
"""

from dataclasses import dataclass
from typing import Dict, List, Optional, Tuple

import numpy as np
from scipy.special import softmax

from data.benchmark import Benchmark
from dsva.closed_forms import METHODS, Training, Trial, choose_strengths, class_scores
from dsva.metrics import area_under_curve, score_zsl, seen_unseen_curve
from dsva.protocol import (
    best_common_constant,
    choose_constant,
    count_folds,
    h_curve,
    rescale_constant,
    validation_benchmark,
)

SEED = 1  # draws which seen classes play: those of main.py --manualSeed 1


@dataclass(frozen=True)
class Chosen:
    """What was chosen on validation classes.

    strengths: {name: value}
    constant:  of calibrated stacking on softmax of class scores; None in ZSL
    score:     there, in percent, the mean over folds: ZSL accuracy, or AUSUC in GZSL
    """

    strengths: Dict[str, float]
    constant: Optional[float]
    score: float

    def as_json(self) -> Dict[str, float]:
        """As results.json has it."""
        constant = {} if self.constant is None else {"calibrated_stacking": self.constant}
        return {**self.strengths, **constant, "validation_score": self.score}


def validation_folds(data: Benchmark, part: str, gzsl: bool) -> List[Benchmark]:
    """The training images divided anew, in as many ways as main.py does by default.

    part: the split that is trained on.  Raises InputError if too few classes can play.
    """
    folds = []
    for fold in range(count_folds(data, gzsl, None, None)):
        folds.append(validation_benchmark(data, part, gzsl, None, SEED, fold))
    return folds


def learn_and_score(
    method: str, data: Benchmark, features: np.ndarray, part: str, gzsl: bool
) -> Tuple[np.ndarray, Chosen]:
    """Probabilities of the candidate classes for the test images, and what was chosen before.

    features: [N, P], a row for each image; only those of trained and tested ones are read
    part:     the split that is trained on
    """
    folds = validation_folds(data, part, gzsl)
    trials = [trial_of(played, features, gzsl) for played in folds]
    strengths, score = choose_strengths(method, trials)
    constant = None
    if gzsl:
        found = [probabilities_of(method, trial, strengths) for trial in trials]
        constant = rescale_constant(constant_of(found, folds), folds[0], data)
    training = training_of(data, features, part)
    tested = data.test_images(gzsl)
    scores = class_scores(method, training, features[tested], class_vectors(data, gzsl), strengths)
    names = METHODS[method][1]
    return softmax(scores, axis=1), Chosen(dict(zip(names, strengths)), constant, 100 * score)


def training_of(data: Benchmark, features: np.ndarray, part: str) -> Training:
    """The images of a split, and the classes that they show."""
    images = data.splits[part]
    classes, labels = np.unique(data.labels[images], return_inverse=True)
    return Training(features[images], labels, unit_columns(data)[:, classes])


def class_vectors(data: Benchmark, gzsl: bool) -> np.ndarray:
    """[A, K] of the candidates."""
    return unit_columns(data)[:, data.candidates(gzsl)]


def unit_columns(data: Benchmark) -> np.ndarray:
    """M [A, C] with columns of length 1, so that the strengths mean the same for any file; 0 stays 0."""
    matrix = data.class_attributes.cpu().double().numpy()
    return matrix / np.maximum(np.linalg.norm(matrix, axis=0), 1e-12)


# ---- the choice ------------------------------------------------------------------------------------


def trial_of(played: Benchmark, features: np.ndarray, gzsl: bool) -> Trial:
    """A fold, judged by AUSUC in GZSL and by accuracy in ZSL, both from 0 to 1."""
    tested = played.test_images(gzsl)
    classes = played.candidates(gzsl)
    labels, seen, unseen = (
        np.searchsorted(classes, c) for c in (played.labels[tested], played.seen, played.unseen)
    )

    def judge(scores: np.ndarray) -> float:
        if gzsl:
            return area_under_curve(*seen_unseen_curve(softmax(scores, axis=1), labels, seen, unseen))
        found, _ = score_zsl(scores, labels)
        return found["accuracy"] / 100

    training = training_of(played, features, "train_zsl_loc")
    return Trial(training, features[tested], class_vectors(played, gzsl), judge)


def probabilities_of(method: str, trial: Trial, strengths: tuple) -> np.ndarray:
    """[m, K] of a fold's test images."""
    scores = class_scores(method, trial.training, trial.features, trial.candidates, strengths)
    return softmax(scores, axis=1)


def constant_of(probabilities: List[np.ndarray], folds: List[Benchmark]) -> float:
    """The constant of the highest H, of several folds that of the highest mean."""
    of_folds = []
    for found, played in zip(probabilities, folds):
        of_folds.append((found, played.labels[played.test_images(gzsl=True)], played))
    if len(of_folds) == 1:
        return choose_constant(*of_folds[0])
    constant, _ = best_common_constant([h_curve(*fold) for fold in of_folds])
    return constant
