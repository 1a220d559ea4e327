"""The quickstart as a new user runs it, on a few scenes and for one short epoch."""

import json
import os
import subprocess
import sys
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]


def test_quickstart_runs_measures_and_is_not_done_twice(tmp_path):
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "DEMO": str(tmp_path / "demo"),
        "RUNS": str(tmp_path / "runs"),
        "PER_CLASS": "6",
    }
    command = [REPOSITORY / "script" / "quickstart.sh", "--nepoch", "1", "--n_batch", "2"]
    first, again = (
        subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
        for _ in range(2)
    )
    assert first.returncode == 0, first.stderr
    assert again.returncode == 0, again.stderr
    table, page = first.stdout.split("8  results\n")[1].split("9  all of it on a page\n")
    assert [line.split("  ")[0] for line in table.splitlines()[1:]] == [
        "chance",
        "CLIP by class name",
        "attributes alone, no training",
        "DSVA, projection branch",
        "DSVA, attention branch",
        "our recipe, projection branch",
        "our recipe, attention branch",
    ]
    assert again.stdout.endswith(f"{table}9  all of it on a page\n{page}")
    assert (
        page.strip() == str(tmp_path / "runs" / "words" / "report.html")
        and Path(page.strip()).stat().st_size > 100_000
    )
    assert "epoch  0" in first.stdout and "epoch  0  " not in again.stdout  # trained once

    runs = tmp_path / "runs"
    zsl, gzsl = (
        json.loads((runs / name / "results.json").read_text())["last"]["scores"]["attention"]
        for name in ("zsl", "gzsl")
    )
    generalised = " ".join(f"{gzsl[key]:7.1f}" for key in ("U", "S", "H"))
    assert f"DSVA, attention branch         {zsl['accuracy']:7.1f}  {generalised}" in table
    assert "rank correlation" in first.stdout and first.stdout.count("times chance") == 2
    for run in ("zsl", "words"):
        assert (runs / run / "attention" / "contact_sheet.png").stat().st_size > 10_000
