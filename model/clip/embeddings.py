"""CLIP's embeddings of pictures, kept: what one program has embedded, no other embeds anew.

    embeddings = Embeddings(clip, folder, image_root)
    vectors = embeddings.embed(paths, batch_size=64, workers=2)  # [n, P]

This changes no number, not in the last bit. That bit may depend on more than the picture: the products of a
smaller batch may be added up in another order. So a vector is used again

    - in a full batch, if it is from a full batch of as many pictures. Before this is relied on, a batch of
      copies of one picture is embedded: they must all get the same vector
    - in the last batch, which is smaller, or if those copies differ, if it is from the very same batch

Shapes: `n` pictures, `B` in a batch, `P` dimensions of CLIP's common space.
"""

import hashlib
import json
from pathlib import Path
from typing import Any, List, Optional, Sequence

from torch import Tensor

from clip.embed import Clip
from clip.embedding_file import EmbeddingFile, EmbeddingKey
from data.cache import stamp
from support.processes import progress, rank, rank_zero


class Embeddings:
    """Embeds pictures, or finds their vectors from earlier.

    count, reused: how many it was asked for so far, and how many of them it had
    """

    def __init__(self, clip: Clip, folder: Optional[Path], image_root: Path):
        """folder: of the cache, None to do without

        image_root: pictures below it are known by their paths from there, so that a dataset can be moved
        """
        self.clip = clip
        self.folder = folder
        self.image_root = image_root
        self.count = self.reused = 0
        self.file: Optional[EmbeddingFile] = None  # the first process has it
        if folder and rank() == 0:
            self.file = EmbeddingFile(folder, clip.identity())

    def embed(self, paths: Sequence[Path], batch_size: int, workers: int) -> Tensor:
        """[n, P] on the CPU: exactly what `Clip.embed_images` gives for all of these pictures."""
        if not self.folder or not paths:
            return self.clip.embed_images(self.loader(paths, batch_size, workers))
        keys = rank_zero(keys_by_size, paths, self.image_root, batch_size)
        self.count += len(paths)
        missing = self.ask("missing", keys)
        if missing:
            self.ask("open")
            try:
                missing = self.ask("missing", keys)  # another process may have added some
                keys, missing = self.fill(paths, keys, missing, batch_size, workers)
            finally:
                if self.file:
                    self.file.close()
        self.reused += len(paths) - len(missing)
        return self.ask("find", keys)

    def ask(self, method: str, *arguments) -> Any:
        """What the file of the first process answers."""
        return rank_zero(lambda: getattr(self.file, method)(*arguments))

    def loader(self, paths: Sequence[Path], batch_size: int, workers: int):
        return progress(self.clip.loader(paths, batch_size, workers), "images")

    def fill(self, paths, keys, missing, batch_size, workers):
        """Embed the pictures that are missing. Returns the keys by which all are found, and who was missing."""
        full = len(paths) - len(paths) % batch_size  # so many pictures are in full batches
        by_size = True
        if missing and missing[0] < full and not self.place_is_free(paths[missing[0]], batch_size, workers):
            by_size = False
            keys = keys_by_batch(keys, batch_size)
            missing = self.ask("missing", keys)
        order = batches_to_embed(missing, len(paths), batch_size, by_size)
        if order:
            batches = self.loader([paths[i] for i in order], batch_size, workers)
            start = 0
            for vectors in self.clip.embed_batches(batches):
                if self.file:
                    self.file.append([keys[i] for i in order[start : start + len(vectors)]], vectors)
                start += len(vectors)
        return keys, missing

    def place_is_free(self, path: Path, batch_size: int, workers: int) -> bool:
        """Does a picture get the same vector, to the last bit, in any place of a batch of this size?"""
        copies = self.clip.embed_images(self.clip.loader([path] * batch_size, batch_size, workers))
        return bool((copies == copies[0]).all())

    def print_summary(self):
        """Say what was used again, if there was any picture."""
        if self.count:
            print(
                f"cache   {self.reused} of {self.count} embeddings of images from earlier, in {self.folder}",
                flush=True,
            )


# ---- what a vector is kept under -------------------------------------------------------------------


def keys_by_size(paths: Sequence[Path], image_root: Path, batch_size: int) -> List[EmbeddingKey]:
    """Of pictures in full batches, whose vectors depend on the size of these, and in the rest.

    Raises InputError if a file is not there.
    """
    full = len(paths) - len(paths) % batch_size
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


def batches_to_embed(missing: Sequence[int], count: int, batch_size: int, by_size: bool) -> List[int]:
    """The pictures to embed, batch after batch: full ones, and then, if it is needed, the last one, as it was.

    missing: of `count` pictures, sorted
    by_size: may full batches be made of any pictures? Then the last one of these is filled up with copies.
    """
    full = count - count % batch_size
    chosen = [i for i in missing if i < full]
    if by_size:
        chosen += chosen[-1:] * (-len(chosen) % batch_size)
    else:
        firsts = sorted({i - i % batch_size for i in chosen})
        chosen = [i for first in firsts for i in range(first, first + batch_size)]
    if any(i >= full for i in missing):
        chosen += range(full, count)
    return chosen
