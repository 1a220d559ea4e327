"""What annotate.py --show tells of an annotation, on one made by hand."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from PIL import Image

import annotate
from data.matlab import cell_array

MODEL = Path(__file__).parents[2] / "model"
ATTRIBUTES = ["water", "sand", "trees"]


def write(path, values, names=ATTRIBUTES, classes=("RiverBank", "beach", "forest")):
    """values: [C, A]"""
    scipy.io.savemat(
        path,
        {
            "att": np.array(values, float).T,
            "allclasses_names": cell_array(classes),
            **({"attribute_names": cell_array(names)} if names else {}),
        },
    )
    return str(path)


@pytest.fixture
def splits(tmp_path):
    return write(tmp_path / "a_splits.mat", [[3, 1, -1], [2, 1.5, -1], [-1, -2, 5]])


def test_strongest_attributes_and_the_classes_most_alike(splits, capsys):
    annotate.main(["--show", splits, "--top", "2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split(maxsplit=2) == ["river", "bank", "water, sand"] and lines[2].split(maxsplit=1) == [
        "forest",
        "trees, water",
    ]
    assert lines[3].startswith("most alike  river bank and beach 0.9")


def test_agreement_of_two_annotations(splits, tmp_path, capsys):
    annotate.main(["--show", splits, "--against", splits])
    assert (
        "rank correlation 1.000 over all pairs, 1.000 within an attribute; 100 % of the classes"
        in capsys.readouterr().out
    )
    annotate.main(
        [
            "--show",
            splits,
            "--against",
            write(tmp_path / "b_splits.mat", [[-1, -2, 5], [2, 1.5, -1], [3, 1, -1]]),
        ]
    )
    assert "33 % of the classes" in capsys.readouterr().out


def test_picture(splits, tmp_path):
    annotate.main(["--show", splits, "--picture", str(tmp_path / "alike.png")])
    assert np.asarray(Image.open(tmp_path / "alike.png").convert("RGB")).std() > 20


@pytest.mark.parametrize(
    "names, classes, told",
    [
        (None, ("a", "b", "c"), "does not name its attributes"),
        (["water", "sand", "rock"], ("RiverBank", "beach", "forest"), "other classes or attributes"),
    ],
)
def test_what_cannot_be_compared_is_refused(splits, tmp_path, capsys, names, classes, told):
    with pytest.raises(SystemExit) as stop:
        annotate.main(
            ["--show", splits, "--against", write(tmp_path / "b_splits.mat", np.eye(3), names, classes)]
        )
    error = capsys.readouterr().err
    assert stop.value.code == 2 and told in error and error.count("\n") == 1


@pytest.mark.parametrize("words", ["", "--picture x.png --output y_splits.mat", "--against x --output y"])
def test_without_show_an_output_is_required_and_nothing_is_compared_or_drawn(tmp_path, capsys, words):
    with pytest.raises(SystemExit) as stop:
        annotate.main(words.split())
    error = capsys.readouterr().err
    assert stop.value.code == 2 and "--show" in error and error.count("\n") == 1


def test_matplotlib_is_imported_only_to_draw(splits):
    program = (
        f"import sys, annotate; annotate.main(['--show', {splits!r}]); assert 'matplotlib' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=MODEL, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
