"""Seen and unseen classes: random divisions of labelled images, with the names and the 1-based numbers of the published files.

Needs NumPy alone: the demo's generator uses it too.
"""

from typing import Dict, Optional

import numpy as np


def divide(
    labels: np.ndarray,
    unseen: np.ndarray,
    chance: np.random.Generator,
    train_share: float,
    described: float = 0.0,
    tested: Optional[np.ndarray] = None,
) -> Dict[str, np.ndarray]:
    """0-based image indices of one division into seen and unseen classes.

    labels: [images];  unseen: classes
    train_share: of each seen class's images; the rest tests generalised zero-shot learning. No test image is trained on in any
                 setting: train_zsl_loc and train_gzsl_loc are the same
    described:   share of each unseen class's images that is no test image, for annotate.py to describe the class by
    tested:      [images] bool, instead of the two shares: the images that may be test images, seen or unseen; no other is
    """
    parts: Dict[str, list] = {"train": [], "test_seen_loc": [], "test_unseen_loc": []}
    for c in np.unique(labels):
        images = chance.permutation(np.flatnonzero(labels == c))
        if tested is not None:
            parts["test_unseen_loc" if c in unseen else "test_seen_loc"].append(images[tested[images]])
            parts["train"].append(images[~tested[images] & (c not in unseen)])
        elif c in unseen:
            parts["test_unseen_loc"].append(images[round(described * len(images)) :])
        else:
            train = max(
                1, min(round(train_share * len(images)), len(images) - 1)
            )  # one of either, if there are two
            parts["train"].append(images[:train])
            parts["test_seen_loc"].append(images[train:])
    parts = {name: np.sort(np.concatenate(chosen)) for name, chosen in parts.items()}
    return {
        "train_zsl_loc": parts["train"],
        "train_gzsl_loc": parts["train"],
        **{name: parts[name] for name in ("test_seen_loc", "test_unseen_loc")},
    }


def validation(
    labels: np.ndarray,
    train: np.ndarray,
    classes: int,
    chance: np.random.Generator,
    train_share: float,
    described: float = 0.0,
) -> Dict[str, np.ndarray]:
    """The training images of a division, divided once more: `classes` of its seen classes play the unseen ones, to choose
    hyperparameters on. train: 0-based image indices."""
    own = labels[train]
    parts = divide(own, chance.permutation(np.unique(own))[:classes], chance, train_share, described)
    return {name: train[part] for name, part in parts.items()}
