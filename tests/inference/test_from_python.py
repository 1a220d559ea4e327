"""What a notebook does with a saved run, or with a CLIP alone: nothing is printed, changed or left behind."""

import io
import json
import logging
import os
import random
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import matplotlib
import numpy as np
import pytest
import torch
from PIL import Image
from transformers.utils import logging as transformers_logging

import predict
from data.pipeline import load_image
from helpers import NAMES, predict_with, python_of_the_readme
from inference import NewClass, load_clip, load_run, load_saved
from inference.classifier import six_digits
from pages import panels
from pages.panels import draw_attention
from runs.checkpoint import checkpoint_metadata, save_checkpoint
from support.cli import REPOSITORY
from support.errors import InputError

CLASSES = [f"Class{c}" for c in range(5)]  # the first two are unseen
WORDS = ["green field", "harbor: piers and ships", "desert"]
SIDE, GRID, BATCH = 32, 4, 3  # of the run: pixels of a square, cells of a map; pictures in a batch
ARRAYS = ("probabilities", "scores", "attributes", "maps", "windows")


@pytest.fixture(scope="module")
def run(place):
    return load_run(place / "run" / "last.safetensors", device="cpu")


@pytest.fixture(scope="module")
def clip(place):
    return load_clip(place / "clip", WORDS, vocabulary=place / "words.json", device="cpu")


@pytest.fixture(scope="module")
def photos(place, tmp_path_factory) -> Path:
    """Eight pictures in a folder."""
    folder = tmp_path_factory.mktemp("photos")
    for number, source in enumerate(sorted((place / "RSSDIVCS").glob("*/*.png"))[:8]):
        shutil.copy(source, folder / f"{number}.png")
    return folder


@pytest.fixture(scope="module")
def files(photos) -> list:
    return sorted(photos.iterdir())


def lines(folder) -> list:
    return [json.loads(line) for line in (folder / "predictions.jsonl").read_text().splitlines()]


def same(one, other):
    for name in ARRAYS:
        np.testing.assert_array_equal(getattr(one, name), getattr(other, name))
    assert one.class_names == other.class_names and one.classes == other.classes


# ---- the README ------------------------------------------------------------------------------------


def test_the_python_of_the_readme_runs_as_it_stands(place, monkeypatch, capfd):
    """But for the paths, which are those of a small run. test_quickstart.py runs it with its own."""
    code = python_of_the_readme()
    assert len(code.splitlines()) <= 11
    for path, here in {
        "RSSDIVCS/demo_data/Desert/*.jpg": place / "RSSDIVCS" / "Class3" / "*.png",
        "runs/quickstart-0-1/words": place / "run",
        "flax-community/clip-rsicd-tiny": place / "clip",
    }.items():
        assert path in code
        code = code.replace(path, str(here))
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.chdir(REPOSITORY)
    names: dict = {}
    exec(code, names)
    assert names["found"].probabilities.shape == (3, 6)
    assert names["found"].class_names == [*CLASSES, "wind farm"]
    assert names["clip"].candidates.names == ["beach", "port"]
    assert capfd.readouterr() == ("", "")


# ---- what comes out --------------------------------------------------------------------------------


def test_a_folder_stands_for_the_checkpoint_that_its_protocol_chose(place, run, files):
    from_folder = load_run(str(place / "run"), device="cpu")
    assert from_folder.notes == (f"{place / 'run'} stands for its best.safetensors",)
    best = load_run(place / "run" / "best.safetensors", device="cpu")
    same(from_folder.predict(files), best.predict(files))
    assert run.notes == ()


def test_shapes_and_ranges(run, files):
    found = run.predict(files)
    assert len(found) == len(found.classes) == 8
    assert found.class_names == CLASSES and found.attribute_names == NAMES
    assert found.probabilities.shape == found.scores.shape == (8, 5)
    np.testing.assert_allclose(found.probabilities.sum(axis=1), 1, rtol=1e-6)
    assert found.attributes.shape == (8, 5) and found.maps.shape == (8, 5, GRID, GRID)
    # an attribute's score is the peak of its map, or what the class token says
    assert (found.attributes >= found.maps.max(axis=(2, 3))).all()
    assert all(getattr(found, name).dtype == np.float32 for name in ("probabilities", "attributes", "maps"))
    top, left, height, width = found.windows.T
    assert found.windows.shape == (8, 4) and found.windows.dtype == np.int64
    assert (found.windows[:, :2] >= 0).all() and (found.windows[:, 2:] > 0).all()
    assert (top + height <= SIDE).all() and (left + width <= SIDE).all()


