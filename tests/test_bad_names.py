"""Names of classes in any script, files of names that are nearly right, and xlsa17's files."""

import json

import numpy as np
import pytest
import scipy.io
from hypothesis import strategies as st
from PIL import Image

import annotate
import prepare
import zero_shot_clip
from data.benchmark import BenchmarkFiles, load_benchmark
from data.matlab import cell_array
from data.names import find_class, read_names
from data.naming import name_classes
from fuzzing import COMMON, DATA, cases, ends_well, folder
from helpers import start
from nearly_mat import nearly_mat
from nearly_right import CLASS_NAMES, WORDS, nearly_bytes, nearly_json

pytestmark = pytest.mark.usefixtures("quick")
STORED = {"aGrass": "grass", "草": "草地", "storagetanks": "storage tanks"}


def drawn_names(data, count):
    """Different names, most of them in an unusual script."""
    return data.draw(st.lists(st.sampled_from(CLASS_NAMES), min_size=count, max_size=count, unique=True))


@cases(0.05)
def test_files_of_names(data):
    lines = "".join(f"{folder_name}={name}\n" for folder_name, name in STORED.items())
    with folder() as here:
        content = data.draw(nearly_json(STORED) | nearly_bytes(lines.encode()))
        (here / "names.txt").write_bytes(content)
        ends_well(read_names, here / "names.txt")


@cases(0.02)
def test_names_are_found_again(data):
    names = drawn_names(data, 4)
    named = {}
    assert ends_well(lambda: named.update(name_classes(names, {})))
    found = list(named.values())
    for number, (name, words) in enumerate(named.items()):
        assert find_class(words, found, named) == find_class(name, found, named) == number
    typed = data.draw(st.sampled_from([*WORDS, *CLASS_NAMES]))
    ends_well(find_class, typed, found)


@cases(0.02)
def test_mat_files_with_names_of_any_script(sound_files, data):
    table = scipy.io.loadmat(sound_files / DATA / "mine_splits.mat")
    table = {key: value for key, value in table.items() if not key.startswith("__")}
    names = drawn_names(data, len(table["allclasses_names"]))
    with folder() as here:
        splits = here / "mine_splits.mat"
        scipy.io.savemat(splits, {**table, "allclasses_names": cell_array(names)})
        if data.draw(st.booleans()):
            (here / "class_names.json").write_bytes(data.draw(nearly_json({names[0]: "grass"})))
        files = BenchmarkFiles(
            sound_files / DATA / "61_images.mat",
            splits,
            sound_files / DATA / "mine.json",
            sound_files / "RSSDIVCS",
        )
        ends_well(load_benchmark, files)
        where = ["--root", sound_files, "--clip", sound_files / "clip", "--class_embedding", splits, *COMMON]
        program = data.draw(st.sampled_from([annotate, zero_shot_clip]))
        more = ["--group_file", "mine", "--output", here / "new"]
        if program is annotate:
            new = ["--output", here / "new" / "x_splits.mat", "--vocabulary", sound_files / "words.json"]
            more = ["--from", "names", "--group_file", "new", *new]
        ends_well(start, program, *where, *more, output=here / "new")


@cases(0.03)
def test_folders_with_names_of_any_script(data):
    names = drawn_names(data, 3)
    with folder() as here:
        for color, name in enumerate(names):
            (here / "photos" / name).mkdir(parents=True)
            for number in range(2):
                pixels = np.full((4, 4, 3), 20 * color + number, np.uint8)
                Image.fromarray(pixels).save(here / "photos" / name / f"{number}.png")
        given = data.draw(st.sampled_from([[], [f"{names[0]}={data.draw(st.sampled_from(CLASS_NAMES))}"]]))
        options = [f"--names={name}" for name in given]
        chosen = data.draw(st.sampled_from([["--unseen", 1], ["--unseen_classes=" + names[1]]]))
        output = ["--output", here / "out", "--workers", 1]
        ends_well(start, prepare, here / "photos", *output, *options, *chosen, output=here / "out")
        stored = here / "out" / "files" / "class_names.json"
        if stored.exists():
            assert sorted(json.loads(stored.read_text(encoding="utf-8"))) == sorted(names)


@cases(0.03)
def test_files_of_xlsa17(sound_files, data):
    files = sorted((sound_files / "RSSDIVCS").glob("Class*/*.png"))
    labels = np.array([int(file.parent.name[-1]) for file in files])
    first = np.arange(len(files)) % 3 == 0
    tables = {
        "att_splits": {
            "allclasses_names": cell_array([f"{c}.Class_{c}" for c in range(5)]),
            "att": np.random.default_rng(0).normal(size=(4, 5)),
            "trainval_loc": 1 + np.flatnonzero((labels > 1) & ~first)[:, None],
            "val_loc": 1 + np.flatnonzero(labels == 2)[:, None],
            "test_seen_loc": 1 + np.flatnonzero((labels > 1) & first)[:, None],
            "test_unseen_loc": 1 + np.flatnonzero(labels <= 1)[:, None],
        },
        "res101": {
            "labels": 1 + labels[:, None],
            "image_files": cell_array([f"/elsewhere/{file.parent.name}/{file.name}" for file in files]),
        },
    }
    spoilt = data.draw(st.sampled_from(["att_splits", "att_splits", "res101"]))
    with folder() as here:
        for name, table in tables.items():
            if name == spoilt:
                (here / f"{name}.mat").write_bytes(data.draw(nearly_mat(table)))
            else:
                scipy.io.savemat(here / f"{name}.mat", table)
        source = ["--from_xlsa17", here / "att_splits.mat", here / "res101.mat"]
        where = ["--image_root", sound_files / "RSSDIVCS", "--output", here / "out"]
        ends_well(start, prepare, *source, *where, output=here / "out")
