"""Guards for files that come from outside, run before a library reads them.

A file may say of itself what is not true: a few bytes may claim to be gigabytes once they are unpacked. The
libraries that read JSON, archives and .mat files believe it, and fill the memory or crash. The guards raise
ValueError instead, and the caller makes of it an InputError that names the file.
"""

import json
import math
import re
import struct
import zipfile
import zlib
from itertools import islice
from pathlib import Path
from typing import Any, Container, Iterator, Tuple, Union

import numpy as np

# ---- JSON and text ---------------------------------------------------------------------------------

SURROGATES = re.compile("[\ud800-\udfff]")  # halves of a letter: JSON can spell one, but nothing can print it


def parse_json(text: Union[str, bytes], **how) -> Any:
    """json.loads, except that text that is nested too deeply is a ValueError as well."""
    try:
        return json.loads(text, **how)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def are_words(value: Any) -> bool:
    """Is it a string that is not blank and can be printed?"""
    return isinstance(value, str) and bool(value.strip()) and not SURROGATES.search(value)


# ---- archives --------------------------------------------------------------------------------------

LARGE_ARCHIVE = 2**30  # bytes, unpacked. A smaller one fits into memory.
PACKING_RATIO = 4  # numbers that mean something shrink a little when packed, not to a quarter


def check_archive(path: Path):
    """Raise ValueError if an archive would fill the memory, OSError or zipfile.BadZipFile if it is none."""
    with zipfile.ZipFile(path) as archive:
        unpacked_size = sum(part.file_size for part in archive.infolist())
    size = path.stat().st_size
    if unpacked_size > max(LARGE_ARCHIVE, PACKING_RATIO * size):
        raise ValueError(f"it has {size:,} bytes and would unpack to {unpacked_size:,}")


# ---- .mat files ------------------------------------------------------------------------------------
# A MAT-file of level 5 is a header of 128 bytes and then elements, one for each variable. An element is a
# tag, its kind and its size, and its content. A variable's content is again a list of elements: flags,
# dimensions, name, values. The values of a cell array are variables. A variable may also be packed by zlib.
# Source: MathWorks, "MAT-File Format", chapter 1.

HEADER_BYTES = 128

# kinds of elements
NUMBER_BYTES = {
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
}  # kind of number -> bytes of each
MATRIX = 14
COMPRESSED = 15
UNICODE = (16, 17, 18)
KINDS = {*NUMBER_BYTES, MATRIX, COMPRESSED, *UNICODE}

# classes of variables; structs, objects and sparse matrices are not read
CELL_CLASS = 1
CHAR_CLASS = 4
NUMBER_CLASSES = range(6, 16)
COMPLEX_FLAG = 0x800

START_BYTES = 512  # of a variable, in which its flags, dimensions and name lie
LARGEST_VARIABLE = 2**29  # bytes, unpacked
DEEPEST = 8  # cells in cells

WITHOUT_START = "it has a variable without flags, dimensions and name"


def check_layout(path: Path, wanted: Container[str]):
    """Raise ValueError or zlib.error if a wanted variable of a .mat file is not laid out as it should be.

    The values of other variables are not read. A file that is no MAT-file of level 5 is left to scipy.
    """
    content = np.memmap(path, mode="r")
    if not is_level_5(content):
        return
    order = "<" if content[126:128].tobytes() == b"IM" else ">"
    for kind, element in elements(content[HEADER_BYTES:], order):
        name = variable_name(unpack(kind, element, order, START_BYTES), order)
        if name in wanted:
            variable = unpack(kind, element, order, LARGEST_VARIABLE + 1)
            if len(variable) > LARGEST_VARIABLE:
                raise ValueError(f"its variable {name} has more than {LARGEST_VARIABLE:,} bytes")
            check_variable(variable, order)


