"""Several processes, started by torchrun, that work as one: each takes its part of every batch, the first alone writes and prints.

Gradients are added up by hand and not by DistributedDataParallel: what learns changes from stage to stage, parts may be unequal,
and one term of the loss is a sum over images where the others are means. One sum of all gradients is exact for all of that.
"""
import atexit
import os
from itertools import zip_longest
from typing import Callable, Dict, Iterable, Iterator, List, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Sampler

from errors import InputError, is_together


def start(device: torch.device) -> torch.device:
    """Meet the other processes, if there are any. Returns the device of this one: each has a GPU of its own."""
    if not is_together():
        return device
    if device.type == "cuda":
        place = int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise InputError(f"torchrun starts {os.environ['LOCAL_WORLD_SIZE']} processes here, and there are {torch.cuda.device_count()} GPUs: expected at most one process for each")
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    atexit.register(dist.destroy_process_group)
    return device


def processes() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def of_first(act: Callable, *arguments):
    """What it returns in the first process, for all of them. The others do not do it, and wait."""
    result = [act(*arguments) if rank() == 0 else None]
    if processes() > 1:
        dist.broadcast_object_list(result, src=0, device=torch.device("cpu"))
    return result[0]


# ---- training --------------------------------------------------------------------------------------------------------

class Parts(Sampler):
    """Of every batch of a sampler, the part of this process."""

    def __init__(self, batches: Sampler):
        self.batches = batches
        smallest = min(map(len, batches))
        if smallest < processes():
            raise InputError(f"a batch of {smallest} images cannot be divided among {processes()} processes: start fewer, or choose other --ways, --shots or --batch_size")

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list]:
        return (batch[rank()::processes()] for batch in self.batches)


def weigh(terms: Dict[str, Tensor], sums: Iterable[str], images: int) -> Dict[str, Tensor]:
    """Of a batch's loss terms, what this process's images of it contribute: means by their share, sums as they are."""
    if processes() == 1:
        return terms
    share = images / add_up(torch.tensor(images)).item()
    return {name: term if name in sums else share * term for name, term in terms.items()}


def add_up(values: Tensor) -> Tensor:
    """The sum over the processes, in place."""
    if processes() > 1:
        dist.all_reduce(values)
    return values


def add_up_gradients(parameters: Iterable[Tensor]):
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None] if processes() > 1 else []
    if gradients:
        together = add_up(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, total in zip(gradients, together.split([gradient.numel() for gradient in gradients])):
            gradient.copy_(total.view_as(gradient))


# ---- looking at many images ------------------------------------------------------------------------------------------

def mine(batches: Sequence) -> list:
    """Whole batches, each in one process: so they give exactly what they give to one process."""
    return list(batches)[rank()::processes()]


def interleaved(results: List[Dict[str, Tensor]]) -> List[Dict[str, Tensor]]:
    """What all processes made of theirs, in the order of all batches."""
    if processes() == 1:
        return results
    everyone: List[list] = [[] for _ in range(processes())]
    with torch.inference_mode(False):  # in which gloo of torch 2.1 could not fill its own tensors
        dist.all_gather_object(everyone, [{name: value.cpu() for name, value in result.items()} for result in results])
    return [result for several in zip_longest(*everyone) for result in several if result is not None]
