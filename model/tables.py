"""Tables over many runs: mean and deviation in percent, under both protocols.

    python model/tables.py                                   the paper's two tables, filled from runs/
    python model/tables.py --column 25/5 runs/aid/dsva/tiny/division-[012] --column 20/10 runs/aid/dsva/...
    python model/tables.py --row "no windows" runs/without/* --row "no warm-up" runs/cold/* --kinds attention
    python model/tables.py --quickstart runs/quickstart-0-1  what script/quickstart.sh measured
    python model/tables.py --column mine runs/mine --format text --output table.md

Each --column, or --row, takes a title and folders of runs, of main.py or zero_shot_clip.py, over which the
mean goes. Every score of a row is of one epoch: the one that main.py reports as best, clean or last. Each
table says so in its caption. As CSV it has none, and the caption goes to stderr.
"""

# ruff: noqa: E402, since packages that are missing are named before they are imported

import argparse
import re
import sys
from collections import defaultdict
from glob import glob
from pathlib import Path
from typing import Dict, List, Mapping, Sequence, Tuple

from support.packages import need_packages

if __name__ == "__main__":
    need_packages()

import numpy as np

from pages.table_formats import FORMATS, Table
from runs.records import EPOCHS, read_results, selected_branch
from runs.results import BASELINES, PROTOCOLS, UNTRAINED, RunScores, finished_results, scores_of_results
from support.cli import REPOSITORY, Parser, path, pattern
from support.errors import InputError, exits_cleanly
from support.files import write_text
from support.utf8 import use_utf8

TABLE_SCORES = ("ZSL", "U", "S", "H", "AUSUC")
MEAN = "Mean and standard deviation over runs, in percent."

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

# Rows of the quickstart's table: what is trained, and its branch or baseline.
QUICKSTART = [
    ("baseline", "names"),
    ("baseline", "attributes"),
    ("DSVA", "projection"),
    ("DSVA", "attention"),
    ("our recipe", "projection"),
    ("our recipe", "attention"),
]

ENDINGS = {".md": "markdown", ".tex": "latex", ".csv": "csv", ".txt": "text"}  # of --output: its format

Values = Dict[Tuple[str, str], List[float]]  # (kind of result, score) -> a value of each run


@exits_cleanly
def main(arguments=None):
    opt = get_options(arguments)
    groups = opt.row or opt.column
    if opt.quickstart:
        tables = [quickstart_table(Path(opt.quickstart))]
    elif groups:
        tables = [compare_groups(groups, opt.scores, opt.kinds, in_rows=bool(opt.row))]
    else:
        tables = published_tables(Path(opt.runs))
        if not any(runs_named(name, Path(opt.runs)) for name, *_ in PUBLISHED.values()):
            print(f"note: no finished run of the six experiments lies in {opt.runs}", file=sys.stderr)
    written_as = opt.format or ("text" if opt.quickstart else "markdown")
    print(in_format(written_as, tables))
    if written_as == "csv":
        for table in tables:
            print(table.caption, file=sys.stderr)
    if opt.output:
        write_text(Path(opt.output), in_format(ENDINGS[Path(opt.output).suffix], tables) + "\n")


def in_format(name: str, tables: Sequence[Table]) -> str:
    """All tables, with an empty line between them.  name: of FORMATS"""
    return "\n\n".join(FORMATS[name](table) for table in tables)


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
    parser.add_argument(
        "--format",
        choices=list(FORMATS),
        help="markdown, latex (a table with booktabs), csv, or text in aligned columns "
        "(default: markdown; of --quickstart text)",
    )
    parser.add_argument(
        "--output",
        type=path,
        metavar="FILE",
        help=f"write the tables into a file, too, as its ending says: {', '.join(ENDINGS)}",
    )
    opt = parser.parse_args(arguments)
    if opt.output and Path(opt.output).suffix not in ENDINGS:
        parser.error(f"--output {opt.output}: expected a file that ends with {', '.join(ENDINGS)}")
    given = [f"--{name}" for name in ("column", "row", "quickstart") if getattr(opt, name)]
    if len(given) > 1:
        parser.error(f"{' and '.join(given)} make different tables: give one of them")
    return opt


# ---- the paper's tables ----------------------------------------------------------------------------


