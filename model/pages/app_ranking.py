"""The ranking on the page of app.py: bars of the candidates, none of which hides how probable the others are.

Shapes: `K` candidates.
"""

from html import escape
from typing import List, Sequence

import numpy as np

from data.names import readable
from inference.arrays import Prediction
from inference.classifier import BaseClassifier, Classifier
from pages.html import details, kind_legend, note

RANKED = 5  # classes that are shown at once
HELD_BACK = 3  # more probable ones that calibrated stacking has put below them, shown as well
SMALLEST = 0.0005  # a probability below it would be told as 0.0 %
IN_TRAINING = {"seen": "a class seen in training", "unseen": "a class never seen in training"}


def ranking(classifier: BaseClassifier, found: Prediction) -> str:
    """The candidates of one picture, the first one first, with their probabilities.

    Most of the probability may be where calibrated stacking has put it, below the first few. So the most
    probable ones of these are shown, too, and what all others have together.
    """
    probabilities = found.probabilities[0]
    kinds = [css_kind(classifier, kind) for kind in classifier.candidates.kinds]
    order = np.argsort(-found.scores[0], kind="stable")

    def entries(chosen: Sequence[int], start: int = 1) -> str:
        bars = [share(kinds[k], readable(found.class_names[k]), float(probabilities[k])) for k in chosen]
        begins = f' start="{start}"' if start > 1 else ""
        return f'<ol class="ranking"{begins}>{"".join(bars)}</ol>'

    first, below = order[:RANKED], order[RANKED:]
    held_back = held_back_most(probabilities, first, below)
    rest = [k for k in below if k not in held_back]
    listed = entries(first)
    if held_back:
        listed += '<p class="held">More probable than some of these, but held back:</p>'
        listed += entries(held_back, RANKED + 1)
    if rest:
        words = rest_in_words(probabilities[rest])
        listed += details(words, [entries(rest, RANKED + len(held_back) + 1)])
    words = ""
    if isinstance(classifier, Classifier):
        words = kind_legend(found.class_names, dict(zip(found.class_names, kinds)))
    if (np.diff(probabilities[order]) > 0).any():
        words += note(
            "A network prefers the classes that it was trained on. So each of them is ranked as if it had "
            f"{percent(classifier.candidates.calibration, ' percentage points')} less (calibrated stacking)."
        )
    return listed + words


def held_back_most(probabilities: np.ndarray, first: np.ndarray, below: np.ndarray) -> List[int]:
    """Of the classes that are ranked below the first ones, those that are more probable than one of these.

    probabilities: [K];  first, below: numbers of classes.  The most probable comes first
    """
    by_probability = below[np.argsort(-probabilities[below], kind="stable")][:HELD_BACK]
    return [k for k in by_probability if probabilities[k] > probabilities[first].min()]


def rest_in_words(probabilities: np.ndarray) -> str:
    """Of classes that are not shown at once: how many there are, and how probable they are together."""
    if len(probabilities) == 1:
        return f"1 more class, {percent(probabilities[0])}"
    return f"{len(probabilities)} more classes, {percent(probabilities.sum())} together"


def share(kind: str, words: str, value: float) -> str:
    """A bar in a ranking.  kind: CSS class;  value: 0 to 1"""
    return (
        f'<li class="{kind}" data-value="{value:.6g}"><b>{escape(words)}</b>'
        f'<i><s style="width:{value:.2%}"></s></i><span>{escape(percent(value))}</span></li>'
    )


def css_kind(classifier: BaseClassifier, kind: str) -> str:
    """The CSS class of a candidate: its colour."""
    return kind if isinstance(classifier, Classifier) and kind in IN_TRAINING else "chosen"


def percent(probability: float, unit: str = " %") -> str:
    """One decimal."""
    return ("< 0.1" if 0 < probability < SMALLEST else f"{100 * probability:.1f}") + unit
