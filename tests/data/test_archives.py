"""An archive where a folder is expected."""

import shutil

import pytest

import finetune_clip
from caption_training import train
from data.archives import archive_kind
from data.images import walk
from data.naming import words_of_folders
from helpers import predict_with
from support.errors import InputError

KINDS = {"zip": "zip", "tar": "tar", "gztar": "gzip", "bztar": "bzip2", "xztar": "xz"}


@pytest.mark.parametrize("kind", KINDS)
def test_archives_are_known_by_what_they_hold_whatever_they_are_called(tmp_path, kind):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "x.txt").write_text("x")
    archive = shutil.make_archive(str(tmp_path / "packed"), kind, tmp_path / "photos")
    plain = tmp_path / "photos.bin"
    shutil.copy(archive, plain)
    assert archive_kind(plain) == KINDS[kind]
    with pytest.raises(InputError, match="archive, expected a folder: unpack it"):
        list(walk([str(plain)]))


@pytest.mark.parametrize(
    "start, kind",
    [(b"Rar!\x1a\x07\x01\x00", "rar"), (b"7z\xbc\xaf\x27\x1c", "7z"), (b"", None), (b"PK", None)],
)
def test_archives_that_python_cannot_make(tmp_path, start, kind):
    (tmp_path / "x").write_bytes(start)
    assert archive_kind(tmp_path / "x") == kind


def test_what_is_no_file_is_no_archive(tmp_path):
    assert archive_kind(tmp_path) is None and archive_kind(tmp_path / "nothing") is None


def test_predict_is_given_an_archive_of_images(place, tmp_path, capsys):
    archive = shutil.make_archive(str(tmp_path / "photos"), "zip", place / "RSSDIVCS" / "Class0")
    with pytest.raises(SystemExit) as stop:
        predict_with(place, "--output", tmp_path / "out", archive)
    assert stop.value.code == 2 and "photos.zip is a zip archive" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_finetune_clip_is_given_an_archive_of_images(captioned, tmp_path, capsys):
    archive = shutil.make_archive(str(tmp_path / "images"), "tar", captioned)
    words = ["--images", archive, "--captions", captioned / "train.jsonl", "--output", tmp_path / "out"]
    with pytest.raises(SystemExit) as stop:
        finetune_clip.main([str(word) for word in words])
    assert stop.value.code == 2 and "images.tar is a tar archive" in capsys.readouterr().err


def test_class_names_json_names_the_folders_of_captioned_images(captioned, tmp_path, monkeypatch):
    images = shutil.copytree(captioned, tmp_path / "images")
    (images / "class_names.json").write_text('{"GreenField": "meadow"}')
    spoken = []

    def prompts(files, templates, tokenizer, context, places):
        spoken.extend(words_of_folders(["GreenField", "desert"], *places))

    monkeypatch.setattr(finetune_clip, "class_name_prompts", prompts)
    train(images, tmp_path / "clip", epochs=1)
    assert spoken == ["meadow", "desert"]
