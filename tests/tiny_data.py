"""A dataset of a few noisy images, and a tiny CLIP, as a user has them."""

import json
from pathlib import Path

import numpy as np
import scipy.io
import torch
from PIL import Image
from transformers import CLIPConfig, CLIPModel

from clip.silence import silent_transformers
from data.matlab import cell_array

ATTRIBUTES = 6
GROUPS = {"functions": [0, 1], "materials": [2, 3], "surface_properties": [4, 5]}
SMALL = {"hidden_size": 32, "intermediate_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}


def write_dataset(root: Path, name="61", seen=9, unseen=3, per_class=5, divisions=2, **changes) -> Path:
    """A few noisy images of as many colours as classes, in the published format: root/RSSDIVCS/...

    Division k calls the classes k, k+1, ... unseen. `changes` replace variables of either .mat file, or drop
    them if None.
    """
    folder, classes = root / "RSSDIVCS", seen + unseen
    (folder / "files").mkdir(parents=True, exist_ok=True)
    chance = np.random.default_rng(0)
    labels = np.repeat(np.arange(classes), per_class)
    files = [f"Class{label}/image_{n}.png" for n, label in enumerate(labels)]
    colours = chance.integers(60, 200, size=(classes, 3))
    for file, label in zip(files, labels):
        path = folder / file
        path.parent.mkdir(exist_ok=True)
        pixels = colours[label] + chance.integers(-50, 50, size=(40, 48, 3))
        Image.fromarray(pixels.astype(np.uint8)).save(path)
    images = {
        "labels": labels[:, None] + 1,
        "image_files": np.array([f"/somewhere/else/RSSDIVCS/{file}" for file in files]),
    }
    splits = {
        "att": chance.standard_normal((ATTRIBUTES, classes)),
        "allclasses_names": cell_array(f"Class{c}" for c in range(classes)),
    }
    for k in range(divisions):
        is_unseen = np.isin(labels, np.arange(k, k + unseen))
        is_test = np.arange(len(labels)) % per_class == 0
        for key, chosen in {
            "train_zsl_loc": ~is_unseen,
            "train_gzsl_loc": ~is_unseen & ~is_test,
            "test_seen_loc": ~is_unseen & is_test,
            "test_unseen_loc": is_unseen,
        }.items():
            splits[f"{key}_{k}"] = np.flatnonzero(chosen)[:, None] + 1
    for file, variables in ((f"{name}_images.mat", images), (f"ann_attr_finetune_{name}_splits.mat", splits)):
        variables.update({key: value for key, value in changes.items() if key in variables})
        scipy.io.savemat(
            folder / "files" / file, {key: value for key, value in variables.items() if value is not None}
        )
    (folder / "files" / "attri_group_3.json").write_text(json.dumps(GROUPS))
    return root


def write_clip(folder: Path, **saving) -> Path:
    """A whole CLIP checkpoint, as one downloads it, with a tower of 32-pixel images in 4 x 4 patches."""
    torch.manual_seed(0)
    config = CLIPConfig(
        vision_config={**SMALL, "image_size": 32, "patch_size": 8},
        text_config={**SMALL, "vocab_size": 50, "max_position_embeddings": 8},
        projection_dim=16,
    )
    with silent_transformers():  # a test may ask what its program prints
        CLIPModel(config).save_pretrained(folder, **saving)
    return folder
