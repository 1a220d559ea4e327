"""What a run folder, or a folder of predictions, tells: read once, and checked, so that nothing after it can stumble.

An InputError names the file, and the line, that is not as main.py or predict.py writes it.
"""

import csv
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterable, List, Tuple

import numpy as np

from support.errors import InputError
from support.files import read_json
from support.untrusted import parse_json

# What a run's results speak of, and how it was chosen.
EPOCHS = {
    "best": "paper protocol: chosen on the test images, as published",
    "clean": "clean protocol: chosen on seen classes that played the unseen ones",
    "last": "chosen by nothing",
}
SCORES = ("accuracy", "U", "S", "H", "AUSUC", "ZSL")


def selected_branch(sel_res: str, branches: Iterable[str]) -> str:
    """The branch whose scores count. `branches` are those of `Output.class_scores`.

    sel_res: "layer" (attention), "pro" (window), or "main" (projection, with the window where it is on)
    """
    if sel_res == "main":
        return "projection+window" if "projection+window" in branches else "projection"
    return {"layer": "attention", "pro": "window"}[sel_res]


def current_names(line: dict) -> dict:
    """An epoch's line with the branches' names of today.

    Earlier runs called the projection branch "final", with the window or without it.
    """
    scores = line.get("scores")
    if not isinstance(scores, dict) or "final" not in scores:
        return line
    name = "projection+window" if "window" in scores else "projection"
    return {**line, "scores": {name if key == "final" else key: value for key, value in scores.items()}}


def is_epoch(line) -> bool:
    """Is it what a log has of an epoch: its number, and numbers by name of losses, scores and seconds?"""
    if not isinstance(line, dict) or type(line.get("epoch")) is not int or line["epoch"] < 0:
        return False
    scores = line.get("scores")
    if not isinstance(scores, dict) or not scores or not all(map(are_numbers, scores.values())):
        return False
    return are_numbers(line.get("losses")) and are_numbers(line.get("seconds"))


def are_numbers(values) -> bool:
    """Is it {name: number}? NaN is one: windows may join in later."""
    if not isinstance(values, dict):
        return False
    return all(type(value) in (int, float) and not abs(value) >= 1e300 for value in values.values())


@dataclass
class RunRecord:
    facts: dict  # options.json: options, command, versions, ...
    branch: str  # the one that counts
    log: List[dict]  # a line an epoch; empty if log.jsonl is lost
    epochs: Dict[
        str, dict
    ]  # "best", "clean", "last" -> its line; "clean" once a run of that protocol is finished
    accuracies: Dict[str, Dict[str, list]]  # the same keys -> columns of per_class.csv; none without the file
    confusions: Dict[
        str, tuple
    ]  # the same of confusion.csv: classes, and [C, C] images of a row's class named as a column's
    chance: float  # among the unseen classes, percent; NaN as long as the run is not finished
    finished: bool


def read_run(folder: Path) -> RunRecord:
    results = read_json(folder / "results.json") if (folder / "results.json").is_file() else {}
    facts = read_facts(folder) or results
    written = read_lines(folder / "log.jsonl") if (folder / "log.jsonl").is_file() else []
    try:
        branch, nepoch = "attention", int(facts["options"]["nepoch"])
        log = evened([epoch_line(line, branch) for line in written])
        lines = log or evened([epoch_line(results[name], branch) for name in EPOCHS if name in results])
        clean = (
            {"clean": {line["epoch"]: line for line in lines}[results["clean"]["epoch"]]}
            if "clean" in results
            else {}
        )
        epochs = {
            "best": max(lines, key=lambda line: line["score"]),
            **clean,
            "last": lines[-1],
        }  # best: the first if tied, as in runs.Run
        chance = float(results.get("chance", math.nan))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder} does not hold what main.py writes ({error!r}): run it again, or name another folder"
        ) from error
    accuracies = {name: read_accuracies(folder / f"per_class_{name}.csv", branch) for name in epochs}
    confusions = {name: read_confusion(folder / f"confusion_{name}.csv") for name in epochs}
    return RunRecord(
        facts,
        branch,
        log,
        epochs,
        accuracies,
        confusions,
        chance,
        bool(results) and epochs["last"]["epoch"] + 1 >= nepoch,
    )


def epoch_line(line: dict, branch: str) -> dict:
    """What is shown of a line of log.jsonl, and "score": the number that counts."""
    scores = {
        name: {key: float(values[key]) for key in SCORES if key in values}
        for name, values in line["scores"].items()
    }
    if any(values.keys() != scores[branch].keys() for values in scores.values()):
        raise ValueError("its branches have different scores")
    return {
        "epoch": int(line["epoch"]),
        "stage": str(line["stage"]),
        "seconds": float(sum(line["seconds"].values())),
        "loss": float(line["loss"]),
        "losses": {name: float(value) for name, value in line["losses"].items()},
        "scores": scores,
        "score": scores[branch]["H" if "H" in scores[branch] else "accuracy"],
    }