def is_level_5(content: np.ndarray) -> bool:
    """Is it a MAT-file of level 5? Its header begins with text and ends with version 1 and the byte order."""
    if len(content) < HEADER_BYTES or not content[:4].all():
        return False
    is_little_endian = content[126] == ord("I")
    high_byte_of_version = content[125 if is_little_endian else 124]
    return high_byte_of_version == 1


def elements(content: np.ndarray, order: str) -> Iterator[Tuple[int, np.ndarray]]:
    """The kind and the content of one element after another.

    content: [n] bytes
    order:   of the bytes of a number, "<" or ">"
    """
    place = 0
    while place < len(content):
        kind, size = two_numbers(content[place : place + 8], order)
        if kind >> 16:  # a small element: both numbers in the first 4 bytes, the content in the next 4
            size = kind >> 16
            kind &= 0xFFFF
            start = place + 4
            end = place + 8
        else:
            padding = 0 if kind == COMPRESSED else -size % 8
            start = place + 8
            end = start + size + padding
        if kind not in KINDS or start + size > min(end, len(content)):
            raise ValueError(f"it is cut off or damaged, at an element of the kind {kind} with {size} bytes")
        yield kind, content[start : start + size]
        place = end


def two_numbers(content: np.ndarray, order: str) -> Tuple[int, int]:
    """The first 8 bytes, of which a damaged file may have fewer, as two numbers of 4 bytes."""
    first, second = struct.unpack(f"{order}II", content[:8].tobytes().ljust(8, b"\0"))
    return first, second


def unpack(kind: int, element: np.ndarray, order: str, most: int) -> np.ndarray:
    """The content of a variable, packed or not, or the first `most` bytes of it."""
    if kind == COMPRESSED:
        plain = np.frombuffer(zlib.decompressobj().decompress(element, 8 + most), np.uint8)
        kind, size = two_numbers(plain, order)
        element = plain[8 : 8 + size]
    if kind != MATRIX:
        raise ValueError(f"it has an element of the kind {kind} where a variable is expected")
    return element[:most]


def variable_name(content: np.ndarray, order: str) -> str:
    """The name of a variable, whose content may be cut off behind it."""
    start = list(islice(elements(content, order), 3))
    if len(start) < 3:
        raise ValueError(WITHOUT_START)
    _, name = start[2]
    return name.tobytes().decode("latin-1")


def check_variable(content: np.ndarray, order: str, depth: int = 0):
    """Raise ValueError if a variable does not have the values that its flags and dimensions announce.

    depth: of the cells around it
    """
    if depth and not len(content):  # an empty cell
        return
    parts = list(elements(content, order))
    if len(parts) < 3:
        raise ValueError(WITHOUT_START)
    (_, flags), (_, dimensions), _, *values = parts
    if len(flags) != 8 or len(dimensions) not in range(8, 129, 4):
        raise ValueError(WITHOUT_START)
    word, _ = two_numbers(flags, order)
    variable_class = word & 0xFF
    is_complex = bool(word & COMPLEX_FLAG)
    shape = struct.unpack(f"{order}{len(dimensions) // 4}i", dimensions.tobytes())
    count = math.prod(shape)

    if variable_class == CELL_CLASS and depth < DEEPEST:
        is_sound = len(values) == count and all(kind == MATRIX for kind, _ in values)
    elif variable_class == CHAR_CLASS:
        is_sound = len(values) == 1 and values[0][0] != MATRIX
    elif variable_class in NUMBER_CLASSES:
        sizes = [count * NUMBER_BYTES.get(kind, 0) for kind, _ in values]
        is_sound = len(values) == 1 + is_complex and sizes == [len(value) for _, value in values]
    else:
        is_sound = False
    if not is_sound or min(shape) < 0:
        raise ValueError(
            f"it has a variable of the class {variable_class} and the shape {shape}; "
            "expected numbers, text or cells, and as many as that"
        )
    if variable_class == CELL_CLASS:
        for _, cell in values:
            check_variable(cell, order, depth + 1)