def test_windows_are_those_that_the_network_looks_at(place, run, files):
    out = run.run.model(run.run.normalize(run.prepare(files)), run.run.data.class_attributes, windows=True)
    np.testing.assert_array_equal(run.predict(files).windows, out.boxes.numpy())


def test_the_numbers_are_those_of_predict(place, run, photos, files, tmp_path):
    predict_with(place, photos, "--top 5 --attributes 5", "--output", tmp_path)
    written = lines(tmp_path)
    found = run.predict(files, batch_size=BATCH)
    assert found.classes == [line["classes"][0]["class"] for line in written]
    for number, line in enumerate(written):
        for key, row in (("probability", found.probabilities), ("calibrated_score", found.scores)):
            told = {entry["class"]: entry[key] for entry in line["classes"]}
            assert told == {name: six_digits(value) for name, value in zip(CLASSES, row[number])}
    described = run.describe(run.prepare(files[:BATCH]), top=5, attributes=5)
    told = ("classes", "attributes", "rest", "logit_difference")
    assert described == [{key: line[key] for key in told} for line in written[:BATCH]]


def test_the_numbers_of_a_clip_alone_are_those_of_predict(place, clip, photos, files, tmp_path):
    words = [photos, "--clip", place / "clip", "--vocabulary", place / "words.json", "--output", tmp_path]
    words += ["--top", 3, "--attributes", 5, "--device", "cpu", "--workers", 0, "--batch_size", BATCH]
    predict.main([*map(str, words), "--names", *WORDS])
    found = clip.predict(files, batch_size=BATCH)
    assert found.class_names == ["green field", "harbor", "desert"] and found.attribute_names == NAMES
    for number, line in enumerate(lines(tmp_path)):
        told = {entry["class"]: entry["probability"] for entry in line["classes"]}
        assert told == dict(zip(found.class_names, map(six_digits, found.probabilities[number])))
        told = {entry["attribute"]: entry["share"] for entry in line["attributes"]}
        assert told == dict(zip(NAMES, map(six_digits, found.attributes[number])))


def test_a_clip_alone_has_no_maps(clip, files):
    for pictures in (files, []):
        found = clip.predict(pictures)
        assert found.maps is None and found.windows is None
        assert found.probabilities.shape == (len(pictures), 3) and found.attributes.shape[1] == 5
    np.testing.assert_allclose(clip.predict(files).attributes.sum(axis=1), 1, rtol=1e-6)


def test_maps_may_be_left_out(run, files):
    found, without = run.predict(files), run.predict(files, maps=False)
    assert without.maps is None and without.windows is None
    np.testing.assert_array_equal(found.probabilities, without.probabilities)


# ---- what goes in ----------------------------------------------------------------------------------


def test_a_picture_is_the_same_as_a_path_opened_in_memory_or_prepared(run, files):
    expected = run.predict(files)
    in_memory = [Image.open(io.BytesIO(file.read_bytes())) for file in files]
    same(run.predict([str(file) for file in files]), expected)
    same(run.predict([Image.open(file) for file in files]), expected)
    same(run.predict(in_memory), expected)
    same(run.predict(run.prepare(files)), expected)
    same(run.predict(picture for picture in in_memory), expected)
    same(run.predict([in_memory[0], files[1], run.prepare(files[2])[0], *files[3:]]), expected)


def test_one_picture_needs_no_list(run, files):
    expected = run.predict(files[:1])
    squares = run.prepare(files[0])
    assert squares.dtype == torch.uint8 and squares.shape == (1, 3, SIDE, SIDE)
    np.testing.assert_array_equal(squares[0], load_image(files[0], run.preprocessing))
    for picture in (files[0], str(files[0]), Image.open(files[0]), squares, squares[0]):
        same(run.predict(picture), expected)


