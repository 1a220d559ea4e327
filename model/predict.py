"""Classify any images with a saved run, as one of its classes or of classes that it has never heard of.

    python model/predict.py --resume runs/X/last.safetensors photos/ --output predictions/
    python model/predict.py --resume runs/X/last.safetensors photos/ --add_class "wind farm"
    python model/predict.py --resume runs/X/last.safetensors photos/ --add_class "solar farm=examples/*.jpg"
    python model/predict.py --resume runs/X/last.safetensors --tile 256 scene.png      a map of classes

Nothing is trained. Images and folders of any size; an unreadable image is listed and passed over. The output
has a line an image (predictions.jsonl) and the same as a table (predictions.csv): the best classes with their
probabilities, and the attributes that spoke most for the best one, each with its share of the decision.
Started again, an interrupted prediction goes on.

With --tile, each image gets NAME_classes.png and NAME_overlay.png to look at, NAME_tiles.csv, and to compute
with NAME_raster.png and NAME_confidence.png; or, if it is a GeoTIFF and rasterio is installed,
NAME_classes.tif and NAME_confidence.tif.
"""

import argparse
import os
from collections import Counter
from itertools import islice
from pathlib import Path
from typing import Iterator, List

import numpy as np

from data.images import printable, walk
from inference.candidates import Candidates, choose_candidates, fingerprint
from inference.classifier import Classifier
from inference.colours import read_colours
from inference.map_files import save_map
from inference.new_classes import parse
from inference.predictions import (
    Predictions,
    Summary,
    decoded_batches,
    print_prediction_summary,
    table_columns,
)
from inference.saved import load_saved
from inference.scenes import open_scene
from inference.tiles import NO_DATA, Grid, classify_tiles
from support.cli import WORKERS, Parser, add_bands_option, number, path
from support.errors import InputError, exits_cleanly
from support.machine import pick_device
from support.processes import gather_stream, init_processes, progress, rank, rank_zero

NO_INFLUENCE = (
    "paths",
    "output",
    "device",
    "workers",
    "batch_size",
    "strict",
    "colours",
)  # on what an image is called


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    images = count_images(opt.paths)
    added = [parse(text) for text in opt.add_class]
    run = load_saved(opt.resume, device)
    if opt.bands is None and run.preprocessing.bands:
        opt.bands = list(run.preprocessing.bands)
    run.preprocessing = run.preprocessing.of_bands(opt.bands)
    candidates = choose_candidates(
        run, opt.classes, opt.without, added, opt.class_values, opt.clip, opt.calibrated_stacking
    )
    classifier = Classifier(run, candidates)
    predictions = rank_zero(open_predictions, opt, candidates)
    if opt.tile:
        check_maps(opt.paths, candidates)
        colours = read_colours(opt.colours, candidates.names)
    print_candidates(classifier)
    rank_zero(predictions.start)
    if opt.tile:
        unreadable = map_scenes(opt, predictions.folder, classifier, colours)
    else:
        unreadable = name_images(opt, predictions, classifier, images)
    if unreadable and (opt.strict or unreadable == images):
        reason = " (--strict)" if opt.strict else ""
        raise InputError(
            f"{unreadable} of {images} images could not be read{reason}: "
            "replace those that are listed above, or take them away"
        )


