"""What the page of app.py shows, as HTML: a picture's class, the ranking, the reasons, the maps, the scores.

Plain words in, HTML out. app.css has the looks; nothing here knows of a server or a browser.

Shapes: `K` candidates, `A` attributes, pictures of `S x S` pixels.
"""

import base64
import io
from dataclasses import dataclass
from html import escape
from typing import List, Sequence, Tuple

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from data.names import readable, spelling
from inference.arrays import Prediction
from inference.classifier import BaseClassifier, Classifier
from inference.contributions import SEEN_LESS, Contributions, digits, in_words, of_lead
from pages.attention_maps import heat_picture, peak_of
from pages.gallery import kind_legend
from pages.html import coloured, details, note, picture, read_part
from pages.panels import NO_PLACE, whose_maps

RANKED = 5  # classes that are shown at once
REASONS = 6  # attributes that are told
MAPS = 3  # attributes whose maps are shown
SMALLEST = 0.0005  # a probability below it would be told as 0.0 %
IN_TRAINING = {"seen": "a class seen in training", "unseen": "a class never seen in training"}
ABOUT_CLIP = "A CLIP alone, without training: it chooses among the classes that you type."
WELCOME = "Drop a picture, or pick one. Here you will see its class, the reasons, and where the model looks."


@dataclass(frozen=True)
class Shown:
    """A picture that has been named.

    square: uint8 [3, S, S], what the network sees of it
    found:  of this one picture
    label:  the class that it is known to be of, "" if it is not known
    notes:  what is to be said beside
    """

    classifier: BaseClassifier
    square: Tensor
    found: Prediction
    label: str = ""
    notes: Tuple[str, ...] = ()


# ---- whole answers ---------------------------------------------------------------------------------


def app_head() -> str:
    """For <head>: the looks, and no icon that would have to be fetched."""
    css = read_part("colours.css") + read_part("app.css")
    return f'<link rel="icon" href="data:,"><style>{css}</style>'


def into_view() -> str:
    """JavaScript that scrolls to the answer, if it begins outside of what is seen: as on a phone."""
    return """() => {
      const top = document.querySelector("#answers").getBoundingClientRect().top;
      if (top < 0 || top > innerHeight - 160)
        document.querySelector("#answers").scrollIntoView({block: "start"});
    }"""


def title_of_page() -> str:
    """What stands above it all."""
    return (
        '<header class="dsva head"><p class="kind">DSVA</p><h1>Name a picture</h1>'
        "<p>Drop an aerial or satellite picture. The model names its class, even one that it has never "
        "seen in training, and says why.</p></header>"
    )


def welcome() -> str:
    """Before there is a picture."""
    return f'<div class="dsva empty"><p>{escape(WELCOME)}</p></div>'


def refusal(sentence: str) -> str:
    """What went wrong."""
    return f'<div class="dsva refusal" role="alert"><p>{escape(sentence)}</p></div>'


def remark(words: str) -> str:
    """A line below an input."""
    return f'<div class="dsva remark" role="status"><p>{escape(words)}</p></div>' if words else ""


def answer(shown: Shown) -> str:
    """All there is to say of a picture."""
    classifier = shown.classifier
    parts = [headline(shown), '<div class="pair">', section("Ranking", ranking(shown))]
    if isinstance(classifier, Classifier):
        found = contributions_of(shown.found)
        parts += [section("Reasons", reasons(shown, found)), "</div>"]
        parts.append(section("Where the model sees it", maps(shown, classifier, found)))
        parts.append(details("All attribute scores", [run_scores(shown, classifier.run.branch)]))
    else:
        parts += [section("What CLIP sees", shares(shown)), "</div>"]
        parts.append(details("All attribute scores", [clip_scores(shown)]))
    if shown.notes:
        lines = "".join(f"<li>{escape(line)}</li>" for line in shown.notes)
        parts.append(f'<ul class="notes">{lines}</ul>')
    return f'<article class="dsva answer" aria-live="polite">{"".join(parts)}</article>'


