"""Which pictures a run was trained with: what it says of those tells nothing of new ones.

A checkpoint keeps no list of them. Its dataset tells, if it lies where it lay, and has not changed.
"""

import filecmp
import os
from collections import defaultdict
from pathlib import Path
from typing import Dict, List, Optional, Sequence

from data.checks import image_path
from data.matlab import from_matlab, read_mat, strings
from inference.saved import SavedDataset
from runs.fingerprints import data_files, file_fingerprint
from support.errors import InputError


class TrainingImages:
    """The training images of a run, to be compared with others. Nothing is read before one is."""

    def __init__(self, files: Sequence[Path]):
        self.by_name: Dict[str, List[Path]] = defaultdict(list)
        for file in files:
            self.by_name[file.name].append(file)

    def has(self, picture: str) -> bool:
        """Is this one of them, or a link to one, or a copy that has kept its name?"""
        names = {Path(picture).name, Path(os.path.realpath(picture)).name}
        alike = [file for name in names for file in self.by_name.get(name, [])]
        return any(is_same(picture, file) for file in alike)


def is_same(picture: str, file: Path) -> bool:
    """One file, or two of the same content."""
    try:
        return Path(picture).samefile(file) or filecmp.cmp(picture, file, shallow=False)
    except OSError:  # one is gone
        return False


def find_training_images(dataset: SavedDataset) -> Optional[TrainingImages]:
    """Those of the run that was trained with this dataset; None where they cannot be known."""
    settings = dataset.settings
    files = data_files(settings.files)
    for name in ("images_mat", "splits_mat"):
        recorded = dataset.fingerprints.get(name)
        if name not in files or recorded != file_fingerprint(files[name]):
            return None
    column = f"{settings.trained_on}_{settings.files.random_id}"
    try:
        named = strings(read_mat(settings.files.images_mat, ["image_files"])["image_files"])
        where = f"{column} in {settings.files.splits_mat}"
        table = read_mat(settings.files.splits_mat, [column])
        numbers = from_matlab(table[column], len(named), where, "images")
        root, source = settings.files.image_root, settings.files.images_mat
        trained = [image_path(named[i], root, source) for i in numbers]
    except InputError:
        return None
    if not any(os.path.isfile(file) for file in trained):
        return None
    return TrainingImages(trained)
