"""Checkpoints and folders of CLIPs that are nearly right."""

import io
import json
import math
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from clip.checkpoint import load_both_towers
from clip.kinds import kind_of
from clip.processor import read_preprocessing
from clip.teachers import read_image_vectors
from data.pipeline import Normalize, load_image
from fuzzing import cases, ends_well, folder
from inference.saved import load_saved
from nearly_right import ODD, dumped, nearly, nearly_bytes, nearly_json

pytestmark = pytest.mark.usefixtures("quick")
CPU = torch.device("cpu")


@cases(0.06)
def test_checkpoints(sound_files, data):
    with safe_open(sound_files / "run" / "last.safetensors", framework="pt") as file:
        weights = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, no dict
        metadata = {key: json.loads(value) for key, value in sorted(file.metadata().items())}
    with folder() as here:
        new = data.draw(nearly(metadata).filter(lambda value: isinstance(value, dict)))
        words = {key.replace("\ud800", ""): dumped(value) for key, value in new.items()}
        save_file(weights, here / "x.safetensors", metadata=words)
        ends_well(load_saved, here / "x.safetensors", CPU)


@cases(0.06)
def test_weights(sound_files, data):
    content = (sound_files / "run" / "last.safetensors").read_bytes()
    with folder() as here:
        (here / "x.safetensors").write_bytes(data.draw(nearly_bytes(content)))
        ends_well(load_saved, here / "x.safetensors", CPU)


@cases(0.05)
def test_clip_folders(sound_files, data):
    with folder() as here:
        target = Path(shutil.copytree(sound_files / "clip", here / "clip"))
        file = data.draw(st.sampled_from(sorted(target.iterdir())))
        new = nearly_bytes(file.read_bytes())
        if file.suffix == ".json" and "vocab" not in file.name and file.name != "tokenizer.json":
            new = nearly_json(json.loads(file.read_bytes()))
        file.write_bytes(data.draw(new))
        ends_well(load_both_towers, target)


# Sides and steps of an image processor, in every form in which some version or some author writes them.
SIDES = st.sampled_from([16, 32, 36, 36, 40, 224, 36.0, 36.5, "36", 0, -1, None, True, 10**9, math.nan])
SIZES = st.one_of(
    SIDES,
    st.lists(SIDES, max_size=3),
    st.dictionaries(
        st.sampled_from(["shortest_edge", "longest_edge", "height", "width", "max_height"]), SIDES, max_size=3
    ),
    st.builds(lambda side: {"height": side, "width": side}, SIDES),
)
COLOURS = st.one_of(
    st.just([0.5, 0.4, 0.3]),
    st.lists(st.sampled_from([0, 0.5, -1, 120, "x", None, math.nan]), max_size=4),
    ODD,
)
PROCESSOR = {
    "size": SIZES,
    "crop_size": st.sampled_from([32, {"height": 32, "width": 32}, [32, 32]]) | SIZES,
    "resample": st.sampled_from([2, 3, "bicubic"]) | ODD,
    "do_resize": st.sampled_from([True, False, None]) | ODD,
    "do_center_crop": st.sampled_from([True, False, None]) | ODD,
    "do_rescale": st.sampled_from([True, False, None]) | ODD,
    "do_normalize": st.sampled_from([True, False, None]) | ODD,
    "do_pad": st.sampled_from([True, False, None]),
    "rescale_factor": st.sampled_from([1 / 255, 1 / 127.5, 1, 0]) | ODD,
    "image_mean": COLOURS,
    "image_std": COLOURS,
    "image_processor_type": st.sampled_from(
        ["CLIPImageProcessor", "CLIPImageProcessorFast", "ViTImageProcessor"]
    ),
    "feature_extractor_type": st.sampled_from(["CLIPFeatureExtractor", None]),
}


@st.composite
def image_processors(draw):
    """Names and contents of a CLIP's processor files: of any form, right or not, in one file or in two."""
    names = draw(st.sets(st.sampled_from(sorted(PROCESSOR)), max_size=5)) | {"size"}
    config = {name: draw(PROCESSOR[name]) for name in sorted(names)}
    content = dumped(config).encode()
    nested = dumped({"image_processor": config, "processor_class": "CLIPProcessor"}).encode()
    forms = [
        {"preprocessor_config.json": content},
        {"processor_config.json": nested},
        {
            "preprocessor_config.json": content,
            "processor_config.json": b'{"processor_class": "CLIPProcessor"}',
        },
        {"preprocessor_config.json": b"{}", "processor_config.json": nested},
        {"preprocessor_config.json": draw(nearly_bytes(content))},
    ]
    return draw(st.sampled_from(forms))


@cases(0.06)
def test_processors_of_any_form(sound_files, picture, data):
    with folder() as here:
        target = Path(shutil.copytree(sound_files / "clip", here / "clip"))
        for name in ("preprocessor_config.json", "processor_config.json"):
            (target / name).unlink(missing_ok=True)
        for name, content in data.draw(image_processors()).items():
            (target / name).write_bytes(content)
        ends_well(prepare_picture, target, picture)


def prepare_picture(clip: Path, picture: Path):
    """What is followed gives the tower finite numbers of the right size."""
    how = read_preprocessing(clip, 32)
    pixels = Normalize(how)(load_image(picture, how)[None])
    assert pixels.shape == (1, 3, 32, 32) and pixels.isfinite().all()


@pytest.fixture(scope="module")
def picture(tmp_path_factory) -> Path:
    file = tmp_path_factory.mktemp("picture") / "x.png"
    Image.new("RGB", (50, 70), (10, 200, 30)).save(file)
    return file


@cases(0.05)
def test_what_a_file_is(sound_files, data):
    content = load_file(sound_files / "clip" / "model.safetensors")
    is_new = data.draw(st.booleans())
    with folder() as here:
        torch.save(content, here / "x.pt", _use_new_zipfile_serialization=is_new)
        right = [here / "x.pt", sound_files / "clip" / "model.safetensors"]
        whole = data.draw(st.sampled_from([file.read_bytes() for file in right]))
        name = data.draw(st.sampled_from(["x.pt", "x.safetensors", "pytorch_model.bin"]))
        (here / name).write_bytes(data.draw(nearly_bytes(whole)))
        kind = kind_of(here / name)
        assert kind.name and kind.what.isprintable() and kind.todo
        ends_well(load_both_towers, here / name)
        (here / "config.json").write_text("{}")
        ends_well(load_both_towers, here)


@cases(0.05)
def test_teachers(data):
    vectors, names = np.random.default_rng(0).normal(size=(3, 4)), np.array(["a", "b", "c"])
    file = io.BytesIO()
    np.savez(file, names=names, vectors=vectors)
    with folder() as here:
        (here / "teacher.npz").write_bytes(data.draw(nearly_bytes(file.getvalue())))
        ends_well(read_image_vectors, here / "teacher.npz", ["a", "b"])
