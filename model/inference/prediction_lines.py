"""A line of predictions.jsonl: what it has, and the row of a table that it becomes.

{"image": "a.jpg", "classes": [{"class": "port", "probability": 0.7}, ...],
 "attributes": [{"attribute": "ships", "score": 2.1, "contribution": 0.4}, ...],
 "rest": 1.1, "logit_difference": 4.2}
{"image": "b.jpg", "error": "why it could not be read"}

A line has an image's best classes, the first is what it is named. Each has its "probability" among all
candidates. Where seen and other classes compete under calibrated stacking, it has a "calibrated_score", too:
the probability, less the constant for a seen class. Classes are ranked by it, so that the first is not always
the most probable one.

With a run, an attribute has a "contribution": what it adds, in logits, to the lead of the first class on the
mean of the candidates; "rest" is what all others add, and "logit_difference" what these sum to. Below a
"score" of 0 it is the lack of the attribute that adds. With a CLIP alone, an attribute has a "share" of what
CLIP sees, which is no reason.
"""

import sys
from dataclasses import dataclass
from typing import Any, Container, Dict, List, Sequence, Tuple

FOREIGN = "is not one of predict.py"


@dataclass(frozen=True)
class LineForm:
    """What the lines of one prediction have.

    classes:    names of the candidates
    attributes: names of the attributes that may be told
    calibrated: has each class the "calibrated_score" that it was ranked by?
    told:       what is told of an attribute, beside its name: numbers
    totals:     what is told of all attributes together: numbers
    """

    classes: Container[str]
    attributes: Container[str]
    calibrated: bool
    told: Tuple[str, ...]
    totals: Tuple[str, ...]

    def problem(self, line: Any) -> str:
        """In words, why something is no such line; "" if it is one."""
        if not isinstance(line, dict) or not isinstance(line.get("image"), str):
            return FOREIGN
        if "error" in line:
            is_ours = set(line) == {"image", "error"} and isinstance(line["error"], str)
            return "" if is_ours else FOREIGN
        classes, attributes = line.get("classes"), line.get("attributes")
        if not classes or not are_entries(classes, "class", self.classes, ["probability"]):
            return FOREIGN
        if self.calibrated and not are_entries(classes, "class", self.classes, ["calibrated_score"]):
            return "has no calibrated_score: an earlier version wrote it"
        if not all(is_number(line.get(name)) for name in self.totals):
            return (
                f"has no {' and no '.join(self.totals)}: an earlier version wrote it, "
                "and its contributions mean something else"
            )
        if not are_entries(attributes, "attribute", self.attributes, self.told):
            return FOREIGN
        return "" if set(line) == {"image", "classes", "attributes", *self.totals} else FOREIGN

    def columns(self, classes: int, attributes: int) -> List[str]:
        """The headings of a table with so many classes and attributes for every image."""
        columns = ["image"]
        for place in range(1, classes + 1):
            columns.append(f"class_{place}")
            if self.calibrated:
                columns.append(f"calibrated_score_{place}")
            columns.append(f"probability_{place}")
        for place in range(1, attributes + 1):
            columns.append(f"attribute_{place}")
            columns += [f"{name}_{place}" for name in self.told]
        return [*columns, *self.totals, "error"]


def table_row(line: dict) -> Dict[str, Any]:
    """{"image", "class_1", "probability_1", ..., "attribute_1", ..., "contribution_1", ..., or "error"}

    At the end stands what is told of all attributes together, such as "rest".
    """
    row = {key: value for key, value in line.items() if key not in ("classes", "attributes")}
    for kind in ("classes", "attributes"):
        for place, entry in enumerate(line.get(kind, []), 1):
            for key, value in entry.items():
                row[f"{key}_{place}"] = value
    return row


def are_entries(entries: Any, key: str, names: Container[str], numbers: Sequence[str]) -> bool:
    """Is it [{key: one of the names, and a number for each of `numbers`}, ...]?"""
    if not isinstance(entries, list):
        return False
    for entry in entries:
        if not isinstance(entry, dict) or not isinstance(entry.get(key), str) or entry[key] not in names:
            return False
        if not all(is_number(entry.get(name)) for name in numbers):
            return False
    return True


def is_number(value: Any) -> bool:
    """Is it a finite one? JSON has integers of any size, and Python reads NaN and Infinity, too."""
    return type(value) in (int, float) and abs(value) <= sys.float_info.max
