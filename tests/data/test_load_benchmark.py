"""A benchmark is read from the published format, and what does not fit is named."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import torch

from data.benchmark import find_files, load_benchmark
from data.matlab import cell_array
from data.names import find_class
from helpers import load
from support.errors import InputError
from tiny_data import GROUPS, write_dataset

IMAGES, SPLITS = "61_images.mat", "ann_attr_finetune_61_splits.mat"


def test_the_published_format(root):
    data = load(root)
    assert data.class_names == [f"Class{c}" for c in range(12)]
    assert data.class_attributes.shape == (6, 12) and data.class_attributes.dtype == torch.float32
    assert data.groups == GROUPS
    assert data.image_paths[7] == root / "RSSDIVCS" / "Class1" / "image_7.png"


def test_indices_are_one_based_in_the_file(root):
    data = load(root)
    assert data.labels.tolist() == [c for c in range(12) for _ in range(5)]
    assert data.splits["test_unseen_loc"].tolist() == list(range(15))
    assert data.splits["test_seen_loc"].tolist() == list(range(15, 60, 5))


@pytest.mark.parametrize("random_id", [0, 1])
def test_divisions(root, random_id):
    data = load(root, random_id)
    assert data.unseen.tolist() == [random_id, random_id + 1, random_id + 2]
    assert sorted(data.seen.tolist() + data.unseen.tolist()) == list(range(12))


@pytest.mark.parametrize(
    "files",
    [
        np.array(["/a/RSSDIVCS/Class0/x.png  ", "RSSDIVCS/Class1/longer.png"]),
        cell_array(["/a/RSSDIVCS/Class0/x.png", "RSSDIVCS/Class1/longer.png"]),
    ],
    ids=["char matrix", "cell array"],
)
def test_both_dialects_of_image_files(tmp_path, files):
    write_dataset(
        tmp_path,
        seen=1,
        unseen=1,
        per_class=1,
        image_files=files,
        train_zsl_loc_0=[[2]],
        test_seen_loc_0=[[2]],
        train_gzsl_loc_0=[[2]],
    )
    for path in ("Class0/x.png", "Class1/longer.png"):
        (tmp_path / "RSSDIVCS" / path).touch()
    assert [str(path.relative_to(tmp_path)) for path in load(tmp_path).image_paths] == [
        "RSSDIVCS/Class0/x.png",
        "RSSDIVCS/Class1/longer.png",
    ]


def test_features_are_never_read(tmp_path):
    write_dataset(tmp_path)
    images_mat = tmp_path / "RSSDIVCS" / "files" / "61_images.mat"
    variables = scipy.io.loadmat(images_mat, variable_names=["labels", "image_files"])
    features = np.random.rand(400, 60)
    scipy.io.savemat(
        images_mat,
        {"features": features, "labels": variables["labels"], "image_files": variables["image_files"]},
    )
    content = bytearray(images_mat.read_bytes())
    tag = content.index(features.T.tobytes()[:64]) - 8
    content[tag : tag + 4] = b"\xff" * 4  # no such data type: whoever reads them fails
    images_mat.write_bytes(content)
    with pytest.raises((ValueError, KeyError, TypeError)):
        scipy.io.loadmat(images_mat)
    assert len(load(tmp_path).labels) == 60


def damage(root: Path, file: str, **variables):
    path = root / "RSSDIVCS" / "files" / file
    kept = {key: value for key, value in scipy.io.loadmat(path).items() if not key.startswith("__")}
    kept.update(variables)
    scipy.io.savemat(path, {key: value for key, value in kept.items() if value is not None})


@pytest.mark.parametrize(
    "file, variables, message",
    [
        (IMAGES, {"labels": None}, "61_images.mat has no labels; it has image_files"),
        (SPLITS, {"att": None}, "has no att; it has allclasses_names"),
        (SPLITS, {"test_unseen_loc_0": None}, "has no test_unseen_loc_0.*--random_id"),
        (IMAGES, {"labels": np.full((60, 1), 13)}, "labels in .*: 13 is out of range, expected 1 to 12"),
        (IMAGES, {"labels": np.zeros((60, 1))}, "labels in .*: 0.* is out of range"),
        (IMAGES, {"labels": np.full((60, 1), 1.5)}, "expected whole numbers"),
        (IMAGES, {"labels": np.ones((59, 1))}, "59 labels for 60 image_files"),
        (SPLITS, {"train_zsl_loc_0": [[61]]}, "train_zsl_loc_0 in .*: 61 is out of range, expected 1 to 60"),
        (SPLITS, {"train_zsl_loc_0": np.zeros((0, 1))}, "train_zsl_loc_0 is empty"),
        (SPLITS, {"test_unseen_loc_0": np.zeros((0, 1))}, "test_unseen_loc_0 is empty"),
        (SPLITS, {"train_zsl_loc_0": [[1], [20]]}, "train_zsl_loc_0 holds images of Class0"),
        (SPLITS, {"att": np.zeros((6, 11))}, "expected finite numbers, attributes x 12 classes, found .*11"),
        (SPLITS, {"att": np.full((6, 12), np.nan)}, "expected finite numbers"),
        (SPLITS, {"att": np.ones((5, 12))}, "att in .* has 5 attributes, but .*attri_group_3.json groups 6"),
        (SPLITS, {"att": np.ones((7, 12))}, "att in .* has 7 attributes, but .* groups 6"),
        (
            IMAGES,
            {"image_files": np.array(["RSSDIVCS/../../etc/passwd"] * 60)},
            "should hold RSSDIVCS/ and then a path below",
        ),
        (
            IMAGES,
            {"image_files": np.array(["/etc/passwd"] * 60)},
            "should hold RSSDIVCS/ and then a path below",
        ),
        (
            IMAGES,
            {"image_files": np.array(["RSSDIVCS/Class0/gone.png"] * 60)},
            "60 of 60 images are missing, the first is .*gone.png",
        ),
    ],
)
def test_what_does_not_fit_is_named(tmp_path, file, variables, message):
    write_dataset(tmp_path)
    damage(tmp_path, file, **variables)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


@pytest.mark.parametrize(
    "content", ["[1, 2]", '{"functions": []}', '{"functions": [-1]}', '{"functions": [0.5]}', "{", "{}"]
)
def test_groups_that_are_none(tmp_path, content):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "files" / "attri_group_3.json").write_text(content)
    with pytest.raises(InputError, match="attri_group_3.json: expected a JSON object"):
        load(tmp_path)


def test_missing_file_says_where_to_get_it(tmp_path):
    with pytest.raises(
        InputError, match="no such file: .*61_images.mat.*Google Drive.*wenjiaXu/RS_Scene_ZSL"
    ):
        load(tmp_path)


@pytest.mark.parametrize(
    "content, message",
    [
        (b"not a mat file at all", "not a readable .mat file"),
        (b"MATLAB 7.3 MAT-file" + b" " * 105 + b"\x00\x02IM" + b"\x89HDF", "7.3 format; save it with -v7"),
    ],
)
def test_damaged_mat(tmp_path, content, message):
    write_dataset(tmp_path)
    (tmp_path / "RSSDIVCS" / "files" / IMAGES).write_bytes(content)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


# ---- names of classes ------------------------------------------------------------------------------


def named(tmp_path, names):
    """The dataset of a few classes with these names."""
    write_dataset(tmp_path, seen=len(names) - 1, unseen=1, allclasses_names=cell_array(names))
    return tmp_path


@pytest.mark.parametrize(
    "names", [["Port", "River", "Port"], ["TankFarm", "River", "tank farm"], ["tank farm", "x", "tankfarm"]]
)
def test_two_classes_of_one_name_are_refused(tmp_path, names):
    named(tmp_path, names)
    with pytest.raises(InputError, match=f"{SPLITS}: classes 1 and 3 are both called '(port|tank farm)'"):
        load(tmp_path)


@pytest.mark.parametrize("name", ["", " ", "__"])
def test_a_class_without_a_name_is_refused(tmp_path, name):
    named(tmp_path, ["Port", name, "River"])
    with pytest.raises(InputError, match="class 2 is called '.*': expected a word"):
        load(tmp_path)


def test_class_names_json_says_what_classes_are_called(tmp_path, capsys):
    named(tmp_path, ["aGrass", "tankfarm", "River"])
    stored = {"aGrass": "grass", "tankfarm": "tankfarm"}
    (tmp_path / "RSSDIVCS" / "files" / "class_names.json").write_text(json.dumps(stored))
    data = load(tmp_path)
    assert data.class_names == ["grass", "tankfarm", "River"]
    assert find_class("agrass", data.class_names, data.folder_names) == 0
    assert find_class("tank farm", data.class_names, data.folder_names) == 1
    assert not capsys.readouterr().out


def test_folders_that_are_not_as_many_as_classes_do_not_count(tmp_path):
    named(tmp_path, ["Port", "River", "Lake"])
    damage(tmp_path, SPLITS, class_folders=cell_array(["a", "b"]))
    assert load(tmp_path).folder_names == {"Port": "Port", "River": "River", "Lake": "Lake"}


def test_joined_names_are_read_as_words_and_that_is_said_once(tmp_path, capsys):
    named(tmp_path, ["storagetanks", "River", "farmland"])
    assert load(tmp_path).class_names == load(tmp_path).class_names == ["storage tanks", "River", "farmland"]
    said = capsys.readouterr().out
    assert "storagetanks as storage tanks; a class_names.json beside it gives others" in said
    assert said.count("note: ") == 1 and "farmland" not in said


# ---- the scale of attributes -----------------------------------------------------------------------


def with_attributes(tmp_path, att):
    write_dataset(tmp_path, att=att)
    data = load(tmp_path)
    assert np.array_equal(data.class_attributes, np.float32(att))  # used as they are
    return data


def test_attributes_from_0_to_100_are_noted_once_with_what_standardising_would_do(tmp_path, capsys):
    att = np.random.default_rng(0).uniform(60, 100, (6, 12))
    att[0, :2] = 0, 100
    with_attributes(tmp_path, att)
    load(tmp_path)
    said = capsys.readouterr().out
    assert said.count("note: ") == said.count("\n") == 1
    assert f"att in {tmp_path}" in said and "goes from 0 to 100" in said
    assert "mean cosine of two classes from 0.96 to -0." in said


@pytest.mark.parametrize("scale", [0.3, 1, 3])
def test_attributes_of_a_usual_scale_are_not_noted(tmp_path, capsys, scale):
    with_attributes(tmp_path, scale * np.random.default_rng(0).normal(size=(6, 12)))
    assert not capsys.readouterr().out


def test_attributes_that_are_nearly_nothing_are_noted(tmp_path, capsys):
    with_attributes(tmp_path, 1e-4 * np.random.default_rng(0).normal(size=(6, 12)))
    assert "a class's vector has the length 0.000" in capsys.readouterr().out


# ---- what is missing -------------------------------------------------------------------------------


def missing(tmp_path, dataset, **options):
    """The message about the first file that is missing."""
    chosen = dict(
        image_embedding="mine", class_embedding="mine", group_file="mine", image_root=None, random_id=0
    )
    with pytest.raises(InputError) as error:
        load_benchmark(find_files(str(tmp_path), dataset, **{**chosen, **options}))
    return str(error.value)


def test_only_rssdivcs_is_looked_for_in_its_authors_drive(tmp_path):
    write_dataset(tmp_path, name="mine")
    shutil.copytree(tmp_path / "RSSDIVCS", tmp_path / "other")
    for dataset, has_drive in (("RSSDIVCS", True), ("other", False)):
        for option in ("image_embedding", "class_embedding", "group_file"):
            said = missing(
                tmp_path, dataset, **{"class_embedding": None, "group_file": "attri_group_3", option: "x"}
            )
            assert ("Google Drive" in said) == has_drive, said
            assert has_drive or "prepare.py makes NAME_images.mat" in said
        (tmp_path / dataset / "Class0" / "image_0.png").unlink()
        said = missing(tmp_path, dataset, class_embedding=None, group_file="attri_group_3")
        assert "1 of 60 images are missing" in said and ("Google Drive" in said) == has_drive
        assert (
            has_drive
            or f"expected below {tmp_path / 'other'}: --image_root names another"
            in said.replace("main.py ", "")
        )


def test_a_missing_file_of_another_dataset_is_told_with_those_that_are_there(tmp_path):
    write_dataset(tmp_path, name="mine")
    (tmp_path / "RSSDIVCS").rename(tmp_path / "other")
    said = missing(tmp_path, "other", class_embedding="x")
    assert "x_splits.mat. That folder has ann_attr_finetune_mine_splits.mat; " in said


@pytest.mark.parametrize("packed", ["root", "dataset", "image_root"])
def test_an_archive_in_place_of_a_dataset_or_its_images_must_be_unpacked(tmp_path, packed):
    write_dataset(tmp_path / "root", name="mine")
    archive = shutil.make_archive(str(tmp_path / "x"), "zip", tmp_path / "root")
    where = {"root": tmp_path / "root", "dataset": "RSSDIVCS", "image_root": None}
    if packed == "dataset":
        shutil.move(archive, tmp_path / "root" / "x.zip")
        where["dataset"] = "x"
    else:
        where[packed] = archive
    with pytest.raises(InputError, match=r"unpack it \(unzip x.zip\)"):
        find_files(str(where["root"]), where["dataset"], "mine", None, "x", where["image_root"], 0)
