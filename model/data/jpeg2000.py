"""What a JPEG 2000 has, of which Pillow reads no more than four bands, and several bands with 8 bits only."""

import struct
from pathlib import Path
from typing import Optional

from data.deep import Layout

BEGINS = (b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51")  # a file of boxes, or the bare codestream
SIZE = b"\xff\x4f\xff\x51"  # the codestream's begin, and the mark of its first segment
SEARCHED = 1 << 20  # bytes in which the codestream begins: before it stand a few small boxes


def layout_beyond_pillow(path: Path) -> Optional[Layout]:
    """What it has, if Pillow would lose bits or bands of it; None if not, or if the file is no JPEG 2000."""
    found = jpeg2000_layout(path)
    if found and (found.bands > 4 or (found.bands > 1 and found.type != "uint8")):
        return found
    return None


def jpeg2000_layout(path: Path) -> Optional[Layout]:
    """Its bands and their type; None if the file is no JPEG 2000, or damaged."""
    with open(path, "rb") as file:
        if not file.read(8).startswith(BEGINS):
            return None
        file.seek(0)
        content = file.read(SEARCHED)
    start = content.find(SIZE)
    if start < 0:
        return None
    # behind the mark: 36 bytes of length, profile and sizes, the number of bands, and 3 bytes of each
    head = content[start + len(SIZE) :]
    if len(head) < 39:
        return None
    (bands,) = struct.unpack(">H", head[36:38])
    bits = [(depth & 127) + 1 for depth in head[38 : 38 + 3 * bands : 3]]
    kind = "int" if head[38] & 128 else "uint"
    return Layout(bands, f"{kind}{max(bits)}", False, None)
