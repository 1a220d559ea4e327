"""What classes are called: in words, by their folders, and as a user types them.

A dataset's files/class_names.json, {"aGrass": "grass", ...}, says what its folders or its published names
mean. prepare.py writes it; whoever reads class names from a .mat file looks there first.
"""

import difflib
import re
import unicodedata
from pathlib import Path
from typing import Dict, List, Mapping, Optional, Sequence

from support.errors import InputError
from support.untrusted import are_words, parse_json

NAMES_FILE = "class_names.json"  # beside the .mat files
NEAR = 0.8  # of two spellings: a letter or two are other ones, as in forst, and not bareland for farmland

# ---- one name --------------------------------------------------------------------------------------


def readable(class_name: str) -> str:
    """`BaseballField`, `baseball_field`, `baseball+field` -> `baseball field`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])|[_\-+\s]+", " ", class_name)
    return words.strip().lower()


def spelling(name: str) -> str:
    """What two spellings of a name have in common: `TankFarm`, `tank farm` -> `tankfarm`.

    Letters with accents may be one character or two, as macOS has them in the names of folders.
    """
    return unicodedata.normalize("NFC", readable(name)).replace(" ", "").casefold()


def suggest(word: str, words: Sequence[str]) -> str:
    """A hint for an error message: the nearest word, or all."""
    spelled = {spelling(name): name for name in words}
    close = difflib.get_close_matches(spelling(word), list(spelled), n=1, cutoff=NEAR)
    return f"did you mean {spelled[close[0]]!r}?" if close else f"there are {', '.join(words)}"


# ---- a name that a user types ----------------------------------------------------------------------


def find_class(typed: str, names: Sequence[str], folders: Optional[Mapping[str, str]] = None) -> int:
    """The number of the class that is meant: by its name, in words or in any spelling, or by its folder.

    names:   [C], such as "baseball field", or "BaseballField" of a published file
    folders: {folder: class name}, of files/class_names.json: see `read_names`

    `BaseballField`, `baseball_field` and `Baseball field` are one class, and so is `aGrass` if the folder of
    this name means grass. The closest spelling counts, if there are two.
    Raises InputError, which names no option, if there is no such class, or two are meant equally well.
    """
    for same in (str, readable, spelling):
        by_name = [name for name in names if same(name) == same(typed)]
        by_folder = [name for folder, name in (folders or {}).items() if same(folder) == same(typed)]
        meant = [number for number, name in enumerate(names) if name in (by_name or by_folder)]
        if len(meant) > 1:
            both = " or ".join(repr(names[number]) for number in meant[:2])
            raise InputError(f"{typed!r} may mean {both}: write it as one of them")
        if meant:
            return meant[0]
    raise InputError(f"there is no class {typed}; {suggest(typed, names)}")


# ---- a file of names -------------------------------------------------------------------------------


def read_names(file: Path) -> Dict[str, str]:
    """{folder: class name in words}.

    The file is JSON, {"aGrass": "grass"}, or has a line for each class: aGrass=grass, aGrass: grass, with a
    comma or a tab between them. Lines that are blank, or begin with #, do not count.
    Raises InputError that names the line.
    """
    try:
        text = Path(file).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read the names file {file}: {error}") from error
    if text.lstrip().startswith("{"):
        return json_names(text, file)
    found: Dict[str, str] = {}
    for place, line in enumerate(text.split("\n"), start=1):
        if line.strip() and not line.lstrip().startswith("#"):
            add_name(found, line, f"{file}, line {place}")
    if not found:
        raise InputError(f"{file} holds no name: expected a line such as aGrass=grass for each class")
    return found


def json_names(text: str, file: Path) -> Dict[str, str]:
    """The same of JSON.  file: for the message of an InputError"""
    try:
        found = parse_json(text)
    except ValueError as error:
        raise InputError(f"{file} is not readable JSON: {error}") from error
    if not isinstance(found, dict) or not all(map(are_words, found.values())):
        raise InputError(f'{file}: expected folders and their names in words, such as {{"aGrass": "grass"}}')
    return {folder: name.strip() for folder, name in found.items()}


def add_name(found: Dict[str, str], line: str, where: str):
    """Add the name in a line such as aGrass=grass.  where: for the message of an InputError"""
    signs = [sign for sign in "\t=:," if sign in line]
    folder, _, name = line.partition(signs[0]) if signs else (line, "", "")
    folder, name = folder.strip(), name.strip()
    if not folder or not are_words(name):
        raise InputError(
            f"{where}: expected a folder and its name in words, such as aGrass=grass, found {line[:60]!r}"
        )
    if found.get(folder, name) != name:
        raise InputError(f"{where}: {folder} is called {found[folder]!r} and {name!r}: expected one name")
    found[folder] = name


def stored_names(*places: Path) -> Dict[str, str]:
    """The names in the first of these folders that has a class_names.json; {} if none has."""
    for place in places:
        file = place / NAMES_FILE
        if file.is_file():
            return read_names(file)
    return {}


def renamed(names: Sequence[str], folders: Sequence[str], stored: Mapping[str, str]) -> List[str]:
    """The classes of a .mat file, called as class_names.json says.

    names, folders: [C], as in the .mat file
    stored:         {folder or name: name in words}
    """
    by_words = {readable(name): words for name, words in stored.items()}
    found = []
    for name, folder in zip(names, folders):
        words = stored.get(folder, stored.get(name))
        found.append(words or by_words.get(readable(name), name))
    return found
