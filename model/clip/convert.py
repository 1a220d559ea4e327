"""State dicts of open_clip and of OpenAI's CLIP, in Hugging Face's form.

Both have the same names for the same weights. Sources: open_clip/model.py, class CLIP;
transformers/models/clip/convert_clip_original_pytorch_to_hf.py.

Shapes: `D` width of a tower, `P` width of the common space, `N = 1 + G*G` tokens of an image.
"""

import math
import re
import zipfile
from pathlib import Path
from typing import Any, Dict, Optional

import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import CLIPConfig, CLIPModel

from clip.checkpoint import check_finite_weights
from clip.file_kinds import PLACEHOLDERS
from clip.kinds import kind_of
from support.errors import InputError, first_line, not_found
from support.untrusted import check_archive

Weights = Dict[str, Tensor]

HEAD_WIDTH = 64  # of text towers, and of most vision towers
OTHER_HEAD_WIDTHS = {1280: 80, 1408: 88, 1664: 104}  # of the vision towers of ViT-H, ViT-g and ViT-bigG

# Their names, and Hugging Face's. A block is a layer of a transformer.
VISION = {
    "visual.class_embedding": "vision_model.embeddings.class_embedding",
    "visual.positional_embedding": "vision_model.embeddings.position_embedding.weight",
    "visual.conv1.weight": "vision_model.embeddings.patch_embedding.weight",
    "visual.ln_pre.weight": "vision_model.pre_layrnorm.weight",
    "visual.ln_pre.bias": "vision_model.pre_layrnorm.bias",
    "visual.ln_post.weight": "vision_model.post_layernorm.weight",
    "visual.ln_post.bias": "vision_model.post_layernorm.bias",
}
TEXT = {
    "token_embedding.weight": "text_model.embeddings.token_embedding.weight",
    "positional_embedding": "text_model.embeddings.position_embedding.weight",
    "ln_final.weight": "text_model.final_layer_norm.weight",
    "ln_final.bias": "text_model.final_layer_norm.bias",
    "logit_scale": "logit_scale",
}
TRANSPOSED = {  # [D, P] there, the weight of a linear layer here
    "visual.proj": "visual_projection.weight",
    "text_projection": "text_projection.weight",
}
BLOCK = {
    "ln_1": "layer_norm1",
    "ln_2": "layer_norm2",
    "attn.out_proj": "self_attn.out_proj",
    "mlp.c_fc": "mlp.fc1",
    "mlp.c_proj": "mlp.fc2",
}
BLOCK_NAME = re.compile(r"(visual\.)?transformer\.resblocks\.(\d+)\.(.+)")
NO_WEIGHTS = {"attn_mask", "input_resolution", "context_length", "vocab_size"}  # also in these files

# What a name of a weight tells of a file that is no ViT CLIP.
OTHER_KINDS = {
    "visual.layer1.": "a CLIP with a ResNet, which has no patches to attend to: take its ViT version",
    "visual.trunk.": "a CLIP with a tower of timm (SigLIP, EVA or ConvNeXt), which is built otherwise: "
    "take a ViT CLIP",
    "logit_bias": "a SigLIP, which is built otherwise: take a ViT CLIP",
    "text.transformer.embeddings.": "a CLIP with a text tower of Hugging Face, which is built otherwise: "
    "take one with CLIP's own text tower",
    "text_decoder.": "a CoCa, which is built otherwise: take a CLIP",
    "vision_model.": "in Hugging Face's form already: give its folder as main.py --clip",
    "prototypes": "a model of main.py: give it as predict.py --resume",
}


# ---- reading ---------------------------------------------------------------------------------------