def evened(log: List[dict]) -> List[dict]:
    """Every line with the branches and terms of the last one, NaN where it has them not: windows may join in later."""
    branches, terms = (log[-1]["scores"], log[-1]["losses"]) if log else ({}, {})
    return [
        {
            **line,
            "losses": {term: line["losses"].get(term, math.nan) for term in terms},
            "scores": {
                branch: {key: line["scores"].get(branch, {}).get(key, math.nan) for key in values}
                for branch, values in branches.items()
            },
        }
        for line in log
    ]


@dataclass
class Prediction:
    image: Path
    classes: List[Tuple[str, float]]  # name and probability, best first
    attributes: List[Tuple[str, float]]  # name and contribution, strongest first
    error: str  # why the image could not be read; then it has neither


def read_predictions(folder: Path) -> Tuple[dict, List[Prediction]]:
    """The facts of options.json, and a prediction an image."""
    file, read = folder / "predictions.jsonl", []
    for place, line in enumerate(read_lines(file), 1):
        try:
            classes = [
                (str(entry["class"]), float(entry["probability"])) for entry in line.get("classes", ())
            ]
            attributes = [
                (str(entry["attribute"]), float(entry["contribution"]))
                for entry in line.get("attributes", ())
            ]
            if not classes and "error" not in line:
                raise ValueError("neither classes nor an error")
            read.append(Prediction(Path(line["image"]), classes, attributes, str(line.get("error", ""))))
        except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
            raise InputError(
                f"{file}, line {place}, is not what predict.py writes ({error!r}): delete the file, and predict anew"
            ) from error
    return read_facts(folder), read


def read_facts(folder: Path) -> dict:
    """options.json; {} if it is not there."""
    file = folder / "options.json"
    facts = read_json(file) if file.is_file() else {}
    if not isinstance(facts, dict) or any(
        not isinstance(facts.get(key, {}), dict) for key in ("options", "classes")
    ):
        raise InputError(
            f'{file}: expected {{"options": {{...}}, ...}}, as the program writes it that made the folder; make it anew'
        )
    return facts


def read_lines(file: Path) -> List[dict]:
    """JSON, a line each. A last line without its end is still being written, and does not count."""
    text = file.read_text(errors="replace")
    lines, read = text.rstrip("\n").split("\n"), []
    for place, line in enumerate(lines if text.endswith(("\n", "}")) else lines[:-1], 1):
        try:
            read.append(parse_json(line))
        except ValueError as error:
            raise InputError(
                f"{file}, line {place}, is not JSON: {error}; delete the file, and make it anew"
            ) from error
    if not read:
        raise InputError(f"{file} is empty: there is nothing to report yet")
    return read


def read_accuracies(file: Path, branch: str) -> Dict[str, list]:
    columns = read_columns(file, float)
    if columns and (
        {"class", "subset", "images", branch} - columns.keys() or set(columns["subset"]) - {"seen", "unseen"}
    ):
        raise InputError(
            f"{file}: expected the columns class, subset (seen or unseen), images and {branch}, as main.py writes them; delete the file, and the report does without"
        )
    return columns


def read_confusion(file: Path) -> tuple:
    """Classes, and [C, C] images of a row's class named as a column's; () without the file."""
    columns = read_columns(file, int)
    classes = columns.pop("class", [])
    if list(columns) != classes:
        raise InputError(
            f"{file}: expected a column class, and one for each of the classes in it, as main.py writes them; delete the file, and the report does without"
        )
    return (classes, np.array(list(columns.values())).T) if classes else ()


def read_columns(file: Path, number: type) -> Dict[str, list]:
    """A table of runs.write_columns; {} without the file. number: what the cells hold, but for words and counts."""
    kinds = {"class": str, "subset": str, "images": int}
    if not file.is_file():
        return {}
    try:
        with file.open(newline="") as lines:
            names, *rows = csv.reader(lines)
        if not rows or any(len(row) != len(names) for row in rows):
            raise ValueError("its lines are not of one length")
        return {name: list(map(kinds.get(name, number), column)) for name, column in zip(names, zip(*rows))}
    except (ValueError, csv.Error) as error:
        raise InputError(
            f"{file} is no table of main.py: {error}; delete the file, and the report does without"
        ) from error
