"""Sections of a run's page that its folder tells: scores, curves, classes, confusion. No network is loaded.

An epoch is "best", "clean" or "last", as in `runs.records.EPOCHS`.
"""

import math
import re
from typing import Dict, List, Optional, Sequence, Tuple

from pages.charts import Bar, Series, bar_chart, in_columns, line_chart
from pages.confusion import confusion_section
from pages.html import details, figure, grid, legend, note, table
from runs.options import LOSS_WEIGHTS
from runs.records import EPOCHS, RunRecord

SCORE_KINDS = {"U": "unseen", "S": "seen", "H": "chosen", "AUSUC": "other"}  # score -> CSS class
HEADLINES = ("clean", "last", "best")  # the first of these that there is, no test image has helped to choose
TERM_HEIGHT = 64  # of the small chart of a loss term, pixels


def epoch_words(run: RunRecord, epoch: str) -> str:
    """Such as `best epoch (12)`."""
    return f"{epoch} epoch ({run.epochs[epoch]['epoch']})"


def headline_words(epoch: str, is_first: bool) -> str:
    """How the epoch of a headline number was chosen.  is_first: is it the one to read?"""
    how = EPOCHS[epoch]
    return f"{how}; no test image chose it: the number to read" if is_first and epoch != "best" else how


# ---- scores ----------------------------------------------------------------------------------------


def scores(run: RunRecord) -> str:
    """A table of all epochs that count, and all branches."""
    keys = list(run.epochs["last"]["scores"][run.branch])
    rows: List[tuple] = []
    emphasised = []
    for epoch, line in run.epochs.items():
        for branch, values in line["scores"].items():
            if all(map(math.isnan, values.values())):
                continue  # a branch of other epochs: windows may join in later
            if branch == line["branch"]:
                emphasised.append(len(rows))
            rows.append((epoch_words(run, epoch), branch, *values.values(), EPOCHS[epoch]))
    meaning = "Mean per-class accuracies, in percent."
    if "H" in keys:
        meaning = (
            "U and S are mean per-class accuracies on unseen and seen classes, "
            "H = 2US/(U+S) their harmonic mean, "
            "AUSUC the area under the seen-unseen curve, which no calibration changes, "
            "ZSL the accuracy on unseen classes if they compete alone; all in percent."
        )
    head = ["epoch", "branch", *keys, "how it was chosen"]
    return note(f"{meaning} The branch that counts is in bold.") + table(
        "Every epoch and branch", head, rows, emphasised=emphasised, stacked=True
    )


# ---- curves ----------------------------------------------------------------------------------------


def curves(run: RunRecord) -> str:
    """Scores and losses over the epochs."""
    log = run.log
    marks = epoch_marks(run)

    def chart(title: str, words: str, lines: List[dict], series: List[Series], height: int = 190) -> str:
        numbers = [line["epoch"] for line in lines]
        warm_up = last_of_warm_up(lines)
        return figure(title, words, line_chart(title, numbers, series, marks, warm_up, height))

    charts = [chart(title, "%", run.tested, series) for title, series in score_series(run).items()]
    total = Series("", "chosen", [line["loss"] for line in log])
    charts.append(chart("Loss", "the sum of the terms below, weighted as in training", log, [total]))
    terms = []
    for term in log[-1]["losses"]:
        values = [line["losses"][term] for line in log]
        if any(values):
            terms.append(chart(term, term_meaning(term), log, [Series("", "other", values)], TERM_HEIGHT))
    return (
        note(
            "The epochs of the scores above are marked. "
            "The shaded epochs are the warm-up, in which only the heads learn."
        )
        + grid(charts)
        + grid(terms, fine=True)
        + details("Every epoch's numbers", epoch_tables(log))
    )


def epoch_marks(run: RunRecord) -> Dict[str, int]:
    """Name -> epoch. Epochs that are the same one have one mark, `best and last`."""
    names: Dict[int, List[str]] = {}
    for name, line in run.epochs.items():
        names.setdefault(line["epoch"], []).append(name)
    return {" and ".join(same): epoch for epoch, same in names.items()}


def last_of_warm_up(log: List[dict]) -> Optional[int]:
    """The last epoch of the warm-up, if there is any."""
    return max((line["epoch"] for line in log if line["stage"] == "warm-up"), default=None)


