"""CLIP checkpoints in Hugging Face's form."""

import io
import logging
from contextlib import redirect_stderr
from pathlib import Path
from typing import List, Tuple, Type

import torch
from torch import nn
from transformers import CLIPModel, CLIPProcessor, CLIPVisionConfig, CLIPVisionModel, PreTrainedModel
from transformers.utils import logging as transformers_logging

from support.errors import InputError, first_line

CHECKPOINT_HELP = (
    "CLIP-RSICD is on the Hugging Face hub as flax-community/clip-rsicd and flax-community/clip-rsicd-v2: "
    "download config.json and pytorch_model.bin into that folder, or name another with --clip"
)


def build_tower(config: CLIPVisionConfig) -> nn.Module:
    """A CLIP vision tower with random weights. Its parameter names are the same in every version of transformers."""
    model = CLIPVisionModel(config)
    return getattr(model, "vision_model", model)  # transformers 4 wraps the tower once more


def load_tower(folder: Path) -> nn.Module:
    """The vision tower of a CLIP checkpoint, in float32 whatever its weights are stored in."""
    model = load_checkpoint(CLIPVisionModel, folder)
    return getattr(model, "vision_model", model)


def load_checkpoint(kind: Type[PreTrainedModel], folder: Path) -> nn.Module:
    """A CLIPVisionModel or a whole CLIPModel from a Hugging Face folder: model.safetensors, or pytorch_model.bin read weights-only.

    Raises InputError if the folder holds no such checkpoint, or not all of the weights.
    """
    folder = Path(folder)
    if not (folder / "config.json").is_file():
        raise InputError(f"no CLIP checkpoint: {folder / 'config.json'} does not exist. {CHECKPOINT_HELP}")
    if not weight_files(folder):
        raise InputError(f"{folder} has neither model.safetensors nor pytorch_model.bin. {CHECKPOINT_HELP}")
    transformers_logging.set_verbosity_error()  # that one tower may stay unused is expected
    transformers_logging.disable_progress_bar()
    try:
        model, loaded = kind.from_pretrained(folder, local_files_only=True, output_loading_info=True)
    except Exception as error:  # whatever the readers of json, safetensors and pickle raise on a damaged file
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: {first_line(error)}; copy it anew, or name another"
        ) from error
    missing = sorted(name for name in loaded["missing_keys"] if "position_ids" not in name)
    if missing:
        raise InputError(
            f"{folder} lacks {len(missing)} weights of {kind.__name__}, the first is {missing[0]}: copy it anew, or name another"
        )
    return model.float()


def attend_plainly(model: nn.Module, device: torch.device):
    """On CPUs torch's fused attention is slow backwards: in bfloat16 a step of a small tower takes half as long again."""
    if device.type == "cpu" and hasattr(model, "set_attn_implementation"):  # transformers 4.40 has not
        model.set_attn_implementation("eager")


def weight_files(folder: Path) -> List[Path]:
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))


def load_clip(folder: Path) -> Tuple[CLIPModel, CLIPProcessor]:
    """Both towers and the processor of a Hugging Face CLIP checkpoint, or an InputError that says what the folder lacks."""
    model = load_checkpoint(CLIPModel, folder)
    if not (folder / "tokenizer.json").is_file() and not (
        (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    ):
        raise InputError(
            f"{folder} has no tokenizer: sentences need its tokenizer.json, or its vocab.json and merges.txt"
        )
    try:
        processor = CLIPProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever the readers of json raise on a damaged file
        raise InputError(
            f"{folder} has no readable processor: {first_line(error)}; copy its tokenizer and preprocessor_config.json anew"
        ) from error
    if len(processor.tokenizer) > model.config.text_config.vocab_size:
        raise InputError(
            f"the tokenizer in {folder} has {len(processor.tokenizer)} tokens, but CLIP's text tower there knows "
            f"{model.config.text_config.vocab_size}: use files that belong together"
        )
    return model.eval(), processor


def compile_tower(tower: torch.nn.Module, device: torch.device):
    """In place: its weights keep their names. Where torch has no compiler it says so, and the tower stays as it is."""
    logging.getLogger("torch.utils.cpp_extension").setLevel(
        logging.ERROR
    )  # warns of every machine with nvcc and no GPU
    try:
        with redirect_stderr(io.StringIO()):  # torch before 2.7 prints that
            torch.compile(torch.neg)(torch.zeros(2, device=device))
        tower.compile()
    except Exception as error:  # whatever a compiler, or the lack of one, raises
        print(f"note: --compile cannot be used here ({first_line(error)}): the network runs as it is")
