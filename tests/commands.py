"""Command lines of programs that run on what `fuzzing.sound` makes."""

import annotate
import main
import zero_shot_clip
from fuzzing import COMMON, QUICK


def trainings(place, clip, splits="mine", images="61") -> dict:
    """Of programs that read a benchmark and a CLIP."""
    data = ["--root", place, "--clip", clip, "--image_embedding", images, "--class_embedding", splits]
    words = ["--vocabulary", place / "words.json", "--output", place / "new" / "new_splits.mat"]
    return {
        main: [*data, "--group_file", "mine", *COMMON, *QUICK],
        zero_shot_clip: [*data, "--group_file", "mine", *COMMON, "--attributes"],
        annotate: [*data, "--group_file", "new", *COMMON, *words],
    }


def captioned(place, output, *more) -> list:
    """Of finetune_clip.py."""
    words = ["--images", place / "RSSDIVCS", "--captions", place / "captions.jsonl", "--output", output]
    return [*words, "--epochs", 1, "--batch_size", 8, *COMMON, *more]
