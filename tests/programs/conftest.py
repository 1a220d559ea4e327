"""Pictures to be named by predict.py."""

import shutil
from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def photos(place, tmp_path_factory) -> Path:
    """Eight pictures in two folders, one that cannot be read, and what is no picture.

    Not to be written to.
    """
    folder = tmp_path_factory.mktemp("photos")
    for number, source in enumerate(sorted((place / "RSSDIVCS").glob("*/*.png"))[::2]):
        target = folder / ("b" if number % 3 else "a/deeper") / f"{number}.png"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, target)
    (folder / "broken.png").write_bytes(b"nothing")
    (folder / "notes.txt").touch()
    (folder / ".hidden.png").touch()
    return folder
