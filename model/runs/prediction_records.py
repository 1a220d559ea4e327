"""What a folder of predictions tells, as predict.py wrote it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, List, Mapping, Tuple

from runs.records import read_facts, read_lines
from support.errors import InputError


@dataclass
class Prediction:
    """What was said of an image.

    classes:    name and probability, best first. With calibrated stacking a class may come before a more
                probable one: they are in the order of the "calibrated_score" of predictions.jsonl
    attributes: name and contribution, strongest first
    error:      why the image could not be read; then it has neither
    """

    image: Path
    classes: List[Tuple[str, float]]
    attributes: List[Tuple[str, float]]
    error: str


def read_predictions(folder: Path) -> Tuple[dict, List[Prediction]]:
    """The facts of options.json, and a prediction an image. Raises InputError that names the line."""
    file = folder / "predictions.jsonl"
    predictions = []
    for place, line in enumerate(read_lines(file), 1):
        try:
            predictions.append(read_prediction(line))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{file}, line {place}, is not what predict.py writes ({error!r}): "
                "delete the file, and predict anew"
            ) from error
    return read_facts(folder), predictions


def read_prediction(line: Mapping[str, Any]) -> Prediction:
    """A line of predictions.jsonl. Raises an error of Python for what is none."""
    classes = [(str(entry["class"]), float(entry["probability"])) for entry in line.get("classes", ())]
    attributes = []
    for entry in line.get("attributes", ()):
        attributes.append((str(entry["attribute"]), float(entry["contribution"])))
    if not classes and "error" not in line:
        raise ValueError("neither classes nor an error")
    return Prediction(Path(line["image"]), classes, attributes, str(line.get("error", "")))
