"""What is wrong, as a sentence on the page of app.py: a visitor has no command line, and no folders."""

import re
import sys
import traceback
from pathlib import Path
from typing import Callable, Optional, Sequence

from PIL import Image

from data.images import printable
from inference.offered import Offer
from pages.app_views import refusal
from support.errors import InputError

OPTION = re.compile(r"^(--\w+( or --\w+)*|with_classes|a class): ")  # before a message
PART = r"(?:[;:.,] | \()"  # what a part of a message begins with
ADVICE = re.compile(rf"{PART}((?!{PART}).)*(--[a-z]|\b\w+\.py(?![\w.])).*", re.DOTALL)  # for a command line
TOO_LARGE = "has too many pixels for this page: drop a smaller picture, or a part of it"


def said(make: Callable[[], str], picture: Path, offer: Offer) -> str:
    """HTML that is made, or why it cannot be.  picture, offer: are told by their names"""
    try:
        return make()
    except Exception as error:
        return told(error, [picture], offer)


def told(error: Exception, files: Sequence[Path] = (), offer: Optional[Offer] = None) -> str:
    """HTML: nobody gets a traceback, but the console, if the program has made a mistake."""
    if isinstance(error, InputError):
        return refusal(sentence(error, files, offer))
    traceback.print_exception(type(error), error, error.__traceback__, file=sys.stderr)
    return refusal("Something is wrong with the program, not with your picture: its console says what.")


def sentence(error: InputError, files: Sequence[Path] = (), offer: Optional[Offer] = None) -> str:
    """A message as a sentence, without the names of folders, and without what helps on a command line alone.

    files: of the visitor
    """
    words = without_advice(OPTION.sub("", str(error)))
    for file in files:
        if isinstance(error.__cause__, Image.DecompressionBombError) and str(file) in words:
            words = f"the picture {file} {TOO_LARGE}"
        words = words.replace(str(file), printable(file.name))
    if offer:
        words = words.replace(str(offer.place), offer.name)
    words = words[:1].upper() + words[1:]
    return words if words.endswith((".", "!", "?")) else f"{words}."


def without_advice(words: str) -> str:
    """A message without the part that names options and programs, of which a visitor has none."""
    return ADVICE.sub("", words)
