"""Classify any images with a saved run, as one of its classes or of classes that it has never heard of. Nothing is trained.

    python model/predict.py --resume runs/X/last.safetensors photos/ --output predictions/
    python model/predict.py --resume runs/X/last.safetensors photos/ --add_class "wind farm" --add_class "solar farm=examples/*.jpg"
    python model/predict.py --resume runs/X/last.safetensors --tile 256 --stride 128 scene.png      a map of classes

Images and folders of any size; an unreadable image is listed and passed over. The output has a line an image (predictions.jsonl)
and the same as a table (predictions.csv): the best classes with their probabilities, and the attributes that spoke most for the
best one, each with its share of the decision. Started again, an interrupted prediction goes on.

With --tile, each image gets NAME_classes.png, NAME_tiles.csv and, if it is a GeoTIFF and rasterio is installed, NAME_classes.tif.
"""

import argparse
import os
from collections import Counter
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Dict, Iterator, List

import numpy as np
import torch
from tqdm import tqdm

from data.benchmark import Benchmark
from data.images import printable, walk
from inference.classifier import Candidates, Classifier, fingerprint, short, turning
from inference.maps import draw_map, palette
from inference.new_classes import (
    NewClass,
    Turning,
    check_names,
    columns_by_clip,
    columns_by_hand,
    known_classes,
    parse,
)
from inference.predictions import Predictions, Summary, decode, table_columns
from inference.scenes import open_scene, write_geotiff
from inference.tiles import NOWHERE, Grid, areas, blend, slide
from runs.build import load_saved
from support.cli import WORKERS, Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import atomic, write_columns
from support.machine import pick_device
from support.processes import gather_stream, init_processes, rank, rank_zero

PLACE = {
    "paths",
    "output",
    "device",
    "workers",
    "batch_size",
    "strict",
}  # options that say where and how, not what


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    images = count_images(opt.paths)
    new = [parse(text) for text in opt.add_class]
    run, data, model = load_saved(opt.resume, device)
    candidates = choose_candidates(opt, run, data, new, device, turning(run, model))
    classifier = Classifier(run, model, candidates, data.attribute_names)
    predictions = rank_zero(
        partial(Predictions, classes=dict(zip(candidates.names, candidates.kinds))),
        opt.output,
        {key: value for key, value in vars(opt).items() if key not in PLACE},
        fingerprint(opt.resume, candidates),
    )
    if opt.tile:
        check_maps(opt.paths, candidates)
    print_candidates(classifier)
    rank_zero(predictions.start)
    unreadable = (
        map_scenes(opt, predictions.folder, classifier)
        if opt.tile
        else name_images(opt, predictions, classifier, images)
    )
    if unreadable and (opt.strict or unreadable == images):
        raise InputError(
            f"{unreadable} of {images} images could not be read"
            + (" (--strict)" if opt.strict else "")
            + ": replace those that are listed above, or take them away"
        )


