"""Something to measure with, in the published formats: random pictures, and a tower of random weights."""

import json
import os
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.utils import logging as transformers_logging

from data.divisions import divide
from data.matlab import cell_array, split_columns, to_matlab

GROUPS = ("functions", "materials", "surface_properties")
ATTRIBUTES = 98
SIDE = 256  # pixels of a picture, as in RSSDIVCS
DIFFERENT = 4  # pictures of a class that differ; the others are links to them


def write_dataset(root: Path, classes: int, unseen: int, per_class: int):
    """Write root/RSSDIVCS: `classes` x `per_class` pictures, and one division of the classes."""
    folder = root / "RSSDIVCS"
    rng = np.random.default_rng(0)
    names = [f"Class{c}/{n}.jpg" for c in range(classes) for n in range(per_class)]
    for place, name in enumerate(names):
        write_picture(folder / name, place % per_class, rng)
    (folder / "files").mkdir()

    labels = np.repeat(np.arange(classes), per_class)
    images = {
        "labels": to_matlab(labels),
        "image_files": np.array([f"RSSDIVCS/{name}" for name in names]),
    }
    scipy.io.savemat(folder / "files" / "61_images.mat", images)

    parts = divide(labels, np.arange(classes - unseen, classes), rng, train_share=0.8)
    splits = {
        "att": rng.random((ATTRIBUTES, classes)),
        "allclasses_names": cell_array([f"Class{c}" for c in range(classes)]),
        **split_columns(parts, 0),
    }
    scipy.io.savemat(folder / "files" / "ann_attr_finetune_61_splits.mat", splits)

    members = np.array_split(np.arange(ATTRIBUTES), len(GROUPS))
    groups = {name: part.tolist() for name, part in zip(GROUPS, members)}
    (folder / "files" / "attri_group_3.json").write_text(json.dumps(groups), encoding="utf-8")


def write_picture(path: Path, number: int, rng: np.random.Generator):
    """Draw the first few pictures of a folder: soft patches under a little noise.

    JPEG packs them about as well as a scene.
    """
    if number >= DIFFERENT:
        os.link(path.with_name(f"{number % DIFFERENT}.jpg"), path)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    patches = Image.fromarray(rng.integers(256, size=(16, 16, 3), dtype=np.uint8))
    soft = np.asarray(patches.resize((SIDE, SIDE), Image.Resampling.BICUBIC))
    noisy = soft + rng.normal(0, 8, size=(SIDE, SIDE, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_tower(folder: Path, width: int, layers: int, heads: int, image_size: int, patch_size: int):
    """Write a checkpoint of a vision tower with random weights."""
    transformers_logging.disable_progress_bar()
    config = CLIPVisionConfig(
        hidden_size=width,
        intermediate_size=4 * width,
        num_hidden_layers=layers,
        num_attention_heads=heads,
        image_size=image_size,
        patch_size=patch_size,
    )
    CLIPVisionModel(config).save_pretrained(folder)
