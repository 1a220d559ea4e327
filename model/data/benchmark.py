"""One benchmark: images, classes, attributes and a division into seen and unseen classes."""

import os
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np

from data.archives import check_unpacked
from data.checks import (
    attribute_matrix,
    check_attributes,
    check_class_names,
    check_division,
    check_images_are_there,
    check_labels,
    check_not_empty,
    check_seen_and_unseen,
    image_path,
    read_groups,
    read_provenance,
)
from data.classes import SIMILARITIES, Classes, read_similarities
from data.joined import split_names, told
from data.matlab import DATA_HELP, data_help, from_matlab, read_mat, strings
from data.names import NAMES_FILE, readable, renamed, stored_names
from data.notes import note_scale
from support.errors import InputError
from support.notes import note_new

SPLITS = ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc")
CLASS_FOLDERS = "class_folders"  # of prepare.py, not in the published files
ATTRIBUTE_NAMES = ("attribute_names", "attri_names")  # not in the published files


@dataclass(frozen=True)
class BenchmarkFiles:
    """Where the parts of a benchmark lie, and which of its divisions is meant. `find_files` finds them."""

    images_mat: Path
    splits_mat: Path
    groups_json: Path
    image_root: Path
    random_id: int = 0


@dataclass
class Benchmark(Classes):
    """`n` images, `C` classes, `A` attributes and one random division into seen and unseen classes.

    image_paths:  [n]
    labels:       [n] class of each image
    splits:       {name in SPLITS: image indices}
    folder_names: {folder, or name as published: class name}; it helps `data.names.find_class` to know what a
                  user means
    """

    image_paths: List[Path]
    labels: np.ndarray
    splits: Dict[str, np.ndarray]
    seen: np.ndarray = field(init=False)
    unseen: np.ndarray = field(init=False)
    folder_names: Dict[str, str] = field(default_factory=dict)

    def __post_init__(self):
        self.seen = np.unique(self.labels[self.splits["train_zsl_loc"]])
        self.unseen = np.unique(self.labels[self.splits["test_unseen_loc"]])

    def test_images(self, gzsl: bool) -> np.ndarray:
        """Image indices."""
        unseen = self.splits["test_unseen_loc"]
        return np.concatenate([self.splits["test_seen_loc"], unseen]) if gzsl else unseen


# ---- reading ---------------------------------------------------------------------------------------


def load_benchmark(files: BenchmarkFiles, needs_images: bool = True, described: bool = True) -> Benchmark:
    """Read one benchmark and check that its parts fit together.

    needs_images: must all images be there? A program that reads some of them alone checks these itself.
    described:    do its classes have attributes? Without, none are read, nor the groups file:
                  `class_attributes` is [0, C].

    Raises InputError that names the file and the key.
    """
    columns = [f"{name}_{files.random_id}" for name in SPLITS]
    # `features`, half a gigabyte, is never needed
    images = read_mat(files.images_mat, ["labels", "image_files"])
    description = ["att"] if described else []
    table = read_mat(
        files.splits_mat,
        [*description, "allclasses_names", *columns],
        optional=[CLASS_FOLDERS, *([*ATTRIBUTE_NAMES, *SIMILARITIES, "provenance"] if described else [])],
    )
    image_files = strings(images["image_files"])
    class_names = read_class_names(table, files.splits_mat, files.images_mat)
    if not described:
        table["att"] = np.zeros((0, len(class_names)))
    splits = {}
    for name, column in zip(SPLITS, columns):
        where = f"{column} in {files.splits_mat}"
        splits[name] = from_matlab(table[column], len(image_files), where, "images")
    labels = from_matlab(images["labels"], len(class_names), f"labels in {files.images_mat}", "classes")
    check_labels(labels, image_files, files.images_mat)
    benchmark = Benchmark(
        image_paths=[image_path(name, files.image_root, files.images_mat) for name in image_files],
        labels=labels,
        class_names=class_names,
        class_attributes=attribute_matrix(table["att"], len(class_names), files.splits_mat),
        attribute_names=attribute_names(table),
        groups=read_groups(files.groups_json) if described else {},
        provenance=read_provenance(table, files.splits_mat),
        similarities=read_similarities(table, files.splits_mat),
        splits=splits,
        folder_names=dict(zip(class_folders(table), class_names)),
    )
    check_benchmark(benchmark, files)
    if needs_images:
        check_images_are_there(benchmark.image_paths, images_help(files))
    if described:
        note_scale(benchmark.class_attributes.numpy(), files.splits_mat)
    return benchmark


