"""The data and the network of a run, from its settings or as a checkpoint left them."""

from pathlib import Path
from typing import Optional, Sequence

import torch
from torch import Tensor, nn

from clip.attributes import ATTRIBUTE_PROMPTS
from clip.checkpoint import compile_tower, load_tower, use_eager_attention
from clip.embed import Clip
from data.benchmark import Benchmark, BenchmarkFiles, keep_groups, load_benchmark
from data.classes import Classes
from dsva.network import DSVA
from runs.checkpoint import checkpoint_tower, load_weights
from runs.settings import NetworkSettings, window_groups
from support.errors import InputError
from support.machine import use_tf32


def build_data(
    files: BenchmarkFiles,
    only_groups: Optional[Sequence[str]],
    device: torch.device,
    needs_images: bool = True,
) -> Benchmark:
    """The benchmark of these files, with the attributes of some groups or of all, on the device.

    needs_images: must all images be there?
    """
    data = load_benchmark(files, needs_images)
    if only_groups:
        data = keep_groups(data, only_groups)
    return data.to(device)


def build_network(
    settings: NetworkSettings, classes: Classes, device: torch.device, checkpoint: Optional[Path] = None
) -> DSVA:
    """The network with CLIP's weights and new heads, or with all weights of a checkpoint, on the device."""
    if checkpoint:
        return load_network(settings, classes, device, checkpoint)
    return assemble(settings, classes, load_tower(settings.clip), device).to(device)


def load_network(settings: NetworkSettings, classes: Classes, device: torch.device, checkpoint: Path) -> DSVA:
    """The network with all weights of a checkpoint, on the device. No CLIP is needed."""
    model = assemble(settings, classes, checkpoint_tower(checkpoint), device)
    load_weights(model, checkpoint)
    return model.to(device)


def assemble(settings: NetworkSettings, classes: Classes, tower: nn.Module, device: torch.device) -> DSVA:
    """A tower with new heads for the attributes of these classes, on the CPU, to be used on the device."""
    use_tf32(settings.precision == "tf32")
    if settings.precision == "bf16":
        use_eager_attention(tower, device)
    if settings.compiled:
        compile_tower(tower, device)
    return DSVA(
        tower,
        attributes=len(classes.class_attributes),
        window_groups=window_groups(classes.groups, settings.pro_type),
        pro_thr=settings.pro_thr,
        pro_weight=settings.pro_weight,
        class_token=settings.class_token,
        decorrelated=settings.decorrelated,
        bf16=settings.precision == "bf16",
    )


def word_directions(clip: Path, data: Benchmark) -> Tensor:
    """[A, D]: what CLIP's sentences say of the attributes, in the prompts that they were annotated with.

    clip: the checkpoint folder, with its text tower.  Raises InputError if the attributes have no names.
    """
    if not data.provenance:
        raise InputError(
            "--start words: the splits file does not tell its attributes' names and prompts; "
            "annotate.py writes files that do"
        )
    prompts = data.provenance.get("attribute_prompts", ATTRIBUTE_PROMPTS)
    return Clip(clip, torch.device("cpu")).token_directions(data.attribute_names, prompts)