def section(heading: str, body: str) -> str:
    """body: HTML"""
    return f"<section><h3>{escape(heading)}</h3>{body}</section>"


def contributions_of(found: Prediction) -> Contributions:
    """Of one picture that a run has named."""
    assert found.deciding is not None and found.contributions is not None  # of a run they are there
    return Contributions(found.deciding[0], found.contributions[0])


# ---- the class -------------------------------------------------------------------------------------


def headline(shown: Shown) -> str:
    """The picture with its window, and the class that it was given."""
    best = int(shown.found.scores[0].argmax())
    name = shown.found.class_names[best]
    kind = shown.classifier.candidates.kinds[best]
    by = kind if kind.endswith("pictures") else f"its {kind}"
    words = IN_TRAINING.get(kind, f"a class by {by}")
    told = whether_right(shown, name, kind) if shown.label else ""
    return (
        f'<header><figure class="square">{photo(shown)}{window(shown)}</figure><div>'
        f'<p class="kind {css_kind(shown.classifier, kind)}">{escape(words)}</p>'
        f"<h2>{escape(readable(name))}</h2>"
        f'<p class="sure">{escape(percent(shown.found.probabilities[0, best]))}</p>{told}</div></header>'
    )


def whether_right(shown: Shown, name: str, kind: str) -> str:
    """HTML: of a picture whose class is known. A class that a visitor has added may be right, too."""
    words = f"The picture is of the class {readable(shown.label)}"
    mark = ""
    if spelling(name) == spelling(shown.label):
        mark = coloured("plus", "Right.")
    elif spelling(shown.label) not in map(spelling, shown.found.class_names):
        words += ", which is no candidate"
    elif kind in IN_TRAINING:
        mark = coloured("minus", "Wrong.")
    return f'<p class="known">{mark}{escape(words)}.</p>'


def css_kind(classifier: BaseClassifier, kind: str) -> str:
    """The CSS class of a candidate: its colour."""
    return kind if isinstance(classifier, Classifier) and kind in IN_TRAINING else "chosen"


def percent(probability: float) -> str:
    """One decimal."""
    return "< 0.1 %" if 0 < probability < SMALLEST else f"{100 * probability:.1f} %"


def ranking(shown: Shown) -> str:
    """The candidates, the first one first, with their probabilities."""
    classifier, found = shown.classifier, shown.found
    probabilities = found.probabilities[0]
    kinds = [css_kind(classifier, kind) for kind in classifier.candidates.kinds]
    order = np.argsort(-found.scores[0], kind="stable")
    entries = []
    for k in order:
        entries.append(share(kinds[k], readable(found.class_names[k]), float(probabilities[k])))
    words = ""
    if isinstance(classifier, Classifier):
        words = kind_legend(found.class_names, dict(zip(found.class_names, kinds)))
    if (np.diff(probabilities[order]) > 0).any():
        words += note(
            f"The order is not that of the probabilities: {percent(classifier.candidates.calibration)} are "
            "taken from classes seen in training, which a network prefers (calibrated stacking)."
        )
    listed = f'<ol class="ranking">{"".join(entries[:RANKED])}</ol>'
    if len(entries) > RANKED:
        rest = f'<ol class="ranking" start="{RANKED + 1}">{"".join(entries[RANKED:])}</ol>'
        listed += details(f"{len(entries) - RANKED} more classes", [rest])
    return listed + words


def share(kind: str, words: str, value: float) -> str:
    """A bar in a ranking.  kind: CSS class;  value: 0 to 1"""
    return (
        f'<li class="{kind}" data-value="{value:.6g}"><b>{escape(words)}</b>'
        f'<i><s style="width:{value:.2%}"></s></i><span>{escape(percent(value))}</span></li>'
    )


# ---- reasons ---------------------------------------------------------------------------------------


