"""From options to the things they name: the data, the network, or both as a saved model left them."""

import os
from argparse import Namespace
from pathlib import Path
from typing import Dict, Mapping, Optional, Tuple

import torch

from clip.checkpoint import compile_tower, load_tower, use_eager_attention, weight_files
from data.benchmark import Benchmark, find_files, keep_groups, load_benchmark
from dsva.network import DSVA
from runs.checkpoint import checkpoint_metadata, checkpoint_tower, load_weights
from runs.options import clip_folder, get_parser, recorded
from support.errors import InputError
from support.files import sha256
from support.machine import changed, device_name, use_tf32

MAT_HEADER = 116  # bytes of text, with the time of writing in it
DESCRIBE = {
    "splits_mat": "what describes the classes",
    "groups_json": "the attribute groups",
}  # files that say what a saved model's weights mean


def build_data(opt: Namespace, device: torch.device) -> Benchmark:
    """The benchmark that the options name, its class attributes on the device."""
    data = load_benchmark(**find_files(opt))
    if vars(opt).get("only_groups"):  # vars: older checkpoints lack some options
        data = keep_groups(data, opt.only_groups)
    data.class_attributes = data.class_attributes.to(device)
    return data


def build_model(
    opt: Namespace, data: Benchmark, checkpoint: Optional[Path] = None, kind: type = DSVA
) -> DSVA:
    """The network with CLIP's weights, or with those of a saved model.  kind: DSVA, or what is derived from it"""
    groups = list(data.groups.values())
    if opt.pro_type < 4 and opt.pro_type > len(groups):
        raise InputError(
            f"--pro_type {opt.pro_type}: there are {len(groups)} attribute groups ({', '.join(data.groups)}); expected one of their numbers, or 4 for all"
        )
    tower = checkpoint_tower(checkpoint) if checkpoint else load_tower(clip_folder(opt))
    precision = vars(opt).get("precision")
    use_tf32(precision == "tf32")
    if precision == "bf16":
        use_eager_attention(tower, data.class_attributes.device)
    if vars(opt).get("compile"):
        compile_tower(tower, data.class_attributes.device)
    model = kind(
        tower,
        len(data.class_attributes),
        groups if opt.pro_type == 4 else [groups[opt.pro_type - 1]],
        opt.pro_thr,
        opt.pro_weight,
        class_token=vars(opt).get("pool") == "class",
        decorrelated=bool(vars(opt).get("decorrelate")),
        bf16=precision == "bf16",
    )
    if checkpoint:
        load_weights(model, checkpoint)
    return model


def load_saved(checkpoint: Path, device: torch.device) -> Tuple[Namespace, Benchmark, DSVA]:
    """A saved model, ready to look at images, with the options (and `epoch`, the last one) and the data that it was trained with."""
    saved = checkpoint_metadata(checkpoint)
    opt = Namespace(**recorded(get_parser(), saved["options"], checkpoint), epoch=saved["epoch"])
    data = build_data(opt, device)
    for name, file in changed_since(saved["files"], opt).items():
        raise InputError(
            f"{checkpoint} was trained with another {file}: {DESCRIBE[name]} has changed since. Put the former file back, or train anew; "
            "descriptions made anew belong into a file of another name (annotate.py --output)"
        )
    return opt, data, build_model(opt, data, checkpoint).to(device).eval()


def facts(opt: Namespace, device: torch.device) -> dict:
    """What a run records, beside its options, so that it can be repeated."""
    return {"device": device_name(device), "resume": opt.resume, "files": fingerprints(opt)}


def fingerprints(opt: Namespace) -> Dict[str, str]:
    """SHA-256 of every file that a run reads, but for the images; {"images_mat": ..., "clip/model.safetensors": ...}"""
    data, clip = data_files(opt), {f"clip/{file.name}": file for file in weight_files(clip_folder(opt))}
    return {name: file_fingerprint(file) for name, file in {**data, **clip}.items()}


def file_fingerprint(path: Path) -> str:
    """SHA-256; of a .mat file without its first bytes, so that the same content written at another time has the same."""
    return sha256(path, skip=MAT_HEADER if path.suffix == ".mat" else 0)


def data_files(opt: Namespace) -> Dict[str, Path]:
    """Those that are there; `build_data` tells of others."""
    return {
        name: file
        for name, file in find_files(opt).items()
        if name in ("images_mat", *DESCRIBE) and os.path.isfile(file)
    }  # file.is_file() fails on names that are too long


def changed_since(recorded: Mapping[str, str], opt: Namespace) -> Dict[str, Path]:
    """The files which say what a saved model's weights mean, and are not as it recorded them."""
    files = {name: path for name, path in data_files(opt).items() if name in DESCRIBE}
    return {
        name: files[name]
        for name in changed(recorded, {name: file_fingerprint(path) for name, path in files.items()})
    }
