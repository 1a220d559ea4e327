"""The published RSSDIVCS format: image list, splits, class-attribute matrix, attribute groups."""

import io
import json
import sys
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
from scipy.io import savemat

from .attributes import ATTRIBUTES, GROUPS, group_indices

sys.path.append(str(Path(__file__).resolve().parents[2] / "model"))
from data.divisions import divide, validation  # noqa: E402
from data.matlab import cell_array, split_columns, to_matlab  # noqa: E402

COMMON = 0.3  # an attribute belongs to a class if it shows in this share of its images
TRAIN_SHARE = 0.8  # of the images of a seen class; the rest tests generalised zero-shot learning
DESCRIBED = 1 / 3  # of the images of an unseen class: not tested, for annotate.py to describe the class by


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
    raise ValueError(
        f"no {count} classes share all their attributes with the other {common.shape[1] - count}; "
        "lower --unseen"
    )


def mat(content: Dict[str, np.ndarray]) -> bytes:
    """A .mat file; without the date, so that equal content is an equal file."""
    file = io.BytesIO()
    savemat(file, content)
    return b"MATLAB 5.0 MAT-file, made by make_demo.py".ljust(116) + file.getvalue()[116:]


def published_files(
    paths: List[str],
    labels: np.ndarray,
    classes: Sequence[str],
    present: np.ndarray,
    unseen: int,
    divisions: int,
    seed: int,
) -> Dict[str, bytes]:
    """What goes into files/, by name.

    paths:   of images, beside files/
    labels:  0-based [images]
    present: bool [images, A]
    """
    frequency = np.stack([present[labels == c].mean(0) for c in range(len(classes))], 1)
    table = {
        "att": class_attributes(frequency),
        "att_true": frequency,
        "allclasses_names": cell_array(classes),
        "attribute_names": cell_array(ATTRIBUTES),
    }
    splits, held_out = dict(table), dict(table)
    for k in range(divisions):
        rng = np.random.default_rng([seed, k])
        chosen = choose_unseen(frequency, unseen, rng)
        parts = divide(labels, chosen, rng, TRAIN_SHARE, DESCRIBED)
        splits.update(split_columns(parts, k))
        splits[f"unseen_classes_{k}"] = cell_array([classes[c] for c in chosen])
        held_out.update(
            split_columns(validation(labels, parts["train_zsl_loc"], unseen, rng, TRAIN_SHARE, DESCRIBED), k)
        )
    images = {"labels": to_matlab(labels), "image_files": np.array([f"RSSDIVCS/{path}" for path in paths])}
    return {
        "demo_images.mat": mat(images),
        "ann_attr_demo_splits.mat": mat(splits),
        "ann_attr_demo_val_splits.mat": mat(held_out),
        "attri_group_3.json": json.dumps(group_indices()).encode(),
        "attributes.json": json.dumps(GROUPS, indent=1).encode(),
    }
