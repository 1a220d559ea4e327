"""Guards for files that come from outside: JSON, archives and .mat files, looked over before a library reads them."""

import json
import math
import re
import struct
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from typing import Container, Iterator, Tuple, Union

import numpy as np

HALVES = re.compile(
    "[\ud800-\udfff]"
)  # of a letter, as JSON can spell them: nothing can print them, nor CLIP read them


def parse_json(text: Union[str, bytes], **how):
    """json.loads, for which it is a ValueError, too, if the text is nested too deeply."""
    try:
        return json.loads(text, **how)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def are_words(value) -> bool:
    """A text that is not blank and can be printed."""
    return isinstance(value, str) and bool(value.strip()) and not HALVES.search(value)


LARGE = 2**30  # bytes: above it numbers that mean something are no smaller when packed, or not much
RATIO = 4


def check_archive(path: Path):
    """Raises ValueError, OSError or zipfile.BadZipFile if it would fill the memory, or is no archive."""
    with zipfile.ZipFile(path) as archive:
        size = sum(part.file_size for part in archive.infolist())
    if size > max(LARGE, RATIO * path.stat().st_size):
        raise ValueError(f"it has {path.stat().st_size:,} bytes and would unpack to {size:,}")


BYTES_OF_KIND = {
    1: 1,
    2: 1,
    3: 2,
    4: 2,
    5: 4,
    6: 4,
    7: 4,
    9: 8,
    12: 8,
    13: 8,
}  # kind of an element of numbers -> bytes of each
MATRIX, COMPRESSED, *UNICODE = 14, 15, 16, 17, 18
CELL, CHAR, NUMBERS = (
    1,
    4,
    range(6, 16),
)  # classes of variables that are read; structs, objects and sparse matrices are not
HEAD, LARGEST = (
    512,
    2**29,
)  # bytes: in which a variable's flags, dimensions and name lie; of all of it, which may be packed into a few
DEEPEST = 8  # cells in cells


def check_layout(path: Path, wanted: Container[str]):
    """Raises ValueError or zlib.error if one of the wanted variables is not laid out as it should be. The values of others are not read."""
    content = np.memmap(path, mode="r")
    if len(content) < 128 or not content[:4].all() or content[124 + (content[126] == ord("I"))] != 1:
        return  # of another version, or no .mat file: scipy says so
    order = "<" if content[126:128].tobytes() == b"IM" else ">"
    for kind, element in elements(content[128:], order):
        _, _, (_, name) = islice(elements(unpacked(kind, element, order, HEAD), order), 3)
        if name.tobytes().decode("latin-1") in wanted:
            variable = unpacked(kind, element, order, LARGEST + 1)
            if len(variable) > LARGEST:
                raise ValueError(
                    f"its variable {name.tobytes().decode('latin-1')} has more than {LARGEST:,} bytes"
                )
            check_variable(variable, order)


def elements(content: np.ndarray, order: str) -> Iterator[Tuple[int, np.ndarray]]:
    """Kind and content of one after another.  order: of the bytes of a number, < or >"""
    place = 0
    while place < len(content):
        kind, size = struct.unpack(f"{order}II", content[place : place + 8].tobytes().ljust(8, b"\0"))
        start, end = place + 8, place + 8 + size + (-size % 8 if kind != COMPRESSED else 0)
        if kind >> 16:  # a small one, within its tag
            kind, size, start, end = kind & 0xFFFF, kind >> 16, place + 4, place + 8
        if kind not in (*BYTES_OF_KIND, MATRIX, COMPRESSED, *UNICODE) or start + size > min(
            end, len(content)
        ):
            raise ValueError(f"it is cut off or damaged, at an element of the kind {kind} with {size} bytes")
        yield kind, content[start : start + size]
        place = end


def unpacked(kind: int, element: np.ndarray, order: str, most: int) -> np.ndarray:
    """What a variable holds, or the first `most` bytes of it."""
    if kind == COMPRESSED:
        plain = np.frombuffer(zlib.decompressobj().decompress(element, 8 + most), np.uint8)
        kind, size = struct.unpack(f"{order}II", plain[:8].tobytes().ljust(8, b"\0"))
        element = plain[8 : 8 + size]
    if kind != MATRIX:
        raise ValueError(f"it has an element of the kind {kind} where a variable is expected")
    return element[:most]


def check_variable(content: np.ndarray, order: str, depth: int = 0):
    if not len(content) and depth:  # an empty cell
        return
    (_, flags), (_, dimensions), _, *values = elements(content, order)
    if len(flags) != 8 or len(dimensions) not in range(8, 129, 4):
        raise ValueError("it has a variable without flags, dimensions and name")
    word = struct.unpack(f"{order}II", flags.tobytes())[0]
    kind, complex_too = word & 0xFF, bool(word & 0x800)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions.tobytes())
    count, kinds = math.prod(shape), [kind for kind, _ in values]
    if kind == CELL and depth < DEEPEST:
        sound = kinds == [MATRIX] * count
        for _, cell in values:
            check_variable(cell, order, depth + 1)
    elif kind == CHAR:
        sound = len(values) == 1 and kinds[0] != MATRIX
    else:
        sound = (
            kind in NUMBERS
            and len(values) == 1 + complex_too
            and all(len(value) == count * BYTES_OF_KIND.get(kind, 0) for kind, value in values)
        )
    if not sound or min(shape) < 0:
        raise ValueError(
            f"it has a variable of the class {kind} and the shape {shape}; expected numbers, text or cells, and as many as that"
        )
