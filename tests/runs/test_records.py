"""Records of a run are read with the branches' names of today, whatever they were called when it ran."""

import json
import math
import subprocess
import sys

import pytest

from runs.records import current_names, read_accuracies, read_results, read_run
from support.cli import REPOSITORY

VALUES = {"U": 1.0, "S": 2.0, "H": 3.0, "AUSUC": 4.0, "ZSL": 5.0}


def epoch(number, *branches, best=3.0):
    return {
        "epoch": number,
        "stage": "full",
        "loss": 1.0,
        "losses": {"xe": 1.0},
        "seconds": {"train": 1.0},
        "scores": {branch: {**VALUES, "H": best} for branch in branches},
    }


def write_run(folder, lines, sel_res="main"):
    (folder / "options.json").write_text(json.dumps({"options": {"sel_res": sel_res, "nepoch": len(lines)}}))
    (folder / "log.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.mark.parametrize(
    "before, now",
    [
        (["final", "attention"], ["projection", "attention"]),
        (["final", "attention", "window"], ["projection+window", "attention", "window"]),
        (["projection", "attention"], ["projection", "attention"]),
    ],
)
def test_names_of_today(tmp_path, before, now):
    line = epoch(0, *before)
    assert list(current_names(line)["scores"]) == now and list(line["scores"]) == before
    (tmp_path / "results.json").write_text(json.dumps({"branch": before[0], "best": line, "last": line}))
    results = read_results(tmp_path / "results.json")
    assert list(results["best"]["scores"]) == now and results["branch"] == now[0]
    (tmp_path / "several.json").write_text(json.dumps({"runs": {"a": {"last": line}}}))
    assert list(read_results(tmp_path / "several.json")["runs"]["a"]["last"]["scores"]) == now
    table = tmp_path / "per_class_last.csv"
    table.write_text(f"class,subset,images,{','.join(before)}\nA,seen,2{',50' * len(before)}\n")
    assert list(read_accuracies(table, "main"))[3:] == now


@pytest.mark.parametrize("content", ["[]", "1", '{"last": 1}', '{"branch": "final", "last": {"scores": 2}}'])
def test_what_is_no_result_is_left_to_those_who_read_it(tmp_path, content):
    (tmp_path / "results.json").write_text(content)
    read_results(tmp_path / "results.json")


def test_windows_may_join_in_later_and_each_epoch_knows_which_branch_counts(tmp_path):
    write_run(
        tmp_path,
        [
            epoch(0, "projection", "attention", best=9.0),
            epoch(1, "projection+window", "attention", "window"),
        ],
    )
    run = read_run(tmp_path)
    assert run.branch == "projection+window" and run.epochs["best"]["branch"] == "projection"
    assert run.epochs["best"]["score"] == 9.0 and run.epochs["last"]["score"] == 3.0
    branches = {"projection", "attention", "projection+window", "window"}
    assert all(line["scores"].keys() == branches for line in run.log)
    assert math.isnan(run.log[0]["scores"]["window"]["H"])
    assert math.isnan(run.log[1]["scores"]["projection"]["H"])


def test_records_are_read_without_torch():
    heavy = "[name for name in ('torch', 'transformers', 'scipy') if name in sys.modules]"
    program = f"import sys, runs.records, runs.repeat, runs.prediction_records; sys.exit(len({heavy}))"
    ran = subprocess.run([sys.executable, "-c", program], cwd=REPOSITORY / "model", capture_output=True)
    assert ran.returncode == 0, ran.stderr
