"""SVG elements as strings, and how wide the labels in them are."""

from html import escape
from typing import Sequence

LETTER = 6.9  # width of a letter in pixels, in words of 12 pixels
LONGEST_LABEL = 24  # letters of a label; one with more is cut


def element(name: str, content: str = "", **attributes) -> str:
    """An SVG element.

    content:    SVG, or escaped words
    attributes: `kind` is the CSS class; underscores become hyphens
    """
    words = ""
    for key, value in attributes.items():
        attribute = "class" if key == "kind" else key.replace("_", "-")
        words += f' {attribute}="{value}"'
    return f"<{name}{words}>{content}</{name}>" if content else f"<{name}{words}/>"


def drawing(kind: str, title: str, parts: Sequence[str], height: int, style: str) -> str:
    """A complete <svg>.

    kind:   its CSS class
    height: in pixels
    style:  its CSS, which says how wide it is
    """
    return (
        f'<svg class="{kind}" role="img" aria-label="{escape(title)}" height="{height}" style="{style}">'
        f"{''.join(parts)}</svg>"
    )


def tooltip(words: str) -> str:
    """The <title> of an element: what it says under the pointer."""
    return f"<title>{escape(words)}</title>"


def short(label: str) -> str:
    """The label, cut if it is too long."""
    return label if len(label) <= LONGEST_LABEL else label[: LONGEST_LABEL - 1] + "…"


def label_text(label: str) -> str:
    """The content of a <text>: the label, and a tooltip with all of it if it was cut."""
    shown = short(label)
    return escape(shown) if shown == label else escape(shown) + tooltip(label)


def label_width(labels: Sequence[str], font_size: int = 12) -> int:
    """Room for the longest label, with its margins. Pixels."""
    longest = max((len(short(label)) for label in labels), default=0)
    return round(18 + LETTER * font_size / 12 * longest)
