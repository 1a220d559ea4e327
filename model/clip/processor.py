"""The processor of a CLIP checkpoint: its tokenizer, and how its image processor prepares pictures.

The image processor's file is read here and not by transformers: what transformers accepts, and the file in
which it looks first, differ between its versions.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Dict, List, Optional, Tuple

from transformers import CLIPTokenizerFast

from clip.file_kinds import PLACEHOLDERS, kind_of_file
from clip.silence import silent_transformers
from data.pipeline import NORMALIZATIONS, Preprocessing
from support.errors import InputError, first_line
from support.files import read_json

NESTED = "processor_config.json"  # transformers 5 writes the image processor inside of it
PLAIN = "preprocessor_config.json"
TOKENIZER_FILES = (
    *("tokenizer.json", "vocab.json", "merges.txt"),
    *("tokenizer_config.json", "special_tokens_map.json", "added_tokens.json"),
)

# what CLIPImageProcessor takes where its file says nothing
DEFAULT_SIZE = 224
BILINEAR, BICUBIC = 2, 3  # as Pillow numbers them
INTERPOLATIONS = {"bilinear": BILINEAR, "bicubic": BICUBIC}
CLIP_TYPES = ("CLIPImageProcessor", "CLIPFeatureExtractor")
STEPS = {"do_resize", "do_center_crop", "do_rescale", "do_normalize", "do_convert_rgb"}
LARGEST_SIDE = 4096  # pixels to which a picture is resized: more would fill the memory


@dataclass(frozen=True)
class Processor:
    """tokenizer: of sentences;  preprocessing: how pictures are prepared"""

    tokenizer: CLIPTokenizerFast
    preprocessing: Preprocessing


def load_processor(folder: Path, tower_size: int) -> Processor:
    """Both of a checkpoint.  tower_size: pixels a side of what its vision tower looks at"""
    return Processor(load_tokenizer(folder), read_preprocessing(folder, tower_size))


# ---- the tokenizer ---------------------------------------------------------------------------------


def load_tokenizer(folder: Path) -> CLIPTokenizerFast:
    """Raises InputError if the folder has none that can be read."""
    has_tokenizer = (folder / "tokenizer.json").is_file()
    has_words = (folder / "vocab.json").is_file() and (folder / "merges.txt").is_file()
    if not has_tokenizer and not has_words:
        raise InputError(
            f"{folder} has no tokenizer: sentences need its tokenizer.json, or its vocab.json and merges.txt"
        )
    for name in TOKENIZER_FILES:
        check_is_no_stand_in(folder / name)
    try:
        with silent_transformers():
            return CLIPTokenizerFast.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # whatever the readers of json raise on a damaged file
        raise InputError(
            f"{folder} has no readable processor: {first_line(error)}; copy its tokenizer anew"
        ) from error


def check_is_no_stand_in(file: Path):
    """Raise InputError for a Git LFS pointer, a web page or an empty file in place of a text file."""
    if not file.is_file():
        return
    kind, _ = kind_of_file(file)
    if kind.name in PLACEHOLDERS:
        raise InputError(
            f"{file.parent} has no readable processor: its {file.name} is {kind.what}; {kind.todo}"
        )


# ---- the image processor ---------------------------------------------------------------------------


def read_preprocessing(folder: Path, tower_size: int) -> Preprocessing:
    """How a checkpoint's image processor prepares pictures for its vision tower.

    tower_size: pixels a side of what the tower looks at

    Raises InputError if the file is unreadable, or asks for what is not done here.
    """
    file = image_processor_file(folder)
    config = read_image_processor(file)
    try:
        check_steps(config)
        size, shape = resized_size(config)
        check_crop(config, tower_size, shape)
        mean, std = normalization(config)
        bicubic = is_bicubic(config.get("resample"))
    except ValueError as error:
        raise InputError(
            f"the image processor in {folder} cannot be followed: {error} ({file.name}); "
            "copy it anew, or change it"
        ) from error
    if size < tower_size:
        raise InputError(
            f"the image processor in {folder} resizes images to {size} pixels, "
            f"but CLIP's vision tower there looks at {tower_size}: use files that belong together"
        )
    return Preprocessing(size=tower_size, shorter_side=size, mean=mean, std=std, bicubic=bicubic, shape=shape)


def image_processor_file(folder: Path) -> Path:
    """The file that counts, as in transformers 5: the nested one if it has an image processor."""
    nested = folder / NESTED
    plain = folder / PLAIN
    for file in (nested, plain):
        check_is_no_stand_in(file)
    if nested.is_file():
        config = read_json(nested)
        if isinstance(config, dict) and "image_processor" in config:
            return nested
    if plain.is_file():
        return plain
    raise InputError(
        f"{folder} has no readable processor: it lacks {PLAIN}, or a {NESTED} with image_processor; "
        "copy it from where the checkpoint comes from"
    )


def read_image_processor(file: Path) -> Dict[str, Any]:
    """What a CLIPImageProcessor is made of. Raises InputError if that is not in the file."""
    config = read_json(file)
    if isinstance(config, dict):
        config = config.get("image_processor", config)
    if not isinstance(config, dict):
        raise InputError(
            f"the image processor in {file.parent} cannot be followed: "
            f"expected a JSON object in {file.name}; copy it anew"
        )
    return config


def check_steps(config: Dict[str, Any]):
    """Raise ValueError if it is another model's processor, or has steps that are not done here."""
    kind = config.get("image_processor_type") or config.get("feature_extractor_type")
    is_clips = isinstance(kind, str) and kind.startswith(CLIP_TYPES)
    if kind is not None and not is_clips:
        raise ValueError(f"it is a {kind!r:.60}, expected a CLIPImageProcessor")
    for name, value in config.items():
        if not name.startswith("do_") or value is None:
            continue
        if not isinstance(value, bool):
            raise ValueError(f"{name:.60} should be true or false, and is {value!r:.60}")
        if value and name not in STEPS:
            raise ValueError(f"{name:.60} asks for a step that is unknown here")
    if not is_done(config, "do_resize"):
        raise ValueError("do_resize is false, but pictures of all sizes must fit the tower")


