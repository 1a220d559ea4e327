"""A folder of class folders to the published format, and from there through the other programs."""

import json
import shutil

import numpy as np
import pytest
import scipy.io
from PIL import Image

import annotate
import main as program
import prepare
from clip.captions import read_captions
from data.benchmark import BenchmarkFiles, load_benchmark, readable
from helpers import refusal, write_whole_clip

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
    return {
        name: splits[f"{name}_{k}"].ravel() - 1
        for name in ("train_zsl_loc", "train_gzsl_loc", "test_seen_loc", "test_unseen_loc")
    }


def words(cells) -> list:
    return [cell[0].item() for cell in cells]


def test_images_are_listed_in_order_with_readable_class_names(photos):
    images, splits = run(photos)
    assert words(splits["allclasses_names"]) == [
        "airport",
        "baseball field",
        "port",
        "dense residential",
        "river",
    ]
    assert images["labels"].ravel().tolist() == [
        c + 1 for c, name in enumerate(sorted(CLASSES)) for _ in range(CLASSES[name])
    ]
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
        assert sorted([*parts["train_zsl_loc"], *parts["test_seen_loc"], *parts["test_unseen_loc"]]) == list(
            range(33)
        )
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
    assert (
        words(splits["unseen_classes_0"]) == ["port", "dense residential"]
        and "unseen_classes_1" not in splits
    )


def test_some_images_of_unseen_classes_can_be_kept_for_descriptions(photos):
    _, splits = run(photos, "--unseen_classes", "BaseballField", "--described", 0.3)
    assert len(splits["test_unseen_loc_0"]) == 7


def test_validation_classes_are_seen_ones_and_their_images_training_images(photos):
    images, splits = run(photos, "--validation", 1)
    held_out, labels = (
        scipy.io.loadmat(photos.parent / "data/mine/files/mine_val_splits.mat"),
        images["labels"].ravel(),
    )
    for k in range(3):
        parts, inner = indices(splits, k), indices(held_out, k)
        assert len(set(labels[inner["test_unseen_loc"]])) == 1
        assert (
            sorted(
                np.concatenate(
                    [inner[name] for name in ("train_zsl_loc", "test_seen_loc", "test_unseen_loc")]
                )
            )
            == parts["train_zsl_loc"].tolist()
        )


# ---- which images are tested, which captions are read ----------------------------------------------


def listing(photos, first=2) -> dict:
    """Of each class the first images, all in its folder: {class folder: files}."""
    return {name: [f"{name}/{name}{number}.png" for number in range(1, 1 + first)] for name in CLASSES}


def names_of(images, parts, name) -> set:
    return {images["image_files"][i].strip().removeprefix("RSSDIVCS/") for i in parts[name]}


def write_list(photos, lines, name="list.txt"):
    (photos.parent / name).write_text("".join(line + "\n" for line in lines))
    return photos.parent / name


def captioned(image, words="an image") -> str:
    return json.dumps({"image": image, "captions": [words]})


def test_only_listed_images_are_tested_and_no_listed_one_is_trained_on(photos):
    listed = listing(photos)
    plain = write_list(photos, ["", *listed["Airport"], *listed["river"], "  "], "plain.txt")
    captions = write_list(
        photos,
        [captioned(image) for name in listed if name not in ("Airport", "river") for image in listed[name]],
        "captions.jsonl",
    )
    images, splits = run(photos, "--test_images", plain, captions, "--divisions", 2)
    every = {file.strip().removeprefix("RSSDIVCS/") for file in images["image_files"]}
    for k in range(2):
        parts, unseen = (
            indices(splits, k),
            {name for name in CLASSES if readable(name) in words(splits[f"unseen_classes_{k}"])},
        )
        assert names_of(images, parts, "test_unseen_loc") == {
            image for name in unseen for image in listed[name]
        }
        assert names_of(images, parts, "test_seen_loc") == {
            image for name in CLASSES if name not in unseen for image in listed[name]
        }
        others = {image for image in every if image.split("/")[0] not in unseen} - {
            image for several in listed.values() for image in several
        }
        assert names_of(images, parts, "train_zsl_loc") == names_of(images, parts, "train_gzsl_loc") == others


def test_captions_of_a_division_are_those_of_its_training_images(photos):
    listed = [image for several in listing(photos).values() for image in several]
    every = sorted(str(file.relative_to(photos)) for file in photos.rglob("*.png"))
    lines = [
        captioned(image, f"the {place} {image}") for image in every[::2] for place in ("first", "second")
    ]  # half have captions, two lines each
    images, splits = run(
        photos,
        "--test_images",
        write_list(photos, listed),
        "--captions",
        write_list(photos, lines, "captions.jsonl"),
        "--divisions",
        2,
    )
    for k in range(2):
        file = photos.parent / "data" / "mine" / "files" / f"mine_captions_{k}.jsonl"
        train = names_of(images, indices(splits, k), "train_gzsl_loc")
        assert file.read_text().splitlines() == [line for line in lines if json.loads(line)["image"] in train]
        read = read_captions(file, photos, "train")
        assert read.keys() == train & set(every[::2]) and all(len(several) == 2 for several in read.values())
        assert not any(
            image.startswith(name)
            for image in read
            for name in CLASSES
            if readable(name) in words(splits[f"unseen_classes_{k}"])
        )


