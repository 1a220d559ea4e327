"""A dataset of random pictures and a CLIP vision tower of random weights, in the published formats: something to measure with."""

import json
import os
from pathlib import Path

import numpy as np
import scipy.io
from PIL import Image
from transformers import CLIPVisionConfig, CLIPVisionModel
from transformers.utils import logging as transformers_logging

from data.divisions import divide
from data.matlab import cell_array, split_columns

GROUPS = ("functions", "materials", "surface_properties")
SIDE = 256  # pixels of a picture, as in RSSDIVCS
DIFFERENT = 4  # pictures of a class that differ; the others are links to them


def write_dataset(root: Path, classes: int, unseen: int, per_class: int, attributes: int):
    """root/RSSDIVCS with `classes` x `per_class` pictures, one division of them, and `attributes` attributes in three groups."""
    folder, chance = root / "RSSDIVCS", np.random.default_rng(0)
    files = [f"Class{c}/{n}.jpg" for c in range(classes) for n in range(per_class)]
    for place, file in enumerate(files):
        write_picture(folder / file, place % per_class, chance)
    labels = np.repeat(np.arange(classes), per_class)
    parts = divide(labels, np.arange(classes - unseen, classes), chance, train_share=0.8)
    images = {"labels": labels[:, None] + 1, "image_files": np.array([f"RSSDIVCS/{file}" for file in files])}
    splits = {
        "att": chance.random((attributes, classes)),
        "allclasses_names": cell_array([f"Class{c}" for c in range(classes)]),
        **split_columns(parts, 0),
    }
    (folder / "files").mkdir()
    scipy.io.savemat(folder / "files" / "61_images.mat", images)
    scipy.io.savemat(folder / "files" / "ann_attr_finetune_61_splits.mat", splits)
    groups = {
        name: part.tolist() for name, part in zip(GROUPS, np.array_split(np.arange(attributes), len(GROUPS)))
    }
    (folder / "files" / "attri_group_3.json").write_text(json.dumps(groups))


def write_picture(path: Path, number: int, chance: np.random.Generator):
    """The first few of a folder are drawn: soft patches under a little noise, which JPEG packs about as well as a scene."""
    if number >= DIFFERENT:
        return os.link(path.with_name(f"{number % DIFFERENT}.jpg"), path)
    path.parent.mkdir(parents=True, exist_ok=True)
    soft = Image.fromarray(chance.integers(256, size=(16, 16, 3), dtype=np.uint8)).resize(
        (SIDE, SIDE), Image.BICUBIC
    )
    noisy = np.asarray(soft) + chance.normal(0, 8, size=(SIDE, SIDE, 3))
    Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(path, quality=90)


def write_tower(folder: Path, width: int, layers: int, heads: int, image_size: int, patch_size: int):
    transformers_logging.disable_progress_bar()
    CLIPVisionModel(
        CLIPVisionConfig(
            hidden_size=width,
            intermediate_size=4 * width,
            num_hidden_layers=layers,
            num_attention_heads=heads,
            image_size=image_size,
            patch_size=patch_size,
        )
    ).save_pretrained(folder)
