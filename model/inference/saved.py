"""A saved run, loaded: the trained network with its data, ready to look at images."""

from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Union

import torch
from torch import Tensor

from data.benchmark import Benchmark, BenchmarkFiles
from data.pipeline import Normalize, Preprocessing, dsva_preprocessing
from dsva.discriminant import Discriminant
from dsva.network import DSVA, Output
from runs.build import build_data, build_network
from runs.checkpoint import checkpoint_metadata
from runs.command_line import recorded
from runs.fingerprints import DESCRIPTIONS, changed_descriptions
from runs.options import get_parser
from runs.records import selected_branch
from runs.settings import benchmark_files, needs_windows, network_settings
from support.errors import InputError


@dataclass
class SavedRun:
    """What a trained network needs to name images."""

    model: DSVA
    data: Benchmark
    files: BenchmarkFiles
    preprocessing: Preprocessing
    epoch: int  # the last one that it was trained for
    gzsl: bool  # do seen and unseen classes compete?
    branch: str  # whose scores count
    windows: bool  # does that branch look at windows?
    calibration: float  # what is taken from the probabilities of seen classes in GZSL

    def __post_init__(self):
        self.device = self.data.class_attributes.device
        self.normalize = Normalize(self.preprocessing).to(self.device)

    @torch.inference_mode()
    def look(self, images: Tensor, class_attributes: Tensor) -> Output:
        """What the network says of images [B, 3, S, S] uint8, as in its own evaluation.

        class_attributes: [A, C] of the candidate classes
        """
        on_device = images.to(self.device, non_blocking=True)
        return self.model(self.normalize(on_device), class_attributes, self.windows)

    def class_scores(self, out: Output) -> Tensor:
        """[B, C] of the branch that counts, before the softmax."""
        return out.class_scores()[self.branch]

    def evidence(self, out: Output) -> Tensor:
        """[B, A], attribute scores of the branch that counts: class scores are these @ class vectors [A, C].

        They do not depend on the candidate classes. See `inference.new_columns.class_vectors`.
        """
        if self.branch == "attention":
            return self.model.centre("attention", out.attributes_attention)
        projected = self.model.centre("projection", out.attributes_projection)
        if out.attributes_window is None:
            return projected
        window = self.model.centre("projection", out.attributes_window)
        if self.branch == "window":
            return window
        return projected + self.model.pro_weight * window

    @property
    def discriminant(self) -> Optional[Discriminant]:
        """Of the branch that counts; None if it multiplies attribute scores with M, as published."""
        if not self.model.discriminants:
            return None
        return self.model.discriminants["attention" if self.branch == "attention" else "projection"]


def load_saved(checkpoint: Union[str, Path], device: torch.device) -> SavedRun:
    """Load a checkpoint of main.py with the data that it was trained with.

    Raises InputError if it is no such file, or if what describes the classes has changed since.
    """
    checkpoint = Path(checkpoint)
    saved = checkpoint_metadata(checkpoint)
    opt = Namespace(**recorded(get_parser(), saved["options"], checkpoint))
    files = benchmark_files(opt)
    data = build_data(files, opt.only_groups, device)
    changed = changed_descriptions(saved["files"], files)
    if changed:
        name, file = next(iter(changed.items()))
        raise InputError(
            f"{checkpoint} was trained with another {file}: {DESCRIPTIONS[name]} has changed since. "
            "Put the former file back, or train anew; "
            "descriptions made anew belong into a file of another name (annotate.py --output)"
        )
    model = build_network(network_settings(opt), data, device, checkpoint).eval()
    windows = needs_windows(opt, saved["epoch"])
    return SavedRun(
        model=model,
        data=data,
        files=files,
        preprocessing=dsva_preprocessing(model.tower.config.image_size, opt.normalize, opt.bands),
        epoch=saved["epoch"],
        gzsl=opt.gzsl,
        branch=selected_branch(opt.sel_res, ["projection+window"] if windows else ["projection"]),
        windows=windows,
        calibration=opt.calibrated_stacking,
    )
