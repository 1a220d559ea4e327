"""May a program go on with the work that it finds in a folder? Only if options and files are still the same.

Such a folder has an options.json, {"options": {name: value}, ...}, which the program wrote when it began.
"""

from pathlib import Path
from typing import Any, Container, List, Mapping, Sequence

from support.files import read_json


def what_differs(
    folder: Path,
    options: Mapping[str, Any],
    foreign: str,
    ignore: Container[str] = (),
    files: Mapping[str, Any] = {},
    keys: Sequence[str] = (),
    earlier: Mapping[str, Any] = {},
) -> str:
    """What keeps this program from going on in the folder, in words for an error message; "" if nothing does.

    options: {name: value} of now. Only these are compared with the recorded ones.
    foreign: the answer if something else is there, or another program's folder: "it is not a run folder"
    ignore:  names of options that may differ
    files:   {name: digest} of now, of the files that the work reads, recorded as "files" in options.json
    keys:    what options.json must have beside "options" to be this program's
    earlier: {name: value} that an option had before it existed, in a folder that does not record it

    Examples of an answer: "--xe 1.0, now 2.0, images_mat has changed", "it is not a run folder".
    Hidden files do not count: a killed program may leave a lock or a temporary file. Raises InputError if
    options.json is not JSON.
    """
    recorded_file = folder / "options.json"
    if not recorded_file.is_file():
        return foreign if holds_something(folder) else ""
    recorded = read_json(recorded_file)
    if not is_record(recorded, keys):
        return foreign
    answers = []
    for name, value in options.items():
        former = recorded["options"].get(name, earlier.get(name))
        if name not in ignore and former != value:
            answers.append(f"--{name} {former}, now {value}")
    for name in changed(recorded.get("files", {}), files):
        answers.append(f"{name} has changed")
    return ", ".join(answers)


def holds_something(folder: Path) -> bool:
    """Is it a file, or a folder with files that are not hidden?"""
    if not folder.is_dir():
        return folder.exists()
    return any(not file.name.startswith(".") for file in folder.iterdir())


def is_record(recorded: Any, keys: Sequence[str]) -> bool:
    """Has an options.json the keys that it should have, and dictionaries where they are expected?"""
    return (
        isinstance(recorded, dict)
        and all(key in recorded for key in keys)
        and isinstance(recorded.get("options"), dict)
        and isinstance(recorded.get("files", {}), dict)
    )


def changed(recorded: Mapping, now: Mapping) -> List[str]:
    """The names whose values are not as recorded. What one of the two does not know counts as the same."""
    return [name for name, value in recorded.items() if name in now and now[name] != value]
