"""The published RSSDIVCS format: image list, splits, class-attribute matrix, attribute groups."""
import io
import json
from typing import Dict, List, Sequence

import numpy as np
from scipy.io import savemat

from .attributes import ATTRIBUTES, GROUPS, group_indices

COMMON = 0.3                      # an attribute belongs to a class if it shows in this share of its images
TRAIN_SHARE = 0.8                 # of the seen images; the rest tests generalised zero-shot learning
DESCRIBED = 3                     # every third image of an unseen class is no test image: annotate.py may describe the class by it


def class_attributes(frequency: np.ndarray) -> np.ndarray:
    """frequency: [A, C], 0..1. Standardised per attribute over the classes, then unit norm per class."""
    spread = frequency.std(1, keepdims=True)
    matrix = (frequency - frequency.mean(1, keepdims=True)) / np.where(spread > 0, spread, 1)
    return matrix / np.linalg.norm(matrix, axis=0).clip(1e-12)


def choose_unseen(frequency: np.ndarray, count: int, rng: np.random.Generator) -> np.ndarray:
    """0-based classes whose every common attribute is common in some seen class too; frequency: [A, C]."""
    common = frequency >= COMMON
    for _ in range(20000):
        unseen = np.sort(rng.permutation(common.shape[1])[:count])
        seen = np.delete(common, unseen, 1)
        if (seen.any(1) | ~common[:, unseen].any(1)).all():
            return unseen
    raise ValueError(f"no {count} classes share all their attributes with the other {common.shape[1] - count}; lower --unseen")


def division(labels: np.ndarray, unseen: np.ndarray, rng: np.random.Generator) -> Dict[str, np.ndarray]:
    """1-based image indices [n, 1] of one division into seen and unseen classes; labels: 0-based [images].

    No seen test image is ever trained on, so both train_zsl_loc and train_gzsl_loc are the training part of the seen images.
    """
    is_unseen = np.isin(labels, unseen)
    seen = np.flatnonzero(~is_unseen)
    train = np.sort(rng.permutation(seen)[:round(TRAIN_SHARE * len(seen))])
    tested = [np.flatnonzero(labels == c)[np.arange((labels == c).sum()) % DESCRIBED < DESCRIBED - 1] for c in unseen]
    parts = {"train_zsl_loc": train, "train_gzsl_loc": train, "test_seen_loc": np.setdiff1d(seen, train),
             "test_unseen_loc": np.sort(np.concatenate(tested))}
    return {name: one_based(images) for name, images in parts.items()}


def validation(labels: np.ndarray, train: np.ndarray, count: int, rng: np.random.Generator) -> Dict[str, np.ndarray]:
    """The training images of a division, divided once more: `count` of its seen classes play the unseen ones, to choose
    hyperparameters on. train: 1-based [n, 1]."""
    images = train.ravel() - 1
    parts = division(labels[images], rng.permutation(np.unique(labels[images]))[:count], rng)
    return {name: one_based(images[part.ravel() - 1]) for name, part in parts.items()}


def one_based(images: np.ndarray) -> np.ndarray:
    """0-based [n] -> 1-based [n, 1]"""
    return (images + 1).astype(np.int32)[:, None]


def cells(names: Sequence[str]) -> np.ndarray:
    """A MATLAB cell array [n, 1]."""
    return np.array(names, object)[:, None]


def mat(content: Dict[str, np.ndarray]) -> bytes:
    """A .mat file; without the date, so that equal content is an equal file."""
    file = io.BytesIO()
    savemat(file, content)
    return b"MATLAB 5.0 MAT-file, made by make_demo.py".ljust(116) + file.getvalue()[116:]


def published_files(paths: List[str], labels: np.ndarray, classes: Sequence[str], present: np.ndarray, unseen: int,
                    divisions: int, seed: int) -> Dict[str, bytes]:
    """What goes into files/, by name. paths: of images, beside files/; labels: 0-based [images]; present: bool [images, A]."""
    frequency = np.stack([present[labels == c].mean(0) for c in range(len(classes))], 1)
    table = {"att": class_attributes(frequency), "att_true": frequency, "allclasses_names": cells(classes),
             "attribute_names": cells(ATTRIBUTES)}
    splits, held_out = dict(table), dict(table)
    for k in range(divisions):
        rng = np.random.default_rng([seed, k])
        chosen = choose_unseen(frequency, unseen, rng)
        parts = division(labels, chosen, rng)
        splits.update({f"{name}_{k}": value for name, value in parts.items()})
        splits[f"unseen_classes_{k}"] = cells([classes[c] for c in chosen])
        held_out.update({f"{name}_{k}": value for name, value in validation(labels, parts["train_zsl_loc"], unseen, rng).items()})
    images = {"labels": (labels + 1).astype(np.int32)[:, None], "image_files": np.array([f"RSSDIVCS/{path}" for path in paths])}
    return {"demo_images.mat": mat(images), "ann_attr_demo_splits.mat": mat(splits), "ann_attr_demo_val_splits.mat": mat(held_out),
            "attri_group_3.json": json.dumps(group_indices()).encode(), "attributes.json": json.dumps(GROUPS, indent=1).encode()}
