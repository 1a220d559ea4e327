"""How training images look, in a checkpoint: packed, and read again. What a file tells is checked."""

from pathlib import Path
from typing import Dict, Mapping, Optional

import torch
from torch import Tensor

from data.appearance import FEWEST_CLASSES, Appearance
from runs.saved_classes import is_tensor
from support.errors import InputError

PREFIX = "looks."  # what the names of these tensors in a checkpoint begin with
PARTS = ("means", "within", "counts", "scale")


def pack(looks: Appearance) -> Dict[str, Tensor]:
    """Tensors under names that begin with PREFIX."""
    return {PREFIX + name: torch.from_numpy(getattr(looks, name)).contiguous() for name in PARTS}


def unpack(tensors: Mapping[str, Tensor], path: Path) -> Optional[Appearance]:
    """The way back; None if there are none. Raises InputError if they are not as `pack` makes them."""
    if not tensors:
        return None
    found = {name: tensors.get(PREFIX + name) for name in PARTS}
    if not are_sound(found):
        raise InputError(
            f"{path}: what it tells of its training images is not as main.py saves it; "
            "copy the checkpoint anew, or name another"
        )
    return Appearance(**{name: tensor.numpy() for name, tensor in found.items() if tensor is not None})


def are_sound(found: Mapping[str, Optional[Tensor]]) -> bool:
    """Are they of one size, finite, and such that distances can be told in them?  found: of PARTS"""
    means = found["means"]
    if means is None or means.ndim != 2:
        return False
    classes, numbers = means.shape
    shapes = {"means": (classes, numbers), "within": (numbers, numbers), "scale": (numbers,)}
    for name, shape in shapes.items():
        tensor = found[name]
        if tensor is None or not is_tensor(tensor, torch.float64, shape) or not tensor.isfinite().all():
            return False
    within, counts, scale = found["within"], found["counts"], found["scale"]
    if within is None or scale is None or counts is None or not is_tensor(counts, torch.int64, (classes,)):
        return False
    return classes >= FEWEST_CLASSES and bool(
        (counts > 0).all() and (scale > 0).all() and (within.diag() >= 0).all()
    )
