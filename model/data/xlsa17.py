"""The files of xlsa17, "Zero-Shot Learning: The Good, the Bad and the Ugly": CUB, AWA2, SUN and aPY.

att_splits.mat has allclasses_names, att and 1-based trainval_loc, train_loc, val_loc, test_seen_loc and
test_unseen_loc; res101.mat has labels, image_files and features. Features, which are large, are not read.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from data.archives import check_unpacked
from data.checks import attribute_matrix, check_class_names
from data.divisions import divide
from data.images import is_below
from data.matlab import from_matlab, read_mat, strings, variable_names
from support.errors import InputError, not_found

PARTS = {
    "train_zsl_loc": "trainval_loc",
    "train_gzsl_loc": "trainval_loc",
    "test_seen_loc": "test_seen_loc",
    "test_unseen_loc": "test_unseen_loc",
}


@dataclass
class Xlsa17:
    """`n` images of `C` classes with `A` attributes, and the authors' division.

    classes:            [C] names as they are in the file, `001.Black_footed_Albatross`
    labels:             [n] class of each image
    image_files:        [n] paths on the authors' machine
    att:                [A, C]
    parts:              {"train_zsl_loc": 0-based image indices, ...}
    validation_classes: seen classes that play the unseen ones; none if the file does not tell
    """

    classes: List[str]
    labels: np.ndarray
    image_files: List[str]
    att: np.ndarray
    parts: Dict[str, np.ndarray]
    validation_classes: np.ndarray

    def validation(self, train_share: float, rng: np.random.Generator) -> Dict[str, np.ndarray]:
        """The training images divided again, with the authors' validation classes; {} if there are none.

        train_share: of each other class's images, as the file does not tell which are tested
        """
        train = self.parts["train_zsl_loc"]
        if not len(self.validation_classes):
            return {}
        inner = divide(self.labels[train], self.validation_classes, rng, train_share)
        return {name: train[part] for name, part in inner.items()}


def read_xlsa17(att_splits: Path, res101: Path) -> Xlsa17:
    """Both files, in either order. Raises InputError that names the file and the key."""
    if is_file_of_images(att_splits) and not is_file_of_images(res101):
        att_splits, res101 = res101, att_splits
    table = read_mat(
        att_splits, ["allclasses_names", "att", *sorted(set(PARTS.values()))], ["train_loc", "val_loc"]
    )
    images = read_mat(res101, ["labels", "image_files"])
    classes = strings(table["allclasses_names"])
    check_class_names(classes, att_splits)
    attribute_matrix(table["att"], len(classes), att_splits)
    files = strings(images["image_files"])
    labels = from_matlab(images["labels"], len(classes), f"labels in {res101}", "classes")
    if len(labels) != len(files):
        raise InputError(f"{res101}: {len(labels)} labels for {len(files)} image_files, expected as many")
    parts = {}
    for name, key in PARTS.items():
        parts[name] = from_matlab(table[key], len(files), f"{key} in {att_splits}", "images")
        if not len(parts[name]):
            raise InputError(f"{key} in {att_splits} is empty: expected at least one image")
    source = Xlsa17(classes, labels, files, table["att"], parts, np.array([], int))
    check_parts(source, att_splits)
    if "val_loc" in table:
        held_out = from_matlab(table["val_loc"], len(files), f"val_loc in {att_splits}", "images")
        source.validation_classes = validation_classes(source, held_out, att_splits)
    return source


def is_file_of_images(file: Path) -> bool:
    """Is it res101.mat, which has image_files?"""
    try:
        return "image_files" in variable_names(file)
    except Exception:  # what is wrong with it is told when it is read
        return False


def check_parts(source: Xlsa17, att_splits: Path):
    """Raise InputError if an unseen class is trained on, or an image that is tested."""
    seen = source.labels[source.parts["train_zsl_loc"]]
    both = np.intersect1d(seen, source.labels[source.parts["test_unseen_loc"]])
    if len(both):
        raise InputError(
            f"{att_splits}: trainval_loc holds images of {source.classes[both[0]]}, "
            "which test_unseen_loc calls unseen: expected a class to be either"
        )
    shared = np.intersect1d(source.parts["train_zsl_loc"], source.parts["test_seen_loc"])
    if len(shared):
        raise InputError(
            f"{att_splits}: {len(shared)} images are in trainval_loc and in test_seen_loc, "
            f"the first is number {shared[0] + 1}: expected an image to be in either"
        )


def validation_classes(source: Xlsa17, held_out: np.ndarray, att_splits: Path) -> np.ndarray:
    """The classes of val_loc, if some others are left to train.  held_out: val_loc, 0-based"""
    seen = np.unique(source.labels[source.parts["train_zsl_loc"]])
    classes = np.intersect1d(source.labels[held_out], seen)
    if not 0 < len(classes) < len(seen):
        print(
            f"note: val_loc in {att_splits} holds {len(classes)} of {len(seen)} seen classes: no val_splits"
        )
        return np.array([], int)
    return classes


# ---- where the images are --------------------------------------------------------------------------


def find_tails(image_files: Sequence[str], root: Path) -> List[str]:
    """The end of each path of another machine that lies below the folder `root`.

    `/BS/someone/CUB_200_2011/images/001.Albatross/1.jpg` -> `images/001.Albatross/1.jpg`, or a longer or a
    shorter end: the longest that is there. Raises InputError if some are not.
    """
    check_unpacked(root)
    if not root.is_dir():
        raise InputError(f"--image_root: {not_found(root, 'folder')}")
    tails = []
    missing = []
    left_out = 0  # folders at the beginning; the same for most images
    for file in image_files:
        parts = [part for part in re.split(r"[/\\]+", file) if part]
        tail = existing_tail(parts, root, [left_out, *range(len(parts))])
        if tail is None:
            missing.append("/".join(parts[-3:]))
        else:
            left_out = len(parts) - tail.count("/") - 1
            tails.append(tail)
    if missing:
        raise InputError(
            f"--image_root {root}: {len(missing)} of {len(image_files)} images are not there, "
            f"the first ends in {missing[0]}: expected the folder that holds "
            f"{missing[0].partition('/')[0]}, or one above it"
        )
    first: Dict[str, str] = {}
    for file, tail in zip(image_files, tails):
        if first.setdefault(tail, file) != file:
            raise InputError(
                f"--image_root {root}: 2 images would be {tail}, {first[tail]} and {file}: "
                "expected a folder further up, with the folders of their paths"
            )
    return tails


def existing_tail(parts: Sequence[str], root: Path, starts: Sequence[int]) -> Optional[str]:
    """The path from the first of these starts on that is a file below the folder `root`; None if none is."""
    for start in starts:
        tail = "/".join(parts[start:])
        if tail and is_below(tail) and os.path.isfile(root / tail):
            return tail
    return None


# ---- attributes ------------------------------------------------------------------------------------


def read_attribute_names(file: Optional[str], count: int) -> List[str]:
    """A name from each line, without the number before it; [] of no file.

    Raises InputError if there are not as many as attributes.
    """
    if file is None:
        return []
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read --attribute_names {file}: {error}") from error
    names = [re.sub(r"^\s*\d+\s+", "", line).strip() for line in lines if line.strip()]
    if len(names) != count or not all(names):
        raise InputError(
            f"--attribute_names {file}: {len(names)} names for {count} attributes, expected a line for each"
        )
    return names


def attribute_groups(names: Sequence[str], count: int) -> Dict[str, List[int]]:
    """{group: 0-based indices of its attributes}: of `has_bill_shape::curved` it is has_bill_shape.

    Where not all names have a ::, or there are none, one group holds all.
    """
    if not names or not all("::" in name for name in names):
        return {"attributes": list(range(count))}
    groups: Dict[str, List[int]] = {}
    for number, name in enumerate(names):
        groups.setdefault(name.partition("::")[0], []).append(number)
    return groups
