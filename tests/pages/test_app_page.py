"""What the page of app.py shows, without a browser and without gradio."""

import base64
import io
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from app_reader import add, ranked, refused, words_of
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from inference import Classifier, NewClass, load_clip, load_run
from inference.offered import Models, Offer
from pages import app_classes, app_errors, app_page
from pages.app_dataset import find_examples
from pages.app_frame import app_head
from pages.app_page import Asked, name_picture, panel_link
from pages.panels import draw_attention
from support.errors import InputError

# ---- an answer -------------------------------------------------------------------------------------


def test_the_ranking_is_that_of_the_run(models, run_offer, place, pictures):
    found = load_run(place / "run", "cpu").predict(pictures[4])
    order = np.argsort(-found.scores[0], kind="stable")
    html = name_picture(models, Asked(run_offer, pictures[4], own="all"))
    shown = ranked(html)
    assert [name for name, _ in shown] == [found.class_names[k].lower() for k in order]
    np.testing.assert_allclose([value for _, value in shown], found.probabilities[0, order], rtol=1e-5)
    assert f"<h2>{found.classes[0].lower()}</h2>" in html


def test_reasons_add_up_to_the_lead(models, run_offer, pictures):
    found = models.classifier(run_offer, "all").predict(pictures[4])
    html = name_picture(models, Asked(run_offer, pictures[4], own="all"))
    steps_of = re.search(r'<ul class="steps".*?</ul>', html)[0]
    numbers = [float(number) for number in re.findall(r"<span>([-+\d.]+)</span>", steps_of)]
    assert sum(numbers[:-1]) == pytest.approx(numbers[-1], abs=0.005 * len(numbers))
    assert numbers[-1] == pytest.approx(found.contributions.sum(), abs=0.051)
    lengths = [float(length) for length in re.findall(r"--length:([\d.e-]+)", steps_of)]
    assert lengths[-1] == pytest.approx(abs(found.contributions.sum()), rel=1e-4)


def test_one_candidate_has_no_reason(models, run_offer, pictures):
    html = name_picture(models, Asked(run_offer, pictures[0], own="none", typed="wind farm"))
    assert "With one candidate there is nothing to compare" in html and ranked(html) == [("wind farm", 1.0)]


def test_whether_it_is_right_is_said_if_that_is_known(models, run_offer, pictures):
    classifier = models.classifier(run_offer, "all")
    best = classifier.predict(pictures[4]).classes[0]
    other = next(name for name in classifier.candidates.names if name != best)

    def text(label):
        return words_of(name_picture(models, Asked(run_offer, pictures[4], label, own="all")))

    assert "The picture is of" not in text("")
    assert f"Right. The picture is of the class {best.lower()}." in text(best)
    assert f"Wrong. The picture is of the class {other.lower()}." in text(other)
    assert "The picture is of the class class9, which is no candidate." in text("Class9")


def test_an_added_class_is_not_called_wrong(models, run_offer, pictures):
    html = name_picture(models, Asked(run_offer, pictures[0], "Class1", own="none", typed="a\nb"))
    assert "Wrong" not in html


def test_a_clip_alone_gives_no_reasons(models, clip_offer, place, pictures):
    html = name_picture(models, Asked(clip_offer, pictures[0], typed="airport\nport: ships, piers"))
    found = load_clip(place / "clip", ["airport", "port: ships, piers"], device="cpu").predict(pictures[0])
    shown = dict(ranked(html.split("What CLIP sees")[0]))
    expected = dict(zip(found.class_names, found.probabilities[0]))
    assert shown == pytest.approx(expected, rel=1e-5)
    attributes = ranked(html.split("What CLIP sees")[1])
    assert attributes[0][1] == pytest.approx(found.attributes[0].max(), rel=1e-5)
    text = words_of(html)
    assert "whatever the class" in text and "Reasons" not in text and "Maps:" not in text
    assert '<figure class="square">' in html and 'class="window"' not in html


def test_names_are_no_html(models, run_offer, pictures):
    name = "<b onclick>& ${1}</b>"
    html = name_picture(models, Asked(run_offer, pictures[0], own="none", typed=f"{name}\nother: <i>"))
    assert "<b onclick" not in html and "&lt;b onclick" in html and "<i>" not in html.replace("<i><s", "")