def is_done(config: Dict[str, Any], step: str) -> bool:
    """All steps are done if nothing is said."""
    value = config.get(step)
    return True if value is None else value


def resized_size(config: Dict[str, Any]) -> Tuple[int, Optional[Tuple[int, int]]]:
    """Pixels of the shorter side after the resize, and height and width if the shape is lost in it.

    A number is the shorter side; two, or height and width, are the whole picture. Raises ValueError.
    """
    size = config.get("size")
    if size is None:
        size = {"shortest_edge": DEFAULT_SIZE}
    if isinstance(size, dict):
        given = {name: value for name, value in size.items() if value is not None}
        if given.keys() == {"shortest_edge"}:
            return side(given["shortest_edge"], "size"), None
        if given.keys() == {"height", "width"}:
            shape = (side(given["height"], "size"), side(given["width"], "size"))
            return min(shape), shape
        raise ValueError(
            f"size has {', '.join(map(str, given))[:60] or 'nothing'}, "
            "expected size with shortest_edge, or with height and width"
        )
    if isinstance(size, list):
        shape = two_sides(size, "size")
        return min(shape), shape
    return side(size, "size"), None


def check_crop(config: Dict[str, Any], tower_size: int, shape: Optional[Tuple[int, int]]):
    """Raise ValueError if what is cut out of a resized picture is not what the tower looks at."""
    if not is_done(config, "do_center_crop"):
        if shape != (tower_size, tower_size):
            raise ValueError(
                "do_center_crop is false, which needs size with height and width of the tower, "
                f"{tower_size} pixels each"
            )
        return
    crop = config.get("crop_size")
    if crop is None:
        return
    if isinstance(crop, dict):
        given = {name: value for name, value in crop.items() if value is not None}
        if given.keys() != {"height", "width"}:
            raise ValueError("crop_size should be a number, or have height and width")
        found = (side(given["height"], "crop_size"), side(given["width"], "crop_size"))
    elif isinstance(crop, list):
        found = two_sides(crop, "crop_size")
    else:
        found = (side(crop, "crop_size"), side(crop, "crop_size"))
    if found != (tower_size, tower_size):
        raise ValueError(
            f"crop_size is {found[0]} x {found[1]}, but CLIP's vision tower there looks at "
            f"{tower_size} x {tower_size} pixels: use files that belong together"
        )


