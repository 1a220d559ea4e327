"""Benchmarks that are nearly right: .mat files, groups, vocabularies, captions, folders of classes."""

import json

import pytest
import scipy.io
from hypothesis import strategies as st

import annotate
import main
import zero_shot_clip
from data.benchmark import BenchmarkFiles, load_benchmark
from fuzzing import COMMON, DATA, QUICK, cases, ends_well, folder
from helpers import start
from nearly_mat import nearly_mat
from nearly_right import nearly_json

pytestmark = pytest.mark.usefixtures("quick")
TRAININGS = [
    "--gzsl",
    "",
    "--protocol clean --gzsl",
    "--random_id all",
    "--train_mode random",
    "--only_groups functions",
    "--start words",
]
FILES = {"images": "61_images.mat", "splits": "mine_splits.mat"}


@pytest.fixture(scope="module")
def variables(sound_files) -> dict:
    return {
        kind: {
            key: value for key, value in scipy.io.loadmat(sound_files / DATA / file).items() if key[0] != "_"
        }
        for kind, file in FILES.items()
    }


def damaged(place, variables, here, data) -> dict:
    """The two .mat files, one of them nearly right, in the folder `here`."""
    kind = data.draw(st.sampled_from(["images", "splits", "splits"]))
    (here / FILES[kind]).write_bytes(data.draw(nearly_mat(variables[kind])))
    return {**{name: place / DATA / file for name, file in FILES.items()}, kind: here / FILES[kind]}


def on_benchmark(place, files: dict, groups: str) -> list:
    """Options of a program that reads these .mat files."""
    words = ["--root", place, "--clip", place / "clip", "--group_file", groups, *COMMON]
    return [*words, "--image_embedding", files["images"], "--class_embedding", files["splits"]]


@cases(0.15)
def test_mat_files(sound_files, variables, data):
    with folder() as here:
        files = damaged(sound_files, variables, here, data)
        ends_well(
            load_benchmark,
            BenchmarkFiles(
                files["images"], files["splits"], sound_files / DATA / "mine.json", sound_files / "RSSDIVCS"
            ),
        )


@cases(0.1)
def test_training_on_mat_files(sound_files, variables, data):
    with folder() as here:
        files = damaged(sound_files, variables, here, data)
        more = data.draw(st.sampled_from(TRAININGS))
        words = [*on_benchmark(sound_files, files, "mine"), *QUICK[1:], *more.split()]
        ends_well(start, main, *words, "--output", here / "run", output=here / "run")


@cases(0.05)
def test_annotating_mat_files(sound_files, variables, data):
    with folder() as here:
        files = damaged(sound_files, variables, here, data)
        source = data.draw(st.sampled_from(["images", "untested", "seen", "names"]))
        said = here / "said.json"
        said.write_text('{"Class0": "sand, ships", "Class1": ["stripes"]}')
        words = [*on_benchmark(sound_files, files, "new"), "--vocabulary", sound_files / "words.json"]
        words += ["--from", source, *data.draw(st.sampled_from([[], ["--descriptions", said]]))]
        words += ["--output", here / "new" / "new_splits.mat"]
        ends_well(start, annotate, *words, output=here / "new")


@cases(0.05)
def test_baselines_on_mat_files(sound_files, variables, data):
    with folder() as here:
        files = damaged(sound_files, variables, here, data)
        words = [*on_benchmark(sound_files, files, "mine"), "--attributes", "--gzsl"]
        words += data.draw(st.sampled_from([[], ["--closed_forms"]]))
        ends_well(start, zero_shot_clip, *words, "--output", here / "new", output=here / "new")


@cases(0.05)
def test_groups(sound_files, data):
    with folder() as here:
        groups = json.loads((sound_files / DATA / "mine.json").read_text())
        (here / "groups.json").write_bytes(data.draw(nearly_json(groups)))
        images, splits = (sound_files / DATA / FILES[kind] for kind in ("images", "splits"))
        files = BenchmarkFiles(images, splits, here / "groups.json", sound_files / "RSSDIVCS")
        ends_well(load_benchmark, files)
