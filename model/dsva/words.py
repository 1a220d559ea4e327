"""A start of our own for both heads: what CLIP's sentences say of the attributes, instead of random numbers (`--start words`).

CLIP compares an image with a sentence by its class token x alone: after the tower's last layer norm and projection W, their cosine is
about t . W (g * norm(x) + b), for the sentence's embedding t. So W and g carry each attribute's t back into the space of tokens, and
the linear layer takes these directions. Patches do not speak that language; so the prototypes are what best tells, from the strongest
patches of some training images, what their class tokens say (`find_prototypes`). Both heads start in such units that each attribute's
score over these images has the deviation 1 and, as far as it can be had, the mean 0.
"""

from pathlib import Path
from typing import Iterable, Tuple

import torch
from torch import Tensor

from clip.attributes import ATTRIBUTE_PROMPTS
from clip.embed import Clip
from data.benchmark import Benchmark
from dsva.network import DSVA
from support.errors import InputError

SHARES = 1, 1 / 4, 1 / 16, 1 / 64  # of an image's patches; with RIDGE chosen on validation classes of AID
RIDGE = 0.1


def attribute_directions(folder: Path, data: Benchmark) -> Tensor:
    """[A, D]: t W of every attribute, in the prompts that it was annotated with."""
    if not data.provenance:
        raise InputError(
            "--start words: the splits file does not tell its attributes' names and prompts; annotate.py writes files that do"
        )
    clip = Clip(folder, torch.device("cpu"))
    sentences = clip.embed_words(
        data.attribute_names, data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS)
    )
    return sentences @ clip.model.visual_projection.weight.detach()


@torch.no_grad()
def start_from_words(
    model: DSVA, directions: Tensor, batches: Iterable[Tuple[Tensor, Tensor]], decorrelate: float = 0.0
):
    """directions: [A, D];  batches: training images, [B, 3, S, S] normalised, and their classes [B];  decorrelate: how far the discriminants go, if there are any"""
    model.eval()
    tokens, labels = map(
        torch.cat, zip(*((model.tokens(images), classes) for images, classes in batches))
    )  # [n, N, D], [n]
    directions, last = directions.to(tokens), model.tower.post_layernorm
    model.norm.weight.copy_(last.weight)
    model.norm.bias.copy_(last.bias)
    scores = last(tokens[:, 0]) @ directions.T  # [n, A], what CLIP says of the images
    model.prototypes.copy_(find_prototypes(tokens, (scores - scores.mean(dim=0)) / scores.std(dim=0)))
    scores = model.norm(model.pool(tokens)) @ directions.T
    deviation = scores.std(dim=0)
    model.linear.weight.copy_(directions / deviation[:, None])
    model.linear.bias.copy_(-scores.mean(dim=0) / deviation)
    if model.discriminants:
        model.discriminants["projection"].fit(model.project(model.pool(tokens)), labels, decorrelate)
        model.discriminants["attention"].fit(
            (model.prototypes @ tokens.transpose(1, 2)).amax(dim=2), labels, decorrelate
        )


def find_prototypes(tokens: Tensor, scores: Tensor) -> Tensor:
    """Where is what CLIP sees? Directions [A, D] whose strongest patches tell each attribute's score of an image.

    Multiple instance regression (Ray & Page, 2001): a ridge regression of the scores on the mean of the image's patches, then of
    the strongest ones by the last regression, a quarter of as many each time, down to the very strongest.
    tokens: [n, N, D];  scores: [n, A], of deviation 1
    """
    patches = tokens[:, 1:]
    prototypes = scores.new_zeros(scores.shape[1], tokens.shape[2])
    for share in SHARES:
        strongest = (
            (prototypes @ patches.transpose(1, 2))
            .topk(max(1, round(share * patches.shape[1])), dim=2)
            .indices
        )  # [n, A, q]
        for a, places in enumerate(strongest.unbind(dim=1)):
            chosen = patches.gather(1, places[:, :, None].expand(-1, -1, patches.shape[2])).mean(
                dim=1
            )  # [n, D]
            prototypes[a] = ridge_regression(chosen, scores[:, a])
    mean = tokens.mean(dim=(0, 1))
    prototypes -= (prototypes @ mean)[:, None] * mean / (mean @ mean)  # prototypes have no bias
    return prototypes / (prototypes @ tokens.transpose(1, 2)).amax(dim=2).std(dim=0)[:, None]


def ridge_regression(inputs: Tensor, targets: Tensor) -> Tensor:
    """inputs: [n, D], targets: [n] -> [D]. The ridge is a share of the inputs' mean variance."""
    inputs = inputs - inputs.mean(dim=0)
    covariance = inputs.T @ inputs / len(inputs)
    covariance.diagonal().add_(
        (RIDGE * covariance.diagonal().mean()).clamp(min=1e-12)
    )  # images that are all alike
    return torch.linalg.solve(covariance, inputs.T @ targets / len(inputs))
