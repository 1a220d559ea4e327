"""Types of options, and that --help does not wait for torch."""

import argparse
import re
import subprocess
import sys
import time
from pathlib import Path

import pytest

from support.cli import LARGEST_COUNT, REPOSITORY, Parser, divisions, name_or_path, number, path, pattern

MODEL = Path(__file__).parents[2] / "model"
HEAVY = ("torch", "numpy", "scipy", "matplotlib", "transformers", "PIL")


def python(program: str, *words: str) -> subprocess.CompletedProcess:
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(MODEL)!r}); {program}", *words]
    return subprocess.run(command, capture_output=True, text=True)


def refusal(read, text: str) -> str:
    with pytest.raises(argparse.ArgumentTypeError) as error:
        read(text)
    return str(error.value)


def test_options_and_errors_are_read_without_what_takes_long_to_import():
    done = python(f"import support.cli, support.errors; print([n for n in {HEAVY} if n in sys.modules])")
    assert done.stdout.strip() == "[]", done.stderr


HELPFUL = """from support.cli import Parser
parser = Parser(prog='x.py', description='what it does')
parser.add_argument('name')
parser.answer_help()
print('went on')"""


def test_help_is_answered_before_the_program_goes_on():
    started = time.monotonic()
    done = python(HELPFUL, "--help")
    assert done.returncode == 0 and "what it does" in done.stdout and "went on" not in done.stdout
    assert time.monotonic() - started < 2
    assert "what it does" in python(HELPFUL, "-h").stdout


@pytest.mark.parametrize("program", sorted(file.stem for file in MODEL.glob("*.py")))
def test_a_help_text_names_no_default_twice_and_none_that_says_nothing(program):
    done = subprocess.run([sys.executable, MODEL / f"{program}.py", "--help"], capture_output=True, text=True)
    text = " ".join(done.stdout.split())
    assert done.returncode == 0 and "(default: " in text
    assert not re.findall(r"\(default: (?:None|True|False)\)|\(default: [^()]*\) \(default:", text)


def test_without_help_the_program_goes_on():
    done = python(HELPFUL, "--nonsense")
    assert done.stdout == "went on\n", done.stderr


@pytest.mark.parametrize(
    "words, message",
    [
        (["--size=--"], "argument --size: expected a value, found '--'"),
        (["--size", "x"], "argument --size: expected a whole number at least 1, found 'x'"),
        (["--devise", "cpu\x1b"], "unrecognized arguments: --devise cpu\\x1b"),
    ],
)
def test_wrong_use_is_one_line_and_code_2(capsys, words, message):
    parser = Parser(prog="x.py", allow_abbrev=False)
    parser.add_argument("--size", type=number(int, 1))
    with pytest.raises(SystemExit) as stop:
        parser.parse_args(words)
    assert stop.value.code == 2
    expected = f"error: {message}; `python model/x.py --help` lists the options\n"
    assert capsys.readouterr().err == expected


@pytest.mark.parametrize(
    "read, text, value",
    [
        (number(int, 1), "1", 1),
        (number(int, 0), str(LARGEST_COUNT), LARGEST_COUNT),
        (number(float, 0, 1), "1", 1.0),
        (number(float, 0, above=True), "1e-9", 1e-9),
        (number(int, 0, 2**32 - 1), str(2**32 - 1), 2**32 - 1),
    ],
)
def test_a_number_in_its_span_is_read(read, text, value):
    assert read(text) == value


@pytest.mark.parametrize(
    "read, text, message",
    [
        (number(int, 1), "0", "a whole number at least 1, found '0'"),
        (number(int, 1), "1.5", "a whole number at least 1, found '1.5'"),
        (number(int, 1), str(2**31), "a whole number at least 1 and at most 2147483647, found '2147483648'"),
        (number(float, 0, 1), "1.1", "a number at least 0 and at most 1, found '1.1'"),
        (number(float, 0, above=True), "0", "a number above 0, found '0'"),
        (number(float, 0), "inf", "a number at least 0, found 'inf'"),
        (number(float, 0), "nan", "a number at least 0, found 'nan'"),
    ],
)
def test_other_numbers_are_refused_with_the_span(read, text, message):
    assert refusal(read, text) == f"expected {message}"


def test_a_path_is_absolute_and_need_not_exist(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert path("a/b") == str(tmp_path / "a" / "b")
    assert path("~/x") == str(Path.home() / "x")
    assert "File name too long" in refusal(path, "x" * 5000)


def test_a_name_stays_a_name_unless_there_is_such_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "62").touch()
    assert name_or_path("61") == "61"
    assert name_or_path("62") == str(tmp_path / "62")
    assert name_or_path("x" * 5000) == "x" * 5000
    assert "expected a name or a path" in refusal(name_or_path, " ")


def test_divisions_are_one_or_several_or_all():
    assert (divisions("2"), divisions("0,2"), divisions("all")) == (2, [0, 2], "all")
    assert "expected different divisions" in refusal(divisions, "1,1")


def test_a_pattern_is_a_regular_expression():
    assert pattern("a.*b") == "a.*b"
    assert "expected a regular expression, found '('" in refusal(pattern, "(")


def test_the_repository_is_where_this_test_is():
    assert Path(__file__).is_relative_to(REPOSITORY)