def published_tables(runs: Path) -> List[Table]:
    """Of ZSL and of GZSL; a cell is empty where nothing was run."""
    rows: Dict[str, Dict[str, Dict[str, str]]] = {"ZSL": defaultdict(dict), "GZSL": defaultdict(dict)}
    for (setting, classes), (name, paper, rerun) in PUBLISHED.items():
        cells = rows[setting]
        cells["paper"][classes] = " / ".join(f"{value:.1f}" for value in paper)
        cells["authors' rerun"][classes] = " / ".join(f"{value:.1f}" for value in rerun)
        found = runs_named(name, runs)
        keys = ["ZSL"] if setting == "ZSL" else ["U", "S", "H"]
        for epoch, protocol in PROTOCOLS.items():
            cells[f"ours, {protocol}"][classes] = cell_of_experiment(found, epoch, keys)
    meaning = {
        "ZSL": "Accuracy on the unseen classes, by seen/unseen classes.",
        "GZSL": "U / S / H: accuracy on the unseen and on the seen classes, and their harmonic mean, "
        "by seen/unseen classes.",
    }
    tables = []
    for setting, cells in rows.items():
        caption = f"{meaning[setting]} Ours: {MEAN[0].lower()}{MEAN[1:]} {explain_epochs(list(PROTOCOLS))}"
        tables.append(Table(setting, cells, caption))
    return tables


def cell_of_experiment(runs: Sequence[RunScores], epoch: str, keys: Sequence[str]) -> str:
    """Such as `1.0 ± 0.1 / 2.0 ± 0.3 / 1.3 ± 0.1`, of the branch that counts."""
    ours = [run.kinds[epoch, run.counting[epoch]] for run in runs if epoch in run.counting]
    cells = []
    for key in keys:
        cells.append(mean_and_deviation([scores[key] for scores in ours if key in scores]))
    return " / ".join(cells) if ours else ""


def runs_named(name: str, runs: Path) -> List[RunScores]:
    """What the finished runs of an experiment scored: NAME, NAME-2, ..."""
    found = []
    for folder in sorted(runs.glob(f"{name}*")):
        if re.fullmatch(rf"{name}(-\d+)?", folder.name):
            found += read_scores(folder)
    return found


def read_scores(folder: Path) -> List[RunScores]:
    """Of the folder's run, or of each of its runs."""
    results = finished_results(folder)
    return [scores_of_results(place, content) for place, content in results.items()]


# ---- groups of runs --------------------------------------------------------------------------------


def compare_groups(
    groups: List[List[str]], scores: Sequence[str], kinds_pattern: str, in_rows: bool
) -> Table:
    """Means over groups of runs.

    groups:  a title and folders each
    in_rows: the titles stand in the rows and the kinds of results in the columns, or the other way round
    """
    values: Dict[str, Values] = {}
    for title, *patterns in groups:
        if title in values:
            raise InputError(f"--column or --row {title!r} is given twice: give each a title of its own")
        values[title] = values_by_kind(runs_of_group(title, patterns), kinds_pattern)

    there = {key for found in values.values() for key in found if key[1] in scores}
    if not there:
        raise InputError(
            f"no run has a result of the kind --kinds {kinds_pattern!r}: without --kinds all are shown"
        )
    kinds = sorted({kind for kind, _ in there}, key=order)
    shown = [score for score in scores if any(score == other for _, other in there)]

    is_single = len(values) == 1 and not in_rows  # then its title stands above the names of the rows, once
    rows: Dict[str, Dict[str, str]] = defaultdict(dict)
    for title, found in values.items():
        for kind in kinds:
            for score in shown:
                cell = mean_and_deviation(found.get((kind, score), []))
                if in_rows:
                    rows[title][f"{kind} {score}" if len(kinds) > 1 else score] = cell
                else:
                    rows[kind][score if is_single else f"{title} {score}"] = cell
    return Table(title if is_single else "", rows, caption_of_groups(values, kinds, shown, in_rows))


def runs_of_group(title: str, patterns: List[str]) -> List[RunScores]:
    """What the finished runs of folders scored, or of patterns of folders."""
    folders = [Path(folder) for text in patterns for folder in sorted(glob(text))]
    runs = [run for folder in folders for run in read_scores(folder)]
    if not runs:
        raise InputError(
            f"--column or --row {title}: expected a title and folders of finished runs, "
            f"found none in {' '.join(patterns) or 'nothing'}"
        )
    return runs


def values_by_kind(runs: Sequence[RunScores], kinds_pattern: str) -> Values:
    """The values of the kinds that the pattern is found in."""
    values = defaultdict(list)
    for run in runs:
        for (epoch, branch), scores in run.kinds.items():
            kind = kind_of_result(epoch, branch)
            if re.search(kinds_pattern, kind):
                for score, value in scores.items():
                    values[kind, score].append(value)
    return values


def kind_of_result(epoch: str, branch: str) -> str:
    """Such as `DSVA attention, last epoch`, or the name of a baseline."""
    return BASELINES[branch] if epoch == UNTRAINED else f"DSVA {branch}, {PROTOCOLS[epoch]}"


