"""Several processes that torchrun started, each with its part of the work; the first one writes and prints.

These are the collectives of torch.distributed under their own names, except that they also work where there
is one process and nothing is initialised: then rank is 0, and nothing is sent. How gradients are added up is
in gradients.py.
"""

import atexit
import os
import time
from typing import Any, Callable, Dict, Iterable, Iterator, List, Optional, Sequence

import torch
import torch.distributed as dist
from torch import Tensor
from torch.utils.data import Sampler
from tqdm import tqdm

from support.errors import InputError, is_distributed
from support.notes import is_quiet

SHARE_GPU = "SHARE_GPU"  # environment variable: 1 lets more processes run than there are GPUs, to try them


def init_processes(device: torch.device) -> torch.device:
    """Meet the other processes, if there are any. Returns this one's device: each has a GPU of its own.

    With SHARE_GPU=1 several may share one. NCCL refuses that, and gloo, by way of the CPU, does not.
    """
    if not is_distributed():
        return device
    shares = os.environ.get(SHARE_GPU) == "1"
    if device.type == "cuda":
        local_rank = int(os.environ["LOCAL_RANK"])
        gpus = torch.cuda.device_count()
        if local_rank >= gpus and not shares:
            raise InputError(
                f"torchrun starts {os.environ['LOCAL_WORLD_SIZE']} processes here, "
                f"and there are {gpus} GPUs: expected at most one process for each"
            )
        device = torch.device("cuda", local_rank % gpus)
        torch.cuda.set_device(device)
    has_nccl = device.type == "cuda" and not shares
    dist.init_process_group("cpu:gloo,cuda:nccl" if has_nccl else "gloo")
    atexit.register(leave_processes)
    return device


def leave_processes():
    """Leave the other processes, at the end of the program.

    torch 2.1 destroys a group without releasing the interpreter lock. A thread of gloo that is just freeing
    its last tensors waits for that lock, and the two wait for each other: a sleep lets the thread finish.
    """
    time.sleep(0.1)
    dist.destroy_process_group()


def world_size() -> int:
    """The number of processes."""
    return dist.get_world_size() if dist.is_initialized() else 1


def rank() -> int:
    """The number of this process, from 0 on."""
    return dist.get_rank() if dist.is_initialized() else 0


# ---- what all processes know -----------------------------------------------------------------------


def rank_zero(function: Callable, *arguments) -> Any:
    """Call the function in the first process only, and return its result in all of them: they wait for it."""
    result = [function(*arguments) if rank() == 0 else None]
    if world_size() > 1:
        dist.broadcast_object_list(result, src=0, device=torch.device("cpu"))
    return result[0]


def all_gather(result: Any) -> list:
    """The results of all processes, in the order of their ranks. Any object that can be pickled."""
    results = [result] * world_size()
    if world_size() > 1:
        with torch.inference_mode(False):  # in which gloo of torch 2.1 could not write into its own tensors
            dist.all_gather_object(results, result)
    return results


def all_reduce(values: Tensor) -> Tensor:
    """The sum over the processes, in place."""
    if world_size() > 1:
        dist.all_reduce(values)
    return values


def raise_together(function: Callable) -> Any:
    """Call the function in every process. An InputError in one of them is raised in all.

    For a caller that catches the error and goes on with something else, which must be the same in all.
    """
    result = error = None
    try:
        result = function()
    except InputError as caught:
        error = caught
    for any_error in all_gather(error):
        if any_error:
            raise any_error
    return result


# ---- dividing batches ------------------------------------------------------------------------------
# In training every batch is divided: each process takes some of its rows. In an evaluation the batches are
# dealt out: a batch stays together, so that its numbers are those of one process to the last bit.


def shard_slice() -> slice:
    """The rows of a batch that this process takes: every world_size-th, from its rank on."""
    return slice(rank(), None, world_size())


def check_divisible(rows: int, what: str):
    """Raise InputError if a batch has fewer rows than there are processes: each needs something to do."""
    if rows < world_size():
        raise InputError(
            f"a batch of {rows} {what} cannot be divided among {world_size()} processes: "
            "start fewer, or make it larger by main.py --batch_size, or --ways and --shots"
        )


class ShardedSampler(Sampler):
    """Divides every batch of a batch sampler: this process's rows of each."""

    def __init__(self, batches: Sampler):
        """batches: yields lists of image indices"""
        self.batches = batches
        check_divisible(min(map(len, batches)), "images")

    def __len__(self) -> int:
        return len(self.batches)

    def __iter__(self) -> Iterator[list]:
        for batch in self.batches:
            yield batch[shard_slice()]


def shard(batches: Iterable) -> list:
    """Deals out batches: those of this process, each of them complete."""
    return list(batches)[shard_slice()]


def gather_batches(results: List[Dict[str, Tensor]]) -> List[Dict[str, Tensor]]:
    """What all processes made of the batches that `shard` dealt out, in the order before it. On the CPU."""
    if world_size() == 1:
        return results
    on_cpu = [{name: value.cpu() for name, value in result.items()} for result in results]
    return interleave(all_gather(on_cpu))


def interleave(shards: Sequence[list]) -> list:
    """[[0, 3], [1, 4], [2]] -> [0, 1, 2, 3, 4]"""
    together = []
    for place in range(len(shards[0])):  # the first is never the shorter one
        together += [part[place] for part in shards if place < len(part)]
    return together


def gather_stream(results: Iterator) -> Iterator:
    """Like `gather_batches`, one round after another as the results come: for more than memory holds."""
    if world_size() == 1:
        yield from results
        return
    is_over = False
    while not is_over:
        this_round = all_gather(next(results, None))
        is_over = any(result is None for result in this_round)  # `in` would compare tensors
        yield from (result for result in this_round if result is not None)


# ---- progress --------------------------------------------------------------------------------------


def progress(iterable: Optional[Iterable], title: str, total: Optional[int] = None, initial: int = 0) -> tqdm:
    """A progress bar: on a terminal, in the first process, and gone when it is finished.

    iterable: what to go through; or None, and the caller says how far it is:

        with progress(None, "images", total=100) as bar:
            bar.update(8)

    total:   the length of the iterable, if it does not know it itself
    initial: where to begin counting
    """
    disable = True if rank() > 0 or is_quiet() else None  # None: tqdm shows none where there is no terminal
    return tqdm(iterable, title, total, leave=False, disable=disable, initial=initial)
