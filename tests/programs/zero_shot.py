"""zero_shot_clip.py in this process, for the tests of its baselines."""

import json
import shlex

import zero_shot_clip
from helpers import start


def run(root, words="", clip="unused") -> dict:
    """The results that it wrote."""
    places = ["--root", root, "--clip", clip, "--output", root / "out"]
    start(zero_shot_clip, *places, "--device", "cpu", "--workers", 0, *shlex.split(words))
    return json.loads((root / "out" / "results.json").read_text())