def get_options(arguments=None) -> argparse.Namespace:
    """The options, checked."""
    parser = Parser(
        prog="predict.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "paths", type=path, nargs="+", metavar="PATH", help="images, and folders with all that is below them"
    )
    parser.add_argument(
        "--resume",
        type=path,
        required=True,
        metavar="CHECKPOINT",
        help="a saved model: runs/X/last.safetensors",
    )
    parser.add_argument(
        "--output",
        type=path,
        default=path("predictions"),
        metavar="FOLDER",
        help="where the results go (default: predictions/)",
    )
    parser.add_argument(
        "--strict", action="store_true", help="an unreadable image is an error, once all others are done"
    )

    classes = parser.add_argument_group("candidate classes")
    classes.add_argument(
        "--classes",
        choices=["unseen", "all", "none"],
        default="unseen",
        help="of the run, or only those added (default: unseen)",
    )
    classes.add_argument(
        "--without",
        nargs="+",
        default=[],
        metavar="CLASS",
        help="classes of the run to leave out, as if it had never heard of them",
    )
    classes.add_argument(
        "--add_class",
        action="append",
        default=[],
        metavar="CLASS",
        help='a class the run has never heard of, by its name, a description, or pictures: "wind farm", '
        '"wind farm: tall turbines on grass", "wind farm=examples/*.jpg" (or a folder). '
        "Can be given many times",
    )
    classes.add_argument(
        "--class_values",
        type=path,
        metavar="FILE.json",
        help='more classes, by attribute: {"wind farm": {"grass": 1, "roads": -0.5}}, '
        "in deviations from the mean class",
    )
    classes.add_argument(
        "--clip",
        type=path,
        metavar="FOLDER",
        help="CLIP for the added classes (default: the one that described the run's)",
    )
    classes.add_argument(
        "--calibrated_stacking",
        type=number(float, -np.inf),
        help="taken from the probabilities of seen classes before they compete with others "
        "(default: the run's)",
    )

    add_bands_option(parser)
    lines = parser.add_argument_group("what is told of an image")
    lines.add_argument("--top", type=number(int, 1), default=3, help="classes (default: 3)")
    lines.add_argument(
        "--attributes",
        type=number(int, 0),
        default=3,
        help="attributes that spoke for the first of them (default: 3)",
    )

    tiles = parser.add_argument_group("large images")
    tiles.add_argument(
        "--tile",
        type=number(int, 8),
        metavar="PIXELS",
        help="side of the tiles: as much ground as a training image shows",
    )
    tiles.add_argument(
        "--stride",
        type=number(int, 1),
        metavar="PIXELS",
        help="from one tile to the next (default: half a tile)",
    )
    tiles.add_argument(
        "--colours",
        type=path,
        metavar="FILE.json",
        help='of classes on the map: {"forest": "#117733"} (default: what names suggest: water is blue)',
    )

    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--batch_size", type=number(int, 1), default=64, help="images the network sees at once (default: 64)"
    )
    machine.add_argument(
        "--workers", type=number(int, 0), default=WORKERS, help="processes that decode images"
    )
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    opt = parser.parse_intermixed_args(arguments)
    for name in ("stride", "colours"):
        if getattr(opt, name) and not opt.tile:
            parser.error(f"--{name} needs --tile")
    if opt.tile:
        opt.stride = opt.stride or opt.tile // 2
        if opt.stride > opt.tile:
            parser.error(f"--stride {opt.stride} is larger than --tile {opt.tile}: there would be gaps")
    if opt.classes == "none" and not opt.add_class and not opt.class_values:
        parser.error("--classes none needs --add_class or --class_values")
    return opt


def count_images(paths: List[str]) -> int:
    """How many there are. Raises InputError if a path leads nowhere, or there is none."""
    for place in paths:
        if not os.path.exists(place):  # noqa: PTH110, Path.exists raises an error if a name is too long
            raise InputError(f"no such file or folder: {place}; expected images, or folders of them")
    images = sum(1 for _ in walk(paths))
    if not images:
        raise InputError(f"no image in {', '.join(paths)}: expected files such as .jpg, .png or .tif")
    return images


def open_predictions(opt: argparse.Namespace, candidates: Candidates) -> Predictions:
    """The folder of --output, which must be new, or of a prediction with the same options and classes."""
    options = {key: value for key, value in vars(opt).items() if key not in NO_INFLUENCE}
    kinds = dict(zip(candidates.names, candidates.kinds))
    return Predictions(opt.output, options, kinds, fingerprint(opt.resume, candidates))


# ---- images ----------------------------------------------------------------------------------------


