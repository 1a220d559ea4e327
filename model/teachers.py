"""Distillation: what other networks say of the training images, or of sentences, as further targets of CLIP's towers."""
from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from archives import check_archive
from errors import InputError


class Teacher(nn.Module):
    """A linear layer that foretells a teacher's vectors from a tower's output. It serves in training only."""

    def __init__(self, vectors: Tensor, width: int, tokens: Optional[Tensor] = None):
        """vectors: [n, D] of n images or sentences;  width: of the tower's output;  tokens: [n, L] of the sentences, padded"""
        super().__init__()
        self.vectors, self.tokens = vectors, tokens
        self.head = nn.Linear(width, vectors.shape[1])

    def distance(self, output: Tensor, which: np.ndarray) -> Tensor:
        """Mean cosine distance, 0 to 2.  output: [B, width] of the images or sentences number `which`, [B]"""
        return 1 - F.cosine_similarity(self.head(output).float(), self.vectors[which].to(output.device), dim=1).mean()


def read_teacher(path: Path) -> Tuple[List[str], Tensor]:
    """The names of n images, or n sentences, and their vectors [n, D], of an .npz file with `names` and `vectors`."""
    try:
        check_archive(Path(path))
        with np.load(path, allow_pickle=False) as file:
            names, vectors = file["names"], torch.from_numpy(file["vectors"].astype(np.float32))
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise InputError(f"{path} is not a teacher's file, an .npz with names [n] and vectors [n, D]: {error}") from error
    if names.dtype.kind != "U" or names.shape != vectors.shape[:1] or vectors.ndim != 2 or not vectors.numel() or not torch.isfinite(vectors).all():
        raise InputError(f"{path}: expected n names and finite vectors [n, D], found names {names.dtype} {list(names.shape)} and vectors {list(vectors.shape)}")
    return names.tolist(), vectors


def image_lessons(path: Path, images: List[str]) -> Tensor:
    """[len(images), D]: the vectors of these training images; the file may know more."""
    names, vectors = read_teacher(path)
    place = {name: n for n, name in enumerate(names)}
    missing = [image for image in images if image not in place]
    if missing:
        raise InputError(f"{path} has no vector of {len(missing)} of the {len(images)} training images, the first is {missing[0]}: expected one of each")
    return vectors[[place[image] for image in images]]
