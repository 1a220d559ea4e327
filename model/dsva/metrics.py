"""Scores of zero-shot learning. Fractions in [0, 1], but `score_zsl` and `score_gzsl` give percent, as tables print them."""

from typing import Any, Dict, Mapping, Sequence, Tuple

import numpy as np
from scipy import ndimage


def per_class_accuracy(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Share of each class's images that are named right. predicted, labels: [n] class ids; returns [len(classes)].

    Its mean is the field's top-1 accuracy (Xian et al., 2018): every class counts the same. A class without images is NaN.
    """
    right = predicted == labels
    return np.array([right[labels == c].mean() if (labels == c).any() else np.nan for c in classes])


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: np.ndarray) -> np.ndarray:
    """Images of the class of a row that were named as the class of a column. predicted, labels: [n] class ids; returns [C, C]."""
    return np.array(
        [[((labels == true) & (predicted == named)).sum() for named in classes] for true in classes]
    )


def harmonic_mean(seen: float, unseen: float) -> float:
    """H = 2US / (U + S); 0 if both are 0."""
    return 2 * seen * unseen / (seen + unseen) if seen + unseen else 0.0


def calibrated_stacking(scores: np.ndarray, seen: np.ndarray, constant: float) -> np.ndarray:
    """Subtract a constant from the scores of the seen classes (Chao et al., 2016). scores: [n, C];  seen: column indices, or a mask [C]."""
    calibrated = scores.copy()
    calibrated[:, seen] -= constant
    return calibrated


def seen_unseen_curve(
    scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray
) -> Tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Every (U, S) that some calibration constant can give, from "always seen" to "always unseen" (Chao et al., 2016).

    scores: [n, C] before calibration;  labels: [n];  returns U [k], rising, S [k], falling, and constants [k] that give them.
    """
    best_seen, best_unseen = scores[:, seen].max(axis=1), scores[:, unseen].max(axis=1)
    gap = best_seen - best_unseen  # a constant above it turns the image to the unseen classes
    named_seen, named_unseen = seen[scores[:, seen].argmax(axis=1)], unseen[scores[:, unseen].argmax(axis=1)]
    order = np.argsort(gap, kind="stable")
    share = 1 / np.bincount(labels, minlength=scores.shape[1])[labels]  # each class weighs the same
    gained = np.where(named_unseen == labels, share, 0)[order] / max(len(np.intersect1d(labels, unseen)), 1)
    lost = np.where(named_seen == labels, share, 0)[order] / max(len(np.intersect1d(labels, seen)), 1)
    steps = np.append(
        np.flatnonzero(np.diff(gap[order])), len(gap) - 1
    )  # images of the same gap turn together
    U = np.append(0, gained.cumsum()[steps])
    S = lost.sum() - np.append(0, lost.cumsum()[steps])
    gap = np.concatenate([[gap.min() - 1], gap[order][steps], [gap.max() + 1]])
    return U, S, (gap[1:] + gap[:-1]) / 2  # as far from one image's turn as from the next one's


def best_constant(scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray) -> float:
    """The calibration constant that gives the highest H. Arguments as of `seen_unseen_curve`."""
    U, S, constants = seen_unseen_curve(scores, labels, seen, unseen)
    return float(constants[np.argmax(2 * U * S / np.maximum(U + S, 1e-12))])


def area_under_curve(U: np.ndarray, S: np.ndarray, constants: np.ndarray) -> float:
    """AUSUC: area under the seen-unseen curve, by the trapezoid rule."""
    return float(np.sum(np.diff(U) * (S[1:] + S[:-1]) / 2))


def score_zsl(scores: np.ndarray, labels: np.ndarray) -> Tuple[Dict[str, float], np.ndarray]:
    """scores: [n, C] of the unseen classes;  labels: [n], columns of scores.  Returns {"accuracy"} and [C], in percent."""
    per_class = 100 * per_class_accuracy(scores.argmax(axis=1), labels, np.arange(scores.shape[1]))
    return {"accuracy": float(np.nanmean(per_class))}, per_class


def score_gzsl(
    scores: np.ndarray, labels: np.ndarray, seen: np.ndarray, unseen: np.ndarray, constant: float
) -> Tuple[Dict[str, float], np.ndarray]:
    """scores: [n, C] of all classes;  labels: [n], and seen, unseen: columns of scores;  constant: of calibrated stacking.

    Returns {"U", "S", "H", "AUSUC", "ZSL"} and the accuracies of the classes [C], in percent. ZSL is what the same scores give
    the unseen test images if only unseen classes compete.
    """
    named = calibrated_stacking(scores, seen, constant).argmax(axis=1)
    per_class = 100 * per_class_accuracy(named, labels, np.arange(scores.shape[1]))
    U, S = float(np.nanmean(per_class[unseen])), float(np.nanmean(per_class[seen]))
    area = area_under_curve(*seen_unseen_curve(scores, labels, seen, unseen))
    alone = per_class_accuracy(unseen[scores[:, unseen].argmax(axis=1)], labels, unseen)
    return {
        "U": U,
        "S": S,
        "H": harmonic_mean(S, U),
        "AUSUC": 100 * area,
        "ZSL": 100 * float(np.nanmean(alone)),
    }, per_class


def score_all(
    probabilities: Mapping[str, np.ndarray],
    labels: np.ndarray,
    classes: np.ndarray,
    seen: np.ndarray,
    unseen: np.ndarray,
    gzsl: bool,
    constant: float = 0.0,
) -> Tuple[Dict[str, Dict[str, float]], Dict[str, np.ndarray]]:
    """Scores of every branch, and its accuracy of every class, in percent.

    probabilities: branch -> [n, len(classes)];  labels: [n], classes, seen, unseen: class ids, `classes` sorted
    """
    labels, seen, unseen = (np.searchsorted(classes, c) for c in (labels, seen, unseen))  # as columns
    both = {
        branch: score_gzsl(p, labels, seen, unseen, constant) if gzsl else score_zsl(p, labels)
        for branch, p in probabilities.items()
    }
    return {branch: scores for branch, (scores, _) in both.items()}, {
        branch: per_class for branch, (_, per_class) in both.items()
    }


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


def contributions(scores: np.ndarray, worth: np.ndarray, top: int) -> Tuple[np.ndarray, np.ndarray]:
    """What each attribute says for a class. scores: [A] of an image;  worth: [A], the class's attribute values.

    Returns each attribute's share of the decision [A], score x worth over the sum of their magnitudes, and the numbers of the
    (at most) `top` attributes that speak most for the class, of those that it has: what it lacks is nowhere to be seen.
    """
    products = scores * worth
    strongest = [a for a in np.argsort(-products, kind="stable") if worth[a] > 0][:top]
    return products / max(np.abs(products).sum(), 1e-12), np.array(strongest, int)


def localization(
    maps: np.ndarray, masks: np.ndarray, smallest: float = 0.002, largest: float = 0.5
) -> Dict[str, np.ndarray]:
    """Does the attention of one image lie on its attributes? maps: [A, G, G];  masks: bool [A, S, S], where each attribute is.

    Returns, for every attribute [A], NaN if it covers less than `smallest` or more than `largest` of the image:
    "hit":  1 if the peak cell of the map has its centre on the mask, else 0 (pointing game; Zhang et al., 2018), and "area", of
            the mask: the share that chance would hit
    "iou":  intersection over union of the mask and as many of the map's highest pixels, and "iou_chance", of as many anywhere
    """
    grid, size = maps.shape[-1], masks.shape[-1]
    area = masks.mean(axis=(1, 2))
    hit, iou = np.full((2, len(masks)), np.nan)
    counts = (area >= smallest) & (area <= largest)
    for a in np.flatnonzero(counts):
        row, column = np.unravel_index(maps[a].argmax(), (grid, grid))
        hit[a] = masks[a, int((row + 0.5) * size / grid), int((column + 0.5) * size / grid)]
        enlarged = ndimage.zoom(maps[a], size / grid, order=1, mode="nearest", grid_mode=True)
        highest = np.argsort(-enlarged, axis=None, kind="stable")[: masks[a].sum()]
        shared = masks[a].ravel()[highest].sum()
        iou[a] = shared / (2 * masks[a].sum() - shared)
    area = np.where(counts, area, np.nan)
    return {"hit": hit, "area": area, "iou": iou, "iou_chance": area / (2 - area)}
