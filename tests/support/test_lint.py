"""The layers in script/pyproject.toml name all rooms and all programs of model/."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
CONFIGURATION = (REPOSITORY / "script" / "pyproject.toml").read_text()


def listed(option: str) -> list:
    """The names in a list of the configuration. Python 3.9 reads no TOML."""
    (content,) = re.findall(rf"^{option} = \[(.*?)\]", CONFIGURATION, re.MULTILINE | re.DOTALL)
    return re.findall(r'"(\w+)"', content)


def test_every_room_has_its_layer():
    rooms = {place.parent.name for place in (REPOSITORY / "model").glob("*/__init__.py")}
    assert set(listed("layers")) == set(listed("root_packages")) == set(listed("source_modules")) == rooms


def test_no_program_may_be_imported_by_a_room():
    programs = {place.stem for place in (REPOSITORY / "model").glob("*.py")}
    assert programs <= set(listed("forbidden_modules"))
