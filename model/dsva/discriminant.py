"""Which class do attribute scores speak for? Fisher's linear discriminant between attribute vectors, of classes seen or not (`--decorrelate`).

Attributes that CLIP mixes up rise and fall together in images of one class, and drown what tells classes apart. So a class with the
attribute vector m scores (s - c) S^-1 m, where s are an image's attribute scores, c their mean and S their covariance within
classes, both over seen training images. In that metric vectors are taken at the length that they have as they are, 1 in our files, so
that no class wins by being long in it; then the scores are in units of the deviation within a class.
"""

import torch
from torch import Tensor, nn


class Discriminant(nn.Module):
    """centre: c [A];  precision: S^-1 [A, A]. They do not learn, and are saved with the network."""

    def __init__(self, attributes: int):
        super().__init__()
        self.register_buffer("centre", torch.zeros(attributes))
        self.register_buffer("precision", torch.eye(attributes))

    def forward(self, scores: Tensor, class_attributes: Tensor) -> Tensor:
        """[B, A], M [A, C] -> class scores [B, C]"""
        return (scores - self.centre) @ self.directions(class_attributes)

    def directions(self, class_attributes: Tensor) -> Tensor:
        """M [A, C] -> [A, C], S^-1 m |m| / sqrt(m S^-1 m)."""
        turned = self.precision @ class_attributes
        return (
            turned
            * class_attributes.norm(dim=0)
            / (class_attributes * turned).sum(dim=0).clamp(min=1e-12).sqrt()
        )

    @torch.no_grad()
    def fit(self, scores: Tensor, labels: Tensor, share: float):
        """scores: [n, A] of training images of the classes labels [n];  share: 0 to below 1, how much counts of what lies off S's
        diagonal, since there are few images and many attributes."""
        within = torch.cat(
            [scores[labels == c] - scores[labels == c].mean(dim=0) for c in labels.unique()]
        ).double()
        covariance = within.T @ within / len(within)
        shrunk = share * covariance + (1 - share) * covariance.diagonal().diag()
        self.centre.copy_(scores.mean(dim=0))
        self.precision.copy_(torch.linalg.inv(shrunk + 1e-3 * torch.eye(len(shrunk)).to(shrunk)))
