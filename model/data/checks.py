"""What the parts of a benchmark must be: checked here, when they are read, and trusted everywhere else.

Every function raises InputError that names the file and the key.
"""

import os
from pathlib import Path
from typing import Any, Dict, List, Sequence

import numpy as np
import torch
from torch import Tensor

from data.images import is_below
from data.matlab import data_help, strings
from data.names import readable
from support.errors import InputError, not_found
from support.files import read_text
from support.untrusted import are_words, parse_json

LARGEST_VALUE = 1e9  # of an attribute's values: products of larger ones leave the range of float32

# ---- one part alone --------------------------------------------------------------------------------


def image_path(name: str, root: Path, where: Path) -> Path:
    """`/any/where/RSSDIVCS/Airport/1.jpg` -> `root/Airport/1.jpg`.  where: the file that names it"""
    relative = name.partition("RSSDIVCS/")[2] or name
    if not is_below(relative):
        raise InputError(
            f"image_files in {where}: {name!r} should hold RSSDIVCS/ and then a path below "
            "the folder of the images"
        )
    return Path(root) / relative


def attribute_matrix(att: np.ndarray, classes: int, where: Path) -> Tensor:
    """`att` as M, float32 [A, classes].  where: the file that it is from"""
    if att.ndim != 2 or att.shape[1] != classes or att.dtype.kind not in "iuf":
        raise InputError(
            f"att in {where}: expected finite numbers, attributes x {classes} classes, "
            f"found {att.dtype} {att.shape}"
        )
    too_large = att[~(np.abs(att) < LARGEST_VALUE)]  # also NaN
    if len(too_large):
        raise InputError(
            f"att in {where}: expected finite numbers below {LARGEST_VALUE:g}, found {too_large[0]}"
        )
    return torch.from_numpy(att.astype(np.float32))


def read_groups(path: Path) -> Dict[str, List[int]]:
    """{"functions": [0, 1, ...], "materials": [...], ...}: 0-based attribute indices."""
    if not os.path.isfile(path):
        raise InputError(f"{not_found(path)}. {data_help(path)}")
    try:
        groups = parse_json(read_text(path))
    except (OSError, ValueError):
        groups = None
    if not are_groups(groups):
        raise InputError(
            f"{path}: expected a JSON object of group name -> list of 0-based attribute indices, "
            'such as {"functions": [0, 1], "materials": [2]}'
        )
    return groups


def are_groups(value: Any) -> bool:
    """Is it a dictionary of lists of indices, with at least one group, and none of them empty?"""
    if not isinstance(value, dict) or not value:
        return False
    return all(isinstance(group, list) and group and all(map(is_index, group)) for group in value.values())


def is_index(value: Any) -> bool:
    """Is it a whole number from 0 on? True, which Python counts as 1, is none."""
    return type(value) is int and value >= 0


def read_provenance(table: Dict[str, np.ndarray], path: Path) -> dict:
    """How annotate.py made the matrix; {} if the splits file does not say."""
    if "provenance" not in table:
        return {}
    try:
        provenance = parse_json("".join(strings(table["provenance"])))
    except ValueError as error:
        raise InputError(f"provenance in {path} should be JSON, as annotate.py writes it: {error}") from error
    if not is_provenance(provenance):
        raise InputError(
            f"provenance in {path} should be as annotate.py writes it, "
            f'{{"clip": ..., "attribute_prompts": [...], ...}}, found {str(provenance)[:60]}'
        )
    return provenance


def is_provenance(value: Any) -> bool:
    """Is it a dictionary in which those parts that other programs use are as they should be?"""
    if not isinstance(value, dict) or not isinstance(value.get("clip", ""), str):
        return False
    for key in ("attribute_prompts", "class_prompts"):
        prompts = value.get(key, ["a"])
        if not isinstance(prompts, list) or not prompts or not all(map(are_words, prompts)):
            return False
    return True


# ---- the parts fit together ------------------------------------------------------------------------


def check_class_names(names: Sequence[str], splits_mat: Path):
    """Classes, a name for each, and no two that say the same in words."""
    if not names:
        raise InputError(f"allclasses_names in {splits_mat} is empty: expected a name for each class")
    number_of: Dict[str, int] = {}
    for number, name in enumerate(names, start=1):
        words = readable(name)
        if not are_words(words):
            raise InputError(
                f"allclasses_names in {splits_mat}: class {number} is called {name!r}: expected a word"
            )
        former = number_of.setdefault(words, number)
        if former != number:
            raise InputError(
                f"allclasses_names in {splits_mat}: classes {former} and {number} are both called {words!r}: "
                "expected a name of its own for each class"
            )


def check_labels(labels: np.ndarray, image_files: Sequence[str], images_mat: Path):
    """A label for each image."""
    if len(image_files) != len(labels):
        raise InputError(
            f"{images_mat}: {len(labels)} labels for {len(image_files)} image_files, expected as many"
        )


def check_not_empty(splits: Dict[str, np.ndarray], random_id: int, splits_mat: Path):
    """Images in every part of the division."""
    for name, images in splits.items():
        if not len(images):
            raise InputError(
                f"{splits_mat}: {name}_{random_id} is empty: expected at least one image; "
                "main.py --random_id chooses among the divisions"
            )


def check_attributes(
    attributes: int,
    names: Sequence[str],
    groups: Dict[str, List[int]],
    splits_mat: Path,
    groups_json: Path,
):
    """As many attributes in the matrix as in the groups, and as many names.

    attributes: rows of the matrix
    """
    grouped = 1 + max(max(group) for group in groups.values())
    if attributes != grouped:
        raise InputError(
            f"att in {splits_mat} has {attributes} attributes, but {groups_json} groups {grouped}: "
            "use files that belong together"
        )
    if len(names) != attributes:
        raise InputError(
            f"{splits_mat}: {len(names)} attribute names for the {attributes} rows of att, "
            "expected as many: annotate anew"
        )


def check_division(provenance: dict, random_id: int, splits_mat: Path):
    """The classes are not described by test images of this division."""
    described = provenance.get("random_id")
    if described not in (None, random_id):
        raise InputError(
            f"{splits_mat} describes the classes by images outside the test sets of division "
            f"{described}, not of {random_id}: annotate this division anew"
        )


def check_seen_and_unseen(
    splits: Dict[str, np.ndarray],
    labels: np.ndarray,
    class_names: Sequence[str],
    random_id: int,
    splits_mat: Path,
):
    """No class is seen and unseen."""
    unseen = labels[splits["test_unseen_loc"]]
    for name in ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc"):
        both = np.intersect1d(labels[splits[name]], unseen)
        if len(both):
            raise InputError(
                f"{splits_mat}: {name}_{random_id} holds images of {class_names[both[0]]}, "
                f"which test_unseen_loc_{random_id} calls unseen: expected a class to be either"
            )


def check_images_are_there(paths: Sequence[Path], advice: str):
    """All image files exist.  advice: what to do if some do not"""
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(paths)} images are missing, the first is {missing[0]}. {advice}"
        )
