"""Files that are written completely or not at all, and folders that one process at a time writes into."""

import codecs
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

UMASK = os.umask(0)  # which can only be read by setting it
os.umask(UMASK)

BLOCK = 2**20  # bytes that are read at once


def hold(folder: Path, wait: bool = False) -> IO:
    """Lock a folder, which is made if there is none, until the returned file is closed or the process ends.

    wait: wait while another process holds it; without, that is an InputError

    lockf, and not flock: a worker that decodes images may outlive its killed process by seconds,
    and it would inherit a lock of flock.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        file = (folder / ".lock").open("ab")
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error}") from error
    if not fcntl:
        return file
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        is_held = error.errno in (errno.EACCES, errno.EAGAIN)
        if not is_held:  # this file system has no locks
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
    """Yields a temporary path, which takes the place of `path` once all is written and on the disk."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        follow_umask(temporary)
        flush(temporary)
        os.replace(temporary, path)  # noqa: PTH105, the tests put an os.replace of their own here
        with suppress(OSError):  # the file is there; not every file system can flush a folder
            flush(path.parent)
    except (OSError, SafetensorError) as error:
        raise InputError(f"cannot write {path}: {error}") from error
    finally:
        if temporary.exists():  # a read-only file system would refuse to remove a file that is not there
            temporary.unlink()


def follow_umask(path: Path):
    """Give a new file the rights that the umask leaves. Of safetensors' files only the owner has any."""
    with suppress(OSError):  # a file system without such rights
        path.chmod(0o666 & ~UMASK)


def remove_leftovers(folder: Path):
    """Remove the temporary files of a killed process. Only the holder of the folder's lock may."""
    for ending in ("json", "jsonl", "csv", "safetensors"):
        for leftover in folder.glob(f".*.{ending}.*"):
            leftover.unlink()


def flush(path: Path):
    """Write a file's content, or the names in a folder, to the disk, so that they survive a power failure."""
    if os.name != "posix":  # Windows opens no folders
        return
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_text(path: Path, text: str):
    """Write a text file, completely or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def read_text(path: Union[str, Path]) -> str:
    """A text file in UTF-8, whatever the locale is. Editors of Windows write UTF-16, or a BOM in front.

    Raises OSError, or ValueError that says what to do if it is neither.
    """
    if Path(path).is_dir():
        raise IsADirectoryError("it is a folder, where a file is expected")
    with Path(path).open("rb") as file:
        is_utf16 = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    try:
        return Path(path).read_text(encoding="utf-16" if is_utf16 else "utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"it is not UTF-8 text ({error}): save it in UTF-8") from error


def write_json(path: Path, value):
    """Write a JSON file, completely or not at all."""
    write_text(path, json.dumps(value, indent=1) + "\n")


def read_json(path: Path):
    """The value in a JSON file. Raises InputError if there is none, or it is not JSON."""
    try:
        return parse_json(read_text(path))
    except (OSError, ValueError) as error:
        raise InputError(f"{path} is not readable JSON: {error}") from error


def write_columns(path: Path, columns: Mapping[str, Sequence]):
    """Write a table, {heading: column}, as CSV, completely or not at all."""
    with atomic(path) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(columns)
        table.writerows(zip(*columns.values()))


def sha256(path: Union[str, Path], skip: int = 0) -> str:
    """The SHA-256 of a file's content, in hexadecimal, without its first `skip` bytes."""
    digest = hashlib.sha256()
    with Path(path).open("rb") as file:
        file.seek(skip)
        while True:
            block = file.read(BLOCK)
            if not block:
                return digest.hexdigest()
            digest.update(block)
