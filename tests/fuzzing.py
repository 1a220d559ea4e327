"""Input that is nearly right: right input, changed in one place or two. And what a program may do with it:
succeed, or say in one line what is wrong.

About CASES of it are generated in all, the same ones each time. FUZZ=20000, as script/fuzz.sh has it,
generates more and others, which --hypothesis-seed chooses.
"""

import atexit
import builtins
import io
import json
import math
import os
import re
import shutil
import sys
import tempfile
import warnings
from collections import Counter
from contextlib import contextmanager, redirect_stderr, redirect_stdout, suppress
from functools import cache, wraps
from pathlib import Path

import numpy as np
import pytest
import scipy.io
import scipy.sparse
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open

import annotate
import main
import predict
from data.matlab import cell_array
from deep_pictures import write_png16, write_tiff
from helpers import VOCABULARY, write_whole_clip
from support.errors import exits_cleanly
from tiny_data import write_dataset

CASES = int(os.environ.get("FUZZ", 5000))
SHARES = 2.45  # of all properties, together
# "generated": how many cases there were;  "succeeded", "refused": how many ended so
OUTCOMES = Counter()

MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a folder that is no disk

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
LOCALES = ["utf-8", "ascii", "gbk", "latin-1", "cp1252"]  # each case has the next one
MAT_WORDS = [word for word in WORDS if word != "\ud800"]  # which savemat cannot write
ODD = st.sampled_from(
    [None, True, False, [], {}, [[]], [None], {"": None}, {"x": {"y": []}}, HUGE, DEEP, *NUMBERS, *WORDS]
)


def cases(share: float):
    """A property, tried on its share of all cases, of SHARES in all. It is given `data`, to draw from.

    It fails, too, if fewer than half of its cases could be generated.
    """
    most = math.ceil(share / SHARES * CASES)

    def property_of(test):
        tried = settings(
            max_examples=most,
            derandomize="FUZZ" not in os.environ,
            deadline=None,
            database=None,
            phases=[Phase.generate, Phase.shrink],
            suppress_health_check=list(HealthCheck),
        )(given(data=st.data())(test))

        @wraps(tried)
        def counted(*arguments, **fixtures):
            before = OUTCOMES["generated"]
            tried(*arguments, **fixtures)
            assert OUTCOMES["generated"] - before >= most / 2

        return counted

    return property_of


# ---- right -----------------------------------------------------------------------------------------

DATA, COMMON = "RSSDIVCS/files", "--device cpu --workers 0".split()
QUICK = "--gzsl --nepoch 1 --n_batch 1 --ways 2 --shots 2 --manualSeed 0".split()


@cache
def sound() -> Path:
    """All that programs read, as it should be: a folder with a dataset that annotate.py described, its
    CLIP, a run, a prediction, captions, a teacher."""
    place = write_dataset(Path(tempfile.mkdtemp(dir=MEMORY)), seen=3, unseen=2, per_class=3)
    atexit.register(shutil.rmtree, place)
    (place / "words.json").write_text(json.dumps(VOCABULARY))
    (place / "values.json").write_text(
        json.dumps({"wind farm": {"sand": 1, "circles": -0.5}, "quarry": {"ships": 2}})
    )
    described = [
        "--root",
        place,
        "--clip",
        write_whole_clip(place / "clip"),
        "--class_embedding",
        "mine",
        "--group_file",
        "mine",
    ]
    images = sorted(file.relative_to(place / "RSSDIVCS") for file in (place / "RSSDIVCS").glob("*/*.png"))
    (place / "captions.jsonl").write_text(
        "".join(
            json.dumps({"image": str(image), "captions": [f"a {image.parent} .", "seen from above ."]}) + "\n"
            for image in images
        )
    )
    np.savez(
        place / "teacher.npz",
        names=np.array(list(map(str, images))),
        vectors=np.random.default_rng(0).normal(size=(len(images), 4)),
    )
    with redirect_stdout(io.StringIO()):
        run(
            annotate,
            *described[:4],
            "--group_file",
            "mine",
            "--vocabulary",
            place / "words.json",
            "--output",
            place / DATA / "mine_splits.mat",
            *COMMON,
        )
        run(main, *described, "--output", place / "run", *QUICK, "--nepoch", 2, *COMMON)
        run(
            predict,
            "--resume",
            place / "run" / "last.safetensors",
            place / "RSSDIVCS",
            "--output",
            place / "predictions",
            *COMMON,
        )
    return place


