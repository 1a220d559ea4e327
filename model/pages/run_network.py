"""Sections of a run's page for which its network is loaded: class attributes and attention.

The run may have been made on another machine: if the data, its images or the weights are not here, the
sections say so.
"""

from pathlib import Path
from typing import Dict

import numpy as np
import torch

from data.checks import check_images_are_there
from data.classes import Classes
from data.pipeline import load_image
from inference.candidates import choose_candidates
from inference.saved import SavedRun, load_saved
from pages.confusion import ordered_by_group
from pages.heat_map import heat_map
from pages.html import colour_scale, details, note, picture, scroller, table
from pages.panels import choose_images, draw_panel, look, named_class, whose_maps
from support.errors import InputError
from support.processes import progress

ATTRIBUTES_DRAWN = 3  # in a panel
UNFOLDED = 6  # panels; the rest is shown on request


def network_sections(
    checkpoint: Path, device: torch.device, per_class: int, most_panels: int, epoch: str
) -> Dict[str, str]:
    """Heading -> HTML.

    per_class:   panels of each unseen class
    most_panels: in all
    epoch:       the checkpoint's, in words
    """
    sections = {"Attributes": "", "Attention": ""}
    try:
        run = load_saved(checkpoint, device)
        sections["Attributes"] = class_attributes(run.data)
        sections["Attention"] = attention(run, per_class, most_panels, epoch)
    except InputError as error:
        for name, body in sections.items():
            sections[name] = body or note(f"Left out: {error}.")
    return sections


def class_attributes(data: Classes) -> str:
    """M: its rows by attribute group, its columns seen and unseen."""
    groups = dict(data.groups)
    grouped = {a for group in groups.values() for a in group}
    rest = sorted(set(range(len(data.attribute_names))) - grouped)
    if rest:
        groups["in no group"] = rest
    rows, row_labels = ordered_by_group(groups, data.attribute_names)
    columns, column_labels = ordered_by_group({"seen": data.seen, "unseen": data.unseen}, data.class_names)
    attributes = [data.attribute_names[a] for a in rows]
    classes = [data.class_names[c] for c in columns]
    values = data.class_attributes.cpu().numpy()[np.ix_(rows, columns)]
    largest = float(np.abs(values).max()) or 1.0

    def tip(row: int, column: int) -> str:
        return f"{attributes[row]}, {classes[column]}\n{values[row, column]:+.3f}"

    numbers = [(name, *row) for name, row in zip(attributes, values.tolist())]
    every_value = table("Class attributes", ["attribute", *classes], numbers, digits="+.3f")
    return (
        note(
            "What the classes are said to look like: how strongly each has each attribute. "
            "Unseen classes are known by this alone."
        )
        + colour_scale(f"{-largest:.2f}", f"{largest:+.2f}", "signed")
        + heat_map("class-attribute matrix", values / largest, row_labels, column_labels, tip)
        + details("All values", [every_value])
    )


def attention(run: SavedRun, per_class: int, most_panels: int, epoch: str) -> str:
    """Panels of the first test images of every unseen class."""
    names = run.data.class_names
    candidates = choose_candidates(run)
    chosen = choose_images(run.dataset.load(), "unseen", per_class)[:most_panels]
    check_images_are_there([file for file, _ in chosen], "Put them back")
    panels = []
    for file, label in progress(chosen, "attention"):
        pixels = load_image(file, run.preprocessing)
        out = look(run, candidates, pixels)
        panel = draw_panel(run, candidates, pixels, out, names[label], file, ATTRIBUTES_DRAWN)
        words = f"{file.name}: {names[label]}, named {named_class(run, candidates, out).name}"
        panels.append(scroller(f'<figure class="picture" tabindex="0">{picture(panel, words)}</figure>'))
    explanation = note(
        f"Test images of unseen classes: {epoch}. "
        "Above each image what it was named, with its probability, green if right; "
        "the dashed frame is the window for a second look, where it is not the whole image. "
        "Beside it the attributes that add most to this class, each with what it adds, in logits, "
        "of the class's lead on the mean candidate. Where less of an attribute is seen, it is the lack of it "
        f"that adds, and there is no map. {whose_maps(run.branch).capitalize()}."
    )
    shown, folded = panels[:UNFOLDED], panels[UNFOLDED:]
    more = details(f"{len(folded)} more", folded) if folded else ""
    return explanation + "".join(shown) + more
