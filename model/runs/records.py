"""What a run folder tells: its options, log, results and tables, read in one place and checked.

Folders of earlier versions are read with the names of today. An InputError names the file, and the line,
that is not as main.py writes it. Nothing here imports torch.
"""

import csv
import math
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Iterable, List, Mapping

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
DO_WITHOUT = "delete the file, and the report does without"


# ---- the names of branches -------------------------------------------------------------------------


def selected_branch(sel_res: str, branches: Iterable[str]) -> str:
    """The branch whose scores count. `branches` are those of `Output.class_scores`.

    sel_res: "layer" (attention), "pro" (window), or "main" (projection, with the window where it is on)
    """
    if sel_res == "main":
        return "projection+window" if "projection+window" in branches else "projection"
    return {"layer": "attention", "pro": "window"}[sel_res]


def looks_at_windows(sel_res: str, windows: bool) -> bool:
    """Does a test look at windows, for the branch that counts?  windows: are they used in this epoch?"""
    return sel_res == "pro" or (sel_res == "main" and windows)


def current_branches(values: Mapping[str, Any]) -> Dict[str, Any]:
    """{branch: anything} with the branches' names of today.

    Earlier runs called the projection branch "final", with the window or without it.
    """
    name = "projection+window" if "window" in values else "projection"
    return {name if key == "final" else key: value for key, value in values.items()}


def current_names(line: Any) -> Any:
    """An epoch's line with the branches' names of today. What is no such line stays as it is."""
    if not isinstance(line, dict) or not isinstance(line.get("scores"), dict):
        return line
    return {**line, "scores": current_branches(line["scores"])}


def is_epoch(line: Any) -> bool:
    """Is it what a log has of an epoch: its number, and numbers by name of losses, scores and seconds?"""
    if not isinstance(line, dict) or type(line.get("epoch")) is not int or line["epoch"] < 0:
        return False
    scores = line.get("scores")
    if not isinstance(scores, dict) or not all(map(are_numbers, scores.values())):
        return False
    return are_numbers(line.get("losses")) and are_numbers(line.get("seconds"))


def is_tested(line: Mapping[str, Any]) -> bool:
    """Was the epoch tested?  line: of the log"""
    return bool(line["scores"])


def are_numbers(values: Any) -> bool:
    """Is it {name: number}? NaN is one: windows may join in later."""
    if not isinstance(values, dict):
        return False
    return all(type(value) in (int, float) and not abs(value) >= 1e300 for value in values.values())


# ---- files -----------------------------------------------------------------------------------------


def read_facts(folder: Path) -> dict:
    """options.json; {} if it is not there."""
    file = folder / "options.json"
    facts = read_json(file) if file.is_file() else {}
    is_record = isinstance(facts, dict)
    for key in ("options", "classes"):
        is_record = is_record and isinstance(facts.get(key, {}), dict)
    if not is_record:
        raise InputError(
            f'{file}: expected {{"options": {{...}}, ...}}, as the program writes it that made the folder; '
            "make it anew"
        )
    return facts


def read_results(file: Path) -> Any:
    """results.json of a run, of several, or of CLIP alone, with the branches' names of today.

    That is checked by those who read it: what is no dictionary is returned as it is.
    """
    results = read_json(file)
    if not isinstance(results, dict):
        return results
    results = current_results(results)
    if isinstance(results.get("runs"), dict):
        results["runs"] = {part: current_results(run) for part, run in results["runs"].items()}
    return results


def current_results(results: Any) -> Any:
    """The results of one run with the branches' names of today. What is none stays as it is."""
    if not isinstance(results, dict):
        return results
    results = dict(results)
    for name in EPOCHS:
        if name in results:
            results[name] = current_names(results[name])
    if results.get("branch") == "final":
        last = results.get("last")
        scores = last.get("scores") if isinstance(last, dict) else None
        results["branch"] = selected_branch("main", scores if isinstance(scores, dict) else ())
    return results


def read_log(file: Path, may_be_empty: bool = False) -> List[Any]:
    """log.jsonl, a line an epoch, with the branches' names of today. Those who read it check its lines."""
    return [current_names(line) for line in read_lines(file, may_be_empty)]


