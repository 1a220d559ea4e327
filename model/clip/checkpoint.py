"""CLIP checkpoints in Hugging Face's form, read and checked."""

import io
import logging
from contextlib import redirect_stderr
from pathlib import Path
from typing import List, Tuple, Type

import torch
from torch import nn
from transformers import CLIPModel, CLIPProcessor, CLIPVisionConfig, CLIPVisionModel, PreTrainedModel
from transformers.utils import logging as transformers_logging

from data.pipeline import Preprocessing
from support.errors import InputError, first_line

CHECKPOINT_HELP = (
    "CLIP-RSICD is on the Hugging Face hub as flax-community/clip-rsicd and flax-community/clip-rsicd-v2: "
    "download config.json and pytorch_model.bin into that folder, or name another folder"
)


# ---- the vision tower alone ------------------------------------------------------------------------


def build_tower(config: CLIPVisionConfig) -> nn.Module:
    """A vision tower with random weights. Its parameters are named alike in all versions of transformers."""
    model = CLIPVisionModel(config)
    return getattr(model, "vision_model", model)  # transformers 4 wraps the tower once more


def load_tower(folder: Path) -> nn.Module:
    """The vision tower of a CLIP checkpoint, in float32 whatever its weights are stored in."""
    model = load_checkpoint(CLIPVisionModel, folder)
    return getattr(model, "vision_model", model)


def use_eager_attention(model: nn.Module, device: torch.device):
    """On CPUs, compute attention step by step.

    The backward pass of torch's fused attention is slow there: in bfloat16 a small tower's step takes
    half as long again.
    """
    if device.type == "cpu" and hasattr(model, "set_attn_implementation"):  # transformers 4.40 has not
        model.set_attn_implementation("eager")


def compile_tower(tower: nn.Module, device: torch.device):
    """Compile a tower in place: its weights keep their names.

    Where torch has no compiler, a line says so, and the tower stays as it is.
    """
    # this logger warns of every machine with nvcc and no GPU
    logging.getLogger("torch.utils.cpp_extension").setLevel(logging.ERROR)
    try:
        with redirect_stderr(io.StringIO()):  # torch before 2.7 prints its complaints
            torch.compile(torch.neg)(torch.zeros(2, device=device))
        tower.compile()
    except Exception as error:  # whatever a compiler, or the lack of one, raises
        print(f"note: torch.compile cannot be used here ({first_line(error)}): the network runs as it is")


# ---- both towers and the processor -----------------------------------------------------------------


def load_clip(folder: Path) -> Tuple[CLIPModel, CLIPProcessor]:
    """Both towers and the processor of a checkpoint. Raises InputError that says what the folder lacks."""
    model = load_checkpoint(CLIPModel, folder)
    processor = load_processor(folder)
    tokens = len(processor.tokenizer)
    known = model.config.text_config.vocab_size
    if tokens > known:
        raise InputError(
            f"the tokenizer in {folder} has {tokens} tokens, but CLIP's text tower there knows "
            f"{known}: use files that belong together"
        )
    return model.eval(), processor


def load_processor(folder: Path) -> CLIPProcessor:
    """The tokenizer and the image processor of a checkpoint."""
    has_tokenizer = (folder / "tokenizer.json").is_file()
    has_words = (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    if not has_tokenizer and not has_words:
        raise InputError(
            f"{folder} has no tokenizer: sentences need its tokenizer.json, or its vocab.json and merges.txt"
        )
    try:
        return CLIPProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever the readers of json raise on a damaged file
        raise InputError(
            f"{folder} has no readable processor: {first_line(error)}; "
            "copy its tokenizer and preprocessor_config.json anew"
        ) from error


def read_preprocessing(folder: Path, model: CLIPModel, processor: CLIPProcessor) -> Preprocessing:
    """How a checkpoint's image processor prepares pictures for its vision tower."""
    size = model.config.vision_config.image_size
    images = processor.image_processor
    try:
        how = Preprocessing(
            size=size,
            shorter_side=int(images.size["shortest_edge"]),
            mean=three_numbers(images.image_mean),
            std=three_numbers(images.image_std),
            bicubic=True,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(
            f"the image processor in {folder} should have size with shortest_edge, and image_mean and "
            f"image_std of three numbers ({error!r}); copy its preprocessor_config.json anew"
        ) from error
    if how.shorter_side < size:
        raise InputError(
            f"the image processor in {folder} resizes images to {how.shorter_side} pixels, "
            f"but CLIP's vision tower there looks at {size}: use files that belong together"
        )
    return how


def three_numbers(values) -> Tuple[float, float, float]:
    """Raises TypeError or ValueError if they are not."""
    red, green, blue = values
    return float(red), float(green), float(blue)


# ---- any model -------------------------------------------------------------------------------------


def load_checkpoint(kind: Type[PreTrainedModel], folder: Path) -> nn.Module:
    """A CLIPVisionModel or a CLIPModel from a Hugging Face folder, in float32.

    The weights are model.safetensors, or pytorch_model.bin, which is read weights-only.
    Raises InputError if the folder holds no such checkpoint, or not all of the weights.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"no CLIP checkpoint: {folder / 'config.json'} does not exist. {CHECKPOINT_HELP}")
    if not weight_files(folder):
        raise InputError(f"{folder} has neither model.safetensors nor pytorch_model.bin. {CHECKPOINT_HELP}")
    silence_transformers()
    try:
        model, loaded = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # whatever the readers of json, safetensors and pickle raise on a damaged file
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: {first_line(error)}; copy it anew, or name another"
        ) from error
    missing = sorted(name for name in loaded["missing_keys"] if "position_ids" not in name)
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} weights of {kind.__name__}, the first is {missing[0]}: "
            "copy it anew, or name another"
        )
    return model.float()


def weight_files(folder: Path) -> List[Path]:
    """The files of a checkpoint that hold its weights, in the form that is read; none if it has none."""
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def silence_transformers():
    """No progress bars, and no warning that one tower stays unused, which is expected."""
    transformers_logging.set_verbosity_error()
    transformers_logging.disable_progress_bar()
