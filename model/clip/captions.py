"""Images with captions: the captions file, and the captions as tokens.

Shapes: `n` images, `U` different captions, `K` most captions of one image, `L` tokens of the longest caption,
`B` images of a batch.
"""

import os
from pathlib import Path
from typing import Any, Dict, Iterator, List, Optional, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from data.archives import check_unpacked
from data.images import is_below
from support.errors import InputError
from support.files import read_text
from support.untrusted import are_words, parse_json

CaptionsByImage = Dict[str, List[str]]  # of the image's file, relative to the folder of all images
Entry = Tuple[str, Any, Any]  # where it stands, for messages; the image; its captions, all unchecked


# ---- the captions file -----------------------------------------------------------------------------


def read_parts(train: Path, test: Optional[Path], images: Path) -> Dict[str, CaptionsByImage]:
    """Of the parts "train" and, if there is a file of it, "test"."""
    captions = {"train": read_captions(train, images, "train")}
    if test:
        captions["test"] = read_captions(test, images, "test")
    return captions


def read_captions(path: Path, images: Path, split: str) -> CaptionsByImage:
    """{image, relative to the folder `images`: its captions}, each caption once.

    The file has a line {"image": ..., "captions": [...]} for each image, or is the plain RSICD JSON,
    of which the images with this `split` count.
    Raises InputError that names a line that is wrong, or an image that is missing.
    """
    try:
        text = read_text(path)
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read the captions file {path}: {error}") from error
    found: CaptionsByImage = {}
    for where, image, captions in read_rsicd(text, path, split) or read_caption_lines(text, path):
        check_entry(where, image, captions, images)
        found.setdefault(image, []).extend(captions)
    if not found:
        of_split = f' with "split": "{split}"' if '"images"' in text else ""
        raise InputError(
            f"{path} holds no image{of_split}: "
            'expected a line {"image": ..., "captions": [...]} for each, or the plain RSICD JSON'
        )
    check_images_exist(path, images, list(found))
    return {image: list(dict.fromkeys(captions)) for image, captions in found.items()}


def read_rsicd(text: str, path: Path, split: str) -> List[Entry]:
    """The images with this split; nothing if the text is not of this format."""
    try:
        content = parse_json(text)
    except ValueError:
        return []
    if not isinstance(content, dict) or "images" not in content:
        return []
    entries: List[Entry] = []
    try:
        for image in content["images"]:
            if image["split"] == split:
                name = image["filename"]
                captions = [sentence["raw"] for sentence in image["sentences"]]
                entries.append((f"{path}, {name!s:.60}", name, captions))
    except (KeyError, TypeError) as error:
        raise InputError(
            f'{path}: expected every one of "images" to have filename, split and sentences with raw, '
            f"found one without ({error!r})"
        ) from error
    return entries


def read_caption_lines(text: str, path: Path) -> Iterator[Entry]:
    """An image a line; blank lines are passed over."""
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        where = f"{path}, line {number}"
        try:
            entry = parse_json(line)
            image = entry["image"]
            captions = entry["captions"]
        except (ValueError, KeyError, TypeError) as error:
            raise InputError(
                f'{where}: expected {{"image": ..., "captions": [...]}}, found {line[:60]!r}'
            ) from error
        yield where, image, captions


def check_entry(where: str, image, captions, images: Path):
    """Raise InputError if it is not an image below the folder `images` with at least one caption."""
    has_image = isinstance(image, str) and bool(image)
    has_captions = isinstance(captions, list) and bool(captions) and all(map(are_words, captions))
    if not (has_image and has_captions):
        raise InputError(
            f"{where}: expected an image and at least one caption, none of them empty, "
            f'such as {{"image": "Airport/airport_1.jpg", "captions": ["a white plane"]}}'
        )
    if not is_below(image):
        raise InputError(f"{where}: the image {image!r} lies outside of {images}; expected a path below it")


def check_images_exist(path: Path, images: Path, names: List[str]):
    """Raise InputError if some image that the captions file `path` names is missing."""
    check_unpacked(Path(images))
    # Path.is_file would raise on names that are too long
    missing = [name for name in names if not os.path.isfile(Path(images) / name)]  # noqa: PTH113
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(names)} images of {path} are not in {images}, "
            f"the first is {missing[0]}: --images should be the folder that these names are relative to"
        )


# ---- captions as tokens ----------------------------------------------------------------------------


class Captions:
    """The captions of n images, as tokens. Each different caption is there once, the shorter first.

    tokens:  [U, L] token numbers, padded
    lengths: [U], without padding
    own:     [n, K] numbers of each image's captions, padded with U
    counts:  [n], how many captions each image has
    """

    def __init__(self, captions: Sequence[Sequence[str]], tokenizer, context: int):
        """captions: of each image;  context: most tokens of a caption

        Captions with the same tokens are one: case and spaces do not count.
        """
        texts = list(dict.fromkeys(caption for texts_of_image in captions for caption in texts_of_image))
        tokens = tokenizer(texts, truncation=True, max_length=context)["input_ids"]
        row_of_text = {text: tuple(row) for text, row in zip(texts, tokens)}
        rows = sorted(set(row_of_text.values()), key=lambda row: (len(row), row))
        number = {row: place for place, row in enumerate(rows)}
        own = []
        for texts_of_image in captions:
            own.append(sorted({number[row_of_text[text]] for text in texts_of_image}))

        self.tokens = padded(rows, tokenizer.eos_token_id)
        self.lengths = torch.tensor([len(row) for row in rows])
        self.own = padded(own, len(rows))
        self.counts = np.array([len(numbers) for numbers in own])

    def draw(self, images: np.ndarray, count: int, rng: np.random.Generator) -> Tensor:
        """`count` captions of each image, different ones as far as it has them.  images: [B] -> [B, count]"""
        available = self.counts[images, None]  # [B, 1]
        most = self.own.shape[1]
        keys = rng.random((len(images), most))
        keys = np.where(np.arange(most) < available, keys, 2)  # what is padding comes last
        shuffled = keys.argsort(axis=1)  # [B, K]
        chosen = np.take_along_axis(shuffled, np.arange(count) % available, axis=1)
        return self.own[images[:, None], chosen]

    def token_batches(self, captions: Tensor, batch_size: int) -> Iterator[Tensor]:
        """Tokens [at most batch_size, L'] of some captions after some, in order.

        L' is the length of the longest of a batch, so short captions cost little.  captions: [m] numbers
        """
        for part in captions.split(batch_size):
            yield self.tokens[part, : self.lengths[part].max()]

    def are_true(self, images: np.ndarray, captions: Tensor) -> Tensor:
        """Is this a caption of that image?  [B], [m] -> [B, m]"""
        is_own = torch.zeros(len(images), len(self.tokens) + 1, dtype=torch.bool)
        is_own.scatter_(1, self.own[images], True)
        return is_own[:, captions]


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    """[number of rows, length of the longest]"""
    return pad_sequence([torch.tensor(row) for row in rows], batch_first=True, padding_value=fill)
