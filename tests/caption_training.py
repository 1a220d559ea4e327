"""A tiny training of finetune_clip.py on captions: images, captions, teachers, and what comes out."""

from pathlib import Path

import numpy as np
from PIL import Image
from transformers import CLIPModel

import finetune_clip
from data.benchmark import readable
from helpers import refusal, start, write_lines

COLOURS = {"GreenField": (40, 160, 50), "harbor": (30, 60, 170), "desert": (200, 170, 90)}
TRAINED_ON = [f"{name}/{number}.png" for name in COLOURS for number in range(3)]  # the images of train.jsonl
SENTENCES = ["a zeppelin above zeppelins", "many zeppelins", "zeppelin zeppelin"]
HERE = ["--workers", "0", "--device", "cpu"]
SIZES = [
    *("--image_size 32 --patch_size 8 --width 32 --layers 1 --heads 2".split()),
    *("--text_width 32 --text_layers 1 --text_heads 2".split()),
    *("--projection 16 --vocab_size 600 --context 12".split()),
]
TINY = [*SIZES, "--batch_size", "6", *HERE]


def write_captioned_images(folder: Path) -> Path:
    """Twelve images in three class folders, two captions each, with a train.jsonl and a test.jsonl."""
    rng = np.random.default_rng(0)
    lines = []
    for name, colour in COLOURS.items():
        (folder / name).mkdir()
        for number in range(4):
            pixels = np.clip(np.array(colour) + rng.normal(0, 20, (36, 40, 3)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
            captions = [f"a {readable(name)} from above.", f"many {readable(name)} number {number} ."]
            lines.append({"image": f"{name}/{number}.png", "captions": captions})
    write_lines(folder / "train.jsonl", [line for line in lines if "3.png" not in line["image"]])
    write_lines(folder / "test.jsonl", [line for line in lines if "3.png" in line["image"]])
    return folder


def write_teacher(file: Path, names, vectors) -> Path:
    np.savez(file, names=np.array(names), vectors=np.asarray(vectors, np.float16))
    return file


def inputs(folder) -> list:
    """The options that say what finetune_clip.py trains on."""
    return ["--images", folder, "--captions", folder / "train.jsonl"]


def train(folder, output, *more, size=TINY, epochs=3):
    """finetune_clip.py in this process, on the images and captions in a folder."""
    words = [
        *inputs(folder),
        "--test_captions",
        folder / "test.jsonl",
        "--output",
        output,
        "--epochs",
        epochs,
    ]
    finetune_clip.main([str(word) for word in [*words, *size, *more]])


def weights(folder):
    return CLIPModel.from_pretrained(folder).state_dict()


def training_error(capsys, *words) -> str:
    """The one line with which finetune_clip.py refuses its options."""
    return refusal(capsys, start, finetune_clip, *words)
