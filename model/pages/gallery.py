"""The page of a folder of predictions: what its images were named, to scroll through and to filter."""

from collections import Counter
from html import escape
from pathlib import Path
from typing import List, Mapping

import numpy as np
from tqdm import tqdm

from data.images import read_image
from pages.charts import bar_chart
from pages.html import card, figure, heading, legend, note, picture, render, settings, table
from runs.prediction_records import Prediction, read_predictions
from support.errors import InputError

THUMBNAIL = 176  # pixels of the longer side
LISTED = 100  # unreadable images at most
KINDS = {
    "seen": "seen classes",
    "unseen": "unseen classes",
    "chosen": "added classes",
}  # CSS class -> what it stands for


def prediction_page(folder: Path, most: int) -> str:
    """most: pictures that are shown at most, evenly taken from all."""
    facts, predictions = read_predictions(folder)
    kinds = {
        name: kind if kind in ("seen", "unseen") else "chosen"
        for name, kind in facts.get("classes", {}).items()
    }
    named, failed = [p for p in predictions if p.classes], [p for p in predictions if not p.classes]
    counts = Counter(p.classes[0][0] for p in named)
    cards = [
        card("Images", str(len(named)), "were named", unit=""),
        card("Classes", str(len(counts)), "were given to at least one", unit=""),
    ]
    sections = {}
    if named:
        shown = [named[place] for place in np.linspace(0, len(named) - 1, min(most, len(named))).astype(int)]
        cards.append(
            card(
                "Probability",
                f"{100 * np.median([p.classes[0][1] for p in named]):.0f}",
                "of the class that was given, median",
            )
        )
        sections = {
            "Pictures": gallery(shown, len(named), kinds),
            "Classes": class_counts(counts, kinds),
            "Table": prediction_table(shown, len(named)),
        }
    if failed:
        cards.append(card("Unreadable", str(len(failed)), "images, listed below", unit=""))
        title = (
            f"The first {LISTED} images that could not be read"
            if len(failed) > LISTED
            else "Images that could not be read"
        )
        sections["Unreadable"] = table(title, ["image", "why"], [(p.image, p.error) for p in failed[:LISTED]])
    sections["Settings"] = (
        settings(facts) if facts else note("Left out: there is no options.json in the folder.")
    )
    lead = f"What the images were named, as predict.py wrote it down in {folder}."
    return render(
        f"{folder.name} - DSVA",
        heading("DSVA, predictions", folder.name, lead, cards),
        sections,
        f"Written by model/report.py from {folder}",
    )


def gallery(predictions: List[Prediction], total: int, kinds: Mapping[str, str]) -> str:
    """Thumbnails with what they were named, and the filter. total: the images of which these were taken;  kinds: class -> CSS class"""
    counts = Counter(p.classes[0][0] for p in predictions)
    places = {
        name: place for place, name in enumerate(sorted(counts, key=lambda name: (-counts[name], name)))
    }
    chips = chip("", "all", len(predictions), pressed=True) + "".join(
        chip(str(place), name, counts[name]) for name, place in places.items()
    )
    items = "".join(
        item(p, places[p.classes[0][0]], kinds)
        for p in tqdm(predictions, desc="thumbnails", leave=False, disable=None)
    )
    words = "The class that each image was given, with its probability; the next ones; the attributes that spoke most for it, with their shares of the decision."
    if any(p.classes[0][1] < max(probability for _, probability in p.classes) for p in predictions):
        words += " A class may come before a more probable one: calibrated stacking holds seen classes back."
    if len(predictions) < total:
        words += f" {len(predictions)} of {total} images are shown, evenly taken from all: --images changes how many."
    return (
        note(words) + f'<div class="filter"><div class="chips" role="group" aria-label="class">{chips}</div>'
        '<div class="search"><label for="words">file name</label><input type="search" id="words" placeholder="has in it">'
        f'<span id="shown" role="status">{len(predictions)} pictures</span></div></div><ul id="gallery" class="gallery">{items}</ul>'
    )


def chip(value: str, name: str, images: int, pressed: bool = False) -> str:
    return f'<button type="button" value="{value}" aria-pressed="{str(pressed).lower()}">{escape(name)} <span>{images}</span></button>'


def item(prediction: Prediction, place: int, kinds: Mapping[str, str]) -> str:
    """One picture of the gallery. place: of its class among the chips."""
    (name, probability), *next_best = prediction.classes
    file, path = escape(prediction.image.name), escape(str(prediction.image))
    others = ", ".join(f"{other} {share:.0%}" for other, share in next_best[:2])
    spoke = ", ".join(f"{attribute} {share:+.0%}" for attribute, share in prediction.attributes[:3])
    return (
        f'<li data-class="{place}" data-name="{path}">{thumbnail(prediction.image)}<div>'
        f'<h3 class="{kinds.get(name, "chosen")}">{escape(name)}<span>{probability:.0%}</span></h3>'
        f'<meter value="{probability:.3f}" aria-label="probability">{probability:.0%}</meter>'
        f'<p>{escape(others)}</p><p class="attributes">{escape(spoke)}</p><p class="file" title="{path}">{file}</p></div></li>'
    )


def thumbnail(file: Path) -> str:
    try:
        image = read_image(file)
    except InputError:
        return '<span class="gone">the picture is not there any more</span>'
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return picture(image, file.name, quality=75)


def class_counts(counts: Counter, kinds: Mapping[str, str]) -> str:
    total = sum(counts.values())
    bars = [
        (name, images, kinds.get(name, "chosen"), f"{name}\n{images} of {total} images")
        for name, images in counts.most_common()
    ]
    there = [(kind, words) for kind, words in KINDS.items() if kind in kinds.values()]
    chart = bar_chart("images of each class", bars, high=max(counts.values()), digits=".0f")
    return (legend(*there) if there else "") + figure("Images of each class", "", chart)


def prediction_table(predictions: List[Prediction], total: int) -> str:
    deepest = max((len(p.classes) for p in predictions), default=0)
    rows = [
        (p.image, *(part for pair in p.classes for part in pair), *[""] * 2 * (deepest - len(p.classes)))
        for p in predictions
    ]
    head = [
        "image",
        *(f"{what} {place}" for place in range(1, deepest + 1) for what in ("class", "probability")),
    ]
    return (
        note("Of the images shown; predictions.csv has all.") if len(predictions) < total else ""
    ) + table("Predictions", head, rows, digits=".4f")
