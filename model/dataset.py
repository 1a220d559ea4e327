"""The published file format (two .mat files and a groups file), the image dataset, and the samplers.

Indices are 1-based in the files and 0-based everywhere here.
"""
import math
import os
import random
import re
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import scipy.io
import torch
from torch import Tensor
from torch.utils.data import Dataset, Sampler
from torchvision.transforms import functional as TF

from errors import InputError
from images import is_below, read_image
from matfiles import check_layout
from texts import are_words, parse_json

DATA_HELP = ("RSSDIVCS is in the Google Drive folder linked from github.com/wenjiaXu/RS_Scene_ZSL: "
             "unpack it into RSSDIVCS/ (its README shows the layout), or name your own folders with --root and --image_root")
NORMALIZATIONS = {  # mean and deviation of R, G, B in [0, 1]
    "imagenet": ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)),
    "clip": ((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
}


# ---- the files -------------------------------------------------------------------------------------------------------

@dataclass
class Benchmark:
    """Images, classes, attributes and one random seen/unseen division of them."""
    image_paths: List[Path]             # [n]
    labels: np.ndarray                  # [n] class of each image
    class_names: List[str]              # [C]
    class_attributes: Tensor            # M [A, C] float32
    attribute_names: List[str]          # [A]
    groups: Dict[str, List[int]]        # group name -> its attributes
    provenance: dict                    # how annotate.py made M: CLIP, prompts, vocabulary, ...; empty of a file by other hands
    splits: Dict[str, np.ndarray]       # "train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc" -> images

    @cached_property
    def seen(self) -> np.ndarray:       # classes with training images, sorted
        return np.unique(self.labels[self.splits["train_zsl_loc"]])

    @cached_property
    def unseen(self) -> np.ndarray:     # classes without, sorted
        return np.unique(self.labels[self.splits["test_unseen_loc"]])

    def candidates(self, gzsl: bool) -> np.ndarray:     # classes that an image may be given
        return np.union1d(self.seen, self.unseen) if gzsl else self.unseen

    def test_images(self, gzsl: bool) -> np.ndarray:
        return np.concatenate([self.splits[name] for name in (("test_seen_loc", "test_unseen_loc") if gzsl else ("test_unseen_loc",))])


ATTRIBUTE_NAMES = ("attribute_names", "attri_names")  # not in the published files
LARGEST = 1e9  # of an attribute's values: larger ones are no numbers any more once they are multiplied
SPLITS = ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc")


def load_benchmark(images_mat: Path, splits_mat: Path, groups_json: Path, image_root: Path, random_id: int = 0) -> Benchmark:
    """Read one benchmark and check that its parts fit together. Raises InputError that names the file and the key."""
    images = read_mat(images_mat, ["labels", "image_files"])  # `features`, half a gigabyte, is never needed
    table = read_mat(splits_mat, ["att", "allclasses_names"] + [f"{name}_{random_id}" for name in SPLITS], [*ATTRIBUTE_NAMES, "provenance"])
    files, names = strings(images["image_files"]), strings(table["allclasses_names"])
    named = strings(next((table[key] for key in ATTRIBUTE_NAMES if key in table), np.array([])))
    benchmark = Benchmark(
        image_paths=[image_path(name, image_root, images_mat) for name in files],
        labels=one_based(images["labels"], len(names), f"labels in {images_mat}", "classes"),
        class_names=names,
        class_attributes=attribute_matrix(table["att"], len(names), splits_mat),
        attribute_names=named or [f"attribute {a}" for a in range(len(table["att"]))],
        groups=read_groups(groups_json),
        provenance=read_provenance(table, splits_mat),
        splits={name: one_based(table[f"{name}_{random_id}"], len(files), f"{name}_{random_id} in {splits_mat}", "images")
                for name in SPLITS})
    check(benchmark, images_mat, splits_mat, groups_json, random_id)
    return benchmark


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
        raise InputError(f"{path} is not a readable .mat file: {error}; copy it anew, or make it anew") from error
    missing = [key for key in keys if key not in found]
    if missing:
        there = sorted(name for name, _, _ in scipy.io.whosmat(path))
        raise InputError(f"{path} has no {missing[0]}; it has {', '.join(there) or 'nothing'}"
                         + (". --random_id chooses among the divisions" if "_loc_" in missing[0] else ", expected all of " + ", ".join(keys)))
    return found


def divisions_of(splits_mat: Path) -> List[int]:
    """The --random_id that a splits file has: the k of its test_unseen_loc_k, sorted."""
    read_mat(splits_mat, ["allclasses_names"])
    return sorted(int(name.rpartition("_")[2]) for name, _, _ in scipy.io.whosmat(splits_mat) if re.fullmatch(r"test_unseen_loc_\d+", name))


def read_provenance(table: dict, path: Path) -> dict:
    try:
        found = parse_json("".join(strings(table["provenance"]))) if "provenance" in table else {}
    except ValueError as error:
        raise InputError(f"provenance in {path} should be JSON, as annotate.py writes it: {error}") from error
    prompts = [found.get(key, ["a"]) for key in ("attribute_prompts", "class_prompts")] if isinstance(found, dict) else []
    if not prompts or not isinstance(found.get("clip", ""), str) or not all(isinstance(several, list) and several and all(map(are_words, several)) for several in prompts):
        raise InputError(f'provenance in {path} should be as annotate.py writes it, {{"clip": ..., "attribute_prompts": [...], ...}}, found {str(found)[:60]}')
    return found


def strings(value: np.ndarray) -> List[str]:
    """A char matrix (padded with blanks) or a cell array, as a list of strings."""
    return ["".join(map(str, np.ravel(item))).strip() for item in np.ravel(value)]


def one_based(value: np.ndarray, count: int, where: str, what: str) -> np.ndarray:
    """1-based indices of a .mat file -> 0-based [n] int64, each below `count`."""
    flat = np.ravel(value)
    broken = flat[np.floor(flat) != flat] if flat.dtype.kind in "iuf" else flat  # NaN, too, is not itself
    if flat.dtype.kind not in "iuf" or len(broken):
        raise InputError(f"{where}: expected whole numbers from 1 to {count} ({what}), found {str(broken[0])[:60] if len(broken) else 'none'}")
    wrong = flat[(flat < 1) | (flat > count)]
    if len(wrong):
        raise InputError(f"{where}: {wrong[0]} is out of range, expected 1 to {count} (the number of {what})")
    return flat.astype(np.int64) - 1


def image_path(name: str, root: Path, where: Path) -> Path:
    """`/any/where/RSSDIVCS/Airport/1.jpg` -> `root/Airport/1.jpg`."""
    relative = name.partition("RSSDIVCS/")[2] or name
    if not is_below(relative):
        raise InputError(f"image_files in {where}: {name!r} should hold RSSDIVCS/ and then a path below --image_root")
    return Path(root) / relative


def keep_groups(benchmark: Benchmark, chosen: Sequence[str]) -> Benchmark:
    """The same with the attributes of these groups alone. What is left of a class's vector is given its former length."""
    strange = [name for name in chosen if name not in benchmark.groups]
    if strange:
        raise InputError(f"--only_groups: there is no group {strange[0]}; there are {', '.join(benchmark.groups)}")
    kept = sorted({a for name in chosen for a in benchmark.groups[name]})
    part = benchmark.class_attributes[kept]
    length = benchmark.class_attributes.norm(dim=0) / part.norm(dim=0).clamp_min(1e-12)
    return replace(benchmark, class_attributes=part * length, attribute_names=[benchmark.attribute_names[a] for a in kept],
                   groups={name: [kept.index(a) for a in benchmark.groups[name]] for name in chosen})


def attribute_matrix(att: np.ndarray, classes: int, where: Path) -> Tensor:
    if att.ndim != 2 or att.shape[1] != classes or att.dtype.kind not in "iuf":
        raise InputError(f"att in {where}: expected finite numbers, attributes x {classes} classes, found {att.dtype} {att.shape}")
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
        sound = bool(groups) and all(group and all(type(a) is int and a >= 0 for a in group) for group in groups.values())
    except (OSError, ValueError, AttributeError, TypeError):
        sound = False
    if not sound:
        raise InputError(f'{path}: expected a JSON object of group name -> list of 0-based attribute indices, such as {{"functions": [0, 1], "materials": [2]}}')
    return groups


def check(benchmark: Benchmark, images_mat: Path, splits_mat: Path, groups_json: Path, random_id: int):
    """The parts of a benchmark fit together."""
    paths, labels = benchmark.image_paths, benchmark.labels
    if len(paths) != len(labels):
        raise InputError(f"{images_mat}: {len(labels)} labels for {len(paths)} image_files, expected as many")
    for name, images in benchmark.splits.items():
        if not len(images):
            raise InputError(f"{splits_mat}: {name}_{random_id} is empty: expected at least one image; --random_id chooses among the divisions")
    attributes, grouped = len(benchmark.class_attributes), 1 + max(map(max, benchmark.groups.values()))
    if attributes != grouped:
        raise InputError(f"att in {splits_mat} has {attributes} attributes, but {groups_json} groups {grouped}: use files that belong together")
    if len(benchmark.attribute_names) != attributes:
        raise InputError(f"{splits_mat}: {len(benchmark.attribute_names)} attribute names for the {attributes} rows of att, expected as many: annotate anew")
    described = benchmark.provenance.get("random_id")
    if described not in (None, random_id):
        raise InputError(f"{splits_mat} describes the classes by images outside the test sets of --random_id {described}, not of {random_id}: "
                         "annotate this division anew")
    for name in ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc"):
        both = np.intersect1d(labels[benchmark.splits[name]], benchmark.unseen)
        if len(both):
            raise InputError(f"{splits_mat}: {name}_{random_id} holds images of {benchmark.class_names[both[0]]}, "
                             f"which test_unseen_loc_{random_id} calls unseen: expected a class to be either")
    missing = [path for path in paths if not os.path.isfile(path)]
    if missing:
        raise InputError(f"{len(missing)} of {len(paths)} images are missing, the first is {missing[0]}. {DATA_HELP}")


# ---- the images ------------------------------------------------------------------------------------------------------

class SceneImages(Dataset):
    """Decoded images and their class, as uint8 so that little is copied; `normalize` does the rest on the device.

    A key is an image index (shorter side to S * 256/224, centre crop of S x S: test), or a pair (image index, draw) whose
    second number decides a random crop and flip (train): the same draw gives the same crop in any worker.
    """

    def __init__(self, benchmark: Benchmark, size: int, kept: Any = None):
        """kept: a cache.Decoded, images that are decoded already"""
        self.paths, self.labels = benchmark.image_paths, benchmark.labels
        self.size, self.kept = size, kept

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, key) -> Tuple[Tensor, int]:
        index, draw = key if isinstance(key, tuple) else (key, None)
        pixels = None if self.kept is None else self.kept[index]
        image = load_image(self.paths[index], self.size, draw) if pixels is None else cut(pixels, self.size, draw)
        return image, int(self.labels[index])


