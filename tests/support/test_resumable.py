"""What keeps a program from going on in a folder, in words."""

import pytest

from support.errors import InputError
from support.files import write_json
from support.resumable import changed, what_differs

FOREIGN = "it is not a run folder"
OPTIONS = {"xe": 1.0, "gzsl": False}


@pytest.fixture
def folder(tmp_path):
    """A folder in which a program has begun."""
    files = {"images_mat": "aa", "splits_mat": "bb"}
    write_json(tmp_path / "options.json", {"options": OPTIONS, "files": files, "fingerprint": "cc"})
    return tmp_path


def test_the_same_options_and_files_may_go_on(folder):
    assert what_differs(folder, OPTIONS, FOREIGN, files={"images_mat": "aa", "splits_mat": "bb"}) == ""


def test_other_options_and_files_are_named(folder):
    now = {"gzsl": True, "xe": 2.0}
    answer = "--gzsl False, now True, --xe 1.0, now 2.0, images_mat has changed"
    assert what_differs(folder, now, FOREIGN, files={"images_mat": "dd"}) == answer


def test_an_option_that_was_not_recorded_differs_unless_it_is_none(folder):
    assert what_differs(folder, {**OPTIONS, "start": "words"}, FOREIGN) == "--start None, now words"
    assert what_differs(folder, {**OPTIONS, "start": None}, FOREIGN) == ""


def test_an_option_that_is_no_more_makes_no_difference(folder):
    assert what_differs(folder, {"xe": 1.0}, FOREIGN) == ""


def test_options_that_may_differ_are_ignored(folder):
    assert what_differs(folder, {"xe": 2.0, "gzsl": False}, FOREIGN, ignore={"xe"}) == ""


def test_a_file_that_was_not_recorded_counts_as_the_same(folder):
    assert what_differs(folder, OPTIONS, FOREIGN, files={"group_file": "ee"}) == ""


def test_a_new_folder_and_an_empty_one_may_be_used(tmp_path):
    assert what_differs(tmp_path / "new", OPTIONS, FOREIGN) == ""
    assert what_differs(tmp_path, OPTIONS, FOREIGN) == ""


def test_hidden_files_do_not_make_a_folder_foreign(tmp_path):
    (tmp_path / ".lock").touch()
    (tmp_path / ".options.json.4711").touch()
    assert what_differs(tmp_path, OPTIONS, FOREIGN) == ""


def test_a_folder_with_other_things_is_foreign(tmp_path):
    (tmp_path / "photo.jpg").touch()
    assert what_differs(tmp_path, OPTIONS, FOREIGN) == FOREIGN
    assert what_differs(tmp_path / "photo.jpg", OPTIONS, FOREIGN) == FOREIGN


def test_another_programs_folder_is_foreign(folder):
    assert what_differs(folder, OPTIONS, FOREIGN, keys=("fingerprint",)) == ""
    assert what_differs(folder, OPTIONS, FOREIGN, keys=("vocabulary",)) == FOREIGN


@pytest.mark.parametrize("content", [3, {}, {"options": 3}, {"options": {}, "files": []}])
def test_what_no_program_writes_is_foreign(tmp_path, content):
    write_json(tmp_path / "options.json", content)
    assert what_differs(tmp_path, OPTIONS, FOREIGN) == FOREIGN


def test_options_that_are_no_json_are_an_error(tmp_path):
    (tmp_path / "options.json").write_text("{")
    with pytest.raises(InputError, match="options.json is not readable JSON"):
        what_differs(tmp_path, OPTIONS, FOREIGN)


def test_changed_values_are_named_and_unknown_ones_are_not():
    assert changed({"a": 1, "b": 2, "c": 3}, {"a": 1, "b": 5, "d": 4}) == ["b"]
