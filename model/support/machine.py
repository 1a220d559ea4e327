"""The machine: what a run records of it so that it can be repeated, and the device that computes."""

import os
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, Optional

import torch

from support.cli import REPOSITORY
from support.errors import InputError, first_line
from support.processes import world_size
from support.resumable import changed as changed  # for those who import it from here

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]

LIBRARIES = (
    "torch",
    "torchvision",
    "transformers",
    "numpy",
    "scipy",
    "pillow",
)  # whose versions are recorded
MEBIBYTE = 2**20


def circumstances() -> Dict[str, Any]:
    """Command, git commit, versions and machine: what one needs to know to repeat a run."""
    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"
    return {
        "command": shlex.join(sys.argv),
        "git": git_commit(),
        "versions": versions(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, {gpu}",
    }


def device_name(device: torch.device) -> str:
    """What computes, and how many of it."""
    name = processor(device)
    return f"{world_size()} x {name}" if world_size() > 1 else name


def processor(device: torch.device) -> str:
    """What computes in one process.

    Another one, or another number of threads, may add up in another order.
    """
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{processor_name()}, {torch.get_num_threads()} threads"


def processor_name() -> str:
    """The name of the first processor; where Linux does not tell it, what Python knows."""
    found = re.search(r"model name\s*: (.*)", read_system_file("/proc/cpuinfo"))
    return found[1] if found else platform.processor()


def read_system_file(name: str) -> str:
    """What Linux tells there; "" on other systems."""
    file = Path(name)
    return file.read_text(encoding="utf-8", errors="replace") if file.is_file() else ""


def peak_memory() -> Dict[str, int]:
    """MiB of this process, without the workers that decode images, and of the GPU that had most."""
    peak = {}
    if resource:
        used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        peak["process"] = used // (
            MEBIBYTE if sys.platform == "darwin" else 1024
        )  # bytes there, KiB elsewhere
    if torch.cuda.is_available():
        gpus = range(torch.cuda.device_count())
        peak["gpu"] = max(map(torch.cuda.max_memory_allocated, gpus)) // MEBIBYTE
    return peak


def git_commit() -> Optional[str]:
    """The commit of this checkout, "+changes" if the tree differs from it; None outside git."""

    def git(*words: str) -> str:
        command = ["git", "-C", str(REPOSITORY), *words]
        return subprocess.run(command, capture_output=True, encoding="utf-8", check=True).stdout.strip()

    try:
        commit = git("rev-parse", "HEAD")
        is_changed = git("status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.CalledProcessError):
        return None
    return f"{commit}+changes" if is_changed else commit


def versions() -> Dict[str, str]:
    """{"python": "3.11.7", "torch": "2.14.1", ...}"""
    found = {"python": platform.python_version()}
    for name in LIBRARIES:
        found[name] = version(name)
    return found


def free_bytes(device: torch.device) -> Optional[int]:
    """Of a GPU, or of the machine's memory, what could still be taken; None if the system does not tell."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return free_memory()


def free_memory() -> Optional[int]:
    """Bytes that Linux could still give; None on other systems."""
    found = re.search(r"MemAvailable:\s*(\d+) kB", read_system_file("/proc/meminfo"))
    return int(found[1]) * 1024 if found else None


def pick_device(name: str) -> torch.device:
    """The device of --device; "auto" is the GPU where there is one. InputError if it cannot be used."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        probe = torch.zeros(1, device=name)
        probe.item()  # which a device without data, such as "meta", cannot answer
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(
            f"--device {name} cannot be used here ({first_line(error)}); --device auto takes what there is"
        ) from error
    return probe.device


def use_deterministic_algorithms():
    """The same numbers twice, as far as torch can; it warns of what it cannot.

    torch from 2.2 on would then also fill all new memory before something else is written there, to show
    programs that read it too early. None of ours does, and half of all kernels of a step would be such fills.
    """
    torch.use_deterministic_algorithms(True, warn_only=True)
    if hasattr(torch.utils, "deterministic"):
        torch.utils.deterministic.fill_uninitialized_memory = False


def use_tf32(allowed: bool):
    """In products and in convolutions. torch's own default is to use it in convolutions only."""
    torch.backends.cuda.matmul.allow_tf32 = allowed
    torch.backends.cudnn.allow_tf32 = allowed
