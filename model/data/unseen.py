"""Which classes are unseen: chosen ones, or drawn ones, other ones in each division."""

import math
from typing import Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from data.names import find_class
from support.errors import InputError
from support.notes import counted

USUAL_UNSEEN = 5
USUAL_DIVISIONS = 3
REDRAWN = 5000  # times, of one division
RESTARTED = 100  # times, of all divisions


def classes_by_name(typed: Sequence[str], names: Mapping[str, str]) -> np.ndarray:
    """Classes, sorted, that are called by their folder or by their name.  names: {folder: name}"""
    found = []
    for word in typed:
        try:
            found.append(find_class(word, list(names.values()), names))
        except InputError as error:
            raise InputError(f"--unseen_classes: {error}") from error
    return np.unique(found)


def usual_counts(classes: int) -> List[int]:
    """How many unseen classes, if nobody says: five, or a third of a few."""
    count = min(USUAL_UNSEEN, max(1, classes // 3))
    if count < USUAL_UNSEEN:
        print(
            f"note: {counted(count, 'unseen class', 'unseen classes')} of {classes}, not {USUAL_UNSEEN}; "
            "prepare.py --unseen gives another number"
        )
    return [count]


def check_seen_classes(classes: int, unseen: int, validation_classes: int):
    """Raise InputError if too few seen classes are left.  unseen: the most of a division"""
    seen = classes - unseen
    if seen < 1 + validation_classes:
        expected = "1"
        if validation_classes:
            expected = f"{1 + validation_classes}, as --validation {validation_classes} takes some of them"
        raise InputError(
            f"--unseen: {unseen} unseen of {classes} classes leave {seen} seen ones: "
            f"expected at least {expected}"
        )


def draw_classes(
    classes: int, counts: Sequence[int], divisions: Optional[int], seed: int
) -> List[np.ndarray]:
    """As many divisions for each of the counts, in this order. Smaller ones are parts of larger ones.

    counts:    a number that is there twice has twice as many divisions
    divisions: None for three, or as many as there are

    Those of one count are all different. Raises InputError if there are not so many.
    """
    asked = f"--unseen {' '.join(map(str, counts))}"
    possible = min(math.comb(classes, count) // counts.count(count) for count in counts)
    if divisions is None:
        divisions = max(1, min(USUAL_DIVISIONS, possible))
        if divisions < USUAL_DIVISIONS:
            print(f"note: prepare.py --divisions {divisions}: there are no more different ones with {asked}")
    if divisions > possible:
        raise InputError(
            f"--divisions {divisions}: there are only {possible} different ones of {classes} classes "
            f"with {asked}; expected at most as many"
        )
    for start in range(RESTARTED):
        seeds = [seed, start] if start else [seed]
        orders = different_orders(classes, counts, divisions, seeds)
        if orders:
            break
    else:
        raise InputError(
            f"--divisions {divisions} {asked}: no such divisions that all differ were found: ask for fewer"
        )
    unseen = []
    for place, count in enumerate(counts):
        first = divisions * counts[:place].count(count)
        unseen += [np.sort(order[:count]) for order in orders[first : first + divisions]]
    return unseen


def different_orders(
    classes: int, counts: Sequence[int], divisions: int, seeds: Sequence[int]
) -> List[np.ndarray]:
    """Orders of all classes, whose first ones are unseen, different for each count; [] if that fails.

    A count that is there twice uses twice as many of them, others the first ones alone.
    """
    taken: Dict[int, Set[Tuple[int, ...]]] = {count: set() for count in counts}
    orders: List[np.ndarray] = []
    for k in range(divisions * max(map(counts.count, counts))):
        using = [count for count in taken if k < divisions * counts.count(count)]
        rng = np.random.default_rng([seeds[0], k, classes, *seeds[1:]])
        for _ in range(REDRAWN):
            order = rng.permutation(classes)
            first = {count: tuple(sorted(order[:count].tolist())) for count in using}
            if not any(first[count] in taken[count] for count in using):
                break
        else:
            return []
        for count in using:
            taken[count].add(first[count])
        orders.append(order)
    return orders


def check_different(divisions: Sequence[Sequence[Mapping[str, np.ndarray]]]):
    """Raise InputError if two divisions are the same.  divisions: the parts of each, 0-based indices"""
    number_of: Dict[bytes, int] = {}
    for k, several in enumerate(divisions):
        content = b""
        for parts in several:
            for name in sorted(parts):
                content += name.encode() + parts[name].tobytes()
        former = number_of.setdefault(content, k)
        if former != k:
            raise InputError(
                f"--divisions: {former} and {k} would be the same, with the same classes and images: "
                "ask for fewer"
            )
