"""An accuracy on training images is told as such, wherever it can be known."""

import json
import shutil

import numpy as np
import pytest
import scipy.io

from helpers import load, predict_with, predicted, write_described_run


def counted(place, pictures, output) -> dict:
    predict_with(place, pictures, "--output", output, "--labels folders")
    return json.loads((output / "accuracy.json").read_text())


def trained_paths(place) -> set:
    data = load(place)
    return {str(data.image_paths[i]) for i in data.splits["train_zsl_loc"]}


def test_training_images_are_counted_and_told_apart(place, tmp_path, capsys):
    record = counted(place, place / "RSSDIVCS", tmp_path)
    trained = trained_paths(place)
    assert record["trained_with"] == len(trained) > 0
    printed = capsys.readouterr().out
    assert f"note: {len(trained)} of {record['images']} images were trained with: " in printed
    assert "says nothing of new pictures" in printed

    right = {}  # by class, of the others
    for line in predicted(tmp_path):
        folder = line["image"].split("/")[-2]
        if line["image"] not in trained:
            right.setdefault(folder, []).append(line["classes"][0]["class"] == folder)
    others = 100 * np.mean([np.mean(found) for found in right.values()])
    assert record["mean_of_others"] == pytest.approx(others, rel=1e-5)
    assert f"others it is {others:.1f} %" in printed


def test_copies_and_links_are_known_and_new_pictures_are_not(place, tmp_path):
    trained = sorted(trained_paths(place))[:2]
    folder = tmp_path / "pictures" / trained[0].split("/")[-2]
    folder.mkdir(parents=True)
    shutil.copy(trained[0], folder)
    (folder / "other_name.png").symlink_to(trained[0])
    name = trained[0].rpartition("/")[2]
    shutil.copy(trained[1], folder / f"new_{name}")
    assert counted(place, tmp_path / "pictures", tmp_path / "out")["trained_with"] == 2
    shutil.copy(trained[1], folder / name)  # another picture of that name
    assert counted(place, tmp_path / "pictures", tmp_path / "again")["trained_with"] == 1


def test_nothing_is_said_where_it_cannot_be_known(tmp_path, capsys):
    place = write_described_run(tmp_path / "place")
    pictures = tmp_path / "pictures"
    shutil.copytree(place / "RSSDIVCS", pictures)

    def says_nothing(output):
        capsys.readouterr()
        record = counted(place, pictures, output)
        return "trained_with" not in record and "trained with" not in capsys.readouterr().out

    assert not says_nothing(tmp_path / "there")
    images_mat = place / "RSSDIVCS" / "files" / "61_images.mat"
    table = {k: v for k, v in scipy.io.loadmat(images_mat).items() if not k.startswith("__")}
    scipy.io.savemat(images_mat, {**table, "labels": table["labels"][::-1]})
    assert says_nothing(tmp_path / "changed")
    shutil.rmtree(place / "RSSDIVCS")
    assert says_nothing(tmp_path / "gone")
