"""torch's DataLoader, except that it never waits for a batch that its workers could not hand over."""

import sys
from contextlib import contextmanager
from typing import Any, Callable, Optional

from torch import Tensor
from torch.utils.data import DataLoader, Dataset, default_collate, default_convert

from support.errors import InputError
from support.workers import start_failure


class Loader(DataLoader):
    """As DataLoader. What goes wrong with its workers ends the program with a line: support/workers.py.

    A worker puts a batch into shared memory. DataLoader leaves that to a thread of the worker, and if there
    is no room, as in a container with a small /dev/shm, the thread drops the batch and the program waits for
    ever. Here the worker does it itself: the error reaches the program.
    """

    def __init__(self, dataset: Dataset, *sizes, workers: int, collate_fn: Optional[Callable] = None, **how):
        """workers: processes that decode; 0: none, the program does it itself"""
        if collate_fn is None:
            by_item = "batch_size" in how and how["batch_size"] is None
            collate_fn = default_convert if by_item else default_collate
        if workers:
            collate_fn = InSharedMemory(collate_fn)
        super().__init__(dataset, *sizes, num_workers=workers, collate_fn=collate_fn, **how)

    def __iter__(self):
        with no_word_of_unfinished_iterators():
            try:
                return super().__iter__()
            except OSError as error:
                reason = start_failure(error, self.num_workers)
        raise InputError(reason)


@contextmanager
def no_word_of_unfinished_iterators():
    """An iterator of DataLoader that could not start its workers prints a traceback when it is dropped."""
    former_hook = sys.unraisablehook

    def pass_on(dropped):
        if not isinstance(dropped.exc_value, AttributeError):
            former_hook(dropped)

    sys.unraisablehook = pass_on
    try:
        yield
    finally:
        sys.unraisablehook = former_hook


class InSharedMemory:
    """Collates a batch, and moves its tensors into shared memory."""

    def __init__(self, collate: Callable):
        self.collate = collate

    def __call__(self, items: Any) -> Any:
        batch = self.collate(items)
        share(batch)
        return batch


def share(batch: Any):
    """Move the tensors of a batch into shared memory: one, or a list, tuple or dictionary of them."""
    if isinstance(batch, Tensor):
        if batch.numel():
            batch.share_memory_()
    elif isinstance(batch, dict):
        share(list(batch.values()))
    elif isinstance(batch, (list, tuple)):
        for part in batch:
            share(part)
