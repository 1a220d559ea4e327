"""Classes that a run has never seen: what a user says of them, read and checked."""

import glob
import os
import re
from dataclasses import dataclass
from typing import List, Optional, Sequence, Tuple, Union

import numpy as np

from clip.sentences import phrases_of
from data.images import walk
from data.names import find_class, readable, spelling
from support.errors import InputError
from support.notes import counted, first_of
from support.untrusted import are_words

SHOWN_NAMES = 12  # of the classes that are printed
FORMS = '"wind farm", "wind farm: tall turbines on grass", or "wind farm=examples/*.jpg"'


@dataclass(frozen=True)
class NewClass:
    """A class by what --add_class says of it: words, or pictures instead."""

    name: str
    words: str  # that stand for it in sentences: its name or a description
    pictures: Tuple[str, ...] = ()

    def is_named(self) -> bool:
        """Is it known by nothing but its name?"""
        return not self.pictures and self.words == readable(self.name)

    def source(self) -> str:
        """What it is known from."""
        if self.pictures:
            return counted(len(self.pictures), "picture")
        return "name" if self.is_named() else "description"


def parse(text: str, option: str = "--add_class") -> NewClass:
    """NAME, NAME: a description in words, NAME=a picture, a folder of pictures or a pattern.

    option: that it is said with, for the message of an InputError
    """
    parts = re.split("([:=])", text, maxsplit=1)  # [name], or [name, sign, rest]
    name = parts[0].strip()
    sign = rest = ""
    if len(parts) == 3:
        sign = parts[1]
        rest = parts[2].strip()
    is_sound = are_words(name) and bool(sign) == bool(rest)
    if sign == ":" and not are_words(rest):
        is_sound = False
    if not is_sound:
        raise InputError(f"{option} {text!r}: expected {FORMS}")
    if sign == "=":
        return NewClass(name, readable(name), find_pictures(rest, option))
    return NewClass(name, rest if sign == ":" else readable(name))


def divided_names(said: List[str]) -> List[str]:
    """A class each of `beach, forest`; a description or a pattern of pictures keeps its commas."""
    names: List[str] = []
    for text in said:
        if "," not in text or ":" in text or "=" in text:
            names.append(text)
        else:
            names += [part.strip() for part in text.split(",") if part.strip()]
    return names


def checked_classes(said: Sequence[Union[str, NewClass]], option: str) -> List[NewClass]:
    """Classes as `parse` reads them; those that are `NewClass` already stay.

    option: for the message of an InputError
    """
    found = []
    for one in said:
        if not isinstance(one, (str, NewClass)):
            raise InputError(f"{option}: expected {FORMS} or a NewClass, found {one!r}")
        found.append(parse(one, option) if isinstance(one, str) else one)
    return found


def checked_prompts(prompts: Optional[Sequence[str]]) -> Optional[List[str]]:
    """Sentences in which names stand, if any are given. InputError if one has no place for a name."""
    if prompts is None:
        return None
    sentences = [prompts] if isinstance(prompts, str) else list(prompts)
    for sentence in sentences:
        if not isinstance(sentence, str) or "{}" not in sentence:
            raise InputError(f"prompts: expected sentences with {{}} for the name, found {sentence!r}")
    return sentences


def find_pictures(pattern: str, option: str) -> Tuple[str, ...]:
    """A picture, all below a folder, or all that a pattern such as photos/*.jpg finds."""
    pattern = os.path.expanduser(pattern)  # noqa: PTH111, as below
    places = [pattern]
    if not os.path.exists(pattern):  # noqa: PTH110, Path.exists raises an error if a name is too long
        places = sorted(glob.glob(pattern, recursive=True))  # noqa: PTH207, Path.glob takes no absolute one
    pictures = tuple(walk(places))
    if not pictures:
        raise InputError(
            f"{option}: no picture is found by {pattern}: "
            "expected a picture, a folder of pictures, or a pattern such as photos/*.jpg"
        )
    return pictures


def named_classes(names: Sequence[str], typed: Sequence[str], option: str) -> np.ndarray:
    """Numbers of the classes that a user means, sorted. They may be typed in words or in any spelling.

    names:  of the run's classes
    option: for the message of an InputError, if there is no such class
    """
    numbers = []
    for word in typed:
        try:
            numbers.append(find_class(word.strip(), names))
        except InputError as error:
            raise InputError(f"{option}: {error}") from error
    return np.unique(np.array(numbers, int))


def known_classes(names: Sequence[str], without: Sequence[str]) -> np.ndarray:
    """Numbers of the classes that stay when some are left out."""
    return np.setdiff1d(np.arange(len(names)), named_classes(names, without, "--without"))


def check_names(new: Sequence[str], known: Sequence[str], option: str = "--add_class or --class_values"):
    """Raise InputError if two classes have one name, however it is spelled.

    option: that the new ones are named with
    """
    taken = {spelling(name): f"{name} is a class of the run" for name in known}
    for name in new:
        letters = spelling(name)
        if not letters:
            raise InputError(
                f"{option}: {name!r} is no name for a class: expected a word that can be printed"
            )
        if letters in taken:
            raise InputError(f"{option}: {taken[letters]}, so give the new class another name")
        taken[letters] = f"{name} is named twice"


# ---- what CLIP reads about them ---------------------------------------------------------------------


def phrases(new: NewClass) -> List[str]:
    """A name is one; those of a description stand between commas, are attributes, and count the same."""
    if new.is_named():
        return [new.words]
    return phrases_of(new.words) or [new.words]


def print_asked(new: Sequence[NewClass], class_prompts: Sequence[str], attribute_prompts: Sequence[str]):
    """The sentences that CLIP reads about classes in words. A word more or less is worth points."""
    named = [c.words for c in new if c.is_named()]
    if named:
        print(
            f"asked   {quoted(class_prompts)}: of {first_of(named, SHOWN_NAMES)} (--prompts asks otherwise)"
        )
    for c in new:
        if not c.is_named() and not c.pictures:
            print(f"asked   {quoted(attribute_prompts)}: of {c.name} as {quoted(phrases(c))}")


def quoted(sentences: Sequence[str]) -> str:
    """In quotation marks, with commas between them."""
    return ", ".join(f'"{sentence}"' for sentence in sentences)
