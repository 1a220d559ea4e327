"""The files of a map of classes: pictures, a table of its tiles, and GeoTIFFs if the scene has a place.

    NAME_classes.png      to look at: the scene, its map and a legend
    NAME_overlay.png      the scene with the colours of its classes over it
    NAME_tiles.csv        each tile: where it lies, its class, the probability of every class

and to compute with, of a scene that is on earth, one pixel a cell of the map

    NAME_classes.tif      the number of each class, names in the tags, colours in the table
    NAME_confidence.tif   the probability of the class that a cell is given, float32

or of any other, pixel for pixel

    NAME_raster.png       the number of each class, an index of the palette; names in text chunks; 255 no data
    NAME_confidence.png   255 times the probability of the class that a pixel is given; 0 also no data
"""

from collections import Counter
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from data.images import printable, walk
from data.names import readable
from inference.candidates import NamedCandidates
from inference.classifier import six_digits
from inference.maps import draw_map, paint_over, spread
from inference.scenes import write_confidence_geotiff, write_geotiff
from inference.tiles import NO_DATA, Grid, Scene, areas, blend, confidence
from support.errors import InputError
from support.files import atomic, write_columns


def check_maps(paths: Sequence[str], names: Sequence[str]):
    """Raise InputError if there are more classes than a map can have, or two maps would have one name.

    paths: of the scenes;  names: [K] of the candidates
    """
    count = len(names)
    if count > NO_DATA:
        raise InputError(
            f"a map has at most {NO_DATA} classes, and there are {count} candidates: "
            "leave some out, of a run with --without"
        )
    stems = Counter(Path(file).stem for file in walk(paths))
    for name, files in stems.items():
        if files > 1:
            raise InputError(
                f"two images are called {name}, and so would their maps be: give each an --output of its own"
            )


def save_map(
    target: Path,
    scene: Scene,
    grid: Grid,
    probabilities: np.ndarray,
    candidates: NamedCandidates,
    colours: np.ndarray,
):
    """Write all of these files, and print the shares of the classes.

    target: folder/NAME;  probabilities: [J, I, K] of the tiles;  colours: uint8 [K, 3]
    """
    names = candidates.names
    of_tiles = probabilities.reshape(-1, len(names))  # [J, I, K] -> [J * I, K]
    scores = candidates.calibrated(of_tiles)
    classes = blend(scores.reshape(probabilities.shape), grid)  # [R, L]
    classes = np.where(scene.has_data(grid.cells), classes, NO_DATA).astype(np.uint8)
    certain = confidence(probabilities, classes, grid)  # [R, L]

    table = beside(target, "tiles.csv")
    best = scores.argmax(axis=1)
    calibrated = scores if candidates.is_calibrated else None
    write_columns(table, tile_columns(grid, of_tiles, best, names, calibrated))
    shares = areas(classes, grid)
    write_columns(beside(target, "areas.csv"), area_columns(shares, names, colours))
    sheet, overlay = beside(target, "classes.png"), beside(target, "overlay.png")
    in_words = [readable(name) for name in names]
    write_png(sheet, draw_map(scene, classes, grid, in_words, printable(target.name), colours))
    write_png(overlay, paint_over(scene, classes, grid, colours))
    written = [table, sheet, overlay]
    if scene.georeference:
        geotiff, confidence_file = beside(target, "classes.tif"), beside(target, "confidence.tif")
        write_geotiff(geotiff, classes, grid.cell, scene.georeference, names, colours)
        write_confidence_geotiff(confidence_file, certain, grid.cell, scene.georeference)
        written += [geotiff, confidence_file]
    else:
        written += write_rasters(target, classes, certain, grid, names, colours)

    size = f"{grid.width} x {grid.height} pixels"
    print(f"\n{printable(target.name)}: {size} in {len(grid.lefts)} x {len(grid.tops)} tiles")
    for k, share in shares.items():
        print(f"{share:>7.1%} {names[k]}")
    print("wrote   " + "\n        ".join(printable(str(file)) for file in written))


def beside(target: Path, ending: str) -> Path:
    """folder/NAME -> folder/NAME_ending"""
    return target.with_name(f"{target.name}_{ending}")


def write_rasters(
    target: Path,
    classes: np.ndarray,
    certain: np.ndarray,
    grid: Grid,
    names: Sequence[str],
    colours: np.ndarray,
) -> List[Path]:
    """NAME_raster.png and NAME_confidence.png, as large as the scene.

    classes, certain: [R, L];  colours: uint8 [K, 3]
    """
    of_classes, of_confidence = beside(target, "raster.png"), beside(target, "confidence.png")
    table = np.full((NO_DATA + 1, 3), 255, np.uint8)
    table[: len(colours)] = colours
    raster = Image.fromarray(spread(classes, grid, grid.width, grid.height))
    raster.putpalette(table.ravel().tolist())
    texts = PngInfo()
    for k, name in enumerate(names):
        texts.add_itxt(f"class_{k}", name)
    write_png(of_classes, raster, pnginfo=texts, transparency=NO_DATA)
    levels = (255 * certain).round().astype(np.uint8)
    write_png(of_confidence, Image.fromarray(spread(levels, grid, grid.width, grid.height)))
    return [of_classes, of_confidence]


def write_png(file: Path, picture: Image.Image, **options):
    """options: of Pillow"""
    with atomic(file) as temporary:
        picture.save(temporary, format="PNG", **options)


def area_columns(shares: Dict[int, float], names: Sequence[str], colours: np.ndarray) -> Dict[str, list]:
    """The classes on the map with their shares of its area, the largest first, and their colours.

    shares: class -> share;  colours: uint8 [K, 3]
    """
    rows = colours.tolist()
    return {
        "class": [names[k] for k in shares],
        "share": [six_digits(share) for share in shares.values()],
        "colour": ["#{:02x}{:02x}{:02x}".format(*rows[k]) for k in shares],
    }


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
