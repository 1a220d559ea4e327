"""A cache changes no number, notices what has changed, and survives what may happen to it."""

import json
import os
import pickle
import signal
import subprocess
import sys
import time
import zlib
from argparse import Namespace
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torchvision import transforms

from data import cache, decoding, store
from data.cache import open_cache, open_shared
from data.pipeline import Images, ImagesOnDevice, Preprocessing, dsva_preprocessing, image_loader
from data.store import Store
from helpers import QUICK, fails, load, log, run
from support.errors import InputError
from tiny_data import write_dataset

REPOSITORY = Path(__file__).parents[2]
CPU = torch.device("cpu")
HOW = dsva_preprocessing(32, "imagenet")
KINDS = ["none", "disk", "memory", "device"]
KEYS = [[0, 7, 59], [(3, 1), (3, 2), (44, 5)], [(20, draw) for draw in range(30)]]  # of test and of training


@pytest.fixture
def data(tmp_path):
    open_shared.cache_clear()
    data = load(write_dataset(tmp_path))
    for place, size in {7: (90, 33), 20: (33, 90)}.items():  # of any shape
        Image.effect_noise(size, 80).convert("RGB").save(data.image_paths[place])
    return data


def open_all(data, kind, folder=None, workers=0):
    decoded = open_cache(kind, data.image_paths, HOW, folder, workers, CPU)
    return Images(data.image_paths, HOW, data.labels, decoded)


def batches(scenes, workers=0, keys=KEYS):
    return [(images.tolist(), labels.tolist()) for images, labels in image_loader(scenes, keys, workers, CPU)]


def watch_decoding(monkeypatch) -> list:
    """The files that are decoded from now on."""

    decode, seen = decoding.decode, []

    def watched(path, how):
        seen.append(path)
        return decode(path, how)

    monkeypatch.setattr(decoding, "decode", watched)
    return seen


# ---- the same numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "kind, named", [("disk", True), ("memory", False), ("memory", True), ("device", False), ("device", True)]
)
def test_every_cache_gives_the_same_images(data, tmp_path, kind, named, workers):
    scenes = open_all(data, kind, tmp_path / "cache" if named else None, workers)
    assert batches(scenes, workers) == batches(open_all(data, "none"))
    assert (tmp_path / "cache").exists() == named


def on_device(scenes) -> Images:
    """As on a GPU, but on the CPU."""
    scenes.decoded.content = torch.from_numpy(scenes.decoded.content)
    return scenes


def test_whole_batches_are_cut_out_on_the_device(data):
    loader = image_loader(on_device(open_all(data, "memory")), KEYS, 2, CPU)
    assert isinstance(loader.loader.dataset, ImagesOnDevice) and len(loader) == len(KEYS)
    assert [(images.tolist(), labels.tolist()) for images, labels in loader] == batches(
        open_all(data, "none")
    )


@pytest.mark.parametrize(
    "words", ["--gzsl --sel_res main", "--protocol clean --train_mode random --batch_size 7"]
)
def test_a_run_gives_the_same_numbers_with_every_cache(root, clip, tmp_path, words, capsys):
    for kind in KINDS:
        run(
            f"{QUICK} {words} --nepoch 2 --cache {kind}"
            + (f" --cache_dir {tmp_path / 'cache'}" if kind == "disk" else ""),
            root=root,
            clip=clip,
            output=tmp_path / kind,
        )
        assert log(tmp_path / kind) == log(tmp_path / "none")
    assert (
        capsys.readouterr().out.count("cache   60 images in ") == 3
    )  # once, however many trainings there are
    run(
        f"{QUICK} {words} --nepoch 2 --cache memory", root=root, clip=clip, output=tmp_path / "none"
    )  # is the same run, and finished


def test_the_file_lies_beside_the_dataset_and_serves_later_runs(clip, tmp_path, monkeypatch):
    write_dataset(tmp_path)
    for name, opened in (("first", 60), ("second", 0)):
        open_shared.cache_clear()
        seen = watch_decoding(monkeypatch)
        run(f"{QUICK} --nepoch 1 --cache disk", root=tmp_path, clip=clip, output=tmp_path / name)
        assert len(seen) == opened
    assert {file.name for file in (tmp_path / "RSSDIVCS" / "cache").iterdir()} == {
        ".lock",
        "37.pixels",
        "37.jsonl",
    }


def test_a_worker_that_is_not_forked_maps_the_file_itself(data, tmp_path):
    images = open_all(data, "disk", tmp_path).decoded
    sent = pickle.dumps(images)
    assert len(sent) < len(images.content) / 10 and torch.equal(pickle.loads(sent)[7], images[7])


def test_pictures_in_memory_can_be_sent_as_well(data):
    images = open_all(data, "memory").decoded
    assert torch.equal(pickle.loads(pickle.dumps(images))[7], images[7])


