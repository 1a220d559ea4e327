"""A folder of class folders, such as AID, UC Merced, NWPU-RESISC45 or PatternNet, to the published format.

    python model/prepare.py /data/UCMerced/Images --output data/ucm --unseen 5 --divisions 3
    python model/prepare.py /data/AID --output data/aid --unseen_classes Port Viaduct Church --validation 5

writes data/ucm/files/ucm_images.mat and ucm_splits.mat, which annotate.py completes with attributes. Images
stay where they are: the files hold paths relative to the folder, which is the --image_root of every other
program.
"""

import argparse
from pathlib import Path
from typing import Any, Dict, List, Optional, Sequence, Set

import numpy as np
import scipy.io

from data.divisions import divide, validation
from data.folders import check_images, class_names, find_images
from data.matlab import cell_array, split_columns, to_matlab
from support.cli import WORKERS, Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import atomic, read_text, write_text
from support.untrusted import parse_json


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    output = Path(opt.output)
    found = find_images(Path(opt.folder))
    images = check_images(found, opt.skip_bad, opt.workers)
    names = class_names(images)
    unseen = choose_unseen(images.classes, names, opt.unseen_classes, opt.unseen, opt.divisions, opt.seed)
    check_seen_classes(len(names), max(map(len, unseen)), opt.validation)
    known = set(found.files)
    tested = None
    if opt.test_images:
        tested = may_be_tested(opt.test_images, known, images.files, images.labels, names)
    captions = lines_by_image(opt.captions, known) if opt.captions else {}

    splits: Dict[str, Any] = {}
    validation_splits: Dict[str, Any] = {}
    for k, classes in enumerate(unseen):
        rng = np.random.default_rng([opt.seed, k])
        parts = divide(images.labels, classes, rng, opt.train_share, opt.described, tested)
        splits.update(split_columns(parts, k))
        splits[f"unseen_classes_{k}"] = cell_array([names[c] for c in classes])
        if opt.validation:
            train = parts["train_zsl_loc"]
            held_out = validation(images.labels, train, opt.validation, rng, opt.train_share, opt.described)
            validation_splits.update(split_columns(held_out, k))
        print_division(k, [names[c] for c in classes], parts)
        if captions:
            training_files = [images.files[i] for i in parts["train_gzsl_loc"]]
            write_captions(table_path(output, f"captions_{k}.jsonl"), training_files, captions)

    image_files = np.array([f"RSSDIVCS/{file}" for file in images.files])
    write_table(output, "images", {"labels": to_matlab(images.labels), "image_files": image_files})
    write_table(output, "splits", {**splits, "allclasses_names": cell_array(names)})
    if opt.validation:
        write_table(output, "val_splits", {**validation_splits, "allclasses_names": cell_array(names)})


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
        help="unseen classes, drawn by chance (default: 5). Of several numbers, each has its --divisions; "
        "the smaller are parts of the larger",
    )
    parser.add_argument("--unseen_classes", nargs="+", metavar="CLASS", help="or these, in all divisions")
    parser.add_argument(
        "--divisions",
        type=number(int, 1),
        help="how many divisions of each number into seen and unseen classes: --random_id 0, 1, ... "
        "(default: 3; 1 with --unseen_classes)",
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
        help="share of each unseen class's images that is kept out of the test, "
        "for `annotate.py --from untested` (default: 0)",
    )
    parser.add_argument(
        "--test_images",
        nargs="+",
        type=path,
        metavar="FILE",
        help="the images that may be tested, as captions files or lists of paths; all others of seen classes "
        "train, of unseen ones describe. Instead of --train_share and --described",
    )
    parser.add_argument(
        "--captions",
        type=path,
        metavar="FILE",
        help="also write NAME_captions_0.jsonl, ...: the lines about the training images of each division, "
        "to train a CLIP that knows no unseen class",
    )
    parser.add_argument(
        "--validation",
        type=number(int, 0),
        default=0,
        metavar="CLASSES",
        help="also write NAME_val_splits.mat, in which so many seen classes play the unseen ones: "
        "choose hyperparameters there (default: 0, none)",
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


# ---- unseen classes --------------------------------------------------------------------------------


def choose_unseen(
    folders: List[str],
    names: List[str],
    chosen: Optional[Sequence[str]],
    counts: Sequence[int],
    divisions: Optional[int],
    seed: int,
) -> List[np.ndarray]:
    """The unseen classes of every division, sorted: those that are chosen by name, or drawn ones.

    counts:    how many to draw; each has its divisions
    divisions: by default 1 of chosen classes, 3 of drawn ones
    """
    if chosen:
        return [classes_by_name(chosen, folders, names)] * (divisions or 1)
    return draw_classes(len(names), counts, divisions or 3, seed)


def classes_by_name(words: Sequence[str], folders: List[str], names: List[str]) -> np.ndarray:
    """Classes, sorted, that are called by their folder or by their name in words."""
    index = {name: c for c, name in enumerate(names)}
    index.update({folder: c for c, folder in enumerate(folders)})
    for word in words:
        if word not in index:
            raise InputError(f"--unseen_classes: there is no class {word}; there are {', '.join(folders)}")
    return np.unique([index[word] for word in words])


def draw_classes(classes: int, counts: Sequence[int], divisions: int, seed: int) -> List[np.ndarray]:
    """As many divisions for each of the counts, in this order. Smaller ones are parts of larger ones."""
    shuffled = []
    for k in range(divisions):
        rng = np.random.default_rng([seed, k, classes])
        shuffled.append(rng.permutation(classes))
    return [np.sort(order[:count]) for count in counts for order in shuffled]


def check_seen_classes(classes: int, unseen: int, validation_classes: int):
    """Raise InputError if too few seen classes are left.  unseen: the most of a division"""
    seen = classes - unseen
    if seen < 1 + validation_classes:
        expected = "1"
        if validation_classes:
            expected = f"{1 + validation_classes}, as --validation {validation_classes} takes some of them"
        raise InputError(
            f"{unseen} unseen of {classes} classes leave {seen} seen ones: expected at least {expected}"
        )


def print_division(k: int, unseen: List[str], parts: Dict[str, np.ndarray]):
    """unseen: names"""
    counts = ", ".join(
        [
            f"{len(parts['train_zsl_loc'])} training",
            f"{len(parts['test_seen_loc'])} seen test",
            f"{len(parts['test_unseen_loc'])} unseen test",
        ]
    )
    print(f"division {k}: unseen {', '.join(unseen)}; {counts}")


# ---- lists of images and captions ------------------------------------------------------------------


def may_be_tested(
    lists: Sequence[str],
    known: Set[str],
    files: Sequence[str],
    labels: np.ndarray,
    names: Sequence[str],
) -> np.ndarray:
    """[n] bool: is this image in one of the lists? Every class needs images of both kinds."""
    listed: Set[str] = set()
    for file in lists:
        listed.update(lines_by_image(file, known))
    tested = np.array([file in listed for file in files])
    for c, name in enumerate(names):
        of_class = tested[labels == c]
        if of_class.all() or not of_class.any():
            raise InputError(
                f"--test_images names {'all' if of_class.all() else 'none'} of the images of {name}: "
                "expected some, to test, and others, to train"
            )
    return tested


def lines_by_image(file: str, known: Set[str]) -> Dict[str, List[str]]:
    """{image: its lines} of a file with a path, or with {"image": path, ...}, in every line.

    known: all images that there are; others are an InputError
    """
    try:
        lines = read_text(file).split("\n")
    except (OSError, ValueError) as error:
        raise InputError(f"cannot read {file}: {error}") from error
    found: Dict[str, List[str]] = {}
    for place, text in enumerate(lines, start=1):
        line = text.strip()
        if not line:
            continue
        image = image_of_line(line, f"{file}, line {place}")
        if image not in known:
            raise InputError(f"{file}, line {place}: there is no image {image} in the class folders")
        found.setdefault(image, []).append(line)
    return found


def image_of_line(line: str, where: str) -> str:
    """The path in a line.  where: for the message of an InputError"""
    if not line.startswith("{"):
        return line
    try:
        return str(parse_json(line)["image"])
    except (ValueError, KeyError) as error:
        raise InputError(
            f'{where}: expected an image\'s path, or {{"image": path, ...}}, found {line[:60]!r}'
        ) from error


# ---- what is written -------------------------------------------------------------------------------


def table_path(output: Path, ending: str) -> Path:
    """files/NAME_<ending>, where NAME is that of the output folder."""
    return output / "files" / f"{output.name}_{ending}"


def write_table(output: Path, kind: str, variables: Dict[str, Any]):
    """files/NAME_<kind>.mat"""
    file = table_path(output, f"{kind}.mat")
    with atomic(file) as temporary:
        scipy.io.savemat(temporary, variables, appendmat=False, do_compression=True)
    print(f"wrote   {file}")


def write_captions(file: Path, training_files: Sequence[str], captions: Dict[str, List[str]]):
    """The lines about the training images.  captions: {image: its lines}"""
    described = [image for image in training_files if image in captions]
    text = "".join(line + "\n" for image in described for line in captions[image])
    write_text(file, text)
    print(f"wrote   {file}, {len(described)} images")


if __name__ == "__main__":
    main()
