"""How many kernels a program launches on a GPU, and how long they keep it busy.

On a CPU, how many it would launch: the operations of PyTorch that compute something, each of them as one
kernel, which is right for nearly all.
"""

from dataclasses import dataclass
from typing import Any, Callable, Optional

import torch
from torch.autograd import DeviceType
from torch.profiler import ProfilerActivity, profile
from torch.utils._python_dispatch import TorchDispatchMode

from bench.workload import wait


@dataclass
class Kernels:
    """Of a program.

    launched: with copies and fills
    busy:     seconds that they ran on the GPU, all together; None on a CPU
    """

    launched: int
    busy: Optional[float]


def count_kernels(program: Callable[[], Any], device: torch.device) -> Kernels:
    """Of a program that has run once before, to warm up."""
    program()
    wait(device)
    if device.type != "cuda":
        with Counter() as counter:
            program()
        return Kernels(counter.count, None)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiled:
        program()
        wait(device)
    on_gpu = [event for event in profiled.events() if is_kernel(event)]
    busy = sum(event.time_range.elapsed_us() for event in on_gpu)
    return Kernels(len(on_gpu), busy / 1e6)


def is_kernel(event) -> bool:
    """Did it run on the GPU? An optimizer has one event more, which embraces its kernels."""
    is_range = getattr(event, "is_user_annotation", False) or event.name.startswith("Optimizer.")
    return event.device_type == DeviceType.CUDA and not is_range


class Counter(TorchDispatchMode):
    """Counts operations whose result is new memory, or that write into old."""

    def __init__(self):
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        is_view = any(result.alias_info and not result.alias_info.is_write for result in func._schema.returns)
        is_empty = "empty" in func.__name__
        self.count += not is_view and not is_empty
        return func(*args, **(kwargs or {}))
