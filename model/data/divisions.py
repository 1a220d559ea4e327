"""Seen and unseen classes: random divisions of labelled images into the parts of the published files.

Needs NumPy alone: the demo's generator uses it, too.
"""

from typing import Dict, Optional

import numpy as np


def divide(
    labels: np.ndarray,
    unseen: np.ndarray,
    rng: np.random.Generator,
    train_share: float,
    described: float = 0.0,
    tested: Optional[np.ndarray] = None,
) -> Dict[str, np.ndarray]:
    """0-based image indices of one division into seen and unseen classes, sorted.

    labels:      [n] class of each image
    unseen:      the unseen classes
    train_share: of each seen class's images, 0..1; the rest tests generalised zero-shot learning
    described:   share of each unseen class's images that is not tested, 0..1: annotate.py can describe
                 the class by them
    tested:      [n] bool, instead of the two shares: the images that are tested, be their class seen or
                 unseen; the others are not

    Returns train_zsl_loc, train_gzsl_loc, test_seen_loc and test_unseen_loc. No test image is trained on
    in any setting: the first two are the same.
    """
    train = []
    test_seen = []
    test_unseen = []
    for c in np.unique(labels):
        images = rng.permutation(np.flatnonzero(labels == c))
        if tested is not None:
            for_test = images[tested[images]]
            others = images[~tested[images]]
        elif c in unseen:
            start = round(described * len(images))
            for_test = images[start:]
            others = images[:start]
        else:
            count = training_images(len(images), train_share)
            for_test = images[count:]
            others = images[:count]
        if c in unseen:
            test_unseen.append(for_test)
        else:
            test_seen.append(for_test)
            train.append(others)
    train_images = np.sort(np.concatenate(train))
    return {
        "train_zsl_loc": train_images,
        "train_gzsl_loc": train_images,
        "test_seen_loc": np.sort(np.concatenate(test_seen)),
        "test_unseen_loc": np.sort(np.concatenate(test_unseen)),
    }


def training_images(images: int, share: float) -> int:
    """How many of a class's images train: at least one, and one less than there are, if there are two."""
    return max(1, min(round(share * images), images - 1))


def validation(
    labels: np.ndarray,
    train: np.ndarray,
    classes: int,
    rng: np.random.Generator,
    train_share: float,
    described: float = 0.0,
    fold: int = 0,
) -> Dict[str, np.ndarray]:
    """The training images of a division, divided again, to choose hyperparameters on: see `divide`.

    train:   0-based image indices
    classes: how many of the seen classes play the unseen ones
    fold:    0 for the first of them in a random order, 1 for the next, ...; after the last it begins anew
    """
    train_labels = labels[train]
    order = rng.permutation(np.unique(train_labels))
    held_out = np.roll(order, -fold * classes)[:classes]
    parts = divide(train_labels, held_out, rng, train_share, described)
    return {name: train[part] for name, part in parts.items()}
