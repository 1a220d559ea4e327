"""The scripts of script/aid as a user runs them, one after another, on a few generated images."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from helpers import write_whole_clip

SCRIPTS = Path(__file__).parents[2] / "script" / "aid"
CLASSES = [f"Scene{letter}" for letter in "ABCDEFGHIJ"]


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """AID of ten classes with six noisy images each, its captions, and a random CLIP."""
    folder = tmp_path_factory.mktemp("aid")
    rng = np.random.default_rng(0)
    lines = {"train": [], "valid": [], "test": []}
    for c, name in enumerate(CLASSES):
        (folder / "images" / name).mkdir(parents=True)
        for n, part in enumerate(["train", "train", "train", "train", "valid", "test"]):
            pixels = 25 * c + rng.integers(0, 25, (40, 40, 3))
            Image.fromarray(pixels.astype(np.uint8)).save(folder / "images" / name / f"{n}.png")
            line = {"image": f"{name}/{n}.png", "captions": [f"a {name} here"]}
            lines[part].append(json.dumps(line))
    for part, lines_of_part in lines.items():
        (folder / f"{part}.jsonl").write_text("\n".join(lines_of_part))
    write_whole_clip(folder / "clip")
    return folder


def run(place, script, *options, **changes):
    """What a script prints. changes: of the environment"""
    environment = {
        **os.environ,
        "PYTHON": sys.executable,
        "IMAGE_ROOT": str(place / "images"),
        "CAPTIONS": str(place),
        "DATA": str(place / "data"),
        "RUNS": str(place / "runs"),
        "TINY": str(place / "clip"),
        "CLIPS": "tiny",
        "DIVISIONS": "0",
        **changes,
    }
    command = [SCRIPTS / script, *options]
    done = subprocess.run(command, capture_output=True, text=True, cwd=place, env=environment)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_from_photographs_to_tables(place):
    printed = run(place, "01_prepare.sh", "--unseen", "1", "2", "2")
    assert "division 8: unseen" in printed
    assert "4 captions" not in printed
    lines = (place / "data/aid/files/aid_captions_8.jsonl").read_text().splitlines()
    captioned = [json.loads(line)["image"] for line in lines]
    assert len(captioned) == 8 * 4
    assert not any(image.endswith(("4.png", "5.png")) for image in captioned)
    assert "40 images of 10 classes" in run(place, "03_annotate.sh", "--workers", "0")  # no test image
    assert "attributes" in run(place, "04_baselines.sh", "--workers", "0")
    said = {name: ["storage tanks", f"number {c}"] for c, name in enumerate(CLASSES)}
    (place / "said.json").write_text(json.dumps(said))
    words = {"SOURCE": "descriptions", "DESCRIPTIONS": str(place / "said.json")}
    printed = run(place, "03_annotate.sh", "--workers", "0", **words)
    assert "descriptions of 10 classes; " in printed
    printed = run(place, "04_baselines.sh", "--workers", "0", RUNS=str(place / "in_words"), **words)
    assert "ESZSL" in printed
    quick = "--nepoch 2 --n_batch 2 --ways 3 --shots 2 --workers 0 --precision fp32".split()
    for recipe in ("published", "words"):
        assert "clean protocol" in run(place, "05_dsva.sh", *quick, RECIPE=recipe)
    tables = run(place, "08_tables.sh")
    assert "=== tiny, words: H" in tables
    assert "| DSVA attention, clean protocol |" in tables
    assert "| CLIP by class name |" in tables
    assert "| ESZSL |" in tables and "| SAE |" in tables
    rows = {"ONLY": "no windows|in the test", "DIVISIONS": "0", "CLIP": "tiny"}
    ablation = run(place, "06_ablation.sh", *quick, **rows)
    assert "| no windows |" in ablation and "| windows in the test as well |" in ablation
    assert ablation.count("branch, last epoch") == 3


def test_the_descriptions_are_of_aids_thirty_classes():
    said = json.loads((SCRIPTS / "descriptions.json").read_text())
    assert len(said) == 30
    for phrases in said.values():
        assert 3 <= len(phrases) <= 5 and all(phrase.strip() for phrase in phrases)


def test_the_place_of_the_images_must_be_named(place):
    environment = {key: value for key, value in os.environ.items() if key != "IMAGE_ROOT"}
    done = subprocess.run([SCRIPTS / "01_prepare.sh"], capture_output=True, text=True, env=environment)
    assert done.returncode
    assert "set it to the folder of AID" in done.stderr
