"""How a number may be chosen.

paper: the best epoch on the test images, and a calibration constant given by hand, as published.
clean: both are chosen by a training of its own, before, in which some of the seen classes play the unseen
       ones. No test image has a say. Where few can play, there are several such trainings, in which different
       ones do, and the mean over these folds counts.
"""

import math
from dataclasses import replace
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from data.benchmark import Benchmark
from data.divisions import validation
from dsva.metrics import best_constant, harmonic_means, seen_unseen_steps
from support.errors import InputError

TRAIN_SHARE = 0.8  # of a seen class's images in the validation training; the others test it
ENOUGH_CLASSES = 3  # that play: of fewer, epoch and constant hang on what is peculiar to one class
CURVE_POINTS = 500  # of H over the constant, that a log keeps of an epoch


def training_part(gzsl: bool, clean: bool) -> str:
    """The split that is trained on. In GZSL the published program takes that of ZSL."""
    return "train_gzsl_loc" if gzsl and clean else "train_zsl_loc"


def refuse_overlap(data: Benchmark, part: str, gzsl: bool):
    """No image is trained on and tested. Raises InputError that names one which is."""
    both = np.intersect1d(data.splits[part], data.test_images(gzsl))
    if len(both):
        raise InputError(
            f"the clean protocol: {len(both)} test images are in {part} too, "
            f"the first is {data.image_paths[both[0]]}. "
            "Train and test on different images; main.py --protocol paper does without"
        )


# ---- who plays -------------------------------------------------------------------------------------


def played_classes(data: Benchmark, gzsl: bool, classes: Optional[int]) -> int:
    """How many seen classes play the unseen ones in a validation training.

    classes: as many as the user wants. By default as many as there are unseen ones, but at most a third of
             the seen ones. In ZSL at least two: one alone is always named rightly

    Raises InputError if so many cannot.
    """
    seen = len(data.seen)
    if classes is None:
        classes = max(min(len(data.unseen), seen // 3), 1 if gzsl else 2)
        classes = min(classes, seen - 1)
    if not 1 <= classes < seen:
        raise InputError(
            f"the clean protocol: {classes} of {seen} seen classes cannot play the unseen ones: "
            "expected at least 1 and fewer than all. main.py --validation_classes sets their number"
        )
    return classes


def count_folds(data: Benchmark, gzsl: bool, classes: Optional[int], folds: Optional[int]) -> int:
    """How many validation trainings there are, each with other classes that play the unseen ones.

    classes: as of `played_classes`
    folds:   as many as the user wants. By default one, if the user sets the number of classes, too; otherwise
             as many as it takes for ENOUGH_CLASSES to play in one of them

    Raises InputError if there are not so many different ones.
    """
    playing = played_classes(data, gzsl, classes)
    seen = len(data.seen)
    most = seen // math.gcd(seen, playing)
    if folds is None:
        folds = 1 if classes else min(most, math.ceil(ENOUGH_CLASSES / playing))
    if folds > most:
        raise InputError(
            f"main.py --validation_folds {folds}: {playing} of {seen} seen classes play the unseen ones in "
            f"each, and there are {most} different ones: expected at most {most}"
        )
    return folds


def validation_benchmark(
    data: Benchmark, part: str, gzsl: bool, classes: Optional[int], seed: int, fold: int = 0
) -> Benchmark:
    """The training images alone, divided anew: some seen classes play the unseen ones.

    classes: how many do, see `played_classes`
    fold:    which of several trainings, each with other classes that do
    """
    count = played_classes(data, gzsl, classes)
    shown = len(np.unique(data.labels[data.splits[part]]))
    if shown <= count:
        raise InputError(
            f"the clean protocol: {part} has images of {shown} of {len(data.seen)} seen classes, and {count} "
            f"are to play the unseen ones: expected images of at least {count + 1}"
        )
    rng = np.random.default_rng([seed, count])
    splits = validation(data.labels, data.splits[part], count, rng, TRAIN_SHARE, fold=fold)
    if gzsl and not len(splits["test_seen_loc"]):
        raise InputError(
            "the clean protocol: every seen class has but one training image: "
            "expected two of some, one to train and one to test"
        )
    return replace(data, splits=splits)


# ---- what is chosen --------------------------------------------------------------------------------


def choose_constant(probabilities: np.ndarray, labels: np.ndarray, data: Benchmark) -> float:
    """The constant of calibrated stacking that gives the highest H.  probabilities: [n, C] of all classes"""
    classes = data.candidates(gzsl=True)
    columns = [np.searchsorted(classes, c) for c in (labels, data.seen, data.unseen)]
    return best_constant(probabilities, *columns)


def rescale_constant(constant: float, chosen_on: Benchmark, data: Benchmark) -> float:
    """A constant chosen on C' candidate classes, for C of them: constant x C' / C.

    Probabilities are the smaller the more classes share them: their mean is 1 / C.
    """
    return constant * (len(chosen_on.candidates(gzsl=True)) / len(data.candidates(gzsl=True)))


def h_curve(probabilities: np.ndarray, labels: np.ndarray, data: Benchmark) -> Dict[str, List[float]]:
    """H over the constant of calibrated stacking, as a log keeps it.  probabilities: [n, C] of all classes

    {"constants": [k - 1], rising, "H": [k]}: H between one constant and the next, the first below them all.
    Of more than CURVE_POINTS values these are so many, evenly taken.
    """
    classes = data.candidates(gzsl=True)
    columns = [np.searchsorted(classes, c) for c in (labels, data.seen, data.unseen)]
    U, S, constants = seen_unseen_steps(probabilities, *columns)
    H = 100 * harmonic_means(U, S)
    kept = np.unique(np.linspace(0, len(H) - 1, CURVE_POINTS).astype(int))
    return {"constants": constants[kept[1:] - 1].tolist(), "H": H[kept].tolist()}


def choose_over_folds(logs: Sequence[Sequence[Mapping[str, Any]]], gzsl: bool) -> Tuple[int, float, float]:
    """The epoch and the constant with the highest score in the mean over folds, and this score, in percent.

    logs: of each fold its epochs, {"epoch", "score", "curve"}: the last, of `h_curve`, in GZSL alone
    """
    chosen = (-1, 0.0, -math.inf)
    for lines in zip(*logs):
        constant = 0.0
        score = float(np.mean([line["score"] for line in lines]))
        if gzsl:
            constant, score = best_common_constant([line["curve"] for line in lines])
        if score > chosen[2]:
            chosen = (lines[0]["epoch"], constant, score)
    return chosen


def best_common_constant(curves: Sequence[Mapping[str, Sequence[float]]]) -> Tuple[float, float]:
    """The constant with the highest mean of H over several curves, and this mean.  curves: of `h_curve`

    Of several stretches of constants that are equally good, the middle of the widest.
    """
    steps = np.unique(np.concatenate([curve["constants"] for curve in curves]))
    edges = np.concatenate([[steps[0] - 1], steps, [steps[-1] + 1]])
    between = (edges[1:] + edges[:-1]) / 2
    H = np.zeros(len(between))
    for curve in curves:
        H += np.asarray(curve["H"])[np.searchsorted(curve["constants"], between)] / len(curves)
    is_best = np.concatenate([[False], np.isclose(H, H.max(), rtol=0, atol=1e-9), [False]])
    changes = np.diff(is_best.astype(int))
    begins, ends = edges[np.flatnonzero(changes == 1)], edges[np.flatnonzero(changes == -1)]
    widest = int((ends - begins).argmax())
    return float((begins[widest] + ends[widest]) / 2), float(H.max())
