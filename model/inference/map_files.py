"""The files of a map of classes: a picture, a table of its tiles, and a GeoTIFF if the scene has a place."""

from pathlib import Path
from typing import Any, Dict, Sequence

import numpy as np

from data.images import printable
from inference.candidates import Candidates
from inference.classifier import six_digits
from inference.maps import draw_map, palette
from inference.scenes import write_geotiff
from inference.tiles import NO_DATA, Grid, Scene, areas, blend
from support.files import atomic, write_columns


def save_map(target: Path, scene: Scene, grid: Grid, probabilities: np.ndarray, candidates: Candidates):
    """Write NAME_tiles.csv, NAME_classes.png and, with a georeference, NAME_classes.tif. Print the shares.

    target: folder/NAME;  probabilities: [J, I, K] of the tiles
    """
    names = candidates.names
    of_tiles = probabilities.reshape(-1, len(names))  # [J, I, K] -> [J * I, K]
    scores = candidates.calibrated(of_tiles)
    classes = blend(scores.reshape(probabilities.shape), grid)  # [R, L]
    classes = np.where(scene.has_data(grid.cells), classes, NO_DATA).astype(np.uint8)

    table = target.with_name(f"{target.name}_tiles.csv")
    write_columns(table, tile_columns(grid, of_tiles, scores.argmax(axis=1), names))
    shares = areas(classes, grid)
    write_columns(target.with_name(f"{target.name}_areas.csv"), area_columns(shares, names))
    picture = target.with_name(f"{target.name}_classes.png")
    with atomic(picture) as temporary:
        draw_map(scene, classes, grid, names, printable(target.name)).save(temporary, format="PNG")
    written = f"wrote   {table}\n        {picture}"
    if scene.georeference:
        geotiff = target.with_name(f"{target.name}_classes.tif")
        write_geotiff(geotiff, classes, grid.cell, scene.georeference, names, palette(len(names)))
        written += f"\n        {geotiff}"

    size = f"{grid.width} x {grid.height} pixels"
    print(f"\n{printable(target.name)}: {size} in {len(grid.lefts)} x {len(grid.tops)} tiles")
    for k, share in shares.items():
        print(f"{share:>7.1%} {names[k]}")
    print(printable(written))


def area_columns(shares: Dict[int, float], names: Sequence[str]) -> Dict[str, list]:
    """The classes on the map with their shares of its area, the largest first, and their colours.

    shares: class -> share
    """
    colours = palette(len(names)).tolist()
    return {
        "class": [names[k] for k in shares],
        "share": [six_digits(share) for share in shares.values()],
        "colour": ["#{:02x}{:02x}{:02x}".format(*colours[k]) for k in shares],
    }


def tile_columns(
    grid: Grid, probabilities: np.ndarray, best: np.ndarray, names: Sequence[str]
) -> Dict[str, list]:
    """Where each tile lies, its best class, and the probability of every class.

    probabilities: [tiles, K];  best: [tiles], the class that each is given
    """
    lefts, tops, rights, bottoms = np.array(grid.boxes()).T
    columns: Dict[str, Any] = {
        "x": lefts.tolist(),
        "y": tops.tolist(),
        "width": (rights - lefts).tolist(),
        "height": (bottoms - tops).tolist(),
        "class": [names[k] for k in best],
        "probability": [six_digits(row[k]) for row, k in zip(probabilities, best)],
    }
    for name, column in zip(names, probabilities.T):
        columns[f"p_{name}"] = [six_digits(value) for value in column]
    return columns
