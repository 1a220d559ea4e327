"""The page of a run: scores, curves, classes, attention, settings."""

import argparse
import math
import re
from collections import Counter
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

import numpy as np
import torch
from tqdm import tqdm

from data.benchmark import Benchmark
from data.pipeline import load_image
from dsva.network import DSVA
from pages.charts import bar_chart, heat_map, line_chart
from pages.html import (
    card,
    coloured,
    details,
    figure,
    grid,
    heading,
    legend,
    note,
    picture,
    render,
    scale,
    settings,
    table,
)
from pages.panels import draw, look, named
from runs.build import load_saved
from runs.folder import EPOCHS
from runs.options import get_parser
from runs.records import RunRecord, read_run
from support.errors import InputError
from support.machine import REPOSITORY, pick_device

COLOURS = {"U": "unseen", "S": "seen", "H": "chosen", "AUSUC": "other"}  # score -> CSS class
PANELS = 40  # attention panels at most, of which the page
UNFOLDED = 6  # shows so many, and the rest on request


def run_page(folder: Path, opt: argparse.Namespace) -> str:
    run, epoch = read_run(folder), opt.checkpoint
    if epoch not in run.epochs:
        raise InputError(f"--checkpoint {epoch}: {folder} is no finished run of --protocol {epoch}")
    sections = {
        "Scores": scores(run),
        "Training": curves(run) if run.log else absent("log.jsonl"),
        "Classes": classes(run, epoch) if run.accuracies[epoch] else absent(f"per_class_{epoch}.csv"),
        "Confusion": confusion(run, epoch) if run.confusions[epoch] else absent(f"confusion_{epoch}.csv"),
        **looks(folder / f"{epoch}.safetensors", pick_device(opt.device), opt.per_class, called(run, epoch)),
        "Settings": settings(run.facts),
    }
    place = REPOSITORY / "runs"
    name = str(folder.relative_to(place)) if place in folder.parents else folder.name
    return render(f"{name} - DSVA", head(name, run), sections, f"Written by model/report.py from {folder}")


def absent(file: str) -> str:
    return note(f"Left out: there is no {file} in the folder.")


def called(run: RunRecord, epoch: str) -> str:
    return f"{epoch} epoch ({run.epochs[epoch]['epoch']})"


def head(name: str, run: RunRecord) -> str:
    """Title, setting, and the headline numbers."""
    options = run.facts["options"]
    subsets = Counter((run.accuracies["last"] or run.accuracies["best"]).get("subset", ()))
    among = " and ".join(f"{subsets[subset]} {subset}" for subset in ("seen", "unseen") if subsets[subset])
    lead = (
        f"{options.get('dataset')}, division {options.get('random_id')}, seed {options.get('manualSeed')}. "
        + (f"Test images of {among} classes, named among these. " if among else "")
        + f"The {run.branch} branch counts."
    )
    cards = []
    for epoch, line in run.epochs.items():
        values = line["scores"][run.branch]
        parts = "".join(
            coloured(COLOURS[key], f"{key} {values[key]:.1f}") for key in ("U", "S", "AUSUC") if key in values
        )
        cards.append(
            card(
                f"{'H' if 'H' in values else 'Accuracy'}, {called(run, epoch)}",
                f"{line['score']:.1f}",
                EPOCHS[epoch],
                parts,
            )
        )
    if math.isfinite(run.chance):
        cards.append(card("Chance", f"{run.chance:.1f}", "among the unseen classes"))
    state = (
        "finished"
        if run.finished
        else f"unfinished, {run.epochs['last']['epoch'] + 1} of {options['nepoch']} epochs"
    )
    return heading(
        "DSVA, generalised zero-shot" if options.get("gzsl") else "DSVA, zero-shot",
        name,
        lead,
        cards,
        state,
        pending=not run.finished,
    )


def scores(run: RunRecord) -> str:
    """All epochs that count, all branches."""
    keys = run.epochs["last"]["scores"][run.branch]
    rows = [
        (called(run, epoch), branch, *values.values(), EPOCHS[epoch])
        for epoch, line in run.epochs.items()
        for branch, values in line["scores"].items()
    ]
    chosen = [place for place, row in enumerate(rows) if row[1] == run.branch]
    words = (
        "U and S are mean per-class accuracies on unseen and seen classes, H = 2US/(U+S) their harmonic mean, AUSUC the area under the "
        "seen-unseen curve, which no calibration changes, ZSL the accuracy on unseen classes if they compete alone; all in percent."
        if "H" in keys
        else "Mean per-class accuracies, in percent."
    )
    return note(f"{words} The branch that counts is in bold.") + table(
        "Scores", ["epoch", "branch", *keys, "how it was chosen"], rows, chosen=chosen
    )


