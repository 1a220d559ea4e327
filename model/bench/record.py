"""gpu.json: what gpu_check.py has found so far, written after each part."""

import shutil
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Dict, Iterator, Mapping, Sequence

from support.errors import InputError
from support.files import hold, read_json, write_json

OURS = ("gpu.json", "generated", "in_full")


class Record:
    """The folder of a check.

    gpu.json    machine, versions, options, and "parts": {part: all its numbers}
    generated/  data and trainings, while it runs
    in_full/    the experiment that was run in full, as main.py left it

    A check that was interrupted goes on with the part that it was at. One that was finished begins anew, and
    parts that are not asked for stay as they are.
    """

    def __init__(self, folder: Path, facts: Mapping[str, Any], options: Mapping[str, Any]):
        """facts: of the machine;  options: that change what is measured

        Raises InputError if the folder holds something else: what is ours is removed.
        """
        self.folder = folder
        self.file = folder / "gpu.json"
        foreign = []
        if folder.is_dir():
            names = [file.name for file in folder.iterdir() if not file.name.startswith(".")]
            foreign = sorted(set(names) - set(OURS if self.file.is_file() else []))
        if foreign or folder.is_file():
            found = foreign[0] if foreign else "a file"
            raise InputError(
                f"{folder} holds something else than a check of a GPU, {found}: name another --output"
            )
        self.lock = hold(folder)
        self.circumstances = {"options": dict(options), **facts}
        self.parts: Dict[str, Any] = {}
        self.is_continued = False
        self.read_earlier()

    def read_earlier(self):
        """Parts that an earlier check of the same machine with the same options has found."""
        if not self.file.is_file():
            return
        earlier = read_json(self.file)
        if not isinstance(earlier, dict) or not isinstance(earlier.get("parts"), dict):
            return
        same = all(earlier.get(key) == value for key, value in self.circumstances.items() if key != "command")
        if same:
            self.parts = earlier["parts"]
            self.is_continued = not earlier.get("finished", False)

    def is_done(self, part: str) -> bool:
        """Was it done before the check was interrupted?"""
        return self.is_continued and part in self.parts

    def begin(self, parts: Sequence[str]):
        """What these parts have found is forgotten, unless the check goes on."""
        for part in parts:
            if not self.is_done(part):
                self.parts.pop(part, None)
        self.write(finished=False)

    def add(self, part: str, found: Dict[str, Any]):
        self.parts[part] = found
        self.write(finished=False)

    def finish(self):
        self.write(finished=True)

    def write(self, finished: bool):
        write_json(self.file, {**self.circumstances, "finished": finished, "parts": self.parts})

    @contextmanager
    def generated(self) -> Iterator[Path]:
        """An empty folder for generated data, which is removed at the end, and also if it is interrupted."""
        folder = self.folder / "generated"
        remove(folder)  # of a check that was killed
        folder.mkdir()
        try:
            yield folder
        finally:
            remove(folder)


def remove(folder: Path):
    """Remove a folder of ours with all that is in it, if it is there."""
    if folder.exists():
        shutil.rmtree(folder, ignore_errors=True)
