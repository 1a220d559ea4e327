"""The classes that a visitor of the page of app.py adds: typed, one a line, or by pictures that are dropped.

A page is no command line: nobody reads a file of the machine by typing its path.
"""

import re
from contextlib import suppress
from pathlib import Path
from typing import Dict, List, Mapping, Sequence

from data.images import read_image
from data.names import spelling
from inference.new_classes import NewClass, parse
from support.errors import InputError
from support.notes import quietly

MOST_PICTURES = 100  # of an added class
BY_PICTURES = "Classes by pictures"  # the input where they are ticked
OF_THE_RUN = "is a class of the run"
HOW = "write its name, or its name, a colon and what is seen from above"
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


def names_of_lines(text: str) -> List[str]:
    """The names of those lines that can be read: of the others the answer will tell."""
    names = []
    for line in filter(str.strip, text.splitlines()):
        with suppress(InputError):
            names.append(read_class(line.strip()).name)
    return names


# ---- by pictures -----------------------------------------------------------------------------------


def pictured_class(name: str, files: Sequence[str], taken: Mapping[str, str]) -> NewClass:
    """Raises InputError if the name is none or taken, or a picture cannot be read.

    taken: of `taken_names`
    """
    found = read_class(name.strip()) if name.strip() else None
    if found is None or not found.is_named():
        raise InputError("give the class a name, without a colon")
    if spelling(found.name) in taken:
        why = taken[spelling(found.name)]
        raise InputError(f"{found.name} {why}: give the new class another name")
    if not files:
        raise InputError(f"drop some pictures of {found.name}: five are a good number")
    if len(files) > MOST_PICTURES:
        raise InputError(f"{len(files)} pictures are too many: {MOST_PICTURES} are the most")
    for file in files:
        with quietly():
            read_image(Path(file))
    return NewClass(found.name, found.words, tuple(files))


def taken_names(own: Sequence[str], typed: Sequence[str], pictured: Sequence[str]) -> Dict[str, str]:
    """{spelling of a name: why no other class may have it}

    own: of a run's classes;  typed, pictured: of those that a visitor has added
    """
    taken = {}
    for names, why in ((pictured, "is there already"), (typed, "is typed already"), (own, OF_THE_RUN)):
        for name in names:
            taken[spelling(name)] = why
    return taken


def check_pictured(pictured: Sequence[NewClass], own: Sequence[str], typed: Sequence[str]):
    """Raise InputError if a class by pictures has the name of one that came since, typed or of a run."""
    taken = taken_names(own, typed, [])
    for new in pictured:
        why = taken.get(spelling(new.name))
        if why:
            raise InputError(f"{new.name} {why}: untick it under “{BY_PICTURES}”, or add it by another name")
