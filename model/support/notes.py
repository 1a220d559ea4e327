"""Notes that a user should read: a program prints them, and from Python they are collected."""

import mmap
import zlib
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache
from typing import Dict, Iterator, Optional, Sequence

SAID = mmap.mmap(-1, 4096)  # shared with the worker processes that are forked from this one
COLLECTED: ContextVar[Optional[Dict[str, str]]] = ContextVar("collected", default=None)  # kind -> text


def first_of(names: Sequence[str], most: int) -> str:
    """The first of some names, and how many more there are."""
    more = len(names) - most
    return ", ".join(names[:most]) + (f" and {more} more" if more > 0 else "")


def counted(number: int, one: str, many: str = "") -> str:
    """`1 image`, `2 images`.  many: the plural, by default with an s"""
    return f"{number} {one if number == 1 else many or one + 's'}"


def note(text: str):
    """Print `note: text`, or collect it."""
    if not collect(text, text):
        print(f"note: {text}", flush=True)


@cache
def print_new(text: str):
    """Print a note, unless it has been printed before."""
    print(f"note: {text}", flush=True)


def note_new(text: str):
    """As `note`, unless this process has printed this very text before."""
    if not collect(text, text):
        print_new(text)


def note_once(kind: str, text: str):
    """As `note`, unless there was a note of this kind before, however many pictures and worker processes."""
    if collect(kind, text):
        return
    place = zlib.crc32(kind.encode()) % len(SAID)
    if not SAID[place]:
        SAID[place] = 1
        note(text)


@contextmanager
def quietly() -> Iterator[Dict[str, str]]:
    """Inside, nothing is printed and no progress is shown: for who calls from Python.

    Yields the notes, each by its kind, as they are collected.
    """
    notes: Dict[str, str] = {}
    token = COLLECTED.set(notes)
    try:
        yield notes
    finally:
        COLLECTED.reset(token)


def is_quiet() -> bool:
    """Is this inside of `quietly`?"""
    return COLLECTED.get() is not None


def collect(kind: str, text: str) -> bool:
    """Keep the first note of a kind, if notes are collected. Are they?"""
    notes = COLLECTED.get()
    if notes is None:
        return False
    notes.setdefault(kind, text)
    return True
