"""The names in a file of weights, read without loading it and without running anything of it."""

import json
import pickletools
import struct
import zipfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Dict, List

from support.untrusted import parse_json

LARGEST_HEADER = 100_000_000  # bytes of a safetensors header, as safetensors itself has it
LARGEST_PICKLE = 2**26  # bytes of what describes the weights: that of a CLIP has 100,000
OLD_TORCH = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19."  # torch.save before torch 1.6 begins so
PICKLES_BEFORE_WEIGHTS = 3  # in such a file: this mark, a version, the machine


class CutOffError(ValueError):
    """The file ends before it should. The message says where."""


@dataclass
class Content:
    """What a file of weights tells of itself.

    names:    of its weights; of a pickle all texts in it, in their order
    metadata: of a safetensors file
    classes:  of a pickle: what Python would be asked for, such as "collections OrderedDict"
    parts:    of an archive: the names of its files
    """

    names: List[str]
    metadata: Dict[str, str] = field(default_factory=dict)
    classes: List[str] = field(default_factory=list)
    parts: List[str] = field(default_factory=list)


def read_safetensors(path: Path) -> Content:
    """Raises CutOffError if bytes are missing, and ValueError if the header is none."""
    size = path.stat().st_size
    with path.open("rb") as file:
        (length,) = struct.unpack("<Q", file.read(8))
        if length > LARGEST_HEADER:
            raise ValueError(f"its header would have {length:,} bytes")
        if 8 + length > size:
            raise CutOffError(f"it has {size:,} bytes, and its header alone {8 + length:,}")
        header = parse_json(file.read(length))
    if not isinstance(header, dict):
        raise ValueError("its header is no JSON object")
    metadata = header.pop("__metadata__", None)
    end = 8 + length
    for name, weight in header.items():
        try:
            end = max(end, 8 + length + int(weight["data_offsets"][1]))
        except (KeyError, TypeError, IndexError, ValueError, OverflowError) as error:
            raise ValueError(f"its header does not say where {name:.60} lies") from error
    if end > size:
        raise CutOffError(f"it has {size:,} bytes of {end:,}")
    return Content(list(header), metadata if isinstance(metadata, dict) else {})


def read_archive(path: Path) -> Content:
    """A zip archive, and what its data.pkl names if torch wrote it.

    Raises CutOffError if it has no end, where an archive's table of contents lies.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.namelist()
            for part in archive.infolist():
                if part.filename.endswith("data.pkl") and part.file_size <= LARGEST_PICKLE:
                    with archive.open(part) as file:
                        content = read_pickle(file)
                    content.parts = parts
                    return content
            return Content([], parts=parts)
    except CutOffError:
        raise
    except Exception as error:  # whatever zipfile raises on a damaged archive
        raise CutOffError("its end is missing or damaged") from error


def read_old_torch(path: Path) -> Content:
    """A file that torch wrote as several pickles one after another, and then the weights."""
    with path.open("rb") as file:
        for _ in range(PICKLES_BEFORE_WEIGHTS):
            read_pickle(file)
        return read_pickle(file)


def read_pickle(file: IO[bytes]) -> Content:
    """The texts and classes that a pickle names. It is read like a text: nothing is called or built."""
    content = Content([])
    texts: List[str] = []
    try:
        for operation, argument, _ in pickletools.genops(file):
            if operation.name == "GLOBAL":
                content.classes.append(str(argument))
            elif operation.name == "STACK_GLOBAL":  # module and name are the two texts before it
                content.classes.append(" ".join(texts[-2:]))
            elif "UNICODE" in operation.name:
                texts.append(str(argument))
    except Exception as error:  # whatever pickletools raises on a damaged file
        raise CutOffError("it is cut off or damaged") from error
    content.names = texts
    return content


def read_index(path: Path) -> List[str]:
    """The files that an index of shards names. Raises OSError or ValueError if it is no index."""
    try:
        index = parse_json(path.read_text(encoding="utf-8-sig"))
    except json.JSONDecodeError as error:
        raise ValueError(f"it is not readable JSON: {error}") from error
    table = index.get("weight_map") if isinstance(index, dict) else None
    if not isinstance(table, dict) or not table or not all(isinstance(name, str) for name in table.values()):
        raise ValueError('it has no "weight_map" of names of weights -> names of files')
    return sorted(set(table.values()))
