"""prepare.py on folders as they come: nested, numbered, joined names, an archive, twice into one folder."""

import json
import shutil
import zlib

import numpy as np
import pytest
import scipy.io
from PIL import Image

import annotate
import prepare
from clip.embed import Clip
from data.benchmark import find_files, load_benchmark
from data.names import find_class, read_names
from data.unseen import draw_classes
from helpers import refusal, write_whole_clip

RSSCN7 = ["aGrass", "bField", "cIndustry", "dRiverLake", "eForest", "fResident", "gParking"]
UC_MERCED = ["baseballdiamond", "chaparral", "denseresidential", "storagetanks"]


def pictures(folder, classes, images=3):
    """A folder for each class, with noise in it."""
    chance = np.random.default_rng(zlib.crc32(str(folder).encode()))
    for name in classes:
        (folder / name).mkdir(parents=True)
        for number in range(images):
            pixels = chance.integers(0, 255, (9, 9, 3)).astype(np.uint8)
            Image.fromarray(pixels).save(folder / name / f"{number}.png")
    return folder


def run(folder, output, *more):
    prepare.main([str(folder), "--output", str(output), "--unseen", "1", *map(str, more)])
    return scipy.io.loadmat(output / "files" / f"{output.name}_splits.mat")


def names(splits):
    return [cell[0].item() for cell in splits["allclasses_names"]]


def fails(capsys, folder, output, *more) -> str:
    """The line that refuses it; nothing is written."""
    error = refusal(capsys, run, folder, output, *more)
    assert not (output / "files").exists()
    return error


# ---- the level of the classes ----------------------------------------------------------------------


def test_train_and_test_are_no_classes(tmp_path, capsys):
    pictures(tmp_path / "data" / "train", UC_MERCED, images=4)
    pictures(tmp_path / "data" / "test", UC_MERCED)
    error = fails(capsys, tmp_path / "data", tmp_path / "out")
    assert "test and train in" in error and "hold folders of the same names" in error
    assert f"name {tmp_path / 'data' / 'train'}, which holds 4 folders with images" in error


def test_train_and_test_without_classes_in_them_are_none_either(tmp_path, capsys):
    pictures(tmp_path / "data", ["train", "test"])
    assert "holds test, train: parts of a dataset?" in fails(capsys, tmp_path / "data", tmp_path / "out")


@pytest.mark.parametrize("above", [".", ".."])
def test_the_folder_of_uc_merced_is_told_that_its_images_hold_the_classes(tmp_path, capsys, above):
    pictures(tmp_path / "data" / "UCMerced_LandUse" / "Images", UC_MERCED)
    (tmp_path / "data" / "UCMerced_LandUse" / "readme.txt").touch()
    error = fails(capsys, (tmp_path / "data" / "UCMerced_LandUse" / above).resolve(), tmp_path / "out")
    assert f"name {tmp_path / 'data' / 'UCMerced_LandUse' / 'Images'}, which holds 4 folders" in error


def test_masks_beside_the_folder_of_the_classes(tmp_path, capsys):
    pictures(tmp_path / "data" / "Images", UC_MERCED)
    pictures(tmp_path / "data", ["masks"])
    error = fails(capsys, tmp_path / "data", tmp_path / "out")
    assert f"name {tmp_path / 'data' / 'Images'}" in error


def test_kinds_of_classes_are_no_classes_unless_that_is_said(tmp_path, capsys):
    pictures(tmp_path / "data" / "water", ["river", "lake"])
    pictures(tmp_path / "data" / "traffic", ["airport", "port", "road"])
    error = fails(capsys, tmp_path / "data", tmp_path / "out")
    assert (
        "hold nothing but folders" in error
        and f"name {tmp_path / 'data' / 'traffic'}, which holds 3" in error
    )
    assert names(run(tmp_path / "data", tmp_path / "out", "--subfolders")) == ["traffic", "water"]


def test_one_folder_in_each_class_or_its_parts_is_no_other_level(tmp_path):
    for name in ("river", "lake"):
        pictures(tmp_path / "single" / name, ["images"])
        pictures(tmp_path / "parted" / name, ["train", "test"])
    assert names(run(tmp_path / "single", tmp_path / "a")) == ["lake", "river"]
    assert names(run(tmp_path / "parted", tmp_path / "b")) == ["lake", "river"]


