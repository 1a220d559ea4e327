"""CLIP checkpoints in Hugging Face's form, read and checked."""

import io
import logging
from contextlib import redirect_stderr
from pathlib import Path
from typing import Iterable, List, Optional, Tuple, Type

import torch
from torch import Tensor, nn
from transformers import CLIPModel, CLIPVisionConfig, CLIPVisionModel, PreTrainedModel

from clip.file_kinds import PLACEHOLDERS, Kind, kind_of_file, kind_of_names
from clip.kinds import TORCH, kind_of, loaded_files, shards_problem
from clip.processor import Processor, load_processor
from clip.silence import silent_transformers
from clip.weight_names import Content
from support.errors import InputError, first_line
from support.untrusted import parse_json

CHECKPOINT_HELP = (
    "CLIP-RSICD is on the Hugging Face hub as flax-community/clip-rsicd and flax-community/clip-rsicd-v2: "
    "download config.json and pytorch_model.bin into that folder, or name another folder"
)
ANOTHER = "copy it anew, or name another"
OWN_TYPES = ("clip", "clip_vision_model", "clip_text_model")  # model_type in a CLIP's config.json
WEIGHT_KINDS = ("clip", "vision tower", "text tower", "bare tower", "unknown")  # the loader says the rest
SAFE_CLASSES = ("torch", "collections ")  # what Python may be asked for in a file of weights


# ---- the vision tower alone ------------------------------------------------------------------------


def build_tower(config: CLIPVisionConfig) -> nn.Module:
    """A vision tower with random weights. Its parameters are named alike in all versions of transformers."""
    model = CLIPVisionModel(config)
    return getattr(model, "vision_model", model)  # transformers 4 wraps the tower once more


def load_tower(folder: Path) -> nn.Module:
    """The vision tower of a CLIP checkpoint, in float32 whatever its weights are stored in."""
    model = load_checkpoint(CLIPVisionModel, folder)
    tower = getattr(model, "vision_model", model)
    check_tower(tower, folder)
    return tower


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


def load_both_towers(folder: Path) -> Tuple[CLIPModel, Processor]:
    """Both towers and the processor of a checkpoint. Raises InputError that says what the folder lacks."""
    model = load_checkpoint(CLIPModel, folder)
    processor = load_processor(folder, model.config.vision_config.image_size)
    tokens = len(processor.tokenizer)
    known = model.config.text_config.vocab_size
    if tokens > known:
        raise InputError(
            f"the tokenizer in {folder} has {tokens} tokens, but CLIP's text tower there knows "
            f"{known}: use files that belong together"
        )
    temperature = model.logit_scale.exp()
    if not (temperature.isfinite() and temperature > 0):
        wrong = "small" if temperature == 0 else "large"
        raise InputError(
            f"{folder} is a broken CLIP: its logit_scale, {model.logit_scale.item():g}, is too {wrong}; "
            f"{ANOTHER}"
        )
    return model.eval(), processor


# ---- any model -------------------------------------------------------------------------------------


def load_checkpoint(kind: Type[PreTrainedModel], folder: Path) -> nn.Module:
    """A CLIPVisionModel or a CLIPModel from a Hugging Face folder, in float32.

    The weights are model.safetensors, or pytorch_model.bin, which is read weights-only.
    Raises InputError if the folder holds no such checkpoint, or not all of the weights, or broken ones.
    """
    folder = Path(folder)
    content = check_is_clip(folder, needs_text=kind is CLIPModel)
    try:
        with silent_transformers():
            model, loaded = kind.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, torch_dtype=torch.float32
            )
    except Exception as error:  # whatever the readers of json, safetensors and pickle raise on a damaged file
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: {reason(error, content)}; {ANOTHER}"
        ) from error
    missing = sorted(name for name in loaded["missing_keys"] if "position_ids" not in name)
    if missing:
        found = kind_of_names(content.names)
        is_what = f" (it is {found.what})" if found.name not in ("clip", "unknown") else ""
        raise InputError(
            f"{folder} lacks {len(missing)} weights of {kind.__name__}, the first is {missing[0]}{is_what}: "
            f"{ANOTHER}"
        )
    model = model.float()
    check_finite_weights(model.state_dict().items(), folder)
    return model


def check_is_clip(folder: Path, needs_text: bool) -> Content:
    """What the files of weights tell. Raises InputError for what cannot be loaded, before anything is."""
    check_config(folder)
    problem = shards_problem(folder)
    if problem:
        raise unreadable(folder, problem)
    files = loaded_files(folder)
    if not files:
        found = kind_of(folder)
        lacks = f"{folder} has neither model.safetensors nor pytorch_model.bin"
        if found.name == "no weights":
            raise InputError(f"{lacks}. {CHECKPOINT_HELP}")
        raise InputError(f"{lacks}: it is {found.what}; {found.todo}")
    all_content = Content([])
    for file in files:
        kind, content = kind_of_file(file)
        if kind.name not in (*WEIGHT_KINDS, "siglip", "open_clip", "timm", "wrapped"):
            raise unreadable(file, kind)
        is_safetensors = not content.classes and not content.parts
        if content.names and is_safetensors != (file.suffix == ".safetensors"):
            right = "model.safetensors" if is_safetensors else TORCH[0]
            raise unreadable(
                file, Kind("renamed", "of another format than its name says", f"call it {right}")
            )
        all_content.names += content.names
        all_content.classes += content.classes
    found = kind_of_names(all_content.names)
    is_half = found.name == "text tower" or (found.name == "vision tower" and needs_text)
    if is_half or found.name not in WEIGHT_KINDS:
        raise unreadable(folder, found)
    return all_content


