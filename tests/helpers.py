"""What tests share: running programs, a training, a small CLIP and a stand-in for it, a described run."""

import json
import math
import random
import re
import shlex
import subprocess
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch
from PIL import Image
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, CLIPProcessor, CLIPTokenizer

import annotate
import main
import predict
from clip.silence import silent_transformers
from data.benchmark import Benchmark, BenchmarkFiles, load_benchmark
from data.pipeline import dsva_preprocessing
from support.cli import REPOSITORY
from tiny_data import SMALL, write_dataset

# ---- any program -----------------------------------------------------------------------------------


def start(program, *words):
    """A program in this process; words: strings, numbers and paths"""
    program.main([str(word) for word in words])


def refusal(capsys, program, *arguments, **more) -> str:
    """The one line with which a program refuses what it is given.

    program: is called with the arguments, such as `start`
    """
    with pytest.raises(SystemExit) as stop:
        program(*arguments, **more)
    said = capsys.readouterr().err
    assert stop.value.code == 2 and said.startswith("error: ") and said.count("\n") == 1, said
    return said.strip()


def read_lines(file: Path) -> list:
    """The values of a file that holds one a line, as JSON."""
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


def write_lines(file: Path, values):
    file.write_text("".join(json.dumps(value) + "\n" for value in values), encoding="utf-8")


# ---- a training of main.py -------------------------------------------------------------------------

QUICK = (
    "--nepoch 3 --n_batch 2 --ways 3 --shots 2 --pretrain_epoch 0 --pretrain_lr 1e-2 --classifier_lr 1e-3 "
    "--pro_start_epoch -1 --manualSeed 1 --workers 0 --device cpu"
)


def run(words: str, **places):
    """main.py in this process; paths go in as options."""
    arguments = shlex.split(words)
    for name, value in places.items():
        arguments += [f"--{name}", str(value)]
    return main.main(arguments)


def fails(capsys, words, **places) -> str:
    """The one line with which main.py refuses its options."""
    return refusal(capsys, run, words, **places)


def interrupt(monkeypatch, title: str):
    """Ctrl-C, when the epoch of this title begins to train."""
    train = main.train_one_epoch

    def interrupted(*arguments, **more):
        if arguments[-1] == title:
            raise KeyboardInterrupt
        return train(*arguments, **more)

    monkeypatch.setattr(main, "train_one_epoch", interrupted)


def interrupt_epoch(monkeypatch, number: int) -> list:
    """Ctrl-C, when so many epochs have begun to train. Returns a list that grows by one with each epoch."""
    begun = []
    train = main.train_one_epoch

    def interrupted(*arguments, **more):
        begun.append(arguments)
        if len(begun) == number:
            raise KeyboardInterrupt
        return train(*arguments, **more)

    monkeypatch.setattr(main, "train_one_epoch", interrupted)
    return begun


def log(folder: Path) -> list:
    """The lines of a run's log, without the seconds."""
    lines = read_lines(folder / "log.jsonl")
    return [{key: value for key, value in line.items() if key != "seconds"} for line in lines]


# ---- a README ---------------------------------------------------------------------------------------


def python_of_the_readme() -> str:
    """The code of its section "From Python"."""
    readme = (REPOSITORY / "README.md").read_text(encoding="utf-8")
    section = readme.split("\n## From Python\n")[1].split("\n## ")[0]
    return "\n".join(re.findall("^    (.+)$", section, re.MULTILINE))


# ---- a container -----------------------------------------------------------------------------------


def run_with_shared_memory(size: str, *words) -> subprocess.CompletedProcess:
    """A command in a mount namespace of its own, where /dev/shm has so little room as in a container."""
    shell = f'mount -t tmpfs -o size={size} tmpfs /dev/shm && exec "$@"'
    command = ["unshare", "-m", "bash", "-c", shell, "_", *map(str, words)]
    return subprocess.run(command, capture_output=True, encoding="utf-8", timeout=300)


def may_mount() -> bool:
    """May this user do so?"""
    try:
        return run_with_shared_memory("64k", "true").returncode == 0
    except OSError:  # no Linux
        return False


needs_mount = pytest.mark.skipif(not may_mount(), reason="no right to make /dev/shm small here")


# ---- a benchmark -----------------------------------------------------------------------------------


def load(root: Path, random_id=0) -> Benchmark:
    """What `write_dataset` wrote."""
    files = root / "RSSDIVCS" / "files"
    return load_benchmark(
        BenchmarkFiles(
            images_mat=files / "61_images.mat",
            splits_mat=files / "ann_attr_finetune_61_splits.mat",
            groups_json=files / "attri_group_3.json",
            image_root=root / "RSSDIVCS",
            random_id=random_id,
        )
    )


# ---- annotation ------------------------------------------------------------------------------------

VOCABULARY = {
    "functions": ["runways", "ships"],
    "materials": ["sand"],
    "surface_properties": ["stripes", "circles"],
}
NAMES = ["runways", "ships", "sand", "stripes", "circles"]


WORDS = ["green field", "harbor: piers and ships", "desert"]  # that a CLIP alone may choose from


