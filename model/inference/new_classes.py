"""Classes that a run has never heard of: from a name, a description, a few pictures or values by hand to a column of `att`.

A new class takes its place among the known ones and moves none of them, and speaks as loudly as they do. Pictures are standardised
per attribute over these classes, as they are; a sentence is taken apart into attributes.
"""

import difflib
import glob
import os
import re
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Optional, Sequence, Tuple

import numpy as np
import torch

from clip.attributes import ATTRIBUTE_PROMPTS, CLASS_PROMPTS, merge_sources, similarities
from clip.embed import Clip
from data.benchmark import Benchmark, find_files, readable
from data.images import walk
from data.matlab import read_mat
from dsva.discriminant import Discriminant
from support.errors import InputError
from support.files import read_json
from support.untrusted import are_words

FORMS = '"wind farm", "wind farm: tall turbines on grass", or "wind farm=examples/*.jpg"'

RIDGE = 0.3  # chosen on seen classes of the demo and of AID; 0.1 to 1 differ little


@dataclass(frozen=True)
class Turning:
    """What a branch makes of class attributes [A, n] before it multiplies attribute scores with them, and the way back."""

    discriminant: Optional[Discriminant] = None  # as published there is none

    def __call__(self, columns: np.ndarray) -> np.ndarray:
        if self.discriminant is None:
            return columns
        return (
            self.discriminant.directions(torch.from_numpy(columns).to(self.discriminant.centre)).cpu().numpy()
        )

    def back(self, directions: np.ndarray) -> np.ndarray:
        """[A, n] -> [A, n]: columns that are turned into these directions, so long that their class scores have the deviation 1 within a class."""
        columns = (
            directions
            if self.discriminant is None
            else np.linalg.solve(self.discriminant.precision.cpu().double().numpy(), directions)
        )
        return columns / np.sqrt((directions * columns).sum(axis=0)).clip(1e-12)


@dataclass(frozen=True)
class NewClass:
    """A class by what --add_class says of it."""

    name: str
    words: str  # that stand for it in sentences
    pictures: Tuple[str, ...] = ()  # that stand for it instead

    def source(self) -> str:
        return (
            f"{len(self.pictures)} pictures"
            if self.pictures
            else "name"
            if self.words == readable(self.name)
            else "description"
        )


def parse(text: str) -> NewClass:
    """NAME, NAME: a description in words, NAME=a picture, a folder of pictures or a pattern."""
    name, sign, rest = (part.strip() for part in [*re.split("([:=])", text, maxsplit=1), "", ""][:3])
    if not are_words(name) or bool(sign) != bool(rest) or sign == ":" and not are_words(rest):
        raise InputError(f"--add_class {text!r}: expected {FORMS}")
    pictures = find_pictures(rest) if sign == "=" else ()
    return NewClass(name, rest if sign == ":" else readable(name), pictures)


def find_pictures(pattern: str) -> Tuple[str, ...]:
    pattern = os.path.expanduser(pattern)
    places = [pattern] if os.path.exists(pattern) else sorted(glob.glob(pattern, recursive=True))
    pictures = tuple(walk(places))
    if not pictures:
        raise InputError(
            f"--add_class: no picture is found by {pattern}: expected a picture, a folder of pictures, or a pattern such as photos/*.jpg"
        )
    return pictures


def known_classes(names: Sequence[str], without: Sequence[str]) -> np.ndarray:
    """Numbers of the classes that stay when some are left out."""
    spelled = {letters(name): number for number, name in enumerate(names)}
    strange = next((name for name in without if letters(name) not in spelled), None)
    if strange is not None:
        raise InputError(f"--without {strange}: no class of the run; {suggest(strange, names)}")
    return np.setdiff1d(np.arange(len(names)), [spelled[letters(name)] for name in without]).astype(int)


