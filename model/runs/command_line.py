"""The command line of main.py, read: options as they are given, recorded in a file, or set by a recipe.

Nothing here may import torch, for which `main.py --help` would wait.
"""

import argparse
from pathlib import Path
from typing import List, Mapping, Optional, Union

from runs.chosen import chosen_checkpoint
from runs.options import EARLIER, RECIPES, get_parser
from runs.repeat import folder_of_repetition, results_to_repeat
from support.errors import InputError


def get_options(arguments: Optional[List[str]] = None) -> argparse.Namespace:
    """Parse the command line.

    Defaults come from the recipe, from a saved model (--resume) or from recorded results (--repeat).
    `given` has the names of the options that the command line itself sets.
    Says which of the given options do nothing; ends with code 2 on one that does not exist.
    """
    parser = get_parser()
    given = parser.parse_args(arguments)
    if given.eval and not given.resume:
        parser.error("--eval needs --resume CHECKPOINT")
    if given.resume and given.repeat:
        parser.error("--repeat begins anew: leave --resume and --eval out")
    parser.set_defaults(**RECIPES[given.recipe])
    if given.resume:
        given.resume = chosen_checkpoint(given.resume)
        from runs.checkpoint import checkpoint_metadata  # needs torch, for which --help does not wait

        parser.set_defaults(**recorded(parser, checkpoint_metadata(given.resume)["options"], given.resume))
    if given.repeat:
        parser.set_defaults(**recorded(parser, results_to_repeat(given.repeat)["options"], given.repeat))

    opt = parser.parse_args(arguments)
    opt.given = given_names(arguments)
    opt.resume = given.resume
    if opt.repeat:
        opt.output = folder_of_repetition(opt.repeat, opt.output)
    use_published_paths(opt)
    check_combinations(parser, opt)
    print_ignored(opt)
    return opt


def given_names(arguments: Optional[List[str]]) -> List[str]:
    """Of the options that the command line sets: no defaults, nothing recorded."""
    parser = get_parser()
    for action in parser._actions:
        action.default = argparse.SUPPRESS
    return sorted(vars(parser.parse_args(arguments)))


def use_published_paths(opt: argparse.Namespace):
    """--image_embedding_path and --class_embedding_path replace the names, as in the published program."""
    if opt.image_embedding_path:
        opt.image_embedding = opt.image_embedding_path
        files = Path(opt.image_embedding).parent
        opt.image_root = opt.image_root or str(files.parent if files.name == "files" else files)
    if opt.class_embedding_path:
        opt.class_embedding = opt.class_embedding_path
    del opt.image_embedding_path, opt.class_embedding_path


def check_combinations(parser: argparse.ArgumentParser, opt: argparse.Namespace):
    """Ends with code 2 on options that exclude each other."""
    if opt.decorrelate and opt.start != "words":
        parser.error(f"--decorrelate {opt.decorrelate:g} needs --start words: add it, or --decorrelate 0")
    if opt.resume and opt.protocol == "clean" and not opt.eval:
        parser.error(
            "--protocol clean chooses by a training from CLIP's weights: leave --resume out "
            "(the same command goes on with a run)"
        )
    if (opt.eval or opt.resume) and not isinstance(opt.random_id, int):
        parser.error("--resume is for one division: expected one number as --random_id")


def print_ignored(opt: argparse.Namespace):
    """One line that names the given options which do nothing."""
    ignored = sorted(set(vars(opt).pop("no_effect", [])))
    if opt.calibrated_stacking and not opt.gzsl:
        ignored.append("--calibrated_stacking (ZSL has no seen candidates)")
    if ignored:
        print(f"note: accepted, without effect: {', '.join(ignored)}")


def recorded(parser: argparse.ArgumentParser, options: Mapping, where: Union[str, Path]) -> dict:
    """All options: those that a file recorded, and the defaults of others.

    Raises InputError for a value that the command line would have refused.
    """
    values = {}
    for action in parser._actions:
        if action.default == argparse.SUPPRESS:
            continue
        value = options.get(action.dest, EARLIER.get(action.dest, action.default))
        if value != action.default and not is_possible(value, action):
            raise InputError(
                f"{where} has recorded --{action.dest} {value!r}, which is no value of this option"
            )
        values[action.dest] = value
    return values


def is_possible(value, action: argparse.Action) -> bool:
    """May an option have this value, once it is read?"""
    if isinstance(action.default, bool):
        return isinstance(value, bool)
    if action.dest == "bands":
        return isinstance(value, list) and len(value) == 3 and all(is_one(word, action) for word in value)
    if action.nargs == "+":
        return isinstance(value, list) and all(isinstance(word, str) for word in value)
    if action.choices:
        return value in action.choices
    return is_one(value, action)


def is_one(value, action: argparse.Action) -> bool:
    """May a word of an option be read as this value?"""
    text = ",".join(map(str, value)) if isinstance(value, list) else str(value)
    try:
        read = (action.type or str)(text)  # type: ignore[operator]
    except (argparse.ArgumentTypeError, ValueError):
        return False
    is_path = isinstance(read, str) and isinstance(value, str)  # a path is not written as it was read
    return read == value or is_path
