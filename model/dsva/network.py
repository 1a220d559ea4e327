"""The DSVA network: an attention and a projection branch over CLIP tokens, and a second look at a window.

Shapes: `B` images of `S x S` pixels, `N = 1 + G*G` tokens (class token first), `D` width, `A` attributes, `C` classes.
`S`, `G` and `D` come from the CLIP checkpoint.
"""

from dataclasses import dataclass
from typing import Optional, Sequence

import torch
from torch import Tensor, nn

from dsva.discriminant import Discriminant
from dsva.windows import crop_windows, window_boxes


@dataclass
class Output:
    """What the network says of a batch. Logits are what `classify` makes of attribute scores; probabilities their softmax."""

    final: Tensor  # [B, C] logits, projection branch (plus windows, where they are on)
    attention: Tensor  # [B, C] logits, attention branch
    attributes_projection: Tensor  # [B, A]
    attributes_attention: Tensor  # [B, A]
    maps: Tensor  # [B, A, G, G] attention maps, without the class token
    window: Optional[Tensor] = None  # [B, C] logits, window branch
    windows: Optional[Tensor] = None  # [B, 3, S, S] the windows, resized
    boxes: Optional[Tensor] = None  # [B, 4] top, left, height, width


class DSVA(nn.Module):
    """Deep Semantic-Visual Alignment (Xu et al., ISPRS 2023).

    tower:         CLIP vision tower, from `load_tower` or `build_tower`
    attributes:    A
    window_groups: attribute indices, one list per group that has a say in the window (`--pro_type`)
    pro_thr:       pixels above pro_thr x mean attention belong to the window
    pro_weight:    weight of the window's class scores in the final ones
    class_token:   the projection branch reads the class token alone; as published it reads the mean of all tokens
    decorrelated:  each branch scores classes by a `Discriminant` of its attribute scores; as published these are multiplied by M
    bf16:          the tower computes in mixed precision; everything after it stays float32
    """

    def __init__(
        self,
        tower: nn.Module,
        attributes: int,
        window_groups: Sequence[Sequence[int]] = (),
        pro_thr: float = 1.0,
        pro_weight: float = 1.0,
        class_token: bool = False,
        decorrelated: bool = False,
        bf16: bool = False,
    ):
        super().__init__()
        width = tower.config.hidden_size
        self.tower = tower
        self.prototypes = nn.Parameter(2e-4 * torch.rand(attributes, width))
        self.norm = nn.LayerNorm(width)
        self.linear = nn.Linear(width, attributes)
        self.grid = tower.config.image_size // tower.config.patch_size
        self.window_groups = [list(group) for group in window_groups]
        self.pro_thr, self.pro_weight = pro_thr, pro_weight
        self.class_token, self.bf16 = class_token, bf16
        self.discriminants = nn.ModuleDict(
            {branch: Discriminant(attributes) for branch in ("projection", "attention") if decorrelated}
        )

    def forward(self, images: Tensor, class_attributes: Tensor, windows: bool = False) -> Output:
        """images: [B, 3, S, S], normalised;  class_attributes: M [A, C];  windows: look a second time."""
        tokens = self.tokens(images)  # [B, N, D]
        scores = self.prototypes @ tokens.transpose(1, 2)  # [B, A, N]
        attended = scores.max(dim=2).values  # [B, A], the class token may win: as published
        projected = self.project(self.pool(tokens))  # [B, A]
        out = Output(
            final=self.classify("projection", projected, class_attributes),
            attention=self.classify("attention", attended, class_attributes),
            attributes_projection=projected,
            attributes_attention=attended,
            maps=scores[:, :, 1:].unflatten(2, (self.grid, self.grid)),
        )
        return self.look_again(images, class_attributes, out) if windows else out

    def look_again(self, images: Tensor, class_attributes: Tensor, out: Output) -> Output:
        """Encode the window that the attention maps agree on, and add its class scores to the final ones."""
        out.boxes = self.find_window(out, images.shape[-1])
        out.windows = self.crop(images, out.boxes)
        attributes = self.project(
            self.tokens(out.windows).amax(dim=1)
        )  # max pooling here, mean pooling above: as published
        out.window = self.classify("projection", attributes, class_attributes)
        out.final = out.final + self.pro_weight * out.window
        return out

    def find_window(self, out: Output, size: int) -> Tensor:
        """Boxes [B, 4] in images of `size` pixels a side, where the strongest attributes of the groups agree."""
        return window_boxes(out.maps, out.attributes_attention, self.window_groups, size, self.pro_thr)

    def crop(self, images: Tensor, boxes: Tensor) -> Tensor:
        return crop_windows(images, boxes)

    def tokens(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] -> [B, N, D], the last hidden state *before* the tower's post layer norm."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            return self.tower(pixel_values=images).last_hidden_state.float()

    def pool(self, tokens: Tensor) -> Tensor:
        return tokens[:, 0] if self.class_token else tokens.mean(dim=1)  # [B, N, D] -> [B, D]

    def project(self, pooled: Tensor) -> Tensor:
        return self.linear(self.norm(pooled))  # [B, D] -> [B, A]

    def classify(self, branch: str, attributes: Tensor, class_attributes: Tensor) -> Tensor:
        """Attribute scores [B, A] of the projection or attention branch, M [A, C] -> class scores [B, C]"""
        return (
            self.discriminants[branch](attributes, class_attributes)
            if self.discriminants
            else attributes @ class_attributes
        )

    def learn(self, everything: bool) -> list:
        """Choose what learns: in warm-up only the prototypes and the linear layer, later everything.
        A tower that does not learn gets no graph. Returns the parameters for the optimizer."""
        heads = {id(self.prototypes), id(self.linear.weight), id(self.linear.bias)}
        for parameter in self.parameters():
            parameter.requires_grad_(everything or id(parameter) in heads)
        return [parameter for parameter in self.parameters() if parameter.requires_grad]
