"""Files that are written completely or not at all, and the lock of a folder."""

import hashlib
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

import pytest

from support.errors import InputError
from support.files import atomic, hold, read_json, remove_leftovers, sha256, write_columns, write_json

MODEL = Path(__file__).parents[2] / "model"
HOLD = """
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[1])
from support.files import hold
lock = hold(Path(sys.argv[2]))
print(flush=True)
sys.stdin.read()
"""


@contextmanager
def another_process_in(folder: Path):
    """Another process that holds the folder's lock."""
    command = [sys.executable, "-c", HOLD, str(MODEL), str(folder)]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        yield process
    finally:
        process.kill()
        process.communicate()


def test_a_lock_ends_with_its_file(tmp_path):
    hold(tmp_path / "new").close()
    with another_process_in(tmp_path / "new") as other:
        with pytest.raises(InputError):
            hold(tmp_path / "new")
        other.kill()
        other.wait()
        hold(tmp_path / "new")


def test_a_file_that_is_not_finished_leaves_the_former_one(tmp_path):
    file = tmp_path / "new" / "value.json"
    write_json(file, [1, 2])
    with pytest.raises(KeyboardInterrupt), atomic(file) as temporary:
        temporary.write_text("[1,")
        raise KeyboardInterrupt
    assert read_json(file) == [1, 2] and list(file.parent.iterdir()) == [file]


def test_leftovers_of_a_killed_process_are_removed_and_nothing_else(tmp_path):
    kept = {".lock", "a.json", ".hidden", "notes.csv.12"}
    for name in (*kept, ".a.json.4711", ".b.safetensors.1", ".c.csv.2", ".d.jsonl.3"):
        (tmp_path / name).touch()
    remove_leftovers(tmp_path)
    assert {file.name for file in tmp_path.iterdir()} == kept


def test_columns_become_a_table(tmp_path):
    write_columns(tmp_path / "x.csv", {"class": ["a, b", "c"], "images": [1, 2]})
    assert (tmp_path / "x.csv").read_text().splitlines() == ["class,images", '"a, b",1', "c,2"]


@pytest.mark.parametrize("content", ["", "{", "[" * 100_000])
def test_what_is_no_json_is_one_error_with_the_files_name(tmp_path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(InputError, match="x.json is not readable JSON"):
        read_json(tmp_path / "x.json")


def test_a_digest_is_of_all_bytes_but_the_skipped_ones(tmp_path):
    content = bytes(range(256)) * 2**13  # more than is read at once
    (tmp_path / "x").write_bytes(content)
    assert sha256(tmp_path / "x") == hashlib.sha256(content).hexdigest()
    assert sha256(str(tmp_path / "x"), skip=7) == hashlib.sha256(content[7:]).hexdigest()


def test_new_files_follow_the_umask(tmp_path):
    program = f"""
import os, sys
os.umask(0o027)
sys.path.insert(0, {str(MODEL)!r})
from pathlib import Path
from support.files import atomic, write_json
import numpy
from safetensors.numpy import save_file
folder = Path(sys.argv[1])
with atomic(folder / 'weights.safetensors') as temporary:
    save_file({{'a': numpy.zeros(2)}}, temporary)
write_json(folder / 'a.json', 1)
"""
    subprocess.run([sys.executable, "-c", program, tmp_path], check=True)
    assert {oct(file.stat().st_mode & 0o777) for file in tmp_path.iterdir()} == {oct(0o640)}
