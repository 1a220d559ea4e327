"""Benchmarks that are nearly right: .mat files, groups, vocabularies, captions, folders of classes."""

import json
from pathlib import Path

import pytest
import scipy.io
from hypothesis import strategies as st

import annotate
import main
import zero_shot_clip
from data.benchmark import BenchmarkFiles, load_benchmark
from fuzzing import COMMON, DATA, QUICK, cases, ends_well, folder, nearly_json, nearly_mat, run, sound

pytestmark = pytest.mark.usefixtures("quick")
FILES = {"images": "61_images.mat", "splits": "mine_splits.mat"}


@pytest.fixture(scope="module")
def place() -> Path:
    return sound()


@pytest.fixture(scope="module")
def variables(place) -> dict:
    return {
        kind: {key: value for key, value in scipy.io.loadmat(place / DATA / file).items() if key[0] != "_"}
        for kind, file in FILES.items()
    }


def damaged(place, variables, here, data) -> dict:
    """The two .mat files, one of them nearly right, in the folder `here`."""
    kind = data.draw(st.sampled_from(["images", "splits", "splits"]))
    (here / FILES[kind]).write_bytes(data.draw(nearly_mat(variables[kind])))
    return {**{name: place / DATA / file for name, file in FILES.items()}, kind: here / FILES[kind]}


@cases(0.15)
def test_mat_files(place, variables, data):
    with folder() as here:
        files = damaged(place, variables, here, data)
        ends_well(
            load_benchmark,
            BenchmarkFiles(files["images"], files["splits"], place / DATA / "mine.json", place / "RSSDIVCS"),
            place=place,
        )


@cases(0.1)
def test_training_on_mat_files(place, variables, data):
    with folder() as here:
        files = damaged(place, variables, here, data)
        more = data.draw(
            st.sampled_from(
                [
                    ["--gzsl"],
                    [],
                    ["--protocol", "clean", "--gzsl"],
                    ["--random_id", "all"],
                    ["--train_mode", "random"],
                    ["--only_groups", "functions"],
                    ["--start", "words"],
                ]
            )
        )
        ends_well(
            run,
            main,
            "--root",
            place,
            "--clip",
            place / "clip",
            "--group_file",
            "mine",
            "--image_embedding",
            files["images"],
            "--class_embedding",
            files["splits"],
            "--output",
            here / "run",
            *QUICK[1:],
            *more,
            *COMMON,
            place=place,
            output=here / "run",
        )


@cases(0.05)
def test_annotating_mat_files(place, variables, data):
    with folder() as here:
        files = damaged(place, variables, here, data)
        source = data.draw(st.sampled_from(["images", "untested", "seen", "names"]))
        said = here / "said.json"
        said.write_text('{"Class0": "sand, ships", "Class1": ["stripes"]}')
        ends_well(
            run,
            annotate,
            "--root",
            place,
            "--clip",
            place / "clip",
            "--group_file",
            "new",
            "--image_embedding",
            files["images"],
            "--class_embedding",
            files["splits"],
            "--vocabulary",
            place / "words.json",
            "--from",
            source,
            *data.draw(st.sampled_from([[], ["--descriptions", said]])),
            "--output",
            here / "new" / "new_splits.mat",
            *COMMON,
            place=place,
            output=here / "new",
        )


@cases(0.05)
def test_baselines_on_mat_files(place, variables, data):
    with folder() as here:
        files = damaged(place, variables, here, data)
        ends_well(
            run,
            zero_shot_clip,
            "--root",
            place,
            "--clip",
            place / "clip",
            "--group_file",
            "mine",
            "--image_embedding",
            files["images"],
            "--class_embedding",
            files["splits"],
            "--attributes",
            *data.draw(st.sampled_from([[], ["--closed_forms"]])),
            "--gzsl",
            "--output",
            here / "new",
            *COMMON,
            place=place,
            output=here / "new",
        )


@cases(0.05)
def test_groups(place, data):
    with folder() as here:
        (here / "groups.json").write_bytes(
            data.draw(nearly_json(json.loads((place / DATA / "mine.json").read_text())))
        )
        ends_well(
            load_benchmark,
            BenchmarkFiles(
                place / DATA / FILES["images"],
                place / DATA / FILES["splits"],
                here / "groups.json",
                place / "RSSDIVCS",
            ),
            place=place,
        )
