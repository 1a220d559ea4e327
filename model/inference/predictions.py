"""Images of any number, one after another: decoded, named and written down, all in constant memory.

A prediction goes on where it was interrupted: the lines that are there already are those of the first images.
"""

import csv
import json
import os
from collections import Counter
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Dict, Iterable, Iterator, List, Mapping, Tuple, TypeVar

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from data.images import printable, size_of_image
from data.pipeline import Preprocessing, load_image
from inference.contributions import in_words, reasons
from inference.prediction_lines import LineForm, table_row
from support.errors import InputError
from support.files import atomic, read_json, write_json
from support.loader import Loader
from support.machine import circumstances
from support.notes import counted, note_once
from support.processes import rank, world_size
from support.resumable import what_differs
from support.untrusted import parse_json

SHOWN_IMAGES = 20  # that a summary keeps
SHOWN_ERRORS = 5
LARGE = 1500  # pixels of the shorter side
Item = TypeVar("Item")


class ImageBatches(Dataset):
    """A key is a list of files, the batch that they become."""

    def __init__(self, how: Preprocessing):
        self.how = how

    def __getitem__(self, files: List[str]) -> Tuple[List[str], Tensor, Dict[str, str]]:
        """The files, the b readable ones as uint8 [b, 3, S, S], and what is wrong with each other one."""
        images = [torch.empty(0, 3, self.how.size, self.how.size, dtype=torch.uint8)]
        errors = {}
        for file in files:
            try:
                images.append(load_image(Path(file), self.how)[None])
                hint_at_tiles(Path(file))
            except InputError as error:
                errors[file] = str(error)
        return files, torch.cat(images), errors


def hint_at_tiles(file: Path):
    """Say, once, that a large image is named as one scene."""
    width, height = size_of_image(file)
    if min(width, height) >= LARGE:
        note_once(
            "large image",
            f"{printable(file.name)} has {width} x {height} pixels and is named as one scene; --tile PIXELS, "
            "as much ground as a training image shows, makes a map of classes",
        )


def decoded_batches(
    files: Iterator[str], how: Preprocessing, batch_size: int, workers: int, pin_memory: bool
) -> DataLoader:
    """Batches of `ImageBatches`, in the order of the files, of which only the next few are ever taken.

    Of several processes each has every world_size-th batch.
    """
    batches = islice(in_batches(files, batch_size), rank(), None, world_size())
    return Loader(
        ImageBatches(how),
        batch_size=None,
        sampler=batches,
        workers=workers,
        pin_memory=pin_memory,
    )


def in_batches(items: Iterator[Item], batch_size: int) -> Iterator[List[Item]]:
    """Lists of batch_size items; the last may be shorter."""
    while True:
        batch = list(islice(items, batch_size))
        if not batch:
            return
        yield batch


@dataclass
class Summary:
    """What is printed of any number of predictions."""

    images: int = 0
    unreadable: int = 0
    counts: Counter = field(default_factory=Counter)  # class name -> images
    first: List[dict] = field(default_factory=list)  # lines
    errors: List[dict] = field(default_factory=list)  # lines

    def add(self, line: dict):
        """Count a line of predictions.jsonl."""
        self.images += 1
        if len(self.first) < SHOWN_IMAGES:
            self.first.append(line)
        if "error" in line:
            self.unreadable += 1
            if len(self.errors) < SHOWN_ERRORS:
                self.errors.append(line)
        else:
            self.counts[line["classes"][0]["class"]] += 1


def print_prediction_summary(summary: Summary, form: LineForm):
    """The first images, how many there are of each class, and what could not be read.

    form: what the lines have, of which the heading tells
    """
    print(f"\n{'image':32} {'class':24} {'':>6}  {attributes_heading(form)}")
    for line in summary.first:
        print(f"{printable(Path(line['image']).name):32} {best_class(line)}")
    if summary.images > len(summary.first):
        print(f"... and {summary.images - len(summary.first)} more")
    unreadable = f", {summary.unreadable} of them unreadable" if summary.unreadable else ""
    print(f"\n{counted(summary.images, 'image')}{unreadable}")
    for name, images in summary.counts.most_common():
        print(f"{images:>7} {name}")
    for line in summary.errors:
        print(f"error   {printable(line['error'])}")
    if summary.unreadable > len(summary.errors):
        print(f"        and {summary.unreadable - len(summary.errors)} more like it")


def attributes_heading(form: LineForm) -> str:
    """What `best_class` tells of attributes."""
    if "logit_difference" in form.totals:
        return "because of (what it adds, of the lead on the mean candidate, in logits)"
    return "CLIP sees most (whatever the class)"


