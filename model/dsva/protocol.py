"""How a number may be chosen.

paper: the best epoch on the test images, and a calibration constant given by hand, as published.
clean: both are chosen by a training of its own, before, in which some of the seen classes play the unseen
       ones. No test image has a say.
"""

from dataclasses import replace
from typing import Optional

import numpy as np

from data.benchmark import Benchmark
from data.divisions import validation
from dsva.metrics import best_constant
from support.errors import InputError

TRAIN_SHARE = 0.8  # of a seen class's images in the validation training; the others test it


def training_part(gzsl: bool, clean: bool) -> str:
    """The split that is trained on. In GZSL the published program takes that of ZSL."""
    return "train_gzsl_loc" if gzsl and clean else "train_zsl_loc"


def refuse_overlap(data: Benchmark, part: str, gzsl: bool):
    """No image is trained on and tested. Raises InputError that names one which is."""
    both = np.intersect1d(data.splits[part], data.test_images(gzsl))
    if len(both):
        raise InputError(
            f"--protocol clean: {len(both)} test images are in {part} too, "
            f"the first is {data.image_paths[both[0]]}. "
            "Train and test on different images, or use --protocol paper"
        )


def validation_benchmark(
    data: Benchmark, part: str, gzsl: bool, classes: Optional[int], seed: int
) -> Benchmark:
    """The training images alone, divided anew: some seen classes play the unseen ones.

    classes: how many do, by default as many as there are unseen ones, but at most a third of the seen ones
    """
    count = classes or min(len(data.unseen), len(data.seen) // 3)
    if not 1 <= count < len(data.seen):
        raise InputError(
            f"--protocol clean: {count} of {len(data.seen)} seen classes cannot play the unseen ones: "
            "expected at least 1 and fewer than all. --validation_classes sets their number"
        )
    rng = np.random.default_rng([seed, count])
    splits = validation(data.labels, data.splits[part], count, rng, TRAIN_SHARE)
    if gzsl and not len(splits["test_seen_loc"]):
        raise InputError(
            "--protocol clean: every seen class has but one training image: "
            "expected two of some, one to train and one to test"
        )
    return replace(data, splits=splits)


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
