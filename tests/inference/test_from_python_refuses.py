"""Wrong input from Python: one line that says what was expected."""

from pathlib import Path

import numpy as np
import pytest
import torch
from loaded import SIDE, refused
from PIL import Image

from helpers import CLASSES
from inference import load_clip, load_run
from pages.panels import draw_attention

SQUARE = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)


@pytest.mark.parametrize(
    "pictures, message",
    [
        (None, "expected paths, PIL images or a tensor, found a NoneType"),
        (3, "found an int"),
        ([SQUARE, None], "picture 1: expected a path, a PIL image, or a uint8 tensor .*, found a NoneType"),
        ("nowhere.jpg", "cannot read the image nowhere.jpg"),
        (["."], "is a folder: name its pictures"),
        (Path(__file__), "cannot read the image"),
        ([np.zeros((8, 8, 3), np.uint8)], "picture 0: .* found a ndarray; Image.fromarray makes a PIL image"),
        (SQUARE.float(), r"uint8 tensor \[3, 32, 32\], found float32 \[3, 32, 32\]"),
        (SQUARE[:, :8], r"found uint8 \[3, 8, 32\]"),
        (SQUARE[:1], r"found uint8 \[1, 32, 32\]"),
        (SQUARE[0], r"expected a tensor \[n, 3, 32, 32\], found \[32, 32\]"),
        (SQUARE[None, None], r"found \[1, 1, 3, 32, 32\]"),
        (Image.new("RGB", (0, 5)), "cannot read picture 0: it has no pixels"),
        (Image.new("F", (5, 5), 70000.0), "cannot read picture 0: "),  # its range is not known
    ],
)
def test_what_is_no_picture(loaded_run, loaded_clip, pictures, message):
    refused(message, loaded_run.predict, pictures)
    refused(message, loaded_run.prepare, pictures)
    refused(message, loaded_clip.predict, pictures)
    refused(message, draw_attention, loaded_run, pictures)


def test_a_closed_or_broken_picture(loaded_run, files, tmp_path):
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:300])
    refused("cannot read the image .*cut.png", loaded_run.predict, tmp_path / "cut.png")
    refused("cannot read picture 0", loaded_run.predict, Image.open(tmp_path / "cut.png"))
    closed = Image.open(files[0])
    closed.close()
    refused("cannot read picture 1", loaded_run.predict, [files[0], closed])


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", None, True])
def test_wrong_sizes_of_a_batch(loaded_run, files, batch_size):
    refused("batch_size: expected a whole number from 1 on", loaded_run.predict, files, batch_size=batch_size)


def test_a_folder_is_refused_with_what_lists_its_pictures(loaded_run, place):
    refused("is a folder: name its pictures, as sorted.glob.glob.", loaded_run.predict, place / "RSSDIVCS")


def test_what_is_no_run(place, tmp_path):
    refused("no such file: .*nowhere", load_run, tmp_path / "nowhere")
    refused("is no run folder", load_run, tmp_path)
    refused("was not saved by a run of main.py", load_run, place / "clip" / "model.safetensors")
    refused("expected the path of a file or a folder, found 3", load_run, 3)
    file = place / "run" / "last.safetensors"
    refused("device abacus cannot be used here", load_run, file, device="abacus")
    for bands in ([1, 2], [0, 1, 2], [1, 2, "3"]):
        refused("bands: expected three numbers from 1 on", load_run, file, device="cpu", bands=bands)


@pytest.mark.parametrize(
    "new, how, message",
    [
        ([""], {}, "with_classes '': expected"),
        (["quay="], {}, "with_classes 'quay=': expected"),
        (["quay=nowhere/*.jpg"], {}, "with_classes: no picture is found by"),
        ([3], {}, "with_classes: expected .* or a NewClass, found 3"),
        (["class 0"], {}, "with_classes: Class0 is a class of the run"),
        (["quay", "Quay"], {}, "with_classes: .* is named twice"),
        ([], {"values": {}}, "values: expected"),
        ([], {"values": {"quay": 3}}, "values: expected"),
        ([], {"values": {3: {"sand": 1}}}, "values: expected"),
        ([], {"values": {"quay": {"gold": 1}}}, "values: quay has an unknown attribute 'gold'"),
        ([], {"values": {"quay": {"sand": "much"}}}, "values: 'sand' of quay should be a number"),
        ([], {"values": {"quay": {"sand": float("nan")}}}, "values: 'sand' of quay should be a number"),
        ([], {"values": {"class_0": {"sand": 1}}}, "with_classes: Class0 is a class of the run"),
        ([], {"values": "nowhere.json"}, "nowhere.json"),
        (["quay"], {"prompts": ["a quay"]}, "prompts: expected sentences with {} for the name"),
        (["quay"], {"clip": "nowhere"}, "nowhere"),
    ],
)
def test_classes_that_cannot_be_added(loaded_run, new, how, message):
    refused(message, loaded_run.with_classes, *new, **how)
    assert loaded_run.candidates.names == CLASSES


def test_classes_that_cannot_be_chosen(loaded_run):
    refused("classes: there is no class gold", loaded_run.among, ["gold"])
    refused("without: there is no class gold", loaded_run.among, without=["gold"])
    refused("no candidate class is left", loaded_run.among, "none")


def test_what_is_no_clip_and_no_name(place, loaded_clip, tmp_path):
    refused("nowhere", load_clip, tmp_path / "nowhere", ["airport"])
    for names in ([], "airport", None):
        refused("names: expected a list, such as", load_clip, place / "clip", names)
    refused("names: expected .* or a NewClass, found 3", load_clip, place / "clip", [3])
    refused("names: a is named twice", load_clip, place / "clip", ["a", "A"])
    refused("vocabulary: expected names of attributes", load_clip, place / "clip", ["a"], [])
    refused("nowhere.json", load_clip, place / "clip", ["a"], tmp_path / "nowhere.json")
    refused("prompts: expected sentences", load_clip, place / "clip", ["a"], prompts=["b"])
    refused("is named twice", loaded_clip.with_classes, "desert")


def test_panels_that_cannot_be_drawn(loaded_run, loaded_clip, files):
    refused("a CLIP alone has none", draw_attention, loaded_clip, files[0])
    refused("expected one picture", draw_attention, loaded_run, files)
    refused("expected one picture and top from 1 on", draw_attention, loaded_run, files[0], top=0)
