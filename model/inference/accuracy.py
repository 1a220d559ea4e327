"""How often images in class folders were named right: counted line by line, in constant memory.

A picture is of the class that the nearest folder around it is called like, in any spelling; aGrass is grass
where prepare.py would call it so. Folders above the given paths do not count.
"""

import os
from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from data.images import printable, walk
from data.names import spelling
from data.naming import words_of_folders
from inference.classifier import six_digits
from inference.predictions import Predictions
from inference.training_images import TrainingImages
from support.errors import InputError
from support.files import write_columns, write_json
from support.notes import counted

SHOWN_FOLDERS = 5  # that are no class


class Labels:
    """What pictures are, by their folders."""

    def __init__(self, paths: Sequence[str], names: Sequence[str]):
        """paths: as the user gave them, images and folders;  names: [K] of the candidates"""
        self.roots = [os.path.abspath(path) for path in paths if os.path.isdir(path)]  # noqa: PTH100, as walk
        self.roots.sort(key=len)
        self.numbers = {spelling(name): k for k, name in enumerate(names)}
        self.in_words: Dict[str, str] = {}  # what prepare.py calls the folders in the given ones
        for root in self.roots:
            folders = sorted(entry.name for entry in os.scandir(root) if entry.is_dir())
            self.in_words.update(zip(folders, words_of_folders(folders, Path(root))))

    def label(self, file: str) -> Optional[int]:
        """The number of the class; None if no folder is called like one."""
        folder = Path(file).parent
        highest = next((Path(root) for root in self.roots if Path(file).is_relative_to(root)), folder)
        while True:
            found = self.number_of(folder.name)
            if found is not None or folder in (highest, folder.parent):
                return found
            folder = folder.parent

    def number_of(self, folder: str) -> Optional[int]:
        """Of the class that a folder is called like, as it is written or in words."""
        found = self.numbers.get(spelling(folder))
        if found is None:
            found = self.numbers.get(spelling(self.in_words.get(folder, "")))
        return found


def check_labels(paths: Sequence[str], names: Sequence[str]):
    """Raise InputError if no picture lies in a folder that is called like a candidate."""
    labels = Labels(paths, names)
    folders: Dict[str, None] = {}
    for file in walk(paths):
        if labels.label(file) is not None:
            return
        if len(folders) < SHOWN_FOLDERS:
            folders.setdefault(Path(file).parent.name)
    raise InputError(
        "--labels folders: no folder is called like a candidate class; "
        f"found {printable(', '.join(folders))}, expected such as {', '.join(names[:SHOWN_FOLDERS])}"
    )


def score_labels(
    paths: Sequence[str],
    predictions: Predictions,
    names: Sequence[str],
    trained: Optional[TrainingImages] = None,
):
    """Count what was written down; print the accuracy, and write accuracy.json, per_class.csv, confusion.csv.

    names:   [K] of the candidates
    trained: the images that the run was trained with, if they are known
    """
    labels = Labels(paths, names)
    numbers = {name: k for k, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)), int)  # images of a row's class, named as a column's
    of_training = np.zeros_like(counts)  # of these, the run's training images
    others: Counter = Counter()  # images that are not counted, by why
    examples: Dict[str, None] = {}  # folders that are no class
    folders: Dict[str, Optional[str]] = {}  # of pictures, and the class that each is called like
    for line in predictions.written():
        label = labels.label(line["image"])
        folders[str(Path(line["image"]).parent)] = None if label is None else names[label]
        if "error" in line:
            others["unreadable"] += 1
        elif label is None:
            others["of no candidate class"] += 1
            if len(examples) < SHOWN_FOLDERS:
                examples.setdefault(Path(line["image"]).parent.name)
        else:
            named = numbers[line["classes"][0]["class"]]
            counts[label, named] += 1
            if trained and trained.has(line["image"]):
                of_training[label, named] += 1
    write_scores(predictions.folder, names, counts, others, folders, of_training if trained else None)
    print_scores(names, counts)
    for why, images in others.items():
        which = f", in {printable(', '.join(examples))}" if why != "unreadable" else ""
        are = counted(images, "image is", "images are")
        print(f"note: {are} not counted: {why}{which}")
    note_training_images(counts, of_training)


