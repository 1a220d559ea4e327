"""What a script does with more arguments: they hold in all of its steps, or it says what does instead."""

import os
import subprocess
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[2] / "script"
SAYS_ITS_ARGUMENTS = '#!/usr/bin/env bash\n[ "$1" = -c ] || echo "${@:2}"\n'  # and runs nothing


@pytest.fixture
def script(tmp_path):
    """Runs a script whose programs print their arguments alone."""
    python = tmp_path / "python"
    python.write_text(SAYS_ITS_ARGUMENTS)
    python.chmod(0o755)

    def run(name, *words, **settings):
        places = {"PYTHON": str(python), "DATA": str(tmp_path / "data"), "RUNS": str(tmp_path / "runs")}
        return subprocess.run(
            [SCRIPTS / name, *map(str, words)],
            env={**os.environ, **places, "IMAGE_ROOT": "x", "CAPTIONS": "x", **settings},
            cwd=tmp_path,
            capture_output=True,
            encoding="utf-8",
        )

    return run


def refusal_of(done) -> str:
    assert done.returncode == 2 and done.stderr.count("\n") == 1, done.stderr
    return done.stderr


# ---- visualize.sh ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words", [["runs/mine"], ["--resume", "runs/mine"], ["runs/mine/best.safetensors", "--top", "2"]]
)
def test_visualize_shows_the_run_that_is_named_in_the_folder_of_its_own(script, words):
    printed = script("visualize.sh", *words).stdout.split()
    assert printed[printed.index("--resume") + 1] == next(word for word in words if "runs" in word)
    assert printed.count("--resume") == 1 and "--output" not in printed


def test_visualize_takes_a_run_from_its_environment(script):
    assert "--resume runs/mine " in script("visualize.sh", RUN="runs/mine").stdout


# ---- options that hold in one step alone -------------------------------------------------------------


@pytest.mark.parametrize(
    "name, words, variable",
    [
        ("quickstart.sh", ["--output", "here"], "RUNS"),
        ("quickstart.sh", ["--name=mine"], "RUNS"),
        ("quickstart.sh", ["--nepoch", "1", "--random_id", "1"], "DIVISION"),
        ("my_images.sh", [".", "--output", "here"], "NAME"),
        ("my_images.sh", [".", "--clip", "here"], "CLIP"),
        ("my_images.sh", [".", "--bands", "4", "3", "2"], "BANDS"),
        ("aid/05_dsva.sh", ["--random_id", "1"], "DIVISIONS"),
        ("aid/03_annotate.sh", ["--output", "here"], "DATA"),
        ("reproduce_tables.sh", ["--name", "mine"], "leave it out"),
    ],
)
def test_an_option_of_all_steps_is_refused_where_it_would_reach_one(script, name, words, variable):
    done = script(name, *words)
    assert variable in refusal_of(done) and done.stdout == ""


# ---- my_images.sh, a second time ---------------------------------------------------------------------


@pytest.fixture
def divided(script, tmp_path):
    """A folder of photographs that was divided with --names Beach=seaside."""
    (tmp_path / "photos").mkdir()
    files = tmp_path / "data" / "photos" / "files"
    files.mkdir(parents=True)
    done = script("my_images.sh", "photos", "--names", "Beach=seaside")
    assert done.returncode == 0, done.stderr
    (files / "photos_splits.mat").touch()
    return script


@pytest.mark.parametrize("words", [[], ["--names", "Beach=seaside"]])
def test_my_images_goes_on_with_the_same_names(divided, words):
    done = divided("my_images.sh", "photos", *words)
    assert done.returncode == 0 and "note: done earlier" in done.stdout


@pytest.mark.parametrize(
    "words, settings", [(["--names", "Beach=shore"], {}), (["--seed", "1"], {}), ([], {"UNSEEN": "2"})]
)
def test_my_images_does_not_ignore_other_names_or_numbers(divided, words, settings):
    said = refusal_of(divided("my_images.sh", "photos", *words, **settings))
    assert "made earlier with other settings" in said and "delete it, or NAME=" in said


def test_my_images_does_not_take_other_photographs_for_the_former(divided, tmp_path):
    (tmp_path / "elsewhere" / "photos").mkdir(parents=True)
    said = refusal_of(divided("my_images.sh", "elsewhere/photos"))
    assert f"those of {tmp_path / 'photos'}" in said


def test_my_images_leaves_the_number_of_divisions_to_prepare(script):
    assert "--divisions" not in script("my_images.sh", ".").stdout.splitlines()[3]
    said = script("my_images.sh", ".", DIVISIONS="2", UNSEEN="3").stdout
    assert "--unseen 3 --divisions 2" in said
    assert "UNSEEN=2 DIVISIONS=3 SEEDS=1 in front of the command set --unseen" in said
