"""A Python that lacks the packages is told of in one line, before a program ends in a traceback.

What only some need is installed into the Python that runs, not into the one that a bare `pip` belongs to.
"""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from support import packages
from support.packages import install

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


@pytest.mark.parametrize(
    "program, words",
    [
        (".venv/bin/python", ".venv/bin/python -m pip install -U gradio"),
        ("my venv/bin/python3.12", "'my venv/bin/python3.12' -m pip install -U gradio"),
        ("../elsewhere/python", "{above}/elsewhere/python -m pip install -U gradio"),
        ("python", "{here}/python -m pip install -U gradio"),  # which alone would be another one, of PATH
    ],
)
def test_a_package_is_installed_into_the_python_that_runs(tmp_path, monkeypatch, program, words):
    here = tmp_path / "here"
    here.mkdir()
    monkeypatch.chdir(here)
    path = tmp_path / program[3:] if program.startswith("../") else here / program
    monkeypatch.setattr(packages.sys, "executable", str(path))
    assert install("-U", "gradio") == words.format(here=here, above=tmp_path)


def test_a_folder_that_is_gone_is_no_traceback(tmp_path, monkeypatch):
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    assert install("gradio").startswith(f"{sys.executable} -m pip")


def test_no_message_and_no_command_names_a_bare_pip():
    """Which may be that of another Python. In programs and scripts, and in what explains them."""
    bare = []
    for folder in ("model", "script", "flax-community", "RSSDIVCS"):
        for file in (MODEL.parent / folder).rglob("*"):
            if file.suffix in (".py", ".sh", ".md"):
                found = re.findall(r".*(?<!-m )pip install.*", file.read_text(encoding="utf-8"))
                bare += [f"{file.name}: {line.strip()}" for line in found]
    assert bare == []