def note_training_images(counts: np.ndarray, of_training: np.ndarray):
    """Say how many the run was trained with, and how often it is right on the others.  both: [K, K]"""
    images, known = counts.sum(), of_training.sum()
    if not known:
        return
    others = mean_accuracy(counts - of_training)
    rest = "" if others is None else f" Of the {counted(images - known, 'other')} it is {others:.1f} %."
    print(
        f"note: {known} of {counted(images, 'image')} {'was' if known == 1 else 'were'} trained with: "
        f"the accuracy says nothing of new pictures.{rest}"
    )


def accuracies(counts: np.ndarray) -> np.ndarray:
    """[K, K] -> [K] in percent; NaN for a class without images."""
    images = counts.sum(axis=1)
    return np.where(images > 0, 100 * counts.diagonal() / np.maximum(images, 1), np.nan)


def mean_accuracy(counts: np.ndarray) -> Optional[float]:
    """Over the classes with images, each of which counts the same; None if no image was counted."""
    return six_digits(np.nanmean(accuracies(counts))) if counts.any() else None


def write_scores(
    folder: Path,
    names: Sequence[str],
    counts: np.ndarray,
    others: Counter,
    folders: Mapping[str, Optional[str]],
    of_training: Optional[np.ndarray] = None,
):
    """The three files.

    counts:      [K, K]
    others:      images that are not counted, by why
    folders:     of pictures, each with its class, None if it is called like none
    of_training: [K, K], those of `counts` that the run was trained with; None if that is not known
    """
    images = counts.sum(axis=1).tolist()
    shares: List[Any] = [six_digits(share) for share in accuracies(counts)]
    shares = [share if count else None for share, count in zip(shares, images)]
    per_class = {"class": list(names), "images": images, "accuracy": shares}
    rows = {name: dict(zip(names, row)) for name, row in zip(names, counts.tolist())}
    record = {
        "unit": "percent of a class's images; the mean is over classes with images",
        "mean": mean_accuracy(counts),
        "chance": six_digits(100 / len(names)),
        "images": int(counts.sum()),
        "not_counted": dict(others),
        "per_class": per_class,
        "confusion": rows,
        "folders": dict(folders),
    }
    if of_training is not None:
        record["trained_with"] = int(of_training.sum())
        record["mean_of_others"] = mean_accuracy(counts - of_training)
    write_json(folder / "accuracy.json", record)
    in_table = ["" if share is None else share for share in shares]
    write_columns(folder / "per_class.csv", {**per_class, "accuracy": in_table})
    write_columns(folder / "confusion.csv", {"class": list(names), **dict(zip(names, counts.T.tolist()))})


def print_scores(names: Sequence[str], counts: np.ndarray):
    """The mean, then each class with images: its accuracy, and what it was most often taken for."""
    mean = mean_accuracy(counts)
    if mean is None:
        print("\naccuracy: no image could be counted")
        return
    with_images = np.flatnonzero(counts.sum(axis=1))
    print(
        f"\naccuracy {mean:.1f} %, the mean over {counted(len(with_images), 'class', 'classes')} "
        "with images, "
        f"{counts.sum()} in all; chance among {len(names)} candidates: {100 / len(names):.1f} %"
    )
    print(f"{'images':>7} {'right':>7}  {'class':24} taken for")
    for k in with_images:
        right = accuracies(counts)[k]
        print(f"{counts[k].sum():>7} {right:6.1f}%  {names[k]:24} {mistakes(names, counts[k], k)}".rstrip())


def mistakes(names: Sequence[str], row: np.ndarray, label: int, most: int = 2) -> str:
    """What the images of a class were most often taken for.  row: [K]"""
    order = np.argsort(-row, kind="stable")
    found: List[Tuple[str, int]] = [(names[k], int(row[k])) for k in order if k != label and row[k]]
    return ", ".join(f"{name} {count}" for name, count in found[:most])
