"""The file of decoded pictures. A folder of it is shared by datasets, programs and processes.

    256.pixels          uint8 [3, H, W] of one picture after another, their shorter sides 256
    256.jsonl           which versions decoded them; then a line for each picture: [file, its size, its time,
                        where its pixels begin, H, W, their checksum, the READING]
    256-bicubic.pixels  the same of pictures that are resized bicubically, as CLIP wants them
    256-bicubic.jsonl
    256-bands-4-3-2.pixels  ... whose bands 4, 3 and 2 are red, green and blue

Both files grow at their ends only, the pixels first: whatever a killed process leaves can be continued.
"""

import json
import os
import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, BinaryIO, Dict, Mapping, NamedTuple, Sequence, Tuple

from data.decoding import ADVICE, DecodedBatch, check_room, decode_all
from data.images import READING, is_read_otherwise
from data.pipeline import Preprocessing
from support.errors import InputError
from support.files import write_text
from support.untrusted import parse_json

FORMAT = 1
Stamp = Tuple[int, int]  # size in bytes and time in nanoseconds of a picture file


class StoreEntry(NamedTuple):
    """What the index says of a picture."""

    size: int  # of its file
    time: int  # of its file
    first: int  # byte of its pixels
    height: int  # 0 if the file is no readable picture
    width: int
    checksum: int
    reading: int = 1  # by which rules: the READING of data/images.py; lines of its first have no number

    @property
    def end(self) -> int:
        """The byte behind its pixels."""
        return self.first + 3 * self.height * self.width


class Store:
    """The two files of a folder.

    pixels, index: their paths
    entries:       {picture file: Entry}
    """

    def __init__(self, folder: Path, how: Preprocessing):
        self.folder = folder
        self.how = how
        name = f"{how.shorter_side}-bicubic" if how.bicubic else str(how.shorter_side)
        if how.shape:
            name = f"{how.shape[0]}x{how.shape[1]}-{name}"
        if how.bands:
            name += "-bands-" + "-".join(map(str, how.bands))
        self.pixels = folder / f"{name}.pixels"
        self.index = folder / f"{name}.jsonl"
        self.made_by = {  # other versions may decode otherwise
            "format": FORMAT,
            "pillow": version("pillow"),
            "torchvision": version("torchvision"),
        }
        self.entries: Dict[str, StoreEntry] = {}
        self.read()

    def read(self):
        """Read the index. A damaged one, or one of other versions, counts as empty."""
        try:
            lines = self.index.read_bytes().split(b"\n")
            made_by, *rows = [parse_json(line) for line in lines[:-1]]  # the last one may be half written
            entries = {name: read_entry(numbers) for name, *numbers in rows}
            is_sound = made_by == self.made_by and end(entries) <= self.pixels.stat().st_size
        except (OSError, ValueError, TypeError):
            is_sound = False
        self.entries = entries if is_sound else {}

    def missing(self, paths: Sequence[Path], stamps: Sequence[Stamp]) -> Dict[Path, Stamp]:
        """Pictures that are not there, have changed since, or would be read otherwise today."""
        missing = {}
        for path, stamp in zip(paths, stamps):
            entry = self.entries.get(str(path))
            if entry is None or (entry.size, entry.time) != stamp or is_outdated(entry, path):
                missing[path] = stamp
        return missing

    def fill(self, missing: Mapping[Path, Stamp], workers: int):
        """Decode pictures and add them at the end. Only the holder of the folder's lock may."""
        check_room(len(missing), self.how, str(self.folder), shutil.disk_usage(self.folder).free)
        try:
            if not self.entries:
                self.begin()
            with self.pixels.open("r+b") as pixels, self.index.open("r+b") as index:
                pixels.seek(end(self.entries))
                index.truncate(index.read().rfind(b"\n") + 1)
                index.seek(0, os.SEEK_END)
                for batch in decode_all(list(missing), self.how, workers):
                    self.append(batch, missing, pixels, index)
        except OSError as error:
            raise InputError(
                f"cannot write {self.folder}: {error.strerror}; what is decoded already is kept. {ADVICE}"
            ) from error

    def append(self, batch: DecodedBatch, stamps: Mapping[Path, Stamp], pixels: BinaryIO, index: BinaryIO):
        """Write some pictures: first their pixels, and then, when these are on the disk, their lines."""
        first = pixels.tell()
        pixels.write(batch.pixels.numpy())
        pixels.flush()
        os.fsync(pixels.fileno())
        for file, (height, width), checksum in zip(batch.files, batch.shapes, batch.checksums):
            entry = StoreEntry(*stamps[file], first, height, width, checksum, READING)
            self.entries[str(file)] = entry
            index.write(json.dumps([str(file), *entry]).encode() + b"\n")
            first = entry.end
        index.flush()

    def begin(self):
        """Make new files instead of overwriting: other processes may still read the former ones."""
        if self.index.exists():
            print(f"note: {self.pixels} is damaged, or of other versions, and is made anew")
        for file in (self.index, self.pixels):
            file.unlink(missing_ok=True)
        self.pixels.touch()
        write_text(self.index, json.dumps(self.made_by) + "\n")


def read_entry(numbers: Sequence[Any]) -> StoreEntry:
    """Raises TypeError or ValueError if they are not six or seven whole numbers, from 0 on, of 64 bits."""
    entry = StoreEntry(*numbers)
    for number in entry:
        if type(number) is not int or not 0 <= number < 2**63:
            raise ValueError(f"expected a whole number, found {number!r}")
    return entry


def is_outdated(entry: StoreEntry, path: Path) -> bool:
    """Was this picture read by rules that have changed for its kind?"""
    return entry.reading != READING and (not entry.height or is_read_otherwise(path))


def end(entries: Mapping[str, StoreEntry]) -> int:
    """The byte behind the pixels of all pictures."""
    return max((entry.end for entry in entries.values()), default=0)
