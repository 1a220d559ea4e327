"""Our own checkpoints: all weights, and what is needed to rebuild the network and to name images with it, in
one safetensors file.

What it tells may be damaged, or come from others: sizes are compared with the weights before memory is taken.
"""

import json
from pathlib import Path
from typing import Any, Dict, Mapping, Optional, Tuple

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from transformers import CLIPVisionConfig

from clip.checkpoint import build_tower, check_finite_weights
from clip.file_kinds import PLACEHOLDERS
from clip.kinds import kind_of
from data.appearance import Appearance, count_numbers
from data.classes import Classes
from dsva.network import DSVA
from runs import saved_classes, saved_looks
from support.errors import InputError, first_line, not_found
from support.files import atomic
from support.untrusted import parse_json

PREFIXES = (saved_classes.PREFIX, saved_looks.PREFIX)  # of what is no weight
TOWER = "tower."  # what the names of the tower's weights in a checkpoint begin with
CONFIG_KEYS = {  # of the tower's config: its sizes, and what else it must keep to go on as it was
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
}
METADATA = ("epoch", "options", "vision_config", "files", "classes")
EXAMPLE = "expected such as runs/X/last.safetensors"
Shapes = Dict[str, Tuple[int, ...]]


def save_checkpoint(
    path: Path,
    model: DSVA,
    epoch: int,
    options: Mapping,
    files: Optional[Mapping] = None,
    classes: Optional[Classes] = None,
    looks: Optional[Appearance] = None,
):
    """Weights and classes; as metadata the epoch, the options, the tower's config, fingerprints of files.

    looks: of the training images
    """
    tensors = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    config = sorted(model.tower.config.to_dict().items())
    content: Dict[str, Any] = {
        "epoch": epoch,
        "options": dict(options),
        "vision_config": {key: value for key, value in config if key in CONFIG_KEYS},
        "files": dict(files or {}),
    }
    if classes is not None:
        content["classes"], of_classes = saved_classes.pack(classes)
        tensors.update(of_classes)
    if looks is not None:
        tensors.update(saved_looks.pack(looks))
    metadata = {key: json.dumps(value, default=str) for key, value in content.items()}
    with atomic(path) as temporary:
        save_file(tensors, temporary, metadata=metadata)


def checkpoint_metadata(path: Path) -> dict:
    """{"epoch": last finished one, "options": {...}, "vision_config": {...}, "files": fingerprints,
    "classes": names, groups and the like, see `saved_classes`; {} in a checkpoint of earlier versions}

    Raises InputError if the file is no checkpoint of main.py.
    """
    try:
        with safe_open(path, framework="pt") as file:
            metadata = {"files": "{}", "classes": "{}", **(file.metadata() or {})}  # older ones lack these
        read: Dict[str, Any] = {key: parse_json(metadata[key]) for key in METADATA}
    except KeyError as error:
        kind = kind_of(Path(path))
        is_what = "" if kind.name in ("unknown", "dsva") else f" (it is {kind.what})"
        raise InputError(
            f"{path} was not saved by a run of main.py: its metadata lacks {error}{is_what}; {EXAMPLE}"
        ) from error
    except (OSError, SafetensorError, ValueError) as error:
        kind = kind_of(Path(path))
        if kind.name == "missing":
            raise InputError(f"{not_found(path)}; {EXAMPLE}, or the folder of a run") from error
        why = first_line(error) if kind.name in ("unknown", "dsva") else f"it is {kind.what}"
        todo = f"; {kind.todo}" if kind.name in (*PLACEHOLDERS, "cut off") else ""
        raise InputError(
            f"{path} is not a readable checkpoint, such as runs/X/last.safetensors: {why}{todo}"
        ) from error
    for key, value in read.items():
        is_right = type(value) is int and value >= 0 if key == "epoch" else type(value) is dict
        if not is_right:
            raise InputError(f"{path} was not saved by a run of main.py: its {key} is {value!r}; {EXAMPLE}")
    return read


def checkpoint_classes(path: Path) -> Optional[Classes]:
    """The classes that a checkpoint knows; None in one of earlier versions, which did not keep them."""
    words = checkpoint_metadata(path)["classes"]
    if not words:
        return None
    return saved_classes.unpack(words, read_tensors(path, saved_classes.PREFIX), path)


def checkpoint_looks(path: Path) -> Optional[Appearance]:
    """How its training images look; None if it does not tell, as in earlier versions, or in other numbers."""
    looks = saved_looks.unpack(read_tensors(path, saved_looks.PREFIX), path)
    size = checkpoint_metadata(path)["vision_config"]["image_size"]
    if looks is None or len(looks.scale) != count_numbers(size):
        return None
    return looks


def read_tensors(path: Path, prefix: str) -> Dict[str, Tensor]:
    """Those whose names begin so; "" for the weights, whose names begin with none of PREFIXES."""
    found = {}
    with safe_open(path, framework="pt") as file:
        for name in file.keys():  # noqa: SIM118, it is no dict
            if name.startswith(prefix or PREFIXES) == bool(prefix):
                found[name] = file.get_tensor(name)
    return found


def checkpoint_tower(path: Path) -> nn.Module:
    """A vision tower of the sizes that a checkpoint tells, without its weights.

    Raises InputError if they are not those of its weights: what a file tells may be of any size.
    """
    with safe_open(path, framework="pt") as file:
        found = {
            name[len(TOWER) :]: tuple(file.get_slice(name).get_shape())
            for name in file.keys()  # noqa: SIM118, no dict
            if name.startswith(TOWER)
        }
    recorded = checkpoint_metadata(path)["vision_config"]
    sizes = {key: value for key, value in recorded.items() if key in CONFIG_KEYS}
    try:
        if sizes["num_hidden_layers"] > len(found):
            raise ValueError(f"{sizes['num_hidden_layers']} layers in {len(found)} weights")
        with torch.device("meta"):  # weights without memory
            check_shapes(shapes(build_tower(CLIPVisionConfig(**sizes))), found, path)
        return build_tower(CLIPVisionConfig(**sizes))
    except InputError:
        raise
    except Exception as error:  # whatever transformers and torch raise on sizes that cannot be
        raise InputError(
            f"{path} tells of a network that cannot be: {first_line(error)}; copy it anew, or name another"
        ) from error


def load_weights(model: DSVA, path: Path):
    """Exactly the expected weights. InputError names the first that does not fit, or is broken."""
    weights = read_tensors(path, "")
    check_shapes(shapes(model), {name: tuple(value.shape) for name, value in weights.items()}, path)
    check_finite_weights(weights.items(), path)
    model.load_state_dict(weights)


def shapes(model: nn.Module) -> Shapes:
    """Of all weights, by name."""
    return {name: tuple(value.shape) for name, value in model.state_dict().items()}


def check_shapes(expected: Shapes, found: Shapes, path: Path):
    """Raises InputError that names the first weight that does not fit."""
    for name in sorted(expected.keys() | found.keys()):
        if found.get(name) != expected.get(name):
            raise InputError(
                f"{path} does not fit: {name} is {found.get(name, 'nothing')}, "
                f"expected {expected.get(name, 'nothing')}; "
                "use the data and the options that it was trained with"
            )
