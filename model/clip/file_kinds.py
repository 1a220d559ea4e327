"""What a file is that was given as a checkpoint, by its first bytes and by the names of its weights.

`kinds.kind_of` is where to ask, also of folders.
"""

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Optional, Sequence, Tuple

from clip.weight_names import (
    OLD_TORCH,
    Content,
    CutOffError,
    read_archive,
    read_old_torch,
    read_pickle,
    read_safetensors,
)

# a weight that all networks of a kind have
VISION = "vision_model.embeddings.class_embedding"
TEXT = "text_model.embeddings.token_embedding.weight"
SIGLIP = ("vision_model.head.probe", "logit_bias")
TOWER_ALONE = "embeddings.class_embedding"
OPEN_CLIP = ("visual.conv1.weight", "visual.class_embedding", "visual.attnpool.positional_embedding")
OPEN_CLIP_PARTS = ("visual.trunk.", "visual.transformer.resblocks.", "text.transformer.")
NOT_CONVERTED = {
    "visual.layer1.": "a ResNet, which has no patches",
    "visual.trunk.": "a tower of timm, which is built otherwise",
    "text.transformer.embeddings.": "a text tower of another kind",
}
CONVERTED = "FILE --output FOLDER"  # the arguments of convert_clip.py
OPENAI_ONLY = {"input_resolution", "context_length", "vocab_size"}
TIMM = "blocks.0.attn.qkv.weight"
OURS = "tower.embeddings.class_embedding"
WRAPPERS = ("state_dict", "model_state_dict", "model", "module", "model_ema", "ema", "net", "network")
PLACEHOLDERS = ("lfs pointer", "web page", "empty")  # in place of a file

HERE = "CLIP is read here in Hugging Face's form: a folder with config.json and model.safetensors"
ANEW = "copy or download it anew"


@dataclass(frozen=True)
class Kind:
    """name: for programs, such as "clip"; what: in words, after "it is"; todo: what the user can do"""

    name: str
    what: str
    todo: str = ANEW


CLIP = Kind("clip", "a CLIP with both towers")
VISION_ONLY = Kind("vision tower", "a CLIP's vision tower alone", "name the folder of the whole CLIP")
TEXT_ONLY = Kind("text tower", "a CLIP's text tower alone", "name the folder of the whole CLIP")
UNKNOWN = Kind("unknown", "nothing that is known here", f"name another; {HERE}")


# ---- files -----------------------------------------------------------------------------------------


def kind_of_file(path: Path) -> Tuple[Kind, Content]:
    """Also the names of weights, if it has such. Raises OSError if it cannot be read."""
    if path.exists() and not path.is_file() and not path.is_dir():
        return Kind("no file", "a pipe or a device", "name a file"), Content([])
    with path.open("rb") as file:
        start = file.read(512)
    no_weights = kind_of_start(start, path)
    if no_weights:
        return no_weights, Content([])
    try:
        content = read_content(path, start)
    except CutOffError as error:
        return Kind("cut off", f"a file of weights that is cut off: {error}"), Content([])
    except ValueError as error:
        return Kind("damaged", f"a damaged file of weights: {error}"), Content([])
    if content is None:
        return UNKNOWN, Content([])
    return kind_of_content(content), content


def kind_of_start(start: bytes, path: Path) -> Optional[Kind]:
    """Of what is no file of weights in a form that is read here; None if it may be one."""
    text = start.lstrip(b"\xef\xbb\xbf").lstrip().lower()
    if not start:
        return Kind("empty", "an empty file")
    if not start.strip(b"\0"):
        return Kind("empty", "a file of zeros, as an interrupted download leaves it")
    if start.startswith(b"version https://git-lfs.github.com/spec"):
        return Kind(
            "lfs pointer",
            "a Git LFS pointer, a few lines that stand for the file itself",
            "run `git lfs pull` in its folder, or download the file itself",
        )
    if text.startswith((b"<!doctype", b"<html", b"<?xml", b"<head", b"<script")):
        return Kind("web page", "a web page", "download the file itself, not the page that shows it")
    known = {
        b"\x1f\x8b": "a gzip archive",
        b"7z\xbc\xaf\x27\x1c": "a 7z archive",
        b"\xfd7zXZ": "an xz archive",
        b"Rar!": "a rar archive",
        b"\x89HDF": "an HDF5 file, as TensorFlow and Keras write weights",
        b"GGUF": "a GGUF file, as llama.cpp reads it",
        b"\x93NUMPY": "a NumPy array",
        b"MATLAB 5.0": "a MATLAB file",
        b"\x89PNG": "a PNG picture",
        b"\xff\xd8\xff": "a JPEG picture",
    }
    for magic, what in known.items():
        if start.startswith(magic):
            todo = "unpack it, and name the folder" if "archive" in what else f"name another; {HERE}"
            return Kind("other", what, todo)
    if start[257:262] == b"ustar":
        return Kind("other", "a tar archive", "unpack it, and name the folder")
    if path.suffix in (".msgpack", ".onnx", ".pb"):
        return Kind("other", f"a {path.suffix} file, weights for another library", f"name another; {HERE}")
    if is_text(start):
        shown = start.decode("ascii").strip()[:40]
        return Kind("text", f"a text file, which begins with {shown!r}", "download the file itself")
    return None


