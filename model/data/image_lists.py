"""Lists of images: which may be tested, and which captions are about them."""

from pathlib import Path
from typing import Dict, List, Sequence, Set

import numpy as np

from support.errors import InputError
from support.untrusted import parse_json


def may_be_tested(
    lists: Sequence[str],
    known: Set[str],
    files: Sequence[str],
    labels: np.ndarray,
    names: Sequence[str],
) -> np.ndarray:
    """[n] bool: is this image in one of the lists? Every class needs images of both kinds."""
    listed: Set[str] = set()
    for file in lists:
        listed.update(lines_by_image(file, known))
    tested = np.array([file in listed for file in files])
    for c, name in enumerate(names):
        of_class = tested[labels == c]
        if of_class.all() or not of_class.any():
            raise InputError(
                f"--test_images names {'all' if of_class.all() else 'none'} of the images of {name}: "
                "expected some, to test, and others, to train"
            )
    return tested


def lines_by_image(file: str, known: Set[str]) -> Dict[str, List[str]]:
    """{image: its lines} of a file with a path, or with {"image": path, ...}, in every line.

    known: all images that there are; others are an InputError
    """
    try:
        lines = Path(file).read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"cannot read {file}: {error}") from error
    found: Dict[str, List[str]] = {}
    for place, text in enumerate(lines, start=1):
        line = text.strip()
        if not line:
            continue
        image = image_of_line(line, f"{file}, line {place}")
        if image not in known:
            raise InputError(f"{file}, line {place}: there is no image {image} in the class folders")
        found.setdefault(image, []).append(line)
    return found


def image_of_line(line: str, where: str) -> str:
    """The path in a line.  where: for the message of an InputError"""
    if not line.startswith("{"):
        return line
    try:
        return str(parse_json(line)["image"])
    except (ValueError, KeyError) as error:
        raise InputError(
            f'{where}: expected an image\'s path, or {{"image": path, ...}}, found {line[:60]!r}'
        ) from error
