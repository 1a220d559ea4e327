"""The classes of a benchmark, told by their attributes: what a trained network has to know of them."""

from dataclasses import dataclass, replace
from typing import Dict, List, Optional, Tuple, TypeVar

import numpy as np
import torch
from torch import Tensor

SIMILARITIES = ("similarity_names", "similarity_images")  # variables of a splits file, [A, C] each

Kind = TypeVar("Kind", bound="Classes")


@dataclass
class Classes:
    """`C` classes and `A` attributes. No image is needed to name others by them.

    class_names:      [C]
    class_attributes: M, float32 [A, C]
    attribute_names:  [A]
    groups:           {group: indices of its attributes}
    provenance:       how annotate.py made M: CLIP, prompts, vocabulary, ...; {} of a file made elsewhere
    similarities:     cosines of the classes' sentences with the attributes, and of their images, float [C, A]
                      each, the latter NaN for a class without images; None of a file made elsewhere
    seen:             classes with training images, sorted
    unseen:           classes without, sorted
    """

    class_names: List[str]
    class_attributes: Tensor
    attribute_names: List[str]
    groups: Dict[str, List[int]]
    provenance: dict
    similarities: Optional[Tuple[np.ndarray, np.ndarray]]
    seen: np.ndarray
    unseen: np.ndarray

    def to(self: Kind, device: torch.device) -> Kind:
        """The same, with the class attributes on a device."""
        return replace(self, class_attributes=self.class_attributes.to(device))

    def candidates(self, gzsl: bool) -> np.ndarray:
        """Classes that an image may be given, sorted."""
        return np.union1d(self.seen, self.unseen) if gzsl else self.unseen


def read_similarities(table: Dict[str, np.ndarray]) -> Optional[Tuple[np.ndarray, np.ndarray]]:
    """`Classes.similarities` from a splits file of annotate.py; None if the file does not tell."""
    found = []
    for key in SIMILARITIES:
        values = table.get(key)
        if values is None or values.shape != table["att"].shape or values.dtype.kind != "f":
            return None
        found.append(values.T)
    if "provenance" not in table:
        return None
    return found[0], found[1]
