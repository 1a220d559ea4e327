"""A cache of decoded images changes no number, and notices what has changed."""

import json
import os
import pickle
import zlib
from importlib.metadata import version

import numpy as np
import pytest
import torch
from decoded import CPU, HOW, KEYS, batches, on_device, open_all, watch_decoding
from PIL import Image
from torchvision import transforms

from data import store
from data.cache import open_cache, open_shared
from data.pipeline import Images, ImagesOnDevice, Preprocessing, dsva_preprocessing, image_loader
from helpers import QUICK, load, log, run
from tiny_data import write_dataset

KINDS = ["none", "disk", "memory", "device"]


# ---- the same numbers ------------------------------------------------------------------------------


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize(
    "kind, named", [("disk", True), ("memory", False), ("memory", True), ("device", False), ("device", True)]
)
def test_every_cache_gives_the_same_images(data, tmp_path, kind, named, workers):
    scenes = open_all(data, kind, tmp_path / "cache" if named else None, workers)
    assert batches(scenes, workers) == batches(open_all(data, "none"))
    assert (tmp_path / "cache").exists() == named


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


def test_on_other_devices_than_nvidias_they_stay_in_memory(data):
    decoded = open_cache("device", data.image_paths, HOW, None, 0, torch.device("meta"))
    assert isinstance(decoded.content, np.ndarray)
    in_memory = open_all(data, "memory")
    assert torch.equal(decoded[7], in_memory.decoded[7])


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
