#!/usr/bin/env python3
"""Draw the demo: aerial scenes in the published RSSDIVCS format, with every attribute's exact pixels.

    python RSSDIVCS/make_demo.py                             the benchmark: scene classes, splits, masks
    python RSSDIVCS/make_demo.py --random 20000 --out pretrain/        random compositions with captions,
                                                                       to train a CLIP on

The same options give byte-identical files on any number of workers. An interrupted run continues where it
stopped.
"""

import argparse
import io
import itertools
import json
import multiprocessing
import os
import shutil
import signal
import sys
from pathlib import Path
from typing import List, NamedTuple, NoReturn, Tuple

import numpy as np
from PIL import Image, ImageDraw
from tqdm import tqdm

from demo.attributes import NOTABLE, areas, pack_masks
from demo.captions import captions
from demo.classes import CLASSES
from demo.compositions import compose
from demo.published import published_files
from demo.scene import SIDE, Scene

VERSION = 1  # of the drawings; raise it when they change
COMPOSITIONS = 2  # the same of what random compositions are made of
HERE = Path(__file__).resolve().parent
SENTENCES_OF_A_PART = 2
RANDOM = len(CLASSES)  # stands for a class in the seeds of random compositions


class Job(NamedTuple):
    """One image: the seed decides everything in it."""

    root: Path
    name: str  # relative to root, without suffix
    seed: List[int]  # run, class, number
    size: int
    parts: int = 1  # along a side, that are captioned by themselves too

    @property
    def image(self) -> Path:
        return self.root / f"{self.name}.jpg"

    @property
    def masks(self) -> Path:
        return self.root / "masks" / f"{self.name}.npz"


class Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        fail(message)


def fail(message: str) -> NoReturn:
    print(f"make_demo.py: {message}", file=sys.stderr)
    sys.exit(2)