def check_names(new: Sequence[str], known: Sequence[str]):
    """No two classes have one name, however it is spelled."""
    taken = {letters(name): f"{name} is a class of the run" for name in known}
    for name in new:
        if not letters(name):
            raise InputError(
                f"--add_class or --class_values: {name!r} is no name for a class: expected a word that can be printed"
            )
        if letters(name) in taken:
            raise InputError(
                f"--add_class or --class_values: {taken[letters(name)]}, so give the new class another name"
            )
        taken[letters(name)] = f"{name} is named twice"


def letters(name: str) -> str:
    return readable(name).replace(" ", "")


def columns_by_clip(
    new: Sequence[NewClass],
    known: np.ndarray,
    run: Namespace,
    data: Benchmark,
    clip_folder: Optional[str],
    device: torch.device,
    turn: Turning = Turning(),
) -> np.ndarray:
    """What CLIP says of new classes: [A, n], in the units of `data.class_attributes`.

    known: the classes of the run that the new ones are compared with
    clip_folder: None for the CLIP that the run's classes were described with
    """
    by_name, by_image = (values[known] for values in recorded(find_files(run)["splits_mat"]))  # [C, A] each
    pictured = np.array([bool(c.pictures) for c in new])
    if pictured.any() and np.isnan(by_image).all():
        raise InputError(
            f"--add_class {new[pictured.argmax()].name}: the run's classes were described by their names alone, so there are no pictures "
            "to compare its own with; describe it in words"
        )
    clip = load_clip(clip_folder or data.provenance.get("clip", ""), data.provenance, device)
    columns = np.empty((len(data.attribute_names), len(new)))
    if pictured.any():
        columns[:, pictured] = columns_by_pictures(
            clip, [c for c in new if c.pictures], by_name, by_image, data
        )
    if not pictured.all():
        columns[:, ~pictured] = columns_by_words(
            clip,
            [c for c in new if not c.pictures],
            by_name if np.isnan(by_image).all() else by_image,
            data,
            turn,
        )
    return match_loudness(columns, data.class_attributes[:, known].cpu().numpy(), turn)


def columns_by_pictures(
    clip: Clip, new: Sequence[NewClass], by_name: np.ndarray, by_image: np.ndarray, data: Benchmark
) -> np.ndarray:
    """[A, n], as CLIP described the run's classes. by_name, by_image: [C, A] of these"""
    pictures = clip.loader([Path(picture) for c in new for picture in c.pictures], batch_size=64, workers=0)
    attribute_prompts, class_prompts = prompts(data)
    new_by_name, new_by_image = similarities(
        clip,
        data.attribute_names,
        attribute_prompts,
        [c.words for c in new],
        class_prompts,
        pictures,
        np.repeat(np.arange(len(new)), [len(c.pictures) for c in new]),
    )
    return merge_sources(
        np.vstack([by_name, new_by_name]), np.vstack([by_image, new_by_image]), known=len(by_name)
    )[len(by_name) :].T


def columns_by_words(
    clip: Clip, new: Sequence[NewClass], similarity: np.ndarray, data: Benchmark, turn: Turning
) -> np.ndarray:
    """[A, n]: a sentence as a sum of attributes. Its embedding is fitted by those of the attributes' sentences (ridge regression),
    all taken from their mean, which every image is like; so an image gets the class score that CLIP gives it for the sentence,
    as far as attributes can tell. Phrases of a description, between commas, are attributes, and count the same.

    similarity: [C, A], CLIP's of the run's classes and the attributes
    """
    attribute_prompts, class_prompts = prompts(data)
    vectors = clip.embed_words(data.attribute_names, attribute_prompts).double().numpy()  # [A, P]
    mean = vectors.mean(axis=0)
    vectors = vectors - mean
    alike = vectors @ vectors.T
    alike += (RIDGE * alike.diagonal().mean() + 1e-9) * np.eye(len(alike))
    deviation = np.nanstd(similarity, axis=0)[:, None]  # from a cosine to an attribute's score
    columns = []
    for c in new:
        phrases = [c.words] if c.source() == "name" else re.split(r"\s*[,;]\s*", c.words.strip(" ,;"))
        sentences = (
            clip.embed_words(phrases, class_prompts if c.source() == "name" else attribute_prompts)
            .double()
            .numpy()
            - mean
        )
        shares = np.linalg.solve(alike, vectors @ sentences.T)  # [A, phrases]
        columns.append(turn.back(deviation * (shares - shares.mean(axis=0))).sum(axis=1))
    return np.stack(columns, axis=1)