def read_class_names(
    table: Dict[str, np.ndarray], splits_mat: Path, images_mat: Optional[Path] = None
) -> List[str]:
    """allclasses_names of a splits file, as the class_names.json beside it or beside the images has them.

    Other names that are written as one word, `storagetanks`, are taken apart.
    Raises InputError if two classes have one name.
    """
    places = [file.parent for file in (splits_mat, images_mat) if file]
    stored = stored_names(*places)
    names = renamed(strings(table["allclasses_names"]), class_folders(table), stored)
    words = [readable(name) for name in names]
    joined = {}
    for name, former, new in zip(names, words, split_names(words)):
        if former != new and name not in stored.values():
            joined[name] = new
    if joined:
        note_new(
            f"joined class names in {splits_mat} are read as words, {told(joined)}; "
            f"a {NAMES_FILE} beside it gives others"
        )
    names = [joined.get(name, name) for name in names]
    check_class_names(names, splits_mat)
    return names


def class_folders(table: Dict[str, np.ndarray]) -> List[str]:
    """[C] what the classes' folders are called, as prepare.py tells, or else their published names."""
    names = strings(table["allclasses_names"])
    folders = strings(table.get(CLASS_FOLDERS, np.array([])))
    return folders if len(folders) == len(names) else names


def attribute_names(table: Dict[str, np.ndarray]) -> List[str]:
    """The names in a splits file, or "attribute 0", ... if it has none."""
    given = [key for key in ATTRIBUTE_NAMES if key in table]
    names = strings(table[given[0]]) if given else []
    return names or [f"attribute {a}" for a in range(len(table["att"]))]


def check_benchmark(benchmark: Benchmark, files: BenchmarkFiles):
    """Raise InputError if the parts of a benchmark do not fit together."""
    check_not_empty(benchmark.splits, files.random_id, files.splits_mat)
    if benchmark.groups:
        check_attributes(
            len(benchmark.class_attributes),
            benchmark.attribute_names,
            benchmark.groups,
            files.splits_mat,
            files.groups_json,
        )
    check_division(benchmark.provenance, files.random_id, files.splits_mat)
    check_seen_and_unseen(
        benchmark.splits,
        benchmark.labels,
        benchmark.class_names,
        files.random_id,
        files.splits_mat,
    )


def images_help(files: BenchmarkFiles) -> str:
    """What to do if images are missing."""
    help_of_dataset = data_help(files.images_mat)
    if help_of_dataset == DATA_HELP:
        return help_of_dataset
    return f"They are expected below {files.image_root}: main.py --image_root names another folder"


def keep_groups(benchmark: Benchmark, chosen: Sequence[str]) -> Benchmark:
    """The same with the attributes of these groups alone, renumbered.

    What is left of a class's vector is given its former length.
    """
    for name in chosen:
        if name not in benchmark.groups:
            raise InputError(
                f"main.py --only_groups: there is no group {name}; there are {', '.join(benchmark.groups)}"
            )
    kept = sorted({a for name in chosen for a in benchmark.groups[name]})
    part = benchmark.class_attributes[kept]
    length = benchmark.class_attributes.norm(dim=0) / part.norm(dim=0).clamp_min(1e-12)
    similarities = benchmark.similarities
    return replace(
        benchmark,
        class_attributes=part * length,
        attribute_names=[benchmark.attribute_names[a] for a in kept],
        groups={name: [kept.index(a) for a in benchmark.groups[name]] for name in chosen},
        similarities=similarities.of_attributes(kept) if similarities else None,
    )


# ---- files and names -------------------------------------------------------------------------------


def find_files(
    root: str,
    dataset: str,
    image_embedding: str,
    class_embedding: Optional[str],
    group_file: str,
    image_root: Optional[str],
    random_id: int,
) -> BenchmarkFiles:
    """Where a dataset's files are. The arguments are the options of these names, see support/cli.py.

    A file is named by its path, or by a name that is looked up in <root>/<dataset>/files and then in
    <root>/<dataset>.
    """
    folder = Path(root) / dataset
    for place in (Path(root), folder, Path(image_root or folder)):
        check_unpacked(place)
    described = class_embedding or f"ann_attr_finetune_{image_embedding}"
    images_mat = find(folder, image_embedding, "_images.mat")
    return BenchmarkFiles(
        images_mat=images_mat,
        splits_mat=find(folder, described.replace("{}", str(random_id)), "_splits.mat"),
        groups_json=find(folder, group_file, ".json", beside=images_mat.parent),
        image_root=Path(image_root or folder),
        random_id=random_id,
    )


def find(folder: Path, name: str, ending: str, beside: Optional[Path] = None) -> Path:
    """A file by its path, or by its name with or without the ending: in files/ or in the folder itself.

    beside: a folder that is looked into last

    A file that is nowhere is named where it is expected first.
    """
    places = [Path(name)]
    for where in (folder / "files", folder, beside):
        if where is not None:
            places += [where / (name + ending), where / (name + ".mat"), where / name]
    for place in places:
        if os.path.isfile(place):  # Path.is_file raises on names that are too long
            return place
    return places[0] if Path(name).suffix == ".mat" else places[1]
