"""The page of a folder of predictions: what its images were named, to scroll through and to filter."""

from collections import Counter
from dataclasses import dataclass
from html import escape
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

import numpy as np

from data.images import read_image
from inference.contributions import in_words, reasons
from pages.charts import Bar, bar_chart
from pages.html import card, figure, kind_legend, missing, note, page_head, picture, render, settings, table
from pages.labelled import accuracy_card, accuracy_sections, is_wrong, labels_of, mark
from runs.prediction_records import (
    ATTENTION_SHARES,
    CLIP_SHARES,
    CONTRIBUTIONS,
    LabelRecord,
    Prediction,
    read_predictions,
)
from support.errors import InputError
from support.processes import progress

THUMBNAIL = 176  # pixels of the longer side
LISTED_UNREADABLE = 100  # images that are listed at most
OTHERS = 2  # classes of an image beside the one that it was given
ATTRIBUTES_SHOWN = 3  # of an image
NUMBERS_IN_WORDS = {
    CONTRIBUTIONS: "the attributes that add most to it, each with what it adds, in logits, of its lead on "
    "the mean candidate; where less of an attribute is seen, it is the lack of it that adds.",
    CLIP_SHARES: "the attributes that CLIP sees in it most, whatever the class: shares of its softmax over "
    "the vocabulary.",
    ATTENTION_SHARES: "attributes with shares of the attention branch's score, as an earlier version of "
    "predict.py wrote them. They do not tell why the class was given: predict anew.",
}
CALIBRATED = "ranked by calibrated score"


@dataclass(frozen=True)
class Told:
    """What is known of a folder of predictions beside its lines.

    kinds:  class -> CSS class, see `class_kinds`
    bands:  of the pictures, that are red, green and blue, if not the first three
    labels: what the folders of the images say, if that was counted
    """

    kinds: Mapping[str, str]
    bands: Optional[List[int]]
    labels: Optional[LabelRecord]


def prediction_page(folder: Path, most: int) -> str:
    """The page of what predict.py wrote into a folder.

    most: pictures that are shown at most, evenly taken from all
    """
    facts, predictions = read_predictions(folder)
    named = [prediction for prediction in predictions if prediction.classes]
    failed = [prediction for prediction in predictions if not prediction.classes]
    labels, left_out = labels_of(folder, named)
    told = Told(class_kinds(facts), chosen_bands(facts), labels)
    sections = {}
    if labels:
        sections = accuracy_sections(labels, told.kinds)
    elif left_out:
        sections["Accuracy"] = note(f"Left out: {left_out}.")
    if named:
        counts = Counter(given_class(prediction) for prediction in named)
        shown = evenly(named, most)
        sections["Pictures"] = gallery(shown, counts, told)
        sections["Classes"] = class_counts(counts, told.kinds)
        sections["Table"] = prediction_table(shown, len(named))
    if failed:
        sections["Unreadable"] = failure_table(failed)
    sections["Settings"] = settings(facts) if facts else missing("options.json")
    by_whom = ", by a CLIP alone" if is_by_clip_alone(facts) else ""
    lead = f"What the images were named{by_whom}, as predict.py wrote it down in {folder}."
    head = page_head("DSVA, predictions", folder.name, lead, cards(named, failed, labels))
    return render(f"{folder.name} - DSVA", head, sections, f"Written by model/report.py from {folder}")


def class_kinds(facts: Mapping) -> Dict[str, str]:
    """The CSS class of every class: seen and unseen in training, or added when the images were named."""
    kinds: Dict[str, str] = {}
    if is_by_clip_alone(facts):  # there are no others to tell them from
        return kinds
    for name, kind in facts.get("classes", {}).items():
        kinds[name] = kind if kind in ("seen", "unseen") else "chosen"
    return kinds


def is_by_clip_alone(facts: Mapping) -> bool:
    """Was it a CLIP without a run that named the images?"""
    return bool(facts.get("options", {}).get("names"))


def given_class(prediction: Prediction) -> str:
    """What an image was named."""
    name, _ = prediction.classes[0]
    return name


def evenly(predictions: Sequence[Prediction], most: int) -> List[Prediction]:
    """At most so many, from the first to the last."""
    places = np.linspace(0, len(predictions) - 1, min(most, len(predictions))).astype(int)
    return [predictions[place] for place in places]


