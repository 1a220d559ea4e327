"""Our own checkpoints: all weights, and what is needed to rebuild the network, in one safetensors file."""

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Optional

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import nn
from transformers import CLIPVisionConfig

from clip.checkpoint import build_tower
from dsva.network import DSVA
from support.errors import InputError, first_line
from support.files import atomic
from support.untrusted import parse_json

TOWER = "tower."  # what the names of the tower's weights in a checkpoint begin with


SIZES = {
    "hidden_size",
    "intermediate_size",
    "num_hidden_layers",
    "num_attention_heads",
    "num_channels",
    "image_size",
    "patch_size",
    "hidden_act",
    "layer_norm_eps",
    "attention_dropout",
}  # with what else a tower must keep, so that it goes on as it was


def save_checkpoint(path: Path, model: DSVA, epoch: int, options: Mapping, files: Optional[Mapping] = None):
    """All weights in safetensors, with what is needed to rebuild the network and to go on as metadata.  files: fingerprints"""
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    config = {key: value for key, value in sorted(model.tower.config.to_dict().items()) if key in SIZES}
    metadata = {"epoch": epoch, "options": dict(options), "vision_config": config, "files": dict(files or {})}
    with atomic(path) as temporary:
        save_file(
            weights,
            temporary,
            metadata={key: json.dumps(value, default=str) for key, value in metadata.items()},
        )


def checkpoint_metadata(path: Path) -> dict:
    """{"epoch": last finished epoch, "options": {...}, "vision_config": {...}, "files": fingerprints} of a saved model."""
    try:
        with safe_open(path, framework="pt") as file:
            metadata = {"files": "{}", **(file.metadata() or {})}  # older checkpoints know no files
        read: Dict[str, Any] = {
            key: parse_json(metadata[key]) for key in ("epoch", "options", "vision_config", "files")
        }
    except KeyError as error:
        raise InputError(
            f"{path} was not saved by a run of main.py: its metadata lacks {error}; expected such as runs/X/last.safetensors"
        ) from error
    except (OSError, SafetensorError, ValueError) as error:
        raise InputError(
            f"{path} is not a readable checkpoint, such as runs/X/last.safetensors: {error}"
        ) from error
    wrong = [
        key
        for key, value in read.items()
        if not (type(value) is int and value >= 0 if key == "epoch" else type(value) is dict)
    ]
    if wrong:
        raise InputError(
            f"{path} was not saved by a run of main.py: its {wrong[0]} is {read[wrong[0]]!r}; expected such as runs/X/last.safetensors"
        )
    return read


def checkpoint_tower(path: Path) -> nn.Module:
    """A vision tower of the sizes that a checkpoint tells, once they are found to be those of its weights: what it tells may be of any size."""
    with safe_open(path, framework="pt") as file:
        found = {
            name[len(TOWER) :]: tuple(file.get_slice(name).get_shape())
            for name in file.keys()
            if name.startswith(TOWER)
        }
    sizes = {key: value for key, value in checkpoint_metadata(path)["vision_config"].items() if key in SIZES}
    try:
        if sizes["num_hidden_layers"] > len(found):
            raise ValueError(f"{sizes['num_hidden_layers']} layers in {len(found)} weights")
        with torch.device("meta"):  # weights without memory
            expected = {
                name: tuple(value.shape)
                for name, value in build_tower(CLIPVisionConfig(**sizes)).state_dict().items()
            }
        check_shapes(expected, found, path)
        return build_tower(CLIPVisionConfig(**sizes))
    except InputError:
        raise
    except Exception as error:  # whatever transformers and torch raise on sizes that cannot be
        raise InputError(
            f"{path} tells of a network that cannot be: {first_line(error)}; copy it anew, or name another"
        ) from error


def load_weights(model: DSVA, path: Path):
    """Exactly the expected weights, or an InputError that names the first one that does not fit."""
    with safe_open(path, framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}
    expected, found = (
        {name: tuple(value.shape) for name, value in some.items()} for some in (model.state_dict(), weights)
    )
    check_shapes(expected, found, path)
    model.load_state_dict(weights)


def check_shapes(expected: Mapping[str, tuple], found: Mapping[str, tuple], path: Path):
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise InputError(
                f"{path} does not fit: {name} is {found.get(name, 'nothing')}, expected {expected.get(name, 'nothing')}; use the data and the options that it was trained with"
            )
