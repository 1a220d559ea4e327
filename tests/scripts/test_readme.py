"""The READMEs are short enough to read, and what they mention is there.

test_quickstart.py runs their commands.
"""

import importlib
import re
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]
MODEL = REPOSITORY / "model"
sys.path.insert(0, str(MODEL))

from support.cli import Parser  # noqa: E402

FOLDERS = ("model", "script", "RSSDIVCS", "flax-community", "tests")
FILES = [REPOSITORY / "README.md"]
for folder in FOLDERS:
    found = sorted((REPOSITORY / folder).rglob("README.md"))
    FILES += [file for file in found if "/." not in str(file.relative_to(REPOSITORY))]
TEXTS = {str(file.relative_to(REPOSITORY)): file.read_text(encoding="utf-8") for file in FILES}
README = TEXTS["README.md"]
PROGRAMS = sorted(file.stem for file in MODEL.glob("*.py"))
ROOMS = sorted(file.parent.name for file in MODEL.glob("*/__init__.py"))

LONGEST_LINE = 120  # outside of tables and links
MOST_WORDS = 1400  # of README.md


def code_of(text: str) -> list:
    """Lines of code blocks, a command that goes on being one line, and what stands between backticks."""
    joined = re.sub(r"\\\n\s*", " ", text)
    return re.findall(r"^    (.+)$", joined, re.MULTILINE) + re.findall(r"`([^`\n]+)`", text)


CODE = [line for text in TEXTS.values() for line in code_of(text)]


# ---- what they say ---------------------------------------------------------------------------------


def test_the_front_door_is_short():
    assert len(README.split()) <= MOST_WORDS


@pytest.mark.parametrize("name", TEXTS)
def test_lines_are_short(name):
    long = []
    for number, line in enumerate(TEXTS[name].splitlines(), 1):
        is_table_or_link = line.startswith("|") or "http" in line
        if len(line) > LONGEST_LINE and not is_table_or_link:
            long.append(number)
    assert long == []


@pytest.mark.parametrize("name", TEXTS)
def test_links_lead_somewhere(name):
    place = (REPOSITORY / name).parent
    for target in re.findall(r"\]\(([^)#\s]*)(?:#[^)]*)?\)", TEXTS[name]):
        if target and not target.startswith("http"):
            assert (place / target).exists(), target


@pytest.mark.parametrize("name", TEXTS)
def test_anchors_are_headings(name):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)]*)\)", TEXTS[name]):
        file = (REPOSITORY / name).parent / target if target else REPOSITORY / name
        headings = re.findall(r"^#+ (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE)
        slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
        assert anchor in slugs


def test_every_path_exists():
    paths = set()
    for text in TEXTS.values():
        paths |= set(re.findall(r"(?<![\w/])(?:model|script|tests)/[\w/.-]*\w", text))
    assert len(paths) > 40
    assert [path for path in sorted(paths) if not (REPOSITORY / path).exists()] == []


def test_every_test_that_is_named_is_there():
    """A cell names tests/FILE.py::test, and further tests of that file as ::test."""
    named = 0
    for row in TEXTS["tests/README.md"].splitlines():
        file = None
        for word in re.findall(r"tests/[\w/]+\.py|::\w+", row if row.startswith("|") else ""):
            if word.startswith("::"):
                named += 1
                assert f"def {word[2:]}(" in (REPOSITORY / file).read_text(encoding="utf-8"), word
            else:
                file = word
    assert named > 100


def test_every_program_and_every_room_has_its_line():
    lines = re.findall(r"^    model/(\w+)(\.py|/) +\w", README, re.MULTILINE)
    assert sorted(name for name, end in lines if end == ".py") == PROGRAMS
    assert sorted(name for name, end in lines if end == "/") == ROOMS


# ---- options ---------------------------------------------------------------------------------------


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


def test_every_option_is_one_of_the_program_on_its_line(options):
    pairs = {pair for command in CODE for pair in options_in(command)}
    ours = [(program, option) for program, option in pairs if program in options]
    assert len(ours) > 60
    foreign = {"--help", "--local-dir", "--shm-size"}
    assert [pair for pair in ours if pair[1] not in options[pair[0]] | foreign] == []


def test_options_are_told_apart_by_program():
    assert options_in("torchrun --nproc 4 model/main.py --gzsl") == [
        ("torchrun", "--nproc"),
        ("main", "--gzsl"),
    ]
    assert options_in("SEED=2 ./script/quickstart.sh --nepoch 1") == [(None, "--nepoch")]
    assert options_in("--no-additional_loss") == [(None, "--no-additional_loss")]
