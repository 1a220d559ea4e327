"""How an answer is shown on the page of app.py: bars, maps, windows, scores, each with the right numbers."""

import base64
import io
import re
from dataclasses import replace
from html import unescape

import numpy as np
import pytest
from PIL import Image

from inference import load_run
from inference.contributions import Contributions
from pages.app_ranking import percent
from pages.app_views import Shown, answer, steps


def altered(shown: Shown, **changes) -> Shown:
    """With other values of its prediction."""
    values = {**vars(shown.found), **changes}
    return Shown(shown.classifier, shown.square, type(shown.found)(**values), shown.label)


@pytest.fixture(scope="module")
def shown(place) -> Shown:
    """An image of the class 1, that a run has named."""
    classifier = load_run(place / "run", "cpu")
    square = classifier.prepare(place / "RSSDIVCS/Class1/image_4.png")[0]
    return Shown(classifier, square, classifier.predict(square))


def test_a_lack_is_told_as_a_lack_and_has_no_map(shown):
    names = shown.found.attribute_names
    deciding = np.array([[-1.0, 2.0, -3.0, 0.1, -0.1][: len(names)]])
    contributions = np.array([[1.0, 0.5, 0.3, -0.2, -0.3][: len(names)]])
    html = answer(altered(shown, deciding=deciding, contributions=contributions))
    told = re.findall(r"<b>(.*?)</b>", re.search(r'<ul class="steps".*?</ul>', html)[0])
    assert told == [f"less {names[0]}", names[1], f"less {names[2]}", "2 others", "lead"]
    assert "“Less” means" in html
    assert re.findall(r"<figcaption><b>(.*?)</b>", html) == [names[1]]


def test_maps_are_those_of_the_attributes_that_are_seen(shown):
    html = answer(shown)
    found = Contributions(shown.found.deciding[0], shown.found.contributions[0])
    seen = [a for a in found.seen_first(3) if found.scores[a] > 0]
    names = [shown.found.attribute_names[a] for a in seen]
    assert re.findall(r"<figcaption><b>(.*?)</b>", html) == names
    for a, heat, (left, top) in zip(seen, heats(html), rings(html)):
        attention = shown.found.maps[0, a]
        grid = len(attention)
        row, column = np.unravel_index(attention.argmax(), attention.shape)
        assert (left, top) == pytest.approx((100 * (column + 0.5) / grid, 100 * (row + 0.5) / grid), abs=0.1)
        assert heat.mode == "RGBA" and heat.size == (8 * grid, 8 * grid)
        assert heat.getchannel("A").getextrema() == (64, 191)  # a quarter to three quarters


def heats(html: str) -> list:
    sources = re.findall(r'<img class="heat" src="data:image/png;base64,([^"]*)"', html)
    return [Image.open(io.BytesIO(base64.b64decode(source))) for source in sources]


def rings(html: str) -> list:
    found = re.findall(r'class="ring" style="left:([\d.]+)%;top:([\d.]+)%"', html)
    return [(float(left), float(top)) for left, top in found]


def test_without_an_attribute_that_is_seen_there_is_no_map(shown):
    html = answer(altered(shown, deciding=-np.abs(shown.found.deciding)))
    assert "there is no map" in html and "<figcaption>" not in html


@pytest.mark.parametrize("branch, words", [("attention", "branch that decides"), ("projection", "sees it")])
def test_whose_maps_they_are_is_said(shown, monkeypatch, branch, words):
    monkeypatch.setattr(shown.classifier.run, "branch", branch)
    text = re.sub("<[^>]*>", "", unescape(answer(shown)))
    assert f"Maps: {'attention of the ' if branch == 'attention' else 'where the model '}{words}" in text
    assert "because of" not in text


def test_a_score_of_no_place_is_marked(shown, monkeypatch):
    monkeypatch.setattr(shown.classifier.run, "branch", "attention")
    deciding, contributions = np.ones_like(shown.found.deciding), np.ones_like(shown.found.contributions)
    peaks = shown.found.maps.max(axis=(2, 3))
    values = {"deciding": deciding, "contributions": contributions}
    at_peaks = answer(altered(shown, attributes=peaks, **values))
    above = answer(altered(shown, attributes=peaks + 1, **values))
    assert at_peaks.count("*</span></figcaption>") == 0 and above.count("*</span></figcaption>") == 3