def cards(
    named: Sequence[Prediction], failed: Sequence[Prediction], labels: Optional[LabelRecord]
) -> List[str]:
    """The headline numbers."""
    classes = {given_class(prediction) for prediction in named}
    shown = [accuracy_card(labels)] if labels else []
    shown += [
        card("Images", str(len(named)), "were named", unit=""),
        card("Classes", str(len(classes)), "were given to at least one", unit=""),
    ]
    if named:
        median = np.median([prediction.classes[0][1] for prediction in named])
        below = "of the class that was given, median"
        shown.append(card("Probability", f"{100 * median:.0f}", below))
    if failed:
        shown.append(card("Unreadable", str(len(failed)), "images, listed below", unit=""))
    return shown


# ---- pictures --------------------------------------------------------------------------------------


def chosen_bands(facts: Mapping) -> Optional[List[int]]:
    """The --bands of a prediction, if it had any."""
    bands = facts.get("options", {}).get("bands")
    if isinstance(bands, list) and len(bands) == 3 and all(type(band) is int and band > 0 for band in bands):
        return bands
    return None


def gallery(predictions: Sequence[Prediction], counts: Counter, told: Told) -> str:
    """Thumbnails with what they were named, and the filter: a button for each class, words, what is wrong.

    predictions: those that are shown
    counts:      class -> images that were given it, shown or not
    """
    shown = Counter(given_class(prediction) for prediction in predictions)
    most_frequent = sorted(shown, key=lambda name: (-counts[name], name))
    places = {name: place for place, name in enumerate(most_frequent)}
    total = sum(counts.values())
    buttons = class_button("", "all", len(predictions), total, pressed=True)
    for name, place in places.items():
        buttons += class_button(str(place), name, shown[name], counts[name])
    items = ""
    for prediction in progress(predictions, "thumbnails"):
        items += gallery_item(prediction, places[given_class(prediction)], told)
    return (
        note(explanation(predictions, total, told.labels))
        + kind_legend(places, told.kinds)
        + '<div class="filter">'
        + f'<div class="chips" role="group" aria-label="class">{buttons}</div>'
        + '<div class="search"><label for="words">file name</label>'
        + '<input type="search" id="words" placeholder="has in it">'
        + wrong_button(predictions, told.labels)
        + f'<span id="shown" role="status">{len(predictions)} pictures</span></div></div>'
        + f'<ul id="gallery" class="gallery">{items}</ul>'
        + '<button type="button" id="more" hidden>show more</button>'
    )


def wrong_button(predictions: Sequence[Prediction], labels: Optional[LabelRecord]) -> str:
    """Shows only the images that were named wrong; "" if nobody knows which these are."""
    if not labels:
        return ""
    wrong = sum(is_wrong(labels, prediction) for prediction in predictions)
    return f'<button type="button" id="wrong" aria-pressed="false">✗ wrong <span>{wrong}</span></button>'


def explanation(predictions: Sequence[Prediction], total: int, labels: Optional[LabelRecord]) -> str:
    """What is written about each picture, in words."""
    words = "The class that each image was given, with its probability; the next ones"
    told = [prediction.told for prediction in predictions if prediction.attributes]
    if told:
        words += f"; {NUMBERS_IN_WORDS[told[0]]}"
    else:
        words += "."
    if labels:
        words += " ✓ and ✗: was it named as its folder is called?"
    if any(is_calibrated(prediction) for prediction in predictions):
        words += (
            f' "{CALIBRATED.capitalize()}": the class stands before a more probable one, since calibrated '
            "stacking holds seen classes back."
        )
    if len(predictions) < total:
        words += (
            f" {len(predictions)} of {total} images are shown, evenly taken from all: "
            "--images changes how many."
        )
    return words


def is_calibrated(prediction: Prediction) -> bool:
    """Was a more probable class passed over?"""
    probabilities = [probability for _, probability in prediction.classes]
    return probabilities[0] < max(probabilities)


def class_button(value: str, name: str, shown: int, images: int, pressed: bool = False) -> str:
    """Shows the images of one class.

    value: its number, "" for all;  shown: of so many images of the class
    """
    state = "true" if pressed else "false"
    count = f"{images}" if shown == images else f"{shown} of {images} shown"
    return (
        f'<button type="button" value="{value}" aria-pressed="{state}">'
        f"{escape(name)} <span>{count}</span></button>"
    )


