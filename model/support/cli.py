"""Types for argparse, and the options that several programs share.

Nothing here imports torch or numpy: `python model/main.py --help` answers before they are loaded.
"""

import argparse
import math
import os
import re
import sys
from contextlib import suppress
from pathlib import Path
from typing import List, Tuple, Union

from support.errors import may_print_error, one_line
from support.packages import need_packages
from support.streams import safe_streams
from support.utf8 import use_utf8

REPOSITORY = Path(__file__).resolve().parents[2]
MISSING = "the following arguments are required: "  # argparse's message begins with
LARGEST_COUNT = 2**31 - 1  # of any option that counts something

if hasattr(os, "sched_getaffinity"):
    CORES = len(os.sched_getaffinity(0))  # that this process may use: a cluster gives a few of many
else:
    CORES = os.cpu_count() or 1
WORKERS = min(8, CORES)


class Parser(argparse.ArgumentParser):
    """A parser whose errors are one line, printed once by all processes of torchrun together."""

    def start(self):
        """What a program does before it imports what takes seconds.

        UTF-8, an answer to `--help`, and a line if packages are missing.

        if __name__ == "__main__":
            get_parser().start()

        import torch
        """
        use_utf8()
        self.answer_help()
        need_packages()

    def answer_help(self):
        """Answer `--help` and exit, or do nothing."""
        if {"-h", "--help"} & set(sys.argv[1:]):
            with safe_streams():
                self.parse_args(["--help"])

    words: Tuple[str, ...] = ()  # that are parsed

    def parse_known_args(self, args=None, namespace=None):
        """Refuse `--name=--`, which argparse would read as an option without a value."""
        words = tuple(sys.argv[1:] if args is None else args)
        self.words = self.words or words
        for word in words:
            if re.fullmatch("--.+=--", word):
                self.error(f"argument {word[:-3]}: expected a value, found '--'")
        return super().parse_known_args(args, namespace)

    def error(self, message):
        """Exit with code 2 and one line."""
        if message.startswith(MISSING):
            message += self.swallowed(message[len(MISSING) :])
        line = f"error: {one_line(message)}; `python model/{self.prog} --help` lists the options\n"
        self.exit(2, line if may_print_error() else None)

    def swallowed(self, missing: str) -> str:
        """Where to put what is missing, if an option that takes all words behind it may have taken it."""
        for action in self._actions:
            given = set(action.option_strings) & set(self.words)
            if given and action.nargs in ("+", "*"):
                return f"; {given.pop()} takes all words behind it: {missing} goes before it"
        return ""


class Help(argparse.ArgumentDefaultsHelpFormatter):
    """Says what the default is, unless it explains nothing, as None, True and False, or the help says it."""

    def _get_help_string(self, action):
        explains_nothing = action.default is None or isinstance(action.default, bool)
        if explains_nothing or "(default:" in (action.help or ""):
            return action.help
        return super()._get_help_string(action)


class OnOff(argparse.BooleanOptionalAction):
    """An option --name and its opposite --no-name."""

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.help = options.get("help")  # as it is written: older Pythons put the default behind it


def number(kind, low: float, high: float = math.inf, above: bool = False):
    """An argparse type: a finite number in [low, high], or in (low, high] with `above`.

    kind: int or float. An int is at most LARGEST_COUNT if no `high` is given.
    """
    limit = high
    if kind is int and high == math.inf:
        limit = LARGEST_COUNT

    def read(text: str):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan  # which no comparison accepts
        is_high_enough = value > low if above else value >= low
        if is_high_enough and value <= limit and abs(value) != math.inf:
            return value
        noun = "a whole number" if kind is int else "a number"
        span = f"{'above' if above else 'at least'} {low}"
        if (
            high < math.inf or value > limit
        ):  # nobody asks for a count of billions: no need to mention the limit
            span += f" and at most {limit}"
        raise argparse.ArgumentTypeError(f"expected {noun} {span}, found {text!r}")

    return read


def path(text: str) -> str:
    """An argparse type: an absolute path, which holds in any directory. It need not exist."""
    try:
        absolute = Path(text).expanduser().absolute()
        with suppress(FileNotFoundError, NotADirectoryError):
            absolute.stat()
    except (OSError, RuntimeError) as error:  # too long a name, or no such home
        reason = getattr(error, "strerror", error)
        raise argparse.ArgumentTypeError(f"expected a path, found {text[:60]!r}: {reason}") from error
    return str(absolute)


def name_or_path(text: str) -> str:
    """An argparse type: the path of a file that exists, or a name, which the program looks up."""
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a name or a path, found {text!r}")
    is_file = os.path.isfile(text)  # Path.is_file raises an error if the name is too long
    return path(text) if is_file else text


def divisions(text: str) -> Union[str, int, List[int]]:
    """An argparse type: `2`, or `0,1,2`, or `all`."""
    if text == "all":
        return text
    whole_number = number(int, 0)
    found = [whole_number(part) for part in text.split(",")]
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected different divisions, found {text!r}")
    return found[0] if len(found) == 1 else found


def prompt(text: str) -> str:
    """An argparse type: a sentence with {} where a name goes."""
    if "{}" not in text:
        raise argparse.ArgumentTypeError(f"expected a sentence with {{}} for the name, found {text[:60]!r}")
    return text


