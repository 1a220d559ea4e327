"""Files: written whole or not at all, and folders that one process at a time writes into."""

import csv
import errno
import hashlib
import json
import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Mapping, Sequence, Union

from safetensors import SafetensorError

from support.errors import InputError
from support.untrusted import parse_json

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
            raise InputError(
                f"another process is writing to {folder}: wait until it ends, or name another --output"
            ) from error
        print(f"waiting for another process, which is writing to {folder}", flush=True)
        fcntl.lockf(file, fcntl.LOCK_EX)
    return file


@contextmanager
def atomic(path: Path):
    """A temporary path that takes the place of `path` only when all is written, and on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        flush(temporary)
        os.replace(temporary, path)
        with suppress(OSError):  # what is there is there: not every file system flushes folders
            flush(path.parent)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {path}: {error}") from error
    finally:
        if temporary.exists():  # asking first: a read-only file system refuses even to remove nothing
            temporary.unlink()


def remove_leftovers(folder: Path):
    """Temporary files of a killed process. For who holds the folder's lock: no other writes there."""
    for ending in ("json", "jsonl", "csv", "safetensors"):
        for leftover in folder.glob(f".*.{ending}.*"):
            leftover.unlink()


def flush(path: Path):
    """A file's content, or the names in a folder, onto the disk: so it is whole after a power failure, too."""
    if os.name == "posix":  # Windows opens no folders
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def write_text(path: Path, text: str):
    with atomic(path) as temporary:
        temporary.write_text(text)


def write_json(path: Path, value):
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path):
    try:
        return parse_json(path.read_text())
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error


def write_columns(path: Path, columns: Mapping[str, Sequence]):
    with atomic(path) as temporary, temporary.open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(zip(*columns.values()))


def sha256(path: Union[str, Path], skip: int = 0) -> str:
    """Of a file's content. skip: so many bytes at its beginning"""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        file.seek(skip)
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()
