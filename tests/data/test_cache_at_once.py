"""A cache that is filled by a process that is killed, by several at once, or without room."""

import os
import signal
import subprocess
import sys
import time
from argparse import Namespace

import pytest
from decoded import HOW, batches, open_all, process, watch_decoding

from data import cache, store
from data.cache import open_shared
from data.store import Store
from helpers import QUICK, fails
from support.cli import REPOSITORY
from support.errors import InputError

# ---- interrupted, and two at once ------------------------------------------------------------------


def test_a_killed_fill_is_gone_on_with(data, tmp_path, monkeypatch):
    killed, index = process(data, tmp_path / "cache"), tmp_path / "cache" / "37.jsonl"
    while killed.poll() is None and not (index.is_file() and index.read_text().count("\n") > 10):
        time.sleep(0.001)
    killed.kill()
    killed.communicate()
    there = index.read_text().count("\n") - 1
    with index.open("a") as file:
        file.write('["/half/a/li')
    with (tmp_path / "cache" / "37.pixels").open("ab") as file:
        file.write(b"pixels that no line speaks of")
    seen = watch_decoding(monkeypatch)
    assert batches(open_all(data, "disk", tmp_path / "cache")) == batches(open_all(data, "none"))
    assert len(seen) == 60 - there and 0 < there < 60
    open_shared.cache_clear()
    assert not Store(tmp_path / "cache", HOW).missing(
        data.image_paths, [cache.stamp(path) for path in data.image_paths]
    )


def test_processes_that_fill_at_once_wait_for_each_other(data, tmp_path):
    said = [
        one.communicate()[0].splitlines() for one in [process(data, tmp_path / "cache") for _ in range(3)]
    ]
    assert [lines[-1] for lines in said] == ["True"] * 3
    assert sum("cache   60 images" in line for lines in said for line in lines) == 1
    assert (tmp_path / "cache" / "37.jsonl").read_text().count("\n") == 61


def test_who_waits_says_so(data, tmp_path):
    code = (
        "import sys; from pathlib import Path; from support.files import hold\n"
        f"lock = hold(Path({str(tmp_path)!r}))\n"
        "print(flush=True)\n"
        "sys.stdin.readline()"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "model")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    holder.stdout.readline()
    waiting = process(data, tmp_path)
    assert waiting.stdout.readline() == f"waiting for another process, which is writing to {tmp_path}\n"
    holder.communicate("\n")
    assert waiting.communicate()[0].endswith("True\n")


# ---- no room ---------------------------------------------------------------------------------------


def test_a_full_disk_is_refused_before(data, tmp_path, monkeypatch):
    monkeypatch.setattr(store.shutil, "disk_usage", lambda folder: Namespace(free=1000))
    with pytest.raises(
        InputError,
        match=r"60 decoded images take 0.000246 GB, and 1e-06 GB are free in .*: "
        "make room, name another main.py --cache_dir",
    ):
        open_all(data, "disk", tmp_path)


def test_too_little_memory_is_refused_before(data, monkeypatch):
    monkeypatch.setattr(cache, "free_bytes", lambda place: 1000)
    with pytest.raises(InputError, match="60 decoded images take .* are free in memory: make room"):
        open_all(data, "memory")


def test_a_disk_that_fills_up_meanwhile_keeps_what_is_written(data, tmp_path):
    folder = tmp_path / "cache"
    limited = process(data, folder, preexec_fn=limit_files, stderr=subprocess.PIPE)
    error = limited.communicate()[1].splitlines()[-1]
    assert (
        "InputError: cannot write" in error
        and "File too large; what is decoded already is kept. make room" in error
    )
    there = (folder / "37.jsonl").read_text().count("\n") - 1
    assert 0 < there < 60 and len(Store(folder, HOW).entries) == there


def limit_files():
    import resource

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, 50_000))


def test_a_folder_that_cannot_be_written_is_named(clip, root, tmp_path, capsys):
    (tmp_path / "file").touch()
    assert f"cannot write {tmp_path / 'file'}" in fails(
        capsys,
        f"{QUICK} --cache disk",
        root=root,
        clip=clip,
        output=tmp_path / "run",
        cache_dir=tmp_path / "file",
    )
