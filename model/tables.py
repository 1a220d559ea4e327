"""Tables over many runs: mean and deviation in percent, under both protocols.

    python model/tables.py                                              the paper's two tables, filled with what stands in runs/
    python model/tables.py --column 25/5 runs/aid/dsva/tiny/division-[012] --column 20/10 runs/aid/dsva/tiny/division-[345]
    python model/tables.py --row "no windows" runs/without/division-* --row "no warm-up" runs/cold/division-* --kinds "attention, last"

Each --column, or --row, takes a title and folders of runs, of main.py or zero_shot_clip.py, over which the mean goes.
"""

import argparse
import csv
import io
import re
from collections import defaultdict
from glob import glob
from pathlib import Path
from typing import Dict, List

import numpy as np

from runs.options import BRANCH
from runs.records import read_lines
from support.cli import Parser, path, pattern
from support.errors import InputError, exits_cleanly
from support.files import read_json
from support.machine import REPOSITORY

EPOCHS = {"best": "paper protocol", "clean": "clean protocol", "last": "last epoch"}
BRANCHES = {"final": "projection", "attention": "attention", "window": "windows alone"}
BASELINES = {"names": "CLIP by class name", "attributes": "attributes alone"}
SCORES = ("ZSL", "U", "S", "H", "AUSUC")


PUBLISHED = {  # DESIGN.md section 5: setting, seen/unseen -> the run's name, and ZSL accuracy or U, S, H of the paper and of the authors' rerun
    ("ZSL", "60/10"): ("03_zsl_60_10", [84.0], [86.6]),
    ("ZSL", "50/20"): ("02_zsl_50_20", [64.2], [63.8]),
    ("ZSL", "40/30"): ("01_zsl_40_30", [60.2], [60.4]),
    ("GZSL", "60/10"): ("13_gzsl_60_10", [68.4, 67.1, 67.7], [63.1, 69.2, 66.0]),
    ("GZSL", "50/20"): ("12_gzsl_50_20", [53.5, 59.8, 56.5], [52.8, 60.0, 56.2]),
    ("GZSL", "40/30"): ("11_gzsl_40_30", [43.7, 58.1, 49.9], [43.8, 57.8, 49.8]),
}


@exits_cleanly
def main(arguments=None):
    parser = Parser(
        prog="tables.py",
        allow_abbrev=False,
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "--runs",
        type=path,
        default=str(REPOSITORY / "runs"),
        metavar="FOLDER",
        help="where the six experiments left theirs (default: runs)",
    )
    parser.add_argument(
        "--column",
        nargs="+",
        action="append",
        metavar="WORD",
        help="a title, and folders or patterns of folders; a row for each kind of result",
    )
    parser.add_argument(
        "--row",
        nargs="+",
        action="append",
        metavar="WORD",
        help="the same, with the kinds of results in the columns",
    )
    parser.add_argument(
        "--scores",
        nargs="+",
        choices=SCORES,
        default=["ZSL", "H"],
        help="of the chosen runs (default: ZSL H)",
    )
    parser.add_argument(
        "--kinds",
        type=pattern,
        metavar="PATTERN",
        default="",
        help='only kinds of results that this regular expression is found in, such as "attention, last"',
    )
    parser.add_argument("--format", choices=list(FORMATS), default="markdown")
    opt = parser.parse_args(arguments)
    if opt.column and opt.row:
        parser.error("--column and --row make different tables: give one of them")
    tables = (
        {"": chosen(opt.row or opt.column, opt.scores, opt.kinds, bool(opt.row))}
        if opt.row or opt.column
        else published(Path(opt.runs))
    )
    print("\n\n".join(FORMATS[opt.format](title, table) for title, table in tables.items()))


def published(runs: Path) -> Dict[str, Dict[str, Dict[str, str]]]:
    """{"ZSL": {row: {column: cell}}, "GZSL": ...}; a cell is empty where nothing was run."""
    tables: Dict[str, Dict[str, Dict[str, str]]] = {"ZSL": defaultdict(dict), "GZSL": defaultdict(dict)}
    for (setting, classes), (name, paper, rerun) in PUBLISHED.items():
        keys = ["ZSL"] if setting == "ZSL" else ["U", "S", "H"]
        folders = [
            folder
            for found in sorted(runs.glob(f"{name}*"))
            if re.fullmatch(rf"{name}(-\d+)?", found.name)
            for folder in runs_in(found)
        ]
        found = [read_run(folder) for folder in folders]
        for row, values in (("paper", paper), ("authors' rerun", rerun)):
            tables[setting][row][classes] = " / ".join(f"{value:.1f}" for value in values)
        for epoch in EPOCHS.values():
            rows = [
                run[f"DSVA {run['branch']}, {epoch}"]
                for run in found
                if f"DSVA {run['branch']}, {epoch}" in run
            ]
            tables[setting][f"ours, {epoch}"][classes] = (
                " / ".join(cell([row[key] for row in rows if key in row]) for key in keys) if rows else ""
            )
    return tables


