"""What a notebook uses prints nothing, changes no setting and leaves nothing behind."""

import json
import logging
import os
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import torch
from PIL import Image
from transformers.utils import logging as transformers_logging

from helpers import CLASSES, predict_with
from inference import load_clip, load_run
from pages.panels import draw_attention
from support.cli import REPOSITORY


def use_all(place, files, tmp_path) -> list:
    """All that a notebook may do. Returns the notes."""
    infrared = np.random.default_rng(0).integers(0, 255, (40, 48, 4), np.uint8)
    Image.fromarray(infrared).save(tmp_path / "infrared.png")
    run = load_run(place / "run", device="cpu")
    found = run.predict([*files, *[tmp_path / "infrared.png"] * 2])
    few = run.among("unseen", without=CLASSES[1:]).with_classes("quay", f"port={files[0]}")
    few.predict(files[0])
    shutil.copytree(place / "clip", tmp_path / "clip")
    other = json.loads((tmp_path / "clip" / "config.json").read_text())
    (tmp_path / "clip" / "config.json").write_text(json.dumps(other, indent=1))
    draw_attention(few, files[0], label="\U00012000")  # a letter that hardly a font has
    clip = load_clip(place / "clip", ["quay", f"port={files[0]}"], device="cpu")
    clip.with_classes("beach").predict(files)
    return [*run.notes, *found.notes, *few.notes]


def test_nothing_is_printed_and_notes_are_kept(place, files, tmp_path, capfd):
    notes = use_all(place, files, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert len(notes) == len(set(notes)) + 1  # `few` has those of its run, too
    assert [note for note in notes if "stands for its best.safetensors" in note]
    assert sum("infrared.png: band 4 is no transparency" in note for note in notes) == 1
    assert [note for note in notes if "1 known classes are too few to compare" in note]
    assert not any(note.startswith("note: ") for note in notes)


def test_a_program_prints_what_python_collects(place, files, tmp_path, capsys):
    load_run(place / "run", device="cpu").among(without=CLASSES[1:]).with_classes("quay")
    capsys.readouterr()
    predict_with(place, files[0], "--without", *CLASSES[1:], "--add_class", "quay", "--output", tmp_path)
    assert "note: 1 known classes are too few to compare new ones with" in capsys.readouterr().out


def settings() -> dict:
    """Of the process, all that others may rely on."""
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "random numbers": (
            torch.get_rng_state().tolist(),
            random.getstate(),
            np.random.get_state()[1].tolist(),
        ),
        "torch": (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        ),
        "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
        "transformers": (
            transformers_logging.get_verbosity(),
            transformers_logging.is_progress_bar_enabled(),
        ),
        "matplotlib": {key: value for key, value in matplotlib.rcParams.items() if key != "backend"},
        "backend": matplotlib.get_backend(),
        "warnings": list(warnings.filters),
        "logging": [
            logging.getLogger(name).level for name in (None, "PIL", "matplotlib", "torch", "transformers")
        ],
        "system": (dict(os.environ), Path.cwd(), list(sys.path), sys.stdout, sys.stderr),
    }


def test_nothing_global_is_changed(place, files, tmp_path):
    transformers_logging.set_verbosity_warning()
    transformers_logging.enable_progress_bar()
    matplotlib.use("svg")
    before = settings()
    use_all(place, files, tmp_path)
    after = settings()
    for name, value in before.items():
        assert after[name] == value, name


def test_a_notebook_keeps_its_backend(place, files):
    """Also where matplotlib is first imported by us."""
    program = f"""
import sys; sys.path.insert(0, "model")
from inference import load_run
from pages.panels import draw_attention
draw_attention(load_run({str(place / "run")!r}, device="cpu"), {str(files[0])!r})
import matplotlib, os
print(matplotlib.get_backend(), os.environ["MPLBACKEND"])"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MPLBACKEND": "pdf"},
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.stdout, done.stderr) == ("pdf pdf\n", "")


def test_no_file_is_written(place, files, tmp_path):
    def tree():
        return {(file, file.stat().st_mtime_ns) for file in place.rglob("*") if file.is_file()}

    before = tree()
    load_run(place / "run", device="cpu").with_classes(f"port={files[0]}").predict(files)
    assert tree() == before
