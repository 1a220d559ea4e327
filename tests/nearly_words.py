"""Command lines that are nearly right."""

import io
import re
from contextlib import redirect_stdout, suppress
from functools import cache

from hypothesis import strategies as st


@cache
def options_of(program) -> dict:
    """A program's options, off the usage that its help begins with: {name: the words to choose from; None
    if any, [] if none}"""
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        program.main(["--help"])
    usage = re.sub(r"\s+", " ", said.getvalue().split("\n\n")[0])
    found = {}
    for name, word, choices in re.findall(r"(--\w[\w-]*)( [A-Z]| \{([^}]*)\})?", usage):
        found[name] = choices.split(",") if choices else []
        if word and not choices:
            found[name] = None
    return found


@st.composite
def nearly_words(draw, words, options, odd):
    """A command line with an option added, left out, or of another value, or several.

    options: as of `options_of`;  odd: option -> what it may be given that is not as it should be
    """
    words = list(words)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        option, place = draw(st.sampled_from(sorted(options))), draw(st.integers(0, len(words)))
        usual = [[option, one] for one in options[option] or ()]
        if options[option] == []:  # it takes no word
            usual = [[option]]
        unusual = st.sampled_from(
            [words for one in odd(option) for words in ([option, one], [f"{option}={one}"])]
        )
        new = draw(st.one_of([st.sampled_from(usual)] * 3 + [unusual]) if usual else unusual)
        words = draw(
            st.sampled_from(
                [words + new] * 5
                + [
                    new + words,
                    words + new + new[1:],
                    words + new[:1],
                    words[:place] + words[place + 1 :],
                    words[:place] + new[1:] + words[place + 1 :],
                    words + ["--" + option[3:], "x"],
                ]
            )
        )
    return words