def test_an_answer_names_its_file(models, run_offer, clip_offer, tmp_path, pictures):
    shutil.copy(pictures[0], tmp_path / "my <port>.png")
    for offer in (run_offer, clip_offer):
        html = name_picture(models, Asked(offer, tmp_path / "my <port>.png", typed="a\nb"))
        assert '<p class="file">my &lt;port&gt;.png</p>' in html


# ---- the panel -------------------------------------------------------------------------------------


def test_the_download_is_the_panel(models, run_offer, place, pictures):
    link = panel_link(models, Asked(run_offer, pictures[4], "Class1", own="all"))
    name, source = re.search(r'download="([^"]*)"', link)[1], re.search(r"base64,([^\"]*)", link)[1]
    panel = Image.open(io.BytesIO(base64.b64decode(source)))
    expected = draw_attention(load_run(place / "run", "cpu"), pictures[4], "Class1")
    assert name == f"{pictures[4].stem}_attention.png" and panel.tobytes() == expected.tobytes()


def test_there_is_no_panel_without_maps_or_picture(models, run_offer, clip_offer, tmp_path, pictures):
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"nothing")
    for asked in (
        Asked(clip_offer, pictures[0], typed="a\nb"),
        Asked(run_offer, None),
        Asked(run_offer, broken),
    ):
        assert panel_link(models, asked) == ""


# ---- what is wrong is a sentence -------------------------------------------------------------------


def test_before_there_is_a_picture_nothing_is_wrong(models, run_offer):
    assert "Drop a picture" in name_picture(models, Asked(run_offer, None))


def test_a_corrupt_picture(models, run_offer, tmp_path):
    file = tmp_path / "my picture.png"
    file.write_bytes(b"nothing")
    text = refused(name_picture(models, Asked(run_offer, file)))
    assert text.startswith("Cannot read the image my picture.png: ") and text.endswith(".")
    assert str(tmp_path) not in text


def test_too_large_a_picture(models, run_offer, tmp_path):
    file = tmp_path / "large.png"
    Image.new("1", (20000, 20000)).save(file)
    expected = (
        "The picture large.png has too many pixels for this page: drop a smaller picture, or a part of it."
    )
    assert refused(name_picture(models, Asked(run_offer, file))) == expected
    new, said = add(models, run_offer, "port", [file])
    assert new is None and refused(said) == expected


@pytest.mark.parametrize(
    "typed, words",
    [
        ("Class1", "Class1 is a class of the run, so give the new class another name."),
        ("port\nPort", "Port is named twice, so give the new class another name."),
        ("port:", "The class 'port:' cannot be read: write its name, or"),
        (":", "The class ':' cannot be read"),
        ("port=/etc/*.png", "pictures of a class are dropped below"),
    ],
)
def test_classes_that_cannot_be(models, run_offer, pictures, typed, words):
    text = refused(name_picture(models, Asked(run_offer, pictures[0], own="all", typed=typed)))
    assert words in text and "--" not in text


def test_no_class_is_left(models, run_offer, clip_offer, pictures):
    assert "No class is left" in refused(name_picture(models, Asked(run_offer, pictures[0], own="none")))
    assert "type some, one a line" in refused(name_picture(models, Asked(clip_offer, pictures[0])))


def test_a_run_that_has_vanished(models, tmp_path, pictures):
    gone = Offer("my run", tmp_path / "gone", is_run=True)
    assert "My run is not there any more" in refused(name_picture(models, Asked(gone, pictures[0])))
    about, own, first = app_page.describe_offer(models, gone)
    assert "My run is not there any more" in refused(about) and (own, first) == ([], "")
    assert find_examples(models, [gone], gone) == [] and app_page.warm_up(models, gone) is None


