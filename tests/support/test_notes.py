"""Notes are printed by programs, and collected where Python asks for silence."""

import threading

import pytest

from support.notes import counted, is_quiet, note, note_new, note_once, quietly
from support.processes import progress


@pytest.fixture(autouse=True)
def nothing_said(monkeypatch):
    monkeypatch.setattr("support.notes.SAID", bytearray(4096))


def say_all():
    for number in range(2):
        note(f"a picture, {number}")
        note_new("a file is odd")
        note_once("band", f"{number}.png has four bands")


def test_a_program_prints_each_as_often_as_it_should(capsys):
    say_all()
    assert capsys.readouterr().out.splitlines() == [
        "note: a picture, 0",
        "note: a file is odd",
        "note: 0.png has four bands",
        "note: a picture, 1",
    ]


def test_quietly_they_are_collected_each_time(capsys):
    for _ in range(2):  # what was said before is no reason not to say it to who asks next
        with quietly() as notes:
            say_all()
        assert list(notes.values()) == [
            "a picture, 0",
            "a file is odd",
            "0.png has four bands",
            "a picture, 1",
        ]
    assert capsys.readouterr().out == ""
    note_once("band", "1.png has four bands")
    assert capsys.readouterr().out == "note: 1.png has four bands\n"


def test_silence_ends_with_an_error_and_is_of_one_thread(capsys):
    with pytest.raises(ValueError, match="wrong"), quietly():
        other = threading.Thread(target=note, args=["elsewhere"])
        other.start()
        other.join()
        assert is_quiet()
        raise ValueError("wrong")
    assert not is_quiet()
    assert capsys.readouterr().out == "note: elsewhere\n"


def test_quietly_there_is_no_progress_bar():
    with quietly(), progress(range(3), "images") as bar:
        assert bar.disable


def test_one_is_no_plural():
    assert counted(1, "image") == "1 image" and counted(0, "image") == "0 images"
    assert counted(2, "class", "classes") == "2 classes"