def test_no_picture_gives_arrays_without_a_row(run):
    for nothing in ([], iter(()), torch.empty(0, 3, SIDE, SIDE, dtype=torch.uint8)):
        found = run.predict(nothing)
        assert len(found) == 0 and found.classes == []
        assert found.probabilities.shape == found.scores.shape == (0, 5)
        assert found.maps.shape == (0, 5, GRID, GRID) and found.windows.shape == (0, 4)
    assert run.prepare([]).shape == (0, 3, SIDE, SIDE)
    assert run.describe(run.prepare([])) == []


@pytest.mark.parametrize("mode", "1 L P RGB RGBA RGBX CMYK YCbCr HSV LA PA I I;16 F".split())
@pytest.mark.parametrize("size", [(1, 1), (48, 40), (700, 5), (5, 300)])
def test_pictures_of_any_mode_and_size(run, mode, size):
    values = np.linspace(0, 255, size[0] * size[1]).reshape(size[::-1])
    picture = Image.fromarray(values.astype(np.uint8))
    if mode in ("I;16", "F"):
        picture = Image.fromarray((200 * values).astype(np.uint16 if mode == "I;16" else np.float32))
    elif mode != "L":
        picture = picture.convert("RGB" if mode in ("HSV", "YCbCr") else "L").convert(mode)
    assert picture.mode == mode
    found = run.predict(picture)
    assert found.probabilities.shape == (1, 5) and np.isfinite(found.probabilities).all()


@pytest.mark.parametrize(
    "kind", ["I;16.png", "I;16.tif", "F.tif", "turned.jpg", "palette.png", "infrared.png"]
)
def test_a_file_of_any_kind_is_the_same_opened(run, kind, tmp_path):
    rng = np.random.default_rng(0)
    values = rng.integers(100, 2000, (40, 48)).astype(np.float32 if kind[0] == "F" else np.uint16)
    file, how = tmp_path / kind, {}
    if kind[:2] in ("I;", "F."):
        picture = Image.fromarray(values)
    else:
        bands = rng.integers(0, 255, (40, 48, 4), np.uint8)
        picture = Image.fromarray(bands if kind == "infrared.png" else bands[..., :3])
    if kind == "turned.jpg":
        how["exif"] = Image.Exif()
        how["exif"][0x0112] = 6
    if kind == "palette.png":
        picture = picture.convert("P")
    picture.save(file, **how)
    np.testing.assert_array_equal(run.prepare(Image.open(file)), run.prepare(file))


def test_a_long_list_is_read_batch_after_batch(run, files, monkeypatch):
    taken, looked = [], []

    def pictures():
        for _ in range(10):
            taken.append(1)
            yield files[0]

    def look(images, maps):
        looked.append(len(images))
        assert sum(looked) == len(taken)  # nothing waits in memory
        return type(run).look(run, images, maps)

    monkeypatch.setattr(run, "look", look)
    assert len(run.predict(pictures(), batch_size=4)) == 10
    assert looked == [4, 4, 2]


# ---- other classes ---------------------------------------------------------------------------------


def ways_to_add(place, files) -> dict:
    values = {"quay": {"sand": 1.5, "ships": np.float64(2)}}
    (place / "by_hand.json").write_text(json.dumps({"quay": {"sand": 1.5, "ships": 2}}))
    pictures = NewClass("quay", "quay", tuple(map(str, files[:2])))
    return {
        "name": (["quay"], {}, ["--add_class", "quay"]),
        "description": (["quay: ships, sand"], {}, ["--add_class", "quay: ships, sand"]),
        "pattern": (
            [f"quay={files[0].parent}/[01].png"],
            {},
            ["--add_class", f"quay={files[0].parent}/[01].png"],
        ),
        "pictures": ([pictures], {}, ["--add_class", f"quay={files[0].parent}/[01].png"]),
        "values": ([], {"values": values}, ["--class_values", place / "by_hand.json"]),
        "file": ([], {"values": place / "by_hand.json"}, ["--class_values", place / "by_hand.json"]),
        "prompts": (["quay"], {"prompts": ["the {}"]}, ["--add_class", "quay", "--prompts", "the {}"]),
        "clip": (["quay"], {"clip": place / "clip"}, ["--add_class", "quay"]),
    }