@pytest.mark.parametrize(
    "message, told",
    [
        ("--add_class: 'x' is no name", "'x' is no name."),
        ("no class is left: name fewer in --without, or add some", "No class is left."),
        ("it has 5 bands: --bands says which (--bands 4 3 2 for Sentinel-2)", "It has 5 bands."),
        ("it has 4 bands (--bands chooses)", "It has 4 bands."),
        ("not known: annotate.py tells. predict.py --class_values works without", "Not known."),
        (
            "x is a run without a checkpoint: the same command of main.py goes on",
            "X is a run without a checkpoint.",
        ),
        ("cannot read photo.py.png: it is -- cut off", "Cannot read photo.py.png: it is -- cut off."),
        ("--x is named twice, so give another name", "--x is named twice, so give another name."),
    ],
)
def test_nobody_is_told_of_options_and_programs(message, told):
    assert app_errors.sentence(InputError(message)) == told


def test_a_broken_run_is_told_by_its_name(models, place, tmp_path, pictures):
    shutil.copytree(place / "run", tmp_path / "broken")
    for file in (tmp_path / "broken").glob("*.safetensors"):
        file.write_bytes(b"nothing")
    broken = Offer("my/run", tmp_path / "broken", is_run=True)
    for html in (
        name_picture(models, Asked(broken, pictures[0])),
        app_page.describe_offer(models, broken)[0],
    ):
        assert refused(html).startswith("My/run/")
        assert "is not a readable checkpoint" in html and str(tmp_path) not in html


def test_a_run_whose_clip_has_moved_still_names_its_own_classes(models, place, tmp_path, pictures):
    shutil.copytree(place / "run", tmp_path / "run")
    for file in (tmp_path / "run").glob("*.safetensors"):
        weights = load_file(file)
        with safe_open(file, "pt") as stored:
            facts = stored.metadata()
        facts = {name: text.replace(str(place / "clip"), "/gone/clip") for name, text in facts.items()}
        save_file(weights, file, facts)
    moved = Offer("a run", tmp_path / "run", is_run=True)
    assert "Ranking" in name_picture(models, Asked(moved, pictures[0], own="all"))
    new = NewClass("port", "port", tuple(map(str, pictures[:2])))
    for asked in (Asked(moved, pictures[0], typed="port"), Asked(moved, pictures[0], pictured=(new,))):
        text = refused(name_picture(models, asked))
        assert text == "The CLIP that described the run's classes was in /gone/clip and is not there."


def test_a_mistake_of_the_program_is_a_sentence_too_and_a_traceback_on_its_console(
    models, run_offer, pictures, capsys, monkeypatch
):
    monkeypatch.setattr(app_page, "answer", lambda shown: 1 / 0)
    text = refused(name_picture(models, Asked(run_offer, pictures[0], own="all")))
    assert "its console says what" in text and "ZeroDivisionError" in capsys.readouterr().err


def test_a_mistake_of_the_program_in_any_part_of_the_page(
    run_offer, clip_offer, pictures, capsys, monkeypatch
):
    monkeypatch.setattr(Models, "run", lambda *_: 1 / 0)
    monkeypatch.setattr(Models, "classifier", lambda *_: 1 / 0)
    monkeypatch.setattr(app_classes, "read_image", lambda _: 1 / 0)
    models = Models("cpu")
    for html in (
        name_picture(models, Asked(run_offer, pictures[0])),
        app_page.describe_offer(models, run_offer)[0],
        add(models, run_offer, "port", pictures[:1])[1],
    ):
        assert "its console says what" in refused(html)
    assert (
        panel_link(models, Asked(run_offer, pictures[0])) == ""
        and find_examples(models, [run_offer], clip_offer) == []
    )
    assert capsys.readouterr().err.count("ZeroDivisionError") == 5


# ---- the page itself -------------------------------------------------------------------------------


def test_the_colours_are_those_of_the_report():
    head = app_head()
    colours = (Path(app_page.__file__).with_name("colours.css")).read_text(encoding="utf-8")
    assert colours in head and "http" not in head and "url(" not in head and "@import" not in head


def test_a_classifier_is_not_changed_by_what_is_shown(models, run_offer, pictures):
    classifier = models.classifier(run_offer, "all")
    assert isinstance(classifier, Classifier)
    before = torch.get_rng_state()
    name_picture(models, Asked(run_offer, pictures[0], own="all", typed="wind farm"))
    assert torch.equal(before, torch.get_rng_state()) and "wind farm" not in classifier.candidates.names
