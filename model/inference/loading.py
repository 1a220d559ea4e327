"""A saved run, or a CLIP and names, as a notebook loads it. Nothing is printed, and no setting is changed.

Messages call an argument as predict.py calls its option: `device` is --device.
"""

import os
from pathlib import Path
from typing import List, Optional, Sequence, Union

from clip.attributes import flat, load_vocabulary
from clip.embed import Clip
from inference.candidates import choose_candidates
from inference.classifier import Classifier, from_python
from inference.clip_classifier import ClipClassifier
from inference.new_classes import NewClass, checked_classes, checked_prompts
from inference.pictures import expanded
from inference.saved import load_saved
from runs.chosen import chosen_checkpoint
from support.cli import REPOSITORY
from support.errors import InputError
from support.machine import pick_device
from support.untrusted import are_words

VOCABULARY = REPOSITORY / "RSSDIVCS" / "files" / "attributes_98.json"
PathLike = Union[str, "os.PathLike[str]"]


def load_run(place: PathLike, device: str = "auto", bands: Optional[Sequence[int]] = None) -> Classifier:
    """A saved run. Its candidates are the classes of its own test: all in GZSL, the unseen ones in ZSL.

    place:  a checkpoint of main.py, which is enough: no dataset is needed. Or a run folder, which stands for
            the checkpoint that its protocol chose
    device: "auto", which takes a GPU where there is one, "cpu", "cuda", ...
    bands:  of pictures that are red, green and blue, counted from 1; by default the run's

    `notes` of what it returns has what a program would have printed.
    Raises InputError, one line, if it is no run, or the device cannot be used.
    """
    with from_python() as notes:
        run = load_saved(chosen_checkpoint(checked_path(place)), pick_device(device))
        if bands is not None:
            run.preprocessing = run.preprocessing.of_bands(checked_bands(bands))
        classifier = Classifier(run, choose_candidates(run))
    classifier.notes = tuple(notes.values())
    return classifier


def load_clip(
    folder: PathLike,
    names: Sequence[Union[str, NewClass]],
    vocabulary: Union[PathLike, Sequence[str]] = VOCABULARY,
    prompts: Optional[Sequence[str]] = None,
    device: str = "auto",
    bands: Optional[Sequence[int]] = None,
) -> ClipClassifier:
    """A CLIP alone that chooses from classes, without a run: no training, and no maps or windows.

    folder:     a CLIP in Hugging Face's form
    names:      of the classes, or descriptions or pictures, as in `with_classes`
    vocabulary: the attributes that pictures are told with, or their JSON file; by default the published 98
    prompts:    sentences in which names stand, {} is the name
    device, bands: as of `load_run`

    Raises InputError, one line, if it is no CLIP, or two classes have one name.
    """
    if isinstance(names, str) or not names:
        raise InputError('names: expected a list, such as ["airport", "port: piers and ships"]')
    classes = checked_classes(names, "names")
    attributes = checked_vocabulary(vocabulary)
    sentences = checked_prompts(prompts)
    with from_python() as notes:
        clip = Clip(checked_path(folder), pick_device(device))
        clip.preprocessing = clip.preprocessing.of_bands(checked_bands(bands))
        classifier = ClipClassifier(clip, classes, attributes, sentences)
    classifier.notes = tuple(notes.values())
    return classifier


# ---- what a user gives -----------------------------------------------------------------------------


def checked_path(place: PathLike) -> Path:
    """Raises InputError if it is no path."""
    if not isinstance(place, (str, os.PathLike)):
        raise InputError(f"expected the path of a file or a folder, found {place!r}")
    return expanded(place)


def checked_bands(bands: Optional[Sequence[int]]) -> Optional[List[int]]:
    """Red, green and blue, counted from 1, if they are given."""
    if bands is None:
        return None
    chosen = list(bands)
    if len(chosen) != 3 or not all(type(band) is int and band >= 1 for band in chosen):
        raise InputError(f"bands: expected three numbers from 1 on, such as [4, 3, 2], found {bands!r}")
    return chosen


def checked_vocabulary(vocabulary: Union[PathLike, Sequence[str]]) -> List[str]:
    """Attribute names, from a file if it is a path."""
    if isinstance(vocabulary, (str, os.PathLike)):
        return flat(load_vocabulary(expanded(vocabulary)))
    attributes = list(vocabulary)
    if not attributes or not all(map(are_words, attributes)):
        raise InputError(f"vocabulary: expected names of attributes, found {vocabulary!r}")
    return attributes
