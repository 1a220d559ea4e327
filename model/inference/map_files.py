"""The files of a map of classes: a picture, a table of its tiles, and a GeoTIFF if the scene has a place."""

from pathlib import Path
from typing import Any, Dict, Optional, Sequence

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
    best = scores.argmax(axis=1)
    calibrated = scores if candidates.is_calibrated else None
    write_columns(table, tile_columns(grid, of_tiles, best, names, calibrated))
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
    for k, share in areas(classes, grid).items():
        print(f"{share:>7.1%} {names[k]}")
    print(printable(written))


def tile_columns(
    grid: Grid,
    probabilities: np.ndarray,
    best: np.ndarray,
    names: Sequence[str],
    calibrated: Optional[np.ndarray] = None,
) -> Dict[str, list]:
    """Where each tile lies, its best class, and the probability of every class.

    probabilities: [tiles, K];  best: [tiles], the class that each is given
    calibrated:    [tiles, K], what classes are ranked by, if these are not the probabilities: that of the
                   best class is told, too, as it may not be the most probable one
    """
    lefts, tops, rights, bottoms = np.array(grid.boxes()).T
    columns: Dict[str, Any] = {
        "x": lefts.tolist(),
        "y": tops.tolist(),
        "width": (rights - lefts).tolist(),
        "height": (bottoms - tops).tolist(),
        "class": [names[k] for k in best],
    }
    if calibrated is not None:
        columns["calibrated_score"] = [six_digits(row[k]) for row, k in zip(calibrated, best)]
    columns["probability"] = [six_digits(row[k]) for row, k in zip(probabilities, best)]
    for name, column in zip(names, probabilities.T):
        columns[f"p_{name}"] = [six_digits(value) for value in column]
    return columns
