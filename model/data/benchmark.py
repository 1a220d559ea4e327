"""One benchmark: images, classes, attributes and a division into seen and unseen classes, read and checked."""

import os
import re
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np
import torch
from torch import Tensor

from data.images import is_below
from data.matlab import DATA_HELP, from_matlab, read_mat, strings
from support.errors import InputError
from support.untrusted import are_words, parse_json


@dataclass(frozen=True)
class BenchmarkFiles:
    """Where the parts of a benchmark lie, and which of its divisions is meant. `find_files` finds them."""

    images_mat: Path
    splits_mat: Path
    groups_json: Path
    image_root: Path
    random_id: int = 0


@dataclass
class Benchmark:
    """Images, classes, attributes and one random seen/unseen division of them."""

    image_paths: List[Path]  # [n]
    labels: np.ndarray  # [n] class of each image
    class_names: List[str]  # [C]
    class_attributes: Tensor  # M [A, C] float32
    attribute_names: List[str]  # [A]
    groups: Dict[str, List[int]]  # group name -> its attributes
    provenance: dict  # how annotate.py made M: CLIP, prompts, vocabulary, ...; empty of a file by other hands
    splits: Dict[
        str, np.ndarray
    ]  # "train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc" -> images

    def to(self, device: torch.device) -> "Benchmark":
        """The same, with the class attributes on a device."""
        return replace(self, class_attributes=self.class_attributes.to(device))

    @cached_property
    def seen(self) -> np.ndarray:  # classes with training images, sorted
        return np.unique(self.labels[self.splits["train_zsl_loc"]])

    @cached_property
    def unseen(self) -> np.ndarray:  # classes without, sorted
        return np.unique(self.labels[self.splits["test_unseen_loc"]])

    def candidates(self, gzsl: bool) -> np.ndarray:  # classes that an image may be given
        return np.union1d(self.seen, self.unseen) if gzsl else self.unseen

    def test_images(self, gzsl: bool) -> np.ndarray:
        return np.concatenate(
            [
                self.splits[name]
                for name in (("test_seen_loc", "test_unseen_loc") if gzsl else ("test_unseen_loc",))
            ]
        )


ATTRIBUTE_NAMES = ("attribute_names", "attri_names")  # not in the published files
LARGEST = 1e9  # of an attribute's values: larger ones are no numbers any more once they are multiplied
SPLITS = ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc")


def load_benchmark(files: BenchmarkFiles) -> Benchmark:
    """Read one benchmark and check that its parts fit together. Raises InputError that names the file and the key."""
    images_mat, splits_mat, random_id = files.images_mat, files.splits_mat, files.random_id
    images = read_mat(images_mat, ["labels", "image_files"])  # `features`, half a gigabyte, is never needed
    table = read_mat(
        splits_mat,
        ["att", "allclasses_names"] + [f"{name}_{random_id}" for name in SPLITS],
        [*ATTRIBUTE_NAMES, "provenance"],
    )
    image_files, names = strings(images["image_files"]), strings(table["allclasses_names"])
    named = strings(next((table[key] for key in ATTRIBUTE_NAMES if key in table), np.array([])))
    benchmark = Benchmark(
        image_paths=[image_path(name, files.image_root, images_mat) for name in image_files],
        labels=from_matlab(images["labels"], len(names), f"labels in {images_mat}", "classes"),
        class_names=names,
        class_attributes=attribute_matrix(table["att"], len(names), splits_mat),
        attribute_names=named or [f"attribute {a}" for a in range(len(table["att"]))],
        groups=read_groups(files.groups_json),
        provenance=read_provenance(table, splits_mat),
        splits={
            name: from_matlab(
                table[f"{name}_{random_id}"],
                len(image_files),
                f"{name}_{random_id} in {splits_mat}",
                "images",
            )
            for name in SPLITS
        },
    )
    check_benchmark(benchmark, images_mat, splits_mat, files.groups_json, random_id)
    return benchmark


def read_provenance(table: dict, path: Path) -> dict:
    try:
        found = parse_json("".join(strings(table["provenance"]))) if "provenance" in table else {}
    except ValueError as error:
        raise InputError(f"provenance in {path} should be JSON, as annotate.py writes it: {error}") from error
    prompts = (
        [found.get(key, ["a"]) for key in ("attribute_prompts", "class_prompts")]
        if isinstance(found, dict)
        else []
    )
    if (
        not prompts
        or not isinstance(found.get("clip", ""), str)
        or not all(
            isinstance(several, list) and several and all(map(are_words, several)) for several in prompts
        )
    ):
        raise InputError(
            f'provenance in {path} should be as annotate.py writes it, {{"clip": ..., "attribute_prompts": [...], ...}}, found {str(found)[:60]}'
        )
    return found