def load_image(path: Path, size: int, draw: Optional[int] = None) -> Tensor:
    """uint8 [3, S, S]: the centre, or the crop and flip that a draw decides."""
    return cut(decode(path, size), size, draw)


def decode(path: Path, size: int) -> Tensor:
    """uint8 [3, H, W]: all of an image, its shorter side as the crops of S x S want it."""
    return TF.pil_to_tensor(TF.resize(read_image(path), shorter_side(size)))


def shorter_side(size: int) -> int:
    return round(size * 256 / 224)


def cut(pixels: Tensor, size: int, draw: Optional[int]) -> Tensor:
    """uint8 [3, H, W] -> [3, S, S]"""
    _, height, width = pixels.shape
    top, left, flipped = crop_and_flip(height, width, size, draw)
    part = pixels[:, top:top + size, left:left + size]
    return part.flip(2) if flipped else part


def crop_and_flip(height: int, width: int, size: int, draw: Optional[int]) -> Tuple[int, int, bool]:
    """Top and left of the crop, and whether it is flipped: those of the centre, or those that a draw decides."""
    if draw is None:
        return round((height - size) / 2), round((width - size) / 2), False
    chance = random.Random(draw)
    return chance.randint(0, height - size), chance.randint(0, width - size), chance.random() < 0.5


