"""What a run must record to be repeated: the machine, the libraries, the commit."""

import os
import platform
import re
import shlex
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional

import torch

from support.errors import InputError, first_line
from support.processes import world_size

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]


REPOSITORY = Path(__file__).resolve().parents[2]


def circumstances() -> Dict[str, Any]:
    """Command, git commit, versions and machine: what one needs to know to repeat a run."""
    return {
        "command": shlex.join(sys.argv),
        "git": git_commit(),
        "versions": versions(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, "
        + (torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU"),
    }


def device_name(device: torch.device) -> str:
    """What computes. Another processor, or another number of threads, may add up in another order."""
    if device.type == "cuda":
        return times_processes(torch.cuda.get_device_name(device))
    cpuinfo = Path("/proc/cpuinfo")
    names = re.findall(r"model name\s*: (.*)", cpuinfo.read_text()) if cpuinfo.is_file() else []
    return times_processes(f"{(names or [platform.processor()])[0]}, {torch.get_num_threads()} threads")


def times_processes(name: str) -> str:
    return f"{world_size()} x {name}" if world_size() > 1 else name


def peak_memory() -> Dict[str, int]:
    """MiB of this process, without the workers that decode images, and of the GPU."""
    peak = {}
    if resource:
        peak["process"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // (
            2**20 if sys.platform == "darwin" else 2**10
        )
    if torch.cuda.is_available():
        peak["gpu"] = max(map(torch.cuda.max_memory_allocated, range(torch.cuda.device_count()))) // 2**20
    return peak


def git_commit() -> Optional[str]:
    """The commit of this checkout, "+changes" if the tree differs from it; None outside git."""

    def git(*words):
        return subprocess.run(
            ["git", "-C", str(REPOSITORY), *words], capture_output=True, text=True, check=True
        ).stdout.strip()

    try:
        return git("rev-parse", "HEAD") + (
            "+changes" if git("status", "--porcelain", "--untracked-files=no") else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def versions() -> Dict[str, str]:
    libraries = ("torch", "torchvision", "transformers", "numpy", "scipy", "pillow")
    return {"python": platform.python_version(), **{name: version(name) for name in libraries}}


def free_memory() -> Optional[int]:
    """Bytes, as Linux tells them."""
    file = Path("/proc/meminfo")
    found = re.search(r"MemAvailable:\s*(\d+) kB", file.read_text()) if file.is_file() else None
    return int(found[1]) * 1024 if found else None


def pick_device(name: str) -> torch.device:
    """auto: the GPU where there is one."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        there = torch.zeros(1, device=name)
        there.item()  # which a device that only makes believe, such as meta, cannot
        return there.device
    except (RuntimeError, AssertionError, ImportError) as error:
        raise InputError(
            f"--device {name} cannot be used here ({first_line(error)}); --device auto takes what there is"
        ) from error


def use_tf32(allowed: bool):
    """In products and in convolutions: torch's own default is to use it in the latter."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = allowed


def changed(recorded: Mapping, now: Mapping) -> List[str]:
    """What is not as it was recorded; what was not recorded counts as the same."""
    return [name for name, value in recorded.items() if name in now and now[name] != value]
