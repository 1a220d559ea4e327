"""Sections of the page of several runs that are drawn: scores, curves, classes."""

import math
from collections import defaultdict
from typing import Dict, List, Sequence, Tuple

from pages.charts import Series, in_columns, line_chart
from pages.html import Numeric, details, figure, grid, legend, note, table
from pages.run_scores import SCORE_KINDS, epoch_marks, last_of_warm_up
from pages.strips import Dot, Strip, in_words, mean_and_deviation, strip_chart
from pages.summary_rows import Row, describe_epoch, method_name, score_names
from runs.records import RunRecord
from runs.results import UNTRAINED
from runs.several import Member

SMALL = 96  # height of a run's curves, pixels
UNFOLDED = 12  # curves; the rest is shown on request
UNFOLDED_GROUPS = 2  # charts of classes

Classes = Dict[str, Dict[str, List[Tuple[str, float]]]]  # class -> seen or unseen -> run and accuracy


# ---- scores ----------------------------------------------------------------------------------------


def score_section(rows: Sequence[Row], epoch: str) -> str:
    """Dots of every run in one epoch, and the means of every epoch as a table."""
    keys = score_names(rows)
    words = (
        "Each dot is a run; the bar reaches from the mean less the standard deviation to the mean plus it. "
        f"Trainings are shown in their {epoch} epoch. All scores are in percent, "
        "and those of a row are of the same epoch."
    )
    shown = [row for row in rows if row.epoch in (epoch, UNTRAINED)]
    charts = []
    for key in keys:
        strips = [strip_of(row, key) for row in shown if key in row.values]
        if strips:
            charts.append(figure(key, MEANINGS[key], strip_chart(f"{key} of every run", strips)))
    return note(words) + grid(charts) + mean_table(rows, keys)


MEANINGS = {
    "ZSL": "accuracy on unseen classes, which compete alone",
    "U": "accuracy on unseen classes, all compete",
    "S": "accuracy on seen classes, all compete",
    "H": "harmonic mean of U and S",
    "AUSUC": "area under the seen-unseen curve, which no calibration changes",
}


def strip_of(row: Row, key: str) -> Strip:
    """The values of a score; grey if the branch does not count."""
    kind = "other"
    if row.counts:
        kind = SCORE_KINDS[key] if key in ("U", "S") else "chosen"
    values = row.values[key]
    dots = [Dot(value, kind, f"{run}\n{key} {value:.1f}") for run, value in zip(row.runs, values)]
    return Strip(method_name(row), dots, in_words(values), "chosen" if row.counts else "other")


def mean_table(rows: Sequence[Row], keys: Sequence[str]) -> str:
    """Mean and deviation of every kind, epoch and branch."""
    lines = []
    for row in rows:
        words = [Numeric(in_words(row.values.get(key, []))) for key in keys]
        epoch = row.epoch or "–"
        lines.append((method_name(row), epoch, len(row.runs), *words, describe_epoch(row)))
    emphasised = [place for place, row in enumerate(rows) if row.counts and row.epoch != UNTRAINED]
    remark = note("Mean and standard deviation over the runs. The branch that counts is in bold.")
    head = ["branch", "epoch", "runs", *keys, "how it was chosen"]
    return remark + table("Mean and deviation", head, lines, emphasised=emphasised, stacked=True)


# ---- curves ----------------------------------------------------------------------------------------


def curve_section(members: Sequence[Member]) -> str:
    """The scores of each training over its epochs, small, all on one scale."""
    shown = [(member, member.record) for member in members if member.record and member.record.log]
    series = [run_series(record) for _, record in shown]
    values = [value for lines in series for line in lines for value in line.values if math.isfinite(value)]
    limits = (min(values), max(values)) if values else (0.0, 100.0)
    charts = []
    for (member, record), lines in zip(shown, series):
        numbers = [line["epoch"] for line in record.tested]
        marks, warm_up = epoch_marks(record), last_of_warm_up(record.tested)
        chart = line_chart(f"scores of {member.name}", numbers, lines, marks, warm_up, SMALL, limits)
        charts.append(figure(member.part, member.group, chart))
    words = (
        "The scores of the branch that counts, in percent, epoch by epoch; all charts have the same scale. "
        "The shaded epochs are the warm-up, in which only the heads learn."
    )
    folded = charts[UNFOLDED:]
    more = details(f"{len(folded)} more", [grid(folded, fine=True)]) if folded else ""
    return note(words) + grid(charts[:UNFOLDED], fine=True) + more