@pytest.mark.parametrize(
    "way", ["name", "description", "pattern", "pictures", "values", "file", "prompts", "clip"]
)
def test_an_added_class_competes_as_in_predict_and_leaves_the_run_as_it_was(
    place, run, photos, files, tmp_path, way
):
    before = run.predict(files)
    words, how, options = ways_to_add(place, files)[way]
    more = run.with_classes(*words, **how)
    same(run.predict(files), before)
    assert run.candidates.names == CLASSES and more.candidates.names == [*CLASSES, "quay"]
    assert more.run is run.run  # the weights are there once
    predict_with(place, photos, "--top 6", *options, "--output", tmp_path)
    found = more.predict(files, batch_size=BATCH)
    for line, row in zip(lines(tmp_path), found.probabilities):
        told = {entry["class"]: entry["probability"] for entry in line["classes"]}
        assert told == dict(zip(found.class_names, map(six_digits, row)))


def test_classes_can_be_added_one_after_another(run, files):
    at_once = run.with_classes("quay", "dune: sand", values={"pier": {"ships": 1}})
    one_by_one = (
        run.with_classes(values={"pier": {"ships": 1}}).with_classes("quay").with_classes("dune: sand")
    )
    assert one_by_one.candidates.names == [*CLASSES, "quay", "dune", "pier"]
    same(one_by_one.predict(files), at_once.predict(files))


def test_other_classes_of_the_run_compete_and_added_ones_stay(run, files):
    more = run.with_classes("quay")
    assert more.among("unseen").candidates.names == ["Class0", "Class1", "quay"]
    assert more.among(["class 3", "Class0"], without="Class3").candidates.names == ["Class0", "quay"]
    assert run.among("all", calibration=0.3).candidates.calibration == 0.3
    assert more.among("none").predict(files).classes == ["quay"] * 8
    assert run.among(without=["Class0"]).with_classes("Class0").candidates.names == [*CLASSES[1:], "Class0"]
    assert more.candidates.names == [*CLASSES, "quay"] and run.candidates.names == CLASSES


def test_classes_are_added_to_a_clip_alone(place, clip, files):
    before = clip.predict(files)
    more = clip.with_classes("quay", f"port={files[0]}")
    assert more.candidates.names == ["green field", "harbor", "desert", "quay", "port"]
    at_once = load_clip(place / "clip", [*WORDS, "quay", f"port={files[0]}"], vocabulary=NAMES, device="cpu")
    np.testing.assert_array_equal(more.predict(files).probabilities, at_once.predict(files).probabilities)
    np.testing.assert_array_equal(clip.predict(files).probabilities, before.probabilities)
    assert clip.candidates.names == before.class_names


def test_two_runs_at_once_do_not_mix(place, run, files, tmp_path):
    saved = checkpoint_metadata(place / "run" / "last.safetensors")
    model = load_saved(place / "run" / "last.safetensors", torch.device("cpu")).model
    options = {**saved["options"], "sel_res": "main", "pro_start_epoch": -1}
    with torch.no_grad():
        model.prototypes.neg_()
    save_checkpoint(tmp_path / "other.safetensors", model, saved["epoch"], options)
    first = run.predict(files)
    other = load_run(tmp_path / "other.safetensors", device="cpu", bands=[3, 2, 1])
    assert (run.run.branch, other.run.branch) == ("attention", "projection+window")
    assert other.preprocessing.bands == (3, 2, 1)
    second = other.predict(files)
    same(run.predict(files), first)
    same(other.predict(files), second)
    assert not np.allclose(first.maps, second.maps) and run.preprocessing.bands is None


# ---- panels ----------------------------------------------------------------------------------------


def test_a_panel_is_a_picture(run, files, monkeypatch):
    written = []
    name_file = panels.name_file
    monkeypatch.setattr(
        panels, "name_file", lambda axis, file: written.append(file.name) or name_file(axis, file)
    )
    of_path = draw_attention(run, files[0])
    opened = draw_attention(run, Image.open(files[0]))
    in_memory = draw_attention(run, Image.open(files[0]).convert("RGB"))
    of_square = draw_attention(run, run.prepare(files[0])[0])
    assert written == ["0.png", "0.png", "", ""]
    for panel in (of_path, opened, in_memory, of_square):
        assert isinstance(panel, Image.Image) and panel.mode == "RGB" and panel.size == of_path.size
    np.testing.assert_array_equal(of_path, opened)
    np.testing.assert_array_equal(in_memory, of_square)
    assert draw_attention(run, files[0], top=1).width < of_path.width


