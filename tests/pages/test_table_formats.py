"""A table in each format shows every name as it is: what is written is read back, by rules of the format."""

import csv
import io
import random
import re

import pytest

from pages.table_formats import FORMATS, LATEX, Table, latex_text

# Special characters of Markdown, LaTeX and CSV, and letters of several scripts
NAMES = [
    "a|b",
    "a\\|b\\",
    "**bold** _it_ `code` ~~no~~",
    "[link](http://x) ![](y) <b>&amp; &#124;</b>",
    "$x$ 50% #1 & {a}^2_3 \\textbf{x}",
    "\"quoted\", it''s --tile---x `` ,,",
    "[1pt] and *",
    "±1 – ° é ß",
    "道路 고속도로 дорога طريق सड़क Ω",
    "🛰 e\u0301 \u200d",
    "",
]
BREAKS = ["one\ntwo", "one\r\ntwo", "one\rtwo", "one\u2028two", "one\x0btwo", "one\x85two"]


def table(names):
    return Table(
        "t|t", {name: {"x_1": name, "y": "75.0 ± 7.1"} for name in names}, "A caption: 100 % of a_b."
    )


def markdown_cells(line):
    """The cells of a row of GitHub's Markdown, as they are shown: | and \\ before any sign."""
    assert line.startswith("| ") and line.endswith(" |")
    cells = [""]
    letters = iter(line[2:-2])
    for letter in letters:
        if letter == "\\":
            cells[-1] += next(letters)
        elif letter == "|":
            cells.append("")
        else:
            assert letter not in "*_`[]<>&~$", f"{letter} is not escaped in {line}"
            cells[-1] += letter
    return [cell.strip(" ") for cell in cells]


def latex_letters(text):
    """What LaTeX prints for a text, letter by letter. A special character that is not escaped fails."""
    meanings = sorted(((code, letter) for letter, code in LATEX.items()), key=lambda pair: -len(pair[0]))
    shown = ""
    while text:
        for code, letter in meanings:
            if text.startswith(code):
                shown, text = shown + letter, text[len(code) :]
                break
        else:
            if text.startswith("{}"):
                text = text[2:]
                continue
            assert text[0] not in '\\{}$&#%_^~"[]*', f"not escaped: {text}"
            assert not re.match("--|''|,,|``", text), f"a ligature: {text}"
            shown, text = shown + text[0], text[1:]
    return shown


@pytest.mark.parametrize("name", NAMES)
def test_markdown_shows_a_name_as_it_is(name):
    lines = FORMATS["markdown"](table([name])).splitlines()
    assert lines[:2] == ["A caption: 100 % of a\\_b.", ""] and len(lines) == 5
    assert markdown_cells(lines[2]) == ["t|t", "x_1", "y"] and lines[3] == "| --- | --- | --- |"
    assert markdown_cells(lines[4]) == [name, name, "75.0 ± 7.1"]


@pytest.mark.parametrize("name", NAMES)
def test_markdown_as_a_library_reads_it(name):
    reader = pytest.importorskip("markdown_it").MarkdownIt("commonmark").enable(["table", "strikethrough"])
    tokens = reader.parse(FORMATS["markdown"](table([name])))
    cells = [token.children for token in tokens if token.type == "inline"][1:]  # after the caption
    assert {child.type for cell in cells for child in cell} <= {"text", "text_special"}
    assert ["".join(child.content for child in cell) for cell in cells] == [
        *("t|t", "x_1", "y"),
        *(name, name, "75.0 ± 7.1"),
    ]


@pytest.mark.parametrize("name", NAMES)
def test_latex_shows_a_name_as_it_is(name):
    lines = FORMATS["latex"](table([name])).splitlines()
    row = lines[lines.index(r"\midrule") + 1]
    assert row.endswith(r" \\")
    cells = re.split(r"(?<!\\)&", row[:-3])
    assert [latex_letters(cell.strip(" ")) for cell in cells] == [name, name, "75.0 ± 7.1"]
    assert r"\caption{A caption: 100 \% of a\_b.}" in lines and lines[-1] == r"\end{table}"


def test_latex_of_any_letters():
    rng = random.Random(0)
    for _ in range(500):
        text = "".join(rng.choices("\\{}$&#%_^~<>|`\"[]*±-',a 道", k=12))
        assert latex_letters(latex_text(text)) == text


def test_latex_says_which_letters_need_another_engine():
    needs = "needs XeLaTeX or LuaLaTeX"
    assert needs in FORMATS["latex"](table(["道路"])) and needs in FORMATS["latex"](table(["дорога"]))
    assert needs not in FORMATS["latex"](table(["Straße ± é – 5 %"]))


@pytest.mark.parametrize("name", [*NAMES, *BREAKS, "=1+1", " padded "])
def test_csv_is_read_back(name):
    text = FORMATS["csv"](table([name]))
    assert list(csv.reader(io.StringIO(text, newline=""))) == [
        ["t|t", "x_1", "y"],
        [name, name, "75.0 ± 7.1"],
    ]


@pytest.mark.parametrize("name", BREAKS)
@pytest.mark.parametrize("written_as, lines", [("markdown", 5), ("latex", 12), ("text", 4)])
def test_a_line_break_does_not_break_the_table(name, written_as, lines):
    text = FORMATS[written_as](table([name]))
    assert len(text.splitlines()) == lines and text.count("one two") == 2


def test_control_characters_are_shown():
    for written_as, shown in (("markdown", r"a\\x07b"), ("latex", r"a\textbackslash{}x07b")):
        assert shown in FORMATS[written_as](table(["a\x07b"]))


def test_text_is_aligned_in_any_script():
    lines = FORMATS["text"](table(["道路", "road", "e\u0301"])).splitlines()
    assert lines[1:4] == [
        "道路  道路  75.0 ± 7.1",
        "road  road  75.0 ± 7.1",
        "e\u0301        e\u0301  75.0 ± 7.1",
    ]


def test_a_row_without_a_cell_keeps_the_columns():
    ragged = Table("", {"chance": {"ZSL": "1"}, "b": {"ZSL": "2", "H": "3"}}, "c")
    assert FORMATS["csv"](ragged) == ",ZSL,H\nchance,1,\nb,2,3"