def read_lines(file: Path, may_be_empty: bool = False) -> List[Any]:
    """JSON, a line each. A last line without its end may still be being written: then it does not count."""
    *lines, last = file.read_text(encoding="utf-8-sig", errors="replace").split("\n")
    values = []
    for place, line in enumerate(lines, 1):
        try:
            values.append(parse_json(line))
        except ValueError as error:
            raise InputError(
                f"{file}, line {place}, is not JSON: {error}; delete its folder, and make it anew"
            ) from error
    with suppress(ValueError):
        values.append(parse_json(last))
    if not values and not may_be_empty:
        raise InputError(f"{file} is empty: there is nothing to report yet")
    return values


def read_accuracies(file: Path, sel_res: str) -> Dict[str, list]:
    """The columns of per_class.csv: class, subset, images, and a branch each; {} without the file."""
    columns = current_branches(read_columns(file, float))
    if not columns:
        return {}
    branch = selected_branch(sel_res, columns)
    expected = {"class", "subset", "images", branch}
    if not expected <= columns.keys() or not set(columns["subset"]) <= {"seen", "unseen"}:
        raise InputError(
            f"{file}: expected the columns class, subset (seen or unseen), images and {branch}, "
            f"as main.py writes them; {DO_WITHOUT}"
        )
    return columns


def read_confusion(file: Path) -> tuple:
    """Classes, and [C, C] images of a row's class named as a column's; () without the file."""
    columns = read_columns(file, int)
    classes = columns.pop("class", [])
    if list(columns) != classes:
        raise InputError(
            f"{file}: expected a column class, and one for each of the classes in it, "
            f"as main.py writes them; {DO_WITHOUT}"
        )
    return (classes, np.array(list(columns.values())).T) if classes else ()


def read_columns(file: Path, number: type, writer: str = "main.py") -> Dict[str, list]:
    """A table of `write_columns`; {} without the file.

    number: type of the cells, but for the columns of words and counts
    writer: the program, for the message
    """
    kinds = {"class": str, "subset": str, "colour": str, "images": int}
    if not file.is_file():
        return {}
    try:
        with file.open(newline="", encoding="utf-8-sig") as lines:
            names, *rows = csv.reader(lines)
        if not rows or any(len(row) != len(names) for row in rows):
            raise ValueError("its lines are not of one length")
        columns = {}
        for name, cells in zip(names, zip(*rows)):
            kind = kinds.get(name, number)
            columns[name] = [kind(cell) for cell in cells]
        return columns
    except (ValueError, csv.Error) as error:
        raise InputError(f"{file} is no table of {writer}: {error}; {DO_WITHOUT}") from error


def what_is_wrong(error: Exception) -> str:
    """In words, why a value of a JSON file is not of the form that a program writes."""
    if isinstance(error, KeyError):
        return f"{error} is missing"
    if isinstance(error, ValueError) and str(error):
        return str(error)
    return "its values are of another kind"


# ---- a run -----------------------------------------------------------------------------------------


@dataclass
class RunRecord:
    """A run, finished or not.

    facts:      options.json: options, command, versions, ...
    branch:     the one that counts in the last epoch; `line["branch"]` of each epoch
    log:        a line an epoch, see `epoch_line`; empty if log.jsonl is lost
    tested:     the lines of those that were tested
    epochs:     "best", "clean", "last" -> its line, of the tested ones; "clean" once a run of that protocol
                is finished
    accuracies: the same keys -> columns of per_class.csv, {} without the file
    confusions: the same keys -> (classes, counts [C, C]) of confusion.csv, () without the file
    chance:     accuracy by chance among the unseen classes, in percent; NaN until the run is finished
    """

    facts: dict
    branch: str
    log: List[dict]
    epochs: Dict[str, dict]
    accuracies: Dict[str, Dict[str, list]]
    confusions: Dict[str, tuple]
    chance: float
    finished: bool

    @property
    def tested(self) -> List[dict]:
        return tested_lines(self.log)

    def branch_in(self, branches: Iterable[str]) -> str:
        """Which of these branches counts, such as among the columns of a table."""
        return selected_branch(self.facts["options"]["sel_res"], branches)