def check_config(folder: Path):
    """Raise InputError if there is no config.json of a CLIP, and say what is there."""
    file = folder / "config.json"
    if folder.is_file():
        kind = kind_of(folder)
        if kind.name in ("clip", "vision tower") and (folder.parent / "config.json").is_file():
            raise unreadable(folder, Kind(kind.name, "a file", f"name its folder, {folder.parent}"))
        raise unreadable(folder, kind)
    if not file.is_file():
        kind = kind_of(folder)
        advice = CHECKPOINT_HELP
        if kind.name not in ("missing", "no weights", "unknown"):
            advice = f"It is {kind.what}; {kind.todo}"
        if kind.name in ("clip", "vision tower"):
            advice = "The weights are there: download config.json to them"
        raise InputError(f"no CLIP checkpoint: {file} does not exist. {advice}")
    try:
        config = parse_json(file.read_bytes().decode("utf-8-sig"))
    except (OSError, ValueError) as error:
        kind, _ = kind_of_file(file)
        is_known = kind.name in PLACEHOLDERS
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: its config.json is "
            f"{kind.what if is_known else f'not JSON ({first_line(error)})'}; "
            f"{kind.todo if is_known else ANOTHER}"
        ) from error
    if not isinstance(config, dict):
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: its config.json is no JSON object; {ANOTHER}"
        )
    if begins_with_mark(file):
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: its config.json begins with a byte order mark, "
            "which transformers does not read; save it as UTF-8 without one"
        )
    model_type = config.get("model_type")
    if isinstance(model_type, str) and model_type not in OWN_TYPES:
        raise InputError(
            f"{folder} is not a readable CLIP checkpoint: its config.json is that of a {model_type!r:.60}, "
            "which is built otherwise; name a CLIP (model_type clip)"
        )


def begins_with_mark(file: Path) -> bool:
    """Is it text that begins with UTF-8's byte order mark, as some editors write it?"""
    with file.open("rb") as start:
        return start.read(3) == b"\xef\xbb\xbf"


def unreadable(path: Path, kind: Kind) -> InputError:
    """What is given is something else."""
    return InputError(f"{path} is not a readable CLIP checkpoint: it is {kind.what}; {kind.todo}")


def reason(error: Exception, content: Content) -> str:
    """Why weights could not be loaded. torch's own advice, to load them unsafely, is not passed on."""
    for name in content.classes:
        if not name.startswith(SAFE_CLASSES):
            return f"it holds more than weights ({name:.60}), which could run code, and is not opened"
    message = first_line(error)
    if "ignore_mismatched_sizes" in message:  # a report for programmers
        return "its weights have other shapes than its config.json says; use files that belong together"
    if "Weights only load failed" in message:
        return "it holds more than weights, which could run code, and is not opened"
    return message


# ---- finite numbers --------------------------------------------------------------------------------


def check_finite_weights(weights: Iterable[Tuple[str, Tensor]], source: Path):
    """Raise InputError that names the first weight that is NaN or infinite.

    weights: pairs of name and values;  source: where they come from, for the message
    """
    name = first_not_finite(weights)
    if name:
        raise InputError(
            f"{source} holds broken weights: {name} has NaN or infinite values, "
            f"as half precision leaves them where it overflows; {ANOTHER}"
        )


def first_not_finite(weights: Iterable[Tuple[str, Tensor]]) -> Optional[str]:
    """The name of the first weight that is NaN or infinite somewhere; None if all are finite."""
    for name, value in weights:
        if value.is_floating_point() and value.numel():
            lowest, highest = torch.aminmax(value.detach())  # NaN if there is one; one pass, no copy
            if not (lowest.isfinite() and highest.isfinite()):
                return name
    return None


def check_embeddings(vectors: Tensor, of_what: str, source: Path) -> Tensor:
    """The vectors [n, P] themselves. Raises InputError if one is not finite, or not of length 1.

    Of features too large for float32 the length overflows, and they become 0 when they are divided by it.
    of_what: "pictures" or "sentences"
    """
    is_sound = (vectors.norm(dim=1) - 1).abs() < 0.01  # which no NaN is
    if not is_sound.all():
        broken = int((~is_sound).sum())
        raise InputError(
            f"{source} is a broken CLIP: its embeddings of {broken} of {len(vectors)} {of_what} "
            f"are no finite numbers; {ANOTHER}"
        )
    return vectors


@torch.no_grad()
def check_tower(tower: nn.Module, source: Path):
    """Raise InputError if a vision tower makes no finite numbers of a plain picture."""
    size = tower.config.image_size
    pixels = torch.ones(1, tower.config.num_channels, size, size)
    if not tower(pixels).pooler_output.isfinite().all():
        raise InputError(
            f"{source} is a broken CLIP: its vision tower makes NaN or infinite numbers of a picture; "
            f"{ANOTHER}"
        )


# ---- files -----------------------------------------------------------------------------------------


def weight_files(folder: Path) -> List[Path]:
    """The files of a checkpoint that hold its weights, in the form that is read; none if it has none."""
    return sorted(folder.glob("model*.safetensors")) or sorted(folder.glob("pytorch_model*.bin"))
