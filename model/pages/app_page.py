"""What happens on the page of app.py, without the page: a visitor's words and pictures in, HTML out.

Nothing is remembered from one call to the next but the weights in `Models`, so visitors do not mix. Whatever
is wrong becomes a sentence. A page is no command line: nobody reads a file of the machine by typing its path.
"""

import re
import sys
import traceback
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Callable, List, Optional, Sequence, Tuple

from PIL import Image

from data.images import printable, read_image
from data.names import spelling
from inference.candidates import default_classes
from inference.classifier import BaseClassifier, Classifier
from inference.new_classes import NewClass, parse
from inference.offered import Models, Offer, stamp
from inference.pictures import prepared
from pages.app_frame import ABOUT_CLIP, about_run, own_choices, welcome
from pages.app_maps import download_link
from pages.app_views import Shown, answer, refusal, remark
from pages.panels import choose_images, draw_attention
from support.errors import InputError
from support.notes import quietly

MOST_EXAMPLES = 12  # pictures to pick from
MOST_PICTURES = 100  # of an added class
THUMBNAIL = 128  # pixels of the longer side
OPTION = re.compile(r"^(--\w+( or --\w+)*|with_classes|a class): ")  # before a message
PART = r"(?:[;:.,] | \()"  # what a part of a message begins with
ADVICE = re.compile(rf"{PART}((?!{PART}).)*(--[a-z]|\b\w+\.py(?![\w.])).*", re.DOTALL)  # for a command line
HOW = "write its name, or its name, a colon and what is seen from above"
TOO_LARGE = "has too many pixels for this page: drop a smaller picture, or a part of it"
TYPED = """airport
beach
bridge
farmland
forest
harbor
parking lot
railway station
residential area
stadium"""  # among which a CLIP alone chooses at first


@dataclass(frozen=True)
class Asked:
    """What a visitor wants to know.

    picture: a file, None if there is none yet
    label:   the class that it is known to be of, "" if it is not known
    own:     which of a run's own classes compete, as of `Models.classifier`
    typed:   further classes, one a line
    """

    offer: Offer
    picture: Optional[Path]
    label: str = ""
    own: Optional[str] = None
    typed: str = ""
    pictured: Tuple[NewClass, ...] = ()


@dataclass(frozen=True)
class Example:
    """A picture to pick, and the class that it is of."""

    file: Path
    label: str


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
    return answer(Shown(classifier, square, found, asked.label, tuple(dict.fromkeys(lines))))


def chosen_classifier(models: Models, asked: Asked) -> BaseClassifier:
    """With the visitor's classes. Raises InputError."""
    added = [*read_classes(asked.typed), *asked.pictured]
    return models.classifier(asked.offer, asked.own, added)


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


# ---- classes ---------------------------------------------------------------------------------------


def read_classes(text: str) -> List[NewClass]:
    """One a line: a name, or a name, a colon and a description. Raises InputError."""
    return [read_class(line.strip()) for line in text.splitlines() if line.strip()]


def read_class(line: str) -> NewClass:
    """Raises InputError, also if pictures are named by their path, as a command line could."""
    sign = re.search("[:=]", line)
    if sign and sign[0] == "=":
        raise InputError(f"the class {line!r} cannot be read: {HOW}; pictures of a class are dropped below")
    try:
        return parse(line)
    except InputError as error:
        raise InputError(f"the class {line!r} cannot be read: {HOW}") from error


def class_by_pictures(
    name: str, files: Sequence[str], others: Sequence[NewClass]
) -> Tuple[Optional[NewClass], str]:
    """A new class, or None; and HTML that says what was done, or what is wrong.

    others: those by pictures that are there already
    """
    try:
        new = pictured_class(name, files, others)
    except Exception as error:
        return None, told(error, [Path(file) for file in files])
    return new, remark(f"Added {new.name}, by {new.source()}.")


