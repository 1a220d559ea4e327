"""The page of several runs: of divisions and seeds, of several methods, or both. No network is loaded.

An epoch is "best", "clean" or "last", as in `runs.records.EPOCHS`.
"""

import math
import os
from pathlib import Path
from typing import Dict, List, Sequence

from pages.html import Link, card, coloured, details, note, page_head, render, table
from pages.run_scores import HEADLINES, SCORE_KINDS, headline_words
from pages.strips import mean_and_deviation
from pages.summary_charts import class_section, curve_section, score_section
from pages.summary_rows import Row, describe_epoch, headline, method_name, rows_of, score_names
from runs.results import CLOSED_FORMS, UNTRAINED
from runs.several import Member, read_members
from support.errors import InputError
from support.notes import counted

CARDS = 8  # headline numbers at most


def summary_page(folder: Path, epoch: str, output: Path) -> str:
    """The page of all runs below a folder.

    epoch:  whose dots, classes and own numbers are shown; the means of all epochs are
    output: where the page will lie, which its links start from
    """
    left_out: Dict[str, str] = {}
    members = list(read_members(folder, left_out))
    if not members:
        raise InputError(nothing_here(folder, left_out))
    finished = [member for member in members if member.scores]
    rows = rows_of(finished)
    trained = {row.epoch for row in rows} - {UNTRAINED}
    if trained and epoch not in trained:
        raise InputError(
            f"--checkpoint {epoch}: no finished run in {folder} is of main.py --protocol {epoch}"
        )
    sections = {
        "Scores": score_section(rows, epoch) if rows else note("No run is finished yet."),
        "Runs": run_section(members, left_out, epoch, output),
    }
    if any(member.record and member.record.log for member in members):
        sections["Training"] = curve_section(members)
    classes = class_section(finished, epoch)
    if classes:
        sections["Classes"] = classes
    sections["Settings"] = setting_section(members)
    head = page_head("DSVA, several runs", folder.name, lead(members, finished), cards(rows, epoch))
    return render(f"{folder.name} - DSVA", head, sections, f"Written by model/report.py from {folder}")


def nothing_here(folder: Path, left_out: Dict[str, str]) -> str:
    """The message for a folder without runs."""
    if left_out:
        name, reason = next(iter(left_out.items()))
        return f"no run in {folder} can be read: {reason}"
    return (
        f"{folder} is no run, no prediction and no map, and no run lies below it: expected log.jsonl "
        "or results.json of main.py, or predictions.jsonl or NAME_tiles.csv of predict.py"
    )


# ---- what stands above -----------------------------------------------------------------------------


def lead(members: Sequence[Member], finished: Sequence[Member]) -> str:
    """How many runs of what, in a sentence or two."""
    groups = {member.group for member in members}
    trainings = sum(member.record is not None for member in members)
    words = f"{len(members)} runs" if len(members) > 1 else "One run"
    if 0 < trainings < len(members):
        words = (
            f"{counted(trainings, 'training')} and {counted(len(members) - trainings, 'run')} of baselines"
        )
    datasets = distinct(members, "dataset")
    if datasets:
        words += f" on {', '.join(datasets)}"
    if len(groups) > 1:
        words += f", of {len(groups)} kinds"
    told = []
    for option, one, many in (("random_id", "division", "divisions"), ("manualSeed", "seed", "seeds")):
        values = distinct(members, option)
        if values:
            told.append(f"{one if len(values) == 1 else many} {', '.join(values)}")
    if told:
        words += f": {'; '.join(told)}"
    if len(finished) < len(members):
        words += f". {len(finished)} of them are finished, and only these count"
    return f"{words}."


def distinct(members: Sequence[Member], option: str) -> List[str]:
    """The values that an option has in trainings."""
    values = []
    for member in members:
        if member.record:
            values.append(str(member.record.facts["options"].get(option)))
    return sorted(set(values), key=lambda text: (len(text), text))


