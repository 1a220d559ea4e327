"""The gradient of a batch that is divided among processes, exactly as one process would have it.

DistributedDataParallel takes the mean of the processes' gradients. That is the batch's gradient only if all
have equally many images and every loss term is a mean over images. Here neither holds: a batch of 5 is
divided into 3 and 2, and the compactness term is a sum. It also wants to know at the beginning which
parameters learn, and ours change from the warm-up to the full stage.

So each process weighs its loss terms such that the gradients of all processes add up to that of the batch.
"""

from typing import Container, Dict, Iterable

import torch
from torch import Tensor

from support.processes import all_reduce, shard_slice, world_size


def weigh_terms(terms: Dict[str, Tensor], sums: Container[str], images: int) -> Dict[str, Tensor]:
    """What this process's part of a batch contributes to each loss term of the batch.

    terms:  {name: scalar} of this process's images
    sums:   names of the terms that are sums over images; they are added up as they are
    images: number of this process's images. A mean counts by its share of the batch's images. So does a term
            that does not depend on the images: the shares add up to 1.
    """
    if world_size() == 1:
        return terms
    share = images / all_reduce(torch.tensor(images)).item()
    return {name: term if name in sums else share * term for name, term in terms.items()}


def all_reduce_gradients(parameters: Iterable[Tensor]):
    """Replace every gradient by its sum over the processes. All at once: one message instead of hundreds."""
    if world_size() == 1:
        return
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    if not gradients:
        return
    flat = all_reduce(torch.cat([gradient.flatten() for gradient in gradients]))
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, total in zip(gradients, flat.split(sizes)):
        gradient.copy_(total.view_as(gradient))


def all_gather_rows(part: Tensor, rows: int) -> Tensor:
    """All rows of a batch, those of this process and those of the others: [k, ...] -> [rows, ...].

    For a loss that compares every row with every other, as the contrastive one does. All processes compute
    the same loss, and in each its gradient flows back into the process's own rows alone. So every row gets
    its gradient once, and the gradients of all processes add up to that of the batch.
    """
    if world_size() == 1:
        return part
    places = torch.arange(rows, device=part.device)[shard_slice()]  # [k]
    empty = torch.zeros(rows, *part.shape[1:], dtype=part.dtype, device=part.device)
    own = empty.index_copy(0, places, part)  # [rows, ...], zero where the rows of others are
    everything = all_reduce(own.detach().clone())
    return own + (everything - own.detach())


def scale_shared_gradient(value: Tensor) -> Tensor:
    """The same value, with its gradient divided by the number of processes.

    For a value that enters the same loss in all processes, as the temperature does. Each has its complete
    gradient, and adding them up would count it once for every process.
    """
    if world_size() > 1:
        value.register_hook(lambda gradient: gradient / world_size())
    return value
