"""A page of report.py, read, with a check that it is well formed."""

from html.parser import HTMLParser
from pathlib import Path

import report

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


def write_report(folder: Path, *words) -> Page:
    report.main([str(folder), "--device", "cpu", *map(str, words)])
    return Page(folder / "report.html")
