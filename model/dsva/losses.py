"""Every term of the loss, by the name of the option that weighs it.

A new term takes two places: an entry in `Criterion.forward` here, and its weight in `LOSS_WEIGHTS` of
runs/options.py. The option, the log and the report follow by themselves.
"""

from typing import Dict, List, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dsva.network import DSVA, Output

SUMMED_TERMS = ("cpt",)  # sums over a batch's images; the others are means, or know no images


class Criterion(nn.Module):
    """The weighted terms of the loss; their sum is what training minimises.

    weights: name of a term -> its weight; a term of weight 0 is not computed
    groups:  attribute indices, one list per group, or None for plain norms (without `--use_group`)
    xe_on:   "probs" feeds probabilities to the cross entropy (softmax twice), as the published experiments do
             and their learning rates expect; "logits" is the paper's formula
    grid:    G, side of the attention maps
    """

    distances: Tensor

    def __init__(
        self,
        weights: Mapping[str, float],
        groups: Optional[Sequence[Sequence[int]]] = None,
        xe_on: str = "probs",
        grid: int = 7,
    ):
        super().__init__()
        self.weights = dict(weights)
        self.xe_on = xe_on
        self.use_group = groups is not None
        self.group_count = 0 if groups is None else len(groups)
        self.register_buffer("distances", grid_distances(grid), persistent=False)
        for k, group in enumerate(groups or ()):
            self.register_buffer(f"group_{k}", torch.tensor(group), persistent=False)

    def forward(
        self, out: Output, labels: Tensor, class_attributes: Tensor, model: DSVA, full: bool
    ) -> Dict[str, Tensor]:
        """Every weighted term, a scalar each.

        labels: [B], columns of class_attributes [A, C];  full: past warm-up
        """
        target = class_attributes.T[labels]  # [B, A]
        terms = {
            # semantic compatibility and regression, projection branch (with windows, where they are on)
            "xe": lambda: self.cross_entropy(out.final, labels),
            "attri": lambda: F.mse_loss(out.attributes_projection, target),
            "regular": lambda: self.norm(model.linear.weight),
            # the same, attention branch
            "l_xe": lambda: self.cross_entropy(out.attention, labels),
            "l_attri": lambda: F.mse_loss(out.attributes_attention, target),
            "l_regular": lambda: self.norm(model.prototypes),
            # the window alone, and compactness of the attention maps
            "xe_pro": lambda: self.cross_entropy(out.window, labels),
            "cpt": lambda: compactness(out.maps, self.distances),
        }
        active = {name for name in terms if self.weights.get(name)}
        if out.window is None:
            active.discard("xe_pro")
        if not full:
            active.discard("cpt")

        weighted = {}
        for name, term in terms.items():
            weighted[name] = self.weights[name] * term() if name in active else target.new_zeros(())
        return weighted

    def cross_entropy(self, logits: Tensor, labels: Tensor) -> Tensor:
        """[B, C] logits -> scalar."""
        return F.cross_entropy(logits.softmax(dim=1) if self.xe_on == "probs" else logits, labels)

    def norm(self, vectors: Tensor) -> Tensor:
        """vectors: [A, D], one per attribute. The norm of each group's vectors, summed over the groups."""
        if not self.use_group:
            return torch.linalg.vector_norm(vectors)
        # the small number is added once a dimension, then the dimensions are summed: as published
        norms = [(vectors[group].square().sum(dim=0) + 1e-8).sum().sqrt() for group in self.groups()]
        return sum(norms, vectors.new_zeros(()))

    def groups(self) -> List[Tensor]:
        """Attribute indices of each group, on the criterion's device."""
        return [self.get_buffer(f"group_{k}") for k in range(self.group_count)]


def compactness(maps: Tensor, distances: Tensor) -> Tensor:
    """Attention far from its own peak: the sum of sigmoid(map) x squared distance to the map's peak.

    maps: [B, A, G, G];  distances: [G*G, G*G], from `grid_distances`
    """
    attention = maps.flatten(2)  # [B, A, G*G]
    from_peak = distances[attention.argmax(dim=2)]  # [B, A, G*G]
    return (attention.sigmoid() * from_peak).sum()


def grid_distances(grid: int) -> Tensor:
    """[G*G, G*G]: squared distance from each cell (row) to each cell (column), in cells."""
    cells = torch.arange(grid * grid)
    rows, columns = cells // grid, cells % grid
    return ((rows[:, None] - rows) ** 2 + (columns[:, None] - columns) ** 2).float()