def best_class(line: dict) -> str:
    """Of a prediction, the best class, and why; of a CLIP alone, what it sees."""
    if "error" in line:
        return "unreadable"
    best = line["classes"][0]
    if "logit_difference" in line:
        told = []
        for entry in line["attributes"]:
            told.append((in_words(entry["attribute"], entry["score"]), entry["contribution"]))
        words = reasons(told, line["logit_difference"])
    else:
        words = ", ".join(f"{entry['attribute']} {entry['share']:.0%}" for entry in line["attributes"])
    return f"{best['class']:24} {best['probability']:6.1%}  {words}"


class Predictions:
    """The folder of one prediction.

    options.json        options, classes, command, git commit, versions, machine
    predictions.jsonl   a line an image, in the order of the walk
    predictions.csv     the same as a table, made of the lines once these have ended
    """

    def __init__(
        self,
        folder: Path,
        options: Mapping,
        classes: Mapping[str, str],
        fingerprint: str,
        form: LineForm,
    ):
        """A new folder, or one whose prediction has the same options and fingerprint. Writes nothing yet.

        classes: {name: kind} of the candidates
        form:    what its lines have
        """
        self.folder = Path(folder)
        self.form = form
        self.facts: Dict[str, Any] = {
            "options": dict(options),
            "classes": dict(classes),
            "fingerprint": fingerprint,
        }
        self.lines = self.folder / "predictions.jsonl"
        self.table = self.folder / "predictions.csv"
        difference = self.difference()
        if difference:
            raise InputError(
                f"{folder} holds another prediction ({difference}): name another --output, or delete it"
            )

    def difference(self) -> str:
        """In words, what keeps this prediction from going on in this folder; "" if it can."""
        difference = what_differs(
            self.folder,
            self.facts["options"],
            foreign="it is no prediction's folder",
            keys=["fingerprint"],
        )
        file = self.folder / "options.json"
        if difference or not file.is_file():
            return difference
        if read_json(file)["fingerprint"] != self.facts["fingerprint"]:
            return "the weights or the classes' attributes have changed since"
        return ""

    def start(self):
        """Write options.json."""
        write_json(self.folder / "options.json", {**self.facts, **circumstances()})

    def done(self, files: Iterator[str], batch_size: int) -> int:
        """How many images are written down. Cuts off what does not count.

        files: all images, of which the lines must be the first

        A torn last line does not count, nor does a batch that is not complete: so the rest falls into the
        same batches as it would have, and has the same numbers to the last bit.
        """
        count = end = 0  # lines read, and bytes up to the end of the last
        kept = kept_end = 0  # the same of those that count
        self.lines.touch()
        with self.lines.open("rb") as lines:
            for line in lines:
                if not line.endswith(b"\n"):
                    break
                count += 1
                end += len(line)
                self.check(count, line, next(files, "nothing"))
                if count % batch_size == 0:
                    kept = count
                    kept_end = end
        if next(files, None) is None:
            kept = count
            kept_end = end
        os.truncate(self.lines, kept_end)
        return kept

    def check(self, count: int, line: bytes, file: str):
        """Raise InputError if a line is not a prediction of this image.  count: its number, from 1 on"""
        try:
            written = parse_json(line.decode())
        except ValueError:
            written = None
        problem = self.form.problem(written)
        if problem:
            raise InputError(
                f"{self.lines}: line {count} {problem}; delete the folder, or name another --output"
            )
        if written["image"] != file:
            raise InputError(
                f"{self.lines}: line {count} is {written['image']}, but the image there is now {file}: "
                "name another --output, or delete it"
            )

    def write(self, lines: Iterable[dict]):
        """Add the lines of a batch."""
        try:
            with self.lines.open("a", encoding="utf-8") as file:
                file.write("".join(json.dumps(line) + "\n" for line in lines))
        except OSError as error:
            raise InputError(f"cannot write {self.lines}: {error}") from error

    def tabulate(self, classes: int, attributes: int) -> Summary:
        """Write the lines as a table, completely or not at all. Returns what there is to say of them.

        classes, attributes: how many of them a line has at most
        """
        summary = Summary()
        how: Dict[str, Any] = {"newline": "", "encoding": "utf-8"}
        how["errors"] = "surrogateescape"  # a file may have any bytes for a name
        with (
            atomic(self.table) as temporary,
            temporary.open("w", **how) as file,
            self.lines.open(encoding="utf-8") as lines,
        ):
            table = csv.DictWriter(file, self.form.columns(classes, attributes), extrasaction="ignore")
            table.writeheader()
            for line in complete_lines(lines):
                table.writerow(table_row(line))
                summary.add(line)
        return summary

    def written(self) -> Iterator[dict]:
        """All lines, one after another."""
        with self.lines.open(encoding="utf-8") as lines:
            yield from complete_lines(lines)


def complete_lines(lines: Iterable[str]) -> Iterator[dict]:
    """What they say, less a torn last one."""
    for text in lines:
        if text.endswith("\n"):
            yield json.loads(text)
