"""Every text is read and written in UTF-8, whatever the locale is."""

import ast
import codecs
import json

import pytest

from support.cli import REPOSITORY
from support.errors import InputError
from support.files import read_json, read_text, write_columns, write_json, write_text

OPENS_NO_TEXT = {"Image", "rasterio", "zipfile", "ZipFile", "tarfile", "os", "webbrowser"}
TEXT_METHODS = {"open", "read_text", "write_text"}


# ---- the code --------------------------------------------------------------------------------------


def programs_and_rooms() -> list:
    return sorted(
        file for folder in ("model", "script", "RSSDIVCS") for file in (REPOSITORY / folder).rglob("*.py")
    )


def in_the_locale(call: ast.Call) -> bool:
    """Does a call read or write text in the encoding of the locale?"""
    given = {keyword.arg: keyword.value for keyword in call.keywords}
    if isinstance(call.func, ast.Attribute):
        name = call.func.attr
        owner = getattr(call.func.value, "id", "")
    else:
        name = getattr(call.func, "id", "")
        owner = ""
    if None in given or "encoding" in given:  # None: **options, which a test of behaviour must look at
        return False
    if name in ("run", "Popen", "check_output"):
        return owner == "subprocess" and bool({"text", "universal_newlines"} & set(given))
    if name not in TEXT_METHODS or owner in OPENS_NO_TEXT:
        return False
    if name != "open":
        return isinstance(call.func, ast.Attribute)  # support.files has functions of these names
    modes = [value.value for value in [*call.args, given.get("mode")] if isinstance(value, ast.Constant)]
    return not any("b" in str(mode) for mode in modes) and not is_of_this_house(call)


def is_of_this_house(call: ast.Call) -> bool:
    """Run.open and Scene.open are methods of our own, called on self; a zip archive opens its parts in bytes."""
    return ast.unparse(call.func) in ("self.open", "archive.open")


@pytest.mark.parametrize("file", programs_and_rooms(), ids=lambda file: file.name)
def test_every_open_names_its_encoding(file):
    tree = ast.parse(file.read_text(encoding="utf-8"))
    found = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and in_the_locale(node)]
    assert not found, [f"line {call.lineno}: {ast.unparse(call)}" for call in found]


@pytest.mark.parametrize(
    "line, wrong",
    [
        ("open(path)", True),
        ("path.open('w')", True),
        ("path.open('rb')", False),
        ("path.read_text()", True),
        ("path.read_text(encoding='utf-8')", False),
        ("read_text(path)", False),
        ("subprocess.run(command, text=True)", True),
        ("subprocess.run(command)", False),
        ("Image.open(path)", False),
    ],
)
def test_such_a_call_is_found(line, wrong):
    call = ast.parse(line).body[0].value
    assert in_the_locale(call) == wrong


# ---- reading and writing ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bom, encoding",
    [
        (b"", "utf-8"),
        (codecs.BOM_UTF8, "utf-8"),
        (codecs.BOM_UTF16_LE, "utf-16-le"),
        (codecs.BOM_UTF16_BE, "utf-16-be"),
    ],
)
def test_a_mark_of_the_byte_order_is_read_over(tmp_path, bom, encoding):
    file = tmp_path / "names.json"
    file.write_bytes(bom + '{"港口": "Ångström"}\r\n'.encode(encoding))
    assert read_json(file) == {"港口": "Ångström"}
    assert read_text(file).endswith("}\n")


def test_text_of_another_encoding_is_refused_with_what_to_do(tmp_path):
    file = tmp_path / "names.json"
    file.write_bytes('{"港口": 1}'.encode("gbk"))
    with pytest.raises(InputError, match="names.json is not readable JSON: it is not UTF-8 text.*save it in"):
        read_json(file)


def test_what_is_written_is_utf_8_in_any_locale(tmp_path):
    write_text(tmp_path / "a.txt", "港口")
    write_columns(tmp_path / "a.csv", {"class": ["港口"], "Ü": [1]})
    write_json(tmp_path / "a.json", "港口")
    assert (tmp_path / "a.txt").read_bytes() == "港口".encode()
    assert (tmp_path / "a.csv").read_bytes() == "class,Ü\r\n港口,1\r\n".encode()
    assert json.loads((tmp_path / "a.json").read_bytes()) == "港口"
