"""The page of a folder of maps: each scene's pictures, its classes with their areas, and its tiles."""

import re
from collections import Counter
from html import escape
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np

from data.images import read_image
from pages.html import (
    card,
    colour_scale,
    details,
    figure,
    grid,
    missing,
    note,
    page_head,
    picture,
    render,
    settings,
    table,
)
from runs.prediction_records import MapRecord, map_names, read_map
from runs.records import read_facts
from support.errors import InputError
from support.processes import progress

LONGEST = 1600  # pixels of the longer side of a picture on the page
TILES_LISTED = 1000  # of a scene
TITLES = {
    "classes": "Classes",
    "overlay": "Classes over the scene",
    "confidence": "Confidence: how probable the class is",
    "raster": "The class of every pixel",
}
TILE_COLUMNS = ("x", "y", "width", "height", "class", "probability")


def has_maps(folder: Path) -> bool:
    """Did predict.py --tile write into this folder?"""
    return bool(map_names(folder))


def map_page(folder: Path) -> str:
    """The page of what predict.py --tile wrote into a folder."""
    facts = read_facts(folder)
    names = map_names(folder)
    maps = [read_map(folder, name, names) for name in names]
    sections = {"Maps": "".join(scene(record, facts) for record in progress(maps, "maps"))}
    if len(maps) > 1:
        sections["Areas"] = area_table(maps)
    sections["Tiles"] = tile_section(maps)
    sections["Settings"] = settings(facts) if facts else missing("options.json")
    lead = f"Maps of classes, as predict.py --tile wrote them into {folder}."
    head = page_head("DSVA, maps", folder.name, lead, cards(maps))
    return render(f"{folder.name} - DSVA", head, sections, f"Written by model/report.py from {folder}")


def cards(maps: Sequence[MapRecord]) -> List[str]:
    """The headline numbers."""
    classes = {name for record in maps for name in record.tiles["class"]}
    probabilities = [value for record in maps for value in record.tiles["probability"]]
    return [
        card("Scenes", str(len(maps)), "were mapped", unit=""),
        card("Tiles", str(len(probabilities)), "were named", unit=""),
        card("Classes", str(len(classes)), "were given to at least one", unit=""),
        card("Probability", f"{100 * np.median(probabilities):.0f}", "of the class that was given, median"),
    ]


# ---- a scene ---------------------------------------------------------------------------------------


def scene(record: MapRecord, facts: dict) -> str:
    """Pictures and areas of a scene."""
    endings = in_order(record.pictures)
    if "classes" in endings and "raster" in endings:
        endings.remove("raster")  # the same map
    sheet = note(f"Left out: there is no {record.name}_classes.png in the folder.")
    if endings and endings[0] == "classes":
        sheet = map_picture(record, endings.pop(0))
    shares, what = class_shares(record)
    areas = figure(what, "", area_list(shares))
    others = grid([map_picture(record, ending) for ending in endings]) if endings else ""
    return (
        f'<article class="scene"><h3>{escape(record.name)}</h3>{note(describe(record, facts))}'
        f"{sheet}{areas}{others}</article>"
    )


def describe(record: MapRecord, facts: dict) -> str:
    """Size and tiles of a scene, in a sentence."""
    tiles = record.tiles
    width = max(map(sum, zip(tiles["x"], tiles["width"])))
    height = max(map(sum, zip(tiles["y"], tiles["height"])))
    words = f"{width:.0f} x {height:.0f} pixels, {len(tiles['x'])} tiles"
    options = facts.get("options", {})
    if "tile" in options and "stride" in options:
        words += f" of {options['tile']} pixels, one every {options['stride']}"
    return f"{words}."


def in_order(pictures: Dict[str, Path]) -> List[str]:
    """The map first, then what is known, then anything else."""
    known = [ending for ending in TITLES if ending in pictures]
    return known + [ending for ending in pictures if ending not in TITLES]


def map_picture(record: MapRecord, ending: str) -> str:
    """A picture of a scene, with its title."""
    title = TITLES.get(ending) or re.sub("[_-]+", " ", ending).capitalize()
    try:
        image = read_image(record.pictures[ending])
    except InputError as error:
        return note(f"Left out: {error}.")
    image.thumbnail((LONGEST, LONGEST))
    shown = picture(image, f"{record.name}: {title}", quality=88)
    scale = colour_scale("0 %", "100 %", "grey") if ending == "confidence" else ""
    return f'<figure class="picture map"><figcaption>{escape(title)}</figcaption>{shown}{scale}</figure>'


def class_shares(record: MapRecord) -> Tuple[List[Tuple[str, float, str]], str]:
    """(class, share, colour) of each class, the largest first; and what the share is of.

    Maps of before have no NAME_areas.csv: of these the tiles are counted, which has no colours.
    """
    areas = record.areas
    if areas:
        return list(zip(areas["class"], areas["share"], areas["colour"])), "Share of the area"
    counts = Counter(record.tiles["class"])
    total = sum(counts.values())
    return [(name, count / total, "") for name, count in counts.most_common()], "Share of the tiles"


def area_list(shares: Sequence[Tuple[str, float, str]]) -> str:
    """The legend: colour, class, a bar and the share of each."""
    largest = max((share for _, share, _ in shares), default=1) or 1
    items = ""
    for name, share, colour in shares:
        style = f"--share: {share / largest:.1%}"
        if re.fullmatch("#[0-9a-fA-F]{6}", colour):
            style += f"; --hue: {colour}"
        percent = f"{share:.1%}" if share >= 0.001 else "< 0.1%"
        items += f'<li style="{style}"><i></i><b>{escape(name)}</b><s></s><span>{escape(percent)}</span></li>'
    return f'<ul class="areas">{items}</ul>'


# ---- tables ----------------------------------------------------------------------------------------


def area_table(maps: Sequence[MapRecord]) -> str:
    """Every class's share of every scene."""
    shares = []
    for record in maps:
        found, _ = class_shares(record)
        shares.append({name: 100 * share for name, share, _ in found})
    classes = sorted({name for found in shares for name in found})
    rows = [(name, *(found.get(name, 0.0) for found in shares)) for name in classes]
    return table("Share of every scene, %", ["class", *(record.name for record in maps)], rows, digits=".1f")


def tile_section(maps: Sequence[MapRecord]) -> str:
    """Where every tile lies, its class, and the probability of it."""
    parts = note("x and y are the left and upper edge, in pixels of the scene.")
    for record in maps:
        total = len(record.tiles["class"])
        rows = list(zip(*(whole_numbers(record.tiles[column]) for column in TILE_COLUMNS)))
        summary = f"{record.name}, {total} tiles"
        if total > TILES_LISTED:
            summary += f"; the first {TILES_LISTED} are listed, {record.name}_tiles.csv has all"
        numbered = [(place, *row) for place, row in enumerate(rows[:TILES_LISTED], 1)]
        listed = table(f"Tiles of {record.name}", ["tile", *TILE_COLUMNS], numbered, digits=".3f")
        parts += details(summary, [listed])
    return parts


def whole_numbers(column: list) -> list:
    """Numbers without a fraction as such, if all are; anything else stays as it is."""
    if all(isinstance(value, float) and value.is_integer() for value in column):
        return [int(value) for value in column]
    return column
