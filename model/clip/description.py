"""What an annotation says: how alike its classes are, and how far it agrees with another.

Shapes: `A` attributes, `C` classes.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Tuple

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.stats import spearmanr

from clip.attributes import unit_norm
from data.benchmark import ATTRIBUTE_NAMES, CLASS_FOLDERS, read_class_names, readable
from data.checks import attribute_matrix
from data.matlab import read_mat, strings
from support.errors import InputError
from support.figures import use_letters_of


@dataclass
class Annotation:
    """values: [C, A], of the classes and attributes with these names"""

    values: np.ndarray
    classes: List[str]
    attributes: List[str]


def read_annotation(splits_mat: Path) -> Annotation:
    """Of a splits file that names its attributes, such as annotate.py writes."""
    table = read_mat(splits_mat, ["att", "allclasses_names"], [CLASS_FOLDERS, *ATTRIBUTE_NAMES])
    classes = [readable(name) for name in read_class_names(table, splits_mat)]
    attributes = None
    for key in ATTRIBUTE_NAMES:
        if key in table and attributes is None:
            attributes = strings(table[key])
    if attributes is None:
        raise InputError(f"{splits_mat} does not name its attributes; annotate.py writes files that do")
    matrix = attribute_matrix(table["att"], len(classes), splits_mat)  # [A, C]
    return Annotation(matrix.numpy().T, classes, attributes)


def agreement(scores: np.ndarray, truth: np.ndarray) -> Tuple[float, float]:
    """Spearman's rank correlation of two [C, A] matrices in the same units.

    Returns that over all pairs, and the mean over attributes of that over the classes. An attribute that is
    the same in all classes has no ranks, and is left out of the mean.
    """
    everywhere = float(spearmanr(scores, truth, axis=None)[0])
    within = []
    for a in range(scores.shape[1]):
        if np.ptp(truth[:, a]) and np.ptp(scores[:, a]):
            within.append(spearmanr(scores[:, a], truth[:, a])[0])
    return everywhere, float(np.mean(within))


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """[C, A], [C, A] -> [C, C]"""
    return unit_norm(left) @ unit_norm(right).T


def closest_pairs(values: np.ndarray, count: int) -> List[Tuple[int, int, float]]:
    """Two classes and their cosine, for the pairs that their attributes tell apart least.  values: [C, A]"""
    classes = len(values)
    alike = np.triu(cosines(values, values), k=1)
    count = min(count, classes * (classes - 1) // 2)
    order = np.argsort(-alike, axis=None, kind="stable")[:count]
    rows, columns = np.unravel_index(order, alike.shape)
    return [(int(i), int(j), float(alike[i, j])) for i, j in zip(rows, columns)]


def draw_similarity(alike: np.ndarray, classes: List[str], file: Path):
    """A PNG of [C, C] cosines, like classes beside like."""
    with use_letters_of(classes):
        from matplotlib.backends.backend_agg import FigureCanvasAgg  # only who draws waits for it
        from matplotlib.figure import Figure

        side = 2.6 + 0.24 * len(classes)  # inches
        figure = Figure(figsize=(side + 0.6, side), layout="constrained")
        draw_cosines(figure, alike, classes)
        FigureCanvasAgg(figure).print_png(str(file))


def draw_cosines(figure, alike: np.ndarray, classes: List[str]):
    """What `draw_similarity` shows.  figure: of matplotlib"""
    order = np.arange(len(classes))
    if len(classes) > 2:
        order = leaves_list(linkage(alike, "average", metric="cosine"))
    names = [classes[c] for c in order]
    axis = figure.add_subplot()
    picture = axis.imshow(alike[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    how: Dict[str, Any] = {"fontsize": 8, "parse_math": False}  # a name may have two $
    axis.set_xticks(range(len(names)), names, rotation=90, **how)
    axis.set_yticks(range(len(names)), names, **how)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.colorbar(picture, shrink=0.6, label="cosine of the classes' attribute vectors")
