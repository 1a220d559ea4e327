"""Which folders are the classes: those in the given folder, or others above or below?"""

from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

from support.errors import InputError

# what the parts of a dataset, or of a class, are called
PARTS = {"train", "training", "test", "testing", "val", "valid", "validation", "dev"}


@dataclass(frozen=True)
class Level:
    """Folders with images, side by side: `names` in the folder `place`, with so many images in all."""

    place: Path
    names: List[str]
    images: int


def check_level(folder: Path, found: Dict[str, List[str]]):
    """Raise InputError if folders hold nothing but folders: they may be parts of a dataset, such as train.

    found: {folder: its images, relative to it}
    """
    inner: Dict[str, Level] = {}
    for name, files in found.items():
        start, names = folders_inside(files)
        if len(names) > 1 and not PARTS.issuperset(map(str.lower, names)):
            inner[name] = Level(Path(name, start), names, len(files))
    if not inner:
        if len(found) > 1 and PARTS.issuperset(map(str.lower, found)):
            raise InputError(
                f"{folder} holds {', '.join(found)}: parts of a dataset? Expected a folder for each class, "
                "with its images. If these are the classes, add --subfolders"
            )
        return
    largest = max(inner.values(), key=lambda level: (len(level.names), level.images))
    likely = (
        f"name {folder / largest.place}, which holds {len(largest.names)} folders with images "
        f"({shortened(largest.names)})"
    )
    pictured = [name for name, files in found.items() if files]
    alike = same_inside(inner)
    if len(pictured) == 1:
        raise InputError(f"all images in {folder} are in its folder {pictured[0]}: {likely}")
    if alike:
        wrong = f"{' and '.join(alike)} in {folder} hold folders of the same names: parts of one dataset?"
    elif 2 * len(inner) >= len(pictured):
        wrong = f"folders in {folder}, such as {next(iter(inner))}, hold nothing but folders: not classes?"
    else:
        for name, level in inner.items():
            print(f"note: all images below {folder / name} are one class, in {shortened(level.names)}")
        return
    raise InputError(
        f"{wrong} Expected a folder for each class, with its images: {likely}, or put all images of a class "
        f"into one folder. If these are the classes, add --subfolders"
    )


def folders_inside(files: List[str]) -> Tuple[Path, List[str]]:
    """Where the folders with these images lie, and their names; none if an image lies beside them.

    A single folder around all of them is gone into.
    """
    paths = [Path(file).parts for file in files]
    start: Tuple[str, ...] = ()
    while paths and all(len(parts) > 1 for parts in paths):
        names = sorted({parts[0] for parts in paths})
        if len(names) > 1:
            return Path(*start), names
        start += (names[0],)
        paths = [parts[1:] for parts in paths]
    return Path(), []


def same_inside(inner: Dict[str, Level]) -> List[str]:
    """Two folders that hold folders of which at least half have the same names; [] if there are none."""
    for first, second in combinations(inner, 2):
        names, others = set(inner[first].names), set(inner[second].names)
        if 2 * len(names & others) >= min(len(names), len(others)):
            return [first, second]
    return []


def shortened(names: Sequence[str], shown: int = 3) -> str:
    """The first names."""
    return ", ".join(names[:shown]) + (", ..." if len(names) > shown else "")
