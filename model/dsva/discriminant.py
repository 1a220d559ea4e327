"""Fisher's linear discriminant between attribute vectors, of classes seen or not (`--decorrelate`; ours).

Attributes that CLIP mixes up rise and fall together in images of one class, and drown what tells classes
apart. So a class with the attribute vector m gets the score (s - c) S^-1 m. Here s are an image's attribute
scores, c their mean and S their covariance within classes, both over seen training images.

In the metric of S^-1, class vectors are scaled back to the length that they have as they are (1 in our
files), so that no class wins by being long in it. Scores are then in units of the deviation within a class.
"""

import torch
from torch import Tensor, nn


class Discriminant(nn.Module):
    """centre: c [A];  precision: S^-1 [A, A]. They do not learn, and are saved with the network."""

    centre: Tensor
    precision: Tensor

    def __init__(self, attributes: int):
        super().__init__()
        self.register_buffer("centre", torch.zeros(attributes))
        self.register_buffer("precision", torch.eye(attributes))

    def forward(self, scores: Tensor, class_attributes: Tensor) -> Tensor:
        """Attribute scores [B, A], M [A, C] -> class scores [B, C]"""
        return (scores - self.centre) @ self.directions(class_attributes)

    def directions(self, class_attributes: Tensor) -> Tensor:
        """M [A, C] -> [A, C], S^-1 m |m| / sqrt(m S^-1 m)."""
        turned = self.precision @ class_attributes
        length = (class_attributes * turned).sum(dim=0).clamp(min=1e-12).sqrt()
        return turned * class_attributes.norm(dim=0) / length

    @torch.no_grad()
    def fit(self, scores: Tensor, labels: Tensor, share: float):
        """scores: [n, A] of training images;  labels: [n] their classes

        share: 0 to below 1, how much counts of what lies off the diagonal of S: there are few images and many
               attributes
        """
        deviations = []
        for c in labels.unique():
            own = scores[labels == c]
            deviations.append(own - own.mean(dim=0))
        within = torch.cat(deviations).double()
        covariance = within.T @ within / len(within)
        shrunk = share * covariance + (1 - share) * covariance.diagonal().diag()
        ridge = 1e-3 * torch.eye(len(shrunk)).to(shrunk)
        self.centre.copy_(scores.mean(dim=0))
        self.precision.copy_(torch.linalg.inv(shrunk + ridge))
