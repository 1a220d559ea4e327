"""What a folder of predictions, or of maps, tells, as predict.py wrote it."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Mapping, Optional, Tuple

import numpy as np

from runs.records import DO_WITHOUT, read_columns, read_facts, read_lines, what_is_wrong
from support.errors import InputError
from support.files import read_json

# What the number of an attribute is.
CONTRIBUTIONS = "contributions"  # what it adds to the decision, in logits
CLIP_SHARES = "CLIP shares"  # of a CLIP alone: a share of what it sees, whatever the class
ATTENTION_SHARES = "attention shares"  # of earlier versions: a share of the attention branch's score


@dataclass
class Prediction:
    """What was said of an image.

    classes:    name and probability, best first. With calibrated stacking a class may come before a more
                probable one: they are in the order of the "calibrated_score" of predictions.jsonl
    attributes: strongest first
    error:      why the image could not be read; then it has neither
    told:       what the numbers of the attributes are
    lead:       the first class's logit above the mean of the candidates: what all contributions sum to
    """

    image: Path
    classes: List[Tuple[str, float]]
    attributes: List["ToldAttribute"]
    error: str
    told: str = CONTRIBUTIONS
    lead: float = 0.0


@dataclass
class ToldAttribute:
    """name: of the attribute;  number: see `Prediction.told`

    score: beside a contribution; below 0 it is the lack of the attribute that adds
    """

    name: str
    number: float
    score: float = 1.0


def read_predictions(folder: Path) -> Tuple[dict, List[Prediction]]:
    """The facts of options.json, and a prediction an image. Raises InputError that names the line."""
    file = folder / "predictions.jsonl"
    predictions = []
    for place, line in enumerate(read_lines(file), 1):
        try:
            predictions.append(read_prediction(line))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{file}, line {place}, is not what predict.py writes ({what_is_wrong(error)}): "
                "delete the file, and predict anew"
            ) from error
    return read_facts(folder), predictions


def read_prediction(line: Mapping[str, Any]) -> Prediction:
    """A line of predictions.jsonl. Raises an error of Python for what is none."""
    classes = [(str(entry["class"]), float(entry["probability"])) for entry in line.get("classes", ())]
    told = kind_of_numbers(line)
    key = "share" if told == CLIP_SHARES else "contribution"
    attributes = []
    for entry in line.get("attributes", ()):
        score = float(entry["score"]) if told == CONTRIBUTIONS else 1.0
        attributes.append(ToldAttribute(str(entry["attribute"]), float(entry[key]), score))
    if not classes and "error" not in line:
        raise ValueError("neither classes nor an error")
    lead = float(line.get("logit_difference", 0))
    return Prediction(Path(line["image"]), classes, attributes, str(line.get("error", "")), told, lead)


def kind_of_numbers(line: Mapping[str, Any]) -> str:
    """What the numbers of a line's attributes are."""
    if "logit_difference" in line:
        return CONTRIBUTIONS
    if any("share" in entry for entry in line.get("attributes", ())):
        return CLIP_SHARES
    return ATTENTION_SHARES


# ---- labels ----------------------------------------------------------------------------------------


@dataclass
class LabelRecord:
    """How often images in class folders were named right: accuracy.json of predict.py --labels folders.

    names:       [K] of the candidates
    counts:      int [K, K], images of a row's class that were named as a column's
    not_counted: images that are not, by why
    folders:     of the images, each with the class that it is called like, None if there is no such class
    """

    names: List[str]
    counts: np.ndarray
    not_counted: Dict[str, int]
    folders: Dict[str, Optional[str]]

    def label(self, image: Path) -> Optional[str]:
        """The class of an image, if its folder tells."""
        return self.folders.get(str(image.parent))


def read_labels(folder: Path) -> Optional[LabelRecord]:
    """None without accuracy.json."""
    file = folder / "accuracy.json"
    if not file.is_file():
        return None
    try:
        return label_record(read_json(file))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{file} is not what predict.py --labels folders writes ({what_is_wrong(error)}): "
            "run predict.py again, which counts anew"
        ) from error


def label_record(found: Mapping[str, Any]) -> LabelRecord:
    """The content of accuracy.json. Raises an error of Python for what is none."""
    names = found["per_class"]["class"]
    rows = found["confusion"]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise TypeError
    if not names or list(rows) != names or any(list(row) != names for row in rows.values()):
        raise ValueError("its confusion is not of its classes")
    numbers = [count for row in rows.values() for count in row.values()]
    others = found["not_counted"]
    folders = found["folders"]
    if not all(type(count) is int and 0 <= count < 2**31 for count in [*numbers, *others.values()]):
        raise ValueError("its counts are no numbers of images")
    if not all(label is None or label in names for label in folders.values()):
        raise ValueError("its folders are not of its classes")
    counts = np.array(numbers, int).reshape(len(names), len(names))
    return LabelRecord(names, counts, dict(others), dict(folders))


# ---- maps ------------------------------------------------------------------------------------------

TILES, AREAS = "_tiles.csv", "_areas.csv"  # endings of the tables of a scene
PICTURES = (".png", ".jpg", ".jpeg")
WRITER = "predict.py --tile"


@dataclass
class MapRecord:
    """A map of classes.

    name:     of the scene
    tiles:    columns of NAME_tiles.csv: x, y, width, height, class, probability, and p_CLASS of each class
    areas:    columns of NAME_areas.csv: class, share of the scene, colour; {} without the file
    pictures: what its name ends with -> file, such as "classes"
    """

    name: str
    tiles: Dict[str, list]
    areas: Dict[str, list]
    pictures: Dict[str, Path]


def map_names(folder: Path) -> List[str]:
    """Names of the scenes that there are maps of."""
    return sorted(file.name[: -len(TILES)] for file in folder.glob(f"*{TILES}"))


def read_map(folder: Path, name: str, others: List[str]) -> MapRecord:
    """The map of a scene.

    others: names of all scenes: `a_b_classes.png` is of the scene a_b, if there is one, and not of a
    """
    tiles = read_columns(folder / f"{name}{TILES}", float, WRITER)
    areas = read_columns(folder / f"{name}{AREAS}", float, WRITER)
    check_columns(folder / f"{name}{TILES}", tiles, "x y width height class probability".split())
    check_columns(folder / f"{name}{AREAS}", areas, "class share colour".split())
    longer = tuple(f"{other}_" for other in others if other.startswith(f"{name}_"))
    pictures = {}
    for file in sorted(folder.iterdir()):
        is_of_scene = file.name.startswith(f"{name}_") and not (longer and file.name.startswith(longer))
        if is_of_scene and file.suffix.lower() in PICTURES and file.is_file():
            pictures[file.stem[len(name) + 1 :]] = file
    return MapRecord(name, tiles, areas, pictures)


def check_columns(file: Path, columns: Dict[str, list], expected: List[str]):
    """Raise InputError if a table lacks one of the expected columns."""
    if columns and not set(expected) <= columns.keys():
        raise InputError(
            f"{file}: expected the columns {', '.join(expected)}, as {WRITER} writes them; {DO_WITHOUT}"
        )
