"""A run, several runs, a folder of predictions or one of maps, as one HTML page.

    python model/report.py runs/X             writes runs/X/report.html:
                                              scores, curves, classes, attention, settings
    python model/report.py runs/X --checkpoint best --output page.html
    python model/report.py runs/              a summary of all runs below a folder, such as those of
                                              main.py --random_id all --seeds 3: mean and deviation, each run
    python model/report.py predictions/       a gallery of what predict.py named
    python model/report.py maps/              the maps of predict.py --tile

A page needs no network and no other file. What the folder or the machine does not have any more (tables,
weights, images) is left out, and the page says so.
"""

# ruff: noqa: E402, since --help is answered before torch is imported

import argparse
from pathlib import Path

from support.packages import need_packages

if __name__ == "__main__":
    need_packages()

from runs.records import EPOCHS
from runs.several import is_training
from support.cli import Parser, number, path
from support.errors import exits_cleanly
from support.files import write_text

PANELS = 40  # attention panels of a page at most


def get_parser() -> Parser:
    parser = Parser(
        prog="report.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "folder", type=path, help="runs/X, a folder of runs, or the output folder of predict.py"
    )
    parser.add_argument("--output", type=path, help="the page (default: report.html in the folder)")
    parser.add_argument(
        "--checkpoint",
        choices=list(EPOCHS),
        default="last",
        help="the epoch whose classes and attention are shown "
        "(default: last, which no test image helped to choose); the scores of all are",
    )
    parser.add_argument(
        "--per_class",
        type=number(int, 0),
        default=1,
        help=f"attention panels of each unseen class, {PANELS} in all at most (default: 1)",
    )
    parser.add_argument(
        "--images",
        type=number(int, 0),
        default=500,
        help="pictures in a gallery at most (default: 500)",
    )
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, ...")
    return parser


if __name__ == "__main__":
    get_parser().start()

from pages.gallery import prediction_page
from pages.map_page import has_maps, map_page
from pages.run_page import run_page
from pages.summary_page import summary_page
from support.machine import pick_device


@exits_cleanly
def main(arguments=None):
    opt = get_parser().parse_args(arguments)
    folder = Path(opt.folder)
    output = Path(opt.output or folder / "report.html")
    if (folder / "predictions.jsonl").is_file():
        page = prediction_page(folder, opt.images)
    elif has_maps(folder):
        page = map_page(folder)
    elif is_training(folder):
        page = run_page(folder, opt.checkpoint, pick_device(opt.device), opt.per_class, PANELS)
    else:
        page = summary_page(folder, opt.checkpoint, output)
    write_text(output, page)
    print(output)


if __name__ == "__main__":
    main()
