"""A start of our own for both heads: what CLIP's sentences say of the attributes, instead of random numbers (`--start words`).

CLIP compares an image with a sentence by its class token x alone: after the tower's last layer norm and projection W, their cosine is
about t . W (g * norm(x) + b), for the sentence's embedding t. So W and g carry each attribute's t back into the space of tokens.
The prototypes and the linear layer take these directions, in such units that each attribute's score over some training images
has the deviation 1 and, as far as it can be had, the mean 0.
"""
from pathlib import Path
from typing import Iterable, Tuple

import torch
from torch import Tensor

from attributes import ATTRIBUTE_PROMPTS, Clip
from dataset import Benchmark
from dsva import DSVA
from errors import InputError


def attribute_directions(folder: Path, data: Benchmark) -> Tensor:
    """[A, D]: t W of every attribute, in the prompts that it was annotated with."""
    if not data.provenance:
        raise InputError("--start words: the splits file does not tell its attributes' names and prompts; annotate.py writes files that do")
    clip = Clip(folder, torch.device("cpu"))
    sentences = clip.embed_words(data.attribute_names, data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS))
    return sentences @ clip.model.visual_projection.weight.detach()


@torch.no_grad()
def start_from_words(model: DSVA, directions: Tensor, batches: Iterable[Tuple[Tensor, Tensor]], decorrelate: float = 0.0):
    """directions: [A, D];  batches: training images, [B, 3, S, S] normalised, and their classes [B];  decorrelate: how far the discriminants go, if there are any"""
    model.eval()
    tokens, labels = map(torch.cat, zip(*((model.tokens(images), classes) for images, classes in batches)))  # [n, N, D], [n]
    directions, last = directions.to(tokens), model.tower.post_layernorm
    start_prototypes(model, tokens, directions * last.weight)
    model.norm.weight.copy_(last.weight)
    model.norm.bias.copy_(last.bias)
    scores = model.norm(model.pool(tokens)) @ directions.T                                  # [n, A]
    deviation = scores.std(dim=0)
    model.linear.weight.copy_(directions / deviation[:, None])
    model.linear.bias.copy_(-scores.mean(dim=0) / deviation)
    if model.discriminants:
        model.discriminants["projection"].fit((scores - scores.mean(dim=0)) / deviation, labels, decorrelate)
        model.discriminants["attention"].fit((model.prototypes @ tokens.transpose(1, 2)).amax(dim=2), labels, decorrelate)


def start_prototypes(model: DSVA, tokens: Tensor, directions: Tensor):
    """They have no bias: what they say of the mean token is taken out of them, and of a token's own mean, as a layer norm does."""
    directions = directions - directions.mean(dim=1, keepdim=True)
    mean = tokens.mean(dim=(0, 1))
    directions = directions - (directions @ mean)[:, None] * mean / (mean @ mean)
    attended = (directions @ tokens.transpose(1, 2)).amax(dim=2)                            # [n, A]
    model.prototypes.copy_(directions / attended.std(dim=0)[:, None])