def normalize(images: Tensor, name: str) -> Tensor:
    """[B, 3, S, S] uint8 -> float32 with the mean and deviation of "imagenet" (as published) or "clip"."""
    mean, deviation = statistics(name, images.device)
    return (images / 255).sub_(mean).div_(deviation)  # in place: new memory costs more than the sums


@cache  # a GPU would wait for each copy
@torch.inference_mode(False)
def statistics(name: str, device: torch.device) -> List[Tensor]:
    """Mean and deviation, [3, 1, 1] each."""
    return [torch.tensor(values, device=device).view(3, 1, 1) for values in NORMALIZATIONS[name]]


# ---- which images, in which order ------------------------------------------------------------------------------------

class TrainSampler(Sampler):
    """Batches of (image index, draw). An epoch's batches depend on nothing but the seed and the epoch's number."""

    def __init__(self, seed: int):
        self.seed, self.epoch = seed, 0

    def set_epoch(self, epoch: int):
        self.epoch = epoch

    def __iter__(self) -> Iterator[List[Tuple[int, int]]]:
        chance = np.random.default_rng([self.seed, self.epoch])
        for batch in self.batches(chance):
            yield list(zip(batch.tolist(), chance.integers(2 ** 31, size=len(batch)).tolist()))

    def batches(self, chance: np.random.Generator) -> Iterator[np.ndarray]:
        raise NotImplementedError


