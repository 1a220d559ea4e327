"""A short run, and its page by report.py, read, with a check that it is well formed."""

import csv
import re
from html.parser import HTMLParser
from pathlib import Path

import main
import report
from helpers import refusal, start

QUICK = (
    "--nepoch 3 --n_batch 2 --ways 3 --shots 2 --pretrain_epoch 0 --pretrain_lr 1e-2 --classifier_lr 1e-3 "
    "--manualSeed 1 --workers 0 --device cpu --use_group --regular 1e-3"
).split()
NASTY = '<b>&"x" Ω'  # a name
VOID = {"meta", "link", "img", "input"}


class Page(HTMLParser):
    """A page, read.

    elements: (tag, attributes) of each
    tables:   title -> rows of words
    sections: heading -> words
    """

    def __init__(self, file: Path):
        super().__init__()
        self.text = file.read_text(encoding="ascii")
        self.open = []
        self.elements = []
        self.tables = {}
        self.sections = {}
        self.table = None
        self.section = ""
        self.feed(self.text)
        self.close()
        assert not self.open, f"not closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        assert len(dict(attributes)) == len(attributes), f"an attribute twice: {attributes}"
        if tag not in VOID:
            self.open.append(tag)
        if tag == "table":
            self.table = self.tables.setdefault(self.title, [])
        elif tag == "tr":
            self.table.append([])
        elif tag in ("th", "td"):
            self.table[-1].append("")
        elif tag in ("h2", "h3"):
            self.title = ""

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag, f"</{tag}> closes another element"
        if tag == "h2":
            self.section = self.title
            self.sections[self.section] = ""
        elif tag == "h3":
            assert self.title != self.section, f"the heading {self.title} twice"

    def handle_data(self, words):
        if self.open and self.open[-1] in ("h2", "h3"):
            self.title += words
        elif self.open and self.open[-1] in ("th", "td"):
            self.table[-1][-1] += words
        if self.section and "script" not in self.open:
            self.sections[self.section] += words

    def of(self, tag: str, kind: str = "") -> list:
        return [
            attributes
            for name, attributes in self.elements
            if name == tag and set(kind.split()) <= set(attributes.get("class", "").split())
        ]

    def cards(self) -> list:
        """The words of each headline number."""
        cards = self.text.split('<ul class="cards">')[1].split("</ul>")[0]
        words = re.sub("<[^>]*>", " ", cards.replace("</li>", "\n"))
        return [" ".join(line.split()) for line in words.splitlines()]

    def by_row(self, title: str) -> dict:
        """Of a table: the first word of a row -> the word above a cell -> the cell."""
        head, *rows = self.tables[title]
        return {row[0]: dict(zip(head[1:], row[1:])) for row in rows}


def write_report(folder: Path, *words) -> Page:
    report.main([str(folder), "--device", "cpu", *map(str, words)])
    return Page(folder / "report.html")


def read_confusion(file: Path) -> dict:
    """What main.py wrote: true class -> named class -> number of images, as words."""
    rows = list(csv.DictReader(file.open(encoding="utf-8", newline="")))
    return {row.pop("class"): row for row in rows}


def no_report(capsys, folder: Path) -> str:
    """The one line that says why there is no page."""
    error = refusal(capsys, start, report, folder, "--device", "cpu")
    assert "Error(" not in error  # a word of Python's
    assert not (folder / "report.html").exists()
    return error


def train(places: dict, output: Path, *words) -> Path:
    """A run of three epochs.  places: `root` and `clip`"""
    start(main, "--root", places["root"], "--clip", places["clip"], "--output", output, *QUICK, *words)
    return output
