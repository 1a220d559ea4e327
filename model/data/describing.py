"""The images that describe the classes of a benchmark: `annotate.py --from`.

Test images of unseen classes describe these well, and make their test easier than it is: so images that are
not tested are taken where there are some.
"""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

import numpy as np

from data.benchmark import BenchmarkFiles
from data.checks import image_path
from data.matlab import divisions_of, from_matlab, read_mat, strings
from support.errors import InputError


@dataclass(frozen=True)
class ClassImages:
    """`n` images that stand for their classes.

    source:   "untested", "images", "seen" or "names", or "descriptions" if all classes have one
    paths:    [n]
    labels:   [n] class of each image
    division: the only one that they are good for, None if they are for all
    tested:   how many of them are test images of unseen classes
    """

    source: str
    paths: List[Path]
    labels: np.ndarray
    division: Optional[int]
    tested: int


def images_to_describe(
    source: Optional[str], files: BenchmarkFiles, names: Sequence[str], in_words: Sequence[int] = ()
) -> ClassImages:
    """The images that stand for their classes.

    source:   as of `ClassImages`; None for "untested" if each class has such images, and "images" if not
    names:    [C] of the classes
    in_words: those that a sentence describes, and no image. Then no image describes an unseen class at all,
              and the images are good for this division alone
    """
    classes = len(names)
    all_in_words = len(in_words) > 0 and len(in_words) == classes
    if all_in_words or source == "names":
        source = "descriptions" if all_in_words else "names"
        return ClassImages(source, [], np.array([], int), None, 0)
    images = read_mat(files.images_mat, ["labels", "image_files"])
    image_files = strings(images["image_files"])
    labels = from_matlab(images["labels"], classes, f"labels in {files.images_mat}", "classes")
    if len(labels) != len(image_files):
        raise InputError(
            f"{files.images_mat}: {len(labels)} labels for {len(image_files)} image_files, expected as many"
        )
    if source is None:
        source = "untested" if has_untested_images(files, labels, classes, in_words) else "images"
    chosen, division = indices_to_describe(source, files, len(image_files))
    if len(in_words):
        check_unseen_are_in_words(source, files, labels, names, in_words)
        chosen = chosen[~np.isin(labels[chosen], in_words)]
        division = files.random_id
    without = np.setdiff1d(np.arange(classes), [*labels[chosen], *in_words])
    if len(without) and source != "seen":
        raise InputError(
            f"--from {source}: class {without[0] + 1} of {classes} has no such image in "
            f"{files.images_mat}: use --from seen or --from names"
        )
    return ClassImages(
        source,
        paths=[image_path(image_files[i], files.image_root, files.images_mat) for i in chosen],
        labels=labels[chosen],
        division=division,
        tested=count_tested(files, chosen, len(image_files)),
    )


def check_unseen_are_in_words(
    source: str, files: BenchmarkFiles, labels: np.ndarray, names: Sequence[str], in_words: Sequence[int]
):
    """Raise InputError if images would describe an unseen class of the division beside descriptions.

    labels: [n] of all images;  names, in_words: as of `images_to_describe`
    """
    unseen = np.unique(labels[read_division(files, "test_unseen_loc", len(labels))])
    without = np.setdiff1d(unseen, in_words)
    if len(without) and source != "seen":
        raise InputError(
            f"--descriptions says nothing of the unseen class {names[without[0]]} of division "
            f"{files.random_id}, which --from {source} would describe by its images: describe it, "
            "or use --from seen or --from names"
        )


def has_untested_images(
    files: BenchmarkFiles, labels: np.ndarray, classes: int, in_words: Sequence[int]
) -> bool:
    """Has each class that is not in words an image outside the test sets of the division?  labels: [n]"""
    if files.random_id not in divisions_of(files.splits_mat):
        return False
    untested, _ = indices_to_describe("untested", files, len(labels))
    return len(np.union1d(labels[untested], in_words)) == classes


def count_tested(files: BenchmarkFiles, chosen: np.ndarray, images: int) -> int:
    """How many of the chosen images are test images of unseen classes, in the division if there is such."""
    if files.random_id not in divisions_of(files.splits_mat):
        return 0
    return len(np.intersect1d(chosen, read_division(files, "test_unseen_loc", images)))


def indices_to_describe(source: str, files: BenchmarkFiles, images: int) -> Tuple[np.ndarray, Optional[int]]:
    """0-based indices, and the only division that they are good for, None if for all.

    Of "seen" and "untested" no test image of the division, be its class seen or unseen.
    """
    every_image = np.arange(images)
    if source == "images":
        return every_image, None
    tested = tested_images(files, images)
    if source == "seen":
        return np.setdiff1d(read_division(files, "train_gzsl_loc", images), tested), files.random_id
    same_in_all = True
    for k in divisions_of(files.splits_mat):
        same_in_all &= np.array_equal(tested, tested_images(replace(files, random_id=k), images))
    return np.setdiff1d(every_image, tested), None if same_in_all else files.random_id


def tested_images(files: BenchmarkFiles, images: int) -> np.ndarray:
    """0-based indices of the test images of the chosen division, sorted."""
    seen = read_division(files, "test_seen_loc", images)
    unseen = read_division(files, "test_unseen_loc", images)
    return np.union1d(seen, unseen)


def read_division(files: BenchmarkFiles, name: str, images: int) -> np.ndarray:
    """0-based image indices of one part of the chosen seen/unseen division."""
    key = f"{name}_{files.random_id}"
    indices = read_mat(files.splits_mat, [key])[key]
    return from_matlab(indices, images, f"{key} in {files.splits_mat}", "images")
