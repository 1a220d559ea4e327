"""A saved run, loaded: the trained network and the classes that it knows, ready to look at images.

The checkpoint is enough. Only who wants images of the dataset that it was trained with needs that dataset.
"""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Mapping, Optional, Union

import torch
from torch import Tensor

from clip.embeddings import Kept
from data.appearance import Appearance
from data.benchmark import Benchmark
from data.classes import Classes
from data.pipeline import Normalize, Preprocessing, dsva_preprocessing
from dsva.discriminant import Discriminant
from dsva.network import DSVA, Output
from runs.build import build_data, load_network
from runs.checkpoint import checkpoint_classes, checkpoint_looks, checkpoint_metadata
from runs.fingerprints import DESCRIPTIONS, changed_descriptions
from runs.settings import SavedSettings, saved_settings
from support.errors import InputError


@dataclass
class SavedRun:
    """What a trained network needs to name images."""

    model: DSVA
    data: Classes
    dataset: "SavedDataset"
    preprocessing: Preprocessing
    epoch: int  # the last one that it was trained for
    gzsl: bool  # do seen and unseen classes compete?
    branch: str  # whose scores count
    windows: bool  # does that branch look at windows?
    calibration: float  # what is taken from the probabilities of seen classes in GZSL
    looks: Optional[Appearance] = None  # of the training images, if the checkpoint tells
    kept: Optional[Kept] = None  # CLIP's embeddings of pictures, which new classes may be described by

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


@dataclass
class SavedDataset:
    """The dataset that a checkpoint was trained with, where it lies, or does not lie any more.

    fingerprints: of its files, as they were then
    """

    checkpoint: Path
    settings: SavedSettings
    fingerprints: Mapping[str, str]
    device: torch.device

    def load(self, advice: str = "Put it back") -> Benchmark:
        """All but the images: the caller checks those that it reads.

        advice: what to do if the dataset is not there

        Raises InputError if a file is gone, or if what describes the classes has changed since.
        """
        files = self.settings.files
        for file in (files.images_mat, files.splits_mat, files.groups_json):
            if not os.path.isfile(file):
                raise InputError(
                    f"{self.checkpoint} was trained with {file}, which is not there any more. {advice}"
                )
        changed = changed_descriptions(self.fingerprints, files)
        if changed:
            name, file = next(iter(changed.items()))
            raise InputError(
                f"{self.checkpoint} was trained with another {file}: {DESCRIPTIONS[name]} has changed since. "
                "Put the former file back, or train anew; "
                "descriptions made anew belong into a file of another name (annotate.py --output)"
            )
        return build_data(files, self.settings.only_groups, self.device, needs_images=False)


def kept_embeddings(run: SavedRun, is_wanted: bool, folder: Optional[str]) -> Kept:
    """Where CLIP's embeddings of pictures are kept, for `SavedRun.kept`.

    is_wanted: is any to be kept?
    folder:    by default beside the run's dataset, if that is there
    """
    files = run.dataset.settings.files
    place = files.images_mat.parent
    dataset = place.parent if place.name == "files" else place
    beside = dataset / "cache" if os.path.isdir(dataset) else None
    chosen = Path(folder) if folder else beside
    return Kept(chosen if is_wanted else None, files.image_root)


def load_saved(
    checkpoint: Union[str, Path],
    device: torch.device,
    dataset: Union[str, Path, None] = None,
    advice: str = "Put it back where it was",
) -> SavedRun:
    """Load a checkpoint of main.py.

    dataset: the folder that its dataset has moved to
    advice:  what to do if the dataset is needed and not there

    Raises InputError if it is no such file. One of earlier versions does not keep its classes, and is
    loaded with the dataset that it was trained with.
    """
    checkpoint = Path(checkpoint)
    saved = checkpoint_metadata(checkpoint)
    settings = saved_settings(saved["options"], saved["epoch"], checkpoint, dataset)
    trained_with = SavedDataset(checkpoint, settings, saved["files"], device)
    classes = checkpoint_classes(checkpoint)
    if classes is None:
        classes = trained_with.load(
            f"A checkpoint of this earlier version does not keep its classes and needs this file. {advice}"
        )
    classes = classes.to(device)
    model = load_network(settings.network, classes, device, checkpoint).eval()
    return SavedRun(
        model=model,
        data=classes,
        dataset=trained_with,
        preprocessing=dsva_preprocessing(model.tower.config.image_size, settings.normalize, settings.bands),
        epoch=saved["epoch"],
        gzsl=settings.gzsl,
        branch=settings.branch,
        windows=settings.windows,
        calibration=settings.calibration,
        looks=checkpoint_looks(checkpoint),
    )
