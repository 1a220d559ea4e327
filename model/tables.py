"""Tables over many runs: mean and deviation in percent, under both protocols.

    python model/tables.py                                   the paper's two tables, filled from runs/
    python model/tables.py --column 25/5 runs/aid/dsva/tiny/division-[012] --column 20/10 runs/aid/dsva/...
    python model/tables.py --row "no windows" runs/without/* --row "no warm-up" runs/cold/* --kinds attention
    python model/tables.py --quickstart runs/quickstart-0-1  what script/quickstart.sh measured

Each --column, or --row, takes a title and folders of runs, of main.py or zero_shot_clip.py, over which the
mean goes.
"""

import argparse
import csv
import io
import re
from collections import defaultdict
from dataclasses import dataclass
from glob import glob
from pathlib import Path
from typing import Dict, List, Sequence, Tuple

import numpy as np

from runs.records import read_log, read_results, selected_branch
from support.cli import REPOSITORY, Parser, path, pattern
from support.errors import InputError, exits_cleanly
from support.utf8 import use_utf8

# How rows are called: an epoch of results.json, a branch, a baseline of zero_shot_clip.py.
PROTOCOLS = {"best": "paper protocol", "clean": "clean protocol", "last": "last epoch"}
BRANCHES = {
    "projection": "projection",
    "projection+window": "projection+window",
    "attention": "attention",
    "window": "windows alone",
}
BASELINES = {"names": "CLIP by class name", "attributes": "attributes alone"}
TABLE_SCORES = ("ZSL", "U", "S", "H", "AUSUC")

# Setting and seen/unseen classes -> the run's name, and ZSL accuracy or U, S, H: of the paper, and of a rerun
# of the authors' program.
PUBLISHED = {
    ("ZSL", "60/10"): ("03_zsl_60_10", [84.0], [86.6]),
    ("ZSL", "50/20"): ("02_zsl_50_20", [64.2], [63.8]),
    ("ZSL", "40/30"): ("01_zsl_40_30", [60.2], [60.4]),
    ("GZSL", "60/10"): ("13_gzsl_60_10", [68.4, 67.1, 67.7], [63.1, 69.2, 66.0]),
    ("GZSL", "50/20"): ("12_gzsl_50_20", [53.5, 59.8, 56.5], [52.8, 60.0, 56.2]),
    ("GZSL", "40/30"): ("11_gzsl_40_30", [43.7, 58.1, 49.9], [43.8, 57.8, 49.8]),
}

# Rows of the quickstart's table: the folder that a row is of, and its branch or baseline.
QUICKSTART = {
    "CLIP by class name": ("baseline", "names"),
    "attributes alone, no training": ("baseline", "attributes"),
    "DSVA, projection branch": ("dsva", "projection"),
    "DSVA, attention branch": ("dsva", "attention"),
    "our recipe, projection branch": ("words", "projection"),
    "our recipe, attention branch": ("words", "attention"),
}

Table = Dict[str, Dict[str, str]]  # {row: {column: cell}}


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    if opt.quickstart:
        print("\n".join(quickstart_lines(Path(opt.quickstart))))
        return
    groups = opt.row or opt.column
    if groups:
        tables = {"": compare_groups(groups, opt.scores, opt.kinds, in_rows=bool(opt.row))}
    else:
        tables = published_tables(Path(opt.runs))
    write = FORMATS[opt.format]
    print("\n\n".join(write(title, table) for title, table in tables.items()))