def reasons(shown: Shown, found: Contributions) -> str:
    """Bars, each of which starts where the one before ends: together they are the lead."""
    if len(shown.found.class_names) < 2:
        return note("With one candidate there is nothing to compare, and no reason.")
    name = readable(shown.found.classes[0])
    told = [a for a in found.strongest(REASONS) if found.values[a] > 0]
    rows = []
    for a in told:
        words = in_words(shown.found.attribute_names[a], found.scores[a])
        rows.append((words, float(found.values[a])))
    untold = len(found.values) - len(told)
    if untold:
        rows.append((f"{untold} others", found.rest(np.array(told, int))))
    words = (
        f"What attributes add to the lead of {name} on the mean candidate, in logits. "
        "The bars add up to the lead."
    )
    if any(words.startswith(SEEN_LESS) for words, _ in rows):
        words += " “Less” means that the picture shows less of it than others, and that adds, too."
    return steps(rows, found.lead) + note(words)


def steps(rows: Sequence[Tuple[str, float]], lead: float) -> str:
    """rows: words, and what they add;  lead: what they add up to"""
    ends = np.cumsum([0.0, *(value for _, value in rows)])
    low, high = float(ends.min()), float(ends.max())
    decimals = digits(lead)
    entries = []
    for (words, value), start in zip(rows, ends):
        kind = "plus" if value >= 0 else "minus"
        entries.append(step(kind, words, f"{value:+.{decimals}f}", min(start, start + value), abs(value)))
    entries.append(step("lead", "lead", f"{lead:.{decimals}f}", min(0.0, lead), abs(lead)))
    scale = 100 / (high - low) if high > low else 0.0
    style = f"--low:{low:.6g};--scale:{scale:.6g}%"
    return f'<ul class="steps" style="{style}">{"".join(entries)}</ul>'


def step(kind: str, words: str, number: str, start: float, length: float) -> str:
    """One bar, in logits: CSS scales them all."""
    return (
        f'<li class="{kind}"><b>{escape(words)}</b>'
        f'<i><s style="--start:{start:.6g};--length:{length:.6g}"></s></i><span>{number}</span></li>'
    )


def shares(shown: Shown) -> str:
    """What a CLIP alone sees most, whatever the class."""
    scores = shown.found.attributes[0]
    names = shown.found.attribute_names
    entries = []
    for a in np.argsort(-scores, kind="stable")[:REASONS]:
        entries.append(share("other", names[a], float(scores[a])))
    return f'<ol class="ranking">{"".join(entries)}</ol>' + note(
        f"Shares of {len(names)} attributes, whatever the class. A CLIP alone gives no reasons and has no "
        "maps; a trained run has both."
    )


# ---- maps ------------------------------------------------------------------------------------------


def photo(shown: Shown, words: str = "the square that the model sees") -> str:
    """What the network sees, as <img>."""
    image = Image.fromarray(shown.square.permute(1, 2, 0).numpy())
    return picture(image, words, quality=90)


def window(shown: Shown) -> str:
    """A dashed frame over the picture, if there are windows."""
    if shown.found.windows is None:
        return ""
    top, left, height, width = (100 * shown.found.windows[0] / shown.square.shape[-1]).tolist()
    place = f"top:{top:.4g}%;left:{left:.4g}%;height:{height:.4g}%;width:{width:.4g}%"
    return f'<i class="window" style="{place}"></i>'


def maps(shown: Shown, classifier: Classifier, found: Contributions) -> str:
    """Attention of the strongest attributes that are seen, over the picture, with a ring at each peak."""
    assert shown.found.maps is not None  # of a run they are there
    branch = classifier.run.branch
    seen = [a for a in found.seen_first(MAPS) if found.scores[a] > 0]
    photograph = photo(shown, "")
    figures = []
    for a in seen:
        attention = torch.from_numpy(shown.found.maps[0, a])
        of_lead_in_words = of_lead(found.values[a], found.lead)
        if branch == "attention" and attention.max() < shown.found.attributes[0, a]:
            of_lead_in_words += NO_PLACE
        figures.append(map_figure(photograph, attention, shown.found.attribute_names[a], of_lead_in_words))
    second = "the model looks there a second time" if classifier.run.windows else "this run looks only once"
    words = f"{whose_maps(branch).capitalize()}. "
    if not figures:
        words = "No attribute that is seen adds to this class, so there is no map. "
    words += f"Dashed, in the picture above: the window that the strongest maps agree on; {second}."
    scale = '<p class="scale">least<i></i>most attention, each map by itself</p>' if figures else ""
    return f'<div class="maps">{"".join(figures)}</div>{scale}{note(words)}'