def test_a_panel_says_whether_the_class_was_found(run, files, monkeypatch):
    titles = []
    add_title = panels.add_title
    monkeypatch.setattr(
        panels, "add_title", lambda axis, *texts: titles.append(texts) or add_title(axis, *texts)
    )
    best = run.predict(files[0]).classes[0]
    for label in (None, best.upper(), "somewhere else"):
        draw_attention(run, files[0], label=label)
    named = [texts for texts in titles if len(texts) == 3]
    assert [texts[2] for texts in named] == [panels.INK, panels.RIGHT, panels.WRONG]
    assert named[2][1].endswith(", is somewhere else")


# ---- nothing is printed, nothing changed -----------------------------------------------------------


def use_all(place, files, tmp_path) -> list:
    """All that a notebook may do. Returns the notes."""
    infrared = np.random.default_rng(0).integers(0, 255, (40, 48, 4), np.uint8)
    Image.fromarray(infrared).save(tmp_path / "infrared.png")
    run = load_run(place / "run", device="cpu")
    found = run.predict([*files, *[tmp_path / "infrared.png"] * 2])
    few = run.among("unseen", without=CLASSES[1:]).with_classes("quay", f"port={files[0]}")
    few.predict(files[0])
    shutil.copytree(place / "clip", tmp_path / "clip")
    other = json.loads((tmp_path / "clip" / "config.json").read_text())
    (tmp_path / "clip" / "config.json").write_text(json.dumps(other, indent=1))
    draw_attention(few, files[0], label="\U00012000")  # a letter that hardly a font has
    clip = load_clip(place / "clip", ["quay", f"port={files[0]}"], device="cpu")
    clip.with_classes("beach").predict(files)
    return [*run.notes, *found.notes, *few.notes]


def test_nothing_is_printed_and_notes_are_kept(place, files, tmp_path, capfd):
    notes = use_all(place, files, tmp_path)
    assert capfd.readouterr() == ("", "")
    assert len(notes) == len(set(notes)) + 1  # `few` has those of its run, too
    assert [note for note in notes if "stands for its best.safetensors" in note]
    assert sum("infrared.png: band 4 is no transparency" in note for note in notes) == 1
    assert [note for note in notes if "1 known classes are too few to compare" in note]
    assert not any(note.startswith("note: ") for note in notes)


def test_a_program_prints_what_python_collects(place, files, tmp_path, capsys):
    load_run(place / "run", device="cpu").among(without=CLASSES[1:]).with_classes("quay")
    capsys.readouterr()
    predict_with(place, files[0], "--without", *CLASSES[1:], "--add_class", "quay", "--output", tmp_path)
    assert "note: 1 known classes are too few to compare new ones with" in capsys.readouterr().out


def settings() -> dict:
    """Of the process, all that others may rely on."""
    return {
        "threads": (torch.get_num_threads(), torch.get_num_interop_threads()),
        "random numbers": (
            torch.get_rng_state().tolist(),
            random.getstate(),
            np.random.get_state()[1].tolist(),
        ),
        "torch": (
            torch.get_default_dtype(),
            torch.is_grad_enabled(),
            torch.are_deterministic_algorithms_enabled(),
        ),
        "tf32": (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32),
        "transformers": (
            transformers_logging.get_verbosity(),
            transformers_logging.is_progress_bar_enabled(),
        ),
        "matplotlib": {key: value for key, value in matplotlib.rcParams.items() if key != "backend"},
        "backend": matplotlib.get_backend(),
        "warnings": list(warnings.filters),
        "logging": [
            logging.getLogger(name).level for name in (None, "PIL", "matplotlib", "torch", "transformers")
        ],
        "system": (dict(os.environ), Path.cwd(), list(sys.path), sys.stdout, sys.stderr),
    }


def test_nothing_global_is_changed(place, files, tmp_path):
    transformers_logging.set_verbosity_warning()
    transformers_logging.enable_progress_bar()
    matplotlib.use("svg")
    before = settings()
    use_all(place, files, tmp_path)
    after = settings()
    for name, value in before.items():
        assert after[name] == value, name