class EpisodeSampler(TrainSampler):
    """Episodes: `ways` classes x `shots` images, both without replacement (`--train_mode distributed`).

    labels: [n] classes of all images;  images: the training images' indices
    """

    def __init__(self, labels: np.ndarray, images: np.ndarray, episodes: int, ways: int, shots: int, seed: int,
                 class_names: Sequence[str]):
        super().__init__(seed)
        self.episodes, self.ways, self.shots = episodes, ways, shots
        self.by_class = {c: images[labels[images] == c] for c in np.unique(labels[images])}
        if ways > len(self.by_class):
            raise InputError(f"--ways {ways} is larger than the number of seen classes, {len(self.by_class)}")
        smallest = min(self.by_class, key=lambda c: len(self.by_class[c]))
        if shots > len(self.by_class[smallest]):
            raise InputError(f"--shots {shots} is larger than the class {class_names[smallest]}, "
                             f"which has {len(self.by_class[smallest])} training images")

    def __len__(self) -> int:
        return self.episodes

    def batches(self, chance):
        classes = np.array(list(self.by_class))
        for _ in range(self.episodes):
            yield np.concatenate([chance.choice(self.by_class[c], self.shots, replace=False)
                                  for c in chance.choice(classes, self.ways, replace=False)])


class ShuffledSampler(TrainSampler):
    """Every training image once an epoch, in shuffled batches (`--train_mode random`)."""

    def __init__(self, images: np.ndarray, batch_size: int, seed: int):
        super().__init__(seed)
        self.images, self.batch_size = images, batch_size

    def __len__(self) -> int:
        return math.ceil(len(self.images) / self.batch_size)

    def batches(self, chance):
        yield from np.array_split(chance.permutation(self.images), np.arange(self.batch_size, len(self.images), self.batch_size))