def cards(rows: Sequence[Row], epoch: str) -> List[str]:
    """The mean that counts: of every epoch of one kind of run, of `epoch` of several kinds.

    No score decides which is the first: of one kind of run it is an epoch that was not chosen on test images,
    and of several what was trained under the clean protocol, then other trainings, then baselines.
    """
    groups = {row.group for row in rows}
    trained = {row.group for row in rows if row.epoch != UNTRAINED}
    clean = {row.group for row in rows if row.epoch == "clean"}
    counting = [row for row in rows if row.counts]
    if len(groups) > 1:
        counting = [row for row in counting if row.epoch in (epoch, UNTRAINED)]
    order = [*HEADLINES, UNTRAINED]
    counting.sort(key=lambda row: (row.epoch == UNTRAINED, row.group not in clean, order.index(row.epoch)))
    shown: List[str] = []
    for row in counting[:CARDS]:
        key = headline(row)
        mean, deviation = mean_and_deviation(row.values[key])
        unit = f"± {deviation:.1f} %" if math.isfinite(deviation) else "%"
        above = f"{key}, {row.epoch} epoch" if row.epoch else key
        below = describe_epoch(row)
        if row.epoch != UNTRAINED and len(trained) == 1:
            below = headline_words(row.epoch, is_first=not shown)
        if len(groups) > 1:
            above, below = method_name(row), f"{above}; {below}"
        if len(groups) > 1 and not shown:
            below += ". Trainings stand before baselines, whatever they score"
            below += ", and those of the clean protocol before others" if clean and clean != trained else ""
        shown.append(card(above, f"{mean:.1f}", below, parts_of_mean(row, key), unit))
    return shown


def parts_of_mean(row: Row, key: str) -> str:
    """What H is made of, and AUSUC, as HTML.  key: the score that is shown large"""
    parts = ""
    for score in ("U", "S", "AUSUC"):
        if key == "H" and score in row.values:
            mean, _ = mean_and_deviation(row.values[score])
            parts += coloured(SCORE_KINDS[score], f"{score} {mean:.1f}")
    return parts


# ---- every run -------------------------------------------------------------------------------------


def run_section(members: Sequence[Member], left_out: Dict[str, str], epoch: str, output: Path) -> str:
    """A line a run, with a link to its own page, and what could not be read."""
    several = len({member.group for member in members}) > 1
    keys = score_names(rows_of([member for member in members if member.scores]))
    rows = []
    for member in members:
        values = own_scores(member, epoch)
        cells: List = [Link(member.part, address_of_page(member.folder, output))]
        if several:
            cells.append(member.group)
        cells += [state(member), *(values.get(key, math.nan) for key in keys)]
        rows.append(cells)
    head = ["run", *(["kind"] if several else []), "state", *keys]
    body = note(
        f"The numbers of each run: of the branch that counts, in the {epoch} epoch, in percent. "
        "A run is a link if it has a page of its own: python model/report.py FOLDER writes it."
    )
    body += table("Every run", head, rows, stacked=True)
    body += details("Every epoch that counts", [epoch_table(members)])
    if left_out:
        body += table("Left out", ["folder", "why"], list(left_out.items()))
    return body


def own_scores(member: Member, epoch: str) -> Dict[str, float]:
    """The scores that count in a run; of baselines, those of the last without training."""
    if not member.scores:
        return {}
    kinds = member.scores.kinds
    if not member.scores.counting:
        untrained = [values for (_, name), values in kinds.items() if name not in CLOSED_FORMS]
        return (untrained or list(kinds.values()))[-1]
    branch = member.scores.counting.get(epoch)
    return kinds[epoch, branch] if branch else {}


def state(member: Member) -> str:
    """Is the run finished?"""
    if member.scores:
        return "finished"
    assert member.record
    done = member.record.epochs["last"]["epoch"] + 1
    return f"{done} of {member.record.facts['options']['nepoch']} epochs"


def address_of_page(folder: Path, output: Path) -> str:
    """The run's own page, seen from this one; "" if it has none."""
    page = folder / "report.html"
    return Path(os.path.relpath(page, output.parent)).as_posix() if page.is_file() else ""


def epoch_table(members: Sequence[Member]) -> str:
    """Every epoch that counts, and every branch, of every run."""
    keys = score_names(rows_of([member for member in members if member.scores]))
    rows = []
    for member in members:
        if not member.scores:
            continue
        for (epoch, branch), values in member.scores.kinds.items():
            number = f"{epoch} ({member.record.epochs[epoch]['epoch']})" if member.record else "none"
            rows.append((member.name, number, branch, *(values.get(key, math.nan) for key in keys)))
    return table("Every epoch", ["run", "epoch", "branch", *keys], rows)


# ---- settings --------------------------------------------------------------------------------------


def setting_section(members: Sequence[Member]) -> str:
    """The options that all trainings have in common, and those in which they differ."""
    trained = [member for member in members if member.record]
    options = [member.record.facts["options"] for member in trained if member.record]
    if not options:
        return note("Nothing was trained.")
    same, different = [], []
    for key in sorted({key for one in options for key in one}):
        values = [one.get(key, "") for one in options]
        if all(value == values[0] for value in values):
            same.append((key, str(values[0])))
        else:
            different.append(key)
    rows = []
    for member, one in zip(trained, options):
        rows.append((member.name, *(str(one.get(key, "")) for key in different)))
    parts = ""
    if different:
        parts += table("In which the runs differ", ["run", *different], rows)
    return parts + table("What all have in common", ["option", "value"], same)
