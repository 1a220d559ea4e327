"""The quickstart as a new user runs it, on a few scenes and for one short epoch."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def quickstart(place, environment) -> str:
    """What it prints."""
    command = [REPOSITORY / "script" / "quickstart.sh", "--nepoch", "1", "--n_batch", "2"]
    done = subprocess.run(command, cwd=place, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def last_scores(folder) -> dict:
    """Of a run's attention branch in its last epoch."""
    return json.loads((folder / "results.json").read_text())["last"]["scores"]["attention"]


def test_quickstart_runs_measures_and_is_not_done_twice(tmp_path):
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "DEMO": str(tmp_path / "demo"),
        "RUNS": str(tmp_path / "runs"),
        "PER_CLASS": "6",
    }
    first = quickstart(tmp_path, environment)
    again = quickstart(tmp_path, environment)
    table, page = first.split("8  results\n")[1].split("9  all of it on a page\n")
    rows, caption = table.split("\n\n")
    assert "Of the trainings the last epoch counts" in caption
    assert [line.split("  ")[0] for line in rows.splitlines()[1:]] == [
        "chance",
        "CLIP by class name",
        "attributes alone",
        "DSVA, projection",
        "DSVA, attention",
        "our recipe, projection",
        "our recipe, attention",
    ]
    assert again.endswith(f"{table}9  all of it on a page\n{page}")
    runs = tmp_path / "runs"
    assert page.strip() == str(runs / "words" / "report.html")
    assert Path(page.strip()).stat().st_size > 100_000
    assert "epoch  0" in first
    assert "epoch  0  " not in again  # trained once

    zsl, gzsl = last_scores(runs / "zsl"), last_scores(runs / "gzsl")
    numbers = [zsl["accuracy"], gzsl["U"], gzsl["S"], gzsl["H"], gzsl["AUSUC"]]
    row = next(line for line in rows.splitlines() if line.startswith("DSVA, attention"))
    assert row.split()[2:] == [f"{value:.1f}" for value in numbers]
    assert "rank correlation" in first
    assert first.count("times chance") == 2
    for run in ("zsl", "words"):
        assert (runs / run / "attention" / "contact_sheet.png").stat().st_size > 10_000


def test_visualize_says_what_makes_the_run_that_it_shows(tmp_path):
    command = [REPOSITORY / "script" / "visualize.sh"]
    environment = {**os.environ, "PYTHON": sys.executable, "RUN": str(tmp_path)}
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    assert f"no finished run in {tmp_path}: ./script/quickstart.sh makes" in done.stderr
