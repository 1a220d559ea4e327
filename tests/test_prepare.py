"""A folder of class folders to the published format, and from there through the other programs."""
import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

import annotate
import main as program
import prepare
from dataset import load_benchmark
from test_annotate import write_whole_clip

CLASSES = {"BaseballField": 10, "dense_residential": 8, "Airport": 6, "river": 5, "Port": 4}


@pytest.fixture
def photos(tmp_path):
    folder, chance = tmp_path / "photos", np.random.default_rng(0)
    for name, images in CLASSES.items():
        (folder / name / "deeper").mkdir(parents=True)
        for number in range(images):
            place = folder / name / ("deeper" if number == 0 else "") / f"{name}{number}.png"
            Image.fromarray(chance.integers(0, 255, (36, 40, 3)).astype(np.uint8)).save(place)
        (folder / name / "notes.txt").touch()
    return folder


def run(photos, *words, name="mine"):
    """What was written: images and splits."""
    output = photos.parent / "data" / name
    prepare.main([str(photos), "--output", str(output), "--unseen", "2", *map(str, words)])
    return [scipy.io.loadmat(output / "files" / f"{name}_{kind}.mat") for kind in ("images", "splits")]


def indices(splits, k) -> dict:
    return {name: splits[f"{name}_{k}"].ravel() - 1 for name in ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc")}


def words(cells) -> list:
    return [cell[0].item() for cell in cells]


def test_images_are_listed_in_order_with_readable_class_names(photos):
    images, splits = run(photos)
    assert words(splits["allclasses_names"]) == ["airport", "baseball field", "port", "dense residential", "river"]
    assert images["labels"].ravel().tolist() == [c + 1 for c, name in enumerate(sorted(CLASSES)) for _ in range(CLASSES[name])]
    files = [file.strip() for file in images["image_files"]]
    assert files[0] == "RSSDIVCS/Airport/Airport1.png" and "RSSDIVCS/Airport/deeper/Airport0.png" in files
    assert files == [f"RSSDIVCS/{file}" for file in sorted(file[9:] for file in files)]


def test_divisions_part_classes_and_images(photos, capsys):
    images, splits = run(photos, "--divisions", 4, "--train_share", 0.5)
    labels = images["labels"].ravel() - 1
    for k in range(4):
        parts, unseen = indices(splits, k), set(words(splits[f"unseen_classes_{k}"]))
        names = [words(splits["allclasses_names"])[c] for c in labels]
        assert {names[i] for i in parts["test_unseen_loc"]} == unseen and len(unseen) == 2
        assert not unseen & {names[i] for i in [*parts["train_zsl_loc"], *parts["test_seen_loc"]]}
        assert sorted([*parts["train_zsl_loc"], *parts["test_seen_loc"], *parts["test_unseen_loc"]]) == list(range(33))
        assert np.array_equal(parts["train_zsl_loc"], parts["train_gzsl_loc"])
        for c in set(labels[parts["train_zsl_loc"]]):
            assert (labels[parts["train_zsl_loc"]] == c).sum() == round((labels == c).sum() / 2)
    assert len({tuple(words(splits[f"unseen_classes_{k}"])) for k in range(4)}) > 1
    assert capsys.readouterr().out.count("division ") == 4


def test_the_same_seed_gives_the_same_bytes_and_another_one_others(photos):
    read = lambda name: (photos.parent / "data" / name / "files" / f"{name}_splits.mat").read_bytes()[116:]
    run(photos, name="a"), run(photos, name="b"), run(photos, "--seed", 1, name="c")
    assert read("a") == read("b") != read("c")


def test_unseen_classes_by_name_as_the_folder_or_as_words(photos):
    _, splits = run(photos, "--unseen_classes", "Port", "dense residential")
    assert words(splits["unseen_classes_0"]) == ["port", "dense residential"] and "unseen_classes_1" not in splits


def test_some_images_of_unseen_classes_can_be_kept_for_descriptions(photos):
    _, splits = run(photos, "--unseen_classes", "BaseballField", "--described", 0.3)
    assert len(splits["test_unseen_loc_0"]) == 7


def test_validation_classes_are_seen_ones_and_their_images_training_images(photos):
    images, splits = run(photos, "--validation", 1)
    held_out, labels = scipy.io.loadmat(photos.parent / "data/mine/files/mine_val_splits.mat"), images["labels"].ravel()
    for k in range(3):
        parts, inner = indices(splits, k), indices(held_out, k)
        assert len(set(labels[inner["test_unseen_loc"]])) == 1
        assert sorted(np.concatenate([inner[name] for name in ("train_zsl_loc", "test_seen_loc", "test_unseen_loc")])) == parts["train_zsl_loc"].tolist()


def test_from_a_folder_to_a_gzsl_result(photos, tmp_path):
    run(photos)
    clip = write_whole_clip(tmp_path / "clip")
    where = ["--root", str(tmp_path / "data"), "--dataset", "mine", "--image_root", str(photos), "--image_embedding", "mine", "--clip", str(clip),
             "--device", "cpu", "--workers", "0"]
    annotate.main([*where, "--class_embedding", "mine", "--output", str(tmp_path / "data/mine/files/ann_attr_finetune_mine_splits.mat")])
    program.main([*where, "--gzsl", "--output", str(tmp_path / "run"), *"--nepoch 1 --n_batch 1 --ways 2 --shots 2".split()])
    assert (tmp_path / "run" / "results.json").is_file()
    files = tmp_path / "data" / "mine" / "files"
    data = load_benchmark(files / "mine_images.mat", files / "ann_attr_finetune_mine_splits.mat", files / "attri_group_3.json", photos)
    assert data.class_attributes.shape == (98, 5)


# ---- bad input -------------------------------------------------------------------------------------------------------

def fails(photos, capsys, *words) -> str:
    with pytest.raises(SystemExit) as stop:
        run(photos, *words)
    error = capsys.readouterr().err.strip()
    assert stop.value.code == 2 and error.startswith("error: ") and "\n" not in error
    assert not (photos.parent / "data").exists()
    return error


def test_unreadable_images_stop_it_or_are_left_out(photos, capsys):
    (photos / "river" / "river3.png").write_bytes(b"nothing")
    assert "1 of 33 images cannot be read: --skip_bad" in fails(photos, capsys)
    images, _ = run(photos, "--skip_bad")
    assert len(images["labels"]) == 32 and "river3.png" in capsys.readouterr().out


def test_one_image_in_two_classes_is_refused_and_copies_in_a_class_are_told(photos, capsys):
    shutil.copy(photos / "Port" / "Port2.png", photos / "Port" / "copy.png")
    run(photos)
    assert "1 images are copies" in capsys.readouterr().out
    shutil.rmtree(photos.parent / "data")
    shutil.copy(photos / "Port" / "Port2.png", photos / "river" / "port.png")
    assert "are the same image in two classes" in fails(photos, capsys)


def empty(photos):
    (photos / "Empty").mkdir()


def lonely(photos):
    (photos / "Lonely").mkdir()
    Image.new("RGB", (9, 9)).save(photos / "Lonely" / "x.png")


def twice(photos):
    shutil.copytree(photos / "Port", photos / "port_")
    for number, file in enumerate((photos / "port_").glob("*.png")):
        Image.new("RGB", (9, 9), (number, 0, 0)).save(file)
    Image.new("RGB", (9, 9), (200, 0, 0)).save(photos / "port_" / "deeper" / "Port0.png")


def flat(photos):
    for folder in photos.iterdir():
        shutil.rmtree(folder)
    Image.new("RGB", (9, 9)).save(photos / "x.png")


@pytest.mark.parametrize("spoil, words, message", [
    (empty, "", "the class Empty has no image"), (lonely, "", "the class lonely has 1 readable image: expected at least 2"),
    (twice, "", "both called 'port'"), (flat, "", "has 0 folders"), (shutil.rmtree, "", "no such folder"),
    (None, "--unseen 5", "5 unseen of 5 classes leave 0 seen ones"), (None, "--unseen 3 --validation 2", "expected at least 3"),
    (None, "--unseen_classes Prot", "there is no class Prot"), (None, "--train_share 1", "--train_share"), (None, "--divisions 0", "--divisions")])
def test_wrong_use_is_one_line_and_writes_nothing(photos, capsys, spoil, words, message):
    if spoil:
        spoil(photos)
    assert message in fails(photos, capsys, *words.split())
