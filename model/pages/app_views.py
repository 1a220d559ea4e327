"""What the page of app.py shows, as HTML: a picture's class, the ranking, the reasons, the maps, the scores.

Plain words in, HTML out. app.css has the looks; nothing here knows of a server or a browser.

Shapes: `K` candidates, `A` attributes, pictures of `S x S` pixels.
"""

from dataclasses import dataclass
from html import escape
from typing import List, Sequence, Tuple

import numpy as np
from torch import Tensor

from data.names import readable, spelling
from inference.arrays import Prediction
from inference.classifier import BaseClassifier, Classifier
from inference.contributions import SEEN_LESS, Contributions, digits, in_words
from pages.app_maps import maps, photo, window
from pages.app_ranking import IN_TRAINING, css_kind, percent, ranking, share
from pages.html import coloured, details, note

REASONS = 6  # attributes that are told


@dataclass(frozen=True)
class Shown:
    """A picture that has been named.

    square: uint8 [3, S, S], what the network sees of it
    found:  of this one picture
    file:   its name
    label:  the class that it is known to be of, "" if it is not known
    doubts: what is to be known before it is believed, as sentences
    notes:  what is to be said beside
    """

    classifier: BaseClassifier
    square: Tensor
    found: Prediction
    file: str = ""
    label: str = ""
    doubts: Tuple[str, ...] = ()
    notes: Tuple[str, ...] = ()


# ---- whole answers ---------------------------------------------------------------------------------


def refusal(sentence: str) -> str:
    """What went wrong."""
    return f'<div class="dsva refusal" role="alert"><p>{escape(sentence)}</p></div>'


def remark(words: str) -> str:
    """A line below an input."""
    return f'<div class="dsva remark" role="status"><p>{escape(words)}</p></div>' if words else ""


def answer(shown: Shown) -> str:
    """All there is to say of a picture."""
    classifier = shown.classifier
    parts = [headline(shown), '<div class="pair">', section("Ranking", ranking(classifier, shown.found))]
    if isinstance(classifier, Classifier):
        found = contributions_of(shown.found)
        parts += [section("Reasons", reasons(shown, found)), "</div>"]
        seen = maps(shown.square, shown.found, classifier, found)
        parts.append(section("Where the model sees it", seen))
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
    by = kind if "picture" in kind else f"its {kind}"
    words = IN_TRAINING.get(kind, f"a class by {by}")
    seen = photo(shown.square, "the square that the model sees")
    seen += window(shown.found, shown.square.shape[-1])
    told = f'<p class="file">{escape(shown.file)}</p>' if shown.file else ""
    told += whether_right(shown, name, kind) if shown.label else ""
    for doubt in shown.doubts:
        told += f'<p class="doubt">{escape(doubt)}</p>'
    return (
        f'<header><figure class="square">{seen}</figure><div>'
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


# ---- scores ----------------------------------------------------------------------------------------


def run_scores(shown: Shown, branch: str) -> str:
    """All attributes, those that add most first."""
    found = contributions_of(shown.found)
    attention = shown.found.attributes[0]
    # of the attention branch, too, if in our recipe it decides by scores that count from the mean image
    decides = "score that decides" if branch == "attention" else f"score, {branch} branch"
    columns = {"adds, in logits": found.values, decides: found.scores}
    if not np.array_equal(found.scores, attention):
        columns["score, attention branch"] = attention
    rows = []
    for a in found.strongest(len(found.values)):
        numbers = [f"{column[a]:+.3f}" for column in columns.values()]
        rows.append((shown.found.attribute_names[a], numbers))
    return numbers_table(list(columns), rows)


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
