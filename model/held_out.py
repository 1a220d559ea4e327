"""How well is a class recognised that a run has never heard of, added in words or by a few pictures?

    python model/held_out.py --resume runs/X/last.safetensors

One unseen class after the other is left out of everything, and comes back as predict.py would add it: by its
name, by a description (the attributes that it truly has, where the data tell, as the demo's do), by some
pictures. Its test images are then named among the unseen classes. Printed is the share of them that is named
rightly and, in brackets, the share of the other classes' images that is wrongly named so, beside what the
run's own description of the class gives.
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import argparse

from support.cli import WORKERS, Parser, add_embedding_options, number, path


def get_parser() -> Parser:
    parser = Parser(
        prog="held_out.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--resume",
        type=path,
        required=True,
        metavar="CHECKPOINT",
        help="a saved model: runs/X/last.safetensors, or runs/X for the one that its protocol chose",
    )
    parser.add_argument(
        "--data",
        type=path,
        metavar="FOLDER",
        help="the dataset's folder, if it has moved since (default: where the run was trained)",
    )
    parser.add_argument(
        "--clip",
        type=path,
        metavar="FOLDER",
        help="CLIP that describes the classes anew (default: the one that described the run's)",
    )
    parser.add_argument(
        "--pictures", type=number(int, 1), default=5, help="that stand for a class (default: 5)"
    )
    parser.add_argument("--output", type=path, metavar="FILE.json", help="write the numbers there")
    parser.add_argument(
        "--batch_size", type=number(int, 1), default=64, help="images the network sees at once (default: 64)"
    )
    parser.add_argument(
        "--workers", type=number(int, 0), default=WORKERS, help="processes that decode images"
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    add_embedding_options(parser)
    return parser


if __name__ == "__main__":
    get_parser().start()

from pathlib import Path
from typing import Dict, List, Optional, Sequence

import numpy as np
import torch
from torch.utils.data import Subset

from data.benchmark import ATTRIBUTE_NAMES, Benchmark, attribute_names, readable
from data.checks import check_images_are_there
from data.matlab import read_mat
from data.pipeline import Images
from dsva.discriminant import Discriminant
from inference.new_classes import NewClass
from inference.new_columns import class_vectors, columns_by_clip
from inference.saved import SavedRun, kept_embeddings, load_saved
from runs.chosen import chosen_checkpoint
from support.errors import InputError, exits_cleanly
from support.files import write_json
from support.loader import Loader
from support.machine import circumstances, pick_device
from support.processes import progress

MOVED = "Name the folder of the dataset, where it lies now, with --data"
TYPICAL = 0.5  # an attribute is part of a description if it shows in this share of the class's images


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    run = load_saved(opt.resume, pick_device(opt.device), opt.data, MOVED)
    run.kept = kept_embeddings(run, opt.embedding_cache, opt.cache_dir)
    data = run.dataset.load(MOVED)
    read = np.flatnonzero(np.isin(data.labels, data.unseen))
    check_images_are_there([data.image_paths[i] for i in read], MOVED)
    images = data.splits["test_unseen_loc"]
    evidence = evidence_of(run, data, images, opt.batch_size, opt.workers)
    attributes_shown = attributes_that_show(run, data)
    rows = []
    for c in data.unseen:
        pictures = stand_ins(data, c, images, opt.pictures)
        shown = None if attributes_shown is None else attributes_shown[:, c]
        rows.append(measure(run, data, c, evidence, images, pictures, shown, opt.clip))

    ways = [key for key in rows[0] if key not in ("class", "images")]
    mean = {way: np.mean([row[way] for row in rows], axis=0).tolist() for way in ways}
    chance = 100 / len(data.unseen)
    run.kept.print_summary()
    print_table(rows, mean, chance)
    if opt.output:
        result = {"mean": mean, "chance": chance, "classes": rows, "options": vars(opt)}
        write_json(Path(opt.output), {**result, **circumstances()})


def get_options(arguments=None) -> argparse.Namespace:
    """The options."""
    opt = get_parser().parse_args(arguments)
    opt.resume = chosen_checkpoint(opt.resume)
    return opt


# ---- what is measured ------------------------------------------------------------------------------


@torch.inference_mode()
def evidence_of(
    run: SavedRun, data: Benchmark, images: np.ndarray, batch_size: int, workers: int
) -> np.ndarray:
    """[n, A] of the images with these numbers: class scores are these @ class vectors."""
    pictures = Subset(Images(data.image_paths, run.preprocessing), images.tolist())
    loader = Loader(pictures, batch_size, workers=workers)
    evidence = []
    for pixels, _ in progress(loader, "images"):
        out = run.look(pixels, data.class_attributes)
        evidence.append(run.evidence(out))
    return torch.cat(evidence).cpu().numpy()


def attributes_that_show(run: SavedRun, data: Benchmark) -> Optional[np.ndarray]:
    """Share of each class's images that show an attribute, [A, C]; None if the splits file does not tell."""
    table = read_mat(run.dataset.settings.files.splits_mat, ["att"], ["att_true", *ATTRIBUTE_NAMES])
    if "att_true" not in table:
        return None
    every = attribute_names(table)  # main.py --only_groups leaves some out
    return table["att_true"][[every.index(name) for name in data.attribute_names]]


