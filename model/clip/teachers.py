"""Teachers: vectors that other networks made of the training images, or of sentences.

A tower learns to predict them from its own output, beside the contrastive loss.
`script/teach.py` writes their files.
"""

from pathlib import Path
from typing import List, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPModel

from support.errors import InputError
from support.processes import shard_slice
from support.untrusted import check_archive


class Teacher(nn.Module):
    """A linear layer that predicts a teacher's vectors from a tower's output. It serves in training only.

    vectors: [n, D] of n images or sentences
    tokens:  [n, L] of the sentences, padded; None for images
    """

    def __init__(self, vectors: Tensor, width: int, tokens: Optional[Tensor] = None):
        """width: of the tower's output"""
        super().__init__()
        self.vectors = vectors
        self.tokens = tokens
        self.head = nn.Linear(width, vectors.shape[1])

    def distance(self, output: Tensor, numbers: np.ndarray) -> Tensor:
        """Mean cosine distance, 0 to 2.

        output: [B, width] of the images or sentences with these numbers, [B]
        """
        predicted = self.head(output).float()
        expected = self.vectors[numbers].to(output.device)
        return 1 - F.cosine_similarity(predicted, expected, dim=1).mean()


def make_teachers(
    model: CLIPModel,
    image_vectors: Optional[Tensor],
    tokenizer,
    sentences: List[str],
    sentence_vectors: Optional[Tensor],
) -> nn.ModuleDict:
    """ "image" and "text", as far as there are vectors.

    image_vectors: [n, D] of the n training images;  sentence_vectors: [m, E] of the m sentences
    """
    vision = model.config.vision_config
    text = model.config.text_config
    teachers = nn.ModuleDict()
    if image_vectors is not None:
        teachers["image"] = Teacher(image_vectors, vision.hidden_size)
    if sentence_vectors is not None:
        tokens = tokenizer(
            sentences,
            padding=True,
            truncation=True,
            max_length=text.max_position_embeddings,
            return_tensors="pt",
        )["input_ids"]
        teachers["text"] = Teacher(sentence_vectors, text.hidden_size, tokens)
    return teachers


def distance_to_teachers(
    model: CLIPModel,
    teachers: nn.ModuleDict,
    features: Tensor,
    batch: np.ndarray,
    rng: np.random.Generator,
) -> Tensor:
    """How far the towers are from their teachers, in a batch of images and in as many sentences, drawn anew.

    features: [k, width] of the vision tower, of this process's images of the batch
    batch:    [B] numbers of all its images

    Of several processes each returns what its images contribute to the mean: the sum is the batch's.
    """
    distance = features.new_zeros(())
    if "image" in teachers:
        distance = distance + teachers["image"].distance(features, batch[shard_slice()])
    if "text" in teachers:
        teacher = teachers["text"]
        numbers = rng.integers(len(teacher.tokens), size=len(batch))[shard_slice()]
        tokens = teacher.tokens[numbers].to(features.device)
        pooled = model.text_model(input_ids=tokens).pooler_output
        distance = distance + teacher.distance(pooled, numbers)
    return distance * (len(features) / len(batch))


def read_teacher(path: Path) -> Tuple[List[str], Tensor]:
    """The n names in a teacher's file, of images or sentences, and their vectors [n, D], float32.

    It is an .npz file with `names` and `vectors`. Raises InputError if it is not.
    """
    try:
        check_archive(Path(path))
        with np.load(path, allow_pickle=False) as file:
            names = file["names"]
            vectors = torch.from_numpy(file["vectors"].astype(np.float32))
    except Exception as error:  # numpy and zipfile raise many kinds on a damaged file
        raise InputError(
            f"{path} is not a teacher's file, an .npz with names [n] and vectors [n, D]: {error}"
        ) from error
    one_each = names.shape == vectors.shape[:1] and vectors.ndim == 2
    if names.dtype.kind != "U" or not one_each or not vectors.numel() or not torch.isfinite(vectors).all():
        raise InputError(
            f"{path}: expected n names and finite vectors [n, D], found names {names.dtype} "
            f"{list(names.shape)} and vectors {list(vectors.shape)}"
        )
    return names.tolist(), vectors


def read_image_vectors(path: Path, images: List[str]) -> Tensor:
    """[len(images), D]: the vectors of these training images. The file may know more."""
    names, vectors = read_teacher(path)
    place = {name: number for number, name in enumerate(names)}
    missing = [image for image in images if image not in place]
    if missing:
        raise InputError(
            f"{path} has no vector of {len(missing)} of the {len(images)} training images, "
            f"the first is {missing[0]}: expected one of each"
        )
    return vectors[[place[image] for image in images]]
