"""What names images among the classes that it chooses from: the interface, and a saved run as one such."""

from abc import ABC, abstractmethod
from typing import List, Tuple

import numpy as np
import torch
from torch import Tensor

from data.pipeline import Preprocessing
from dsva.metrics import contributions
from inference.candidates import Candidates, NamedCandidates, fingerprint
from inference.saved import SavedRun


class BaseClassifier(ABC):
    """Names images, one of K classes each, and says by which of A attributes.

    candidates:      the K classes
    attribute_names: [A]
    preprocessing:   how it wants its images
    device:          where it computes
    reason:          what a line calls the number beside an attribute
    """

    candidates: NamedCandidates
    attribute_names: List[str]
    preprocessing: Preprocessing
    device: torch.device
    reason: str

    @abstractmethod
    def look(self, images: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """images: [B, 3, S, S] uint8.  Returns class probabilities [B, K] and attribute scores [B, A]."""

    @abstractmethod
    def reasons(self, scores: np.ndarray, best: int, most: int) -> Tuple[np.ndarray, np.ndarray]:
        """scores: [A] of an image;  best: its class;  most: attributes

        Returns a number for each attribute [A], and which attributes are told, the first one first.
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Of all that decides, beside the options, what an image is called."""

    def probabilities(self, images: Tensor) -> np.ndarray:
        """[B, 3, S, S] uint8 -> [B, K]"""
        return self.look(images)[0]

    def describe(self, images: Tensor, top: int, attributes: int) -> List[dict]:
        """Of each image, its best classes and the attributes that speak for the first of them.

        images: [B, 3, S, S] uint8;  top, attributes: how many at most, the latter of those that the class has

        {"classes": [{"class", "probability"}, ...], "attributes": [{"attribute", `reason`}, ...]}. With
        calibrated stacking a class has a "calibrated_score", too, by which classes are ranked: its
        probability, less the constant if it is a seen one.
        """
        if not len(images):
            return []
        probabilities, scores = self.look(images)
        calibrated = self.candidates.calibrated(probabilities)
        ranked = np.argsort(-calibrated, axis=1, kind="stable")[:, :top]  # [B, top]
        descriptions = []
        for image, classes in enumerate(ranked):
            values, strongest = self.reasons(scores[image], classes[0], attributes)
            description: dict = {"classes": [], "attributes": []}
            for k in classes:
                entry = {"class": self.candidates.names[k]}
                if self.candidates.is_calibrated:
                    entry["calibrated_score"] = six_digits(calibrated[image, k])
                entry["probability"] = six_digits(probabilities[image, k])
                description["classes"].append(entry)
            for a in strongest:
                entry = {"attribute": self.attribute_names[a], self.reason: six_digits(values[a])}
                description["attributes"].append(entry)
            descriptions.append(description)
        return descriptions


class Classifier(BaseClassifier):
    """A saved run, and the K classes that it chooses from.

    An attribute's "contribution" is its share of the decision for a class.
    """

    reason = "contribution"

    def __init__(self, run: SavedRun, candidates: Candidates):
        self.run = run
        self.candidates: Candidates = candidates
        self.attribute_names = run.data.attribute_names
        self.preprocessing = run.preprocessing
        self.device = run.device
        self.class_attributes = candidates.attributes.T.cpu().numpy()  # [K, A]

    @torch.inference_mode()
    def look(self, images: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """Probabilities of the branch that counts, and the attention branch's attribute scores."""
        out = self.run.look(images, self.candidates.attributes)
        probabilities = self.run.class_scores(out).softmax(dim=1)
        return probabilities.cpu().numpy(), out.attributes_attention.cpu().numpy()

    def reasons(self, scores: np.ndarray, best: int, most: int) -> Tuple[np.ndarray, np.ndarray]:
        return contributions(scores, self.class_attributes[best], most)

    def fingerprint(self) -> str:
        return fingerprint(self.run.dataset.checkpoint, self.candidates)


def six_digits(value: float) -> float:
    """As it is written into files."""
    return float(f"{value:.6g}")
