"""Cases of input that is nearly right, and what a program may do with it: succeed, or say what is wrong.

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
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from functools import cache, wraps
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors import safe_open

import annotate
import main
import predict
from helpers import VOCABULARY, read_lines, start, write_lines, write_whole_clip
from support.errors import exits_cleanly
from tiny_data import write_dataset

CASES = int(os.environ.get("FUZZ", 5000))
SHARES = 2.5  # of all properties, together
# "generated": how many cases there were;  "succeeded", "refused": how many ended so
OUTCOMES = Counter()
MEMORY = "/dev/shm" if os.path.isdir("/dev/shm") else None  # a folder that is no disk
LOCALES = ["utf-8", "ascii", "gbk", "latin-1", "cp1252"]  # each case has the next one


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
    places = ["--root", place, "--clip", write_whole_clip(place / "clip"), "--group_file", "mine"]
    images = sorted(file.relative_to(place / "RSSDIVCS") for file in (place / "RSSDIVCS").glob("*/*.png"))
    captions = [[f"a {image.parent} .", "seen from above ."] for image in images]
    lines = [{"image": str(image), "captions": said} for image, said in zip(images, captions)]
    write_lines(place / "captions.jsonl", lines)
    np.savez(
        place / "teacher.npz",
        names=np.array(list(map(str, images))),
        vectors=np.random.default_rng(0).normal(size=(len(images), 4)),
    )
    with redirect_stdout(io.StringIO()):
        splits = place / DATA / "mine_splits.mat"
        start(annotate, *places, "--vocabulary", place / "words.json", "--output", splits, *COMMON)
        words = ["--class_embedding", "mine", "--output", place / "run"]
        start(main, *places, *words, *QUICK, "--nepoch", 2, *COMMON)
        saved = ["--resume", place / "run" / "last.safetensors"]
        start(predict, *saved, place / "RSSDIVCS", "--output", place / "predictions", *COMMON)
    return place


# ---- ends well -------------------------------------------------------------------------------------


def ends_well(program, *arguments, output: Path = None) -> bool:
    """Run a program, or a function: it succeeds, or says in one line what is wrong, which names an option
    or a file. Either way nothing in `output` is half-written. Returns whether it succeeded."""
    encoding = LOCALES[OUTCOMES["generated"] % len(LOCALES)]
    said = io.StringIO()
    printed = io.TextIOWrapper(
        io.BytesIO(), encoding=encoding, write_through=True
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
        assert names_something(line), f"says nothing of a file or an option: {line!r}"
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


def names_something(line: str) -> bool:
    """An option, a file, a class, or the arguments themselves."""
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
            read_lines(file)
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