def test_a_single_class_in_folders_is_told(tmp_path, capsys):
    pictures(tmp_path / "data", ["airport", "port", "road"])
    pictures(tmp_path / "data" / "forest", ["summer", "winter"])
    assert len(names(run(tmp_path / "data", tmp_path / "out"))) == 4
    assert "forest are one class, in summer, winter" in capsys.readouterr().out


# ---- twice into the image folder -------------------------------------------------------------------


def test_twice_into_the_folder_of_the_images(tmp_path, capsys):
    folder = pictures(tmp_path / "mine", UC_MERCED)
    first = run(folder, folder)
    (folder / "cache").mkdir()
    (folder / "cache" / "256.pixels").touch()
    Image.new("RGB", (9, 9)).save(folder / "files" / "similarity.png")
    (folder / "__MACOSX" / "river").mkdir(parents=True)
    assert names(run(folder, folder)) == names(first)


def test_a_class_without_images_is_not_advised_away(tmp_path, capsys):
    folder = pictures(tmp_path / "mine", UC_MERCED)
    (folder / "empty").mkdir()
    (folder / "empty" / "mine_splits.mat").touch()
    error = fails(capsys, folder, tmp_path / "out")
    assert "the class empty has no image" in error and "take the folder away" not in error


# ---- archives --------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind, unpack", [("zip", "unzip"), ("tar", "tar -xf"), ("gztar", "tar -xf")])
def test_an_archive_must_be_unpacked(tmp_path, capsys, kind, unpack):
    folder = pictures(tmp_path / "mine", UC_MERCED)
    packed = shutil.make_archive(str(tmp_path / "packed"), kind, folder)
    assert f"archive, expected a folder: unpack it ({unpack}" in fails(capsys, packed, tmp_path / "out")
    error = fails(capsys, tmp_path / "packed", tmp_path / "out")
    assert "no such folder" in error and f"{unpack} packed." in error


# ---- names -----------------------------------------------------------------------------------------


def test_numbered_folders_are_called_without_their_numbers(tmp_path, capsys):
    folder = pictures(tmp_path / "RSSCN7", RSSCN7)
    splits = run(folder, tmp_path / "out")
    assert names(splits) == ["grass", "field", "industry", "river lake", "forest", "resident", "parking"]
    assert "note: a number or letter in front is left out: aGrass as grass, " in capsys.readouterr().out
    folder = pictures(
        tmp_path / "CUB", ["001.Black_footed_Albatross", "002.Laysan_Albatross", "010.Meadowlark"]
    )
    splits = run(folder, tmp_path / "cub")
    assert names(splits) == ["black footed albatross", "laysan albatross", "meadowlark"]


@pytest.mark.parametrize(
    "folders",
    [["2lane", "4lane", "6lane"], ["aGrass", "cField", "dLake"], ["1_port", "river"], ["2019", "2020"]],
)
def test_what_is_no_numbering_stays(tmp_path, capsys, folders):
    splits = run(pictures(tmp_path / "mine", folders), tmp_path / "out")
    assert [name.replace(" ", "") for name in names(splits)] == [
        name.replace("_", "").lower() for name in folders
    ]
    assert "numbered" not in capsys.readouterr().out


def test_numbers_of_some_folders_alone_are_kept_and_that_is_said(tmp_path, capsys):
    splits = run(pictures(tmp_path / "mine", ["01_port", "aBeach", "river"]), tmp_path / "out")
    assert names(splits) == ["01 port", "a beach", "river"]
    said = capsys.readouterr().out
    assert (
        "a number or letter in front is kept: 01_port as 01 port, aBeach as a beach; "
        "prepare.py --names FOLDER=NAME says otherwise" in said
    )


def test_what_every_folder_is_read_as_is_printed(tmp_path, capsys):
    folders = [f"SceneNumber{chr(65 + k)}{chr(75 + k)}x" for k in range(12)] + ["StorageTanks"]
    run(pictures(tmp_path / "mine", folders), tmp_path / "out")
    said = capsys.readouterr().out
    told = said[said.index("names   ") : said.index(": so CLIP is told")]
    assert told.endswith("storage tanks") and told.count(", ") + told.count(",\n") == 12
    assert all(len(line) <= 110 for line in told.splitlines())


