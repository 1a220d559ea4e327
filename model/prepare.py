"""A folder of class folders, such as AID, UC Merced, NWPU-RESISC45 or PatternNet, to the published file format.

    python model/prepare.py /data/UCMerced/Images --output data/ucm --unseen 5 --divisions 3
    python model/prepare.py /data/AID --output data/aid --unseen_classes Port Viaduct Church --validation 5

writes data/ucm/files/ucm_images.mat and ucm_splits.mat, which annotate.py completes with attributes. Images stay where they are:
the files hold paths relative to the folder, which is the --image_root of every other program.
"""

import argparse
import hashlib
import os
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Dict, List, Optional, Sequence, Set, Tuple

import numpy as np
import scipy.io

from clip.attributes import class_means
from data.benchmark import readable
from data.divisions import divide, validation
from data.images import read_image, readable_endings, walk
from data.matlab import cell_array, split_columns, to_matlab
from support.cli import WORKERS, Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import atomic, write_text
from support.processes import progress
from support.untrusted import are_words, parse_json

LISTED = 10  # bad images that are named


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    folder, output = Path(opt.folder), Path(opt.output)
    files, labels, folders = find_images(folder)
    known = set(files)
    files, labels = check_images(folder, files, labels, folders, opt.skip_bad, opt.workers)
    names = [readable(name) for name in folders]
    check_classes(names, labels)
    unseen = choose_unseen(opt, folders, names)
    tested = may_be_tested(opt.test_images, known, files, labels, names) if opt.test_images else None
    captions = lines_by_image(opt.captions, known) if opt.captions else {}
    train, described = opt.train_share, opt.described
    tables: Dict[str, dict] = {"splits": {}, "val_splits": {}}
    for k, classes in enumerate(unseen):
        chance = np.random.default_rng([opt.seed, k])
        parts = divide(labels, classes, chance, train, described, tested)
        tables["splits"].update(
            {**split_columns(parts, k), f"unseen_classes_{k}": cell_array([names[c] for c in classes])}
        )
        if opt.validation:
            tables["val_splits"].update(
                split_columns(
                    validation(labels, parts["train_zsl_loc"], opt.validation, chance, train, described), k
                )
            )
        print(
            f"division {k}: unseen {', '.join(names[c] for c in classes)}; "
            + ", ".join(
                f"{len(parts[key])} {words}"
                for key, words in (
                    ("train_zsl_loc", "training"),
                    ("test_seen_loc", "seen test"),
                    ("test_unseen_loc", "unseen test"),
                )
            )
        )
        if captions:
            write_captions(
                output / "files" / f"{output.name}_captions_{k}.jsonl",
                [captions[files[i]] for i in parts["train_gzsl_loc"] if files[i] in captions],
            )
    write(
        output,
        {
            "images": {
                "labels": to_matlab(labels),
                "image_files": np.array([f"RSSDIVCS/{file}" for file in files]),
            },
            **{
                kind: {**table, "allclasses_names": cell_array(names)}
                for kind, table in tables.items()
                if table
            },
        },
    )