def is_text(start: bytes) -> bool:
    """Printable letters alone."""
    return all(chr(byte) in string.printable for byte in start)


def read_content(path: Path, start: bytes) -> Optional[Content]:
    """None if it is no file of weights."""
    if start[8:9] == b"{":
        return read_safetensors(path)
    if start.startswith(b"PK\x03\x04"):
        return read_archive(path)
    if start.startswith(OLD_TORCH):
        return read_old_torch(path)
    if start.startswith(b"\x80"):
        with path.open("rb") as file:
            return read_pickle(file)
    if path.suffix == ".safetensors":
        raise ValueError("it does not begin like one")
    return None


# ---- what the names tell ---------------------------------------------------------------------------


def kind_of_content(content: Content) -> Kind:
    """Of a file of weights."""
    names = content.names
    if {"options", "vision_config"} <= content.metadata.keys() or OURS in names:
        return Kind(
            "dsva",
            "a trained network of main.py, of which CLIP is a part",
            "name the folder of the CLIP that it was trained from",
        )
    is_script = any(part.endswith("constants.pkl") for part in content.parts)
    if is_script and any("/code/" in part for part in content.parts):
        return Kind(
            "torchscript",
            "a TorchScript archive, a program with its weights, as OpenAI publishes CLIP",
            f"python model/convert_clip.py {CONVERTED} says how to take the weights out of it",
        )
    if content.parts and not any(part.endswith("data.pkl") for part in content.parts):
        return Kind("other", "a zip archive", "unpack it, and name the folder")
    if {"teachers", "history", "optimizer"} <= set(names):
        return Kind(
            "unfinished",
            "the state of an unfinished run of finetune_clip.py",
            "start that run again with the same command: it goes on and writes the checkpoint",
        )
    return kind_of_names(names)


def kind_of_names(names: Sequence[str]) -> Kind:
    """Of the names of all weights."""
    for marker in SIGLIP:
        if prefix_of(marker, names) is not None and prefix_of(TEXT, names) is not None:
            return Kind("siglip", "a SigLIP, which is built otherwise than CLIP", "name a CLIP")
    for marker in (VISION, TEXT):
        prefix = prefix_of(marker, names)
        if prefix is not None:
            return clip_with(prefix, wrapper_of(prefix + marker, names), names)
    if is_open_clip(names):
        return open_clip_with(names)
    if prefix_of(TIMM, names) is not None:
        return Kind("timm", "a vision transformer in timm's form, without text", "name a CLIP")
    if prefix_of(TOWER_ALONE, names) is not None:
        return Kind(
            "bare tower",
            "a CLIP's vision tower alone, whose names lack vision_model.",
            "name the folder of the whole CLIP",
        )
    return UNKNOWN


def open_clip_with(names: Sequence[str]) -> Kind:
    """Weights in the names that OpenAI and open_clip give them."""
    if set(names) >= OPENAI_ONLY:
        what = "a CLIP in OpenAI's form"
    else:
        what = "a CLIP in open_clip's form"
    for part, built in NOT_CONVERTED.items():
        if any(part in name for name in names):
            return Kind("open_clip", f"{what}, with {built}", "name a ViT CLIP")
    return Kind("open_clip", what, f"python model/convert_clip.py {CONVERTED} makes of it what is read here")


def clip_with(prefix: str, wrapper: Optional[str], names: Sequence[str]) -> Kind:
    """CLIP's weights in Hugging Face's names, which may have a prefix, and lie in a dictionary of its own."""
    if wrapper or prefix not in ("", "clip."):
        facts = []
        steps = []
        if wrapper:
            facts.append(f'lie in a dictionary "{wrapper}"')
            steps.append(f'what is in "{wrapper}"')
        if prefix:
            facts.append(f"have {prefix} in front of their names")
            steps.append(f"the names without {prefix}")
        return Kind(
            "wrapped",
            f"a file of CLIP's weights that {' and '.join(facts)}",
            f"save {' and '.join(steps)}, by torch.save as pytorch_model.bin",
        )
    if prefix + TEXT not in names:
        return VISION_ONLY
    if not any(name.startswith(prefix + "vision_model.") for name in names):
        return TEXT_ONLY
    return CLIP


def prefix_of(marker: str, names: Sequence[str]) -> Optional[str]:
    """What stands in front of this name, "" if nothing does; None if the name is not there."""
    for name in names:
        if name == marker or name.endswith("." + marker):
            return name[: -len(marker)]
    return None


def wrapper_of(weight: str, names: Sequence[str]) -> Optional[str]:
    """The dictionary in which this weight lies inside of a file; None if it lies in none."""
    for name in names[: list(names).index(weight)]:
        if name in WRAPPERS:
            return name
    return None


def is_open_clip(names: Sequence[str]) -> bool:
    """open_clip's names, which are OpenAI's, too."""
    if any(prefix_of(marker, names) is not None for marker in OPEN_CLIP):
        return True
    return any(part in name for name in names for part in OPEN_CLIP_PARTS)
