"""The deletion test: does an attribute's score fall if the image is blurred where its map has its peak?

`Check` is it together with the sums of contributions, over any number of images.

Of each attribute that is told as seen, the patch around the peak of its attention map is blurred, and, to
compare with, a patch of the same size anywhere else. A map that shows what a score is made of makes the
score fall further at the peak. Scores are told of the branch that counts, and of the attention branch,
whose maps these are. There the class token may have the maximum that is the score: so what is left without
these is told, too.

Shapes: `A` attributes, maps of `G x G` cells, images of `S x S` pixels.
"""

from dataclasses import dataclass
from typing import Dict, List, Sequence, Tuple

import numpy as np
import torch
from torch import Tensor
from torchvision.transforms.functional import gaussian_blur

from dsva.network import Output
from inference.candidates import Candidates
from inference.contributions import explain, has_place
from inference.saved import SavedRun
from support.notes import counted

SIDE = 0.25  # of a blurred patch, as a share of the image's: 6 % of its pixels
DEVIATION = 0.5  # of the blur, as a share of the patch's side: little is left of what stood there
OF_PATCHES = "  the peak is its score"  # a row: of the attention branch, without what the class token scores
AT_ONCE = 32  # images that the network sees


@dataclass
class Falls:
    """How far attribute scores fell, of one branch: a number for each pair of patches.

    at_peak:   the patch around the peak is blurred
    elsewhere: another patch is
    """

    at_peak: List[float]
    elsewhere: List[float]

    def __len__(self) -> int:
        return len(self.at_peak)

    def summary(self) -> Dict[str, float]:
        """The means; the share of pairs that fell further at the peak, where half would be chance; pairs."""
        at_peak, elsewhere = np.array(self.at_peak), np.array(self.elsewhere)
        return {
            "at_peak": float(at_peak.mean()),
            "elsewhere": float(elsewhere.mean()),
            "further_at_peak": float((at_peak > elsewhere).mean()),
            "pairs": len(self),
        }


def branch_scores(run: SavedRun, out: Output) -> Dict[str, Tensor]:
    """Attribute scores [B, A] of the branch that counts, and of the attention branch."""
    scores = {run.branch: run.evidence(out)}
    scores.setdefault("attention", out.attributes_attention)
    return scores


def measure_deletion(
    run: SavedRun,
    candidates: Candidates,
    pixels: Tensor,
    out: Output,
    attributes: Sequence[int],
    chance: np.random.Generator,
    falls: Dict[str, Falls],
):
    """Blur an image at the peak of each attribute, and elsewhere, and add to `falls`, by branch.

    pixels: [3, S, S] uint8;  out: of that image;  attributes: numbers of them;  chance: draws the other patch
    """
    if not len(attributes):
        return
    size = pixels.shape[-1]
    side = max(round(SIDE * size), 1)
    blurred = blur(pixels, side)
    images = []
    for a in attributes:
        at_peak = patch_at_peak(out.maps[0, a], size, side)
        for corner in (at_peak, another_patch(at_peak, size, side, chance)):
            images.append(paste(pixels, blurred, corner, side))
    before = branch_scores(run, out)
    after: Dict[str, List[Tensor]] = {branch: [] for branch in before}
    for start in range(0, len(images), AT_ONCE):
        batch = torch.stack(images[start : start + AT_ONCE])
        for branch, scores in branch_scores(run, run.look(batch, candidates.attributes)).items():
            after[branch].append(scores)
    is_of_patch = has_place(out)[0]
    for branch, parts in after.items():
        scores = torch.cat(parts).cpu().numpy()  # [2 n, A]
        for place, a in enumerate(attributes):
            whole = float(before[branch][0, a])
            rows = [branch]
            if branch == "attention" and is_of_patch[a]:
                rows.append(OF_PATCHES)
            for row in rows:
                kept = falls.setdefault(row, Falls([], []))
                kept.at_peak.append(whole - float(scores[2 * place, a]))
                kept.elsewhere.append(whole - float(scores[2 * place + 1, a]))


