"""xlsa17's files, as users of CUB, AWA2 and SUN have them, to the published format."""

import json

import numpy as np
import pytest
import scipy.io
from PIL import Image

import main as program
import prepare
from data.benchmark import BenchmarkFiles, load_benchmark
from data.matlab import cell_array
from helpers import refusal
from support.errors import InputError
from tiny_data import write_clip

CLASSES = [
    "001.Black_footed_Albatross",
    "002.Laysan_Albatross",
    "003.Sooty_Tern",
    "004.Meadowlark",
    "005.Horned_Lark",
]
PER_CLASS = 6
ELSEWHERE = "/BS/someone/work//CUB_200_2011/images"
NAMES = ["has_bill_shape::curved", "has_bill_shape::hooked", "has_size::small", "has_size::large"]


def xlsa17(tmp_path, **changes):
    """att_splits.mat, res101.mat and CUB_200_2011/images: classes 3 and 4 are unseen, class 2 validates."""
    chance = np.random.default_rng(0)
    labels = np.repeat(np.arange(5), PER_CLASS)
    files = [f"{ELSEWHERE}/{CLASSES[c]}/Bird_{n:04}.jpg" for n, c in enumerate(labels)]
    for n, c in enumerate(labels):
        folder = tmp_path / "CUB_200_2011" / "images" / CLASSES[c]
        folder.mkdir(parents=True, exist_ok=True)
        pixels = chance.integers(0, 255, (36, 40, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"Bird_{n:04}.jpg")
    place = np.arange(len(labels)) % PER_CLASS
    seen = labels < 3
    parts = {
        "trainval_loc": seen & (place > 1),
        "test_seen_loc": seen & (place <= 1),
        "test_unseen_loc": ~seen,
        "train_loc": labels < 2,  # also those that test_seen_loc has, as in their files
        "val_loc": labels == 2,
    }
    table = {key: np.flatnonzero(chosen)[:, None] + 1 for key, chosen in parts.items()}
    table["allclasses_names"] = cell_array(CLASSES)
    table["att"] = chance.uniform(size=(4, 5))
    table["original_att"] = 100 * table["att"]
    images = {"labels": labels[:, None] + 1.0, "image_files": cell_array(files)}
    images["features"] = chance.normal(size=(50, len(labels)))
    for variables in (table, images):
        variables.update({key: value for key, value in changes.items() if key in variables})
    kept = {key: value for key, value in table.items() if value is not None}
    scipy.io.savemat(tmp_path / "att_splits.mat", kept)
    scipy.io.savemat(tmp_path / "res101.mat", images)
    (tmp_path / "attributes.txt").write_text("".join(f"{n} {name}\n" for n, name in enumerate(NAMES, 1)))
    return tmp_path


def convert(place, *more, root="CUB_200_2011"):
    files = ["att_splits.mat", "res101.mat"]
    words = ["--from_xlsa17", *(place / file for file in files), "--image_root", place / root]
    prepare.main([str(word) for word in [*words, "--output", place / "data" / "cub", *more]])
    return place / "data" / "cub" / "files"


def read(files, root, kind="splits"):
    tables = files / "cub_images.mat", files / f"cub_{kind}.mat", files / "cub_groups.json"
    return load_benchmark(BenchmarkFiles(*tables, root))


def fails(capsys, place, *more, **where) -> str:
    """The line that refuses it; nothing is written."""
    error = refusal(capsys, convert, place, *more, **where)
    assert not (place / "data").exists()
    return error


def test_names_attributes_images_and_the_authors_division(tmp_path, capsys):
    place = xlsa17(tmp_path)
    files = convert(place, "--attribute_names", place / "attributes.txt")
    data = read(files, place / "CUB_200_2011")
    assert data.class_names == [
        "black footed albatross",
        "laysan albatross",
        "sooty tern",
        "meadowlark",
        "horned lark",
    ]
    original = scipy.io.loadmat(place / "att_splits.mat")
    assert np.array_equal(data.class_attributes, np.float32(original["att"]))
    assert data.image_paths[7] == place / "CUB_200_2011" / "images" / CLASSES[1] / "Bird_0007.jpg"
    for ours, theirs in {
        "train_zsl_loc": "trainval_loc",
        "train_gzsl_loc": "trainval_loc",
        "test_seen_loc": "test_seen_loc",
        "test_unseen_loc": "test_unseen_loc",
    }.items():
        assert np.array_equal(data.splits[ours], original[theirs].ravel() - 1)
    assert data.unseen.tolist() == [3, 4]
    assert data.attribute_names == NAMES and data.groups == {"has_bill_shape": [0, 1], "has_size": [2, 3]}
    assert data.folder_names["004.Meadowlark"] == "meadowlark"
    said = capsys.readouterr().out
    assert '--image_embedding "cub" --class_embedding "cub" --group_file "cub_groups"' in said


@pytest.mark.parametrize("root", [".", "CUB_200_2011", "CUB_200_2011/images"])
def test_the_end_of_a_path_is_found_below_the_image_root(tmp_path, root):
    place = xlsa17(tmp_path)
    data = read(convert(place, root=root), place / root)
    assert all(path.is_file() for path in data.image_paths)


def test_the_authors_validation_classes_play_the_unseen_ones_without_test_images(tmp_path):
    place = xlsa17(tmp_path)
    files = convert(place)
    data = read(files, place / "CUB_200_2011")
    inner = read(files, place / "CUB_200_2011", "val_splits")
    assert inner.unseen.tolist() == [2] and inner.seen.tolist() == [0, 1]
    used = np.concatenate(
        [inner.splits[name] for name in ("train_zsl_loc", "test_seen_loc", "test_unseen_loc")]
    )
    assert sorted(used.tolist()) == data.splits["train_zsl_loc"].tolist()


def test_without_validation_classes_there_is_no_file_of_them(tmp_path):
    files = convert(xlsa17(tmp_path, val_loc=None, train_loc=None))
    assert not (files / "cub_val_splits.mat").exists()


def test_features_are_not_read_and_the_order_of_the_files_does_not_matter(tmp_path):
    place = xlsa17(tmp_path)
    content = bytearray((place / "res101.mat").read_bytes())
    features = scipy.io.loadmat(place / "res101.mat")["features"]
    tag = content.index(features.T.tobytes()[:64]) - 8
    content[tag : tag + 4] = b"\xff" * 4  # no such data type: whoever reads them fails
    (place / "res101.mat").write_bytes(content)
    convert(place)
    swapped = ["--from_xlsa17", place / "res101.mat", place / "att_splits.mat"]
    before = (place / "data/cub/files/cub_splits.mat").read_bytes()[116:]
    convert(place, *swapped)
    assert (place / "data/cub/files/cub_splits.mat").read_bytes()[116:] == before


def test_a_training_on_what_was_made_of_them(tmp_path):
    place = xlsa17(tmp_path)
    convert(place)
    options = "--dataset cub --image_embedding cub --class_embedding cub --group_file cub_groups --pro_type 4"
    options += " --gzsl --nepoch 1 --n_batch 1 --ways 2 --shots 2 --device cpu --workers 0"
    where = ["--root", place / "data", "--image_root", place / "CUB_200_2011", "--output", place / "run"]
    where += ["--clip", write_clip(place / "clip")]
    program.main([*options.split(), *map(str, where)])
    results = json.loads((place / "run" / "results.json").read_text())
    assert "H" in json.dumps(results)


def test_their_splits_file_given_to_another_program_says_what_makes_ours_of_it(tmp_path):
    place = xlsa17(tmp_path)
    (place / "groups.json").write_text('{"attributes": [0, 1, 2, 3]}')
    with pytest.raises(InputError, match="It is a file of xlsa17: prepare.py --from_xlsa17 att_splits.mat"):
        load_benchmark(
            BenchmarkFiles(place / "res101.mat", place / "att_splits.mat", place / "groups.json", place)
        )


def test_an_image_that_is_not_there_is_named(tmp_path, capsys):
    place = xlsa17(tmp_path)
    (place / "CUB_200_2011" / "images" / CLASSES[1] / "Bird_0007.jpg").unlink()
    error = fails(capsys, place)
    assert f"1 of 30 images are not there, the first ends in images/{CLASSES[1]}/Bird_0007.jpg" in error
    error = fails(capsys, place, root="CUB_200_2011/images/" + CLASSES[0])
    assert "24 of 30 images are not there" in error


def test_images_that_only_their_folders_tell_apart_are_not_taken_for_one(tmp_path, capsys):
    place = xlsa17(tmp_path, image_files=cell_array([f"/BS/{n}/Bird_0000.jpg" for n in range(30)]))
    error = fails(capsys, place, root="CUB_200_2011/images/" + CLASSES[0])
    assert "2 images would be Bird_0000.jpg" in error


UNSEEN = np.arange(19, 31)[:, None]


@pytest.mark.parametrize(
    "changes, more, says",
    [
        ({"att": None}, [], "att_splits.mat has no att"),
        ({"test_seen_loc": None}, [], "att_splits.mat has no test_seen_loc"),
        ({"trainval_loc": UNSEEN}, [], "trainval_loc holds images of 004.Meadowlark"),
        ({"test_seen_loc": np.array([[3]])}, [], "1 images are in trainval_loc and in test_seen_loc"),
        ({"test_unseen_loc": np.array([[31]])}, [], "test_unseen_loc in .*31 is out of range"),
        ({"labels": np.ones((3, 1))}, [], "3 labels for 30 image_files"),
        (
            {"allclasses_names": cell_array(["a", "b", "c", "d", "B"])},
            [],
            "classes 2 and 5 are both called 'b'",
        ),
        ({"image_files": cell_array(["../../etc/passwd"] * 30)}, [], "30 of 30 images are not there"),
        ({}, ["--attribute_names", "prepare.py"], "cannot read --attribute_names"),
        ({}, ["--unseen", "2"], "--unseen does not go with --from_xlsa17"),
        ({}, ["somewhere"], "either a folder with a folder for each class, or --from_xlsa17"),
    ],
)
def test_what_is_wrong_is_one_line(tmp_path, capsys, changes, more, says):
    error = fails(capsys, xlsa17(tmp_path, **changes), *more)
    assert all(part in error for part in says.split(".*"))


@pytest.mark.parametrize("more", [["--image_root", "x"], ["--attribute_names", "x"]])
def test_options_of_theirs_do_not_go_with_a_folder(tmp_path, capsys, more):
    with pytest.raises(SystemExit):
        prepare.main([str(tmp_path), "--output", str(tmp_path / "out"), *more])
    assert f"{more[0]} goes with --from_xlsa17" in capsys.readouterr().err
