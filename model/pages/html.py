"""The pieces of a page: headline numbers, tables that can be copied, pictures, and the template around them.

Plain words in, HTML out: everything is escaped here, but for arguments that are said to be HTML.
"""

import base64
import io
from dataclasses import dataclass
from html import escape
from pathlib import Path
from string import Template
from typing import Any, Iterable, Mapping, Sequence, Tuple
from urllib.parse import quote

from PIL import Image

LONG = 28  # letters from which on a table's cell may be broken into lines, anywhere
TALL = 80  # rows from which on a table scrolls in a box
CLASS_KINDS = {"seen": "seen classes", "unseen": "unseen classes", "chosen": "added classes"}  # by CSS class
STYLES = ("colours", "report", "charts")


# ---- the page --------------------------------------------------------------------------------------


def render(title: str, head: str, sections: Mapping[str, str], foot: str) -> str:
    """The page. ASCII, so that any encoding and any file name will do.

    head:     HTML above the sections
    sections: heading -> HTML
    """
    links, bodies = [], []
    for heading, body in sections.items():
        anchor = heading.lower()
        links.append(f'<a href="#{anchor}">{heading}</a>')
        bodies.append(f'<section id="{anchor}"><h2>{heading}</h2>\n{body}</section>')
    html = Template(read_part("report.html")).substitute(
        title=escape(title),
        css="".join(read_part(f"{name}.css") for name in STYLES),
        js=read_part("report.js"),
        head=head,
        foot=escape(foot),
        nav="".join(links),
        main="\n".join(bodies),
    )
    return html.encode("ascii", "xmlcharrefreplace").decode()


def read_part(name: str) -> str:
    """A file beside this one."""
    return Path(__file__).with_name(name).read_text(encoding="utf-8")


def page_head(
    kind: str, title: str, lead: str, cards: Sequence[str], state: str = "", pending: bool = False
) -> str:
    """What stands above the sections.

    cards:   HTML of each headline number
    state:   of a run, such as "finished"
    pending: will the state change?
    """
    badge = ""
    if state:
        badge = f' <span class="state{" pending" if pending else ""}">{escape(state)}</span>'
    return (
        f'<p class="kind">{escape(kind)}{badge}</p><h1>{escape(title)}</h1><p>{escape(lead)}</p>'
        f'<ul class="cards">{"".join(cards)}</ul>'
    )


def card(above: str, value: str, below: str, parts: str = "", unit: str = "%") -> str:
    """A headline number.  parts: HTML of what it is made of"""
    return (
        f"<li><small>{escape(above)}</small><strong>{escape(value)}<i>{escape(unit)}</i></strong>"
        f"{parts}<small>{escape(below)}</small></li>"
    )


# ---- words and boxes -------------------------------------------------------------------------------


def coloured(kind: str, words: str) -> str:
    """Words in a colour.  kind: its CSS class"""
    return f'<b class="{kind}">{escape(words)}</b> '


def legend(kinds: Sequence[Tuple[str, str]]) -> str:
    """What colours mean.  kinds: CSS class and words of each"""
    return f'<p class="legend">{"".join(coloured(kind, words) for kind, words in kinds)}</p>'


def kind_legend(shown: Iterable[str], kinds: Mapping[str, str]) -> str:
    """What the colours of the classes shown mean; "" if it is not known what kinds they are.

    kinds: class -> CSS class
    """
    if not kinds:
        return ""
    there = {kinds.get(name, "chosen") for name in shown}
    return legend([(kind, words) for kind, words in CLASS_KINDS.items() if kind in there])


def note(words: str) -> str:
    """A paragraph that explains."""
    return f'<p class="note">{escape(words)}</p>'


def missing(file: str) -> str:
    """What a section says whose file is not there."""
    return note(f"Left out: there is no {file} in the folder.")


def figure(title: str, words: str, chart: str) -> str:
    """A chart with its caption.  chart: HTML"""
    caption = f"<figcaption><h3>{escape(title)}</h3><span>{escape(words)}</span></figcaption>"
    return f"<figure>{caption}{chart}</figure>"


def grid(parts: Sequence[str], fine: bool = False) -> str:
    """Parts side by side, as many as there is room for.  parts: HTML;  fine: smaller ones"""
    return f'<div class="grid{" fine" if fine else ""}">{"".join(parts)}</div>'


def details(summary: str, parts: Sequence[str]) -> str:
    """Parts that are shown on request.  parts: HTML"""
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def scroller(box: str) -> str:
    """A box that scrolls, with a hint wherever there is more of it.  box: HTML of one element"""
    return f'<div class="scroller"><p class="hint">scroll sideways for more</p>{box}</div>'


def colour_scale(low: str, high: str, kind: str = "") -> str:
    """The colours of a heat map.  kind: "signed" from minus over 0 to plus, "grey" from black to white"""
    return f'<span class="scale">{escape(low)}<i class="{kind}"></i>{escape(high)}</span>'


