"""Several processes, started by torchrun, that work as one: each takes its part of every batch, the first alone writes and prints.

Gradients are added up by hand and not by DistributedDataParallel: what learns changes from stage to stage, parts may be unequal,
and one term of the loss is a sum over images where the others are means. One sum of all gradients is exact for all of that.
"""

import atexit
import os
import time
from itertools import zip_longest
from typing import Callable, Dict, Iterable, Iterator, List, Optional

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Sampler
from tqdm import tqdm

from support.errors import InputError, is_distributed


def init_processes(device: torch.device) -> torch.device:
    """Meet the other processes, if there are any. Returns the device of this one: each has a GPU of its own."""
    if not is_distributed():
        return device
    if device.type == "cuda":
        place = int(os.environ["LOCAL_RANK"])
        if place >= torch.cuda.device_count():
            raise InputError(
                f"torchrun starts {os.environ['LOCAL_WORLD_SIZE']} processes here, and there are {torch.cuda.device_count()} GPUs: expected at most one process for each"
            )
        device = torch.device("cuda", place)
        torch.cuda.set_device(device)
    dist.init_process_group("cpu:gloo,cuda:nccl" if device.type == "cuda" else "gloo")
    atexit.register(leave_processes)
    return device


def leave_processes():
    time.sleep(
        0.1
    )  # a thread that puts away the last tensors waits for the interpreter, and torch 2.1 would wait for the thread and not let go
    dist.destroy_process_group()


def world_size() -> int:
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    return dist.get_rank() if dist.is_initialized() else 0


def rank_zero(act: Callable, *arguments):
    """What it returns in the first process, for all of them. The others do not do it, and wait."""
    result = [act(*arguments) if rank() == 0 else None]
    if world_size() > 1:
        dist.broadcast_object_list(result, src=0, device=torch.device("cpu"))
    return result[0]


def all_gather(result) -> list:
    """What each process has."""
    everyone = [result] * world_size()
    if world_size() > 1:
        with torch.inference_mode(False):  # in which gloo of torch 2.1 could not fill its own tensors
            dist.all_gather_object(everyone, result)
    return everyone


def raise_together(act: Callable):
    """What it returns. An InputError in one process is raised in all, for a caller who goes on with something else."""
    result = wrong = None
    try:
        result = act()
    except InputError as error:
        wrong = error
    for told in all_gather(wrong):
        if told:
            raise told
    return result


def check_divisible(rows: int, what: str):
    """Or an InputError: every process needs something to do."""
    if rows < world_size():
        raise InputError(
            f"a batch of {rows} {what} cannot be divided among {world_size()} processes: start fewer, or make it larger by --batch_size, or --ways and --shots"
        )


def all_gather_rows(part: Tensor, rows: int) -> Tensor:
    """[k, ...] -> [rows, ...]: of a batch, the rows that this process has worked out (one of every so many) and those of all others.
    The gradient reaches its own alone, so the sum over the processes is that of the whole batch."""
    if world_size() == 1:
        return part
    own = torch.zeros(rows, *part.shape[1:], dtype=part.dtype, device=part.device).index_copy(
        0, torch.arange(rows, device=part.device)[shard_slice()], part
    )
    return own + (all_reduce(own.detach().clone()) - own.detach())


def shard_slice() -> slice:
    """Of the rows of a batch, those of this process."""
    return slice(rank(), None, world_size())


def scale_shared_gradient(value: Tensor) -> Tensor:
    """What all processes work out alike: where gradients are added up, that of one counts."""
    if world_size() > 1:
        value.register_hook(lambda gradient: gradient / world_size())
    return value


class ShardedSampler(Sampler):
    """Of every batch of a sampler, the part of this process."""

    def __init__(self, batches: Sampler):
        self.batches = batches
        check_divisible(min(map(len, batches)), "images")

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list]:
        return (batch[shard_slice()] for batch in self.batches)


def weigh_terms(terms: Dict[str, Tensor], sums: Iterable[str], images: int) -> Dict[str, Tensor]:
    """Of a batch's loss terms, what this process's images of it contribute: means by their share, sums as they are."""
    if world_size() == 1:
        return terms
    share = images / all_reduce(torch.tensor(images)).item()
    return {name: term if name in sums else share * term for name, term in terms.items()}


def all_reduce(values: Tensor) -> Tensor:
    """The sum over the processes, in place."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values


def all_reduce_gradients(parameters: Iterable[Tensor]):
    gradients = (
        [parameter.grad for parameter in parameters if parameter.grad is not None] if world_size() > 1 else []
    )
    if gradients:
        together = all_reduce(torch.cat([gradient.flatten() for gradient in gradients]))
        for gradient, total in zip(gradients, together.split([gradient.numel() for gradient in gradients])):
            gradient.copy_(total.view_as(gradient))


def shard(batches: Iterable) -> list:
    """Whole batches, each in one process: so they give exactly what they give to one process."""
    return list(batches)[shard_slice()]


def gather_batches(results: List[Dict[str, Tensor]]) -> List[Dict[str, Tensor]]:
    """What all processes made of theirs, in the order of all batches."""
    if world_size() == 1:
        return results
    everyone = all_gather([{name: value.cpu() for name, value in result.items()} for result in results])
    return [result for several in zip_longest(*everyone) for result in several if result is not None]


def gather_stream(results: Iterator) -> Iterator:
    """What all processes make of theirs, in the order of all batches, as it comes: for more than memory holds."""
    if world_size() == 1:
        yield from results
        return
    everyone: list = []
    while None not in everyone:
        everyone = all_gather(next(results, None))
        yield from (result for result in everyone if result is not None)


def progress(loader: Iterable, title: str, total: Optional[int] = None) -> tqdm:
    return tqdm(
        loader, desc=title, total=total, leave=False, disable=rank() > 0 or None
    )  # None: quiet when not a terminal
