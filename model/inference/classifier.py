"""What names images among the classes that it chooses from: the interface, and a saved run as one such."""

from abc import ABC, abstractmethod
from typing import List, Tuple

import numpy as np
import torch
from torch import Tensor

from data.pipeline import Preprocessing
from inference.candidates import Candidates, NamedCandidates, fingerprint
from inference.contributions import contributions, distinctions
from inference.saved import SavedRun


class BaseClassifier(ABC):
    """Names images, one of K classes each, and tells some of A attributes of each.

    candidates:      the K classes
    attribute_names: [A]
    preprocessing:   how it wants its images
    device:          where it computes
    told:            what a line tells of an attribute, beside its name
    totals:          what a line tells of all attributes together
    """

    candidates: NamedCandidates
    attribute_names: List[str]
    preprocessing: Preprocessing
    device: torch.device
    told: Tuple[str, ...]
    totals: Tuple[str, ...] = ()

    @abstractmethod
    def look(self, images: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """images: [B, 3, S, S] uint8.  Returns class probabilities [B, K] and attribute scores [B, A]."""

    @abstractmethod
    def tell_attributes(self, scores: np.ndarray, best: int, most: int) -> dict:
        """{"attributes": [{"attribute", and `told`}, ...], and `totals`}, the first one first.

        scores: [A] of an image;  best: its class;  most: attributes
        """

    @abstractmethod
    def fingerprint(self) -> str:
        """Of all that decides, beside the options, what an image is called."""

    def probabilities(self, images: Tensor) -> np.ndarray:
        """[B, 3, S, S] uint8 -> [B, K]"""
        return self.look(images)[0]

    def describe(self, images: Tensor, top: int, attributes: int) -> List[dict]:
        """Of each image, its best classes, and attributes: see `tell_attributes` of each kind of classifier.

        images: [B, 3, S, S] uint8;  top, attributes: how many at most

        {"classes": [{"class", "probability"}, ...], "attributes": [{"attribute", ...}, ...], ...}. With
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
            description: dict = {"classes": []}
            for k in classes:
                entry = {"class": self.candidates.names[k]}
                if self.candidates.is_calibrated:
                    entry["calibrated_score"] = six_digits(calibrated[image, k])
                entry["probability"] = six_digits(probabilities[image, k])
                description["classes"].append(entry)
            description.update(self.tell_attributes(scores[image], classes[0], attributes))
            descriptions.append(description)
        return descriptions


class Classifier(BaseClassifier):
    """A saved run, and the K classes that it chooses from.

    Of attributes it tells the reasons: those that add most to the lead of the best class on the mean of all
    candidates, see `inference.contributions`. "score" is the attribute's in the branch that counts, below 0
    where it is lacking. "contribution" is what that adds, in logits; "rest" is what all attributes add that
    are not told. "logit_difference" is the lead: what contributions and rest sum to.
    """

    told = ("score", "contribution")
    totals = ("rest", "logit_difference")

    def __init__(self, run: SavedRun, candidates: Candidates):
        self.run = run
        self.candidates: Candidates = candidates
        self.attribute_names = run.data.attribute_names
        self.preprocessing = run.preprocessing
        self.device = run.device
        self.distinctions = distinctions(run, candidates)  # [K, A]

    @torch.inference_mode()
    def look(self, images: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """Probabilities and attribute scores, both of the branch that counts."""
        out = self.run.look(images, self.candidates.attributes)
        probabilities = self.run.class_scores(out).softmax(dim=1)
        return probabilities.cpu().numpy(), self.run.evidence(out).cpu().numpy()

    def tell_attributes(self, scores: np.ndarray, best: int, most: int) -> dict:
        found = contributions(scores, self.distinctions[best])
        strongest = found.strongest(most)
        entries = []
        for a in strongest:
            entry = {
                "attribute": self.attribute_names[a],
                "score": six_digits(scores[a]),
                "contribution": six_decimals(found.values[a]),
            }
            entries.append(entry)
        return {
            "attributes": entries,
            "rest": six_decimals(found.rest(strongest)),
            "logit_difference": six_decimals(found.lead),
        }

    def fingerprint(self) -> str:
        return fingerprint(self.run.dataset.checkpoint, self.candidates)


def six_digits(value: float) -> float:
    """As it is written into files."""
    return float(f"{value:.6g}")


def six_decimals(value: float) -> float:
    """As what is to be added up is written into files; no -0."""
    return round(float(value), 6) + 0.0
