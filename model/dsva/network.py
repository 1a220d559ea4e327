"""The DSVA network: an attention and a projection branch over CLIP tokens, and a second look at a window.

Xu et al., ISPRS Journal of Photogrammetry and Remote Sensing 198, 2023.

Shapes: `B` images of `S x S` pixels, `N = 1 + G*G` tokens (class token first), `D` width, `A` attributes,
`C` classes, `K` attribute groups. `S`, `G` and `D` come from the CLIP checkpoint. `M [A, C]` holds the
attribute vector of each class.
"""

from dataclasses import dataclass
from typing import Dict, List, Optional, Sequence

import torch
from torch import Tensor, nn

from dsva.discriminant import Discriminant
from dsva.windows import crop_windows, window_boxes


@dataclass
class Output:
    """What the network says of a batch. Class scores are logits: a softmax makes probabilities of them."""

    projection: Tensor  # [B, C] class scores, projection branch
    attention: Tensor  # [B, C] class scores, attention branch
    attributes_projection: Tensor  # [B, A]
    attributes_attention: Tensor  # [B, A]
    maps: Tensor  # [B, A, G, G] attention maps, without the class token
    final: Tensor  # [B, C] what names the image: projection, plus pro_weight x window where windows are on

    # only where windows are on
    window: Optional[Tensor] = None  # [B, C] class scores, window branch
    attributes_window: Optional[Tensor] = None  # [B, A]
    windows: Optional[Tensor] = None  # [B, 3, S, S] the windows, resized
    boxes: Optional[Tensor] = None  # [B, 4] top, left, height, width

    def class_scores(self) -> Dict[str, Tensor]:
        """Class scores [B, C] by the branch's name, as logs and tables know it."""
        if self.window is None:
            return {"projection": self.projection, "attention": self.attention}
        return {"projection+window": self.final, "attention": self.attention, "window": self.window}


