"""The same numbers, worked out in the order of the published program. Only `benchmark.py --as_published` uses this."""

import torch
import torch.nn.functional as F
from torch import Tensor

from dsva.network import DSVA, Output
from dsva.windows import window_boxes


class AsPublished(DSVA):
    """In warm-up a graph through the tower, which does not learn; in a test always windows; windows of one image after another."""

    def learn(self, everything: bool) -> list:
        learning = super().learn(everything)
        self.requires_grad_(True)
        return learning

    def forward(self, images: Tensor, class_attributes: Tensor, windows: bool = False) -> Output:
        return super().forward(images, class_attributes, windows or not self.training)

    def find_window(self, out: Output, size: int) -> Tensor:
        one_by_one = zip(out.maps.split(1), out.attributes_attention.split(1))
        return torch.cat(
            [
                window_boxes(maps, scores, self.window_groups, size, self.pro_thr)
                for maps, scores in one_by_one
            ]
        )

    def crop(self, images: Tensor, boxes: Tensor) -> Tensor:
        windows = [
            image[None, :, top : top + height, left : left + width]
            for image, (top, left, height, width) in zip(images, boxes.tolist())
        ]
        return torch.cat(
            [
                F.interpolate(window, images.shape[2:], mode="bilinear", align_corners=True)
                for window in windows
            ]
        )