def test_joined_names_are_parted_and_that_is_said(tmp_path, capsys):
    splits = run(pictures(tmp_path / "ucm", UC_MERCED), tmp_path / "out")
    assert names(splits) == ["baseball diamond", "chaparral", "dense residential", "storage tanks"]
    said = capsys.readouterr().out
    assert "note: joined names: baseballdiamond as baseball diamond, denseresidential as " in said
    assert "--names FOLDER=NAME says otherwise" in said


def test_joined_names_are_parted_by_the_words_of_a_clip(tmp_path):
    folder = pictures(tmp_path / "mine", ["quokkapaddock", "river"])
    tokens = {"quokka</w>": 0, "paddock</w>": 1, "quok": 2, "river</w>": 3}
    (tmp_path / "clip").mkdir()
    (tmp_path / "clip" / "vocab.json").write_text(json.dumps(tokens))
    assert names(run(folder, tmp_path / "a")) == ["quokkapaddock", "river"]
    assert names(run(folder, tmp_path / "b", "--clip", tmp_path / "clip")) == ["quokka paddock", "river"]
    (tmp_path / "clip" / "vocab.json").rename(tmp_path / "clip" / "x.json")
    (tmp_path / "clip" / "tokenizer.json").write_text(json.dumps({"model": {"vocab": tokens}}))
    assert names(run(folder, tmp_path / "c", "--clip", tmp_path / "clip")) == ["quokka paddock", "river"]


def test_a_clip_without_words_is_named(tmp_path, capsys):
    folder = pictures(tmp_path / "mine", ["port", "river"])
    error = fails(capsys, folder, tmp_path / "out", "--clip", tmp_path)
    assert f"{tmp_path} has neither vocab.json nor tokenizer.json" in error


def test_given_names_are_used_and_kept_for_other_programs(tmp_path, capsys):
    folder = pictures(tmp_path / "RSSCN7", RSSCN7)
    (tmp_path / "names.txt").write_text("fResident: houses and gardens\ncindustry=factories\n")
    given = ["--names", tmp_path / "names.txt", "aGrass=open grass"]
    splits = run(folder, tmp_path / "out", *given, "--unseen_classes", "fresident", "Open Grass")
    assert names(splits)[:3] == ["open grass", "field", "factories"]
    assert names(splits)[5] == "houses and gardens"
    assert [cell[0].item() for cell in splits["unseen_classes_0"]] == ["open grass", "houses and gardens"]
    stored = read_names(tmp_path / "out" / "files" / "class_names.json")
    assert list(stored) == RSSCN7 and stored["fResident"] == "houses and gardens"
    assert "aGrass" not in capsys.readouterr().out


def test_clip_is_told_the_stored_names(tmp_path, monkeypatch):
    spoken = []

    class Listening(Clip):
        def embed_words(self, words, prompts):
            spoken.extend(words)
            return super().embed_words(words, prompts)

    folder = pictures(tmp_path / "RSSCN7", RSSCN7)
    run(folder, tmp_path / "out", "--names", "aGrass=open grass", "gParking=parking lot")
    monkeypatch.setattr(annotate, "Clip", Listening)
    where = ["--root", tmp_path, "--dataset", "out", "--image_root", folder, "--image_embedding", "out"]
    where += ["--class_embedding", "out", "--group_file", "mine", "--from", "names", "--device", "cpu"]
    where += ["--clip", write_whole_clip(tmp_path / "clip"), "--workers", 0]
    output = tmp_path / "out" / "files" / "mine_splits.mat"
    annotate.main([str(word) for word in [*where, "--output", output]])
    assert {"open grass", "parking lot", "field"} <= set(spoken)

    # who edits the file later is heard, too
    (tmp_path / "out" / "files" / "class_names.json").write_text('{"gParking": "car park"}')
    spoken.clear()
    output.unlink()
    annotate.main([str(word) for word in [*where, "--output", output]])
    assert "car park" in spoken and "parking lot" not in spoken
    assert "car park" in names(scipy.io.loadmat(output))
    data = load_benchmark(
        find_files(str(tmp_path), "out", "out", "mine", "mine", str(folder), 0),
    )
    assert data.class_names[6] == "car park"
    assert find_class("gparking", data.class_names, data.folder_names) == 6


