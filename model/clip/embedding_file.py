"""The file of CLIP's embeddings of pictures, which programs and processes share.

    clip-3f0c9a1b2c4d5e6f/embeddings.jsonl

Its first line says what made them: weights, preprocessing, versions, processor. Other ones have a folder of
their own. Then comes a line for each picture: [file, its size, its time, its batch, a checksum, the vector].

The file grows at its end only: whatever a killed process leaves can be continued.
"""

import base64
import hashlib
import json
import zlib
from pathlib import Path
from typing import IO, Any, Dict, List, Mapping, NamedTuple, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor

from support.errors import InputError
from support.files import hold, write_text
from support.untrusted import parse_json

FORMAT = 1


class EmbeddingKey(NamedTuple):
    """What a vector is kept under."""

    name: str  # of the picture's file
    size: int  # in bytes
    time: int  # in nanoseconds
    batch: str  # that it was embedded in, as far as the last bit depends on it: see `clip.embeddings`


class EmbeddingFile:
    """The vectors of one CLIP, in memory and in a file.

    path:    of the file
    vectors: {key: float32 [P], as bytes}
    """

    def __init__(self, folder: Path, made_by: Mapping[str, Any]):
        """folder: of all caches;  made_by: all on which the vectors depend; "dimensions" is P"""
        self.made_by = {"format": FORMAT, **made_by}
        text = json.dumps(self.made_by, sort_keys=True)
        digest = hashlib.sha256(text.encode()).hexdigest()[:16]
        self.first_line = json.dumps(self.made_by)
        self.path = folder / f"clip-{digest}" / "embeddings.jsonl"
        self.vectors: Dict[EmbeddingKey, bytes] = {}
        self.is_sound = False
        self.can_write = True
        self.lock: Optional[IO] = None
        self.read()

    # ---- reading -----------------------------------------------------------------------------------

    def read(self):
        """Read what is there. A damaged file counts as empty."""
        try:
            lines = self.path.read_bytes().split(b"\n")
            first, *others = lines[:-1]  # the last one may be half written
            found = dict(read_line(line, self.made_by["dimensions"]) for line in others)
            self.is_sound = first == self.first_line.encode()
        except (OSError, ValueError, TypeError):
            self.is_sound = False
        if self.is_sound:
            self.vectors.update(found)

    def missing(self, keys: Sequence[EmbeddingKey]) -> List[int]:
        """Places of those that are not there."""
        return [place for place, key in enumerate(keys) if key not in self.vectors]

    def find(self, keys: Sequence[EmbeddingKey]) -> Tensor:
        """The vectors of these pictures, [n, P]."""
        content = b"".join(self.vectors[key] for key in keys)
        numbers = np.frombuffer(content, "<f4").astype(np.float32)  # a copy, which torch may write to
        return torch.from_numpy(numbers).view(len(keys), self.made_by["dimensions"])

    # ---- writing -----------------------------------------------------------------------------------

    def open(self):
        """Lock the file, and read what other processes have added meanwhile.

        Where it cannot be written, a note says so, and vectors are kept in memory alone.
        """
        if not self.can_write:
            return
        try:
            self.lock = hold(self.path.parent, wait=True)
            self.read()
            if not self.is_sound:
                self.begin()
            with self.path.open("r+b") as file:
                file.truncate(file.read().rfind(b"\n") + 1)
        except (InputError, OSError, ValueError) as error:
            self.give_up(error)

    def begin(self):
        """Make a new file."""
        if self.path.exists():
            print(f"note: {self.path} is damaged, and is made anew")
        write_text(self.path, self.first_line + "\n")
        self.is_sound = True

    def append(self, keys: Sequence[EmbeddingKey], vectors: Tensor):
        """Add the vectors of some pictures, [B, P]."""
        lines = []
        for key, vector in zip(keys, vectors.numpy()):
            if key not in self.vectors:  # a batch that is filled up has a picture more than once
                self.vectors[key] = vector.astype("<f4").tobytes()
                lines.append(line_of(key, self.vectors[key]))
        if self.lock:
            try:
                with self.path.open("ab") as file:
                    file.write(b"".join(lines))
            except OSError as error:
                self.give_up(error)

    def give_up(self, error: Exception):
        """Write nothing more, and say so."""
        self.can_write = False
        self.close()
        reason = getattr(error, "strerror", None) or str(error)
        print(
            f"note: CLIP's embeddings are not kept for later, since {self.path.parent} cannot be written "
            f"({reason}): name another --cache_dir"
        )

    def close(self):
        """Let other processes write."""
        if self.lock:
            self.lock.close()
            self.lock = None


# ---- one line --------------------------------------------------------------------------------------


def line_of(key: EmbeddingKey, vector: bytes) -> bytes:
    """The line of a picture."""
    words = base64.b64encode(vector).decode()
    return json.dumps([*key, zlib.crc32(vector), words]).encode() + b"\n"


def read_line(line: bytes, dimensions: int) -> Tuple[EmbeddingKey, bytes]:
    """A picture and its vector. Raises TypeError or ValueError if the line is not as it was written."""
    name, size, time, batch, checksum, words = parse_json(line)
    vector = base64.b64decode(words, validate=True)
    numbers = np.frombuffer(vector, "<f4")
    if [type(name), type(size), type(time), type(batch)] != [str, int, int, str]:
        raise TypeError("expected the name of a file, its size, its time, and a batch")
    is_whole = len(numbers) == dimensions and zlib.crc32(vector) == checksum
    if not is_whole or not abs(np.linalg.norm(numbers.astype(float)) - 1) < 1e-3:  # NaN has no length
        raise ValueError("expected a vector of length 1")
    return EmbeddingKey(name, size, time, batch), vector
