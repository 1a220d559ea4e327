"""From options to the things they name: the data, the network, or both as a saved model left them."""
from argparse import Namespace
from pathlib import Path
from typing import Optional, Tuple

import torch

from dataset import Benchmark, load_benchmark
from dsva import DSVA, build_tower, load_tower
from errors import InputError
from options import clip_folder, find_files
from runs import checkpoint_config, checkpoint_metadata, load_weights


def build_data(opt: Namespace, device: torch.device) -> Benchmark:
    """The benchmark that the options name, its class attributes on the device."""
    data = load_benchmark(**find_files(opt))
    data.class_attributes = data.class_attributes.to(device)
    return data


def build_model(opt: Namespace, data: Benchmark, checkpoint: Optional[Path] = None) -> DSVA:
    """The network with CLIP's weights, or with those of a saved model."""
    groups = list(data.groups.values())
    if opt.pro_type < 4 and opt.pro_type > len(groups):
        raise InputError(f"--pro_type {opt.pro_type}: there are {len(groups)} attribute groups ({', '.join(data.groups)})")
    tower = build_tower(checkpoint_config(checkpoint)) if checkpoint else load_tower(clip_folder(opt))
    model = DSVA(tower, len(data.class_attributes), groups if opt.pro_type == 4 else [groups[opt.pro_type - 1]],
                 opt.pro_thr, opt.pro_weight)
    if checkpoint:
        load_weights(model, checkpoint)
    return model


def load_saved(checkpoint: Path, device: torch.device) -> Tuple[Namespace, Benchmark, DSVA]:
    """A saved model, ready to look at images, with the options (and `epoch`, the last one) and the data that it was trained with."""
    saved = checkpoint_metadata(checkpoint)
    opt = Namespace(**saved["options"], epoch=saved["epoch"])
    data = build_data(opt, device)
    return opt, data, build_model(opt, data, checkpoint).to(device).eval()
