"""Classify any images with a saved run, as one of its classes or of classes that it has never heard of.

    python model/predict.py --resume runs/X/last.safetensors photos/ --output predictions/
    python model/predict.py --resume runs/X/last.safetensors photos/ --add_class "wind farm"
    python model/predict.py --resume runs/X/last.safetensors photos/ --add_class "solar farm=examples/*.jpg"
    python model/predict.py --resume runs/X/last.safetensors --tile 256 scene.png      a map of classes
    python model/predict.py photos/ --clip FOLDER --names airport "storage tanks"      by a CLIP alone, no run
    python model/predict.py photos/ --clip FOLDER --names airport beach --labels folders      how often right

Nothing is trained. Images and folders of any size; an unreadable image is listed and passed over. The output
has a line an image (predictions.jsonl) and the same as a table (predictions.csv): the best classes with their
probabilities, and the attributes that add most to the best one, each with its contribution in logits.
Started again, an interrupted prediction goes on.

Candidates are the classes of the run's own test, and those that are added: the unseen ones of a ZSL run, all
of a GZSL run. In GZSL calibrated stacking takes the run's constant from the probabilities of seen classes.
Then each class has a calibrated_score beside its probability, classes are ranked by it, and the first one is
not always the most probable.

With --names a CLIP names the images, and no run is needed. Attributes are then what CLIP sees in an image,
whatever its class: a share of 20 % is CLIP's softmax over the vocabulary.

With --labels folders, pictures in folders that are called like classes are counted: accuracy.json,
per_class.csv and confusion.csv. Images that the run was trained with are told apart, where its dataset is
still there.

With --tile, each image gets NAME_classes.png and NAME_overlay.png to look at, NAME_tiles.csv, and to compute
with NAME_raster.png and NAME_confidence.png; or, if it is a GeoTIFF and rasterio is installed,
NAME_classes.tif and NAME_confidence.tif.
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import argparse

from support.cli import (
    WORKERS,
    Parser,
    add_bands_option,
    add_candidate_options,
    check_candidate_options,
    number,
    path,
)
from support.notes import counted


def get_parser() -> Parser:
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
        metavar="CHECKPOINT",
        help="a saved model: runs/X/last.safetensors, or runs/X for the one that its protocol chose; "
        "not needed with --names",
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

    add_candidate_options(parser)
    add_bands_option(parser)
    add_alone_options(parser)
    lines = parser.add_argument_group("what is told of an image")
    lines.add_argument("--top", type=number(int, 1), default=3, help="classes (default: 3)")
    lines.add_argument(
        "--attributes",
        type=number(int, 0),
        default=3,
        help="attributes that add most to the first of them (default: 3); any large number tells all",
    )
    lines.add_argument(
        "--labels",
        choices=["folders"],
        help="also how often images are named right: their folders are called like classes, in any spelling",
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
    return parser


def add_alone_options(parser: argparse.ArgumentParser):
    alone = parser.add_argument_group("a CLIP alone, without a run")
    alone.add_argument(
        "--names",
        nargs="+",
        metavar="CLASS",
        help='classes, each as in --add_class, with --clip FOLDER: airport "storage tanks" '
        '"wind farm: tall white turbines on grass" "port=examples/*.jpg"; '
        "also with commas between names. PATH goes before it",
    )
    alone.add_argument(
        "--vocabulary",
        type=path,
        metavar="FILE.json",
        help="attributes that images are told with, as annotate.py takes them "
        "(default: RSSDIVCS/files/attributes_98.json)",
    )


if __name__ == "__main__":
    get_parser().start()

import os
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Callable, List, Tuple

import numpy as np
import torch
from torch import Tensor

from clip.attributes import flat, load_vocabulary
from clip.embed import Clip
from clip.embeddings import Kept
from data.images import printable, walk
from inference.accuracy import check_labels, score_labels
from inference.candidates import choose_candidates, default_classes, print_candidates
from inference.classifier import BaseClassifier, Classifier, describe_batches
from inference.clip_classifier import ClipClassifier
from inference.colours import read_colours
from inference.familiarity import Familiarity
from inference.loading import VOCABULARY
from inference.map_files import check_maps, save_map
from inference.new_classes import divided_names, parse
from inference.predictions import Predictions, decoded_batches, print_prediction_summary
from inference.saved import kept_embeddings, load_saved
from inference.scenes import open_scene
from inference.tiles import Grid, classify_tiles
from inference.training_images import find_training_images
from runs.chosen import chosen_checkpoint
from support.errors import InputError, exits_cleanly
from support.machine import pick_device
from support.processes import gather_stream, init_processes, progress, rank, rank_zero

# Options without influence on what an image is called.
NO_INFLUENCE = (
    *("paths", "output", "device", "workers", "batch_size", "strict", "colours"),
    *("embedding_cache", "cache_dir", "labels"),
)


# Options that say something of a run, and nothing to a CLIP alone.
OF_A_RUN = ("resume", "classes", "without", "add_class", "class_values", "calibrated_stacking")


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = init_processes(pick_device(opt.device))
    images = count_images(opt.paths)
    classifier, print_choice = by_clip(opt, device) if opt.names else by_run(opt, device)
    candidates = classifier.candidates
    if opt.labels:
        check_labels(opt.paths, candidates.names)
    predictions = rank_zero(open_predictions, opt, classifier)
    if opt.tile:
        check_maps(opt.paths, candidates.names)
        colours = read_colours(opt.colours, candidates.names)
    print_choice()
    rank_zero(predictions.start)
    if opt.tile:
        unreadable = map_scenes(opt, predictions.folder, classifier, colours)
    else:
        unreadable = name_images(opt, predictions, classifier, images)
    if opt.labels:
        rank_zero(count_right, opt.paths, predictions, classifier)
    if unreadable and (opt.strict or unreadable == images):
        reason = " (--strict)" if opt.strict else ""
        raise InputError(
            f"{unreadable} of {counted(images, 'image')} could not be read{reason}: "
            "replace those that are listed above, or take them away"
        )


def get_options(arguments=None) -> argparse.Namespace:
    """The options, checked."""
    parser = get_parser()
    opt = parser.parse_intermixed_args(arguments)
    for name in ("stride", "colours"):
        if getattr(opt, name) and not opt.tile:
            parser.error(f"--{name} needs --tile")
    if opt.tile:
        opt.stride = opt.stride or opt.tile // 2
        if opt.stride > opt.tile:
            parser.error(f"--stride {opt.stride} is larger than --tile {opt.tile}: there would be gaps")
    check_candidate_options(parser, opt)
    if opt.tile and opt.labels:
        parser.error("--labels are for pictures of one class each: leave out --tile")
    if opt.names:
        check_alone(parser, opt)
    elif not opt.resume:
        parser.error("expected --resume CHECKPOINT, or without a run --clip FOLDER and --names CLASS ...")
    elif opt.vocabulary:
        parser.error("--vocabulary goes with --names: a run has its own attributes")
    else:
        opt.resume = chosen_checkpoint(opt.resume)
    return opt


def check_alone(parser: Parser, opt: argparse.Namespace):
    """Ends with code 2 if an option is there that needs a run, or --clip is not."""
    for name in OF_A_RUN:
        if getattr(opt, name) not in (None, []):
            parser.error(f"--{name} is about a run, and --names does without: leave one of them out")
    if not opt.clip:
        parser.error("--names needs --clip FOLDER")
    opt.names = divided_names(opt.names)
    if not opt.names:
        parser.error("argument --names: expected names of classes, found nothing but commas")
    opt.vocabulary = opt.vocabulary or str(VOCABULARY)


def count_images(paths: List[str]) -> int:
    """How many there are. Raises InputError if a path leads nowhere, or there is none."""
    for place in paths:
        if not os.path.exists(place):  # noqa: PTH110, Path.exists raises an error if a name is too long
            raise InputError(f"no such file or folder: {place}; expected images, or folders of them")
    images = sum(1 for _ in walk(paths))
    if not images:
        raise InputError(f"no image in {', '.join(paths)}: expected files such as .jpg, .png or .tif")
    return images


def by_run(opt: argparse.Namespace, device: torch.device) -> Tuple[Classifier, Callable[[], None]]:
    """The saved run with its candidates, and what prints these."""
    added = [parse(text) for text in opt.add_class]
    run = load_saved(opt.resume, device)
    run.kept = kept_embeddings(run, opt.embedding_cache, opt.cache_dir)
    by_default = opt.classes is None
    opt.classes = opt.classes or default_classes(run)
    if opt.bands is None and run.preprocessing.bands:
        opt.bands = list(run.preprocessing.bands)
    run.preprocessing = run.preprocessing.of_bands(opt.bands)
    candidates = choose_candidates(
        run, opt.classes, opt.without, added, opt.class_values, opt.clip, opt.calibrated_stacking, opt.prompts
    )
    run.kept.print_summary()
    print_choice = partial(print_candidates, run, candidates, by_default, added, opt.prompts)
    return Classifier(run, candidates), print_choice


def by_clip(opt: argparse.Namespace, device: torch.device) -> Tuple[ClipClassifier, Callable[[], None]]:
    """A CLIP with the classes of --names, and what prints these."""
    classes = [parse(text, "--names") for text in opt.names]
    attributes = flat(load_vocabulary(Path(opt.vocabulary)))
    clip = Clip(opt.clip, device)
    clip.preprocessing = clip.preprocessing.of_bands(opt.bands)
    folder = opt.cache_dir if opt.embedding_cache else None
    kept = Kept(Path(folder) if folder else None, Path())
    classifier = ClipClassifier(clip, classes, attributes, opt.prompts, kept)
    kept.print_summary()
    return classifier, classifier.print_candidates


def open_predictions(opt: argparse.Namespace, classifier: BaseClassifier) -> Predictions:
    """The folder of --output, which must be new, or of a prediction with the same options and classes."""
    options = {key: value for key, value in vars(opt).items() if key not in NO_INFLUENCE}
    candidates = classifier.candidates
    kinds = dict(zip(candidates.names, candidates.kinds))
    return Predictions(opt.output, options, kinds, classifier.fingerprint(), classifier.line_form())


# ---- images ----------------------------------------------------------------------------------------


def name_images(
    opt: argparse.Namespace, predictions: Predictions, classifier: BaseClassifier, images: int
) -> int:
    """Write and print predictions of all images, or of those still to be done.

    images: how many there are.  Returns how many of them could not be read.
    """
    done = rank_zero(lambda: predictions.done(walk(opt.paths), opt.batch_size))
    if done:
        print(f"note: {done} of {counted(images, 'image')} {'is' if done == 1 else 'are'} there already")
    files = islice(walk(opt.paths), done, None)
    batches = decoded_batches(
        files, classifier.preprocessing, opt.batch_size, opt.workers, classifier.device.type == "cuda"
    )
    familiarity = Familiarity(classifier.trained_on)
    descriptions = describe_batches(classifier, batches, familiarity, opt.top, opt.attributes)
    lines_of_batches = gather_stream(descriptions)
    try:
        with progress(None, "images", total=images, initial=done) as bar:
            for lines in lines_of_batches:
                if rank() == 0:
                    predictions.write(lines)
                bar.update(len(lines))
    finally:
        summary = None
        if rank() == 0:  # also after an interruption
            classes = min(opt.top, len(classifier.candidates.names))
            attributes = min(opt.attributes, len(classifier.attribute_names))
            summary = predictions.tabulate(classes, attributes)
    summary = rank_zero(lambda: summary)
    print_prediction_summary(summary, predictions.form)
    familiarity.tell_together()
    print(f"wrote   {predictions.lines}\n        {predictions.table}")
    return summary.unreadable


def count_right(paths: List[str], predictions: Predictions, classifier: BaseClassifier):
    """How many images are named as their folders are called; and how many a run was trained with."""
    trained = find_training_images(classifier.run.dataset) if isinstance(classifier, Classifier) else None
    score_labels(paths, predictions, classifier.candidates.names, trained)


# ---- maps ------------------------------------------------------------------------------------------


def map_scenes(opt: argparse.Namespace, folder: Path, classifier: BaseClassifier, colours: np.ndarray) -> int:
    """Write and print a map of classes for every image. Returns how many could not be read."""
    unreadable = 0
    familiarity = Familiarity(classifier.trained_on)

    def classify(images: Tensor) -> np.ndarray:
        probabilities = classifier.probabilities(images)
        familiarity.add(images, classifier.names_by(probabilities))
        return probabilities

    for file in walk(opt.paths):
        try:
            scene = open_scene(file, opt.bands)
            width, height = scene.size
            grid = Grid(width, height, opt.tile, opt.stride)
            probabilities = classify_tiles(
                scene,
                grid,
                classify,
                classifier.preprocessing,
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
    familiarity.tell_together()
    return unreadable


if __name__ == "__main__":
    main()
