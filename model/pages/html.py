"""The pieces of a report's page: headline numbers, tables that can be copied, pictures, and the template around them.

Plain words in, HTML out: everything is escaped here, but for arguments that are said to be HTML.
"""

import base64
import io
from html import escape
from pathlib import Path
from string import Template
from typing import Mapping, Sequence, Tuple

from PIL import Image


def render(title: str, head: str, sections: Mapping[str, str], foot: str) -> str:
    """The page: HTML of the head, and of each section by its heading. ASCII, so that any encoding and any file name will do."""
    names = {heading: heading.lower() for heading in sections}
    html = Template(Path(__file__).with_name("report.html").read_text(encoding="utf-8")).substitute(
        title=escape(title),
        head=head,
        foot=escape(foot),
        nav="".join(f'<a href="#{name}">{heading}</a>' for heading, name in names.items()),
        main="\n".join(
            f'<section id="{names[heading]}"><h2>{heading}</h2>\n{body}</section>'
            for heading, body in sections.items()
        ),
    )
    return html.encode("ascii", "xmlcharrefreplace").decode()


def heading(
    kind: str, title: str, lead: str, cards: Sequence[str], state: str = "", pending: bool = False
) -> str:
    """cards: HTML of each;  pending: the state is not the final one."""
    badge = f' <span class="state{" pending" if pending else ""}">{escape(state)}</span>' if state else ""
    return f'<p class="kind">{escape(kind)}{badge}</p><h1>{escape(title)}</h1><p>{escape(lead)}</p><ul class="cards">{"".join(cards)}</ul>'


def card(above: str, value: str, below: str, parts: str = "", unit: str = "%") -> str:
    """A headline number. parts: HTML of what it is made of."""
    return f"<li><small>{escape(above)}</small><strong>{escape(value)}<i>{escape(unit)}</i></strong>{parts}<small>{escape(below)}</small></li>"


def coloured(kind: str, words: str) -> str:
    return f'<b class="{kind}">{escape(words)}</b> '


def legend(*kinds: Tuple[str, str]) -> str:
    """kinds: CSS class and words of each."""
    return f'<p class="legend">{"".join(coloured(kind, words) for kind, words in kinds)}</p>'


def note(words: str) -> str:
    return f'<p class="note">{escape(words)}</p>'


def figure(title: str, words: str, chart: str) -> str:
    return f"<figure><figcaption><h3>{escape(title)}</h3><span>{escape(words)}</span></figcaption>{chart}</figure>"


def grid(*parts: str, fine: bool = False) -> str:
    return f'<div class="grid{" fine" if fine else ""}">{"".join(parts)}</div>'


def details(summary: str, *parts: str) -> str:
    return f"<details><summary>{escape(summary)}</summary>{''.join(parts)}</details>"


def scale(low: str, high: str, signed: bool = False) -> str:
    return f'<p class="scale">{escape(low)}<i{" class=signed" if signed else ""}></i>{escape(high)}</p>'


def table(
    title: str, head: Sequence[str], rows: Sequence[Sequence], digits: str = ".2f", chosen: Sequence[int] = ()
) -> str:
    """digits: the format of floats;  chosen: the rows to emphasise."""

    def is_number(value) -> bool:
        return isinstance(value, (int, float))

    def cell(value) -> str:
        text = (
            "–" if value != value else format(value, digits) if isinstance(value, float) else str(value)
        )  # only NaN is not itself
        return f"<td{' class=number' if is_number(value) else ' class=long' if len(text) > 40 else ''}>{escape(text)}</td>"

    def row(first, rest, emphasis) -> str:
        return f'<tr{" class=chosen" if emphasis else ""}><th scope="row">{escape(str(first))}</th>{"".join(map(cell, rest))}</tr>'

    numeric = [False, *map(is_number, rows[0][1:])] if rows else [False] * len(head)
    names = "".join(
        f'<th scope="col"{" class=number" if right else ""}>{escape(name)}</th>'
        for name, right in zip(head, numeric)
    )
    body = "".join(row(first, rest, place in chosen) for place, (first, *rest) in enumerate(rows))
    return copied(
        "table",
        title,
        f'<div class="scroll" tabindex="0" role="group" aria-label="{escape(title)}">'
        f"<table><thead><tr>{names}</tr></thead><tbody>{body}</tbody></table></div>",
    )


def settings(facts: Mapping) -> str:
    """What options.json tells: the command, the options, and the circumstances."""

    def words(value) -> str:
        if isinstance(value, dict):
            return ", ".join(f"{key} {words(part)}" for key, part in value.items())
        return " ".join(map(words, value)) if isinstance(value, list) else str(value)

    options = [(key, words(value)) for key, value in sorted(facts.get("options", {}).items())]
    around = [(key, words(value)) for key, value in facts.items() if key not in ("options", "command")]
    return copied(
        "code", "Command", f"<pre>{escape(words(facts.get('command', 'not recorded')))}</pre>"
    ) + grid(
        table("Options", ["option", "value"], options), table("Circumstances", ["what", "value"], around)
    )


def copied(kind: str, title: str, body: str) -> str:
    """body: HTML with a table or a pre, which a button copies."""
    button = f'<button type="button" class="copy" title="copy: {escape(title)}">copy</button>'
    return f'<figure class="{kind}"><figcaption><h3>{escape(title)}</h3>{button}</figcaption>{body}</figure>'


def picture(image: Image.Image, words: str, quality: int = 80) -> str:
    """The picture itself, as JPEG; the words are for those who do not see it."""
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=quality, optimize=True)
    source = f"data:image/jpeg;base64,{base64.b64encode(buffer.getvalue()).decode()}"
    return f'<img src="{source}" alt="{escape(words)}" width="{image.width}" height="{image.height}">'
