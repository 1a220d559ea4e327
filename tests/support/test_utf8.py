"""Names are UTF-8 in a locale that is not, and what is written does not depend on it.

A locale of ASCII is everywhere. Those of GBK and Latin-1 are made here, where the system has their sources.
"""

import html
import os
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import scipy.io
from PIL import Image

from caption_training import write_captioned_images
from data.matlab import cell_array, strings
from helpers import QUICK, log
from support.cli import REPOSITORY
from support.files import read_json
from tiny_data import write_clip, write_dataset

MODEL = REPOSITORY / "model"
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
SOURCES = {"gbk": ("zh_CN", "GBK"), "latin-1": ("en_US", "ISO-8859-1"), "euc-jp": ("ja_JP", "EUC-JP")}
STAY = ["-X", "utf8=0"]  # do not become UTF-8 after all: as on Windows, where text has the locale's encoding


@pytest.fixture(scope="session")
def locales(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("locales")


@pytest.fixture(params=["ascii", *SOURCES])
def locale(request, locales) -> dict:
    """The environment of a locale."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("PYTHON")}
    if request.param == "ascii":
        return {**environment, **ASCII}
    language, encoding = SOURCES[request.param]
    name = f"{language}.{encoding}"
    if not (locales / name).exists():
        if not shutil.which("localedef"):
            pytest.skip("no localedef here")
        command = ["localedef", "-i", language, "-f", encoding, locales / name]
        subprocess.run(command, capture_output=True)
        if not (locales / name).exists():
            pytest.skip(f"no sources of {name} here")
    return {**environment, "LOCPATH": str(locales), "LC_ALL": name}


def python(locale: dict, *words, code: int = 0) -> subprocess.CompletedProcess:
    done = subprocess.run([sys.executable, *words], env=locale, capture_output=True)
    assert done.returncode == code, done.stderr.decode(errors="replace")
    return done


ECHO = f"""import os, sys
sys.path.insert(0, {str(MODEL)!r})
from support.cli import Parser
parser = Parser(prog='echo.py')
parser.add_argument('words', nargs='*')
parser.start()
from support.errors import exits_cleanly
@exits_cleanly
def main():
    opt = parser.parse_args()
    for word in [*opt.words, *sorted(os.listdir('.'))]:
        print(ascii(word), os.path.exists(word))
    print('\\u6e2f\\u53e3')
main()
"""


def echo(place: Path, locale: dict, *words) -> list:
    """What a program says of its words and of the names in a folder, which has echo.py, too."""
    (place / "echo.py").write_text(ECHO, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "echo.py", *words], env=locale, cwd=place, stdout=subprocess.PIPE, check=True
    )
    return done.stdout.splitlines()


def test_names_of_files_are_utf_8(tmp_path, locale):
    (tmp_path / "港口").touch()
    *_, name, greeting = echo(tmp_path, locale)
    assert name == rb"'\u6e2f\u53e3' True"
    assert greeting in ("港口".encode("gbk"), "港口".encode("euc-jp"), rb"\u6e2f\u53e3")


def test_what_is_typed_is_a_name_in_either_encoding(tmp_path, locale):
    if "GBK" not in locale["LC_ALL"]:
        pytest.skip("for a console of GBK")
    (tmp_path / "é港").touch()
    typed_name, typed_file, *_ = echo(tmp_path, locale, "机场".encode("gbk"), "é港".encode())
    assert typed_name == rb"'\u673a\u573a' False"
    assert typed_file == rb"'\xe9\u6e2f' True"


def test_it_does_not_start_anew_for_ever(tmp_path):
    (tmp_path / "echo.py").write_text(ECHO, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, *STAY, "echo.py"], env={**os.environ, **ASCII}, cwd=tmp_path, timeout=60
    )
    assert done.returncode == 0


def test_a_good_name_of_a_picture_is_not_blamed(tmp_path, locale):
    for name in ("港口", "Forêt"):
        folder = tmp_path / "photos" / name
        folder.mkdir(parents=True)
        for number in range(3):
            Image.new("RGB", (40, 40), (number * 60, len(name) * 20, 90)).save(folder / f"é{number}.png")
    python(
        locale,
        MODEL / "prepare.py",
        tmp_path / "photos",
        *("--output", tmp_path / "set", "--unseen", "1", "--divisions", "1", "--workers", "1"),
    )
    splits = scipy.io.loadmat(next((tmp_path / "set" / "files").glob("*_splits.mat")))
    images = scipy.io.loadmat(next((tmp_path / "set" / "files").glob("*_images.mat")))
    assert sorted(name.lower() for name in strings(splits["allclasses_names"])) == ["forêt", "港口"]
    assert any(name.endswith("港口/é0.png") for name in strings(images["image_files"]))


# ---- text in the encoding of a locale, as on Windows -----------------------------------------------

CLASSES = ["港口", "沙漠", "Ångström", "机场", "θάλασσα", "море", "ป่า", "사막"]


@pytest.fixture
def windows() -> dict:
    """A locale of ASCII in which the program stays."""
    return {**os.environ, **ASCII, "PYTHONUTF8": "1"}


def test_a_training_writes_its_classes(tmp_path, windows):
    write_dataset(tmp_path, seen=6, unseen=2, allclasses_names=cell_array(CLASSES))
    write_clip(tmp_path / "clip")
    words = [
        *shlex.split(QUICK),
        "--root",
        tmp_path,
        "--clip",
        tmp_path / "clip",
        "--output",
        tmp_path / "run",
    ]
    done = python(windows, *STAY, MODEL / "main.py", *words)
    assert b"Traceback" not in done.stderr
    table = (tmp_path / "run" / "per_class_last.csv").read_text(encoding="utf-8")
    assert all(name in table for name in CLASSES[:2])  # the unseen ones
    assert (tmp_path / "run" / "last.safetensors").is_file() and log(tmp_path / "run")
    python(windows, *STAY, MODEL / "report.py", tmp_path / "run", "--device", "cpu", "--per_class", "0")
    page = (tmp_path / "run" / "report.html").read_text(encoding="utf-8")
    assert "沙漠" in html.unescape(page)


def test_a_clip_reads_its_own_merges(tmp_path, windows):
    from caption_training import TINY, inputs

    write_captioned_images(tmp_path)
    output = tmp_path / "clip"
    words = [*inputs(tmp_path), "--output", output, "--epochs", "1", *TINY]
    python(windows, *STAY, MODEL / "finetune_clip.py", *words)
    assert read_json(output / "train_results.json")["epoch"] == 1