def read_state_dict(path: Path) -> Weights:
    """The weights of a .pt, .pth, .bin or .safetensors file, by their names. No code in it is run.

    Wrappers are taken off: `state_dict`, `module.`, and the `text.` of open_clip's newer text towers.
    Raises InputError that says what the file is, if it is no state dict of a ViT CLIP.
    """
    if not path.is_file():
        raise InputError(f"{not_found(path)}; expected a state dict of open_clip or OpenAI's CLIP")
    kind = kind_of(path)
    if kind.name in (*PLACEHOLDERS, "cut off", "text"):
        raise InputError(f"{path} is {kind.what}; {kind.todo}")
    found = load_file_of(path)
    for wrapper in ("state_dict", "model"):
        if isinstance(found, dict) and isinstance(found.get(wrapper), dict):
            found = found[wrapper]
    weights = {}
    for name, value in found.items() if isinstance(found, dict) else ():
        if isinstance(name, str) and isinstance(value, Tensor):
            weights[plain_name(name)] = value
    refuse_other_kinds(weights, path)
    check_finite_weights(weights.items(), path)
    return weights


def load_file_of(path: Path) -> Any:
    """What torch or safetensors reads of it."""
    try:
        if path.suffix == ".safetensors":
            return load_file(path)
        if zipfile.is_zipfile(path):
            check_archive(path)
            refuse_torchscript(path)
        return torch.load(path, map_location="cpu", weights_only=True)
    except InputError:
        raise
    except Exception as error:  # whatever the readers of archives and pickles raise on a damaged file
        raise InputError(
            f"{path} cannot be read as weights alone: {first_line(error).split('. ')[0]}. "
            "Expected a state dict of open_clip or OpenAI's CLIP, saved by torch.save or as safetensors; "
            "download it anew, or save its state dict where you trust it"
        ) from error


def refuse_torchscript(path: Path):
    """A TorchScript archive is a program. Raises InputError for one."""
    with zipfile.ZipFile(path) as archive:
        is_program = any("/code/" in name or name.endswith("constants.pkl") for name in archive.namelist())
    if is_program:
        raise InputError(
            f"{path} is a TorchScript archive, as OpenAI's own files are: it holds code, which is not run "
            "here. Where you trust it, save its weights: "
            f"torch.save(torch.jit.load({path.name!r}, map_location='cpu').state_dict(), 'weights.pt')"
        )


def plain_name(name: str) -> str:
    """Without the prefixes that data parallel training and newer text towers add."""
    name = name[len("module.") :] if name.startswith("module.") else name
    is_text_tower = name.startswith("text.") and not name.startswith("text.transformer.embeddings.")
    return name[len("text.") :] if is_text_tower else name


def refuse_other_kinds(weights: Weights, path: Path):
    """Raises InputError if these are not the weights of a ViT CLIP."""
    for beginning, what in OTHER_KINDS.items():
        if any(name.startswith(beginning) for name in weights):
            raise InputError(f"{path} is {what}")
    if "visual.conv1.weight" not in weights:
        raise InputError(
            f"{path} is no state dict of open_clip or OpenAI's CLIP: expected weights such as "
            f"visual.conv1.weight, found {', '.join(sorted(weights)[:3]) or 'none'}"
        )


# ---- sizes -----------------------------------------------------------------------------------------


def clip_config(
    weights: Weights, activation: str, vision_heads: Optional[int] = None, text_heads: Optional[int] = None
) -> CLIPConfig:
    """The sizes, as the weights tell them.

    activation: "gelu" or "quick_gelu", which no weight tells
    vision_heads, text_heads: attention heads, which no weight tells either; by default width / 64, and as
                open_clip has them for ViT-H, ViT-g and ViT-bigG
    """
    for name in (*VISION, *TEXT, *TRANSPOSED):
        if name not in weights:
            raise InputError(
                f"the state dict lacks {name}: it is cut short, or no plain CLIP; download it anew"
            )
    patches = weights["visual.conv1.weight"]  # [D, 3, patch, patch]
    tokens, width = weights["visual.positional_embedding"].shape
    head_width = OTHER_HEAD_WIDTHS.get(width, HEAD_WIDTH)
    vocab_size, text_width = weights["token_embedding.weight"].shape
    grid, patch = math.isqrt(tokens - 1), patches.shape[-1]
    if grid * grid != tokens - 1:
        raise InputError(f"expected a square grid of patches, found {tokens - 1} patches")
    projection = weights["visual.proj"].shape[1]
    vision = {
        "image_size": grid * patch,
        "patch_size": patch,
        **tower_sizes(weights, "visual.", width, head_width, vision_heads),
        "hidden_act": activation,
        "projection_dim": projection,
    }
    text = {
        "vocab_size": vocab_size,
        "max_position_embeddings": len(weights["positional_embedding"]),
        **tower_sizes(weights, "", text_width, HEAD_WIDTH, text_heads),
        "hidden_act": activation,
        "projection_dim": projection,
        "bos_token_id": vocab_size - 2,  # CLIP's tokenizer has start and end as its last two
        "eos_token_id": vocab_size - 1,
        "pad_token_id": vocab_size - 1,
    }
    return CLIPConfig(text_config=text, vision_config=vision, projection_dim=projection)


