"""From what folders are called to the names of classes."""

import json

import pytest

from clip.evaluation import class_name_prompts
from data.naming import name_classes, without_numbering, words_of_folders
from support.errors import InputError


def test_words_of_folders_are_those_that_are_stored_or_their_own(tmp_path):
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "class_names.json").write_text(json.dumps({"aGrass": "short grass"}))
    folders = ["aGrass", "bStoragetanks"]
    assert words_of_folders(folders, tmp_path, tmp_path / "files") == ["short grass", "storage tanks"]
    assert words_of_folders(["storagetanks", "River"]) == ["storage tanks", "river"]


def test_a_clip_is_told_the_stored_names(tmp_path):
    (tmp_path / "class_names.json").write_text(json.dumps({"aGrass": "short grass"}))
    told = []

    def tokenizer(sentences, **how):
        told.extend(sentences)
        return {"input_ids": [[0] for _ in sentences]}

    class_name_prompts(["aGrass/0.png", "golfcourse/1.png"], ["a {}."], tokenizer, 5, [tmp_path])
    assert told == ["a short grass.", "a golf course."]


@pytest.mark.parametrize(
    "folders, names",
    [
        (["1.port", "2.river"], ["port", "river"]),
        (["01-Port", "02 River", "03_Lake"], ["Port", "River", "Lake"]),
        (["1港", "2河"], ["港", "河"]),
        (["aPort", "bRiver", "cLake"], ["Port", "River", "Lake"]),
    ],
)
def test_numbering(folders, names):
    assert list(without_numbering(folders).values()) == names


@pytest.mark.parametrize(
    "folders",
    [
        [],
        ["1.port"],
        ["1.port", "1.river"],
        ["1.port", "2.port"],
        ["1.port", "river"],
        ["1.", "2."],
        ["bPort", "cRiver"],
        ["aport", "briver"],
    ],
)
def test_no_numbering(folders):
    assert without_numbering(folders) == {}


@pytest.mark.parametrize(
    "name",
    [
        "草地",
        "مرج",
        "שדה תעופה",
        "🌾",
        "лес",
        "cafe\u0301",
        "ﬁeld",
        "100% corn",
        "%s",
        "{}",
        "it's",
        '"quoted"',
        "İstanbul",
        "straße",
        "ǅungla",
        "๑๒๓",
        "a\u200bb",
        "x" * 300,
    ],
)
def test_names_of_any_script(name):
    assert set(name_classes([name, "other"], {})) == {name, "other"}
    assert name_classes(["folder", "other"], {"folder": name})["folder"] == name


def test_one_name_for_two_is_refused_with_both_folders():
    with pytest.raises(InputError, match="both called 'port', once made readable: Port and port_"):
        name_classes(["Port", "port_"], {})
