"""Writing a CLIP as a Hugging Face folder: the processor's files, and the weights."""

import shutil
from pathlib import Path
from typing import Any, Dict, Sequence

from transformers import CLIPModel

from clip.checkpoint import weight_files
from clip.processor import NESTED, PLAIN, load_tokenizer
from clip.silence import silence_transformers
from clip.tokenizer import train_tokenizer
from data.pipeline import NORMALIZATIONS
from support.errors import InputError
from support.files import atomic, follow_umask, read_json, write_json

TOKENIZER_FILES = (
    "vocab.json",
    "merges.txt",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "added_tokens.json",
)
PROCESSOR_FILES = (*TOKENIZER_FILES, "preprocessor_config.json", "processor_config.json")


# ---- the processor ---------------------------------------------------------------------------------


def write_new_processor(folder: Path, texts: Sequence[str], vocab_size: int, context: int, image_size: int):
    """A tokenizer that knows the words of these texts, and an image processor for images of this size.

    Those of an interrupted run are kept.
    """
    if (folder / "preprocessor_config.json").is_file():
        return
    train_tokenizer(texts, vocab_size, context, folder)
    write_json(folder / "preprocessor_config.json", image_processor_config(image_size))


def copy_tokenizer(source: Path, folder: Path, tokens: int):
    """The tokenizer of another CLIP.  tokens: how many the text tower knows

    Raises InputError if it has another number of them, as one of another family has.
    """
    tokenizer = load_tokenizer(source)
    if len(tokenizer) != tokens:
        raise InputError(
            f"the tokenizer in {source} has {len(tokenizer)} tokens, but the text tower knows {tokens}: "
            "give the folder of a CLIP of the same family"
        )
    for file in source.iterdir():
        if file.name in TOKENIZER_FILES:
            shutil.copyfile(file, folder / file.name)


def copy_processor(source: Path, folder: Path):
    """The tokenizer and the image processor of another CLIP."""
    for file in source.iterdir():
        if file.name in PROCESSOR_FILES:
            with atomic(folder / file.name) as temporary:
                shutil.copyfile(file, temporary)


def resize_processor(folder: Path, size: int):
    """Change the image processor in a folder to images of this size, in pixels a side."""
    for file in (folder / PLAIN, folder / NESTED):
        if not file.is_file():
            continue
        config = read_json(file)
        images = config.get("image_processor", config)  # transformers 5 keeps it one level down
        if file.name == PLAIN or images is not config:
            given = images.get("size")
            is_squeezed = isinstance(given, list) or (isinstance(given, dict) and bool(given.get("height")))
            images.update(image_sizes(size))
            if is_squeezed:
                images["size"] = {"height": size, "width": size}
            write_json(file, config)


def image_processor_config(size: int) -> Dict[str, Any]:
    """What a CLIPImageProcessor reads from preprocessor_config.json.  size: in pixels a side"""
    mean, deviation = NORMALIZATIONS["clip"]
    return {
        "image_processor_type": "CLIPImageProcessor",
        "do_convert_rgb": True,
        "do_resize": True,
        "resample": 3,  # bicubic
        "do_center_crop": True,
        **image_sizes(size),
        "do_rescale": True,
        "rescale_factor": 1 / 255,
        "do_normalize": True,
        "image_mean": mean,
        "image_std": deviation,
    }


def image_sizes(size: int) -> Dict[str, Any]:
    """Of the resize and of the crop after it."""
    return {"size": {"shortest_edge": size}, "crop_size": {"height": size, "width": size}}


# ---- the weights -----------------------------------------------------------------------------------


def fits_half(model: CLIPModel) -> bool:
    """Are all weights small enough for float16, which ends at 65504? Larger ones would become infinite."""
    return all(bool(value.half().isfinite().all()) for value in model.parameters())


def round_to_half(model: CLIPModel):
    """Round the weights to float16, in place, so that what is reported is what is saved.

    If some are too large for it, a line says so, and all stay as they are.
    """
    if not fits_half(model):
        print("note: --half: some weights are over 65504, the most that float16 holds; they stay float32")
        return
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()


def save_clip(folder: Path, model: CLIPModel, half: bool):
    """config.json and model.safetensors.

    half: weights in float16; the config says float32 in any case, so that they load as that
    """
    silence_transformers()
    weights = {name: value.half() if half else value for name, value in model.state_dict().items()}
    try:
        model.save_pretrained(folder, state_dict=weights, safe_serialization=True)
        for file in weight_files(folder):
            follow_umask(file)
    except OSError as error:
        raise InputError(f"cannot write {folder}: {error}") from error
