"""The colour of each class on a map: given by the user, suggested by its name, or far from all others.

Water is blue, forest green, sand yellow, asphalt grey, a roof red. Two classes never have one colour: the
second takes what is nearest to its suggestion, yet far enough from the first.
"""

import re
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Tuple

import numpy as np

from data.benchmark import readable
from inference.maps import FIRST_COLOURS, from_hex, moderate_colours, oklab
from support.errors import InputError
from support.files import read_json

APART = 0.06  # least distance of two colours, as `oklab` measures it; 0.02 is just seen
FAR_APART = 0.09  # of those that nothing suggests
LETTERS_INSIDE = 5  # of a stem that is looked for inside a joined name, as field is in baseballfield
LETTERS_AT_BEGINNING = 4  # of one that a word may begin with, as farm is in farmland

# The first line that has a word of the name counts; so what is built stands before where it may stand.
SUGGESTIONS: Tuple[Tuple[str, str], ...] = (
    ("#E07BA8", "sport baseball basketball football soccer tennis stadium playground court track diamond"),
    ("#8FBF5A", "golf"),
    ("#7D7D85", "parking asphalt tarmac"),
    ("#3A3F73", "solar photovoltaic"),
    ("#DCE9F0", "snow ice iceberg glacier cloud"),
    ("#EFDCA0", "beach coast shore sandbar"),
    ("#D9B75F", "sand desert dune"),
    ("#5F8F80", "wetland swamp marsh mangrove"),
    ("#2F5F94", "harbor harbour port pier marina dock ship boat ferry"),
    ("#5C4A45", "railway railroad rail train"),
    ("#5E5E66", "road highway freeway street intersection crossroad roundabout overpass viaduct bridge"),
    ("#9A9AA3", "airport airfield airplane aeroplane runway helipad taxiway pavement"),
    ("#C8B6D6", "storage tank silo"),
    ("#8A5A85", "industr factory power chimney refinery works turbine wind"),
    ("#C2BE4F", "farm crop agricultur arable orchard vineyard greenhouse terrace paddy"),
    ("#D9774B", "commercial shop mall market downtown"),
    ("#B5523F", "residen mobile building house home roof urban city village settlement town"),
    ("#C98A6B", "school university church temple palace hospital resort square center centre station"),
    ("#1F6B35", "forest wood tree jungle plantation"),
    ("#9BA05A", "chaparral shrub bush scrub heath savanna"),
    ("#83BD52", "grass meadow pasture lawn park garden field green vegetation"),
    ("#A5764A", "bare soil ground dirt quarry mine pit excavation landfill"),
    ("#9B8468", "mountain rock hill cliff canyon volcano stone"),
    ("#79AFA0", "island"),
    ("#3D7FC9", "water sea ocean lake river stream pond reservoir pool canal bay dam"),
)


def suggestion(name: str) -> Optional[str]:
    """The colour that a class's name suggests, such as "#3D7FC9", or None."""
    words = re.findall(r"[a-z]+", readable(name).lower())
    for colour, stems in SUGGESTIONS:
        for stem in stems.split():
            if any(has_stem(word, stem) for word in words):
                return colour
    return None


def has_stem(word: str, stem: str) -> bool:
    """Is it this word; or, of a longer stem, does it begin so or have it inside?"""
    if len(stem) >= LETTERS_INSIDE:
        return stem in word
    if len(stem) >= LETTERS_AT_BEGINNING:
        return word.startswith(stem)
    return word in (stem, stem + "s")


def class_colours(names: Sequence[str], chosen: Optional[Dict[str, np.ndarray]] = None) -> np.ndarray:
    """[K, 3] uint8: the chosen colours, the suggested ones, and for other classes some that are far apart.

    chosen: {name: [3]} of some classes. The same names have the same colours in every map.
    """
    found: Dict[int, np.ndarray] = {}
    for k, name in enumerate(names):
        if chosen and name in chosen:
            found[k] = chosen[name]
    suggested = {k: suggestion(name) for k, name in enumerate(names)}
    for k in first_of_each(suggested) + list(range(len(names))):
        colour = suggested[k]
        if k not in found and colour:
            found[k] = nearest_free(from_hex(colour), list(found.values()))
    usual = [from_hex(colour) for colour in FIRST_COLOURS]
    for k in range(len(names)):
        if k not in found:
            found[k] = next_free(usual, list(found.values()))
    return np.array([found[k] for k in range(len(names))], np.uint8).reshape(-1, 3)


def first_of_each(suggested: Dict[int, Optional[str]]) -> List[int]:
    """The first class of each suggestion: it takes the colour, and later ones make way."""
    first: Dict[Optional[str], int] = {}
    for k, colour in suggested.items():
        first.setdefault(colour, k)
    return list(first.values())


def nearest_free(wanted: np.ndarray, taken: List[np.ndarray]) -> np.ndarray:
    """The colour itself, or the nearest to it that is far enough from those taken."""
    if not taken or distances(wanted[None], taken)[0] >= APART:
        return wanted
    others = moderate_colours()
    apart = distances(others, taken)
    free = others[apart >= min(APART, apart.max())]
    return free[np.linalg.norm(oklab(free) - oklab(wanted), axis=1).argmin()]


def next_free(usual: List[np.ndarray], taken: List[np.ndarray]) -> np.ndarray:
    """The first of the usual ones that is far enough from those taken, or the farthest of all colours."""
    for colour in usual:
        if not taken or distances(colour[None], taken)[0] >= FAR_APART:
            return colour
    others = moderate_colours()
    return others[distances(others, taken).argmax()]


def distances(colours: np.ndarray, taken: List[np.ndarray]) -> np.ndarray:
    """[n]: of each colour [n, 3] to the nearest of those taken."""
    apart = oklab(colours)[:, None] - oklab(np.array(taken))[None]
    return np.linalg.norm(apart, axis=2).min(axis=1)


# ---- given by the user -----------------------------------------------------------------------------


def read_colours(file: Optional[str], names: Sequence[str]) -> np.ndarray:
    """[K, 3] uint8 of the classes, of which a JSON file may choose some: {"forest": "#117733", ...}

    Raises InputError if it has anything else, or no class of these. Says which classes are none of these.
    """
    if not file:
        return class_colours(names)
    given = read_json(Path(file))
    if not isinstance(given, dict):
        raise InputError(f'{file}: expected {{"forest": "#117733", ...}}, found {str(given)[:60]!r}')
    chosen = {name: as_colour(value, f"{file}: {name[:60]!r}") for name, value in given.items()}
    others = [name for name in chosen if name not in names]
    if len(others) == len(chosen):
        raise InputError(f"{file} has no class of this map: expected some of {', '.join(names)}")
    if others:
        print(f"note: {file} has colours of classes that are none of this map's: {', '.join(others)}")
    return class_colours(names, chosen)


def as_colour(value: Any, where: str) -> np.ndarray:
    """[3] of "#117733" or [17, 119, 51].  where: for the message of an InputError"""
    if isinstance(value, str) and re.fullmatch("#[0-9a-fA-F]{6}", value):
        return from_hex(value)
    is_triple = isinstance(value, list) and len(value) == 3
    if is_triple and all(type(part) is int and 0 <= part <= 255 for part in value):
        return np.array(value)
    raise InputError(
        f'{where}: expected a colour such as "#117733" or [17, 119, 51], found {str(value)[:60]!r}'
    )