def score_series(run: RunRecord) -> Dict[str, List[Series]]:
    """Title -> lines: the scores of the branch that counts, then each score of every branch."""
    log = run.tested
    keys = log[-1]["scores"][run.branch]
    counting = list(dict.fromkeys(line["branch"] for line in log))  # two, if windows join in later
    charts = {}
    own = []
    for key in ("U", "S", "H"):
        if key in keys:
            values = [line["scores"][line["branch"]][key] for line in log]
            own.append(Series(key, SCORE_KINDS[key], values))
    if own:
        charts[f"Scores of the {', then '.join(counting)} branch"] = own
    for key in ("accuracy", "H", "AUSUC"):
        if key in keys:
            title = f"{key[0].upper()}{key[1:]} of every branch"
            charts[title] = branch_series(log, key, counting)
    return charts


def branch_series(log: List[dict], key: str, counting: Sequence[str]) -> List[Series]:
    """A score of every branch.  counting: the branches that count"""
    series = []
    for branch in log[-1]["scores"]:
        kind = "other dashed" if branch == "window" else "other"
        if branch in counting:
            kind = "chosen"
        series.append(Series(branch, kind, [line["scores"][branch][key] for line in log]))
    return series


def term_meaning(term: str) -> str:
    """What a loss term is, as its option says; the first clause of it."""
    if term not in LOSS_WEIGHTS:
        return ""
    _, meaning = LOSS_WEIGHTS[term]
    return re.split("[;.] ", meaning)[0]


def epoch_tables(log: List[dict]) -> List[str]:
    """Two tables: the scores and the losses of every epoch."""
    columns = [f"{branch} {key}" for branch, values in log[-1]["scores"].items() for key in values]
    score_rows, loss_rows = [], []
    for line in log:
        numbers = [value for values in line["scores"].values() for value in values.values()]
        score_rows.append((line["epoch"], line["stage"], *numbers, line["seconds"]))
        loss_rows.append((line["epoch"], line["stage"], line["loss"], *line["losses"].values()))
    terms = log[-1]["losses"]
    return [
        table("Scores by epoch, %", ["epoch", "stage", *columns, "seconds"], score_rows),
        table("Losses by epoch", ["epoch", "stage", "loss", *terms], loss_rows, digits=".4g"),
    ]


# ---- classes ---------------------------------------------------------------------------------------


def classes(run: RunRecord, epoch: str) -> str:
    """Every class's accuracy, the best first, as bars; all epochs that count and all branches as a table."""
    columns = run.accuracies[epoch]
    branch = run.branch_in(columns)
    bars = class_bars(columns, branch)
    means = subset_means(bars)
    charts = [bar_chart("accuracy by class, %", part, means=means) for part in in_columns(bars)]
    colours = [(kind, f"{kind} classes, mean {mean:.1f}") for mean, kind in means]
    return (
        note(
            f"Accuracy of the {branch} branch, in percent: {epoch_words(run, epoch)}. "
            "Dotted lines are the means."
        )
        + legend(colours)
        + grid(charts)
        + details("Every class's numbers", [class_table(run, epoch)])
    )


def class_bars(columns: Dict[str, list], branch: str) -> List[Bar]:
    """The best class first, those of one accuracy by name, those without images last.

    columns: of `RunRecord.accuracies`
    """
    rows = list(zip(columns[branch], columns["class"], columns["subset"], columns["images"]))
    rows.sort(key=lambda row: (math.isnan(row[0]), -row[0], row[1]))
    bars = []
    for value, name, subset, images in rows:
        bars.append(Bar(name, value, subset, f"{name}, {subset}\n{value:.1f}% of {images} images"))
    return bars


def subset_means(bars: Sequence[Bar]) -> List[Tuple[float, str]]:
    """Mean accuracy of the unseen and of the seen classes, and which they are."""
    means = []
    for kind in ("unseen", "seen"):
        values = [bar.value for bar in bars if bar.kind == kind and math.isfinite(bar.value)]
        if values:
            means.append((sum(values) / len(values), kind))
    return means


def class_table(run: RunRecord, epoch: str) -> str:
    """The accuracies of all epochs that count and all branches, in the order of the epoch's file."""
    shown = run.accuracies[epoch]
    numbers = {}
    for name, columns in run.accuracies.items():
        for branch, column in columns.items():
            if branch not in ("class", "subset", "images"):
                numbers[f"{branch}, {name}"] = column
    head = ["class", "subset", "images", *numbers]
    rows = list(zip(shown["class"], shown["subset"], shown["images"], *numbers.values()))
    return table("Accuracy by class, %", head, rows)


# ---- confusion -------------------------------------------------------------------------------------


def confusion(run: RunRecord, epoch: str) -> str:
    """Which classes are taken for which in an epoch."""
    names, counts = run.confusions[epoch]
    columns = run.accuracies[epoch]
    subset = dict(zip(columns.get("class", ()), columns.get("subset", ())))
    explained = f"A row is a class, a column what its images were named: {epoch_words(run, epoch)}."
    return confusion_section(names, counts, subset, explained)
