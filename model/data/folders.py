"""The images of a new dataset, in one folder for each class."""

import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import repeat
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Tuple

import numpy as np

from data.archives import check_unpacked
from data.bands import Bands
from data.images import read_image, readable_endings, walk
from data.levels import check_level
from data.ranges import UsedRange, used_range, warn_of_narrow_ranges
from support.errors import InputError, not_found
from support.notes import counted
from support.processes import progress
from support.untrusted import are_words

LISTED = 10  # bad images that are named


@dataclass(frozen=True)
class ClassFolders:
    """`n` images of `C` classes.

    folder:  that holds a folder for each class
    classes: [C] names of these folders, sorted
    files:   [n] paths relative to the folder, in the order of their classes and names
    labels:  [n] class of each image
    """

    folder: Path
    classes: List[str]
    files: List[str]
    labels: np.ndarray


# ---- finding ---------------------------------------------------------------------------------------


def find_images(folder: Path, subfolders: bool = False) -> ClassFolders:
    """All images in class folders.

    subfolders: may class folders hold nothing but folders?

    Raises InputError if there are fewer than two classes, one is empty, or the classes are likely to lie on
    another level.
    """
    check_unpacked(folder)
    if not folder.is_dir():
        raise InputError(f"{not_found(folder, 'folder')}. Expected one with a folder for each class")
    found: Dict[str, List[str]] = {}
    for place in sorted(folder.iterdir()):
        if place.is_dir() and not place.name.startswith(".") and not is_passed_over(place):
            found[place.name] = [os.path.relpath(file, place) for file in walk([str(place)])]
    loose = first_loose_image(folder)
    if not subfolders:
        check_level(folder, found)
    if len(found) < 2:
        hint = f", but there are images, such as {loose}" if loose else ""
        raise InputError(
            f"{folder} has {counted(len(found), 'folder')}: "
            f"expected one for each of at least two classes{hint}"
        )
    for name, files in found.items():
        if not files:
            raise InputError(
                f"the class {name} has no image in {folder / name}: add some, or, if it is no class, "
                f"move it out of {folder}"
            )
    if loose:
        print(f"note: images beside the class folders, such as {loose}, are left out")
    counts = [len(files) for files in found.values()]
    return ClassFolders(
        folder,
        classes=list(found),
        files=[str(Path(name, file)) for name, files in found.items() for file in files],
        labels=np.repeat(np.arange(len(counts)), counts),
    )


def is_passed_over(place: Path) -> bool:
    """Is it no class, but the files/ or the cache/ of a dataset, or what macOS adds to an archive?"""
    if place.name not in ("files", "cache", "__MACOSX"):
        return False
    if any(place.glob("*.mat")) or any(place.glob("*.pixels")):
        return True
    return next(walk([str(place)]), None) is None


def first_loose_image(folder: Path) -> Optional[str]:
    """The name of an image beside the class folders, if there is one."""
    for file in sorted(folder.iterdir()):
        if file.is_file() and file.suffix.lower() in readable_endings():
            return file.name
    return None


# ---- checking --------------------------------------------------------------------------------------


def check_images(
    images: ClassFolders, skip_bad: bool, workers: int, bands: Optional[Bands] = None
) -> ClassFolders:
    """Those that can be read. Prints a line if many of them use almost none of their range.

    skip_bad: leave the others out; without, they are an InputError, as is one image in two classes
    workers:  threads that look at the images
    bands:    that are red, green and blue, if not the first three
    """
    digests, errors, ranges = look_at_all(images, workers, bands)
    bad = [error for error in errors if error]
    if bad:
        refuse_or_note(bad, len(images.files), skip_bad)
    good = [place for place, error in enumerate(errors) if not error]
    check_copies(images, digests, good)
    warn_of_narrow_ranges([images.files[place] for place in good], [ranges[place] for place in good])
    labels = images.labels[good]
    counts = Counter(labels).values()
    print(
        f"data    {len(good)} images of {len(counts)} classes in {images.folder}, "
        f"{min(counts)} to {max(counts)} of each"
    )
    return replace(images, files=[images.files[place] for place in good], labels=labels)


def look_at_all(
    images: ClassFolders, workers: int, bands: Optional[Bands]
) -> Tuple[List[str], List[Optional[str]], List[UsedRange]]:
    """The digest of each file, what is wrong with it, if anything, and how much of its range it uses."""
    paths = [images.folder / file for file in images.files]
    digests = []
    errors = []
    ranges = []
    with ThreadPoolExecutor(workers) as pool:
        looked_at = pool.map(look_at, paths, repeat(bands))
        for digest, error, used in progress(looked_at, "images", len(paths)):
            digests.append(digest)
            errors.append(error)
            ranges.append(used)
    return digests, errors, ranges


def look_at(file: Path, bands: Optional[Bands]) -> Tuple[str, Optional[str], UsedRange]:
    """A digest of the file, what is wrong with it, if anything, and how much of its range it uses."""
    try:
        if not are_words(file.name):
            raise InputError(f"cannot write down the name of the image {file}: rename it")
        used = used_range(read_image(file, bands))
        return hashlib.sha256(file.read_bytes()).hexdigest(), None, used
    except (InputError, OSError) as error:
        return "", str(error), UsedRange(1, 1)


def refuse_or_note(bad: Sequence[str], count: int, skip_bad: bool):
    """Raise InputError for unreadable images, or print that they are left out.

    bad:   what is wrong with each of them
    count: of all images
    """
    shown = "; ".join(bad[:LISTED])
    if len(bad) > LISTED:
        shown += "; ..."
    if not skip_bad:
        raise InputError(f"{len(bad)} of {count} images cannot be read: --skip_bad leaves them out. {shown}")
    if len(bad) == count:
        raise InputError(f"{len(bad)} of {count} images cannot be read. {shown}")
    print(f"note: {len(bad)} of {count} images cannot be read and are left out: {shown}")


def check_copies(images: ClassFolders, digests: Sequence[str], good: Sequence[int]):
    """Raise InputError if an image is in two classes; print how many are twice in one.

    good: places of the images that can be read
    """
    first: Dict[str, int] = {}
    for place in good:
        twin = first.setdefault(digests[place], place)
        if images.labels[twin] != images.labels[place]:
            raise InputError(
                f"{images.files[twin]} and {images.files[place]} are the same image in two classes: "
                "take one away"
            )
    if len(first) < len(good):
        print(
            f"note: {counted(len(good) - len(first), 'image is a copy', 'images are copies')} "
            "of others of their class; "
            "training and test may share them"
        )


def check_counts(images: ClassFolders, names: Sequence[str]):
    """Raise InputError if a class has too few images.  names: [C], for the message"""
    counts = np.bincount(images.labels, minlength=len(names)).tolist()
    for name, count in zip(names, counts):
        if count < 2:
            raise InputError(
                f"the class {name} has {counted(count, 'readable image')}: "
                "expected at least 2, one to train and one to test"
            )