def options(argv=None) -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    group = parser.add_argument_group("what to draw")
    group.add_argument(
        "--per_class",
        type=int,
        default=60,
        help=f"images of each of the {len(CLASSES)} classes; 20 is enough to look around",
    )
    group.add_argument(
        "--random",
        type=int,
        metavar="N",
        help="draw N random compositions with captions instead of the classes",
    )
    group.add_argument(
        "--parts",
        type=int,
        default=1,
        metavar="K",
        help="with --random: also cut each composition into K x K images, "
        "and tell in parts_*.jsonl what each shows",
    )
    group.add_argument(
        "--held_out",
        type=float,
        default=0.1,
        help="with --random: share of images that go to captions_test.jsonl, 0..1",
    )
    group.add_argument(
        "--size", type=int, default=224, help=f"side of the square images in pixels, 64 to {SIDE // 2}"
    )
    group.add_argument("--seed", type=int, default=0, help="another seed, another world")
    group = parser.add_argument_group("splits")
    group.add_argument(
        "--unseen",
        type=int,
        default=6,
        help="classes without training images; their common attributes must show in seen classes too",
    )
    group.add_argument(
        "--divisions",
        type=int,
        default=5,
        help="random divisions into seen and unseen classes: --random_id 0, 1, ...",
    )
    group = parser.add_argument_group("where and how")
    group.add_argument(
        "--out", type=Path, default=HERE / "demo_data", help="folder for images, masks and files"
    )
    group.add_argument(
        "--overwrite", action="store_true", help="discard what other options made in the same folder"
    )
    group.add_argument(
        "--workers", type=int, default=os.cpu_count(), help="processes; changes the time and nothing else"
    )
    group.add_argument(
        "--contact_sheet",
        type=Path,
        metavar="FILE.png",
        help="also write a picture of the first images of each class",
    )
    group.add_argument(
        "--gallery",
        type=Path,
        metavar="FILE.png",
        help="also write a small picture with one image of each class",
    )
    args = parser.parse_args(argv)
    limits = {
        "per_class": (1, 10**5),
        "random": (1, 10**7),
        "held_out": (0, 1),
        "parts": (1, 4),
        "size": (64, SIDE // 2),
        "seed": (0, 2**63),
        "unseen": (1, len(CLASSES) - 1),
        "divisions": (1, 1000),
        "workers": (1, 1024),
    }
    for name, (low, high) in limits.items():
        value = getattr(args, name)
        if value is not None and not low <= value <= high:
            fail(f"--{name} must be between {low} and {high}, not {value}")
    return args


def claim(args: argparse.Namespace) -> None:
    """Make the output folder ours, or say whose it is."""
    what = (
        {"random": args.random, "compositions": COMPOSITIONS}
        if args.random
        else {"per_class": args.per_class}
    )
    wanted = {"version": VERSION, "seed": args.seed, "size": args.size, **what}
    manifest = args.out / "make_demo.json"
    if manifest.exists():
        found = json.loads(manifest.read_text(encoding="utf-8"))
        if found != wanted and not args.overwrite:
            fail(f"{args.out} was made with {found}, not {wanted}; choose another --out, or --overwrite")
        if found != wanted:
            shutil.rmtree(args.out)
    elif args.out.exists() and (not args.out.is_dir() or any(args.out.iterdir())):
        fail(f"{args.out} is not empty and was not made by this program; choose another --out")
    args.out.mkdir(parents=True, exist_ok=True)
    save(manifest, json.dumps(wanted).encode())


def save(path: Path, content: bytes) -> None:
    """All of the file or nothing of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(path.name + ".part")
    part.write_bytes(content)
    part.replace(path)


def make(job: Job) -> np.ndarray:
    """Draw one image and its masks unless they are there. Returns its attributes, bool [A]."""
    if not (job.image.exists() and job.masks.exists()):
        draw(job)
    with np.load(job.masks) as file:
        return areas(file["label"], file["bits"]) >= NOTABLE


def draw(job: Job) -> None:
    scene = Scene(np.random.default_rng(job.seed))
    which = job.seed[1]
    recipe = compose if which == RANDOM else list(CLASSES.values())[which]
    recipe(scene)
    picture, label = scene.photograph(job.size)
    save(job.masks, pack_masks(label, scene.kinds))
    save_jpeg(job.image, picture)


def tell(job: Job) -> List[dict]:
    """Caption lines of a random composition: its own, then those of its parts."""
    make(job)
    with np.load(job.masks) as file:
        label, bits = file["label"], file["bits"]
    lines = [
        {"image": f"{job.name}.jpg", "captions": captions(label, bits, np.random.default_rng([*job.seed, 1]))}
    ]
    side = job.size // job.parts
    for part, (row, column) in enumerate(np.ndindex(job.parts, job.parts) if job.parts > 1 else ()):
        here = slice(row * side, (row + 1) * side), slice(column * side, (column + 1) * side)
        name = f"parts/{job.name.partition('/')[2]}_{part}.jpg"
        cut(job.image, here, job.root / name)
        lines.append(
            {
                "image": name,
                "captions": captions(
                    label[here], bits, np.random.default_rng([*job.seed, 2, part]), SENTENCES_OF_A_PART
                ),
            }
        )
    return lines


def cut(image: Path, here: Tuple[slice, slice], path: Path) -> None:
    """Write a part of an image unless it is there."""
    if not path.exists():
        save_jpeg(path, np.asarray(Image.open(image))[here])


def save_jpeg(path: Path, picture: np.ndarray) -> None:
    jpeg = io.BytesIO()
    Image.fromarray(picture).save(jpeg, "JPEG", quality=92)
    save(path, jpeg.getvalue())


def run(function, jobs: List[Job], workers: int) -> list:
    """function of every job, in order, on several processes."""
    bar = dict(total=len(jobs), unit="image", disable=not sys.stderr.isatty())
    if workers == 1:
        return list(tqdm(map(function, jobs), **bar))
    with multiprocessing.Pool(
        workers, signal.signal, (signal.SIGINT, signal.SIG_IGN)
    ) as pool:  # Ctrl-C is for the parent
        return list(tqdm(pool.imap(function, jobs, chunksize=8), **bar))


def make_classes(args: argparse.Namespace) -> List[Job]:
    """The benchmark: every class, and the published files."""
    jobs = [
        Job(args.out, f"{name}/{name.lower()}_{n}", [args.seed, c, n], args.size)
        for c, name in enumerate(CLASSES)
        for n in range(1, args.per_class + 1)
    ]
    present = np.array(run(make, jobs, args.workers))
    labels = np.repeat(np.arange(len(CLASSES)), args.per_class)
    try:
        files = published_files(
            [f"{job.name}.jpg" for job in jobs],
            labels,
            list(CLASSES),
            present,
            args.unseen,
            args.divisions,
            args.seed,
        )
    except ValueError as error:
        fail(str(error))
    for name, content in files.items():
        save(args.out / "files" / name, content)
    return jobs


def make_random(args: argparse.Namespace) -> List[Job]:
    """Compositions and their captions; the last of them are held out."""
    jobs = [
        Job(args.out, f"images/{n // 1000:03d}/{n:06d}", [args.seed, RANDOM, n], args.size, args.parts)
        for n in range(args.random)
    ]
    told = run(tell, jobs, args.workers)
    train = len(jobs) - round(args.held_out * len(jobs))
    for split, several in (("train", told[:train]), ("test", told[train:])):
        save_lines(args.out / f"captions_{split}.jsonl", [whole for whole, *_ in several])
        if args.parts > 1:
            save_lines(args.out / f"parts_{split}.jsonl", [part for _, *parts in several for part in parts])
    return jobs


def save_lines(path: Path, lines: List[dict]) -> None:
    save(path, "".join(json.dumps(line) + "\n" for line in lines).encode())


def contact_sheet(path: Path, rows: List[List[Job]], side: int) -> None:
    """Images in rows, `side` pixels each; where a folder begins, its name stands on the image."""
    pitch = side + 4
    sheet = Image.new("RGB", (max(map(len, rows)) * pitch, len(rows) * pitch), "white")
    pen = ImageDraw.Draw(sheet)
    for r, row in enumerate(rows):
        for c, job in enumerate(row):
            sheet.paste(Image.open(job.image).resize((side, side), Image.LANCZOS), (c * pitch, r * pitch))
            if c == 0 or row[c - 1].image.parent != job.image.parent:
                pen.text(
                    (c * pitch + 4, r * pitch + 3),
                    job.image.parent.name,
                    fill="white",
                    stroke_width=1,
                    stroke_fill="black",
                )
    path.parent.mkdir(parents=True, exist_ok=True)
    sheet.save(path)


def by_folder(jobs: List[Job]) -> List[List[Job]]:
    return [list(row) for _, row in itertools.groupby(jobs, lambda job: job.image.parent)]


def in_rows(jobs: List[Job], columns: int = 8) -> List[List[Job]]:
    return [jobs[i : i + columns] for i in range(0, len(jobs), columns)]


def main() -> None:
    args = options()
    claim(args)
    try:
        jobs = (make_random if args.random else make_classes)(args)
    except KeyboardInterrupt:
        sys.exit("make_demo.py: stopped; the same command continues")
    if args.contact_sheet:
        contact_sheet(
            args.contact_sheet,
            in_rows(jobs[:320]) if args.random else [row[:8] for row in by_folder(jobs)],
            args.size,
        )
    if args.gallery:
        contact_sheet(args.gallery, in_rows([row[0] for row in by_folder(jobs)]), args.size // 2)
    print(f"{len(jobs)} images in {args.out}")


if __name__ == "__main__":
    main()
