"""The .mat files of the published format. Indices are 1-based in the files and 0-based everywhere else."""

import os
import re
from pathlib import Path
from typing import Dict, List, Sequence

import numpy as np
import scipy.io

from support.errors import InputError
from support.untrusted import check_layout

DATA_HELP = (
    "RSSDIVCS is in the Google Drive folder linked from github.com/wenjiaXu/RS_Scene_ZSL: "
    "unpack it into RSSDIVCS/ (its README shows the layout), or name your own folders with --root and --image_root"
)


def read_mat(path: Path, keys: Sequence[str], optional: Sequence[str] = ()) -> dict:
    """Only the named variables of a .mat file; all of `keys` must be there."""
    if not os.path.isfile(path):
        raise InputError(f"no such file: {path}. {DATA_HELP}")
    try:
        check_layout(path, [*keys, *optional])
        found = scipy.io.loadmat(path, variable_names=[*keys, *optional])
    except NotImplementedError as error:
        raise InputError(f"{path} is in MATLAB's 7.3 format; save it with -v7") from error
    except Exception as error:  # scipy raises many kinds on a damaged file
        raise InputError(
            f"{path} is not a readable .mat file: {error}; copy it anew, or make it anew"
        ) from error
    missing = [key for key in keys if key not in found]
    if missing:
        there = sorted(name for name, _, _ in scipy.io.whosmat(path))
        raise InputError(
            f"{path} has no {missing[0]}; it has {', '.join(there) or 'nothing'}"
            + (
                ". --random_id chooses among the divisions"
                if "_loc_" in missing[0]
                else ", expected all of " + ", ".join(keys)
            )
        )
    return found


def divisions_of(splits_mat: Path) -> List[int]:
    """The --random_id that a splits file has: the k of its test_unseen_loc_k, sorted."""
    read_mat(splits_mat, ["allclasses_names"])
    return sorted(
        int(name.rpartition("_")[2])
        for name, _, _ in scipy.io.whosmat(splits_mat)
        if re.fullmatch(r"test_unseen_loc_\d+", name)
    )


def strings(value: np.ndarray) -> List[str]:
    """A char matrix (padded with blanks) or a cell array, as a list of strings."""
    return ["".join(map(str, np.ravel(item))).strip() for item in np.ravel(value)]


def from_matlab(value: np.ndarray, count: int, where: str, what: str) -> np.ndarray:
    """1-based indices of a .mat file -> 0-based [n] int64, each below `count`."""
    flat = np.ravel(value)
    broken = flat[np.floor(flat) != flat] if flat.dtype.kind in "iuf" else flat  # NaN, too, is not itself
    if flat.dtype.kind not in "iuf" or len(broken):
        raise InputError(
            f"{where}: expected whole numbers from 1 to {count} ({what}), found {str(broken[0])[:60] if len(broken) else 'none'}"
        )
    wrong = flat[(flat < 1) | (flat > count)]
    if len(wrong):
        raise InputError(f"{where}: {wrong[0]} is out of range, expected 1 to {count} (the number of {what})")
    return flat.astype(np.int64) - 1


def split_columns(parts: Dict[str, np.ndarray], division: int) -> Dict[str, np.ndarray]:
    """{"train_zsl_loc_0": [n, 1], ...} with 1-based numbers, as the published files have them."""
    return {f"{name}_{division}": to_matlab(images) for name, images in parts.items()}


def to_matlab(numbers: np.ndarray) -> np.ndarray:
    """0-based [n] -> 1-based [n, 1]"""
    return (numbers + 1).astype(np.int32)[:, None]


def cell_array(words: Sequence[str]) -> np.ndarray:
    """A MATLAB cell array, [n, 1]."""
    return np.array([*words, None], dtype=object)[:-1, None]
