"""Images of any number, one after another: decoded, named and written down, all in constant memory.

What was written can be gone on with: the lines that are there already are the first images of the walk.
"""

import csv
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Dict, Iterable, Iterator, List, Mapping, Sequence, Tuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from data.pipeline import load_image
from support.errors import InputError
from support.files import atomic, read_json, write_json
from support.machine import circumstances
from support.processes import rank, world_size
from support.untrusted import parse_json

SHOWN_IMAGES, SHOWN_ERRORS = 20, 5  # how many a summary keeps


class ImageBatches(Dataset):
    """A key is a list of files, the batch that they become."""

    def __init__(self, size: int):
        self.size = size

    def __getitem__(self, files: List[str]) -> Tuple[List[str], Tensor, Dict[str, str]]:
        """The files, the b readable ones as uint8 [b, 3, S, S], and of each other one what is wrong with it."""
        images, errors = [torch.empty(0, 3, self.size, self.size, dtype=torch.uint8)], {}
        for file in files:
            try:
                images.append(load_image(Path(file), self.size)[None])
            except InputError as error:
                errors[file] = str(error)
        return files, torch.cat(images), errors


def decode(files: Iterator[str], size: int, batch_size: int, workers: int, pin_memory: bool) -> DataLoader:
    """Batches of a `Decoder` in the order of the files, of which only the next few are ever taken. Of several processes each has its own."""
    batches = islice(iter(lambda: list(islice(files, batch_size)), []), rank(), None, world_size())
    return DataLoader(
        ImageBatches(size), batch_size=None, sampler=batches, num_workers=workers, pin_memory=pin_memory
    )


@dataclass
class Summary:
    """What there is to say of any number of predictions."""

    images: int = 0
    unreadable: int = 0
    counts: Counter = field(default_factory=Counter)  # class name -> images
    first: List[dict] = field(default_factory=list)  # lines
    errors: List[dict] = field(default_factory=list)  # lines

    def add(self, line: dict):
        self.images += 1
        if len(self.first) < SHOWN_IMAGES:
            self.first.append(line)
        if "error" in line:
            self.unreadable += 1
            self.errors += [line] if len(self.errors) < SHOWN_ERRORS else []
        else:
            self.counts[line["classes"][0]["class"]] += 1


class Predictions:
    """The folder of one prediction.

    options.json        options, classes, command, git commit, versions, machine
    predictions.jsonl   a line an image, in the order of the walk
    predictions.csv     the same as a table, made of the lines once these have ended
    """

    def __init__(self, folder: Path, options: Mapping, fingerprint: str, **facts):
        """A new folder, or one whose prediction has the same options and fingerprint. Writes nothing yet."""
        self.folder, self.facts = (
            Path(folder),
            {"options": dict(options), **facts, "fingerprint": fingerprint},
        )
        self.lines, self.table = self.folder / "predictions.jsonl", self.folder / "predictions.csv"
        different = self.difference()
        if different:
            raise InputError(
                f"{folder} holds another prediction ({different}): name another --output, or delete it"
            )

    def difference(self) -> str:
        """In words, what keeps this prediction from going on in this folder: nothing if it can."""
        file = self.folder / "options.json"
        if not file.is_file():
            return (
                "it is no prediction's folder"
                if self.folder.exists() and (not self.folder.is_dir() or any(self.folder.iterdir()))
                else ""
            )
        stored = read_json(file)
        if (
            not isinstance(stored, dict)
            or "fingerprint" not in stored
            or not isinstance(stored.get("options"), dict)
        ):
            return "it is no prediction's folder"
        changed = [
            f"--{key} {stored['options'].get(key)}, now {value}"
            for key, value in self.facts["options"].items()
            if stored["options"].get(key) != value
        ]
        if not changed and stored.get("fingerprint") != self.facts["fingerprint"]:
            changed = ["the weights or the classes' attributes have changed since"]
        return ", ".join(changed)

    def start(self):
        write_json(self.folder / "options.json", {**self.facts, **circumstances()})

    def done(self, files: Iterator[str], batch_size: int) -> int:
        """How many images are written down: a torn last line does not count, nor does a batch that is not whole, so that the
        rest falls into the same batches as it would have, and has the same numbers to the last bit. Cuts off what does not count.

        files: the walk, whose first images the lines must be
        """
        count = end = kept = kept_end = 0
        self.lines.touch()
        with self.lines.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                count, end = count + 1, end + len(line)
                self.check(count, line, next(files, "nothing"))
                if count % batch_size == 0:
                    kept, kept_end = count, end
        if next(files, None) is None:
            kept, kept_end = count, end
        os.truncate(self.lines, kept_end)
        return kept

    def check(self, count: int, line: bytes, file: str):
        try:
            written = parse_json(line.decode())
        except ValueError:
            written = None
        if not is_prediction(written):
            raise InputError(
                f"{self.lines}: line {count} is not one of predict.py; delete the file, or name another --output"
            )
        if written["image"] != file:
            raise InputError(
                f"{self.lines}: line {count} is {written['image']}, but the image there is now {file}: name another --output, or delete it"
            )

    def write(self, lines: Iterable[dict]):
        """Add the lines of a batch."""
        try:
            with self.lines.open("a") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))
        except OSError as error:
            raise InputError(f"cannot write {self.lines}: {error}") from error

    def tabulate(self, columns: Sequence[str]) -> Summary:
        """The lines once more, as a table that is never half-written. Returns what there is to say of them."""
        summary = Summary()
        with (
            atomic(self.table) as temporary,
            self.lines.open() as lines,
            temporary.open("w", newline="", encoding="utf-8", errors="surrogateescape") as file,
        ):  # a file may have any bytes for a name
            table = csv.DictWriter(file, columns, extrasaction="ignore")
            table.writeheader()
            for line in map(json.loads, (line for line in lines if line.endswith("\n"))):
                table.writerow(flat(line))
                summary.add(line)
        return summary


def is_prediction(line) -> bool:
    """Is it a line as predict.py writes it: an image, and what is wrong with it, or its best classes and the attributes that spoke for them?"""

    def sound(entries, name: str, value: str) -> bool:
        return isinstance(entries, list) and all(
            isinstance(entry, dict)
            and isinstance(entry.get(name), str)
            and type(entry.get(value)) in (int, float)
            for entry in entries
        )

    return (
        isinstance(line, dict)
        and isinstance(line.get("image"), str)
        and (
            isinstance(line.get("error"), str)
            or bool(line.get("classes"))
            and sound(line["classes"], "class", "probability")
            and sound(line.get("attributes"), "attribute", "contribution")
        )
    )


def flat(line: dict) -> dict:
    """{"image", "class_1", "probability_1", ..., "attribute_1", "contribution_1", ..., or "error"}"""
    return {
        **{key: value for key, value in line.items() if key in ("image", "error")},
        **{
            f"{key}_{place}": value
            for entries in (line.get("classes", []), line.get("attributes", []))
            for place, entry in enumerate(entries, 1)
            for key, value in entry.items()
        },
    }


def table_columns(classes: int, attributes: int) -> List[str]:
    """Of the table: so many classes and attributes for every image."""
    return [
        "image",
        *(
            f"{key}_{place}"
            for kinds, count in (
                (("class", "probability"), classes),
                (("attribute", "contribution"), attributes),
            )
            for place in range(1, count + 1)
            for key in kinds
        ),
        "error",
    ]