def gallery_item(prediction: Prediction, place: int, told: Told) -> str:
    """One picture.  place: number of its class among the buttons"""
    name, probability = prediction.classes[0]
    kind = told.kinds.get(name, "chosen")
    path = escape(str(prediction.image))
    truth = ""
    if told.labels:
        how, words = mark(told.labels, prediction)
        truth = f'<p class="truth {how}">{escape(words)}</p>'
    wrong = " data-wrong" if is_wrong(told.labels, prediction) else ""
    attributes = attributes_in_words(prediction)
    return (
        f'<li data-class="{place}" data-name="{path}"{wrong}>{thumbnail(prediction.image, told.bands)}<div>'
        f'<h3 class="{kind}">{escape(name)}<span>{probability:.0%}</span></h3>'
        f'<meter value="{probability:.3f}" aria-label="probability">{probability:.0%}</meter>{truth}'
        f'<p>{escape(next_best(prediction))}</p><p class="attributes">{escape(attributes)}</p>'
        f'<p class="file" title="{path}">{escape(prediction.image.name)}</p></div></li>'
    )


def next_best(prediction: Prediction) -> str:
    """The classes after the one that was given, but for those of 0 %; and why one is more probable."""
    others = []
    for other, probability in prediction.classes[1 : 1 + OTHERS]:
        percent = f"{probability:.0%}"
        if percent != "0%":
            others.append(f"{other} {percent}")
    words = ", ".join(others)
    return f"{words} ({CALIBRATED})" if is_calibrated(prediction) else words


def attributes_in_words(prediction: Prediction) -> str:
    """The first attributes with their numbers; of contributions, those that add anything."""
    strongest = prediction.attributes[:ATTRIBUTES_SHOWN]
    if prediction.told == CLIP_SHARES:
        return ", ".join(f"{told.name} {told.number:.0%}" for told in strongest)
    if prediction.told == ATTENTION_SHARES:
        return ", ".join(f"{told.name} {told.number:+.0%}" for told in strongest)
    return reasons([(in_words(told.name, told.score), told.number) for told in strongest], prediction.lead)


def thumbnail(file: Path, bands: Optional[List[int]]) -> str:
    """A small picture, or words if the file is no picture any more."""
    try:
        image = read_image(file, bands)
    except InputError:
        return '<span class="gone">the picture is not there any more</span>'
    image.thumbnail((THUMBNAIL, THUMBNAIL))
    return picture(image, file.name, quality=75)


# ---- charts and tables -----------------------------------------------------------------------------


def class_counts(counts: Counter, kinds: Mapping[str, str]) -> str:
    """Bars: how many images were given each class."""
    total = sum(counts.values())
    bars = []
    for name, images in counts.most_common():
        tip = f"{name}\n{images} of {total} images"
        bars.append(Bar(name, images, kinds.get(name, "chosen"), tip))
    chart = bar_chart("images of each class", bars, high=max(counts.values()), digits=".0f")
    return kind_legend(counts, kinds) + figure("Images of each class", "", chart)


def prediction_table(predictions: Sequence[Prediction], total: int) -> str:
    """All classes of each image, with their probabilities.  total: the images of which these were taken"""
    most = max((len(prediction.classes) for prediction in predictions), default=0)
    head = ["image"]
    for place in range(1, most + 1):
        head += [f"class {place}", f"probability {place}"]
    rows = []
    for prediction in predictions:
        row: list = [prediction.image]
        for pair in prediction.classes:
            row += pair
        rows.append(row + [""] * (len(head) - len(row)))
    words = []
    if len(predictions) < total:
        words.append("Of the images shown; predictions.csv has all.")
    if any(is_calibrated(prediction) for prediction in predictions):
        words.append(f"Classes are {CALIBRATED}, which predictions.csv has.")
    remark = note(" ".join(words)) if words else ""
    return remark + table("Predictions", head, rows, digits=".4f")


def failure_table(failed: Sequence[Prediction]) -> str:
    """Images that could not be read, and why."""
    title = "Images that could not be read"
    if len(failed) > LISTED_UNREADABLE:
        title = f"The first {LISTED_UNREADABLE} images that could not be read"
    rows = [(prediction.image, prediction.error) for prediction in failed[:LISTED_UNREADABLE]]
    return table(title, ["image", "why"], rows)