@pytest.mark.parametrize(
    "given, says",
    [
        (["gras"], "--names: no such file: gras; expected a file of names, or FOLDER=WORDS"),
        (["quarry=stones"], "--names quarry=stones: there is no class quarry; there are aGrass, bField"),
        (["aGrass="], "--names: expected a folder and its name"),
        (["aGrass=field"], "both called 'field', once made readable: aGrass and bField"),
        (["aGrass=__"], "--names aGrass=WORDS"),
    ],
)
def test_wrong_names_are_one_line(tmp_path, capsys, given, says):
    folder = pictures(tmp_path / "RSSCN7", RSSCN7)
    assert says in fails(capsys, folder, tmp_path / "out", "--names", *given)


# ---- divisions -------------------------------------------------------------------------------------


def unseen(splits):
    found = []
    for k in range(100):
        if f"unseen_classes_{k}" in splits:
            found.append(tuple(cell[0].item() for cell in splits[f"unseen_classes_{k}"]))
    return found


@pytest.mark.parametrize("count, possible", [(1, 7), (2, 21), (6, 7)])
def test_divisions_differ_as_long_as_there_are_different_ones(tmp_path, capsys, count, possible):
    folder = pictures(tmp_path / "RSSCN7", RSSCN7)
    splits = run(folder, tmp_path / "out", "--unseen", count, "--divisions", possible)
    assert len(set(unseen(splits))) == possible
    more = ["--unseen", count, "--divisions", possible + 1]
    error = fails(capsys, folder, tmp_path / "more", *more)
    assert f"--divisions {possible + 1}: there are only {possible} different ones" in error


def test_divisions_of_several_numbers_differ_too(tmp_path):
    folder = pictures(tmp_path / "RSSCN7", RSSCN7)
    found = unseen(run(folder, tmp_path / "out", "--unseen", 1, 6, "--divisions", 7))
    assert len(set(found)) == 14
    assert all(set(small) < set(large) for small, large in zip(found[:7], found[7:]))


def test_divisions_that_differed_before_are_drawn_as_before():
    drawn = draw_classes(30, [5, 10, 15], 3, 0)  # of AID
    before = [np.random.default_rng([0, k, 30]).permutation(30) for k in range(3)]
    expected = [np.sort(order[:count]) for count in (5, 10, 15) for order in before]
    assert all(map(np.array_equal, drawn, expected))


def test_a_number_that_is_there_twice_has_twice_as_many_divisions(tmp_path, capsys):
    folder = pictures(tmp_path / "mine", ["lake", "port", "river", "road"])
    found = unseen(run(folder, tmp_path / "out", "--unseen", 2, 1, 2, "--divisions", 3))
    assert [len(classes) for classes in found] == [2, 2, 2, 1, 1, 1, 2, 2, 2] and len(set(found)) == 9
    error = fails(capsys, folder, tmp_path / "more", "--unseen", 2, 1, 2, "--divisions", 4)
    assert "--divisions 4: there are only 3 different ones of 4 classes with --unseen 2 1 2" in error


def test_defaults_that_do_not_fit_are_lowered_and_that_is_said(tmp_path, capsys):
    folder = pictures(tmp_path / "mine", ["port", "river"])
    prepare.main([str(folder), "--output", str(tmp_path / "out")])
    said = capsys.readouterr().out
    assert "note: 1 unseen class of 2, not 5; prepare.py --unseen gives another number" in said
    assert "note: prepare.py --divisions 2: there are no more different ones with --unseen 1" in said


def test_divisions_of_the_same_images_are_refused(tmp_path, capsys):
    folder = pictures(tmp_path / "mine", ["port", "river"])
    (tmp_path / "list.txt").write_text("port/0.png\nriver/0.png\n")
    chosen = ["--unseen_classes", "port", "--test_images", tmp_path / "list.txt", "--divisions", 2]
    assert "--divisions: 0 and 1 would be the same" in fails(capsys, folder, tmp_path / "out", *chosen)
