"""Every form of an image processor: followed as transformers follows it, or refused in one line."""

import json

import numpy as np
import pytest
import torch
from PIL import Image
from transformers import CLIPImageProcessor

from clip import Clip
from clip.processor import read_preprocessing
from clip.saving import resize_processor
from data.pipeline import NORMALIZATIONS, Normalize, load_image
from helpers import write_whole_clip
from support.errors import InputError

SIZE = 32  # of the tower
SQUARE = {"height": SIZE, "width": SIZE}
SOUND = {"size": {"shortest_edge": 36}, "crop_size": SQUARE, "image_processor_type": "CLIPImageProcessor"}


def written(folder, config, nested=False):
    """A folder with this image processor alone."""
    folder.mkdir(exist_ok=True)
    name = "processor_config.json" if nested else "preprocessor_config.json"
    whole = {"image_processor": config, "processor_class": "CLIPProcessor"} if nested else config
    (folder / name).write_text(json.dumps(whole))
    return folder


@pytest.fixture(scope="module")
def picture(tmp_path_factory):
    """Smooth, so that rounding in a resize plays no part, and not square."""
    pixels = np.random.default_rng(0).integers(0, 255, size=(6, 8, 3), dtype=np.uint8)
    file = tmp_path_factory.mktemp("picture") / "image.png"
    Image.fromarray(pixels).resize((64, 48), Image.BICUBIC).save(file)
    return file


# ---- what is followed ------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"size": 36},
        {"size": {"height": 36, "width": 40}},
        {"size": {"height": SIZE, "width": SIZE}, "do_center_crop": False},
        {"size": {"height": SIZE, "width": SIZE}, "do_center_crop": False, "crop_size": None},
        {"size": {"shortest_edge": SIZE}},
        {"crop_size": SIZE},
        {"resample": 3},
        {"resample": 2},
        {"do_normalize": False},
        {"do_rescale": False, "image_mean": [120, 110, 100], "image_std": [60, 61, 62]},
        {"do_rescale": False, "do_normalize": False},
        {"rescale_factor": 1 / 127.5, "image_mean": [1, 1, 1], "image_std": [0.5, 0.5, 0.5]},
        {"image_mean": [0.5, 0.5, 0.5], "image_std": [0.5, 0.5, 0.5]},
        {"do_convert_rgb": True, "do_resize": True, "rescale_factor": 1 / 255},
        {"image_processor_type": "CLIPImageProcessorFast"},
    ],
)
def test_a_picture_is_prepared_as_transformers_prepares_it(tmp_path, picture, changes, nested):
    config = {**SOUND, **changes}
    how = read_preprocessing(written(tmp_path / "clip", config, nested), SIZE)
    ours = Normalize(how)(load_image(picture, how)[None])
    given = {name: value for name, value in config.items() if value is not None}
    given.pop("image_processor_type")
    theirs = CLIPImageProcessor(**given)(Image.open(picture), return_tensors="pt")["pixel_values"]
    step = 255 * max(1 / 255 / value for value in how.std) / 255  # of one grey value
    assert ours.shape == theirs.shape == (1, 3, SIZE, SIZE)
    torch.testing.assert_close(ours, theirs.float(), rtol=1e-4, atol=2.01 * step)
    assert (ours - theirs).abs().mean() < 0.3 * step


@pytest.mark.parametrize(
    "config, shorter_side",
    [
        ({}, 224),
        ({"size": None, "crop_size": None, "image_mean": None, "image_std": None, "resample": None}, 224),
        ({"size": 224, "crop_size": 224, "feature_extractor_type": "CLIPFeatureExtractor"}, 224),
        ({"size": {"shortest_edge": 256, "longest_edge": None}, "crop_size": [224, 224]}, 256),
        ({"size": [224, 256]}, 224),
    ],
)
def test_what_is_not_said_is_as_in_clip(tmp_path, config, shorter_side):
    how = read_preprocessing(written(tmp_path / "clip", config), 224)
    assert (how.size, how.shorter_side, how.bicubic) == (224, shorter_side, True)
    assert (how.mean, how.std) == NORMALIZATIONS["clip"]


def test_the_nested_file_counts_and_one_that_has_no_image_processor_does_not(tmp_path):
    folder = written(tmp_path / "clip", {**SOUND, "size": 40})
    (folder / "processor_config.json").write_text('{"processor_class": "CLIPProcessor"}')
    assert read_preprocessing(folder, SIZE).shorter_side == 40
    written(folder, SOUND, nested=True)
    assert read_preprocessing(folder, SIZE).shorter_side == 36


