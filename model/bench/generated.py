"""Something to measure with, in the published formats: random pictures, and a tower of random weights."""

import json
import os
from argparse import Namespace
from pathlib import Path
from typing import List

import numpy as np
import scipy.io
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.utils import logging as transformers_logging

from bench.rows import SIZES
from data.divisions import divide
from data.matlab import cell_array, split_columns, to_matlab
from runs.command_line import get_options

GROUPS = ("functions", "materials", "surface_properties")
ATTRIBUTES = 98
SIDE = 256  # pixels of a picture, as in RSSDIVCS
DIFFERENT = 4  # pictures of a class that differ; the others are links to them


def generate(sizes: Namespace, folder: Path, per_class: int, options: List[str]) -> Namespace:
    """Write a dataset and a tower into the folder. Returns the options of a training on them.

    sizes:   the SIZES of the tower, and "classes", of which every seventh is unseen
    options: of main.py, beside those that say where the data are
    """
    write_dataset(folder, sizes.classes, sizes.classes // 7, per_class)
    clip = folder / "clip"
    write_tower(clip, **{name: getattr(sizes, name) for name in SIZES})
    where = ["--root", str(folder), "--clip", str(clip)]
    return get_options([*where, "--n_batch", "8", "--manualSeed", "0", *options])


def write_dataset(root: Path, classes: int, unseen: int, per_class: int):
    """Write root/RSSDIVCS: `classes` x `per_class` pictures, and one division of the classes."""
    folder = root / "RSSDIVCS"
    rng = np.random.default_rng(0)
    names = [f"Class{c}/{n}.jpg" for c in range(classes) for n in range(per_class)]
    for place, name in enumerate(names):
        write_picture(folder / name, place % per_class, rng)
    (folder / "files").mkdir()
    write_division(folder, "61", classes, unseen, per_class, rng)

    members = np.array_split(np.arange(ATTRIBUTES), len(GROUPS))
    groups = {name: part.tolist() for name, part in zip(GROUPS, members)}
    (folder / "files" / "attri_group_3.json").write_text(json.dumps(groups), encoding="utf-8")


def write_division(
    folder: Path, name: str, classes: int, unseen: int, per_class: int, rng: np.random.Generator
):
    """Write the files of a division into seen and unseen classes, the last of them.

    folder: of the dataset, with its pictures
    name:   of the files: "61" for 61_images.mat and ann_attr_finetune_61_splits.mat
    """
    labels = np.repeat(np.arange(classes), per_class)
    files = [f"RSSDIVCS/Class{c}/{n}.jpg" for c in range(classes) for n in range(per_class)]
    images = {"labels": to_matlab(labels), "image_files": np.array(files)}
    scipy.io.savemat(folder / "files" / f"{name}_images.mat", images)

    parts = divide(labels, np.arange(classes - unseen, classes), rng, train_share=0.8)
    splits = {
        "att": rng.random((ATTRIBUTES, classes)),
        "allclasses_names": cell_array([f"Class{c}" for c in range(classes)]),
        **split_columns(parts, 0),
    }
    scipy.io.savemat(folder / "files" / f"ann_attr_finetune_{name}_splits.mat", splits)


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