def run_series(record: RunRecord) -> List[Series]:
    """U, S and H, or the accuracy, of the branch that counts in each epoch."""
    keys = record.tested[-1]["scores"][record.branch]
    series = []
    for key in ("U", "S", "H", "accuracy"):
        if key in keys:
            values = [line["scores"][line["branch"]][key] for line in record.tested]
            series.append(Series("" if key == "accuracy" else key, SCORE_KINDS.get(key, "chosen"), values))
    return series


# ---- classes ---------------------------------------------------------------------------------------


def class_section(finished: Sequence[Member], epoch: str) -> str:
    """The accuracy of every class over the runs; "" if no run has the table."""
    groups: Dict[str, Classes] = {}
    for member in finished:
        table_of_run = member.record.accuracies.get(epoch, {}) if member.record else {}
        if table_of_run:
            classes = groups.setdefault(member.group, defaultdict(lambda: defaultdict(list)))
            add_accuracies(classes, member, table_of_run)
    if not groups:
        return ""
    words = (
        "Each dot is a run in which the class was tested, unseen or seen. "
        f"Accuracy of the branch that counts, in the {epoch} epoch, in percent. "
        "Numbers are means: first unseen, then seen."
    )
    colours = legend([("unseen", "unseen in this run"), ("seen", "seen in this run")])
    parts = []
    for place, (group, classes) in enumerate(groups.items()):
        chart = figure(group or "Accuracy by class", "", grid(class_charts(classes)))
        both = chart + details("Every class's numbers", [class_table(group, classes)])
        parts.append(both if place < UNFOLDED_GROUPS else details(group, [both]))
    return note(words) + colours + "".join(parts)


def add_accuracies(classes: Classes, member: Member, columns: Dict[str, list]):
    """columns: of `RunRecord.accuracies`"""
    assert member.record
    values = columns[member.record.branch_in(columns)]
    for name, subset, value in zip(columns["class"], columns["subset"], values):
        if math.isfinite(value):
            classes[name][subset].append((member.part, value))


def class_charts(classes: Classes) -> List[str]:
    """A line a class: those that were unseen first, the best of them on top. Many stand in two columns."""
    strips = []
    for name in sorted(classes, key=lambda name: class_order(name, classes[name])):
        dots, means = [], []
        for subset in ("unseen", "seen"):
            for run, value in classes[name].get(subset, ()):
                dots.append(Dot(value, subset, f"{name}, {subset}\n{run}\n{value:.1f}%"))
            mean = subset_mean(classes[name], subset)
            means.append("–" if math.isnan(mean) else f"{mean:.1f}")
        kind = "chosen" if "unseen" in classes[name] else "other"
        strips.append(Strip(name, dots, " / ".join(means), kind))
    return [strip_chart("accuracy by class, %", part, limits=(0, 100)) for part in in_columns(strips)]


def class_order(name: str, runs: Dict[str, List[Tuple[str, float]]]) -> tuple:
    """The best unseen classes first, then those that were never unseen."""
    unseen, seen = subset_mean(runs, "unseen"), subset_mean(runs, "seen")
    return math.isnan(unseen), -seen if math.isnan(unseen) else -unseen, name


def subset_mean(runs: Dict[str, List[Tuple[str, float]]], subset: str) -> float:
    """Mean accuracy over the runs in which a class was unseen, or seen; NaN if there is none."""
    mean, _ = mean_and_deviation([value for _, value in runs.get(subset, ())])
    return mean


def class_table(group: str, classes: Classes) -> str:
    """Mean and deviation of every class."""
    rows = []
    for name in sorted(classes):
        cells: list = [name]
        for subset in ("unseen", "seen"):
            values = [value for _, value in classes[name].get(subset, ())]
            cells += [len(values), Numeric(in_words(values))]
        rows.append(cells)
    head = ["class", "runs unseen", "accuracy unseen", "runs seen", "accuracy seen"]
    return table(f"Accuracy by class, %{', ' if group else ''}{group}", head, rows)
