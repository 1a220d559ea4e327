"""CLIP's embeddings of pictures, kept: what one program has embedded, no other embeds anew.

    kept = Kept(folder, image_root)
    vectors = Embeddings(clip, kept).embed(paths, batch_size=64, workers=2)  # [n, P]
    kept.print_summary()

This changes no number, not in the last bit. That bit may depend on more than the picture: the products of a
smaller batch may be added up in another order. So a vector is used again

    - in a full batch, if it is from a full batch of as many pictures. Before this is relied on, a batch of
      copies of one picture is embedded: they must all get the same vector
    - in the last batch, which is smaller, or if those copies differ, if it is from the very same batch

Shapes: `n` pictures, `B` in a batch, `P` dimensions of CLIP's common space.
"""

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, List, Optional, Sequence, Tuple

from torch import Tensor

from clip.embed import Clip
from clip.embedding_file import EmbeddingFile, EmbeddingKey
from data.cache import stamp
from support.processes import progress, rank, rank_zero


@dataclass
class Kept:
    """Where a program keeps embeddings, and of how much use that was.

    folder:     of the cache, None to do without
    image_root: pictures below it are known by their paths from there, so that a dataset can be moved
    count:      of the pictures that were asked for so far
    reused:     how many of these were there
    """

    folder: Optional[Path]
    image_root: Path
    count: int = 0
    reused: int = 0

    def print_summary(self):
        """One line, if there was any picture."""
        if self.count:
            print(
                f"cache   {self.reused} of {self.count} embeddings of images from earlier, in {self.folder}",
                flush=True,
            )


class Embeddings:
    """Embeds pictures, or finds their vectors from earlier."""

    def __init__(self, clip: Clip, kept: Kept):
        self.clip = clip
        self.kept = kept
        self.file: Optional[EmbeddingFile] = None  # the first process has it
        if kept.folder and rank() == 0:
            self.file = EmbeddingFile(kept.folder, clip.identity())

    def embed(self, paths: Sequence[Path], batch_size: int, workers: int) -> Tensor:
        """[n, P] on the CPU: exactly what `Clip.embed_images` gives for all of these pictures."""
        if not self.kept.folder or not paths:
            return self.clip.embed_images(self.loader(paths, batch_size, workers))
        keys = rank_zero(keys_by_size, paths, self.kept.image_root, batch_size)
        new = 0
        if self.ask("missing", keys):
            self.ask("open")
            try:
                keys, new = self.fill(paths, keys, batch_size, workers)
            finally:
                if self.file:
                    self.file.close()
        self.kept.count += len(paths)
        self.kept.reused += len(paths) - new
        return self.ask("find", keys)

    def ask(self, method: str, *arguments) -> Any:
        """What the file of the first process answers."""
        return rank_zero(lambda: getattr(self.file, method)(*arguments))

    def loader(self, paths: Sequence[Path], batch_size: int, workers: int) -> Iterable:
        """Batches with a progress bar."""
        return progress(self.clip.loader(paths, batch_size, workers), "images")

    def fill(
        self, paths: Sequence[Path], keys: List[EmbeddingKey], batch_size: int, workers: int
    ) -> Tuple[List[EmbeddingKey], int]:
        """Embed the pictures that are missing.

        keys: `keys_by_size`.  Returns the keys that all are kept under now, and how many were missing.
        """
        missing = self.ask("missing", keys)  # another process may have added some
        is_any_place_alike = True
        if missing and missing[0] < whole(len(paths), batch_size):
            is_any_place_alike = self.is_any_place_alike(paths[missing[0]], batch_size, workers)
        if not is_any_place_alike:
            keys = keys_by_batch(keys, batch_size)
            missing = self.ask("missing", keys)
        order = batches_to_embed(missing, len(paths), batch_size, is_any_place_alike)
        start = 0
        for vectors in self.clip.embed_batches(self.loader([paths[i] for i in order], batch_size, workers)):
            if self.file:
                self.file.append([keys[i] for i in order[start : start + len(vectors)]], vectors)
            start += len(vectors)
        return keys, len(missing)

    def is_any_place_alike(self, path: Path, batch_size: int, workers: int) -> bool:
        """Does a picture get the same vector, to the last bit, in any place of a batch of this size?"""
        copies = self.clip.embed_images(self.clip.loader([path] * batch_size, batch_size, workers))
        return bool((copies == copies[0]).all())


# ---- what a vector is kept under -------------------------------------------------------------------


def keys_by_size(paths: Sequence[Path], image_root: Path, batch_size: int) -> List[EmbeddingKey]:
    """Of pictures in full batches, whose vectors depend on the size of these, and in the rest.

    Raises InputError if a file is not there.
    """
    full = whole(len(paths), batch_size)
    keys = [EmbeddingKey(name_of(path, image_root), *stamp(path), str(batch_size)) for path in paths]
    return keys[:full] + keys_by_batch(keys[full:], batch_size)


def keys_by_batch(keys: Sequence[EmbeddingKey], batch_size: int) -> List[EmbeddingKey]:
    """Of the same pictures, whose vectors depend on the others in their batch."""
    found: List[EmbeddingKey] = []
    for start in range(0, len(keys), batch_size):
        batch = keys[start : start + batch_size]
        pictures = json.dumps([[key.name, key.size, key.time] for key in batch])
        digest = hashlib.sha256(pictures.encode()).hexdigest()[:16]
        found += [key._replace(batch=digest) for key in batch]
    return found


def name_of(path: Path, image_root: Path) -> str:
    """A picture's path from the image root if it is below it, or else its whole path."""
    if path.is_relative_to(image_root):
        return path.relative_to(image_root).as_posix()
    return str(path.absolute())


def batches_to_embed(
    missing: Sequence[int], count: int, batch_size: int, is_any_place_alike: bool
) -> List[int]:
    """The pictures to embed, batch after batch: full ones and then, if it is needed, the last one, as it was.

    missing: of `count` pictures, sorted

    If no place matters, any pictures make a full batch, which copies of the last one fill up.
    """
    full = whole(count, batch_size)
    chosen = [i for i in missing if i < full]
    if is_any_place_alike:
        chosen += chosen[-1:] * (-len(chosen) % batch_size)
    else:
        firsts = sorted({i - i % batch_size for i in chosen})
        chosen = [i for first in firsts for i in range(first, first + batch_size)]
    if any(i >= full for i in missing):
        chosen += range(full, count)
    return chosen


def whole(count: int, batch_size: int) -> int:
    """How many of the pictures are in full batches: all but those of a smaller last one."""
    return count - count % batch_size