def tower_sizes(weights: Weights, tower: str, width: int, head_width: int, heads: Optional[int]) -> dict:
    """Width, depth and heads of a transformer.

    tower: "visual.", or "" for the text tower
    heads: by default width / head_width
    """
    option = "--vision_heads" if tower else "--text_heads"
    if heads is None and width % head_width:
        raise InputError(
            f"a tower of width {width} cannot be divided into heads of {head_width}: say how many by {option}"
        )
    heads = heads or width // head_width
    if width % heads:
        raise InputError(f"{option} {heads} does not divide the tower's width, {width}")
    blocks = f"{tower}transformer.resblocks."
    first = f"{blocks}0.mlp.c_fc.weight"
    if first not in weights:
        raise InputError(f"the state dict lacks {first}: download it anew")
    numbers = {name[len(blocks) :].split(".")[0] for name in weights if name.startswith(blocks)}
    return {
        "hidden_size": width,
        "intermediate_size": len(weights[first]),
        "num_hidden_layers": len(numbers),
        "num_attention_heads": heads,
    }


# ---- weights ---------------------------------------------------------------------------------------


def convert(weights: Weights, config: CLIPConfig) -> CLIPModel:
    """The CLIP of these weights, in their precision. Raises InputError if some are missing or unknown."""
    renamed: Weights = {}
    for name, value in weights.items():
        if name not in NO_WEIGHTS:
            renamed.update(rename(name, value))
    model = CLIPModel(config)
    expected = {name: value.shape for name, value in model.state_dict().items()}
    missing = [name for name in expected if name not in renamed and not name.endswith("position_ids")]
    if missing:
        raise InputError(f"the state dict lacks {len(missing)} weights, the first is {missing[0]}")
    unknown = [name for name in renamed if name not in expected]
    if unknown:
        raise InputError(
            f"the state dict has {len(unknown)} weights that a ViT CLIP has not, the first is {unknown[0]}"
        )
    for name, value in renamed.items():
        if value.shape != expected[name]:
            raise InputError(
                f"{name} has the shape {list(value.shape)}, expected {list(expected[name])}: "
                "the state dict's parts do not belong together"
            )
    model.load_state_dict(renamed, strict=False)
    return model.eval()


def rename(name: str, value: Tensor) -> Weights:
    """A weight under Hugging Face's name; that of the three projections of attention is three."""
    if name in VISION or name in TEXT:
        return {VISION.get(name) or TEXT[name]: value}
    if name in TRANSPOSED:
        return {TRANSPOSED[name]: value.T.contiguous()}
    block = BLOCK_NAME.fullmatch(name)
    if not block:
        return {name: value}  # `convert` says that it is unknown
    is_vision, number, part = block.groups()
    layer = f"{'vision' if is_vision else 'text'}_model.encoder.layers.{number}."
    if part.startswith("attn.in_proj_"):
        kind = part[len("attn.in_proj_") :]  # weight or bias
        names = [f"{layer}self_attn.{which}_proj.{kind}" for which in "qkv"]
        return dict(zip(names, value.chunk(3)))  # [3 D, ...] -> three of [D, ...]
    module, _, kind = part.rpartition(".")
    return {f"{layer}{BLOCK.get(module, module)}.{kind}": value}


def is_half(weights: Weights) -> bool:
    """Are the weights stored in 16 bits?"""
    return weights["visual.conv1.weight"].dtype in (torch.float16, torch.bfloat16)


def is_openais(weights: Weights) -> bool:
    """Does it carry the numbers that OpenAI's program saves beside the weights?"""
    return "input_resolution" in weights