def run(program, *words):
    program.main(list(map(str, words)))


# ---- nearly right ----------------------------------------------------------------------------------


@st.composite
def nearly(draw, value):
    """What JSON can hold, with a part of it replaced, left out, doubled, renamed or wrapped; or two."""
    for _ in range(draw(st.sampled_from([1, 1, 2]))):
        value = changed(value, draw(st.sampled_from(list(parts(value)))), draw)
    return value


def parts(value, path=()):
    """The paths of a value and of all that it holds."""
    yield path
    for key, part in (
        value.items()
        if isinstance(value, dict)
        else enumerate(value)
        if isinstance(value, (list, tuple))
        else ()
    ):
        yield from parts(part, (*path, key))


def changed(value, path, draw):
    if len(path) > 1:
        return (
            {**value, path[0]: changed(value[path[0]], path[1:], draw)}
            if isinstance(value, dict)
            else [
                changed(part, path[1:], draw) if place == path[0] else part
                for place, part in enumerate(value)
            ]
        )
    if not path:
        return draw(ODD | st.just([value]) | st.just({"x": value}))
    how, key = (
        draw(st.sampled_from(["odd", "odd", "odd", "left out", "other", "wrapped", "as words"])),
        path[0],
    )
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
    return json.dumps(value).replace(f'"{HUGE}"', "1" * 5000).replace(f'"{DEEP}"', "[" * 10**5)


# Sides and steps of an image processor, in every form in which some version or some author writes them.
SIDES = st.sampled_from([16, 32, 36, 36, 40, 224, 36.0, 36.5, "36", 0, -1, None, True, 10**9, math.nan])
SIZES = st.one_of(
    SIDES,
    st.lists(SIDES, max_size=3),
    st.dictionaries(
        st.sampled_from(["shortest_edge", "longest_edge", "height", "width", "max_height"]), SIDES, max_size=3
    ),
    st.builds(lambda side: {"height": side, "width": side}, SIDES),
)
COLOURS = st.one_of(
    st.just([0.5, 0.4, 0.3]),
    st.lists(st.sampled_from([0, 0.5, -1, 120, "x", None, math.nan]), max_size=4),
    ODD,
)
PROCESSOR = {
    "size": SIZES,
    "crop_size": st.sampled_from([32, {"height": 32, "width": 32}, [32, 32]]) | SIZES,
    "resample": st.sampled_from([2, 3, "bicubic"]) | ODD,
    "do_resize": st.sampled_from([True, False, None]) | ODD,
    "do_center_crop": st.sampled_from([True, False, None]) | ODD,
    "do_rescale": st.sampled_from([True, False, None]) | ODD,
    "do_normalize": st.sampled_from([True, False, None]) | ODD,
    "do_pad": st.sampled_from([True, False, None]),
    "rescale_factor": st.sampled_from([1 / 255, 1 / 127.5, 1, 0]) | ODD,
    "image_mean": COLOURS,
    "image_std": COLOURS,
    "image_processor_type": st.sampled_from(
        ["CLIPImageProcessor", "CLIPImageProcessorFast", "ViTImageProcessor"]
    ),
    "feature_extractor_type": st.sampled_from(["CLIPFeatureExtractor", None]),
}


@st.composite
def image_processors(draw):
    """Names and contents of a CLIP's processor files: of any form, right or not, in one file or in two."""
    names = draw(st.sets(st.sampled_from(sorted(PROCESSOR)), max_size=5)) | {"size"}
    config = {name: draw(PROCESSOR[name]) for name in sorted(names)}
    content = dumped(config).encode()
    nested = dumped({"image_processor": config, "processor_class": "CLIPProcessor"}).encode()
    forms = [
        {"preprocessor_config.json": content},
        {"processor_config.json": nested},
        {
            "preprocessor_config.json": content,
            "processor_config.json": b'{"processor_class": "CLIPProcessor"}',
        },
        {"preprocessor_config.json": b"{}", "processor_config.json": nested},
        {"preprocessor_config.json": draw(nearly_bytes(content))},
    ]
    return draw(st.sampled_from(forms))


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


