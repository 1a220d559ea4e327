"""What draws figures: matplotlib, without a screen, and fonts that have the letters of any name.

The font that comes with matplotlib has no Chinese letter. Where it lacks one, an installed font that has it
is used as well; where there is none, a note says so, once. The settings of who draws into a notebook stay.
"""

import os
import sys
import warnings
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import Any, FrozenSet, Iterable, Iterator, List, Set, Tuple

from PIL import ImageFont

from support.notes import note_once

ORDINARY = "DejaVu Sans"
PREFERRED = (  # of several fonts with the same letters; a name may go on, as in "Noto Sans CJK JP"
    "Noto Sans CJK",
    "Source Han Sans",
    "WenQuanYi",
    "Microsoft YaHei",
    "SimHei",
    "PingFang",
    "Hiragino Sans",
    "Yu Gothic",
    "MS Gothic",
    "Malgun Gothic",
    "Noto Sans",
    "Arial Unicode MS",
)
LAST_RESORT = "lastresort"  # fonts of this name have a box for every letter


BACKEND = "MPLBACKEND"  # an environment variable of matplotlib's


def import_matplotlib() -> Any:
    """matplotlib. It may be told to draw into a notebook, which this process may have no part in.

    It would refuse to be imported then. So it is told afterwards, for who draws into his notebook.
    """
    backend = None if "matplotlib" in sys.modules else os.environ.pop(BACKEND, None)
    import matplotlib

    if backend is not None:
        os.environ[BACKEND] = backend
        with suppress(ValueError):  # it knows no such backend
            matplotlib.rcParams["backend"] = backend
    return matplotlib


@contextmanager
def use_letters_of(texts: Iterable[str]) -> Iterator[None]:
    """Inside, figures have fonts with these texts' letters.

    They are to be drawn by FigureCanvasAgg, which needs no screen.
    """
    matplotlib = import_matplotlib()
    family = [ORDINARY, *(font.name for font in fonts_for(texts))]
    with matplotlib.rc_context({"font.family": family}), warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Glyph .* missing from")  # matplotlib warns of every letter
        yield


def load_font(text: str, size: int, bold: bool = False) -> ImageFont.FreeTypeFont:
    """For Pillow: a font that has the letters of a text, or most of them.  size: in pixels"""
    lacking = fonts_for([text])
    file = lacking[0].fname if lacking else ordinary_file(bold)
    return ImageFont.truetype(str(file), size)


def ordinary_file(bold: bool = False) -> Path:
    """Of the font that comes with matplotlib."""
    name = "DejaVuSans-Bold.ttf" if bold else "DejaVuSans.ttf"
    return Path(import_matplotlib().get_data_path(), "fonts", "ttf", name)


# ---- which font has a letter? ----------------------------------------------------------------------


def fonts_for(texts: Iterable[str]) -> Tuple[Any, ...]:
    """The fonts that have what the ordinary one lacks, as entries of matplotlib's list."""
    letters = {letter for text in texts for letter in text if letter.isprintable()}
    lacking = letters - letters_of(ordinary_file())
    fonts, missing = find_fonts(frozenset(lacking)) if lacking else ((), "")
    if missing:
        note_once(
            "letters",
            f"no installed font has the letters {missing[:20]}: they are boxes in the pictures. "
            "Install one that has them; for Chinese, Japanese and Korean, for example, Noto Sans CJK",
        )
    return fonts


@cache
def find_fonts(letters: FrozenSet[str]) -> Tuple[Tuple[Any, ...], str]:
    """Installed fonts that have these letters between them, and the letters that none has."""
    missing: Set[str] = set(letters)
    chosen = []
    fonts = installed_fonts()
    while missing and fonts:
        best = max(fonts, key=lambda font: len(missing & letters_of(font.fname)))
        found = missing & letters_of(best.fname)
        if not found:
            break
        chosen.append(best)
        missing -= found
    return tuple(chosen), "".join(sorted(missing))


def installed_fonts() -> List[Any]:
    """Entries of matplotlib's list, the preferred ones first, upright before slanted, normal before bold."""
    import_matplotlib()
    from matplotlib import font_manager

    manager = font_manager.fontManager
    known = {font.fname for font in manager.ttflist}
    for file in font_manager.findSystemFonts():  # matplotlib's list is one of the day when it was made
        if file not in known:
            with suppress(Exception):  # whatever a damaged font makes of it
                manager.addfont(file)
    fonts = [font for font in manager.ttflist if LAST_RESORT not in font.name.lower().replace(" ", "")]
    return sorted(fonts, key=lambda font: (preference(font.name), font.style != "normal", str(font.weight)))


def preference(name: str) -> int:
    """The place of a font in the list of the preferred ones."""
    for place, start in enumerate(PREFERRED):
        if name.startswith(start):
            return place
    return len(PREFERRED)


@cache
def letters_of(file: str) -> FrozenSet[str]:
    """All letters that a font has."""
    import_matplotlib()
    from matplotlib.ft2font import FT2Font

    try:
        return frozenset(map(chr, FT2Font(str(file)).get_charmap()))
    except (OSError, RuntimeError):
        return frozenset()