def map_figure(photograph: str, attention: Tensor, name: str, number: str) -> str:
    """One map [G, G] over the picture.  photograph: HTML;  number: what the attribute adds, in words"""
    across, down = peak_of(attention, 100)
    source = png_source(heat_picture(attention))
    words = escape(f"attention map of {name}: its peak is {across:.0f} % across and {down:.0f} % down")
    return (
        f'<figure><div class="square">{photograph}<img class="heat" src="{source}" alt="{words}">'
        f'<i class="ring" style="left:{across:.4g}%;top:{down:.4g}%"></i></div>'
        f"<figcaption><b>{escape(name)}</b> <span>{escape(number)}</span></figcaption></figure>"
    )


def download_link(panel: Image.Image, name: str) -> str:
    """The panel itself is in the link, so no file of it lies anywhere.  name: of the file"""
    width, height = panel.size
    return (
        f'<p class="dsva download"><a href="{png_source(panel)}" download="{escape(name)}">'
        f"Download the maps as PNG</a> <span>{width} × {height}</span></p>"
    )


def png_source(image: Image.Image) -> str:
    """For src or href."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return f"data:image/png;base64,{base64.b64encode(buffer.getvalue()).decode()}"


# ---- scores ----------------------------------------------------------------------------------------


def run_scores(shown: Shown, branch: str) -> str:
    """All attributes, those that add most first."""
    found = contributions_of(shown.found)
    rows = []
    for a in found.strongest(len(found.values)):
        name = shown.found.attribute_names[a]
        numbers = (found.values[a], found.scores[a], shown.found.attributes[0, a])
        rows.append((name, [f"{number:+.3f}" for number in numbers]))
    heads = ["adds, in logits", f"score, {branch} branch", "score, attention branch"]
    if branch == "attention":  # counted from the mean image, if there is a discriminant
        heads[1] = "score that decides"
    return numbers_table(heads, rows)


def clip_scores(shown: Shown) -> str:
    """All shares, the largest first."""
    scores = shown.found.attributes[0]
    order = np.argsort(-scores, kind="stable")
    rows = [(shown.found.attribute_names[a], [f"{scores[a]:.2%}"]) for a in order]
    return numbers_table(["share"], rows)


def numbers_table(heads: Sequence[str], rows: Sequence[Tuple[str, List[str]]]) -> str:
    """A table in a box that scrolls.  rows: the attribute and its numbers"""
    head = "".join(f'<th scope="col">{escape(name)}</th>' for name in heads)
    body = ""
    for name, numbers in rows:
        cells = "".join(f"<td>{number}</td>" for number in numbers)
        body += f'<tr><th scope="row">{escape(name)}</th>{cells}</tr>'
    return (
        '<div class="scroll" tabindex="0" role="group" aria-label="attribute scores"><table>'
        f'<thead><tr><th scope="col">attribute</th>{head}</tr></thead><tbody>{body}</tbody></table></div>'
    )


# ---- what can be chosen ----------------------------------------------------------------------------


def about_run(classifier: Classifier) -> str:
    """What a run is, in a line."""
    data = classifier.run.data
    return (
        f"A trained run: {len(data.seen)} classes seen in training, {len(data.unseen)} never seen, "
        f"{len(data.attribute_names)} attributes."
    )


def own_choices(classifier: Classifier) -> List[Tuple[str, str]]:
    """Words and value of what can be said of a run's own classes."""
    data = classifier.run.data
    return [
        (f"all {len(data.seen) + len(data.unseen)}", "all"),
        (f"the {len(data.unseen)} never seen in training", "unseen"),
        ("none, only those added", "none"),
    ]