@st.composite
def any_picture(draw):
    """The ending and the bytes of a PNG or a TIFF of any depth, type, number of bands and kind of values."""
    kind = draw(st.sampled_from(["png", "tif", "tif"]))
    types = ["u2"] if kind == "png" else ["u1", "i1", "u2", "i2", "u4", "i4", "f2", "f4", "f8"]
    dtype = np.dtype(draw(st.sampled_from(types)))
    bands = draw(st.integers(1, 4) if kind == "png" else st.sampled_from([1, 2, 3, 4, 5, 13]))
    shape = (*draw(st.sampled_from([(24, 20), (1, 1), (3, 200)])), bands)
    noise = np.random.default_rng(0).random(shape)
    low, high = draw(st.sampled_from([(0, 0), (0, 1), (7, 7), (0, 255), (0, 2047), (-300, 900), (0, 1e9)]))
    if dtype.kind == "f":
        values = (low + noise * (high - low)).astype(dtype)
        values[draw(st.sampled_from([slice(0), slice(1), slice(None)]))] = draw(
            st.sampled_from([math.nan, math.inf, -math.inf, 0])
        )
    else:
        limits = np.iinfo(dtype)
        values = (low + noise * (high - low)).clip(limits.min, limits.max).astype(dtype)
    with tempfile.TemporaryDirectory(dir=MEMORY) as place:
        file = Path(place) / "x"
        if kind == "png":
            write_png16(file, values)
        else:
            order, photometric = draw(st.sampled_from("<>")), draw(st.sampled_from([None, 1, 2, 5]))
            write_tiff(file, values, order, photometric, draw(st.sampled_from([None, 0, 1, 2])))
        return kind, file.read_bytes()


@st.composite
def nearly_array(draw, array):
    """An array of another kind or shape, or with an element that does not belong."""
    how = draw(st.sampled_from(["element", "element", "element", "type", "shape", "whole"]))
    is_number = array.dtype.kind in "iuf"
    if how == "type":
        words = list(map(str, array.ravel()))
        with np.errstate(all="ignore"):
            return (
                array.astype(draw(st.sampled_from(["i1", "u1", "i8", "u8", "f4", "f8", "c16", "?"])))
                if is_number
                else draw(st.sampled_from([np.array(words), cell_array(words)]))
            )
    if how == "shape":
        return draw(
            st.sampled_from(
                [
                    array.T,
                    array.ravel(),
                    array[None],
                    array[..., None],
                    array[:-1],
                    array[:0],
                    array[:1],
                    array[::-1],
                    np.repeat(array, 2, axis=0),
                    np.zeros((0, 0)),
                ]
            )
        )
    if how == "whole":
        return draw(
            st.sampled_from(
                [
                    *map(np.array, MAT_WORDS),
                    np.zeros_like(array) if is_number else np.array([]),
                    {"x": 1},
                    [],
                    np.array([1.5]),
                    scipy.sparse.csc_matrix(np.eye(3)),
                    np.array([["a", "b"], ["c", "d"]]),
                    cell_array([np.eye(2), "x"]),
                    np.array([(1, 2.0)], dtype=[("a", int), ("b", float)]),
                ]
            )
        )
    value = draw(
        st.sampled_from(
            (
                [*NUMBERS[:7], 10**9, -1e18, 1e308, math.nan, math.inf, array.size, array.size + 1]
                if is_number
                else [*MAT_WORDS, np.eye(2), 7]
            )
            + [array.flat[0]]
        )
    )
    array = np.ascontiguousarray(array, float if is_number else object).copy()
    array.reshape(-1)[draw(st.integers(0, array.size - 1))] = value
    return array


@st.composite
def nearly_mat(draw, variables):
    """The bytes of a .mat file with a variable changed, lost or exchanged, or two; or with bytes changed."""
    damage = draw(st.sampled_from(["variables"] * 5 + ["bytes"]))
    changed = dict(variables)
    for name in (
        draw(st.lists(st.sampled_from(sorted(variables)), min_size=1, max_size=2, unique=True))
        if damage == "variables"
        else ()
    ):
        changed[name] = draw(
            st.one_of(
                [nearly_array(variables[name])] * 4
                + [st.just(None), st.sampled_from(sorted(variables)).map(variables.get)]
            )
        )
    changed = {
        name: value.copy() if isinstance(value, np.ndarray) else value
        for name, value in changed.items()
        if value is not None
    }  # in one piece
    file = io.BytesIO()
    scipy.io.savemat(file, changed, do_compression=draw(st.booleans()))
    return draw(nearly_bytes(file.getvalue())) if damage == "bytes" else file.getvalue()


