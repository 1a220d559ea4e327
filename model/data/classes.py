"""The classes of a benchmark, told by their attributes: what a trained network has to know of them."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Dict, List, Optional, TypeVar

import numpy as np
import torch
from torch import Tensor

from support.errors import InputError

SIMILARITIES = ("similarity_names", "similarity_images", "classes_with_images")  # variables of a splits file

Kind = TypeVar("Kind", bound="Classes")


@dataclass
class Similarities:
    """What CLIP says of `C` classes and `A` attributes, as annotate.py recorded it.

    by_name:    cosines of the classes' sentences with the attributes', float [C, A]
    by_image:   the same of their images, float [C, A]
    has_images: bool [C], the classes whose rows of by_image mean something
    """

    by_name: np.ndarray
    by_image: np.ndarray
    has_images: np.ndarray

    def of_attributes(self, kept: List[int]) -> "Similarities":
        """Those of some attributes alone."""
        return Similarities(self.by_name[:, kept], self.by_image[:, kept], self.has_images)


@dataclass
class Classes:
    """`C` classes and `A` attributes. No image is needed to name others by them.

    class_names:      [C]
    class_attributes: M, float32 [A, C]
    attribute_names:  [A]
    groups:           {group: indices of its attributes}
    provenance:       how annotate.py made M: CLIP, prompts, vocabulary, ...; {} of a file made elsewhere
    similarities:     what new classes are compared with; None of a file made elsewhere
    seen:             classes with training images, sorted
    unseen:           classes without, sorted
    """

    class_names: List[str]
    class_attributes: Tensor
    attribute_names: List[str]
    groups: Dict[str, List[int]]
    provenance: dict
    similarities: Optional[Similarities]
    seen: np.ndarray
    unseen: np.ndarray

    def to(self: Kind, device: torch.device) -> Kind:
        """The same, with the class attributes on a device."""
        return replace(self, class_attributes=self.class_attributes.to(device))

    def candidates(self, gzsl: bool) -> np.ndarray:
        """Classes that an image may be given, sorted."""
        return np.union1d(self.seen, self.unseen) if gzsl else self.unseen


def read_similarities(table: Dict[str, np.ndarray], splits_mat: Path) -> Optional[Similarities]:
    """Those in a splits file of annotate.py; None if the file does not tell.

    Raises InputError if they are broken.
    """
    found = []
    for key in SIMILARITIES[:2]:
        values = table.get(key)
        if values is None or values.shape != table["att"].shape or values.dtype.kind != "f":
            return None
        found.append(values.T)
    if "provenance" not in table:
        return None
    by_name, by_image = found
    if SIMILARITIES[2] in table:
        has_images = table[SIMILARITIES[2]].ravel() == 1
    else:  # files of former versions had NaN for classes without
        has_images = ~np.isnan(by_image).all(axis=1)
    if len(has_images) != len(by_name):
        raise InputError(
            f"classes_with_images in {splits_mat}: expected a number for each of {len(by_name)} classes, "
            f"found {len(has_images)}; annotate anew"
        )
    if not np.isfinite(by_name).all() or not np.isfinite(by_image[has_images]).all():
        raise InputError(
            f"{splits_mat} was written with a broken CLIP: its similarities are no finite numbers; "
            "annotate anew"
        )
    return Similarities(by_name, by_image, has_images)
