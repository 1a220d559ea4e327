"""Which classes are taken for which, as a matrix: of a run, and of predictions with labels."""

from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np

from pages.heat_map import heat_map
from pages.html import colour_scale, details, grid, note, table

COUNTED = 40  # classes at most whose confusion is written into the cells
BESIDE = 12  # classes at most whose matrix leaves room beside it
MISTAKES = 10


def confusion_section(
    names: Sequence[str], counts: np.ndarray, subset: Mapping[str, str], explained: str
) -> str:
    """Which classes are taken for which: rows are classes, columns what their images are named.

    counts:    int [C, C], images of a row's class that are named as a column's
    subset:    class -> seen or unseen
    explained: the first sentence
    """
    order, labels = ordered_by_group(subset_groups(names, subset), names)
    names = [names[c] for c in order]
    counts = counts[np.ix_(order, order)]
    images = counts.sum(axis=1)
    shares = counts / np.maximum(images, 1)[:, None]

    def tip(true: int, guess: int) -> str:
        share = f"{counts[true, guess]} of {images[true]} images, {shares[true, guess]:.0%}"
        return f"{names[true]} named {names[guess]}\n{share}"

    text = counts if len(names) <= COUNTED else None
    chart = colour_scale("0", "100% of a class's images")
    chart += heat_map("confusion matrix", shares, labels, labels, tip, text)
    mistakes = mistake_table(names, counts, shares)
    both = grid([f"<div>{chart}</div>", mistakes]) if len(names) <= BESIDE else chart + mistakes
    rows = [(name, *row) for name, row in zip(names, counts.tolist())]
    return (
        note(f"{explained} What is right lies on the diagonal.")
        + both
        + details("All counts", [table("Counts", ["class", *names], rows)])
    )


def mistake_table(names: Sequence[str], counts: np.ndarray, shares: np.ndarray) -> str:
    """The pairs of classes that are confused most often.

    counts, shares: [C, C] images of a row's class that are named as a column's, and their share of the class
    """
    pairs = [(true, guess) for true, guess in zip(*np.nonzero(counts)) if true != guess]
    pairs.sort(key=lambda pair: -shares[pair])
    rows = []
    for true, guess in pairs[:MISTAKES]:
        rows.append((names[true], names[guess], int(counts[true, guess]), 100 * float(shares[true, guess])))
    return table("Most frequent mistakes", ["class", "named", "images", "% of the class"], rows, digits=".1f")


def subset_groups(names: Sequence[str], subset: Mapping[str, str]) -> Dict[str, List[int]]:
    """Places of the seen classes and of the unseen ones; of all in one group, if it is not told of each.

    subset: class -> seen or unseen
    """
    if any(subset.get(name) not in ("seen", "unseen") for name in names):
        return {"classes": list(range(len(names)))}
    groups = {}
    for kind in ("seen", "unseen"):
        places = [c for c, name in enumerate(names) if subset[name] == kind]
        if places:
            groups[kind] = places
    return groups


def ordered_by_group(
    groups: Mapping[str, Sequence[int]], names: Sequence[str]
) -> Tuple[List[int], Dict[str, List[str]]]:
    """The places of all groups, one after another, and the groups with names instead of places."""
    order = [int(place) for places in groups.values() for place in places]
    labels = {group: [names[place] for place in places] for group, places in groups.items()}
    return order, labels
