"""Only one process at a time writes into a folder."""
import errno
from pathlib import Path
from typing import IO

from errors import InputError

try:
    import fcntl
except ImportError:  # Windows has none: nothing is locked there
    fcntl = None  # type: ignore[assignment]


def hold(folder: Path, wait: bool = False) -> IO:
    """Lock a folder, new or not, until the file that is returned is closed: at the latest when the process ends, however it ends.

    wait: for another process that holds it; otherwise it is refused

    lockf, not flock: a worker that decodes images and outlives its killed process by seconds does not inherit it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("a")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error}") from error
    try:
        if fcntl:
            fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno not in (errno.EACCES, errno.EAGAIN):  # the file system knows no locks
            return file
        if not wait:
            raise InputError(f"another process is writing to {folder}: wait until it ends, or name another --output") from error
        print(f"waiting for another process, which is writing to {folder}", flush=True)
        fcntl.lockf(file, fcntl.LOCK_EX)
    return file