def test_an_unreadable_image_may_be_listed_if_it_may_be_left_out(photos):
    (photos / "river" / "river1.png").write_bytes(b"nothing")
    listed = write_list(photos, [image for several in listing(photos).values() for image in several])
    images, splits = run(photos, "--skip_bad", "--test_images", listed, "--unseen_classes", "river")
    assert names_of(images, indices(splits, 0), "test_unseen_loc") == {"river/river2.png"}


def test_of_several_numbers_of_unseen_classes_the_smaller_are_parts_of_the_larger(photos):
    _, splits = run(photos, "--unseen", 1, 3, "--divisions", 2)
    unseen = [set(words(splits[f"unseen_classes_{k}"])) for k in range(4)]
    assert (
        [len(classes) for classes in unseen] == [1, 1, 3, 3]
        and unseen[0] < unseen[2]
        and unseen[1] < unseen[3]
    )


def test_from_a_folder_to_a_gzsl_result(photos, tmp_path):
    run(photos)
    clip = write_whole_clip(tmp_path / "clip")
    where = [
        "--root",
        str(tmp_path / "data"),
        "--dataset",
        "mine",
        "--image_root",
        str(photos),
        "--image_embedding",
        "mine",
        "--clip",
        str(clip),
        "--device",
        "cpu",
        "--workers",
        "0",
    ]
    annotate.main(
        [
            *where,
            "--class_embedding",
            "mine",
            "--output",
            str(tmp_path / "data/mine/files/ann_attr_finetune_mine_splits.mat"),
        ]
    )
    program.main(
        [
            *where,
            "--gzsl",
            "--output",
            str(tmp_path / "run"),
            *"--nepoch 1 --n_batch 1 --ways 2 --shots 2".split(),
        ]
    )
    assert (tmp_path / "run" / "results.json").is_file()
    files = tmp_path / "data" / "mine" / "files"
    data = load_benchmark(
        BenchmarkFiles(
            files / "mine_images.mat",
            files / "ann_attr_finetune_mine_splits.mat",
            files / "attri_group_3.json",
            photos,
        )
    )
    assert data.class_attributes.shape == (98, 5)


# ---- bad input -------------------------------------------------------------------------------------


def fails(photos, capsys, *words) -> str:
    """The line that refuses it; nothing is written."""
    error = refusal(capsys, run, photos, *words)
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
    assert "1 image is a copy of" in capsys.readouterr().out
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


@pytest.mark.parametrize(
    "spoil, words, message",
    [
        (empty, "", "the class Empty has no image"),
        (lonely, "", "the class lonely has 1 readable image: expected at least 2"),
        (twice, "", "both called 'port'"),
        (flat, "", "has 0 folders"),
        (shutil.rmtree, "", "no such folder"),
        (None, "--unseen 5", "5 unseen of 5 classes leave 0 seen ones"),
        (None, "--unseen 3 --validation 2", "expected at least 3"),
        (None, "--unseen_classes Prot", "there is no class Prot"),
        (None, "--train_share 1", "--train_share"),
        (None, "--divisions 0", "--divisions"),
    ],
)
def test_wrong_use_is_one_line_and_writes_nothing(photos, capsys, spoil, words, message):
    if spoil:
        spoil(photos)
    assert message in fails(photos, capsys, *words.split())


@pytest.mark.parametrize("option", ["--test_images", "--captions"])
@pytest.mark.parametrize(
    "line, says",
    [
        ("river/river9.png", "line 2: there is no image river/river9.png"),
        (captioned("river/river9.png"), "line 2: there is no image river/river9.png"),
        (captioned(["river/river1.png"]), "line 2: there is no image ["),
        ("river1.png", "line 2: there is no image river1.png"),
        ("{oops", "line 2: expected an image's path"),
        ('{"images": []}', "line 2: expected an image's path"),
    ],
)
def test_a_list_of_images_that_is_wrong_is_named_with_its_line(photos, capsys, option, line, says):
    file = write_list(photos, [captioned("river/river1.png"), line])
    error = fails(photos, capsys, option, file)
    assert f"{file}, {says}" in error


@pytest.mark.parametrize("option", ["--test_images", "--captions"])
@pytest.mark.parametrize("content", [None, b"\xff\xfe\x00"])
def test_a_list_that_cannot_be_read_is_named(photos, capsys, option, content):
    if content:
        (photos.parent / "list.txt").write_bytes(content)
    assert f"cannot read {photos.parent / 'list.txt'}" in fails(
        photos, capsys, option, photos.parent / "list.txt"
    )


@pytest.mark.parametrize(
    "change, says",
    [
        (lambda listed: listed.pop("Port"), "--test_images names none of the images of port"),
        (
            lambda listed: listed["Port"].extend(["Port/Port3.png", "Port/deeper/Port0.png"]),
            "--test_images names all of the images of port",
        ),
    ],
)
def test_every_class_needs_images_that_are_tested_and_others(photos, capsys, change, says):
    listed = listing(photos)
    change(listed)
    assert says in fails(
        photos,
        capsys,
        "--test_images",
        write_list(photos, [image for several in listed.values() for image in several]),
    )