def stand_ins(data: Benchmark, c: int, images: np.ndarray, count: int) -> np.ndarray:
    """Numbers of `count` pictures that stand for a class: first those that are no test images.

    images: the test images.  Raises InputError if no test image of the class is left.
    """
    of_class = np.flatnonzero(data.labels == c)
    own = images[data.labels[images] == c]
    chosen = np.concatenate([np.setdiff1d(of_class, images), own])[:count]
    if not len(np.setdiff1d(own, chosen)):
        raise InputError(
            f"{data.class_names[c]} has {len(own)} test images, and --pictures {count} takes them all: "
            "ask for fewer"
        )
    return chosen


def measure(
    run: SavedRun,
    data: Benchmark,
    c: int,
    evidence: np.ndarray,
    images: np.ndarray,
    pictures: np.ndarray,
    shown: Optional[np.ndarray],
    clip: Optional[str],
) -> dict:
    """By each way to describe class c, the percentages of its test images and of others that are given it.

    evidence: [n, A] of the test images
    images:   [n], their numbers
    pictures: numbers of those that stand for the class; they are not tested
    shown:    [A], share of the class's images that show an attribute, or None
    clip:     folder of the CLIP that describes the class, by default that which described the run's
    """
    name = data.class_names[c]
    own = images[data.labels[images] == c]
    is_tested = np.isin(images, np.setdiff1d(own, pictures))
    is_other = ~np.isin(images, own)

    files = [str(data.image_paths[i]) for i in pictures]
    new = ways_to_describe(name, files, shown, data.attribute_names)
    others = np.setdiff1d(np.arange(len(data.class_names)), c)
    added = columns_by_clip(list(new.values()), others, data, clip, run.discriminant, run.kept)  # [A, ways]
    columns = {"run's own": data.class_attributes[:, c].cpu().numpy(), **dict(zip(new, added.T))}

    row = {"class": readable(name), "images": int(is_tested.sum())}
    for way, column in columns.items():
        is_named = are_named(evidence, column, c, data, run.discriminant)  # [n]
        row[way] = [100 * float(is_named[part].mean()) for part in (is_tested, is_other)]
    return row


def ways_to_describe(
    name: str, pictures: Sequence[str], shown: Optional[np.ndarray], attributes: Sequence[str]
) -> Dict[str, NewClass]:
    """What stands for a class, by the heading of its column.

    shown: [A], share of the class's images that show an attribute, or None
    """
    ways = {
        "by name": NewClass(name, readable(name)),
        f"by {len(pictures)} pictures": NewClass(name, "", tuple(pictures)),
    }
    if shown is not None:
        least = min(TYPICAL, shown.max())
        typical = [attributes[a] for a in np.argsort(-shown, kind="stable") if shown[a] >= least]
        ways["by description"] = NewClass(name, ", ".join(typical))
    return ways


def are_named(
    evidence: np.ndarray,
    column: np.ndarray,
    c: int,
    data: Benchmark,
    discriminant: Optional[Discriminant],
) -> np.ndarray:
    """bool [n]: is an image given class c, described by this column, rather than another unseen class?

    evidence: [n, A];  column: [A]
    """
    columns = data.class_attributes[:, data.unseen].cpu().numpy().copy()
    columns[:, data.unseen == c] = column[:, None]
    scores = evidence @ class_vectors(columns, discriminant)  # [n, unseen classes]
    return data.unseen[scores.argmax(axis=1)] == c


# ---- what is printed -------------------------------------------------------------------------------


def print_table(rows: List[dict], mean: Dict[str, List[float]], chance: float):
    """A line a class, and their mean.  mean: {way: [rightly, wrongly]}, chance: in percent"""
    print(f"{'named so, %':24} {'images':>6}" + "".join(f" {way:>15}" for way in mean))
    total = sum(row["images"] for row in rows)
    for row in [*rows, {"class": "mean", "images": total, **mean}]:
        line = f"{row['class']:24} {row['images']:>6}"
        for way in mean:
            rightly, wrongly = row[way]
            line += f" {rightly:>7.1f} ({wrongly:>5.1f})"
        print(line)
    print(f"of its own test images (of those of the other unseen classes); chance: {chance:.1f}")


if __name__ == "__main__":
    main()
