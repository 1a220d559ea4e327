"""The page of app.py, without a browser: its HTML, read as a visitor reads it, and a class that one adds."""

import re
from html import unescape

from pages.app_page import Asked, class_by_pictures


def words_of(html: str) -> str:
    return " ".join(unescape(re.sub("<[^>]*>", " ", html)).split())


def refused(html: str) -> str:
    assert 'role="alert"' in html and "Traceback" not in html
    return words_of(html)


def ranked(html: str) -> list:
    """(name, probability) of a ranking, as it is shown."""
    entries = re.findall(r'<li class="\w+" data-value="([^"]*)"><b>(.*?)</b>', html)
    return [(unescape(name), float(value)) for value, name in entries]


def add(models, offer, name, files, typed="", others=()):
    """A class by pictures."""
    asked = Asked(offer, None, typed=typed, pictured=tuple(others), name=name, files=tuple(map(str, files)))
    return class_by_pictures(models, asked)
