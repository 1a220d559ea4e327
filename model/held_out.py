"""How well is a class recognised that a run has never heard of, and that is added in words or by a few pictures?

    python model/held_out.py --resume runs/X/last.safetensors

Each unseen class in turn is left out of everything and comes back as predict.py would add it: by its name, by a description (the
attributes that it truly has, where the data tell, as the demo's do), by some pictures. Its test images are then named among the
unseen classes. Printed is the share of them that is named rightly and, in brackets, the share of the other classes' images that
is wrongly named so, beside what the run's own description of the class gives.
"""

import argparse
from pathlib import Path
from typing import Dict, List, Optional

import numpy as np
import torch
from torch.utils.data import DataLoader, Subset

from data.benchmark import Benchmark, find_files, readable
from data.matlab import read_mat
from data.pipeline import SceneImages, normalize
from inference.classifier import turning
from inference.new_classes import NewClass, Turning, columns_by_clip
from runs.build import load_saved
from runs.options import BRANCH, needs_windows
from support.cli import WORKERS, Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import write_json
from support.machine import circumstances, pick_device
from support.processes import progress

TYPICAL = 0.5  # an attribute is part of a description if it shows in this share of the class's images


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    device = pick_device(opt.device)
    run, data, model = load_saved(opt.resume, device)
    images = data.splits["test_unseen_loc"]
    scores, truth, turn = (
        attribute_scores(opt, run, data, model, images),
        true_attributes(run, data),
        turning(run, model),
    )
    rows = [measure(c, opt, run, data, scores, images, truth, turn, device) for c in data.unseen]
    ways = list(rows[0])[2:]
    mean = {way: np.mean([row[way] for row in rows], axis=0).tolist() for way in ways}

    print(f"{'named so, %':24} {'images':>6}" + "".join(f" {way:>15}" for way in ways))
    for row in [*rows, {"class": "mean", "images": sum(row["images"] for row in rows), **mean}]:
        print(
            f"{row['class']:24} {row['images']:>6}"
            + "".join(" {:>7.1f} ({:>5.1f})".format(*row[way]) for way in ways)
        )
    print(
        f"of its own test images (of those of the other unseen classes); chance: {100 / len(data.unseen):.1f}"
    )
    if opt.output:
        write_json(
            Path(opt.output),
            {
                "mean": mean,
                "chance": 100 / len(data.unseen),
                "classes": rows,
                "options": vars(opt),
                **circumstances(),
            },
        )


def get_options(arguments=None) -> argparse.Namespace:
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
        help="a saved model: runs/X/last.safetensors",
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
    return parser.parse_args(arguments)


@torch.inference_mode()
def attribute_scores(
    opt: argparse.Namespace, run: argparse.Namespace, data: Benchmark, model, images: np.ndarray
) -> np.ndarray:
    """[n, A] of the branch that counts. Class scores are these times what it makes of M, so with the unit matrix for M the network tells them."""
    unit = torch.eye(len(data.class_attributes), device=data.class_attributes.device)
    loader = DataLoader(
        Subset(SceneImages(data, model.tower.config.image_size), images.tolist()),
        opt.batch_size,
        num_workers=opt.workers,
    )
    batches = (normalize(pixels.to(unit.device), run.normalize) for pixels, _ in progress(loader, "images"))
    scores = (
        torch.cat(
            [
                getattr(model(batch, unit, needs_windows(run, run.epoch)), BRANCH[run.sel_res])
                for batch in batches
            ]
        )
        .cpu()
        .numpy()
    )
    return np.linalg.solve(turning(run, model)(unit.cpu().numpy()).T, scores.T).T


def true_attributes(run: argparse.Namespace, data: Benchmark) -> Optional[np.ndarray]:
    """Share of each class's images that show an attribute, [A, C]; None where the splits file does not tell."""
    return read_mat(find_files(run)["splits_mat"], ["att"], ["att_true"]).get("att_true")


def measure(
    c: int,
    opt: argparse.Namespace,
    run: argparse.Namespace,
    data: Benchmark,
    scores: np.ndarray,
    images: np.ndarray,
    truth: Optional[np.ndarray],
    turn: Turning,
    device: torch.device,
) -> dict:
    """By each way to describe the class, the percentages of its test images and of the other classes' that are given it."""
    name, own = data.class_names[c], images[data.labels[images] == c]
    pictures = np.concatenate([np.setdiff1d(np.flatnonzero(data.labels == c), images), own])[
        : opt.pictures
    ]  # first those that are no test images
    tested, others = np.isin(images, np.setdiff1d(own, pictures)), ~np.isin(images, own)
    if not tested.any():
        raise InputError(
            f"{name} has {len(own)} test images, and --pictures {opt.pictures} takes them all: ask for fewer"
        )
    new = ways(
        name,
        [str(data.image_paths[i]) for i in pictures],
        None if truth is None else truth[:, c],
        data.attribute_names,
    )
    known = np.setdiff1d(np.arange(len(data.class_names)), c)
    added = columns_by_clip(list(new.values()), known, run, data, None, device, turn)  # [A, ways]
    columns = {"run's own": data.class_attributes[:, c].cpu().numpy(), **dict(zip(new, added.T))}
    return {
        "class": readable(name),
        "images": int(tested.sum()),
        **{
            way: [100 * float(named(scores[part], column, c, data, turn).mean()) for part in (tested, others)]
            for way, column in columns.items()
        },
    }


def ways(
    name: str, pictures: List[str], truth: Optional[np.ndarray], attributes: List[str]
) -> Dict[str, NewClass]:
    """What stands for a class, in turn. truth: [A] share of its images that show an attribute, or None"""
    found = {
        "by name": NewClass(name, readable(name)),
        f"by {len(pictures)} pictures": NewClass(name, "", tuple(pictures)),
    }
    if truth is not None:
        typical = [
            attributes[a] for a in np.argsort(-truth, kind="stable") if truth[a] >= min(TYPICAL, truth.max())
        ]
        found["by description"] = NewClass(name, ", ".join(typical))
    return found


def named(scores: np.ndarray, column: np.ndarray, c: int, data: Benchmark, turn: Turning) -> np.ndarray:
    """bool [n]: is the image given class c, described by this column, rather than another unseen class? scores: [n, A]"""
    columns = data.class_attributes[:, data.unseen].cpu().numpy().copy()
    columns[:, data.unseen == c] = column[:, None]
    return data.unseen[(scores @ turn(columns)).argmax(axis=1)] == c


if __name__ == "__main__":
    main()
