"""Argument types, and the options that several programs share."""

import argparse
import math
import os
import re
import sys
from pathlib import Path

from support.errors import may_print_error, one_line
from support.machine import REPOSITORY

LARGEST_COUNT = 2**31 - 1  # of what is counted
CORES = (
    len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
)  # that this process may use: a cluster gives a few of many
WORKERS = min(8, CORES)


class Parser(argparse.ArgumentParser):
    def parse_known_args(self, args=None, namespace=None):
        for word in sys.argv[1:] if args is None else args:
            if re.fullmatch("--.+=--", word):  # of which argparse makes an option without a value
                self.error(f"argument {word[:-3]}: expected a value, found '--'")
        return super().parse_known_args(args, namespace)

    def error(self, message):
        self.exit(
            2,
            f"error: {one_line(message)}; `python model/{self.prog} --help` lists the options\n"
            if may_print_error()
            else None,
        )


def number(kind, low: float, high: float = math.inf, above: bool = False):
    """An argparse type: a finite number in [low, high], or (low, high] with `above`. A whole one is at most MOST, if nothing else is said."""
    high = LARGEST_COUNT if kind is int and high == math.inf else high

    def read(text):
        try:
            value = kind(text)
        except ValueError:
            value = math.nan
        if not (low < value if above else low <= value) or not value <= high or abs(value) == math.inf:
            span = f"{'above' if above else 'at least'} {low}" + (
                f" and at most {high}" if high < math.inf and (high != LARGEST_COUNT or value > high) else ""
            )
            raise argparse.ArgumentTypeError(
                f"expected {'a whole number' if kind is int else 'a number'} {span}, found {text!r}"
            )
        return value

    return read


def path(text: str) -> str:
    """Absolute, so that a saved run can be read from any directory."""
    try:
        absolute = str(Path(text).expanduser().absolute())
        os.stat(absolute)
    except (FileNotFoundError, NotADirectoryError):
        pass
    except (OSError, RuntimeError) as error:  # too long a name, or no such home
        raise argparse.ArgumentTypeError(
            f"expected a path, found {text[:60]!r}: {getattr(error, 'strerror', error)}"
        ) from error
    return absolute


def name_or_path(text: str) -> str:
    if not text.strip():
        raise argparse.ArgumentTypeError(f"expected a name or a path, found {text!r}")
    return path(text) if os.path.isfile(text) else text


def divisions(text: str):
    """An argparse type: `2`, or `0,1,2`, or `all`."""
    if text == "all":
        return text
    found = [number(int, 0)(part) for part in text.split(",")]
    if len(set(found)) < len(found):
        raise argparse.ArgumentTypeError(f"expected different divisions, found {text!r}")
    return found[0] if len(found) == 1 else found


def add_data_options(parser: argparse.ArgumentParser, several: bool = False):
    """Where the data are and what computes: the same in every program that reads a benchmark. `find_files` reads them.

    several: may --random_id name more than one division?
    """
    data = parser.add_argument_group("data and device")
    data.add_argument(
        "--dataset",
        default="RSSDIVCS",
        help="folder of the dataset below --root; its .mat files lie in <dataset>/files",
    )
    data.add_argument(
        "--root", type=path, default=str(REPOSITORY), help="folder that holds the dataset's folder"
    )
    data.add_argument(
        "--image_root",
        type=path,
        help="folder of the images: what follows RSSDIVCS/ in image_files lies below it (default: <root>/<dataset>)",
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
        help="NAME of NAME_splits.mat, or a path; {} stands for --random_id (default: ann_attr_finetune_<image_embedding>)",
    )
    data.add_argument(
        "--group_file",
        type=name_or_path,
        default="attri_group_3",
        help="NAME of NAME.json, the attribute groups, or a path",
    )
    data.add_argument(
        "--random_id",
        type=divisions if several else number(int, 0),
        default=0,
        help="which random seen/unseen division of the splits file"
        + ("; 0,1,2 or all: one after the other" if several else ""),
    )
    data.add_argument(
        "--workers",
        type=number(int, 0),
        default=WORKERS,
        help="processes that decode images; they do not change the numbers",
    )
    data.add_argument(
        "--device", default="auto", help="auto, cpu, cuda, cuda:1, ...: auto is the GPU where there is one"
    )
    return data


def add_clip_options(parser: argparse.ArgumentParser):
    """The whole CLIP, text and image tower, of the programs that embed words."""
    parser.add_argument(
        "--clip",
        type=path,
        default=str(REPOSITORY / "flax-community" / "clip-rsicd"),
        help="Hugging Face CLIP checkpoint folder, with its tokenizer",
    )
    parser.add_argument("--batch_size", type=number(int, 1), default=64, help="images CLIP sees at once")


class Help(argparse.ArgumentDefaultsHelpFormatter):
    def _get_help_string(self, action):  # None, True and False explain nothing
        return (
            action.help
            if action.default is None or isinstance(action.default, bool)
            else super()._get_help_string(action)
        )


def pattern(text: str) -> str:
    """An argparse type: a regular expression."""
    try:
        re.compile(text)
    except (re.error, OverflowError, RecursionError) as error:
        raise argparse.ArgumentTypeError(
            f"expected a regular expression, found {text[:60]!r}: {error}"
        ) from error
    return text
