"""A folder of class folders, such as AID, UC Merced, NWPU-RESISC45 or PatternNet, to the published format.

    python model/prepare.py /data/UCMerced/Images --output data/ucm --unseen 5 --divisions 3
    python model/prepare.py /data/AID --output data/aid --unseen_classes Port Viaduct Church --validation 5
    python model/prepare.py /data/RSSCN7 --output data/rsscn7 --names aGrass=grass bField=field
    python model/prepare.py --from_xlsa17 CUB/att_splits.mat CUB/res101.mat --image_root /data/CUB_200_2011 \\
        --output data/cub

writes data/ucm/files/ucm_images.mat and ucm_splits.mat, which annotate.py completes with attributes, and
class_names.json, what each folder is called. Images stay where they are: the files hold paths relative to
the folder, which main.py, annotate.py and zero_shot_clip.py take as --image_root.
"""
# ruff: noqa: E402, since --help is answered before torch is imported

import argparse

from support.cli import WORKERS, Parser, add_bands_option, number, path


def get_parser() -> Parser:
    parser = Parser(
        prog="prepare.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", nargs="?", type=path, help="a folder for each class, with its images")
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
        help="unseen classes, drawn by chance (default: 5, or a third of fewer than 15 classes). Of several "
        "numbers, each has its --divisions; the smaller are parts of the larger",
    )
    parser.add_argument("--unseen_classes", nargs="+", metavar="CLASS", help="or these, in all divisions")
    parser.add_argument(
        "--divisions",
        type=number(int, 1),
        help="how many divisions of each number into seen and unseen classes, all different: "
        "main.py --random_id 0, 1, ... (default: 3, or as many as there are; 1 with --unseen_classes)",
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
    add_bands_option(parser)
    parser.add_argument(
        "--workers", type=number(int, 1), default=WORKERS, help="threads that look at the images"
    )
    add_name_options(parser)
    add_xlsa17_options(parser)
    return parser


def add_name_options(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("what classes are called")
    group.add_argument(
        "--names",
        nargs="+",
        default=[],
        metavar="NAME",
        help="aGrass=grass bField=field, or a file with such a line for each folder, or JSON: what CLIP is "
        "told. Others are called by their folders, in words",
    )
    group.add_argument(
        "--clip",
        type=path,
        metavar="FOLDER",
        help="a CLIP checkpoint whose words joined names are parted by, too: storagetanks is storage tanks "
        "(default: a list of words for scenes alone)",
    )
    group.add_argument(
        "--subfolders",
        action="store_true",
        help="the folders are classes, though they hold nothing but folders",
    )


def add_xlsa17_options(parser: argparse.ArgumentParser):
    group = parser.add_argument_group("CUB, AWA2 and SUN as xlsa17 has them, instead of a folder")
    group.add_argument(
        "--from_xlsa17",
        nargs=2,
        type=path,
        metavar=("ATT_SPLITS", "RES101"),
        help="att_splits.mat and res101.mat: their attributes and their division, main.py --random_id 0, "
        "in our format. Features are not read; the validation classes go to NAME_val_splits.mat",
    )
    group.add_argument(
        "--image_root",
        type=path,
        metavar="FOLDER",
        help="where the images are: the ends of the authors' paths are looked for in it",
    )
    group.add_argument(
        "--attribute_names",
        type=path,
        metavar="FILE",
        help="a line for each attribute, such as CUB's attributes.txt or AWA2's predicates.txt "
        "(default: they have no names). What stands before :: names the group",
    )


if __name__ == "__main__":
    get_parser().start()

import os
from pathlib import Path
from textwrap import fill
from typing import Any, Dict, List, Optional, Sequence, Set

import numpy as np

from data.clip_words import whole_words
from data.divisions import divide, validation
from data.folders import check_counts, check_images, find_images
from data.image_lists import lines_by_image, may_be_tested
from data.matlab import cell_array, split_columns
from data.names import add_name, read_names
from data.naming import name_classes
from data.published import (
    table_path,
    write_captions,
    write_images,
    write_names,
    write_splits,
)
from data.unseen import check_different, check_seen_classes, classes_by_name, draw_classes, usual_counts
from data.xlsa17 import attribute_groups, find_tails, read_attribute_names, read_xlsa17
from support.errors import InputError, exits_cleanly, not_found
from support.files import write_json

# options that have no meaning with --from_xlsa17
OF_FOLDERS = (
    *("unseen", "unseen_classes", "divisions", "described", "test_images", "captions", "validation"),
    *("skip_bad", "subfolders"),
)


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    if opt.from_xlsa17:
        convert(opt)
    else:
        prepare(opt)


def prepare(opt: argparse.Namespace):
    """Look at all images of class folders, divide them, and write the files."""
    output = Path(opt.output)
    found = find_images(Path(opt.folder), opt.subfolders)
    name_of = name_classes(found.classes, read_given_names(opt.names), known_words(opt.clip))
    names = list(name_of.values())
    print_names(names)
    images = check_images(found, opt.skip_bad, opt.workers, opt.bands)
    check_counts(images, names)
    unseen = choose_unseen(opt, name_of)
    known = set(found.files)
    tested = None
    if opt.test_images:
        tested = may_be_tested(opt.test_images, known, images.files, images.labels, names)
    captions = lines_by_image(opt.captions, known) if opt.captions else {}

    splits: Dict[str, Any] = {}
    validation_splits: Dict[str, Any] = {}
    divisions = []
    for k, classes in enumerate(unseen):
        rng = np.random.default_rng([opt.seed, k])
        parts = divide(images.labels, classes, rng, opt.train_share, opt.described, tested)
        splits.update(split_columns(parts, k))
        splits[f"unseen_classes_{k}"] = cell_array([names[c] for c in classes])
        held_out: Dict[str, np.ndarray] = {}
        if opt.validation:
            train = parts["train_zsl_loc"]
            held_out = validation(images.labels, train, opt.validation, rng, opt.train_share, opt.described)
            validation_splits.update(split_columns(held_out, k))
        divisions.append((parts, held_out))
    check_different(divisions)

    for k, (parts, _) in enumerate(divisions):
        print_division(k, [names[c] for c in unseen[k]], parts)
        if captions:
            training_files = [images.files[i] for i in parts["train_gzsl_loc"]]
            write_captions(table_path(output, f"captions_{k}.jsonl"), training_files, captions)
    write_images(output, images.labels, images.files)
    write_splits(output, "splits", splits, name_of)
    if opt.validation:
        write_splits(output, "val_splits", validation_splits, name_of)
    write_names(output, name_of)


def choose_unseen(opt: argparse.Namespace, name_of: Dict[str, str]) -> List[np.ndarray]:
    """The unseen classes of every division, sorted: those that are named, or drawn ones.

    name_of: {folder: class name}
    """
    classes = len(name_of)
    if opt.unseen_classes:
        chosen = classes_by_name(opt.unseen_classes, name_of)
        check_seen_classes(classes, len(chosen), opt.validation)
        return [chosen] * (opt.divisions or 1)
    counts = opt.unseen or usual_counts(classes)
    check_seen_classes(classes, max(counts), opt.validation)
    return draw_classes(classes, counts, opt.divisions, opt.seed)


def convert(opt: argparse.Namespace):
    """xlsa17's files in the published format: one division, that of its authors."""
    output = Path(opt.output)
    source = read_xlsa17(Path(opt.from_xlsa17[0]), Path(opt.from_xlsa17[1]))
    name_of = name_classes(source.classes, read_given_names(opt.names), known_words(opt.clip))
    names = list(name_of.values())
    print_names(names)
    files = find_tails(source.image_files, Path(opt.image_root))
    attributes = read_attribute_names(opt.attribute_names, len(source.att))
    held_out = source.validation(opt.train_share, np.random.default_rng([opt.seed, 0]))

    unseen = np.unique(source.labels[source.parts["test_unseen_loc"]])
    print(f"data    {len(files)} images of {len(names)} classes, {len(source.att)} attributes")
    print_division(0, [names[c] for c in unseen], source.parts)
    splits = {
        **split_columns(source.parts, 0),
        "unseen_classes_0": cell_array([names[c] for c in unseen]),
        "att": source.att,
    }
    if attributes:
        splits["attribute_names"] = cell_array(attributes)
    write_images(output, source.labels, files)
    write_splits(output, "splits", splits, name_of)
    if held_out:
        write_splits(output, "val_splits", {**splits, **split_columns(held_out, 0)}, name_of)
    write_names(output, name_of)
    groups = table_path(output, "groups.json")
    write_json(groups, attribute_groups(attributes, len(source.att)))
    print(f"wrote   {groups}")
    name = output.name
    print(
        f'use it  main.py --root "{output.parent}" --dataset "{name}" --image_root "{opt.image_root}" '
        f'--image_embedding "{name}" --class_embedding "{name}" --group_file "{name}_groups" --pro_type 4'
    )


def get_options(arguments=None) -> argparse.Namespace:
    parser = get_parser()
    opt = parser.parse_args(arguments)
    check_options(parser, opt)
    return opt


def check_options(parser: Parser, opt: argparse.Namespace):
    """End with a line if a folder and xlsa17 are mixed up."""
    if bool(opt.folder) == bool(opt.from_xlsa17):
        expected = "expected either a folder with a folder for each class, or --from_xlsa17"
        parser.error(expected + ("" if opt.folder else parser.swallowed("the folder")))
    if opt.from_xlsa17 and not opt.image_root:
        parser.error("--from_xlsa17 needs --image_root, the folder of the images")
    others = ["image_root", "attribute_names"] if opt.folder else OF_FOLDERS
    for name in others:
        if getattr(opt, name) != parser.get_default(name):
            with_what = "goes with --from_xlsa17" if opt.folder else "does not go with --from_xlsa17"
            parser.error(f"--{name} {with_what}")


# ---- names and divisions ---------------------------------------------------------------------------


def read_given_names(given: Sequence[str]) -> Dict[str, str]:
    """{folder: class name} of what --names says: files, or FOLDER=WORDS."""
    names: Dict[str, str] = {}
    for text in given:
        if os.path.isfile(text):
            names.update(read_names(Path(text)))
        elif "=" in text:
            add_name(names, text, "--names")
        else:
            raise InputError(
                f"--names: {not_found(text)}; expected a file of names, or FOLDER=WORDS such as aGrass=grass"
            )
    return names


def known_words(clip: Optional[str]) -> Set[str]:
    """Words that a CLIP knows, of which joined names may be made."""
    return whole_words(Path(clip)) if clip else set()


def print_names(names: List[str]):
    """All of them, in lines: what CLIP is told."""
    head = "names   "
    words = f"{', '.join(names)}: so CLIP is told of the folders; prepare.py --names FOLDER=NAME gives others"
    print(fill(words, 110, initial_indent=head, subsequent_indent=" " * len(head), break_on_hyphens=False))


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


if __name__ == "__main__":
    main()
