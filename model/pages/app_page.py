"""What happens on the page of app.py, without the page: a visitor's words and pictures in, HTML out.

Nothing is remembered from one call to the next but the weights in `Models`, so visitors do not mix. Whatever
is wrong becomes a sentence.
"""

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import List, Optional, Sequence, Tuple

from PIL import Image

from data.images import printable
from inference.candidates import default_classes
from inference.classifier import BaseClassifier, Classifier
from inference.new_classes import NewClass
from inference.offered import Models, Offer
from inference.pictures import prepared
from pages.app_classes import TYPED, check_pictured, names_of_lines, pictured_class, read_classes, taken_names
from pages.app_dataset import THUMBNAIL, has_seen_no_photograph, known_of
from pages.app_errors import said, sentence, told, without_advice
from pages.app_frame import NEVER_A_PHOTOGRAPH, about_clip, about_run, own_choices, welcome
from pages.app_maps import download_link
from pages.app_views import Shown, answer, remark
from pages.panels import draw_attention
from support.errors import InputError
from support.notes import quietly


@dataclass(frozen=True)
class Asked:
    """What a visitor wants to know.

    picture:  a file, None if there is none yet
    label:    the class that it is known to be of, "" if it is not known
    own:      which of a run's own classes compete, as of `Models.classifier`
    typed:    further classes, one a line
    pictured: further classes by pictures
    unticked: those that are not to compete
    name:     of a class by pictures that is not added yet
    files:    its pictures
    """

    offer: Offer
    picture: Optional[Path]
    label: str = ""
    own: Optional[str] = None
    typed: str = ""
    pictured: Tuple[NewClass, ...] = ()
    unticked: Tuple[NewClass, ...] = ()
    name: str = ""
    files: Tuple[str, ...] = ()

    @property
    def has_begun_a_class(self) -> bool:
        """Is something filled in of a class by pictures?"""
        return bool(self.name.strip() or self.files)


# ---- answers ---------------------------------------------------------------------------------------


def name_picture(models: Models, asked: Asked) -> str:
    """HTML: the answer, or why there is none."""
    if asked.picture is None:
        return welcome()
    return said(partial(named, models, asked), asked.picture, asked.offer)


def named(models: Models, asked: Asked) -> str:
    """HTML.  Raises InputError."""
    assert asked.picture is not None
    with models.busy:
        classifier = chosen_classifier(models, asked)
        with quietly() as notes:
            square = next(iter(prepared(asked.picture, classifier.preprocessing)))
        found = classifier.predict(square)
    lines = []
    for line in (*classifier.notes, *notes.values(), *found.notes):
        lines.append(without_advice(line.replace(str(asked.offer.place), asked.offer.name)))
    shown = Shown(
        classifier,
        square,
        found,
        file=printable(asked.picture.name),
        label=asked.label,
        doubts=tuple(doubts(models, asked)),
        notes=tuple(dict.fromkeys(lines)),
    )
    return answer(shown)


def doubts(models: Models, asked: Asked) -> List[str]:
    """What is to be known before an answer is believed, as sentences."""
    found = []
    if not asked.label and has_seen_no_photograph(models, asked.offer):
        found.append(NEVER_A_PHOTOGRAPH)
    if asked.has_begun_a_class:
        found.append(why_not_added(models, asked))
    return found


def chosen_classifier(models: Models, asked: Asked) -> BaseClassifier:
    """With the visitor's classes. Raises InputError."""
    typed = read_classes(asked.typed)
    check_pictured(asked.pictured, own_names(models, asked.offer), [new.name for new in typed])
    return models.classifier(asked.offer, asked.own, [*typed, *asked.pictured])


def own_names(models: Models, offer: Offer) -> Sequence[str]:
    """Of a run's classes, seen and unseen; a CLIP has none. Raises InputError if it cannot be loaded."""
    return models.run(offer).run.data.class_names if offer.is_run else []


def panel_link(models: Models, asked: Asked) -> str:
    """HTML: a link that downloads the attention panel; "" of a CLIP alone, or where there is no answer."""
    if asked.picture is None or not asked.offer.is_run:
        return ""
    try:
        with models.busy:
            classifier = chosen_classifier(models, asked)
            assert isinstance(classifier, Classifier)  # since it is a run
            panel = draw_attention(classifier, asked.picture, asked.label or None)
    except Exception as error:  # of which name_picture has told, or the console
        told(error)
        return ""
    return download_link(panel, f"{printable(asked.picture.stem)}_attention.png")


# ---- a class by pictures ---------------------------------------------------------------------------


def class_by_pictures(models: Models, asked: Asked) -> Tuple[Optional[NewClass], str]:
    """A new class, or None; and HTML that says what was done, or what is wrong."""
    try:
        new = begun_class(models, asked)
    except Exception as error:
        return None, told(error, [Path(file) for file in asked.files], asked.offer)
    return new, remark(f"Added {new.name}, by {new.source()}.")


def begun_class(models: Models, asked: Asked) -> NewClass:
    """The class by pictures that is filled in. Raises InputError if it is wrong, or the run is gone."""
    there = [new.name for new in (*asked.pictured, *asked.unticked)]
    taken = taken_names(own_names(models, asked.offer), names_of_lines(asked.typed), there)
    return pictured_class(asked.name, asked.files, taken)


def why_not_added(models: Models, asked: Asked) -> str:
    """A sentence: nothing that a visitor has filled in is passed over in silence."""
    try:
        new = begun_class(models, asked)
    except InputError as error:
        why = sentence(error, [Path(file) for file in asked.files], asked.offer)
        return f"The class by pictures is not added, and does not compete. {why}"
    return f"{new.name}, by {new.source()}, is not added yet, and does not compete."


# ---- what is offered -------------------------------------------------------------------------------


def load(models: Models, offer: Offer) -> BaseClassifier:
    """With the classes that are there at first. Raises InputError if it cannot be loaded."""
    return models.classifier(offer, None, [] if offer.is_run else read_classes(TYPED))


def warm_up(models: Models, offer: Offer):
    """Load what the first answer would wait for: weights, fonts. If it cannot be loaded, the page says so."""
    black = Image.new("RGB", (THUMBNAIL, THUMBNAIL))
    try:
        classifier = load(models, offer)
        classifier.predict(black)
        if isinstance(classifier, Classifier):
            draw_attention(classifier, black)
    except InputError:
        return


def describe_offer(models: Models, offer: Offer) -> Tuple[str, List[Tuple[str, str]], str]:
    """HTML about a run or a CLIP; what can be said of its own classes, and what is at first.

    Of a CLIP alone, or if it cannot be loaded, there is nothing to be said.
    """
    if not offer.is_run:
        return remark(about_clip(has_seen_no_photograph(models, offer))), [], ""
    try:
        classifier = models.run(offer)
    except Exception as error:
        return told(error, offer=offer), [], ""
    about = about_run(classifier, known_of(models, offer).trained_on)
    return remark(about), own_choices(classifier), default_classes(classifier.run)