def get_options(arguments=None) -> argparse.Namespace:
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
        '"wind farm: tall turbines on grass", "wind farm=examples/*.jpg" (or a folder). Can be given many times',
    )
    classes.add_argument(
        "--class_values",
        type=path,
        metavar="FILE.json",
        help='more classes, by attribute: {"wind farm": {"grass": 1, "roads": -0.5}}, in deviations from the mean class',
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
        help="taken from the probabilities of seen classes before they compete with others (default: the run's)",
    )

    told = parser.add_argument_group("what is told of an image")
    told.add_argument("--top", type=number(int, 1), default=3, help="classes (default: 3)")
    told.add_argument(
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

    machine = parser.add_argument_group("machine")
    machine.add_argument(
        "--batch_size", type=number(int, 1), default=64, help="images the network sees at once (default: 64)"
    )
    machine.add_argument(
        "--workers", type=number(int, 0), default=WORKERS, help="processes that decode images"
    )
    machine.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    opt = parser.parse_intermixed_args(arguments)
    if opt.stride and not opt.tile:
        parser.error("--stride needs --tile")
    if opt.tile:
        opt.stride = opt.stride or opt.tile // 2
        if opt.stride > opt.tile:
            parser.error(f"--stride {opt.stride} is larger than --tile {opt.tile}: there would be gaps")
    if opt.classes == "none" and not opt.add_class and not opt.class_values:
        parser.error("--classes none needs --add_class or --class_values")
    return opt


def count_images(paths: List[str]) -> int:
    missing = [place for place in paths if not os.path.exists(place)]
    if missing:
        raise InputError(f"no such file or folder: {missing[0]}; expected images, or folders of them")
    images = sum(1 for _ in walk(paths))
    if not images:
        raise InputError(f"no image in {', '.join(paths)}: expected files such as .jpg, .png or .tif")
    return images


def choose_candidates(
    opt: argparse.Namespace,
    run: argparse.Namespace,
    data: Benchmark,
    new: List[NewClass],
    device: torch.device,
    turn: Turning,
) -> Candidates:
    """The run's classes that are wanted, then those by --add_class, then those by --class_values. turn: of the branch that counts"""
    known = known_classes(data.class_names, opt.without)
    own = (
        np.intersect1d(data.candidates(opt.classes == "all"), known)
        if opt.classes != "none"
        else np.array([], int)
    )
    matrix = data.class_attributes.cpu().numpy()
    by_hand = (
        columns_by_hand(opt.class_values, data.attribute_names, matrix[:, known], turn)
        if opt.class_values
        else {}
    )
    check_names([*(c.name for c in new), *by_hand], [data.class_names[c] for c in known])
    if not len(own) + len(new) + len(by_hand):
        raise InputError("no candidate class is left: name fewer in --without, or add some")
    columns = [matrix[:, own], *(column[:, None] for column in by_hand.values())]  # [A, ...] each
    if new:
        columns.insert(1, columns_by_clip(new, known, run, data, opt.clip, device, turn))
    kinds = [
        *("seen" if c in data.seen else "unseen" for c in own),
        *(c.source() for c in new),
        *["values"] * len(by_hand),
    ]
    calibration = run.calibrated_stacking if opt.calibrated_stacking is None else opt.calibrated_stacking
    return Candidates(
        names=[*(data.class_names[c] for c in own), *(c.name for c in new), *by_hand],
        kinds=kinds,
        attributes=torch.from_numpy(np.hstack(columns).astype(np.float32)).to(device),
        calibration=calibration if "seen" in kinds else 0.0,
    )


def name_images(
    opt: argparse.Namespace, predictions: Predictions, classifier: Classifier, images: int
) -> int:
    """Write and print predictions of all images, or of those still to be done. Returns how many could not be read."""
    candidates = classifier.candidates
    done = rank_zero(lambda: predictions.done(walk(opt.paths), opt.batch_size))
    if done:
        print(f"note: {done} of {images} images are there already")
    batches = decode(
        islice(walk(opt.paths), done, None),
        classifier.size,
        opt.batch_size,
        opt.workers,
        candidates.attributes.is_cuda,
    )
    summary = None
    try:
        with tqdm(total=images, initial=done, desc="images", leave=False, disable=rank() > 0 or None) as bar:
            for lines in gather_stream(tell(opt, classifier, batches)):
                if rank() == 0:
                    predictions.write(lines)
                bar.update(len(lines))
    finally:
        if rank() == 0:  # also of those before an interruption
            summary = predictions.tabulate(
                table_columns(
                    min(opt.top, len(candidates.names)), min(opt.attributes, len(candidates.attributes))
                )
            )
    summary = rank_zero(lambda: summary)
    print_summary(summary)
    print(f"wrote   {predictions.lines}\n        {predictions.table}")
    return summary.unreadable


def tell(opt: argparse.Namespace, classifier: Classifier, batches) -> Iterator[List[dict]]:
    """What is to be written of each batch of images."""
    for files, pictures, errors in batches:
        told = classifier.describe(pictures, opt.top, opt.attributes)
        yield [
            {"image": file, **({"error": errors[file]} if file in errors else next(told))} for file in files
        ]


def check_maps(paths: List[str], candidates: Candidates):
    if len(candidates.names) > NOWHERE:
        raise InputError(
            f"a map has at most {NOWHERE} classes, and there are {len(candidates.names)} candidates: --without leaves some out"
        )
    twice = [name for name, files in Counter(Path(file).stem for file in walk(paths)).items() if files > 1]
    if twice:
        raise InputError(
            f"two images are called {twice[0]}, and so would their maps be: give each an --output of its own"
        )


def map_scenes(opt: argparse.Namespace, folder: Path, classifier: Classifier) -> int:
    """Write and print a map of classes for every image. Returns how many could not be read."""
    unreadable = 0
    for file in walk(opt.paths):
        try:
            scene = open_scene(file)
            width, height = scene.size
            grid = Grid(width, height, opt.tile, opt.stride)
            probabilities = slide(
                scene,
                grid,
                classifier.probabilities,
                classifier.size,
                opt.batch_size,
                opt.workers,
                Path(file).name,
            )
        except InputError as error:
            unreadable += 1
            print(f"error   {printable(str(error))}")
        else:
            rank_zero(save_map, folder / Path(file).stem, scene, grid, probabilities, classifier.candidates)
    return unreadable


def save_map(target: Path, scene, grid: Grid, probabilities: np.ndarray, candidates: Candidates):
    """NAME_tiles.csv, NAME_classes.png and, if the scene has a georeference, NAME_classes.tif. probabilities: [J, I, K]"""
    names, flat = candidates.names, probabilities.reshape(-1, len(candidates.names))
    scores = candidates.calibrated(flat)
    classes = np.where(
        scene.is_there(grid.cells), blend(scores.reshape(probabilities.shape), grid), NOWHERE
    ).astype(np.uint8)
    table, picture, geotiff = (
        target.with_name(f"{target.name}_{ending}") for ending in ("tiles.csv", "classes.png", "classes.tif")
    )
    write_columns(table, tile_columns(grid, flat, scores.argmax(axis=1), names))
    with atomic(picture) as temporary:
        draw_map(scene, classes, grid, names, printable(target.name)).save(temporary, format="PNG")
    if scene.georeference:
        write_geotiff(geotiff, classes, grid.cell, scene.georeference, names, palette(len(names)))
    print(
        f"\n{printable(target.name)}: {grid.width} x {grid.height} pixels in {len(grid.lefts)} x {len(grid.tops)} tiles"
    )
    for k, share in areas(classes, grid).items():
        print(f"{share:>7.1%} {names[k]}")
    print(
        printable(
            f"wrote   {table}\n        {picture}" + (f"\n        {geotiff}" if scene.georeference else "")
        )
    )


def tile_columns(
    grid: Grid, probabilities: np.ndarray, best: np.ndarray, names: List[str]
) -> Dict[str, list]:
    """The table of the tiles: where each lies, its best class, and the probability of every class. probabilities: [tiles, K];  best: [tiles]"""
    lefts, tops, rights, bottoms = np.array(grid.boxes()).T
    return {
        "x": lefts.tolist(),
        "y": tops.tolist(),
        "width": (rights - lefts).tolist(),
        "height": (bottoms - tops).tolist(),
        "class": [names[k] for k in best],
        "probability": [short(p[k]) for p, k in zip(probabilities, best)],
        **{f"p_{name}": list(map(short, column)) for name, column in zip(names, probabilities.T)},
    }


def print_candidates(classifier: Classifier):
    """How many of the run's classes there are, and what each new one is like."""
    candidates = classifier.candidates
    own = Counter(kind for kind in candidates.kinds if kind in ("seen", "unseen"))
    print(
        "classes "
        + (", ".join(f"{count} {kind}" for kind, count in own.items()) or "none of the run's")
        + (
            f"; calibrated stacking takes {candidates.calibration:g} from the seen ones"
            if candidates.calibration
            else ""
        )
    )
    for name, kind, worth in zip(candidates.names, candidates.kinds, candidates.attributes.T.cpu().numpy()):
        if kind not in own:
            strongest = [
                classifier.attribute_names[a] for a in np.argsort(-worth, kind="stable")[:5] if worth[a] > 0
            ]
            print(f"new     {name:24} by {kind}: {', '.join(strongest)}")


def print_summary(summary: Summary):
    """The first images, how many there are of each class, and what could not be read."""
    print(f"\n{'image':32} {'class':24} {'':>6}  because of")
    for line in summary.first:
        print(f"{printable(Path(line['image']).name):32} {in_short(line)}")
    if summary.images > len(summary.first):
        print(f"... and {summary.images - len(summary.first)} more")
    print(
        f"\n{summary.images} images"
        + (f", {summary.unreadable} of them unreadable" if summary.unreadable else "")
    )
    for name, images in summary.counts.most_common():
        print(f"{images:>7} {name}")
    for line in summary.errors:
        print(f"error   {printable(line['error'])}")
    if summary.unreadable > len(summary.errors):
        print(f"        and {summary.unreadable - len(summary.errors)} more like it")


def in_short(line: dict) -> str:
    """Of a prediction, the best class and why."""
    if "error" in line:
        return "unreadable"
    reasons = ("{attribute} {contribution:+.0%}".format_map(reason) for reason in line["attributes"])
    return "{class:24} {probability:6.1%}  ".format_map(line["classes"][0]) + ", ".join(reasons)


if __name__ == "__main__":
    main()
