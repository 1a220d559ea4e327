"""A saved run that looks at images, and the classes that it chooses from."""

from typing import List, Tuple

import numpy as np
import torch
from torch import Tensor

from dsva.metrics import contributions
from inference.candidates import Candidates
from inference.saved import SavedRun


class Classifier:
    """A saved run, and the K classes that it chooses from."""

    def __init__(self, run: SavedRun, candidates: Candidates):
        self.run = run
        self.candidates = candidates
        self.attribute_names = run.data.attribute_names  # [A]

    @torch.inference_mode()
    def look(self, images: Tensor) -> Tuple[np.ndarray, np.ndarray]:
        """images: [B, 3, S, S] uint8.

        Returns class probabilities [B, K] of the branch that counts, and the attention branch's attribute
        scores [B, A].
        """
        out = self.run.look(images, self.candidates.attributes)
        probabilities = self.run.class_scores(out).softmax(dim=1)
        return probabilities.cpu().numpy(), out.attributes_attention.cpu().numpy()

    def probabilities(self, images: Tensor) -> np.ndarray:
        """[B, 3, S, S] uint8 -> [B, K]"""
        return self.look(images)[0]

    def describe(self, images: Tensor, top: int, attributes: int) -> List[dict]:
        """Of each image, its best classes and the attributes that spoke most for the first of them.

        images: [B, 3, S, S] uint8;  top, attributes: how many at most, the latter of those that the class has

        {"classes": [{"class", "probability"}, ...], "attributes": [{"attribute", "contribution"}, ...]}. With
        calibrated stacking a class has a "calibrated_score", too, by which classes are ranked: its
        probability, less the constant if it is a seen one.
        """
        if not len(images):
            return []
        probabilities, scores = self.look(images)
        calibrated = self.candidates.calibrated(probabilities)
        ranked = np.argsort(-calibrated, axis=1, kind="stable")[:, :top]  # [B, top]
        class_attributes = self.candidates.attributes.T.cpu().numpy()  # [K, A]
        descriptions = []
        for image, classes in enumerate(ranked):
            share, strongest = contributions(scores[image], class_attributes[classes[0]], attributes)
            description: dict = {"classes": [], "attributes": []}
            for k in classes:
                entry = {"class": self.candidates.names[k]}
                if self.candidates.is_calibrated:
                    entry["calibrated_score"] = six_digits(calibrated[image, k])
                entry["probability"] = six_digits(probabilities[image, k])
                description["classes"].append(entry)
            for a in strongest:
                entry = {"attribute": self.attribute_names[a], "contribution": six_digits(share[a])}
                description["attributes"].append(entry)
            descriptions.append(description)
        return descriptions


def six_digits(value: float) -> float:
    """As it is written into files."""
    return float(f"{value:.6g}")
