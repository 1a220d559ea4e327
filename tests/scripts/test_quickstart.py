"""The quickstart and the commands of the READMEs, in a clone, as a reader runs them, but briefly."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import python_of_the_readme

REPOSITORY = Path(__file__).parents[2]
QUICKSTART = "./script/quickstart.sh"
READMES = (  # in the order in which their commands are run
    "README.md",
    "model/inference/README.md",
    "script/README.md",
    "model/README.md",
    "RSSDIVCS/README.md",
    "RSSDIVCS/demo/README.md",
    "flax-community/README.md",
    "script/aid/README.md",
    "tests/README.md",
)
BRIEF = {
    QUICKSTART: "--nepoch 1 --n_batch 2",
    "model/main.py": "--nepoch 1 --n_batch 2",
}  # options added here
SETTINGS = {"PYTHON": sys.executable, "PER_CLASS": "6", "DIVISIONS": "1", "EPISODES": "2"}

# What is not run here, and why.
FOREIGN = {
    r"/data/|photos_of|\.pt\b": "data of the reader",
    r"script/\d\d_|reproduce_tables|runs/03_zsl_60_10|--image_embedding 61": "needs RSSDIVCS and CLIP-RSICD",
    r"script/aid/|for RECIPE": "needs AID; test_aid_scripts.py runs them on generated images",
    r"script/(test|fuzz|kill_test|test_floor)\.sh": "these are the tests",
    r"^hf |^pip ": "downloads",
    r"script/app\.sh|model/app\.py": "is a page until Ctrl-C; tests/programs/test_app_browser.py visits it",
    r"torchrun|\.\.\.": "to be completed by the reader; tests/support/test_processes.py runs torchrun",
    r"--from_xlsa17": "needs xlsa17; tests/programs/test_prepare_xlsa17.py runs it on generated files",
    r"SEED=2 DIVISION=1": "the quickstart once more",
}


def commands_of(name: str) -> list:
    """The commands of a README's code blocks, in order, without comments; what goes on is one line."""
    text = (REPOSITORY / name).read_text(encoding="utf-8")
    lines = re.findall(r"^    (.+)$", re.sub(r"\\\n\s*", " ", text), re.MULTILINE)
    beginnings = r"(\w+=\S+ )*(\./script/|python |torchrun |export |for |where=|R=|hf |pip )"
    return [re.sub(r"\s+#.*", "", line) for line in lines if re.match(beginnings, line)]


def reason_not_to_run(command: str) -> str:
    """Why a command is not run here; "" if it is."""
    for pattern, reason in FOREIGN.items():
        if re.search(pattern, command):
            return reason
    return ""


