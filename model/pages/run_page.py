"""The page of a run: what its folder tells, and what its network shows."""

import math
from collections import Counter
from pathlib import Path
from typing import List

import torch

from pages.html import card, coloured, missing, page_head, render, settings
from pages.run_network import network_sections
from pages.run_scores import (
    HEADLINES,
    SCORE_KINDS,
    classes,
    confusion,
    curves,
    epoch_words,
    headline_words,
    scores,
)
from runs.records import RunRecord, read_run
from support.cli import REPOSITORY
from support.errors import InputError


def run_page(folder: Path, epoch: str, device: torch.device, per_class: int, most_panels: int) -> str:
    """The page of the run in a folder.

    epoch:       whose classes and attention are shown, one of `runs.records.EPOCHS`; the scores of all are
    per_class:   attention panels of each unseen class
    most_panels: in all
    """
    run = read_run(folder)
    if epoch not in run.epochs:
        raise InputError(f"--checkpoint {epoch}: {folder} is no finished run of main.py --protocol {epoch}")
    sections = {
        "Scores": scores(run),
        "Training": curves(run) if run.log else missing("log.jsonl"),
        "Classes": classes(run, epoch) if run.accuracies[epoch] else missing(f"per_class_{epoch}.csv"),
        "Confusion": confusion(run, epoch) if run.confusions[epoch] else missing(f"confusion_{epoch}.csv"),
    }
    checkpoint = folder / f"{epoch}.safetensors"
    words = epoch_words(run, epoch)
    if epoch == "last" and run.log:
        words = f"last epoch ({run.log[-1]['epoch']})"  # which may be one that was not tested
    sections.update(network_sections(checkpoint, device, per_class, most_panels, words))
    sections["Settings"] = settings(run.facts)

    runs = REPOSITORY / "runs"
    name = str(folder.relative_to(runs)) if runs in folder.parents else folder.name
    return render(f"{name} - DSVA", head(name, run), sections, f"Written by model/report.py from {folder}")


def head(name: str, run: RunRecord) -> str:
    """Title, setting, and the headline numbers."""
    options = run.facts["options"]
    kind = "DSVA, generalised zero-shot" if options.get("gzsl") else "DSVA, zero-shot"
    lead = (
        f"{options.get('dataset')}, division {options.get('random_id')}, seed {options.get('manualSeed')}. "
        f"{candidates(run)}The {run.branch} branch counts."
    )
    cards: List[str] = []
    for epoch in HEADLINES:
        if epoch in run.epochs:
            cards.append(score_card(run, epoch, is_first=not cards))
    if math.isfinite(run.chance):
        cards.append(card("Chance", f"{run.chance:.1f}", "among the unseen classes"))
    state = "finished"
    if not run.finished:
        done = (run.log or [run.epochs["last"]])[-1]["epoch"] + 1
        state = f"unfinished, {done} of {options['nepoch']} epochs"
    return page_head(kind, name, lead, cards, state, pending=not run.finished)


def candidates(run: RunRecord) -> str:
    """How many classes compete, in a sentence; nothing if no table tells."""
    table = run.accuracies["last"] or run.accuracies["best"]
    counts = Counter(table.get("subset", ()))
    among = " and ".join(f"{counts[subset]} {subset}" for subset in ("seen", "unseen") if counts[subset])
    return f"Test images of {among} classes, named among these. " if among else ""


def score_card(run: RunRecord, epoch: str, is_first: bool) -> str:
    """The number that counts, and what it is made of.  is_first: is it the number to read?"""
    line = run.epochs[epoch]
    values = line["scores"][line["branch"]]
    parts = ""
    for key in ("U", "S", "AUSUC"):
        if key in values:
            parts += coloured(SCORE_KINDS[key], f"{key} {values[key]:.1f}")
    title = "H" if "H" in values else "Accuracy"
    return card(
        f"{title}, {epoch_words(run, epoch)}", f"{line['score']:.1f}", headline_words(epoch, is_first), parts
    )
