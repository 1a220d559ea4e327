"""Scores of zero-shot learning, and how well attention lies on attributes.

Fractions in [0, 1], but `score_zsl`, `score_gzsl` and `score_all` give percent, as tables print them.

Shapes: `n` images, `C` candidate classes, `A` attributes, maps of `G x G` cells, images of `S x S` pixels.
"""

from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np
from scipy import ndimage


def per_class_accuracy(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Share of each class's images that are named right: [len(classes)]; NaN for a class without images.

    Its mean is the field's top-1 accuracy (Xian et al., 2018): every class counts the same.
    predicted, labels: [n] class ids
    """
    right = predicted == labels
    return np.array([right[labels == c].mean() if (labels == c).any() else np.nan for c in classes])


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """[C, C]: images of the class of a row that were named as the class of a column.

    predicted, labels: [n] class ids
    """
    counts = np.zeros((len(classes), len(classes)), dtype=int)
    for row, true in enumerate(classes):
        named = predicted[labels == true]
        counts[row] = [(named == guess).sum() for guess in classes]
    return counts


def harmonic_mean(seen: float, unseen: float) -> float:
    """H = 2US / (U + S); 0 if both are 0."""
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0


def harmonic_means(U: np.ndarray, S: np.ndarray) -> np.ndarray:
    """H of each pair [k]."""
    return 2 * U * S / np.maximum(U + S, 1e-12)


# ---- calibrated stacking ---------------------------------------------------------------------------


def calibrated_stacking(scores: np.ndarray, seen: np.ndarray, constant: float) -> np.ndarray:
    """Subtract a constant from the scores of the seen classes (Chao et al., 2016).

    scores: [n, C];  seen: column indices, or a mask [C]
    """
    calibrated = scores.copy()
    calibrated[:, seen] -= constant
    return calibrated


def seen_unseen_curve(
    scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every (U, S) that some constant can give, from "always seen" to "always unseen" (Chao et al., 2016).

    scores: [n, C] before calibration;  labels: [n], and seen, unseen: columns of scores
    Returns U [k], rising, S [k], falling, and constants [k] that give them.
    """
    U, S, steps = seen_unseen_steps(scores, labels, seen, unseen)
    edges = np.concatenate([[steps[0] - 1], steps, [steps[-1] + 1]])
    constants = (edges[1:] + edges[:-1]) / 2  # halfway from one image's gap to the next one's
    return U, S, constants


def seen_unseen_steps(
    scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The same U [k] and S [k], and the constants [k - 1], rising, at which one step becomes the next."""
    # [n], the constant above which an image is named an unseen class instead of a seen one
    gap = scores[:, seen].max(axis=1) - scores[:, unseen].max(axis=1)
    order = np.argsort(gap, kind="stable")
    named_seen = seen[scores[:, seen].argmax(axis=1)]
    named_unseen = unseen[scores[:, unseen].argmax(axis=1)]

    # what each image adds to U, and takes from S, beyond its gap; each class weighs the same
    weight = 1 / np.bincount(labels, minlength=scores.shape[1])[labels]
    seen_classes = max(len(np.intersect1d(labels, seen)), 1)
    unseen_classes = max(len(np.intersect1d(labels, unseen)), 1)
    gained = np.where(named_unseen == labels, weight, 0)[order] / unseen_classes
    lost = np.where(named_seen == labels, weight, 0)[order] / seen_classes

    # images of the same gap change together
    steps = np.append(np.flatnonzero(np.diff(gap[order])), len(gap) - 1)
    U = np.append(0, gained.cumsum()[steps])
    S = lost.sum() - np.append(0, lost.cumsum()[steps])
    return U, S, gap[order][steps]


def best_constant(scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray) -> float:
    """The constant that gives the highest H. Arguments as of `seen_unseen_curve`."""
    U, S, constants = seen_unseen_curve(scores, labels, seen, unseen)
    return float(constants[np.argmax(harmonic_means(U, S))])


def area_under_curve(U: np.ndarray, S: np.ndarray, constants: np.ndarray) -> float:
    """AUSUC: area under the seen-unseen curve, by the trapezoid rule."""
    return float(np.sum(np.diff(U) * (S[1:] + S[:-1]) / 2))


# ---- scores in percent -----------------------------------------------------------------------------


def score_zsl(scores: np.ndarray, labels: np.ndarray) -> Tuple[Dict[str, float], np.ndarray]:
    """{"accuracy"}, and the accuracies of the classes [C].

    scores: [n, C] of the unseen classes;  labels: [n], columns of scores
    """
    per_class = 100 * per_class_accuracy(scores.argmax(axis=1), labels, np.arange(scores.shape[1]))
    return {"accuracy": float(np.nanmean(per_class))}, per_class


def score_gzsl(
    scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray, constant: float
) -> Tuple[Dict[str, float], np.ndarray]:
    """{"U", "S", "H", "AUSUC", "ZSL"}, and the accuracies of the classes [C].

    ZSL is what the same scores give the unseen test images if only unseen classes compete.

    scores: [n, C] of all classes;  labels: [n], and seen, unseen: columns of scores
    constant: of calibrated stacking
    """
    named = calibrated_stacking(scores, seen, constant).argmax(axis=1)
    per_class = 100 * per_class_accuracy(named, labels, np.arange(scores.shape[1]))
    U = float(np.nanmean(per_class[unseen]))
    S = float(np.nanmean(per_class[seen]))
    area = area_under_curve(*seen_unseen_curve(scores, labels, seen, unseen))
    among_unseen = unseen[scores[:, unseen].argmax(axis=1)]
    zsl = np.nanmean(per_class_accuracy(among_unseen, labels, unseen))
    found = {"U": U, "S": S, "H": harmonic_mean(S, U), "AUSUC": 100 * area, "ZSL": 100 * float(zsl)}
    return found, per_class


def score_all(
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    classes: np.ndarray,
    seen: np.ndarray,
    unseen: np.ndarray,
    gzsl: bool,
    constant: float = 0.0,
) -> Tuple[Dict[str, Dict[str, float]], Dict[str, np.ndarray]]:
    """Scores of every branch, and its accuracy of every class [C].

    probabilities: branch -> [n, C];  labels: [n] class ids, and classes (sorted), seen, unseen: class ids
    """
    label_columns = np.searchsorted(classes, labels)
    seen_columns = np.searchsorted(classes, seen)
    unseen_columns = np.searchsorted(classes, unseen)
    scores, per_class = {}, {}
    for branch, p in probabilities.items():
        if gzsl:
            found = score_gzsl(p, label_columns, seen_columns, unseen_columns, constant)
        else:
            found = score_zsl(p, label_columns)
        scores[branch], per_class[branch] = found
    return scores, per_class


def class_tables(
    probabilities: np.ndarray,
    labels: np.ndarray,
    classes: np.ndarray,
    is_seen: np.ndarray,
    names: Sequence[str],
    constant: float,
    per_class: Mapping[str, np.ndarray],
) -> Dict[str, Dict[str, Any]]:
    """Two tables, column by column: "per_class", the accuracy of each class by every branch, and "confusion",
    how many images of each class the branch that counts gave to each.

    probabilities: [n, C] of the branch that counts;  labels: [n] class ids;  classes: [C] ids, sorted
    is_seen: [C] bool;  names: of the C classes;  constant: of calibrated stacking;  per_class: branch -> [C]
    """
    named = calibrated_stacking(probabilities, is_seen, constant).argmax(axis=1)  # in ZSL none is seen
    counts = confusion(classes[named], labels, classes)
    accuracies = {
        "class": list(names),
        "subset": ["seen" if seen else "unseen" for seen in is_seen],
        "images": counts.sum(axis=1).tolist(),
        **per_class,
    }
    return {
        "per_class": accuracies,
        "confusion": {"class": list(names), **dict(zip(names, counts.T.tolist()))},
    }


# ---- where attention lies ---------------------------------------------------------------------------


def localization(
    maps: np.ndarray, masks: np.ndarray, smallest: float = 0.002, largest: float = 0.5
) -> Dict[str, np.ndarray]:
    """Does the attention of one image lie on its attributes? Four numbers for every attribute [A]:

    "hit":  1 if the peak cell of the map has its centre on the mask, else 0: the pointing game
            (Zhang et al., 2018)
    "area": of the mask: the share that chance would hit
    "iou":  intersection over union of the mask and as many of the map's highest pixels
    "iou_chance": of the mask and as many pixels anywhere

    NaN if the mask covers less than `smallest` or more than `largest` of the image.
    maps: [A, G, G];  masks: bool [A, S, S], where each attribute is
    """
    grid, size = maps.shape[-1], masks.shape[-1]
    area = masks.mean(axis=(1, 2))
    counts = (area >= smallest) & (area <= largest)
    hit = np.full(len(masks), np.nan)
    iou = np.full(len(masks), np.nan)
    for a in np.flatnonzero(counts):
        row, column = np.unravel_index(maps[a].argmax(), (grid, grid))
        hit[a] = masks[a, int((row + 0.5) * size / grid), int((column + 0.5) * size / grid)]
        enlarged = ndimage.zoom(maps[a], size / grid, order=1, mode="nearest", grid_mode=True)
        pixels = masks[a].sum()
        highest = np.argsort(-enlarged, axis=None, kind="stable")[:pixels]
        shared = masks[a].ravel()[highest].sum()
        iou[a] = shared / (2 * pixels - shared)
    area = np.where(counts, area, np.nan)
    return {"hit": hit, "area": area, "iou": iou, "iou_chance": area / (2 - area)}
