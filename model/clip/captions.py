"""Images with captions: the captions file, a tokenizer trained on it, the captions as tokens, the images as tensors."""

import json
import math
import os
from pathlib import Path
from typing import Dict, Iterator, List, Sequence

import numpy as np
import torch
from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers
from torch import Tensor
from torch.utils.data import DataLoader, Dataset
from torchvision.transforms import functional as TF

from data.images import is_below, read_image
from support.errors import InputError
from support.files import write_json, write_text
from support.processes import all_reduce, progress, shard
from support.untrusted import are_words, parse_json

START, END = "<|startoftext|>", "<|endoftext|>"
BYTES = sorted(pre_tokenizers.ByteLevel.alphabet())  # one printable character for each of the 256 bytes
LETTERS = [
    *BYTES,
    *(byte + "</w>" for byte in BYTES),
]  # inside a word, and at its end: with these any word can be written
WORDS = r"<\|startoftext\|>|<\|endoftext\|>|'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"  # CLIP's own


def read_captions(path: Path, images: Path, split: str) -> Dict[str, List[str]]:
    """{image, relative to the folder `images`: its captions}, each caption once.

    The file has a line {"image": ..., "captions": [...]} for each image, or is the plain RSICD JSON, of which the images
    with this `split` count. Raises InputError that names the line, or an image that is missing.
    """
    try:
        text = Path(path).read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the captions file {path}: {error}") from error
    found: Dict[str, List[str]] = {}
    for where, image, captions in read_rsicd(text, path, split) or read_lines(text, path):
        if not (
            isinstance(image, str)
            and image
            and isinstance(captions, list)
            and captions
            and all(map(are_words, captions))
        ):
            raise InputError(
                f"{where}: expected an image and at least one caption, none of them empty, "
                f'such as {{"image": "Airport/airport_1.jpg", "captions": ["a white plane"]}}'
            )
        if not is_below(image):
            raise InputError(
                f"{where}: the image {image!r} lies outside of {images}; expected a path below it"
            )
        found.setdefault(image, []).extend(captions)
    if not found:
        raise InputError(
            f"{path} holds no image"
            + (f' with "split": "{split}"' if '"images"' in text else "")
            + ': expected a line {"image": ..., "captions": [...]} for each, or the plain RSICD JSON'
        )
    missing = [image for image in found if not os.path.isfile(Path(images) / image)]
    if missing:
        raise InputError(
            f"{len(missing)} of the {len(found)} images of {path} are not in {images}, the first is {missing[0]}: --images should be the folder that these names are relative to"
        )
    return {image: list(dict.fromkeys(captions)) for image, captions in found.items()}


def read_rsicd(text: str, path: Path, split: str) -> list:
    """(where, image, captions) of the images with this split; nothing if the text is not of this format."""
    try:
        whole = parse_json(text)
    except ValueError:
        return []
    if not isinstance(whole, dict) or "images" not in whole:
        return []
    try:
        return [
            (
                f"{path}, {image['filename']!s:.60}",
                image["filename"],
                [sentence["raw"] for sentence in image["sentences"]],
            )
            for image in whole["images"]
            if image["split"] == split
        ]
    except (KeyError, TypeError) as error:
        raise InputError(
            f'{path}: expected every one of "images" to have filename, split and sentences with raw, found one without ({error!r})'
        ) from error


def read_lines(text: str, path: Path) -> Iterator[tuple]:
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                entry = parse_json(line)
                yield f"{path}, line {number}", entry["image"], entry["captions"]
            except (ValueError, KeyError, TypeError) as error:
                raise InputError(
                    f'{path}, line {number}: expected {{"image": ..., "captions": [...]}}, found {line[:60]!r}'
                ) from error


def train_tokenizer(captions: Sequence[str], vocab_size: int, context: int, folder: Path):
    """Byte-pair merges learnt from captions, written as the files of a CLIPTokenizer, laid out as in CLIP: letters, merges,
    start, end. (No tokenizer.json: transformers makes it from these, and its format differs between versions.)"""
    tokenizer = Tokenizer(models.BPE(end_of_word_suffix="</w>"))
    tokenizer.normalizer = normalizers.Sequence(
        [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Lowercase()]
    )
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(WORDS), "removed", invert=True),
            pre_tokenizers.ByteLevel(add_prefix_space=False),
        ]
    )
    tokenizer.train_from_iterator(
        captions,
        trainers.BpeTrainer(
            vocab_size=vocab_size, initial_alphabet=BYTES, end_of_word_suffix="</w>", show_progress=False
        ),
    )
    merges = [
        pair.split(" ") if isinstance(pair, str) else pair
        for pair in json.loads(tokenizer.to_str())["model"]["merges"]
    ]
    merges = merges[: vocab_size - len(LETTERS) - 2]
    tokens = dict.fromkeys(
        [*LETTERS, *map("".join, merges), START, END]
    )  # two merges may make the same token
    write_json(folder / "vocab.json", {token: number for number, token in enumerate(tokens)})
    write_text(
        folder / "merges.txt", "#version: 0.2\n" + "".join(f"{left} {right}\n" for left, right in merges)
    )
    special = {"bos_token": START, "eos_token": END, "unk_token": END, "pad_token": END}
    write_json(folder / "special_tokens_map.json", special)
    write_json(
        folder / "tokenizer_config.json",
        {
            "tokenizer_class": "CLIPTokenizer",
            "do_lower_case": True,
            "model_max_length": context,
            "clean_up_tokenization_spaces": False,
            **special,
        },
    )


