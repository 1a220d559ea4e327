"""Every loss term, by the name of the option that weighs it."""

from functools import cache
from typing import Dict, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

from dsva.network import DSVA, Output
from dsva.windows import indices

SUMS = ("cpt",)  # over a batch's images; the others are means, or know no images
TERMS = ("xe", "attri", "regular", "l_xe", "l_attri", "l_regular", "xe_pro", "cpt")


class Criterion:
    """The weighted terms of the loss; their sum is what training minimises.

    weights: term name -> weight; a term of weight 0 is not computed
    groups:  attribute indices, one list per group, or None for plain norms (without `--use_group`)
    xe_on:   "probs" feeds probabilities to the cross entropy (softmax twice), as the published experiments do and their
             learning rates expect; "logits" is the paper's formula
    """

    def __init__(
        self,
        weights: Mapping[str, float],
        groups: Optional[Sequence[Sequence[int]]] = None,
        xe_on: str = "probs",
    ):
        self.weights = {name: weights.get(name, 0.0) for name in TERMS}
        self.groups = groups
        self.xe_on = xe_on

    def __call__(
        self, out: Output, labels: Tensor, class_attributes: Tensor, model: DSVA, full: bool
    ) -> Dict[str, Tensor]:
        """labels: [B], columns of class_attributes [A, C];  full: past warm-up.  Returns every weighted term, a scalar each."""
        target = class_attributes.T[labels]  # [B, A]
        compute = {
            "xe": lambda: self.cross_entropy(out.final, labels),
            "attri": lambda: F.mse_loss(out.attributes_projection, target),
            "regular": lambda: self.regularization(model.linear.weight),
            "l_xe": lambda: self.cross_entropy(out.attention, labels),
            "l_attri": lambda: F.mse_loss(out.attributes_attention, target),
            "l_regular": lambda: self.regularization(model.prototypes),
            "xe_pro": lambda: self.cross_entropy(out.window, labels),
            "cpt": lambda: compactness(out.maps),
        }
        active = {name for name in TERMS if self.weights[name]}
        if out.window is None:
            active -= {"xe_pro"}
        if not full:
            active -= {"cpt"}
        zero = target.new_zeros(())
        return {name: self.weights[name] * compute[name]() if name in active else zero for name in TERMS}

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """[B, C] logits -> scalar."""
        return F.cross_entropy(logits.softmax(dim=1) if self.xe_on == "probs" else logits, labels)

    def regularization(self, vectors: Tensor) -> Tensor:
        """vectors: [A, D], one per attribute.  Norm of each group's vectors, summed over groups."""
        if self.groups is None:
            return torch.linalg.vector_norm(vectors)
        return sum(
            (vectors[indices(tuple(group), vectors.device)].square().sum(dim=0) + 1e-8).sum().sqrt()
            for group in self.groups
        )


def compactness(maps: Tensor) -> Tensor:
    """maps: [B, A, G, G].  Attention far from its own peak: sum of sigmoid(map) x squared distance to the peak."""
    grid = maps.shape[-1]
    attention = maps.flatten(2)  # [B, A, G*G]
    distance = peak_distance(grid, maps.device)[attention.argmax(dim=2)]  # [B, A, G*G]
    return (attention.sigmoid() * distance).sum()


@cache
@torch.inference_mode(False)
def peak_distance(grid: int, device: torch.device) -> Tensor:
    """[G*G, G*G]: squared grid distance from each cell (row) to each cell (column), in cells."""
    cells = torch.arange(grid * grid, device=device)
    rows, columns = cells // grid, cells % grid
    return ((rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2).float()