class Check:
    """Both checks of an explanation, image after image: do contributions add up, and the deletion test.

    top: attributes of an image at most
    """

    def __init__(self, run: SavedRun, candidates: Candidates, top: int):
        self.run = run
        self.candidates = candidates
        self.top = top
        self.chance = np.random.default_rng(0)  # the same patches each time
        self.images = 0
        self.largest_error = 0.0  # between what contributions add up to, and the network's logits
        self.falls: Dict[str, Falls] = {}  # by branch

    def add(self, pixels: Tensor, out: Output, number: int):
        """pixels: [3, S, S] uint8;  out: of that image;  number: of the candidate that it is named"""
        logits = self.run.class_scores(out)[0].double()
        found = explain(self.run, self.candidates, out, number)
        error = abs(found.lead - float(logits[number] - logits.mean()))
        self.images += 1
        self.largest_error = max(self.largest_error, error)
        strongest = found.strongest(self.top)
        is_seen = (found.values[strongest] > 0) & (found.scores[strongest] > 0)
        seen = strongest[is_seen]
        measure_deletion(self.run, self.candidates, pixels, out, seen, self.chance, self.falls)

    def found(self) -> dict:
        """As it is written into check.json."""
        falls = {branch: kept.summary() for branch, kept in self.falls.items()}
        return {"images": self.images, "largest_error": self.largest_error, "deletion": falls}

    def print_found(self):
        """One line, and one table."""
        images = counted(self.images, "image")
        print(
            f"\ncontributions add up to the difference of the network's logits in {images}: "
            f"largest error {self.largest_error:.1e}"
        )
        if not self.falls:
            print("no attribute is told as seen: no map to try")
            return
        heads = ("at the peak", "elsewhere", "further at it", "pairs")
        print("{:32} {:>12} {:>10} {:>14} {:>6}".format("attribute scores fall by", *heads))
        for branch, kept in self.falls.items():
            found = kept.summary()
            name = f"{branch} (decides)" if branch == self.run.branch else branch
            print(
                f"{name:32} {found['at_peak']:>12.3f} {found['elsewhere']:>10.3f} "
                f"{found['further_at_peak']:>14.0%} {found['pairs']:>6}"
            )


# ---- patches ---------------------------------------------------------------------------------------


def blur(pixels: Tensor, side: int) -> Tensor:
    """[3, S, S] uint8, so far that little is left of a patch of this side."""
    deviation = DEVIATION * side
    radius = min(round(2 * deviation), pixels.shape[-1] - 1)  # reflected at the edges: no more than there is
    length = 2 * radius + 1
    rows = gaussian_blur(
        pixels.float(), [length, 1], [deviation, deviation]
    )  # one way, then the other: faster
    return gaussian_blur(rows, [1, length], [deviation, deviation]).round().byte()


def paste(pixels: Tensor, blurred: Tensor, corner: Tuple[int, int], side: int) -> Tensor:
    """The image, blurred in one patch.  corner: top, left"""
    top, left = corner
    changed = pixels.clone()
    inside = (slice(None), slice(top, top + side), slice(left, left + side))
    changed[inside] = blurred[inside]
    return changed


def patch_at_peak(attention: Tensor, size: int, side: int) -> Tuple[int, int]:
    """Top and left of the patch around the peak of a map [G, G], moved into the image at its edges."""
    grid = len(attention)
    cell = np.unravel_index(int(attention.argmax()), (grid, grid))
    top, left = (int((place + 0.5) * size / grid - side / 2) for place in cell)
    most = size - side
    return min(max(top, 0), most), min(max(left, 0), most)


def another_patch(
    corner: Tuple[int, int], size: int, side: int, chance: np.random.Generator
) -> Tuple[int, int]:
    """Top and left of a patch anywhere in the image that does not overlap the one with this corner."""
    while True:
        top, left = (int(place) for place in chance.integers(0, size - side + 1, size=2))
        if abs(top - corner[0]) >= side or abs(left - corner[1]) >= side:
            return top, left
