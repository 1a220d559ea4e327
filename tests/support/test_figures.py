"""Figures need no screen, and have the letters of any name if a font has them."""

import os
import re
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from matplotlib import font_manager
from PIL import Image, ImageDraw

from clip.description import draw_similarity
from support import figures

MODEL = Path(__file__).parents[2] / "model"
NOTEBOOK = "module://matplotlib_inline.backend_inline"
NEW = "\U00012000\U00012001"  # cuneiform
OTHERS = "\U00012002\U00012003"


@pytest.fixture(autouse=True)
def nothing_noted(monkeypatch):
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    monkeypatch.setattr("support.notes.SAID", bytearray(4096))
    figures.find_fonts.cache_clear()
    yield
    figures.find_fonts.cache_clear()


@pytest.fixture
def font(tmp_path, monkeypatch) -> Path:
    """A font with the two letters, as installed after matplotlib made its list."""
    builder = pytest.importorskip("fontTools.fontBuilder").FontBuilder(1000)
    from fontTools.pens.ttGlyphPen import TTGlyphPen

    pen = TTGlyphPen(None)
    pen.moveTo((100, 0))
    for corner in ((100, 700), (900, 700), (900, 0)):
        pen.lineTo(corner)
    pen.closePath()
    names = [".notdef", "one", "two"]
    builder.setupGlyphOrder(names)
    builder.setupCharacterMap(dict(zip(map(ord, NEW), names[1:])))
    builder.setupGlyf(dict.fromkeys(names, pen.glyph()))
    builder.setupHorizontalMetrics(dict.fromkeys(names, (1000, 100)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Two Letters", "styleName": "Regular"})
    builder.setupOS2()
    builder.setupPost()
    file = tmp_path / "two.ttf"
    builder.save(str(file))
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(file)])
    before = list(font_manager.fontManager.ttflist)
    yield file
    font_manager.fontManager.ttflist[:] = before


# ---- no screen, no notebook ------------------------------------------------------------------------

DRAW = """
import sys, numpy
from support.figures import load_font, use_letters_of
load_font('x', 12)
with use_letters_of(['x']):
    from matplotlib.figure import Figure
    Figure()
print('drawn')"""


@pytest.mark.parametrize("backend", [NOTEBOOK, "TkAgg", "nonsense"])
def test_the_backend_of_a_notebook_is_not_asked_for(backend):
    done = subprocess.run(
        [sys.executable, "-c", DRAW],
        env={**os.environ, "MPLBACKEND": backend},
        cwd=MODEL,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.stdout == "drawn\n", done.stderr


def test_every_import_of_matplotlib_comes_after_the_choice_of_its_backend():
    for file in MODEL.rglob("*.py"):
        for function in re.split(r"\n(?=def |class )", file.read_text(encoding="utf-8")):
            if " import Figure\n" in function or "from matplotlib import" in function:
                before = function.partition("from matplotlib")[0]
                assert re.search(r"use_letters_of\(|import_matplotlib\(\)", before), file


def test_matplotlib_is_imported_by_what_draws_only():
    modules = "predict, visualize, annotate, report, inference.maps, pages.panels"
    program = f"import sys, {modules}; assert 'matplotlib' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", program], cwd=MODEL, capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stderr


# ---- letters ---------------------------------------------------------------------------------------


def test_ordinary_letters_need_no_other_font(capsys):
    assert figures.fonts_for(["wind farm", "Ångström", "Αθήνα $x$"]) == ()
    assert capsys.readouterr().out == ""


def test_a_font_that_has_the_letters_is_used(font, capsys):
    assert [found.name for found in figures.fonts_for(["a" + NEW])] == ["Two Letters"]
    assert figures.load_font(NEW, 12).getname()[0] == "Two Letters"
    assert capsys.readouterr().out == ""


def picture(names, tmp_path) -> np.ndarray:
    with warnings.catch_warnings():
        warnings.filterwarnings("error", "Glyph")
        draw_similarity(np.eye(2), names, tmp_path / "alike.png")
    return np.asarray(Image.open(tmp_path / "alike.png").convert("L"))


def test_a_figure_has_the_letters_and_no_warning(font, tmp_path):
    boxes = picture([OTHERS, "b"], tmp_path)
    figures.find_fonts.cache_clear()
    letters = picture([NEW, "b"], tmp_path)
    assert not np.array_equal(letters, boxes)  # in boxes all letters look alike


def test_where_no_font_has_them_a_line_says_so_once(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(figures, "installed_fonts", list)
    for names in ([NEW, "b"], [NEW, OTHERS]):
        picture(names, tmp_path)
    said = capsys.readouterr().out
    assert said.count("note: ") == 1 and NEW in said and "Noto Sans CJK" in said


def test_a_name_begins_no_formula(tmp_path):
    picture([r"a $\nonsense$", "$b$"], tmp_path)


def test_pillow_writes_the_letters(font):
    image = Image.new("L", (40, 20))
    ImageDraw.Draw(image).text((0, 0), NEW, 255, figures.load_font(NEW, 12))
    assert np.asarray(image).max() == 255
