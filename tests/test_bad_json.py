"""Files of JSON that are nearly right: vocabularies, values, descriptions, captions, lists."""

import json

import numpy as np
import pytest

import annotate
import finetune_clip
import predict
from clip.attributes import load_vocabulary
from clip.captions import read_captions
from clip.sentences import read_descriptions
from data.image_lists import lines_by_image
from fuzzing import COMMON, cases, ends_well, folder
from helpers import NAMES, VOCABULARY, read_lines, start
from inference.new_columns import columns_by_hand
from nearly_right import nearly_json

pytestmark = pytest.mark.usefixtures("quick")


@cases(0.04)
def test_vocabulary(data):
    with folder() as here:
        (here / "words.json").write_bytes(data.draw(nearly_json(VOCABULARY)))
        ends_well(load_vocabulary, here / "words.json")


@cases(0.02)
def test_annotating_with_a_vocabulary(sound_files, data):
    with folder() as here:
        (here / "words.json").write_bytes(data.draw(nearly_json(VOCABULARY)))
        words = ["--root", sound_files, "--clip", sound_files / "clip", "--group_file", "new", *COMMON]
        words += ["--vocabulary", here / "words.json", "--output", here / "new" / "new_splits.mat"]
        ends_well(start, annotate, *words, output=here / "new")


@cases(0.04)
def test_class_values(sound_files, data):
    with folder() as here:
        values = json.loads((sound_files / "values.json").read_text())
        (here / "values.json").write_bytes(data.draw(nearly_json(values)))
        ends_well(columns_by_hand, here / "values.json", NAMES, np.eye(len(NAMES)))


@cases(0.04)
def test_descriptions(data):
    said = {"airport": "runways, ships", "beach": ["sand", "open water"], "port": "ships"}
    with folder() as here:
        (here / "said.json").write_bytes(data.draw(nearly_json(said)))
        ends_well(read_descriptions, here / "said.json", ["Airport", "beach", "port"], {})


@cases(0.02)
def test_predicting_with_class_values(sound_files, data):
    with folder() as here:
        values = json.loads((sound_files / "values.json").read_text())
        (here / "values.json").write_bytes(data.draw(nearly_json(values)))
        words = ["--resume", sound_files / "run" / "last.safetensors", sound_files / "RSSDIVCS" / "Class0"]
        words += ["--class_values", here / "values.json", "--output", here / "out", *COMMON]
        ends_well(start, predict, *words, output=here / "out")


@cases(0.08)
def test_captions(sound_files, data):
    with folder() as here:
        captions = read_lines(sound_files / "captions.jsonl")[:3]
        (here / "captions.jsonl").write_bytes(data.draw(nearly_json(captions, lines=True)))
        ends_well(read_captions, here / "captions.jsonl", sound_files / "RSSDIVCS", "train")


@cases(0.04)
def test_rsicd_captions(sound_files, data):
    images = []
    for line in read_lines(sound_files / "captions.jsonl")[:2]:
        sentences = [{"raw": text} for text in line["captions"]]
        images.append({"filename": line["image"], "split": "train", "sentences": sentences})
    with folder() as here:
        (here / "rsicd.json").write_bytes(data.draw(nearly_json({"images": images, "dataset": "rsicd"})))
        ends_well(read_captions, here / "rsicd.json", sound_files / "RSSDIVCS", "train")


@cases(0.01)
def test_training_on_captions(sound_files, data):
    with folder() as here:
        captions = read_lines(sound_files / "captions.jsonl")[:3]
        (here / "captions.jsonl").write_bytes(data.draw(nearly_json(captions, lines=True)))
        words = ["--images", sound_files / "RSSDIVCS", "--captions", here / "captions.jsonl"]
        words += ["--init", sound_files / "clip", "--output", here / "out"]
        words += ["--epochs", 1, "--batch_size", 2, *COMMON]
        ends_well(start, finetune_clip, *words, output=here / "out")


@cases(0.03)
def test_lists_of_images(sound_files, data):
    captions = read_lines(sound_files / "captions.jsonl")
    known = {line["image"] for line in captions}
    with folder() as here:
        (here / "list.jsonl").write_bytes(data.draw(nearly_json(captions[:3], lines=True)))
        ends_well(lines_by_image, here / "list.jsonl", known)
