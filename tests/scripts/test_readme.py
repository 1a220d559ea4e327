"""What README.md mentions is there: files, programs, rooms and options."""

import importlib
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MODEL = REPOSITORY / "model"
sys.path.insert(0, str(MODEL))

from support.cli import Parser  # noqa: E402

README = (REPOSITORY / "README.md").read_text().replace("\\\n", " ")  # a command that goes on is one line
PROGRAMS = sorted(file.stem for file in MODEL.glob("*.py"))
ROOMS = sorted(file.parent.name for file in MODEL.glob("*/__init__.py"))

CODE = re.findall(r"^    (.+)$", README, re.MULTILINE) + re.findall(r"`([^`]+)`", README)


@pytest.fixture(scope="module")
def options():
    """{program: its options}, {None: those of all together}."""
    found = {}

    def collect(parser, file=None):
        found[Path(parser.prog).stem] = set(parser._option_string_actions)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Parser, "print_help", collect)
        for program in PROGRAMS:
            with pytest.raises(SystemExit):
                importlib.import_module(program).main(["--help"])
    found["benchmark"] |= found["main"]  # which it hands on
    found[None] = set().union(*found.values())
    return found


def options_in(command: str) -> list:
    """Each option of a command line, with the program that gets it: None if it names none, or a script."""
    pairs, program = [], None
    for word in re.findall(r"\w+\.py\b|\w+\.sh\b|\btorchrun\b|--[A-Za-z][\w-]*", command):
        if word.startswith("--"):
            pairs.append((program, word))
        else:
            program = None if word.endswith(".sh") else word.replace(".py", "")
    return pairs


def test_every_path_exists():
    paths = set(re.findall(r"\b(?:model|script|tests)/[\w/.-]*\w", README))
    assert len(paths) > 40
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []


def test_every_program_and_every_room_has_its_line():
    lines = re.findall(r"^    model/(\w+)(\.py|/) +\w", README, re.MULTILINE)
    assert sorted(name for name, end in lines if end == ".py") == PROGRAMS
    assert sorted(name for name, end in lines if end == "/") == ROOMS


def test_every_option_is_one_of_the_program_on_its_line(options):
    pairs = {pair for command in CODE for pair in options_in(command)}
    ours = [(program, option) for program, option in pairs if program in options]
    assert len(ours) > 60
    assert [pair for pair in ours if pair[1] not in options[pair[0]]] == []


def test_options_are_told_apart_by_program():
    assert options_in("torchrun --nproc 4 model/main.py --gzsl") == [
        ("torchrun", "--nproc"),
        ("main", "--gzsl"),
    ]
    assert options_in("SEED=2 ./script/quickstart.sh --nepoch 1") == [(None, "--nepoch")]
    assert options_in("--no-additional_loss") == [(None, "--no-additional_loss")]