def get_options(arguments) -> argparse.Namespace:
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
        "--quickstart",
        type=path,
        metavar="FOLDER",
        help="one table of what script/quickstart.sh measured; of the trainings the last epoch counts, "
        "so that no number was chosen on test images",
    )
    parser.add_argument(
        "--scores",
        nargs="+",
        choices=TABLE_SCORES,
        default=["ZSL", "H"],
        help="of --column and --row (default: ZSL H)",
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
    given = [f"--{name}" for name in ("column", "row", "quickstart") if getattr(opt, name)]
    if len(given) > 1:
        parser.error(f"{' and '.join(given)} make different tables: give one of them")
    return opt


# ---- the scores of one run -------------------------------------------------------------------------


@dataclass
class RunScores:
    """What a run scored, in percent.

    kinds:    "DSVA attention, last epoch", or a baseline -> {score: value}
    counting: "best", "clean", "last" -> {score: value} of the branch that counts; {} of a baseline
    """

    kinds: Dict[str, Dict[str, float]]
    counting: Dict[str, Dict[str, float]]


def finished_runs(folder: Path) -> List[Path]:
    """The folder's own run, or those of its divisions and seeds, as far as they are finished."""
    inner = sorted(folder.glob("division-*_seed-*"))
    return [place for place in inner or [folder] if (place / "results.json").is_file()]


def read_scores(folder: Path) -> RunScores:
    """The scores of a run of main.py or zero_shot_clip.py. Raises InputError if the folder holds none."""
    results = read_results(folder / "results.json")
    try:
        return trained_scores(folder, results) if "last" in results else baseline_scores(results)
    except (KeyError, TypeError, AttributeError, IndexError, OSError) as error:
        raise InputError(
            f"{folder} does not hold what main.py or zero_shot_clip.py writes ({error!r}): "
            "run it again, or leave it out"
        ) from error


def baseline_scores(results: dict) -> RunScores:
    """Of zero_shot_clip.py, where nothing is trained."""
    kinds = {BASELINES[name]: call_zsl(scores) for name, scores in results["scores"].items()}
    return RunScores(kinds, {})


def trained_scores(folder: Path, results: dict) -> RunScores:
    """Of main.py. Each score has an epoch of its own under each protocol: U, S and AUSUC are those of H."""
    log = read_log(folder / "log.jsonl")
    trial = read_log(folder / "validation" / "log.jsonl") if "clean" in results else []
    sel_res = results["options"]["sel_res"]
    kinds: Dict[str, Dict[str, float]] = defaultdict(dict)
    counting: Dict[str, Dict[str, float]] = defaultdict(dict)
    for epoch, protocol in PROTOCOLS.items():
        if epoch not in results:
            continue
        for key in ("ZSL", "H"):
            line = line_of(epoch, log, trial, sel_res, key)
            for branch, scores in line["scores"].items():
                chosen = scores_beside(key, scores)
                if chosen:
                    kinds[f"DSVA {BRANCHES[branch]}, {protocol}"].update(chosen)
            counting[epoch].update(scores_beside(key, counting_scores(line, sel_res)))
    return RunScores(kinds, counting)


def line_of(epoch: str, log: List[dict], trial: List[dict], sel_res: str, key: str) -> dict:
    """The log's line of the best, clean or last epoch by one score of the branch that counts.

    trial: the log of the training that chooses under the clean protocol
    """

    def score(line: dict) -> float:
        return counting_scores(line, sel_res).get(key, -1)

    if epoch == "last":
        return log[-1]
    if epoch == "best":
        return max(log, key=score)
    return log[max(trial, key=score)["epoch"]]


def counting_scores(line: dict, sel_res: str) -> Dict[str, float]:
    scores = line["scores"]
    return call_zsl(scores[selected_branch(sel_res, scores)])


def call_zsl(scores: Dict[str, float]) -> Dict[str, float]:
    """The same under the name ZSL, where a run of ZSL calls its only score accuracy."""
    return {"ZSL": scores["accuracy"]} if "accuracy" in scores else scores


def scores_beside(key: str, scores: Dict[str, float]) -> Dict[str, float]:
    """ZSL alone, or H and all that belong to it."""
    return {name: value for name, value in call_zsl(scores).items() if (name == "ZSL") == (key == "ZSL")}


# ---- tables ----------------------------------------------------------------------------------------


def published_tables(runs: Path) -> Dict[str, Table]:
    """{"ZSL": table, "GZSL": table}; a cell is empty where nothing was run."""
    tables: Dict[str, Table] = {"ZSL": defaultdict(dict), "GZSL": defaultdict(dict)}
    for (setting, classes), (name, paper, rerun) in PUBLISHED.items():
        table = tables[setting]
        table["paper"][classes] = " / ".join(f"{value:.1f}" for value in paper)
        table["authors' rerun"][classes] = " / ".join(f"{value:.1f}" for value in rerun)
        found = [read_scores(folder) for folder in runs_named(name, runs)]
        keys = ["ZSL"] if setting == "ZSL" else ["U", "S", "H"]
        for epoch, protocol in PROTOCOLS.items():
            ours = [run.counting[epoch] for run in found if epoch in run.counting]
            cells = [mean_and_deviation([scores[key] for scores in ours if key in scores]) for key in keys]
            table[f"ours, {protocol}"][classes] = " / ".join(cells) if ours else ""
    return tables


def runs_named(name: str, runs: Path) -> List[Path]:
    """The finished runs of an experiment: NAME, NAME-2, ..."""
    found = []
    for folder in sorted(runs.glob(f"{name}*")):
        if re.fullmatch(rf"{name}(-\d+)?", folder.name):
            found += finished_runs(folder)
    return found


def compare_groups(
    groups: List[List[str]], scores: Sequence[str], kinds_pattern: str, in_rows: bool
) -> Table:
    """Means over groups of runs.

    groups:  a title and folders each
    in_rows: the titles stand in the rows and the kinds of results in the columns, or the other way round
    """
    values = {title: group_values(title, patterns, kinds_pattern) for title, *patterns in groups}
    there = {key for found in values.values() for key in found if key[1] in scores}
    if not there:
        raise InputError(
            f"no run has a result of the kind --kinds {kinds_pattern!r}: without --kinds all are shown"
        )
    kinds = sorted({kind for kind, _ in there}, key=order)
    shown = [score for score in scores if any(score == other for _, other in there)]

    table: Table = defaultdict(dict)
    for title, found in values.items():
        for kind in kinds:
            for score in shown:
                cell = mean_and_deviation(found.get((kind, score), []))
                if in_rows:
                    table[title][f"{kind} {score}" if len(kinds) > 1 else score] = cell
                else:
                    table[kind][f"{title} {score}"] = cell
    return table


def group_values(title: str, patterns: List[str], kinds_pattern: str) -> Dict[Tuple[str, str], List[float]]:
    """{(kind, score): a value of each run} over the runs of folders, or patterns of folders."""
    folders = [Path(folder) for text in patterns for folder in sorted(glob(text))]
    runs = [run for folder in folders for run in finished_runs(folder)]
    if not runs:
        raise InputError(
            f"--column or --row {title}: expected a title and folders of finished runs, "
            f"found none in {' '.join(patterns) or 'nothing'}"
        )
    values = defaultdict(list)
    for run in runs:
        for kind, scores in read_scores(run).kinds.items():
            if re.search(kinds_pattern, kind):
                for score, value in scores.items():
                    values[kind, score].append(value)
    return values


def order(kind: str) -> tuple:
    """Baselines first, then the epochs, each with its branches."""
    is_trained = kind not in BASELINES.values()
    of_protocol = [kind.endswith(protocol) for protocol in PROTOCOLS.values()]
    return is_trained, of_protocol[::-1], kind


def mean_and_deviation(values: List[float]) -> str:
    """In percent, one digit; the deviation where there are several values; "" where there is none."""
    if not values:
        return ""
    mean = f"{np.mean(values):.1f}"
    return f"{mean} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else mean


# ---- the quickstart --------------------------------------------------------------------------------


def quickstart_lines(folder: Path) -> List[str]:
    """Chance, the baselines without training, and the branches of two trainings, a line each.

    folder: holds baseline_zsl/, baseline_gzsl/, zsl/, gzsl/ and words/ with a results.json each
    """
    parts = ("baseline_zsl", "baseline_gzsl", "zsl", "gzsl", "words")
    results = {name: read_results(folder / name / "results.json") for name in parts}
    try:
        return quickstart_table(results)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder} does not hold what script/quickstart.sh writes ({error!r}): run it again"
        ) from error


