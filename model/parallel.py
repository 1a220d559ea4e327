"""Several processes, started by torchrun, that work as one: each takes its part of every batch, the first alone writes and prints.

Gradients are added up by hand and not by DistributedDataParallel: what learns changes from stage to stage, parts may be unequal,
and one term of the loss is a sum over images where the others are means. One sum of all gradients is exact for all of that.
"""
import atexit
import os
import time
from itertools import zip_longest
from typing import Callable, Dict, Iterable, Iterator, List

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
    atexit.register(leave)
    return device


def leave():
    time.sleep(0.1)  # a thread that puts away the last tensors waits for the interpreter, and torch 2.1 would wait for the thread and not let go
    dist.destroy_process_group()


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


def of_all(result) -> list:
    """What each process has."""
    everyone = [result] * processes()
    if processes() > 1:
        with torch.inference_mode(False):  # in which gloo of torch 2.1 could not fill its own tensors
            dist.all_gather_object(everyone, result)
    return everyone


def agreed(act: Callable):
    """What it returns. An InputError in one process is raised in all, for a caller who goes on with something else."""
    result = wrong = None
    try:
        result = act()
    except InputError as error:
        wrong = error
    for told in of_all(wrong):
        if told:
            raise told
    return result


# ---- training --------------------------------------------------------------------------------------------------------

def divisible(rows: int, what: str):
    """Or an InputError: every process needs something to do."""
    if rows < processes():
        raise InputError(f"a batch of {rows} {what} cannot be divided among {processes()} processes: start fewer, or make it larger by --batch_size, or --ways and --shots")


def whole(part: Tensor, rows: int) -> Tensor:
    """[k, ...] -> [rows, ...]: of a batch, the rows that this process has worked out (one of every so many) and those of all others.
    The gradient reaches its own alone, so the sum over the processes is that of the whole batch."""
    if processes() == 1:
        return part
    own = torch.zeros(rows, *part.shape[1:], dtype=part.dtype, device=part.device).index_copy(0, torch.arange(rows, device=part.device)[my_part()], part)
    return own + (add_up(own.detach().clone()) - own.detach())


def my_part() -> slice:
    """Of the rows of a batch, those of this process."""
    return slice(rank(), None, processes())


def once(value: Tensor) -> Tensor:
    """What all processes work out alike: where gradients are added up, that of one counts."""
    if processes() > 1:
        value.register_hook(lambda gradient: gradient / processes())
    return value


class Parts(Sampler):
    """Of every batch of a sampler, the part of this process."""

    def __init__(self, batches: Sampler):
        self.batches = batches
        divisible(min(map(len, batches)), "images")

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list]:
        return (batch[my_part()] for batch in self.batches)


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

def mine(batches: Iterable) -> list:
    """Whole batches, each in one process: so they give exactly what they give to one process."""
    return list(batches)[my_part()]


def interleaved(results: List[Dict[str, Tensor]]) -> List[Dict[str, Tensor]]:
    """What all processes made of theirs, in the order of all batches."""
    if processes() == 1:
        return results
    everyone = of_all([{name: value.cpu() for name, value in result.items()} for result in results])
    return [result for several in zip_longest(*everyone) for result in several if result is not None]


def in_turn(results: Iterator) -> Iterator:
    """What all processes make of theirs, in the order of all batches, as it comes: for more than memory holds."""
    if processes() == 1:
        yield from results
        return
    everyone: list = []
    while None not in everyone:
        everyone = of_all(next(results, None))
        yield from (result for result in everyone if result is not None)
