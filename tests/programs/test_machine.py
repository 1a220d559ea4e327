"""Whole programs on a machine with little shared memory, and with a reader that goes."""

import json
import shlex
import subprocess
import sys

import pytest

from helpers import QUICK, needs_mount, run_with_shared_memory
from support.cli import REPOSITORY
from support.workers import MORE_MEMORY

MODEL = REPOSITORY / "model"


def command(place, output, program: str) -> list:
    """A program on the data of `place`, with two workers."""
    data = ["--root", place, "--clip", place / "clip", "--group_file", "mine", "--device", "cpu"]
    words = {
        "main": [*shlex.split(QUICK), *data, "--class_embedding", "mine", "--ways", "2", "--output", output],
        "predict": ["--resume", place / "run" / "last.safetensors", place / "RSSDIVCS", "--output", output],
        "annotate": [*data, "--vocabulary", place / "words.json", "--output", output / "x_splits.mat"],
        "zero_shot_clip": [*data, "--class_embedding", "mine"],
        "held_out": ["--resume", place / "run" / "last.safetensors"],
    }[program]
    return [sys.executable, str(MODEL / f"{program}.py"), *map(str, words)]


@needs_mount
@pytest.mark.parametrize("program", ["main", "predict", "annotate", "zero_shot_clip", "held_out"])
def test_little_shared_memory_is_one_line(place, tmp_path, program):
    words = [*command(place, tmp_path / "out", program), "--workers", "2", "--device", "cpu"]
    if program in ("annotate", "zero_shot_clip"):
        words.append("--no-embedding_cache")  # embeddings from earlier need no picture
    done = run_with_shared_memory("32k", *words)
    assert done.returncode == 2, done.stderr
    assert done.stderr.startswith("error: ") and done.stderr.endswith(f"{MORE_MEMORY}\n")
    assert done.stderr.count("\n") == 1


def test_a_training_reaches_its_results_without_a_reader(place, tmp_path):
    words = [*command(place, tmp_path / "run", "main"), "--workers", "0"]
    done = subprocess.run(
        ["bash", "-c", '"$@" | head -1; exit ${PIPESTATUS[0]}', "_", *words],
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.returncode, done.stderr) == (0, "")
    results = json.loads((tmp_path / "run" / "results.json").read_text(encoding="utf-8"))
    assert results["last"]["epoch"] >= 1
