"""Input that is nearly right: right input, changed in one place or two."""

import json
import math
from pathlib import Path

from hypothesis import strategies as st

from helpers import read_lines

HUGE, DEEP = "<huge>", "<deep>"  # stand for what json.dumps cannot write
NUMBERS = [0, -1, 1, 2, 7, 0.5, 2**31, 2**63, 10**400, 1e308, 1e-320, math.nan, math.inf, -math.inf]
WORDS = [
    "",
    " ",
    "é",
    "漢 Ω",
    "مرفأ",
    "ป่า e\u0301 \U0001f6f0",
    "two\nlines",
    "\r",
    "\t",
    "\x1b[31m",
    "\ud800",
    "\0",
    "x" * 300,
    "x" * 5000,
    "../x",
    "..",
    "/etc/passwd",
    "~nobody/x",
    "{}",
    "{",
    "{0.__class__}",
    "%s",
    "$x",
    "null",
    "1",
    "-1",
    "nan",
    "a,b",
    'a"b',
    "a/b",
    "<b>",
]
CLASS_NAMES = [  # that a class may have, in any script
    "草地",
    "住宅区 密集",
    "مرج أخضر",
    "שדה תעופה",
    "a\u202eb",  # turns the direction of writing
    "🌾",
    "👩\u200d🌾 farm",
    "лес",
    "cafe\u0301",
    "café",
    "\u0301",  # a combining accent alone
    "ﬁeld",
    "İstanbul",
    "straße",
    "ǅungla",
    "๑๒๓",
    "\u200b",  # no width
    "100% corn",
    "%d%s%",
    "{} {0} {x}",
    "it's",
    '"quoted"',
    "a`b",
    "$HOME",
    "\\frac",
    "a&b",
    "<b>bold",
    "1.port",
    "aPort",
    "storagetanks",
    "BaseballField",
    "-x",
    "--unseen",
    "a=b",
    "a,b",
    "#1",
    "x" * 90,
]
ODD = st.sampled_from(
    [None, True, False, [], {}, [[]], [None], {"": None}, {"x": {"y": []}}, HUGE, DEEP, *NUMBERS, *WORDS]
)


@st.composite
def nearly(draw, value):
    """What JSON can hold, with a part of it replaced, left out, doubled, renamed or wrapped; or two."""
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        value = changed(value, draw(st.sampled_from(list(parts(value)))), draw)
    return value


def parts(value, path=()):
    """The paths of a value and of all that it holds."""
    yield path
    held = ()
    if isinstance(value, dict):
        held = value.items()
    elif isinstance(value, (list, tuple)):
        held = enumerate(value)
    for key, part in held:
        yield from parts(part, (*path, key))


def changed(value, path, draw):
    """The value with another part at this path."""
    if not path:
        return draw(ODD | st.just([value]) | st.just({"x": value}))
    key = path[0]
    if len(path) > 1:
        copy = dict(value) if isinstance(value, dict) else list(value)
        copy[key] = changed(value[key], path[1:], draw)
        return copy
    how = draw(st.sampled_from(["odd", "odd", "odd", "left out", "other", "wrapped", "as words"]))
    part = value[key]
    new = {
        "odd": [draw(ODD)],
        "left out": [],
        "other": [draw(st.sampled_from(list(value.values() if isinstance(value, dict) else value)))],
        "wrapped": [[part]],
        "as words": [str(part)],
    }[how]
    if isinstance(value, dict):
        key = draw(st.sampled_from([key, key, key, *WORDS]))
        return {**{name: other for name, other in value.items() if name != path[0]}, **dict(zip([key], new))}
    return [*value[:key], *(new or draw(st.sampled_from([[], [part, part]]))), *value[key + 1 :]]


@st.composite
def nearly_json(draw, value, lines=False):
    """The bytes of a JSON file, or of one with a value a line, that is not quite what it should be."""
    damage = draw(st.sampled_from(["value", "value", "value", "value", "bytes", "encoding"]))
    value = draw(nearly(value)) if damage == "value" else value
    text = "\n".join(map(dumped, value)) + "\n" if lines and isinstance(value, list) else dumped(value)
    if damage == "bytes":
        return draw(nearly_bytes(text.encode()))
    if damage == "encoding":
        return draw(
            st.sampled_from(
                [
                    b"\xef\xbb\xbf" + text.encode(),
                    text.encode("utf-16"),
                    text.replace("\n", "\r\n").encode(),
                    (text + "é").encode("latin-1"),
                    text.encode() * 2,
                    text.replace(",", ",,").encode(),
                    b"\n\n" + text.encode() + b"\n\n",
                    text.replace('"', "'").encode(),
                ]
            )
        )
    return text.encode()


def dumped(value) -> str:
    """As JSON, with what `HUGE` and `DEEP` stand for."""
    return json.dumps(value).replace(f'"{HUGE}"', "1" * 5000).replace(f'"{DEEP}"', "[" * 10**5)


@st.composite
def nearly_bytes(draw, content):
    """A file cut off, or with some of its bytes changed: more often at its beginning, where a format says
    what follows."""
    how = draw(
        st.sampled_from(["flip", "flip", "flip", "cut", "put in", "left out", "zeros", "noise", "empty"])
    )
    place = draw(st.integers(0, min(len(content), 160) - 1) | st.integers(0, len(content) - 1))
    some = draw(
        st.binary(min_size=1, max_size=8)
        | st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f"])
    )
    return {
        "flip": content[:place] + some + content[place + len(some) :],
        "cut": content[:place],
        "put in": content[:place] + some + content[place:],
        "left out": content[:place] + content[place + len(some) :],
        "zeros": content[:place] + bytes(len(content) - place),
        "noise": draw(st.binary(max_size=200)),
        "empty": b"",
    }[how]


NUMBERS_IN_TABLES = ["", "x", "nan", "inf", "1e999", "-1", "1.5", "9" * 30, "9" * 5000]
WORDS_IN_TABLES = ['"', '"a\nb"', "a,b", "\0", "seen"]


@st.composite
def nearly_table(draw, content):
    """The bytes of a CSV file with a cell changed, or another end."""
    rows = [line.split(",") for line in content.decode().splitlines()]
    row = draw(st.integers(0, len(rows) - 1))
    column = draw(st.integers(0, len(rows[row]) - 1))
    rows[row][column] = draw(st.sampled_from([*NUMBERS_IN_TABLES, *WORDS_IN_TABLES, rows[0][0]]))
    return "\n".join(map(",".join, rows)).encode() + draw(st.sampled_from([b"\n", b"", b"\n\n", b"\xff"]))


def spoil(target: Path, data):
    """Of a folder, one file is nearly right, or lost."""
    files = [file for file in target.iterdir() if file.suffix in (".json", ".jsonl", ".csv")]
    file = data.draw(st.sampled_from(sorted(files)))
    content = file.read_bytes()
    if file.suffix == ".jsonl":
        new = nearly_json(read_lines(file), lines=True)
    elif file.suffix == ".json":
        new = nearly_json(json.loads(content))
    else:
        new = nearly_table(content)
    file.write_bytes(data.draw(new | new | new | new | nearly_bytes(content)))
