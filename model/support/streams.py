"""stdout and stderr: they may lack letters, be closed, or have nobody who reads them any more.

    python model/predict.py ... | head -1

`head` takes a line and closes the pipe; whatever is printed after that is an error. A program then ends
quietly, with the code 141 that a shell knows from other commands. A training says `go_on_unread`: it goes on
to its results, and prints into nothing.
"""

import errno
import os
import sys
from contextlib import contextmanager, suppress
from typing import IO, Any

UNREAD = 141  # 128 + SIGPIPE
READER_IS_GONE = (errno.EPIPE, errno.EIO, errno.EINVAL)  # a pipe's, a terminal's, a pipe's on Windows


class NobodyReads(SystemExit):
    """Ends a program whose output cannot be written. Not an error that any caller would catch."""


class Stream:
    """A text stream that becomes one into nothing when it cannot be written to any more."""

    def __init__(self, stream: IO[str], ends_program: bool):
        """ends_program: raise NobodyReads then"""
        self.stream = stream
        self.ends_program = ends_program

    def __getattr__(self, name: str) -> Any:
        return getattr(self.stream, name)

    def write(self, text: str) -> int:
        try:
            return self.stream.write(text)
        except OSError as error:
            self.give_up(error)
            return len(text)

    def flush(self):
        try:
            self.stream.flush()
        except OSError as error:
            self.give_up(error)

    def give_up(self, error: OSError):
        """Write into nothing from now on."""
        nothing = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115, it is open until the process ends
        try:
            os.dup2(nothing.fileno(), self.stream.fileno())  # so that what it has kept has a place to go to
        except (OSError, ValueError):  # it is no file
            self.stream = nothing
        if not self.ends_program:
            return
        if error.errno in READER_IS_GONE:
            raise NobodyReads(UNREAD)
        print(f"error: cannot write to stdout: {error.strerror}", file=sys.stderr)
        raise NobodyReads(2)


@contextmanager
def safe_streams():
    """Print what a stream's encoding lacks as escapes, and end quietly when nobody reads stdout."""
    open_missing_streams()
    former = sys.stdout, sys.stderr
    for stream in former:
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    output = sys.stdout = Stream(sys.stdout, ends_program=True)
    errors = sys.stderr = Stream(sys.stderr, ends_program=False)
    try:
        yield
        output.flush()  # now: at the end of the process an error would be a traceback
    finally:
        output.ends_program = False
        with suppress(ValueError):  # a test has closed it
            output.flush()
            errors.flush()
        sys.stdout, sys.stderr = former


def open_missing_streams():
    """After `>&-` there is no stdout: the next file would take its number, and what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free
    for name in ("stdout", "stderr"):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115


def go_on_unread():
    """For a training: its results are files, and it goes on when nobody reads what it prints."""
    if isinstance(sys.stdout, Stream):
        sys.stdout.ends_program = False