def test_the_layout_of_the_file_is_that_of_earlier_versions(data, tmp_path, monkeypatch):
    """A file that they wrote is used, and nothing is decoded anew."""
    pixels = b""
    made_by = {"format": 1, "pillow": version("pillow"), "torchvision": version("torchvision")}
    lines = [made_by]
    for path in data.image_paths:
        picture = transforms.Resize(37)(Image.open(path))
        content = np.asarray(picture).transpose(2, 0, 1).tobytes()
        width, height = picture.size
        entry = [
            path.stat().st_size,
            path.stat().st_mtime_ns,
            len(pixels),
            height,
            width,
            zlib.crc32(content),
        ]
        lines.append([str(path), *entry])
        pixels += content
    (tmp_path / "37.pixels").write_bytes(pixels)
    (tmp_path / "37.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    seen = watch_decoding(monkeypatch)
    assert batches(open_all(data, "disk", tmp_path)) == batches(open_all(data, "none"))
    assert not seen


def test_decoding_draws_no_random_number(data):
    torch.manual_seed(3)
    open_all(data, "memory")
    assert torch.rand(1) == torch.rand(1, generator=torch.Generator().manual_seed(3))


# ---- what changes ----------------------------------------------------------------------------------


def test_a_changed_image_is_decoded_anew_and_no_other(data, tmp_path, monkeypatch):
    open_all(data, "disk", tmp_path)
    Image.new("RGB", (50, 60), (9, 8, 7)).save(data.image_paths[4])
    touched = data.image_paths[5].stat()
    os.utime(data.image_paths[5], ns=(touched.st_atime_ns, touched.st_mtime_ns + 1))
    seen = watch_decoding(monkeypatch)
    scenes = open_all(data, "disk", tmp_path)
    assert seen == data.image_paths[4:6]
    assert scenes[4][0].unique().tolist() == [7, 8, 9] and batches(scenes) == batches(open_all(data, "none"))


def test_other_datasets_and_sizes_share_the_folder(data, tmp_path, monkeypatch):
    open_all(data, "disk", tmp_path)
    seen = watch_decoding(monkeypatch)
    other = load(write_dataset(tmp_path / "other"))
    other.image_paths[30:] = data.image_paths[30:]
    assert batches(open_all(other, "disk", tmp_path)) == batches(open_all(other, "none"))
    assert seen == other.image_paths[:30]
    larger = dsva_preprocessing(64, "imagenet")
    assert (
        open_cache("disk", data.image_paths, larger, tmp_path, 0, CPU)[0].shape[1] == 73 and len(seen) == 90
    )


def test_bicubic_and_bilinear_pictures_do_not_mix(data, tmp_path):
    bicubic = Preprocessing(32, 37, HOW.mean, HOW.std, bicubic=True)
    other = open_cache("disk", data.image_paths, bicubic, tmp_path, 0, CPU)
    assert batches(open_all(data, "disk", tmp_path)) == batches(open_all(data, "none"))
    images = Images(data.image_paths, bicubic, data.labels)
    assert batches(Images(data.image_paths, bicubic, data.labels, other)) == batches(images)
    assert batches(images) != batches(open_all(data, "none"))
    assert {file.name for file in tmp_path.glob("*.pixels")} == {"37.pixels", "37-bicubic.pixels"}


@pytest.mark.parametrize("library", ["pillow", "torchvision"])
def test_what_another_version_decoded_is_made_anew(data, tmp_path, monkeypatch, library, capsys):
    open_all(data, "disk", tmp_path)
    monkeypatch.setattr(store, "version", lambda name: "1.2.3" if name == library else "5")
    open_shared.cache_clear()
    seen = watch_decoding(monkeypatch)
    open_all(data, "disk", tmp_path)
    assert len(seen) == 60 and "is damaged, or of other versions, and is made anew" in capsys.readouterr().out


# ---- damage ----------------------------------------------------------------------------------------


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


# ---- interrupted, and two at once ------------------------------------------------------------------


def process(data, folder: Path, **how) -> subprocess.Popen:
    code = (
        "import torch; from pathlib import Path; from data import cache, decoding, pipeline\n"
        "decoding.AT_ONCE = 2\n"
        f"paths = [Path(path) for path in {list(map(str, data.image_paths))!r}]\n"
        "how = pipeline.dsva_preprocessing(32, 'imagenet')\n"
        f"folder, device = Path({str(folder)!r}), torch.device('cpu')\n"
        "images = cache.open_cache('disk', paths, how, folder, 0, device)\n"
        "print(all(images[i] is not None for i in range(60)))"
    )
    return subprocess.Popen(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(REPOSITORY / "model"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        text=True,
        **how,
    )


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


def test_on_other_devices_than_nvidias_they_stay_in_memory(data):
    decoded = open_cache("device", data.image_paths, HOW, None, 0, torch.device("meta"))
    assert isinstance(decoded.content, np.ndarray)
    in_memory = open_all(data, "memory")
    assert torch.equal(decoded[7], in_memory.decoded[7])


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
