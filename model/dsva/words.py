"""A start of our own for both heads: what CLIP's sentences say of the attributes (`--start words`).

CLIP compares an image with a sentence by its class token x alone. After the tower's last layer norm and the
projection W, their cosine is about t . W (g * norm(x) + b): t is the sentence's embedding, g and b are the
norm's weight and bias. So W and g carry each attribute's t back into the space of tokens, and the linear
layer takes these directions.

Patches do not speak that language. So the prototypes are what best tells, from the strongest patches of some
training images, what their class tokens say (`find_prototypes`).

Both heads start in such units that each attribute's score over these images has the deviation 1 and, as far
as it can be had, the mean 0.

Shapes: `n` images, `N` tokens, `D` width of the tower, `A` attributes.
"""

from typing import Iterable, Tuple

import torch
from torch import Tensor

from dsva.network import DSVA

SHARES = (1, 1 / 4, 1 / 16, 1 / 64)  # of an image's patches; with RIDGE chosen on validation classes of AID
RIDGE = 0.1


@torch.no_grad()
def start_from_words(
    model: DSVA, directions: Tensor, batches: Iterable[Tuple[Tensor, Tensor]], decorrelate: float = 0.0
):
    """Set both heads, and the discriminants if there are any.

    directions:  [A, D], t W of every attribute, from `Clip.token_directions`
    batches:     training images, [B, 3, S, S] normalised, and their classes [B]
    decorrelate: how far the discriminants go, see `Discriminant.fit`
    """
    tokens, labels = encode_all(model, batches)
    directions = directions.to(tokens)
    last_norm = model.tower.post_layernorm
    model.norm.weight.copy_(last_norm.weight)
    model.norm.bias.copy_(last_norm.bias)

    seen_by_clip = last_norm(tokens[:, 0]) @ directions.T  # [n, A], what CLIP says of the images
    standardised = (seen_by_clip - seen_by_clip.mean(dim=0)) / seen_by_clip.std(dim=0)
    model.prototypes.copy_(find_prototypes(tokens, standardised))

    scores = model.norm(model.pool(tokens)) @ directions.T  # [n, A]
    deviation = scores.std(dim=0)
    model.linear.weight.copy_(directions / deviation[:, None])
    model.linear.bias.copy_(-scores.mean(dim=0) / deviation)

    if model.discriminants:
        projected = model.project(model.pool(tokens))
        attended = model.attend(tokens).amax(dim=2)
        model.discriminants["projection"].fit(projected, labels, decorrelate)
        model.discriminants["attention"].fit(attended, labels, decorrelate)


def encode_all(model: DSVA, batches: Iterable[Tuple[Tensor, Tensor]]) -> Tuple[Tensor, Tensor]:
    """Tokens [n, N, D] of all images, and their classes [n]."""
    model.eval()
    tokens, labels = [], []
    for images, classes in batches:
        tokens.append(model.encode(images))
        labels.append(classes)
    return torch.cat(tokens), torch.cat(labels)


def find_prototypes(tokens: Tensor, scores: Tensor) -> Tensor:
    """Directions [A, D] whose strongest patches tell each attribute's score of an image: where CLIP sees it.

    Multiple instance regression (Ray & Page, 2001): a ridge regression of the scores on the mean of the
    image's patches, then of the strongest ones by the last regression, a quarter of as many each time.

    tokens: [n, N, D];  scores: [n, A], of deviation 1
    """
    patches = tokens[:, 1:]
    prototypes = scores.new_zeros(scores.shape[1], tokens.shape[2])
    for share in SHARES:  # at first all patches, whatever the prototypes, which are still 0
        count = max(1, round(share * patches.shape[1]))
        similarity = prototypes @ patches.transpose(1, 2)  # [n, A, N-1]
        strongest = similarity.topk(count, dim=2).indices  # [n, A, count]
        for a, places in enumerate(strongest.unbind(dim=1)):
            index = places[:, :, None].expand(-1, -1, patches.shape[2])  # [n, count] -> [n, count, D]
            mean_of_strongest = patches.gather(1, index).mean(dim=1)  # [n, D]
            prototypes[a] = ridge_regression(mean_of_strongest, scores[:, a])

    # prototypes have no bias: take out what every token has in common, and scale to deviation 1
    mean = tokens.mean(dim=(0, 1))
    prototypes -= (prototypes @ mean)[:, None] * mean / (mean @ mean)
    deviation = (prototypes @ tokens.transpose(1, 2)).amax(dim=2).std(dim=0)
    return prototypes / deviation[:, None]


def ridge_regression(inputs: Tensor, targets: Tensor) -> Tensor:
    """inputs: [n, D], targets: [n] -> [D]. The ridge is a share of the inputs' mean variance."""
    inputs = inputs - inputs.mean(dim=0)
    covariance = inputs.T @ inputs / len(inputs)
    ridge = (RIDGE * covariance.diagonal().mean()).clamp(min=1e-12)  # above 0 for images that are all alike
    covariance.diagonal().add_(ridge)
    return torch.linalg.solve(covariance, inputs.T @ targets / len(inputs))