def prompts(data: Benchmark) -> Tuple[Sequence[str], Sequence[str]]:
    """For attributes and for class names, as the run's classes were described with."""
    return data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS), data.provenance.get(
        "class_prompts", CLASS_PROMPTS
    )


def match_loudness(columns: np.ndarray, known: np.ndarray, turn: Turning = Turning()) -> np.ndarray:
    """New columns [A, n], scaled so that they are on average as alike the known ones, [A, C], as these are among themselves.

    A column of unit norm whose attributes do not go together in images, as words or values by hand may tell, has small logits for
    all images, and would lose against columns that images have made.
    """
    loudness, usual = (np.linalg.norm(known.T @ turn(them), axis=0) for them in (columns, known))
    return columns * usual.mean() / np.where(loudness > 1e-12, loudness, np.inf)


def recorded(splits_mat: Path) -> Tuple[np.ndarray, np.ndarray]:
    """Cosines of the known classes' sentences and images with the attributes, [C, A] each, as annotate.py left them."""
    keys = ("similarity_names", "similarity_images", "provenance")
    table = read_mat(splits_mat, ["att"], keys)
    if not set(keys) <= set(table) or any(
        table[key].shape != table["att"].shape or table[key].dtype.kind != "f" for key in keys[:2]
    ):
        raise InputError(
            f"--add_class needs to know how the run's classes were described, and {splits_mat} does not tell: "
            "annotate.py writes files that do. --class_values works without"
        )
    return table["similarity_names"].T, table["similarity_images"].T


def load_clip(folder: str, provenance: dict, device: torch.device) -> Clip:
    clip = Clip(Path(folder), device)
    if clip.weights_sha256() != provenance.get("weights_sha256"):
        print(
            f"note: {folder} has other weights than the CLIP that described the run's classes: new ones are not quite comparable"
        )
    return clip


def columns_by_hand(
    file: Path, attribute_names: Sequence[str], known: np.ndarray, turn: Turning = Turning()
) -> Dict[str, np.ndarray]:
    """{"wind farm": {"turbine": 2, "grass": 1}, ...} -> {class: [A]}. Values are deviations from the mean class; 0 where not named.

    known: [A, C] columns of the run's classes, as loud as which the new ones will be
    """
    table = read_json(Path(file))
    if not (isinstance(table, dict) and table and all(isinstance(values, dict) for values in table.values())):
        raise InputError(f'{file}: expected {{"a class": {{"an attribute": 1.5, ...}}, ...}}')
    index = {name: a for a, name in enumerate(attribute_names)}
    columns = {name: np.zeros(len(index)) for name in table}
    for name, values in table.items():
        for attribute, value in values.items():
            if attribute not in index:
                raise InputError(
                    f"{file}: {name} has an unknown attribute {attribute!r}; {suggest(attribute, attribute_names)}"
                )
            if type(value) not in (int, float) or not abs(value) < 1000:
                raise InputError(
                    f"{file}: {attribute!r} of {name} should be a number of deviations from the mean class, -3 to 3, and is {value!r}"
                )
            columns[name][index[attribute]] = value
        if not columns[name].any():
            raise InputError(
                f"{file}: all values of {name} are 0, as of a class that is average in everything: give at least one that is not"
            )
    return dict(zip(columns, match_loudness(np.stack(list(columns.values()), axis=1), known, turn).T))


def suggest(word: str, words: Sequence[str]) -> str:
    close = difflib.get_close_matches(word, words, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"there are {', '.join(words)}"
