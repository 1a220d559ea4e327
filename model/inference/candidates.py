"""The classes that an image may be given: those of a run, and those that are added to them."""

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import List, Optional, Sequence, Union

import numpy as np
import torch
from torch import Tensor

from dsva.metrics import calibrated_stacking
from inference.new_classes import NewClass, check_names, known_classes
from inference.new_columns import columns_by_clip, columns_by_hand
from inference.saved import SavedRun
from support.errors import InputError
from support.files import sha256


@dataclass
class Candidates:
    """The K classes that an image may be given."""

    names: List[str]
    kinds: List[str]  # "seen", "unseen", or what an added one is known from
    attributes: Tensor  # [A, K], on the device
    calibration: (
        float  # what is taken from the probabilities of the seen ones, before others compete with them
    )

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """[n, K] -> [n, K], what classes are ranked by."""
        return calibrated_stacking(probabilities, np.array(self.kinds) == "seen", self.calibration)


def choose_candidates(
    run: SavedRun,
    classes: str = "unseen",
    without: Sequence[str] = (),
    added: Sequence[NewClass] = (),
    values: Optional[Path] = None,
    clip_folder: Optional[str] = None,
    calibration: Optional[float] = None,
) -> Candidates:
    """The run's own classes, then those added in words or pictures, then those added by attribute values.

    classes:     of the run: "unseen", "all" or "none"
    without:     names of the run's classes that are left out, as if it had never heard of them
    values:      a JSON file, see `columns_by_hand`
    clip_folder: CLIP for the added classes, by default the one that described the run's
    calibration: taken from the probabilities of seen classes, by default the run's

    Raises InputError if a name is unknown or there twice, or no class is left.
    """
    data = run.data
    known = known_classes(data.class_names, without)
    own = np.array([], int)
    if classes != "none":
        own = np.intersect1d(data.candidates(classes == "all"), known)
    matrix = data.class_attributes.cpu().numpy()  # [A, C]
    by_hand = {}
    if values:
        by_hand = columns_by_hand(values, data.attribute_names, matrix[:, known], run.discriminant)
    added_names = [new.name for new in added]
    check_names([*added_names, *by_hand], [data.class_names[c] for c in known])
    if not len(own) + len(added) + len(by_hand):
        raise InputError("no candidate class is left: name fewer in --without, or add some")

    columns = [matrix[:, own]]  # [A, ...] each
    if added:
        splits_mat = run.files.splits_mat
        bands = run.preprocessing.bands
        columns.append(columns_by_clip(added, known, data, splits_mat, clip_folder, run.discriminant, bands))
    columns += [column[:, None] for column in by_hand.values()]
    kinds = ["seen" if c in data.seen else "unseen" for c in own]
    kinds += [new.source() for new in added]
    kinds += ["values"] * len(by_hand)
    if calibration is None:
        calibration = run.calibration
    return Candidates(
        names=[*(data.class_names[c] for c in own), *added_names, *by_hand],
        kinds=kinds,
        attributes=torch.from_numpy(np.hstack(columns).astype(np.float32)).to(run.device),
        calibration=calibration if "seen" in kinds else 0.0,
    )


def fingerprint(checkpoint: Union[str, Path], candidates: Candidates) -> str:
    """Of all that decides, beside the options, what an image is called: weights and class attributes."""
    attributes = np.round(candidates.attributes.cpu().numpy().astype(float), 4) + 0.0  # no -0
    digest = hashlib.sha256(f"{sha256(checkpoint)} {candidates.names}".encode())
    digest.update(attributes.tobytes())
    return digest.hexdigest()
