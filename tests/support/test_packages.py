"""A Python that lacks the packages is told of in one line, before a program ends in a traceback."""

import subprocess
import sys
from pathlib import Path

import pytest

MODEL = Path(__file__).parents[2] / "model"
PROGRAMS = sorted(MODEL.glob("*.py"))


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.stem)
def test_a_bare_python_gets_one_line(program):
    """-S: a Python without its packages, as the system's is."""
    bare = [sys.executable, "-S", str(program)]
    done = subprocess.run(bare, capture_output=True, text=True)
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("error: ") and done.stderr.count("\n") == 1
    assert "lacks torch, " in done.stderr and "source " in done.stderr