def test_one_number_is_that_of_all_colours(tmp_path):
    how = read_preprocessing(
        written(tmp_path / "clip", {**SOUND, "image_mean": 0.5, "image_std": 0.25}), SIZE
    )
    assert (how.mean, how.std) == ((0.5, 0.5, 0.5), (0.25, 0.25, 0.25))


def test_a_clip_with_height_and_width_embeds(tmp_path):
    """It ended in `This should never happen!!` of transformers' or in a refusal."""
    folder = write_whole_clip(tmp_path / "clip")
    for name in ("preprocessor_config.json", "processor_config.json"):
        (folder / name).unlink(missing_ok=True)
    written(folder, {**SOUND, "size": {"height": 36, "width": 36}})
    Image.new("RGB", (50, 70), (10, 200, 30)).save(tmp_path / "x.png")
    clip = Clip(folder, torch.device("cpu"))
    assert clip.preprocessing.shape == (36, 36)
    assert clip.embed_images(clip.loader([tmp_path / "x.png"], 1, 0)).shape == (1, 16)


# ---- what is refused -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"size": {"longest_edge": 36}}, "size has longest_edge"),
        ({"size": {"shortest_edge": 36, "longest_edge": 50}}, "size has shortest_edge, longest_edge"),
        ({"size": {"height": 36}}, "size has height"),
        ({"size": {}}, "size has nothing"),
        ({"size": "36"}, "size should be pixels"),
        ({"size": True}, "size should be pixels"),
        ({"size": 36.5}, "size should be pixels"),
        ({"size": 10**9}, "size should be pixels, 1 to 4096"),
        ({"size": float("nan")}, "size should be pixels"),
        ({"size": [36, 36, 3]}, "size should be height and width"),
        ({"size": 30}, "resizes images to 30 pixels"),
        ({"crop_size": 30}, "crop_size is 30 x 30"),
        ({"crop_size": {"shortest_edge": 32}}, "crop_size should be a number, or have height and width"),
        ({"do_resize": False}, "do_resize is false"),
        ({"do_center_crop": False}, "do_center_crop is false"),
        ({"do_center_crop": "no"}, "do_center_crop should be true or false"),
        ({"do_flip_channel_order": True}, "do_flip_channel_order asks for a step"),
        ({"resample": 1}, "resample is 1, expected 2"),
        ({"resample": "lanczos"}, "resample is 'lanczos'"),
        ({"image_mean": [0.5, 0.5]}, "found image_mean"),
        ({"image_mean": [0.5, 0.5, None]}, "found image_mean"),
        ({"image_std": [0.5, 0.5, 0]}, "image_std should be three numbers above 0"),
        ({"image_std": [0.5, 0.5, float("nan")]}, "found image_std"),
        ({"image_std": [0.5, 0.5, 10**400]}, "found image_std"),
        ({"rescale_factor": 0}, "rescale_factor should be a number above 0"),
        ({"image_processor_type": "SiglipImageProcessor"}, "it is a 'SiglipImageProcessor'"),
    ],
)
def test_what_is_not_done_here_is_refused_in_a_line(tmp_path, changes, says):
    folder = written(tmp_path / "clip", {**SOUND, **changes})
    with pytest.raises(InputError) as error:
        read_preprocessing(folder, SIZE)
    assert says in str(error.value) and str(folder) in str(error.value) and "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "3", "null", "{", "version https://git-lfs.github.com/spec/v1\n"])
@pytest.mark.parametrize("name", ["preprocessor_config.json", "processor_config.json"])
def test_a_file_that_is_none_is_refused(tmp_path, name, text):
    (tmp_path / name).write_text(text)
    with pytest.raises(InputError, match="processor"):
        read_preprocessing(tmp_path, SIZE)


# ---- larger pictures -------------------------------------------------------------------------------


@pytest.mark.parametrize("nested", [False, True])
@pytest.mark.parametrize(
    "size, shape", [(36, None), (None, None), ([36, 36], (64, 64)), ({"height": 36, "width": 36}, (64, 64))]
)
def test_a_processor_is_resized_in_the_form_that_it_has(tmp_path, size, shape, nested):
    folder = written(tmp_path / "clip", {**SOUND, "size": size, "image_mean": [0.5, 0.5, 0.5]}, nested)
    resize_processor(folder, 64)
    how = read_preprocessing(folder, 64)
    assert (how.size, how.shorter_side, how.shape, how.mean) == (64, 64, shape, (0.5, 0.5, 0.5))
