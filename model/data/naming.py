"""From what folders are called to the names of classes, in words."""

import re
from pathlib import Path
from string import ascii_lowercase
from typing import Collection, Dict, List, Mapping, Sequence

from data.joined import split_names, told
from data.names import find_class, readable, stored_names
from support.errors import InputError
from support.untrusted import are_words

NUMBERED = re.compile(r"(\d+)[\s._)\-]*([^\W\d].*)")  # 001.Albatross
LETTERED = re.compile(r"([a-z])([A-Z].*)")  # aGrass


def name_classes(
    folders: Sequence[str], given: Mapping[str, str], words: Collection[str] = ()
) -> Dict[str, str]:
    """{folder: class name in words}, in the order of the folders.

    given: {folder, in any spelling: name} of some of them, or of all
    words: known ones, beside those of scenes: see `split_names`

    Of the others numbering is left out, and joined names are taken apart; both is printed.
    Raises InputError if a given name is of no folder, or two classes have one name.
    """
    numbering = without_numbering(folders)
    in_words = [readable(numbering.get(folder, folder)) for folder in folders]
    names = dict(zip(folders, split_names(in_words, words)))
    chosen = given_names(folders, given)
    note_changes("a number or letter in front is left out", numbering, chosen)
    if not numbering:
        kept = {
            folder: names[folder] for folder in folders if NUMBERED.match(folder) or LETTERED.match(folder)
        }
        note_changes("a number or letter in front is kept", kept, chosen)
    joined = {}
    for folder, before in zip(folders, in_words):
        if names[folder] != before:
            joined[folder] = names[folder]
    note_changes("joined names", joined, chosen)
    names.update(chosen)
    check_names(names)
    return names


def words_of_folders(folders: Sequence[str], *places: Path) -> List[str]:
    """What folders of images are called: as the first class_names.json in these places says, or in words."""
    numbering = without_numbering(folders)
    in_words = split_names([readable(numbering.get(folder, folder)) for folder in folders])
    stored = stored_names(*places)
    return [stored.get(folder, words) for folder, words in zip(folders, in_words)]


def given_names(folders: Sequence[str], given: Mapping[str, str]) -> Dict[str, str]:
    """The given names of these folders. Raises InputError if one is of no folder."""
    chosen: Dict[str, str] = {}
    for folder, name in given.items():
        try:
            chosen[folders[find_class(folder, folders)]] = name
        except InputError as error:
            raise InputError(f"--names {folder}={name}: {error}") from error
    return chosen


def without_numbering(folders: Sequence[str]) -> Dict[str, str]:
    """{`001.Albatross`: `Albatross`, ...}, {`aGrass`: `Grass`, ...} if all are numbered so; {} otherwise.

    All have different numbers, or the first letters of the alphabet and then a capital. What is left has to
    tell them apart.
    """
    numbered = [NUMBERED.fullmatch(folder) for folder in folders]
    lettered = [LETTERED.fullmatch(folder) for folder in folders]
    for matches in (numbered, lettered):
        marks = []
        rest = []
        for match in matches:
            if match:
                marks.append(match[1])
                rest.append(match[2])
        is_complete = len(folders) > 1 and len(marks) == len(folders)
        if matches is lettered:
            is_complete = is_complete and "".join(sorted(marks)) == ascii_lowercase[: len(marks)]
        if is_complete and len(set(marks)) == len(marks) and len(set(map(readable, rest))) == len(rest):
            return dict(zip(folders, rest))
    return {}


def note_changes(what: str, changes: Mapping[str, str], chosen: Collection[str]):
    """Print what is called otherwise than its folder.

    changes: {folder: what it is read as};  chosen: folders whose names were given
    """
    told_of = {folder: readable(name) for folder, name in changes.items() if folder not in chosen}
    if told_of:
        print(f"note: {what}: {told(told_of, shown=20)}; prepare.py --names FOLDER=NAME says otherwise")


def check_names(names: Mapping[str, str]):
    """Raise InputError if a class has no name, or another's.  names: {folder: class name}"""
    folder_of: Dict[str, str] = {}
    for folder, name in names.items():
        words = readable(name)
        if not are_words(words):
            raise InputError(
                f"a class folder is called {words!r}, once made readable: "
                f"expected a word that can be written; rename it, or --names {folder}=WORDS"
            )
        if words in folder_of:
            raise InputError(
                f"two class folders are both called {words!r}, once made readable: {folder_of[words]} and "
                f"{folder}. Rename one, or --names {folder}=WORDS"
            )
        folder_of[words] = folder