@pytest.fixture(scope="module")
def clone(tmp_path_factory) -> Path:
    """What a reader has: the repository, a folder of photos with a folder for each class, a large scene."""
    place = tmp_path_factory.mktemp("clone")
    ignored = shutil.ignore_patterns("__pycache__", "demo_data")
    for name in ("model", "script", "RSSDIVCS", "flax-community"):
        shutil.copytree(REPOSITORY / name, place / name, ignore=ignored)
    rng = np.random.default_rng(0)
    for c, name in enumerate(["Airport", "beach", "denseForest", "Farm", "harbor_area", "Lake", "Road"]):
        (place / "photos" / name).mkdir(parents=True)
        for n in range(6):
            pixels = 30 * c + rng.integers(0, 40, (40, 48, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(place / "photos" / name / f"{n}.jpg")
    scene = rng.integers(0, 255, (300, 400, 3), dtype=np.uint8)
    Image.fromarray(scene).save(place / "scene.png")
    return place


def run(clone: Path, commands: list) -> str:
    """What these commands print, one after another in one shell."""
    lines = []
    for command in commands:
        for program, options in BRIEF.items():
            if program in command:
                command += " " + options
        lines.append(command)
    script = 'set -e\npython() { "$PYTHON" "$@"; }\n' + "\n".join(lines)
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=clone,
        env={**os.environ, **SETTINGS},
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
    )
    assert done.returncode == 0, f"{done.stdout[-3000:]}\n{done.stderr}"
    return done.stdout


@pytest.fixture(scope="module")
def printed(clone) -> str:
    """By the quickstart."""
    return run(clone, [QUICKSTART])


def last_scores(folder) -> dict:
    """Of a run's attention branch in its last epoch."""
    return json.loads((folder / "results.json").read_text(encoding="utf-8"))["last"]["scores"]["attention"]


def test_the_quickstart_measures_and_draws(clone, printed):
    table, page = printed.split("8  results\n")[1].split("9  all of it on a page\n")
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
    runs = clone / "runs" / "quickstart-0-1"
    report, duration = page.splitlines()
    assert report == str(runs / "words" / "report.html")
    assert re.fullmatch(r"in all \d+ minutes \d+ seconds", duration)
    assert Path(report).stat().st_size > 100_000
    assert "epoch  0" in printed

    zsl, gzsl = last_scores(runs / "zsl"), last_scores(runs / "gzsl")
    numbers = [zsl["accuracy"], gzsl["U"], gzsl["S"], gzsl["H"], gzsl["AUSUC"]]
    row = next(line for line in rows.splitlines() if line.startswith("DSVA, attention"))
    assert row.split()[2:] == [f"{value:.1f}" for value in numbers]
    assert "rank correlation" in printed
    assert printed.count("times chance") == 2
    for name in ("zsl", "words"):
        assert (runs / name / "attention" / "contact_sheet.png").stat().st_size > 10_000


def test_the_quickstart_is_not_done_twice(clone, printed):
    again = run(clone, [QUICKSTART])
    results, former = (words.split("8  results\n")[1].split("in all")[0] for words in (again, printed))
    assert results == former
    assert "epoch  0  " not in again  # trained once


def test_the_commands_of_the_readmes_run_as_they_stand(clone, printed):
    commands = []
    for name in READMES:
        for command in commands_of(name):
            if command not in (*commands, QUICKSTART) and not reason_not_to_run(command):
                commands.append(command)
    assert len(commands) > 15
    run(clone, commands)
    assert (clone / "predictions" / "predictions.csv").is_file()
    assert (clone / "runs" / "photos" / "report.html").is_file()


def test_the_python_of_the_readme_runs_as_it_stands(clone, printed):
    code = python_of_the_readme() + "\nprint(len(found), found.maps.shape[:2], clip.candidates.names)"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=clone, capture_output=True, encoding="utf-8", check=False
    )
    assert (done.stdout, done.stderr) == ("6 (6, 39) ['beach', 'port']\n", "")


@pytest.mark.skipif(not (REPOSITORY / ".git").exists(), reason="no git repository")
def test_what_the_commands_of_the_readmes_make_is_ignored_by_git():
    made = {"photos", "predictions", "runs", "data"}
    for name in READMES:
        for command in commands_of(name):
            made.update(re.findall(r"--output ([\w/.-]+)", command))
    places = [f"{place.rstrip('/')}/x" for place in sorted(made) if not place.startswith("/")]
    done = subprocess.run(
        ["git", "check-ignore", *places], cwd=REPOSITORY, capture_output=True, encoding="utf-8"
    )
    assert len(places) > 8 and set(places) - set(done.stdout.split()) == set()


def test_every_readme_with_commands_is_looked_at():
    for file in [REPOSITORY / "README.md", *REPOSITORY.glob("*/**/README.md")]:
        name = str(file.relative_to(REPOSITORY))
        if not name.startswith(".") and "/." not in name and commands_of(name):
            assert name in READMES


def test_visualize_says_what_makes_the_run_that_it_shows(tmp_path):
    shutil.copytree(REPOSITORY / "script", tmp_path / "script")
    environment = {**os.environ, "PYTHON": sys.executable}
    done = subprocess.run(
        [tmp_path / "script" / "visualize.sh"], env=environment, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 2 and done.stderr.count("\n") == 1
    run = tmp_path / "runs" / "quickstart-0-1" / "words"
    assert f"no finished run in {run}: ./script/quickstart.sh makes" in done.stderr