def quickstart_table(results: Dict[str, dict]) -> List[str]:
    """Line by line.  results: of each part"""
    words = results["words"]["last"]["scores"]
    gzsl = {
        "baseline": results["baseline_gzsl"]["scores"],
        "dsva": results["gzsl"]["last"]["scores"],
        "words": words,
    }
    zsl = {
        "baseline": results["baseline_zsl"]["scores"],
        "dsva": results["zsl"]["last"]["scores"],
        "words": {branch: {"accuracy": scores["ZSL"]} for branch, scores in words.items()},
    }  # one training of the recipe serves both
    lines = [
        f"{'accuracy in %':30} {'ZSL':>7}  {'GZSL U':>7} {'S':>7} {'H':>7} {'AUSUC':>7}",
        f"{'chance':30} {results['zsl']['chance']:7.1f}",
    ]
    for title, (method, branch) in QUICKSTART.items():
        accuracy = scores_of(branch, zsl[method])["accuracy"]
        generalised = scores_of(branch, gzsl[method])
        cells = " ".join(f"{generalised[key]:7.1f}" for key in ("U", "S", "H", "AUSUC"))
        lines.append(f"{title:30} {accuracy:7.1f}  {cells}")
    return lines


def scores_of(branch: str, scores: Dict[str, Dict[str, float]]) -> Dict[str, float]:
    """The scores of a branch or baseline; of the projection branch with windows, where these are on."""
    return scores[selected_branch("main", scores) if branch == "projection" else branch]


# ---- formats ---------------------------------------------------------------------------------------


def lines_of(title: str, table: Table) -> List[List[str]]:
    """The cells, line by line, the headings first."""
    first = next(iter(table.values()))
    return [[title, *first], *([row, *cells.values()] for row, cells in table.items())]


def markdown(title: str, table: Table) -> str:
    head, *rows = lines_of(title, table)
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def comma_separated(title: str, table: Table) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(lines_of(title, table))
    return text.getvalue().rstrip("\n")


def latex(title: str, table: Table) -> str:
    cells = lines_of(title, table)
    lines = [" & ".join(line).replace("±", r"$\pm$").replace("%", r"\%") + r" \\" for line in cells]
    head, *rows = lines
    begin = rf"\begin{{tabular}}{{l{'c' * (len(cells[0]) - 1)}}}"
    return "\n".join([begin, r"\toprule", head, r"\midrule", *rows, r"\bottomrule", r"\end{tabular}"])


FORMATS = {"markdown": markdown, "csv": comma_separated, "latex": latex}


if __name__ == "__main__":
    use_utf8()
    main()