def order(kind: str) -> tuple:
    """Baselines first, in their own order, then the epochs, each with its branches."""
    baselines = list(BASELINES.values())
    place = baselines.index(kind) if kind in baselines else len(baselines)
    of_protocol = [kind.endswith(protocol) for protocol in PROTOCOLS.values()]
    return place, of_protocol[::-1], kind


def mean_and_deviation(values: List[float]) -> str:
    """In percent, one digit; the deviation where there are several values; "" where there is none."""
    if not values:
        return ""
    mean = f"{np.mean(values):.1f}"
    return f"{mean} ± {np.std(values, ddof=1):.1f}" if len(values) > 1 else mean


# ---- captions --------------------------------------------------------------------------------------


def caption_of_groups(
    values: Mapping[str, Values], kinds: Sequence[str], scores: Sequence[str], in_rows: bool
) -> str:
    """What the numbers of `compare_groups` are.  kinds, scores: those shown"""
    sentences = [MEAN, count_runs(values, scores)]
    if in_rows and len(kinds) == 1:  # which no heading tells
        sentences.insert(0, f"{kinds[0]}.")
    epochs = []
    for epoch, protocol in PROTOCOLS.items():
        if any(kind.endswith(protocol) for kind in kinds):
            epochs.append(epoch)
    if epochs:
        sentences.append(explain_epochs(epochs))
    return " ".join(sentences)


def count_runs(values: Mapping[str, Values], scores: Sequence[str]) -> str:
    """Such as `Runs in a mean: 3 of 25/5, 2 to 3 of 20/10.`, the latter where not every cell has as many."""
    counts = []
    for title, found in values.items():
        numbers = [len(of_runs) for (_, score), of_runs in found.items() if score in scores]
        least, most = min(numbers, default=0), max(numbers, default=0)
        span = f"{least}" if least == most else f"{least} to {most}"
        counts.append(f"{span} of {title}")
    return f"Runs in a mean: {', '.join(counts)}."


def explain_epochs(epochs: Sequence[str]) -> str:
    """Of which epoch a row's scores are."""
    meanings = []
    for epoch in epochs:
        how = EPOCHS[epoch]
        meanings.append(how if how.startswith(PROTOCOLS[epoch]) else f"{PROTOCOLS[epoch]}: {how}")
    return f"All scores of a row are of one epoch, as main.py reports it ({'; '.join(meanings)})."


# ---- the quickstart --------------------------------------------------------------------------------


def quickstart_table(folder: Path) -> Table:
    """Chance, the baselines without training, and the branches of two trainings.

    folder: holds baseline_zsl/, baseline_gzsl/, zsl/, gzsl/ and words/ with a results.json each
    """
    parts = ("baseline_zsl", "baseline_gzsl", "zsl", "gzsl", "words")
    results = {name: read_results(folder / name / "results.json") for name in parts}
    try:
        rows = quickstart_rows(results)
    except (LookupError, TypeError, AttributeError, ValueError, OverflowError) as error:
        raise InputError(
            f"{folder} does not hold what script/quickstart.sh writes ({error!r}): run it again"
        ) from error
    caption = (
        "One run each. Of the trainings the last epoch counts, which no test image helped to choose. "
        "DSVA has a training for ZSL and one for GZSL, our recipe has one for both."
    )
    return Table("accuracy in %", rows, caption)


def quickstart_rows(results: Mapping[str, dict]) -> Dict[str, Dict[str, str]]:
    """{row: {column: cell}}.  results: of each part"""
    words = results["words"]["last"]["scores"]
    gzsl = {
        "baseline": results["baseline_gzsl"]["scores"],
        "DSVA": results["gzsl"]["last"]["scores"],
        "our recipe": words,
    }
    zsl = {
        "baseline": results["baseline_zsl"]["scores"],
        "DSVA": results["zsl"]["last"]["scores"],
        "our recipe": {branch: {"accuracy": scores["ZSL"]} for branch, scores in words.items()},
    }  # one training of the recipe serves both
    rows = {"chance": {"ZSL": f"{results['zsl']['chance']:.1f}"}}
    for method, branch in QUICKSTART:
        if branch == "projection":  # with windows, where these are on
            branch = selected_branch("main", gzsl[method])
        title = BASELINES[branch] if method == "baseline" else f"{method}, {branch}"
        generalised = gzsl[method][branch]
        rows[title] = {"ZSL": f"{zsl[method][branch]['accuracy']:.1f}"}
        for key in ("U", "S", "H", "AUSUC"):
            rows[title]["GZSL U" if key == "U" else key] = f"{generalised[key]:.1f}"
    return rows


if __name__ == "__main__":
    use_utf8()
    main()
