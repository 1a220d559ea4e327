"""Notes that are printed once, however many pictures and worker processes they are about."""

import mmap
import zlib

_SAID = mmap.mmap(-1, 4096)  # shared with the worker processes that are forked from this one


def note_once(kind: str, text: str):
    """Print `note: text`, unless a note of this kind was printed before."""
    place = zlib.crc32(kind.encode()) % len(_SAID)
    if not _SAID[place]:
        _SAID[place] = 1
        print(f"note: {text}", flush=True)


def forget_notes():
    """Print all notes again when they come up: a program begins."""
    _SAID[:] = bytes(len(_SAID))
