"""A saved run that looks at images, and the classes that it chooses from: its own, or ones that it has never heard of."""

import hashlib
from argparse import Namespace
from dataclasses import dataclass
from typing import Iterator, List, Tuple

import numpy as np
import torch
from torch import Tensor

from data.pipeline import normalize
from dsva.metrics import calibrated_stacking, contributions
from dsva.network import DSVA
from inference.new_classes import Turning
from runs.options import BRANCH, needs_windows
from support.files import sha256


@dataclass
class Candidates:
    """The K classes that an image may be given."""

    names: List[str]
    kinds: List[str]  # "seen", "unseen", or what a new one is known from
    attributes: Tensor  # [A, K], on the device
    calibration: float  # what the seen ones are held back by, as the others compete with them

    def calibrated(self, probabilities: np.ndarray) -> np.ndarray:
        """[n, K] -> what they are ranked by."""
        return calibrated_stacking(probabilities, np.array(self.kinds) == "seen", self.calibration)


class Classifier:
    """A saved run, and the classes that it chooses from."""

    def __init__(self, run: Namespace, model: DSVA, candidates: Candidates, attribute_names: List[str]):
        self.model, self.candidates, self.attribute_names = model, candidates, attribute_names
        self.size = model.tower.config.image_size  # S
        self.branch, self.windows, self.normalization = (
            BRANCH[run.sel_res],
            needs_windows(run, run.epoch),
            run.normalize,
        )

    @torch.inference_mode()
    def look(self, images: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """images: [B, 3, S, S] uint8.  Returns class probabilities [B, K], and the attention branch's attribute scores [B, A]."""
        worth = self.candidates.attributes
        out = self.model(
            normalize(images.to(worth.device, non_blocking=True), self.normalization), worth, self.windows
        )
        return getattr(out, self.branch).softmax(dim=1).cpu().numpy(), out.attributes_attention.cpu().numpy()

    def probabilities(self, images: Tensor) -> np.ndarray:
        return self.look(images)[0]

    def describe(self, images: Tensor, top: int, attributes: int) -> Iterator[dict]:
        """What is told of each image: its best classes, and the attributes that spoke most for the first of them, of those that
        this class has."""
        if not len(images):
            return
        probabilities, scores = self.look(images)
        ranked = np.argsort(-self.candidates.calibrated(probabilities), axis=1, kind="stable")[
            :, :top
        ]  # [B, top]
        worth = self.candidates.attributes.T.cpu().numpy()[ranked[:, 0]]  # [B, A]
        for image, classes in enumerate(ranked):
            share, strongest = contributions(scores[image], worth[image], attributes)
            yield {
                "classes": [
                    {"class": self.candidates.names[k], "probability": short(probabilities[image, k])}
                    for k in classes
                ],
                "attributes": [
                    {"attribute": self.attribute_names[a], "contribution": short(share[a])} for a in strongest
                ],
            }


def turning(run: Namespace, model: DSVA) -> Turning:
    """Of the branch that counts."""
    return Turning(
        model.discriminants["attention" if BRANCH[run.sel_res] == "attention" else "projection"]
        if model.discriminants
        else None
    )


def short(value: float) -> float:
    return float(f"{value:.6g}")


def fingerprint(checkpoint: str, candidates: Candidates) -> str:
    """Of all, beside the options, that decides what an image is called: weights and class attributes."""
    attributes = np.round(candidates.attributes.cpu().numpy().astype(float), 4) + 0.0
    return hashlib.sha256(
        f"{sha256(checkpoint)} {candidates.names}".encode() + attributes.tobytes()
    ).hexdigest()
