"""What a classifier says of pictures, as numpy arrays.

Shapes: `B` pictures in a batch, `n` in all, `K` candidate classes, `A` attributes, maps of `G x G` cells.
"""

from dataclasses import dataclass
from typing import List, NamedTuple, Optional, Sequence, Tuple

import numpy as np

from support.notes import counted, first_of

SHOWN_CLASSES = 8  # of pictures


class Looked(NamedTuple):
    """What a classifier sees in a batch, as numpy arrays; see `Prediction`."""

    probabilities: np.ndarray  # [B, K]
    attributes: np.ndarray  # [B, A]
    maps: Optional[np.ndarray] = None  # [B, A, G, G]
    windows: Optional[np.ndarray] = None  # [B, 4]
    deciding: Optional[np.ndarray] = None  # [B, A]
    contributions: Optional[np.ndarray] = None  # [B, A]


@dataclass(frozen=True, repr=False)
class Prediction:
    """What a classifier says of n pictures, in their order: numpy arrays.

    class_names:     [K], the candidates
    attribute_names: [A]
    probabilities:   [n, K], 0 to 1, a softmax over the candidates
    scores:          [n, K], what classes are ranked by: the probabilities, less the constant of calibrated
                     stacking for seen classes, if a run has one
    attributes:      [n, A]. Of a run, the attention branch's scores: of any size, larger for what is there,
                     to be compared between pictures. Of a CLIP alone, its softmax over the vocabulary, 0 to 1
    maps:            [n, A, G, G], attention of each attribute in the cells of a grid over the square that the
                     network sees, in the units of `attributes`. None of a CLIP alone, or if not asked for
    windows:         [n, 4] int, top, left, height and width in pixels of that square: where the maps of the
                     strongest attributes agree. None where `maps` are. A run may look there a second time
    deciding:        [n, A], attribute scores of the branch that names the picture, below 0 where an attribute
                     is lacking. Class scores are linear in them. None of a CLIP alone
    contributions:   [n, A], what each attribute adds to the lead of the picture's class on the mean
                     candidate, in logits: the reasons, see `inference.contributions`. None of a CLIP alone
    notes:           what a program would have printed while it read the pictures

    Floats are of 32 bits; contributions, and the probabilities and attributes of a CLIP alone, are of 64.
    """

    class_names: List[str]
    attribute_names: List[str]
    probabilities: np.ndarray
    scores: np.ndarray
    attributes: np.ndarray
    maps: Optional[np.ndarray]
    windows: Optional[np.ndarray]
    deciding: Optional[np.ndarray]
    contributions: Optional[np.ndarray]
    notes: Tuple[str, ...] = ()

    @property
    def classes(self) -> List[str]:
        """[n], the name of each picture's best class."""
        return [self.class_names[k] for k in self.scores.argmax(axis=1)]

    def __len__(self) -> int:
        return len(self.probabilities)

    def __repr__(self) -> str:
        """The first classes, and the shapes: the numbers of a few pictures would fill pages."""
        lines = [f"Prediction of {counted(len(self), 'picture')}: {first_of(self.classes, SHOWN_CLASSES)}"]
        for name in ("probabilities", "scores", "attributes", "maps", "windows", "deciding", "contributions"):
            array = getattr(self, name)
            if array is not None:
                lines.append(f"  {name:13} {list(array.shape)}")
        lines += [f"  note: {text}" for text in self.notes]
        return "\n".join(lines)


def joined(batches: Sequence[Looked]) -> Looked:
    """Those of all batches, one after another."""
    return Looked(*map(concatenated, zip(*batches)))


def concatenated(arrays: Sequence[Optional[np.ndarray]]) -> Optional[np.ndarray]:
    """[B, ...] of each batch -> [n, ...]; None if they are."""
    given = [array for array in arrays if array is not None]
    return np.concatenate(given) if given else None
