"""A run, or a folder of predictions, as one HTML page that needs no network and no other file.

    python model/report.py runs/X             writes runs/X/report.html:
                                              scores, curves, classes, attention, settings
    python model/report.py runs/X --checkpoint best --output page.html
    python model/report.py predictions/       a gallery of what predict.py named

What the folder or the machine does not have any more (tables, weights, images) is left out, and the page
says so.
"""

import argparse
from pathlib import Path

from runs.records import EPOCHS
from support.cli import Parser, number, path
from support.errors import InputError, exits_cleanly
from support.files import write_text

PANELS = 40  # attention panels of a page at most


def get_parser() -> Parser:
    parser = Parser(
        prog="report.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("folder", type=path, help="runs/X, or the output folder of predict.py")
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

from pages.gallery import prediction_page  # noqa: E402, since --help is answered before torch is imported
from pages.run_page import run_page  # noqa: E402
from support.machine import pick_device  # noqa: E402


@exits_cleanly
def main(arguments=None):
    opt = get_parser().parse_args(arguments)
    folder = Path(opt.folder)
    if (folder / "predictions.jsonl").is_file():
        page = prediction_page(folder, opt.images)
    elif (folder / "log.jsonl").is_file() or (folder / "results.json").is_file():
        page = run_page(folder, opt.checkpoint, pick_device(opt.device), opt.per_class, PANELS)
    else:
        raise InputError(
            f"{folder} is no run and no prediction: "
            "expected log.jsonl, as main.py writes it, or predictions.jsonl, as predict.py does"
        )
    output = Path(opt.output or folder / "report.html")
    write_text(output, page)
    print(output)


if __name__ == "__main__":
    main()
