"""The runs below a folder: of several divisions and seeds, of several methods, or both.

A group is what differs in division and seed alone: words/division-0_seed-1 and words/division-1_seed-1 are
both of the group `words`. Nothing here imports torch.
"""

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List, Optional

from runs.records import RunRecord, read_results, read_run
from runs.results import RunScores, is_finished, scores_of_results
from support.errors import InputError

DEEPEST = 5  # folders below the one that is asked for
PART = re.compile(r"division-\d+(_seed-\d+)?|seed-\d+")  # the name of a folder of one division or seed


@dataclass
class Member:
    """One of several runs.

    name:   below the folder, such as "words/division-0_seed-1"
    group:  the same without division and seed, "" if nothing is left
    record: of a training, None of a baseline
    scores: None if the run is not finished
    """

    folder: Path
    name: str
    group: str
    record: Optional[RunRecord]
    scores: Optional[RunScores]

    @property
    def part(self) -> str:
        """What the run has that others of its group have not: "division 0, seed 1", or its name."""
        parts = [part for part in self.name.split("/") if PART.fullmatch(part)]
        return ", ".join(parts).replace("_", ", ").replace("-", " ") or self.name


def find_runs(folder: Path) -> List[Path]:
    """Folders of runs below a folder, or itself. What lies in a run, such as validation/, is part of it."""
    found = []
    for place, inner, _ in os.walk(folder):
        here = Path(place)
        depth = len(here.relative_to(folder).parts)
        if is_run(here):
            found.append(here)
            inner.clear()
        elif depth == DEEPEST:
            inner.clear()
        inner[:] = [name for name in inner if not name.startswith(".")]
    return sorted(found, key=natural_order)


def is_run(folder: Path) -> bool:
    """Is it the folder of one run? Whether it can be read is seen later."""
    if (folder / "log.jsonl").is_file():
        return True
    if not is_finished(folder):
        return False
    try:
        results = read_results(folder / "results.json")
    except InputError:
        return True
    return isinstance(results, dict) and ("last" in results or "scores" in results)


def is_training(folder: Path) -> bool:
    """Is it the folder of one training, and not of several, nor of a baseline?"""
    if (folder / "log.jsonl").is_file():
        return True
    if not is_finished(folder):
        return False
    results = read_results(folder / "results.json")
    return not isinstance(results, dict) or not {"runs", "scores"} & results.keys()


def natural_order(path: Path) -> list:
    """division-10 comes after division-2."""
    parts: List[tuple] = []
    for text in re.split(r"(\d+)", str(path)):
        parts.append((1, int(text), "") if text.isdecimal() else (0, 0, text))
    return parts


def read_members(folder: Path, left_out: Dict[str, str]) -> Iterator[Member]:
    """Every run below a folder that can be read.  left_out: filled with names of others, and why"""
    for place in find_runs(folder):
        parts = place.relative_to(folder).parts
        group = "/".join(part for part in parts if not PART.fullmatch(part))
        name = "/".join(parts) or folder.name
        try:
            yield read_member(place, name, group)
        except InputError as error:
            left_out[name] = str(error)


def read_member(folder: Path, name: str, group: str) -> Member:
    """One run, of main.py or zero_shot_clip.py."""
    scores = None
    if is_finished(folder):
        scores = scores_of_results(folder, read_results(folder / "results.json"))
    is_training = (folder / "log.jsonl").is_file() or (scores is not None and bool(scores.counting))
    record = read_run(folder) if is_training else None
    return Member(folder, name, group, record, scores)
