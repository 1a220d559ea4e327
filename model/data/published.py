"""Writing a dataset in the published format: files/NAME_images.mat, files/NAME_splits.mat and beside them."""

import json
from pathlib import Path
from typing import Any, Dict, List, Mapping, Sequence

import numpy as np
import scipy.io

from data.benchmark import CLASS_FOLDERS
from data.matlab import cell_array, to_matlab
from data.names import NAMES_FILE
from support.files import atomic, write_text
from support.notes import counted


def table_path(output: Path, ending: str) -> Path:
    """files/NAME_<ending>, where NAME is that of the output folder."""
    return output / "files" / f"{output.name}_{ending}"


def write_table(output: Path, kind: str, variables: Dict[str, Any]):
    """files/NAME_<kind>.mat"""
    file = table_path(output, f"{kind}.mat")
    with atomic(file) as temporary:
        scipy.io.savemat(temporary, variables, appendmat=False, do_compression=True)
    print(f"wrote   {file}")


def write_images(output: Path, labels: np.ndarray, files: Sequence[str]):
    """files/NAME_images.mat

    labels: [n] 0-based classes;  files: [n] paths relative to the image root
    """
    image_files = np.array([f"RSSDIVCS/{file}" for file in files])
    write_table(output, "images", {"labels": to_matlab(labels), "image_files": image_files})


def write_splits(output: Path, kind: str, splits: Dict[str, Any], name_of: Mapping[str, str]):
    """files/NAME_<kind>.mat with the names of all classes.  name_of: {folder: class name}"""
    classes = {
        "allclasses_names": cell_array(name_of.values()),
        CLASS_FOLDERS: cell_array(name_of),
    }
    write_table(output, kind, {**splits, **classes})


def write_names(output: Path, names: Mapping[str, str]):
    """files/class_names.json  names: {folder: class name}"""
    file = output / "files" / NAMES_FILE
    write_text(file, json.dumps(dict(names), indent=1, ensure_ascii=False) + "\n")
    print(f"wrote   {file}")


def write_captions(file: Path, training_files: Sequence[str], captions: Dict[str, List[str]]):
    """The lines about the training images.  captions: {image: its lines}"""
    described = [image for image in training_files if image in captions]
    text = "".join(line + "\n" for image in described for line in captions[image])
    write_text(file, text)
    print(f"wrote   {file}, {counted(len(described), 'image')}")