@cache
def options_of(program) -> dict:
    """A program's options, off the usage that its help begins with: {name: the words to choose from; None
    if any, [] if none}"""
    said = io.StringIO()
    with redirect_stdout(said), suppress(SystemExit):
        program.main(["--help"])
    usage = re.sub(r"\s+", " ", said.getvalue().split("\n\n")[0])
    return {
        name: choices.split(",") if choices else None if word else []
        for name, word, choices in re.findall(r"(--\w[\w-]*)( [A-Z]| \{([^}]*)\})?", usage)
    }


@st.composite
def nearly_words(draw, words, options, odd):
    """A command line with an option added, left out, or of another value, or several.

    options: as of `options_of`;  odd: option -> what it may be given that is not as it should be
    """
    words = list(words)
    for _ in range(draw(st.sampled_from([1, 1, 2, 3]))):
        option, place = draw(st.sampled_from(sorted(options))), draw(st.integers(0, len(words)))
        usual = [
            [option, *choice]
            for choice in (
                [[one] for one in options[option]]
                if options[option]
                else [[]]
                if options[option] == []
                else []
            )
        ]
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


# ---- ends well -------------------------------------------------------------------------------------


def ends_well(program, *arguments, place: Path, output: Path = None):
    """Run a program, or a function: it succeeds, or says in one line what is wrong, which names an option
    or something in `place`.
    Either way nothing in `output` is half-written. Returns whether it succeeded."""
    encoding = LOCALES[OUTCOMES["generated"] % len(LOCALES)]
    said, printed = (
        io.StringIO(),
        io.TextIOWrapper(io.BytesIO(), encoding=encoding, write_through=True),
    )  # strict, as a terminal is
    code = 0
    OUTCOMES["generated"] += 1
    with redirect_stdout(printed), redirect_stderr(said), shown_warnings(), text_in(encoding):
        try:
            exits_cleanly(program)(*arguments)
        except SystemExit as stop:
            code = stop.code
    line = said.getvalue()
    if code and (code, line) != (1, ""):  # 1: main.py --repeat, when the numbers differ
        assert code == 2, f"it ends with code {code}: {line}"
        assert (
            line.startswith("error: ") and line.count("\n") == 1 and line.endswith("\n") and "\r" not in line
        ), f"expected one line, found {line!r}"
        assert names_something(line, place), f"says nothing of a file or an option: {line!r}"
    else:
        assert not line, f"succeeds, but complains: {line!r}"
    for file in output.rglob("*") if output and output.exists() else ():
        assert is_whole(file), f"{file} is left behind, half-written"
    OUTCOMES["refused" if code else "succeeded"] += 1
    return not code


@contextmanager
def text_in(encoding: str):
    """As in a locale of this encoding: whatever is opened without one has it."""
    original = io.open

    def open_in_locale(file, mode="r", buffering=-1, named=None, *more, **how):
        named = how.pop("encoding", named)
        if "b" not in mode and named in (None, "locale"):
            named = encoding
        return original(file, mode, buffering, named, *more, **how)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(builtins, "open", open_in_locale)
        patch.setattr(io, "open", open_in_locale)
        yield


def names_something(line: str, place: Path) -> bool:
    return bool(re.search(r"--[a-z]|(^|\W)/\w|\w/\w| class |arguments", line.split("; `python model/")[0]))


@contextmanager
def shown_warnings():
    """As on a terminal, not as pytest gathers them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("default", RuntimeWarning)
        warnings.showwarning = lambda message, category, *where: print(
            f"{category.__name__}: {message}", file=sys.stderr
        )
        yield


def is_whole(file: Path) -> bool:
    """No temporary file, and readable for what its name says it is."""
    if not file.is_file() or file.name == ".lock":
        return True
    try:
        if file.suffix == ".json":
            json.loads(file.read_text(encoding="utf-8"))
        elif file.suffix == ".jsonl":
            [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]
        elif file.suffix == ".mat":
            scipy.io.whosmat(file)
        elif file.suffix == ".safetensors":
            safe_open(file, framework="pt")
        elif file.suffix == ".png":
            Image.open(file).load()
    except Exception:  # whatever the readers raise
        return False
    return not file.name.startswith(".")


@contextmanager
def folder():
    """A new one for a case, deep enough that `..` is a case's, too; it is gone after it. The current one,
    as long."""
    before = Path.cwd()
    with tempfile.TemporaryDirectory(dir=sound()) as new:
        place = Path(new) / "a" / "b"
        place.mkdir(parents=True)
        os.chdir(place)
        try:
            yield place
        finally:
            os.chdir(before)
