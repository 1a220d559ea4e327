"""What each attribute adds to a decision.

In the branch that counts, a class score is linear in the attribute scores: s_k = sum over a of e_a v_ak (see
`SavedRun.evidence`; with windows e_a adds up two looks). So what an attribute adds to the lead that a class
has on the mean of all candidates is known exactly:

    c_a = e_a (v_ak - mean over j of v_aj),    and all c_a sum to s_k - mean over j of s_j

in logits. The softmax only sees differences of logits, so what all candidates have alike says nothing. The
calibration of GZSL is not in it: it is taken from probabilities, later.

Why the mean, and not the second class: it is there for any number of candidates, and the reasons hold the
image against all of them. Those against the second class are what two similar classes differ in, and on the
demo are wrong of the image more often (`model/inference/README.md` has the numbers).

An attribute can add by its lack: a score below 0 (with a discriminant: below that of the mean training image)
adds to a class that has little of it. `SEEN_LESS` marks it in words.

Shapes: `A` attributes, `K` candidates.
"""

from dataclasses import dataclass
from typing import Iterable, Tuple

import numpy as np

from dsva.network import Output
from inference.candidates import Candidates
from inference.new_columns import class_vectors
from inference.saved import SavedRun

SMALL_LEAD = 2.0  # logits: what adds to less is shown with a decimal more
SEEN_LESS = "less "  # before the name of an attribute whose score is below 0


def distinctions(run: SavedRun, candidates: Candidates) -> np.ndarray:
    """[K, A] of the branch that counts: class vectors, less their mean over the candidates."""
    vectors = class_vectors(candidates.attributes.cpu().numpy(), run.discriminant).astype(float)  # [A, K]
    return (vectors - vectors.mean(axis=1, keepdims=True)).T


@dataclass(frozen=True)
class Contributions:
    """What each attribute adds to the lead of an image's class on the mean of the candidates.

    scores: [A] of the branch that counts, as `SavedRun.evidence` gives them
    values: [A], in logits; they sum to `lead`
    """

    scores: np.ndarray
    values: np.ndarray

    @property
    def lead(self) -> float:
        """The class's logit less the mean logit of the candidates."""
        return float(self.values.sum())

    def strongest(self, most: int) -> np.ndarray:
        """Numbers of the (at most) `most` attributes that add most, the first one first."""
        return np.argsort(-self.values, kind="stable")[:most]

    def seen_first(self, most: int) -> np.ndarray:
        """Of those that add anything: the strongest that are seen, then the strongest lacks, for a picture.

        Numbers of at most `most` attributes.
        """
        adding = [a for a in self.strongest(len(self.values)) if self.values[a] > 0]
        adding.sort(key=lambda a: self.scores[a] <= 0)  # stable: within both, those that add most come first
        return np.array(adding[:most], int)

    def rest(self, told: np.ndarray) -> float:
        """What all attributes add that are not told.  told: numbers of attributes"""
        return float(np.delete(self.values, told).sum())


def explain(run: SavedRun, candidates: Candidates, out: Output, number: int) -> Contributions:
    """What each attribute adds to a candidate, in the branch that counts.  out: of one image"""
    scores = run.evidence(out)[0].cpu().numpy()
    return Contributions(scores, scores.astype(float) * distinctions(run, candidates)[number])


def has_place(out: Output) -> np.ndarray:
    """[B, A]: is the attention branch's score of an attribute that of a patch of the image?

    The score is the maximum over all tokens, as published. If the class token has it, it is of no place, and
    the peak of the map is another, lower value.
    """
    peaks = out.maps.amax(dim=(2, 3))
    return (peaks >= out.attributes_attention).cpu().numpy()


def in_words(name: str, score: float) -> str:
    """An attribute that was seen, or whose lack was.  score: of the branch that counts"""
    return name if score > 0 else SEEN_LESS + name


def digits(lead: float) -> int:
    """Decimals that contributions to such a lead are shown with."""
    return 1 if abs(lead) >= SMALL_LEAD else 2


def of_lead(value: float, lead: float) -> str:
    """A contribution in words: "+1.3 of 4.2"."""
    decimals = digits(lead)
    return f"{value:+.{decimals}f} of {lead:.{decimals}f}"


def reasons(told: Iterable[Tuple[str, float]], lead: float) -> str:
    """Attributes that add anything: "sand +1.3, less water +0.4 of 4.2".

    told: names `in_words`, and contributions;  lead: what all attributes add up to
    """
    decimals = digits(lead)
    adding = [f"{name} {value:+.{decimals}f}" for name, value in told if value > 0]
    return f"{', '.join(adding)} of {lead:.{decimals}f}" if adding else ""