class DSVA(nn.Module):
    """Deep Semantic-Visual Alignment.

    tower:         CLIP vision tower, from `clip.checkpoint`
    attributes:    A
    window_groups: attribute indices, one list per group that has a say in the window (`--pro_type`)
    pro_thr:       pixels above pro_thr x mean attention belong to the window
    pro_weight:    weight of the window's class scores in the final ones
    class_token:   the projection branch reads the class token; as published it reads the mean of all tokens
    decorrelated:  each branch scores classes by a `Discriminant`; as published its attribute scores are
                   multiplied by M
    bf16:          the tower computes in mixed precision; everything after it keeps the images' precision
    """

    group_masks: Tensor

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
        self.pro_thr = pro_thr
        self.pro_weight = pro_weight
        self.class_token = class_token
        self.bf16 = bf16
        self.discriminants = nn.ModuleDict()
        if decorrelated:
            self.discriminants["projection"] = Discriminant(attributes)
            self.discriminants["attention"] = Discriminant(attributes)

        masks = torch.zeros(len(window_groups), attributes, dtype=torch.bool)  # [K, A]
        for mask, group in zip(masks, window_groups):
            mask[list(group)] = True
        self.register_buffer("group_masks", masks, persistent=False)

    def forward(self, images: Tensor, class_attributes: Tensor, windows: bool = False) -> Output:
        """images: [B, 3, S, S], normalised;  class_attributes: M [A, C];  windows: look a second time."""
        tokens = self.encode(images)
        out = self.read(tokens, class_attributes)
        if windows:
            self.look_again(images, tokens, class_attributes, out)
        return out

    def read(self, tokens: Tensor, class_attributes: Tensor) -> Output:
        """What both branches say of tokens [B, N, D], without a second look.  class_attributes: M [A, C]"""
        similarity = self.attend(tokens)  # [B, A, N]
        attended = similarity.max(dim=2).values  # [B, A], the class token may win: as published
        projected = self.project(self.pool(tokens))  # [B, A]
        projection = self.classify("projection", projected, class_attributes)
        return Output(
            projection=projection,
            attention=self.classify("attention", attended, class_attributes),
            attributes_projection=projected,
            attributes_attention=attended,
            maps=similarity[:, :, 1:].unflatten(2, (self.grid, self.grid)),  # [B, A, N-1] -> [B, A, G, G]
            final=projection,
        )

    def look_again(self, images: Tensor, tokens: Tensor, class_attributes: Tensor, out: Output):
        """Encode the window that the attention maps agree on, and add its class scores to the final ones.

        tokens: [B, N, D] of the images
        """
        out.boxes = self.find_windows(out)
        out.windows = crop_windows(images, out.boxes)
        seen_again = self.encode_windows(out.windows, out.boxes, tokens)
        strongest = seen_again.amax(dim=1)  # whatever `pool` does: as published
        out.attributes_window = self.project(strongest)
        out.window = self.classify("projection", out.attributes_window, class_attributes)
        out.final = out.projection + self.pro_weight * out.window

    def encode_windows(self, windows: Tensor, boxes: Tensor, tokens: Tensor) -> Tensor:
        """Tokens [B, N, D] of windows [B, 3, S, S]. In a test, a whole image is not encoded again.

        boxes: [B, 4] of the windows;  tokens: [B, N, D] of the images
        """
        is_part = (boxes[:, 2:] < self.tower.config.image_size).any(dim=1)  # [B]
        if self.training or is_part.all():
            return self.encode(windows)
        found = tokens.clone()
        if is_part.any():
            found[is_part] = self.encode(windows[is_part])
        return found

    def find_windows(self, out: Output) -> Tensor:
        """Boxes [B, 4] in pixels, where the strongest attributes of the groups agree."""
        size = self.tower.config.image_size
        return window_boxes(out.maps, out.attributes_attention, self.group_masks, size, self.pro_thr)

    def encode(self, images: Tensor) -> Tensor:
        """[B, 3, S, S] -> tokens [B, N, D], the last hidden state *before* the tower's post layer norm."""
        with torch.autocast(images.device.type, torch.bfloat16, enabled=self.bf16):
            tokens = self.tower(pixel_values=images).last_hidden_state
        return tokens.to(images.dtype)

    def attend(self, tokens: Tensor) -> Tensor:
        """[B, N, D] -> [B, A, N]: how well each prototype fits each token. The attention maps are these."""
        return self.prototypes @ tokens.transpose(1, 2)

    def pool(self, tokens: Tensor) -> Tensor:
        """[B, N, D] -> [B, D], what the projection branch reads."""
        return tokens[:, 0] if self.class_token else tokens.mean(dim=1)

    def project(self, pooled: Tensor) -> Tensor:
        """[B, D] -> attribute scores [B, A]"""
        return self.linear(self.norm(pooled))

    def classify(self, branch: str, attributes: Tensor, class_attributes: Tensor) -> Tensor:
        """Attribute scores [B, A] of the projection or attention branch, M [A, C] -> class scores [B, C]."""
        if not self.discriminants:
            return attributes @ class_attributes
        return self.discriminants[branch](attributes, class_attributes)

    def centre(self, branch: str, attributes: Tensor) -> Tensor:
        """Attribute scores [B, A] as class scores are linear in them, see `Discriminant`."""
        return attributes - self.discriminants[branch].centre if self.discriminants else attributes

    def learn(self, everything: bool) -> List[nn.Parameter]:
        """Choose what learns: in warm-up only the prototypes and the linear layer, later everything.

        A tower that does not learn gets no graph. Returns the parameters for the optimizer.
        """
        heads = {id(self.prototypes), id(self.linear.weight), id(self.linear.bias)}
        for parameter in self.parameters():
            parameter.requires_grad_(everything or id(parameter) in heads)
        return [parameter for parameter in self.parameters() if parameter.requires_grad]
