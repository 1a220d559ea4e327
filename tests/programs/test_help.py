"""Every program answers --help without what takes seconds to import, and says what its options are for."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.cli import REPOSITORY

SLOW = ("torch", "torchvision", "transformers", "matplotlib")
PROGRAMS = [*sorted((REPOSITORY / "model").glob("*.py")), REPOSITORY / "script" / "teach.py"]


@pytest.fixture(scope="module")
def without_slow_libraries(tmp_path_factory) -> dict:
    """An environment in which importing one of them is an error."""
    folder = tmp_path_factory.mktemp("absent")
    for name in SLOW:
        (folder / f"{name}.py").write_text("raise ImportError('it takes seconds')", encoding="utf-8")
    return {**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "100"}


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda file: file.name)
def test_help_imports_nothing_slow(program, without_slow_libraries):
    done = subprocess.run(
        [sys.executable, program, "--help"], env=without_slow_libraries, capture_output=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"usage: {Path(program).name}") and done.stderr == ""


def test_help_of_a_training_begins_with_the_five_options_that_matter(without_slow_libraries):
    command = [sys.executable, REPOSITORY / "model" / "main.py", "-h"]
    done = subprocess.run(command, env=without_slow_libraries, capture_output=True, encoding="utf-8")
    first_screen = done.stdout.splitlines()[:12]
    for option in ("--image_embedding", "--class_embedding", "--clip", "--recipe words", "--gzsl"):
        assert any(line.strip().startswith(option) or f", {option}" in line for line in first_screen), option


def test_help_may_have_no_reader(without_slow_libraries):
    command = f"'{sys.executable}' '{REPOSITORY / 'model' / 'main.py'}' --help | head -1"
    done = subprocess.run(
        ["bash", "-c", command], env=without_slow_libraries, capture_output=True, encoding="utf-8"
    )
    assert done.stdout.count("\n") == 1 and done.stderr == ""
