"""Tokens of test images, kept while the tower stands still: in warm-up every test sees the same ones.

A test from kept tokens has the same numbers to the last bit, and needs neither pictures nor the tower.
Shapes are those of `network`.
"""

from typing import Iterable, Iterator, List, Optional, Tuple

import torch
from torch import Tensor

from dsva.network import DSVA

BYTES = 4  # of a token's number: whatever the tower computes in, what follows it is float32


class KeptTokens:
    """Tokens and labels of every batch, in the order of the first test."""

    def __init__(self, place: torch.device):
        """place: where they are kept"""
        self.place = place
        self.batches: List[Tuple[Tensor, Tensor]] = []  # tokens [B, N, D] and labels [B]
        self.is_full = False

    def encoded(
        self, model: DSVA, loader: Iterable[Tuple[Tensor, Tensor]], with_images: bool
    ) -> Iterator[Tuple[Optional[Tensor], Tensor, Tensor]]:
        """Images [B, 3, S, S], tokens [B, N, D] and labels [B] of every batch, on the loader's device.

        with_images: are images needed, too? Without, they are None once the tokens are kept.
        """
        if not self.is_full:
            yield from self.fill(model, loader)
        elif with_images:
            for (images, labels), (tokens, _) in zip(loader, self.batches):
                yield images, tokens.to(images.device), labels
        else:
            device = model.prototypes.device
            for tokens, labels in self.batches:
                yield None, tokens.to(device, non_blocking=True), labels.to(device)

    def fill(
        self, model: DSVA, loader: Iterable[Tuple[Tensor, Tensor]]
    ) -> Iterator[Tuple[Tensor, Tensor, Tensor]]:
        """The first test, in which the tower works."""
        self.batches.clear()
        for images, labels in loader:
            tokens = model.encode(images)
            self.batches.append((tokens.to(self.place), labels.to(self.place)))
            yield images, tokens, labels
        self.is_full = True


def bytes_of_tokens(model: DSVA, images: int) -> int:
    """How much room the tokens of so many images take."""
    tokens = 1 + model.grid**2
    return BYTES * images * tokens * model.prototypes.shape[1]