def chosen(
    groups: List[List[str]], scores: List[str], pattern: str, in_rows: bool
) -> Dict[str, Dict[str, str]]:
    """groups: a title and folders each. The titles stand in the rows, or in the columns, the kinds of results in the others."""
    values: Dict[str, Dict[tuple, list]] = {}
    for title, *patterns in (group or ["nothing"] for group in groups):
        folders = [run for text in patterns for folder in sorted(glob(text)) for run in runs_in(Path(folder))]
        if not folders:
            raise InputError(
                f"--column or --row {title}: expected a title and folders of finished runs, found none in {' '.join(patterns) or 'nothing'}"
            )
        values[title] = defaultdict(list)
        for kind, line in (item for folder in folders for item in read_run(folder).items()):
            for score in scores:
                if kind != "branch" and re.search(pattern, kind) and score in line:
                    values[title][kind, score].append(line[score])
    there = {key for found in values.values() for key in found}
    kinds = sorted({kind for kind, _ in there}, key=order)
    if not kinds:
        raise InputError(
            f"no run has a result of the kind --kinds {pattern!r}: without --kinds all are shown"
        )
    cells = {
        (title, kind, score): cell(found[kind, score]) if (kind, score) in found else ""
        for title, found in values.items()
        for kind in kinds
        for score in scores
        if any(other == score for _, other in there)
    }
    if in_rows:
        return {
            title: {
                f"{kind} {score}" if len(kinds) > 1 else score: text
                for (own, kind, score), text in cells.items()
                if own == title
            }
            for title in values
        }
    return {
        kind: {f"{title} {score}": text for (title, own, score), text in cells.items() if own == kind}
        for kind in kinds
    }


def order(kind: str) -> tuple:
    """Baselines first, then the epochs, each with its branches."""
    return kind not in BASELINES.values(), [kind.endswith(epoch) for epoch in EPOCHS.values()][::-1], kind


def cell(values: List[float]) -> str:
    return f"{np.mean(values):.1f}" + (f" ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else "")


def runs_in(folder: Path) -> List[Path]:
    """The folder's own run, or those of its divisions and seeds, as far as they are finished."""
    inner = sorted(folder.glob("division-*_seed-*"))
    return [place for place in inner or [folder] if (place / "results.json").is_file()]


def read_run(folder: Path) -> dict:
    """{row: {score: value}} of a run's results, and {"branch": the one that counts}."""
    results = read_json(folder / "results.json")
    try:
        if "last" not in results:
            return {
                "branch": None,
                **{BASELINES[name]: zsl_too(values) for name, values in results["scores"].items()},
            }
        log = read_lines(folder / "log.jsonl")
        trial = read_lines(folder / "validation" / "log.jsonl") if "clean" in results else []
        counts = BRANCH[results["options"]["sel_res"]]
        rows = {
            f"DSVA {BRANCHES[branch]}, {EPOCHS[epoch]}": {
                score: value
                for key in ("ZSL", "H")
                for line in [line_of(epoch, log, trial, counts, key)]
                for score, value in zsl_too(line["scores"][branch]).items()
                if (score == "ZSL") == (key == "ZSL")
            }
            for epoch in EPOCHS
            if epoch in results
            for branch in results[epoch]["scores"]
        }
        return {"branch": BRANCHES[counts], **rows}
    except (KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise InputError(
            f"{folder} does not hold what main.py or zero_shot_clip.py writes ({error!r}): run it again, or leave it out"
        ) from error


def line_of(epoch: str, log: List[dict], trial: List[dict], branch: str, key: str) -> dict:
    """The log line of the best, clean or last epoch by one score, of the branch that counts: each score has an epoch of its own."""

    def score(line: dict) -> float:
        return zsl_too(line["scores"][branch]).get(key, -1)

    if epoch == "last":
        return log[-1]
    if epoch == "best":
        return max(log, key=score)
    return log[max(trial, key=score)["epoch"]]


def zsl_too(scores: Dict[str, float]) -> Dict[str, float]:
    """A ZSL run calls its one score accuracy."""
    return {"ZSL": scores["accuracy"]} if "accuracy" in scores else scores


def markdown(title: str, table: Dict[str, Dict[str, str]]) -> str:
    heads = list(next(iter(table.values())))
    lines = [[title, *heads], ["---"] * (len(heads) + 1)] + [
        [row, *cells.values()] for row, cells in table.items()
    ]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def comma_separated(title: str, table: Dict[str, Dict[str, str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(
        [[title, *next(iter(table.values()))]] + [[row, *cells.values()] for row, cells in table.items()]
    )
    return text.getvalue().rstrip("\n")


def latex(title: str, table: Dict[str, Dict[str, str]]) -> str:
    heads = list(next(iter(table.values())))
    rows = [[title, *heads], *([row, *cells.values()] for row, cells in table.items())]
    lines = [" & ".join(line).replace("±", r"$\pm$").replace("%", r"\%") + r" \\" for line in rows]
    return "\n".join(
        [
            rf"\begin{{tabular}}{{l{'c' * len(heads)}}}",
            r"\toprule",
            lines[0],
            r"\midrule",
            *lines[1:],
            r"\bottomrule",
            r"\end{tabular}",
        ]
    )


FORMATS = {"markdown": markdown, "csv": comma_separated, "latex": latex}


if __name__ == "__main__":
    main()
