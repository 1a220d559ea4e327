"""A CLIP to train: a new one, or one that exists, for images of its size or another.

Shapes: `D` width of a tower, `G` patches a side.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel

from clip.checkpoint import load_both_towers
from support.errors import InputError

POSITIONS = "vision_model.embeddings.position_embedding.weight"


# ---- one that exists -------------------------------------------------------------------------------


def load_for_training(folder: Path, image_size: Optional[int]) -> CLIPModel:
    """The CLIP of a folder. If it is to see images of another size, its position embeddings are stretched."""
    model, _ = load_both_towers(folder)
    vision = model.config.vision_config
    if image_size in (None, vision.image_size):
        return model
    if image_size % vision.patch_size:
        raise InputError(
            f"--image_size {image_size} should be a multiple of the patches of {folder}, {vision.patch_size}"
        )
    vision.image_size = image_size
    resized = CLIPModel(model.config)
    weights = model.state_dict()
    weights[POSITIONS] = stretch(weights[POSITIONS], image_size // vision.patch_size)
    weights.pop("vision_model.embeddings.position_ids", None)  # of versions that save them
    resized.load_state_dict(weights, strict=False)
    return resized


def stretch(positions: Tensor, grid: int) -> Tensor:
    """Position embeddings of a square grid, the class token's first, for another grid: bicubic interpolation.

    [1 + G*G, D] -> [1 + grid*grid, D]
    """
    old = math.isqrt(len(positions) - 1)
    class_token = positions[:1]
    patches = positions[1:].T.reshape(1, -1, old, old)  # [G*G, D] -> [1, D, G, G]
    patches = F.interpolate(patches, size=(grid, grid), mode="bicubic", align_corners=False)
    return torch.cat([class_token, patches[0].flatten(1).T])


# ---- a new one -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Sizes:
    """Of a new CLIP.

    image_size, patch_size: pixels a side
    width, layers, heads:   of the vision tower; text_... of the text tower
    projection:             dimensions of the common space
    vocab_size:             most tokens
    context:                most tokens of a caption
    """

    image_size: int
    patch_size: int
    width: int
    layers: int
    heads: int
    text_width: int
    text_layers: int
    text_heads: int
    projection: int
    vocab_size: int
    context: int


# of the options that are named like these sizes
SIZE_HELP = {
    "image_size": "pixels a side; of --init, if not its own, its position embeddings are stretched",
    "patch_size": "pixels a side of a patch; divides image_size",
    "width": "of the vision tower",
    "layers": "of the vision tower",
    "heads": "of the vision tower; divides width",
    "text_width": "of the text tower",
    "text_layers": "of the text tower",
    "text_heads": "of the text tower; divides text_width",
    "projection": "width of the common space",
    "vocab_size": "most tokens; 512 are letters",
    "context": "most tokens of a caption",
}


def new_clip(sizes: Sizes, tokenizer) -> CLIPModel:
    """Random weights. Its vocabulary is the tokenizer's."""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": sizes.context,
        **tower_config(sizes.text_width, sizes.text_layers, sizes.text_heads, sizes.projection),
        **special,
    }
    vision = {
        "image_size": sizes.image_size,
        "patch_size": sizes.patch_size,
        **tower_config(sizes.width, sizes.layers, sizes.heads, sizes.projection),
    }
    config = CLIPConfig(text_config=text, vision_config=vision, projection_dim=sizes.projection, **special)
    model = CLIPModel(config)
    start_like_trained(model.vision_model)
    return model


def tower_config(width: int, layers: int, heads: int, projection: int) -> Dict[str, Any]:
    """What both towers have in their configuration."""
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "projection_dim": projection,
        "hidden_act": "gelu",  # quick_gelu, CLIP's own, takes longer
    }


@torch.no_grad()
def start_like_trained(vision: nn.Module):
    """Give a new vision tower the look of trained ones, so that a small one needs fewer images.

    Positions tell near from far, tokens attend to what is alike, and values almost cancel their own token
    (mimetic initialisation; Trockman and Kolter, ICML 2023).
    """
    width = vision.config.hidden_size
    heads = vision.config.num_attention_heads
    grid = vision.config.image_size // vision.config.patch_size
    positions = vision.embeddings.position_embedding.weight.zero_()
    positions[1:, : width // 4 * 4] = waves(grid, width // 4)
    for layer in vision.encoder.layers:
        start_attention(layer.self_attn, width, heads)


def start_attention(attention: nn.Module, width: int, heads: int):
    """Output times values near -0.4 I; queries times keys near 0.7 I, in each head."""
    left, right = factors(0.4 * random_square(width) - 0.4 * torch.eye(width), width)
    attention.out_proj.weight.copy_(left)
    attention.v_proj.weight.copy_(right)
    depth = width // heads
    for head in range(heads):
        rows = slice(head * depth, (head + 1) * depth)
        left, right = factors(0.7 * random_square(width) + 0.7 * torch.eye(width), depth)
        attention.q_proj.weight[rows] = left.T
        attention.k_proj.weight[rows] = right


def random_square(width: int) -> Tensor:
    """[width, width] of singular values about 1"""
    return torch.randn(width, width) / math.sqrt(width)


def factors(product: Tensor, rank: int) -> Tuple[Tensor, Tensor]:
    """[D, rank] and [rank, D] whose product is as near to [D, D] as can be."""
    left, strength, right = torch.linalg.svd(product)
    root = strength[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


def waves(grid: int, frequencies: int) -> Tensor:
    """Sines and cosines of row and column: [grid*grid, 4 * frequencies]."""
    row, column = np.indices((grid, grid)).reshape(2, -1, 1)
    rate = 100.0 ** -(np.arange(frequencies) / frequencies)
    columns = [np.sin(row * rate), np.cos(row * rate), np.sin(column * rate), np.cos(column * rate)]
    return 0.5 * torch.tensor(np.hstack(columns), dtype=torch.float32)
