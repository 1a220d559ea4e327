"""A CLIP to train: a new one, or one that exists, for images of its size or another."""

import math
from pathlib import Path
from typing import Optional, Tuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from clip.checkpoint import load_clip
from support.errors import InputError


def given_clip(folder: Path, image_size: Optional[int]) -> CLIPModel:
    """The CLIP of a folder, for images of another size if so asked: then its position embeddings are stretched."""
    model, _ = load_clip(folder)
    vision = model.config.vision_config
    if image_size in (None, vision.image_size):
        return model
    if image_size % vision.patch_size:
        raise InputError(
            f"--image_size {image_size} should be a multiple of the patches of {folder}, {vision.patch_size}"
        )
    vision.image_size = image_size
    larger, weights = CLIPModel(model.config), model.state_dict()
    name = "vision_model.embeddings.position_embedding.weight"
    weights[name] = stretch(weights[name], image_size // vision.patch_size)
    weights.pop("vision_model.embeddings.position_ids", None)  # of versions that save them
    larger.load_state_dict(weights, strict=False)
    return larger


def stretch(positions: Tensor, grid: int) -> Tensor:
    """Position embeddings [1 + G*G, D], the class token's first, of a square grid -> [1 + grid*grid, D] by bicubic interpolation."""
    old = math.isqrt(len(positions) - 1)
    patches = positions[1:].T.reshape(1, -1, old, old)
    return torch.cat(
        [
            positions[:1],
            F.interpolate(patches, size=(grid, grid), mode="bicubic", align_corners=False)[0].flatten(1).T,
        ]
    )


def new_clip(opt, tokenizer) -> CLIPModel:
    """Random weights. opt: image_size, patch_size, width, layers, heads, text_width, text_layers, text_heads, projection, context"""
    special = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    text = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": opt.context,
        **tower(opt.text_width, opt.text_layers, opt.text_heads, opt.projection),
        **special,
    }
    vision = {
        "image_size": opt.image_size,
        "patch_size": opt.patch_size,
        **tower(opt.width, opt.layers, opt.heads, opt.projection),
    }
    model = CLIPModel(
        CLIPConfig(text_config=text, vision_config=vision, projection_dim=opt.projection, **special)
    )
    start_like_trained(model.vision_model)
    return model


def tower(width: int, layers: int, heads: int, projection: int) -> dict:
    return {
        "hidden_size": width,
        "intermediate_size": 4 * width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "projection_dim": projection,
        "hidden_act": "gelu",
    }  # quick_gelu, CLIP's own, takes longer


@torch.no_grad()
def start_like_trained(vision: torch.nn.Module):
    """Give a new vision tower the look of trained ones: positions that tell near from far, attention to what is alike, values that
    almost cancel their own token (mimetic initialisation; Trockman and Kolter, ICML 2023). A small one then needs fewer images."""
    width, heads, grid = (
        vision.config.hidden_size,
        vision.config.num_attention_heads,
        vision.config.image_size // vision.config.patch_size,
    )
    vision.embeddings.position_embedding.weight.zero_()[1:, : width // 4 * 4] = waves(grid, width // 4)
    for layer in vision.encoder.layers:
        attention, depth = layer.self_attn, width // heads
        left, right = halves(0.4 * random_square(width) - 0.4 * torch.eye(width), width)
        attention.out_proj.weight.copy_(left)
        attention.v_proj.weight.copy_(right)
        for head in range(heads):
            rows = slice(head * depth, (head + 1) * depth)
            left, right = halves(0.7 * random_square(width) + 0.7 * torch.eye(width), depth)
            attention.q_proj.weight[rows], attention.k_proj.weight[rows] = left.T, right


def random_square(width: int) -> Tensor:
    return torch.randn(width, width) / math.sqrt(width)


def halves(product: Tensor, rank: int) -> Tuple[Tensor, Tensor]:
    """[D, rank] and [rank, D] whose product is as near to [D, D] as can be."""
    left, strength, right = torch.linalg.svd(product)
    root = strength[:rank].sqrt()
    return left[:, :rank] * root, root[:, None] * right[:rank]


def waves(grid: int, frequencies: int) -> Tensor:
    """[grid*grid, 4 * frequencies] sines and cosines of row and column."""
    row, column = np.indices((grid, grid)).reshape(2, -1, 1)
    rate = 100.0 ** -(np.arange(frequencies) / frequencies)
    return 0.5 * torch.tensor(
        np.hstack([wave(place * rate) for place in (row, column) for wave in (np.sin, np.cos)]),
        dtype=torch.float32,
    )
