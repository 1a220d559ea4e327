"""What to do if one of the processes that decode images, DataLoader's workers, died or had no memory."""

import errno
import re
import shutil

FEWER = "--workers 0 does without such processes"
MORE_MEMORY = f"{FEWER}; Docker gives more by --shm-size=2g"
NO_ROOM = (  # what torch says if a batch does not fit into shared memory
    "unable to allocate shared memory",
    "unable to mmap",
    "unable to write to file </torch",
    "Bus error",
)
DIED = r"DataLoader worker \(pid.*?\) (is killed by signal: \w+|exited unexpectedly)"


def worker_failure(error: BaseException) -> str:
    """A line about a worker's failure; "" if the error is another one.

    torch raises a RuntimeError, at any place of the program: a signal tells it that a worker has died.
    """
    if not isinstance(error, (RuntimeError, OSError)):
        return ""
    text = str(error)
    if error.__cause__:  # "exited unexpectedly", from "is killed by signal: Bus error"
        text = f"{error.__cause__} {text}"
    if any(words in text for words in NO_ROOM):
        return f"the processes that decode images need more shared memory: {shared_memory()}. {MORE_MEMORY}"
    if "Too many open files" in text and "workers" in text:
        return f"the processes that decode images need more open files: raise `ulimit -n`. {FEWER}"
    died = re.search(DIED, text)
    if died:
        return f"a process that decodes images {died[1]}, perhaps for lack of memory: {FEWER}"
    return ""


def start_failure(error: OSError, count: int) -> str:
    """A line about workers that cannot be started: what they talk through lies in shared memory, too."""
    reason = f"cannot start {count} processes that decode images: {error.strerror or error}"
    if error.errno == errno.ENOSPC:
        return f"{reason}, {shared_memory()}. {MORE_MEMORY}"
    return f"{reason}. {FEWER}"


def shared_memory() -> str:
    """How much there is, in words."""
    try:
        return f"/dev/shm has {shutil.disk_usage('/dev/shm').total / 2**20:.3g} MiB"
    except OSError:
        return "there is no /dev/shm"
