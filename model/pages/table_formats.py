"""A table with its caption as Markdown, LaTeX, CSV or aligned text.

Titles and names may hold anything: the special characters of each format, line breaks, any script.
In Markdown and LaTeX a cell is one line, and each character is printed as it is.
"""

import textwrap
import unicodedata
from dataclasses import dataclass
from typing import Dict, List

LINE = 100  # letters of a line of a caption, in text


@dataclass
class Table:
    """A table of words.

    title:   above the names of the rows
    rows:    {row: {column: cell}}; a cell that a row does not have is empty
    caption: what the numbers are, in sentences
    """

    title: str
    rows: Dict[str, Dict[str, str]]
    caption: str

    def lines(self) -> List[List[str]]:
        """The cells, line by line, the headings first."""
        columns = list(dict.fromkeys(column for cells in self.rows.values() for column in cells))
        lines = [[self.title, *columns]]
        for row, cells in self.rows.items():
            lines.append([row, *(cells.get(column, "") for column in columns)])
        return lines


# ---- Markdown --------------------------------------------------------------------------------------

# Those that GitHub's Markdown and Pandoc's give a meaning. $ begins a formula, & a character by its name.
MARKDOWN = {ord(letter): f"\\{letter}" for letter in "\\`*_{}[]<>#|~^$&@"}


def markdown(table: Table) -> str:
    """The caption as a paragraph, and the table below it."""
    head, *rows = table.lines()
    lines = [markdown_row(head), markdown_row(["---"] * len(head), escape=False)]
    lines += [markdown_row(row) for row in rows]
    return "\n".join([markdown_text(table.caption), "", *lines])


def markdown_row(cells: List[str], escape: bool = True) -> str:
    """A line of the table."""
    if escape:
        cells = [markdown_text(cell) for cell in cells]
    return f"| {' | '.join(cells)} |"


def markdown_text(text: str) -> str:
    """One line that shows the text as it is."""
    return one_line(text).translate(MARKDOWN)


# ---- LaTeX -----------------------------------------------------------------------------------------

# " is a command of babel in some languages, [ and * after a line's \\ are its arguments.
LATEX = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "#": r"\#",
    "%": r"\%",
    "_": r"\_",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "`": r"\textasciigrave{}",
    '"': r"\symbol{34}",
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
    "±": r"$\pm$",
}
LIGATURES = ("-", "'", ",")  # two of them would become a dash, or quotes
LAST_OF_LATIN = "\u017f"  # pdfLaTeX knows the letters up to here, and a few signs
SIGNS = "–—‘’“”…•€"


def latex(table: Table) -> str:
    """A table environment, with \\caption, and the rules of booktabs."""
    caption = latex_text(table.caption)
    head, *rows = [" & ".join(map(latex_text, line)) + r" \\" for line in table.lines()]
    body = [
        r"\begin{table}",
        r"\centering",
        rf"\caption{{{caption}}}",
        rf"\begin{{tabular}}{{l{'c' * (len(table.lines()[0]) - 1)}}}",
        r"\toprule",
        head,
        r"\midrule",
        *rows,
        r"\bottomrule",
        r"\end{tabular}",
        r"\end{table}",
    ]
    preamble = [r"% needs \usepackage{booktabs}"]
    if has_other_scripts("\n".join(body)):
        preamble.append("% has letters of other scripts: needs XeLaTeX or LuaLaTeX, and a font that has them")
    return "\n".join(preamble + body)


def latex_text(text: str) -> str:
    """One line that shows the text as it is."""
    escaped = ""
    for letter in one_line(text):
        if letter in LIGATURES and escaped.endswith(letter):
            escaped += "{}"
        escaped += LATEX.get(letter, letter)
    return escaped


def has_other_scripts(text: str) -> bool:
    """Are there letters that pdfLaTeX does not know without a package?"""
    return any(letter > LAST_OF_LATIN and letter not in SIGNS for letter in text)


# ---- CSV and text ----------------------------------------------------------------------------------


def comma_separated(table: Table) -> str:
    """The table alone: a line with a caption would be read as a row.

    Cells are quoted where RFC 4180 asks for it. The csv of older Pythons does not quote a carriage return.
    """
    return "\n".join(",".join(map(quoted, line)) for line in table.lines())


def quoted(cell: str) -> str:
    """A cell of CSV."""
    needs_quotes = any(letter in cell for letter in ',"\r\n') or cell != cell.strip()
    return '"' + cell.replace('"', '""') + '"' if needs_quotes else cell


def aligned(table: Table) -> str:
    """Columns for a terminal, the caption below them."""
    lines = [[one_line(cell) for cell in line] for line in table.lines()]
    widths = [max(map(columns_of, column)) for column in zip(*lines)]
    text = []
    for row, *cells in lines:
        words = row + " " * (widths[0] - columns_of(row))
        for cell, width in zip(cells, widths[1:]):
            words += "  " + " " * (width - columns_of(cell)) + cell
        text.append(words.rstrip())
    return "\n".join(text + ["", *textwrap.wrap(one_line(table.caption), LINE)])


def columns_of(text: str) -> int:
    """How many columns of a terminal the text takes: two for a Chinese letter, none for an accent."""
    width = 0
    for letter in text:
        if unicodedata.east_asian_width(letter) in "WF":
            width += 2
        elif not unicodedata.combining(letter):
            width += 1
    return width


def one_line(text: str) -> str:
    r"""The text with line breaks as spaces, and other control characters as \x07."""
    words = ""
    for letter in " ".join(text.splitlines()):
        is_control = unicodedata.category(letter) in ("Cc", "Cs") and letter != "\t"
        words += letter.encode("unicode_escape").decode() if is_control else letter
    return words


FORMATS = {"markdown": markdown, "latex": latex, "csv": comma_separated, "text": aligned}