def side(value: Any, name: str) -> int:
    """Pixels. Raises ValueError if it is no sensible number of them."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if not is_number or not 1 <= value <= LARGEST_SIDE or value != int(value):
        raise ValueError(f"{name} should be pixels, 1 to {LARGEST_SIDE}, and is {value!r:.60}")
    return int(value)


def two_sides(values: List[Any], name: str) -> Tuple[int, int]:
    """Height and width."""
    if len(values) != 2:
        raise ValueError(f"{name} should be height and width, and has {len(values)} numbers")
    return side(values[0], name), side(values[1], name)


def is_bicubic(resample: Any) -> bool:
    """Raises ValueError for what is neither bicubic, the default, nor bilinear."""
    if isinstance(resample, str):
        resample = INTERPOLATIONS.get(resample.lower(), resample)
    if resample is None or (resample == BICUBIC and not isinstance(resample, bool)):
        return True
    if resample == BILINEAR and not isinstance(resample, bool):
        return False
    raise ValueError(f"resample is {resample!r:.60}, expected {BILINEAR} (bilinear) or {BICUBIC} (bicubic)")


# ---- normalisation ---------------------------------------------------------------------------------

Three = Tuple[float, float, float]


def normalization(config: Dict[str, Any]) -> Tuple[Three, Three]:
    """Mean and standard deviation of R, G and B in [0, 1], whatever range the processor has them in."""
    mean: Three = (0.0, 0.0, 0.0)
    std: Three = (1.0, 1.0, 1.0)
    if is_done(config, "do_normalize"):
        clips_mean, clips_std = NORMALIZATIONS["clip"]
        mean = three_numbers(config, "image_mean", clips_mean)
        std = three_numbers(config, "image_std", clips_std)
    if not all(value > 0 for value in std):
        raise ValueError("image_std should be three numbers above 0")
    # pixels * factor is what mean and std are of
    factor = rescale_factor(config)
    if abs(255 * factor - 1) < 1e-6:
        return mean, std
    return scaled(mean, 1 / (255 * factor)), scaled(std, 1 / (255 * factor))


def rescale_factor(config: Dict[str, Any]) -> float:
    """What pixels of 0 to 255 are multiplied with."""
    if not is_done(config, "do_rescale"):
        return 1.0
    factor = config.get("rescale_factor")
    if factor is None:
        return 1 / 255
    if not is_finite_number(factor) or not 1e-6 <= factor <= 1e6:
        raise ValueError(f"rescale_factor should be a number above 0, and is {factor!r:.60}")
    return float(factor)


def scaled(values: Three, by: float) -> Three:
    """Each of the three."""
    red, green, blue = values
    return red * by, green * by, blue * by


def three_numbers(config: Dict[str, Any], name: str, default: Three) -> Three:
    """One number is that of all three colours."""
    values = config.get(name)
    if values is None:
        return default
    if is_finite_number(values):
        values = [values] * 3
    if not isinstance(values, list) or len(values) != 3 or not all(map(is_finite_number, values)):
        raise ValueError(f"expected image_mean and image_std of three numbers, found {name} {values!r:.60}")
    red, green, blue = values
    return float(red), float(green), float(blue)


def is_finite_number(value: Any) -> bool:
    """Not true or false either, and nothing that float32 cannot hold."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return False
    return abs(value) < 1e30  # which no NaN is
