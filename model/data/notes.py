"""Notes about the data that a user should read once, however often the same file is read."""

from pathlib import Path

import numpy as np

from support.notes import note_new

USUAL_LENGTHS = (0.1, 10.0)  # of a class's attribute vector, whose length is 1 in files of annotate.py


def note_scale(att: np.ndarray, splits_mat: Path):
    """Say if the attributes have an unusual scale, such as 0 to 100, and what standardising would do.

    att: [A, C]

    Class scores are products with these numbers: the scale is that of the scores and of the losses.
    """
    length = median_length(att)
    if USUAL_LENGTHS[0] <= length <= USUAL_LENGTHS[1]:
        return
    before, after = mean_cosine(att), mean_cosine(standardized(att))
    note_new(
        f"att in {splits_mat} goes from {att.min():.4g} to {att.max():.4g}, and a class's vector has "
        f"the length {length:.3g} where about 1 is usual: class scores grow with it. Standardising, each "
        "attribute to mean 0 and deviation 1 over the classes and each class to length 1, would take the "
        f"mean cosine of two classes from {before:.2f} to {after:.2f}; att is used as it is"
    )


def median_length(att: np.ndarray) -> float:
    """Of the classes' vectors.  att: [A, C]"""
    return float(np.median(np.linalg.norm(att.astype(float), axis=0)))


def standardized(att: np.ndarray) -> np.ndarray:
    """Each attribute with mean 0 and deviation 1 over the classes.  [A, C] -> [A, C]"""
    values = att.astype(float)
    deviation = values.std(axis=1, keepdims=True)
    return (values - values.mean(axis=1, keepdims=True)) / np.where(deviation > 0, deviation, 1)


def mean_cosine(att: np.ndarray) -> float:
    """Of all pairs of two classes.  att: [A, C]"""
    values = att.astype(float)
    vectors = values / np.maximum(np.linalg.norm(values, axis=0), 1e-12)
    cosines = vectors.T @ vectors
    pairs = cosines[np.triu_indices(len(cosines), k=1)]
    return float(pairs.mean()) if len(pairs) else 1.0
