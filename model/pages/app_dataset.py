"""What the page of app.py knows of a run's dataset: its name, and if it is there, pictures to pick from."""

from dataclasses import dataclass
from pathlib import Path
from typing import List, Sequence, Tuple

from PIL import Image

from data.images import read_image
from inference.classifier import Classifier
from inference.offered import DRAWN, Models, Offer, stamp
from inference.saved import SavedRun
from pages.app_errors import told
from pages.panels import choose_images
from support.errors import InputError
from support.notes import quietly

MOST_EXAMPLES = 12  # pictures to pick from
THUMBNAIL = 128  # pixels of the longer side
DEMO = ("make_demo.json", "demo_images.mat")  # what RSSDIVCS/make_demo.py leaves in a dataset and its files/


@dataclass(frozen=True)
class Example:
    """A picture to pick, and the class that it is of."""

    file: Path
    label: str


@dataclass(frozen=True)
class Known:
    """What a run's dataset tells.

    trained_on: images, 0 if the dataset is not there
    examples:   test images of unseen classes first, one of each class
    """

    trained_on: int = 0
    examples: Tuple[Example, ...] = ()


def known_of(models: Models, offer: Offer) -> Known:
    """Of a run. It is kept: to read a large dataset's files takes seconds."""
    try:
        with models.busy, quietly():
            return models.chosen.get(("dataset", stamp(offer)), lambda: read_dataset(models.run(offer)))
    except Exception as error:  # the dataset has moved, or was never here
        told(error)
        return Known()


def read_dataset(classifier: Classifier) -> Known:
    """Raises InputError if it is not there."""
    run = classifier.run
    data = run.dataset.load()
    training = data.splits[run.dataset.settings.trained_on]
    chosen = [*choose_images(data, "unseen", 1), *choose_images(data, "seen", 1)]
    there = [Example(file, data.class_names[label]) for file, label in chosen if file.is_file()]
    return Known(len(training), tuple(there[:MOST_EXAMPLES]))


def find_examples(models: Models, offers: Sequence[Offer], offer: Offer) -> List[Example]:
    """Test images of a run's dataset, if it is there.

    Of a CLIP alone they are those of the first run that has some.
    """
    for run in [offer] if offer.is_run else offers:
        if run.is_run:
            found = known_of(models, run).examples
            if found:
                return list(found)
    return []


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


# ---- what it was trained on ------------------------------------------------------------------------


def name_of_dataset(run: SavedRun) -> str:
    """As main.py --dataset has it, even if it is not there any more."""
    files = run.dataset.settings.files.images_mat.parent
    return (files.parent if files.name == "files" else files).name


def is_demo(run: SavedRun) -> bool:
    """Was it trained on what make_demo.py has drawn? If the dataset is gone, a name has to tell."""
    manifest, list_of_images = DEMO
    images = run.dataset.settings.files.images_mat
    if images.is_file():
        return (images.parent.parent / manifest).is_file()
    return images.name == list_of_images


def has_seen_no_photograph(models: Models, offer: Offer) -> bool:
    """Does it know drawn scenes alone? Raises InputError if it is a run that cannot be loaded."""
    return is_demo(models.run(offer).run) if offer.is_run else offer.place.name == DRAWN