def curves(run: RunRecord) -> str:
    """Scores and losses over the epochs."""
    log, branches = run.log, run.log[-1]["scores"]
    marks = {
        " and ".join(name for name, line in run.epochs.items() if line["epoch"] == epoch): epoch
        for epoch in dict.fromkeys(line["epoch"] for line in run.epochs.values())
    }
    warm_up = max((line["epoch"] for line in log if line["stage"] == "warm-up"), default=None)
    kinds = {
        branch: "chosen" if branch == run.branch else "other dashed" if branch == "window" else "other"
        for branch in branches
    }
    meaning = {
        action.dest: re.split("[;.] ", action.help)[0] for action in get_parser()._actions if action.help
    }

    def scored(branch, key) -> List[float]:
        return [line["scores"][branch][key] for line in log]

    def lost(term) -> List[float]:
        return [line["losses"][term] for line in log]

    def chart(title, words, series, height=190) -> str:
        return figure(
            title, words, line_chart(title, [line["epoch"] for line in log], series, marks, warm_up, height)
        )

    own = [
        (key, COLOURS[key], scored(run.branch, key)) for key in ("U", "S", "H") if key in branches[run.branch]
    ]
    charts = [chart(f"Scores of the {run.branch} branch", "%", own)] if own else []
    charts += [
        chart(
            f"{key[0].upper()}{key[1:]} of every branch",
            "%",
            [(branch, kinds[branch], scored(branch, key)) for branch in branches],
        )
        for key in ("accuracy", "H", "AUSUC")
        if key in branches[run.branch]
    ]
    charts += [
        chart(
            "Loss",
            "the sum of the terms below, weighted as in training",
            [("", "chosen", [line["loss"] for line in log])],
        )
    ]
    terms = [
        chart(term, meaning.get(term, ""), [("", "other", lost(term))], height=64)
        for term in log[-1]["losses"]
        if any(lost(term))
    ]
    return (
        note(
            "The epochs of the scores above are marked. The shaded epochs are the warm-up, in which only the heads learn."
        )
        + grid(*charts)
        + grid(*terms, fine=True)
        + details("Every epoch's numbers", *epoch_tables(log))
    )


def epoch_tables(log: List[dict]) -> List[str]:
    columns = [f"{branch} {key}" for branch, values in log[-1]["scores"].items() for key in values]
    scores = [
        (
            line["epoch"],
            line["stage"],
            *(value for values in line["scores"].values() for value in values.values()),
            line["seconds"],
        )
        for line in log
    ]
    losses = [(line["epoch"], line["stage"], line["loss"], *line["losses"].values()) for line in log]
    return [
        table("Scores by epoch, %", ["epoch", "stage", *columns, "seconds"], scores),
        table("Losses by epoch", ["epoch", "stage", "loss", *log[-1]["losses"]], losses, digits=".4g"),
    ]


def classes(run: RunRecord, epoch: str) -> str:
    """Every class's accuracy, the best first, as bars; all epochs that count and all branches as a table."""
    shown = run.accuracies[epoch]
    rows = sorted(
        zip(shown[run.branch], shown["class"], shown["subset"], shown["images"]),
        key=lambda row: (math.isnan(row[0]), -row[0], row[1]),
    )
    bars = [
        (name, value, subset, f"{name}, {subset}\n{value:.1f}% of {images} images")
        for value, name, subset, images in rows
    ]
    half = math.ceil(len(bars) / 2) if len(bars) > 12 else len(bars)
    values = {
        kind: [value for value, _, subset, _ in rows if subset == kind and math.isfinite(value)]
        for kind in ("unseen", "seen")
    }
    means = [(sum(there) / len(there), kind) for kind, there in values.items() if there]
    numbers = {
        f"{branch}, {name}": column
        for name, columns in run.accuracies.items()
        for branch, column in columns.items()
        if branch not in ("class", "subset", "images")
    }
    every = table(
        "Accuracy by class, %",
        ["class", "subset", "images", *numbers],
        list(zip(shown["class"], shown["subset"], shown["images"], *numbers.values())),
    )
    return (
        note(
            f"Accuracy of the {run.branch} branch, in percent: {called(run, epoch)}. Dotted lines are the means."
        )
        + legend(*((kind, f"{kind} classes, mean {mean:.1f}") for mean, kind in means))
        + grid(
            *(
                bar_chart("accuracy by class, %", part, rules=means)
                for part in (bars[:half], bars[half:])
                if part
            )
        )
        + details("Every class's numbers", every)
    )


def confusion(run: RunRecord, epoch: str) -> str:
    """Which classes are taken for which: rows are classes, columns what their images are named."""
    names, counts = run.confusions[epoch]
    order, labels = regroup(by_subset(names, run.accuracies[epoch]), names)
    names, counts = [names[c] for c in order], counts[np.ix_(order, order)]
    images = counts.sum(axis=1)
    shares = counts / np.maximum(images, 1)[:, None]

    def tip(true, guess) -> str:
        return f"{names[true]} named {names[guess]}\n{counts[true, guess]} of {images[true]} images, {shares[true, guess]:.0%}"

    chart = scale("0", "100% of a class's images") + heat_map(
        "confusion matrix", shares, labels, labels, tip, text=counts if len(names) <= 40 else None
    )
    mistakes = sorted(
        ((true, guess) for true, guess in zip(*np.nonzero(counts)) if true != guess),
        key=lambda pair: -shares[pair],
    )
    rows = [
        (names[true], names[guess], int(counts[true, guess]), 100 * float(shares[true, guess]))
        for true, guess in mistakes[:10]
    ]
    often = table(
        "Most frequent mistakes", ["class", "named", "images", "% of the class"], rows, digits=".1f"
    )
    every = table("Confusion", ["class", *names], [(name, *row) for name, row in zip(names, counts.tolist())])
    return (
        note(
            f"A row is a class, a column what its images were named: {called(run, epoch)}. What is right lies on the diagonal."
        )
        + (grid(f"<div>{chart}</div>", often) if len(names) <= 12 else chart + often)
        + details("All counts", every)
    )