class Captions:
    """The captions of n images, each different one once, the shorter first.

    tokens: [U, L] token numbers of the U captions, padded;  lengths: [U]
    own:    [n, K] the captions of each image, padded with U;  counts: [n]
    """

    def __init__(self, captions: Sequence[Sequence[str]], tokenizer, context: int):
        """captions: of each image. Two captions are the same if their tokens are: case and spaces do not count."""
        texts = list(dict.fromkeys(caption for several in captions for caption in several))
        rows = dict(
            zip(texts, map(tuple, tokenizer(texts, truncation=True, max_length=context)["input_ids"]))
        )
        different = sorted(set(rows.values()), key=lambda row: (len(row), row))
        number = {row: place for place, row in enumerate(different)}
        own = [sorted({number[rows[text]] for text in several}) for several in captions]
        self.tokens = padded(different, tokenizer.eos_token_id)
        self.lengths = torch.tensor([len(row) for row in different])
        self.own = padded(own, len(different))
        self.counts = np.array([len(several) for several in own])

    def draw(self, images: np.ndarray, several: int, chance: np.random.Generator) -> Tensor:
        """`several` captions of each image, different ones as far as it has them. images: [B] -> [B, several]"""
        counts = self.counts[images, None]
        keys = np.where(
            np.arange(self.own.shape[1]) < counts, chance.random((len(images), self.own.shape[1])), 2
        )
        return self.own[
            images[:, None], np.take_along_axis(keys.argsort(axis=1), np.arange(several) % counts, axis=1)
        ]

    def read(self, captions: Tensor, batch_size: int) -> Iterator[Tensor]:
        """[n] -> tokens [B, L] of some after some, no longer than the longest of these: in order, short ones cost little."""
        for some in captions.split(batch_size):
            yield self.tokens[some, : self.lengths[some].max()]

    def true(self, images: np.ndarray, captions: Tensor) -> Tensor:
        """[B], [C] -> [B, C]: is this a caption of that image?"""
        owned = torch.zeros(len(images), len(self.tokens) + 1, dtype=torch.bool).scatter_(
            1, self.own[images], True
        )
        return owned[:, captions]


def padded(rows: Sequence[Sequence[int]], fill: int) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(
        [torch.tensor(row) for row in rows], batch_first=True, padding_value=fill
    )


class Images(Dataset):
    """Images as uint8 [3, size, size]: shorter side to `size`, centre crop. Decoded once if they fit in memory."""

    def __init__(self, paths: Sequence[Path], size: int, cache_gb: float, workers: int, device: torch.device):
        self.paths, self.size, self.workers, self.device = paths, size, workers, device
        self.cache = None
        if len(paths) * 3 * size**2 <= cache_gb * 1e9:
            own = shard(np.array_split(np.arange(len(paths)), math.ceil(len(paths) / 64)))
            cache = torch.zeros(len(paths), 3, size, size, dtype=torch.uint8, device=device)
            for images, batch in zip(self.batches(own, "decoding"), own):
                cache[batch] = images
            self.cache = all_reduce(cache)

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> Tensor:
        image = TF.resize(read_image(self.paths[index]), self.size, TF.InterpolationMode.BICUBIC)
        return TF.pil_to_tensor(TF.center_crop(image, self.size))

    def batches(self, order: Sequence[np.ndarray], title: str) -> Iterator[Tensor]:
        """[B, 3, size, size] on the device for each array of B image numbers, under a progress bar."""
        loader = (
            order
            if self.cache is not None
            else DataLoader(
                self,
                batch_sampler=[batch.tolist() for batch in order],
                num_workers=self.workers,
                pin_memory=self.device.type == "cuda",
            )
        )
        for batch in progress(loader, title):
            yield self.cache[batch] if self.cache is not None else batch.to(self.device, non_blocking=True)