def test_the_window_is_drawn_where_it_is(shown):
    size = shown.square.shape[-1]
    html = answer(altered(shown, windows=np.array([[size // 4, 0, size // 2, size]])))
    assert "top:25%;left:0%;height:50%;width:100%" in html


@pytest.mark.parametrize("is_centred", [False, True])
def test_all_scores_are_there(shown, is_centred):
    """Where what decides is counted from the mean image, the attention branch's scores stand beside it."""
    found = shown.found
    deciding = found.attributes - 0.5 if is_centred else found.attributes
    columns = [found.contributions[0], deciding[0], *([found.attributes[0]] if is_centred else [])]
    table = re.search("<table>.*</table>", answer(altered(shown, deciding=deciding)))[0]
    rows = [re.findall(r">([^<]+)</t", row) for row in re.findall("<tr>.*?</tr>", table)[1:]]
    values = {name: list(map(float, numbers)) for name, *numbers in rows}
    for a, name in enumerate(found.attribute_names):
        assert values[name] == pytest.approx([column[a] for column in columns], abs=6e-4)
    added = [numbers[0] for numbers in values.values()]
    assert added == sorted(added, reverse=True)


def test_calibration_is_said_where_the_order_is_another(shown):
    candidates = shown.classifier.candidates
    assert candidates.calibration
    probabilities = np.array([[0.1 if kind == "unseen" else 0.3 for kind in candidates.kinds]])
    held_back = altered(shown, probabilities=probabilities, scores=-probabilities)
    words = "ranked as if it had 10.0 percentage points less (calibrated stacking)"
    assert words in answer(held_back)
    assert words not in answer(altered(shown, probabilities=probabilities, scores=probabilities))


@pytest.fixture
def of_many(place) -> Shown:
    """The same among nine classes."""
    classifier = load_run(place / "run", "cpu").with_classes("pier", "quay", "dune", "mine")
    square = classifier.prepare(place / "RSSDIVCS/Class1/image_4.png")[0]
    return Shown(classifier, square, classifier.predict(square))


def of_ranking(html: str) -> tuple:
    """Names that are shown at once, those that are not, and the words above these."""
    section = re.search("<h3>Ranking</h3>.*?</section>", html)[0]
    above, _, below = section.partition("<details")
    summary = re.search("<summary>(.*?)</summary>", below)
    names = [re.findall(r"<b>([^<]*)</b><i>", part) for part in (above, below)]
    return (*names, summary[1] if summary else "")


def test_what_is_not_shown_at_once_is_counted_with_its_probability(of_many):
    probabilities = np.array([[0.4, 0.3, 0.1, 0.09, 0.05, 0.03, 0.02, 0.008, 0.002]])
    names = [name.lower() for name in of_many.found.class_names]
    html = answer(altered(of_many, probabilities=probabilities, scores=probabilities))
    assert of_ranking(html) == (names[:5], names[5:], "4 more classes, 6.0 % together")
    assert "held back" not in html


def test_probable_classes_that_calibrated_stacking_has_put_lower_are_shown(of_many):
    probabilities = np.array([[0.3, 0.02, 0.02, 0.01, 0.01, 0.04, 0.2, 0.15, 0.25]])
    scores = -np.arange(9.0)[None]
    names = [name.lower() for name in of_many.found.class_names]
    shown, hidden, words = of_ranking(answer(altered(of_many, probabilities=probabilities, scores=scores)))
    assert shown == [*names[:5], names[8], names[6], names[7]]
    assert hidden == [names[5]] and words == "1 more class, 4.0 %"
    rest = probabilities[:, [0, 1, 2, 3, 4, 8, 6, 7, 5]].copy()
    rest[0, 5:] = 0.005  # none is more probable than those that are shown
    assert of_ranking(answer(altered(of_many, probabilities=rest, scores=scores)))[0] == names[:5]


def test_the_file_and_doubts_stand_beside_the_picture(shown):
    html = answer(replace(shown, file="a <b>.jpg", doubts=("it is < drawn",)))
    header = re.search("<header>.*?</header>", html)[0]
    assert (
        '<p class="file">a &lt;b&gt;.jpg</p>' in header and '<p class="doubt">it is &lt; drawn</p>' in header
    )
    assert 'class="file"' not in answer(shown) and 'class="doubt"' not in answer(shown)


def test_each_bar_starts_where_the_one_before_ends():
    html = steps([("sand", 2.0), ("less water", 1.5), ("3 others", -0.5)], 3.0)
    starts = [float(start) for start in re.findall(r"--start:([\d.e-]+)", html)]
    lengths = [float(length) for length in re.findall(r"--length:([\d.e-]+)", html)]
    assert starts == [0, 2, 3, 0] and lengths == [2, 1.5, 0.5, 3]
    assert '<li class="minus"><b>3 others</b>' in html and "<span>-0.5</span>" in html


def test_percent():
    shown = [percent(value) for value in (1, 0.5, 0.0006, 0.0004, 0)]
    assert shown == ["100.0 %", "50.0 %", "0.1 %", "< 0.1 %", "0.0 %"]