def by_subset(names: Sequence[str], accuracies: Dict[str, list]) -> Dict[str, List[int]]:
    """Positions of the seen classes and of the unseen ones; of all in one group, if the table does not tell."""
    subset = dict(zip(accuracies.get("class", ()), accuracies.get("subset", ())))
    groups = {
        kind: [c for c, name in enumerate(names) if subset.get(name) == kind] for kind in ("seen", "unseen")
    }
    groups = {kind: places for kind, places in groups.items() if places}
    return groups if sum(map(len, groups.values())) == len(names) else {"classes": list(range(len(names)))}


def regroup(
    groups: Mapping[str, Sequence[int]], names: Sequence[str]
) -> Tuple[List[int], Dict[str, List[str]]]:
    """The places of all groups, one after another, and the groups with names instead of places."""
    return (
        [int(place) for places in groups.values() for place in places],
        {group: [names[place] for place in places] for group, places in groups.items()},
    )


def looks(checkpoint: Path, device: torch.device, per_class: int, which: str) -> Dict[str, str]:
    """The sections that need the data, its images and the weights; or why there are none: the run may have been made elsewhere."""
    sections = dict.fromkeys(("Attributes", "Attention"), "")
    try:
        run, data, model = load_saved(checkpoint, device)
        sections["Attributes"] = attributes(data)
        sections["Attention"] = attention(run, data, model, per_class, which)
    except InputError as error:
        sections = {name: body or note(f"Left out: {error}.") for name, body in sections.items()}
    return sections


def attributes(data: Benchmark) -> str:
    """The class-attribute matrix, its rows by attribute group, its columns seen and unseen."""
    rest = sorted(
        set(range(len(data.attribute_names))) - {a for group in data.groups.values() for a in group}
    )
    rows, row_labels = regroup(
        {**data.groups, **({"in no group": rest} if rest else {})}, data.attribute_names
    )
    columns, column_labels = regroup({"seen": data.seen, "unseen": data.unseen}, data.class_names)
    values = data.class_attributes.cpu().numpy()[np.ix_(rows, columns)]
    names, classes = [data.attribute_names[a] for a in rows], [data.class_names[c] for c in columns]
    largest = float(np.abs(values).max()) or 1.0
    chart = heat_map(
        "class-attribute matrix",
        values / largest,
        row_labels,
        column_labels,
        tip=lambda a, c: f"{names[a]}, {classes[c]}\n{values[a, c]:+.3f}",
    )
    every = table(
        "Class attributes",
        ["attribute", *classes],
        [(name, *row) for name, row in zip(names, values.tolist())],
        digits="+.3f",
    )
    return (
        note(
            "What the classes are said to look like: how strongly each has each attribute. Unseen classes are known by this alone."
        )
        + scale(f"{-largest:.2f}", f"{largest:+.2f}", signed=True)
        + chart
        + details("All values", every)
    )


def attention(run: argparse.Namespace, data: Benchmark, model: DSVA, per_class: int, which: str) -> str:
    """Panels of the first test images of every unseen class."""
    size, panels = model.tower.config.image_size, []
    for file, label in tqdm(
        choose(data, "unseen", per_class)[:PANELS], desc="attention", leave=False, disable=None
    ):
        pixels = load_image(file, size)
        out = look(pixels, run, data, model)
        guess = named(out, run, data)
        panel = draw(pixels, out, model.find_window(out, size), data, guess, label, top=3)
        words = f"{file.name}: {data.class_names[label]}, named {data.class_names[guess]}"
        panels.append(f'<figure class="picture">{picture(panel, words)}</figure>')
    folded = details(f"{len(panels) - UNFOLDED} more", *panels[UNFOLDED:]) if panels[UNFOLDED:] else ""
    return (
        note(
            f"Test images of unseen classes: {which}. Above each image what it was named, green if right; the dashed box is the window that the "
            "maps agree on. Beside it the attributes that spoke most for this class, and where they were seen."
        )
        + "".join(panels[:UNFOLDED])
        + folded
    )


def choose(data, split: str, per_class: int) -> List[Tuple[Path, int]]:
    """The first test images of every class, with their labels: one of each class, then another of each, ..."""
    test = data.splits[f"test_{split}_loc"]
    by_class = {int(c): test[data.labels[test] == c][:per_class] for c in np.unique(data.labels[test])}
    return [
        (data.image_paths[images[n]], c)
        for n in range(per_class)
        for c, images in by_class.items()
        if n < len(images)
    ]
