"""How a number may be chosen. paper: the best epoch on the test images, and a calibration constant given by hand, as published.
clean: both chosen by a training of its own, in which some of the seen classes play the unseen ones; no test image has a say.
"""

from argparse import Namespace
from dataclasses import replace
from typing import Dict

import numpy as np

from data.benchmark import Benchmark, find_files
from data.divisions import validation
from data.matlab import divisions_of
from dsva.metrics import best_constant
from runs.folder import Run
from support.errors import InputError

TRAIN_SHARE = 0.8  # of the images of a seen class, when others of it are to test in the choosing


def training_part(opt: Namespace) -> str:
    """The split that is trained on. In GZSL the published program takes that of ZSL."""
    return "train_gzsl_loc" if opt.gzsl and opt.protocol == "clean" else "train_zsl_loc"


def refuse_overlap(opt: Namespace, data: Benchmark):
    both = np.intersect1d(data.splits[training_part(opt)], data.test_images(opt.gzsl))
    if len(both):
        raise InputError(
            f"--protocol clean: {len(both)} test images are in {training_part(opt)} too, the first is {data.image_paths[both[0]]}. "
            "Train and test on different images, or use --protocol paper"
        )


def to_choose_on(opt: Namespace, data: Benchmark, seed: int) -> Benchmark:
    """The training images alone, divided anew: some seen classes play the unseen ones."""
    classes = opt.validation_classes or min(len(data.unseen), len(data.seen) // 3)
    if not 1 <= classes < len(data.seen):
        raise InputError(
            f"--protocol clean: {classes} of {len(data.seen)} seen classes cannot play the unseen ones: expected at least 1 and fewer than all. "
            "--validation_classes sets their number"
        )
    splits = validation(
        data.labels,
        data.splits[training_part(opt)],
        classes,
        np.random.default_rng([seed, classes]),
        TRAIN_SHARE,
    )
    if opt.gzsl and not len(splits["test_seen_loc"]):
        raise InputError(
            "--protocol clean: every seen class has but one training image: expected two of some, one to train and one to test"
        )
    return replace(data, splits=splits)


def constant_of_choice(probabilities: np.ndarray, labels: np.ndarray, data: Benchmark) -> float:
    """The calibration constant of the highest H, for as many classes as there are here. probabilities: [n, C] of all classes."""
    classes = data.candidates(gzsl=True)
    return best_constant(
        probabilities, *(np.searchsorted(classes, c) for c in (labels, data.seen, data.unseen))
    )


def choice(run: Run, gzsl: bool, tried: Benchmark, data: Benchmark) -> Dict[str, float]:
    """What the finished training `run` on `tried` says for the one on `data`.

    Probabilities are the smaller the more classes share them, so the constant is kept in units of their mean, 1 / C.
    """
    line = run.best()
    scale = len(tried.candidates(gzsl)) / len(data.candidates(gzsl))
    return {
        "epoch": line["epoch"],
        "calibrated_stacking": line["calibrated_stacking"] * scale,
        "score": run.score(line),
        "classes": [tried.class_names[c] for c in tried.unseen],
    }


def divisions_and_seeds(opt: Namespace) -> Dict[str, Namespace]:
    """One training's options for each division and seed, {"division-0_seed-1": ...}; nothing if there is but one."""
    if opt.seeds == 1 and isinstance(opt.random_id, int):
        return {}
    divisions = opt.random_id if isinstance(opt.random_id, list) else [opt.random_id]
    if opt.random_id == "all":
        divisions = divisions_of(find_files(Namespace(**{**vars(opt), "random_id": 0}))["splits_mat"])
    first = 1 if opt.manualSeed is None else opt.manualSeed
    return {
        f"division-{division}_seed-{first + k}": Namespace(
            **{**vars(opt), "random_id": division, "manualSeed": first + k, "seeds": 1}
        )
        for division in divisions
        for k in range(opt.seeds)
    }
