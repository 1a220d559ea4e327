"""Damaged images and a damaged cache: made anew, or named."""

import os

import pytest
from decoded import batches, on_device, open_all

from data.cache import open_shared
from support.errors import InputError


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("kind", ["none", "disk", "memory"])
def test_an_unreadable_image_is_named_when_it_is_needed_as_without_a_cache(data, tmp_path, kind, workers):
    data.image_paths[3].write_bytes(b"no image")
    scenes = open_all(data, kind, tmp_path / "cache" if kind == "disk" else None, workers)
    assert batches(scenes, workers, [[0, 1]]) == batches(open_all(data, "none"), keys=[[0, 1]])
    for key in (3, (3, 1)):
        with pytest.raises(InputError) as stop:
            batches(scenes, workers, [[0, key]])
        assert str(stop.value).startswith(f"cannot read the image {data.image_paths[3]}: cannot identify")


def test_an_unreadable_image_is_named_when_the_device_needs_it(data):
    data.image_paths[3].write_bytes(b"no image")
    scenes = on_device(open_all(data, "memory"))
    assert batches(scenes, keys=[[0, 1]]) == batches(open_all(data, "none"), keys=[[0, 1]])
    with pytest.raises(InputError, match=f"cannot read the image {data.image_paths[3]}"):
        batches(scenes, keys=[[0, (3, 1)]])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\n",
        b"[]\n",
        b"{}\n[1, 2]\n",
        b'{HEAD}\n["a", 1]\n',
        b'{HEAD}\n["a", 1, 2, 3, 4, 5, "6"]\n',
        b'{HEAD}\n["a", 1, 2, 999999999, 4, 5, 6]\n',
        b'{HEAD}\n[["a"], 1, 2, 3, 4, 5, 6]\n',
        b'{HEAD}\n["a", 1, 2, -9, 4, 5, 6]\n',
        b"{HEAD}\n7\n",
        b"[" * 9999 + b"\n",
    ],
)
def test_a_damaged_index_is_made_anew(data, tmp_path, content):
    expected = batches(open_all(data, "disk", tmp_path))
    head = (tmp_path / "37.jsonl").read_bytes().split(b"\n")[0]
    (tmp_path / "37.jsonl").write_bytes(content.replace(b"{HEAD}", head))
    open_shared.cache_clear()
    assert batches(open_all(data, "disk", tmp_path)) == expected


@pytest.mark.parametrize(
    "damage",
    [
        lambda file: file.unlink(),
        lambda file: os.truncate(file, file.stat().st_size - 1),
        lambda file: file.write_bytes(b""),
    ],
)
def test_pixels_that_are_cut_off_are_made_anew(data, tmp_path, damage):
    expected = batches(open_all(data, "disk", tmp_path))
    damage(tmp_path / "37.pixels")
    open_shared.cache_clear()
    assert batches(open_all(data, "disk", tmp_path)) == expected


@pytest.mark.parametrize("kind", ["disk", "memory", "device"])
def test_damaged_pixels_are_refused(data, tmp_path, kind):
    open_all(data, "disk", tmp_path)
    with (tmp_path / "37.pixels").open("r+b") as file:
        file.seek(100)
        file.write(bytes(byte ^ 1 for byte in file.peek(1)[:1]))
    open_shared.cache_clear()
    with pytest.raises(InputError, match="37.pixels is damaged: delete it"):
        batches(open_all(data, kind, tmp_path))


def test_pixels_that_other_processes_read_are_not_overwritten(data, tmp_path):
    scenes = open_all(data, "disk", tmp_path)
    expected = batches(scenes)
    (tmp_path / "37.jsonl").write_text("damaged\n")
    data.image_paths.reverse()
    open_all(data, "disk", tmp_path)
    assert batches(scenes) == expected