def read_run(folder: Path) -> RunRecord:
    """All that the folder of a run tells. Raises InputError if it is none."""
    results = read_results(folder / "results.json") if (folder / "results.json").is_file() else {}
    facts = read_facts(folder) or results
    written = read_log(folder / "log.jsonl") if (folder / "log.jsonl").is_file() else []
    try:
        sel_res = facts["options"]["sel_res"]
        nepoch = int(facts["options"]["nepoch"])
        log = fill_gaps([epoch_line(line, sel_res) for line in written])
        lines = log
        if not log:
            there = [results[name] for name in EPOCHS if name in results]
            lines = fill_gaps([epoch_line(line, sel_res) for line in there])
        epochs = counting_epochs(lines, results) if tested_lines(lines) else {}
        chance = float(results.get("chance", math.nan))
    except (KeyError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder} does not hold what main.py writes ({what_is_wrong(error)}): "
            "run it again, or name another folder"
        ) from error
    if not epochs:
        raise InputError(f"{folder}: no epoch was tested yet, there is nothing to report")
    return RunRecord(
        facts=facts,
        branch=epochs["last"]["branch"],
        log=log,
        epochs=epochs,
        accuracies={name: read_accuracies(folder / f"per_class_{name}.csv", sel_res) for name in epochs},
        confusions={name: read_confusion(folder / f"confusion_{name}.csv") for name in epochs},
        chance=chance,
        finished=bool(results) and lines[-1]["epoch"] + 1 >= nepoch,
    )


def counting_epochs(lines: List[dict], results: dict) -> Dict[str, dict]:
    """ "best", "clean" and "last" with their lines, as far as there are such."""
    tested = tested_lines(lines)
    epochs = {"best": max(tested, key=lambda line: line["score"])}  # the first if tied, as in runs.folder
    if "clean" in results:
        by_number = {line["epoch"]: line for line in tested}
        epochs["clean"] = by_number[results["clean"]["epoch"]]
    epochs["last"] = tested[-1]
    return epochs


def tested_lines(lines: Iterable[dict]) -> List[dict]:
    """lines: of `epoch_line`, before or after `fill_gaps`"""
    return [line for line in lines if not math.isnan(line["score"])]


def epoch_line(line: dict, sel_res: str) -> dict:
    """What is shown of a line of log.jsonl; "branch" is the one that counts, and "score" its number.

    Of an epoch that was not tested they are "" and NaN.
    """
    scores = {}
    for name, values in line["scores"].items():
        scores[name] = {key: float(values[key]) for key in SCORES if key in values}
    branch, score = "", math.nan
    if scores:
        branch = selected_branch(sel_res, scores)
        counting = scores[branch]
        if any(values.keys() != counting.keys() for values in scores.values()):
            raise ValueError("its branches have different scores")
        score = counting["H" if "H" in counting else "accuracy"]
    return {
        "epoch": int(line["epoch"]),
        "stage": str(line["stage"]),
        "seconds": float(sum(line["seconds"].values())),
        "loss": float(line["loss"]),
        "losses": {name: float(value) for name, value in line["losses"].items()},
        "scores": scores,
        "branch": branch,
        "score": score,
    }


def fill_gaps(log: List[dict]) -> List[dict]:
    """Every line with the branches of all, and the scores and losses of the last one; NaN where it has none.

    Windows may join in later. An epoch that was not tested has the branch of the last one.
    """
    tested = tested_lines(log)
    if not tested:
        return log
    last = tested[-1]
    keys = last["scores"][last["branch"]]
    branches = list(dict.fromkeys(branch for line in log for branch in line["scores"]))
    filled = []
    for line in log:
        scores = {}
        for branch in branches:
            values = line["scores"].get(branch, {})
            scores[branch] = {key: values.get(key, math.nan) for key in keys}
        losses = {term: line["losses"].get(term, math.nan) for term in log[-1]["losses"]}
        branch = line["branch"] or last["branch"]
        filled.append({**line, "losses": losses, "scores": scores, "branch": branch})
    return filled