def get_options(arguments=None) -> argparse.Namespace:
    parser = Parser(
        prog="prepare.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=path, help="a folder for each class, with its images")
    parser.add_argument(
        "--output",
        type=path,
        required=True,
        metavar="FOLDER",
        help="the dataset's folder: its name is that of the dataset, its files go to files/",
    )
    parser.add_argument(
        "--unseen",
        type=number(int, 1),
        nargs="+",
        default=[5],
        help="unseen classes, drawn by chance (default: 5). Of several numbers, each has its --divisions; the smaller are parts of the larger",
    )
    parser.add_argument("--unseen_classes", nargs="+", metavar="CLASS", help="or these, in all divisions")
    parser.add_argument(
        "--divisions",
        type=number(int, 1),
        help="how many divisions of each number into seen and unseen classes: --random_id 0, 1, ... (default: 3; 1 with --unseen_classes)",
    )
    parser.add_argument(
        "--train_share",
        type=number(float, 0, 0.999, above=True),
        default=0.8,
        help="of each seen class's images; the rest are seen test images (default: 0.8)",
    )
    parser.add_argument(
        "--described",
        type=number(float, 0, 0.999),
        default=0.0,
        help="share of each unseen class's images that is kept out of the test, for `annotate.py --from untested` (default: 0)",
    )
    parser.add_argument(
        "--test_images",
        nargs="+",
        type=path,
        metavar="FILE",
        help="the images that may be tested, as captions files or lists of paths; all others of seen classes train, of unseen ones describe. Instead of --train_share and --described",
    )
    parser.add_argument(
        "--captions",
        type=path,
        metavar="FILE",
        help="also write NAME_captions_0.jsonl, ...: the lines about the training images of each division, to train a CLIP that knows no unseen class",
    )
    parser.add_argument(
        "--validation",
        type=number(int, 0),
        default=0,
        metavar="CLASSES",
        help="also write NAME_val_splits.mat, in which so many seen classes play the unseen ones: choose hyperparameters there (default: 0, none)",
    )
    parser.add_argument(
        "--seed", type=number(int, 0, 2**32 - 1), default=0, help="of the divisions (default: 0)"
    )
    parser.add_argument(
        "--skip_bad", action="store_true", help="leave unreadable images out, instead of stopping at them"
    )
    parser.add_argument(
        "--workers", type=number(int, 1), default=WORKERS, help="threads that look at the images"
    )
    return parser.parse_args(arguments)


def find_images(folder: Path) -> Tuple[List[str], np.ndarray, List[str]]:
    """Paths relative to the folder, in the order of their names; the class of each; the classes' folders."""
    if not folder.is_dir():
        raise InputError(f"no such folder: {folder}. Expected one with a folder for each class")
    folders = sorted(
        place.name for place in folder.iterdir() if place.is_dir() and not place.name.startswith(".")
    )
    loose = next(
        (
            file.name
            for file in sorted(folder.iterdir())
            if file.is_file() and file.suffix.lower() in readable_endings()
        ),
        None,
    )
    if len(folders) < 2:
        raise InputError(
            f"{folder} has {len(folders)} folder{'s' * (len(folders) != 1)}: expected one for each of at least two classes"
            + (f", but there are images, such as {loose}" if loose else "")
        )
    found = [[os.path.relpath(file, folder) for file in walk([str(folder / name)])] for name in folders]
    empty = next((name for name, files in zip(folders, found) if not files), None)
    if empty:
        raise InputError(
            f"the class {empty} has no image in {folder / empty}: add some, or take the folder away"
        )
    if loose:
        print(f"note: images beside the class folders, such as {loose}, are left out")
    return (
        [file for files in found for file in files],
        np.repeat(np.arange(len(folders)), list(map(len, found))),
        folders,
    )


def check_images(
    folder: Path, files: List[str], labels: np.ndarray, folders: List[str], skip_bad: bool, workers: int
) -> Tuple[List[str], np.ndarray]:
    """All images that can be read, if all can or the others may be left out, and if no two classes share one."""
    with ThreadPoolExecutor(workers) as pool:
        looks = list(progress(pool.map(lambda file: look(folder / file), files), "images", len(files)))
    bad = [error for _, error in looks if error]
    if bad:
        shown = "; ".join(bad[:LISTED]) + ("; ..." if len(bad) > LISTED else "")
        if not skip_bad or len(bad) == len(files):
            raise InputError(
                f"{len(bad)} of {len(files)} images cannot be read"
                + (": --skip_bad leaves them out" if not skip_bad else "")
                + f". {shown}"
            )
        print(f"note: {len(bad)} of {len(files)} images cannot be read and are left out: {shown}")
    good = [place for place, (_, error) in enumerate(looks) if not error]
    first: Dict[str, int] = {}
    for place in good:
        twin = first.setdefault(looks[place][0], place)
        if labels[twin] != labels[place]:
            raise InputError(
                f"{files[twin]} and {files[place]} are the same image in two classes: take one away"
            )
    if len(first) < len(good):
        print(
            f"note: {len(good) - len(first)} images are copies of others of their class; training and test may share them"
        )
    print(
        f"data    {len(good)} images of {len(set(labels[good]))} classes in {folder}, "
        f"{min(Counter(labels[good]).values())} to {max(Counter(labels[good]).values())} of each"
    )
    return [files[place] for place in good], labels[good]


def look(file: Path) -> Tuple[str, Optional[str]]:
    """A digest of the file, and what is wrong with it, if anything."""
    try:
        if not are_words(file.name):
            raise InputError(f"cannot write down the name of the image {file}: rename it")
        read_image(file)
        return hashlib.sha256(file.read_bytes()).hexdigest(), None
    except (InputError, OSError) as error:
        return "", str(error)


def check_classes(names: List[str], labels: np.ndarray):
    images = np.bincount(labels, minlength=len(names)).tolist()
    for name, count in zip(names, images):
        if count < 2:
            raise InputError(
                f"the class {name} has {count} readable image{'s' * (count != 1)}: expected at least 2, one to train and one to test"
            )
    blank = next((name for name in names if not are_words(name)), None)
    if blank is not None:
        raise InputError(
            f"a class folder is called {blank!r}, once made readable: expected a word that can be written; rename it"
        )
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InputError(f"two class folders are both called {twice!r}, once made readable: rename one")


def choose_unseen(opt: argparse.Namespace, folders: List[str], names: List[str]) -> List[np.ndarray]:
    """The unseen classes of every division, sorted."""
    if opt.unseen_classes:
        index = {**{name: c for c, name in enumerate(names)}, **{name: c for c, name in enumerate(folders)}}
        strange = next((name for name in opt.unseen_classes if name not in index), None)
        if strange is not None:
            raise InputError(f"--unseen_classes: there is no class {strange}; there are {', '.join(folders)}")
        unseen = [np.unique([index[name] for name in opt.unseen_classes])] * (opt.divisions or 1)
    else:
        shuffled = [
            np.random.default_rng([opt.seed, k, len(names)]).permutation(len(names))
            for k in range(opt.divisions or 3)
        ]
        unseen = [np.sort(order[:count]) for count in opt.unseen for order in shuffled]
    most = max(map(len, unseen))
    seen = len(names) - most
    if seen < 1 + opt.validation:
        raise InputError(
            f"{most} unseen of {len(names)} classes leave {seen} seen ones: expected at least "
            + (
                f"{1 + opt.validation}, as --validation {opt.validation} takes some of them"
                if opt.validation
                else "1"
            )
        )
    return unseen


def may_be_tested(
    lists: Sequence[str], known: Set[str], files: Sequence[str], labels: np.ndarray, names: Sequence[str]
) -> np.ndarray:
    """[n] bool: is this image in one of the lists? Every class needs images of both kinds."""
    listed = {image for file in lists for image in lines_by_image(file, known)}
    tested = np.array([file in listed for file in files])
    for name, share in zip(names, class_means(tested[:, None], labels, len(names))):
        if share in (0, 1):
            raise InputError(
                f"--test_images names {'all' if share else 'none'} of the images of {name}: expected some, to test, and others, to train"
            )
    return tested


def lines_by_image(file: str, known: Set[str]) -> Dict[str, List[str]]:
    """{image: its lines} of a file with a path, or with {"image": path, ...}, in every line.  known: all images that there are"""
    try:
        lines = Path(file).read_text().split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}") from error
    found: Dict[str, List[str]] = {}
    for place, line in enumerate(map(str.strip, lines), start=1):
        try:
            image = str(parse_json(line)["image"]) if line.startswith("{") else line
        except (ValueError, KeyError) as error:
            raise InputError(
                f'{file}, line {place}: expected an image\'s path, or {{"image": path, ...}}, found {line[:60]!r}'
            ) from error
        if line and image not in known:
            raise InputError(f"{file}, line {place}: there is no image {image} in the class folders")
        if line:
            found.setdefault(image, []).append(line)
    return found


def write(output: Path, tables: Dict[str, dict]):
    """files/NAME_images.mat, NAME_splits.mat, ... where NAME is that of the folder."""
    for kind, table in tables.items():
        file = output / "files" / f"{output.name}_{kind}.mat"
        with atomic(file) as temporary:
            scipy.io.savemat(temporary, table, appendmat=False, do_compression=True)
        print(f"wrote   {file}")


def write_captions(file: Path, images: Sequence[Sequence[str]]):
    """images: the lines about each"""
    write_text(file, "".join(line + "\n" for lines in images for line in lines))
    print(f"wrote   {file}, {len(images)} images")


if __name__ == "__main__":
    main()
