"""The .mat files of the published format. Indices are 1-based in the files and 0-based everywhere else.

Needs NumPy and SciPy alone: the demo's generator uses it, too.
"""

import os
import re
from pathlib import Path
from typing import Dict, Iterable, List, Sequence

import numpy as np
import scipy.io

from support.errors import InputError, not_found
from support.notes import first_of
from support.untrusted import check_layout

SHOWN = 5  # files that are named instead of a missing one

DATA_HELP = (
    "RSSDIVCS is in the Google Drive folder linked from github.com/wenjiaXu/RS_Scene_ZSL: "
    "unpack it into RSSDIVCS/ (its README shows the layout), "
    "or name your own folders, DATA_ROOT and IMAGE_ROOT of a script, main.py's --root and --image_root"
)


def data_help(file: Path) -> str:
    """What to do if this file of a dataset is missing: RSSDIVCS can be had, others are made."""
    folder = Path(file).parent
    dataset = folder.parent if folder.name == "files" else folder
    if dataset.name == "RSSDIVCS":
        return DATA_HELP
    ending = "_" + Path(file).name.rpartition("_")[2]  # _images.mat, _splits.mat
    others = sorted(place.name for place in folder.glob("*" + ending)) if ending.endswith(".mat") else []
    there = f"That folder has {first_of(others, SHOWN)}; " if others else ""
    return (
        f"{there}prepare.py makes NAME_images.mat and NAME_splits.mat of a folder of class folders, "
        "annotate.py the splits with attributes and their groups"
    )


# ---- reading ---------------------------------------------------------------------------------------


def read_mat(path: Path, keys: Sequence[str], optional: Sequence[str] = ()) -> Dict[str, np.ndarray]:
    """Only the named variables of a .mat file.

    keys:     variables that must be there
    optional: variables that may be there

    Raises InputError if the file is missing, damaged, or without one of the keys.
    """
    if not os.path.isfile(path):
        raise InputError(f"{not_found(path)}. {data_help(path)}")
    wanted = [*keys, *optional]
    try:
        check_layout(path, wanted)
        found = scipy.io.loadmat(path, variable_names=wanted)
    except NotImplementedError as error:
        raise InputError(f"{path} is in MATLAB's 7.3 format; save it with -v7") from error
    except Exception as error:  # scipy raises many kinds on a damaged file
        raise InputError(
            f"{path} is not a readable .mat file: {error}; copy it anew, or make it anew"
        ) from error
    missing = [key for key in keys if key not in found]
    if missing:
        there = ", ".join(sorted(variable_names(path))) or "nothing"
        advice = ", expected all of " + ", ".join(keys)
        if "trainval_loc" in variable_names(path):
            advice = (
                ". It is a file of xlsa17: prepare.py --from_xlsa17 att_splits.mat res101.mat "
                "--image_root FOLDER makes our format of it"
            )
        elif "_loc_" in missing[0]:
            advice = ". main.py --random_id chooses among the divisions"
        raise InputError(f"{path} has no {missing[0]}; it has {there}{advice}")
    return found


def variable_names(path: Path) -> List[str]:
    """The names of all variables of a .mat file."""
    return [name for name, _, _ in scipy.io.whosmat(path)]


def divisions_of(splits_mat: Path) -> List[int]:
    """Each --random_id that a splits file has: the k of its test_unseen_loc_k, sorted."""
    read_mat(splits_mat, ["allclasses_names"])  # raises what is wrong with the file
    divisions = []
    for name in variable_names(splits_mat):
        if re.fullmatch(r"test_unseen_loc_\d+", name):
            divisions.append(int(name.rpartition("_")[2]))
    return sorted(divisions)


def strings(value: np.ndarray) -> List[str]:
    """A char matrix (padded with blanks) or a cell array, as a list of strings."""
    return ["".join(map(str, np.ravel(item))).strip() for item in np.ravel(value)]


def from_matlab(value: np.ndarray, count: int, where: str, what: str) -> np.ndarray:
    """1-based indices of a .mat file -> 0-based [n] int64, each below `count`.

    where, what: "labels in FILE" and "classes", for the message of an InputError
    """
    flat = np.ravel(value)
    is_numeric = flat.dtype.kind in "iuf"
    broken = flat[np.floor(flat) != flat] if is_numeric else flat  # also NaN, which does not equal itself
    if not is_numeric or len(broken):
        found = str(broken[0])[:60] if len(broken) else "none"
        raise InputError(f"{where}: expected whole numbers from 1 to {count} ({what}), found {found}")
    outside = flat[(flat < 1) | (flat > count)]
    if len(outside):
        raise InputError(
            f"{where}: {outside[0]} is out of range, expected 1 to {count} (the number of {what})"
        )
    return flat.astype(np.int64) - 1


# ---- writing ---------------------------------------------------------------------------------------


def split_columns(parts: Dict[str, np.ndarray], division: int) -> Dict[str, np.ndarray]:
    """0-based parts of a division -> {"train_zsl_loc_0": 1-based [n, 1], ...}, as published."""
    return {f"{name}_{division}": to_matlab(images) for name, images in parts.items()}


def to_matlab(indices: np.ndarray) -> np.ndarray:
    """0-based [n] -> 1-based [n, 1]"""
    return (indices + 1).astype(np.int32)[:, None]


def cell_array(words: Iterable[str]) -> np.ndarray:
    """A MATLAB cell array, [n, 1]."""
    return np.array([*words, None], dtype=object)[:-1, None]  # with None, no item is taken apart
