"""What an annotation says: the strongest attributes of each class, how alike the classes are, how far two annotations agree.

python model/describe.py data/aid/files/ann_tiny_untested_splits.mat --picture similarity.png
python model/describe.py data/aid/files/ann_tiny_untested_splits.mat --against data/aid/files/ann_tiny_names_splits.mat
"""

import argparse
from pathlib import Path
from typing import List, Tuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from scipy.cluster.hierarchy import leaves_list, linkage

from annotate import agreement
from data.benchmark import ATTRIBUTE_NAMES, attribute_matrix, readable
from data.matlab import read_mat, strings
from support.cli import Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import atomic


@exits_cleanly
def main(arguments=None):
    parser = Parser(
        prog="describe.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "splits", type=path, help="a NAME_splits.mat that names its attributes, such as annotate.py writes"
    )
    parser.add_argument("--top", type=number(int, 1), default=5, help="attributes of a class (default: 5)")
    parser.add_argument(
        "--against",
        type=path,
        metavar="SPLITS",
        help="another annotation of the same classes with the same attributes",
    )
    parser.add_argument(
        "--picture", type=path, metavar="PNG", help="draw the similarity of the classes, like beside like"
    )
    opt = parser.parse_args(arguments)
    values, classes, attributes = read(opt.splits)
    for name, row in zip(classes, values):
        print(f"{name:24} {', '.join(attributes[a] for a in np.argsort(-row, kind='stable')[: opt.top])}")
    print_neighbours(values, classes)
    if opt.against:
        other, *names = read(opt.against)
        if names != [classes, attributes]:
            raise InputError(
                f"{opt.against} has other classes or attributes than {opt.splits}: expected the same, in the same order"
            )
        everywhere, within = agreement(values, other)
        nearest = (cosines(values, other).argmax(axis=1) == np.arange(len(classes))).mean()
        print(
            f"against {opt.against}: rank correlation {everywhere:.3f} over all pairs, {within:.3f} within an attribute; "
            f"{100 * nearest:.0f} % of the classes are nearest to their own description there"
        )
    if opt.picture:
        with atomic(Path(opt.picture)) as temporary:
            draw(cosines(values, values), classes, temporary)
        print(f"wrote   {opt.picture}")


def read(splits_mat: str) -> Tuple[np.ndarray, List[str], List[str]]:
    """[C, A] attribute values of the classes, and the names of both."""
    table = read_mat(Path(splits_mat), ["att", "allclasses_names"], ATTRIBUTE_NAMES)
    classes = [readable(name) for name in strings(table["allclasses_names"])]
    named = next((table[key] for key in ATTRIBUTE_NAMES if key in table), None)
    if named is None:
        raise InputError(f"{splits_mat} does not name its attributes; annotate.py writes files that do")
    return attribute_matrix(table["att"], len(classes), Path(splits_mat)).numpy().T, classes, strings(named)


def cosines(left: np.ndarray, right: np.ndarray) -> np.ndarray:
    """[C, A], [C, A] -> [C, C]"""
    left, right = (rows / np.linalg.norm(rows, axis=1, keepdims=True).clip(1e-12) for rows in (left, right))
    return left @ right.T


def print_neighbours(values: np.ndarray, classes: List[str], pairs: int = 5):
    """The classes that their attributes tell apart least."""
    alike = np.triu(cosines(values, values), k=1)
    closest = np.argsort(-alike, axis=None, kind="stable")[
        : min(pairs, len(classes) * (len(classes) - 1) // 2)
    ]
    print(
        "most alike  "
        + "; ".join(
            f"{classes[i]} and {classes[j]} {alike[i, j]:.2f}"
            for i, j in zip(*np.unravel_index(closest, alike.shape))
        )
    )


def draw(alike: np.ndarray, classes: List[str], file: Path):
    """alike: [C, C] cosines"""
    order = (
        leaves_list(linkage(alike, "average", metric="cosine"))
        if len(classes) > 2
        else np.arange(len(classes))
    )
    names = [classes[c] for c in order]
    side = 2.6 + 0.24 * len(classes)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axis = figure.add_subplot()
    picture = axis.imshow(alike[np.ix_(order, order)], cmap="RdBu_r", vmin=-1, vmax=1)
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.tick_params(length=0)
    axis.spines[:].set_visible(False)
    figure.colorbar(picture, shrink=0.6, label="cosine of the classes' attribute vectors")
    FigureCanvasAgg(figure).print_png(str(file))


if __name__ == "__main__":
    main()
