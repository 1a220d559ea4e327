"""What comes from outside as text: JSON, and the words in it."""
import json
import re
from typing import Union

HALVES = re.compile("[\ud800-\udfff]")  # of a letter, as JSON can spell them: nothing can print them, nor CLIP read them


def parse_json(text: Union[str, bytes], **how):
    """json.loads, for which it is a ValueError, too, if the text is nested too deeply."""
    try:
        return json.loads(text, **how)
    except RecursionError as error:
        raise ValueError("it is nested too deeply") from error


def are_words(value) -> bool:
    """A text that is not blank and can be printed."""
    return isinstance(value, str) and bool(value.strip()) and not HALVES.search(value)