def image_path(name: str, root: Path, where: Path) -> Path:
    """`/any/where/RSSDIVCS/Airport/1.jpg` -> `root/Airport/1.jpg`."""
    relative = name.partition("RSSDIVCS/")[2] or name
    if not is_below(relative):
        raise InputError(
            f"image_files in {where}: {name!r} should hold RSSDIVCS/ and then a path below --image_root"
        )
    return Path(root) / relative


def keep_groups(benchmark: Benchmark, chosen: Sequence[str]) -> Benchmark:
    """The same with the attributes of these groups alone. What is left of a class's vector is given its former length."""
    strange = [name for name in chosen if name not in benchmark.groups]
    if strange:
        raise InputError(
            f"--only_groups: there is no group {strange[0]}; there are {', '.join(benchmark.groups)}"
        )
    kept = sorted({a for name in chosen for a in benchmark.groups[name]})
    part = benchmark.class_attributes[kept]
    length = benchmark.class_attributes.norm(dim=0) / part.norm(dim=0).clamp_min(1e-12)
    return replace(
        benchmark,
        class_attributes=part * length,
        attribute_names=[benchmark.attribute_names[a] for a in kept],
        groups={name: [kept.index(a) for a in benchmark.groups[name]] for name in chosen},
    )


def attribute_matrix(att: np.ndarray, classes: int, where: Path) -> Tensor:
    if att.ndim != 2 or att.shape[1] != classes or att.dtype.kind not in "iuf":
        raise InputError(
            f"att in {where}: expected finite numbers, attributes x {classes} classes, found {att.dtype} {att.shape}"
        )
    wrong = att[~(np.abs(att) < LARGEST)]
    if len(wrong):
        raise InputError(f"att in {where}: expected finite numbers below {LARGEST:g}, found {wrong[0]}")
    return torch.from_numpy(att.astype(np.float32))


def read_groups(path: Path) -> Dict[str, List[int]]:
    """{"functions": [0, 1, ...], "materials": [...], ...}: 0-based attribute indices."""
    if not os.path.isfile(path):
        raise InputError(f"no such file: {path}. {DATA_HELP}")
    try:
        groups = parse_json(Path(path).read_text())
        sound = bool(groups) and all(
            group and all(type(a) is int and a >= 0 for a in group) for group in groups.values()
        )
    except (OSError, ValueError, AttributeError, TypeError):
        sound = False
    if not sound:
        raise InputError(
            f'{path}: expected a JSON object of group name -> list of 0-based attribute indices, such as {{"functions": [0, 1], "materials": [2]}}'
        )
    return groups


def check_benchmark(
    benchmark: Benchmark, images_mat: Path, splits_mat: Path, groups_json: Path, random_id: int
):
    """The parts of a benchmark fit together."""
    paths, labels = benchmark.image_paths, benchmark.labels
    if len(paths) != len(labels):
        raise InputError(f"{images_mat}: {len(labels)} labels for {len(paths)} image_files, expected as many")
    for name, images in benchmark.splits.items():
        if not len(images):
            raise InputError(
                f"{splits_mat}: {name}_{random_id} is empty: expected at least one image; --random_id chooses among the divisions"
            )
    attributes, grouped = len(benchmark.class_attributes), 1 + max(map(max, benchmark.groups.values()))
    if attributes != grouped:
        raise InputError(
            f"att in {splits_mat} has {attributes} attributes, but {groups_json} groups {grouped}: use files that belong together"
        )
    if len(benchmark.attribute_names) != attributes:
        raise InputError(
            f"{splits_mat}: {len(benchmark.attribute_names)} attribute names for the {attributes} rows of att, expected as many: annotate anew"
        )
    described = benchmark.provenance.get("random_id")
    if described not in (None, random_id):
        raise InputError(
            f"{splits_mat} describes the classes by images outside the test sets of --random_id {described}, not of {random_id}: "
            "annotate this division anew"
        )
    for name in ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc"):
        both = np.intersect1d(labels[benchmark.splits[name]], benchmark.unseen)
        if len(both):
            raise InputError(
                f"{splits_mat}: {name}_{random_id} holds images of {benchmark.class_names[both[0]]}, "
                f"which test_unseen_loc_{random_id} calls unseen: expected a class to be either"
            )
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise InputError(
            f"{len(missing)} of {len(paths)} images are missing, the first is {missing[0]}. {DATA_HELP}"
        )


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

    Files are named by a path, or by a name that is looked up in <root>/<dataset>/files and <root>/<dataset>.
    """
    folder = Path(root) / dataset
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

    beside: a folder that is looked into last.  A file that is nowhere is named as it is expected first.
    """
    places = [Path(name)]
    for where in (folder / "files", folder, beside):
        if where is not None:
            places += [where / (name + ending), where / (name + ".mat"), where / name]
    for place in places:
        if os.path.isfile(place):  # Path.is_file raises on names that are too long
            return place
    return places[0] if Path(name).suffix == ".mat" else places[1]


def readable(class_name: str) -> str:
    """`BaseballField`, `baseball_field` -> `baseball field`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-\s]+", " ", class_name)
    return words.strip().lower()
