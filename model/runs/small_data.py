"""Defaults that do not fit a small dataset are lowered, and a note says so. What a user gave is an error."""

from argparse import Namespace
from typing import Dict, Tuple

import numpy as np

from data.benchmark import Benchmark
from runs.settings import with_options
from support.errors import InputError

Notes = Dict[Tuple[str, int], str]  # of an option and the value that it has now, a line


def fit_to_data(opt: Namespace, data: Benchmark, part: str, played: int = 0) -> Tuple[Namespace, Notes]:
    """The same options, with --ways and --shots as the training classes allow; and what was lowered.

    part:   the split that is trained on
    played: how many of the seen classes play the unseen ones, in the validation training of --protocol clean

    Raises InputError if the user gave a value that is too large: `opt.given` has the names.
    """
    if opt.train_mode == "random":  # shuffled batches: nothing is asked of a class
        return opt, {}
    classes, counts = np.unique(data.labels[data.splits[part]], return_counts=True)
    smallest = counts.argmin()
    where = there = ""
    if played:
        there = " there"
        where = f" in the validation training of --protocol clean, where {played} of {len(classes) + played} "
        where += "play unseen ones" if played > 1 else "plays an unseen one"
    limits = {
        "ways": (len(classes), f"the number of seen classes, {len(classes)}"),
        "shots": (
            int(counts[smallest]),
            f"the class {data.class_names[classes[smallest]]}, "
            f"which has {counts[smallest]} training image{'s' if counts[smallest] > 1 else ''}",
        ),
    }
    notes: Notes = {}
    for name, (most, words) in limits.items():
        value = getattr(opt, name)
        if value <= most:
            continue
        if name in opt.given:
            raise InputError(
                f"--{name} {value} is larger than {words}{where}: expected at most {most}, "
                "which is the default there"
            )
        notes[name, most] = f"note: --{name} {value} is larger than {words}{where}: it is {most}{there}"
        opt = with_options(opt, **{name: most})
    return opt, notes