def picture(image: Image.Image, words: str, quality: int = 80) -> str:
    """The picture itself, as JPEG; the words are for those who do not see it."""
    source = picture_source(image, "jpeg", quality=quality, optimize=True)
    return f'<img src="{source}" alt="{escape(words)}" width="{image.width}" height="{image.height}">'


def picture_source(image: Image.Image, kind: str, **saving: Any) -> str:
    """The picture itself, for src or href.  kind: "jpeg" or "png";  saving: how Pillow saves it"""
    buffer = io.BytesIO()
    image.save(buffer, kind, **saving)
    return f"data:image/{kind};base64,{base64.b64encode(buffer.getvalue()).decode()}"


# ---- tables ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Link:
    """A cell that leads to another page.  address: relative to this page; "" for words alone"""

    words: str
    address: str


class Numeric(str):
    """Words that are aligned like numbers, such as 84.8 ± 1.2."""


def table(
    title: str,
    head: Sequence[str],
    rows: Sequence[Sequence],
    digits: str = ".2f",
    emphasised: Sequence[int] = (),
    stacked: bool = False,
) -> str:
    """A table that can be copied. It scrolls sideways if it is wide, and in a box if it is long.

    rows:       the first value of each is its name
    digits:     the format of floats
    emphasised: numbers of rows
    stacked:    on a phone each row is a paragraph, whose numbers have the headings above them
    """
    names = ""
    for column, name in enumerate(head):
        is_numeric = bool(rows) and column > 0 and is_number(rows[0][column])
        names += f'<th scope="col"{" class=number" if is_numeric else ""}>{escape(name)}</th>'
    is_tall = len(rows) > TALL
    box = "scroll tall" if is_tall else "scroll"
    body = ""
    for place, (first, *rest) in enumerate(rows):
        cells = "".join(table_cell(value, name, digits) for name, value in zip(head[1:], rest))
        mark = ' class="chosen"' if place in emphasised else ""
        look = " class=long" if is_long(first) else ""
        body += f'<tr{mark}><th scope="row"{look}>{cell_text(first, digits)}</th>{cells}</tr>'
    look = ""
    if stacked:
        has_deviations = any(isinstance(value, Numeric) for row in rows for value in row)
        look = f' class="stacked{" deviations" if has_deviations else ""}"'
    return copyable(
        "table",
        title,
        scroller(
            f'<div class="{box}" tabindex="0" role="group" aria-label="{escape(title)}">'
            f"<table{look}><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>"
        ),
        f"{len(rows)} rows: scroll down for more" if is_tall else "",
    )


def is_number(value) -> bool:
    """Is it aligned to the right?"""
    return isinstance(value, (int, float, Numeric))


def is_long(value) -> bool:
    """May it be broken into lines?"""
    return not is_number(value) and not isinstance(value, Link) and len(str(value)) > LONG


def table_cell(value, heading: str, digits: str) -> str:
    """A <td> of a number, a word, a link, or a dash for NaN."""
    text = cell_text(value, digits)
    kind = ""
    if is_number(value):
        kind = f' class=number data-label="{escape(heading)}"'
    elif is_long(value):
        kind = " class=long"
    return f"<td{kind}>{text}</td>"


def cell_text(value, digits: str) -> str:
    """The content of a cell, as HTML."""
    if isinstance(value, Link):
        words = escape(value.words)
        return f'<a href="{escape(quote(value.address))}">{words}</a>' if value.address else words
    if value != value:  # only NaN is not itself
        return "–"
    return escape(format(value, digits) if isinstance(value, float) else str(value))


def settings(facts: Mapping) -> str:
    """What options.json tells: the command, the options, and the circumstances."""
    command = plain(facts.get("command", "not recorded"))
    options = [(key, plain(value)) for key, value in sorted(facts.get("options", {}).items())]
    around = [(key, plain(value)) for key, value in facts.items() if key not in ("options", "command")]
    tables = [
        table("Options", ["option", "value"], options),
        table("Circumstances", ["what", "value"], around),
    ]
    return copyable("code", "Command", f"<pre>{escape(command)}</pre>") + grid(tables)


def plain(value) -> str:
    """A value of a JSON file in words."""
    if isinstance(value, dict):
        return ", ".join(f"{key} {plain(part)}" for key, part in value.items())
    if isinstance(value, list):
        return " ".join(map(plain, value))
    return str(value)


def copyable(kind: str, title: str, body: str, remark: str = "") -> str:
    """A box with a button that copies it.  body: HTML with a table or a pre;  remark: beside the title"""
    button = f'<button type="button" class="copy" title="copy: {escape(title)}">copy</button>'
    more = f"<span>{escape(remark)}</span>" if remark else ""
    caption = f"<figcaption><h3>{escape(title)}</h3>{more}{button}</figcaption>"
    return f'<figure class="{kind}">{caption}{body}</figure>'
