"""The rows of a summary: the values that runs of one kind have in one epoch and branch."""

from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

from runs.records import EPOCHS
from runs.results import BASELINES, CLOSED_FORMS, UNTRAINED
from runs.several import Member

SCORE_ORDER = ("ZSL", "U", "S", "H", "AUSUC")


@dataclass
class Row:
    """One kind of run, in one epoch and branch.

    group:  see `Member`
    epoch:  of `runs.records.EPOCHS`, "" of a baseline
    branch: or the baseline
    counts: is it the branch that counts, in at least one of the runs?
    runs:   names of the runs that have it
    values: score -> one value each
    """

    group: str
    epoch: str
    branch: str
    counts: bool
    runs: List[str]
    values: Dict[str, List[float]]


def rows_of(finished: Sequence[Member]) -> List[Row]:
    """All rows, group by group, epoch by epoch."""
    found: Dict[Tuple[str, str, str], Row] = {}
    for member in finished:
        assert member.scores
        for (epoch, branch), scores in member.scores.kinds.items():
            key = (member.group, epoch, branch)
            row = found.setdefault(key, Row(*key, counts=False, runs=[], values={}))
            row.counts = row.counts or epoch == UNTRAINED or member.scores.counting[epoch] == branch
            row.runs.append(member.part)
            for score, value in scores.items():
                row.values.setdefault(score, []).append(value)
    groups = list(dict.fromkeys(member.group for member in finished))
    epochs = [UNTRAINED, *EPOCHS]
    return sorted(found.values(), key=lambda row: (groups.index(row.group), epochs.index(row.epoch)))


def score_names(rows: Sequence[Row]) -> List[str]:
    """The scores that any row has."""
    return [score for score in SCORE_ORDER if any(score in row.values for row in rows)]


def headline(row: Row) -> str:
    """The score that is shown large."""
    return "H" if "H" in row.values else "ZSL"


def method_name(row: Row) -> str:
    """Such as `words, projection` or `baselines, CLIP by class name`."""
    branch = BASELINES.get(row.branch, row.branch) if row.epoch == UNTRAINED else row.branch
    return f"{row.group}, {branch}" if row.group else branch


def describe_epoch(row: Row) -> str:
    """How the epoch was chosen."""
    if row.epoch != UNTRAINED:
        return EPOCHS[row.epoch]
    if row.branch in CLOSED_FORMS:
        return "a closed form, chosen on validation classes"
    return "nothing is trained"
