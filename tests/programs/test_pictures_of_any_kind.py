"""Pictures of satellites, and what is no picture, through the programs."""

import json
import os

import numpy as np
import pytest
import torch
from PIL import Image

import annotate
import main
import predict
import prepare
import report
import visualize
import zero_shot_clip
from data.pipeline import Images
from deep_pictures import needs_rasterio, photograph, write_png16, write_tiff
from helpers import VOCABULARY, refusal, write_whole_clip
from inference import load_saved

pytestmark = pytest.mark.usefixtures("forgotten_notes")
CLASSES = ["forest", "port", "river", "desert"]


def write_classes(folder, write, per_class=4):
    """Pictures of four classes.  write: a number, and the file without an ending -> writes it"""
    for c, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for number in range(per_class):
            write(10 * c + number, folder / name / str(number))
    return folder


def values(seed: int, bands=3) -> np.ndarray:
    """uint8 [H, W, C], another one for each seed."""
    noise = np.random.default_rng(seed).integers(0, 12, (40, 50, bands)).astype(np.uint8)
    return np.roll(photograph(bands=bands), seed, axis=1) + noise


def run_prepare(folder, *words):
    output = folder.parent / "data" / "mine"
    prepare.main([str(folder), "--output", str(output), "--unseen", "1", "--workers", "1", *words])


# ---- prepare.py says what it found -----------------------------------------------------------------


def test_a_sensors_few_bits_are_told_of(tmp_path, capsys):
    write = lambda seed, file: write_png16(file.with_suffix(".png"), values(seed).astype(np.uint16) << 3)
    run_prepare(write_classes(tmp_path / "photos", write))
    notes = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note")]
    assert len(notes) == 1 and "16 of 16 images use less than 6% of their type's range" in notes[0]
    assert "each is brought to 8 bits by the range that it uses" in notes[0] and "8 bits" in notes[0]


@pytest.mark.parametrize("wrong, told", [(16, True), (4, True), (3, False), (0, False)])
def test_pictures_that_show_next_to_nothing_are_told_of_if_they_are_many(tmp_path, wrong, told, capsys):
    count = iter(range(16))
    shift = lambda pixels: pixels >> 5 if next(count) < wrong else pixels
    write = lambda seed, file: Image.fromarray(shift(values(seed))).save(file.with_suffix(".png"))
    run_prepare(write_classes(tmp_path / "photos", write))
    said = capsys.readouterr().out
    assert (f"note: {wrong} of 16 images use less than 6% of their range, such as " in said) == told
    assert ("save them anew: with 16 bits" in said) == told and said.count("note: ") == told


def test_near_infrared_is_told_of_once(tmp_path, capfd):
    write = lambda seed, file: write_tiff(file.with_suffix(".tif"), values(seed, bands=4), extra=2)
    run_prepare(write_classes(tmp_path / "photos", write))
    said = capfd.readouterr()
    assert said.out.count("band 4 is no transparency") == 1 and "illow" not in said.err


def test_a_pipe_is_named_and_not_waited_for(tmp_path, capsys):
    write = lambda seed, file: Image.fromarray(values(seed)).save(file.with_suffix(".png"))
    folder = write_classes(tmp_path / "photos", write)
    os.mkfifo(folder / "port" / "x.jpg")
    said = refusal(capsys, run_prepare, folder)
    assert (
        "1 of 17 images cannot be read" in said and "port/x.jpg: it is a folder, a pipe or a device" in said
    )
    run_prepare(folder, "--skip_bad")
    assert "16 images of 4 classes" in capsys.readouterr().out


# ---- predict.py ------------------------------------------------------------------------------------


@pytest.mark.parametrize("tile", [[], ["--tile", "32"]])
def test_prediction_passes_a_pipe_over(place, tmp_path, tile, capsys):
    (tmp_path / "photos").mkdir()
    Image.fromarray(values(0)).save(tmp_path / "photos" / "a.png")
    os.mkfifo(tmp_path / "photos" / "x.jpg")
    words = ["--resume", place / "run" / "last.safetensors", tmp_path / "photos", *tile]
    words += ["--output", tmp_path / "out", "--device", "cpu", "--workers", 0]
    predict.main([str(word) for word in words])
    assert "x.jpg: it is a folder, a pipe or a device" in capsys.readouterr().out


# ---- bands -----------------------------------------------------------------------------------------


@needs_rasterio
def test_bands_go_through_all_programs(tmp_path, capsys, monkeypatch):
    """Six bands of which 4 3 2 are seen; the run keeps the choice, and what it looks at next has it, too."""
    write = lambda seed, file: write_tiff(
        file.with_suffix(".tif"), values(seed, bands=6).astype(np.uint16) << 3, photometric=1
    )
    folder = write_classes(tmp_path / "photos", write)
    assert "it has 6 bands: --bands says which" in refusal(capsys, run_prepare, folder)
    bands = ["--bands", "4", "3", "2"]
    run_prepare(folder, *bands)
    seen = []
    monkeypatch.setattr(Images, "__init__", watched(Images.__init__, seen))

    clip = write_whole_clip(tmp_path / "clip")
    (tmp_path / "words.json").write_text(json.dumps(VOCABULARY))
    common = ["--root", tmp_path / "data", "--dataset", "mine", "--image_root", folder, "--clip", clip]
    common += ["--image_embedding", "mine", "--group_file", "mine", "--device", "cpu", "--workers", 0]
    files = tmp_path / "data" / "mine" / "files"
    described = files / "described_splits.mat"
    words = [*common, "--class_embedding", "mine", "--vocabulary", tmp_path / "words.json", *bands]
    annotate.main(list(map(str, [*words, "--output", described])))
    zero_shot_clip.main(list(map(str, [*common, "--class_embedding", described, *bands])))
    train = "--nepoch 1 --n_batch 1 --ways 2 --shots 2 --pretrain_lr 1e-2 --cache memory".split()
    words = [*common, "--class_embedding", described, *train, *bands]
    main.main(list(map(str, [*words, "--output", tmp_path / "run"])))
    assert len(seen) >= 3 and set(seen) == {(4, 3, 2)}

    saved = tmp_path / "run" / "last.safetensors"
    assert load_saved(saved, torch.device("cpu")).preprocessing.bands == (4, 3, 2)
    photos = [folder / "port", "--output", tmp_path / "out", "--device", "cpu", "--workers", 0]
    for _ in range(2):  # the second goes on
        predict.main(list(map(str, ["--resume", saved, *photos, "--add_class", f"new={folder / 'river'}"])))
    assert json.loads((tmp_path / "out" / "options.json").read_text())["options"]["bands"] == [4, 3, 2]
    assert "error" not in (tmp_path / "out" / "predictions.jsonl").read_text()
    assert set(seen) == {(4, 3, 2)}
    report.main([str(tmp_path / "out"), "--output", str(tmp_path / "page.html")])
    assert "not there any more" not in (tmp_path / "page.html").read_text()
    words = ["--resume", saved, "--images", folder / "port", "--output", tmp_path / "seen"]
    visualize.main(list(map(str, [*words, "--device", "cpu"])))
    refused = refusal(capsys, visualize.main, list(map(str, [*words, "--device", "cpu", "--bands", 7, 1, 1])))
    assert "it has 6 bands, and --bands asks for number 7" in refused


def watched(init, seen):
    def wrapped(self, paths, how, *rest, **named):
        seen.append(how.bands)
        init(self, paths, how, *rest, **named)

    return wrapped
