"""How often images in class folders were named right, as predict.py --labels folders counted it."""

from collections import Counter
from pathlib import Path
from typing import Dict, Mapping, Optional, Sequence, Tuple

import numpy as np

from inference.accuracy import accuracies, mean_accuracy
from pages.charts import Bar, bar_chart, in_columns
from pages.confusion import confusion_section
from pages.html import card, details, grid, kind_legend, note, table
from runs.prediction_records import LabelRecord, Prediction, read_labels
from support.errors import InputError


def labels_of(folder: Path, named: Sequence[Prediction]) -> Tuple[Optional[LabelRecord], str]:
    """What was counted, if it can be shown; and if there is something that cannot, why.

    named: the images that were named
    """
    try:
        labels = read_labels(folder)
    except InputError as error:
        return None, str(error)
    if labels is None:
        return None, ""
    pairs: Counter = Counter()
    for prediction in named:
        label = labels.label(prediction.image)
        if label is not None:
            pairs[label, prediction.classes[0][0]] += 1
    counted: Counter = Counter()
    for k, n in zip(*np.nonzero(labels.counts)):
        counted[labels.names[k], labels.names[n]] = int(labels.counts[k, n])
    if pairs != counted:
        return None, (
            f"{folder / 'accuracy.json'} does not count the images of predictions.jsonl: "
            "run predict.py again with --labels folders"
        )
    return labels, ""


def accuracy_card(labels: LabelRecord) -> str:
    """The mean accuracy, with chance and how many images there are."""
    mean = mean_accuracy(labels.counts)
    classes = int(labels.counts.any(axis=1).sum())
    of_classes = f"the mean over {classes} classes" if classes > 1 else "of one class"
    below = f"{of_classes}, {labels.counts.sum()} images; chance is {100 / len(labels.names):.1f} %"
    return card("Accuracy", "–" if mean is None else f"{mean:.1f}", below)


def accuracy_sections(labels: LabelRecord, kinds: Mapping[str, str]) -> Dict[str, str]:
    """Heading -> HTML: every class's accuracy, and which classes are taken for which.

    kinds: class -> CSS class, as far as it is known
    """
    return {"Accuracy": class_accuracies(labels, kinds), "Confusion": confusion_of_labels(labels, kinds)}


def class_accuracies(labels: LabelRecord, kinds: Mapping[str, str]) -> str:
    """Bars, the best class first, and a table."""
    images = labels.counts.sum(axis=1)
    percent = accuracies(labels.counts)
    right = labels.counts.diagonal()
    order = [k for k in np.argsort(-percent, kind="stable") if images[k]]  # NaN is last
    bars, rows = [], []
    for k in order:
        name = labels.names[k]
        tip = f"{name}\n{right[k]} of {images[k]} images, {percent[k]:.1f}%"
        bars.append(Bar(name, float(percent[k]), kinds.get(name, "chosen"), tip))
        rows.append((name, int(images[k]), int(right[k]), float(percent[k])))
    words = "Of the images whose folder is called like a candidate class, in percent of each class's images."
    for why, count in labels.not_counted.items():
        words += f" {count} images are not counted: {why}."
    without = len(labels.names) - len(order)
    if without:
        words += f" {without} candidate classes have no image."
    charts = [bar_chart("accuracy by class, %", part) for part in in_columns(bars)]
    numbers = table("Accuracy by class", ["class", "images", "right", "%"], rows, digits=".1f")
    colours = kind_legend([bar.label for bar in bars], kinds)
    return note(words) + colours + grid(charts) + details("Every class's numbers", [numbers])


def confusion_of_labels(labels: LabelRecord, kinds: Mapping[str, str]) -> str:
    """The matrix of the classes that have images, or were given to one."""
    there = np.flatnonzero(labels.counts.any(axis=0) | labels.counts.any(axis=1))
    names = [labels.names[k] for k in there]
    explained = "A row is the class that a folder is called like, a column what its images were named."
    if len(there) < len(labels.names):
        explained += " Classes that are neither are left out; confusion.csv has all."
    return confusion_section(names, labels.counts[np.ix_(there, there)], kinds, explained)


def is_wrong(labels: Optional[LabelRecord], prediction: Prediction) -> bool:
    """Is the image of another class, as its folder tells?"""
    label = labels.label(prediction.image) if labels else None
    return label is not None and label != prediction.classes[0][0]


def mark(labels: LabelRecord, prediction: Prediction) -> Tuple[str, str]:
    """Whether the image was named right, as a CSS class and in words that begin with a sign."""
    label = labels.label(prediction.image)
    if label is None:
        return "unknown", "? its folder is no candidate class"
    if is_wrong(labels, prediction):
        return "wrong", f"✗ is {label}"
    return "right", "✓ right"