def pattern(text: str) -> str:
    """An argparse type: a regular expression."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        message = f"expected a regular expression, found {text[:60]!r}: {error}"
        raise argparse.ArgumentTypeError(message) from error
    return text


def add_bands_option(group):
    """--bands: of pictures with more than three bands. The same in every program that reads pictures.

    group: a parser, or a group of one
    """
    group.add_argument(
        "--bands",
        type=number(int, 1, 2**16),
        nargs=3,
        metavar="NUMBER",
        help="bands of the images that are red, green and blue, counted from 1: 4 3 2 for Sentinel-2 "
        "(default: the first three of three or four)",
    )


def add_data_options(parser: argparse.ArgumentParser, several: bool = False):
    """Where the data are and what computes: the same in every program that reads a benchmark.

    several: may --random_id name more than one division?
    """
    data = parser.add_argument_group("data and device")
    data.add_argument(
        "--dataset",
        default="RSSDIVCS",
        help="folder of the dataset below --root; its .mat files lie in <dataset>/files",
    )
    data.add_argument(
        "--root",
        type=path,
        default=str(REPOSITORY),
        help="folder that holds the dataset's folder",
    )
    data.add_argument(
        "--image_root",
        type=path,
        help="folder of the images: what follows RSSDIVCS/ in image_files lies below it "
        "(default: <root>/<dataset>)",
    )
    data.add_argument(
        "--image_embedding",
        type=name_or_path,
        default="61",
        help="NAME of NAME_images.mat, or a path: 61, 52, 43 are 60/10, 50/20, 40/30 seen/unseen classes",
    )
    data.add_argument(
        "--class_embedding",
        type=name_or_path,
        help="NAME of NAME_splits.mat, or a path; {} stands for --random_id "
        "(default: ann_attr_finetune_<image_embedding>)",
    )
    data.add_argument(
        "--group_file",
        type=name_or_path,
        default="attri_group_3",
        help="NAME of NAME.json, the attribute groups, or a path",
    )
    which_division = "which random seen/unseen division of the splits file"
    if several:
        which_division += "; 0,1,2 or all: one after the other"
    data.add_argument(
        "--random_id",
        type=divisions if several else number(int, 0),
        default=0,
        help=which_division,
    )
    data.add_argument(
        "--workers",
        type=number(int, 0),
        default=WORKERS,
        help="processes that decode images; they do not change the numbers",
    )
    add_bands_option(data)
    data.add_argument(
        "--device",
        default="auto",
        help="auto, cpu, cuda, cuda:1, ...: auto is the GPU where there is one",
    )
    return data


def add_clip_options(parser: argparse.ArgumentParser):
    """The CLIP checkpoint, text and image tower, of the programs that embed words."""
    parser.add_argument(
        "--clip",
        type=path,
        default=str(REPOSITORY / "flax-community" / "clip-rsicd"),
        help="Hugging Face CLIP checkpoint folder, with its tokenizer",
    )
    parser.add_argument(
        "--batch_size",
        type=number(int, 1),
        default=64,
        help="images CLIP sees at once",
    )
    add_embedding_options(parser)


def add_embedding_options(parser):
    """Where CLIP's embeddings of pictures are kept, of the programs that embed some.

    parser: a parser, or a group of one
    """
    parser.add_argument(
        "--embedding_cache",
        action=OnOff,
        default=True,
        help="keep CLIP's embeddings of images, and use those that any program has kept: no number changes",
    )
    parser.add_argument(
        "--cache_dir",
        type=path,
        metavar="FOLDER",
        help="where they are kept (default: <root>/<dataset>/cache)",
    )


def add_candidate_options(parser: argparse.ArgumentParser):
    """Among which classes a saved run chooses: of the programs that look at any images."""
    classes = parser.add_argument_group("candidate classes")
    classes.add_argument(
        "--classes",
        metavar="WHICH",
        help="of the run: unseen, all, none but those added, or names with commas between them, "
        '"beach, tennis court" '
        "(default: those of its own test, all of a GZSL run, the unseen ones of a ZSL run)",
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
        "--prompts",
        type=prompt,
        nargs="+",
        metavar="SENTENCE",
        help='what CLIP is asked about a class by its name alone, averaged: "a satellite image of a {}." '
        "(default: as of the run's own classes; it is printed)",
    )
    add_embedding_options(classes)
    classes.add_argument(
        "--calibrated_stacking",
        type=number(float, -math.inf),
        help="taken from the probabilities of seen classes before they compete with others "
        "(default: the run's)",
    )


def check_candidate_options(parser: argparse.ArgumentParser, opt: argparse.Namespace):
    """Ends with code 2 if no class can be left."""
    if opt.classes == "none" and not opt.add_class and not opt.class_values:
        parser.error("--classes none needs --add_class or --class_values")
    if opt.prompts and not opt.add_class and not getattr(opt, "names", None):
        parser.error("--prompts are for a class by its name: name one with --add_class")
    if opt.classes is not None and not opt.classes.strip(" ,"):
        parser.error(
            f"argument --classes: expected unseen, all, none or names of classes, found {opt.classes!r}"
        )