def write_whole_clip(folder):
    """A CLIP with tokenizer and image processor: a token a letter, images of 32 pixels cut from 36."""
    letters = sorted(ByteLevel.alphabet())
    words = [*letters, *(letter + "</w>" for letter in letters), "<|startoftext|>", "<|endoftext|>"]
    folder.mkdir()
    (folder / "vocab.json").write_text(json.dumps({word: number for number, word in enumerate(words)}))
    (folder / "merges.txt").write_text("#version: 0.2\n")
    images = CLIPImageProcessor(
        size={"shortest_edge": 36},
        crop_size={"height": 32, "width": 32},
        image_mean=[0.4, 0.5, 0.6],
        image_std=[0.2, 0.3, 0.25],
    )
    CLIPProcessor(images, CLIPTokenizer.from_pretrained(folder)).save_pretrained(folder)
    torch.manual_seed(0)
    text = {
        **SMALL,
        "vocab_size": len(words),
        "max_position_embeddings": 60,
        "bos_token_id": len(words) - 2,
        "eos_token_id": len(words) - 1,
    }
    vision = {**SMALL, "image_size": 32, "patch_size": 8}
    config = CLIPConfig(vision_config=vision, projection_dim=16, text_config=text)
    with silent_transformers():
        CLIPModel(config).save_pretrained(folder)
    return folder


class FakeClip:
    """Embeds a word as a vector drawn from it, and an image as one drawn from its file's name.

    FakeClip.images are the names of the images that it was asked for.
    """

    scale = 10.0
    preprocessing = dsva_preprocessing(32, "clip")

    def __init__(self, folder=None, device=None):
        FakeClip.images = []

    def embed_words(self, words, prompts):
        return torch.tensor([vector(word) for word in words])

    def loader(self, paths, batch_size, workers):
        return [([path], torch.tensor([number])) for number, path in enumerate(paths)]

    def embed_images(self, batches):
        return torch.cat([torch.empty(0, 4), *self.embed_batches(batches)])

    def embed_batches(self, batches):
        for paths, _ in batches:
            names = [path.name for path in paths]
            FakeClip.images += names
            yield torch.tensor([vector(name) for name in names])

    def weights_sha256(self):
        return {}

    def identity(self):
        return {"dimensions": 4}


def vector(word):
    """Four numbers drawn from a word, of unit length."""
    values = [random.Random(f"{word} {i}").gauss(0, 1) for i in range(4)]
    return [value / math.hypot(*values) for value in values]


CLASSES = [f"Class{c}" for c in range(5)]  # of the run below; the first two are unseen


def write_described_run(root: Path) -> Path:
    """A dataset that annotate.py described by its images, its CLIP, and run/ of one epoch, GZSL."""
    write_dataset(root, seen=3, unseen=2, per_class=3)  # the first two classes are unseen
    (root / "words.json").write_text(json.dumps(VOCABULARY))
    clip = write_whole_clip(root / "clip")
    common = [
        *("--root", root, "--clip", clip, "--group_file", "mine"),
        *("--device", "cpu", "--workers", 0),
    ]
    splits = root / "RSSDIVCS/files/mine_splits.mat"
    described = [*common, "--vocabulary", root / "words.json", "--output", splits]
    annotate.main([str(word) for word in described])
    trained = [*common, "--class_embedding", "mine", "--output", root / "run", "--manualSeed", 0, "--gzsl"]
    trained += "--nepoch 1 --n_batch 1 --ways 2 --shots 2 --calibrated_stacking 0.1".split()
    trained += ["--pretrain_lr", "1e-2"]
    main.main([str(word) for word in trained])
    return root


def predict_with(place: Path, *words):
    """predict.py in this process, with the run in `write_described_run`'s folder.

    words: options and paths; "--top 1 --classes all" counts as four of them
    """
    saved = place / "run" / "last.safetensors"
    options = ["--resume", saved, "--device", "cpu", "--workers", 0, "--batch_size", 3]
    for word in words:
        options += word.split() if str(word).startswith("--") else [word]
    predict.main([str(word) for word in options])


def predicted(folder: Path) -> list:
    """What predict.py wrote of each image."""
    return read_lines(folder / "predictions.jsonl")


def probabilities_in(line: dict) -> dict:
    """Of one image, by class."""
    return {entry["class"]: entry["probability"] for entry in line["classes"]}


def contents(folder: Path) -> tuple:
    """The bytes that predict.py wrote."""
    return tuple((folder / name).read_bytes() for name in ("predictions.jsonl", "predictions.csv"))


class Scene:
    """A large image to be divided into tiles: black on the left, white on the right."""

    georeference = None

    def __init__(self, width, height):
        pixels = np.zeros((height, width, 3), np.uint8)
        pixels[:, width // 2 :] = 255
        self.image, self.size = Image.fromarray(pixels), (width, height)

    def read(self, box):
        return self.image.crop(box)

    def overview(self, longest):
        return self.image


def change_splits(root, **variables):
    file = root / "RSSDIVCS" / "files" / "ann_attr_finetune_61_splits.mat"
    table = {key: value for key, value in scipy.io.loadmat(file).items() if not key.startswith("__")}
    scipy.io.savemat(file, {**table, **variables})
    return table
