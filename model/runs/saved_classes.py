"""The classes that a checkpoint knows, so that it names images without the dataset: packed, and read again.

What a file tells may be damaged, or come from others: every part is checked.
"""

from pathlib import Path
from typing import Any, Dict, List, Mapping, Tuple

import numpy as np
import torch
from torch import Tensor

from data.checks import LARGEST_VALUE, are_groups, is_index, is_provenance
from data.classes import SIMILARITIES, Classes, Similarities
from support.errors import InputError

PREFIX = "classes."  # what the names of their tensors in a checkpoint begin with
MATRIX = "class_attributes"
SIMILAR = [PREFIX + name for name in SIMILARITIES]
WORDS = ("class_names", "attribute_names", "groups", "provenance", "seen", "unseen")


def pack(classes: Classes) -> Tuple[Dict[str, Any], Dict[str, Tensor]]:
    """What is written as JSON, and what as tensors under names that begin with PREFIX."""
    words = {
        "class_names": classes.class_names,
        "attribute_names": classes.attribute_names,
        "groups": classes.groups,
        "provenance": classes.provenance,
        "seen": classes.seen.tolist(),
        "unseen": classes.unseen.tolist(),
    }
    tensors = {PREFIX + MATRIX: classes.class_attributes.detach().cpu().contiguous()}
    recorded = classes.similarities
    if recorded:
        by_image = np.where(recorded.has_images[:, None], recorded.by_image, 0)
        values = (doubles(recorded.by_name), doubles(by_image), torch.tensor(recorded.has_images))
        tensors.update(zip(SIMILAR, values))
    return words, tensors


def doubles(values: np.ndarray) -> Tensor:
    """A copy in double precision, whose rows lie one after another."""
    return torch.from_numpy(np.array(values, np.float64, order="C"))


def unpack(words: Mapping[str, Any], tensors: Mapping[str, Tensor], path: Path) -> Classes:
    """The way back. Raises InputError that names what is not as `pack` makes it.  path: of the checkpoint"""
    wrong = wrong_words(words) or wrong_tensors(words, tensors)
    if wrong:
        raise InputError(
            f"{path}: the {wrong} in it are not as main.py saves them; "
            "copy the checkpoint anew, or name another"
        )
    similarities = [tensors[name].numpy() for name in SIMILAR if name in tensors]
    return Classes(
        class_names=words["class_names"],
        class_attributes=tensors[PREFIX + MATRIX],
        attribute_names=words["attribute_names"],
        groups=words["groups"],
        provenance=words["provenance"],
        similarities=Similarities(*similarities) if similarities else None,
        seen=np.array(words["seen"]),
        unseen=np.array(words["unseen"]),
    )


def wrong_words(words: Mapping[str, Any]) -> str:
    """What is not as it should be of that which is written as JSON; "" if all is."""
    parts: Dict[str, Any] = {key: words.get(key) for key in WORDS}
    if not are_names(parts["class_names"]) or not are_names(parts["attribute_names"]):
        return "names of classes or attributes"
    C, A = len(parts["class_names"]), len(parts["attribute_names"])
    groups = parts["groups"]
    if not are_groups(groups) or max(map(max, groups.values())) >= A:
        return "attribute groups"
    if not is_provenance(parts["provenance"]):
        return "prompts"
    seen, unseen = parts["seen"], parts["unseen"]
    if not are_classes(seen, C) or not are_classes(unseen, C) or set(seen) & set(unseen):
        return "seen and unseen classes"
    return ""


def wrong_tensors(words: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> str:
    """What is not as it should be of the tensors; "" if all is.  words: which are right"""
    shape = (len(words["attribute_names"]), len(words["class_names"]))
    matrix: Any = tensors.get(PREFIX + MATRIX)
    if not is_tensor(matrix, torch.float32, shape) or not (matrix.abs() < LARGEST_VALUE).all():
        return "class attributes"
    similarities: List[Any] = [tensors.get(name) for name in SIMILAR]
    if all(values is None for values in similarities):  # of a splits file made elsewhere
        return ""
    *cosines, has_images = similarities
    are_sound = is_tensor(has_images, torch.bool, shape[1:]) and all(
        is_tensor(values, torch.float64, shape[::-1]) and values.isfinite().all() for values in cosines
    )
    return "" if are_sound else "similarities of classes"


def are_names(value: Any) -> bool:
    """Is it a list of strings, with at least one?"""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


def are_classes(value: Any, count: int) -> bool:
    """Is it a list of numbers of classes, sorted, with at least one?  count: of all classes"""
    if not isinstance(value, list) or not value or not all(map(is_index, value)):
        return False
    return value == sorted(set(value)) and value[-1] < count


def is_tensor(value: Any, kind: torch.dtype, shape: Tuple[int, ...]) -> bool:
    """Is it a tensor of this type and shape?"""
    return isinstance(value, Tensor) and value.dtype == kind and tuple(value.shape) == shape
