"""Notes that are printed once, however many pictures and worker processes they are about."""

import mmap
import zlib

SAID = mmap.mmap(-1, 4096)  # shared with the worker processes that are forked from this one


def note_once(kind: str, text: str):
    """Print `note: text`, unless a note of this kind was printed before."""
    place = zlib.crc32(kind.encode()) % len(SAID)
    if not SAID[place]:
        SAID[place] = 1
        print(f"note: {text}", flush=True)