def pictured_class(name: str, files: Sequence[str], others: Sequence[NewClass]) -> NewClass:
    """Raises InputError if the name is none or taken, or a picture cannot be read."""
    found = read_class(name.strip()) if name.strip() else None
    if found is None or not found.is_named():
        raise InputError("give the class a name, without a colon")
    if not files:
        raise InputError(f"drop some pictures of {found.name}: five are a good number")
    if len(files) > MOST_PICTURES:
        raise InputError(f"{len(files)} pictures are too many: {MOST_PICTURES} are the most")
    if spelling(found.name) in [spelling(other.name) for other in others]:
        raise InputError(f"{found.name} is there already: give the new class another name")
    for file in files:
        with quietly():
            read_image(Path(file))
    return NewClass(found.name, found.words, tuple(files))


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
        return remark(ABOUT_CLIP), [], ""
    try:
        classifier = models.run(offer)
    except Exception as error:
        return told(error, offer=offer), [], ""
    return remark(about_run(classifier)), own_choices(classifier), default_classes(classifier.run)


def find_examples(models: Models, offers: Sequence[Offer], offer: Offer) -> List[Example]:
    """Test images of a run's dataset, if it is there: of unseen classes first, one of each.

    Of a CLIP alone they are those of the first run that has some.
    """
    for run in [offer] if offer.is_run else offers:
        if run.is_run:
            found = examples_of(models, run)
            if found:
                return found
    return []


def examples_of(models: Models, offer: Offer) -> List[Example]:
    """See `find_examples`. They are kept: to read a large dataset's files takes seconds."""
    try:
        with models.busy, quietly():
            return models.chosen.get(("examples", stamp(offer)), lambda: read_examples(models.run(offer)))
    except Exception as error:  # the dataset has moved, or was never here
        told(error)
        return []


def read_examples(classifier: Classifier) -> List[Example]:
    """Raises InputError if its dataset is not there."""
    data = classifier.run.dataset.load()
    chosen = [*choose_images(data, "unseen", 1), *choose_images(data, "seen", 1)]
    there = [Example(file, data.class_names[label]) for file, label in chosen if file.is_file()]
    return there[:MOST_EXAMPLES]


def thumbnails(examples: Sequence[Example]) -> List[Image.Image]:
    """Small pictures; of one that cannot be read an empty one."""
    found = []
    for example in examples:
        try:
            with quietly():
                image = read_image(example.file)
        except InputError:
            image = Image.new("RGB", (THUMBNAIL, THUMBNAIL), "gray")
        image.thumbnail((THUMBNAIL, THUMBNAIL))
        found.append(image)
    return found


# ---- what is wrong ---------------------------------------------------------------------------------


def said(make: Callable[[], str], picture: Path, offer: Offer) -> str:
    """HTML that is made, or why it cannot be.  picture, offer: are told by their names"""
    try:
        return make()
    except Exception as error:
        return told(error, [picture], offer)


def told(error: Exception, files: Sequence[Path] = (), offer: Optional[Offer] = None) -> str:
    """HTML: nobody gets a traceback, but the console, if the program has made a mistake."""
    if isinstance(error, InputError):
        return refusal(sentence(error, files, offer))
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    return refusal("Something is wrong with the program, not with your picture: its console says what.")


def sentence(error: InputError, files: Sequence[Path] = (), offer: Optional[Offer] = None) -> str:
    """A message as a sentence, without the names of folders, and without what helps on a command line alone.

    files: of the visitor
    """
    words = without_advice(OPTION.sub("", str(error)))
    for file in files:
        if isinstance(error.__cause__, Image.DecompressionBombError) and str(file) in words:
            words = f"the picture {file} {TOO_LARGE}"
        words = words.replace(str(file), printable(file.name))
    if offer:
        words = words.replace(str(offer.place), offer.name)
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else f"{words}."


def without_advice(words: str) -> str:
    """A message without the part that names options and programs, of which a visitor has none."""
    return ADVICE.sub("", words)