def test_a_notebook_keeps_its_backend(place, files):
    """Also where matplotlib is first imported by us."""
    program = f"""
import sys; sys.path.insert(0, "model")
from inference import load_run
from pages.panels import draw_attention
draw_attention(load_run({str(place / "run")!r}, device="cpu"), {str(files[0])!r})
import matplotlib, os
print(matplotlib.get_backend(), os.environ["MPLBACKEND"])"""
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "MPLBACKEND": "pdf"},
        cwd=REPOSITORY,
        capture_output=True,
        encoding="utf-8",
    )
    assert (done.stdout, done.stderr) == ("pdf pdf\n", "")


def test_no_file_is_written(place, files, tmp_path):
    def tree():
        return {(file, file.stat().st_mtime_ns) for file in place.rglob("*") if file.is_file()}

    before = tree()
    load_run(place / "run", device="cpu").with_classes(f"port={files[0]}").predict(files)
    assert tree() == before


# ---- wrong input -----------------------------------------------------------------------------------


def refused(message, function, *arguments, **options):
    """One line, which says this."""
    with pytest.raises(InputError, match=message) as error:
        function(*arguments, **options)
    assert len(str(error.value).splitlines()) == 1


SQUARE = torch.zeros(3, SIDE, SIDE, dtype=torch.uint8)


@pytest.mark.parametrize(
    "pictures, message",
    [
        (None, "expected paths, PIL images or a tensor, found a NoneType"),
        (3, "found an int"),
        ([SQUARE, None], "picture 1: expected a path, a PIL image, or a uint8 tensor .*, found a NoneType"),
        ("nowhere.jpg", "cannot read the image nowhere.jpg"),
        (["."], "it is a folder"),
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
def test_what_is_no_picture(run, clip, pictures, message):
    refused(message, run.predict, pictures)
    refused(message, run.prepare, pictures)
    refused(message, clip.predict, pictures)
    refused(message, draw_attention, run, pictures)


def test_a_closed_or_broken_picture(run, files, tmp_path):
    (tmp_path / "cut.png").write_bytes(files[0].read_bytes()[:300])
    refused("cannot read the image .*cut.png", run.predict, tmp_path / "cut.png")
    refused("cannot read picture 0", run.predict, Image.open(tmp_path / "cut.png"))
    closed = Image.open(files[0])
    closed.close()
    refused("cannot read picture 1", run.predict, [files[0], closed])


@pytest.mark.parametrize("batch_size", [0, -1, 2.5, "8", None, True])
def test_wrong_sizes_of_a_batch(run, files, batch_size):
    refused("batch_size: expected a whole number from 1 on", run.predict, files, batch_size=batch_size)


def test_what_is_no_run(place, tmp_path):
    refused("nowhere is not a readable checkpoint", load_run, tmp_path / "nowhere")
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
def test_classes_that_cannot_be_added(run, new, how, message):
    refused(message, run.with_classes, *new, **how)
    assert run.candidates.names == CLASSES


def test_classes_that_cannot_be_chosen(run):
    refused("classes: there is no class gold", run.among, ["gold"])
    refused("without: there is no class gold", run.among, without=["gold"])
    refused("no candidate class is left", run.among, "none")


def test_what_is_no_clip_and_no_name(place, clip, tmp_path):
    refused("nowhere", load_clip, tmp_path / "nowhere", ["airport"])
    for names in ([], "airport", None):
        refused("names: expected a list, such as", load_clip, place / "clip", names)
    refused("names: expected .* or a NewClass, found 3", load_clip, place / "clip", [3])
    refused("names: a is named twice", load_clip, place / "clip", ["a", "A"])
    refused("vocabulary: expected names of attributes", load_clip, place / "clip", ["a"], [])
    refused("nowhere.json", load_clip, place / "clip", ["a"], tmp_path / "nowhere.json")
    refused("prompts: expected sentences", load_clip, place / "clip", ["a"], prompts=["b"])
    refused("is named twice", clip.with_classes, "desert")


def test_panels_that_cannot_be_drawn(run, clip, files):
    refused("a CLIP alone has none", draw_attention, clip, files[0])
    refused("expected one picture", draw_attention, run, files)
    refused("expected one picture and top from 1 on", draw_attention, run, files[0], top=0)
