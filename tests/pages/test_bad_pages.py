"""Folders of runs, maps and labelled predictions in which one file is nearly right: a page, or a reason."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import report
from fuzzing import cases, ends_well, folder
from helpers import predict_with, start
from nearly_right import spoil

pytestmark = pytest.mark.usefixtures("quick")


@pytest.fixture(scope="module")
def maps(sound_files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("maps")
    pixels = np.random.default_rng(0).integers(0, 255, (40, 60, 3), np.uint8)
    Image.fromarray(pixels).save(folder / "scene.png")
    predict_with(sound_files, folder / "scene.png", "--tile 32", "--output", folder / "maps")
    return folder / "maps"


@pytest.fixture(scope="module")
def labelled(sound_files, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("labelled")
    for name in ("Class0", "Class1", "elsewhere"):
        (folder / "pictures" / name).mkdir(parents=True)
        pixels = np.random.default_rng(0).integers(0, 255, (20, 20, 3), np.uint8)
        Image.fromarray(pixels).save(folder / "pictures" / name / "one.png")
    predict_with(
        sound_files, folder / "pictures", "--classes all --labels folders", "--output", folder / "named"
    )
    return folder / "named"


@cases(0.05)
def test_the_page_of_several_runs(sound_files, data):
    with folder() as here:
        ignored = shutil.ignore_patterns("*.safetensors")
        for division in (0, 1):
            shutil.copytree(
                sound_files / "run", here / "runs" / f"division-{division}_seed-1", ignore=ignored
            )
        spoil(here / "runs" / "division-0_seed-1", data)
        page = here / "out" / "page.html"
        ends_well(start, report, here / "runs", "--output", page, output=here / "out")


def page_ends_well(sound: Path, data):
    """The page of a folder of which something is spoilt."""
    with folder() as here:
        target = Path(shutil.copytree(sound, here / sound.name))
        spoil(target, data)
        page = here / "out" / "page.html"
        ends_well(start, report, target, "--output", page, output=here / "out")


@cases(0.05)
def test_the_page_of_maps(sound_files, maps, data):
    page_ends_well(maps, data)


@cases(0.05)
def test_the_page_of_labelled_predictions(sound_files, labelled, data):
    page_ends_well(labelled, data)
