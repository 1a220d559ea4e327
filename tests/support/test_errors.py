"""How a program ends: its exit code, and one line on stderr."""

import os
import signal
import sys
import time

import pytest

from support import errors
from support.errors import InputError, exits_cleanly, first_line, may_print_error, not_found, one_line
from support.files import read_text


def ending(work, capsys) -> tuple:
    """The exit code of a program, and what it says on stderr."""
    with pytest.raises(SystemExit) as stop:
        exits_cleanly(work)()
    return stop.value.code, capsys.readouterr().err


@pytest.fixture
def one_of_two(monkeypatch, tmp_path):
    """A function that makes this process the one with the given rank, of two that torchrun started."""

    def become(rank: int, attempt: int = 0):
        folder = tmp_path / f"attempt_{attempt}" / str(rank)
        folder.mkdir(parents=True, exist_ok=True)
        monkeypatch.setenv("TORCHELASTIC_RUN_ID", "none")
        monkeypatch.setenv("WORLD_SIZE", "2")
        monkeypatch.setenv("RANK", str(rank))
        monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", str(folder / "error.json"))

    monkeypatch.setattr(sys, "stdout", sys.stdout)  # which exits_cleanly replaces
    return become


# ---- exit codes ------------------------------------------------------------------------------------


def test_wrong_input_is_one_line_and_code_2(capsys):
    def work():
        raise InputError("no such file: two\nlines")

    assert ending(work, capsys) == (2, "error: no such file: two\\nlines\n")


def test_a_mistake_of_the_program_keeps_its_traceback():
    @exits_cleanly
    def work():
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        work()


def test_a_programs_own_exit_code_stays(capsys):
    assert ending(lambda: sys.exit(1), capsys) == (1, "")


def test_a_programs_result_is_returned():
    assert exits_cleanly(lambda value: value + 1)(2) == 3


@pytest.mark.parametrize("number, code", [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_is_one_line_and_a_code_of_its_own(capsys, number, code):
    if number == signal.SIGINT:  # a shell lets what it starts in the background ignore it
        signal.signal(number, signal.default_int_handler)
    before = signal.getsignal(number)
    assert ending(lambda: os.kill(os.getpid(), number), capsys) == (code, f"\n{errors.INTERRUPTED}\n")
    assert signal.getsignal(number) == before


def test_a_signal_is_not_lost_in_a_callback():
    class Callback:
        def __del__(self):  # from which nothing is raised
            signal.raise_signal(signal.SIGTERM)

    @exits_cleanly
    def work():
        Callback()
        time.sleep(20)
        pytest.fail("it went on")

    started = time.monotonic()
    with pytest.raises(SystemExit) as stop:
        work()
    assert stop.value.code == 143
    assert time.monotonic() - started < 10  # it does not wait for what the program is waiting for


def test_other_errors_in_a_callback_are_reported_as_ever(monkeypatch):
    reported = []
    monkeypatch.setattr(sys, "unraisablehook", lambda dropped: reported.append(dropped.exc_type))

    class Callback:
        def __del__(self):
            raise ZeroDivisionError

    exits_cleanly(Callback)()
    assert reported == [ZeroDivisionError]


def test_a_worker_that_dies_of_the_same_signal_is_no_error_of_its_own(capsys):
    @exits_cleanly
    def killed_with_its_workers():
        try:
            os.kill(os.getpid(), signal.SIGTERM)
        finally:
            raise RuntimeError("DataLoader worker (pid 4711) is killed by signal: Terminated.")

    with pytest.raises(SystemExit) as stop:
        killed_with_its_workers()
    assert stop.value.code == 143 and "the same command goes on" in capsys.readouterr().err


# ---- several processes -----------------------------------------------------------------------------


@pytest.mark.parametrize("first, second", [(0, 1), (1, 0)])
def test_of_several_processes_the_first_to_fail_prints(one_of_two, first, second):
    one_of_two(first)
    assert may_print_error()
    one_of_two(second)
    assert not may_print_error()


def test_started_again_by_torchrun_they_may_print_again(one_of_two):
    for attempt in (0, 1):
        one_of_two(0, attempt)
        assert may_print_error()
        assert not may_print_error()


def test_one_prints_if_torchrun_has_removed_its_folder(one_of_two, monkeypatch):
    one_of_two(0)
    monkeypatch.setenv("TORCHELASTIC_ERROR_FILE", "/nowhere/attempt_0/0/error.json")
    assert may_print_error()


def test_what_breaks_in_another_process_is_not_reported(one_of_two, capsys):
    one_of_two(0)
    may_print_error()
    one_of_two(1)

    def work():
        print("another process prints this")
        raise RuntimeError("Connection closed by peer")

    assert ending(work, capsys) == (2, "")
    assert capsys.readouterr().out == ""


# ---- messages --------------------------------------------------------------------------------------


def test_an_error_of_a_loaders_worker_is_its_message_alone():
    wrapped = (
        "Caught InputError in DataLoader worker process 0.\nTraceback ...\nerrors.InputError: no image\n"
    )
    assert str(InputError(wrapped)) == "no image"


def test_what_would_break_a_line_or_steer_a_terminal_is_spelled_out():
    assert one_line("a\nb\x1b[31m\u00e9") == "a\\nb\\x1b[31m\u00e9"


def test_the_first_line_of_an_error_without_words_is_its_name():
    assert first_line(KeyError()) == "KeyError"
    assert first_line(ValueError("\n one \n two")) == "one "


def test_what_is_not_found_is_told_from_what_is_of_the_other_kind(tmp_path):
    (tmp_path / "file").touch()
    assert not_found(tmp_path) == f"{tmp_path} is a folder, where a file is expected"
    assert not_found(tmp_path / "file", "folder").endswith("file is a file, where a folder is expected")
    assert not_found(tmp_path / "x", "folder") == f"no such folder: {tmp_path / 'x'}"
    with pytest.raises(IsADirectoryError, match="it is a folder, where a file is expected"):
        read_text(tmp_path)
