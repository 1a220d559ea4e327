"""The same numbers, worked out in the order of the published program, for `benchmark.py --as_published`."""

from copy import deepcopy
from typing import List

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from dsva.network import DSVA, Output
from dsva.windows import window_boxes


class AsPublished(DSVA):
    """Does what ours leaves out: made of a network by `as_published`.

    In warm-up there is a graph through the tower, which does not learn; a test always looks at windows;
    windows are found and cut out of one image after another.
    """

    def forward(self, images: Tensor, class_attributes: Tensor, windows: bool = False) -> Output:
        """As in DSVA, but in a test always with windows."""
        return super().forward(images, class_attributes, windows or not self.training)

    def look_again(self, images: Tensor, tokens: Tensor, class_attributes: Tensor, out: Output):
        """As in DSVA, but image by image."""
        size = self.tower.config.image_size
        boxes = []
        for maps, scores in zip(out.maps.split(1), out.attributes_attention.split(1)):
            boxes.append(window_boxes(maps, scores, self.group_masks, size, self.pro_thr))
        out.boxes = torch.cat(boxes)  # [B, 4]
        out.windows = self.crop(images, out.boxes)
        out.attributes_window = self.project(self.encode(out.windows).amax(dim=1))
        out.window = self.classify("projection", out.attributes_window, class_attributes)
        out.final = out.projection + self.pro_weight * out.window

    def crop(self, images: Tensor, boxes: Tensor) -> Tensor:
        """images [B, 3, S, S], boxes [B, 4] -> windows [B, 3, S, S]"""
        windows = []
        for image, (top, left, height, width) in zip(images, boxes.tolist()):
            window = image[None, :, top : top + height, left : left + width]
            windows.append(F.interpolate(window, images.shape[2:], mode="bilinear", align_corners=True))
        return torch.cat(windows)

    def learn(self, everything: bool) -> List[nn.Parameter]:
        """As in DSVA, but a tower that does not learn gets a graph, too."""
        learning = super().learn(everything)
        self.requires_grad_(True)
        return learning


def as_published(network: DSVA) -> AsPublished:
    """A copy that computes the same in the published order."""
    twin = deepcopy(network)
    twin.__class__ = AsPublished
    return twin  # type: ignore[return-value]