def name_images(
    opt: argparse.Namespace, predictions: Predictions, classifier: Classifier, images: int
) -> int:
    """Write and print predictions of all images, or of those still to be done.

    images: how many there are.  Returns how many of them could not be read.
    """
    done = rank_zero(lambda: predictions.done(walk(opt.paths), opt.batch_size))
    if done:
        print(f"note: {done} of {images} images are there already")
    files = islice(walk(opt.paths), done, None)
    run = classifier.run
    batches = decoded_batches(
        files, run.preprocessing, opt.batch_size, opt.workers, run.device.type == "cuda"
    )
    lines_of_batches = gather_stream(describe_batches(classifier, batches, opt.top, opt.attributes))
    try:
        with progress(None, "images", total=images, initial=done) as bar:
            for lines in lines_of_batches:
                if rank() == 0:
                    predictions.write(lines)
                bar.update(len(lines))
    finally:
        summary = None
        if rank() == 0:  # also after an interruption
            summary = tabulate(opt, predictions, classifier.candidates)
    summary = rank_zero(lambda: summary)
    print_prediction_summary(summary)
    print(f"wrote   {predictions.lines}\n        {predictions.table}")
    return summary.unreadable


def describe_batches(classifier: Classifier, batches, top: int, attributes: int) -> Iterator[List[dict]]:
    """The lines of each batch of images."""
    for files, images, errors in batches:
        descriptions = iter(classifier.describe(images, top, attributes))
        lines = []
        for file in files:
            result = {"error": errors[file]} if file in errors else next(descriptions)
            lines.append({"image": file, **result})
        yield lines


def tabulate(opt: argparse.Namespace, predictions: Predictions, candidates: Candidates) -> Summary:
    """Write predictions.csv, with as many columns as images can have entries."""
    classes = min(opt.top, len(candidates.names))
    attributes = min(opt.attributes, len(candidates.attributes))
    return predictions.tabulate(table_columns(classes, attributes))


# ---- maps ------------------------------------------------------------------------------------------


def check_maps(paths: List[str], candidates: Candidates):
    """Raise InputError if there are more classes than a map can have, or two maps would have one name."""
    count = len(candidates.names)
    if count > NO_DATA:
        raise InputError(
            f"a map has at most {NO_DATA} classes, and there are {count} candidates: "
            "--without leaves some out"
        )
    names = Counter(Path(file).stem for file in walk(paths))
    for name, files in names.items():
        if files > 1:
            raise InputError(
                f"two images are called {name}, and so would their maps be: give each an --output of its own"
            )


def map_scenes(opt: argparse.Namespace, folder: Path, classifier: Classifier, colours: np.ndarray) -> int:
    """Write and print a map of classes for every image. Returns how many could not be read."""
    unreadable = 0
    for file in walk(opt.paths):
        try:
            scene = open_scene(file, opt.bands)
            width, height = scene.size
            grid = Grid(width, height, opt.tile, opt.stride)
            probabilities = classify_tiles(
                scene,
                grid,
                classifier.probabilities,
                classifier.run.preprocessing,
                opt.batch_size,
                opt.workers,
                title=Path(file).name,
            )
        except InputError as error:
            unreadable += 1
            print(f"error   {printable(str(error))}")
        else:
            target = folder / Path(file).stem
            rank_zero(save_map, target, scene, grid, probabilities, classifier.candidates, colours)
    return unreadable


# ---- what is printed -------------------------------------------------------------------------------


def print_candidates(classifier: Classifier):
    """How many of the run's classes there are, and what each new one is like."""
    candidates = classifier.candidates
    own = Counter(kind for kind in candidates.kinds if kind in ("seen", "unseen"))
    counts = ", ".join(f"{count} {kind}" for kind, count in own.items())
    line = "classes " + (counts or "none of the run's")
    if candidates.calibration:
        line += f"; calibrated stacking takes {candidates.calibration:g} from the seen ones"
    print(line)
    columns = candidates.attributes.T.cpu().numpy()  # [K, A]
    for name, kind, column in zip(candidates.names, candidates.kinds, columns):
        if kind not in own:
            strongest = np.argsort(-column, kind="stable")[:5]
            attributes = [classifier.attribute_names[a] for a in strongest if column[a] > 0]
            print(f"new     {name:24} by {kind}: {', '.join(attributes)}")


if __name__ == "__main__":
    main()
