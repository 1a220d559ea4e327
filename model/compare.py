"""One table of what `script/quickstart.sh` measured: chance, the baselines without training, and both branches of DSVA.

    python model/compare.py runs/quickstart-0-1

The folder holds baseline_zsl/, baseline_gzsl/, zsl/, gzsl/ and words/ with a results.json each. Of the trainings the last epoch counts,
so that no number was chosen on test images.
"""

import argparse
from pathlib import Path
from typing import Dict, Iterator

from support.cli import Parser, path
from support.errors import InputError, exits_cleanly
from support.files import read_json

ROWS = {
    "CLIP by class name": ("baseline", "names"),
    "attributes alone, no training": ("baseline", "attributes"),
    "DSVA, projection branch": ("dsva", "final"),
    "DSVA, attention branch": ("dsva", "attention"),
    "our recipe, projection branch": ("words", "final"),
    "our recipe, attention branch": ("words", "attention"),
}


@exits_cleanly
def main(arguments=None):
    parser = Parser(
        prog="compare.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=path)
    folder = Path(parser.parse_args(arguments).folder)
    results = {
        name: read_json(folder / name / "results.json")
        for name in ("baseline_zsl", "baseline_gzsl", "zsl", "gzsl", "words")
    }
    try:
        print("\n".join(table(results)))
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder} does not hold what script/quickstart.sh writes ({error!r}): run it again"
        ) from error


def table(read: Dict[str, dict]) -> Iterator[str]:
    """Line by line.  read: the results of each part"""
    gzsl = {
        "baseline": read["baseline_gzsl"]["scores"],
        "dsva": read["gzsl"]["last"]["scores"],
        "words": read["words"]["last"]["scores"],
    }
    zsl = {
        "baseline": read["baseline_zsl"]["scores"],
        "dsva": read["zsl"]["last"]["scores"],
        "words": {branch: {"accuracy": values["ZSL"]} for branch, values in gzsl["words"].items()},
    }  # one training serves both

    yield f"{'accuracy in %':30} {'ZSL':>7}  {'GZSL U':>7} {'S':>7} {'H':>7} {'AUSUC':>7}"
    yield f"{'chance':30} {read['zsl']['chance']:7.1f}"
    for name, (method, branch) in ROWS.items():
        generalised = gzsl[method][branch]
        yield f"{name:30} {zsl[method][branch]['accuracy']:7.1f}  " + " ".join(
            f"{generalised[key]:7.1f}" for key in ("U", "S", "H", "AUSUC")
        )


if __name__ == "__main__":
    main()
